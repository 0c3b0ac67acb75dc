/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/anchor.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct anchors *anchors_new(void)
{
    struct anchors *anchors = calloc(1, sizeof(*anchors));

    if (anchors)
        anchors->refs = 1;
    return anchors;
}

struct anchors *anchors_ref(struct anchors *anchors)
{
    if (anchors)
        anchors->refs++;
    return anchors;
}

void anchors_unref(struct anchors *anchors)
{
    if (!anchors || --anchors->refs)
        return;
    for (unsigned i = 0; i < anchors->count; i++) {
        EVP_PKEY_free(anchors->list[i].key);
        X509_free(anchors->list[i].certificate);
        free(anchors->list[i].file);
    }
    free(anchors);
}

/* ---- keys ---- */

int anchor_key_id(EVP_PKEY *key, uint8_t ret[ANCHOR_ID_BYTES])
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    int rc = len > 0 && EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;

    OPENSSL_free(der);
    ERR_clear_error();
    return rc;
}

int anchor_parse(struct str pem, EVP_PKEY **ret_key, X509 **ret_certificate, struct error *err)
{
    BIO *bio = pem.len <= ANCHOR_PEM_BYTES ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;

    if (bio)
        key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    if (bio && !key && BIO_reset(bio) == 1)
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (certificate)
        key = X509_get_pubkey(certificate);
    BIO_free(bio);
    ERR_clear_error();
    if (!key) {
        X509_free(certificate);
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "it is neither a public key nor a certificate in PEM (at most %d bytes)",
                         ANCHOR_PEM_BYTES);
    }
    *ret_key = key;
    *ret_certificate = certificate;
    return 0;
}

int anchor_write(const struct anchor *anchor, struct buf *to)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len = 0;

    if (bio && (anchor->certificate ? PEM_write_bio_X509(bio, anchor->certificate)
                                    : PEM_write_bio_PUBKEY(bio, anchor->key)) == 1)
        len = BIO_get_mem_data(bio, &text);
    if (len > 0)
        buf_append(to, text, (size_t)len);
    BIO_free(bio);
    ERR_clear_error();
    return len > 0 && !to->failed ? 0 : -1;
}

