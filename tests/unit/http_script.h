/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP servers in processes of their own that answer by script, well and badly: the path says how. */
#ifndef TESTS_UNIT_HTTP_SCRIPT_H
#define TESTS_UNIT_HTTP_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/pki.h"
#include "tests/unit/process.h"

enum {
    HTTP_SCRIPT_BYTES = 300000,
};

struct http_script {
    pid_t pid;
    uint16_t port;
    SSL *ssl;
    int fd;
};

/* The file's bytes. */
static inline uint8_t http_script_byte(uint64_t at)
{
    return (uint8_t)(at * 7 + at / 251);
}

/* certificate: the name of a file of the pki, for TLS; NULL for none. */
void http_script_start(struct http_script *server, const struct pki *pki, const char *certificate);

#endif
