/* SPDX-License-Identifier: BSD-3-Clause */
/* Releases of our own making: who may sign, what they say to which device, and that nothing else is taken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "release/cose.h"
#include "tests/unit/release_bench.h"

static struct str of(const struct buf *buf)
{
    return (struct str){(const char *)buf_data(buf), buf->len};
}

static void opens(struct release_bench *bench, const struct buf *buf, struct release *ret)
{
    struct error err;

    if (release_bench_open(bench, of(buf), ret, &err) < 0)
        fail_msg("%s", err.message);
}

static void refused(struct release_bench *bench, const struct buf *buf, uint32_t code, const char *words)
{
    struct release release;
    struct error err;

    assert_int_equal(release_bench_open(bench, of(buf), &release, &err), -1);
    if (err.code != code || !strstr(err.message, words))
        fail_msg("%u %s", err.code, err.message);
}

static void test_what_it_says(void **state)
{
    struct release_bench bench;
    struct release release;
    struct buf buf;
    const struct release_version versions[] = {{RELEASE_GREATER_EQUAL, 2, {1, 4}}, {RELEASE_LESSER, 1, {2}}};
    char text[160];

    (void)state;
    release_bench_init(&bench);
    bench.description.has_priority = bench.description.ask = bench.description.has_battery = true;
    bench.description.priority = -3;
    bench.description.battery_mwh = 4000;
    bench.description.use_before = RELEASE_NOW + 100;
    bench.description.not_before = RELEASE_NOW + 50;
    bench.description.versions = versions;
    bench.description.versions_count = 2;
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, bench.carrier, NULL});
    opens(&bench, &buf, &release);
    assert_int_equal(release.roles, RELEASE_MANUFACTURER | RELEASE_OPERATOR);
    assert_string_equal(release.signers, "maker (manufacturer), operator (operator)");
    assert_int_equal(release.sequence, 7);
    assert_int_equal(release.size, 1000);
    assert_string_equal(release.uri, "https://images.example/plus1.bin");
    assert_memory_equal(release.sha256, "010203000000", 12);
    assert_true(release.has_priority && release.ask && release.has_battery);
    assert_int_equal(release.priority, -3);
    assert_int_equal(release.battery_mwh, 4000);
    assert_int_equal(release.use_before, RELEASE_NOW + 100);
    assert_int_equal(release_wait_s(&release, RELEASE_NOW), 50);
    assert_int_equal(release_wait_s(&release, RELEASE_NOW + 50), 0);
    assert_null(release_version_objection(&release, "1.4.4", text));
    assert_null(release_version_objection(&release, "v1.10-beta", text));
    assert_string_equal(release_version_objection(&release, "1.3.9", text),
                        "it installs over a version at least 1.4, and the device runs \"1.3.9\"");
    assert_non_null(release_version_objection(&release, "2.0", text));
    assert_non_null(release_version_objection(&release, "", text));
    assert_string_equal(release.version, "1.4.4");
    assert_string_equal(release.vendor_name, "Maker");
    assert_string_equal(release.model_name, "Plus1");
    assert_string_equal(release.description, "Closes a hole");
    buf_done(&buf);
    release_bench_done(&bench);
}

static void test_same_description_same_bytes(void **state)
{
    struct release_bench bench;
    struct buf a, b;

    (void)state;
    release_bench_init(&bench);
    release_bench_make(&bench, &a, (EVP_PKEY *[]){bench.carrier, NULL}); /* Ed25519 has no randomness in it */
    release_bench_make(&bench, &b, (EVP_PKEY *[]){bench.carrier, NULL});
    assert_true(str_equal(of(&a), of(&b)));
    buf_done(&a);
    buf_done(&b);
    release_bench_done(&bench);
}

