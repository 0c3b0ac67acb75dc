/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zigbee OTA files, as the ZigBee Cluster Library describes them (11.4): little-endian; identifier, header version,
 * header length, field control, manufacturer code, image type, file version, ... The gateway looks before the bridge does,
 * because the bridge says no more of a file that is none than that there is "no image".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "devices/dialects/zigbee2mqtt_peer.h"

enum {
    HEADER_BYTES = 56,   /* without the optional fields */
    SEARCH_BYTES = 4096, /* of a maker's own header */
    TYPE_AT = 12,
    MANUFACTURER_AT = 10,
    VERSION_AT = 14,
    CHUNK_BYTES = 4096,
};

static const uint8_t identifier[] = {0x1e, 0xf1, 0xee, 0x0b}; /* 0x0BEEF11E */

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static int cannot_read(const char *path, struct error *err)
{
    return error_set(err, ERROR_RESOURCES_EXCEEDED, path, "the image cannot be read: %s", strerror(errno));
}

int z2m_image_read(const char *path, struct z2m_image *ret, struct error *err)
{
    uint8_t head[SEARCH_BYTES + HEADER_BYTES];
    const uint8_t *at;
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return cannot_read(path, err);
    got = read(fd, head, sizeof(head)); /* a file of the cache: all that is there comes at once */
    close(fd);
    if (got < 0)
        return cannot_read(path, err);
    at = memmem(head, (size_t)got, identifier, sizeof(identifier));
    if (!at || (size_t)(head + got - at) < HEADER_BYTES)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL,
                         "the image is no Zigbee OTA file: it does not begin with 0x0BEEF11E and a header");
    *ret = (struct z2m_image){
        .manufacturer = get16(at + MANUFACTURER_AT),
        .type = get16(at + TYPE_AT),
        .version = get16(at + VERSION_AT) | (uint32_t)get16(at + VERSION_AT + 2) << 16,
    };
    return 0;
}

int z2m_image_hex(const char *path, struct buf *to, struct error *err)
{
    uint8_t chunk[CHUNK_BYTES];
    char hex[2 * CHUNK_BYTES + 1];
    uint64_t sum = 0;
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return cannot_read(path, err);
    while ((got = read(fd, chunk, sizeof(chunk))) > 0) {
        sum += (uint64_t)got;
        if (sum > LIMIT_BRIDGE_IMAGE_BYTES) {
            close(fd);
            return error_set(
                err, ERROR_INVALID_ARGUMENTS, NULL,
                "the image is larger than the %u bytes that fit into a message; let the bridge fetch "
                "it (lan_http_listen, zigbee2mqtt_hex_topics)",
                LIMIT_BRIDGE_IMAGE_BYTES);
        }
        str_to_hex(hex, chunk, (size_t)got);
        buf_append(to, hex, 2 * (size_t)got);
    }
    close(fd);
    if (got < 0)
        return cannot_read(path, err);
    return to->failed ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the image") : 0;
}
