/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/str.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"

struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool str_is(struct str a, const char *text)
{
    return str_equal(a, str_of(text));
}

bool str_starts(struct str a, struct str prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.data, prefix.data, prefix.len) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str a)
{
    while (a.len && is_blank(a.data[0])) {
        a.data++;
        a.len--;
    }
    while (a.len && is_blank(a.data[a.len - 1]))
        a.len--;
    return a;
}

bool str_next(struct str *rest, char separator, struct str *ret_part)
{
    const char *end;

    if (!rest->data)
        return false;
    end = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    if (!end) {
        *ret_part = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    *ret_part = (struct str){rest->data, (size_t)(end - rest->data)};
    rest->len -= ret_part->len + 1;
    rest->data = end + 1;
    return true;
}

size_t str_copy(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size - 1);

    memcpy(to, from, len);
    to[len] = '\0';
    return len;
}

char *str_dup(const char *text, size_t len)
{
    char *copy = malloc(len + 1);

    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

int str_replace(char **slot, const char *text)
{
    char *copy = NULL;

    if (text) {
        copy = str_dup(text, strlen(text));
        if (!copy)
            return -1;
    }
    free(*slot);
    *slot = copy;
    return 0;
}

int str_to_u64(struct str a, uint64_t *ret)
{
    uint64_t value = 0;

    if (a.len == 0)
        return -1;
    for (size_t i = 0; i < a.len; i++) {
        unsigned digit = (unsigned char)a.data[i] - (unsigned)'0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    *ret = value;
    return 0;
}

int str_to_i64(struct str a, int64_t *ret)
{
    bool negative = a.len && a.data[0] == '-';
    uint64_t magnitude;

    if (a.len && (a.data[0] == '-' || a.data[0] == '+')) {
        a.data++;
        a.len--;
    }
    if (str_to_u64(a, &magnitude) < 0 || magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return -1;
    *ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 0;
}

int str_to_bool(struct str a, bool *ret)
{
    if (str_is(a, "true") || str_is(a, "1"))
        *ret = true;
    else if (str_is(a, "false") || str_is(a, "0"))
        *ret = false;
    else
        return -1;
    return 0;
}

int str_to_size(struct str a, uint64_t *ret)
{
    unsigned shift = 0;
    uint64_t value;

    if (a.len == 0)
        return -1;
    switch (a.data[a.len - 1]) {
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    default:
        break;
    }
    if (shift)
        a.len--;
    if (str_to_u64(a, &value) < 0 || value > UINT64_MAX >> shift)
        return -1;
    *ret = value << shift;
    return 0;
}

size_t str_from_u64(char *to, uint64_t value)
{
    char digits[20];
    size_t len = 0;

    do {
        digits[len++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < len; i++)
        to[i] = digits[len - 1 - i];
    return len;
}

size_t str_from_i64(char *to, int64_t value)
{
    if (value >= 0)
        return str_from_u64(to, (uint64_t)value);
    to[0] = '-';
    return 1 + str_from_u64(to + 1, 0 - (uint64_t)value);
}

size_t str_from_time(char to[STR_TIME_BYTES], int64_t seconds)
{
    struct tm tm;

    calendar_of(seconds, &tm);
    if (seconds == 0 || tm.tm_year < -1899 || tm.tm_year > 8099)
        return str_copy(to, STR_TIME_BYTES, "0001-01-01T00:00:00Z");
    /* Not strftime(): its %Y has no leading zeros. */
    return (size_t)snprintf(to, STR_TIME_BYTES, "%04u-%02u-%02uT%02u:%02u:%02uZ",
                            (tm.tm_year + 1900u) % 10000, (tm.tm_mon + 1u) % 100, (unsigned)tm.tm_mday % 100,
                            (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

/* Reads exactly n digits at *at and moves past them. */
static bool digits(struct str a, size_t *at, size_t n, int *ret)
{
    int value = 0;

    if (a.len - *at < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = a.data[*at + i];

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += n;
    *ret = value;
    return true;
}

static bool literal(struct str a, size_t *at, char c)
{
    if (*at >= a.len || a.data[*at] != c)
        return false;
    (*at)++;
    return true;
}

/* The zone at the end of a dateTime: seconds to subtract to get UTC. */
static bool zone(struct str a, size_t *at, int *ret_seconds)
{
    int hours;
    int minutes;
    int sign;

    *ret_seconds = 0;
    if (*at == a.len)
        return true;
    if (literal(a, at, 'Z'))
        return *at == a.len;
    sign = a.data[*at] == '-' ? -1 : 1;
    if (!literal(a, at, '+') && !literal(a, at, '-'))
        return false;
    if (!digits(a, at, 2, &hours) || !literal(a, at, ':') || !digits(a, at, 2, &minutes) || hours > 14 ||
        minutes > 59)
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return *at == a.len;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* "2026-01-31T12:00:00" with an optional fraction of a second, which is dropped; tm_mon is 1 to 12, tm_year the year. */
static bool date_and_time(struct str a, size_t *at, struct tm *ret)
{
    const struct {
        size_t digits;
        char before; /* what stands in front */
        int *value;
    } parts[] = {{4, 0, &ret->tm_year},   {2, '-', &ret->tm_mon}, {2, '-', &ret->tm_mday},
                 {2, 'T', &ret->tm_hour}, {2, ':', &ret->tm_min}, {2, ':', &ret->tm_sec}};
    int fraction;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if ((parts[i].before && !literal(a, at, parts[i].before)) ||
            !digits(a, at, parts[i].digits, parts[i].value))
            return false;
    if (!literal(a, at, '.'))
        return true;
    if (!digits(a, at, 1, &fraction))
        return false;
    while (digits(a, at, 1, &fraction))
        ;
    return true;
}

/* A moment that exists; 24:00:00 and a leap second do. */
static bool in_calendar(const struct tm *tm)
{
    if (tm->tm_year < 1 || tm->tm_mon < 1 || tm->tm_mon > 12)
        return false;
    if (tm->tm_mday < 1 || tm->tm_mday > days_of(tm->tm_year, tm->tm_mon))
        return false;
    if (tm->tm_hour == 24)
        return tm->tm_min == 0 && tm->tm_sec == 0;
    return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

int str_to_time(struct str a, int64_t *ret)
{
    struct tm tm = {0};
    size_t at = 0;
    int offset;

    if (!date_and_time(a, &at, &tm) || !zone(a, &at, &offset) || !in_calendar(&tm))
        return -1;
    if (tm.tm_year == 1 && tm.tm_mon == 1 && tm.tm_mday == 1) {
        *ret = 0; /* TR-106: the unknown time */
        return 0;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret = calendar_seconds(&tm) - offset;
    return 0;
}

void str_to_hex(char *to, const uint8_t *data, size_t len)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        to[2 * i] = hex[data[i] >> 4];
        to[2 * i + 1] = hex[data[i] & 15];
    }
    to[2 * len] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int str_from_hex(struct str a, uint8_t *to, size_t size)
{
    if (a.len % 2 || a.len / 2 > size || a.len / 2 > INT_MAX)
        return -1;
    for (size_t i = 0; i < a.len / 2; i++) {
        int high = hex_digit(a.data[2 * i]);
        int low = hex_digit(a.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return (int)(a.len / 2);
}

/* RFC 3629, section 4: what the second byte may be follows from the first, so that nothing is overlong or a surrogate. */
static const struct utf8_form {
    unsigned char first, last;     /* of the first byte */
    unsigned char second, highest; /* of the second byte */
    unsigned char length;
} utf8_forms[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* Length of the UTF-8 sequence at p (n bytes left), or 0 when it is not one. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
    const struct utf8_form *form = utf8_forms;
    const struct utf8_form *end = utf8_forms + sizeof(utf8_forms) / sizeof(utf8_forms[0]);

    if (p[0] < 0x80)
        return p[0] ? 1 : 0;
    while (form < end && (p[0] < form->first || p[0] > form->last))
        form++;
    if (form == end || n < form->length || p[1] < form->second || p[1] > form->highest)
        return 0;
    for (size_t i = 2; i < form->length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return form->length;
}

bool str_is_utf8(struct str a)
{
    const unsigned char *p = (const unsigned char *)a.data;
    size_t left = a.len;

    while (left) {
        size_t n;

        /* Most text is ASCII: eight bytes at a time, none of them zero. */
        while (left >= 8) {
            uint64_t word;

            memcpy(&word, p, 8);
            if ((word & 0x8080808080808080ull) ||
                ((word - 0x0101010101010101ull) & ~word & 0x8080808080808080ull))
                break;
            p += 8;
            left -= 8;
        }
        if (!left)
            break;
        n = utf8_sequence(p, left);
        if (!n)
            return false;
        p += n;
        left -= n;
    }
    return true;
}

size_t str_whole(struct str a)
{
    for (size_t back = 1; back <= 4 && back <= a.len; back++) {
        unsigned char c = (unsigned char)a.data[a.len - back];
        size_t length = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

        if ((c & 0xc0) == 0x80)
            continue;
        return length > back ? a.len - back : a.len;
    }
    return a.len;
}
