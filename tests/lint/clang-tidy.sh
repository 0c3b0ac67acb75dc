#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The checks are in .clang-tidy. A finding that is wrong is silenced in place: // NOLINT(check-name): why.
. "$(dirname "$0")/lib.sh"

tool=$(command -v clang-tidy-14 || command -v clang-tidy) || need clang-tidy-14
[ -f "$build/config.h" ] || { echo "$build holds no build"; exit 77; }
tidy() { # TOOL BUILD FILE...
    local tool=$1 build=$2
    shift 2
    "$tool" --quiet "$@" -- -std=gnu11 -D_GNU_SOURCE -I. "-I$build" 2> /dev/null
}
export -f tidy

if [ $# -gt 0 ]; then printf '%s\n' "$@"; else files c | grep -v '^tests/'; fi |
    { xargs -r -n 4 -P 2 bash -c 'tidy "$@"' tidy "$tool" "$build" || true; } |
    awk -v top="$PWD/" '/^[^ ]+:[0-9]+:[0-9]+: (warning|error):/ {
        if (index($0, top) == 1)
            $0 = substr($0, length(top) + 1)
        sub(/: (warning|error):/, ":")
        if (!seen[$0]++)
            print
        bad = 1
    }
    END { exit bad }'
