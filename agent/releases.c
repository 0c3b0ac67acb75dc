/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/releases.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "datamodel/device/releases.h"
#include "release/anchor.h"

int agent_releases_load(struct agent *agent, struct error *err)
{
    struct anchors *before = agent->model.release_anchors;
    struct anchors *anchors = anchors_new();
    struct error shown;
    int result = anchors ? 0 : error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");

    if (result == 0 && agent->config->release_anchors_dir)
        result = anchors_read(anchors, agent->config->release_anchors_dir, err);
    if (result == 0) {
        agent->model.release_anchors = anchors;
        agent->model.untagged_releases = agent->config->release_untagged;
        result = model_trust_releases(agent->dm, err);
    }
    if (result == 0 && model_trust_files(agent->dm, &shown) < 0)
        log_failure(LOG_LEVEL_ERROR, "the rows of trust anchors do not show what the files say", &shown);
    if (result < 0)
        agent->model.release_anchors = before;
    anchors_unref(result < 0 ? anchors : before);
    return result;
}

void agent_releases_done(struct agent *agent)
{
    anchors_unref(agent->model.release_anchors);
    agent->model.release_anchors = NULL;
}

void agent_releases_identify(struct agent *agent)
{
    const struct dm_row *row = dm_row_find(agent->dm, STR("Device.DeviceInfo."));
    static const char *const names[] = {"Manufacturer", "ModelName", "HardwareVersion"};
    char scratch[DM_SCRATCH_BYTES];
    struct buf buf;

    if (!agent->gateway)
        return;
    buf_init(&buf, LIMIT_VALUE_BYTES, 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str text = dm_get_text(row, dm_node_param(row->node, names[i]), scratch);

        buf_printf(&buf, "%s%.*s", i ? "\n" : "", (int)text.len, text.data);
    }
    /* Without memory it has no identity, and no release is for it. */
    if (buf_cstr(&buf))
        firmware_target_cohort(firmware_gateway_target(agent->gateway), buf_cstr(&buf));
    buf_done(&buf);
}
