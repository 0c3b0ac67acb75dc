/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Firmware images for simulated devices: a zip of stored (uncompressed) members. First manifest.json:
 *
 *     {"name": APP, "version": VERSION, "build_id": FW_ID, "platform": CHIP,
 *      "parts": {"app": {"src": "app.bin", "size": BYTES, "sha256": HEX}}}
 *
 * then app.bin, which is noise. The reader takes the file as a device does: byte by byte while it arrives, holding
 * nothing but the manifest. The caller owns the struct; image_reader_done() frees what it holds.
 */
#ifndef TOOLS_SIMHOME_SHELLY_IMAGE_H
#define TOOLS_SIMHOME_SHELLY_IMAGE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "tools/simhome/shelly/models.h"

enum {
    IMAGE_VERSION_BYTES = 64,
    IMAGE_FW_ID_BYTES = 96,
    IMAGE_MANIFEST_BYTES = 4096,
};

enum image_state {
    IMAGE_HEADER,
    IMAGE_NAME,
    IMAGE_MANIFEST,
    IMAGE_PART,
    IMAGE_DIRECTORY, /* members are over; the rest is not looked at */
};

struct image_reader {
    const struct model *model; /* who reads */
    enum image_state state;
    struct buf held; /* header, name or manifest that is not complete yet */
    size_t wanted;   /* bytes until `held` is complete */
    uint64_t left;   /* bytes of the part still to come */
    uint32_t member_bytes;
    uint16_t name_bytes;
    EVP_MD_CTX *digest;
    bool have_manifest;
    bool part_good;
    char part_name[64];
    char part_sha256[65];
    char version[IMAGE_VERSION_BYTES];
    char fw_id[IMAGE_FW_ID_BYTES];
};

void image_reader_init(struct image_reader *reader, const struct model *model);
void image_reader_done(struct image_reader *reader);
/* -1 at the first byte that no image for this model has there. */
int image_reader_feed(struct image_reader *reader, const void *data, size_t len, struct error *err);
/* After the last byte: 0 when it was a whole image for this model; version and fw_id are then set. */
int image_reader_end(struct image_reader *reader, struct error *err);

/* Writes an image of about `bytes` bytes. The same arguments give the same file. */
int image_write(const char *path, const char *name, const char *version, size_t bytes, struct error *err);

#endif
