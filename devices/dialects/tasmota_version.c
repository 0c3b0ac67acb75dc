/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/dialects/tasmota_version.h"

#include <string.h>

enum {
    NUMBERS = 4,
    GZIP_SINCE = 0x08020000,
};

/* The maker's upgrade path ("Upgrading", Upgrade Flow). Beyond the last one there are no steps. */
static const struct {
    uint32_t number;
    const char *text;
} steps[] = {
    {0x01000b00, "1.0.11"}, {0x03091600, "3.9.22"}, {0x04020000, "4.2.0"}, {0x050e0000, "5.14.0"},
    {0x06070100, "6.7.1"},  {0x07020000, "7.2.0"},  {0x08050100, "8.5.1"}, {0x09010000, "9.1.0"},
};

enum {
    STEPS = sizeof(steps) / sizeof(steps[0]),
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "14.2.0.3" at the start of text: how many numbers there were, 0 when one is out of range. */
static unsigned read_numbers(const char **text, uint32_t *ret)
{
    unsigned count = 0;
    const char *at = *text;

    for (*ret = 0; count < NUMBERS && is_digit(*at); count++) {
        uint32_t value = 0;

        for (; is_digit(*at); at++)
            if ((value = value * 10 + (uint32_t)(*at - '0')) > 255)
                return 0;
        *ret |= value << (8 * (NUMBERS - 1 - count));
        if (*at != '.' || !is_digit(at[1]) || count == NUMBERS - 1) {
            count++;
            break;
        }
        at++;
    }
    *text = at;
    return count;
}

int tasmota_version_parse(const char *text, struct tasmota_version *ret)
{
    const char *at = text;
    size_t len;
    struct tasmota_version version = {.number = 0};
    unsigned count = read_numbers(&at, &version.number);

    if (count < 2)
        return -1;
    if (count < NUMBERS && *at >= 'a' && *at <= 'z') {
        version.number |= (uint32_t)(*at - 'a' + 1);
        at++;
    }
    version.base = (struct str){text, (size_t)(at - text)};
    len = strlen(at);
    if (len > 0 && (len < 3 || at[0] != '(' || at[len - 1] != ')'))
        return -1;
    version.variant = len ? (struct str){at + 1, len - 2} : (struct str){"", 0};
    *ret = version;
    return 0;
}

static bool contains(struct str text, struct str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (memcmp(text.data + i, part.data, part.len) == 0)
            return true;
    return false;
}

bool tasmota_version_is_interim(const struct tasmota_version *version)
{
    return contains(version->variant, STR("minimal")) || contains(version->variant, STR("safeboot"));
}

int tasmota_version_compare(const char *a, const char *b, int *ret)
{
    struct tasmota_version first, second;

    if (tasmota_version_parse(a, &first) < 0 || tasmota_version_parse(b, &second) < 0 ||
        tasmota_version_is_interim(&first) || tasmota_version_is_interim(&second))
        return -1;
    *ret = first.number < second.number ? -1 : first.number > second.number;
    return 0;
}

/* The first step that this version has not taken; STEPS when it has taken all. */
static unsigned next_step(const struct tasmota_version *version)
{
    unsigned i = 0;

    while (i < STEPS && steps[i].number <= version->number)
        i++;
    return i;
}

int tasmota_version_check(const struct tasmota_version *running, const struct tasmota_version *image,
                          struct error *err)
{
    unsigned next = next_step(running);
    int len = (int)running->base.len;
    const char *base = running->base.data;

    if (!image && next == STEPS)
        return 0;
    if (!image)
        return error_set(
            err, ERROR_INVALID_ARGUMENTS, NULL,
            "the device runs %.*s, from where updates go by %s, and the version of the image is not "
            "known; say it in the file's name",
            len, base, steps[next].text);
    if (next < STEPS && image->number > steps[next].number)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL,
                         "the device runs %.*s and cannot go to %.*s at once: update it to %s first", len,
                         base, (int)image->base.len, image->base.data, steps[next].text);
    if (next_step(image) < next)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL,
                         "the device runs %.*s, and its settings do not survive the way back from %s to %.*s",
                         len, base, steps[next - 1].text, (int)image->base.len, image->base.data);
    return 0;
}

int tasmota_version_check_gzip(const struct tasmota_version *running, struct error *err)
{
    if (running->number >= GZIP_SINCE)
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENTS, NULL,
                     "the device runs %.*s, which takes compressed images only since 8.2.0: use the .bin",
                     (int)running->base.len, running->base.data);
}
