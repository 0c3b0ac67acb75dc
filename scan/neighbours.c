/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/neighbours.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "scan/ask.h"

enum {
    RECEIVE_BYTES = 32768,   /* a datagram of a dump; see netlink(7) */
    QUEUE_BYTES = 512 << 10, /* what the kernel may keep for us */
    READS_AT_ONCE = 64,
    FAMILY_LINKS = -1,
};

/* What is read of the kernel, one after the other: it takes one dump at a time. */
static const int dumps[] = {FAMILY_LINKS, AF_UNSPEC, AF_BRIDGE};

enum {
    DUMPS = sizeof(dumps) / sizeof(dumps[0]),
};

struct interface {
    char name[HOST_INTERFACE_BYTES];
    uint32_t index;        /* 0: not there */
    const char *link_type; /* NULL: a bridge, whose ports have one each */
};

struct neighbours {
    struct loop *loop;
    struct hosts *hosts;
    struct mnl_socket *socket;
    uv_poll_t *poll;
    struct interface interfaces[LIMIT_SCAN_INTERFACES];
    size_t interfaces_count;
    size_t dump; /* index of the one under way; DUMPS: none */
    bool again;  /* from the start when it is over */
    struct asker asker;
    struct observer observer;
    struct neighbours_stats stats;
};

/* ---- interfaces ---- */

static struct interface *interface_of(struct neighbours *neighbours, uint32_t index)
{
    for (size_t i = 0; index && i < neighbours->interfaces_count; i++)
        if (neighbours->interfaces[i].index == index)
            return &neighbours->interfaces[i];
    return NULL;
}

/* A value of Device.Hosts.Host.{i}.InterfaceType. What is behind an adapter of another technology looks like Ethernet. */
static const char *link_type_of(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/class/net/%.15s/phy80211", name);
    return access(path, F_OK) == 0 ? "Wi-Fi" : "Ethernet";
}

static bool is_bridge(const struct nlmsghdr *message)
{
    struct nlattr *attr, *inner;

    mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg))
    {
        if (mnl_attr_get_type(attr) != IFLA_LINKINFO)
            continue;
        mnl_attr_for_each_nested(inner, attr)
        {
            if (mnl_attr_get_type(inner) == IFLA_INFO_KIND &&
                strncmp(mnl_attr_get_str(inner), "bridge", mnl_attr_get_payload_len(inner)) == 0)
                return true;
        }
    }
    return false;
}

static void dump_again(struct neighbours *neighbours);

static void on_link(struct neighbours *neighbours, const struct nlmsghdr *message)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    const char *name = NULL;
    struct nlattr *attr;

    mnl_attr_for_each(attr, message, sizeof(*info))
    {
        if (mnl_attr_get_type(attr) == IFLA_IFNAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
            name = mnl_attr_get_str(attr);
    }
    for (size_t i = 0; info->ifi_family == AF_UNSPEC && name && i < neighbours->interfaces_count; i++) {
        struct interface *interface = &neighbours->interfaces[i];
        uint32_t index = message->nlmsg_type == RTM_NEWLINK ? (uint32_t)info->ifi_index : 0;

        if (strcmp(interface->name, name) != 0) {
            if (interface->index == (uint32_t)info->ifi_index)
                interface->index = 0; /* renamed */
            continue;
        }
        if (interface->index == index)
            continue;
        interface->index = index;
        interface->link_type = is_bridge(message)               ? NULL
                               : info->ifi_type == ARPHRD_ETHER ? link_type_of(name)
                                                                : "Other";
        if (index)
            dump_again(neighbours);
    }
    neighbours->stats.present = 0;
    for (size_t i = 0; i < neighbours->interfaces_count; i++)
        neighbours->stats.present += neighbours->interfaces[i].index != 0;
}

/* ---- neighbours ---- */

/* What the kernel's state says of now. In a dump, a stale entry may be of long ago. */
static enum host_presence presence_of(const struct nlmsghdr *message, uint16_t state)
{
    if (state & NUD_FAILED)
        return HOST_PRESENCE_GONE;
    if (message->nlmsg_type == RTM_DELNEIGH)
        return HOST_PRESENCE_UNTRACKED;
    if (state & NUD_REACHABLE)
        return HOST_PRESENCE_TRACKED;
    return (state & NUD_STALE) && !(message->nlmsg_flags & NLM_F_MULTI) ? HOST_PRESENCE_SEEN
                                                                        : HOST_PRESENCE_UNKNOWN;
}

