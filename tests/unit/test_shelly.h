/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of test_shelly share. */
#ifndef TESTS_UNIT_TEST_SHELLY_H
#define TESTS_UNIT_TEST_SHELLY_H

#define SHELLY_TEST(name) cmocka_unit_test_setup_teardown(name, shelly_bench_up, shelly_bench_down)

/* Each runs its group; the number of tests that failed. */
int test_shelly_update(void);
int test_shelly_hostile(void);
int test_shelly_auth(void);
int test_shelly_sleep(void);

#endif
