/* SPDX-License-Identifier: BSD-3-Clause */
/* The requests of the resident's page: who may ask, who may decide, what is answered and when. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/json.h"
#include "tests/unit/consent_bench.h"
#include "tests/unit/web_bench.h"

static const struct web_settings settings = {
    .address = "", .port = 8443, .names = "gateway.lan, home.lan", .version = "1"};

/* ---- signing in ---- */

static void test_sign_in(void **state)
{
    struct web_bench *w = *state;
    char cookie[HTTP_COOKIE_BYTES];

    assert_int_equal(web_bench_get(w, "/api/state"), 401);
    assert_int_equal(web_bench_get(w, "/"), 200);
    assert_non_null(strstr(w->text, "<html"));
    web_bench_sign_in(w);
    assert_memory_equal(w->answer.cookie, "__Host-homepatch=", 17);
    assert_non_null(strstr(w->answer.cookie, "; Path=/; Secure; HttpOnly; SameSite=Strict"));
    str_copy(cookie, sizeof(cookie), w->headers[HEADER_COOKIE]);
    assert_int_equal(web_bench_get(w, "/api/state"), 200);
    assert_non_null(strstr(w->text, "\"devices\":["));
    assert_non_null(strstr(w->answer.header, "frame-ancestors 'none'"));
    assert_non_null(strstr(w->answer.header, "default-src 'none'"));
    assert_non_null(strstr(w->answer.header, "nosniff"));
    /* Other cookies beside it, and one that is not quite it. */
    snprintf(w->cookie, sizeof(w->cookie), "a=b; %s; c=d", cookie);
    assert_int_equal(web_bench_get(w, "/api/state"), 200);
    str_copy(w->cookie, sizeof(w->cookie), cookie);
    w->cookie[30] ^= 1;
    assert_int_equal(web_bench_get(w, "/api/state"), 401);
    str_copy(w->cookie, sizeof(w->cookie), cookie);
    assert_int_equal(web_bench_post(w, "/api/sign-out", "{}"), 200);
    assert_non_null(strstr(w->answer.cookie, "Max-Age=0"));
    str_copy(w->cookie, sizeof(w->cookie), cookie);
    assert_int_equal(web_bench_get(w, "/api/state"), 401);
}

static void test_code_is_used_up(void **state)
{
    struct web_bench *w = *state;
    char code[CONSENT_CODE_BYTES], body[64];

    assert_int_equal(consent_code_make(w->web->consent, code, NULL), 0);
    snprintf(body, sizeof(body), "{\"code\":\"%s\"}", code);
    assert_int_equal(web_bench_post(w, "/api/sign-in", body), 200);
    assert_int_equal(web_bench_post(w, "/api/sign-in", body), 403);
    assert_int_equal(web_bench_post(w, "/api/sign-in", "{}"), 403);
    assert_int_equal(web_bench_post(w, "/api/sign-in", "{\"code\":7}"), 403);
}

static void guess_from(struct web_bench *w, const char *peer)
{
    w->peer = peer;
    for (int i = 0; i < WEB_GUESS_BURST; i++)
        assert_int_equal(web_bench_post(w, "/api/sign-in", "{\"code\":\"0000-0000-0000\"}"), 403);
    assert_int_equal(web_bench_post(w, "/api/sign-in", "{\"code\":\"0000-0000-0000\"}"), 429);
}

/* More addresses than are counted guess as fast as they may: none gets more tries by it, and the resident's code is good. */
static void test_swarm(void **state)
{
    struct web_bench *w = *state;
    char code[CONSENT_CODE_BYTES], body[64], peer[INET6_ADDRSTRLEN];

    assert_int_equal(consent_code_make(w->web->consent, code, NULL), 0);
    for (unsigned i = 0; i < LIMIT_RESIDENT_GUESSERS + 200; i++) {
        snprintf(peer, sizeof(peer), i % 2 ? "10.1.%u.%u" : "fe80::%x:%x", i / 256, i % 256);
        guess_from(w, peer);
        clock_fake_advance(&w->bench.loop.clock, 25);
    }
    /* Those who guessed last are not forgotten for the many before. */
    for (unsigned i = LIMIT_RESIDENT_GUESSERS; i < LIMIT_RESIDENT_GUESSERS + 200; i++) {
        snprintf(peer, sizeof(peer), i % 2 ? "10.1.%u.%u" : "fe80::%x:%x", i / 256, i % 256);
        assert_int_equal(web_bench_post(w, "/api/sign-in", "{\"code\":\"0000-0000-0000\"}"), 429);
    }
    w->peer = "192.168.1.9";
    snprintf(body, sizeof(body), "{\"code\":\"%s\"}", code);
    assert_int_equal(web_bench_post(w, "/api/sign-in", body), 200);
}

