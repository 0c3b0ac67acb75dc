/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one requester may do, as the engine needs it: a byte per access id. Ids are dense over the supported model: a
 * node has one for the object (Obj), one for its instances (InstantiatedObj), then one per parameter, command and
 * event. The table is made by whoever knows roles (usp/access.c); NULL means everything.
 */
#ifndef DATAMODEL_ACCESS_H
#define DATAMODEL_ACCESS_H

#include "datamodel/dm.h"

enum dm_permission {
    DM_MAY_READ = 1 << 0,
    DM_MAY_WRITE = 1 << 1,
    DM_MAY_EXECUTE = 1 << 2,
    DM_MAY_NOTIFY = 1 << 3,
    DM_MAY_READ_SECRET = 1 << 4, /* a secured role (ControllerTrust.SecuredRoles) may read it */
    DM_MAY_DEPENDS = 1 << 7,     /* depends on the instance: ask `exact` */
};

struct dm_access {
    const uint8_t *bits; /* by access id */
    uint8_t (*exact)(const struct dm_access *access, const struct dm_row *row, uint32_t id);
    void *ctx;
};

static inline uint32_t dm_id_object(const struct dm_node *node)
{
    return node->id;
}

static inline uint32_t dm_id_instance(const struct dm_node *node)
{
    return node->id + 1;
}

static inline uint32_t dm_id_param(const struct dm_node *node, int param)
{
    return node->id + 2 + (uint32_t)param;
}

static inline uint32_t dm_id_command(const struct dm_node *node, int command)
{
    return node->id + 2 + node->params_count + (uint32_t)command;
}

static inline uint32_t dm_id_event(const struct dm_node *node, int event)
{
    return node->id + 2u + node->params_count + node->commands_count + (uint32_t)event;
}

/* row may be NULL when the question is about the supported model. */
static inline bool dm_may(const struct dm_access *access, const struct dm_row *row, uint32_t id,
                          unsigned what)
{
    unsigned bits;

    if (!access)
        return true;
    bits = access->bits[id];
    if ((bits & DM_MAY_DEPENDS) && access->exact)
        bits = access->exact(access, row, id);
    return (bits & what) == what;
}

#endif
