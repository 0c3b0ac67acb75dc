/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys, anchors and releases for tests, made fresh; and every way to change one. */
#ifndef TESTS_UNIT_RELEASE_BENCH_H
#define TESTS_UNIT_RELEASE_BENCH_H

#include "release/anchor.h"
#include "release/suit.h"
#include "release/suit_write.h"

enum {
    RELEASE_NOW = 1800000000,
    RELEASE_VECTORS = 6,
    RELEASE_VECTOR_BYTES = 4096,
};

struct release_bench {
    EVP_PKEY *maker;    /* P-256 */
    EVP_PKEY *carrier;  /* Ed25519 */
    EVP_PKEY *stranger; /* P-256, no anchor */
    struct anchors *anchors;
    struct release_identity identity;
    struct release_request request; /* without bytes */
    struct suit_image image;
    struct suit_description description;
};

void release_bench_init(struct release_bench *bench);
void release_bench_done(struct release_bench *bench);
/* An anchor for the key; adds it. */
int release_bench_anchor(struct release_bench *bench, EVP_PKEY *key, const struct anchor *anchor,
                         struct error *err);
/* The description as an envelope with these signatures, NULL at the end of the keys. buf is done by the caller. */
void release_bench_make(struct release_bench *bench, struct buf *buf, EVP_PKEY *const *keys);
/* 0 or -1; bytes as the request's. */
int release_bench_open(struct release_bench *bench, struct str bytes, struct release *ret, struct error *err);
/* Fails the test when any change of one byte (each bit, or with HOMEPATCH_ALL_BYTES set each value), a cut, or something
 * behind it is taken by a request. How many were tried. */
unsigned release_mutate(const struct release_request *request, struct str bytes);

/* Whoever signed the draft's examples; NULL: they are not there. */
struct anchors *release_vectors_anchors(void);
/* One of them. */
struct str release_vector(unsigned number, char to[RELEASE_VECTOR_BYTES]);

#endif
