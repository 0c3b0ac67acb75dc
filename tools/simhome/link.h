/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a device reaches the gateway. open() begins to connect and keeps trying; what happens is told through
 * device_link_up(), device_link_down() and device_receive(). close() breaks the connection at once, as a device that
 * loses power does, and frees the link; it is never called from one of those three.
 */
#ifndef TOOLS_SIMHOME_LINK_H
#define TOOLS_SIMHOME_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct device;
struct home;
struct link;

struct link_ops {
    const char *name;
    struct link *(*open)(struct device *device);
    void (*close)(struct link *link);
    /* One frame, to the peer that calls itself `peer`, or as a notification when peer is NULL. `firm`: must arrive. */
    void (*send)(struct link *link, const char *peer, const char *frame, size_t len, bool firm);
};

extern const struct link_ops link_mqtt;
extern const struct link_ops link_websocket;

/* What all WebSocket links share; to be called once before the first of them, and after the last. */
int link_websocket_setup(struct home *home, struct error *err);
void link_websocket_cleanup(struct home *home);

enum {
    LINK_RETRY_MS = 1000,
    LINK_FRAME_BYTES = 256 * 1024, /* a longer frame from the gateway is dropped */
};

#endif
