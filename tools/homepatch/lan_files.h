/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The folder of the LAN's broker: one program at a time changes it, each file is replaced as a whole, and a file that would
 * not change is not touched. Owned by the command; lan_files_close() ends it.
 */
#ifndef TOOLS_HOMEPATCH_LAN_FILES_H
#define TOOLS_HOMEPATCH_LAN_FILES_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

struct lan_files {
    const char *dir;
    int fd; /* of the folder, locked; -1: none */
};

/* Opens the folder, made when make is true, and waits for others to be done with it. -1 and err. */
int lan_files_open(struct lan_files *files, const char *dir, bool make, struct error *err);
void lan_files_close(struct lan_files *files);
/* The text of a file, in the arena; *ret_there false when there is none. -1 and err when it cannot be read. */
int lan_files_read(const struct lan_files *files, const char *name, struct arena *arena, struct str *ret,
                   bool *ret_there, struct error *err);
/*
 * Writes it for its owner and the group that mosquitto runs as, if there is one. *ret_changed: it was another before.
 * -1 and err; the old file is as it was then.
 */
int lan_files_write(const struct lan_files *files, const char *name, const struct buf *text,
                    bool *ret_changed, struct error *err);

#endif
