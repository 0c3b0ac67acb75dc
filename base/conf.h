/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading configuration files: `key = value` per line, `#` starts a comment line, blanks around key and value do not
 * count, a value in double quotes keeps its blanks (\" and \\ inside). One reader for all files of the program, so
 * that they look alike and err alike: err->path is "file:line".
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct conf_line {
    struct str key;
    struct str value;
    unsigned number;
    struct conf_line *next;
};

/* All lines, in the arena. *ret is NULL for an empty file. 0 or -1. */
int conf_read(struct arena *arena, const char *file, struct conf_line **ret, struct error *err);
/* The same from memory; `file` names it in errors. */
int conf_parse(struct arena *arena, const char *file, struct str text, struct conf_line **ret,
               struct error *err);
/* Fills err with "file:line" as its path. Returns -1. */
int conf_error(const char *file, unsigned line, struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
