/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No structural change of a signed release is taken: of the signed examples of the SUIT manifest draft where they are there
 * (see test_release_vectors.c), and of envelopes made here, one of each kind. What SUIT allows says nothing new: the same
 * release, by no more signers.
 *
 * What no verifier can see is that s of an ECDSA signature was replaced by n - s: both are signatures over the same bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/release_bench.h"
#include "tests/unit/release_structure.h"

struct trial {
    const struct release_request *request;
    struct release before;
    unsigned signatures;
    unsigned seen[STRUCTURE_EDITS];
    unsigned taken;
};

/* By SUIT's own rules a severed member of the envelope and one signature of several may go; those have no order, either. */
static bool says_nothing_new(const struct trial *trial, const struct structure_change *change)
{
    if (change->member == SUIT_AUTHENTICATION && change->depth == 3 && trial->signatures > 1)
        return change->edit == EDIT_LEFT_OUT || change->edit == EDIT_EXCHANGED;
    return change->edit == EDIT_LEFT_OUT && change->depth == 1 && change->member > SUIT_MANIFEST;
}

static void try_one(void *ctx, const struct structure_change *change, struct str changed)
{
    struct trial *trial = ctx;
    struct release_request request = *trial->request;
    struct release release;
    struct error err;

    trial->seen[change->edit]++;
    request.bytes = changed;
    error_clear(&err);
    if (release_open(&request, &release, &err) < 0) {
        assert_true(err.code != 0 && err.message[0]);
        return;
    }
    if (!says_nothing_new(trial, change))
        fail_msg("%s, in member %lld at depth %u, was taken", structure_edit_text(change->edit),
                 (long long)change->member, change->depth);
    trial->taken++;
    assert_int_equal(release.roles & ~trial->before.roles, 0);
    assert_string_equal(release.sha256, trial->before.sha256);
    assert_int_equal(release.sequence, trial->before.sequence);
}

static unsigned try_all(const struct release_request *request, struct str bytes, unsigned signatures,
                        unsigned *ret_taken)
{
    struct trial trial = {.request = request, .signatures = signatures};
    struct release_request whole = *request;
    struct error err;
    unsigned count;

    whole.bytes = bytes;
    if (release_open(&whole, &trial.before, &err) < 0)
        fail_msg("%s", err.message);
    count = structure_changes(bytes, try_one, &trial);
    for (unsigned edit = 0; edit < STRUCTURE_EDITS; edit++)
        if (!trial.seen[edit])
            fail_msg("nothing was %s", structure_edit_text((enum structure_edit)edit));
    *ret_taken = trial.taken;
    return count;
}

static struct str of(const struct buf *buf)
{
    return (struct str){(const char *)buf_data(buf), buf->len};
}

static unsigned try_made(struct release_bench *bench, EVP_PKEY *const *keys, unsigned signatures)
{
    unsigned taken, tried;
    struct buf buf;

    release_bench_make(bench, &buf, keys);
    tried = try_all(&bench->request, of(&buf), signatures, &taken);
    buf_done(&buf);
    assert_true(tried > 500);
    return taken;
}

/* ---- envelopes made here ---- */

static void test_plain(void **state)
{
    struct release_bench bench;

    (void)state;
    release_bench_init(&bench);
    assert_int_equal(try_made(&bench, (EVP_PKEY *[]){bench.maker, NULL}, 1), 0);
    assert_int_equal(try_made(&bench, (EVP_PKEY *[]){bench.carrier, NULL}, 1), 0);
    release_bench_done(&bench);
}

static void test_co_signed(void **state)
{
    struct release_bench bench;

    (void)state;
    release_bench_init(&bench);
    assert_int_equal(try_made(&bench, (EVP_PKEY *[]){bench.maker, bench.carrier, NULL}, 2), 3);
    release_bench_done(&bench);
}

static void test_words_beside_and_image_inside(void **state)
{
    struct release_bench bench;

    (void)state;
    release_bench_init(&bench);
    bench.description.sever_text = true;
    assert_int_equal(try_made(&bench, (EVP_PKEY *[]){bench.maker, NULL}, 1), 1);
    bench.description.sever_text = false;
    bench.image.uri = "#0";
    bench.image.payload = STR("an image");
    bench.image.size = 8;
    assert_int_equal(EVP_Digest("an image", 8, bench.image.digest, NULL, EVP_sha256(), NULL), 1);
    assert_int_equal(try_made(&bench, (EVP_PKEY *[]){bench.maker, NULL}, 1), 0);
    release_bench_done(&bench);
}

static void test_several_images_and_all_conditions(void **state)
{
    const struct release_version versions[] = {{RELEASE_GREATER_EQUAL, 2, {1, 2}}, {RELEASE_LESSER, 1, {2}}};
    struct suit_image images[] = {{.model = "Plus1", .hardware = "2", .size = 10, .uri = "one"},
                                  {.model = "Plus2", .hardware = "", .size = 20, .uri = "two"}};
    struct release_bench bench;

    (void)state;
    release_bench_init(&bench);
    images[1].digest[0] = 7;
    bench.description.images = images;
    bench.description.images_count = 2;
    bench.description.has_priority = bench.description.ask = bench.description.has_battery = true;
    bench.description.battery_mwh = 500;
    bench.description.use_before = RELEASE_NOW + 1000;
    bench.description.not_before = RELEASE_NOW - 1000;
    bench.description.versions = versions;
    bench.description.versions_count = 2;
    assert_int_equal(try_made(&bench, (EVP_PKEY *[]){bench.carrier, NULL}, 1), 0);
    release_bench_done(&bench);
}

