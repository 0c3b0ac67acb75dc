#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The checks are in .clang-tidy. A finding that is wrong is silenced in place: // NOLINT(check-name): why.
. "$(dirname "$0")/lib.sh"

tool=$(command -v clang-tidy-14 || command -v clang-tidy) || need clang-tidy-14
[ -f "$build/config.h" ] || { echo "$build holds no build"; exit 77; }
# The analyzer takes minutes: only with HOMEPATCH_LONG (./check --long) or for the files named on the command line.
export CHECKS=
[ -n "${HOMEPATCH_LONG-}" ] || [ $# -gt 0 ] || CHECKS="-clang-analyzer-*"

# A file that was clean is remembered by a hash of all that went into it.
tidy() { # TOOL BUILD FILE
    local flags=(-std=gnu11 -D_GNU_SOURCE -I. "-I$2") key
    # shellcheck disable=SC2207 # words of flags
    flags+=($(sed -n 's/^XML_CFLAGS = //p' "$2/Makefile"))
    key=$2/tidy/$({ echo "$CHECKS"; cat .clang-tidy; clang -E -C "${flags[@]}" "$3" 2>&1; } | sha256sum | cut -d' ' -f1)
    [ -f "$key" ] && return
    "$1" --quiet --checks="$CHECKS" "$3" -- "${flags[@]}" 2> /dev/null && touch "$key"
}
export -f tidy
mkdir -p "$build/tidy"

if [ $# -gt 0 ]; then printf '%s\n' "$@"; else files c | grep -v '^tests/'; fi |
    { xargs -r -n 1 -P 2 bash -c 'tidy "$@"' tidy "$tool" "$build" || true; } |
    awk -v top="$PWD/" '/^[^ ]+:[0-9]+:[0-9]+: (warning|error):/ {
        if (index($0, top) == 1)
            $0 = substr($0, length(top) + 1)
        sub(/: (warning|error):/, ":")
        if (!seen[$0]++)
            print
        bad = 1
    }
    END { exit bad }'
