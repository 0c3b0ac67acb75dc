/* SPDX-License-Identifier: BSD-3-Clause */
/* One device heard by two dialects is listed once, by the one of its own, whoever comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "devices/claim.h"
#include "devices/dialects/shelly.h"
#include "devices/identity.h"
#include "tests/unit/homeassistant_bench.h"

#define ADDRESS "A8032ABE54DC"

/* A Shelly of the kitchen light's address. */
static struct device *shelly(struct ha_bench *bench, enum device_grade grade)
{
    struct rate rate = {0};
    struct device *device = registry_add(registry_of(bench), &shelly_dialect, "shellyplus1-a8032abe54dc",
                                         &rate, true, NULL);

    assert_non_null(device);
    assert_int_equal(identity_present(device, &(struct identity){.mac = "a8:03:2a:be:54:dc", .grade = grade}),
                     IDENTITY_ACCEPTED);
    registry_announce(device);
    return device;
}

static void addresses(void **state)
{
    static const char *const bad[] = {
        "", "0x", "a8032abe54d", "a8032abe54dcd", "0x00158d0001a2b3c4d", "x8032abe54dc"};
    char address[IDENTITY_ADDRESS_BYTES];

    (void)state;
    assert_int_equal(identity_address("0x00158d0001a2b3c4", address), 0);
    assert_string_equal(address, "00158D0001A2B3C4");
    assert_int_equal(identity_address("A8-03-2A-be-54-dc", address), 0);
    assert_string_equal(address, ADDRESS);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(identity_address(bad[i], address), -1);
}

static void by_what_is_known(void **state)
{
    struct ha_bench *bench = *state;
    struct rate rate = {0};
    struct device *mac = shelly(bench, DEVICE_GRADE_C), *id, *serial;

    assert_ptr_equal(claim_owner(registry_of(bench), ADDRESS), mac);
    id = registry_add(registry_of(bench), &shelly_dialect, "0x00158d0001a2b3c4", &rate, true, NULL);
    assert_ptr_equal(claim_owner(registry_of(bench), "00158D0001A2B3C4"), id);
    serial = registry_add(registry_of(bench), &shelly_dialect, "z", &rate, true, NULL);
    device_set(serial, DEVICE_SERIAL_NUMBER, "00124B0001020304");
    registry_announce(serial);
    assert_ptr_equal(claim_owner(registry_of(bench), "00124B0001020304"), serial);
    registry_remove(id);
    assert_null(claim_owner(registry_of(bench), "00158D0001A2B3C4"));
    /* Of two that say so the first one has it. */
    device_set(serial, DEVICE_MAC, ADDRESS);
    registry_announce(serial);
    assert_ptr_equal(claim_owner(registry_of(bench), ADDRESS), mac);
    assert_null(claim_owner(registry_of(bench), "00124B0001020304"));
    registry_remove(serial);
    assert_ptr_equal(claim_owner(registry_of(bench), ADDRESS), mac);
    registry_remove(mac);
    assert_null(claim_owner(registry_of(bench), ADDRESS));
}

static void announced_later(void **state)
{
    struct ha_bench *bench = *state;

    shelly(bench, DEVICE_GRADE_C);
    fixture(bench, "esphome");
    assert_int_equal(registry_of(bench)->count, 1);
    assert_null(registry_find(registry_of(bench), KITCHEN));
    assert_int_equal(topics(bench), 0);
}

static void announced_first(void **state)
{
    struct ha_bench *bench = *state;

    fixture(bench, "esphome");
    the(bench, KITCHEN);
    shelly(bench, DEVICE_GRADE_B);
    assert_int_equal(registry_of(bench)->count, 2); /* not from within its news */
    passes(bench, 1);
    assert_int_equal(registry_of(bench)->count, 1);
    assert_null(registry_find(registry_of(bench), KITCHEN));
    assert_int_equal(topics(bench), 0);
    assert_non_null(strstr(bench->home.events, "removed 1; "));
}

