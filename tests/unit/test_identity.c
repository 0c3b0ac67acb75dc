/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "devices/quarantine.h"
#include "devices/dialects/shelly.h"
#include "devices/identity.h"
#include "tests/unit/fake_home.h"

static const struct identity plug = {
    .manufacturer = "Shelly",
    .mac = "a8:03:2a:be:54:dc",
    .serial_number = "A8032ABE54DC",
    .model = "SNPL-00112EU",
    .app = "PlusPlugS",
    .hardware_version = "2243-Broadwell",
    .grade = DEVICE_GRADE_C,
};

struct fixture {
    struct fake_home home;
    struct rate peer;
    struct device *device;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    fake_home_init(&fixture.home, NULL, NULL);
    fixture.device = registry_add(fixture.home.registry, &shelly_dialect, "shellyplugs-a8032abe54dc",
                                  &fixture.peer, false, NULL);
    assert_non_null(fixture.device);
    assert_int_equal(identity_present(fixture.device, &plug), IDENTITY_ACCEPTED);
    registry_announce(fixture.device);
    fake_home_forget_logs(&fixture.home);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    fake_home_done(&fixture->home, false);
    return 0;
}

static void macs(void **state)
{
    char mac[13];

    (void)state;
    assert_int_equal(identity_mac("a8:03-2Abe54dc", mac), 0);
    assert_string_equal(mac, "A8032ABE54DC");
    assert_int_equal(identity_mac("", mac), -1);
    assert_int_equal(identity_mac("A8032ABE54D", mac), -1);
    assert_int_equal(identity_mac("A8032ABE54DCA", mac), -1);
    assert_int_equal(identity_mac("A8032ABE54DG", mac), -1);
}

static void first_is_kept(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(device_text(fixture->device, DEVICE_MAC), "A8032ABE54DC");
    assert_string_equal(device_text(fixture->device, DEVICE_OUI), "A8032A");
    assert_string_equal(device_text(fixture->device, DEVICE_MODEL), "SNPL-00112EU");
    assert_int_equal(fixture->device->grade, DEVICE_GRADE_C);
    assert_int_equal(identity_present(fixture->device, &plug), IDENTITY_ACCEPTED);
    assert_int_equal(fixture->device->changed, 0);
}

static void what_is_not_said_contradicts_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct identity said = {.model = plug.model, .grade = DEVICE_GRADE_C};

    assert_int_equal(identity_present(fixture->device, &said), IDENTITY_ACCEPTED);
    assert_string_equal(device_text(fixture->device, DEVICE_HARDWARE_VERSION), "2243-Broadwell");
}

static void each_fact_counts(void **state)
{
    struct fixture *fixture = *state;
    struct identity other[] = {plug, plug, plug, plug, plug, plug};
    static const char *const reasons[] = {
        "MAC address changed from \"A8032ABE54DC\" to \"A8032ABE54DD\"",
        "manufacturer changed from \"Shelly\" to \"Sholly\"",
        "model changed from \"SNPL-00112EU\" to \"SNPL-00112US\"",
        "firmware family changed from \"PlusPlugS\" to \"Plus1\"",
        "hardware version changed from \"2243-Broadwell\" to \"2301-Broadwell\"",
        "serial number changed from \"A8032ABE54DC\" to \"1\"",
    };

    other[0].mac = "A8032ABE54DD";
    other[1].manufacturer = "Sholly";
    other[2].model = "SNPL-00112US";
    other[3].app = "Plus1";
    other[4].hardware_version = "2301-Broadwell";
    other[5].serial_number = "1";
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        assert_int_equal(identity_present(fixture->device, &other[i]), IDENTITY_CHANGED);
        assert_true(fixture->device->quarantined);
        assert_true(fixture->device->target.blocked);
        assert_string_equal(device_text(fixture->device, DEVICE_REASON), reasons[i]);
        assert_string_equal(fixture->device->target.blocked_reason, reasons[i]);
        /* What is known stays known. */
        assert_string_equal(device_text(fixture->device, DEVICE_MODEL), "SNPL-00112EU");
        quarantine_release(fixture->device);
        assert_int_equal(identity_present(fixture->device, &plug), IDENTITY_ACCEPTED);
    }
}

/* What does not fit is cut between characters: a controller refuses a whole message for half of one. */
static void reason_is_utf8(void **state)
{
    struct fixture *fixture = *state;
    struct identity other = plug;
    char model[120] = "x";

    for (size_t i = 1; i + 2 < sizeof(model); i += 2)
        memcpy(model + i, "\xc3\xa9", 3);
    other.model = model;
    assert_int_equal(identity_present(fixture->device, &other), IDENTITY_CHANGED);
    assert_true(str_is_utf8(str_of(device_text(fixture->device, DEVICE_REASON))));
    assert_int_equal(strlen(device_text(fixture->device, DEVICE_REASON)),
                     strlen("model changed from \"SNPL-00112EU\" to \"\"") + 99);
}

