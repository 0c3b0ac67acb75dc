/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/suit_write.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/limits.h"
#include "release/cose.h"
#include "release/suit.h"

enum {
    REPORT_ALL = 15,
    REPORT_NONE = 2, /* of a fetch: a failure only */
    WAIT_TIME = 5,
};

static struct str of(const struct buf *buf)
{
    return (struct str){(const char *)buf_data(buf), buf->len};
}

/* bstr with what was written; *inner is done afterwards. */
static void put_wrapped(struct buf *to, struct buf *inner)
{
    cbor_put_bytes(to, of(inner));
    to->failed = to->failed || inner->failed;
    buf_done(inner);
}

static void begin(struct buf *buf)
{
    buf_init(buf, LIMIT_RELEASE_BYTES, 0);
}

static void put_digest(struct buf *to, const uint8_t digest[SUIT_DIGEST_BYTES])
{
    cbor_put_array(to, 2);
    cbor_put_int(to, SUIT_SHA256);
    cbor_put_bytes(to, (struct str){(const char *)digest, SUIT_DIGEST_BYTES});
}

static int put_digest_of(struct buf *to, struct str bytes)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(bytes.data, bytes.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return -1;
    put_digest(to, digest);
    return 0;
}

/* ---- parameters, in order of their keys ---- */

static void put_wait(struct buf *to, int64_t time)
{
    struct buf wait;

    begin(&wait);
    cbor_put_map(&wait, 1);
    cbor_put_uint(&wait, WAIT_TIME);
    cbor_put_uint(&wait, (uint64_t)time);
    cbor_put_uint(to, SUIT_P_WAIT_INFO);
    put_wrapped(to, &wait);
}

static void put_uuid(struct buf *to, uint64_t key, const uint8_t uuid[RELEASE_UUID_BYTES])
{
    cbor_put_uint(to, key);
    cbor_put_bytes(to, (struct str){(const char *)uuid, RELEASE_UUID_BYTES});
}

static int identify(const struct suit_description *from, const struct suit_image *image,
                    struct release_identity *ret, struct error *err)
{
    bool any = strcmp(image->model, "*") == 0;

    return release_identify(ret, from->vendor, from->vendor, any ? "" : image->model, image->hardware, err);
}

/* Who it is for, which image, and what policy is to judge. */
static int put_values(struct buf *to, const struct suit_description *from, const struct suit_image *image,
                      struct error *err)
{
    struct release_identity identity;
    struct buf digest;
    size_t count = 4u + (from->use_before > 0) + from->has_battery + from->has_priority +
                   (from->not_before > 0);

    if (identify(from, image, &identity, err) < 0)
        return -1;
    begin(&digest);
    put_digest(&digest, image->digest);
    cbor_put_uint(to, SUIT_OVERRIDE);
    cbor_put_map(to, count);
    put_uuid(to, SUIT_P_VENDOR_ID, identity.vendor_id);
    put_uuid(to, SUIT_P_CLASS_ID, identity.class_id[identity.classes - 1]);
    cbor_put_uint(to, SUIT_P_DIGEST);
    put_wrapped(to, &digest);
    if (from->use_before > 0) {
        cbor_put_uint(to, SUIT_P_USE_BEFORE);
        cbor_put_uint(to, (uint64_t)from->use_before);
    }
    cbor_put_uint(to, SUIT_P_SIZE);
    cbor_put_uint(to, image->size);
    if (from->has_battery) {
        cbor_put_uint(to, SUIT_P_MIN_BATTERY);
        cbor_put_uint(to, from->battery_mwh);
    }
    if (from->has_priority) {
        cbor_put_uint(to, SUIT_P_PRIORITY);
        cbor_put_int(to, from->priority);
    }
    if (from->not_before > 0)
        put_wait(to, from->not_before);
    return 0;
}

static void put_command(struct buf *to, uint64_t code, uint64_t argument)
{
    cbor_put_uint(to, code);
    cbor_put_uint(to, argument);
}

/* Each condition on the version has its own parameter, so that several hold together. */
static void put_version(struct buf *to, const struct release_version *version)
{
    struct buf match;

    begin(&match);
    cbor_put_array(&match, 2);
    cbor_put_uint(&match, version->comparison);
    cbor_put_array(&match, version->count);
    for (unsigned i = 0; i < version->count; i++)
        cbor_put_int(&match, version->parts[i]);
    cbor_put_uint(to, SUIT_OVERRIDE);
    cbor_put_map(to, 1);
    cbor_put_uint(to, SUIT_P_VERSION);
    put_wrapped(to, &match);
    put_command(to, SUIT_VERSION_CONDITION, REPORT_ALL);
}

/* ---- sequences ---- */

static size_t conditions_count(const struct suit_description *from)
{
    return 3u + (from->use_before > 0) + from->has_battery + from->ask + (from->not_before > 0) +
           2u * from->versions_count;
}

