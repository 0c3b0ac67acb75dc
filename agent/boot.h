/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why the program started: what the last life left in the store for Device.Boot!, and how this life ends when a
 * controller (or a firmware activation) wants the gateway started anew.
 */
#ifndef AGENT_BOOT_H
#define AGENT_BOOT_H

#include "base/store.h"
#include "datamodel/device/model.h"
#include "usp/usp.h"

/* The store's kind of these records: the one thing that a factory reset leaves. */
#define BOOT_KIND "boot"

struct boot {
    struct buf text; /* holds the strings of `why` */
    struct usp_boot why;
};

/* Reads and forgets what the last life left. version: of the gateway's firmware now; another than last time means
 * FirmwareUpdated. */
int boot_load(struct boot *boot, struct store *store, const char *version, struct error *err);
void boot_done(struct boot *boot);

/* Writes what the next life says in Boot!, into the open batch. */
int boot_save(struct store *store, const struct model_restart *restart, struct error *err);

#endif