/* ---- parts of two good releases ---- */

struct mix {
    struct release_bench bench;
    struct buf made[2];
    struct suit_envelope envelopes[2];
};

/* The same release but for its number, words and image: each is good alone. */
static void mix_init(struct mix *mix)
{
    static const char *const images[] = {"an image", "another."};
    struct release release;
    struct error err;

    release_bench_init(&mix->bench);
    mix->bench.description.sever_text = true;
    mix->bench.image.uri = "#0";
    mix->bench.image.size = 8;
    for (unsigned i = 0; i < 2; i++) {
        mix->bench.description.sequence = 7 + i;
        mix->bench.description.description = i ? "Words" : "Other words";
        mix->bench.image.payload = str_of(images[i]);
        assert_int_equal(EVP_Digest(images[i], 8, mix->bench.image.digest, NULL, EVP_sha256(), NULL), 1);
        release_bench_make(&mix->bench, &mix->made[i], (EVP_PKEY *[]){mix->bench.carrier, NULL});
        assert_int_equal(release_bench_open(&mix->bench, of(&mix->made[i]), &release, &err), 0);
        assert_int_equal(suit_read(of(&mix->made[i]), false, &mix->envelopes[i], &err), 0);
    }
}

static void put_digest_and_block(struct buf *to, struct str digest, struct str block)
{
    struct buf authentication;

    buf_init(&authentication, 1 << 16, 0);
    cbor_put_array(&authentication, 2);
    cbor_put_bytes(&authentication, digest);
    cbor_put_bytes(&authentication, block);
    cbor_put_bytes(to, of(&authentication));
    buf_done(&authentication);
}

/* from: of which of the two each part is (digest, signature, manifest, words, image). */
static int open_mixed(struct mix *mix, const unsigned from[5])
{
    const struct suit_envelope *envelopes = mix->envelopes;
    struct release release;
    struct error err;
    struct buf buf;
    int result;

    buf_init(&buf, 1 << 16, 0);
    cbor_put_tag(&buf, SUIT_ENVELOPE_TAG);
    cbor_put_map(&buf, 4);
    cbor_put_uint(&buf, SUIT_AUTHENTICATION);
    put_digest_and_block(&buf, envelopes[from[0]].digest, envelopes[from[1]].blocks[0]);
    cbor_put_uint(&buf, SUIT_MANIFEST);
    cbor_put_bytes(&buf, envelopes[from[2]].manifest);
    cbor_put_uint(&buf, SUIT_TEXT);
    cbor_put_bytes(&buf, envelopes[from[3]].severed[SUIT_TEXT]);
    cbor_put_text(&buf, STR("#0"));
    cbor_put_bytes(&buf, envelopes[from[4]].payloads[0].bytes);
    result = release_bench_open(&mix->bench, of(&buf), &release, &err);
    buf_done(&buf);
    return result;
}

static void test_parts_of_two(void **state)
{
    struct mix mix;

    (void)state;
    mix_init(&mix);
    for (unsigned bits = 0; bits < 32; bits++) {
        const unsigned from[] = {bits & 1, bits >> 1 & 1, bits >> 2 & 1, bits >> 3 & 1, bits >> 4 & 1};
        bool whole = bits == 0 || bits == 31;

        if ((open_mixed(&mix, from) == 0) != whole)
            fail_msg("%u%u%u%u%u", from[0], from[1], from[2], from[3], from[4]);
    }
    for (unsigned i = 0; i < 2; i++)
        buf_done(&mix.made[i]);
    release_bench_done(&mix.bench);
}

/* The same signature twice is not what a signer makes; two of one key, as by two names of an algorithm, are. */
static void test_signed_twice(void **state)
{
    struct release_bench bench;
    struct release release;
    struct error err;
    struct buf buf;

    (void)state;
    release_bench_init(&bench);
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.carrier, bench.carrier, NULL}); /* no randomness */
    assert_int_equal(release_bench_open(&bench, of(&buf), &release, &err), -1);
    assert_non_null(strstr(err.message, "twice"));
    buf_done(&buf);
    release_bench_make(&bench, &buf, (EVP_PKEY *[]){bench.maker, bench.maker, NULL});
    assert_int_equal(release_bench_open(&bench, of(&buf), &release, &err), 0);
    buf_done(&buf);
    release_bench_done(&bench);
}

/* ---- the draft's examples ---- */

static void test_examples(void **state)
{
    struct anchors *anchors = release_vectors_anchors();
    struct release_request request = {.anchors = anchors, .now = RELEASE_NOW};
    char bytes[RELEASE_VECTOR_BYTES];

    (void)state;
    if (!anchors) {
        print_message("skipped: the vectors are not there\n");
        skip();
    }
    for (unsigned i = 0; i < RELEASE_VECTORS; i++) {
        unsigned taken, tried = try_all(&request, release_vector(i, bytes), 1, &taken);

        print_message("example%u: %u changes, %u of them say nothing new\n", i, tried, taken);
        assert_true(tried > 300);
    }
    anchors_unref(anchors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_co_signed),
        cmocka_unit_test(test_words_beside_and_image_inside),
        cmocka_unit_test(test_several_images_and_all_conditions),
        cmocka_unit_test(test_parts_of_two),
        cmocka_unit_test(test_signed_twice),
        cmocka_unit_test(test_examples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
