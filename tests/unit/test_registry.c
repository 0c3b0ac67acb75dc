/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "devices/quarantine.h"
#include "devices/dialects/shelly.h"
#include "tests/unit/fake_home.h"

struct fixture {
    struct fake_home home;
    struct rate peer;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    fake_home_init(&fixture.home, &shelly_dialect, NULL);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    fake_home_done(&fixture->home, false);
    return 0;
}

static struct device *add(struct fixture *fixture, const char *id)
{
    struct device *device = registry_add(fixture->home.registry, &shelly_dialect, id, &fixture->peer, true,
                                         NULL);

    assert_non_null(device);
    registry_announce(device);
    return device;
}

/* The program stops and starts again on the same store. */
static void restart(struct fixture *fixture)
{
    struct store *store = fake_home_done(&fixture->home, true);

    fake_home_init(&fixture->home, &shelly_dialect, store);
    fake_home_restore(&fixture->home);
}

static void add_and_find(void **state)
{
    struct fixture *fixture = *state;
    struct device *one = add(fixture, "one"), *two = add(fixture, "two");

    assert_int_equal(one->instance, 1);
    assert_int_equal(two->instance, 2);
    assert_string_equal(one->key, "shelly:one");
    assert_string_equal(device_id(one), "one");
    assert_string_equal(two->target.path, "Device.ProxiedDevice.2.DeviceInfo.");
    assert_ptr_equal(registry_find(fixture->home.registry, "shelly:two"), two);
    assert_ptr_equal(registry_instance(fixture->home.registry, 1), one);
    assert_null(registry_instance(fixture->home.registry, 3));
    assert_null(registry_find(fixture->home.registry, "shelly:three"));
    assert_string_equal(fixture->home.events, "added 1; added 2; ");
}

/* Who is one too many hears why; a limit that was lowered takes nobody away. */
static void bounded(void **state)
{
    struct fixture *fixture = *state;
    struct registry *registry = fixture->home.registry;
    struct error err;

    fixture->home.limits.proxied_devices = 2;
    add(fixture, "one");
    add(fixture, "two");
    assert_null(registry_add(registry, &shelly_dialect, "three", &fixture->peer, true, &err));
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    assert_non_null(strstr(err.message, "limit_proxied_devices is 2"));
    fixture->home.limits.proxied_devices = 3;
    add(fixture, "three");
    fixture->home.limits.proxied_devices = 1;
    assert_int_equal(registry->count, 3);
    registry_remove(registry_find(registry, "shelly:one"));
    assert_null(registry_add(registry, &shelly_dialect, "four", &fixture->peer, true, NULL));
}

static void instances_survive(void **state)
{
    struct fixture *fixture = *state;
    struct device *device;

    add(fixture, "b");
    device = add(fixture, "a");
    add(fixture, "c");
    device_set(device, DEVICE_NAME,
               "K\xc3\xbc"
               "che \"links\"\\");
    device_set(device, DEVICE_SOFTWARE_VERSION, "1.4.4");
    device_set_transport(device, DEVICE_WEBSOCKET);
    device_set_grade(device, DEVICE_GRADE_B);
    device_set_online(device, true);
    assert_true(device_contacted(device));
    registry_announce(device);
    registry_remove(registry_find(fixture->home.registry, "shelly:b"));
    restart(fixture);

    assert_string_equal(fixture->home.events, "added 2; added 3; ");
    device = registry_find(fixture->home.registry, "shelly:a");
    assert_non_null(device);
    assert_int_equal(device->instance, 2);
    assert_string_equal(device_text(device, DEVICE_NAME), "K\xc3\xbc"
                                                          "che \"links\"\\");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.4.4");
    assert_int_equal(device->transport, DEVICE_WEBSOCKET);
    assert_int_equal(device->grade, DEVICE_GRADE_B);
    assert_false(device->online); /* until it speaks */
    assert_int_equal(device->last_contacted, 1800000000);
    /* A number is not given again, not even one that is free. */
    assert_int_equal(add(fixture, "d")->instance, 4);
    registry_remove(registry_find(fixture->home.registry, "shelly:d"));
    restart(fixture);
    assert_int_equal(add(fixture, "e")->instance, 5);
}

