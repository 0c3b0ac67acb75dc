#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# C sources as clang-format 14 writes them (other versions differ in small ways). `format.sh --fix [FILE...]` rewrites.
. "$(dirname "$0")/lib.sh"

tool=$(command -v clang-format-14 || command -v clang-format) || need clang-format-14
if [ "${1-}" = --fix ]; then
    shift
    if [ $# -gt 0 ]; then "$tool" -i "$@"; else files c h | xargs "$tool" -i; fi
    exit
fi
files c h | xargs -n 20 -P 2 "$tool" --dry-run -Werror 2>&1 |
    awk '/: error: code should be clang-formatted/ { sub(/ \[-W.*/, " (tests/lint/format.sh --fix)"); print; bad = 1 } END { exit bad }'
