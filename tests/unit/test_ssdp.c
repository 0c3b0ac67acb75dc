/* SPDX-License-Identifier: BSD-3-Clause */
/* SSDP on a clock of the test: whose word counts, what is fetched, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "scan/ssdp.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/test_ssdp.h"

#define DESCRIPTION                                                                                            \
    "<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><UDN>uuid:1</UDN><friendlyName>TV</friendlyName>" \
    "</device></root>"

enum {
    PENDING = 16,
};

struct bench {
    struct clock clock;
    struct timers timers;
    struct ssdp *ssdp;
    struct ssdp_fetch *pending[PENDING];
    char urls[PENDING][SSDP_URL_BYTES];
    unsigned pending_count, started, cancelled, described, primary, refused;
    bool refuses;
    char last_url[SSDP_URL_BYTES];
    struct error why;
};

static void *on_fetch(void *ctx, const char *url, struct ssdp_fetch *token, struct error *err)
{
    struct bench *bench = ctx;

    if (bench->refuses) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, url, "not now");
        return NULL;
    }
    assert_true(bench->pending_count < PENDING);
    bench->started++;
    bench->pending[bench->pending_count] = token;
    str_copy(bench->urls[bench->pending_count++], SSDP_URL_BYTES, url);
    return token;
}

static void drop(struct bench *bench, const void *fetch)
{
    for (unsigned i = 0; i < bench->pending_count; i++) {
        if (bench->pending[i] != fetch)
            continue;
        bench->pending_count--;
        memmove(&bench->pending[i], &bench->pending[i + 1],
                (bench->pending_count - i) * sizeof(bench->pending[0]));
        memmove(bench->urls[i], bench->urls[i + 1], (bench->pending_count - i) * sizeof(bench->urls[0]));
        return;
    }
    fail_msg("no such fetch");
}

static void on_cancel(void *ctx, void *fetch)
{
    struct bench *bench = ctx;

    bench->cancelled++;
    drop(bench, fetch);
}

static void on_described(void *ctx, const struct ssdp_seen *seen, const struct upnp_device *device)
{
    struct bench *bench = ctx;

    assert_string_equal(device->friendly_name, "TV");
    assert_string_equal(seen->interface, "br-lan");
    str_copy(bench->last_url, sizeof(bench->last_url), seen->url);
    bench->described++;
    bench->primary += seen->primary;
}

static void on_refused(void *ctx, const struct ssdp_seen *seen, const struct error *err)
{
    struct bench *bench = ctx;

    assert_non_null(seen->address);
    bench->refused++;
    bench->why = *err;
}

static const struct ssdp_ops ops = {
    .fetch = on_fetch, .cancel = on_cancel, .described = on_described, .refused = on_refused};

static int set_up(void **state)
{
    static struct bench bench;

    memset(&bench, 0, sizeof(bench));
    clock_fake(&bench.clock, 1700000000);
    timers_init(&bench.timers, &bench.clock);
    bench.ssdp = ssdp_new(&bench.timers, &ops, &bench, NULL);
    *state = &bench;
    return bench.ssdp ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    ssdp_free(bench->ssdp);
    assert_int_equal(bench->pending_count, 0);
    timers_done(&bench->timers);
    return 0;
}

static void pass(struct bench *bench, uint64_t seconds)
{
    for (uint64_t ms = 0; ms < seconds * 1000; ms += 500) {
        clock_fake_advance(&bench->clock, 500);
        timers_run(&bench->timers);
    }
}

static void hear_from(struct bench *bench, const char *from, const char *text)
{
    struct sockaddr_in address = v4(from);

    ssdp_input(bench->ssdp, (struct sockaddr *)&address, "br-lan", str_of(text));
    clock_fake_advance(&bench->clock, 50);
    timers_run(&bench->timers);
}

static void hear(struct bench *bench, const char *text)
{
    hear_from(bench, "192.0.2.7", text);
}

static void end(struct bench *bench, unsigned which, const char *text)
{
    struct ssdp_fetch *token = bench->pending[which];
    struct str content = str_of(text ? text : "");
    struct error err;

    assert_true(bench->pending_count > which);
    error_set(&err, ERROR_OPERATION_ERROR, bench->urls[which], "no");
    drop(bench, token);
    ssdp_fetched(token, text ? &content : NULL, &err);
}

static void end_first(struct bench *bench, const char *text)
{
    end(bench, 0, text);
}

static void describes(void **state)
{
    struct bench *bench = *state;

    hear(bench, ALIVE("http://192.0.2.7/d.xml"));
    assert_int_equal(bench->pending_count, 1);
    assert_string_equal(bench->urls[0], "http://192.0.2.7:80/d.xml");
    hear(bench, ALIVE("http://192.0.2.7/d.xml")); /* what is known is not asked again */
    assert_int_equal(bench->started, 1);
    end_first(bench, DESCRIPTION);
    assert_int_equal(bench->described, 1);
    assert_int_equal(bench->primary, 1);
    /* A second description at the same host does not say what the host is. */
    hear(bench, ALIVE("http://192.0.2.7:8080/e.xml"));
    assert_int_equal(bench->started, 1);
    pass(bench, SSDP_FETCH_PAUSE_S);
    assert_int_equal(bench->started, 2);
    end_first(bench, DESCRIPTION);
    assert_int_equal(bench->described, 2);
    assert_int_equal(bench->primary, 1);
    assert_string_equal(bench->last_url, "http://192.0.2.7:8080/e.xml");
    assert_int_equal(ssdp_counts(bench->ssdp)->fetched, 2);
    assert_int_equal(ssdp_senders(bench->ssdp), 1);
}