static int put_conditions(struct buf *to, const struct suit_description *from, const struct suit_image *image,
                          struct error *err)
{
    if (put_values(to, from, image, err) < 0)
        return -1;
    put_command(to, SUIT_VENDOR_ID, REPORT_ALL);
    put_command(to, SUIT_CLASS_ID, REPORT_ALL);
    if (from->use_before > 0)
        put_command(to, SUIT_USE_BEFORE, REPORT_ALL);
    if (from->has_battery)
        put_command(to, SUIT_MIN_BATTERY, REPORT_ALL);
    if (from->ask)
        put_command(to, SUIT_UPDATE_AUTHORIZED, REPORT_ALL);
    for (unsigned i = 0; i < from->versions_count; i++)
        put_version(to, &from->versions[i]);
    if (from->not_before > 0)
        put_command(to, SUIT_WAIT, REPORT_ALL);
    return 0;
}

static void put_fetch(struct buf *to, const struct suit_image *image)
{
    cbor_put_uint(to, SUIT_OVERRIDE);
    cbor_put_map(to, 1);
    cbor_put_uint(to, SUIT_P_URI);
    cbor_put_text(to, str_of(image->uri));
    put_command(to, SUIT_FETCH, REPORT_NONE);
    put_command(to, SUIT_IMAGE_MATCH, REPORT_ALL);
}

enum {
    FETCH_COMMANDS = 3,
};

static int put_shared(struct buf *to, const struct suit_description *from, struct error *err)
{
    struct buf shared;
    int result;

    begin(&shared);
    cbor_put_array(&shared, 2 * conditions_count(from));
    result = put_conditions(&shared, from, &from->images[0], err);
    cbor_put_uint(to, SUIT_SHARED_SEQUENCE);
    put_wrapped(to, &shared);
    return result;
}

static int put_common(struct buf *to, const struct suit_description *from, struct error *err)
{
    bool one = from->images_count == 1;
    struct buf common;
    int result = 0;

    begin(&common);
    cbor_put_map(&common, one ? 2 : 1);
    cbor_put_uint(&common, SUIT_COMPONENTS_KEY);
    cbor_put_array(&common, from->images_count);
    for (unsigned i = 0; i < from->images_count; i++) {
        cbor_put_array(&common, 1);
        cbor_put_bytes(&common, str_of(from->images[i].model));
    }
    if (one)
        result = put_shared(&common, from, err);
    cbor_put_uint(to, SUIT_COMMON);
    put_wrapped(to, &common);
    return result;
}

/* One of several: index, conditions, fetch. */
static int put_alternative(struct buf *to, const struct suit_description *from, unsigned index,
                           struct error *err)
{
    struct buf sequence;
    int result;

    begin(&sequence);
    cbor_put_array(&sequence, 2 * (1 + conditions_count(from) + FETCH_COMMANDS));
    put_command(&sequence, SUIT_SET_INDEX, index);
    result = put_conditions(&sequence, from, &from->images[index], err);
    put_fetch(&sequence, &from->images[index]);
    put_wrapped(to, &sequence);
    return result;
}

static int put_install(struct buf *to, const struct suit_description *from, struct error *err)
{
    struct buf install;
    int result = 0;

    begin(&install);
    if (from->images_count == 1) {
        cbor_put_array(&install, 2 * FETCH_COMMANDS);
        put_fetch(&install, &from->images[0]);
    } else {
        cbor_put_array(&install, 2);
        cbor_put_uint(&install, SUIT_TRY_EACH);
        cbor_put_array(&install, from->images_count);
        for (unsigned i = 0; i < from->images_count && result == 0; i++)
            result = put_alternative(&install, from, i, err);
    }
    cbor_put_uint(to, SUIT_INSTALL);
    put_wrapped(to, &install);
    return result;
}

/* ---- words ---- */

static void put_text_pair(struct buf *to, uint64_t key, const char *text)
{
    if (!*text)
        return;
    cbor_put_uint(to, key);
    cbor_put_text(to, str_of(text));
}

static void put_words(struct buf *text, const struct suit_description *from)
{
    enum { UPDATE_DESCRIPTION = 2, VENDOR_NAME = 1, MODEL_NAME = 2, VENDOR_DOMAIN = 3, VERSION = 6 };

    cbor_put_map(text, 1);
    cbor_put_text(text, STR("en"));
    cbor_put_map(text, (*from->description ? 1u : 0u) + from->images_count);
    put_text_pair(text, UPDATE_DESCRIPTION, from->description);
    for (unsigned i = 0; i < from->images_count; i++) {
        cbor_put_array(text, 1);
        cbor_put_bytes(text, str_of(from->images[i].model));
        cbor_put_map(text, 2u + (*from->vendor_name ? 1u : 0u) + (*from->version ? 1u : 0u));
        put_text_pair(text, VENDOR_NAME, from->vendor_name);
        put_text_pair(text, MODEL_NAME, from->images[i].model);
        put_text_pair(text, VENDOR_DOMAIN, from->vendor);
        put_text_pair(text, VERSION, from->version);
    }
}

/* ---- the envelope ---- */

