/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

static const char path_prefix[] = "/image/";

/* One answer on its way. Outlives its grant when that is revoked meanwhile. */
struct serve_request {
    struct serve_request *next;
    struct serve_grant *grant;
    bool companion;
};

void serve_init(struct serve *serve)
{
    map_init(&serve->grants);
}

void serve_done(struct serve *serve)
{
    map_done(&serve->grants);
}

/* Letters, digits, dot, dash, underscore; nothing that a URL, a path or a header could misread. */
static void clean_name(char *to, size_t size, const char *name)
{
    size_t n = 0;

    for (; *name && n + 1 < size; name++) {
        bool fine = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
                    (*name >= '0' && *name <= '9') || *name == '-' || *name == '_' || (*name == '.' && n);

        to[n++] = fine ? *name : '_';
    }
    to[n] = '\0';
}

static int draw_token(char token[SERVE_TOKEN_BYTES])
{
    uint8_t bytes[16];

    /* An unguessable name or none: never a weaker one. */
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -1;
    str_to_hex(token, bytes, sizeof(bytes));
    return 0;
}

int serve_grant(struct serve *serve, struct serve_grant *grant, const char *base, const char *name,
                const char *path, uint64_t size, const char *peer, struct error *err)
{
    char clean[65];
    size_t len = strlen(base);

    serve_revoke(grant);
    clean_name(clean, sizeof(clean), name && *name ? name : "firmware.bin");
    while (len && base[len - 1] == '/')
        len--;
    if (draw_token(grant->token) < 0)
        return error_set_errno(err, ERROR_INTERNAL, NULL, errno, "no random number for the image's URL");
    grant->size = size;
    grant->position = 0;
    if (asprintf(&grant->url, "%.*s%s%s/%s", (int)len, base, path_prefix, grant->token, clean) < 0)
        grant->url = NULL;
    if (!grant->url || str_replace(&grant->path, path) < 0 || str_replace(&grant->peer, peer) < 0 ||
        map_put(&serve->grants, str_of(grant->token), grant) < 0) {
        grant->serve = NULL;
        serve_revoke(grant);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to serve the image");
    }
    grant->serve = serve;
    return 0;
}

int serve_grant_companion(struct serve_grant *grant, const char *part, const char *path, uint64_t size,
                          struct error *err)
{
    grant->companion_size = size;
    if (str_replace(&grant->companion, part) < 0 || str_replace(&grant->companion_path, path) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to serve the image");
    return 0;
}

void serve_revoke(struct serve_grant *grant)
{
    if (grant->serve)
        map_remove(&grant->serve->grants, str_of(grant->token));
    grant->serve = NULL;
    for (struct serve_request *request = grant->requests; request; request = request->next)
        request->grant = NULL;
    grant->requests = NULL;
    free(grant->url);
    free(grant->path);
    free(grant->peer);
    free(grant->companion);
    free(grant->companion_path);
    grant->url = grant->path = grant->peer = grant->companion = grant->companion_path = NULL;
}

/* "::ffff:192.168.1.7" is 192.168.1.7 seen by an IPv6 socket. */
static bool same_peer(const char *expected, const char *peer)
{
    if (!peer)
        return false;
    if (strncasecmp(peer, "::ffff:", 7) == 0)
        peer += 7;
    return strcmp(expected, peer) == 0;
}

int serve_request(struct serve *serve, const char *path, const char *peer, struct http_answer *ret_answer)
{
    const size_t prefix = sizeof(path_prefix) - 1;
    struct serve_request *request;
    struct serve_grant *grant;
    unsigned count = 0;
    bool companion;
    int fd;

    if (strncmp(path, path_prefix, prefix) != 0 || strlen(path + prefix) < SERVE_TOKEN_BYTES ||
        path[prefix + SERVE_TOKEN_BYTES - 1] != '/')
        return 404;
    grant = map_get(&serve->grants, (struct str){path + prefix, SERVE_TOKEN_BYTES - 1});
    if (!grant || (grant->peer && !same_peer(grant->peer, peer)))
        return 404; /* whoever asks learns nothing about what exists */
    companion = grant->companion && strstr(path + prefix + SERVE_TOKEN_BYTES, grant->companion);
    if (companion && !grant->companion_path)
        return 404;
    for (request = grant->requests; request; request = request->next)
        count++;
    if (count >= SERVE_REQUESTS)
        return 503;
    fd = open(companion ? grant->companion_path : grant->path, O_RDONLY | O_CLOEXEC);
    request = fd < 0 ? NULL : calloc(1, sizeof(*request));
    if (!request) {
        if (fd >= 0)
            close(fd);
        return 503;
    }
    request->grant = grant;
    request->companion = companion;
    request->next = grant->requests;
    grant->requests = request;
    *ret_answer = (struct http_answer){
        .fd = fd,
        .size = companion ? grant->companion_size : grant->size,
        .content_type = "application/octet-stream",
        .request_ctx = request,
    };
    return 200;
}

void serve_progress(void *request_ctx, uint64_t position)
{
    struct serve_request *request = request_ctx;
    struct serve_grant *grant = request->grant;

    if (!grant || (!request->companion && position <= grant->position))
        return;
    /* After the companion the device begins anew with its image. */
    grant->position = request->companion ? 0 : position;
    grant->progress(grant->ctx, grant->position);
}

void serve_end(void *request_ctx)
{
    struct serve_request *request = request_ctx;

    if (!request)
        return;
    if (request->grant) {
        for (struct serve_request **at = &request->grant->requests; *at; at = &(*at)->next) {
            if (*at == request) {
                *at = request->next;
                break;
            }
        }
    }
    free(request);
}