static void believes_only_the_sender(void **state)
{
    struct bench *bench = *state;

    hear(bench, ALIVE("http://192.0.2.8/d.xml"));
    hear(bench, ALIVE("http://tv.local/d.xml"));
    hear(bench, "garbage");
    assert_int_equal(bench->started, 0);
    assert_int_equal(bench->refused, 3);
    assert_int_equal(ssdp_counts(bench->ssdp)->refused, 3);
    assert_int_equal(ssdp_senders(bench->ssdp), 0);
    /* One cannot take another's away either. */
    hear(bench, ALIVE("http://192.0.2.7/d.xml"));
    end_first(bench, DESCRIPTION);
    hear_from(bench, "192.0.2.8", "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:abc\r\n\r\n");
    assert_int_equal(ssdp_senders(bench->ssdp), 1);
    hear(bench, "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:other\r\n\r\n");
    assert_int_equal(ssdp_senders(bench->ssdp), 1);
    hear(bench, "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:abc::upnp:rootdevice\r\n\r\n");
    assert_int_equal(ssdp_senders(bench->ssdp), 0);
}

static void ages(void **state)
{
    struct bench *bench = *state;

    hear(bench, ALIVE("http://192.0.2.7/d.xml"));
    end_first(bench, DESCRIPTION);
    pass(bench, 90);
    hear(bench, ALIVE("http://192.0.2.7/d.xml"));
    pass(bench, 90);
    assert_int_equal(ssdp_senders(bench->ssdp), 1);
    pass(bench, 11); /* max-age=100 */
    assert_int_equal(ssdp_senders(bench->ssdp), 0);
    assert_int_equal(bench->started, 1);
    /* Gone while it is being fetched: nobody waits for it. */
    hear(bench, ALIVE("http://192.0.2.7/d.xml"));
    hear(bench, "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:abc\r\n\r\n");
    assert_int_equal(bench->cancelled, 1);
    assert_int_equal(bench->pending_count, 0);
}

#define LASTING(boot)                                                                                          \
    "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=86400\r\nLOCATION: http://192.0.2.7/d.xml\r\nUSN: uuid:abc\r\n" \
    "BOOTID.UPNP.ORG: " boot "\r\n\r\n"

static void reads_anew(void **state)
{
    struct bench *bench = *state;

    hear(bench, LASTING("1"));
    end_first(bench, DESCRIPTION);
    pass(bench, 60);
    hear(bench, LASTING("1"));
    pass(bench, 60);
    assert_int_equal(bench->started, 1);
    hear(bench, LASTING("2")); /* it has restarted, perhaps with another firmware */
    pass(bench, 6);
    assert_int_equal(bench->started, 2);
    end_first(bench, DESCRIPTION);
    pass(bench, SSDP_REFRESH_S + 1);
    assert_int_equal(bench->started, 3);
    end_first(bench, DESCRIPTION);
}

static void failures(void **state)
{
    struct bench *bench = *state;

    hear(bench, LASTING("1"));
    end_first(bench, NULL);
    assert_int_equal(bench->refused, 1);
    pass(bench, SSDP_RETRY_FIRST_S - 1);
    assert_int_equal(bench->started, 1);
    pass(bench, 2);
    assert_int_equal(bench->started, 2);
    end_first(bench, "<!DOCTYPE x><x/>");
    assert_non_null(strstr(bench->why.message, "DOCTYPE"));
    assert_int_equal(ssdp_counts(bench->ssdp)->failed, 2);
    pass(bench, 2 * SSDP_RETRY_FIRST_S + 1);
    assert_int_equal(bench->started, 3);
    /* It dribbles: its time is over, and its place is free. */
    pass(bench, SSDP_FETCH_S + 1);
    assert_int_equal(bench->cancelled, 1);
    assert_int_equal(bench->pending_count, 0);
    assert_non_null(strstr(bench->why.message, "longer than"));
    bench->refuses = true;
    pass(bench, 4 * SSDP_RETRY_FIRST_S + 1);
    assert_int_equal(bench->started, 3);
    assert_int_equal(ssdp_counts(bench->ssdp)->failed, 4);
    bench->refuses = false;
    pass(bench, 8 * SSDP_RETRY_FIRST_S + 1);
    assert_int_equal(bench->started, 4);
    end_first(bench, DESCRIPTION);
    assert_int_equal(bench->described, 1);
}