static void damaged_rows_are_skipped(void **state)
{
    static const char *const bad[][2] = {
        {"shelly:1", "{"},
        {"shelly:2", "[]"},
        {"shelly:3", "{\"instance\":0,\"transport\":0,\"grade\":0,\"alias\":\"x\"}"},
        {"shelly:4", "{\"instance\":1.5,\"transport\":0,\"grade\":0,\"alias\":\"x\"}"},
        {"shelly:5", "{\"instance\":7,\"transport\":9,\"grade\":0,\"alias\":\"x\"}"},
        {"shelly", "{\"instance\":8,\"transport\":0,\"grade\":0,\"alias\":\"x\"}"},
        {"shelly:", "{\"instance\":8,\"transport\":0,\"grade\":0,\"alias\":\"x\"}"},
        {"shelly:6", "{\"instance\":4294967295,\"transport\":0,\"grade\":0}"},
        {"unknown:1", "{\"instance\":41,\"transport\":0,\"grade\":0,\"alias\":\"x\"}"},
        {"shelly:a", "{\"instance\":5,\"transport\":0,\"grade\":0,\"alias\":\"x\"}"},
        {"shelly:b", "{\"instance\":5,\"transport\":0,\"grade\":0,\"alias\":\"x\"}"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(
            store_put(fixture->home.store, "device", str_of(bad[i][0]), bad[i][1], strlen(bad[i][1]), NULL),
            0);
    restart(fixture);
    assert_int_equal(fixture->home.registry->count, 1);
    assert_int_equal(fixture->home.registry->stats.skipped, 10);
    assert_non_null(registry_find(fixture->home.registry, "shelly:a"));
    assert_int_equal(add(fixture, "new")->instance, 42); /* the row of an unknown dialect keeps its number */
}

static void changes_are_told_together(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "one");

    fake_home_forget_logs(&fixture->home);
    registry_announce(device);
    assert_string_equal(fixture->home.events, "");
    device_set(device, DEVICE_SOFTWARE_VERSION, "1.0");
    device_set(device, DEVICE_NAME, "Lamp");
    device_set(device, DEVICE_TYPE, "");
    registry_announce(device);
    assert_string_equal(fixture->home.events, "changed 1 name software; ");
    device_set(device, DEVICE_SOFTWARE_VERSION, "1.0");
    registry_announce(device);
    assert_string_equal(fixture->home.events, "changed 1 name software; ");
    device_set_online(device, true);
    registry_announce(device);
    assert_string_equal(fixture->home.events, "changed 1 name software; changed 1 online contacted; ");
    assert_string_equal(fixture->home.firmware_log, "online true; ");
}

static void a_name_given_stays(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "one");

    device_set_own_name(device, "plug");
    assert_string_equal(device_text(device, DEVICE_NAME), "plug");
    device_set_own_name(device, "plug 2");
    assert_string_equal(device_text(device, DEVICE_NAME), "plug 2");
    device_set(device, DEVICE_NAME, "Lamp");
    device_set_own_name(device, "plug 3");
    assert_string_equal(device_text(device, DEVICE_NAME), "Lamp");
    device_set(device, DEVICE_NAME, "");
    device_set_own_name(device, "plug 3");
    assert_string_equal(device_text(device, DEVICE_NAME), "plug 3");
}

static void contact_is_live_but_told_seldom(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "one");

    device_set_online(device, true);
    assert_true(device_contacted(device));
    registry_announce(device);
    fake_home_forget_logs(&fixture->home);
    for (int i = 0; i < 299; i++) {
        fake_home_advance(&fixture->home, 1000);
        assert_true(device_contacted(device));
        registry_announce(device);
        assert_int_equal(device->last_contacted, 1800000001 + i);
    }
    assert_string_equal(fixture->home.events, "");
    fake_home_advance(&fixture->home, 1000);
    assert_true(device_contacted(device));
    registry_announce(device);
    assert_string_equal(fixture->home.events, "changed 1 contacted; ");
}

static void a_flood_costs_the_flooder(void **state)
{
    struct fixture *fixture = *state;
    struct device *loud = add(fixture, "loud"), *calm = add(fixture, "calm");
    int passed = 0;

    for (int i = 0; i < 10000; i++)
        passed += device_contacted(loud);
    assert_int_equal(passed, 250);
    assert_int_equal(loud->rejected, 9750);
    assert_true(device_contacted(calm));
    assert_int_equal(calm->rejected, 0);
    fake_home_advance(&fixture->home, 1000);
    for (passed = 0; device_contacted(loud); passed++)
        continue;
    assert_int_equal(passed, 25);
    assert_int_equal(fixture->home.registry->stats.rejected, 9751);
}

static void new_devices_are_limited(void **state)
{
    struct fixture *fixture = *state;
    struct rate one = {0}, broker = {0};
    struct error err = {0};
    char id[16];
    int count = 0;

    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "x%d", i);
        count += registry_add(fixture->home.registry, &shelly_dialect, id, &one, false, &err) != NULL;
    }
    assert_int_equal(count, 16);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    for (int i = 0; i < 6000; i++) {
        snprintf(id, sizeof(id), "y%d", i);
        count += registry_add(fixture->home.registry, &shelly_dialect, id, &broker, true, &err) != NULL;
    }
    assert_int_equal(count, 16 + 4096);
    assert_int_equal(fixture->home.registry->stats.refused, 84 + 1904);
}

