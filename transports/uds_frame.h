/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames of the UNIX domain socket binding (R-UDS.6..11), as bytes: no socket, no memory of its own. What is returned
 * points into the caller's bytes.
 */
#ifndef TRANSPORTS_UDS_FRAME_H
#define TRANSPORTS_UDS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"

enum {
    UDS_FRAME_HEADER = 8, /* "_USP" and the length of what follows */
    UDS_ITEM_HEADER = 5,  /* type and length of one TLV */
};

enum uds_item_type {
    UDS_ITEM_HANDSHAKE = 1,
    UDS_ITEM_ERROR = 2,
    UDS_ITEM_RECORD = 3,
};

struct uds_item {
    uint8_t type; /* may be one that is not in the enum: ignored (R-UDS.15) */
    const uint8_t *data;
    size_t len;
};

/*
 * Looks at the frame that data begins with. 1: it is whole and well formed, *ret_size bytes long. 0: more bytes are
 * needed; *ret_size is what the frame will have, or 0 while its header is not there. -1: these bytes are no frame, or one
 * that has more than a record of record_bytes in it.
 */
int uds_frame_check(const uint8_t *data, size_t len, uint32_t record_bytes, size_t *ret_size,
                    struct error *err);

/* The next TLV of a frame that was checked; *at is 0 for the first. False at the end. */
bool uds_frame_next(const uint8_t *frame, size_t size, size_t *at, struct uds_item *ret);

/* The headers of a frame with one TLV of len bytes. */
void uds_frame_header(uint8_t to[UDS_FRAME_HEADER + UDS_ITEM_HEADER], enum uds_item_type type, size_t len);

#endif
