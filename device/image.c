/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/image.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const char MAGIC[] = "homepatch-device image 1";

/* By enum image_behaviour. */
static const char *const behaviours[] = {"good", "dead", "mute"};

enum {
    LINE_BYTES = 256,
    LINES_MAX = 16,
    DIGEST_BYTES = 32,
    CHUNK_BYTES = 16384,
};

struct head {
    struct image image;
    uint8_t sha256[DIGEST_BYTES];
    bool has_size, has_sha256;
};

int image_behaviour_parse(const char *word, enum image_behaviour *ret)
{
    for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
        if (strcmp(word, behaviours[i]) == 0) {
            *ret = (enum image_behaviour)i;
            return 0;
        }
    }
    return -1;
}

static int take_text(char to[IMAGE_TEXT_BYTES], struct str value)
{
    if (value.len == 0 || value.len >= IMAGE_TEXT_BYTES || !str_is_utf8(value))
        return -1;
    memcpy(to, value.data, value.len);
    to[value.len] = '\0';
    return 0;
}

static int take_line(struct head *head, struct str line)
{
    char word[IMAGE_TEXT_BYTES];
    struct str key;

    if (!str_next(&line, '=', &key))
        return -1;
    key = str_trim(key);
    line = str_trim(line);
    if (str_is(key, "model"))
        return take_text(head->image.model, line);
    if (str_is(key, "version"))
        return take_text(head->image.version, line);
    if (str_is(key, "behaviour"))
        return take_text(word, line) < 0 ? -1 : image_behaviour_parse(word, &head->image.behaviour);
    if (str_is(key, "size")) {
        head->has_size = true;
        return str_to_u64(line, &head->image.size);
    }
    if (str_is(key, "sha256")) {
        head->has_sha256 = true;
        return str_from_hex(line, head->sha256, DIGEST_BYTES) == DIGEST_BYTES ? 0 : -1;
    }
    return 0; /* a later version's */
}

static int read_head(FILE *file, struct head *ret)
{
    char line[LINE_BYTES];

    if (!fgets(line, sizeof(line), file) || !str_is(str_trim(str_of(line)), MAGIC))
        return -1;
    for (int i = 0; i < LINES_MAX && fgets(line, sizeof(line), file); i++) {
        if (strcmp(line, "\n") == 0)
            return ret->image.model[0] && ret->image.version[0] && ret->has_size && ret->has_sha256 ? 0 : -1;
        if (!strchr(line, '\n') || take_line(ret, str_of(line)) < 0)
            return -1;
    }
    return -1;
}

/* The rest of the file is the payload: 0 when it is what the head says. */
static int check_payload(FILE *file, const struct head *head)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t result[EVP_MAX_MD_SIZE], chunk[CHUNK_BYTES];
    uint64_t size = 0;
    int rc = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 ? 0 : -1;
    size_t n;

    while (rc == 0 && (n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        size += n;
        if (EVP_DigestUpdate(digest, chunk, n) != 1)
            rc = -1;
    }
    if (rc == 0 && (EVP_DigestFinal_ex(digest, result, NULL) != 1 || size != head->image.size ||
                    ferror(file) || memcmp(result, head->sha256, DIGEST_BYTES) != 0))
        rc = -1;
    EVP_MD_CTX_free(digest);
    return rc;
}

int image_check(const char *path, const char *model, struct image *ret, struct error *err)
{
    struct head head = {.has_size = false};
    FILE *file = fopen(path, "rb");
    int rc = 0;

    if (!file)
        return error_set_errno(err, ERROR_COMMAND_FAILURE, path, errno, "the image cannot be read");
    if (read_head(file, &head) < 0)
        rc = error_set(err, ERROR_COMMAND_FAILURE, path, "this is no image of a reference device");
    else if (model && strcmp(head.image.model, model) != 0)
        rc = error_set(err, ERROR_COMMAND_FAILURE, path, "the image is for model \"%s\", this is a \"%s\"",
                       head.image.model, model);
    else if (check_payload(file, &head) < 0)
        rc = error_set(err, ERROR_COMMAND_FAILURE, path, "the image is damaged: its checksum is wrong");
    fclose(file);
    if (rc == 0)
        *ret = head.image;
    return rc;
}

/* Bytes that do not compress and are the same each time. */
static void fill(uint8_t *chunk, size_t len, uint32_t *state)
{
    for (size_t i = 0; i < len; i++) {
        *state = *state * 1664525u + 1013904223u;
        chunk[i] = (uint8_t)(*state >> 24);
    }
}

/* Once for the digest (file NULL), once for the file. */
static int payload(FILE *file, EVP_MD_CTX *digest, uint64_t size)
{
    uint8_t chunk[CHUNK_BYTES];
    uint32_t state = (uint32_t)size;

    while (size) {
        size_t n = size < sizeof(chunk) ? (size_t)size : sizeof(chunk);

        fill(chunk, n, &state);
        if (file ? fwrite(chunk, 1, n, file) != n : EVP_DigestUpdate(digest, chunk, n) != 1)
            return -1;
        size -= n;
    }
    return 0;
}

int image_make(const char *path, const struct image *image, struct error *err)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t sha256[EVP_MAX_MD_SIZE];
    char hex[2 * DIGEST_BYTES + 1];
    FILE *file = fopen(path, "wb");
    int rc = file ? 0 : -1;

    if (!digest || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1 ||
        payload(NULL, digest, image->size) < 0 || EVP_DigestFinal_ex(digest, sha256, NULL) != 1)
        rc = -1;
    EVP_MD_CTX_free(digest);
    if (rc == 0) {
        str_to_hex(hex, sha256, DIGEST_BYTES);
        if (fprintf(file, "%s\nmodel = %s\nversion = %s\nbehaviour = %s\nsize = %llu\nsha256 = %s\n\n", MAGIC,
                    image->model, image->version, behaviours[image->behaviour],
                    (unsigned long long)image->size, hex) < 0 ||
            payload(file, NULL, image->size) < 0)
            rc = -1;
    }
    if (file && fclose(file) != 0)
        rc = -1;
    return rc < 0 ? error_set_errno(err, ERROR_INTERNAL, path, errno, "the image cannot be written") : 0;
}
