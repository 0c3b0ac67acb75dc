#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Each folder includes only what layering.txt lets it, and names headers from the top of the tree.
. "$(dirname "$0")/lib.sh"

files c h | xargs awk '
    function folder(path,    best, f) {
        best = ""
        for (f in rule)
            if (index(path, f "/") == 1 && length(f) > length(best))
                best = f
        return best
    }
    function to_regex(glob) {
        gsub(/\./, "[.]", glob)
        gsub(/\*/, ".*", glob)
        return "^" glob "$"
    }
    function allowed(from, header,    to, n, list, i) {
        to = folder(header)
        if (from == to)
            return 1
        n = split(rule[from], list, " ")
        for (i = 1; i <= n; i++)
            if (list[i] == "*" || list[i] == to || header ~ to_regex(list[i]))
                return 1
        return 0
    }
    function complain(text) {
        printf "%s:%d: %s\n", FILENAME, FNR, text
        bad = 1
    }
    BEGIN {
        while ((getline line < "tests/lint/layering.txt") > 0)
            if (line ~ /^[a-z]/) {
                name = list = line
                sub(/:.*/, "", name)
                sub(/^[^:]*:/, "", list)
                rule[name] = list
            }
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        header = $0
        sub(/^[^"]*"/, "", header)
        sub(/".*/, "", header)
        if (header == "config.h")
            next
        from = folder(FILENAME)
        if (from == "")
            complain("this folder has no row in tests/lint/layering.txt")
        else if (header !~ /\// || header ~ /\.\.\//)
            complain("\"" header "\": name it from the top of the tree")
        else if (folder(header) == "")
            complain("\"" header "\" is in no folder of tests/lint/layering.txt")
        else if (!allowed(from, header))
            complain(from "/ may not include " header)
    }
    END { exit bad }'
