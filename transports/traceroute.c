/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/traceroute.h"

#include <errno.h>
/* linux/errqueue.h wants struct timespec */
#include <time.h>

#include <linux/errqueue.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

enum {
    FIRST_PORT =
        33434,      /* where nobody listens, by long habit of such programs; each probe has one of its own */
    DSCP_SHIFT = 2, /* in the traffic class */
};

struct traceroute {
    struct loop *loop;
    void (*done)(void *ctx, const struct traceroute_result *result);
    void *ctx;
    struct traceroute_settings settings;
    char *host;
    char *data; /* of a probe */
    uv_getaddrinfo_t resolve;
    uv_getnameinfo_t name;
    uv_poll_t poll;
    struct timer timer; /* to begin, of the probe, and of the names */
    int fd;
    int using;      /* requests and handles that libuv still has */
    bool ended;     /* `done` was called, or must not be */
    bool tracing;   /* there are probes */
    bool concluded; /* only names are missing */
    struct sockaddr_storage target;
    socklen_t target_len;
    char source[INET6_ADDRSTRLEN];
    struct traceroute_hop hops[TRACEROUTE_HOPS_MAX];
    size_t hops_count; /* the last one is being tried */
    uint32_t try;      /* of that hop, from 0 */
    uint16_t port;
    uint64_t sent; /* monotonic ms */
    bool arrived;  /* the host itself has answered */
    bool refused;  /* a router has said that it goes no further */
    size_t naming; /* the hop whose name is asked for */
    enum traceroute_status status;
    struct error err;
};

/* ---- the end ---- */

static void release(struct traceroute *t)
{
    if (t->using || !t->ended)
        return;
    free(t->host);
    free(t->data);
    free(t);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct traceroute *t = handle->data;

    close(t->fd);
    t->fd = -1;
    t->using --;
    release(t);
}

static void stop_polling(struct traceroute *t)
{
    if (!t->tracing)
        return;
    t->tracing = false;
    uv_close((uv_handle_t *)&t->poll, on_poll_closed);
}

static uint32_t response_ms(const struct traceroute *t)
{
    const struct traceroute_hop *last = &t->hops[t->hops_count - 1];
    uint32_t ms = 0;

    for (uint32_t i = 0; i < t->settings.tries; i++)
        if (last->times_ms[i])
            ms = last->times_ms[i];
    return ms;
}

static void finish(struct traceroute *t)
{
    struct traceroute_result result = {
        .status = t->status,
        .source = t->source,
        .hops = t->hops,
        .hops_count = t->hops_count,
        .err = t->status == TRACEROUTE_COMPLETE ? NULL : &t->err,
    };

    if (t->ended)
        return;
    if (t->status == TRACEROUTE_COMPLETE)
        result.response_ms = response_ms(t);
    timer_cancel(&t->loop->timers, &t->timer);
    stop_polling(t);
    t->ended = true;
    t->done(t->ctx, &result);
    if (t->using) /* a name that nobody waits for any more */
        uv_cancel((uv_req_t *)&t->name);
    release(t);
}

void traceroute_cancel(struct traceroute *t)
{
    if (!t)
        return;
    t->ended = true;
    timer_cancel(&t->loop->timers, &t->timer);
    stop_polling(t);
    uv_cancel((uv_req_t *)&t->resolve);
    uv_cancel((uv_req_t *)&t->name);
    release(t);
}

/* ---- names of the hops: they have as long as one try ---- */

static void next_name(struct traceroute *t);

static void on_name(uv_getnameinfo_t *request, int status, const char *name, const char *service)
{
    struct traceroute *t = request->data;

    (void)service;
    t->using --;
    if (t->ended) {
        release(t);
        return;
    }
    if (status == 0)
        str_copy(t->hops[t->naming].name, sizeof(t->hops[t->naming].name), name);
    t->naming++;
    next_name(t);
}

