/* SPDX-License-Identifier: BSD-3-Clause */
/* What the rows of Device.LocalAgent.MTP. and Device.LocalAgent.Controller.{i}.MTP. have in common. */
#include "datamodel/device/mtp.h"

#include <string.h>

#include "datamodel/device/model.h"

const char *const model_mtp_protocols[] = {"MQTT", "WebSocket", "UDS", NULL};

static bool is_protocol(const struct dm_row *row, const char *protocol)
{
    const struct mtp_row *mtp = row->data; /* of the MTP row: an object per protocol shares its data */

    return mtp->protocol && strcmp(mtp->protocol, protocol) == 0;
}

bool model_is_mqtt(const struct dm_row *row)
{
    return is_protocol(row, "MQTT");
}

bool model_is_websocket(const struct dm_row *row)
{
    return is_protocol(row, "WebSocket");
}

bool model_is_uds(const struct dm_row *row)
{
    return is_protocol(row, "UDS");
}

void model_mtp_applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t params)
{
    struct model *model = model_of(dm);
    struct model_mtp_event event = {row, kind, params};

    if (model)
        observers_notify(&model->mtp, &event);
}