static void quarantine_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct identity other = plug;

    other.model = "X";
    identity_present(fixture->device, &other);
    assert_string_equal(fixture->home.events, "changed 1 reason quarantined; quarantine 1; ");
    identity_present(fixture->device, &other);
    assert_string_equal(fixture->home.events, "changed 1 reason quarantined; quarantine 1; ");
    assert_string_equal(fixture->home.firmware_log, "block; block; ");
    /* The old identity alone is no way back: somebody has to look. */
    assert_int_equal(identity_present(fixture->device, &plug), IDENTITY_CHANGED);
}

static void release_takes_the_next(void **state)
{
    struct fixture *fixture = *state;
    struct identity other = plug;

    other.model = "X";
    identity_present(fixture->device, &other);
    quarantine_release(fixture->device);
    assert_false(fixture->device->target.blocked);
    assert_string_equal(device_text(fixture->device, DEVICE_REASON), "");
    assert_int_equal(identity_present(fixture->device, &other), IDENTITY_ACCEPTED);
    assert_string_equal(device_text(fixture->device, DEVICE_MODEL), "X");
    /* Only the next. */
    assert_int_equal(identity_present(fixture->device, &plug), IDENTITY_CHANGED);
}

static void a_proof_once_shown_is_missed(void **state)
{
    struct fixture *fixture = *state;
    struct identity certified = plug;

    certified.grade = DEVICE_GRADE_B;
    assert_int_equal(identity_present(fixture->device, &certified), IDENTITY_ACCEPTED);
    assert_int_equal(identity_present(fixture->device, &plug), IDENTITY_ACCEPTED); /* configuration */
    certified.grade = DEVICE_GRADE_A;
    assert_int_equal(identity_present(fixture->device, &certified), IDENTITY_ACCEPTED);
    assert_int_equal(identity_present(fixture->device, &plug), IDENTITY_CHANGED);
}

/* Better proof takes a fact's place, weaker proof none; what was inferred contradicts nothing. */
static void proofs_of_facts(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = fixture->device;
    struct identity said = {.model = plug.model, .mac = plug.mac, .grade = DEVICE_GRADE_B};

    assert_int_equal(identity_present(device, &said), IDENTITY_ACCEPTED);
    assert_int_equal(device_proof(device, DEVICE_MODEL)->grade, DEVICE_GRADE_B);
    assert_int_equal(device_proof(device, DEVICE_MANUFACTURER)->grade, DEVICE_GRADE_C);
    assert_int_equal(device_proof(device, DEVICE_OUI)->grade, DEVICE_GRADE_D);
    assert_int_equal(device_proof(device, DEVICE_OUI)->source, DEVICE_SOURCE_ADDRESS);
    assert_int_equal(device->grade, DEVICE_GRADE_B);
    /* Who can prove less is not believed, and puts nobody in quarantine. */
    said = (struct identity){.model = "X", .grade = DEVICE_GRADE_C};
    assert_int_equal(identity_present(device, &said), IDENTITY_ACCEPTED);
    assert_string_equal(device_text(device, DEVICE_MODEL), plug.model);
    assert_int_equal(device->rejected, 1);
    assert_int_equal(device->grade, DEVICE_GRADE_B);
    /* A fact of its own grade is still contradicted by its like. */
    said = (struct identity){.manufacturer = "X", .grade = DEVICE_GRADE_C};
    assert_int_equal(identity_present(device, &said), IDENTITY_CHANGED);
    assert_string_equal(quarantine_notice(device).code, "ManufacturerChanged");
    assert_string_equal(quarantine_notice(device).before, "Shelly");
    assert_string_equal(quarantine_notice(device).now, "X");
}

static void inferences_give_way(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = fixture->device;
    struct identity said = {.serial_number = "1", .grade = DEVICE_GRADE_C};

    device_set_fact(device, DEVICE_SERIAL_NUMBER, "A8032ABE54DC", DEVICE_GRADE_D, DEVICE_SOURCE_ADDRESS);
    assert_int_equal(identity_present(device, &said), IDENTITY_ACCEPTED);
    assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), "1");
    assert_int_equal(device_proof(device, DEVICE_SERIAL_NUMBER)->grade, DEVICE_GRADE_C);
    said.inferred = DEVICE_BIT(DEVICE_SERIAL_NUMBER);
    said.serial_number = "2";
    assert_int_equal(identity_present(device, &said), IDENTITY_ACCEPTED);
    assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), "1");
    assert_int_equal(device->rejected, 0);
}

static void reject_keeps_what_was(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = fixture->device;
    struct identity other = plug;

    other.model = "X";
    identity_present(device, &other);
    quarantine_reject(device);
    assert_false(device->quarantined);
    assert_false(device->target.blocked);
    assert_string_equal(quarantine_notice(device).code, "None");
    assert_string_equal(quarantine_notice(device).now, "");
    assert_int_equal(identity_present(device, &other), IDENTITY_CHANGED); /* it goes on */
    quarantine_reject(device);
    assert_int_equal(identity_present(device, &plug), IDENTITY_ACCEPTED);
    assert_int_equal(identity_present(device, &other), IDENTITY_CHANGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(macs),
        cmocka_unit_test_setup_teardown(first_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_said_contradicts_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_fact_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reason_is_utf8, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quarantine_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(release_takes_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_proof_once_shown_is_missed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proofs_of_facts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inferences_give_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reject_keeps_what_was, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
