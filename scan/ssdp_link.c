/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/ssdp_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OWN_ADDRESSES = 128,
    TTL = 2, /* UPnP Device Architecture 2.0, 1.1 */
};

enum role {
    LISTEN_4,
    SEARCH_4,
    LISTEN_6,
    SEARCH_6,
    ROLES,
};

/* One socket; on the heap, for libuv closes it later. */
struct listener {
    uv_udp_t udp;
    struct link *link; /* NULL: being closed */
};

struct link {
    struct ssdp_links *links;
    char name[IF_NAMESIZE];
    unsigned index; /* 0: not there */
    struct ssdp_prefix prefixes[SSDP_LINK_ADDRESSES];
    size_t count;
    struct listener *sockets[ROLES];
    struct timer search;
    unsigned searches; /* since it was opened */
    bool failed;       /* which was told */
};

struct ssdp_links {
    struct loop *loop;
    struct ssdp *ssdp;
    void (*failed)(void *ctx, const struct error *err);
    void *ctx;
    struct link links[SSDP_LINKS];
    size_t count;
    struct ssdp_prefix own[OWN_ADDRESSES];
    size_t own_count;
    struct timer look;
    uint64_t strangers;
    char datagram[SSDP_MESSAGE_BYTES + 1]; /* one more, to know that it was longer */
};

/* ---- addresses ---- */

static const uint8_t *bytes_of(const struct sockaddr *address)
{
    return address->sa_family == AF_INET
               ? (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr
               : (const uint8_t *)&((const struct sockaddr_in6 *)address)->sin6_addr;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* Loopback, multicast and what is no address; with them the two ends of an IPv4 link, which are nobody's. */
static bool is_host(const struct sockaddr *from)
{
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)from)->sin6_addr;
    const uint8_t *v4 = bytes_of(from);

    if (from->sa_family == AF_INET)
        return v4[0] != 0 && v4[0] != 127 && v4[0] < 224;
    return from->sa_family == AF_INET6 && !IN6_IS_ADDR_MULTICAST(v6) && !IN6_IS_ADDR_LOOPBACK(v6) &&
           !IN6_IS_ADDR_UNSPECIFIED(v6) && !IN6_IS_ADDR_V4MAPPED(v6);
}

bool ssdp_on_link(const struct sockaddr *from, const struct ssdp_prefix *own, size_t own_count,
                  const struct ssdp_prefix *link, size_t link_count)
{
    const uint8_t *address;
    size_t len;

    if ((from->sa_family != AF_INET && from->sa_family != AF_INET6) || !is_host(from))
        return false;
    address = bytes_of(from);
    len = from->sa_family == AF_INET ? 4 : 16;
    for (size_t i = 0; i < own_count; i++)
        if (own[i].family == from->sa_family && memcmp(own[i].bytes, address, len) == 0)
            return false;
    for (size_t i = 0; i < link_count; i++)
        if (link[i].family == from->sa_family && link[i].bits &&
            same_prefix(link[i].bytes, address, link[i].bits))
            return true;
    return false;
}

static unsigned bits_of(const struct sockaddr *mask)
{
    const uint8_t *bytes = mask ? bytes_of(mask) : NULL;
    unsigned most = mask && mask->sa_family == AF_INET ? 32 : 128, bits = 0;

    while (mask && bits < most && bytes[bits / 8] & (0x80 >> (bits % 8)))
        bits++;
    return bits;
}

static bool keep_prefix(const struct ifaddrs *at, struct ssdp_prefix *to, size_t *count, size_t most)
{
    struct ssdp_prefix *prefix = &to[*count];

    if (*count == most)
        return false;
    *prefix = (struct ssdp_prefix){.family = at->ifa_addr->sa_family, .bits = bits_of(at->ifa_netmask)};
    memcpy(prefix->bytes, bytes_of(at->ifa_addr), prefix->family == AF_INET ? 4 : 16);
    ++*count;
    return true;
}

static bool has_address(const struct ifaddrs *at)
{
    return at->ifa_addr && (at->ifa_addr->sa_family == AF_INET || at->ifa_addr->sa_family == AF_INET6);
}

