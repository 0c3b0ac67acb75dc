/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/shelly/image.h"

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

enum {
    LOCAL_HEADER_BYTES = 30,
    LOCAL_SIGNATURE = 0x04034b50,     /* zip: a member follows */
    DIRECTORY_SIGNATURE = 0x02014b50, /* zip: the directory at the end */
    NAME_BYTES = 256,
};

static uint32_t le16(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t le32(const uint8_t *at)
{
    return le16(at) | le16(at + 2) << 16;
}

static int bad(struct error *err, const char *why)
{
    return error_set(err, ERROR_INVALID_VALUE, NULL, "%s", why);
}

static void expect(struct image_reader *reader, enum image_state state, size_t bytes)
{
    reader->state = state;
    reader->wanted = bytes;
    buf_clear(&reader->held, 0);
}

void image_reader_init(struct image_reader *reader, const struct model *model)
{
    *reader = (struct image_reader){.model = model};
    buf_init(&reader->held, IMAGE_MANIFEST_BYTES, 0);
    expect(reader, IMAGE_HEADER, LOCAL_HEADER_BYTES);
}

void image_reader_done(struct image_reader *reader)
{
    buf_done(&reader->held);
    EVP_MD_CTX_free(reader->digest);
    reader->digest = NULL;
}

static int read_header(struct image_reader *reader, struct error *err)
{
    const uint8_t *head = buf_data(&reader->held);

    if (le32(head) == DIRECTORY_SIGNATURE) {
        expect(reader, IMAGE_DIRECTORY, SIZE_MAX);
        return 0;
    }
    if (le32(head) != LOCAL_SIGNATURE)
        return bad(err, "Not an image");
    if (le16(head + 6) & 8 || le16(head + 8) != 0)
        return bad(err, "Compressed image");
    reader->member_bytes = le32(head + 18);
    reader->name_bytes = (uint16_t)le16(head + 26);
    if (reader->name_bytes == 0 || reader->name_bytes + le16(head + 28) > NAME_BYTES)
        return bad(err, "Bad member name");
    expect(reader, IMAGE_NAME, reader->name_bytes + le16(head + 28));
    return 0;
}

static int read_name(struct image_reader *reader, struct error *err)
{
    struct str name = {(const char *)buf_data(&reader->held), reader->name_bytes};

    if (str_is(name, "manifest.json") && !reader->have_manifest) {
        if (reader->member_bytes == 0 || reader->member_bytes >= IMAGE_MANIFEST_BYTES)
            return bad(err, "Bad manifest size");
        expect(reader, IMAGE_MANIFEST, reader->member_bytes);
        return 0;
    }
    if (!reader->have_manifest)
        return bad(err, "No manifest");
    if (!str_is(name, reader->part_name))
        return bad(err, "Unexpected member");
    reader->digest = EVP_MD_CTX_new();
    if (!reader->digest || !EVP_DigestInit_ex(reader->digest, EVP_sha256(), NULL))
        return bad(err, "Out of memory");
    reader->left = reader->member_bytes;
    expect(reader, IMAGE_PART, SIZE_MAX);
    return 0;
}

static int copy_field(const cJSON *object, const char *name, char *to, size_t size)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    if (!value || !*value || strlen(value) >= size)
        return -1;
    str_copy(to, size, value);
    return 0;
}

static int take_manifest(struct image_reader *reader, const cJSON *manifest, struct error *err)
{
    const cJSON *part = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(manifest, "parts"),
                                                         "app");
    char name[64];

    if (copy_field(manifest, "name", name, sizeof(name)) ||
        copy_field(manifest, "version", reader->version, sizeof(reader->version)) ||
        copy_field(manifest, "build_id", reader->fw_id, sizeof(reader->fw_id)) ||
        copy_field(part, "src", reader->part_name, sizeof(reader->part_name)) ||
        copy_field(part, "sha256", reader->part_sha256, sizeof(reader->part_sha256)))
        return bad(err, "Bad manifest");
    if (strcmp(name, reader->model->app) != 0)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "Wrong firmware: %s is not %s", name,
                         reader->model->app);
    reader->have_manifest = true;
    expect(reader, IMAGE_HEADER, LOCAL_HEADER_BYTES);
    return 0;
}

