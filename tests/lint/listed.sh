#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every unit test, fuzz target and C source is in a module.am: a test that is not listed would pass by not running.
. "$(dirname "$0")/lib.sh"

bad=0
list=$(files am | xargs cat | sed -e 's,#.*,,' -e 's,[\]$,,' | tr -s '[:space:]' '\n')
while read -r source; do
    grep -qxF -e "$source" -e "${source%.c}" <<< "$list" || { echo "$source:1: is in no module.am"; bad=1; }
done < <(files c)
while read -r target; do
    corpus=tests/fuzz/corpus/${target#tests/fuzz/fuzz_}
    [ -n "$(find "$corpus" -type f 2> /dev/null | head -n 1)" ] || { echo "$target.c:1: has no corpus in $corpus"; bad=1; }
done < <(grep '^tests/fuzz/fuzz_' <<< "$list" | grep -v '\.' | sort -u)
exit $bad
