/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/claim.h"

#include <string.h>

#include "devices/dialects/dialect.h"
#include "devices/identity.h"

struct device *claim_owner(const struct registry *registry, const char *address)
{
    return map_get(&registry->by_address, str_of(address));
}

/* "" when nothing that is known of it is an address. */
static void address_of(const struct device *device, char to[IDENTITY_ADDRESS_BYTES])
{
    if (identity_address(device_text(device, DEVICE_MAC), to) < 0 &&
        identity_address(device_text(device, DEVICE_SERIAL_NUMBER), to) < 0 &&
        identity_address(device_id(device), to) < 0)
        to[0] = '\0';
}

void claim_drop(struct device *device)
{
    struct map *map = &device->registry->by_address;

    if (device->claim[0] && map_get(map, str_of(device->claim)) == device)
        map_remove(map, str_of(device->claim));
    device->claim[0] = '\0';
}

bool claim_outranks(const struct device *claimant, const struct device *listed)
{
    if (claimant->grade != listed->grade)
        return claimant->grade < listed->grade;
    return claimant->grade <= DEVICE_GRADE_B || claimant->instance < listed->instance;
}

void claim_update(struct device *device)
{
    struct map *map = &device->registry->by_address;
    char address[IDENTITY_ADDRESS_BYTES];
    struct device *holder;

    if (device->dialect->generic)
        return;
    address_of(device, address);
    if (strcmp(address, device->claim) == 0)
        return;
    claim_drop(device);
    holder = address[0] ? map_get(map, str_of(address)) : NULL;
    if (!address[0] || (holder && holder->grade <= device->grade))
        return; /* of equals, whoever came first has it */
    if (holder)
        claim_drop(holder);
    str_copy(device->claim, sizeof(device->claim), address);
    if (map_put(map, str_of(device->claim), device) < 0)
        device->claim[0] = '\0';
}