static int ip_of(const struct nlattr *attr, int family, uint32_t index, struct host_ip *ret)
{
    size_t len = family == AF_INET ? 4 : 16;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any = {.sa_family = (sa_family_t)family}};

    if (!attr || mnl_attr_get_payload_len(attr) != len)
        return -1;
    address.v6.sin6_scope_id = 0;
    if (family == AF_INET) {
        memcpy(&address.v4.sin_addr, mnl_attr_get_payload(attr), len);
    } else {
        memcpy(&address.v6.sin6_addr, mnl_attr_get_payload(attr), len);
        address.v6.sin6_scope_id = index;
    }
    return host_ip_from_sockaddr(&address.any, ret);
}

static void on_address(struct neighbours *neighbours, const struct nlmsghdr *message,
                       const struct nlattr *destination, const uint8_t *mac)
{
    const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
    const struct interface *interface = interface_of(neighbours, (uint32_t)neighbour->ndm_ifindex);
    enum host_presence presence = presence_of(message, neighbour->ndm_state);
    struct host_ip ip;

    if (!interface || (neighbour->ndm_state & NUD_NOARP) ||
        ip_of(destination, neighbour->ndm_family, interface->index, &ip) < 0)
        return;
    /* Without a MAC address the kernel is still asking, has given up, or never knew; only the second says something. */
    if (presence != HOST_PRESENCE_GONE && !mac)
        return;
    /* An entry that was dropped for its age: it takes the address from nobody. */
    if (message->nlmsg_type == RTM_DELNEIGH)
        mac = NULL;
    if (!mac && !hosts_find_ip(neighbours->hosts, &ip))
        return;
    hosts_observe(neighbours->hosts, &(struct host_sighting){.source = HOST_NEIGHBOUR,
                                                             .mac = mac,
                                                             .ip = &ip,
                                                             .interface = interface->name,
                                                             .presence = presence,
                                                             .link_type = interface->link_type});
}

/* The bridge learnt behind which port a host is: that says what it is connected by. */
static void on_port(struct neighbours *neighbours, const struct nlmsghdr *message,
                    const struct nlattr *master, const uint8_t *mac)
{
    const struct ndmsg *entry = mnl_nlmsg_get_payload(message);
    char name[IF_NAMESIZE];

    if (!mac || !master || mnl_attr_get_payload_len(master) != 4 || message->nlmsg_type != RTM_NEWNEIGH ||
        (entry->ndm_state & NUD_PERMANENT) || !interface_of(neighbours, mnl_attr_get_u32(master)) ||
        !hosts_find(neighbours->hosts, mac) || !if_indextoname((unsigned)entry->ndm_ifindex, name))
        return;
    hosts_observe(
        neighbours->hosts,
        &(struct host_sighting){.source = HOST_NEIGHBOUR, .mac = mac, .link_type = link_type_of(name)});
}

static void on_neighbour(struct neighbours *neighbours, const struct nlmsghdr *message)
{
    const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
    const struct nlattr *destination = NULL, *master = NULL;
    const uint8_t *mac = NULL;
    uint8_t valid[HOST_MAC_BYTES];
    char digits[2 * HOST_MAC_BYTES + 1];
    struct nlattr *attr;

    mnl_attr_for_each(attr, message, sizeof(*neighbour))
    {
        if (mnl_attr_get_type(attr) == NDA_DST)
            destination = attr;
        else if (mnl_attr_get_type(attr) == NDA_MASTER)
            master = attr;
        else if (mnl_attr_get_type(attr) == NDA_LLADDR && mnl_attr_get_payload_len(attr) == HOST_MAC_BYTES) {
            str_to_hex(digits, mnl_attr_get_payload(attr), HOST_MAC_BYTES);
            if (host_mac_from_text(str_of(digits), valid) == 0)
                mac = valid;
        }
    }
    if (neighbour->ndm_family == AF_BRIDGE)
        on_port(neighbours, message, master, mac);
    else if (neighbour->ndm_family == AF_INET || neighbour->ndm_family == AF_INET6)
        on_address(neighbours, message, destination, mac);
}

