/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/uds_frame.h"

#include <string.h>

static const uint8_t sync_bytes[4] = {0x5f, 0x55, 0x53, 0x50}; /* R-UDS.8 */

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

/* The TLVs must fill the frame exactly. */
static int check_items(const uint8_t *data, size_t len, struct error *err)
{
    size_t at = 0;

    if (!len)
        return error_set(err, ERROR_RECORD_NOT_PARSED, NULL, "a frame without a TLV");
    while (at < len) {
        size_t item;

        if (len - at < UDS_ITEM_HEADER)
            return error_set(err, ERROR_RECORD_NOT_PARSED, NULL, "a frame ends inside the header of a TLV");
        item = get32(data + at + 1);
        at += UDS_ITEM_HEADER;
        if (item > len - at)
            return error_set(err, ERROR_RECORD_NOT_PARSED, NULL,
                             "a TLV of %zu bytes in a frame with %zu left", item, len - at);
        at += item;
    }
    return 0;
}

int uds_frame_check(const uint8_t *data, size_t len, uint32_t record_bytes, size_t *ret_size,
                    struct error *err)
{
    size_t compare = len < sizeof(sync_bytes) ? len : sizeof(sync_bytes);
    size_t size;

    *ret_size = 0;
    if (memcmp(data, sync_bytes, compare) != 0)
        return error_set(err, ERROR_RECORD_NOT_PARSED, NULL, "a frame that does not begin with _USP");
    if (len < UDS_FRAME_HEADER)
        return 0;
    size = get32(data + 4);
    if (size > (size_t)record_bytes + UDS_ITEM_HEADER)
        return error_set(err, ERROR_RECORD_NOT_PARSED, NULL,
                         "a frame of %zu bytes (limit_record_bytes is %u)", size, record_bytes);
    *ret_size = UDS_FRAME_HEADER + size;
    if (len < *ret_size)
        return 0;
    return check_items(data + UDS_FRAME_HEADER, size, err) < 0 ? -1 : 1;
}

bool uds_frame_next(const uint8_t *frame, size_t size, size_t *at, struct uds_item *ret)
{
    if (!*at)
        *at = UDS_FRAME_HEADER;
    if (*at >= size)
        return false;
    ret->type = frame[*at];
    ret->len = get32(frame + *at + 1);
    ret->data = frame + *at + UDS_ITEM_HEADER;
    *at += UDS_ITEM_HEADER + ret->len;
    return true;
}

void uds_frame_header(uint8_t to[UDS_FRAME_HEADER + UDS_ITEM_HEADER], enum uds_item_type type, size_t len)
{
    memcpy(to, sync_bytes, sizeof(sync_bytes));
    put32(to + 4, (uint32_t)(len + UDS_ITEM_HEADER));
    to[UDS_FRAME_HEADER] = (uint8_t)type;
    put32(to + UDS_FRAME_HEADER + 1, (uint32_t)len);
}