/* Every byte, with each algorithm, and the words inside, beside, and an image inside. */
static void test_no_change_is_taken(void **state)
{
    struct release_bench bench;
    struct buf buf;

    (void)state;
    release_bench_init(&bench);
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, NULL});
    release_mutate(&bench.request, of(&buf));
    buf_done(&buf);
    bench.description.sever_text = true;
    bench.image.uri = "#0";
    bench.image.payload = STR("an image");
    bench.image.size = 8;
    assert_int_equal(EVP_Digest("an image", 8, bench.image.digest, NULL, EVP_sha256(), NULL), 1);
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.carrier, NULL});
    bench.request.bytes = of(&buf);
    release_mutate(&bench.request, of(&buf));
    buf_done(&buf);
    release_bench_done(&bench);
}

static void test_signatures(void **state)
{
    struct release_bench bench;
    struct release release;
    struct buf buf;

    (void)state;
    release_bench_init(&bench);
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){NULL});
    refused(&bench, &buf, ERROR_PERMISSION_DENIED, "it is not signed");
    buf_done(&buf);
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.stranger, NULL});
    refused(&bench, &buf, ERROR_PERMISSION_DENIED, "no trust anchor");
    buf_done(&buf);
    /* A stranger's signature beside the maker's counts for nothing, and harms nothing. */
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.stranger, bench.maker, NULL});
    opens(&bench, &buf, &release);
    assert_int_equal(release.roles, RELEASE_MANUFACTURER);
    buf_done(&buf);
    /* One that names the maker's key and is not its. */
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, bench.carrier, NULL});
    buf_data(&buf)[buf.len - 1] ^= 0; /* its end is the manifest: the signature is changed below */
    for (size_t at = 0; at + 2 < buf.len; at++)
        if (buf_data(&buf)[at] == 0x58 && buf_data(&buf)[at + 1] == 0x40) { /* the first bstr of 64 bytes */
            buf_data(&buf)[at + 10] ^= 1;
            break;
        }
    refused(&bench, &buf, ERROR_PERMISSION_DENIED, "changed, or forged");
    buf_done(&buf);
    release_bench_done(&bench);
}

static void check_anchor(const struct anchor *anchor, const char *words)
{
    struct release_bench bench;
    struct release release;
    struct buf buf;

    release_bench_init(&bench);
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.stranger, NULL});
    assert_int_equal(release_bench_anchor(&bench, bench.stranger, anchor, NULL), 0);
    if (words)
        refused(&bench, &buf, ERROR_PERMISSION_DENIED, words);
    else
        opens(&bench, &buf, &release);
    buf_done(&buf);
    release_bench_done(&bench);
}

static void test_anchors_count_for_a_time_and_a_vendor(void **state)
{
    (void)state;
    check_anchor(&(struct anchor){.name = "a", .role = RELEASE_MANUFACTURER}, NULL);
    check_anchor(&(struct anchor){.name = "a", .role = RELEASE_MANUFACTURER, .vendor = "maker"}, NULL);
    check_anchor(&(struct anchor){.name = "a", .role = RELEASE_MANUFACTURER, .vendor = "Other"},
                 "another vendor's");
    check_anchor(&(struct anchor){.name = "a", .role = RELEASE_MANUFACTURER, .not_before = RELEASE_NOW + 1},
                 "not valid yet");
    check_anchor(&(struct anchor){.name = "a", .role = RELEASE_MANUFACTURER, .not_after = RELEASE_NOW - 1},
                 "has expired");
    check_anchor(&(struct anchor){.name = "a", .role = RELEASE_MANUFACTURER, .revoked = true}, "was revoked");
    check_anchor(&(struct anchor){.name = "a", .role = RELEASE_MANUFACTURER, .disabled = true},
                 "is disabled");
}

/* Whoever says that a key is revoked is right, in whatever order, role and scope. */
static void test_revoked_everywhere(void **state)
{
    for (int first = 0; first < 2; first++) {
        struct release_bench bench;
        struct buf buf;
        struct anchor anchors[] = {{.name = "a", .role = RELEASE_OPERATOR},
                                   {.name = "b", .role = RELEASE_MANUFACTURER, .revoked = true}};

        release_bench_init(&bench);
        release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.stranger, NULL});
        assert_int_equal(release_bench_anchor(&bench, bench.stranger, &anchors[first], NULL), 0);
        assert_int_equal(release_bench_anchor(&bench, bench.stranger, &anchors[!first], NULL), 0);
        refused(&bench, &buf, ERROR_PERMISSION_DENIED, "was revoked");
        assert_int_equal(release_bench_anchor(&bench, bench.maker,
                                              &(struct anchor){.name = "c", .role = RELEASE_MANUFACTURER},
                                              NULL),
                         -1);
        buf_done(&buf);
        release_bench_done(&bench);
    }
    (void)state;
}

