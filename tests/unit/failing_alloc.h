/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that runs out on demand. A test linked with
 *   -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
 * and failing_alloc.c has every allocation of ours (and cJSON's, after failing_alloc_cjson()) counted here.
 */
#ifndef TESTS_UNIT_FAILING_ALLOC_H
#define TESTS_UNIT_FAILING_ALLOC_H

#include <stdbool.h>

/* From now on the n-th allocation fails (1: the next), and only that one; 0: none. */
void failing_alloc_arm(unsigned long n);
/* True when it did fail since it was armed. */
bool failing_alloc_hit(void);
/* Lets cJSON allocate through us. */
void failing_alloc_cjson(void);

#endif
