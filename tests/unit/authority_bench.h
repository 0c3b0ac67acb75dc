/* SPDX-License-Identifier: BSD-3-Clause */
/* A device authority in a folder of the test's own, on a clock that the test moves, and requests of devices for it. */
#ifndef TESTS_UNIT_AUTHORITY_BENCH_H
#define TESTS_UNIT_AUTHORITY_BENCH_H

#include "devices/authority/authority.h"

enum {
    BENCH_PATH_BYTES = 128,
};

struct authority_bench {
    char folder[BENCH_PATH_BYTES];
    char manufacturers[BENCH_PATH_BYTES]; /* "": none */
    struct clock clock;
    struct timers timers;
    struct store *store;
    struct authority *authority;
    bool undated;
    uint32_t days;
    struct observer observer;
    unsigned events[AUTHORITY_LISTED + 1];
    struct error err; /* of the last request */
};

void authority_bench_init(struct authority_bench *bench);
void authority_bench_done(struct authority_bench *bench);
/* Makes the authority. -1: err says why not. */
int authority_bench_open(struct authority_bench *bench, struct error *err);
/* The program ends and starts again. */
void authority_bench_restart(struct authority_bench *bench);
void authority_bench_advance(struct authority_bench *bench, uint64_t seconds);
char *authority_bench_path(const struct authority_bench *bench, const char *name, char to[BENCH_PATH_BYTES]);

/* PKCS #10 in base64, malloc'ed. name, uri: NULL for none. digest: NULL for SHA-256. */
char *authority_bench_csr(EVP_PKEY *key, const char *name, const char *uri, const EVP_MD *digest);
/* A certificate of the manufacturer's root for the device. serial: NULL for none. */
X509 *authority_bench_idevid(EVP_PKEY *key, X509 *root, EVP_PKEY *root_key, const char *serial);

struct authority_bench_ask {
    const char *name;
    const char *code;  /* NULL: none */
    X509 *certificate; /* that is shown, NULL: none */
    X509 *root;        /* and who vouches for it; NULL: the authority itself */
    const char *peer;  /* NULL: 192.168.1.2 */
    bool renews;
};

/* The certificate goes to *ret unless that is NULL. */
enum authority_verdict authority_bench_ask(struct authority_bench *bench,
                                           const struct authority_bench_ask *ask, X509 **ret);
/* A code for the name ("" for any) that has to be given out. */
void authority_bench_code(struct authority_bench *bench, const char *name, char code[CODE_BYTES]);

#endif
