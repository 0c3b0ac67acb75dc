/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration files: keys and values lie in the input or its arena, are trimmed, and lines count upwards. */
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_line *line;
    struct arena arena;
    struct error err;
    unsigned number = 0;

    arena_init(&arena, 64 << 20);
    if (conf_parse(&arena, "fuzz", (struct str){(const char *)data, size}, &line, &err) < 0) {
        if (err.code != ERROR_INVALID_CONFIGURATION || strncmp(err.path, "fuzz:", 5) != 0)
            abort();
        line = NULL;
    }
    for (; line; line = line->next) {
        if (!line->key.len || line->number <= number || !str_is_utf8(line->key) ||
            !str_is_utf8(line->value) || memchr(line->key.data, '=', line->key.len) ||
            !str_equal(line->key, str_trim(line->key)))
            abort();
        number = line->number;
    }
    arena_done(&arena);
    return 0;
}
