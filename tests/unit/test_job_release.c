/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a release and the trust in its signers decide over a device's life: keys that are replaced and revoked, the version
 * and the battery that it asks for, and sequence numbers that outlive the device's row.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/record.h"
#include "firmware/sequence.h"
#include "tests/unit/fake_update.h"
#include "tests/unit/release_bench.h"

#define URL "https://images.example/plus1.suit"
#define OLDER "https://images.example/older.suit"

struct fixture {
    struct bench jobs;
    struct release_bench releases;
    struct firmware_vendor vendor;
    struct firmware_trust trust;
    struct buf envelopes[2];
    struct release_version version;
    unsigned made;
};

static void trust(struct fixture *fixture)
{
    fixture->trust.anchors = fixture->releases.anchors;
    fixture->trust.vendors = &fixture->vendor;
    fixture->trust.vendors_count = 1;
    assert_int_equal(firmware_set_trust(fixture->jobs.firmware, &fixture->trust, NULL), 0);
}

/* These keys count, and no others. */
static void trust_keys(struct fixture *fixture, EVP_PKEY *const *keys, EVP_PKEY *revoked)
{
    anchors_unref(fixture->releases.anchors);
    fixture->releases.anchors = anchors_new();
    for (; *keys; keys++) {
        struct anchor anchor = {.name = "maker", .role = RELEASE_MANUFACTURER, .revoked = *keys == revoked};

        assert_int_equal(release_bench_anchor(&fixture->releases, *keys, &anchor, NULL), 0);
    }
    trust(fixture);
}

static int setup(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    release_bench_init(&fixture.releases);
    fixture.vendor = (struct firmware_vendor){
        .name = "Maker", .domain = "maker.example", .required = SIGNATURES_MANUFACTURER};
    bench_init(&fixture.jobs, 1);
    fixture.jobs.devices[0].cohort = "Maker\nPlus1\n2";
    fixture.jobs.devices[0].target.hardware = "AABBCCDDEEFF";
    firmware_target_cohort(&fixture.jobs.devices[0].target, fixture.jobs.devices[0].cohort);
    bench_run(&fixture.jobs, 2);
    trust(&fixture);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    bench_done(&fixture->jobs);
    for (unsigned i = 0; i < fixture->made; i++)
        buf_done(&fixture->envelopes[i]);
    release_bench_done(&fixture->releases);
    return 0;
}

/* A release of this image under the URL, signed with these keys. */
static void publish(struct fixture *fixture, const char *url, uint64_t sequence, const char *content,
                    const char *version, EVP_PKEY *const *keys)
{
    struct release_bench *releases = &fixture->releases;
    const char *uri = strcmp(url, URL) == 0 ? "image.bin" : "older.bin";
    struct buf *buf = &fixture->envelopes[fixture->made++];

    assert_true(fixture->made <= sizeof(fixture->envelopes) / sizeof(fixture->envelopes[0]));
    releases->description.sequence = sequence;
    releases->description.version = version;
    releases->image.uri = uri;
    releases->image.size = strlen(content);
    assert_int_equal(EVP_Digest(content, strlen(content), releases->image.digest, NULL, EVP_sha256(), NULL),
                     1);
    release_bench_make(releases, buf, keys);
    bench_serve(&fixture->jobs, url, (const char *)buf_data(buf), NULL)->size = buf->len;
    bench_serve(&fixture->jobs,
                strcmp(url, URL) == 0 ? "https://images.example/image.bin"
                                      : "https://images.example/older.bin",
                content, version);
}

static void by_maker(struct fixture *fixture)
{
    publish(fixture, URL, 7, "an image", "1.4.4", (EVP_PKEY *[]){fixture->releases.maker, NULL});
}

static void ended_with(struct fixture *fixture, const char *words)
{
    bench_finish(&fixture->jobs);
    assert_int_equal(fixture->jobs.state, JOB_FAILED);
    if (!strstr(fixture->jobs.fault, words))
        fail_msg("%s", fixture->jobs.fault);
}

static void download_refused(struct fixture *fixture, const char *url, const char *words)
{
    assert_non_null(bench_download(&fixture->jobs, 0, 1, url, false));
    ended_with(fixture, words);
}

static void activate(struct fixture *fixture)
{
    assert_non_null(bench_activate(&fixture->jobs, 0, 1, MODE_IMMEDIATELY, 0, 7 * 86400));
}

