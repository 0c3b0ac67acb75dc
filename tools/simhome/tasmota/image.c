/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/tasmota/image.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

enum {
    MAGIC = 0xe9,
};

void tasmota_reader_init(struct tasmota_reader *reader, const char *chip)
{
    *reader = (struct tasmota_reader){.chip = chip, .digest = EVP_MD_CTX_new()};
    if (reader->digest)
        EVP_DigestInit_ex(reader->digest, EVP_sha256(), NULL);
}

void tasmota_reader_done(struct tasmota_reader *reader)
{
    EVP_MD_CTX_free(reader->digest);
    reader->digest = NULL;
}

static int wrong(struct error *err)
{
    return error_set(err, ERROR_INVALID_VALUE, NULL, "Verify Bin Header Failed");
}

static int read_head(struct tasmota_reader *reader, struct error *err)
{
    char chip[16];

    if (sscanf(reader->head + 1, "tasmota chip=%15s variant=%31s version=%31s", chip, reader->variant,
               reader->version) != 3 ||
        strcmp(chip, reader->chip) != 0)
        return wrong(err);
    reader->have_head = true;
    return 0;
}

static int take_head(struct tasmota_reader *reader, const uint8_t *data, size_t len, struct error *err)
{
    for (size_t i = 0; i < len && !reader->have_head; i++) {
        if (reader->head_len == 0 && data[i] != MAGIC)
            return wrong(err);
        if (reader->head_len == sizeof(reader->head) - 1)
            return wrong(err);
        reader->head[reader->head_len++] = (char)data[i];
        if (data[i] == '\n' && read_head(reader, err))
            return -1;
    }
    return 0;
}

/* The newest bytes are kept back: they may be the digest. */
static void take_body(struct tasmota_reader *reader, const uint8_t *data, size_t len)
{
    size_t total = reader->tail_len + len;
    size_t out = total > TASMOTA_DIGEST_BYTES ? total - TASMOTA_DIGEST_BYTES : 0;
    size_t from_tail = out < reader->tail_len ? out : reader->tail_len;

    EVP_DigestUpdate(reader->digest, reader->tail, from_tail);
    memmove(reader->tail, reader->tail + from_tail, reader->tail_len - from_tail);
    reader->tail_len -= from_tail;
    EVP_DigestUpdate(reader->digest, data, out - from_tail);
    memcpy(reader->tail + reader->tail_len, data + (out - from_tail), len - (out - from_tail));
    reader->tail_len += len - (out - from_tail);
}

int tasmota_reader_feed(struct tasmota_reader *reader, const void *data, size_t len, struct error *err)
{
    if (!reader->digest)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "Out of memory");
    if (!reader->have_head && take_head(reader, data, len, err))
        return -1;
    reader->bytes += len;
    take_body(reader, data, len);
    return 0;
}

int tasmota_reader_end(struct tasmota_reader *reader, struct error *err)
{
    uint8_t sum[EVP_MAX_MD_SIZE];

    if (!reader->have_head || reader->tail_len < TASMOTA_DIGEST_BYTES)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "Update error: Stream Read Timeout");
    EVP_DigestFinal_ex(reader->digest, sum, NULL);
    if (memcmp(sum, reader->tail, TASMOTA_DIGEST_BYTES) != 0)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "Update error: CRC Check Failed");
    return 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static size_t fill(uint8_t *to, size_t bytes, const char *chip, const char *variant, const char *version)
{
    int head = snprintf((char *)to, bytes, "%ctasmota chip=%s variant=%s version=%s\n", MAGIC, chip, variant,
                        version);
    uint64_t x = 0xcbf29ce484222325u;

    for (int i = 0; i < head; i++)
        x = (x ^ to[i]) * 0x100000001b3u;
    for (size_t i = (size_t)head; i < bytes - TASMOTA_DIGEST_BYTES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        to[i] = (uint8_t)(x >> 32);
    }
    EVP_Digest(to, bytes - TASMOTA_DIGEST_BYTES, to + bytes - TASMOTA_DIGEST_BYTES, NULL, EVP_sha256(), NULL);
    return bytes;
}

int tasmota_image_write(const char *path, const char *model, const char *version, size_t bytes,
                        struct error *err)
{
    const char *colon = strchr(model, ':'), *variant = colon ? colon + 1 : "tasmota";
    size_t len = colon ? (size_t)(colon - model) : strlen(model);
    char chip[16];
    uint8_t *data;
    int rc;

    if (len >= sizeof(chip) || strlen(version) >= TASMOTA_VERSION_BYTES ||
        strlen(variant) >= TASMOTA_VERSION_BYTES || bytes < 2 * TASMOTA_HEAD_BYTES)
        return error_set(err, ERROR_INVALID_VALUE, path,
                         "the model, the version or the size is not possible");
    memcpy(chip, model, len);
    chip[len] = '\0';
    if (strcmp(chip, "esp8266") != 0 && strcmp(chip, "esp32") != 0)
        return error_set(err, ERROR_INVALID_VALUE, path,
                         "the model is esp8266 or esp32, and :minimal after it");
    data = malloc(bytes);
    if (!data)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory");
    rc = file_replace(AT_FDCWD, path,
                      (struct str){(const char *)data, fill(data, bytes, chip, variant, version)}, 0644,
                      (gid_t)-1, err);
    free(data);
    return rc;
}
