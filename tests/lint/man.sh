#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

need mandoc
find docs -name '*.[1-8]' | sort | xargs -r mandoc -T lint -W warning | sed -E 's/^mandoc: ([^:]+:[0-9]+):[0-9]+:/\1:/' |
    awk '{ print; bad = 1 } END { exit bad }'
