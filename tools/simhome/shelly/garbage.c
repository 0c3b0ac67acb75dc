/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/shelly/garbage.h"

#include <string.h>

enum {
    DEEP = 100000,        /* brackets */
    HUGE_BYTES = 1 << 20, /* one string */
};

static void repeat(struct buf *out, uint8_t byte, size_t count)
{
    uint8_t *room = buf_room(out, count);

    if (!room)
        return;
    memset(room, byte, count);
    out->len += count;
}

static void truncated(struct buf *out, const char *id)
{
    buf_printf(out, "{\"src\":\"%s\",\"dst\":\"%s/events\",\"method\":\"NotifyStat", id, id);
}

static void huge(struct buf *out, const char *id)
{
    buf_printf(out, "{\"src\":\"%s\",\"method\":\"NotifyStatus\",\"params\":{\"sys\":{\"name\":\"", id);
    repeat(out, 'a', HUGE_BYTES);
    buf_append_str(out, "\"}}}");
}

static void deep(struct buf *out, const char *id)
{
    buf_printf(out, "{\"src\":\"%s\",\"method\":\"NotifyStatus\",\"params\":", id);
    repeat(out, '[', DEEP);
    repeat(out, ']', DEEP);
    buf_append_str(out, "}");
}

static void wrong_types(struct buf *out, const char *id)
{
    (void)id;
    buf_append_str(out,
                   "{\"src\":5,\"dst\":null,\"method\":[\"NotifyEvent\"],\"params\":\"events\",\"id\":{}}");
}

static void wild_numbers(struct buf *out, const char *id)
{
    buf_printf(
        out,
        "{\"src\":\"%s\",\"dst\":\"%s/events\",\"method\":\"NotifyEvent\",\"params\":{\"ts\":-1e999,\"events\":["
        "{\"component\":\"sys\",\"event\":\"ota_progress\",\"progress_percent\":1e308},"
        "{\"component\":\"sys\",\"event\":\"ota_progress\",\"progress_percent\":-7},"
        "{\"component\":7,\"event\":{}},null,[],\"ota_success\"]}}",
        id, id);
}

static void unasked_answer(struct buf *out, const char *id)
{
    buf_printf(out, "{\"id\":4294967299,\"src\":\"%s\",\"dst\":\"nobody\",\"result\":{\"ver\":\"9.9.9\"}}",
               id);
}

static void nothing(struct buf *out, const char *id)
{
    (void)out;
    (void)id;
}

static void bytes(struct buf *out, const char *id)
{
    (void)id;
    for (unsigned i = 0; i < 512; i++)
        buf_append_byte(out, (uint8_t)(i * 167 + 13));
}

static void not_text(struct buf *out, const char *id)
{
    buf_printf(
        out,
        "{\"src\":\"%s\",\"method\":\"NotifyStatus\",\"params\":{\"sys\":{\"mac\":\"\xc3\x28\xff\xfe\\u0000",
        id);
    buf_append(out, "\0\1\2\"}}}", 7);
}

static void twice(struct buf *out, const char *id)
{
    buf_printf(
        out,
        "{\"src\":\"%s\",\"src\":\"somebody-else\",\"method\":\"NotifyFullStatus\",\"method\":\"Shelly.Update\","
        "\"params\":{\"sys\":{\"available_updates\":{\"stable\":{\"version\":{}}}}},\"id\":1,\"id\":2}",
        id);
}

void shelly_garbage(struct buf *out, unsigned turn, const char *id)
{
    static void (*const kinds[])(struct buf *, const char *) = {
        truncated, wrong_types, huge, wild_numbers, deep, nothing, unasked_answer, bytes, not_text, twice};

    kinds[turn % (sizeof(kinds) / sizeof(kinds[0]))](out, id);
}
