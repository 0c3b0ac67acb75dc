/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of test_tasmota share. */
#ifndef TESTS_UNIT_TEST_TASMOTA_H
#define TESTS_UNIT_TEST_TASMOTA_H

#define TASMOTA_TEST(name) cmocka_unit_test_setup_teardown(name, tasmota_bench_up, tasmota_bench_down)

/* Each runs its group; the number of tests that failed. */
int test_tasmota_update(void);
int test_tasmota_version(void);

#endif
