/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What uds.c (a connection) and uds_endpoint.c (who listens or connects) share. An endpoint is freed when its owner let go
 * of it and the last of its handles is closed: `refs` counts both.
 */
#ifndef TRANSPORTS_UDS_INTERNAL_H
#define TRANSPORTS_UDS_INTERNAL_H

#include <stdbool.h>

#include "transports/output.h"
#include "transports/uds.h"

struct uds_endpoint {
    struct loop *loop;
    char *path;
    char *name;
    const struct uds_ops *ops;
    void *ctx;
    bool is_server;
    bool gone;      /* the owner freed it */
    size_t refs;    /* owner, listener, connections */
    uint8_t *input; /* read buffer of all connections: what is not used up is copied to the connection */
    struct output_chunk *spare; /* an empty output chunk with memory */
    struct uds *first;          /* connections that have not ended */
    size_t count;
    /* A connection ended, after `closed` was called. May be NULL. */
    void (*ended)(struct uds_endpoint *endpoint, struct uds *uds);
};

/* 0, or -1 with nothing to clean up. */
int uds_endpoint_init(struct uds_endpoint *endpoint, struct loop *loop, const char *path, const char *name,
                      const struct uds_ops *ops, void *ctx, struct error *err);
/* The last one frees the endpoint (the struct that it is the first member of). */
void uds_endpoint_unref(struct uds_endpoint *endpoint);

/* A connection with its pipe initialised, in the endpoint's list; NULL when memory is out. */
struct uds *uds_connection_new(struct uds_endpoint *endpoint);
/* Server: takes the connection that waits on the listener. */
void uds_connection_accept(struct uds *uds, uv_stream_t *listener);
/* Client: connects to the endpoint's path. */
void uds_connection_connect(struct uds *uds);
/* Calls `closed` and closes the pipe, at once. */
void uds_connection_end(struct uds *uds, const struct error *err);
/* The same without a callback. */
void uds_connection_drop(struct uds *uds);

#endif
