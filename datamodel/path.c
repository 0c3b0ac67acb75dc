/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing path names. */
#include "datamodel/path.h"

#include <string.h>

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int syntax(struct error *err, struct str text, const char *what)
{
    char path[ERROR_PATH_BYTES];

    str_copy(path, sizeof(path) < text.len + 1 ? sizeof(path) : text.len + 1, text.data ? text.data : "");
    return error_set(err, ERROR_INVALID_PATH_SYNTAX, path, "%s", what);
}

/* ---- search expressions ---- */

/* The first place of `what` outside quotes and brackets, or NULL. */
static const char *find_outside(struct str text, const char *what)
{
    size_t len = strlen(what);
    bool quoted = false;
    unsigned depth = 0;

    for (size_t i = 0; i + len <= text.len; i++) {
        char c = text.data[i];

        if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '[')
            depth++;
        else if (!quoted && c == ']' && depth)
            depth--;
        if (!quoted && !depth && memcmp(text.data + i, what, len) == 0)
            return text.data + i;
    }
    return NULL;
}

bool dm_path_next(struct str *rest, struct str *ret_path)
{
    const char *end;

    if (!rest->data)
        return false;
    end = find_outside(*rest, ",");
    *ret_path = (struct str){rest->data, end ? (size_t)(end - rest->data) : rest->len};
    *rest = end ? (struct str){end + 1, rest->len - ret_path->len - 1} : (struct str){NULL, 0};
    return true;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* TR-106: inside quotes '"' is written %22 and '%' is written %25. */
static int unescape(struct arena *arena, struct str text, struct str *ret)
{
    char *to = arena_alloc(arena, text.len + 1);
    size_t len = 0;

    if (!to)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '"')
            return -1;
        if (c == '%' && i + 2 < text.len && hex_value(text.data[i + 1]) >= 0 &&
            hex_value(text.data[i + 2]) >= 0) {
            c = (char)(hex_value(text.data[i + 1]) << 4 | hex_value(text.data[i + 2]));
            i += 2;
        }
        to[len++] = c;
    }
    *ret = (struct str){to, len};
    return 0;
}

static const struct {
    const char *text;
    enum dm_operator op;
} operators[] = {
    /* The longer first: "<=" begins with "<". */
    {"==", DM_EQUAL},    {"!=", DM_NOT_EQUAL}, {"<=", DM_LESS_EQUAL}, {">=", DM_GREATER_EQUAL},
    {"~=", DM_CONTAINS}, {"<", DM_LESS},       {">", DM_GREATER},
};

static int parse_right(struct arena *arena, struct str text, struct dm_term *ret)
{
    ret->quoted = text.len && text.data[0] == '"';
    if (!ret->quoted) {
        ret->right = text;
        return text.len && !memchr(text.data, '"', text.len) ? 0 : -1;
    }
    if (text.len < 2 || text.data[text.len - 1] != '"')
        return -1;
    return unescape(arena, (struct str){text.data + 1, text.len - 2}, &ret->right);
}

static int parse_term(struct arena *arena, struct str text, struct dm_term *ret, struct error *err)
{
    const char *at = NULL;
    size_t which = 0;
    struct str left;
    struct str right;

    /* The leftmost operator counts. */
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        const char *found = find_outside(text, operators[i].text);

        if (found && (!at || found < at)) {
            at = found;
            which = i;
        }
    }
    if (!at)
        return syntax(err, text, "a search expression needs an operator (== != < <= > >= ~=)");
    ret->op = operators[which].op;
    /* Blanks around operators are taken (R-ARC.9a). */
    left = str_trim((struct str){text.data, (size_t)(at - text.data)});
    right.data = at + strlen(operators[which].text);
    right.len = text.len - (size_t)(right.data - text.data);
    if (parse_right(arena, str_trim(right), ret) < 0)
        return syntax(err, text,
                      "the right side of a search expression is a quoted text, a number or a boolean");
    ret->left = arena_alloc(arena, sizeof(*ret->left));
    if (!ret->left)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    if (!left.len)
        return syntax(err, text, "the left side of a search expression is empty");
    return dm_path_parse(arena, left, ret->left, err);
}

static int parse_expression(struct arena *arena, struct str text, struct dm_segment *segment,
                            struct error *err)
{
    struct dm_term terms[LIMIT_EXPRESSION_TERMS];
    struct str whole = text;
    bool more = true;

    segment->kind = DM_SEGMENT_EXPRESSION;
    while (more) {
        const char *end = find_outside(text, "&&");
        struct str term = {text.data, end ? (size_t)(end - text.data) : text.len};

        more = end != NULL;
        if (segment->terms_count == LIMIT_EXPRESSION_TERMS)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u terms in a search expression",
                             LIMIT_EXPRESSION_TERMS);
        if (parse_term(arena, str_trim(term), &terms[segment->terms_count++], err) < 0)
            return -1;
        if (more) {
            text.data = end + 2;
            text.len = whole.len - (size_t)(text.data - whole.data);
        }
    }
    segment->terms = arena_alloc(arena, segment->terms_count * sizeof(*segment->terms));
    if (!segment->terms)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    memcpy(segment->terms, terms, segment->terms_count * sizeof(*segment->terms));
    return 0;
}

