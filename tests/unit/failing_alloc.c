/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/failing_alloc.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static unsigned long left;
static bool hit;

void failing_alloc_arm(unsigned long n)
{
    left = n;
    hit = false;
}

bool failing_alloc_hit(void)
{
    return hit;
}

static bool fails(void)
{
    if (left == 0 || --left > 0)
        return false;
    hit = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

static void *cjson_malloc(size_t size)
{
    return __wrap_malloc(size);
}

void failing_alloc_cjson(void)
{
    cJSON_Hooks hooks = {.malloc_fn = cjson_malloc, .free_fn = free};

    cJSON_InitHooks(&hooks);
}