/* One address that guesses is stopped, and stops nobody else: the code that the resident has is still good. */
static void test_guessing(void **state)
{
    struct web_bench *w = *state;
    char code[CONSENT_CODE_BYTES], body[64];

    assert_int_equal(consent_code_make(w->web->consent, code, NULL), 0);
    for (int i = 0; i < WEB_GUESS_BURST; i++)
        assert_int_equal(web_bench_post(w, "/api/sign-in", "{\"code\":\"0000-0000-0000\"}"), 403);
    snprintf(body, sizeof(body), "{\"code\":\"%s\"}", code);
    assert_int_equal(web_bench_post(w, "/api/sign-in", body), 429);
    assert_non_null(strstr(w->text, "\"wait\":20"));
    w->peer = "192.168.1.9";
    assert_int_equal(web_bench_post(w, "/api/sign-in", body), 200);
    /* And it is not shut out for good. */
    w->peer = "192.168.1.8";
    clock_fake_advance(&w->bench.loop.clock, WEB_GUESS_MS);
    web_bench_sign_in(w);
}

/* ---- sessions ---- */

static void test_session_ends(void **state)
{
    struct web_bench *w = *state;
    struct clock *clock = &w->bench.loop.clock;

    web_bench_sign_in(w);
    clock_fake_advance(clock, WEB_IDLE_S * 1000 - 1);
    assert_int_equal(web_bench_get(w, "/api/state"), 200); /* the page looks: nobody uses it */
    clock_fake_advance(clock, 1);
    assert_int_equal(web_bench_get(w, "/api/state"), 401);
    web_bench_sign_in(w);
    for (uint64_t s = 0; s + 1000 < WEB_LIFE_S; s += 1000) {
        clock_fake_advance(clock, 1000 * 1000);
        assert_int_equal(web_bench_post(w, "/api/keep", "{}"), 200);
    }
    clock_fake_advance(clock, 1000 * 1000);
    assert_int_equal(web_bench_post(w, "/api/keep", "{}"), 401);
}

static void test_few_sessions(void **state)
{
    struct web_bench *w = *state;
    char first[sizeof(w->cookie)];

    web_bench_sign_in(w);
    memcpy(first, w->cookie, sizeof(first));
    for (unsigned i = 0; i < LIMIT_RESIDENT_SESSIONS; i++) {
        clock_fake_advance(&w->bench.loop.clock, WEB_GUESS_MS);
        assert_int_equal(web_bench_get(w, "/api/state"), 200);
        web_bench_sign_in(w);
    }
    assert_int_equal(web_bench_get(w, "/api/state"), 200);
    memcpy(w->cookie, first, sizeof(first));
    assert_int_equal(web_bench_get(w, "/api/state"), 401);
}

/* ---- who asks ---- */

static void test_host(void **state)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = {
        {"192.168.1.1:8443", 200},
        {"gateway.lan:8443", 200},
        {"HOME.lan:8443", 200},
        {"[fe80::1]:8443", 200},
        {"gateway.lan", 421},
        {"gateway.lan:443", 421},
        {"evil.example:8443", 421},
        {"", 421},
        {"gateway.lan.evil.example:8443", 421},
        {"[fe80::1:8443", 421},
        {"gateway.lan:8443,x", 421},
        {"xgateway.lan:8443", 421},
        {"192.168.1.1.evil:8443", 421},
        {":8443", 421},
        {"[gateway.lan]x:8443", 421},
    };
    struct web_bench *w = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        w->headers[HEADER_HOST] = cases[i].host;
        if (web_bench_get(w, "/") != cases[i].status)
            fail_msg("%s", cases[i].host);
    }
    /* One address only. */
    free(w->web->address);
    w->web->address = strdup("192.168.1.1");
    w->headers[HEADER_HOST] = "192.168.1.1:8443";
    assert_int_equal(web_bench_get(w, "/"), 200);
    w->headers[HEADER_HOST] = "192.168.1.2:8443";
    assert_int_equal(web_bench_get(w, "/"), 421);
}