static void runs(struct fixture *fixture, const char *version)
{
    bench_finish(&fixture->jobs);
    assert_string_equal(fixture->jobs.devices[0].version, version);
}

/* ---- replacing a key ---- */

/* Both keys count and both signed: each gateway takes it, whichever of the two it knows; then the old one is revoked. */
static void test_rotation(void **state)
{
    struct fixture *fixture = *state;
    EVP_PKEY *old = fixture->releases.maker, *new = fixture->releases.stranger;

    publish(fixture, URL, 7, "an image", "1.4.4", (EVP_PKEY *[]){old, new, NULL});
    publish(fixture, OLDER, 8, "another", "1.4.5", (EVP_PKEY *[]){old, NULL});
    trust_keys(fixture, (EVP_PKEY *[]){old, NULL}, NULL);
    bench_have(&fixture->jobs, 0, 1, URL);
    trust_keys(fixture, (EVP_PKEY *[]){new, NULL}, NULL);
    bench_have(&fixture->jobs, 0, 1, URL);
    trust_keys(fixture, (EVP_PKEY *[]){old, new, NULL}, NULL);
    bench_have(&fixture->jobs, 0, 1, URL);
    bench_have(&fixture->jobs, 0, 2, OLDER);
    trust_keys(fixture, (EVP_PKEY *[]){old, new, NULL}, old);
    /* What only the old one signed waits in vain; what the new one signed, too, is still good. */
    assert_non_null(bench_activate(&fixture->jobs, 0, 2, MODE_IMMEDIATELY, 0, 3600));
    ended_with(fixture, "it was revoked");
    assert_int_equal(fixture->jobs.fault_code, ERROR_PERMISSION_DENIED);
    assert_int_equal(fixture->jobs.devices[0].installs, 0);
    activate(fixture);
    runs(fixture, "1.4.4");
    assert_non_null(bench_download(&fixture->jobs, 0, 2, OLDER, false));
    ended_with(fixture, "it was revoked");
}

/* The anchor goes without a word: nobody knows the signer any more. */
static void test_removed(void **state)
{
    struct fixture *fixture = *state;

    by_maker(fixture);
    bench_have(&fixture->jobs, 0, 1, URL);
    trust_keys(fixture, (EVP_PKEY *[]){fixture->releases.stranger, NULL}, NULL);
    activate(fixture);
    ended_with(fixture, "no trust anchor");
    assert_int_equal(fixture->jobs.devices[0].target.slots[1].status, FIRMWARE_ACTIVATION_FAILED);
    assert_non_null(strstr(fixture->jobs.devices[0].target.slots[1].boot_failure_log, "no trust anchor"));
}

static struct firmware_job *transferring(struct fixture *fixture)
{
    struct firmware_job *job;

    by_maker(fixture);
    bench_have(&fixture->jobs, 0, 1, URL);
    fixture->jobs.devices[0].fault = FAULT_STALLS;
    job = bench_activate(&fixture->jobs, 0, 1, MODE_IMMEDIATELY, 0, 7 * 86400);
    assert_non_null(job);
    for (unsigned i = 0; !fixture->jobs.devices[0].installs && i < 100; i++)
        bench_tick(&fixture->jobs);
    assert_int_equal(job->state, JOB_TRANSFERRING);
    return job;
}

static void revoke_maker(struct fixture *fixture)
{
    EVP_PKEY *maker = fixture->releases.maker;

    trust_keys(fixture, (EVP_PKEY *[]){maker, NULL}, maker);
    bench_settle(&fixture->jobs);
}

/* The device was told of the image, and has fetched nothing of it: a bridge may keep such an order for days. */
static void test_revoked_before_it_is_fetched(void **state)
{
    struct fixture *fixture = *state;

    transferring(fixture);
    trust(fixture); /* made anew, and the same: nothing happens */
    bench_settle(&fixture->jobs);
    assert_int_equal(fixture->jobs.devices[0].aborts, 0);
    assert_int_equal(bench_jobs(&fixture->jobs), 1);
    revoke_maker(fixture);
    assert_int_equal(fixture->jobs.devices[0].aborts, 1);
    assert_int_equal(bench_jobs(&fixture->jobs), 0);
    ended_with(fixture, "it was revoked");
    assert_string_equal(fixture->jobs.devices[0].version, "1.0.0");
}

