/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing an image to the one device it is for. A grant is a path with 128 random bits in it, known to that device only,
 * good for as long as the job transfers; http_server asks here for every request. Owned by its asker, loop's thread.
 */
#ifndef FIRMWARE_SERVE_H
#define FIRMWARE_SERVE_H

#include <stdint.h>

#include "base/error.h"
#include "base/map.h"
#include "transports/http_server.h"

struct serve_request;

enum {
    SERVE_TOKEN_BYTES = 33, /* 32 hexadecimal digits */
    SERVE_REQUESTS = 8,     /* of one grant at a time: devices fetch ranges, none needs many */
};

struct serve {
    struct map grants; /* by token */
};

/* Embedded in the job. */
struct serve_grant {
    struct serve *serve; /* NULL: not granted */
    char token[SERVE_TOKEN_BYTES];
    char *url;  /* what the device is told */
    char *path; /* the file */
    char *peer; /* only this address, or NULL */
    uint64_t size;
    uint64_t position;    /* the furthest byte that went out */
    char *companion;      /* names with this in them mean another file; NULL: all names mean this one */
    char *companion_path; /* NULL: there is none, 404 */
    uint64_t companion_size;
    struct serve_request *requests;
    void (*progress)(void *ctx, uint64_t position);
    void *ctx;
};

void serve_init(struct serve *serve);
/* All grants are revoked before. */
void serve_done(struct serve *serve);

/*
 * base: "http://192.168.1.1:7681". name: the end of the path, cut to harmless characters; some devices judge a file by
 * its extension. progress and ctx of the grant are set by the owner before.
 */
int serve_grant(struct serve *serve, struct serve_grant *grant, const char *base, const char *name,
                const char *path, uint64_t size, const char *peer, struct error *err);
/* Under names that contain `part` the device gets another file, or 404 when path is NULL. Its bytes count as life, not as
 * progress. */
int serve_grant_companion(struct serve_grant *grant, const char *part, const char *path, uint64_t size,
                          struct error *err);
/* From here on the path answers 404; what is being sent ends by itself and is no longer reported. */
void serve_revoke(struct serve_grant *grant);

/* The functions of http_server_ops; the context of the server is given by firmware.c. */
int serve_request(struct serve *serve, const char *path, const char *peer, struct http_answer *ret_answer);
void serve_progress(void *request_ctx, uint64_t position);
void serve_end(void *request_ctx);

#endif
