/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/authority/codes.h"

#include "base/limits.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum {
    SIGNS = 8,
    HALF = 4,
    /* Wrong codes: of one address, and of all. With forty bits and sixteen codes an hour of guessing finds one in 10^7. */
    GUESS_INTERVAL_MS = 10000,
    GUESS_BURST = 5,
    GUESSES_INTERVAL_MS = 1000,
    GUESSES_BURST = 20,
};

/* Nothing in it looks like something else. */
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static bool is_live(const struct code *code, uint64_t now)
{
    return code->expires > now;
}

static int digest(const char signs[SIGNS], uint8_t to[CODE_DIGEST_BYTES])
{
    return EVP_Digest(signs, SIGNS, to, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}

void codes_use(struct code *code)
{
    OPENSSL_cleanse(code, sizeof(*code));
}

void codes_clear(struct codes *codes)
{
    for (size_t i = 0; i < LIMIT_ENROLMENT_CODES; i++)
        codes_use(&codes->code[i]);
}

unsigned codes_count(const struct codes *codes, uint64_t now)
{
    unsigned count = 0;

    for (size_t i = 0; i < LIMIT_ENROLMENT_CODES; i++)
        count += is_live(&codes->code[i], now);
    return count;
}

int codes_add(struct codes *codes, const char *name, uint64_t now, uint64_t lifetime_ms, char ret[CODE_BYTES],
              struct error *err)
{
    struct code *code = NULL;
    uint8_t random[SIGNS];
    char signs[SIGNS];

    for (size_t i = 0; !code && i < LIMIT_ENROLMENT_CODES; i++)
        if (!is_live(&codes->code[i], now))
            code = &codes->code[i];
    if (!code)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                         "%u enrolment codes wait to be used: wait until one expires, or cancel them",
                         LIMIT_ENROLMENT_CODES);
    if (RAND_bytes(random, sizeof(random)) != 1)
        return error_set(err, ERROR_INTERNAL, NULL, "there is no randomness");
    for (size_t i = 0; i < SIGNS; i++)
        signs[i] = alphabet[random[i] % 32];
    if (digest(signs, code->digest) < 0)
        return error_set(err, ERROR_INTERNAL, NULL, "SHA-256 cannot be computed");
    str_copy(code->name, sizeof(code->name), name);
    code->expires = now + lifetime_ms;
    memcpy(ret, signs, HALF);
    ret[HALF] = '-';
    memcpy(ret + HALF + 1, signs + HALF, SIGNS - HALF);
    ret[SIGNS + 1] = '\0';
    OPENSSL_cleanse(signs, sizeof(signs));
    OPENSSL_cleanse(random, sizeof(random));
    return 0;
}

/* As people copy it: with hyphens and blanks, in small letters, O for 0. */
static int normalize(struct str text, char to[SIGNS])
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '-' || c == ' ')
            continue;
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        c = (char)(c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c);
        if (count == SIGNS || !c || !strchr(alphabet, c))
            return -1;
        to[count++] = c;
    }
    return count == SIGNS ? 0 : -1;
}

/* The address's allowance. When all places are taken by others who guess, the last one is shared. */
static struct rate *guesser(struct codes *codes, const char *peer, uint64_t now)
{
    size_t free = LIMIT_CODE_GUESSERS - 1;

    for (size_t i = 0; i < LIMIT_CODE_GUESSERS; i++) {
        if (strcmp(codes->guessers[i].address, peer) == 0)
            return &codes->guessers[i].wrong;
        if (rate_idle(&codes->guessers[i].wrong, now))
            free = i;
    }
    str_copy(codes->guessers[free].address, CODE_ADDRESS_BYTES, peer);
    return &codes->guessers[free].wrong;
}

enum code_verdict codes_check(struct codes *codes, struct str text, const char *peer, uint64_t now,
                              struct code **ret)
{
    struct rate *own = guesser(codes, peer, now);
    struct rate own_next = *own;
    struct rate all_next = codes->wrong;
    uint8_t wanted[CODE_DIGEST_BYTES];
    char signs[SIGNS];
    bool is_code;

    /* Before it is looked at, or the limit would tell who was right. */
    if (!rate_take(&own_next, now, GUESS_INTERVAL_MS, GUESS_BURST) ||
        !rate_take(&all_next, now, GUESSES_INTERVAL_MS, GUESSES_BURST))
        return CODE_TOO_MANY;
    is_code = normalize(text, signs) == 0 && digest(signs, wanted) == 0;
    for (size_t i = 0; is_code && i < LIMIT_ENROLMENT_CODES; i++) {
        if (is_live(&codes->code[i], now) &&
            CRYPTO_memcmp(codes->code[i].digest, wanted, CODE_DIGEST_BYTES) == 0) {
            *ret = &codes->code[i];
            return CODE_RIGHT;
        }
    }
    *own = own_next;
    codes->wrong = all_next;
    return CODE_WRONG;
}
