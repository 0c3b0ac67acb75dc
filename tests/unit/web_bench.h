/* SPDX-License-Identifier: BSD-3-Clause */
/* The bench of consent with the resident's page in front of it, asked without a socket. */
#ifndef TESTS_UNIT_WEB_BENCH_H
#define TESTS_UNIT_WEB_BENCH_H

#include "tests/unit/consent_bench.h"
#include "web/internal.h"

struct web_bench {
    struct bench bench;
    struct web *web;
    const char *peer;
    const char *type;
    const char *headers[HTTP_HEADERS];
    char cookie[512];
    char token[WEB_SECRET_BYTES];
    struct http_answer answer; /* the last; its content is in text */
    char *text;
    bool fixed; /* text has room enough */
    int late;   /* the status of what was answered later */
    int wanted; /* how often a stream said that it has more */
};

/* Only its address counts: *web_bench_pending is the bench. */
static struct http_pending *web_bench_pending;

static inline void web_bench_answer(struct http_pending *pending, int status,
                                    const struct http_answer *answer)
{
    ((struct web_bench *)pending)->late = status;
    free(answer->content);
}

/* A stream is asked for what is new when the test says so: see web_bench_take(). */
static inline void web_bench_more(struct http_pending *pending)
{
    ((struct web_bench *)pending)->wanted++;
}

static inline void web_bench_init(struct web_bench *w, const struct web_settings *settings)
{
    consent_bench_init(&w->bench, POLICY_ASK);
    w->web = web_make(&w->bench.loop, consent_of(&w->bench), settings, NULL);
    assert_non_null(w->web);
    w->web->answer = web_bench_answer;
    w->web->more = web_bench_more;
    w->peer = "192.168.1.8";
    w->type = "application/json";
    w->headers[HEADER_HOST] = "gateway.lan:8443";
    w->headers[HEADER_ORIGIN] = "https://gateway.lan:8443";
    w->headers[HEADER_FETCH_SITE] = "";
    w->headers[HEADER_COOKIE] = w->cookie;
    w->headers[HEADER_TOKEN] = w->token;
    web_bench_pending = (struct http_pending *)w;
}

static inline void web_bench_done(struct web_bench *w)
{
    web_free(w->web);
    free(w->text);
    bench_done(&w->bench);
}

/* The answer as a text of its own. */
static inline int web_bench_keep(struct web_bench *w, int status)
{
    if (!w->fixed) {
        free(w->text);
        w->text = malloc(w->answer.size + 1);
    }
    assert_non_null(w->text);
    if (w->answer.content)
        memcpy(w->text, w->answer.content, w->answer.size);
    w->text[w->answer.size] = '\0';
    free(w->answer.content);
    w->answer.content = NULL;
    return status;
}

static inline struct http_posted web_bench_asked(struct web_bench *w, const char *path, const char *body)
{
    return (struct http_posted){.path = path,
                                .peer = w->peer,
                                .content_type = w->type,
                                .authorization = "",
                                .headers = w->headers,
                                .pending = web_bench_pending,
                                .body = str_of(body)};
}

static inline int web_bench_get(struct web_bench *w, const char *path)
{
    const struct http_posted asked = web_bench_asked(w, path, "");

    w->answer = (struct http_answer){.fd = -1};
    return web_bench_keep(w, web_get(w->web, &asked, &w->answer));
}

static inline int web_bench_post(struct web_bench *w, const char *path, const char *body)
{
    const struct http_posted posted = web_bench_asked(w, path, body);

    w->answer = (struct http_answer){.fd = -1};
    return web_bench_keep(w, web_post(w->web, &posted, &w->answer));
}

/* With a fresh code; the cookie and the token are kept. */
static inline void web_bench_sign_in(struct web_bench *w)
{
    char code[CONSENT_CODE_BYTES], body[64];
    const char *token;

    assert_int_equal(consent_code_make(w->web->consent, code, NULL), 0);
    snprintf(body, sizeof(body), "{\"code\":\"%s\"}", code);
    assert_int_equal(web_bench_post(w, "/api/sign-in", body), 200);
    str_copy(w->cookie, sizeof(w->cookie), w->answer.cookie);
    *strchr(w->cookie, ';') = '\0';
    token = strstr(w->text, "\"token\":\"");
    assert_non_null(token);
    memcpy(w->token, token + 9, sizeof(w->token) - 1);
}

#endif
