/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payload security that is none: the shape of TLS (records with a head of five bytes, a handshake of three messages, alerts)
 * without cryptography, for tests and the fuzzer of sessions. A MAC is a checksum with the name of its side, a signature one
 * with the endpoint's.
 *
 *   client "hello", server "welcome", client "done"; then each side's data with its bits flipped.
 */
#ifndef TESTS_UNIT_TOY_SECURITY_H
#define TESTS_UNIT_TOY_SECURITY_H

#include "usp/security.h"

struct toy {
    bool absent;              /* cannot be opened */
    bool refuses;             /* the peer's certificate, once it is seen */
    const char *certificates; /* of the peer */
    unsigned open;            /* how many there are */
};

extern const struct usp_security_ops toy_ops; /* its ctx: a struct toy */

enum {
    TOY_HANDSHAKE = 22,
    TOY_DATA = 23,
    TOY_ALERT = 21,
    TOY_SIGNATURE_BYTES = 64,
};

/* One record, as the peer would make it. */
void toy_record(struct buf *to, unsigned type, struct str body);
void toy_flip(struct buf *bytes);
/* by: 'c' client, 's' server. */
void toy_mac(char by, struct str fields, uint8_t ret[USP_MAC_BYTES]);
void toy_sign(const char *endpoint_id, struct str fields, uint8_t ret[TOY_SIGNATURE_BYTES]);

#endif