static void test_the_device(void **state)
{
    struct release_bench bench;
    struct release release;
    struct buf buf;

    (void)state;
    release_bench_init(&bench);
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, NULL});
    assert_int_equal(release_identify(&bench.identity, "Maker", "maker.example", "Plus2", "2", NULL), 0);
    refused(&bench, &buf, ERROR_COMMAND_FAILURE, "another class");
    assert_int_equal(release_identify(&bench.identity, "Maker", "", "Plus1", "2", NULL), 0);
    refused(&bench, &buf, ERROR_COMMAND_FAILURE, "another vendor");
    buf_done(&buf);
    bench.image.hardware = "2";
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, NULL});
    assert_int_equal(release_identify(&bench.identity, "Maker", "maker.example", "Plus1", "2", NULL), 0);
    opens(&bench, &buf, &release);
    assert_int_equal(release_identify(&bench.identity, "Maker", "maker.example", "Plus1", "3", NULL), 0);
    refused(&bench, &buf, ERROR_COMMAND_FAILURE, "another class");
    buf_done(&buf);
    bench.image.model = "*";
    bench.image.hardware = "";
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, NULL});
    opens(&bench, &buf, &release);
    buf_done(&buf);
    release_bench_done(&bench);
}

/* The identifiers of the draft's examples. */
static void test_identifiers(void **state)
{
    struct release_identity identity;
    char hex[2 * RELEASE_UUID_BYTES + 1];

    (void)state;
    assert_int_equal(release_identify(&identity, "Arm", "ARM.com", NULL, NULL, NULL), 0);
    str_to_hex(hex, identity.vendor_id, RELEASE_UUID_BYTES);
    assert_string_equal(hex, "fa6b4a53d5ad5fdfbe9de663e4d41ffe");
    assert_int_equal(identity.classes, 1);
    assert_int_equal(release_identify(&identity, "Arm", "arm.com", "m", "1", NULL), 0);
    assert_int_equal(identity.classes, 3);
}

static void test_one_of_several(void **state)
{
    struct suit_image images[] = {{.model = "Plus1", .hardware = "", .size = 10, .uri = "one"},
                                  {.model = "Plus2", .hardware = "", .size = 20, .uri = "two"}};
    struct release_bench bench;
    struct release release;
    struct buf buf;

    (void)state;
    release_bench_init(&bench);
    bench.description.images = images;
    bench.description.images_count = 2;
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, NULL});
    opens(&bench, &buf, &release);
    assert_string_equal(release.uri, "one");
    assert_int_equal(release_identify(&bench.identity, "Maker", "maker.example", "Plus2", "", NULL), 0);
    opens(&bench, &buf, &release);
    assert_string_equal(release.uri, "two");
    assert_int_equal(release.size, 20);
    assert_int_equal(release_identify(&bench.identity, "Maker", "maker.example", "Plus3", "", NULL), 0);
    refused(&bench, &buf, ERROR_COMMAND_FAILURE, "another class");
    buf_done(&buf);
    release_bench_done(&bench);
}