/* What another site's page can send, with the resident's cookie or without. */
static void test_cross_site(void **state)
{
    static const char now[] = "{\"question\":1,\"choice\":\"Now\"}";
    struct web_bench *w = *state;

    web_bench_sign_in(w);
    w->headers[HEADER_ORIGIN] = "https://evil.example";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 403);
    w->headers[HEADER_ORIGIN] = "";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 403);
    w->headers[HEADER_ORIGIN] = "http://gateway.lan:8443";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 403);
    w->headers[HEADER_ORIGIN] = "https://gateway.lan:8443.evil.example";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 403);
    w->headers[HEADER_ORIGIN] = "null";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 403);
    w->headers[HEADER_ORIGIN] = "https://gateway.lan:8443";
    w->headers[HEADER_FETCH_SITE] = "same-site";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 403);
    assert_int_equal(web_bench_get(w, "/api/state"), 403);
    w->headers[HEADER_FETCH_SITE] = "same-origin";
    w->type = "text/plain";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 400);
    w->type = "application/jsonp";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 400);
    w->type = "application/json; charset=utf-8";
    w->headers[HEADER_TOKEN] = "";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 403);
    w->headers[HEADER_TOKEN] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_int_equal(web_bench_post(w, "/api/decide", now), 403);
    assert_non_null(strstr(w->text, "token"));
    w->headers[HEADER_TOKEN] = w->token;
    assert_int_equal(web_bench_post(w, "/api/decide", now), 409); /* it got as far as to be no question */
}

