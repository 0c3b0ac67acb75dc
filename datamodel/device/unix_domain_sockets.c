/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.UnixDomainSockets. */
#include "base/limits.h"
#include "datamodel/device/model.h"
#include "datamodel/device/mtp.h"

static const struct dm_param table_params[] = {
    {.name = "UnixDomainSocketNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "UnixDomainSocket"},
    DM_END_PARAMS,
};

const struct dm_object model_unix_domain_sockets = {.params = table_params};

static const char *const modes[] = {"Listen", "Connect", NULL};

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct unix_socket_row, alias)},
    {.name = "Mode",
     .type = DM_ENUM,
     .flags = DM_FACTORY,
     .values = modes,
     .offset = DM_OFFSET(struct unix_socket_row, mode)},
    {.name = "Path",
     .type = DM_STRING,
     .flags = DM_FACTORY | DM_INDEXED,
     .max = 4096,
     .offset = DM_OFFSET(struct unix_socket_row, path)},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"Alias"}}, {{"Path"}}, {{NULL}}};

const struct dm_object model_unix_domain_socket = {
    .flags = DM_TABLE,
    .data_size = sizeof(struct unix_socket_row),
    .params = params,
    .keys = keys,
    .max_rows = LIMIT_UNIX_SOCKETS,
    .applied = model_mtp_applied,
};
