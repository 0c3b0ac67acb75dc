/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A code of twelve digits. All who try have one try in TRY_MS on the long run (TRY_BURST at once), which makes 120,200 tries
 * in a code's life: one in eight million codes is guessed, whoever guesses from however many addresses. A code does not fall
 * after wrong tries: then anybody could take it from the resident. A year of trying, with a code there all the time, finds
 * one with a chance of 0.6 in a hundred. How many are made is limited too (MAKE_MS): each makes the one before void.
 */
#include <string.h>
#include <sys/random.h>

#include "consent/internal.h"

enum {
    TRY_MS = 5,
    TRY_BURST = 200,
    MAKE_MS = 30 * 1000,
    MAKE_BURST = 10,
    GROUP = 4, /* digits between dashes */
};

static void forget(struct consent_code *code)
{
    explicit_bzero(code->digits, sizeof(code->digits));
    code->valid = false;
}

/* Without the bias of a plain remainder. */
static int draw_digit(char *ret)
{
    uint8_t byte;

    do {
        if (getrandom(&byte, 1, 0) != 1)
            return -1;
    } while (byte >= 250);
    *ret = (char)('0' + byte % 10);
    return 0;
}

static void spell(const struct consent_code *code, char ret[CONSENT_CODE_BYTES])
{
    size_t len = 0;

    for (int i = 0; i < CODE_DIGITS; i++) {
        if (i && i % GROUP == 0)
            ret[len++] = '-';
        ret[len++] = code->digits[i];
    }
    ret[len] = '\0';
}

int consent_code_make(struct consent *consent, char ret_code[CONSENT_CODE_BYTES], struct error *err)
{
    uint64_t now = clock_monotonic(&consent->loop->clock);
    struct consent_code *code = &consent->code;

    if (!rate_take(&code->made, now, MAKE_MS, MAKE_BURST))
        return error_set(err, ERROR_COMMAND_FAILURE, NULL,
                         "too many sign-in codes were made; the next one can be made in %u s",
                         (unsigned)((rate_wait_ms(&code->made, now, MAKE_MS, MAKE_BURST) + 999) / 1000));
    for (int i = 0; i < CODE_DIGITS; i++)
        if (draw_digit(&code->digits[i]) < 0) {
            forget(code);
            return error_set(err, ERROR_INTERNAL, NULL, "the system gives no random numbers");
        }
    code->valid = true;
    code->good_until = now + CONSENT_CODE_S * 1000ull;
    spell(code, ret_code);
    return 0;
}

/* Compares all digits whatever they are, so that time tells nothing. */
static bool is_right(const struct consent_code *code, const char *text)
{
    unsigned difference = 0;
    size_t count = 0;

    for (; *text; text++) {
        if (*text == '-' || *text == ' ')
            continue;
        if (count < CODE_DIGITS)
            difference |= (unsigned char)(*text ^ code->digits[count]);
        count++;
    }
    return count == CODE_DIGITS && !difference;
}

enum consent_code_outcome consent_code_check(struct consent *consent, const char *text, uint32_t *ret_wait_s)
{
    struct consent_code *code = &consent->code;
    uint64_t now = clock_monotonic(&consent->loop->clock);

    *ret_wait_s = (uint32_t)((rate_wait_ms(&code->tries, now, TRY_MS, TRY_BURST) + 999) / 1000);
    if (!rate_take(&code->tries, now, TRY_MS, TRY_BURST))
        return CONSENT_CODE_LIMITED;
    if (code->valid && now >= code->good_until)
        forget(code);
    if (!code->valid)
        return CONSENT_CODE_WRONG;
    if (!is_right(code, text))
        return CONSENT_CODE_WRONG;
    forget(code);
    return CONSENT_CODE_RIGHT;
}
