/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/http_range.h"

#include <string.h>

#include "base/str.h"

static bool parse_bound(struct str text, uint64_t *ret)
{
    return text.len && str_to_u64(text, ret) == 0;
}

int http_range_parse(const char *header, uint64_t size, struct http_range *ret)
{
    struct str rest = str_of(header);
    struct str first;
    uint64_t a;
    uint64_t b;

    if (!str_starts(rest, STR("bytes=")) || strchr(header, ','))
        return 0;
    rest = (struct str){rest.data + 6, rest.len - 6};
    if (!memchr(rest.data, '-', rest.len) || !str_next(&rest, '-', &first))
        return 0;
    if (!first.len) { /* the last so many bytes */
        if (!parse_bound(rest, &b))
            return 0;
        *ret = (struct http_range){b < size ? size - b : 0, size};
        return b && size ? 1 : -1;
    }
    if (!parse_bound(first, &a) || (rest.len && !parse_bound(rest, &b)))
        return 0;
    if (rest.len && b < a)
        return 0;
    if (a >= size)
        return -1;
    *ret = (struct http_range){a, rest.len && b < size - 1 ? b + 1 : size};
    return 1;
}
