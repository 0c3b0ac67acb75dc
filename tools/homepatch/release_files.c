/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/homepatch/release.h"

enum {
    CHUNK_BYTES = 64 << 10,
    KEY_BYTES = 16 << 10,
};

int release_read_file(struct release_options *options, const char *path, size_t max, struct str *ret,
                      struct error *err)
{
    FILE *file = fopen(path, "re");
    struct stat status;
    char *text;
    size_t len;

    if (!file || fstat(fileno(file), &status) < 0) {
        error_set_errno(err, ERROR_COMMAND_FAILURE, path, errno, "cannot be read");
        if (file)
            fclose(file);
        return -1;
    }
    if ((uint64_t)status.st_size > max) {
        fclose(file);
        return error_set(err, ERROR_COMMAND_FAILURE, path, "is longer than %zu bytes", max);
    }
    text = arena_alloc(&options->arena, (size_t)status.st_size + 1);
    len = text ? fread(text, 1, (size_t)status.st_size, file) : 0;
    fclose(file);
    if (!text || len != (size_t)status.st_size)
        return error_set(err, ERROR_COMMAND_FAILURE, path, "cannot be read whole");
    *ret = (struct str){text, len};
    return 0;
}

static int write_all(int fd, struct str content)
{
    while (content.len) {
        ssize_t n = write(fd, content.data, content.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        content.data += n;
        content.len -= (size_t)n;
    }
    return fsync(fd);
}

int release_write_file(const char *path, struct str content, unsigned mode, struct error *err)
{
    char *part = NULL;
    int fd, rc;

    if (asprintf(&part, "%s.part", path) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory");
    unlink(part);
    fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    rc = fd < 0 ? -1 : write_all(fd, content);
    if (rc == 0)
        rc = rename(part, path);
    if (rc < 0)
        error_set_errno(err, ERROR_COMMAND_FAILURE, path, errno, "cannot be written");
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        unlink(part);
    free(part);
    return rc;
}

/* A key that others may read is no secret. */
static int check_mode(const char *path, struct error *err)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return error_set_errno(err, ERROR_COMMAND_FAILURE, path, errno, "cannot be read");
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(err, ERROR_COMMAND_FAILURE, path, "others may read this private key: chmod 600 it");
    return 0;
}

EVP_PKEY *release_private_key(struct release_options *options, const char *path, struct error *err)
{
    EVP_PKEY *key = NULL;
    struct str pem;
    BIO *bio;

    if (check_mode(path, err) < 0 || release_read_file(options, path, KEY_BYTES, &pem, err) < 0)
        return NULL;
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (bio)
        key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    explicit_bzero((char *)pem.data, pem.len);
    ERR_clear_error();
    if (!key)
        error_set(err, ERROR_COMMAND_FAILURE, path, "is no private key in PEM");
    return key;
}

int release_digest_file(const char *path, uint8_t ret_digest[32], uint64_t *ret_size, struct error *err)
{
    FILE *file = fopen(path, "re");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t *chunk = malloc(CHUNK_BYTES);
    int ok = file && ctx && chunk && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    size_t n;

    *ret_size = 0;
    while (ok && (n = fread(chunk, 1, CHUNK_BYTES, file)) > 0) {
        ok = EVP_DigestUpdate(ctx, chunk, n) == 1;
        *ret_size += n;
    }
    ok = ok && !ferror(file) && EVP_DigestFinal_ex(ctx, ret_digest, NULL) == 1;
    if (!ok)
        error_set_errno(err, ERROR_COMMAND_FAILURE, path, errno, "cannot be read");
    else if (!*ret_size)
        ok = error_set(err, ERROR_COMMAND_FAILURE, path, "is empty") == 0;
    if (file)
        fclose(file);
    EVP_MD_CTX_free(ctx);
    free(chunk);
    return ok ? 0 : -1;
}
