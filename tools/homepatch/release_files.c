/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tools/homepatch/release.h"

enum {
    CHUNK_BYTES = 64 << 10,
    KEY_BYTES = 16 << 10,
};

int release_read_file(struct release_options *options, const char *path, size_t max, struct str *ret,
                      struct error *err)
{
    int rc = file_read_text(AT_FDCWD, path, max, &options->arena, ret, err);

    if (rc == 0)
        return error_set_errno(err, ERROR_COMMAND_FAILURE, path, ENOENT, "cannot be read");
    return rc < 0 ? -1 : 0;
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
