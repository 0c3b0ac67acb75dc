/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/withdrawn.h"

#include <string.h>

#include "base/conf.h"
#include "firmware/verify.h"

void withdrawn_init(struct withdrawn *list)
{
    arena_init(&list->arena, 0);
    map_init(&list->reasons);
}

void withdrawn_done(struct withdrawn *list)
{
    map_done(&list->reasons);
    arena_done(&list->arena);
}

/* The digest in lower case, or NULL. */
static char *digest_of(struct arena *arena, struct str text)
{
    char *digest = arena_strndup(arena, text.data, text.len);

    if (!digest || text.len != VERIFY_SHA256_HEX_BYTES - 1)
        return NULL;
    for (char *at = digest; *at; at++) {
        if (*at >= 'A' && *at <= 'F')
            *at = (char)(*at - 'A' + 'a');
        else if (!strchr("0123456789abcdef", *at))
            return NULL;
    }
    return digest;
}

static int add(struct withdrawn *list, const char *file, const struct conf_line *line, struct error *err)
{
    const char *digest = digest_of(&list->arena, line->key);
    const char *reason = arena_strndup(&list->arena, line->value.data, line->value.len);

    if (!digest)
        return conf_error(file, line->number, err,
                          "\"%.*s\" is not a SHA-256 digest of 64 hexadecimal digits",
                          (int)(line->key.len > 80 ? 80 : line->key.len), line->key.data);
    if (!line->value.len)
        return conf_error(file, line->number, err, "say why it is withdrawn: DIGEST = REASON");
    if (!reason || map_put(&list->reasons, str_of(digest), (void *)reason) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, file, "out of memory");
    return 0;
}

int withdrawn_read(struct withdrawn *list, const char *file, struct error *err)
{
    struct withdrawn next;
    struct conf_line *lines;
    int result;

    withdrawn_init(&next);
    result = conf_read(&next.arena, file, &lines, err);
    for (; result == 0 && lines; lines = lines->next)
        result = add(&next, file, lines, err);
    if (result < 0) {
        withdrawn_done(&next);
        return -1;
    }
    withdrawn_done(list);
    *list = next;
    return 0;
}

const char *withdrawn_reason(const struct withdrawn *list, const char *sha256)
{
    return map_get(&list->reasons, str_of(sha256));
}