static void next_name(struct traceroute *t)
{
    struct sockaddr_storage address;

    for (; t->naming < t->hops_count; t->naming++) {
        const char *text = t->hops[t->naming].address;

        if (!text[0] || (uv_ip4_addr(text, 0, (struct sockaddr_in *)&address) != 0 &&
                         uv_ip6_addr(text, 0, (struct sockaddr_in6 *)&address) != 0))
            continue;
        t->name.data = t;
        if (uv_getnameinfo(&t->loop->uv, &t->name, on_name, (struct sockaddr *)&address, NI_NAMEREQD) < 0)
            continue;
        t->using ++;
        return;
    }
    finish(t);
}

static void trace(struct traceroute *t);

static void conclude(struct traceroute *t, enum traceroute_status status)
{
    t->status = status;
    t->concluded = true;
    stop_polling(t);
    timer_arm(&t->loop->timers, &t->timer, t->settings.timeout_ms);
    next_name(t);
}

/* ---- probes ---- */

static void set_hops(struct traceroute *t)
{
    int hops = (int)t->hops_count;

    if (t->target.ss_family == AF_INET6)
        setsockopt(t->fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops));
    else
        setsockopt(t->fd, IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
}

/* What cannot be sent now is a try without an answer. */
static int send_data(const struct traceroute *t)
{
    ssize_t n = sendto(t->fd, t->data, t->settings.size, MSG_DONTWAIT, (const struct sockaddr *)&t->target,
                       t->target_len);

    return n >= 0 || errno == EAGAIN ? 0 : -1;
}

static void send_probe(struct traceroute *t)
{
    in_port_t *port = t->target.ss_family == AF_INET6 ? &((struct sockaddr_in6 *)&t->target)->sin6_port
                                                      : &((struct sockaddr_in *)&t->target)->sin_port;

    t->port = (uint16_t)(FIRST_PORT + (t->hops_count - 1) * t->settings.tries + t->try);
    *port = htons(t->port);
    set_hops(t);
    t->sent = clock_monotonic(&t->loop->clock);
    timer_arm(&t->loop->timers, &t->timer, t->settings.timeout_ms);
    /* The first failure may be what is said of an earlier probe. */
    for (int i = 0; i < 2; i++)
        if (send_data(t) == 0)
            return;
    error_set_errno(&t->err, ERROR_OPERATION_ERROR, t->host, errno, "cannot send a probe");
    t->hops_count--;
    conclude(t, errno == ENETUNREACH || errno == EHOSTUNREACH || errno == ENETDOWN ? TRACEROUTE_NO_ROUTE
                                                                                   : TRACEROUTE_FAILED);
}

static void next_probe(struct traceroute *t)
{
    if (++t->try < t->settings.tries) {
        send_probe(t);
        return;
    }
    t->try = 0;
    if (t->arrived) {
        conclude(t, TRACEROUTE_COMPLETE);
    } else if (t->refused) {
        error_set(&t->err, ERROR_OPERATION_ERROR, t->host, "the host cannot be reached, says %s",
                  t->hops[t->hops_count - 1].address);
        conclude(t, TRACEROUTE_NO_ROUTE);
    } else if (t->hops_count == t->settings.max_hops) {
        error_set(&t->err, ERROR_OPERATION_ERROR, t->host, "the host is more than %u hops away",
                  t->settings.max_hops);
        conclude(t, TRACEROUTE_TOO_FAR);
    } else {
        t->hops_count++;
        send_probe(t);
    }
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct traceroute *t = ctx;

    (void)timer;
    if (t->tracing)
        next_probe(t);
    else if (t->concluded)
        finish(t);
    else
        trace(t);
}

/* ---- answers ---- */

static void take_address(struct traceroute_hop *hop, const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        uv_ip6_name((const struct sockaddr_in6 *)address, hop->address, sizeof(hop->address));
    else if (address->sa_family == AF_INET)
        uv_ip4_name((const struct sockaddr_in *)address, hop->address, sizeof(hop->address));
}

static void answered(struct traceroute *t, const struct sockaddr *from, uint8_t code)
{
    struct traceroute_hop *hop = &t->hops[t->hops_count - 1];
    uint64_t ms = clock_monotonic(&t->loop->clock) - t->sent;

    take_address(hop, from);
    hop->code = code;
    hop->times_ms[t->try] = ms ? (uint32_t)ms : 1; /* TR-181: less than one is one */
    next_probe(t);
}

