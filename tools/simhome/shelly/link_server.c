/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's own WebSocket server at /rpc, one port each. Whoever asked something, and was let in, is notified from then on.
 * The port stays open for the life of the home; a device that is off refuses the handshake.
 */
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tools/simhome/home.h"
#include "tools/simhome/shelly/link.h"
#include "tools/simhome/shelly/link_socket.h"
#include "tools/simhome/shelly/shelly.h"

enum {
    PEERS_MAX = 8,
};

struct peer {
    struct peer *next;
    struct shelly_link *link; /* NULL: the device is gone */
    struct link_socket socket;
    bool admitted;
};

struct shelly_link {
    struct shelly *device;
    struct peer *peers;
    struct peer *current; /* whose frame is being received */
    unsigned count;
};

static int opened(struct lws *wsi)
{
    struct shelly *device = lws_vhost_user(lws_get_vhost(wsi));
    struct peer *peer = device->link ? calloc(1, sizeof(*peer)) : NULL;

    if (!peer)
        return -1;
    peer->link = device->link;
    link_socket_init(&peer->socket);
    peer->socket.wsi = wsi;
    peer->next = device->link->peers;
    device->link->peers = peer;
    device->link->count++;
    lws_set_opaque_user_data(wsi, peer);
    return 0;
}

static void ended(struct peer *peer)
{
    if (peer->link) {
        for (struct peer **at = &peer->link->peers; *at; at = &(*at)->next) {
            if (*at == peer) {
                *at = peer->next;
                break;
            }
        }
        peer->link->count--;
    }
    link_socket_done(&peer->socket);
    free(peer);
}

static void received(struct peer *peer, const void *data, size_t len)
{
    struct shelly_link *link = peer->link;

    if (!link_socket_received(&peer->socket, data, len))
        return;
    link->current = peer;
    shelly_receive(link->device, (const char *)buf_data(&peer->socket.incoming), peer->socket.incoming.len);
    buf_clear(&peer->socket.incoming, 0);
    link->current = NULL;
}

static int refuse(struct lws *wsi)
{
    const struct shelly *device = lws_vhost_user(lws_get_vhost(wsi));
    char path[64] = "";

    lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI);
    return !device->link || device->link->count >= PEERS_MAX || strcmp(path, "/rpc") != 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct peer *peer = lws_get_opaque_user_data(wsi);

    (void)user;
    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return refuse(wsi);
    case LWS_CALLBACK_ESTABLISHED:
        return opened(wsi);
    case LWS_CALLBACK_RECEIVE:
        if (!peer || !peer->link)
            return -1;
        received(peer, in, len);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return peer && peer->link ? link_socket_writable(&peer->socket) : -1;
    case LWS_CALLBACK_CLOSED:
        if (peer) {
            lws_set_opaque_user_data(wsi, NULL);
            ended(peer);
        }
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "shelly-server", .callback = on_event, .rx_buffer_size = 16384},
    {.name = NULL},
};

int link_server_listen(struct shelly *device, int port, struct error *err)
{
    const struct options *options = device->base.home->options;
    struct lws_context_creation_info info = {
        .port = port,
        .iface = options->listen_host,
        .protocols = protocols,
        .vhost_name = device->base.id,
        .user = device,
    };

    struct lws_vhost *host;

    if (!options->listen_host[0])
        return error_set(err, ERROR_INVALID_VALUE, NULL, "shelly-server needs --listen");
    host = lws_create_vhost(device->base.home->websockets, &info);
    if (!host)
        return error_set(err, ERROR_INTERNAL, NULL, "shelly-server: cannot listen on port %d", port);
    device->port = lws_get_vhost_listen_port(host);
    return 0;
}

static struct shelly_link *server_open(struct shelly *device)
{
    struct shelly_link *link = calloc(1, sizeof(*link));

    if (link)
        link->device = device;
    return link;
}

static void server_close(struct shelly_link *link)
{
    for (struct peer *peer = link->peers, *next; peer; peer = next) {
        next = peer->next;
        peer->link = NULL;
        shutdown(lws_get_socket_fd(peer->socket.wsi), SHUT_RDWR);
        lws_set_timeout(peer->socket.wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
    free(link);
}

static void server_send(struct shelly_link *link, const char *name, const char *text, size_t len, bool firm)
{
    if (name && link->current)
        link_socket_send(&link->current->socket, text, len, firm);
    for (struct peer *peer = name ? NULL : link->peers; peer; peer = peer->next)
        if (peer->admitted)
            link_socket_send(&peer->socket, text, len, firm);
}

static void server_admitted(struct shelly_link *link)
{
    if (link && link->current)
        link->current->admitted = true;
}

const struct shelly_link_ops link_server = {.name = "server",
                                            .listens = true,
                                            .open = server_open,
                                            .close = server_close,
                                            .send = server_send,
                                            .admitted = server_admitted};