bool anchor_is_cose_key(EVP_PKEY *key)
{
    char group[32] = "";

    if (EVP_PKEY_is_a(key, "ED25519"))
        return true;
    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_utf8_string_param(key, "group", group, sizeof(group), NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static const struct anchor *same(const struct anchors *anchors, const struct anchor *anchor)
{
    for (unsigned i = 0; i < anchors->count; i++) {
        const struct anchor *other = &anchors->list[i];

        if (memcmp(other->id, anchor->id, sizeof(other->id)) == 0 && other->role == anchor->role &&
            strcasecmp(other->vendor, anchor->vendor) == 0)
            return other;
    }
    return NULL;
}

static bool is_same_key(const struct anchor *a, const struct anchor *b)
{
    return memcmp(a->id, b->id, sizeof(a->id)) == 0;
}

/* A key that is known to others counts nowhere any more. */
static void spread_revocation(struct anchors *anchors, struct anchor *added)
{
    for (unsigned i = 0; i < anchors->count; i++)
        if (is_same_key(&anchors->list[i], added))
            added->revoked = added->revoked || anchors->list[i].revoked;
    for (unsigned i = 0; i < anchors->count; i++)
        if (is_same_key(&anchors->list[i], added))
            anchors->list[i].revoked = added->revoked;
}

static int check(const struct anchors *anchors, struct anchor *anchor, struct error *err)
{
    const struct anchor *other;

    if (anchor_key_id(anchor->key, anchor->id) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the key");
    if (!anchor->certificate && !anchor_is_cose_key(anchor->key))
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "the key is neither Ed25519 nor EC P-256: releases are signed with those");
    other = same(anchors, anchor);
    if (other && !anchor->revoked)
        return error_set(err, ERROR_VALUE_CONFLICT, NULL, "this key is an anchor already, \"%s\"",
                         other->name);
    return 0;
}

/* Takes over key and certificate, and copies the name of the file. */
static int append(struct anchors *anchors, struct anchor *anchor, struct error *err)
{
    char *file = anchor->file ? strdup(anchor->file) : NULL;

    if (anchor->file && !file)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    anchor->file = file;
    spread_revocation(anchors, anchor);
    anchors->list[anchors->count++] = *anchor;
    return 0;
}

int anchors_add(struct anchors *anchors, const struct anchor *anchor, struct str pem, struct error *err)
{
    struct anchor to = *anchor;

    if (anchors->count == LIMIT_ANCHORS)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "there are %u trust anchors already",
                         LIMIT_ANCHORS);
    if (anchor_parse(pem, &to.key, &to.certificate, err) < 0)
        return -1;
    if (check(anchors, &to, err) == 0 && append(anchors, &to, err) == 0)
        return 0;
    EVP_PKEY_free(to.key);
    X509_free(to.certificate);
    return -1;
}

bool anchors_revoke(struct anchors *anchors, const uint8_t id[ANCHOR_ID_BYTES])
{
    bool known = false;

    for (unsigned i = 0; i < anchors->count; i++) {
        if (memcmp(anchors->list[i].id, id, ANCHOR_ID_BYTES) != 0)
            continue;
        anchors->list[i].revoked = true;
        known = true;
    }
    return known;
}

int anchors_copy(struct anchors *to, const struct anchors *from, struct error *err)
{
    for (unsigned i = 0; from && i < from->count; i++) {
        struct anchor anchor = from->list[i];

        if (to->count == LIMIT_ANCHORS)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "there are %u trust anchors already",
                             LIMIT_ANCHORS);
        if (append(to, &anchor, err) < 0)
            return -1;
        EVP_PKEY_up_ref(anchor.key);
        if (anchor.certificate)
            X509_up_ref(anchor.certificate);
    }
    return 0;
}

/* ---- files ---- */

static int set_time(struct str value, int64_t *ret, struct error *err)
{
    return str_to_time(value, ret) < 0 ? error_set(err, ERROR_INVALID_CONFIGURATION, NULL,
                                                   "\"%.*s\" is no time such as 2027-01-31T00:00:00Z",
                                                   (int)(value.len > 40 ? 40 : value.len), value.data)
                                       : 0;
}

static int set_text(struct str value, char to[ANCHOR_NAME_BYTES], struct error *err)
{
    if (value.len >= ANCHOR_NAME_BYTES || !str_is_utf8(value))
        return error_set(err, ERROR_INVALID_CONFIGURATION, NULL, "a name is longer than %d bytes",
                         ANCHOR_NAME_BYTES - 1);
    memcpy(to, value.data, value.len);
    to[value.len] = '\0';
    return 0;
}

static int set_line(struct anchor *anchor, struct str name, struct str value, struct error *err)
{
    if (str_is(name, "Role") && str_is(value, "operator"))
        anchor->role = RELEASE_OPERATOR;
    else if (str_is(name, "Role") && str_is(value, "manufacturer"))
        anchor->role = RELEASE_MANUFACTURER;
    else if (str_is(name, "Vendor"))
        return set_text(value, anchor->vendor, err);
    else if (str_is(name, "Not-Before"))
        return set_time(value, &anchor->not_before, err);
    else if (str_is(name, "Not-After"))
        return set_time(value, &anchor->not_after, err);
    else if (!str_is(name, "Revoked") || str_to_bool(value, &anchor->revoked) < 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, NULL,
                         "\"%.*s: %.*s\" is not understood; there are Role (manufacturer, operator), Vendor, "
                         "Not-Before, Not-After and Revoked",
                         (int)(name.len > 40 ? 40 : name.len), name.data,
                         (int)(value.len > 40 ? 40 : value.len), value.data);
    return 0;
}