/* True: it ends the dump that is under way. */
static bool on_message(struct neighbours *neighbours, const struct nlmsghdr *message)
{
    neighbours->stats.messages++;
    if (message->nlmsg_flags & NLM_F_DUMP_INTR)
        neighbours->again = true; /* the table changed while it was listed */
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct ifinfomsg))
            on_link(neighbours, message);
        return false;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
        if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct ndmsg))
            on_neighbour(neighbours, message);
        return false;
    case NLMSG_DONE:
    case NLMSG_ERROR: /* also of a request for a host that the bridge does not know, whose number is 0 */
        return message->nlmsg_seq == neighbours->dump + 1;
    default:
        return false;
    }
}

/* ---- asking the kernel ---- */

static int send_request(struct neighbours *neighbours, struct nlmsghdr *message, uint16_t flags)
{
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    return mnl_socket_sendto(neighbours->socket, message, message->nlmsg_len) < 0 ? -1 : 0;
}

static int start_dump(struct neighbours *neighbours)
{
    uint64_t space[16] = {0};
    struct nlmsghdr *message = mnl_nlmsg_put_header(space);
    int family = dumps[neighbours->dump];

    message->nlmsg_seq = (uint32_t)neighbours->dump + 1;
    if (family == FAMILY_LINKS) {
        message->nlmsg_type = RTM_GETLINK;
        mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    } else {
        struct ndmsg *neighbour;

        message->nlmsg_type = RTM_GETNEIGH;
        neighbour = mnl_nlmsg_put_extra_header(message, sizeof(*neighbour));
        neighbour->ndm_family = (uint8_t)family;
    }
    return send_request(neighbours, message, NLM_F_DUMP);
}

static void next_dump(struct neighbours *neighbours)
{
    if (neighbours->again) {
        neighbours->again = false;
        neighbours->dump = 0;
    } else if (neighbours->dump < DUMPS) {
        neighbours->dump++;
    }
    while (neighbours->dump < DUMPS && start_dump(neighbours) < 0)
        neighbours->dump++; /* not in this kernel: without */
}

static void dump_again(struct neighbours *neighbours)
{
    bool idle = neighbours->dump == DUMPS;

    /* Links that are being listed are followed by their neighbours anyway. */
    if (neighbours->dump == 0)
        return;
    neighbours->again = true;
    if (idle)
        next_dump(neighbours);
}

/* Behind which port of its bridge is a host that came just now? The answer is a message like any. */
static void on_host(void *ctx, const void *event)
{
    const struct host_event *news = event;
    struct neighbours *neighbours = ctx;
    uint64_t space[16] = {0};

    if (news->type != HOST_ADDED || neighbours->dump < DUMPS)
        return;
    for (size_t i = 0; i < neighbours->interfaces_count; i++) {
        const struct interface *interface = &neighbours->interfaces[i];
        struct nlmsghdr *message = mnl_nlmsg_put_header(space);
        struct ndmsg *neighbour;

        if (!interface->index || interface->link_type || strcmp(interface->name, news->host->interface) != 0)
            continue;
        message->nlmsg_type = RTM_GETNEIGH;
        neighbour = mnl_nlmsg_put_extra_header(message, sizeof(*neighbour));
        neighbour->ndm_family = AF_BRIDGE;
        mnl_attr_put(message, NDA_LLADDR, HOST_MAC_BYTES, news->host->mac);
        mnl_attr_put_u32(message, NDA_MASTER, interface->index);
        send_request(neighbours, message, 0);
    }
}

/* ---- the socket ---- */

/* The kernel dropped messages: what was reachable may not be, so all of it is read anew. */
static void on_lost(struct neighbours *neighbours)
{
    neighbours->stats.lost++;
    hosts_lost_track(neighbours->hosts);
    dump_again(neighbours);
}