/* It is fetching: it gets no more, it is not said to have failed before it did, and there is no second try. */
static void test_revoked_while_it_is_fetched(void **state)
{
    struct fixture *fixture = *state;
    struct firmware_job *job = transferring(fixture);

    bench_fetched(&fixture->jobs.devices[0].target);
    revoke_maker(fixture);
    assert_int_equal(bench_jobs(&fixture->jobs), 1);
    assert_null(job->grant.serve);
    ended_with(fixture, "it was revoked");
    assert_int_equal(fixture->jobs.devices[0].installs, 1);
}

/* ---- what it asks for ---- */

static void asks_for_version(struct fixture *fixture, enum release_comparison comparison, int64_t part)
{
    struct suit_description *description = &fixture->releases.description;

    fixture->version = (struct release_version){.comparison = comparison, .count = 1, .parts = {part}};
    description->versions = &fixture->version;
    description->versions_count = 1;
    by_maker(fixture);
}

static void test_version_at_download(void **state)
{
    struct fixture *fixture = *state;

    asks_for_version(fixture, RELEASE_GREATER_EQUAL, 3);
    download_refused(fixture, URL, "at least 3");
    assert_int_equal(fixture->jobs.devices[0].target.slots[1].status, FIRMWARE_VALIDATION_FAILED);
}

/* True when it came, and not any more when it is to be installed. */
static void test_version_at_activation(void **state)
{
    struct fixture *fixture = *state;

    asks_for_version(fixture, RELEASE_LESSER, 2);
    bench_have(&fixture->jobs, 0, 1, URL);
    str_copy(fixture->jobs.devices[0].version, sizeof(fixture->jobs.devices[0].version), "2.5.0");
    firmware_target_version(&fixture->jobs.devices[0].target, NULL, "2.5.0");
    activate(fixture);
    ended_with(fixture, "2");
    assert_int_equal(fixture->jobs.devices[0].installs, 0);
}

/* What it runs is not known yet: that is no reason against a download. */
static void test_version_not_known(void **state)
{
    struct fixture *fixture = *state;
    struct firmware_target *target = &fixture->jobs.devices[0].target;

    asks_for_version(fixture, RELEASE_GREATER_EQUAL, 3);
    fixture->jobs.devices[0].keeps_offline = true;
    fixture->jobs.devices[0].online = false;
    firmware_target_remove(target);
    target->active = -1;
    assert_int_equal(firmware_target_add(fixture->jobs.firmware, target, NULL), 0);
    firmware_target_cohort(target, fixture->jobs.devices[0].cohort);
    bench_have(&fixture->jobs, 0, 1, URL);
}

static void asks_for_battery(struct fixture *fixture)
{
    fixture->releases.description.has_battery = true;
    fixture->releases.description.battery_mwh = 500;
    by_maker(fixture);
    bench_have(&fixture->jobs, 0, 1, URL);
    firmware_target_battery(&fixture->jobs.devices[0].target, 90);
}

static void test_battery_unknown(void **state)
{
    struct fixture *fixture = *state;

    asks_for_battery(fixture);
    activate(fixture);
    ended_with(fixture, "500 mWh");
    assert_non_null(strstr(fixture->jobs.fault, "BatteryPercent"));
    assert_int_equal(fixture->jobs.devices[0].installs, 0);
    firmware_target_battery(&fixture->jobs.devices[0].target, -1);
    activate(fixture);
    runs(fixture, "1.4.4");
}

static void test_battery_by_policy(void **state)
{
    struct fixture *fixture = *state;

    fixture->trust.battery_percent = 20; /* of other vendors */
    fixture->vendor.battery_percent = 95;
    trust(fixture);
    asks_for_battery(fixture);
    activate(fixture);
    bench_run(&fixture->jobs, 100);
    assert_string_equal(fixture->jobs.waits_for, "battery");
    assert_int_equal(fixture->jobs.devices[0].installs, 0);
    firmware_target_battery(&fixture->jobs.devices[0].target, 95);
    runs(fixture, "1.4.4");
}

static void test_battery_of_other_vendors(void **state)
{
    struct fixture *fixture = *state;

    fixture->vendor.name = "Other";
    fixture->trust.battery_percent = 85;
    fixture->trust.required = SIGNATURES_ANY;
    fixture->releases.description.vendor = "maker";
    trust(fixture);
    asks_for_battery(fixture);
    activate(fixture);
    runs(fixture, "1.4.4");
}

/* ---- sequence numbers ---- */

static void leave(struct fixture *fixture)
{
    firmware_target_remove(&fixture->jobs.devices[0].target);
    fixture->jobs.devices[0].target.active = -1;
    bench_settle(&fixture->jobs);
}

