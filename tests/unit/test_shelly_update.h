/* SPDX-License-Identifier: BSD-3-Clause */
/* The second half of test_shelly: how updates go. */
#ifndef TESTS_UNIT_TEST_SHELLY_UPDATE_H
#define TESTS_UNIT_TEST_SHELLY_UPDATE_H

#define SHELLY_TEST(name) cmocka_unit_test_setup_teardown(name, shelly_bench_up, shelly_bench_down)

/* Runs the group; the number of tests that failed. */
int test_shelly_update(void);

#endif
