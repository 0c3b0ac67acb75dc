/* SPDX-License-Identifier: BSD-3-Clause */
/* What the page is told while it is open: server-sent events, asked piece by piece as the server would. */
#include "tests/unit/failing_alloc.h"
#include "tests/unit/web_bench.h"

static const struct web_settings settings = {.port = 8443, .names = "gateway.lan"};

static int setup(void **state)
{
    struct web_bench *w = calloc(1, sizeof(*w));

    web_bench_init(w, &settings);
    web_bench_sign_in(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    web_bench_done(*state);
    free(*state);
    return 0;
}

/* What comes next of it; its text is in w->text. */
static int take_of(struct web_bench *w, struct http_pending *stream)
{
    w->answer = (struct http_answer){.fd = -1};
    return web_bench_keep(w, web_more(w->web, stream, &w->answer));
}

static int take(struct web_bench *w)
{
    return take_of(w, web_bench_pending);
}

/* Time, as the loop lets it pass. */
static void pass(struct web_bench *w, uint64_t ms)
{
    clock_fake_advance(&w->bench.loop.clock, ms);
    timers_run(&w->bench.loop.timers);
}

static void open_stream(struct web_bench *w)
{
    assert_int_equal(web_bench_get(w, "/api/events"), 200);
    assert_string_equal(w->answer.content_type, "text/event-stream");
    assert_true(w->answer.stream);
    assert_string_equal(w->text, ":\n\n");
    assert_int_equal(take(w), 1);
    assert_non_null(strstr(w->text, "event: state\ndata: {\"token\":\""));
    assert_non_null(strstr(w->text, "\"key\":\"device-2\""));
    assert_int_equal(take(w), 0);
    w->wanted = 0;
}

static void progress(struct web_bench *w, const char *key)
{
    consent_device_news(consent_of(&w->bench), key);
}

static void test_news(void **state)
{
    struct web_bench *w = *state;

    open_stream(w);
    pass(w, 250);
    w->wanted = 0;
    consent_ask(&w->bench, 1000);
    pass(w, 250);
    assert_true(w->wanted > 0);
    assert_int_equal(take(w), 1);
    assert_non_null(strstr(w->text, "event: news\ndata: {\"number\":"));
    assert_non_null(strstr(w->text, "\"state\":\"Asked\""));
    assert_non_null(strstr(w->text, "\"key\":\"device-0\""));
    assert_null(strstr(w->text, "\"key\":\"device-1\"")); /* of which nothing is new */
    assert_null(strstr(w->text, "\"home\""));
    assert_string_equal(w->text + strlen(w->text) - 3, "}\n\n");
    assert_null(strchr(strstr(w->text, "data: "), '\r'));
    pass(w, 250);
    consent_set(&w->bench, POLICY_NEVER);
    consent_chosen(&w->bench, CHOICE_NEVER);
    bench_run(&w->bench, 3);
    pass(w, 250);
    assert_int_equal(take(w), 1);
    assert_non_null(strstr(w->text, "\"home\":{\"policy\":\"Never\""));
    assert_non_null(strstr(w->text, "\"state\":\"Refused\""));
    consent_chosen(&w->bench, CHOICE_WITHDRAW);
    bench_run(&w->bench, 3);
    pass(w, 250);
    assert_int_equal(take(w), 1);
    assert_non_null(strstr(w->text, "\"answered\":[1]"));
}

/* Who is slow is told the newest of each device, once. */
static void test_slow_reader(void **state)
{
    struct web_bench *w = *state;
    const char *first;

    open_stream(w);
    for (int i = 0; i < 100000; i++)
        progress(w, i % 2 ? "device-0" : "device-1");
    assert_int_equal(w->web->changes.count, 2);
    assert_int_equal(take(w), 0); /* not at once after what was told before */
    pass(w, 250);
    assert_int_equal(w->wanted, 1); /* one reminder for all */
    assert_int_equal(take(w), 1);
    first = strstr(w->text, "\"key\":\"device-0\"");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\"key\":\"device-0\""));
    assert_non_null(strstr(w->text, "\"key\":\"device-1\""));
    assert_int_equal(take(w), 0);
    /* A device that is gone is told of as such. */
    progress(w, "device-2");
    firmware_target_remove(&w->bench.devices[2].target);
    pass(w, 250);
    assert_int_equal(take(w), 1);
    assert_non_null(strstr(w->text, "\"gone\":[\"device-2\"]"));
}

