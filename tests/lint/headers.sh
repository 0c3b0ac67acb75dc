#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Each header compiles on its own and has an include guard named after its path.
. "$(dirname "$0")/lib.sh"

[ -f "$build/config.h" ] || { echo "$build holds no build"; exit 77; }
bad=0
while read -r header; do
    guard=$(tr 'a-z/.-' 'A-Z___' <<< "$header")
    grep -q "^#ifndef $guard\$" "$header" || { echo "$header:1: the include guard is not $guard"; bad=1; }
done < <(files h)
compile() { "${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-function -fsyntax-only -I. "-I$1" -x c -include "$2" /dev/null; }
export -f compile
files h | xargs -P 2 -I '{}' bash -c 'compile "$@"' compile "$build" '{}' 2>&1 |
    awk '/: (error|warning):/ { print; bad = 1 } END { exit bad }' || bad=1
exit $bad
