/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a generated access list must keep: nobody but itself may publish where an account speaks. Reads the list as
 * mosquitto does. For a unit test and a fuzz target.
 */
#ifndef TESTS_UNIT_LAN_ACL_CHECK_H
#define TESTS_UNIT_LAN_ACL_CHECK_H

#include <stdbool.h>

#include "tools/homepatch/lan_acl.h"

/* Whether the user may publish on that topic. acl: terminated text. */
bool lan_acl_may_write(const char *acl, const char *user, const char *topic);
bool lan_acl_may_read(const char *acl, const char *user, const char *topic);
/* Every pair of accounts: NULL, or (in text) who may speak for whom. */
const char *lan_acl_breach(const struct lan_broker *broker, const char *acl, char text[512]);

#endif
