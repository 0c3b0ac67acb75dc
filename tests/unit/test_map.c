/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"

enum {
    MANY = 5000,
};

static void many_keys(void **state)
{
    char(*keys)[16] = calloc(MANY, sizeof(*keys));
    struct map map;
    size_t at = 0;
    size_t seen = 0;

    (void)state;
    map_init(&map);
    assert_null(map_get(&map, STR("0")));
    assert_null(map_remove(&map, STR("0")));
    assert_null(map_next(&map, &at));
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%u", i);
        assert_int_equal(map_put(&map, str_of(keys[i]), keys[i]), 0);
    }
    assert_int_equal(map.count, MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&map, str_of(keys[i])), keys[i]);
    assert_null(map_get(&map, STR("5000")));
    for (unsigned i = 0; i < MANY; i += 2)
        assert_ptr_equal(map_remove(&map, str_of(keys[i])), keys[i]);
    for (unsigned i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&map, str_of(keys[i])), i % 2 ? keys[i] : NULL);
    for (at = 0; map_next(&map, &at);)
        seen++;
    assert_int_equal(seen, MANY / 2);
    map_done(&map);
    map_done(NULL);
    free(keys);
}

static void replacing(void **state)
{
    int one, two;
    struct map map;

    (void)state;
    map_init(&map);
    assert_int_equal(map_put(&map, STR("key"), &one), 0);
    assert_int_equal(map_put(&map, STR("key"), &two), 0);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(map_get(&map, STR("key")), &two);
    /* The empty key, with and without a pointer. */
    assert_null(map_get(&map, (struct str){NULL, 0}));
    assert_int_equal(map_put(&map, (struct str){NULL, 0}, &one), 0);
    assert_ptr_equal(map_get(&map, STR("")), &one);
    assert_int_equal(map_put(&map, STR(""), &two), 0);
    assert_ptr_equal(map_get(&map, (struct str){NULL, 0}), &two);
    assert_ptr_equal(map_remove(&map, (struct str){NULL, 0}), &two);
    assert_null(map_get(&map, STR("")));
    assert_ptr_equal(map_get(&map, STR("key")), &two);
    map_done(&map);
}

/* Adding and removing for ever does not let the table grow. */
static void graves(void **state)
{
    struct map map;
    int value;

    (void)state;
    map_init(&map);
    for (unsigned i = 0; i < 100000; i++) {
        char key[16];

        snprintf(key, sizeof(key), "%u", i);
        assert_int_equal(map_put(&map, str_of(key), &value), 0);
        assert_ptr_equal(map_remove(&map, str_of(key)), &value);
    }
    assert_int_equal(map.count, 0);
    assert_true(map.mask < 64);
    map_done(&map);
}

static void removing_on_the_way(void **state)
{
    char keys[100][8];
    struct map map;
    size_t at = 0;
    char *key;

    (void)state;
    map_init(&map);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%u", i);
        map_put(&map, str_of(keys[i]), keys[i]);
    }
    while ((key = map_next(&map, &at)))
        assert_ptr_equal(map_remove(&map, str_of(key)), key);
    assert_int_equal(map.count, 0);
    map_done(&map);
}

/* SipHash-1-3 of 0, 1, 2 ... under the key 00 01 .. 0f, as others compute it. */
static void hash_vectors(void **state)
{
    const uint64_t seed[2] = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
    uint8_t data[16];

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        data[i] = (uint8_t)i;
    assert_true(map_hash(seed, data, 0) == 0xabac0158050fc4dcull);
    assert_true(map_hash(seed, data, 1) == 0xc9f49bf37d57ca93ull);
    assert_true(map_hash(seed, data, 8) != map_hash(seed, data, 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_keys),           cmocka_unit_test(replacing),    cmocka_unit_test(graves),
        cmocka_unit_test(removing_on_the_way), cmocka_unit_test(hash_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
