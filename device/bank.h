/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two banks of firmware and the boot record: what a boot loader and the firmware agree on. Banks are the files bank1 and
 * bank2 of a folder, the record is the file boot, replaced as a whole, so that a loss of power leaves the old or the new.
 *
 * An activation is a trial: the record names the bank to try, and how many starts it has. Each start of a trial takes one
 * away before anything of the image runs; the firmware confirms the trial once it has reached its controller. A trial
 * that has no starts left is over: the bank that ran before runs again, and the log says why.
 *
 * Owned by the caller. Reading and writing block: the files are small, and the loader has no loop.
 */
#ifndef DEVICE_BANK_H
#define DEVICE_BANK_H

#include <stdbool.h>

#include "device/image.h"

enum {
    BANKS = 2,
    TRIAL_STARTS = 2,
    BANK_LOG_BYTES = 192,
    BANK_PATH_BYTES = 4096,
};

/* FirmwareImage.{i}.Status, in the order of TR-181's enumeration. */
enum bank_status {
    BANK_NO_IMAGE,
    BANK_ACTIVE,
    BANK_DOWNLOADING,
    BANK_VALIDATING,
    BANK_AVAILABLE,
    BANK_DOWNLOAD_FAILED,
    BANK_VALIDATION_FAILED,
    BANK_INSTALLATION_FAILED,
    BANK_ACTIVATION_FAILED,
};
/* Their words; NULL at the end. */
extern const char *const bank_statuses[];

struct bank {
    enum bank_status status;
    char version[IMAGE_TEXT_BYTES];
    char log[BANK_LOG_BYTES]; /* BootFailureLog */
};

struct banks {
    const char *folder; /* the caller's */
    const char *model;
    struct bank bank[BANKS];
    int confirmed; /* index of the bank that is known to work */
    int trial;     /* index of the bank that is to prove itself; -1: none */
    int starts;    /* that the trial has left */
    int running;   /* what this start chose */
};

/* What came of a start. */
enum bank_start {
    BANK_STARTED,
    BANK_STARTED_TRIAL, /* on probation: confirm it, or start anew */
    BANK_ROLLED_BACK,   /* a trial is over, the confirmed image runs */
};

/* Reads the record. Without one, `factory` becomes the image of bank 1. */
int banks_open(struct banks *banks, const char *folder, const char *model, const char *factory,
               struct error *err);
/* The boot loader: chooses a bank, notes a start of a trial, and checks its image (*ret). */
int banks_start(struct banks *banks, enum bank_start *ret_start, struct image *ret, struct error *err);
/* The running trial works. */
int banks_confirm(struct banks *banks, struct error *err);
/* The bank runs after the next start, on trial. -1 also when it holds nothing that could. */
int banks_try(struct banks *banks, int bank, struct error *err);
/* The trial goes no further, for a reason that the firmware itself has found: the next start rolls back. */
int banks_give_up(struct banks *banks, const char *why, struct error *err);
int banks_save(const struct banks *banks, struct error *err);
/* "FOLDER/bank2", or with a suffix "FOLDER/bank2.part". */
const char *banks_path(const struct banks *banks, int bank, const char *suffix, char to[BANK_PATH_BYTES]);

#endif