static void test_an_image_inside(void **state)
{
    struct release_bench bench;
    struct release release;
    struct buf buf, stripped;
    struct error err;

    (void)state;
    release_bench_init(&bench);
    bench.image.uri = "#0";
    bench.image.payload = STR("an image");
    bench.image.size = 8;
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, NULL});
    refused(&bench, &buf, ERROR_COMMAND_FAILURE, "the image inside it is not the one that was signed");
    buf_done(&buf);
    assert_int_equal(EVP_Digest("an image", 8, bench.image.digest, NULL, EVP_sha256(), NULL), 1);
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, NULL});
    opens(&bench, &buf, &release);
    assert_true(str_is(release.payload, "an image"));
    buf_init(&stripped, 1 << 16, 0);
    assert_int_equal(release_strip(of(&buf), false, &stripped, &err), 0);
    refused(&bench, &stripped, ERROR_COMMAND_FAILURE, "is not");
    bench.request.stripped = true;
    opens(&bench, &stripped, &release);
    assert_int_equal(release.payload.len, 0);
    buf_done(&stripped);
    buf_done(&buf);
    release_bench_done(&bench);
}

/* ---- envelopes made by hand: what a signature covers may be odd, too ---- */

struct odd {
    struct release_bench bench;
    struct buf manifest;
};

static void wrap(struct buf *to, const struct buf *inner)
{
    cbor_put_bytes(to, of(inner));
}

/* Signs whatever manifest there is. tag 0: none. */
static void sign_odd(struct odd *odd, uint64_t tag, struct buf *ret)
{
    struct buf item, digest, block, authentication;
    uint8_t hash[32];

    buf_init(&item, 1 << 16, 0);
    buf_init(&digest, 1 << 16, 0);
    buf_init(&block, 1 << 16, 0);
    buf_init(&authentication, 1 << 16, 0);
    buf_init(ret, 1 << 16, 0);
    wrap(&item, &odd->manifest);
    assert_int_equal(EVP_Digest(buf_data(&item), item.len, hash, NULL, EVP_sha256(), NULL), 1);
    cbor_put_array(&digest, 2);
    cbor_put_int(&digest, SUIT_SHA256);
    cbor_put_bytes(&digest, (struct str){(const char *)hash, 32});
    assert_int_equal(cose_sign(&block, odd->bench.maker, of(&digest), NULL), 0);
    cbor_put_array(&authentication, 2);
    wrap(&authentication, &digest);
    wrap(&authentication, &block);
    if (tag)
        cbor_put_tag(ret, tag);
    cbor_put_map(ret, 2);
    cbor_put_uint(ret, SUIT_AUTHENTICATION);
    wrap(ret, &authentication);
    cbor_put_uint(ret, SUIT_MANIFEST);
    buf_append(ret, buf_data(&item), item.len);
    assert_false(ret->failed);
    buf_done(&item);
    buf_done(&digest);
    buf_done(&block);
    buf_done(&authentication);
}

static void odd_init(struct odd *odd, const char *hex)
{
    uint8_t bytes[1024];
    int len = str_from_hex(str_of(hex), bytes, sizeof(bytes));

    assert_true(len > 0);
    release_bench_init(&odd->bench);
    buf_init(&odd->manifest, 1 << 16, 0);
    buf_append(&odd->manifest, bytes, (size_t)len);
}

static void odd_done(struct odd *odd)
{
    buf_done(&odd->manifest);
    release_bench_done(&odd->bench);
}

struct odd_one {
    const char *hex;
    uint32_t code;
    const char *words;
};

static const struct odd_one odd_ones[] = {
    {"a30101020003430180", ERROR_INVALID_VALUE, "parse error"},
    {"a0", ERROR_INVALID_VALUE, "are missing"},
    {"a301020200034aa2028181410004428000", ERROR_INVALID_VALUE, "version is not 1"},
    {"a3010102000346a10281814100", ERROR_COMMAND_FAILURE, "fetches nothing"},
    {"a4010102000346a1028181410018634100", ERROR_INVALID_VALUE, "not known here"},
    /* shared: [], [99, 15], [20, {99: 0}], [20, {14: true}], [1, 16], [1] */
    {"a3010102000349a20281814100044180", ERROR_COMMAND_FAILURE, "fetches nothing"},
    {"a301010200034ca2028181410004448218630f", ERROR_INVALID_VALUE, "command 99"},
    {"a301010200034ea2028181410004468214a1186300", ERROR_INVALID_VALUE, "a parameter that is not known"},
    {"a301010200034da2028181410004458214a10ef5", ERROR_INVALID_VALUE, "image-size"},
    {"a301010200034ba202818141000443820110", ERROR_INVALID_VALUE, "out of range"},
    {"a301010200034aa2028181410004428101", ERROR_INVALID_VALUE, "no argument"},
    /* abort, copy, a component that is not there */
    {"a301010200034ba202818141000443820e0f", ERROR_COMMAND_FAILURE, "none of what this device is"},
    {"a301010200034ba20281814100044382160f", ERROR_INVALID_VALUE, "directive-copy"},
    {"a301010200034ba202818141000443820c01", ERROR_INVALID_VALUE, "chooses a component"},
    /* dependencies */
    {"a301010200034aa301a002818141000440", ERROR_INVALID_VALUE, "dependencies are not"},
};

