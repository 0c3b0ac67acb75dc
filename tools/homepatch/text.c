/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/str.h"

enum {
    GAP = 2,
    SMALLEST = 6, /* columns that a cut cell keeps */
};

static bool is_coloured(FILE *file)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fileno(file)) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

const char *text_colour(FILE *file, enum text_colour colour)
{
    static const char *const codes[] = {
        [TEXT_PLAIN] = "",          [TEXT_BOLD] = "\033[1m", [TEXT_GREEN] = "\033[32m",
        [TEXT_YELLOW] = "\033[33m", [TEXT_RED] = "\033[31m", [TEXT_DIM] = "\033[2m",
    };

    return is_coloured(file) ? codes[colour] : "";
}

const char *text_normal(FILE *file)
{
    return is_coloured(file) ? "\033[0m" : "";
}

unsigned text_width(FILE *file)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;

    if (isatty(fileno(file)) && ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return columns ? (unsigned)strtoul(columns, NULL, 10) : 0;
}

unsigned text_height(FILE *file)
{
    struct winsize size;

    if (isatty(fileno(file)) && ioctl(fileno(file), TIOCGWINSZ, &size) == 0)
        return size.ws_row;
    return 0;
}

/* One column per code point: what is wider or narrower misaligns a line, no more. */
size_t text_columns(const char *text)
{
    size_t columns = 0;

    for (; *text; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

/* C0 and DEL, and C1 as UTF-8 writes it (C2 80 .. C2 9F). */
static bool is_control(const unsigned char *at)
{
    return at[0] < ' ' || at[0] == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f);
}

const char *text_safe(struct arena *arena, const char *text, size_t max)
{
    size_t columns = text_columns(text);
    bool cut = max && columns > max;
    size_t left = cut ? max - 1 : columns;
    char *copy = arena_alloc(arena, strlen(text) + 2);
    char *to = copy;

    if (!copy)
        return "";
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool begins = (*at & 0xc0) != 0x80;

        if (begins && !left--)
            break;
        if (is_control(at)) {
            *to++ = '?';
            if (*at == 0xc2)
                at++;
        } else {
            *to++ = (char)*at;
        }
    }
    if (cut)
        *to++ = '~';
    *to = '\0';
    return copy;
}

void text_print(FILE *file, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (!is_control(at)) {
            putc(*at, file);
            continue;
        }
        putc('?', file);
        if (*at == 0xc2)
            at++;
    }
}

/* ---- tables ---- */

void table_init(struct table *table, struct arena *arena, const char *const *heads)
{
    *table = (struct table){.arena = arena, .heads = heads};
    table->last = &table->first;
    while (heads[table->columns] && table->columns < TABLE_COLUMNS)
        table->columns++;
}

struct table_row *table_add(struct table *table)
{
    struct table_row *row = arena_calloc(table->arena, 1, sizeof(*row));

    if (!row)
        return NULL;
    *table->last = row;
    table->last = &row->next;
    return row;
}

static void measure(const struct table *table, size_t widths[TABLE_COLUMNS])
{
    for (size_t i = 0; i < table->columns; i++)
        widths[i] = text_columns(table->heads[i]);
    for (const struct table_row *row = table->first; row; row = row->next) {
        for (size_t i = 0; i < table->columns; i++) {
            size_t columns = row->cells[i] ? text_columns(row->cells[i]) : 0;

            if (columns > widths[i])
                widths[i] = columns;
        }
    }
}

/* Takes columns from the widest until the line fits. */
static void shrink(const struct table *table, size_t widths[TABLE_COLUMNS], size_t width)
{
    size_t total = GAP * (table->columns - 1);

    for (size_t i = 0; i < table->columns; i++)
        total += widths[i];
    while (width && total > width) {
        size_t widest = 0;

        for (size_t i = 1; i < table->columns; i++)
            if (widths[i] > widths[widest])
                widest = i;
        if (widths[widest] <= SMALLEST)
            return;
        widths[widest]--;
        total--;
    }
}

static void print_cells(const struct table *table, const char *const *cells, const size_t *widths, FILE *file)
{
    size_t pending = 0; /* blanks that only come when something follows */

    for (size_t i = 0; i < table->columns; i++) {
        const char *text = text_safe(table->arena, cells[i] ? cells[i] : "", widths[i]);

        if (*text) {
            fprintf(file, "%*s%s", (int)pending, "", text);
            pending = 0;
        }
        pending += widths[i] - text_columns(text) + GAP;
    }
}

void table_print(const struct table *table, FILE *file)
{
    size_t widths[TABLE_COLUMNS] = {0};

    measure(table, widths);
    shrink(table, widths, text_width(file));
    fputs(text_colour(file, TEXT_BOLD), file);
    print_cells(table, table->heads, widths, file);
    fprintf(file, "%s\n", text_normal(file));
    for (const struct table_row *row = table->first; row; row = row->next) {
        fputs(text_colour(file, row->colour), file);
        print_cells(table, row->cells, widths, file);
        fprintf(file, "%s\n", text_normal(file));
    }
}

/* ---- times ---- */

const char *text_age(struct arena *arena, int64_t now, const char *time)
{
    enum {
        MINUTE = 60,
        HOUR = 60 * MINUTE,
        DAY = 24 * HOUR,
    };
    const char *text;
    int64_t seconds;
    int64_t ago;

    if (str_to_time(str_of(time), &seconds) < 0 || seconds <= 0)
        return "never";
    ago = now - seconds;
    if (ago < 0)
        return time;
    if (ago < 2 * MINUTE)
        text = arena_printf(arena, "%d s ago", (int)ago);
    else if (ago < 2 * HOUR)
        text = arena_printf(arena, "%d min ago", (int)(ago / MINUTE));
    else if (ago < 2 * DAY)
        text = arena_printf(arena, "%d h ago", (int)(ago / HOUR));
    else
        text = arena_printf(arena, "%lld d ago", (long long)(ago / DAY));
    return text ? text : "";
}
