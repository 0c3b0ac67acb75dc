/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a Shelly device reaches the gateway. open() begins to connect and keeps trying; what happens is told through
 * shelly_link_up(), shelly_link_down() and shelly_receive(). close() breaks the connection at once, as a device that
 * loses power does, and frees the link; it is never called from one of those three.
 */
#ifndef TOOLS_SIMHOME_SHELLY_LINK_H
#define TOOLS_SIMHOME_SHELLY_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct shelly;
struct home;
struct shelly_link;

struct shelly_link_ops {
    const char *name;
    bool listens; /* the gateway connects: it is up as soon as it is open */
    struct shelly_link *(*open)(struct shelly *device);
    void (*close)(struct shelly_link *link);
    /* One frame, to the peer that calls itself `peer`, or as a notification when peer is NULL. `firm`: must arrive. */
    void (*send)(struct shelly_link *link, const char *peer, const char *frame, size_t len, bool firm);
    /* The peer whose frame is being received may ask: it gets notifications from now on. May be NULL. */
    void (*admitted)(struct shelly_link *link);
};

extern const struct shelly_link_ops link_mqtt;
extern const struct shelly_link_ops link_websocket;
extern const struct shelly_link_ops link_server;

/* What all WebSocket links share: of struct family. */
int link_websocket_setup(struct home *home, struct error *err);
void link_websocket_cleanup(struct home *home);
/* The same for families that always use them. */
int link_websocket_context(struct home *home, struct error *err);
/* The port of a device that listens; it refuses whoever comes while the device is off. Ends with the context. */
/* port 0: any. */
int link_server_listen(struct shelly *device, int port, struct error *err);

enum {
    LINK_RETRY_MS = 1000,
    LINK_FRAME_BYTES = 256 * 1024, /* a longer frame from the gateway is dropped */
};

#endif
