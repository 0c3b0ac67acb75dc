/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/calendar.h"
#include "base/str.h"

enum {
    INPUT_MAX = 1 << 20,
    CHUNK = 4096,
    SETTLE_MS = 200,
};

void probe_init(struct probe *probe)
{
    *probe = (struct probe){.fd = -1, .verify = X509_V_OK};
    buf_init(&probe->input, INPUT_MAX, 0);
}

static void disconnect(struct probe *probe)
{
    SSL_free(probe->ssl);
    SSL_CTX_free(probe->context);
    if (probe->fd >= 0)
        close(probe->fd);
    probe->ssl = NULL;
    probe->context = NULL;
    probe->fd = -1;
    buf_clear(&probe->input, 0);
}

void probe_done(struct probe *probe)
{
    disconnect(probe);
    buf_done(&probe->input);
}

static int fail(struct probe *probe, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct probe *probe, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(probe->why, sizeof(probe->why), fmt, ap);
    va_end(ap);
    return -1;
}

/* ---- name and TCP ---- */

static struct addrinfo *lookup(struct probe *probe, const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    char service[8];
    int rc;

    /* glibc reads this with the first question: a dead name server shall not hold us for half a minute. */
    setenv("RES_OPTIONS", "timeout:2 attempts:1", 0);
    snprintf(service, sizeof(service), "%u", port);
    rc = getaddrinfo(host, service, &hints, &list);
    if (rc == EAI_NONAME || rc == EAI_ADDRFAMILY) {
        hints.ai_flags = 0; /* with only a loopback interface up, ADDRCONFIG hides its addresses */
        rc = getaddrinfo(host, service, &hints, &list);
    }
    if (rc != 0)
        fail(probe, "%s", rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
    return rc == 0 ? list : NULL;
}

static void keep_address(struct probe *probe, const struct addrinfo *address)
{
    if (getnameinfo(address->ai_addr, address->ai_addrlen, probe->address, sizeof(probe->address), NULL, 0,
                    NI_NUMERICHOST) != 0)
        probe->address[0] = '\0';
}

int probe_resolve(struct probe *probe, const char *host, uint16_t port)
{
    struct addrinfo *list = lookup(probe, host, port);

    if (!list)
        return -1;
    keep_address(probe, list);
    freeaddrinfo(list);
    return 0;
}

static int wait_for(const struct probe *probe, short events, uint64_t ms)
{
    struct pollfd wanted = {.fd = probe->fd, .events = events};

    return poll(&wanted, 1, (int)ms) > 0 ? 0 : -1;
}

static int try_address(struct probe *probe, const struct addrinfo *address)
{
    socklen_t size = sizeof(int);
    int error = 0;

    disconnect(probe);
    keep_address(probe, address);
    probe->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe->fd < 0)
        return fail(probe, "%s", strerror(errno));
    if (connect(probe->fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return fail(probe, "%s: %s", probe->address, strerror(errno));
    if (wait_for(probe, POLLOUT, PROBE_MS) < 0)
        return fail(probe, "%s: no answer within %d s (a firewall that swallows it, or the host is down)",
                    probe->address, PROBE_MS / 1000);
    if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
        return fail(probe, "%s: %s", probe->address, strerror(error ? error : errno));
    return 0;
}

int probe_connect(struct probe *probe, const char *host, uint16_t port)
{
    struct addrinfo *list = lookup(probe, host, port);
    int rc = -1;

    for (struct addrinfo *at = list; at && rc < 0; at = at->ai_next)
        rc = try_address(probe, at);
    if (list)
        freeaddrinfo(list);
    return rc;
}

/* ---- TLS ---- */

static void keep_names(struct probe *probe, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t used = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names) && used < sizeof(probe->names) - 1; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char text[256] = "";

        if (name->type == GEN_DNS)
            snprintf(text, sizeof(text), "%.*s", ASN1_STRING_length(name->d.dNSName),
                     (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        else if (name->type == GEN_IPADD && ASN1_STRING_length(name->d.iPAddress) == 4)
            inet_ntop(AF_INET, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof(text));
        else if (name->type == GEN_IPADD && ASN1_STRING_length(name->d.iPAddress) == 16)
            inet_ntop(AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof(text));
        if (text[0])
            used += (size_t)snprintf(probe->names + used, sizeof(probe->names) - used, "%s%s",
                                     used ? ", " : "", text);
    }
    GENERAL_NAMES_free(names);
}

static void keep_expiry(struct probe *probe, X509 *certificate)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return;
    probe->expires_s = calendar_seconds(&tm);
    strftime(probe->expires, sizeof(probe->expires), "%Y-%m-%d %H:%M UTC", &tm);
}

/* Keeps the first reason, and what the leaf says of itself. */
static int on_verify(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct probe *probe = SSL_get_app_data(ssl);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);

    if (leaf && !probe->expires[0]) {
        keep_names(probe, leaf);
        keep_expiry(probe, leaf);
    }
    if (!good && probe->verify == X509_V_OK)
        probe->verify = X509_STORE_CTX_get_error(store);
    return good;
}

