/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames of the UNIX socket: what is found whole and well formed must lie inside the input. */
#include <stdlib.h>

#include "transports/uds_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;
    size_t frame;

    while (at < size && uds_frame_check(data + at, size - at, LIMIT_RECORD_BYTES, &frame, NULL) == 1) {
        struct uds_item item;
        size_t items = 0;
        size_t bytes = 0;

        if (frame > size - at || frame > UDS_FRAME_HEADER + UDS_ITEM_HEADER + LIMIT_RECORD_BYTES)
            abort();
        for (size_t place = 0; uds_frame_next(data + at, frame, &place, &item); items++) {
            if (item.data + item.len > data + at + frame)
                abort();
            bytes += UDS_ITEM_HEADER + item.len;
        }
        if (!items || bytes != frame - UDS_FRAME_HEADER)
            abort();
        at += frame;
    }
    return 0;
}
