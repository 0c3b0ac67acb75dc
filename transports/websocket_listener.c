/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "transports/websocket_internal.h"

enum {
    BACKLOG = 512,
    ACCEPTS_PER_TURN = 64, /* then others get their turn */
    PAUSE_MS = 1000,
    FULL_PAUSE_MS = 20,
};

static bool has_room(const struct listener *listener)
{
    const struct websocket_context *context = listener->context;
    size_t spare = listener->per_peer.connections ? LIMIT_SPARE_CONNECTIONS : 0;

    return context->links + spare < context->max_links &&
           context->links + spare < context->loop->limits->connections;
}

static void adopt(struct listener *listener, int fd, const struct sockaddr_storage *from)
{
    struct websocket_context *context = listener->context;
    lws_adopt_desc_t adoption = {
        .vh = listener->host,
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
        .fd = {.sockfd = fd},
    };
    struct listener_peer *peer;
    struct link *link;
    int one = 1;

    if (!has_room(listener) || !listener_peer_enter(listener, from, &peer)) {
        close(fd);
        return;
    }
    link = listener->accepted(listener->ctx);
    if (!link) {
        listener_peer_leave(context, peer);
        close(fd);
        return;
    }
    link->peer = peer;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    /* lws makes its object (WSI_CREATE) or closes the socket; once it has one, the link ends with that. */
    adoption.opaque = link;
    context->adopting = link;
    lws_adopt_descriptor_vhost_via_info(&adoption);
    if (context->adopting) {
        context->adopting = NULL;
        listener_peer_leave(context, peer);
        link->destroyed(link);
    }
}

/* The connection stays in the kernel's queue and the socket readable: look again later, not at once. */
static void pause_listening(struct listener *listener, uint64_t ms)
{
    uv_poll_stop(&listener->poll);
    timer_arm(&listener->context->loop->timers, &listener->pause, ms);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && listener->fd >= 0; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof(from);
        int fd;

        if (listener->full && listener->full(listener->ctx)) {
            pause_listening(listener, FULL_PAUSE_MS);
            return;
        }
        fd = accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            adopt(listener, fd, &from);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_listening(listener, PAUSE_MS);
        return;
    }
}

static void on_pause_over(struct timer *timer, void *ctx)
{
    struct listener *listener = ctx;

    (void)timer;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static int open_socket(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    int zero = 0;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int open_address(const char *address, uint16_t port, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *list;
    char service[8];
    int saved = 0;
    int fd = -1;
    int rc;

    /* All addresses: one socket for IPv6 with IPv4 in it, or IPv4 where there is no IPv6. */
    if (!address || !*address) {
        fd = open_address("::", port, NULL);
        if (fd >= 0)
            return fd;
        address = "0.0.0.0";
    }
    snprintf(service, sizeof(service), "%u", port);
    rc = getaddrinfo(address, service, &hints, &list);
    if (rc != 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, address, "not an address to listen on: %s",
                         gai_strerror(rc));
    fd = open_socket(list);
    saved = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, address, saved, "cannot listen on port %u",
                               port);
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

int listener_open(struct listener *listener, struct websocket_context *context, struct lws_vhost *host,
                  const char *address, uint16_t port, struct error *err)
{
    int fd = open_address(address, port, err);
    int rc;

    if (fd < 0)
        return -1;
    rc = uv_poll_init(&context->loop->uv, &listener->poll, fd);
    if (rc < 0) {
        close(fd);
        return error_set(err, ERROR_INTERNAL, address, "cannot wait for connections: %s", uv_strerror(rc));
    }
    listener->poll.data = listener;
    listener->context = context;
    listener->host = host;
    listener->fd = fd;
    listener->port = port_of(fd);
    timer_init(&listener->pause, on_pause_over, listener);
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    listener->closed(listener->ctx);
}

void listener_close(struct listener *listener)
{
    timer_cancel(&listener->context->loop->timers, &listener->pause);
    uv_poll_stop(&listener->poll);
    close(listener->fd);
    listener->fd = -1;
    uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
}
