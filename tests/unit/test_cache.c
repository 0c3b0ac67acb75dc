/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/cache.h"

enum {
    IMAGE_BYTES = 100,
};

struct fixture {
    char dir[64];
    struct clock clock;
    struct store *store;
    struct cache *cache;
    const char *held; /* names of images, by their first letter */
    const char *wanted;
    char evicted[16];
    unsigned surveys;
};

static void survey(void *ctx, struct firmware_image *images)
{
    struct fixture *fixture = ctx;

    fixture->surveys++;
    for (struct firmware_image *image = images; image; image = image->next)
        image->hold = strchr(fixture->held, image->sha256[0])     ? CACHE_HELD
                      : strchr(fixture->wanted, image->sha256[0]) ? CACHE_WANTED
                                                                  : CACHE_FREE;
}

static void evicted(void *ctx, struct firmware_image *image)
{
    struct fixture *fixture = ctx;

    fixture->evicted[strlen(fixture->evicted)] = image->sha256[0]; /* the rest is zero */
}

static const struct cache_ops ops = {.survey = survey, .evicted = evicted};

static void open_cache(struct fixture *fixture, uint64_t max_bytes)
{
    fixture->cache = cache_new(fixture->store, &fixture->clock, fixture->dir, max_bytes, &ops, fixture, NULL);
    assert_non_null(fixture->cache);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->dir, "/tmp/homepatch-cache-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    clock_fake(&fixture->clock, 1767225600);
    fixture->store = store_open(":memory:", NULL, NULL);
    fixture->held = fixture->wanted = "";
    open_cache(fixture, 4 * IMAGE_BYTES);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[96];

    cache_free(fixture->cache);
    store_close(fixture->store);
    snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static void write_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        fputc('x', file);
    fclose(file);
}

static const char *name_of(char letter)
{
    static char name[VERIFY_SHA256_HEX_BYTES];

    memset(name, letter, sizeof(name) - 1);
    return name;
}

static struct firmware_image *add(struct fixture *fixture, char letter, const char *url,
                                  const char *validator)
{
    char *path = cache_path(fixture->cache, name_of(letter));
    struct firmware_image *image;

    write_file(path, IMAGE_BYTES);
    free(path);
    clock_fake_advance(&fixture->clock, 1000);
    image = cache_add(fixture->cache, name_of(letter), IMAGE_BYTES, url, validator, NULL, NULL);
    assert_non_null(image);
    return image;
}

static struct cache_part *add_part(struct fixture *fixture, const char *key, const char *validator)
{
    char *path = cache_part_path(fixture->cache, key);
    struct cache_part *part = cache_part_take(fixture->cache, key);

    assert_non_null(part);
    write_file(path, IMAGE_BYTES);
    free(path);
    part->size = IMAGE_BYTES;
    assert_int_equal(cache_part_save(fixture->cache, part, validator, NULL), 0);
    return part;
}

static bool has_part(struct fixture *fixture, const char *key)
{
    char *path = cache_part_path(fixture->cache, key);
    bool has = access(path, F_OK) == 0;

    free(path);
    return has;
}

static void test_found_again(void **state)
{
    struct fixture *fixture = *state;
    struct verify_checksum sha1 = {.algorithm = VERIFY_SHA1,
                                   .hex = "a9993e364706816aba3e25717850c26c9cd0d89d"};
    struct verify_checksum none = {.algorithm = VERIFY_ALGORITHMS};
    struct verify_checksum sha256 = {.algorithm = VERIFY_SHA256};
    struct firmware_image *image = add(fixture, 'a', "http://x/a", "\"1\"");

    strcpy(sha256.hex, name_of('a'));
    assert_non_null(cache_add(fixture->cache, name_of('a'), IMAGE_BYTES, "http://x/a", "\"2\"", &sha1, NULL));
    cache_free(fixture->cache);
    open_cache(fixture, 4 * IMAGE_BYTES);
    image = cache_find(fixture->cache, name_of('a'));
    assert_non_null(image);
    assert_string_equal(image->validator, "\"2\"");
    assert_ptr_equal(cache_find_checksum(fixture->cache, &sha1), image);
    assert_ptr_equal(cache_find_checksum(fixture->cache, &sha256), image);
    assert_null(cache_find_checksum(fixture->cache, &none));
    assert_ptr_equal(cache_find_url(fixture->cache, "http://x/a"), image);
    assert_null(cache_find_url(fixture->cache, "http://x/"));
}

static void test_newest_of_a_url_counts(void **state)
{
    struct fixture *fixture = *state;
    struct firmware_image *b;

    add(fixture, 'a', "http://x/latest", "\"1\"");
    b = add(fixture, 'b', "http://x/latest", "\"2\"");
    assert_ptr_equal(cache_find_url(fixture->cache, "http://x/latest"), b);
    cache_free(fixture->cache);
    open_cache(fixture, 4 * IMAGE_BYTES);
    assert_string_equal(cache_find_url(fixture->cache, "http://x/latest")->sha256, name_of('b'));
}

