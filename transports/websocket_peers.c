/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one address takes of a server: its connections are counted from accept() on, before anything is read or a TLS
 * handshake is begun, so that one peer of the LAN cannot take the places, or the time, of all others.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/rate.h"
#include "transports/websocket_internal.h"

enum {
    SWEEP_FIRST = 64, /* addresses; then whenever they have doubled */
};

struct listener_peer {
    uint8_t key[18]; /* address as IPv6 has it, and the server's port */
    uint32_t connections;
    struct rate opens;
};

/* Returns false for this machine itself. */
static bool make_key(const struct sockaddr_storage *address, uint16_t port, uint8_t key[18])
{
    struct in6_addr v6 = IN6ADDR_ANY_INIT;

    if (address->ss_family == AF_INET6) {
        v6 = ((const struct sockaddr_in6 *)address)->sin6_addr;
    } else if (address->ss_family == AF_INET) {
        v6.s6_addr[10] = v6.s6_addr[11] = 0xff;
        memcpy(v6.s6_addr + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else {
        return false;
    }
    memcpy(key, v6.s6_addr, 16);
    key[16] = (uint8_t)(port >> 8);
    key[17] = (uint8_t)port;
    return !IN6_IS_ADDR_LOOPBACK(&v6) && !(IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

static struct str key_of(const uint8_t key[18])
{
    return (struct str){(const char *)key, 18};
}

static void forget(struct websocket_context *context, struct listener_peer *peer)
{
    map_remove(&context->peers, key_of(peer->key));
    free(peer);
}

static void sweep(struct websocket_context *context, uint64_t now)
{
    struct listener_peer *peer;
    size_t at = 0;

    while ((peer = map_next(&context->peers, &at)))
        if (!peer->connections && rate_idle(&peer->opens, now))
            forget(context, peer);
    context->sweep_peers = context->peers.count * 2;
    if (context->sweep_peers < SWEEP_FIRST)
        context->sweep_peers = SWEEP_FIRST;
}

static struct listener_peer *find(struct websocket_context *context, const uint8_t key[18], uint64_t now)
{
    struct listener_peer *peer = map_get(&context->peers, key_of(key));

    if (peer)
        return peer;
    if (context->peers.count >= context->sweep_peers || context->peers.count >= LIMIT_LAN_ADDRESSES)
        sweep(context, now);
    if (context->peers.count >= LIMIT_LAN_ADDRESSES || !(peer = calloc(1, sizeof(*peer))))
        return NULL;
    memcpy(peer->key, key, sizeof(peer->key));
    if (map_put(&context->peers, key_of(peer->key), peer) == 0)
        return peer;
    free(peer);
    return NULL;
}

bool listener_peer_enter(struct listener *listener, const struct sockaddr_storage *address,
                         struct listener_peer **ret_peer)
{
    const struct peer_limits *limits = &listener->per_peer;
    uint64_t now = clock_monotonic(&listener->context->loop->clock);
    struct listener_peer *peer;
    uint8_t key[18];

    *ret_peer = NULL;
    if (!limits->connections || !make_key(address, listener->port, key))
        return true;
    peer = find(listener->context, key, now);
    if (!peer || peer->connections >= limits->connections ||
        !rate_take(&peer->opens, now, limits->interval_ms, limits->burst))
        return false;
    peer->connections++;
    *ret_peer = peer;
    return true;
}

void listener_peer_leave(struct websocket_context *context, struct listener_peer *peer)
{
    if (!peer)
        return;
    peer->connections--;
    if (!peer->connections && rate_idle(&peer->opens, clock_monotonic(&context->loop->clock)))
        forget(context, peer);
}

void listener_peers_done(struct websocket_context *context)
{
    struct listener_peer *peer;
    size_t at = 0;

    while ((peer = map_next(&context->peers, &at)))
        forget(context, peer);
    map_done(&context->peers);
}