static int read_manifest(struct image_reader *reader, struct error *err)
{
    cJSON *manifest = cJSON_ParseWithLength((const char *)buf_data(&reader->held), reader->held.len);
    int rc = manifest ? take_manifest(reader, manifest, err) : bad(err, "Bad manifest");

    cJSON_Delete(manifest);
    return rc;
}

static int end_part(struct image_reader *reader, struct error *err)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1];

    EVP_DigestFinal_ex(reader->digest, sum, &len);
    EVP_MD_CTX_free(reader->digest);
    reader->digest = NULL;
    str_to_hex(hex, sum, len);
    if (strcmp(hex, reader->part_sha256) != 0)
        return bad(err, "Checksum mismatch");
    reader->part_good = true;
    expect(reader, IMAGE_HEADER, LOCAL_HEADER_BYTES);
    return 0;
}

/* Takes from *data what the current state wants; advances *data and *len. */
static int feed_some(struct image_reader *reader, const uint8_t **data, size_t *len, struct error *err)
{
    static int (*const complete[])(struct image_reader *, struct error *) = {
        [IMAGE_HEADER] = read_header, [IMAGE_NAME] = read_name, [IMAGE_MANIFEST] = read_manifest};
    uint64_t wanted = reader->state == IMAGE_PART ? reader->left : reader->wanted - reader->held.len;
    size_t n = *len < wanted ? *len : (size_t)wanted;

    if (reader->state == IMAGE_PART) {
        EVP_DigestUpdate(reader->digest, *data, n);
        reader->left -= n;
    } else if (buf_append(&reader->held, *data, n)) {
        return bad(err, "Out of memory");
    }
    *data += n;
    *len -= n;
    if (reader->state == IMAGE_PART)
        return reader->left ? 0 : end_part(reader, err);
    return reader->held.len < reader->wanted ? 0 : complete[reader->state](reader, err);
}

int image_reader_feed(struct image_reader *reader, const void *data, size_t len, struct error *err)
{
    const uint8_t *at = data;

    while (len > 0 && reader->state != IMAGE_DIRECTORY) {
        if (feed_some(reader, &at, &len, err))
            return -1;
    }
    return 0;
}

int image_reader_end(struct image_reader *reader, struct error *err)
{
    if (reader->state != IMAGE_DIRECTORY || !reader->part_good)
        return bad(err, "Image ends too early");
    return 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

struct member {
    const char *name;
    const uint8_t *data;
    size_t len;
    uint32_t crc;
    uint32_t offset;
};

static uint32_t crc32_of(const uint8_t *data, size_t len)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void put16(struct buf *out, uint32_t value)
{
    buf_append(out, (uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8)}, 2);
}

static void put32(struct buf *out, uint32_t value)
{
    put16(out, value & 0xffff);
    put16(out, value >> 16);
}

/* What the local header and the directory have in common: version 1.0, no flags, stored, 1980-01-01. */
static void put_member(struct buf *out, const struct member *member)
{
    put16(out, 10);
    put32(out, 0);
    put32(out, 0x00210000);
    put32(out, member->crc);
    put32(out, (uint32_t)member->len);
    put32(out, (uint32_t)member->len);
    put16(out, (uint32_t)strlen(member->name));
    put16(out, 0);
}

