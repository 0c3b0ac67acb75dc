/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Getting an image from its URL into the cache, once for all who want the same (URL, credentials, checksum). What is in
 * the cache under the wanted checksum costs no request; what came from the URL before costs a conditional one. A cut
 * transfer goes on where it stopped, also after a restart; a transient failure is tried again a bounded number of
 * times. No image is handed out before a worker read the file back, compared it, synced it and gave it its name.
 *
 * A want is embedded in its owner, who cancels it before going away. Loop's thread only.
 */
#ifndef FIRMWARE_FETCH_H
#define FIRMWARE_FETCH_H

#include "base/loop.h"
#include "firmware/cache.h"
#include "transports/http_fetch.h"

/* Where bytes come from; tests have their own. The contract is http_fetch.h's. */
struct fetch_source {
    void *(*start)(void *ctx, const struct http_request *request, const struct http_fetch_ops *ops,
                   void *fetch_ctx, struct error *err);
    void (*cancel)(void *ctx, void *fetch);
    void *ctx;
};

enum fetch_state {
    FETCH_QUEUED, /* for its turn */
    FETCH_RUNNING,
    FETCH_VERIFYING,
    FETCH_RETRYING, /* a transient failure; goes on by itself */
};

enum fetch_result {
    FETCH_OK,
    FETCH_FAILED,  /* the image cannot be had */
    FETCH_INVALID, /* it is not the image that was wanted */
};

struct flight;

struct fetch_want {
    void (*state)(void *ctx, enum fetch_state state);
    void (*progress)(void *ctx, unsigned percent);
    /* Once, last. image is NULL unless FETCH_OK. checksum: the wanted one, or SHA-256 of what came. */
    void (*done)(void *ctx, enum fetch_result result, struct firmware_image *image, const struct error *err);
    void *ctx;
    /* private */
    struct flight *flight;
    struct fetch_want *next;
};

struct fetch_args {
    const char *url;
    const char *username;
    const char *password;
    uint64_t size_hint; /* for progress when the server does not say; 0: none */
    struct verify_checksum checksum;
};

struct fetches;

struct fetches *fetches_new(struct loop *loop, struct cache *cache, const struct fetch_source *source,
                            const struct tls_settings *tls, uint32_t parallel, uint32_t retries,
                            uint32_t retry_wait_s);
/* Wants that are left hear nothing; parts stay for the next start. */
void fetches_free(struct fetches *fetches);

/* The answer comes later, never before this returns. -1 when memory is out. want's functions and ctx are set before. */
int fetch_start(struct fetches *fetches, const struct fetch_args *args, struct fetch_want *want,
                struct error *err);
/* Where the fetch stands that a want has joined. */
enum fetch_state fetch_want_state(const struct fetch_want *want, unsigned *ret_percent);
/* No further callback; not from within `state` or `progress`. The last one to leave ends the fetch and removes its part. */
void fetch_cancel(struct fetches *fetches, struct fetch_want *want);
/* Nobody will want this any more: removes a part that was left by an earlier life. */
void fetch_forget(struct fetches *fetches, const struct fetch_args *args);

/* A source that is an http_fetcher. */
struct fetch_source fetch_source_http(struct http_fetcher *fetcher);

#endif
