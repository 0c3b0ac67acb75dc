/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The signed examples of the SUIT manifest draft, where they are there: ../shared/vectors/suit beside the source tree, or
 * HOMEPATCH_SUIT_VECTORS. Each verifies and is understood; what a gateway can install of them is what they say; and
 * no change of any of them is taken.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/release_bench.h"

struct vectors {
    struct anchors *anchors;
    struct release_identity identity;
    struct release_request request;
    char bytes[RELEASE_VECTOR_BYTES];
};

static int setup(void **state)
{
    struct vectors *vectors = calloc(1, sizeof(*vectors));

    assert_non_null(vectors);
    *state = vectors;
    vectors->anchors = release_vectors_anchors();
    if (!vectors->anchors)
        return 0;
    /* The class of the examples is made in a way of their own; the vendor is arm.com. */
    assert_int_equal(release_identify(&vectors->identity, "arm", "arm.com", "x", NULL, NULL), 0);
    assert_int_equal(str_from_hex(STR("1492af1425695e48bf429b2d51f2ab45"), vectors->identity.class_id[0], 16),
                     16);
    vectors->request = (struct release_request){.anchors = vectors->anchors, .now = RELEASE_NOW};
    return 0;
}

static int teardown(void **state)
{
    struct vectors *vectors = *state;

    anchors_unref(vectors->anchors);
    free(vectors);
    return 0;
}

static struct vectors *need(void **state)
{
    struct vectors *vectors = *state;

    if (!vectors->anchors) {
        print_message("skipped: the vectors are not there\n");
        skip();
    }
    return vectors;
}

static void test_each_verifies(void **state)
{
    struct vectors *vectors = need(state);

    for (unsigned i = 0; i < RELEASE_VECTORS; i++) {
        struct release release;
        struct error err;

        vectors->request.bytes = release_vector(i, vectors->bytes);
        vectors->request.identity = NULL;
        if (release_open(&vectors->request, &release, &err) < 0)
            fail_msg("example%u: %s", i, err.message);
        assert_int_equal(release.roles, RELEASE_MANUFACTURER);
    }
}

/* 1 and 2 fetch one image; the others are for a boot loader, for slots, for a decompressor, or for two processors. */
static void test_what_a_gateway_makes_of_them(void **state)
{
    static const char *const outcomes[RELEASE_VECTORS] = {
        "fetches nothing",         NULL, NULL, "condition-component-slot", "without saying from where",
        "2 images for this device"};
    struct vectors *vectors = need(state);

    vectors->request.identity = &vectors->identity;
    for (unsigned i = 0; i < RELEASE_VECTORS; i++) {
        struct release release;
        struct error err;

        vectors->request.bytes = release_vector(i, vectors->bytes);
        error_clear(&err);
        if (outcomes[i]) {
            assert_int_equal(release_open(&vectors->request, &release, &err), -1);
            if (!strstr(err.message, outcomes[i]))
                fail_msg("example%u: %s", i, err.message);
            continue;
        }
        assert_int_equal(release_open(&vectors->request, &release, &err), 0);
        assert_int_equal(release.sequence, i);
        assert_int_equal(release.size, 34768);
        assert_string_equal(release.sha256,
                            "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210");
    }
}

static void test_no_change_is_taken(void **state)
{
    struct vectors *vectors = need(state);
    unsigned tried = 0;

    vectors->request.identity = NULL;
    for (unsigned i = 0; i < RELEASE_VECTORS; i++)
        tried += release_mutate(&vectors->request, release_vector(i, vectors->bytes));
    print_message("%u changes were refused\n", tried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_verifies),
        cmocka_unit_test(test_what_a_gateway_makes_of_them),
        cmocka_unit_test(test_no_change_is_taken),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
