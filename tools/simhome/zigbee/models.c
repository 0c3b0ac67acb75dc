/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "tools/simhome/zigbee/zigbee.h"

static const struct zigbee_model models[] = {
    {"Lumenary", "LMN-E27-W", "Lumenary", "E27 white", "Dimmable light bulb", true, 0x12f1, 0x0101},
    {"Halden", "HLD.door.s1", "Halden", "HDS-1", "Door sensor", false, 0x12f2, 0x0010},
    {"Lumenary", "LMN-PLUG", "Lumenary", "Smart plug", "Plug with power meter", true, 0x12f1, 0x0202},
    {"Warmehr", "WT-07", "Warmehr", "WT07", "Radiator thermostat", false, 0x12f3, 0x0700},
};

enum {
    MODELS = sizeof(models) / sizeof(models[0]),
};

const struct zigbee_model *zigbee_model_at(size_t index)
{
    return &models[index % MODELS];
}

const struct zigbee_model *zigbee_model_find(const char *model_id)
{
    for (size_t i = 0; i < MODELS; i++)
        if (!strcmp(models[i].model_id, model_id))
            return &models[i];
    return NULL;
}

const struct zigbee_model *zigbee_model_other(const struct zigbee_model *model)
{
    return &models[(size_t)(model - models + 1) % MODELS];
}