static void removal_forgets(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "one");
    add(fixture, "two");
    add(fixture, "three");
    fake_home_forget_logs(&fixture->home);
    registry_remove(registry_instance(fixture->home.registry, 2));
    assert_string_equal(fixture->home.events, "removed 2; ");
    assert_string_equal(fixture->home.firmware_log, "remove; ");
    assert_int_equal(fixture->home.registry->count, 2);
    assert_null(registry_instance(fixture->home.registry, 2));
    assert_non_null(registry_instance(fixture->home.registry, 3));
    restart(fixture);
    assert_int_equal(fixture->home.registry->count, 2);
}

static void quarantine_survives(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "one");

    quarantine_put(device, QUARANTINE_MODEL, "X");
    restart(fixture);
    device = registry_instance(fixture->home.registry, 1);
    assert_true(device->quarantined);
    assert_true(device->target.blocked);
    assert_string_equal(device->target.blocked_reason, "model changed from \"\" to \"X\"");
    assert_string_equal(quarantine_notice(device).code, "ModelChanged");
    assert_string_equal(quarantine_notice(device).now, "X");
    quarantine_release(device);
    quarantine_release(device);
    assert_false(device->quarantined);
    restart(fixture);
    device = registry_instance(fixture->home.registry, 1);
    assert_false(device->quarantined);
    assert_true(device->accept_identity);
}

static void proofs_survive(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "one");

    device_set_fact(device, DEVICE_MODEL, "X", DEVICE_GRADE_B, DEVICE_SOURCE_BRIDGE);
    device_set_fact(device, DEVICE_MAC, "A8032ABE54DC", DEVICE_GRADE_A, DEVICE_SOURCE_CERTIFICATE);
    device_set_grade(device, DEVICE_GRADE_B);
    registry_announce(device);
    restart(fixture);
    device = registry_instance(fixture->home.registry, 1);
    assert_int_equal(device_proof(device, DEVICE_MODEL)->grade, DEVICE_GRADE_B);
    assert_int_equal(device_proof(device, DEVICE_MODEL)->source, DEVICE_SOURCE_BRIDGE);
    assert_int_equal(device_proof(device, DEVICE_MAC)->source, DEVICE_SOURCE_CERTIFICATE);
    assert_int_equal(device_proof(device, DEVICE_SERIAL_NUMBER)->source, DEVICE_SOURCE_NONE);
    /* The same text by other proof is stored as well. */
    device_set_fact(device, DEVICE_MODEL, "X", DEVICE_GRADE_A, DEVICE_SOURCE_DEVICE);
    registry_announce(device);
    restart(fixture);
    device = registry_instance(fixture->home.registry, 1);
    assert_int_equal(device_proof(device, DEVICE_MODEL)->grade, DEVICE_GRADE_A);
    /* The broker is no longer said to hold devices to their names. */
    device_set_fact(device, DEVICE_MODEL, "X", DEVICE_GRADE_B, DEVICE_SOURCE_BRIDGE);
    registry_drop_credentials(fixture->home.registry);
    assert_int_equal(device_proof(device, DEVICE_MODEL)->grade, DEVICE_GRADE_C);
    assert_int_equal(device_proof(device, DEVICE_MAC)->grade, DEVICE_GRADE_A);
    assert_int_equal(device->grade, DEVICE_GRADE_C);
}

static void jobs_are_shown(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "one");
    struct firmware_target gateway = {.key = "shelly:one"}; /* a name alone is not enough */

    fake_home_forget_logs(&fixture->home);
    fake_home_job(&fixture->home, &device->target, FIRMWARE_JOB_CHANGED, JOB_TRANSFERRING, 40, "");
    assert_int_equal(device->job_state, 1 + JOB_TRANSFERRING);
    assert_int_equal(device->progress, 40);
    assert_string_equal(fixture->home.events, "changed 1 job progress; ");
    fake_home_job(&fixture->home, &gateway, FIRMWARE_JOB_CHANGED, JOB_FETCHING, 1, "");
    assert_int_equal(device->progress, 40);
    fake_home_job(&fixture->home, &device->target, FIRMWARE_JOB_ENDED, JOB_FAILED, 40, "the device gave up");
    assert_string_equal(device_text(device, DEVICE_LAST_RESULT), "Activate Failed: the device gave up");
    restart(fixture);
    device = registry_instance(fixture->home.registry, 1);
    assert_string_equal(device_text(device, DEVICE_LAST_RESULT), "Activate Failed: the device gave up");
    assert_int_equal(device->job_state, 0);
    fake_home_job(&fixture->home, &device->target, FIRMWARE_JOB_DROPPED, JOB_REQUESTED, 0, "");
    assert_int_equal(device->job_state, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(add_and_find, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(instances_survive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_rows_are_skipped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes_are_told_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_given_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(contact_is_live_but_told_seldom, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_costs_the_flooder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_devices_are_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removal_forgets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quarantine_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proofs_survive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jobs_are_shown, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
