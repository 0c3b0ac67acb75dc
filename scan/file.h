/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files that others of this machine write, and that are read whole. */
#ifndef SCAN_FILE_H
#define SCAN_FILE_H

#include <fcntl.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/error.h"

/*
 * Appends the file to *ret, whose ceiling is the file's. dir: AT_FDCWD or an open folder. 1: read. 0: there is no such file. -1:
 * it is no regular file, too long, or cannot be read.
 */
int scan_read_file(int dir, const char *name, struct buf *ret, struct error *err);

#endif
