# SPDX-License-Identifier: BSD-3-Clause
# Makes usp/fields.h from the .proto files: one enumerator per field and per enum value, named
# <PACKAGE>_<MESSAGE>[_<INNERMOST NESTED>]_<FIELD>, e.g. USP_GET_PARAM_PATHS = 1. What lies between the outermost and
# the innermost message is left out: names stay short, and still differ (the compiler would say if they did not).
function snake(text)
{
    # CamelCase to SNAKE_CASE: GetSupportedDM -> GET_SUPPORTED_DM, MQTTConnectRecord -> MQTT_CONNECT_RECORD.
    text = text "|"
    while (match(text, /[a-z0-9][A-Z]/))
        text = substr(text, 1, RSTART) "_" substr(text, RSTART + 1)
    while (match(text, /[A-Z][A-Z][a-z]/))
        text = substr(text, 1, RSTART) "_" substr(text, RSTART + 1)
    sub(/[|]$/, "", text)
    return toupper(text)
}
function prefix(    i, name)
{
    name = toupper(package)
    name = name "_" snake(stack[1])
    for (i = depth; i > 1; i--)
        if (stack[i] != "")
            return name "_" snake(stack[i])
    return name
}
BEGIN {
    print "/* SPDX-License-Identifier: BSD-3-Clause */"
    print "/* Made by usp/proto/fields.awk from the .proto files: change those. */"
    print "#ifndef USP_FIELDS_H\n#define USP_FIELDS_H\n"
}
{ sub(/\/\/.*/, "") }
/^[ \t]*package / { package = $2; sub(/;/, "", package); print "/* package " package " */"; next }
/^[ \t]*(message|enum) / {
    stack[++depth] = $2
    kind[depth] = $1
    opened[depth] = 0
    if ($0 ~ /}/)
        depth--
    next
}
/^[ \t]*oneof / { stack[++depth] = ""; kind[depth] = "oneof"; next }
/=/ && depth > 0 {
    line = $0
    sub(/;.*/, "", line)
    number = line
    sub(/^[^=]*=[ \t]*/, "", number)
    sub(/[ \t]*=.*/, "", line)
    n = split(line, words, /[ \t]+/)
    printf "enum { %s_%s = %d };\n", prefix(), toupper(words[n]), number
}
/}/ { depth-- }
END { print "\n#endif" }
