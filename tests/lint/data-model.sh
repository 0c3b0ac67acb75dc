#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# docs/data-model.md is what `make data-model` makes of the declarations.
. "$(dirname "$0")/lib.sh"

dump=$build/tests/reference/dump_model
[ -x "$dump" ] || { echo "$dump is not built"; exit 77; }
"$dump" | awk -f docs/data-model.awk | diff -q - docs/data-model.md > /dev/null ||
    { echo "docs/data-model.md:1: the declarations have changed; run \`make data-model\`"; exit 1; }