/* What a router, or the host, says of a probe. */
static void take_error(struct traceroute *t, const struct sock_extended_err *error)
{
    const struct sockaddr *offender = SO_EE_OFFENDER(error);
    bool exceeded, port;

    if (error->ee_origin == SO_EE_ORIGIN_ICMP) {
        exceeded = error->ee_type == ICMP_TIME_EXCEEDED;
        port = error->ee_type == ICMP_DEST_UNREACH && error->ee_code == ICMP_PORT_UNREACH;
    } else if (error->ee_origin == SO_EE_ORIGIN_ICMP6) {
        exceeded = error->ee_type == ICMP6_TIME_EXCEEDED;
        port = error->ee_type == ICMP6_DST_UNREACH && error->ee_code == ICMP6_DST_UNREACH_NOPORT;
    } else {
        return; /* local: sendto() says so, too, or time will */
    }
    if (port)
        t->arrived = true;
    else if (!exceeded)
        t->refused = true;
    answered(t, offender, error->ee_code);
}

static bool is_of_probe(const struct traceroute *t, const struct sockaddr_storage *to)
{
    in_port_t port = to->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)to)->sin6_port
                                               : ((const struct sockaddr_in *)to)->sin_port;

    return ntohs(port) == t->port; /* a late answer is of another */
}

static const struct sock_extended_err *error_in(struct msghdr *message)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg; cmsg = CMSG_NXTHDR(message, cmsg))
        if ((cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_RECVERR) ||
            (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_RECVERR))
            return (const struct sock_extended_err *)CMSG_DATA(cmsg);
    return NULL;
}

/* False when there is nothing more. */
static bool read_one(struct traceroute *t, int flags)
{
    _Alignas(struct cmsghdr) char control[512];
    struct sockaddr_storage from = {0};
    char data[16]; /* of no interest */
    struct iovec part = {data, sizeof(data)};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof(from),
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    const struct sock_extended_err *error;

    if (recvmsg(t->fd, &message, flags | MSG_DONTWAIT) < 0)
        return errno == EINTR;
    if (!is_of_probe(t, &from))
        return true;
    error = flags & MSG_ERRQUEUE ? error_in(&message) : NULL;
    if (error) {
        take_error(t, error);
    } else if (!(flags & MSG_ERRQUEUE)) { /* somebody listens there */
        t->arrived = true;
        answered(t, (struct sockaddr *)&from, 0);
    }
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct traceroute *t = poll->data;

    (void)events;
    while (t->tracing && read_one(t, MSG_ERRQUEUE))
        ;
    while (t->tracing && read_one(t, 0))
        ;
    if (t->tracing && status < 0) /* libuv stops at an error of the socket; ours are answers */
        uv_poll_start(poll, UV_READABLE | UV_PRIORITIZED, on_readable);
}

/* ---- the begin ---- */

static void set_options(struct traceroute *t)
{
    int one = 1;
    int class = t->settings.dscp << DSCP_SHIFT;

    setsockopt(t->fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, &one, sizeof(one));
    if (t->target.ss_family == AF_INET6) {
        setsockopt(t->fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one));
        setsockopt(t->fd, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
    } else {
        setsockopt(t->fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one));
        setsockopt(t->fd, IPPROTO_IP, IP_TOS, &class, sizeof(class));
    }
}