/* ---- what comes ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct listener *listener = handle->data;

    (void)suggested;
    *buf = uv_buf_init(listener->link->links->datagram, sizeof(listener->link->links->datagram));
}

static void on_datagram(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
                        unsigned flags)
{
    struct listener *listener = udp->data;
    struct link *link = listener->link;

    (void)flags;
    if (!link || len <= 0 || !from) /* nothing, or an error that the next look at the interface settles */
        return;
    if (!ssdp_on_link(from, link->links->own, link->links->own_count, link->prefixes, link->count)) {
        link->links->strangers++;
        return;
    }
    ssdp_input(link->links->ssdp, from, link->name, (struct str){buf->base, (size_t)len});
}

/* ---- sockets ---- */

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

/*
 * All hear on one port, and each only what its own interface got: by default Linux gives a socket what any other of the
 * machine has joined.
 */
static int prepare_4(int fd, const struct link *link, enum role role)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(role == LISTEN_4 ? SSDP_PORT : 0)};
    struct ip_mreqn join = {.imr_ifindex = (int)link->index};

    inet_pton(AF_INET, "239.255.255.250", &join.imr_multiaddr);
    if (role == SEARCH_4)
        return bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
                       set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0) < 0 ||
                       set(fd, IPPROTO_IP, IP_MULTICAST_TTL, TTL) < 0 ||
                       setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &join, sizeof(join)) < 0
                   ? -1
                   : 0;
    return set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 || set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) < 0 ||
                   bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
                   setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)) < 0
               ? -1
               : 0;
}

static int prepare_6(int fd, const struct link *link, enum role role)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(role == LISTEN_6 ? SSDP_PORT : 0)};
    struct ipv6_mreq join = {.ipv6mr_interface = link->index};

    inet_pton(AF_INET6, "ff02::c", &join.ipv6mr_multiaddr);
    if (set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0)
        return -1;
    if (role == SEARCH_6)
        return bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
                       set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) < 0 ||
                       set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1) < 0 ||
                       set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)link->index) < 0
                   ? -1
                   : 0;
    return set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 || set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0) < 0 ||
                   bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
                   setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &join, sizeof(join)) < 0
               ? -1
               : 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void socket_close(struct link *link, enum role role)
{
    struct listener *listener = link->sockets[role];

    if (!listener)
        return;
    link->sockets[role] = NULL;
    listener->link = NULL;
    uv_udp_recv_stop(&listener->udp);
    uv_close((uv_handle_t *)&listener->udp, on_closed);
}

static int socket_open(struct link *link, enum role role, struct error *err)
{
    bool v4 = role == LISTEN_4 || role == SEARCH_4;
    int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct listener *listener;

    if (fd < 0 || (v4 ? prepare_4(fd, link, role) : prepare_6(fd, link, role)) < 0) {
        error_set_errno(err, ERROR_RESOURCES_EXCEEDED, link->name, errno,
                        "SSDP cannot use %s on the interface", v4 ? "IPv4" : "IPv6");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    listener = calloc(1, sizeof(*listener));
    if (!listener || uv_udp_init(&link->links->loop->uv, &listener->udp) < 0) {
        free(listener);
        close(fd);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, link->name, "out of memory");
    }
    listener->link = link;
    listener->udp.data = listener;
    link->sockets[role] = listener;
    if (uv_udp_open(&listener->udp, fd) < 0)
        close(fd); /* else it is libuv's */
    else if (uv_udp_recv_start(&listener->udp, on_alloc, on_datagram) == 0)
        return 0;
    socket_close(link, role);
    return error_set(err, ERROR_RESOURCES_EXCEEDED, link->name, "SSDP: the loop takes no more sockets");
}

/* ---- searches ---- */

static uint64_t below(uint64_t most)
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
        random = uv_hrtime();
    return random % most;
}

static void send_search(struct link *link, enum role role)
{
    struct listener *listener = link->sockets[role];
    struct sockaddr_in to_4 = {.sin_family = AF_INET, .sin_port = htons(SSDP_PORT)};
    struct sockaddr_in6 to_6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(SSDP_PORT), .sin6_scope_id = link->index};
    bool v4 = role == SEARCH_4;
    char text[256];
    uv_buf_t buf;

    if (!listener)
        return;
    inet_pton(AF_INET, "239.255.255.250", &to_4.sin_addr);
    inet_pton(AF_INET6, "ff02::c", &to_6.sin6_addr);
    buf = uv_buf_init(text, (unsigned)ssdp_search_text(v4 ? AF_INET : AF_INET6, text));
    /* What does not go now is said again next time. */
    (void)uv_udp_try_send(&listener->udp, &buf, 1,
                          v4 ? (const struct sockaddr *)&to_4 : (const struct sockaddr *)&to_6);
}

