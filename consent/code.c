/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A code of eight digits: whoever is guessing has CODE_TRIES of 10^8 per code, and one try in TRY_MS on the long run
 * (BURST at once) over all codes, so that a year of guessing finds one with a chance of six in a hundred even if there
 * always were one; a code is there only for CONSENT_CODE_S after somebody asked for it.
 */
#include <string.h>
#include <sys/random.h>

#include "consent/internal.h"

enum {
    CODE_TRIES = 5,
    BURST = 5,
    TRY_MS = 5 * 1000,
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

int consent_code_make(struct consent *consent, char ret_code[CONSENT_CODE_BYTES], struct error *err)
{
    struct consent_code *code = &consent->code;

    for (int i = 0; i < CODE_DIGITS; i++)
        if (draw_digit(&code->digits[i]) < 0) {
            forget(code);
            return error_set(err, ERROR_INTERNAL, NULL, "the system gives no random numbers");
        }
    code->valid = true;
    code->wrong = 0;
    code->good_until = clock_monotonic(&consent->loop->clock) + CONSENT_CODE_S * 1000ull;
    memcpy(ret_code, code->digits, CODE_DIGITS / 2);
    ret_code[CODE_DIGITS / 2] = '-';
    memcpy(ret_code + CODE_DIGITS / 2 + 1, code->digits + CODE_DIGITS / 2, CODE_DIGITS / 2);
    ret_code[CODE_DIGITS + 1] = '\0';
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

    *ret_wait_s = (uint32_t)((rate_wait_ms(&code->tries, now, TRY_MS, BURST) + 999) / 1000);
    if (!rate_take(&code->tries, now, TRY_MS, BURST))
        return CONSENT_CODE_LIMITED;
    if (code->valid && now >= code->good_until)
        forget(code);
    if (!code->valid)
        return CONSENT_CODE_WRONG;
    if (is_right(code, text)) {
        forget(code);
        return CONSENT_CODE_RIGHT;
    }
    if (++code->wrong >= CODE_TRIES)
        forget(code);
    return CONSENT_CODE_WRONG;
}