static void alive_at(struct bench *bench, const char *host, unsigned port)
{
    char text[600];

    snprintf(
        text, sizeof(text),
        "NOTIFY * HTTP/1.1\r\nCACHE-CONTROL: max-age=1800\r\nLOCATION: http://%s:%u/d.xml\r\nNTS: ssdp:alive\r\n"
        "USN: uuid:%u\r\n\r\n",
        host, port, port);
    hear_from(bench, host, text);
}

/* A host that floods has its few places, and the others theirs. */
static void flood(void **state)
{
    struct bench *bench = *state;

    for (unsigned i = 0; i < 5000; i++)
        alive_at(bench, "192.0.2.66", 1000 + i);
    assert_true(bench->pending_count <= 1);                       /* one at a time, */
    assert_in_range(bench->started, 2, 250 / SSDP_FETCH_PAUSE_S); /* and a pause: all this took 250 s */
    assert_int_equal(ssdp_senders(bench->ssdp), 1);
    assert_true(ssdp_counts(bench->ssdp)->limited > 4500);
    for (unsigned i = 1; i < LIMIT_SSDP_FETCHES + 3; i++) {
        char host[32];

        snprintf(host, sizeof(host), "192.0.2.%u", i);
        alive_at(bench, host, 80);
    }
    assert_int_equal(bench->pending_count, LIMIT_SSDP_FETCHES);
    for (unsigned i = 0; i < 20 && bench->described < LIMIT_SSDP_FETCHES + 2; i++) {
        unsigned other = 0;

        while (other < bench->pending_count && strstr(bench->urls[other], "192.0.2.66"))
            other++;
        if (other < bench->pending_count)
            end(bench, other, DESCRIPTION);
        pass(bench, 1);
    }
    assert_int_equal(bench->described, LIMIT_SSDP_FETCHES + 2);
}

/* Beyond its burst a sender is not even read. */
static void talks_too_much(void **state)
{
    struct bench *bench = *state;

    hear(bench, ALIVE("http://192.0.2.7/d.xml"));
    end_first(bench, DESCRIPTION);
    for (unsigned i = 0; i < 1000; i++) /* in 50 s */
        hear(bench, "garbage");
    assert_in_range(bench->refused, SSDP_BURST, SSDP_BURST + 51);
    assert_int_equal(ssdp_counts(bench->ssdp)->limited, 1000 - bench->refused);
}

static void many_senders(void **state)
{
    struct bench *bench = *state;
    char host[32];

    alive_at(bench, "192.0.2.7", 80);
    end_first(bench, DESCRIPTION);
    bench->refuses = true;
    for (unsigned i = 0; i < LIMIT_SSDP_SENDERS + 100; i++) {
        snprintf(host, sizeof(host), "10.0.%u.%u", i / 200, i % 200 + 1);
        alive_at(bench, host, 80);
    }
    assert_int_equal(ssdp_senders(bench->ssdp), LIMIT_SSDP_SENDERS);
    bench->refuses = false;
    /* The one that was described is still there: it is not fetched again. */
    bench->started = 0;
    alive_at(bench, "192.0.2.7", 80);
    assert_int_equal(bench->started, 0);
}

static void out_of_memory(void **state)
{
    struct bench *bench = *state;
    unsigned long n;

    for (n = 1; n < 50; n++) {
        failing_alloc_arm(n);
        alive_at(bench, "192.0.2.7", 80);
        failing_alloc_arm(0);
        if (bench->pending_count)
            break;
        assert_int_equal(ssdp_senders(bench->ssdp), 0);
        pass(bench, 1);
    }
    assert_in_range(n, 3, 49);
    end_first(bench, DESCRIPTION);
    failing_alloc_arm(1);
    assert_null(ssdp_new(&bench->timers, &ops, bench, NULL));
    failing_alloc_arm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(describes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(believes_only_the_sender, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(talks_too_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_senders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(out_of_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
