/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The UNIX domain socket binding: frames of "_USP", a length, and type-length-value items (R-UDS.6..11), with the
 * handshake in which both sides say their name. Listening and connecting. What a record holds is the owner's.
 *
 * Loop's thread only. A connection lives from `opened` until `closed` returns. Callbacks may call every function here.
 * The program ignores SIGPIPE.
 */
#ifndef TRANSPORTS_UDS_H
#define TRANSPORTS_UDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/str.h"

struct uds_server;
struct uds_client;
struct uds;

enum {
    UDS_HEADROOM = 13, /* bytes that a record handed to uds_send() should have free in front */
};

struct uds_ops {
    /* The handshake is done; peer is the other's name (Endpoint ID). Non-zero refuses it (error TLV and close). */
    int (*opened)(void *ctx, struct uds *uds, struct str peer);
    /* data is valid during the call only. */
    void (*record)(void *ctx, struct uds *uds, const uint8_t *data, size_t len);
    /* The end, however it came; err says why, for people. uds is NULL for a client's attempt that did not open. */
    void (*closed)(void *ctx, struct uds *uds, const struct error *err);
};

/* name: what the handshake says of this side. mode: permissions of the socket file. */
struct uds_server *uds_server_new(struct loop *loop, const char *path, mode_t mode, const char *name,
                                  const struct uds_ops *ops, void *ctx, struct error *err);
/* Closes the socket, removes its file and ends all connections (each `closed` is called). */
void uds_server_free(struct uds_server *server);

/* Connects, and again after a random 1 to 5 s whenever it is lost (R-UDS.5), until freed. */
struct uds_client *uds_client_new(struct loop *loop, const char *path, const char *name,
                                  const struct uds_ops *ops, void *ctx, struct error *err);
/* Ends the connection with no further callback. */
void uds_client_free(struct uds_client *client);

/*
 * Queues one record (R-UDS.22); what one iteration of the loop queues is written at its end. Takes the bytes: *record is
 * empty afterwards and may be filled again (a small one keeps its memory and has UDS_HEADROOM). -1, and *record unchanged:
 * queue full (limit_queue_bytes), too large, closing, or out of memory.
 */
int uds_send(struct uds *uds, struct buf *record);
/* Sends what is queued, then an error TLV (R-UDS.23, R-UDS.24) when text is not NULL, then closes. `closed` is called
 * later, from the loop. */
void uds_close(struct uds *uds, const char *text);
void uds_set_ctx(struct uds *uds, void *ctx);
/* The user at the other end (SO_PEERCRED), or (uid_t)-1. */
uid_t uds_peer_uid(const struct uds *uds);

/* Whether this build has the transport; without it nothing of it can be made. */
extern const bool uds_available;

#endif
