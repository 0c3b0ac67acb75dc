/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small files that are read or written as a whole. Read: regular files only, up to a ceiling. Written: beside the old one, synced
 * and renamed, so that a loss of power leaves the old file or the new one, never a part. Blocks; for the few and small.
 *
 * dir: AT_FDCWD, or an open folder that `name` is in.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

enum {
    FILE_NO_LINK = 1, /* the name itself is no symbolic link */
    FILE_TRUSTED = 2, /* root's or our own user's, and nobody else may write it; no link either */
};

/*
 * Appends the file to *ret, which has to have room for one byte more. 1: read. 0: there is no such file. -1 and err: it is no
 * regular file, too long, not what `flags` ask for, or cannot be read.
 */
int file_read(int dir, const char *name, unsigned flags, struct buf *ret, struct error *err);
/* The same, in the arena and terminated; at most max bytes. *ret is empty when there is no such file. */
int file_read_text(int dir, const char *name, size_t max, struct arena *arena, struct str *ret,
                   struct error *err);

/*
 * Puts the content in the place of the file, durably. mode: exactly this, whatever the umask; group: (gid_t)-1 for our own, and
 * where we may not give it away it stays ours. -1 and err: the old file is there; or, when only its folder could not be
 * synced, the new one, which a loss of power may undo.
 */
int file_replace(int dir, const char *name, struct str content, mode_t mode, gid_t group, struct error *err);
/* A file that was synced gets another name in the place of what has it, durably. 0, or -1 and errno. */
int file_rename(int dir, const char *from, const char *to);

#endif
