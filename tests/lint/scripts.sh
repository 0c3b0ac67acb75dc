#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Shell scripts through shellcheck, Python through pyflakes.
. "$(dirname "$0")/lib.sh"

need shellcheck
bad=0
mapfile -t scripts < <({ files sh; grep -rlE --exclude-dir='build*' --exclude-dir=.git --include='*' '^#!/bin/(ba)?sh' . | sed 's|^\./||'; } |
    grep -vE '^(build|configure|autom4te)' | sort -u)
shellcheck -x -P SCRIPTDIR -e SC2001,SC2015,SC2016,SC2317 -f gcc "${scripts[@]}" || bad=1
if /usr/bin/python3 -c 'import pyflakes' 2> /dev/null; then
    mapfile -t pythons < <({ files py; grep -rlE --exclude-dir='build*' --exclude-dir=.git '^#!.*python3' . | sed 's|^\./||'; } | sort -u)
    [ ${#pythons[@]} = 0 ] || /usr/bin/python3 -m pyflakes "${pythons[@]}" || bad=1
fi
exit $bad
