/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small text helpers that the C library lacks: bounded copies, strict number and time conversion as TR-106 writes
 * them, hexadecimal and base64. Nothing here allocates unless it says so.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run of bytes that somebody else owns; not terminated. */
struct str {
    const char *data;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

struct str str_of(const char *text);
bool str_equal(struct str a, struct str b);
bool str_is(struct str a, const char *text);
bool str_starts(struct str a, struct str prefix);
/* Without blanks and tabs, carriage returns and line feeds at both ends. */
struct str str_trim(struct str a);
/* Cuts the part before the first `separator` off *rest; false when *rest was used up before. */
bool str_next(struct str *rest, char separator, struct str *ret_part);

/* Copies with truncation and always terminates; returns the bytes copied. */
size_t str_copy(char *to, size_t size, const char *from);

/* malloc'ed, terminated copy of len bytes, or NULL. */
char *str_dup(const char *text, size_t len);
/* Replaces the malloc'ed *slot by a copy; -1 (and *slot unchanged) when memory is out. text may be NULL. */
int str_replace(char **slot, const char *text);

/* Strict decimal: the whole of a must be a number in range; 0 or -1. */
int str_to_u64(struct str a, uint64_t *ret);
int str_to_i64(struct str a, int64_t *ret);
/* "true", "false", "1", "0" (TR-106 boolean). */
int str_to_bool(struct str a, bool *ret);
/* A size with an optional suffix K, M or G (powers of 1024). */
int str_to_size(struct str a, uint64_t *ret);

/* Writes a decimal number without a terminator; to needs 20 bytes. Returns the bytes written. */
size_t str_from_u64(char *to, uint64_t value);
size_t str_from_i64(char *to, int64_t value);

enum {
    STR_TIME_BYTES = 32,
};
/* "2026-01-31T12:00:00Z" from seconds since 1970, terminated; the unknown time (0) is "0001-01-01T00:00:00Z". */
size_t str_from_time(char to[STR_TIME_BYTES], int64_t seconds);
/* xsd:dateTime with Z, an offset or none (taken as UTC); fractions are dropped. */
int str_to_time(struct str a, int64_t *ret);

/* Lower-case hexadecimal, terminated: to needs 2 * len + 1 bytes. */
void str_to_hex(char *to, const uint8_t *data, size_t len);
/* Upper or lower case; returns the bytes written or -1. */
int str_from_hex(struct str a, uint8_t *to, size_t size);

/* Valid UTF-8 without NUL. */
bool str_is_utf8(struct str a);
/* How much of a, UTF-8 that was cut somewhere, is whole characters: less than a.len by three bytes at most. */
size_t str_whole(struct str a);

#endif