static void test_odd_manifests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(odd_ones) / sizeof(odd_ones[0]); i++) {
        struct odd odd;
        struct buf buf;
        struct release release;
        struct error err;

        odd_init(&odd, odd_ones[i].hex);
        sign_odd(&odd, SUIT_ENVELOPE_TAG, &buf);
        assert_int_equal(release_bench_open(&odd.bench, of(&buf), &release, &err), -1);
        if (err.code != odd_ones[i].code || !strstr(err.message, odd_ones[i].words))
            fail_msg("%zu %s: %u %s", i, odd_ones[i].hex, err.code, err.message);
        buf_done(&buf);
        odd_done(&odd);
    }
}

/* [32, << [32, << ... >>] >>]: run-sequence in itself, once too often. */
static void test_nested_too_deep(void **state)
{
    struct buf sequence, common;
    struct odd odd;

    (void)state;
    odd_init(&odd, "a0");
    buf_clear(&odd.manifest, 0);
    buf_init(&sequence, 1024, 0);
    cbor_put_array(&sequence, 0);
    for (unsigned i = 0; i < SUIT_SEQUENCE_DEPTH; i++) {
        struct buf outer;

        buf_init(&outer, 1024, 0);
        cbor_put_array(&outer, 2);
        cbor_put_uint(&outer, SUIT_RUN_SEQUENCE);
        wrap(&outer, &sequence);
        buf_done(&sequence);
        sequence = outer;
    }
    buf_init(&common, 1024, 0);
    buf_append(&common, "\xa2\x02\x81\x81\x41\x00\x04", 7);
    wrap(&common, &sequence);
    buf_append(&odd.manifest, "\xa3\x01\x01\x02\x00\x03", 6);
    wrap(&odd.manifest, &common);
    buf_done(&sequence);
    sign_odd(&odd, SUIT_ENVELOPE_TAG, &sequence);
    refused(&odd.bench, &sequence, ERROR_INVALID_VALUE, "nested too deep");
    buf_done(&sequence);
    buf_done(&common);
    odd_done(&odd);
}

static void test_tags(void **state)
{
    struct release release;
    struct odd odd;
    struct buf buf;
    struct error err;

    (void)state;
    odd_init(&odd, "a3010102000346a10281814100");
    odd.bench.request.identity = NULL;
    sign_odd(&odd, 0, &buf);
    refused(&odd.bench, &buf, ERROR_INVALID_VALUE, "no SUIT envelope");
    odd.bench.request.untagged = true;
    opens(&odd.bench, &buf, &release);
    buf_done(&buf);
    sign_odd(&odd, 106, &buf);
    assert_int_equal(release_bench_open(&odd.bench, of(&buf), &release, &err), -1);
    buf_done(&buf);
    odd_done(&odd);
}

