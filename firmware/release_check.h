/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's part of a release: maps the file that came, verifies it against the anchors, keeps what is needed of it, and
 * writes an image that is inside into a file. One check is one allocation that outlives its asker: release_check_drop()
 * makes the answer go nowhere. Files are the cache's: whoever asks keeps them pinned meanwhile.
 */
#ifndef FIRMWARE_RELEASE_CHECK_H
#define FIRMWARE_RELEASE_CHECK_H

#include "base/arena.h"
#include "base/loop.h"
#include "firmware/trust.h"

struct release_check {
    struct arena arena; /* paths, and the texts of the identity */
    const char *path;
    const char *signature_path; /* NULL: an envelope */
    const char *to;             /* where the image inside goes */
    struct release_request request;
    struct release_identity identity;
    struct anchors *anchors;
    void *map;
    size_t map_len;
    /* The answer. */
    bool good;
    struct error err;
    struct release release; /* its payload is in the map */
    struct buf kept;        /* the envelope without images, or the manifest */
    struct buf signature;   /* of the manifest */
    void (*done)(void *ctx, struct release_check *check);
    void *ctx;
    bool busy;
};

/* Looks at the first bytes: is it worth a check? Reads a few bytes of the file. */
bool release_check_is_envelope(const char *path, bool untagged);
bool release_check_is_manifest(const char *path, const char *url);

/* NULL and err: no memory, or the target's identity is not known. done is called once; the asker drops it then. */
struct release_check *release_check_start(struct loop *loop, const struct trust *trust,
                                          const struct firmware_target *target, const char *path,
                                          const char *signature_path, int64_t now,
                                          void (*done)(void *ctx, struct release_check *check), void *ctx,
                                          struct error *err);
/* After a good answer with a payload: writes it to this path; done is called once more. -1: no memory. */
int release_check_extract(struct loop *loop, struct release_check *check, const char *to);
void release_check_drop(struct release_check *check);

#endif
