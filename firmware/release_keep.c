/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/release_keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/record.h"
#include "firmware/sequence.h"
#include "firmware/trust.h"
#include "release/anchor.h"

enum {
    KEEP_VERSION = 1,
    SWEEP = 8, /* records dropped at a time: a target has three slots */
};

/* The key of a record: malloc'ed, NULL when memory is out. */
static char *key_of(const struct firmware_target *target, const char *name)
{
    char *key;

    return asprintf(&key, "%s\n%s", target->key, name) < 0 ? NULL : key;
}

/* Reads a record into buf: 1, 0 not there, -1. */
static int get(const struct firmware_target *target, const char *kind, const char *name, struct buf *buf,
               struct error *err)
{
    char *key = key_of(target, name);
    int result;

    buf_init(buf, 2 * RECORD_BYTES, 0);
    if (!key)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "out of memory");
    result = store_get(target->firmware->store, kind, str_of(key), buf, err);
    free(key);
    return result;
}

static struct str content(const struct buf *buf)
{
    return (struct str){(const char *)buf_data(buf), buf->len};
}

/* ---- the release of an image ---- */

struct kept {
    uint64_t sequence;
    char component[RELEASE_COMPONENT_BYTES];
    struct str description, signers, bytes, signature; /* in the record */
};

static bool read_kept(struct str record, struct kept *ret)
{
    struct record_reader reader;

    record_read(&reader, record, KEEP_VERSION);
    ret->sequence = record_number(&reader);
    record_copy(&reader, ret->component, sizeof(ret->component));
    ret->description = record_bytes(&reader);
    ret->signers = record_bytes(&reader);
    ret->bytes = record_bytes(&reader);
    ret->signature = record_bytes(&reader);
    return record_end(&reader);
}

struct sweep {
    const struct firmware_target *target;
    size_t prefix;
    const char *keep;
    unsigned count;
    char names[SWEEP][VERIFY_SHA256_HEX_BYTES];
};

static int on_kept(void *ctx, struct str key, struct str value)
{
    struct sweep *sweep = ctx;
    struct str name = {key.data + sweep->prefix, key.len - sweep->prefix};

    (void)value;
    if (str_is(name, sweep->keep) || name.len >= VERIFY_SHA256_HEX_BYTES)
        return 0;
    for (int i = 0; i < FIRMWARE_SLOTS; i++)
        if (sweep->target->slots[i].image && str_is(name, sweep->target->slots[i].image->sha256))
            return 0;
    memcpy(sweep->names[sweep->count], name.data, name.len);
    return ++sweep->count == SWEEP;
}

/* Records of images that no slot has any more. */
static void drop_others(struct firmware_target *target, const char *sha256)
{
    struct sweep sweep = {.target = target, .keep = sha256};
    char *prefix = key_of(target, "");

    if (!prefix)
        return; /* the next one sweeps */
    sweep.prefix = strlen(prefix);
    store_each(target->firmware->store, "release", str_of(prefix), on_kept, &sweep, NULL);
    free(prefix);
    for (unsigned i = 0; i < sweep.count; i++) {
        char *key = key_of(target, sweep.names[i]);

        if (key)
            firmware_wrote(target->firmware,
                           store_delete(target->firmware->store, "release", str_of(key), NULL));
        free(key);
    }
}

int release_keep(struct firmware_target *target, const struct release *release, struct str bytes,
                 struct str signature, struct error *err)
{
    char *key = key_of(target, release->sha256);
    struct buf buf;
    int result = -1;

    drop_others(target, release->sha256);
    record_begin(&buf, KEEP_VERSION);
    record_put_number(&buf, release->sequence);
    record_put_text(&buf, release->component);
    record_put_text(&buf, release->description);
    record_put_text(&buf, release->signers);
    record_put_bytes(&buf, bytes);
    record_put_bytes(&buf, signature);
    if (!key || buf.failed)
        error_set(err, ERROR_RESOURCES_EXCEEDED, target->path,
                  "the release is too long to be kept, or memory is out");
    else
        result = store_put(target->firmware->store, "release", str_of(key), buf_data(&buf), buf.len, err);
    buf_done(&buf);
    free(key);
    return result;
}

bool release_is_kept(const struct firmware_target *target, const char *sha256)
{
    struct buf buf;
    bool kept = get(target, "release", sha256, &buf, NULL) == 1;

    buf_done(&buf);
    return kept;
}

