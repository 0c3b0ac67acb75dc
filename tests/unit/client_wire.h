/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers as an agent would write them, and what the client codec told of them as lines of text. */
#ifndef TESTS_UNIT_CLIENT_WIRE_H
#define TESTS_UNIT_CLIENT_WIRE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "usp/client.h"
#include "usp/fields.h"
#include "usp/pb.h"
#include "usp/record.h"

static inline struct str bytes_of(const struct buf *buf)
{
    return (struct str){(const char *)buf_data(buf), buf->len};
}

static inline void begin(struct buf *buf)
{
    buf_init(buf, 1 << 16, USP_HEADROOM);
}

/* Puts an answer's envelope around the content, as an agent would. */
static inline void wrap_as(struct buf *content, unsigned type, unsigned body, unsigned kind)
{
    struct buf header;

    if (kind)
        pb_wrap(content, kind);
    pb_wrap(content, body);
    pb_wrap(content, USP_MSG_BODY);
    buf_init(&header, 64, 16);
    pb_write_text(&header, USP_HEADER_MSG_ID, STR("m1"));
    pb_write_uint(&header, USP_HEADER_MSG_TYPE, type);
    pb_wrap(&header, USP_MSG_HEADER);
    buf_prepend(content, buf_data(&header), header.len);
    buf_done(&header);
    assert_false(content->failed);
}

/* Facts as lines: "kind requested|path|name|value code text number type table". */
struct told {
    char text[4096];
    size_t len;
    int stop_at; /* 0: never */
    int count;
};

static inline int tell(void *ctx, const struct usp_client_fact *fact)
{
    struct told *told = ctx;

    told->len += (size_t)snprintf(
        told->text + told->len, sizeof(told->text) - told->len, "%d %.*s|%.*s|%.*s|%.*s %u %.*s %u %u %d\n",
        fact->kind, (int)fact->requested.len, fact->requested.data, (int)fact->path.len, fact->path.data,
        (int)fact->name.len, fact->name.data, (int)fact->value.len, fact->value.data, fact->code,
        (int)fact->text.len, fact->text.data ? fact->text.data : "", fact->number, fact->type, fact->table);
    assert_true(told->len < sizeof(told->text));
    return ++told->count == told->stop_at ? 77 : 0;
}

static inline void put_failure(struct buf *buf, unsigned code, const char *text)
{
    pb_write_fixed32(buf, 1, code);
    pb_write_text(buf, 2, str_of(text));
}

#endif
