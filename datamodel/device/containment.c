/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.X_HOMEPATCH_Containment. */
#include "datamodel/device/containment.h"

#include "datamodel/device/model.h"

static void get_user(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct model_containment *containment = row->data;

    (void)scratch;
    ret->text = str_of(containment->user);
}

static void get_hook_user(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct model_containment *containment = row->data;

    (void)scratch;
    ret->text = str_of(containment->hook_user);
}

static const struct dm_param params[] = {
    {.name = "User", .type = DM_STRING, .get = get_user},
    {.name = "NoNewPrivileges",
     .type = DM_BOOLEAN,
     .offset = DM_OFFSET(struct model_containment, no_new_privileges)},
    {.name = "SystemCallFilter",
     .type = DM_BOOLEAN,
     .offset = DM_OFFSET(struct model_containment, calls_filtered)},
    {.name = "LandlockVersion",
     .type = DM_UNSIGNED_INT,
     .offset = DM_OFFSET(struct model_containment, landlock)},
    {.name = "HookUser", .type = DM_STRING, .get = get_hook_user},
    DM_END_PARAMS,
};

const struct dm_object model_containment = {
    .data_size = sizeof(struct model_containment),
    .params = params,
};
