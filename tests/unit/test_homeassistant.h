/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of test_homeassistant share. */
#ifndef TESTS_UNIT_TEST_HOMEASSISTANT_H
#define TESTS_UNIT_TEST_HOMEASSISTANT_H

/* Each runs its group; the number of tests that failed. */
int test_homeassistant_update(void);
int test_homeassistant_hostile(void);

#endif
