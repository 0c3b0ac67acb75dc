/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one address takes of a server: its connections are counted from accept() on, before anything is read or a TLS
 * handshake is begun, so that one peer of the LAN cannot take the places, or the time, of all others.
 *
 * An IPv6 host gives itself any number of addresses (RFC 4862, 8981). They are all in a /64, but so are those of all other hosts
 * of the link, link-local ones (fe80::/64 of an interface) included: to count only by /64 would let one host shut out the
 * home. So an address has an allowance, and all addresses of a /64 together have that of some hosts, and half of the places: who
 * makes up addresses meets that, before an entry is made for the address, and IPv4 and the other prefixes go on.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/rate.h"
#include "transports/websocket_internal.h"

enum {
    SWEEP_FIRST = 64, /* addresses; then whenever they have doubled */
    ADDRESS_BITS = 128,
    NETWORK_BITS = 64,
    NETWORK_HOSTS = 16, /* whose new connections one network may open together */
    KEY_BYTES = 16 + 4 + 2 + 1,
};

struct listener_peer {
    struct listener_peer *network; /* of an IPv6 address: its /64, which it is counted in too */
    uint8_t key
        [KEY_BYTES]; /* address as IPv6 has it, interface if link-local, the server's port, bits that count */
    uint32_t connections;
    struct rate opens;
};

/* Returns false for this machine itself. *ret_network: the address is in one, and others are. */
static bool make_key(const struct sockaddr_storage *address, uint16_t port, uint8_t key[KEY_BYTES],
                     bool *ret_network)
{
    struct in6_addr v6 = IN6ADDR_ANY_INIT;
    uint32_t interface = 0;

    if (address->ss_family == AF_INET6) {
        v6 = ((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_LINKLOCAL(&v6))
            interface = ((const struct sockaddr_in6 *)address)->sin6_scope_id;
    } else if (address->ss_family == AF_INET) {
        v6.s6_addr[10] = v6.s6_addr[11] = 0xff;
        memcpy(v6.s6_addr + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else {
        return false;
    }
    memcpy(key, v6.s6_addr, 16);
    memcpy(key + 16, &interface, 4);
    memcpy(key + 20, &port, 2);
    key[22] = ADDRESS_BITS;
    *ret_network = !IN6_IS_ADDR_V4MAPPED(&v6);
    return !IN6_IS_ADDR_LOOPBACK(&v6) && !(IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

static struct str key_of(const uint8_t key[KEY_BYTES])
{
    return (struct str){(const char *)key, KEY_BYTES};
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

static struct listener_peer *find(struct websocket_context *context, const uint8_t key[KEY_BYTES],
                                  uint64_t now)
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

/* Who is refused leaves nothing behind: what is idle is swept. */
static struct listener_peer *enter(struct websocket_context *context, const uint8_t key[KEY_BYTES],
                                   const struct peer_limits *limits, uint64_t now)
{
    struct listener_peer *peer = find(context, key, now);

    if (!peer || peer->connections >= limits->connections ||
        !rate_take(&peer->opens, now, limits->interval_ms, limits->burst))
        return NULL;
    peer->connections++;
    return peer;
}

static struct listener_peer *enter_network(const struct listener *listener, const uint8_t address[KEY_BYTES],
                                           uint64_t now)
{
    const struct peer_limits limits = {
        .connections = listener->network_places,
        .burst = listener->per_peer.burst * NETWORK_HOSTS,
        .interval_ms = listener->per_peer.interval_ms / NETWORK_HOSTS,
    };
    uint8_t key[KEY_BYTES];

    memcpy(key, address, KEY_BYTES);
    memset(key + NETWORK_BITS / 8, 0, (ADDRESS_BITS - NETWORK_BITS) / 8);
    key[KEY_BYTES - 1] = NETWORK_BITS;
    return enter(listener->context, key, &limits, now);
}

bool listener_peer_enter(struct listener *listener, const struct sockaddr_storage *address,
                         struct listener_peer **ret_peer)
{
    uint64_t now = clock_monotonic(&listener->context->loop->clock);
    struct listener_peer *peer, *network = NULL;
    uint8_t key[KEY_BYTES];
    bool has_network;

    *ret_peer = NULL;
    if (!listener->per_peer.connections || !make_key(address, listener->port, key, &has_network))
        return true;
    if (has_network && !(network = enter_network(listener, key, now)))
        return false;
    peer = enter(listener->context, key, &listener->per_peer, now);
    if (!peer) {
        listener_peer_leave(listener->context, network);
        return false;
    }
    peer->network = network;
    *ret_peer = peer;
    return true;
}

void listener_peer_leave(struct websocket_context *context, struct listener_peer *peer)
{
    struct listener_peer *network = peer ? peer->network : NULL;

    for (; peer; peer = network, network = NULL) {
        peer->connections--;
        if (!peer->connections && rate_idle(&peer->opens, clock_monotonic(&context->loop->clock)))
            forget(context, peer);
    }
}

void listener_peers_done(struct websocket_context *context)
{
    struct listener_peer *peer;
    size_t at = 0;

    while ((peer = map_next(&context->peers, &at)))
        forget(context, peer);
    map_done(&context->peers);
}
