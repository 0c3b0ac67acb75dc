/* SPDX-License-Identifier: BSD-3-Clause */
/* Which request may pass, and who answers it. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/host_port.h"
#include "devices/json.h"
#include "web/internal.h"

enum {
    HTTPS_PORT = 443,
    STATUS_OK = 200,
    STATUS_BAD = 400,
    STATUS_NOT_SIGNED_IN = 401,
    STATUS_FORBIDDEN = 403,
    STATUS_NOT_FOUND = 404,
    STATUS_MISDIRECTED = 421,
    STATUS_TOO_MANY = 429,
    STATUS_NOT_POSSIBLE = 503,
};

const char *const web_headers[] = {
    [HEADER_HOST] = "host",
    [HEADER_ORIGIN] = "origin",
    [HEADER_COOKIE] = "cookie",
    [HEADER_FETCH_SITE] = "sec-fetch-site",
    [HEADER_TOKEN] = "x-homepatch-token",
    NULL,
};

/*
 * The page loads nothing from elsewhere, runs no script but its own and is shown in nobody's frame; text never becomes
 * markup (Trusted Types).
 */
static const char safety[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Permissions-Policy: camera=(), geolocation=(), microphone=()";

/* ---- answers ---- */

int web_answer_json(struct http_answer *answer, int status, struct buf *json)
{
    if (json->failed) {
        buf_done(json);
        return STATUS_NOT_POSSIBLE;
    }
    /* Without headroom the bytes begin where the memory does. */
    answer->content = (char *)json->base;
    answer->size = json->len;
    answer->content_type = "application/json";
    answer->header = safety;
    return status;
}

int web_answer_word(struct http_answer *answer, int status, const char *word)
{
    struct buf json;

    buf_init(&json, LIMIT_RESIDENT_ANSWER_BYTES, 0);
    buf_printf(&json, "{\"error\":\"%s\"}", word);
    return web_answer_json(answer, status, &json);
}

static int answer_file(struct http_answer *answer, const char *path)
{
    const struct web_file *file = web_files;

    if (strcmp(path, "/") == 0)
        path = "/index.html";
    while (file->path && strcmp(file->path, path) != 0)
        file++;
    if (!file->path)
        return web_answer_word(answer, STATUS_NOT_FOUND, "not-found");
    answer->content = malloc(file->size + 1);
    if (!answer->content)
        return STATUS_NOT_POSSIBLE;
    memcpy(answer->content, file->data, file->size);
    answer->size = file->size;
    answer->content_type = file->type;
    answer->header = safety;
    return STATUS_OK;
}

/* ---- names ---- */

static bool is_listed(const struct web *web, const char *host)
{
    struct str rest = str_of(web->names), name;

    while (str_next(&rest, ',', &name)) {
        name = str_trim(name);
        if (name.len == strlen(host) && strncasecmp(name.data, host, name.len) == 0)
            return true;
    }
    return false;
}

/*
 * A name that somebody else's server of names leads here (DNS rebinding) is not one of ours. An address is nobody's name:
 * where all are listened on, each will do.
 */
static bool is_ours(const struct web *web, const char *header)
{
    char host[WEB_NAME_BYTES];
    struct host_port parts;

    if (host_port_split(str_of(header), HOST_PORT_OPTIONAL, NULL, &parts, NULL) < 0 ||
        parts.host.len >= sizeof(host) || (parts.has_port ? parts.port : HTTPS_PORT) != web->port)
        return false;
    memcpy(host, parts.host.data, parts.host.len);
    host[parts.host.len] = '\0';
    if (is_listed(web, host))
        return true;
    return web->address[0] ? strcmp(host, web->address) == 0 : host_is_address(host);
}

/* ---- guards ---- */

/* 0, or the answer that ends it. */
static int guard(struct web *web, const struct http_posted *asked, struct http_answer *answer)
{
    if (!web_may_ask(web, asked->peer))
        return web_answer_word(answer, STATUS_TOO_MANY, "too-many");
    if (!is_ours(web, asked->headers[HEADER_HOST]))
        return web_answer_word(answer, STATUS_MISDIRECTED, "host");
    return 0;
}

/* Another site's page sent it. Browsers say so; what is no browser has no cookie to misuse. */
static bool is_cross_site(const struct http_posted *asked)
{
    const char *site = asked->headers[HEADER_FETCH_SITE];

    return *site && strcmp(site, "same-origin") != 0;
}

static bool is_same_origin(const struct http_posted *posted)
{
    static const char scheme[] = "https://";
    const char *origin = posted->headers[HEADER_ORIGIN];

    return strncmp(origin, scheme, strlen(scheme)) == 0 &&
           strcasecmp(origin + strlen(scheme), posted->headers[HEADER_HOST]) == 0;
}

/* No form can send this type. */
static bool is_json(const char *type)
{
    static const char json[] = "application/json";

    return strncasecmp(type, json, strlen(json)) == 0 && (!type[strlen(json)] || type[strlen(json)] == ';');
}

static int guard_post(struct web *web, const struct http_posted *posted, struct http_answer *answer)
{
    int status = guard(web, posted, answer);

    if (status)
        return status;
    if (is_cross_site(posted) || !is_same_origin(posted))
        return web_answer_word(answer, STATUS_FORBIDDEN, "origin");
    if (!is_json(posted->content_type))
        return web_answer_word(answer, STATUS_BAD, "type");
    return 0;
}

/* ---- what is asked ---- */

int web_get(void *ctx, const struct http_posted *asked, struct http_answer *ret_answer)
{
    static const char history[] = "/api/history/";
    struct web *web = ctx;
    struct web_session *session;
    uint64_t before = 0;
    int status = guard(web, asked, ret_answer);

    if (status)
        return status;
    if (strncmp(asked->path, "/api/", 5) != 0)
        return answer_file(ret_answer, asked->path);
    if (is_cross_site(asked))
        return web_answer_word(ret_answer, STATUS_FORBIDDEN, "origin");
    session = web_session_find(web, asked->headers[HEADER_COOKIE]);
    if (!session)
        return web_answer_word(ret_answer, STATUS_NOT_SIGNED_IN, "sign-in");
    if (strcmp(asked->path, "/api/state") == 0)
        return web_state(web, session, ret_answer);
    if (strcmp(asked->path, "/api/events") == 0)
        return web_stream(web, session, asked, ret_answer);
    if (strcmp(asked->path, "/api/history") == 0)
        return web_history(web, 0, ret_answer);
    if (strncmp(asked->path, history, strlen(history)) == 0 &&
        str_to_u64(str_of(asked->path + strlen(history)), &before) == 0 && before <= UINT32_MAX)
        return web_history(web, (uint32_t)before, ret_answer);
    return web_answer_word(ret_answer, STATUS_NOT_FOUND, "not-found");
}

/* ---- signing in and out ---- */

static int answer_limited(struct http_answer *answer, uint32_t wait_s)
{
    struct buf json;

    buf_init(&json, LIMIT_RESIDENT_ANSWER_BYTES, 0);
    buf_printf(&json, "{\"error\":\"limited\",\"wait\":%u}", wait_s);
    return web_answer_json(answer, STATUS_TOO_MANY, &json);
}

static int answer_session(const struct web_session *session, struct http_answer *answer)
{
    struct buf json;

    buf_init(&json, LIMIT_RESIDENT_ANSWER_BYTES, 0);
    buf_printf(&json, "{\"token\":\"%s\"}", session->token);
    web_session_cookie(session, answer->cookie);
    return web_answer_json(answer, STATUS_OK, &json);
}

static int sign_in(struct web *web, const char *peer, const cJSON *body, struct http_answer *answer)
{
    const char *code = json_text(body, "code", 32);
    struct web_session *session;
    uint32_t wait_s = 0;

    if (!code)
        return web_answer_word(answer, STATUS_FORBIDDEN, "code");
    if (!web_may_guess(web, peer, &wait_s))
        return answer_limited(answer, wait_s);
    switch (consent_code_check(web->consent, code, &wait_s)) {
    case CONSENT_CODE_LIMITED:
        return answer_limited(answer, wait_s);
    case CONSENT_CODE_WRONG:
        return web_answer_word(answer, STATUS_FORBIDDEN, "code");
    case CONSENT_CODE_RIGHT:
        break;
    }
    session = web_session_new(web);
    return session ? answer_session(session, answer) : web_answer_word(answer, STATUS_NOT_POSSIBLE, "failed");
}

static int sign_out(struct web *web, struct web_session *session, struct http_answer *answer)
{
    struct buf json;

    web_session_end(web, session);
    web_session_cookie(NULL, answer->cookie);
    buf_init(&json, LIMIT_RESIDENT_ANSWER_BYTES, 0);
    buf_append_str(&json, "{}");
    return web_answer_json(answer, STATUS_OK, &json);
}

/* ---- what is posted ---- */

static const struct {
    const char *path;
    int (*fn)(struct web *web, const cJSON *body, struct http_pending *pending, struct http_answer *answer);
} posts[] = {
    {"/api/decide", web_decide},
    {"/api/policy", web_policy},
    {"/api/identity", web_identity},
    {"/api/home", web_home},
};

static int route(struct web *web, const struct http_posted *posted, const cJSON *body,
                 struct http_answer *answer)
{
    struct web_session *session;
    struct buf json;

    if (strcmp(posted->path, "/api/sign-in") == 0)
        return sign_in(web, posted->peer, body, answer);
    session = web_session_find(web, posted->headers[HEADER_COOKIE]);
    if (!session)
        return web_answer_word(answer, STATUS_NOT_SIGNED_IN, "sign-in");
    if (!web_same(posted->headers[HEADER_TOKEN], session->token))
        return web_answer_word(answer, STATUS_FORBIDDEN, "token");
    session->seen = clock_monotonic(&web->loop->clock);
    if (strcmp(posted->path, "/api/sign-out") == 0)
        return sign_out(web, session, answer);
    for (size_t i = 0; i < sizeof(posts) / sizeof(posts[0]); i++)
        if (strcmp(posted->path, posts[i].path) == 0)
            return posts[i].fn(web, body, posted->pending, answer);
    if (strcmp(posted->path, "/api/keep") != 0)
        return web_answer_word(answer, STATUS_NOT_FOUND, "not-found");
    buf_init(&json, LIMIT_RESIDENT_ANSWER_BYTES, 0);
    buf_append_str(&json, "{}");
    return web_answer_json(answer, STATUS_OK, &json);
}

int web_post(void *ctx, const struct http_posted *posted, struct http_answer *ret_answer)
{
    struct web *web = ctx;
    int status = guard_post(web, posted, ret_answer);
    cJSON *body;

    if (status)
        return status;
    body = json_parse((const uint8_t *)posted->body.data, posted->body.len, NULL);
    status = cJSON_IsObject(body) ? route(web, posted, body, ret_answer)
                                  : web_answer_word(ret_answer, STATUS_BAD, "json");
    cJSON_Delete(body);
    return status;
}
