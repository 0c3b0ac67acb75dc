/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose devices may enrol with the certificate that their manufacturer gave them (IDevID of IEEE 802.1AR): roots, each for
 * one manufacturer and the OUIs that it may name devices under. Read from a file as a whole; owned by the caller.
 */
#ifndef DEVICES_AUTHORITY_MANUFACTURERS_H
#define DEVICES_AUTHORITY_MANUFACTURERS_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "base/error.h"
#include "devices/authority/ca.h"

enum {
    MANUFACTURER_OUIS = 8,
    OUI_BYTES = 7,
};

struct manufacturer {
    char name[CA_NAME_BYTES];
    char ouis[MANUFACTURER_OUIS][OUI_BYTES]; /* upper case; "" ends */
    STACK_OF(X509) * roots;
};

struct manufacturers {
    struct manufacturer *list;
    size_t count;
};

/* file NULL: there are none. manufacturers_done() is due in any case. */
int manufacturers_read(struct manufacturers *manufacturers, const char *file, struct error *err);
void manufacturers_done(struct manufacturers *manufacturers);

/* Who made the device of this verified chain; NULL: none of them. */
const struct manufacturer *manufacturers_find(const struct manufacturers *manufacturers,
                                              const STACK_OF(X509) * chain);
/*
 * Whether the manufacturer's device of that serial number may have this name: "os::OUI-SERIAL", "ops::OUI-CLASS-SERIAL" with
 * an OUI of his, any Endpoint ID under such an OUI that the IDevID itself names, or "MANUFACTURER-SERIAL".
 */
bool manufacturer_covers(const struct manufacturer *manufacturer, X509 *idevid, const char *serial_number,
                         const char *name);

#endif
