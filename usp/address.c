/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/address.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"

static const char REPLY_TO[] = "/reply-to=";

/* ---- WebSocket ---- */

/* Undoes %HH in place. */
static void decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        uint8_t byte;

        if (*from == '%' && from[1] && str_from_hex((struct str){from + 1, 2}, &byte, 1) == 1) {
            *to++ = (char)byte;
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

char *usp_endpoint_of_handshake(const char *query, const char *extensions)
{
    struct str rest = str_of(query);
    struct str part;
    const char *extension;
    char *endpoint = NULL;

    while (!endpoint && rest.len && str_next(&rest, '&', &part))
        if (str_starts(part, STR("eid=")))
            endpoint = str_dup(part.data + 4, part.len - 4);
    if (endpoint) {
        decode(endpoint);
        return endpoint;
    }
    extension = strstr(extensions, "eid=");
    if (!extension)
        return NULL;
    extension += 4;
    if (*extension == '"')
        extension++;
    return str_dup(extension, strcspn(extension, "\";, "));
}

/* The text that was written, or NULL; a buffer without headroom starts at its allocation. */
static char *text_of(struct buf *buf)
{
    buf_append_byte(buf, 0);
    if (!buf->failed)
        return (char *)buf->base;
    buf_done(buf);
    return NULL;
}

char *usp_handshake_path(const char *path, const char *endpoint_id)
{
    struct buf buf;

    buf_init(&buf, LIMIT_PATH_BYTES * 4, 0);
    buf_printf(&buf, "%s%s%ceid=", path[0] == '/' ? "" : "/", path, strchr(path, '?') ? '&' : '?');
    for (; *endpoint_id; endpoint_id++) {
        unsigned char c = (unsigned char)*endpoint_id;

        if (c <= ' ' || strchr("%&#", c))
            buf_printf(&buf, "%%%02X", c);
        else
            buf_append_byte(&buf, c);
    }
    return text_of(&buf);
}

/* ---- MQTT 3.1.1 ---- */

char *usp_topic_with_reply(const char *topic, const char *reply)
{
    struct buf buf;

    buf_init(&buf, 2 * LIMIT_VALUE_BYTES, 0);
    buf_printf(&buf, "%s%s", topic, REPLY_TO);
    for (; *reply; reply++) {
        if (*reply == '/')
            buf_append_str(&buf, "%2F");
        else
            buf_append_byte(&buf, (uint8_t)*reply);
    }
    return text_of(&buf);
}

/* The last one counts. */
static const char *find_reply(const char *topic)
{
    const char *at = NULL;

    for (const char *next = strstr(topic, REPLY_TO); next; next = strstr(next + 1, REPLY_TO))
        at = next;
    return at;
}

struct str usp_topic_without_reply(const char *topic)
{
    const char *at = find_reply(topic);

    return (struct str){topic, at ? (size_t)(at - topic) : strlen(topic)};
}

char *usp_reply_of_topic(const char *topic)
{
    const char *at = find_reply(topic);
    char *reply;
    char *to;

    if (!at)
        return NULL;
    at += sizeof(REPLY_TO) - 1;
    reply = str_dup(at, strlen(at));
    if (!reply)
        return NULL;
    to = reply;
    for (const char *from = reply; *from; from++) {
        if (strncmp(from, "%2F", 3) == 0 || strncmp(from, "%2f", 3) == 0) {
            *to++ = '/';
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return reply;
}
