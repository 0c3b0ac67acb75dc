/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/http_script.h"

#include <sys/prctl.h>

#include "transports/tls.h"

static void put(struct http_script *server, const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t n = server->ssl ? SSL_write(server->ssl, at, (int)len) : write(server->fd, at, len);

        if (n <= 0)
            return;
        at += n;
        len -= (size_t)n;
    }
}

__attribute__((format(printf, 2, 3))) static void say(struct http_script *server, const char *fmt, ...)
{
    char text[1000];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    put(server, text, strlen(text));
}

static void put_file(struct http_script *server, size_t from, size_t to)
{
    uint8_t chunk[4096];

    while (from < to) {
        size_t n = to - from < sizeof(chunk) ? to - from : sizeof(chunk);

        for (size_t i = 0; i < n; i++)
            chunk[i] = http_script_byte(from + i);
        put(server, chunk, n);
        from += n;
    }
}

static void answer_file(struct http_script *server, const char *request, bool ranges)
{
    const char *range = strstr(request, "Range: bytes=");
    const char *condition = strstr(request, "If-Range: ");
    size_t from = range && ranges ? (size_t)atol(range + 13) : 0;

    if (condition && strncmp(condition, "If-Range: \"one\"", 15) != 0)
        from = 0;
    if (from)
        say(server, "HTTP/1.1 206 Partial\r\nContent-Range: bytes %zu-%d/%d\r\n", from, HTTP_SCRIPT_BYTES - 1,
            HTTP_SCRIPT_BYTES);
    else
        say(server, "HTTP/1.1 200 OK\r\n");
    say(server, "ETag: \"one\"\r\nContent-Type: image/x\r\nContent-Length: %zu\r\n\r\n",
        HTTP_SCRIPT_BYTES - from);
    put_file(server, from, HTTP_SCRIPT_BYTES);
}

static void answer_text(struct http_script *server, const char *status, const char *headers, const char *text)
{
    say(server, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(text), text);
}

static void answer(struct http_script *server, const char *path, const char *request)
{
    char header[400];

    if (strcmp(path, "/file") == 0) {
        answer_file(server, request, true);
    } else if (strcmp(path, "/whole") == 0) {
        answer_file(server, request, false);
    } else if (strcmp(path, "/otherpart") == 0) {
        say(server, "HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nabcde");
    } else if (strcmp(path, "/short") == 0) {
        say(server, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc");
    } else if (strcmp(path, "/claims") == 0) {
        say(server, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc");
    } else if (strcmp(path, "/endless") == 0) {
        say(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 2500; i++)
            say(server, "200\r\n%0512d\r\n", 0);
    } else if (strcmp(path, "/stall") == 0) {
        say(server, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc");
        sleep(60);
    } else if (strcmp(path, "/auth") == 0) {
        if (strstr(request, "Authorization: Basic dXNlcjpzZWNyZXQ="))
            answer_text(server, "200 OK", "", "welcome");
        else
            answer_text(server, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "who?");
    } else if (strcmp(path, "/seen") == 0) {
        answer_text(server, "200 OK", "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nETag: W/\"weak\"\r\n",
                    strstr(request, "Authorization:") ? "credentials" : "none");
    } else if (strncmp(path, "/to?", 4) == 0) {
        snprintf(header, sizeof(header), "Location: %s\r\nETag: \"redirect\"\r\n", path + 4);
        answer_text(server, "302 Found", header, "not this");
    } else if (strncmp(path, "/hops", 5) == 0) {
        snprintf(header, sizeof(header), "Location: /hops%d\r\n", atoi(path + 5) - 1);
        answer_text(server, atoi(path + 5) ? "302 Found" : "200 OK", atoi(path + 5) ? header : "", "end");
    } else if (strncmp(path, "/status", 7) == 0) {
        answer_text(server, path + 7, "", "no");
    } else if (strcmp(path, "/empty") == 0) {
        answer_text(server, "200 OK", "", "");
    } else if (strcmp(path, "/echo") == 0) {
        say(server, "HTTP/1.1 201 Created\r\nContent-Length: %zu\r\n\r\n", strlen(request));
        put(server, request, strlen(request));
    } else if (strcmp(path, "/garbage") == 0) {
        say(server, "220 mail.example.com ESMTP\r\n");
    }
}

/* All of its head, and of its content if it has some. */
static bool is_whole(const char *request, size_t have)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = strstr(request, "Content-Length: ");

    return end &&
           have >= (size_t)(end + 4 - request) + (length && length < end ? (size_t)atol(length + 16) : 0);
}

static void converse(struct http_script *server)
{
    char request[4000] = "";
    char path[300] = "";
    size_t have = 0;

    while (have + 1 < sizeof(request) && !is_whole(request, have)) {
        ssize_t n = server->ssl ? SSL_read(server->ssl, request + have, (int)(sizeof(request) - 1 - have))
                                : read(server->fd, request + have, sizeof(request) - 1 - have);

        if (n <= 0)
            return;
        have += (size_t)n;
        request[have] = '\0';
    }
    if (sscanf(request, "%*s %299s", path) == 1)
        answer(server, path, request);
}

static void serve(struct http_script *server, int listener, SSL_CTX *tls)
{
    for (;;) {
        server->fd = accept(listener, NULL, NULL);
        if (server->fd < 0)
            continue;
        if (fork() == 0) { /* so that one that stalls holds up nobody */
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (tls) {
                server->ssl = SSL_new(tls);
                SSL_set_fd(server->ssl, server->fd);
                if (SSL_accept(server->ssl) != 1)
                    _exit(0);
            }
            converse(server);
            if (server->ssl)
                SSL_shutdown(server->ssl);
            shutdown(server->fd, SHUT_WR);
            _exit(0);
        }
        close(server->fd);
    }
}

void http_script_start(struct http_script *server, const struct pki *pki, const char *certificate)
{
    char path[PKI_PATH_BYTES];
    struct tls_settings settings = {.certificate_file = certificate ? pki_path(pki, certificate, path)
                                                                    : NULL};
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int fd = process_socket(0, bind);

    assert_int_equal(listen(fd, 20), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    server->pid = fork();
    if (server->pid == 0) {
        signal(SIGCHLD, SIG_IGN);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(server, fd, certificate ? tls_context_new(&settings, TLS_SERVER, NULL, NULL) : NULL);
    }
    close(fd);
}