/* One more round of a TLS operation that wants the socket. -1: over. */
static int again(struct probe *probe, int rc, uint64_t ms)
{
    switch (SSL_get_error(probe->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(probe, POLLIN, ms);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(probe, POLLOUT, ms);
    default:
        return -1;
    }
}

/*
 * With TLS 1.3 the server looks at this side's certificate after the handshake has ended here. What it thinks of it has to
 * be read before anything is sent: a server that closes with bytes unread takes its alert back.
 */
static int settle(struct probe *probe)
{
    char byte;
    int rc;

    while (wait_for(probe, POLLIN, SETTLE_MS) == 0) {
        rc = SSL_peek(probe->ssl, &byte, 1);
        if (rc > 0)
            return 0;
        if (SSL_get_error(probe->ssl, rc) != SSL_ERROR_WANT_READ)
            return fail(probe, "%s", ERR_peek_error() ? tls_last_error() : "the peer closed the connection");
    }
    return 0;
}

static int handshake(struct probe *probe)
{
    int rc;

    while ((rc = SSL_connect(probe->ssl)) != 1)
        if (again(probe, rc, PROBE_MS) < 0)
            break;
    if (rc == 1)
        return settle(probe);
    if (probe->verify != X509_V_OK)
        return fail(probe, "%s", X509_verify_cert_error_string(probe->verify));
    if (SSL_get_error(probe->ssl, rc) == SSL_ERROR_WANT_READ)
        return fail(probe, "the peer says nothing: perhaps it does not speak TLS on this port");
    return fail(probe, "%s", ERR_peek_error() ? tls_last_error() : "the peer closed the connection");
}

int probe_tls(struct probe *probe, const struct tls_settings *settings, const char *host)
{
    struct in6_addr address;
    struct error err;

    probe->context = tls_context_new(settings, TLS_CLIENT, host, &err);
    if (!probe->context)
        return fail(probe, "%s: %s", err.path, err.message);
    probe->ssl = SSL_new(probe->context);
    if (!probe->ssl || SSL_set_fd(probe->ssl, probe->fd) != 1)
        return fail(probe, "out of memory");
    SSL_set_app_data(probe->ssl, probe);
    SSL_set_verify(probe->ssl, SSL_VERIFY_PEER, on_verify);
    if (inet_pton(AF_INET, host, &address) != 1 && inet_pton(AF_INET6, host, &address) != 1)
        SSL_set_tlsext_host_name(probe->ssl, host);
    return handshake(probe);
}

/* ---- bytes ---- */

static ssize_t send_some(struct probe *probe, const uint8_t *data, size_t len)
{
    int rc;

    if (!probe->ssl)
        return send(probe->fd, data, len, MSG_NOSIGNAL);
    rc = SSL_write(probe->ssl, data, (int)len);
    return rc > 0 ? rc : again(probe, rc, PROBE_MS) == 0 ? 0 : -1;
}

int probe_send(struct probe *probe, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (len) {
        ssize_t sent = send_some(probe, at, len);

        if (sent < 0 && !probe->ssl && errno == EAGAIN && wait_for(probe, POLLOUT, PROBE_MS) == 0)
            continue;
        if (sent < 0)
            return fail(probe, "the peer closed the connection");
        at += sent;
        len -= (size_t)sent;
    }
    return 0;
}

static int more_tls(struct probe *probe, uint8_t *room, uint64_t ms)
{
    int rc;

    while ((rc = SSL_read(probe->ssl, room, CHUNK)) <= 0) {
        bool silent = SSL_get_error(probe->ssl, rc) == SSL_ERROR_WANT_READ;

        if (again(probe, rc, ms) == 0)
            continue;
        return silent ? fail(probe, "no answer within %d s", (int)(ms / 1000))
                      : fail(probe, "%s",
                             ERR_peek_error() ? tls_last_error() : "the peer closed the connection");
    }
    return rc;
}

static int more_plain(struct probe *probe, uint8_t *room, uint64_t ms)
{
    ssize_t got;

    if (wait_for(probe, POLLIN, ms) < 0)
        return fail(probe, "no answer within %d s", (int)(ms / 1000));
    got = recv(probe->fd, room, CHUNK, 0);
    if (got <= 0)
        return fail(probe, "%s", got < 0 ? strerror(errno) : "the peer closed the connection");
    return (int)got;
}

int probe_more(struct probe *probe, uint64_t ms)
{
    uint8_t *room = buf_room(&probe->input, CHUNK);
    int got;

    if (!room)
        return fail(probe, "the peer sends too much");
    got = probe->ssl ? more_tls(probe, room, ms) : more_plain(probe, room, ms);
    if (got < 0)
        return -1;
    probe->input.len += (size_t)got;
    return 0;
}
