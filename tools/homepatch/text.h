/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text for people: tables that fit the terminal, colours where they are wanted, and nothing that a device or a server
 * could have put in to play with the terminal (control characters become '?').
 */
#ifndef TOOLS_HOMEPATCH_TEXT_H
#define TOOLS_HOMEPATCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"

enum text_colour {
    TEXT_PLAIN,
    TEXT_BOLD,
    TEXT_GREEN,
    TEXT_YELLOW,
    TEXT_RED,
    TEXT_DIM,
};

/* Escape sequences that are empty when file is no terminal or NO_COLOR is set. */
const char *text_colour(FILE *file, enum text_colour colour);
const char *text_normal(FILE *file);

/* Columns and rows of the terminal; 0 when file is none. COLUMNS counts where there is no terminal. */
unsigned text_width(FILE *file);
unsigned text_height(FILE *file);

/* Columns that the text takes. */
size_t text_columns(const char *text);
/* A printable copy in the arena, cut to max columns (0: not cut) with "~" at the end of what was cut. */
const char *text_safe(struct arena *arena, const char *text, size_t max);
/* Prints the text without control characters. */
void text_print(FILE *file, const char *text);

/* "12 s ago", "3 min ago", "5 h ago", "2 d ago" in the arena; "never"; a time after now (s since 1970) as it is. */
const char *text_age(struct arena *arena, int64_t now, const char *time);

enum {
    TABLE_COLUMNS = 16,
};

struct table_row {
    struct table_row *next;
    enum text_colour colour;
    const char *cells[TABLE_COLUMNS];
};

/* Cells are borrowed; rows are in the arena. */
struct table {
    struct arena *arena;
    const char *const *heads; /* NULL at the end */
    size_t columns;
    struct table_row *first;
    struct table_row **last;
};

void table_init(struct table *table, struct arena *arena, const char *const *heads);
/* The new row, its cells empty; NULL when memory is out. */
struct table_row *table_add(struct table *table);
/* Aligned; what does not fit the width is cut in the widest columns. */
void table_print(const struct table *table, FILE *file);

#endif
