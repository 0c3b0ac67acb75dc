#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Functions stay under 60 lines (from the opening brace to the closing one), files under 600. What is longer says why in the
# first comment of its file, one line each:
#     size: file: <reason>
#     size: <function>: <reason>
. "$(dirname "$0")/lib.sh"

files c h py | xargs awk '
    function ended() {
        if (file != "" && lines >= 600 && !("file" in reason)) {
            printf "%s:%d: the file has %d lines, the limit is 599\n", file, lines, lines
            bad = 1
        }
    }
    FNR == 1 {
        ended()
        file = FILENAME
        start = 0
        in_header = 1
        split("", reason)
    }
    { lines = FNR }
    FILENAME ~ /\.py$/ { if (/^# size: file: ./) reason["file"] = 1; next }
    /^#[ \t]*(include|ifndef|define)/ { in_header = 0 }
    in_header && match($0, /size: [a-z0-9_]+: ./) {
        name = substr($0, RSTART + 6)
        sub(/:.*/, "", name)
        reason[name] = 1
    }
    /^[a-z].*\(/ && !/;[ \t]*$/ {
        name = $0
        sub(/\(.*/, "", name)
        sub(/^.*[ *]/, "", name)
    }
    /^\{/ { start = FNR }
    /^\}/ && start {
        if (FNR - start + 1 >= 60 && !(name in reason)) {
            printf "%s:%d: %s() has %d lines, the limit is 59\n", FILENAME, start, name, FNR - start + 1
            bad = 1
        }
        start = 0
    }
    END { ended(); exit bad }'
