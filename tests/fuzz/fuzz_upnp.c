/* SPDX-License-Identifier: BSD-3-Clause */
/* A UPnP device description, as any host of the LAN may serve one. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "scan/upnp_description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
    if (!good)
        abort();
}

static void value(const char *text)
{
    size_t len = strnlen(text, UPNP_TEXT_BYTES);

    require(len < UPNP_TEXT_BYTES && str_is_utf8((struct str){text, len}));
    for (size_t i = 0; i < len; i++)
        require((unsigned char)text[i] >= ' ');
    require(!len || (text[0] != ' ' && text[len - 1] != ' '));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct upnp_device device;
    struct error err;

    if (upnp_description_parse((struct str){(const char *)data, size}, &device, &err) < 0) {
        require(err.message[0]);
        return 0;
    }
    value(device.device_type);
    value(device.friendly_name);
    value(device.manufacturer);
    value(device.model_name);
    value(device.model_number);
    value(device.serial_number);
    value(device.udn);
    value(device.presentation_url);
    require(device.embedded < LIMIT_UPNP_ELEMENTS);
    return 0;
}
