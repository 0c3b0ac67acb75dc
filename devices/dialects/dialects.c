/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of dialects. One left out at configure time is an empty row from <name>_absent.c. */
#include <string.h>

#include "devices/dialects/dialect.h"
#include "devices/dialects/homeassistant.h"
#include "devices/dialects/shelly.h"
#include "devices/dialects/tasmota.h"
#include "devices/dialects/zigbee2mqtt.h"
#include "devices/dialects/uspdev.h"

static const struct dialect *const dialects[] = {
    &homeassistant_dialect, /* first: it hears messages that are others' as well, and leaves them to those */
    &zigbee2mqtt_dialect, /* before those that listen to all topics of a pattern: its own have a fixed head */
    &shelly_dialect,        &tasmota_dialect, &uspdev_dialect,
};

const struct dialect *dialect_at(size_t index)
{
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
        if (dialects[i]->name && index-- == 0)
            return dialects[i];
    return NULL;
}

const struct dialect *dialect_find(const char *name)
{
    const struct dialect *dialect;

    for (size_t i = 0; (dialect = dialect_at(i)); i++)
        if (strcmp(dialect->name, name) == 0)
            return dialect;
    return NULL;
}
