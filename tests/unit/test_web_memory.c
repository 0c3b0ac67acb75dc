/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The resident's page when memory runs out: signs in, looks, agrees, each time with another allocation failing. What is not
 * answered as done is not done, unless its answer follows; nothing leaks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/failing_alloc.h"
#include "tests/unit/web_bench.h"

enum {
    ROUNDS_MAX = 3000,
};

static const struct web_settings settings = {
    .address = "", .port = 8443, .names = "gateway.lan", .version = "1"};

static int sign_in(struct web_bench *w, const char *code)
{
    const char *token;
    char body[64];
    int status;

    snprintf(body, sizeof(body), "{\"code\":\"%s\"}", code);
    status = web_bench_post(w, "/api/sign-in", body);
    if (status != 200)
        return status;
    str_copy(w->cookie, sizeof(w->cookie), w->answer.cookie);
    *strchr(w->cookie, ';') = '\0';
    token = strstr(w->text, "\"token\":\"");
    memcpy(w->token, token + 9, sizeof(w->token) - 1);
    return status;
}

/* Each step may fail, and says so. */
static void play(struct web_bench *w, const char *code, int statuses[5])
{
    char body[200];

    snprintf(body, sizeof(body), "{\"question\":%u,\"choice\":\"Now\",\"wording\":\"shown\"}",
             consent_info(&w->bench).number);
    statuses[0] = web_bench_get(w, "/");
    statuses[1] = sign_in(w, code);
    statuses[2] = web_bench_get(w, "/api/state");
    statuses[3] = web_bench_get(w, "/api/history");
    statuses[4] = web_bench_post(w, "/api/decide", body);
}

static void test_each_allocation(void **state)
{
    unsigned long n = 1;

    (void)state;
    failing_alloc_cjson();
    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct web_bench *w = calloc(1, sizeof(*w));
        char code[CONSENT_CODE_BYTES];
        int statuses[5] = {0};
        bool agreed;

        web_bench_init(w, &settings);
        consent_ask(&w->bench, 100000);
        assert_int_equal(consent_code_make(w->web->consent, code, NULL), 0);
        w->text = calloc(1, 1 << 20); /* the bench itself takes no memory while it fails */
        w->fixed = true;
        failing_alloc_arm(n);
        play(w, code, statuses);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        for (int i = 0; i < 4; i++)
            assert_true(statuses[i] == 200 || statuses[i] == 503 || statuses[i] == 400 || statuses[i] == 401);
        bench_settle(&w->bench);
        bench_run(&w->bench, 5);
        agreed = statuses[4] == 0 && w->late == 200;
        assert_true(statuses[4] != 0 || w->late != 0);
        assert_int_equal(w->bench.devices[0].installs, agreed);
        web_bench_done(w);
        free(w);
    }
    assert_true(n > 10);
    assert_true(n < ROUNDS_MAX);
}

static void test_make(void **state)
{
    struct bench bench;

    (void)state;
    consent_bench_init(&bench, POLICY_ASK);
    for (unsigned long n = 1; n < 10; n++) {
        struct web *web;

        failing_alloc_arm(n);
        web = web_make(&bench.loop, consent_of(&bench), &settings, NULL);
        assert_true(!web == failing_alloc_hit());
        failing_alloc_arm(0);
        web_free(web);
    }
    bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
