/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "tools/simhome/device.h"
#include "tools/simhome/homeassistant/homeassistant.h"
#include "tools/simhome/shelly/shelly.h"
#include "tools/simhome/tasmota/tasmota.h"
#include "tools/simhome/zigbee/zigbee.h"

static const struct family *const families[] = {
    &shelly_family,  &esphome_family, &openmqttgateway_family, &homeassistant_family,
    &tasmota_family, &zigbee_family,  &shelly_server_family,   &shelly_sleepy_family,
};

const struct family *family_at(size_t index)
{
    return index < sizeof(families) / sizeof(families[0]) ? families[index] : NULL;
}

const struct family *family_find(const char *name)
{
    for (size_t i = 0; family_at(i); i++)
        if (!strcmp(family_at(i)->name, name))
            return family_at(i);
    return NULL;
}
