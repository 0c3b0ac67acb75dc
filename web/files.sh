#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# files.sh TOP FILE...: the page's files as a table in C (web/internal.h, struct web_file). Paths begin after web/page.
set -eu
top=$1
shift
echo '/* SPDX-License-Identifier: BSD-3-Clause */'
echo '/* Made by web/files.sh. */'
echo '#include "web/internal.h"'
n=0
for file; do
    echo "static const unsigned char file_${n}[] = {"
    od -An -v -tu1 "$top/$file" | sed 's/[0-9][0-9]*/&,/g'
    echo '};'
    n=$((n + 1))
done
echo 'const struct web_file web_files[] = {'
n=0
for file; do
    case $file in
    *.html) type='text/html; charset=utf-8' ;;
    *.css) type='text/css; charset=utf-8' ;;
    *.js) type='text/javascript; charset=utf-8' ;;
    *.json) type='application/json' ;;
    *.svg) type='image/svg+xml' ;;
    *) echo "files.sh: $file: of what type is it?" >&2; exit 1 ;;
    esac
    echo "    {\"${file#web/page}\", \"$type\", file_$n, sizeof(file_$n)},"
    n=$((n + 1))
done
echo '    {NULL, NULL, NULL, 0},'
echo '};'