static void put_zip(struct buf *out, struct member *members, uint32_t count)
{
    size_t directory;

    for (uint32_t i = 0; i < count; i++) {
        members[i].crc = crc32_of(members[i].data, members[i].len);
        members[i].offset = (uint32_t)out->len;
        put32(out, LOCAL_SIGNATURE);
        put_member(out, &members[i]);
        buf_append_str(out, members[i].name);
        buf_append(out, members[i].data, members[i].len);
    }
    directory = out->len;
    for (uint32_t i = 0; i < count; i++) {
        put32(out, DIRECTORY_SIGNATURE);
        put16(out, 10);
        put_member(out, &members[i]);
        buf_append(out, (uint8_t[10]){0}, 10); /* comment, disk, attributes */
        put32(out, members[i].offset);
        buf_append_str(out, members[i].name);
    }
    directory = out->len - directory;
    put32(out, 0x06054b50);
    put32(out, 0);
    put16(out, count);
    put16(out, count);
    put32(out, (uint32_t)directory);
    put32(out, (uint32_t)(out->len - 16 - directory));
    put16(out, 0);
}

/* Bytes that depend on the product and the version only. */
static void fill(struct buf *out, const struct model *model, const char *version, size_t bytes)
{
    uint64_t x = 0xcbf29ce484222325u;
    char text[160];

    snprintf(text, sizeof(text), "%s/%s", model->app, version);
    for (const char *c = text; *c; c++)
        x = (x ^ (uint8_t)*c) * 0x100000001b3u;
    while (bytes-- > 0 && !out->failed) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        buf_append_byte(out, (uint8_t)(x >> 32));
    }
}

static char *manifest_text(const struct model *model, const char *version, const struct buf *part)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    char fw_id[IMAGE_FW_ID_BYTES];
    unsigned len = 0;
    cJSON *manifest = cJSON_CreateObject();
    cJSON *app;
    char *text;

    EVP_Digest(buf_data(part), part->len, sum, &len, EVP_sha256(), NULL);
    str_to_hex(hex, sum, len);
    snprintf(fw_id, sizeof(fw_id), "20260101-000000/%s-g%.8s", version, hex);
    cJSON_AddStringToObject(manifest, "name", model->app);
    cJSON_AddStringToObject(manifest, "version", version);
    cJSON_AddStringToObject(manifest, "build_id", fw_id);
    cJSON_AddStringToObject(manifest, "platform", model->platform);
    app = cJSON_AddObjectToObject(cJSON_AddObjectToObject(manifest, "parts"), "app");
    cJSON_AddStringToObject(app, "src", "app.bin");
    cJSON_AddNumberToObject(app, "size", (double)part->len);
    cJSON_AddStringToObject(app, "sha256", hex);
    text = cJSON_PrintUnformatted(manifest);
    cJSON_Delete(manifest);
    return text;
}

int image_write(const char *path, const char *name, const char *version, size_t bytes, struct error *err)
{
    const struct model *model = model_find(name);
    struct buf part, out;
    char *manifest;
    int rc = -1;

    if (!model)
        return error_set(err, ERROR_INVALID_VALUE, "--model", "\"%s\" is not valid here", name);
    if (strlen(version) >= IMAGE_VERSION_BYTES || bytes > INT32_MAX)
        return error_set(err, ERROR_INVALID_VALUE, path, "version or size too long");
    buf_init(&part, bytes + 1, 0);
    buf_init(&out, bytes + 2 * IMAGE_MANIFEST_BYTES, 0);
    fill(&part, model, version, bytes);
    manifest = manifest_text(model, version, &part);
    if (manifest) {
        struct member members[] = {
            {.name = "manifest.json", .data = (const uint8_t *)manifest, .len = strlen(manifest)},
            {.name = "app.bin", .data = buf_data(&part), .len = part.len},
        };
        put_zip(&out, members, 2);
    }
    if (!manifest || part.failed || out.failed)
        error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory");
    else
        rc = file_replace(AT_FDCWD, path, (struct str){(const char *)buf_data(&out), out.len}, 0644,
                          (gid_t)-1, err);
    cJSON_free(manifest);
    buf_done(&part);
    buf_done(&out);
    return rc;
}
