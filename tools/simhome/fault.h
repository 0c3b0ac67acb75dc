/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be wrong with a simulated device. Faults are bits; several may be set. Nothing to free. */
#ifndef TOOLS_SIMHOME_FAULT_H
#define TOOLS_SIMHOME_FAULT_H

#include <stddef.h>

enum fault {
    FAULT_OFFLINE = 1 << 0,      /* not there */
    FAULT_REFUSES = 1 << 1,      /* answers the request to update with an error */
    FAULT_FAILS = 1 << 2,        /* the update fails at 40 % */
    FAULT_NO_RETURN = 1 << 3,    /* stays away after the reboot of an update */
    FAULT_OLD_VERSION = 1 << 4,  /* comes back with the version it had */
    FAULT_WRONG_MODEL = 1 << 5,  /* comes back as another product */
    FAULT_NEW_IDENTITY = 1 << 6, /* comes back with another MAC address and key under the same id */
    FAULT_FLOOD = 1 << 7,        /* sends events as fast as --flood-rate says */
    FAULT_GARBAGE = 1 << 8,      /* sends frames that no device should */
    FAULT_MUTE = 1 << 9,         /* connected, answers nothing */
    FAULT_POWER_CUT = 1 << 10,   /* vanishes at 40 % without a word, comes back as it was */
    FAULT_SLOW = 1 << 11,        /* fetches at a tenth of the rate */
    FAULT_LOW_BATTERY = 1 << 12, /* runs on a battery that is nearly empty */
    FAULT_RIVAL = 1 << 13,       /* is set up to install its maker's updates by itself */
};

/* The bit of that name, or 0. */
unsigned fault_find(const char *name);
/* Names in order of their bits; NULL past the last. */
const char *fault_name(size_t bit);

#endif
