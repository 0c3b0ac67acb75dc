/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Firmware images for simulated Tasmota devices: the byte 0xE9 that an ESP's image begins with, a line of text
 *
 *     "tasmota chip=esp8266 variant=tasmota version=14.2.0\n"
 *
 * noise, and at the end the SHA-256 of all before it. The reader takes the file as a device does, while it arrives. The
 * caller owns the struct; tasmota_reader_done() frees what it holds.
 */
#ifndef TOOLS_SIMHOME_TASMOTA_IMAGE_H
#define TOOLS_SIMHOME_TASMOTA_IMAGE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    TASMOTA_HEAD_BYTES = 160,
    TASMOTA_DIGEST_BYTES = 32,
    TASMOTA_VERSION_BYTES = 32,
};

struct tasmota_reader {
    const char *chip; /* of who reads */
    char head[TASMOTA_HEAD_BYTES];
    size_t head_len;
    bool have_head;
    uint8_t tail[TASMOTA_DIGEST_BYTES]; /* the newest bytes: in the end the digest */
    size_t tail_len;
    EVP_MD_CTX *digest;
    uint64_t bytes;
    char version[TASMOTA_VERSION_BYTES];
    char variant[TASMOTA_VERSION_BYTES];
};

void tasmota_reader_init(struct tasmota_reader *reader, const char *chip);
void tasmota_reader_done(struct tasmota_reader *reader);
/* -1 at the first byte that no image for this chip has there. */
int tasmota_reader_feed(struct tasmota_reader *reader, const void *data, size_t len, struct error *err);
/* After the last byte: 0 when it was a whole image; version and variant are then set. */
int tasmota_reader_end(struct tasmota_reader *reader, struct error *err);

/* model: "esp8266" or "esp32", with ":minimal" for that variant. The same arguments give the same file. */
int tasmota_image_write(const char *path, const char *model, const char *version, size_t bytes,
                        struct error *err);

#endif