static void test_malformed(void **state)
{
    static const struct {
        const char *path;
        const char *body;
        int status;
    } cases[] = {
        {"/api/decide", "", 400},
        {"/api/decide", "[]", 400},
        {"/api/decide", "{\"question\":1,", 400},
        {"/api/decide", "{\"question\":-1,\"choice\":\"Now\"}", 400},
        {"/api/decide", "{\"question\":\"1\",\"choice\":\"Now\"}", 400},
        {"/api/decide", "{\"question\":1,\"choice\":\"Perhaps\"}", 400},
        {"/api/policy", "{\"device\":\"none\",\"policy\":\"Ask\"}", 409},
        {"/api/policy", "{\"device\":\"none\",\"policy\":\"ask\"}", 400},
        {"/api/policy", "{\"policy\":\"Ask\"}", 409},
        {"/api/home",
         "{\"policy\":\"Home\",\"quiet_start\":\"01:00\",\"quiet_end\":\"02:00\",\"quiet_only\":true}", 400},
        {"/api/home",
         "{\"policy\":\"Ask\",\"quiet_start\":\"25:00\",\"quiet_end\":\"02:00\",\"quiet_only\":true}", 400},
        {"/api/home",
         "{\"policy\":\"Ask\",\"quiet_start\":\"01:00\",\"quiet_end\":\"02:00\",\"quiet_only\":1}", 400},
        {"/api/identity", "{\"device\":\"none\",\"mine\":true,\"changed\":\"x\",\"was\":\"\",\"is\":\"\"}",
         409},
        {"/api/identity", "{\"device\":\"device-0\",\"mine\":true,\"changed\":\"x\",\"was\":\"\"}", 400},
        {"/api/identity", "{\"device\":\"device-0\",\"mine\":1,\"changed\":\"x\",\"was\":\"\",\"is\":\"\"}",
         400},
        {"/api/nothing", "{}", 404},
        {"/", "{}", 404},
    };
    struct web_bench *w = *state;

    web_bench_sign_in(w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (web_bench_post(w, cases[i].path, cases[i].body) != cases[i].status)
            fail_msg("%s %s: %s", cases[i].path, cases[i].body, w->text);
    assert_int_equal(web_bench_get(w, "/api/nothing"), 404);
    assert_int_equal(web_bench_get(w, "/nothing"), 404);
    assert_int_equal(web_bench_get(w, "/api/history/x"), 404);
    assert_int_equal(web_bench_get(w, "/api/history/4294967296"), 404);
    assert_int_equal(w->web->pending_count, 0);
}

static void test_too_many(void **state)
{
    struct web_bench *w = *state;

    for (int i = 0; i < WEB_REQUEST_BURST; i++)
        assert_int_equal(web_bench_get(w, "/"), 200);
    assert_int_equal(web_bench_get(w, "/"), 429);
    w->peer = "192.168.1.9";
    assert_int_equal(web_bench_get(w, "/"), 200);
    w->peer = "192.168.1.8";
    clock_fake_advance(&w->bench.loop.clock, WEB_REQUEST_MS);
    assert_int_equal(web_bench_get(w, "/"), 200);
}

/* ---- deciding ---- */

static void test_decide(void **state)
{
    struct web_bench *w = *state;
    struct bench *bench = &w->bench;
    char body[200];

    web_bench_sign_in(w);
    consent_ask(bench, 1000);
    assert_int_equal(web_bench_get(w, "/api/state"), 200);
    assert_non_null(strstr(w->text, "\"state\":\"Asked\""));
    assert_non_null(strstr(w->text, "\"wording\":\"" WORDS "\""));
    snprintf(body, sizeof(body),
             "{\"question\":%u,\"choice\":\"Now\",\"wording\":\"Ce qui\\nest montr\\u00e9\"}",
             consent_info(bench).number);
    assert_int_equal(web_bench_post(w, "/api/decide", body), 0); /* later */
    assert_int_equal(w->late, 0);
    assert_int_equal(bench->devices[0].installs, 0);
    bench_settle(bench);
    assert_int_equal(w->late, 200);
    assert_int_equal(w->web->pending_count, 0);
    bench_run(bench, 3);
    assert_int_equal(bench->devices[0].installs, 1);
    assert_int_equal(web_bench_get(w, "/api/history"), 200);
    assert_non_null(strstr(w->text, "\"what\":\"Now\",\"who\":\"Resident\",\"means\":\"page\""));
    assert_non_null(strstr(w->text, "est montr\xc3\xa9\""));
    /* It is too late for another word. */
    snprintf(body, sizeof(body), "{\"question\":%u,\"choice\":\"Never\"}", 1u);
    assert_int_equal(web_bench_post(w, "/api/decide", body), 409);
}

static void test_rules(void **state)
{
    struct web_bench *w = *state;
    const struct consent_home *home = consent_home(w->web->consent);

    web_bench_sign_in(w);
    assert_int_equal(web_bench_post(w, "/api/home",
                                    "{\"policy\":\"Never\",\"quiet_start\":\"22:30\",\"quiet_end\":\"04:00\","
                                    "\"quiet_only\":true}"),
                     0);
    bench_settle(&w->bench);
    assert_int_equal(w->late, 200);
    assert_int_equal(home->policy, POLICY_NEVER);
    assert_string_equal(home->quiet_start, "22:30");
    assert_true(home->quiet_only);
    assert_int_equal(home->notice_s, NOTICE_S); /* what the page does not show stays */
    w->late = 0;
    assert_int_equal(web_bench_post(w, "/api/policy", "{\"device\":\"device-0\",\"policy\":\"Ask\"}"), 0);
    bench_settle(&w->bench);
    assert_int_equal(w->late, 200);
    assert_int_equal(web_bench_get(w, "/api/state"), 200);
    assert_non_null(strstr(w->text, "\"policy\":\"Ask\",\"effective\":\"Ask\""));
}

static void test_identity(void **state)
{
    static const char mine[] =
        "{\"device\":\"device-0\",\"mine\":true,\"changed\":\"ModelChanged\",\"was\":\"Plug\",\"is\":\"Lamp\"}";
    struct web_bench *w = *state;
    struct firmware_target *target = &w->bench.devices[0].target;

    web_bench_sign_in(w);
    assert_int_equal(web_bench_post(w, "/api/identity", mine), 409);
    firmware_target_block(target, "SerialNumberChanged"); /* not what was shown */
    assert_int_equal(web_bench_post(w, "/api/identity", mine), 409);
    firmware_target_block(target, "ModelChanged");
    assert_int_equal(web_bench_get(w, "/api/state"), 200);
    assert_non_null(
        strstr(w->text, "\"changed\":\"ModelChanged\",\"was\":\"Plug\",\"is\":\"Lamp\",\"why\":\"\""));
    assert_int_equal(web_bench_post(w, "/api/identity", mine), 0);
    bench_settle(&w->bench);
    assert_int_equal(w->late, 200);
    assert_false(target->blocked);
    assert_int_equal(web_bench_get(w, "/api/history"), 200);
    assert_non_null(strstr(w->text, "\"what\":\"Released\",\"who\":\"Resident\""));
}

/* Who waits for an answer may go, the page may go, and the store's batch ends after all. */
static void test_gone(void **state)
{
    static const char policy[] = "{\"device\":\"device-0\",\"policy\":\"Ask\"}";
    struct web_bench *w = *state;

    web_bench_sign_in(w);
    assert_int_equal(web_bench_post(w, "/api/policy", policy), 0);
    web_gone(w->web, web_bench_pending);
    bench_settle(&w->bench);
    assert_int_equal(w->late, 0);
    for (unsigned i = 0; i < LIMIT_RESIDENT_PENDING; i++)
        assert_int_equal(web_bench_post(w, "/api/policy", policy), 0);
    assert_int_equal(web_bench_post(w, "/api/policy", policy), 503);
    web_free(w->web);
    w->web = NULL;
    bench_settle(&w->bench);
    assert_int_equal(w->late, 0);
}

static void test_history_in_pages(void **state)
{
    struct web_bench *w = *state;
    char path[64];
    const char *last;
    uint32_t before = 0;

    web_bench_sign_in(w);
    for (unsigned i = 0; i < LIMIT_RESIDENT_HISTORY; i++) {
        clock_fake_advance(&w->bench.loop.clock, 1000);
        consent_set(&w->bench, i % 2 ? POLICY_ASK : POLICY_NEVER);
    }
    assert_int_equal(web_bench_get(w, "/api/history"), 200);
    assert_non_null(strstr(w->text, "\"more\":true"));
    for (last = w->text; (last = strstr(last, "\"number\":")); last++)
        before = (uint32_t)atoi(last + 9);
    assert_true(before > 1);
    snprintf(path, sizeof(path), "/api/history/%u", before);
    assert_int_equal(web_bench_get(w, path), 200);
    assert_non_null(strstr(w->text, "\"more\":false"));
    snprintf(path, sizeof(path), "\"number\":%u,", before - 1);
    assert_non_null(strstr(w->text, path));
}

/* ---- names and the certificate ---- */

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(web_check_names("gateway.lan", NULL), 0);
    assert_int_equal(web_check_names("a, b-c.d,192.168.1.1,fe80::1", NULL), 0);
    assert_int_equal(web_check_names("a,,b", NULL), -1);
    assert_int_equal(web_check_names("a b", NULL), -1);
    assert_int_equal(web_check_names("a/b", NULL), -1);
    assert_int_equal(web_check_names("-a", NULL), -1);
    assert_int_equal(web_check_names("a\ndns:b", NULL), -1);
}

