/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The USP dialect when memory runs out: a whole conversation is played again and again, each time with another allocation
 * failing. Nothing may crash or leak (the sanitizers look), a device is there as a whole or not at all, and the next
 * conversation, with memory, goes as it should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/failing_alloc.h"
#include "tests/unit/uspdev_bench.h"

enum {
    ROUNDS_MAX = 5000,
};

static void converse(struct uspdev_bench *bench)
{
    char key[64];

    if (!bench->over_mqtt)
        uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, NULL);
    uspdev_connects(bench);
    uspdev_run(bench);
    if (uspdev_device(bench) && uspdev_install(bench, NULL) == 0) {
        uspdev_run(bench);
        snprintf(key, sizeof(key), "%s", bench->command_key);
        uspdev_complete(bench, "Download()", key, 0);
        uspdev_run(bench);
    }
    if (bench->over_mqtt)
        uspdev_disconnects(bench);
    else if (bench->session.peer)
        uspdev_closes(bench, &bench->session);
    bench->queued = 0;
}

static unsigned long fail_each(bool over_mqtt)
{
    static struct uspdev_bench bench;
    unsigned long n = 1;

    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        uspdev_bench_init(&bench, NULL);
        bench.over_mqtt = over_mqtt;
        failing_alloc_arm(n);
        converse(&bench);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        fake_home_advance(&bench.home, 200000); /* whatever was given up is over */
        converse(&bench);
        assert_non_null(uspdev_device(&bench));
        assert_int_equal(bench.home.registry->count, 1);
        assert_string_equal(device_text(uspdev_device(&bench), DEVICE_SERIAL_NUMBER), "LAMP1");
        fake_home_done(&bench.home, false);
    }
    assert_true(n < ROUNDS_MAX);
    return n;
}

static void mqtt(void **state)
{
    (void)state;
    assert_true(fail_each(true) > 50);
}

static void websocket(void **state)
{
    (void)state;
    assert_true(fail_each(false) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mqtt),
        cmocka_unit_test(websocket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
