/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Home Assistant dialect when memory runs out: a whole conversation is played again and again, each time with another
 * allocation failing. Nothing may crash or leak (the sanitizers look), and the next conversation goes as it should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/dialects/homeassistant.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/fake_home.h"

enum {
    ROUNDS_MAX = 5000,
};

#define DEVICE(sw)                                                                                                \
    "\"dev\":{\"ids\":[\"a8032abe54dc\",\"lamp\"],\"cns\":[[\"mac\",\"a8032abe54dc\"]],\"mf\":\"M\",\"sw\":\"" sw \
    "\"}"
#define UPDATE(sw)                                                                                                   \
    "{\"~\":\"lamp\",\"stat_t\":\"~/s\",\"l_ver_t\":\"~/l\",\"l_ver_tpl\":\"{{ value_json.v }}\",\"cmd_t\":\"~/c\"," \
    "\"pl_inst\":\"go\",\"avty\":[{\"t\":\"~/a\",\"val_tpl\":\"{{ value_json['x'].y }}\"},{\"t\":\"~/b\"}],"         \
    "\"ret\":true," DEVICE(sw) "}"

static void play(struct fake_home *home, const char *sw)
{
    struct firmware_install install = {.offer = "latest", .version = "2"};
    struct device *device;

    fake_home_mqtt(home, "homeassistant/update/lamp/config", sw, true);
    fake_home_mqtt(
        home, "homeassistant/device/lamp/config",
        "{" DEVICE("1") ",\"o\":{\"name\":\"o\"},\"cmps\":{\"s\":{\"p\":\"sensor\",\"avty_t\":\"lamp/a\"}}}",
        true);
    fake_home_advance(home, 4000);
    fake_home_mqtt(home, "lamp/a", "{\"x\":{\"y\":\"online\"}}", true);
    fake_home_mqtt(home, "lamp/s", "{\"installed_version\":\"1\",\"title\":\"T\"}", true);
    fake_home_mqtt(home, "lamp/l", "{\"v\":\"2\"}", true);
    device = registry_find(home->registry, "homeassistant:a8032abe54dc");
    if (device && device->dialect_data) {
        device->target.ops->install(&device->target, &install, NULL);
        device->target.ops->read_version(&device->target, NULL);
    }
    fake_home_mqtt(home, "lamp/a", "{\"x\":{\"y\":\"offline\"}}", false);
    fake_home_mqtt(home, "lamp/a", "{\"x\":{\"y\":\"online\"}}", false);
    fake_home_mqtt(home, "lamp/s", "{\"installed_version\":\"2\"}", false);
    fake_home_mqtt(home, "homeassistant/device/lamp/config", "", true);
}

static void begin(struct fake_home *home, struct store *store)
{
    fake_home_init(home, NULL, store);
    home->host.homeassistant_prefix = "homeassistant";
    home->dialect = &homeassistant_dialect;
    home->ctx = homeassistant_dialect.create(&home->host);
}

static void discovery_and_update(void **state)
{
    unsigned long n = 1;

    (void)state;
    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct fake_home home;
        struct device *device;

        begin(&home, NULL);
        failing_alloc_arm(n);
        play(&home, UPDATE("1"));
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        fake_home_advance(&home, 200000);
        play(&home, UPDATE("1.1")); /* other words, so that they are read */
        device = registry_find(home.registry, "homeassistant:a8032abe54dc");
        assert_non_null(device);
        assert_int_equal(home.registry->count, 1);
        assert_string_equal(device_text(device, DEVICE_MANUFACTURER), "M");
        assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "2");
        fake_home_done(&home, false);
    }
    assert_true(n > 100 && n < ROUNDS_MAX);
}

static void creation(void **state)
{
    bool hit = true;

    (void)state;
    for (unsigned long n = 1; hit && n < ROUNDS_MAX; n++) {
        struct fake_home home;
        void *ctx;

        begin(&home, NULL);
        failing_alloc_arm(n);
        ctx = homeassistant_dialect.create(&home.host);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        assert_true(hit == !ctx);
        homeassistant_dialect.destroy(ctx);
        home.registry->observers = (struct observers){NULL};
        fake_home_done(&home, false);
    }
}

static void restore(void **state)
{
    bool hit = true;

    (void)state;
    for (unsigned long n = 1; hit && n < ROUNDS_MAX; n++) {
        struct store *store = store_open(":memory:", NULL, NULL);
        struct fake_home home;

        begin(&home, store);
        play(&home, UPDATE("1"));
        fake_home_done(&home, true);
        begin(&home, store);
        registry_load(home.registry, dialect_find, NULL);
        assert_int_equal(home.registry->count, 1);
        failing_alloc_arm(n);
        homeassistant_dialect.restore(home.ctx, home.registry->devices[0]);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        fake_home_done(&home, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discovery_and_update),
        cmocka_unit_test(creation),
        cmocka_unit_test(restore),
    };

    failing_alloc_cjson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
