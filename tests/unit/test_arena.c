/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void alignment_and_content(void **state)
{
    char *blocks[200];
    struct arena arena;

    (void)state;
    arena_init(&arena, 0);
    for (size_t i = 0; i < 200; i++) {
        size_t size = i * 97 % 900; /* over several blocks */

        blocks[i] = arena_alloc(&arena, size);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        memset(blocks[i], (int)i, size);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j < i * 97 % 900; j++)
            assert_int_equal((unsigned char)blocks[i][j], i);
    assert_non_null(arena_alloc(&arena, 1 << 20)); /* larger than a block */
    arena_done(&arena);
    arena_done(NULL);
}

static void ceiling(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 112);
    assert_non_null(arena_alloc(&arena, 40));
    assert_non_null(arena_alloc(&arena, 40));
    assert_null(arena_alloc(&arena, 40));
    assert_non_null(arena_alloc(&arena, 4)); /* a smaller one still fits */
    assert_null(arena_strdup(&arena, "more than fits in here, however blocks are aligned"));
    assert_null(arena_printf(&arena, "%100d", 1));
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 90));
    arena_done(&arena);
}

static void overflow(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 0);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 20));
    assert_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
    assert_null(arena_strndup(&arena, "x", SIZE_MAX));
    assert_non_null(arena_calloc(&arena, 0, 8));
    assert_non_null(arena_calloc(&arena, 8, 0));
    arena_done(&arena);
}

static void texts(void **state)
{
    struct arena arena;
    char *zero;

    (void)state;
    arena_init(&arena, 0);
    assert_string_equal(arena_strdup(&arena, "text"), "text");
    assert_string_equal(arena_strndup(&arena, "text", 2), "te");
    assert_string_equal(arena_strndup(&arena, NULL, 0), "");
    assert_string_equal(arena_printf(&arena, "%s-%d", "a", 7), "a-7");
    memset(arena_alloc(&arena, 64), 'x', 64);
    arena_reset(&arena);
    zero = arena_calloc(&arena, 8, 8);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(zero[i], 0);
    arena_done(&arena);
}

/* An ordinary block is kept for the next request, large ones are not. */
static void reset(void **state)
{
    struct arena arena;
    void *first;

    (void)state;
    arena_init(&arena, 0);
    first = arena_alloc(&arena, 10);
    arena_alloc(&arena, 100000);
    arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    assert_ptr_equal(arena_alloc(&arena, 10), first);
    arena_reset(&arena);
    arena_reset(&arena);
    arena_done(&arena);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alignment_and_content),
        cmocka_unit_test(ceiling),
        cmocka_unit_test(overflow),
        cmocka_unit_test(texts),
        cmocka_unit_test(reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
