/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two halves of test_mdns share. */
#ifndef TESTS_UNIT_TEST_MDNS_H
#define TESTS_UNIT_TEST_MDNS_H

#include "base/loop.h"
#include "discovery/mdns.h"

struct bench {
    struct loop loop;
    struct mdns *mdns;
    unsigned came, went, refused;
    char why[200];
    /* Of what is browsed: the last, how often, and how many are there now. */
    unsigned told, withdrawn, present;
    char last[300];
};

int test_mdns_set_up(void **state);
int test_mdns_tear_down(void **state);
void test_mdns_begin(struct bench *bench, bool bus, bool daemon);
void test_mdns_instance(void *ctx, const struct mdns_instance *instance, bool present);
/* The number of failed tests. */
int test_mdns_browse(void);

#endif