static void on_search(struct timer *timer, void *ctx)
{
    struct link *link = ctx;
    uint64_t wait = SSDP_SEARCH_S * 750ull + below(SSDP_SEARCH_S * 500ull);

    send_search(link, SEARCH_4);
    send_search(link, SEARCH_6);
    if (++link->searches == 1)
        wait = SSDP_REPEAT_MS / 2 + below(SSDP_REPEAT_MS);
    timer_arm(&link->links->loop->timers, timer, wait);
}

/* ---- interfaces ---- */

static void link_close(struct link *link)
{
    for (unsigned role = 0; role < ROLES; role++)
        socket_close(link, role);
    timer_cancel(&link->links->loop->timers, &link->search);
}

static bool has_family(const struct link *link, int family)
{
    for (size_t i = 0; i < link->count; i++)
        if (link->prefixes[i].family == family)
            return true;
    return false;
}

/* One protocol that does not work leaves the other. */
static void link_open(struct link *link)
{
    struct ssdp_links *links = link->links;
    struct error err;
    bool good = true;

    for (unsigned role = 0; role < ROLES; role++)
        if (has_family(link, role < LISTEN_6 ? AF_INET : AF_INET6) && socket_open(link, role, &err) < 0) {
            good = false;
            break;
        }
    if (!good && !link->failed)
        links->failed(links->ctx, &err);
    link->failed = !good;
    link->searches = 0;
    timer_arm(&links->loop->timers, &link->search, below(SSDP_FIRST_MS));
}

static void link_look(struct link *link, const struct ifaddrs *all)
{
    struct ssdp_prefix now[SSDP_LINK_ADDRESSES];
    size_t count = 0;
    unsigned index = 0;

    memset(now, 0, sizeof(now));
    for (const struct ifaddrs *at = all; at; at = at->ifa_next)
        if (has_address(at) && strcmp(at->ifa_name, link->name) == 0 && at->ifa_flags & IFF_UP)
            keep_prefix(at, now, &count, SSDP_LINK_ADDRESSES);
    if (count)
        index = if_nametoindex(link->name);
    if (index == link->index && count == link->count && memcmp(now, link->prefixes, sizeof(now)) == 0 &&
        !link->failed)
        return;
    link_close(link);
    link->index = index;
    link->count = index ? count : 0;
    memcpy(link->prefixes, now, sizeof(now));
    if (link->count)
        link_open(link);
}

static void on_look(struct timer *timer, void *ctx)
{
    struct ssdp_links *links = ctx;
    struct ifaddrs *all;

    timer_arm(&links->loop->timers, timer, SSDP_LOOK_S * 1000);
    if (getifaddrs(&all) < 0)
        return;
    links->own_count = 0;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next)
        if (has_address(at) && !keep_prefix(at, links->own, &links->own_count, OWN_ADDRESSES))
            break;
    for (size_t i = 0; i < links->count; i++)
        link_look(&links->links[i], all);
    freeifaddrs(all);
}

/* ---- life ---- */

struct ssdp_links *ssdp_links_new(struct loop *loop, const char *interfaces, struct ssdp *ssdp,
                                  void (*failed)(void *ctx, const struct error *err), void *ctx,
                                  struct error *err)
{
    struct ssdp_links *links = calloc(1, sizeof(*links));
    struct str rest = str_of(interfaces), name;

    if (!links) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    links->loop = loop;
    links->ssdp = ssdp;
    links->failed = failed;
    links->ctx = ctx;
    while (links->count < SSDP_LINKS && str_next(&rest, ',', &name)) {
        struct link *link = &links->links[links->count];

        name = str_trim(name);
        if (!name.len || name.len >= IF_NAMESIZE)
            continue;
        memcpy(link->name, name.data, name.len);
        link->links = links;
        timer_init(&link->search, on_search, link);
        links->count++;
    }
    timer_init(&links->look, on_look, links);
    if (timer_arm(&loop->timers, &links->look, 0) == 0)
        return links;
    free(links);
    error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    return NULL;
}

void ssdp_links_free(struct ssdp_links *links)
{
    if (!links)
        return;
    timer_cancel(&links->loop->timers, &links->look);
    for (size_t i = 0; i < links->count; i++)
        link_close(&links->links[i]);
    free(links);
}

uint64_t ssdp_links_strangers(const struct ssdp_links *links)
{
    return links->strangers;
}