/* Nothing is kept for nobody, and the line is known to be open. */
static void test_quiet(void **state)
{
    struct web_bench *w = *state;

    progress(w, "device-0");
    assert_int_equal(w->web->changes.count, 0);
    open_stream(w);
    pass(w, 19999);
    assert_int_equal(take(w), 0);
    pass(w, 1);
    assert_true(w->wanted > 0);
    assert_int_equal(take(w), 1);
    assert_string_equal(w->text, "event: alive\ndata:\n\n");
    progress(w, "device-0");
    assert_int_equal(w->web->changes.count, 1);
    web_gone(w->web, web_bench_pending);
    assert_int_equal(w->web->changes.count, 0);
    w->wanted = 0;
    pass(w, 60000);
    assert_int_equal(w->wanted, 0);
}

static void ends(struct web_bench *w)
{
    assert_true(w->wanted > 0);
    assert_int_equal(take(w), 1);
    assert_string_equal(w->text, "event: end\ndata:\n\n");
    assert_false(w->answer.stream);
}

static void test_ends_with_its_session(void **state)
{
    struct web_bench *w = *state;

    assert_int_equal(web_bench_get(w, "/api/events"), 200);
    assert_int_equal(take(w), 1);
    assert_int_equal(web_bench_post(w, "/api/sign-out", "{}"), 200);
    ends(w);
    assert_int_equal(web_bench_get(w, "/api/events"), 401);
    /* Nobody asks, nobody clicks: it ends by itself on time. */
    web_bench_sign_in(w);
    open_stream(w);
    for (unsigned s = 0; s + 20 < WEB_IDLE_S; s += 20) {
        pass(w, 20000);
        assert_int_equal(take(w), 1); /* it is alive */
    }
    w->wanted = 0;
    pass(w, 20000);
    ends(w);
    assert_int_equal(web_bench_get(w, "/api/state"), 401);
}

/* The page that asks last has it; the one before is told so. */
static void test_one_per_session(void **state)
{
    struct web_bench *w = *state;
    struct web_bench other = *w;

    open_stream(w);
    web_bench_pending = (struct http_pending *)&other;
    open_stream(w);
    web_bench_pending = (struct http_pending *)w;
    w->wanted = 1;
    ends(w);
    web_gone(w->web, web_bench_pending); /* and it takes nothing with it */
    assert_int_equal(take_of(w, (struct http_pending *)&other), 0);
    web_gone(w->web, (struct http_pending *)&other);
}

static void test_few_per_address(void **state)
{
    struct web_bench *w = *state;
    struct web_bench others[LIMIT_RESIDENT_STREAMS + 1];

    memset(others, 0, sizeof(others));
    for (unsigned i = 0; i <= LIMIT_RESIDENT_STREAMS; i++) {
        clock_fake_advance(&w->bench.loop.clock, 30000);
        web_bench_pending = (struct http_pending *)w;
        web_bench_sign_in(w);
        web_bench_pending = (struct http_pending *)&others[i];
        assert_int_equal(web_bench_get(w, "/api/events"), i < LIMIT_RESIDENT_STREAMS ? 200 : 429);
    }
    w->peer = "192.168.1.9";
    assert_int_equal(web_bench_get(w, "/api/events"), 200);
    web_free(w->web);
    w->web = NULL;
}

/* More than is noted one by one is told as a whole. */
static void test_too_much(void **state)
{
    struct web_bench *w = *state;

    open_stream(w);
    failing_alloc_arm(1);
    progress(w, "device-0");
    assert_true(failing_alloc_hit());
    failing_alloc_arm(0);
    progress(w, "device-1");
    pass(w, 250);
    assert_int_equal(take(w), 1);
    assert_non_null(strstr(w->text, "event: state\n"));
    progress(w, "device-1");
    pass(w, 250);
    assert_int_equal(take(w), 1);
    assert_non_null(strstr(w->text, "event: news\n"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_news),
        CASE(test_slow_reader),
        CASE(test_quiet),
        CASE(test_ends_with_its_session),
        CASE(test_one_per_session),
        CASE(test_few_per_address),
        CASE(test_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
