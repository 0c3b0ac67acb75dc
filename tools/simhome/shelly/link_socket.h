/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One side of a WebSocket that carries JSON text frames: what waits to be written, and the frame that is being received.
 * Embedded in the link that owns it; libwebsockets' events are the link's.
 */
#ifndef TOOLS_SIMHOME_SHELLY_LINK_SOCKET_H
#define TOOLS_SIMHOME_SHELLY_LINK_SOCKET_H

#include <libwebsockets.h>
#include <stdbool.h>

#include "base/buf.h"

struct link_frame;

struct link_socket {
    struct lws *wsi;
    struct buf incoming;
    struct link_frame *first, **last;
    size_t queued;
};

void link_socket_init(struct link_socket *socket);
void link_socket_done(struct link_socket *socket);
/* Without a connection again: what was to be written or received in part is lost. */
void link_socket_clear(struct link_socket *socket);
/* True: `incoming` holds a whole frame; the caller clears it. */
bool link_socket_received(struct link_socket *socket, const void *data, size_t len);
/* One frame; unless it is firm, it is dropped when too many wait. */
void link_socket_send(struct link_socket *socket, const char *text, size_t len, bool firm);
/* For the event WRITEABLE. -1: the connection is to end. */
int link_socket_writable(struct link_socket *socket);

#endif
