#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Plain ASCII, no trailing blanks, no tabs in C; each source opens with its licence line.
. "$(dirname "$0")/lib.sh"

bad=0
complain() { # MESSAGE, reads grep -n output
    local line
    while read -r line; do echo "$(cut -d: -f1,2 <<< "$line"): $1"; bad=1; done
}
complain 'a character outside ASCII' < <(files c h am ac sh py proto | xargs grep -nHP '[^\x00-\x7f]')
complain 'blanks at the end of the line' < <(files c h am ac sh py md proto | xargs grep -nHE '[ 	]+$')
complain 'a tab' < <(files c h py | xargs grep -nHP '\t')
# Code is cut at 110 by clang-format; comments may go to 132, tables under "clang-format off" as far as they like.
complain 'line longer than 132 columns' < <(files c h | xargs awk '
    /clang-format off/ { off = FILENAME } /clang-format on/ { off = "" }
    length > 132 && off != FILENAME { print FILENAME ":" FNR ":" }')
while read -r file; do
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' ||
        { echo "$file:1: the first line is /* SPDX-License-Identifier: BSD-3-Clause */"; bad=1; }
done < <(files c h sh py am)
exit $bad
