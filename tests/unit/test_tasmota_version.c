/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/test_tasmota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "devices/dialects/tasmota_version.h"

static struct tasmota_version version_of(const char *text)
{
    struct tasmota_version version;

    assert_int_equal(tasmota_version_parse(text, &version), 0);
    return version;
}

static void parsed(void **state)
{
    struct tasmota_version version = version_of("14.2.0(release-tasmota)");

    (void)state;
    assert_int_equal(version.number, 0x0e020000);
    assert_true(str_is(version.base, "14.2.0"));
    assert_true(str_is(version.variant, "release-tasmota"));
    assert_int_equal(version_of("13.4.0.3(tasmota32)").number, 0x0d040003);
    assert_int_equal(version_of("9.1").number, 0x09010000);
    version = version_of("5.12.0a");
    assert_int_equal(version.number, 0x050c0001);
    assert_true(str_is(version.base, "5.12.0a"));
    assert_int_equal(version.variant.len, 0);
}

static void not_parsed(void **state)
{
    static const char *const wrong[] = {"",         "14",       "v14.2.0",    "14.2.0 ",      "14.2.0(",
                                        "14.2.0()", "14.2.0(x", "14.256.0",   "14.2.0.1.7",   "14.2.0-rc1",
                                        "14..2",    "tasmota",  "14.2.0(x)y", "99999999999.1"};
    struct tasmota_version version;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(tasmota_version_parse(wrong[i], &version), -1);
}

static void interim(void **state)
{
    struct tasmota_version version = version_of("14.2.0(release-minimal)");

    (void)state;
    assert_true(tasmota_version_is_interim(&version));
    version = version_of("14.2.0(safeboot)");
    assert_true(tasmota_version_is_interim(&version));
    version = version_of("14.2.0(release-tasmota-lite)");
    assert_false(tasmota_version_is_interim(&version));
}

/* running, image (NULL: not known), what the refusal names (NULL: allowed). */
static const struct {
    const char *running, *image, *refused;
} paths[] = {
    {"13.4.0", "14.2.0", NULL},   {"13.4.0", NULL, NULL},         {"14.2.0", "13.4.0", NULL},
    {"9.1.0", "14.2.0", NULL},    {"9.0.0.3", "14.2.0", "9.1.0"}, {"9.0.0.3", "9.1.0", NULL},
    {"8.5.1", "9.1.0", NULL},     {"8.5.1", "9.2.0", "9.1.0"},    {"8.1.0", "8.5.1", NULL},
    {"6.7.1", "7.2.0", NULL},     {"6.7.1", "14.2.0", "7.2.0"},   {"6.6.0", "7.2.0", "6.7.1"},
    {"5.12.0a", "5.14.0", NULL},  {"5.12.0a", "6.7.1", "5.14.0"}, {"1.0.5", "3.9.22", "1.0.11"},
    {"6.7.1", NULL, "not known"}, {"14.2.0", "9.0.0", "9.1.0"},   {"14.2.0", "8.5.1", "way back"},
    {"9.5.0", "9.1.0", NULL},     {"8.5.1", "8.2.0", "8.5.1"},
};

static void order(void **state)
{
    int order = 7;

    (void)state;
    assert_int_equal(tasmota_version_compare("9.5.0", "14.2.0", &order), 0);
    assert_int_equal(order, -1);
    assert_int_equal(tasmota_version_compare("14.2.0.1", "14.2.0(release-tasmota)", &order), 0);
    assert_int_equal(order, 1);
    assert_int_equal(tasmota_version_compare("9.1", "9.1.0", &order), 0);
    assert_int_equal(order, 0);
    assert_int_equal(tasmota_version_compare("9.1", "14.2.0(minimal)", &order), -1);
    assert_int_equal(tasmota_version_compare("new", "9.1", &order), -1);
    assert_int_equal(order, 0);
}

static void upgrade_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct tasmota_version running = version_of(paths[i].running), image;
        struct error err = {0};
        int rc;

        if (paths[i].image)
            image = version_of(paths[i].image);
        rc = tasmota_version_check(&running, paths[i].image ? &image : NULL, &err);
        assert_int_equal(rc, paths[i].refused ? -1 : 0);
        if (!paths[i].refused)
            continue;
        assert_int_equal(err.code, ERROR_INVALID_ARGUMENTS);
        assert_non_null(strstr(err.message, paths[i].refused));
    }
}

static void compressed(void **state)
{
    struct tasmota_version version = version_of("8.1.0");
    struct error err = {0};

    (void)state;
    assert_int_equal(tasmota_version_check_gzip(&version, &err), -1);
    assert_non_null(strstr(err.message, "8.2.0"));
    version = version_of("8.2.0");
    assert_int_equal(tasmota_version_check_gzip(&version, &err), 0);
}

int test_tasmota_version(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsed), cmocka_unit_test(not_parsed),   cmocka_unit_test(interim),
        cmocka_unit_test(order),  cmocka_unit_test(upgrade_path), cmocka_unit_test(compressed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
