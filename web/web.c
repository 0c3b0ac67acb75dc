/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/internal.h"

enum {
    PATH_BYTES = 4096,
};

static const struct http_server_ops ops = {
    .post = web_post, .get = web_get, .more = web_more, .gone = web_gone};

int web_check_names(const char *names, struct error *err)
{
    struct str rest = str_of(names), name;

    if (rest.len >= WEB_NAME_BYTES)
        return error_set(err, ERROR_INVALID_CONFIGURATION, "resident_names", "these are too many names");
    while (str_next(&rest, ',', &name)) {
        name = str_trim(name);
        for (size_t i = 0; i < name.len; i++)
            if (!isalnum((unsigned char)name.data[i]) && !strchr(".-:", name.data[i]))
                name.len = 0;
        if (!name.len || name.data[0] == '-' || name.data[0] == '.')
            return error_set(err, ERROR_INVALID_CONFIGURATION, "resident_names",
                             "\"%s\" is no list of names such as gateway.lan", names);
    }
    return 0;
}

struct web *web_make(struct loop *loop, struct consent *consent, const struct web_settings *settings,
                     struct error *err)
{
    struct web *web = calloc(1, sizeof(*web));

    if (web) {
        *web = (struct web){.loop = loop,
                            .consent = consent,
                            .port = settings->port,
                            .address = strdup(settings->address ? settings->address : ""),
                            .names = strdup(settings->names ? settings->names : ""),
                            .version = strdup(settings->version ? settings->version : ""),
                            .answer = http_server_answer,
                            .more = http_server_more};
        web_streams_init(web);
        if (web->address && web->names && web->version)
            return web;
        web_free(web);
    }
    error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    return NULL;
}

static int listen_on(struct web *web, struct websocket_context *context, const struct web_settings *settings,
                     struct error *err)
{
    char own[PATH_BYTES];
    const char *certificate = settings->certificate_file;
    struct http_server_settings server = {
        .address = web->address,
        .port = settings->port,
        .tls = true,
        .max_connections = LIMIT_RESIDENT_CONNECTIONS,
        .brief = true,
        .per_peer = {.connections = LIMIT_RESIDENT_CONNECTIONS / 4,
                     .burst = LIMIT_RESIDENT_CONNECTIONS,
                     .interval_ms = 250},
        .max_body = LIMIT_RESIDENT_BODY_BYTES,
        .headers = web_headers,
    };

    if (!certificate) {
        snprintf(own, sizeof(own), "%s/resident.pem", settings->state_dir);
        certificate = own;
        if (web_certificate(own, web->address, web->names, clock_wall(&web->loop->clock), err) < 0)
            return -1;
    }
    server.tls_settings.certificate_file = certificate;
    server.tls_settings.key_file = settings->certificate_file ? settings->key_file : own;
    if (web_certificate_fingerprint(certificate, web->fingerprint, err) < 0)
        return -1;
    web->server = http_server_new(context, &server, &ops, web, err);
    if (!web->server)
        return -1;
    web->port = http_server_port(web->server);
    return 0;
}

struct web *web_new(struct loop *loop, struct websocket_context *context, struct consent *consent,
                    const struct web_settings *settings, struct error *err)
{
    struct web *web = web_make(loop, consent, settings, err);

    if (web && listen_on(web, context, settings, err) < 0) {
        web_free(web);
        return NULL;
    }
    return web;
}

void web_free(struct web *web)
{
    if (!web)
        return;
    http_server_free(web->server);
    web_streams_done(web);
    for (struct web_pending *pending = web->pending, *next; pending; pending = next) {
        next = pending->next;
        pending->web = NULL; /* it goes when its batch ends */
        pending->pending = NULL;
    }
    free(web->address);
    free(web->names);
    free(web->version);
    explicit_bzero(web, sizeof(*web));
    free(web);
}

uint16_t web_port(const struct web *web)
{
    return web->port;
}

const char *web_fingerprint(const struct web *web)
{
    return web->fingerprint;
}