static void test_order_of_eviction(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, 'a', "http://x/a", NULL);
    add(fixture, 'b', "http://x/b", NULL);
    add(fixture, 'c', "http://x/c", NULL);
    add(fixture, 'd', "http://x/d", NULL);
    clock_fake_advance(&fixture->clock, 1000);
    cache_touch(fixture->cache, cache_find(fixture->cache, name_of('b')));
    fixture->held = "a";
    fixture->wanted = "c";
    assert_int_equal(cache_reserve(fixture->cache, 10, NULL), 0); /* one goes: d was used before b */
    assert_string_equal(fixture->evicted, "d");
    assert_int_equal(cache_reserve(fixture->cache, 2 * IMAGE_BYTES, NULL), 0);
    assert_string_equal(fixture->evicted, "dbc"); /* what a device runs goes after what nobody needs */
    assert_int_equal(cache_used(fixture->cache), IMAGE_BYTES + 10 + 2 * IMAGE_BYTES);
    cache_release(fixture->cache, 2 * IMAGE_BYTES + 10);
    assert_int_equal(fixture->surveys, 2);
}

static void test_what_cannot_fit_costs_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    add(fixture, 'a', "http://x/a", NULL);
    assert_int_equal(cache_reserve(fixture->cache, 4 * IMAGE_BYTES + 1, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    assert_string_equal(fixture->evicted, "");
    assert_int_equal(cache_reserve(fixture->cache, UINT64_MAX, &err), -1);
}

static void test_pins_and_holds(void **state)
{
    struct fixture *fixture = *state;
    struct firmware_image *a = add(fixture, 'a', "http://x/a", NULL);
    struct error err;

    add(fixture, 'b', "http://x/b", NULL);
    fixture->held = "b";
    a->pins++;
    assert_int_equal(cache_reserve(fixture->cache, 3 * IMAGE_BYTES, &err), -1);
    assert_non_null(strstr(err.message, "cache_size"));
    a->pins--;
    assert_int_equal(cache_reserve(fixture->cache, 3 * IMAGE_BYTES, &err), 0);
    assert_string_equal(fixture->evicted, "a");
    cache_release(fixture->cache, 3 * IMAGE_BYTES);
}

static void test_parts(void **state)
{
    struct fixture *fixture = *state;
    static const char one[] = "11111111111111111111111111111111";
    static const char two[] = "22222222222222222222222222222222";
    static const char three[] = "33333333333333333333333333333333";
    struct cache_part *busy = add_part(fixture, one, "\"1\"");

    cache_part_leave(add_part(fixture, two, "\"2\""));
    cache_part_leave(add_part(fixture, three, NULL)); /* cannot be resumed */
    cache_part_forget(fixture->cache, one);           /* busy: stays */
    assert_true(has_part(fixture, one));
    cache_free(fixture->cache);
    open_cache(fixture, 4 * IMAGE_BYTES);
    assert_true(has_part(fixture, one));
    assert_true(has_part(fixture, two));
    assert_false(has_part(fixture, three));
    busy = cache_part_take(fixture->cache, one);
    assert_int_equal(busy->size, IMAGE_BYTES);
    assert_string_equal(busy->validator, "\"1\"");
    add(fixture, 'a', "http://x/a", NULL);
    assert_int_equal(cache_reserve(fixture->cache, 2 * IMAGE_BYTES, NULL), 0); /* the idle part goes first */
    assert_false(has_part(fixture, two));
    assert_string_equal(fixture->evicted, "");
    cache_release(fixture->cache, 2 * IMAGE_BYTES);
    cache_part_drop(fixture->cache, busy);
    assert_false(has_part(fixture, one));
    assert_int_equal(cache_used(fixture->cache), IMAGE_BYTES);
}

static void test_damaged_records(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, 'a', "http://x/a", NULL);
    add(fixture, 'b', "http://x/b", NULL);
    cache_free(fixture->cache);
    store_put(fixture->store, "image", str_of(name_of('a')), "\x01garbage", 8, NULL);
    store_put(fixture->store, "image", STR("short"), "", 0, NULL);
    store_put(fixture->store, "fetch", STR("x"), "\x01", 1, NULL);
    open_cache(fixture, 4 * IMAGE_BYTES);
    assert_null(cache_find(fixture->cache, name_of('a')));
    assert_non_null(cache_find(fixture->cache, name_of('b')));
    assert_int_equal(cache_used(fixture->cache), IMAGE_BYTES);
}

static void test_unusable_directory(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    assert_null(cache_new(fixture->store, &fixture->clock, "/proc/nonexistent/cache", 1, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "cache_dir"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_found_again),       TEST(test_newest_of_a_url_counts),
        TEST(test_order_of_eviction), TEST(test_what_cannot_fit_costs_nothing),
        TEST(test_pins_and_holds),    TEST(test_parts),
        TEST(test_damaged_records),   TEST(test_unusable_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