static void test_certificate(void **state)
{
    const int64_t now = 1800000000, year = 365 * 24 * 3600;
    char file[] = "/tmp/homepatch-test-web-XXXXXX", first[WEB_FINGERPRINT_BYTES], next[WEB_FINGERPRINT_BYTES];
    struct stat st;
    struct error err;

    (void)state;
    assert_true(close(mkstemp(file)) == 0);
    assert_int_equal(web_certificate_fingerprint(file, first, &err), -1);
    assert_int_equal(web_certificate(file, "192.168.1.1", "gateway.lan", now, &err), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(web_certificate_fingerprint(file, first, &err), 0);
    assert_int_equal(strlen(first), 32 * 3 - 1);
    /* It is kept, */
    assert_int_equal(web_certificate(file, "192.168.1.1", "gateway.lan", now + year, &err), 0);
    assert_int_equal(web_certificate_fingerprint(file, next, &err), 0);
    assert_string_equal(next, first);
    /* until it lacks a name or has ended. */
    assert_int_equal(web_certificate(file, "192.168.1.1", "gateway.lan, other.lan", now, &err), 0);
    assert_int_equal(web_certificate_fingerprint(file, next, &err), 0);
    assert_string_not_equal(next, first);
    assert_int_equal(web_certificate(file, "192.168.1.1", "gateway.lan, other.lan", now + 11 * year, &err),
                     0);
    assert_int_equal(web_certificate_fingerprint(file, first, &err), 0);
    assert_string_not_equal(next, first);
    unlink(file);
    assert_int_equal(web_certificate("/nowhere/at/all.pem", "", "", now, &err), -1);
    assert_non_null(strstr(err.path, "/nowhere/at/all.pem"));
}

static int setup(void **state)
{
    struct web_bench *w = calloc(1, sizeof(*w));

    web_bench_init(w, &settings);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    web_bench_done(*state);
    free(*state);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_sign_in),
        CASE(test_code_is_used_up),
        CASE(test_guessing),
        CASE(test_swarm),
        CASE(test_session_ends),
        CASE(test_few_sessions),
        CASE(test_host),
        CASE(test_cross_site),
        CASE(test_malformed),
        CASE(test_too_many),
        CASE(test_decide),
        CASE(test_rules),
        CASE(test_identity),
        CASE(test_gone),
        CASE(test_history_in_pages),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
