/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/verify.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 128 << 10,
};

struct algorithm {
    const char *name;
    size_t bytes;
    const EVP_MD *(*digest)(void);
};

static const struct algorithm algorithms[VERIFY_ALGORITHMS] = {
    [VERIFY_SHA1] = {"SHA-1", 20, EVP_sha1},       [VERIFY_SHA224] = {"SHA-224", 28, EVP_sha224},
    [VERIFY_SHA256] = {"SHA-256", 32, EVP_sha256}, [VERIFY_SHA384] = {"SHA-384", 48, EVP_sha384},
    [VERIFY_SHA512] = {"SHA-512", 64, EVP_sha512},
};

const char *verify_algorithm_text(enum verify_algorithm algorithm)
{
    return algorithm < VERIFY_ALGORITHMS ? algorithms[algorithm].name : "";
}

size_t verify_algorithm_bytes(enum verify_algorithm algorithm)
{
    return algorithm < VERIFY_ALGORITHMS ? algorithms[algorithm].bytes : 0;
}

int verify_algorithm_parse(const char *name, enum verify_algorithm *ret)
{
    for (int i = 0; i < VERIFY_ALGORITHMS; i++) {
        if (strcmp(name, algorithms[i].name) == 0) {
            *ret = (enum verify_algorithm)i;
            return 0;
        }
    }
    return -1;
}

int verify_checksum_parse(const char *algorithm, const char *checksum, struct verify_checksum *ret,
                          struct error *err)
{
    uint8_t bytes[VERIFY_BYTES];
    int len;

    *ret = (struct verify_checksum){.algorithm = VERIFY_ALGORITHMS};
    algorithm = algorithm ? algorithm : "";
    checksum = checksum ? checksum : "";
    if (!*algorithm && !*checksum)
        return 0;
    if (!*checksum)
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, "CheckSum",
                         "CheckSumAlgorithm is given without CheckSum");
    if (!*algorithm)
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, "CheckSumAlgorithm",
                         "CheckSum is given without CheckSumAlgorithm");
    if (verify_algorithm_parse(algorithm, &ret->algorithm) < 0)
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, "CheckSumAlgorithm",
                         "\"%.32s\" is not SHA-1, SHA-224, SHA-256, SHA-384 or SHA-512", algorithm);
    len = str_from_hex(str_of(checksum), bytes, sizeof(bytes));
    if (len < 0 || (size_t)len != algorithms[ret->algorithm].bytes) {
        enum verify_algorithm named = ret->algorithm;

        ret->algorithm = VERIFY_ALGORITHMS;
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, "CheckSum",
                         "a %s checksum is %zu hexadecimal digits", algorithms[named].name,
                         2 * algorithms[named].bytes);
    }
    str_to_hex(ret->hex, bytes, (size_t)len);
    return 0;
}

static EVP_MD_CTX *begin(enum verify_algorithm algorithm)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx && EVP_DigestInit_ex(ctx, algorithms[algorithm].digest(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static int finish(EVP_MD_CTX *ctx, char *hex)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned len;

    if (EVP_DigestFinal_ex(ctx, bytes, &len) != 1)
        return -1;
    str_to_hex(hex, bytes, len);
    return 0;
}

static int digest_all(int fd, uint8_t *chunk, EVP_MD_CTX *sha256, EVP_MD_CTX *other, uint64_t *ret_size)
{
    uint64_t size = 0;
    ssize_t n;

    while ((n = pread(fd, chunk, CHUNK_BYTES, (off_t)size)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (EVP_DigestUpdate(sha256, chunk, (size_t)n) != 1 ||
            (other && EVP_DigestUpdate(other, chunk, (size_t)n) != 1)) {
            errno = ENOMEM;
            return -1;
        }
        size += (uint64_t)n;
    }
    *ret_size = size;
    return 0;
}

int verify_file(int fd, enum verify_algorithm other, struct verify_result *ret, struct error *err)
{
    bool two = other != VERIFY_ALGORITHMS && other != VERIFY_SHA256;
    EVP_MD_CTX *first = begin(VERIFY_SHA256);
    EVP_MD_CTX *second = two ? begin(other) : NULL;
    uint8_t *chunk = malloc(CHUNK_BYTES);
    int result = -1;

    *ret = (struct verify_result){0};
    if (!first || (two && !second) || !chunk) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to compute a checksum");
    } else if (digest_all(fd, chunk, first, second, &ret->size) < 0) {
        error_set_errno(err, ERROR_INTERNAL, NULL, errno, "cannot read the image back");
    } else if (finish(first, ret->sha256) < 0 || (second && finish(second, ret->other) < 0)) {
        error_set(err, ERROR_INTERNAL, NULL, "cannot compute a checksum");
    } else {
        if (other == VERIFY_SHA256)
            str_copy(ret->other, sizeof(ret->other), ret->sha256);
        result = 0;
    }
    free(chunk);
    EVP_MD_CTX_free(first);
    EVP_MD_CTX_free(second);
    return result;
}

int verify_bytes(const void *data, size_t len, char ret_hex[VERIFY_SHA256_HEX_BYTES])
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned digest_len;

    if (EVP_Digest(data, len, bytes, &digest_len, EVP_sha256(), NULL) != 1)
        return -1;
    str_to_hex(ret_hex, bytes, digest_len);
    return 0;
}
