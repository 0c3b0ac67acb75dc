# SPDX-License-Identifier: BSD-3-Clause
# Makes docs/data-model.md of what tests/reference/dump_model prints: path, kind, access, type, flags, least, most, values,
# default, and keys (of an object) or the rows referred to (of a parameter).
BEGIN {
    FS = "\t"
    print "# The data model\n"
    print "Made from the declarations in `datamodel/device/` by `make data-model`; not edited by hand. What is not said here is as"
    print "TR-181 Issue 2 says. W: a controller may write it."
}
function limits(    text) {
    if ($8 != "") {
        text = $8
        gsub(/\|/, ", ", text)
        return text
    }
    if ($6 == 0 && $7 == 0)
        return ""
    text = $7 == 0 || $7 > 4294967295 ? "from " $6 : $6 == 0 ? "up to " $7 : $6 == $7 ? $6 : $6 " to " $7
    return text ($4 == "string" || $4 == "base64" || $4 == "hexBinary" ? " characters" : "")
}
function member(    name) {
    name = $1
    sub(/^.*\./, "", name)
    return name
}
function table(header) {
    if (mode != header) {
        print "\n" header
        bars = header
        gsub(/[^|]+/, "---", bars)
        print bars
        mode = header
    }
}
$2 == "object" {
    print "\n## " $1 "\n"
    printf "%s", $4 == "table" ? ($3 == "readWrite" ? "A table; controllers add and delete rows." : "A table.") : "One object."
    print $10 == "" ? "" : " Unique: " $10 "."
    mode = ""
}
$2 == "param" {
    table("| parameter | type | W | values | default |")
    printf "| %s | %s%s%s | %s | %s%s | %s |\n", member(), $5 ~ /list/ ? "list of " : "", $4, $5 ~ /secret/ ? ", reads as empty" : "",
        $3 == "readWrite" ? "W" : "", limits(), $10 == "" ? "" : "rows of " $10, $9
}
$2 == "command" { table("| command or event | | type | values |"); printf "| **%s** | %s | | |\n", member(), $4 }
$2 == "event" { table("| command or event | | type | values |"); printf "| **%s** | event | | |\n", member() }
$2 ~ /^(input|output|argument)$/ {
    name = $1
    sub(/^[^ ]* /, "", name)
    printf "| %s | %s%s | %s | %s |\n", name, $2, $3 == "" ? "" : ", mandatory", $4, limits()
}
