/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "release/anchor.h"
#include "release/cms.h"
#include "release/suit.h"
#include "tools/homepatch/release.h"

/* ---- keygen ---- */

static int write_bio(BIO *bio, const char *path, unsigned mode, struct error *err)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    return file_replace(AT_FDCWD, path, (struct str){data, (size_t)len}, mode, (gid_t)-1, err);
}

/* A line of the anchor's file, if the option was given. */
static int put_time(BIO *public, const char *name, const char *option, const char *text, struct error *err)
{
    int64_t time;

    if (!text)
        return 0;
    if (str_to_time(str_of(text), &time) < 0 || time <= 0)
        return error_set(err, ERROR_INVALID_ARGUMENTS, option, "is no time such as 2027-01-31T00:00:00Z");
    BIO_printf(public, "%s: %s\n", name, text);
    return 0;
}

static int write_keys(struct release_options *options, EVP_PKEY *key, BIO *secret, BIO *public,
                      struct error *err)
{
    const char *role = options->role ? options->role : "manufacturer";
    char *key_path = arena_printf(&options->arena, "%s.key", options->file);
    char *anchor_path = arena_printf(&options->arena, "%s.pem", options->file);

    BIO_printf(public, "Role: %s\n", role);
    if (options->vendor)
        BIO_printf(public, "Vendor: %s\n", options->vendor);
    if (put_time(public, "Not-Before", "--not-before", options->not_before, err) < 0 ||
        put_time(public, "Not-After", "--not-after", options->not_after, err) < 0)
        return -1;
    if (!key_path || !anchor_path ||
        PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_PUBKEY(public, key) != 1)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the key");
    if (access(key_path, F_OK) == 0)
        return error_set(err, ERROR_COMMAND_FAILURE, key_path, "is there already; a key is not written over");
    return write_bio(secret, key_path, 0600, err) < 0 ? -1 : write_bio(public, anchor_path, 0644, err);
}

int release_keygen(struct release_options *options, struct error *err)
{
    EVP_PKEY *key;
    BIO *secret, *public;
    int result;

    if (options->role && strcmp(options->role, "manufacturer") != 0 && strcmp(options->role, "operator") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENTS, "--role", "is manufacturer or operator");
    key = options->ed25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen("P-256");
    secret = BIO_new(BIO_s_secmem());
    public = BIO_new(BIO_s_mem());
    if (key && secret && public)
        result = write_keys(options, key, secret, public, err);
    else
        result = error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "cannot make a key");
    BIO_free(secret);
    BIO_free(public);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return result;
}

/* ---- sign, co-sign ---- */

static int sign_manifest(struct release_options *options, struct str manifest, EVP_PKEY *key, bool co_sign,
                         struct error *err)
{
    const char *to = options->output ? options->output
                                     : arena_printf(&options->arena, "%s.p7s", options->file);
    struct str pem, before = {"", 0};
    X509 *certificate = NULL;
    EVP_PKEY *public = NULL;
    struct release release = {0};
    struct buf buf;
    int result;

    if (!options->certificate)
        return error_set(err, ERROR_INVALID_ARGUMENTS, "--certificate",
                         "is missing: a CMS signature names its signer by it");
    if (cms_read(manifest, NULL, &release, err) < 0 ||
        release_read_file(options, options->certificate, ANCHOR_PEM_BYTES, &pem, err) < 0 ||
        anchor_parse(pem, &public, &certificate, err) < 0)
        return -1;
    EVP_PKEY_free(public);
    if (!certificate)
        return error_set(err, ERROR_COMMAND_FAILURE, options->certificate, "is no certificate in PEM");
    result = co_sign ? release_read_file(options, to, CMS_SIGNATURE_BYTES, &before, err) : 0;
    buf_init(&buf, CMS_SIGNATURE_BYTES, 0);
    if (result == 0)
        result = cms_make(&buf, manifest, before, key, certificate, err);
    if (result == 0)
        result = file_replace(AT_FDCWD, to, (struct str){(const char *)buf_data(&buf), buf.len}, 0644,
                              (gid_t)-1, err);
    buf_done(&buf);
    X509_free(certificate);
    return result;
}

static int check_signed(struct str envelope, bool co_sign, struct error *err)
{
    struct suit_envelope read;

    if (suit_read(envelope, true, &read, err) < 0)
        return -1;
    if (co_sign && !read.blocks_count)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "it is not signed yet: sign it first");
    if (!co_sign && read.blocks_count)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL,
                         "it is signed already: co-sign adds another signature");
    return 0;
}

static int sign_envelope(struct release_options *options, struct str envelope, EVP_PKEY *key, bool co_sign,
                         struct error *err)
{
    struct buf buf;
    int result;

    if (check_signed(envelope, co_sign, err) < 0)
        return -1;
    buf_init(&buf, 2 * LIMIT_IMAGE_BYTES, 0);
    result = suit_sign(envelope, key, &buf, err);
    if (result == 0)
        result = file_replace(AT_FDCWD, options->output ? options->output : options->file,
                              (struct str){(const char *)buf_data(&buf), buf.len}, 0644, (gid_t)-1, err);
    buf_done(&buf);
    return result;
}

int release_sign(struct release_options *options, struct error *err)
{
    bool co_sign = strcmp(options->command, "co-sign") == 0;
    EVP_PKEY *key;
    struct str bytes;
    int result;

    if (!options->key)
        return error_set(err, ERROR_INVALID_ARGUMENTS, "--key", "is missing");
    if (release_read_file(options, options->file, 2 * LIMIT_IMAGE_BYTES, &bytes, err) < 0)
        return -1;
    key = release_private_key(options, options->key, err);
    if (!key)
        return -1;
    result = cms_is_manifest(bytes) ? sign_manifest(options, bytes, key, co_sign, err)
                                    : sign_envelope(options, bytes, key, co_sign, err);
    EVP_PKEY_free(key);
    return result;
}
