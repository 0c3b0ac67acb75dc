/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/device.h"

#include "tools/simhome/fault.h"

void device_free(struct device *device)
{
    if (device)
        device->family->free(device);
}

void device_power(struct device *device, bool on)
{
    device->family->power(device, on);
}

void device_set_faults(struct device *device, unsigned faults)
{
    device->faults = faults;
    device_power(device, !(faults & FAULT_OFFLINE));
    device->family->faults_changed(device);
}

cJSON *device_json(const struct device *device)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *faults;

    cJSON_AddNumberToObject(json, "index", (double)device->index);
    cJSON_AddStringToObject(json, "id", device->id);
    cJSON_AddStringToObject(json, "family", device->family->name);
    cJSON_AddStringToObject(json, "transport", device->transport);
    faults = cJSON_AddArrayToObject(json, "faults");
    for (size_t bit = 0; fault_name(bit); bit++) {
        if (device->faults & 1u << bit)
            cJSON_AddItemToArray(faults, cJSON_CreateString(fault_name(bit)));
    }
    device->family->describe(device, json);
    return json;
}
