/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of the home as Device.ProxiedDevice. shows them. Everything is in the arena. */
#ifndef TOOLS_HOMEPATCH_INVENTORY_H
#define TOOLS_HOMEPATCH_INVENTORY_H

#include "tools/homepatch/app.h"

enum {
    INVENTORY_SLOTS = 8, /* rows of FirmwareImage that are kept */
};

/* What is known of a device, in the order of inventory_params[]. */
enum device_value {
    DEVICE_NAME,
    DEVICE_ALIAS,
    DEVICE_TYPE,
    DEVICE_ONLINE,
    DEVICE_LAST_CONTACT,
    DEVICE_PROTOCOL,
    DEVICE_MANUFACTURER,
    DEVICE_MODEL,
    DEVICE_HARDWARE,
    DEVICE_VERSION,
    DEVICE_SERIAL,
    DEVICE_STATE,
    DEVICE_PROGRESS,
    DEVICE_RESULT,
    DEVICE_OFFERED,
    DEVICE_GRADE,
    DEVICE_QUARANTINED,
    DEVICE_REASON,
    DEVICE_REJECTED,
    DEVICE_REASON_CODE,
    DEVICE_KNOWN,
    DEVICE_CLAIMED,
    DEVICE_MAC,
    DEVICE_MANUFACTURER_PROOF,
    DEVICE_MODEL_PROOF,
    DEVICE_HARDWARE_PROOF,
    DEVICE_VERSION_PROOF,
    DEVICE_SERIAL_PROOF,
    DEVICE_MAC_PROOF,
    DEVICE_VALUES,
};

/* Below Device.ProxiedDevice.{i}. */
extern const char *const inventory_params[DEVICE_VALUES];

enum slot_value {
    SLOT_ALIAS,
    SLOT_NAME,
    SLOT_VERSION,
    SLOT_AVAILABLE,
    SLOT_STATUS,
    SLOT_LOG,
    SLOT_VALUES,
};

struct slot {
    unsigned number;
    const char *values[SLOT_VALUES]; /* never NULL */
};

struct device {
    struct device *next;
    unsigned number;
    const char *values[DEVICE_VALUES]; /* never NULL */
    struct slot slots[INVENTORY_SLOTS];
    size_t slots_count;
    bool changed;       /* a value became another one; whoever cares sets it back */
    const char *shown;  /* progress.c: the line that was printed last */
    const char *before; /* watch: how it stood when the watch began */
};

struct inventory {
    struct app *app;
    struct device *first;
    struct device **last;
    struct device *current; /* the row whose values were read last */
    size_t count;
};

/* Reads all devices; false when the agent said no, which is reported. */
bool inventory_read(struct inventory *inventory, struct app *app);
/* Reads one row anew; false when that failed, which is not reported. */
bool inventory_refresh(struct app *app, struct device *device);

/* Reads anew what changes while updates run, of all devices; false when that failed, which is not reported. */
bool inventory_look(struct inventory *inventory);
/* A ValueChange: keeps the value; the device it is of (made when it is new), or NULL when it is of none. */
struct device *inventory_apply(struct inventory *inventory, struct str param_path, struct str value);

/* By instance number, path, alias, name or serial number; NULL when there is none, or more than one, reported. */
struct device *inventory_find(struct inventory *inventory, const char *name);
struct device *inventory_by_number(const struct inventory *inventory, unsigned number);

bool device_is(const struct device *device, enum device_value value, const char *text);
/* A job has not ended; the last one failed. */
bool device_is_busy(const struct device *device);
bool device_has_failed(const struct device *device);
/* For people: name, else alias, else model and number. */
const char *device_label(struct app *app, const struct device *device);
/* A version that could be installed: downloaded, or offered by the manufacturer; "" when there is none. */
const char *device_available(const struct device *device);
const struct slot *device_slot(const struct device *device, unsigned number);
bool slot_is(const struct slot *slot, enum slot_value value, const char *text);
/* The stable JSON shape; without its slots. */
cJSON *device_json(const struct device *device);
/* The same with slots. */
cJSON *device_json_all(const struct device *device);

/* The instance number that follows `table` ("Device.ProxiedDevice.") in the path, and what follows it; 0: none. */
unsigned inventory_instance(struct str path, struct str table, struct str *ret_rest);

#endif