/* Another structure of COSE, another algorithm, other headers: the reason is named. */
static void test_other_cose(void **state)
{
    static const struct {
        const char *hex;
        const char *words;
    } blocks[] = {
        {"d18443a10105a0f640", "COSE_Mac0"},
        {"d8628440a0f680", "COSE_Sign;"},
        {"d8618543a10105a0f64080", "COSE_Mac,"},
        {"8443a10126a0f640", "of an unknown kind"},
        {"d28443a10127a0f640", "has not the right length"}, /* -8, no signature */
        {"d28444a1013823a0f640", "COSE algorithm -36"},
        {"d28443a10126a0f64100", "has not the right length"},
        {"d28443a10126a0410040", "null is missing"},
        {"d28445a201260280a0f640", "not known here"},
        {"d28443a10126a10126f640", "not known here"},
        {"d28343a10126a0f6", "no COSE_Sign1"},
        {"d2", "is no CBOR"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        struct cose_sign1 sign1;
        uint8_t bytes[128];
        struct error err;
        int len = str_from_hex(str_of(blocks[i].hex), bytes, sizeof(bytes));

        assert_true(len > 0);
        error_clear(&err);
        assert_int_equal(cose_read((struct str){(const char *)bytes, (size_t)len}, &sign1, &err), -1);
        if (!strstr(err.message, blocks[i].words))
            fail_msg("%s: %s", blocks[i].hex, err.message);
    }
}

/* The four algorithm ids: the key decides, and an id of the other family is refused. */
static void test_algorithms(void **state)
{
    struct release_bench bench;
    struct cose_sign1 sign1;
    struct buf block;

    (void)state;
    release_bench_init(&bench);
    buf_init(&block, 1024, 0);
    assert_int_equal(cose_sign(&block, bench.maker, STR("payload"), NULL), 0);
    assert_int_equal(cose_read(of(&block), &sign1, NULL), 0);
    assert_int_equal(sign1.algorithm, COSE_ESP256);
    assert_int_equal(cose_verify(&sign1, bench.maker, STR("payload")), 1);
    assert_int_equal(cose_verify(&sign1, bench.maker, STR("Payload")), 0);
    assert_int_equal(cose_verify(&sign1, bench.stranger, STR("payload")), 0);
    assert_int_equal(cose_verify(&sign1, bench.carrier, STR("payload")), 0);
    sign1.algorithm = COSE_ED25519;
    assert_int_equal(cose_verify(&sign1, bench.maker, STR("payload")), 0);
    buf_clear(&block, 0);
    assert_int_equal(cose_sign(&block, bench.carrier, STR("payload"), NULL), 0);
    assert_int_equal(cose_read(of(&block), &sign1, NULL), 0);
    assert_int_equal(sign1.algorithm, COSE_ED25519);
    assert_int_equal(cose_verify(&sign1, bench.carrier, STR("payload")), 1);
    sign1.algorithm = COSE_ES256;
    assert_int_equal(cose_verify(&sign1, bench.carrier, STR("payload")), 0);
    buf_done(&block);
    release_bench_done(&bench);
}

static void test_time_of_day(void **state)
{
    struct release release = {.wait = {.time = -1,
                                       .time_of_day = -1,
                                       .day_of_week = -1,
                                       .time_of_day_utc = 3600,
                                       .day_of_week_utc = -1}};

    (void)state;
    assert_int_equal(release_wait_s(&release, 0), 3600); /* 1970-01-01 was a Thursday */
    assert_int_equal(release_wait_s(&release, 3600), 0);
    release.wait.day_of_week_utc = 5;
    assert_int_equal(release_wait_s(&release, 3600), 86400);
    release.wait.day_of_week_utc = 4;
    assert_int_equal(release_wait_s(&release, 7200), 0);
    release.wait.day_of_week_utc = 3;
    assert_int_equal(release_wait_s(&release, 0), 6 * 86400 + 3600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_says),
        cmocka_unit_test(test_same_description_same_bytes),
        cmocka_unit_test(test_no_change_is_taken),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_anchors_count_for_a_time_and_a_vendor),
        cmocka_unit_test(test_revoked_everywhere),
        cmocka_unit_test(test_the_device),
        cmocka_unit_test(test_identifiers),
        cmocka_unit_test(test_one_of_several),
        cmocka_unit_test(test_an_image_inside),
        cmocka_unit_test(test_odd_manifests),
        cmocka_unit_test(test_nested_too_deep),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_other_cose),
        cmocka_unit_test(test_algorithms),
        cmocka_unit_test(test_time_of_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