/* False: there is nothing more for now. */
static bool read_some(struct neighbours *neighbours)
{
    uint64_t space[RECEIVE_BYTES / sizeof(uint64_t)];
    const struct nlmsghdr *message = (const struct nlmsghdr *)space;
    ssize_t len = mnl_socket_recvfrom(neighbours->socket, space, sizeof(space));
    int left;

    if (len < 0 && (errno == ENOBUFS || errno == ENOSPC)) {
        on_lost(neighbours);
        return true;
    }
    if (len < 0)
        return errno == EINTR;
    for (left = (int)len; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
        if (on_message(neighbours, message))
            next_dump(neighbours);
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    for (unsigned i = 0; i < READS_AT_ONCE && read_some(poll->data); i++)
        ;
    /* libuv stops at an error of a descriptor. Here it says that messages were lost, and reading has taken it. */
    if (status < 0)
        uv_poll_start(poll, UV_READABLE, on_readable);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static int open_socket(struct neighbours *neighbours, struct error *err)
{
    int queue = QUEUE_BYTES, fd;

    neighbours->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (!neighbours->socket ||
        mnl_socket_bind(neighbours->socket, RTMGRP_NEIGH | RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, "scan_interfaces", errno,
                               "the kernel does not tell of its neighbours (rtnetlink)");
    fd = mnl_socket_get_fd(neighbours->socket);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue));
    neighbours->poll = calloc(1, sizeof(*neighbours->poll));
    if (!neighbours->poll || uv_poll_init(&neighbours->loop->uv, neighbours->poll, fd) < 0) {
        free(neighbours->poll);
        neighbours->poll = NULL;
        return error_set(err, ERROR_RESOURCES_EXCEEDED, "scan_interfaces", "out of memory");
    }
    neighbours->poll->data = neighbours;
    uv_poll_start(neighbours->poll, UV_READABLE, on_readable);
    return start_dump(neighbours) < 0 ? error_set_errno(err, ERROR_INVALID_CONFIGURATION, "scan_interfaces",
                                                        errno, "the kernel does not list its links")
                                      : 0;
}

static void check(void *ctx, const struct host_ip *ip, const char *interface)
{
    struct neighbours *neighbours = ctx;

    for (size_t i = 0; i < neighbours->interfaces_count; i++) {
        const struct interface *at = &neighbours->interfaces[i];

        /* Of a lease alone it is not known where; the wrong interface costs a question that nobody answers. */
        if (!at->index || (interface[0] && strcmp(interface, at->name) != 0))
            continue;
        ask_send(&neighbours->asker, ip, at->index);
        neighbours->stats.asked++;
    }
}

static int take_names(struct neighbours *neighbours, const char *interfaces, struct error *err)
{
    struct str rest = str_of(interfaces), name;

    while (rest.len && str_next(&rest, ',', &name)) {
        name = str_trim(name);
        if (!name.len || name.len >= HOST_INTERFACE_BYTES)
            return error_set(err, ERROR_INVALID_CONFIGURATION, "scan_interfaces",
                             "\"%.*s\" is no interface's name", (int)(name.len > 60 ? 60 : name.len),
                             name.data);
        if (neighbours->interfaces_count == LIMIT_SCAN_INTERFACES)
            return error_set(err, ERROR_INVALID_CONFIGURATION, "scan_interfaces",
                             "more than %u interfaces are named", LIMIT_SCAN_INTERFACES);
        memcpy(neighbours->interfaces[neighbours->interfaces_count++].name, name.data, name.len);
    }
    return 0;
}

struct neighbours *neighbours_new(struct loop *loop, struct hosts *hosts, const char *interfaces,
                                  struct error *err)
{
    struct neighbours *neighbours = calloc(1, sizeof(*neighbours));

    if (!neighbours) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, "scan_interfaces", "out of memory");
        return NULL;
    }
    neighbours->loop = loop;
    neighbours->hosts = hosts;
    neighbours->observer = (struct observer){.fn = on_host, .ctx = neighbours};
    observer_add(hosts_observers(hosts), &neighbours->observer);
    ask_init(&neighbours->asker);
    if (take_names(neighbours, interfaces, err) < 0 || open_socket(neighbours, err) < 0) {
        neighbours_free(neighbours);
        return NULL;
    }
    hosts_set_check(hosts, check, neighbours);
    return neighbours;
}

void neighbours_free(struct neighbours *neighbours)
{
    if (!neighbours)
        return;
    hosts_set_check(neighbours->hosts, NULL, NULL);
    observer_remove(hosts_observers(neighbours->hosts), &neighbours->observer);
    if (neighbours->poll)
        uv_close((uv_handle_t *)neighbours->poll, on_poll_closed);
    if (neighbours->socket)
        mnl_socket_close(neighbours->socket);
    ask_done(&neighbours->asker);
    free(neighbours);
}

const struct neighbours_stats *neighbours_stats(const struct neighbours *neighbours)
{
    return &neighbours->stats;
}
