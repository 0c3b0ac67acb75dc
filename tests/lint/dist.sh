#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# `make dist` carries every file that git knows.
. "$(dirname "$0")/lib.sh"

[ -e .git ] && [ -f "$build/Makefile" ] || { echo "needs a git checkout and a build"; exit 77; }
carried=$(make -s -C "$build" print-distfiles | tail -n 1 | tr ' ' '\n' | sed "s|^$(sed -n 's/^srcdir = //p' "$build/Makefile")/||")
missing=$(git ls-files | awk -v carried="$carried" '
    BEGIN {
        n = split(carried, list, "\n")
        for (i = 1; i <= n; i++)
            in_tarball[list[i]] = 1
    }
    # A folder in EXTRA_DIST carries all below it.
    {
        for (path = $0; path != ""; path = path ~ /\// ? path : "") {
            if (path in in_tarball)
                next
            sub(/\/?[^\/]*$/, "", path)
        }
        if ($0 !~ /(^|\/)\.gitignore$/)
            print $0 ":1: is not in the tarball; name it in SOURCES or EXTRA_DIST"
    }')
[ -z "$missing" ] || { echo "$missing"; exit 1; }