/* The lines before the first PEM block; *text is what is left. */
static int read_lines(struct anchor *anchor, struct str *text, struct error *err)
{
    struct str rest = *text, line;

    while (*text = rest, str_next(&rest, '\n', &line)) {
        const char *colon;

        line = str_trim(line);
        if (str_starts(line, STR("-----BEGIN ")))
            return 0;
        if (!line.len || line.data[0] == '#')
            continue;
        colon = memchr(line.data, ':', line.len);
        if (!colon)
            return error_set(err, ERROR_INVALID_CONFIGURATION, NULL,
                             "a line before the key is no \"Name: value\"");
        if (set_line(anchor, (struct str){line.data, (size_t)(colon - line.data)},
                     str_trim((struct str){colon + 1, (size_t)(line.data + line.len - colon - 1)}), err) < 0)
            return -1;
    }
    return error_set(err, ERROR_INVALID_CONFIGURATION, NULL, "there is no PEM block in it");
}

int anchors_read_file(struct anchors *anchors, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    struct anchor anchor = {.role = RELEASE_MANUFACTURER};
    char text[ANCHOR_PEM_BYTES + 1], own[ANCHOR_PATH_BYTES];
    FILE *file = fopen(path, "re");
    size_t len;
    struct str rest;

    if (!file)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, path, errno, "cannot read the trust anchor");
    len = fread(text, 1, sizeof(text), file);
    fclose(file);
    if (len > ANCHOR_PEM_BYTES)
        return error_set(err, ERROR_INVALID_CONFIGURATION, path, "it is longer than %d bytes",
                         ANCHOR_PEM_BYTES);
    rest = (struct str){text, len};
    str_copy(anchor.name, sizeof(anchor.name), slash ? slash + 1 : path);
    str_copy(own, sizeof(own), path);
    anchor.file = own;
    if (read_lines(&anchor, &rest, err) < 0 || anchors_add(anchors, &anchor, rest, err) < 0) {
        if (err)
            str_copy(err->path, sizeof(err->path), path);
        return -1;
    }
    return 0;
}

static int is_pem(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 4 && strcmp(entry->d_name + len - 4, ".pem") == 0;
}

int anchors_read(struct anchors *anchors, const char *dir, struct error *err)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, is_pem, alphasort);
    int result = 0;

    if (count < 0)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, dir, errno, "cannot read the trust anchors");
    for (int i = 0; i < count; i++) {
        char path[ANCHOR_PATH_BYTES];

        snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        if (result == 0)
            result = anchors_read_file(anchors, path, err);
        free(entries[i]);
    }
    free(entries);
    return result;
}

/* ---- who counts ---- */

static const char *objection(const struct anchor *anchor, const struct release_identity *identity,
                             int64_t now)
{
    if (anchor->revoked)
        return "it was revoked";
    if (anchor->disabled)
        return "it is disabled";
    if (anchor->not_before && now < anchor->not_before)
        return "it is not valid yet";
    if (anchor->not_after && now > anchor->not_after)
        return "it has expired";
    if (identity && *anchor->vendor && strcasecmp(anchor->vendor, identity->vendor) != 0)
        return "it is for another vendor's devices";
    return NULL;
}

bool anchor_counts(const struct anchor *anchor, const struct release_identity *identity, int64_t now,
                   const char **ret_why)
{
    const char *why = objection(anchor, identity, now);

    if (ret_why)
        *ret_why = why;
    return !why;
}

void anchor_signed(const struct anchor *anchor, struct release *release)
{
    size_t len = strlen(release->signers);

    release->roles |= anchor->role;
    snprintf(release->signers + len, sizeof(release->signers) - len, "%s%s (%s)", len ? ", " : "",
             anchor->name, anchor->role == RELEASE_OPERATOR ? "operator" : "manufacturer");
    release->signers[str_whole(str_of(release->signers))] = '\0';
}