static void come_back(struct fixture *fixture, const char *key, const char *hardware)
{
    struct firmware_target *target = &fixture->jobs.devices[0].target;

    target->key = key;
    target->hardware = hardware;
    assert_int_equal(firmware_target_add(fixture->jobs.firmware, target, NULL), 0);
    firmware_target_cohort(target, fixture->jobs.devices[0].cohort);
    firmware_target_version(target, NULL, fixture->jobs.devices[0].version);
    bench_settle(&fixture->jobs);
}

static void test_forgetting_is_no_downgrade(void **state)
{
    struct fixture *fixture = *state;
    const char *key = fixture->jobs.devices[0].key;

    by_maker(fixture);
    publish(fixture, OLDER, 6, "another", "1.4.3", (EVP_PKEY *[]){fixture->releases.maker, NULL});
    bench_have(&fixture->jobs, 0, 1, URL);
    activate(fixture);
    runs(fixture, "1.4.4");
    leave(fixture);
    come_back(fixture, key, NULL);
    download_refused(fixture, OLDER, "is not above 7");
    /* Under another name, in another life, twice: its hardware address is the same. */
    leave(fixture);
    come_back(fixture, "another:key", "AABBCCDDEEFF");
    download_refused(fixture, OLDER, "is not above 7");
    leave(fixture);
    come_back(fixture, "another:key", "AABBCCDDEEFF");
    download_refused(fixture, OLDER, "is not above 7");
    /* It is not held against others. */
    leave(fixture);
    come_back(fixture, "stranger", "001122334455");
    bench_have(&fixture->jobs, 0, 1, OLDER);
    leave(fixture);
    come_back(fixture, key, "AABBCCDDEEFF");
    bench_restart(&fixture->jobs);
    firmware_target_cohort(&fixture->jobs.devices[0].target, fixture->jobs.devices[0].cohort);
    trust(fixture);
    download_refused(fixture, OLDER, "is not above 7");
}

static int count_one(void *ctx, struct str key, struct str value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)ctx;
    return 0;
}

static unsigned departed(struct fixture *fixture)
{
    unsigned count = 0;

    store_each(fixture->jobs.store, "departed", STR(""), count_one, &count, NULL);
    return count;
}

static uint64_t last_of(struct fixture *fixture, const char *key)
{
    struct firmware_target target = {.key = key, .firmware = fixture->jobs.firmware};
    uint64_t last = 0;

    return sequence_last(&target, "00", &last, NULL) == 1 ? last : 0;
}

/* Who left first is dropped first; who is there is not counted. */
static void test_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct firmware_target target = {.firmware = fixture->jobs.firmware};
    unsigned passed = LIMIT_DEPARTED + 1;
    char key[32];

    target.key = "stays";
    assert_int_equal(sequence_keep(&target, "00", 5), 0);
    assert_int_equal(sequence_keep(&target, "00", 4), 0);
    target.key = key;
    for (unsigned i = 0; i < passed; i++) {
        /* Names in another order than times. */
        snprintf(key, sizeof(key), "x:%05u", (i * 7919u) % passed);
        assert_int_equal(sequence_keep(&target, "00", i + 1), 0);
        assert_int_equal(sequence_depart(&target), 0);
        clock_fake_advance(&fixture->jobs.loop.clock, 1000);
        if (i == 0)
            assert_int_equal(last_of(fixture, "x:00000"), 1);
    }
    assert_true(departed(fixture) <= LIMIT_DEPARTED);
    assert_true(departed(fixture) > LIMIT_DEPARTED / 2);
    assert_int_equal(last_of(fixture, "x:00000"), 0);
    assert_int_equal(last_of(fixture, key), passed);
    assert_int_equal(last_of(fixture, "stays"), 5);
}

/* What cannot be read refuses: it may have been a higher number. The component is the model, ["Plus1"] in CBOR. */
static void test_damaged(void **state)
{
    struct fixture *fixture = *state;

    by_maker(fixture);
    assert_int_equal(
        store_put(fixture->jobs.store, "departed", STR("AABBCCDDEEFF\n8145506c757331"), "x", 1, NULL), 0);
    download_refused(fixture, URL, "cannot be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_revoked_before_it_is_fetched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_revoked_while_it_is_fetched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version_at_download, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version_at_activation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version_not_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_battery_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_battery_by_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_battery_of_other_vendors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forgetting_is_no_downgrade, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
