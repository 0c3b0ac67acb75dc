/* SPDX-License-Identifier: BSD-3-Clause */
/* A device as the store keeps it: one JSON object, readable by people, with members that later versions may add. */
#ifndef DEVICES_DEVICE_RECORD_H
#define DEVICES_DEVICE_RECORD_H

#include "base/buf.h"
#include "base/str.h"
#include "devices/device.h"

/* Appends the record; out->failed when memory is out. */
void device_record_write(const struct device *device, struct buf *out);

/* A device with key, instance and texts, not in any table: freed by the caller. NULL: the record cannot be used.
 * device->dialect is NULL when find() does not know its name. */
struct device *device_record_read(struct str key, struct str record,
                                  const struct dialect *(*find)(const char *name));

#endif
