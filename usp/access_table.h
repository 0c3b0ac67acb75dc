/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one controller may do, compiled from its roles: a byte for each access id (datamodel/access.h), and, for the ids
 * that some permission grants for some instances only, the permissions themselves, to be asked with the row. Owned by
 * the controller, on the loop's thread.
 */
#ifndef USP_ACCESS_TABLE_H
#define USP_ACCESS_TABLE_H

#include "datamodel/access.h"

struct access_table;

/* NULL when memory is out. It grants nothing until roles are added and it is sealed. */
struct access_table *access_table_new(struct dm *dm);
void access_table_free(struct access_table *table);

/*
 * Adds what the permissions of a row of ControllerTrust.Role. grant: of one role the permission of the highest Order
 * that covers something decides (TR-181 Permission.{i}.Order), of several roles any may grant it. secured: the role also
 * sees secrets among what it reads. -1 when memory is out: the table is then not to be used, as a permission that takes
 * away may be missing.
 */
int access_table_add_role(struct access_table *table, struct dm_row *role, bool secured);
/* The last role was added. */
void access_table_seal(struct access_table *table);

/*
 * For one message, or one change to tell: what was found out about a row is remembered until the data model changes or
 * this is called again. Valid as long as the table.
 */
const struct dm_access *access_table_use(struct access_table *table);

#endif
