/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zigbee OTA files as the ZigBee Cluster Library has them: a header of 56 bytes, little-endian (0x0BEEF11E, header version
 * 0x0100, header length, field control, manufacturer code, image type, file version, stack version, 32 bytes of text, size
 * of all), then one element: tag 0 (the image), its length, and noise.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "tools/simhome/home.h"
#include "tools/simhome/zigbee/zigbee.h"

enum {
    HEADER_BYTES = 56,
    ELEMENT_BYTES = 6,
};

static const uint8_t magic[] = {0x1e, 0xf1, 0xee, 0x0b};

static uint32_t get(const uint8_t *at, size_t n)
{
    uint32_t value = 0;

    while (n--)
        value = value << 8 | at[n];
    return value;
}

static void put(uint8_t *at, size_t n, uint32_t value)
{
    for (size_t i = 0; i < n; i++, value >>= 8)
        at[i] = (uint8_t)value;
}

int zigbee_image_check(const struct buf *image, const struct zigbee_model *model, uint32_t *ret_version,
                       struct error *err)
{
    const uint8_t *at = image->len ? memmem(buf_data(image), image->len, magic, sizeof(magic)) : NULL;
    size_t left = at ? image->len - (size_t)(at - buf_data(image)) : 0;
    uint32_t size, position;

    if (left < HEADER_BYTES)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "Not a valid OTA file");
    size = get(at + 52, 4);
    position = get(at + 6, 2);
    while (position < size && size <= left && size - position >= ELEMENT_BYTES &&
           get(at + position + 2, 4) <= size - position - ELEMENT_BYTES)
        position += ELEMENT_BYTES + get(at + position + 2, 4);
    if (position != size || size > left)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "Size mismatch");
    if (get(at + 10, 2) != model->manufacturer_code || get(at + 12, 2) != model->image_type)
        return error_set(err, ERROR_REQUEST_DENIED, NULL, "INVALID_IMAGE");
    *ret_version = get(at + 14, 4);
    return 0;
}

int zigbee_image_write(const char *path, const char *model_id, const char *version, size_t bytes,
                       struct error *err)
{
    const struct zigbee_model *model = zigbee_model_find(model_id);
    uint8_t head[HEADER_BYTES + ELEMENT_BYTES] = {0};
    uint64_t number, noise = bytes;
    struct buf out;
    int rc;

    if (!model || str_to_u64(str_of(version), &number) < 0 || number > UINT32_MAX ||
        bytes > ZIGBEE_IMAGE_BYTES / 2)
        return error_set(err, ERROR_INVALID_VALUE, path, "no such model, or the version is no 32-bit number");
    memcpy(head, magic, sizeof(magic));
    put(head + 4, 2, 0x0100);
    put(head + 6, 2, HEADER_BYTES);
    put(head + 10, 2, model->manufacturer_code);
    put(head + 12, 2, model->image_type);
    put(head + 14, 4, (uint32_t)number);
    put(head + 18, 2, 2);
    memcpy(head + 20, "simulated", 9);
    put(head + 52, 4, (uint32_t)(sizeof(head) + bytes));
    put(head + HEADER_BYTES + 2, 4, (uint32_t)bytes);
    buf_init(&out, ZIGBEE_IMAGE_BYTES, 0);
    buf_append(&out, head, sizeof(head));
    for (size_t i = 0; i < bytes; i++)
        buf_append_byte(&out, (uint8_t)home_random(&noise));
    rc = out.failed ? error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory")
                    : file_replace(AT_FDCWD, path, (struct str){(const char *)buf_data(&out), out.len}, 0644,
                                   (gid_t)-1, err);
    buf_done(&out);
    return rc;
}
