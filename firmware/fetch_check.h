/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's part of a fetch: reads a file back, compares its checksum and, when it is right and new, syncs it and
 * renames it to its SHA-256. One check is one allocation that outlives its asker: fetch_check_drop() makes the answer
 * go nowhere.
 */
#ifndef FIRMWARE_FETCH_CHECK_H
#define FIRMWARE_FETCH_CHECK_H

#include "base/loop.h"
#include "firmware/verify.h"

enum fetch_check_outcome {
    CHECK_RIGHT,
    CHECK_WRONG,  /* another checksum, or empty */
    CHECK_FAILED, /* the file cannot be read, synced or renamed */
};

struct fetch_check {
    char *path;                      /* the file; malloc'ed */
    char *dir;                       /* where it gets its name when it is right; NULL: it stays. malloc'ed */
    struct verify_checksum expected; /* VERIFY_ALGORITHMS: any */
    enum fetch_check_outcome outcome;
    struct verify_result result;
    struct error err;
    void (*done)(void *ctx, struct fetch_check *check);
    void *ctx;
};

/* dir NULL: only compare. NULL when memory is out. */
struct fetch_check *fetch_check_start(struct loop *loop, const char *path, const char *dir,
                                      const struct verify_checksum *expected,
                                      void (*done)(void *ctx, struct fetch_check *check), void *ctx);
void fetch_check_drop(struct fetch_check *check);

#endif
