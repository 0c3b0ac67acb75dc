/* SPDX-License-Identifier: BSD-3-Clause */
/* Manifests that homepatch itself would not write: whoever signed them, they have to say whom they are for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "release/cbor.h"
#include "release/suit.h"

enum {
    SEQUENCE_BYTES = 4096,
    REPORT = 15,
};

struct sequence {
    struct buf buf;
    struct release_identity identity;
};

static struct str of(const struct buf *buf)
{
    return (struct str){(const char *)buf_data(buf), buf->len};
}

/* The parameters of an image for the device, and its fetch; `commands` are to follow. */
static void begin(struct sequence *to, size_t commands)
{
    static const uint8_t digest[SUIT_DIGEST_BYTES] = {1, 2, 3};
    struct buf inner;

    assert_int_equal(release_identify(&to->identity, "Maker", "maker.example", "Plus1", "", NULL), 0);
    buf_init(&inner, SEQUENCE_BYTES, 0);
    cbor_put_array(&inner, 2);
    cbor_put_int(&inner, SUIT_SHA256);
    cbor_put_bytes(&inner, (struct str){(const char *)digest, sizeof(digest)});
    buf_init(&to->buf, SEQUENCE_BYTES, 0);
    cbor_put_array(&to->buf, 2 * (2 + commands));
    cbor_put_uint(&to->buf, SUIT_OVERRIDE);
    cbor_put_map(&to->buf, 5);
    cbor_put_uint(&to->buf, SUIT_P_VENDOR_ID);
    cbor_put_bytes(&to->buf, (struct str){(const char *)to->identity.vendor_id, RELEASE_UUID_BYTES});
    cbor_put_uint(&to->buf, SUIT_P_CLASS_ID);
    cbor_put_bytes(&to->buf, (struct str){(const char *)to->identity.class_id[0], RELEASE_UUID_BYTES});
    cbor_put_uint(&to->buf, SUIT_P_DIGEST);
    cbor_put_bytes(&to->buf, of(&inner));
    cbor_put_uint(&to->buf, SUIT_P_SIZE);
    cbor_put_uint(&to->buf, 10);
    cbor_put_uint(&to->buf, SUIT_P_URI);
    cbor_put_text(&to->buf, STR("one.bin"));
    cbor_put_uint(&to->buf, SUIT_FETCH);
    cbor_put_uint(&to->buf, REPORT);
    buf_done(&inner);
}

static void put(struct sequence *to, uint64_t condition)
{
    cbor_put_uint(&to->buf, condition);
    cbor_put_uint(&to->buf, REPORT);
}

/* [[condition]]: alternatives for try-each. */
static void put_choice(struct sequence *to, const uint64_t *conditions, size_t count)
{
    struct buf inner;

    cbor_put_uint(&to->buf, SUIT_TRY_EACH);
    cbor_put_array(&to->buf, count ? 2 : 0);
    if (!count)
        return;
    buf_init(&inner, SEQUENCE_BYTES, 0);
    cbor_put_array(&inner, 2 * count);
    for (size_t i = 0; i < count; i++) {
        cbor_put_uint(&inner, conditions[i]);
        cbor_put_uint(&inner, REPORT);
    }
    cbor_put_bytes(&to->buf, of(&inner));
    cbor_put_null(&to->buf);
    buf_done(&inner);
}

/* NULL: taken; else why not. Ends the sequence. */
static const char *runs(struct sequence *sequence, struct error *err)
{
    static const char component[] = {(char)0x81, 0x41, 'x'}; /* [h'78'] */
    struct suit_envelope envelope = {.payloads_count = 0};
    struct suit_manifest manifest = {.envelope = &envelope, .components_count = 1};
    struct release release = {.sequence = 0};
    int result;

    assert_false(sequence->buf.failed);
    manifest.components[0] = (struct str){component, sizeof(component)};
    manifest.shared = of(&sequence->buf);
    error_clear(err);
    result = suit_run(&manifest, &sequence->identity, &release, err);
    buf_done(&sequence->buf);
    if (result == 0)
        assert_string_equal(release.uri, "one.bin");
    return result < 0 ? err->message : NULL;
}

/* The parameters alone name the device as well; only a condition would keep another one from it. */
static void conditions_have_to_be_there(void **state)
{
    struct sequence sequence;
    struct error err;

    (void)state;
    begin(&sequence, 2);
    put(&sequence, SUIT_VENDOR_ID);
    put(&sequence, SUIT_CLASS_ID);
    assert_null(runs(&sequence, &err));
    begin(&sequence, 0);
    assert_non_null(strstr(runs(&sequence, &err), "no conditions on the vendor"));
    begin(&sequence, 1);
    put(&sequence, SUIT_VENDOR_ID);
    assert_non_null(strstr(runs(&sequence, &err), "no conditions on the vendor"));
    begin(&sequence, 1);
    put(&sequence, SUIT_CLASS_ID);
    assert_non_null(strstr(runs(&sequence, &err), "no conditions on the vendor"));
}

/* What held in an alternative that failed holds no longer. */
static void alternatives(void **state)
{
    static const uint64_t good[] = {SUIT_VENDOR_ID, SUIT_CLASS_ID};
    static const uint64_t bad[] = {SUIT_VENDOR_ID, SUIT_CLASS_ID, SUIT_ABORT};
    struct sequence sequence;
    struct error err;

    (void)state;
    begin(&sequence, 1);
    put_choice(&sequence, good, 2);
    assert_null(runs(&sequence, &err));
    begin(&sequence, 1);
    put_choice(&sequence, bad, 3);
    assert_non_null(strstr(runs(&sequence, &err), "no conditions on the vendor"));
}

static void nothing_to_choose_from(void **state)
{
    struct sequence sequence;
    struct error err;

    (void)state;
    begin(&sequence, 1);
    put_choice(&sequence, NULL, 0);
    assert_non_null(strstr(runs(&sequence, &err), "nothing to choose from"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_have_to_be_there),
        cmocka_unit_test(alternatives),
        cmocka_unit_test(nothing_to_choose_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