static void while_it_waits(void **state)
{
    struct ha_bench *bench = *state;

    retained(bench, KITCHEN_CONFIG, "{\"stat_t\":\"s\",\"dev\":{\"ids\":\"a8032abe54dc\"}}");
    passes(bench, 1000);
    shelly(bench, DEVICE_GRADE_C);
    passes(bench, 10000);
    assert_int_equal(registry_of(bench)->count, 1);
    assert_null(strstr(bench->home.events, "removed"));
}

static void the_other_one_goes(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device = shelly(bench, DEVICE_GRADE_C);

    fixture(bench, "esphome");
    registry_remove(device);
    passes(bench, 4000);
    assert_string_equal(device_text(the(bench, KITCHEN), DEVICE_OFFERED_VERSION), "1.5.0");
}

/* An address that is only observed may be forged: who comes later with it takes nobody's row. */
static void a_forged_address(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    shelly(bench, DEVICE_GRADE_C);
    passes(bench, 60000);
    assert_ptr_equal(the(bench, KITCHEN), device);
    assert_int_equal(registry_of(bench)->count, 2);
    /* A person who knows better ends it: the row of the common language does not come back. */
    registry_remove(the(bench, KITCHEN));
    fixture(bench, "esphome");
    passes(bench, 60000);
    assert_int_equal(registry_of(bench)->count, 1);
}

/* Better proof takes a claim over; the same does not. */
static void claims_by_proof(void **state)
{
    struct ha_bench *bench = *state;
    struct rate rate = {0};
    struct device *first = shelly(bench, DEVICE_GRADE_C), *second;

    second = registry_add(registry_of(bench), &shelly_dialect, "other", &rate, true, NULL);
    device_set_fact(second, DEVICE_MAC, ADDRESS, DEVICE_GRADE_C, DEVICE_SOURCE_DEVICE);
    device_set_grade(second, DEVICE_GRADE_C);
    registry_announce(second);
    assert_ptr_equal(claim_owner(registry_of(bench), ADDRESS), first);
    device_set_grade(second, DEVICE_GRADE_B);
    registry_announce(second);
    assert_ptr_equal(claim_owner(registry_of(bench), ADDRESS), second);
    assert_string_equal(first->claim, "");
}

/* A name that anybody can claim does not push out a device that the broker vouches for. */
static void worse_proof(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    device_set_grade(device, DEVICE_GRADE_B);
    shelly(bench, DEVICE_GRADE_C);
    passes(bench, 4000);
    assert_ptr_equal(the(bench, KITCHEN), device);
}

static void after_a_restart(void **state)
{
    struct ha_bench *bench = *state;
    struct store *store;

    fixture(bench, "esphome");
    fake_home_forget_logs(&bench->home);
    shelly(bench, DEVICE_GRADE_C); /* and the program ends before anything follows from it */
    store = fake_home_done(&bench->home, true);
    fake_home_init(&bench->home, NULL, store);
    assert_int_equal(registry_load(registry_of(bench), dialect_find, NULL), 0);
    assert_ptr_equal(claim_owner(registry_of(bench), ADDRESS),
                     registry_find(registry_of(bench), "shelly:shellyplus1-a8032abe54dc"));
}

static void known_program(void **state)
{
    struct ha_bench *bench = *state;

    retained(bench, "homeassistant/sensor/x/config",
             "{\"dev\":{\"ids\":\"x\"},\"o\":{\"name\":\"Shelly\"},\"stat_t\":\"s\"}");
    passes(bench, 29000);
    assert_int_equal(registry_of(bench)->count, 0); /* its own dialect has the time to find it */
    passes(bench, 2000);
    assert_int_equal(registry_of(bench)->count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HA_TEST(addresses),       HA_TEST(by_what_is_known), HA_TEST(announced_later),
        HA_TEST(announced_first), HA_TEST(while_it_waits),   HA_TEST(the_other_one_goes),
        HA_TEST(worse_proof),     HA_TEST(a_forged_address), HA_TEST(claims_by_proof),
        HA_TEST(after_a_restart), HA_TEST(known_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
