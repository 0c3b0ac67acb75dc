/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's outbound WebSocket: it connects to the gateway, says who it is with NotifyFullStatus, and then both
 * sides send JSON text frames. libwebsockets runs on the home's loop; one context for all devices.
 */
#include "tools/simhome/shelly/link.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tools/simhome/home.h"
#include "tools/simhome/shelly/link_socket.h"
#include "tools/simhome/shelly/shelly.h"

struct shelly_link {
    struct shelly *device;
    struct link_socket socket;
    struct timer retry;
    bool up;
    bool closed; /* the device has let go; freed when libwebsockets has, too */
};

static struct timers *timers_of(const struct shelly_link *link)
{
    return &link->device->base.home->loop.timers;
}

static void link_free(struct shelly_link *link)
{
    link_socket_done(&link->socket);
    free(link);
}

static void connect_gateway(struct shelly_link *link)
{
    const struct options *options = link->device->base.home->options;
    struct lws_client_connect_info info = {
        .context = link->device->base.home->websockets,
        .address = options->ws_host,
        .port = options->ws_port,
        .path = options->ws_path,
        .host = options->ws_host,
        .local_protocol_name = "shelly",
        .opaque_user_data = link,
    };

    link->socket.wsi = lws_client_connect_via_info(&info);
    if (!link->socket.wsi && !timer_armed(&link->retry))
        timer_arm(timers_of(link), &link->retry, LINK_RETRY_MS);
}

static void on_retry(struct timer *timer, void *ctx)
{
    (void)timer;
    connect_gateway(ctx);
}

static void on_end(struct shelly_link *link)
{
    link->socket.wsi = NULL;
    link->up = false;
    if (link->closed) {
        link_free(link);
        return;
    }
    link_socket_clear(&link->socket);
    timer_arm(timers_of(link), &link->retry, LINK_RETRY_MS);
    if (link->device->linked)
        shelly_link_down(link->device);
}

static void on_receive(struct shelly_link *link, const void *data, size_t len)
{
    if (!link_socket_received(&link->socket, data, len))
        return;
    shelly_receive(link->device, (const char *)buf_data(&link->socket.incoming), link->socket.incoming.len);
    buf_clear(&link->socket.incoming, 0);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct shelly_link *link = lws_get_opaque_user_data(wsi);

    (void)user;
    if (!link)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        if (link->closed)
            return -1;
        link->up = true;
        shelly_link_up(link->device);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (!link->closed)
            on_receive(link, in, len);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return link->closed ? -1 : link_socket_writable(&link->socket);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY: /* the only word when the server goes away in the middle of the handshake */
        lws_set_opaque_user_data(wsi, NULL);
        on_end(link);
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "shelly", .callback = on_event, .rx_buffer_size = 16384, .tx_packet_size = 0},
    {.name = NULL},
};

int link_websocket_context(struct home *home, struct error *err)
{
    void *loops[] = {&home->loop.uv};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV,
        .foreign_loops = loops,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };

    if (home->websockets)
        return 0;
    lws_set_log_level(LLL_ERR, NULL);
    home->websockets = lws_create_context(&info);
    if (!home->websockets)
        return error_set(err, ERROR_INTERNAL, NULL, "cannot set up libwebsockets");
    return 0;
}

int link_websocket_setup(struct home *home, struct error *err)
{
    return home->options->ws_devices ? link_websocket_context(home, err) : 0;
}

void link_websocket_cleanup(struct home *home)
{
    if (!home->websockets)
        return;
    /* On a loop that is not its own, libwebsockets wants two calls with the closing of its handles in between. */
    lws_context_destroy(home->websockets);
    loop_run(&home->loop);
    lws_context_destroy(home->websockets);
    home->websockets = NULL;
}

static struct shelly_link *websocket_open(struct shelly *device)
{
    struct shelly_link *link = calloc(1, sizeof(*link));

    if (!link)
        return NULL;
    link->device = device;
    link_socket_init(&link->socket);
    timer_init(&link->retry, on_retry, link);
    connect_gateway(link);
    return link;
}

static void websocket_close(struct shelly_link *link)
{
    timer_cancel(timers_of(link), &link->retry);
    link->closed = true;
    if (!link->socket.wsi) {
        link_free(link);
        return;
    }
    shutdown(lws_get_socket_fd(link->socket.wsi),
             SHUT_RDWR); /* the library would take some seconds to get to it */
    lws_set_timeout(link->socket.wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

static void websocket_send(struct shelly_link *link, const char *peer, const char *text, size_t len,
                           bool firm)
{
    (void)peer;
    if (link->up)
        link_socket_send(&link->socket, text, len, firm);
}

const struct shelly_link_ops link_websocket = {
    .name = "websocket", .open = websocket_open, .close = websocket_close, .send = websocket_send};