static int reopen(const struct firmware_target *target, const struct kept *kept, const char *sha256,
                  struct release *ret, struct error *err)
{
    const struct firmware_trust *trust = trust_settings(target->firmware->trust);
    struct release_request request = {.bytes = kept->bytes,
                                      .signature = kept->signature,
                                      .now = clock_wall(&target->firmware->loop->clock),
                                      .stripped = true};
    struct anchors *anchors = trust->anchors ? anchors_ref(trust->anchors) : anchors_new();
    struct release_identity identity;
    struct arena arena;
    int result = -1;

    arena_init(&arena, 0);
    request.anchors = anchors;
    request.identity = &identity;
    if (!anchors)
        error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "out of memory");
    else if (trust_identify(target->firmware->trust, target, &arena, &identity, err) == 0)
        result = release_open(&request, ret, err);
    if (result == 0 && strcmp(ret->sha256, sha256) != 0)
        result = release_refuse(err, RELEASE_CONDITION_FAILED, "it is about another image by now");
    ret->payload = (struct str){"", 0};
    anchors_unref(anchors);
    arena_done(&arena);
    return result;
}

int release_reopen(const struct firmware_target *target, const char *sha256, struct release *ret,
                   struct error *err)
{
    struct kept kept;
    struct buf buf;
    int result = get(target, "release", sha256, &buf, err);

    if (result == 1 && !read_kept(content(&buf), &kept))
        result = error_set(err, ERROR_INTERNAL, target->path,
                           "what was kept of the release is damaged; download it again");
    if (result == 1)
        result = reopen(target, &kept, sha256, ret, err) < 0 ? -1 : 1;
    buf_done(&buf);
    return result;
}

void release_keep_words(struct firmware_target *target, int index)
{
    struct firmware_slot *slot = &target->slots[index];
    char description[RELEASE_WORDS_BYTES], signers[sizeof(((struct release *)0)->signers)];
    struct kept kept;
    struct buf buf;

    if (!slot->image)
        return;
    if (get(target, "release", slot->image->sha256, &buf, NULL) == 1 && read_kept(content(&buf), &kept)) {
        snprintf(description, sizeof(description), "%.*s", (int)kept.description.len, kept.description.data);
        snprintf(signers, sizeof(signers), "%.*s", (int)kept.signers.len, kept.signers.data);
        slot_set_words(slot, description, signers);
    }
    buf_done(&buf);
}

/* ---- sequence numbers ---- */

int release_check_sequence(const struct firmware_target *target, const struct release *release,
                           struct error *err)
{
    uint64_t last;
    int result = sequence_last(target, release->component, &last, err);

    if (result <= 0)
        return result;
    if (release->sequence > last)
        return 0;
    return release_refuse(
        err, RELEASE_CONDITION_FAILED,
        "its sequence number %llu is not above %llu, which the device has had: it is an older release, or "
        "the same again",
        (unsigned long long)release->sequence, (unsigned long long)last);
}

void release_keep_running(struct firmware_target *target)
{
    const struct firmware_image *image = target->active >= 0 ? target->slots[target->active].image : NULL;
    struct kept kept;
    struct buf buf;
    int result;

    if (!image)
        return;
    result = get(target, "release", image->sha256, &buf, NULL);
    if (result == 1 && read_kept(content(&buf), &kept))
        result = sequence_keep(target, kept.component, kept.sequence);
    /* What could not be written is written with all the rest, see firmware.c. */
    if (result != 0 || store_pending(target->firmware->store))
        firmware_wrote(target->firmware, result < 0 ? -1 : 0);
    buf_done(&buf);
}

void release_forget(struct firmware_target *target)
{
    char *prefix = key_of(target, "");
    struct store *store = target->firmware->store;

    if (!prefix)
        return;
    firmware_wrote(target->firmware, store_delete_prefix(store, "release", str_of(prefix), NULL));
    firmware_wrote(target->firmware, sequence_depart(target));
    free(prefix);
}

int firmware_slot_release(struct firmware_target *target, int slot, struct release *ret, struct error *err)
{
    const struct firmware_image *image = target->slots[slot].image;

    return target->firmware && image ? release_reopen(target, image->sha256, ret, err) : 0;
}
