/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of the resident's page: "GET /path" or "POST /path", then the headers host, origin, cookie, sec-fetch-site and token, a
 * line each, then the body. "*" stands for the cookie and the token of who is signed in. Who is not is told nothing, and
 * nothing is decided under another name or by another site.
 */
#include <stdlib.h>
#include <string.h>

#include "web/internal.h"

enum {
    INPUT_BYTES = 16 << 10,
    LINES = 6,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct asker {
    struct loop loop;
    struct store *store;
    struct consent *consent;
    struct web *web;
    char cookie[HTTP_COOKIE_BYTES];
    const struct web_session *session;
};

static void on_answer(struct http_pending *pending, int status, const struct http_answer *answer)
{
    (void)pending;
    (void)status;
    free(answer->content);
}

static void on_more(struct http_pending *stream)
{
    (void)stream;
}

static void set_up(struct asker *asker)
{
    const struct web_settings settings = {.address = "", .port = 8443, .names = "gateway.lan"};

    if (loop_init(&asker->loop, NULL) < 0)
        abort();
    clock_fake(&asker->loop.clock, 1800000000);
    asker->store = store_open(":memory:", &asker->loop, NULL);
    asker->consent = asker->store ? consent_new(&asker->loop, asker->store, NULL) : NULL;
    asker->web = asker->consent ? web_make(&asker->loop, asker->consent, &settings, NULL) : NULL;
    if (!asker->web)
        abort();
    asker->web->answer = on_answer;
    asker->web->more = on_more;
    asker->session = web_session_new(asker->web);
    web_session_cookie(asker->session, asker->cookie);
    *strchr(asker->cookie, ';') = '\0';
}

static void tear_down(struct asker *asker)
{
    store_flush(asker->store, NULL);
    web_free(asker->web);
    consent_stop(asker->consent);
    consent_free(asker->consent);
    store_close(asker->store);
    loop_done(&asker->loop);
}

static void ask(struct asker *asker, char *const lines[LINES], struct str body)
{
    const char *headers[HTTP_HEADERS] = {lines[1], lines[2], lines[3], lines[4], lines[5]};
    bool posts = strncmp(lines[0], "POST ", 5) == 0;
    struct http_posted posted = {.path = lines[0] + (posts ? 5 : 4),
                                 .peer = "192.168.1.8",
                                 .content_type = "application/json",
                                 .authorization = "",
                                 .headers = headers,
                                 .pending = (struct http_pending *)asker,
                                 .body = body};
    struct http_answer answer = {.fd = -1};
    bool has_cookie = strcmp(lines[3], "*") == 0;
    bool has_token = strcmp(lines[5], "*") == 0;
    int status;

    if (has_cookie)
        headers[HEADER_COOKIE] = asker->cookie;
    if (has_token)
        headers[HEADER_TOKEN] = asker->session->token;
    status = posts ? web_post(asker->web, &posted, &answer) : web_get(asker->web, &posted, &answer);
    /* No code was made, so nobody signs in; what is signed in was so before. */
    if ((status == 0 || (status == 200 && strncmp(posted.path, "/api/", 5) == 0)) &&
        (!has_cookie || (posts && (!has_token || strncmp(lines[2], "https://", 8) != 0))))
        abort();
    if (status == 200 && (!answer.content || !answer.header))
        abort();
    free(answer.content);
    if (!answer.stream)
        return;
    if (web_more(asker->web, posted.pending, &answer) != 1)
        abort();
    free(answer.content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct asker asker = {.web = NULL};
    char text[INPUT_BYTES];
    char *lines[LINES];
    char *at = text;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (int i = 0; i < LINES; i++) {
        char *end = memchr(at, '\n', (size_t)(text + size - at));

        if (!end)
            return 0;
        *end = '\0';
        lines[i] = at;
        at = end + 1;
    }
    if (strncmp(lines[0], "POST /", 6) != 0 && strncmp(lines[0], "GET /", 5) != 0)
        return 0;
    set_up(&asker);
    ask(&asker, lines, (struct str){at, (size_t)(text + size - at)});
    tear_down(&asker);
    return 0;
}