/* The address that probes leave with; no packet is sent. */
static void find_source(struct traceroute *t)
{
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    int fd = socket(t->target.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct traceroute_hop hop = {.address = ""};

    if (fd < 0)
        return;
    ((struct sockaddr_in *)&t->target)->sin_port = htons(FIRST_PORT); /* at the same place in both */
    if (connect(fd, (struct sockaddr *)&t->target, t->target_len) == 0 &&
        getsockname(fd, (struct sockaddr *)&own, &len) == 0)
        take_address(&hop, (struct sockaddr *)&own);
    close(fd);
    str_copy(t->source, sizeof(t->source), hop.address);
}

static int open_socket(struct traceroute *t)
{
    int rc;

    t->fd = socket(t->target.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0)
        return error_set_errno(&t->err, ERROR_OPERATION_ERROR, t->host, errno, "cannot make a socket");
    set_options(t);
    rc = uv_poll_init_socket(&t->loop->uv, &t->poll, t->fd);
    if (rc < 0) {
        close(t->fd);
        return error_set(&t->err, ERROR_INTERNAL, t->host, "cannot wait for answers: %s", uv_strerror(rc));
    }
    t->poll.data = t;
    t->tracing = true;
    t->using ++;
    rc = uv_poll_start(&t->poll, UV_READABLE | UV_PRIORITIZED, on_readable);
    return rc < 0
               ? error_set(&t->err, ERROR_INTERNAL, t->host, "cannot wait for answers: %s", uv_strerror(rc))
               : 0;
}

static void trace(struct traceroute *t)
{
    find_source(t);
    if (open_socket(t) < 0) {
        conclude(t, TRACEROUTE_FAILED);
        return;
    }
    t->hops_count = 1;
    send_probe(t);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct traceroute *t = request->data;

    t->using --;
    if (!t->ended && status == 0 && addresses && addresses->ai_addrlen <= sizeof(t->target)) {
        memcpy(&t->target, addresses->ai_addr, addresses->ai_addrlen);
        t->target_len = addresses->ai_addrlen;
    }
    uv_freeaddrinfo(addresses);
    if (t->ended) {
        release(t);
    } else if (t->target_len) {
        trace(t);
    } else {
        error_set(&t->err, ERROR_OPERATION_ERROR, t->host, "cannot resolve the name: %s",
                  uv_strerror(status));
        conclude(t, TRACEROUTE_CANNOT_RESOLVE);
    }
}

/* An address needs no worker, which may be waiting for a name server. */
static bool take_numeric(struct traceroute *t)
{
    if (t->settings.family != TRACEROUTE_IPV6 &&
        uv_ip4_addr(t->host, 0, (struct sockaddr_in *)&t->target) == 0)
        t->target_len = sizeof(struct sockaddr_in);
    else if (t->settings.family != TRACEROUTE_IPV4 &&
             uv_ip6_addr(t->host, 0, (struct sockaddr_in6 *)&t->target) == 0)
        t->target_len = sizeof(struct sockaddr_in6);
    return t->target_len > 0;
}

static int begin(struct traceroute *t, struct error *err)
{
    static const int families[] = {
        [TRACEROUTE_ANY] = AF_UNSPEC, [TRACEROUTE_IPV4] = AF_INET, [TRACEROUTE_IPV6] = AF_INET6};
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_family = families[t->settings.family]};
    int rc;

    t->host = str_dup(t->settings.host, strlen(t->settings.host));
    t->data = calloc(1, t->settings.size ? t->settings.size : 1);
    if (!t->host || !t->data)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    t->settings.host = t->host;
    if (take_numeric(t))
        return timer_arm(&t->loop->timers, &t->timer, 0) < 0
                   ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory")
                   : 0;
    rc = uv_getaddrinfo(&t->loop->uv, &t->resolve, on_resolved, t->host, NULL, &hints);
    if (rc < 0)
        return error_set(err, ERROR_INTERNAL, t->host, "cannot resolve the name: %s", uv_strerror(rc));
    t->resolve.data = t;
    t->using ++;
    return 0;
}

struct traceroute *traceroute_start(struct loop *loop, const struct traceroute_settings *settings,
                                    void (*done)(void *ctx, const struct traceroute_result *result),
                                    void *ctx, struct error *err)
{
    struct traceroute *t = calloc(1, sizeof(*t));

    if (!t) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    t->loop = loop;
    t->done = done;
    t->ctx = ctx;
    t->fd = -1;
    t->settings = *settings;
    if (t->settings.tries < 1 || t->settings.tries > TRACEROUTE_TRIES_MAX)
        t->settings.tries = TRACEROUTE_TRIES_MAX;
    if (t->settings.max_hops < 1 || t->settings.max_hops > TRACEROUTE_HOPS_MAX)
        t->settings.max_hops = TRACEROUTE_HOPS_MAX;
    timer_init(&t->timer, on_timer, t);
    if (begin(t, err) < 0) {
        t->ended = true;
        release(t);
        return NULL;
    }
    return t;
}
