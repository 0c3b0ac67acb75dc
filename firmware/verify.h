/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Digests of image files: the algorithms that TR-181 Download() names. The functions that read files may block and are
 * called on workers; they touch nothing but their arguments. Nothing here owns memory.
 */
#ifndef FIRMWARE_VERIFY_H
#define FIRMWARE_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum verify_algorithm {
    VERIFY_SHA1,
    VERIFY_SHA224,
    VERIFY_SHA256,
    VERIFY_SHA384,
    VERIFY_SHA512,
    VERIFY_ALGORITHMS,
};

enum {
    VERIFY_BYTES = 64,             /* the longest digest */
    VERIFY_HEX_BYTES = 2 * 64 + 1, /* the same in hexadecimal, terminated */
    VERIFY_SHA256_HEX_BYTES = 2 * 32 + 1,
};

/* TR-181's name of the algorithm, and the length of its digest in bytes. */
const char *verify_algorithm_text(enum verify_algorithm algorithm);
size_t verify_algorithm_bytes(enum verify_algorithm algorithm);
/* -1 when the name is none of TR-181's. */
int verify_algorithm_parse(const char *name, enum verify_algorithm *ret);

/* A checksum that a command gave: none when algorithm is VERIFY_ALGORITHMS. */
struct verify_checksum {
    enum verify_algorithm algorithm;
    char hex[VERIFY_HEX_BYTES]; /* lower case */
};

/*
 * Both NULL or "": none. -1 and err (7027) when one is missing, the algorithm is unknown, or the checksum is not that
 * many hexadecimal digits.
 */
int verify_checksum_parse(const char *algorithm, const char *checksum, struct verify_checksum *ret,
                          struct error *err);

struct verify_result {
    uint64_t size;
    char sha256[VERIFY_SHA256_HEX_BYTES];
    char other[VERIFY_HEX_BYTES]; /* by the algorithm that was asked for, or "" */
};

/* Worker: reads the whole file once and gives its SHA-256 and, unless it is VERIFY_ALGORITHMS, another digest. */
int verify_file(int fd, enum verify_algorithm other, struct verify_result *ret, struct error *err);

/* SHA-256 of a few bytes in hexadecimal, for names. -1 when memory is out. */
int verify_bytes(const void *data, size_t len, char ret_hex[VERIFY_SHA256_HEX_BYTES]);

#endif
