/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fetching images over http and https for many devices at once: libcurl's multi interface on the loop. A fetch is
 * freed by itself after `done`, or by fetch_cancel() (then `done` is not called); it must not be cancelled from `data`.
 */
#ifndef TOOLS_SIMHOME_FETCH_H
#define TOOLS_SIMHOME_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"

struct fetch;
struct fetcher;

struct fetch_ops {
    /* Bytes of the body; total is 0 while unknown. Not 0 ends the fetch, and `done` gets that error. */
    int (*data)(void *ctx, const void *data, size_t len, uint64_t got, uint64_t total, struct error *err);
    /* err is NULL when the whole body was taken. */
    void (*done)(void *ctx, const struct error *err);
};

struct fetcher *fetcher_new(struct loop *loop, struct error *err);
void fetcher_free(struct fetcher *fetcher);
/* rate: bytes per second, 0: no limit. NULL when memory is out. */
struct fetch *fetch_start(struct fetcher *fetcher, const char *url, uint64_t rate,
                          const struct fetch_ops *ops, void *ctx);
void fetch_cancel(struct fetch *fetch);

#endif
