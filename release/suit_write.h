/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making envelopes: what suit.h reads. One component per image; with several, the manifest tries each class in turn. The
 * encoding is deterministic: the same description gives the same bytes.
 */
#ifndef RELEASE_SUIT_WRITE_H
#define RELEASE_SUIT_WRITE_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "release/release.h"

/* One image and the devices it is for. */
struct suit_image {
    const char *model;    /* also the component's identifier; "*": any of the vendor */
    const char *hardware; /* "": any */
    uint8_t digest[32];
    uint64_t size;
    const char *uri;    /* "#name" when payload is set */
    struct str payload; /* the image, to be put inside; empty: it is at uri */
};

struct suit_description {
    const char *vendor; /* DNS domain */
    uint64_t sequence;
    const struct suit_image *images;
    unsigned images_count;
    bool has_priority;
    int64_t priority;
    bool ask;
    bool has_battery;
    uint64_t battery_mwh;
    int64_t use_before;
    int64_t not_before; /* wait-info time */
    const struct release_version *versions;
    unsigned versions_count;
    /* Words. */
    const char *vendor_name;
    const char *version;
    const char *description;
    bool sever_text; /* beside the manifest, so that it can be left out */
};

/* Appends an unsigned envelope. */
int suit_write(const struct suit_description *description, struct buf *to, struct error *err);
/* Appends the envelope with one more signature. */
int suit_sign(struct str envelope, EVP_PKEY *key, struct buf *to, struct error *err);

#endif
