/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"

int conf_error(const char *file, unsigned line, struct error *err, const char *fmt, ...)
{
    char where[ERROR_PATH_BYTES];
    va_list ap;

    snprintf(where, sizeof(where), "%s:%u", file, line);
    va_start(ap, fmt);
    error_set_va(err, ERROR_INVALID_CONFIGURATION, where, fmt, ap);
    va_end(ap);
    return -1;
}

/* Takes the quotes off and resolves \" and \\; the bytes are changed in place (they are ours). */
static int unquote(char *text, size_t len, struct str *ret)
{
    size_t out = 0;

    for (size_t i = 1; i + 1 < len; i++) {
        if (text[i] == '"')
            return -1;
        if (text[i] == '\\') {
            i++;
            if (i + 1 >= len || (text[i] != '"' && text[i] != '\\'))
                return -1;
        }
        text[out++] = text[i];
    }
    *ret = (struct str){text, out};
    return 0;
}

static int parse_line(struct arena *arena, const char *file, struct str text, unsigned number,
                      struct conf_line ***tail, struct error *err)
{
    const char *equals;
    struct conf_line *line;
    struct str value;

    text = str_trim(text);
    if (!text.len || text.data[0] == '#')
        return 0;
    equals = memchr(text.data, '=', text.len);
    if (!equals || equals == text.data)
        return conf_error(file, number, err, "expected \"key = value\"");
    line = arena_calloc(arena, 1, sizeof(*line));
    if (!line)
        return conf_error(file, number, err, "out of memory");
    line->number = number;
    line->key = str_trim((struct str){text.data, (size_t)(equals - text.data)});
    value = str_trim((struct str){equals + 1, text.len - (size_t)(equals + 1 - text.data)});
    line->value = value;
    if (value.len && value.data[0] == '"') {
        char *copy = arena_strndup(arena, value.data, value.len);

        if (!copy)
            return conf_error(file, number, err, "out of memory");
        if (value.len < 2 || value.data[value.len - 1] != '"' || unquote(copy, value.len, &line->value) < 0)
            return conf_error(file, number, err,
                              "the quoted value does not end, or holds an unescaped quote");
    }
    **tail = line;
    *tail = &line->next;
    return 0;
}

int conf_parse(struct arena *arena, const char *file, struct str text, struct conf_line **ret,
               struct error *err)
{
    struct conf_line *first = NULL;
    struct conf_line **tail = &first;
    unsigned number = 0;
    struct str line;

    while (text.len && str_next(&text, '\n', &line)) {
        number++;
        if (line.len > LIMIT_CONFIG_LINE_BYTES)
            return conf_error(file, number, err, "the line is longer than %u bytes", LIMIT_CONFIG_LINE_BYTES);
        if (!str_is_utf8(line))
            return conf_error(file, number, err, "the line is not UTF-8 text");
        if (parse_line(arena, file, line, number, &tail, err) < 0)
            return -1;
    }
    *ret = first;
    return 0;
}

int conf_read(struct arena *arena, const char *file, struct conf_line **ret, struct error *err)
{
    struct str text;
    int rc = file_read_text(AT_FDCWD, file, LIMIT_CONFIG_BYTES, arena, &text, err);

    if (rc == 0)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, file, ENOENT, "cannot be read");
    if (rc < 0)
        return -1;
    return conf_parse(arena, file, text, ret, err);
}
