/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/ask.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DISCARD_PORT = 9, /* RFC 863 */
};

void ask_init(struct asker *asker)
{
    int one = 1;

    asker->v4 = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    asker->v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (asker->v4 >= 0)
        setsockopt(asker->v4, IPPROTO_IP, IP_TTL, &one, sizeof(one));
    if (asker->v6 >= 0)
        setsockopt(asker->v6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &one, sizeof(one));
}

void ask_done(struct asker *asker)
{
    if (asker->v4 >= 0)
        close(asker->v4);
    if (asker->v6 >= 0)
        close(asker->v6);
}

/* The interface goes along as ancillary data (ip(7), ipv6(7)); that needs no privilege. What fails is no answer either. */
void ask_send(const struct asker *asker, const struct host_ip *ip, uint32_t interface)
{
    bool v4 = host_ip_is_v4(ip);
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(DISCARD_PORT)};
    struct sockaddr_in6 to6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(DISCARD_PORT), .sin6_scope_id = ip->scope};
    struct in_pktinfo by4 = {.ipi_ifindex = (int)interface};
    struct in6_pktinfo by6 = {.ipi6_ifindex = interface};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(by6))];
    } control = {.bytes = {0}};
    size_t len = v4 ? sizeof(by4) : sizeof(by6);
    struct msghdr message = {
        .msg_name = v4 ? (void *)&to4 : (void *)&to6,
        .msg_namelen = v4 ? sizeof(to4) : sizeof(to6),
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(len),
    };

    memcpy(&to4.sin_addr, ip->bytes + 12, sizeof(to4.sin_addr));
    memcpy(&to6.sin6_addr, ip->bytes, sizeof(to6.sin6_addr));
    control.header.cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    control.header.cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
    control.header.cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(&control.header), v4 ? (void *)&by4 : (void *)&by6, len);
    sendmsg(v4 ? asker->v4 : asker->v6, &message, MSG_DONTROUTE | MSG_NOSIGNAL);
}
