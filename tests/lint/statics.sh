#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# No mutable state at file scope, nor in a static local: looks for symbols in writable sections of the object files of the
# plain build. What has to be (a signal handler's flag) is named with its reason in statics.txt.
. "$(dirname "$0")/lib.sh"

need objdump
[ -f "$build/config.status" ] || { echo "$build holds no build"; exit 77; }
allowed=$(sed -e '/^#/d' -e 's/[ \t].*//' tests/lint/statics.txt)
bad=0
while read -r source; do
    object=$build/${source%.c}.o
    [ -f "$object" ] || continue
    while read -r symbol; do
        name=${symbol%%.*}
        grep -qxF "$source:$name" <<< "$allowed" && continue
        line=$(grep -nw -m 1 -- "$name" "$source" | cut -d: -f1)
        echo "$source:${line:-1}: $name is mutable and outlives its function; pass it in a struct"
        bad=1
    done < <(objdump -t "$object" |
        awk '/ O / { for (i = 2; i < NF; i++) if ($i ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && $i !~ /^\.data\.rel\.ro/) print $NF }')
done < <(files c | grep -v '^tests/')
exit $bad
