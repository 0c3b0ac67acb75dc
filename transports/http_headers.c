/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/http_headers.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <string.h>

/* lws keeps by a token what it knows, and the rest under its name. */
static int copy_one(struct lws *wsi, const char *name, char *to, size_t room)
{
    static const struct {
        const char *name;
        enum lws_token_indexes token;
    } known[] = {
        {"cookie", WSI_TOKEN_HTTP_COOKIE},
        {"host", WSI_TOKEN_HOST},
        {"origin", WSI_TOKEN_ORIGIN},
    };
    char field[64];

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0)
            return lws_hdr_copy(wsi, to, (int)room, known[i].token);
    snprintf(field, sizeof(field), "%s:", name);
    return lws_hdr_custom_copy(wsi, to, (int)room, field, (int)strlen(field));
}

void http_headers_copy(struct lws *wsi, const char *const *names, struct http_headers *ret)
{
    size_t used = 1; /* after the empty text */

    for (size_t i = 0; names && names[i] && i < HTTP_HEADERS; i++) {
        int len = copy_one(wsi, names[i], ret->text + used, sizeof(ret->text) - used);

        ret->values[i] = len > 0 ? ret->text + used : ret->text;
        used += len > 0 ? (size_t)len + 1 : 0;
    }
}