/* ---- segments ---- */

/* Cuts "+", "#3+" or "#*+" off the end of a name. */
static int parse_follow(struct str *name, int *ret_follow)
{
    const char *hash;
    uint64_t item;
    struct str number;

    *ret_follow = DM_FOLLOW_NONE;
    if (!name->len || name->data[name->len - 1] != '+')
        return 0;
    name->len--;
    *ret_follow = 0;
    hash = memchr(name->data, '#', name->len);
    if (!hash)
        return 0;
    number = (struct str){hash + 1, name->len - (size_t)(hash - name->data) - 1};
    name->len = (size_t)(hash - name->data);
    if (str_is(number, "*")) {
        *ret_follow = DM_FOLLOW_ALL;
        return 0;
    }
    if (str_to_u64(number, &item) < 0 || item == 0 || item > INT32_MAX)
        return -1;
    *ret_follow = (int)item;
    return 0;
}

static bool is_name(struct str name, bool last)
{
    if (!name.len || !(is_letter(name.data[0]) || name.data[0] == '_'))
        return false;
    if (last && name.len > 2 && memcmp(name.data + name.len - 2, "()", 2) == 0)
        name.len -= 2;
    else if (last && name.data[name.len - 1] == '!')
        name.len--;
    for (size_t i = 0; i < name.len; i++)
        if (!is_letter(name.data[i]) && !is_digit(name.data[i]) && name.data[i] != '_' && name.data[i] != '-')
            return false;
    return true;
}

static int parse_segment(struct arena *arena, struct str text, bool last, struct dm_segment *ret,
                         struct error *err)
{
    uint64_t number;

    *ret = (struct dm_segment){.kind = DM_SEGMENT_NAME, .follow = DM_FOLLOW_NONE, .name = text};
    if (str_is(text, "*")) {
        ret->kind = DM_SEGMENT_WILDCARD;
        return 0;
    }
    if (str_is(text, "{i}")) {
        ret->kind = DM_SEGMENT_PLACEHOLDER;
        return 0;
    }
    if (text.len && is_digit(text.data[0])) {
        if (str_to_u64(text, &number) < 0 || number == 0 || number > UINT32_MAX)
            return syntax(err, text, "not an instance number");
        ret->kind = DM_SEGMENT_INSTANCE;
        ret->instance = (uint32_t)number;
        return 0;
    }
    if (text.len > 2 && text.data[0] == '[' && text.data[text.len - 1] == ']')
        return parse_expression(arena, (struct str){text.data + 1, text.len - 2}, ret, err);
    if (parse_follow(&ret->name, &ret->follow) < 0 || !is_name(ret->name, last))
        return syntax(err, text, "not a name, instance number, wildcard or search expression");
    return 0;
}

/* Cuts off the segment before the next dot that is not inside an expression. */
static struct str cut(struct str *rest)
{
    const char *dot = find_outside(*rest, ".");
    struct str segment = {rest->data, dot ? (size_t)(dot - rest->data) : rest->len};

    rest->data += segment.len + (dot ? 1 : 0);
    rest->len -= segment.len + (dot ? 1 : 0);
    return segment;
}

int dm_path_parse(struct arena *arena, struct str text, struct dm_path *ret, struct error *err)
{
    struct dm_segment segments[LIMIT_PATH_DEPTH];
    struct str rest = text;

    if (!text.len)
        return syntax(err, text, "the path is empty");
    if (text.len > LIMIT_PATH_BYTES)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "a path of %zu bytes; %u are allowed", text.len,
                         LIMIT_PATH_BYTES);
    *ret = (struct dm_path){.final_dot = text.data[text.len - 1] == '.'};
    while (rest.len) {
        struct dm_segment *segment = &segments[ret->count < LIMIT_PATH_DEPTH ? ret->count : 0];
        struct str part = cut(&rest);

        if (ret->count == LIMIT_PATH_DEPTH)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u segments in a path",
                             LIMIT_PATH_DEPTH);
        if (parse_segment(arena, part, !rest.len && !ret->final_dot, segment, err) < 0)
            return -1;
        if (segment->kind == DM_SEGMENT_WILDCARD || segment->kind == DM_SEGMENT_EXPRESSION ||
            segment->follow == DM_FOLLOW_ALL)
            ret->search = true;
        ret->count++;
    }
    ret->segments = arena_alloc(arena, ret->count * sizeof(*ret->segments));
    if (!ret->segments)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    memcpy(ret->segments, segments, ret->count * sizeof(*ret->segments));
    return 0;
}
