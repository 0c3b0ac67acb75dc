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

enum {
    EXAMPLES = 6,
    EXAMPLE_BYTES = 4096,
};

struct vectors {
    struct anchors *anchors;
    struct release_identity identity;
    struct release_request request;
    char bytes[EXAMPLE_BYTES];
};

static void dir_of(char to[4096])
{
    const char *dir = getenv("HOMEPATCH_SUIT_VECTORS");
    const char *source = getenv("srcdir");

    if (dir)
        snprintf(to, 4096, "%s", dir);
    else
        snprintf(to, 4096, "%s/../shared/vectors/suit", source ? source : ".");
}

static int setup(void **state)
{
    struct vectors *vectors = calloc(1, sizeof(*vectors));
    char dir[4096], path[4200];
    FILE *file;

    assert_non_null(vectors);
    *state = vectors;
    dir_of(dir);
    snprintf(path, sizeof(path), "%s/trust-anchor.pem", dir);
    file = fopen(path, "re");
    if (!file)
        return 0;
    fclose(file);
    vectors->anchors = anchors_new();
    assert_int_equal(anchors_read_file(vectors->anchors, path, NULL), 0);
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

static struct str example(struct vectors *vectors, unsigned number)
{
    char dir[4096], path[4200];
    FILE *file;
    size_t len;

    dir_of(dir);
    snprintf(path, sizeof(path), "%s/example%u.suit", dir, number);
    file = fopen(path, "re");
    assert_non_null(file);
    len = fread(vectors->bytes, 1, sizeof(vectors->bytes), file);
    fclose(file);
    return (struct str){vectors->bytes, len};
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

    for (unsigned i = 0; i < EXAMPLES; i++) {
        struct release release;
        struct error err;

        vectors->request.bytes = example(vectors, i);
        vectors->request.identity = NULL;
        if (release_open(&vectors->request, &release, &err) < 0)
            fail_msg("example%u: %s", i, err.message);
        assert_int_equal(release.roles, RELEASE_MANUFACTURER);
    }
}

/* 1 and 2 fetch one image; the others are for a boot loader, for slots, for a decompressor, or for two processors. */
static void test_what_a_gateway_makes_of_them(void **state)
{
    static const char *const outcomes[EXAMPLES] = {
        "fetches nothing",         NULL, NULL, "condition-component-slot", "without saying from where",
        "2 images for this device"};
    struct vectors *vectors = need(state);

    vectors->request.identity = &vectors->identity;
    for (unsigned i = 0; i < EXAMPLES; i++) {
        struct release release;
        struct error err;

        vectors->request.bytes = example(vectors, i);
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
    for (unsigned i = 0; i < EXAMPLES; i++)
        tried += release_mutate(&vectors->request, example(vectors, i));
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