/* text: the bstr of the words, as it stands in the manifest or beside it. */
static int put_manifest(struct buf *to, const struct suit_description *from, const struct buf *text,
                        struct error *err)
{
    cbor_put_map(to, 5);
    cbor_put_uint(to, SUIT_VERSION);
    cbor_put_uint(to, 1);
    cbor_put_uint(to, SUIT_SEQUENCE_NUMBER);
    cbor_put_uint(to, from->sequence);
    if (put_common(to, from, err) < 0 || put_install(to, from, err) < 0)
        return -1;
    cbor_put_uint(to, SUIT_TEXT);
    if (!from->sever_text)
        buf_append(to, buf_data(text), text->len);
    else if (put_digest_of(to, of(text)) < 0)
        to->failed = true;
    return 0;
}

/* [digest], or with the blocks that are there and one more. */
static void put_authentication(struct buf *to, struct str digest, const struct suit_envelope *before,
                               struct str block)
{
    unsigned blocks = before ? before->blocks_count : 0;
    struct buf authentication;

    begin(&authentication);
    cbor_put_array(&authentication, 1u + blocks + (block.len ? 1u : 0u));
    cbor_put_bytes(&authentication, digest);
    for (unsigned i = 0; i < blocks; i++)
        cbor_put_bytes(&authentication, before->blocks[i]);
    if (block.len)
        cbor_put_bytes(&authentication, block);
    cbor_put_uint(to, SUIT_AUTHENTICATION);
    put_wrapped(to, &authentication);
}

static unsigned payloads(const struct suit_description *from)
{
    unsigned count = 0;

    for (unsigned i = 0; i < from->images_count; i++)
        count += from->images[i].payload.len ? 1 : 0;
    return count;
}

static int put_envelope(struct buf *to, const struct suit_description *from, const struct buf *manifest,
                        const struct buf *text)
{
    struct buf item, digest;
    int result;

    begin(&item);
    begin(&digest);
    cbor_put_bytes(&item, of(manifest));
    result = put_digest_of(&digest, of(&item));
    cbor_put_tag(to, SUIT_ENVELOPE_TAG);
    cbor_put_map(to, 2u + (from->sever_text ? 1u : 0u) + payloads(from));
    put_authentication(to, of(&digest), NULL, (struct str){"", 0});
    cbor_put_uint(to, SUIT_MANIFEST);
    buf_append(to, buf_data(&item), item.len);
    if (from->sever_text) {
        cbor_put_uint(to, SUIT_TEXT);
        buf_append(to, buf_data(text), text->len);
    }
    for (unsigned i = 0; i < from->images_count; i++) {
        if (!from->images[i].payload.len)
            continue;
        cbor_put_text(to, str_of(from->images[i].uri));
        cbor_put_bytes(to, from->images[i].payload);
    }
    result = result < 0 || item.failed || digest.failed || to->failed ? -1 : 0;
    buf_done(&item);
    buf_done(&digest);
    return result;
}

int suit_write(const struct suit_description *from, struct buf *to, struct error *err)
{
    struct buf words, text, manifest;
    int result;

    begin(&words);
    begin(&text);
    begin(&manifest);
    put_words(&words, from);
    put_wrapped(&text, &words);
    result = put_manifest(&manifest, from, &text, err);
    if (result == 0 && (text.failed || manifest.failed || put_envelope(to, from, &manifest, &text) < 0))
        result = error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                           "no memory, or the release is longer than %u bytes", LIMIT_RELEASE_BYTES);
    buf_done(&text);
    buf_done(&manifest);
    return result;
}

int suit_sign(struct str bytes, EVP_PKEY *key, struct buf *to, struct error *err)
{
    struct suit_envelope envelope;
    struct suit_manifest manifest;
    struct str digest;
    struct buf block;
    int result = -1;

    /* What this program does not understand it does not vouch for. */
    if (suit_read(bytes, true, &envelope, err) < 0 || suit_check(&envelope, &manifest, err) < 0)
        return -1;
    if (envelope.blocks_count == SUIT_BLOCKS)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "it has %d signatures already", SUIT_BLOCKS);
    if (suit_digest_read(envelope.digest, &digest) < 0 ||
        suit_digest_matches(digest, envelope.manifest_item) != 1)
        return release_refuse(err, RELEASE_UNAUTHORISED, "its digest is not that of its manifest");
    begin(&block);
    if (cose_sign(&block, key, envelope.digest, err) == 0) {
        cbor_put_tag(to, SUIT_ENVELOPE_TAG);
        cbor_put_map(to, 1 + suit_rest_count(&envelope) + envelope.payloads_count);
        put_authentication(to, envelope.digest, &envelope, of(&block));
        suit_put_rest(to, &envelope);
        for (unsigned i = 0; i < envelope.payloads_count; i++) {
            cbor_put_text(to, envelope.payloads[i].name);
            cbor_put_bytes(to, envelope.payloads[i].bytes);
        }
        result = to->failed ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the release") : 0;
    }
    buf_done(&block);
    return result;
}
