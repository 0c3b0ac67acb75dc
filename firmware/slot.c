/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/record.h"
#include "firmware/notice.h"
#include "firmware/release_keep.h"
#include "firmware/turn.h"

enum {
    SLOTS_VERSION = 1,
    BOOT_FAILURE_LOG_BYTES = 1024,
};

const char *slot_version(const struct firmware_target *target, int slot)
{
    return slot >= 0 && target->slots[slot].version ? target->slots[slot].version : "";
}

const char *firmware_slot_sha256(const struct firmware_slot *slot)
{
    return slot->image ? slot->image->sha256 : NULL;
}

/* Name and Version are string(:64). A text that finds no memory stays as it was: it is for people. */
static void set_text(char **to, const char *text)
{
    char cut[FIRMWARE_TEXT_BYTES];

    if (text)
        str_copy(cut, sizeof(cut), text);
    str_replace(to, text && *text ? cut : NULL);
}

void slot_set_words(struct firmware_slot *slot, const char *description, const char *signers)
{
    struct firmware_words *words = slot->words;

    slot->words = NULL;
    if (words) {
        free(words->description);
        free(words->signers);
        free(words);
    }
    words = signers && *signers ? calloc(1, sizeof(*words)) : NULL;
    if (!words)
        return;
    /* For people: what finds no memory is not there. */
    str_replace(&words->description, description);
    str_replace(&words->signers, signers);
    slot->words = words;
}

/* All but the alias and what observers know. */
static void slot_clear(struct firmware_slot *slot)
{
    free(slot->name);
    free(slot->version);
    free(slot->boot_failure_log);
    free(slot->offer);
    free(slot->notice);
    slot->notice = NULL;
    slot_set_words(slot, NULL, NULL);
    slot->name = slot->version = slot->boot_failure_log = slot->offer = NULL;
    slot->image = NULL;
    slot->proven = false;
    slot->status = FIRMWARE_NO_IMAGE;
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    if (!text || !*text)
        return 0;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash;
}

/* Notes what observers will know from now on; the bits of what is new to them. */
static unsigned note(struct firmware_slot *slot)
{
    const uint32_t now[] = {
        [SLOT_STATUS] = slot->status,
        [SLOT_AVAILABLE] = slot->available,
        [SLOT_NAME] = hash_text(slot->name),
        [SLOT_VERSION] = hash_text(slot->version),
        [SLOT_BOOT_FAILURE_LOG] = hash_text(slot->boot_failure_log),
    };
    unsigned fields = 0;

    for (unsigned i = 0; i < sizeof(now) / sizeof(now[0]); i++)
        if (slot->told[i] != now[i])
            fields |= 1u << i;
    memcpy(slot->told, now, sizeof(slot->told));
    return fields;
}

static bool holds_something(const struct firmware_slot *slot)
{
    return slot->image || slot->offer;
}

static void changed(struct firmware_target *target, int index)
{
    struct firmware_slot *slot = &target->slots[index];
    struct firmware_event event = {.type = FIRMWARE_SLOT_CHANGED, .target = target, .slot = index};

    slot->available = slot->status == FIRMWARE_ACTIVE || holds_something(slot);
    event.fields = note(slot);
    if (event.fields)
        observers_notify(&target->firmware->observers, &event);
}

/* ---- records: one for all slots of a target ---- */

/* What a controller made unavailable is gone with the batch that says so; slot_reset() follows. */
static bool is_given_up(const struct firmware_slot *slot)
{
    return !slot->available && slot->status != FIRMWARE_ACTIVE && holds_something(slot);
}

static void put_slot(struct buf *buf, const struct firmware_slot *slot)
{
    static const struct firmware_slot empty = {.status = FIRMWARE_NO_IMAGE};
    const char *alias = slot->alias;

    if (is_given_up(slot))
        slot = &empty;
    record_put_number(buf, slot->status);
    record_put_text(buf, slot->image ? slot->image->sha256 : NULL);
    record_put_number(buf, slot->proven);
    record_put_text(buf, slot->name);
    record_put_text(buf, slot->version);
    record_put_text(buf, slot->boot_failure_log);
    record_put_text(buf, slot->offer);
    record_put_text(buf, alias);
}

int firmware_slots_save(struct firmware_target *target, struct error *err)
{
    struct firmware *firmware = target->firmware;
    int result = -1;
    struct buf buf;

    if (!firmware)
        return error_set(err, ERROR_INTERNAL, target->path, "the device is gone");
    record_begin(&buf, SLOTS_VERSION);
    record_put_number(&buf, (uint64_t)(target->active + 1));
    for (int i = 0; i < FIRMWARE_SLOTS; i++)
        put_slot(&buf, &target->slots[i]);
    for (int i = 0; i < FIRMWARE_SLOTS; i++)
        notice_put(&buf, is_given_up(&target->slots[i]) ? NULL : target->slots[i].notice);
    if (buf.failed)
        error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "no memory to store the images of the device");
    else
        result = store_put(firmware->store, "slot", str_of(target->key), buf_data(&buf), buf.len, err);
    buf_done(&buf);
    firmware_wrote(firmware, result);
    return result;
}

void slots_save(struct firmware_target *target)
{
    for (int i = 0; i < FIRMWARE_SLOTS; i++) {
        struct firmware_slot *slot = &target->slots[i];

        slot->available = slot->status == FIRMWARE_ACTIVE || holds_something(slot);
    }
    firmware_slots_save(target, NULL);
}

static void read_slot(struct firmware *firmware, struct record_reader *reader, struct firmware_slot *slot)
{
    char *sha256;

    slot->status = (enum firmware_status)record_choice(reader, FIRMWARE_ACTIVATION_FAILED + 1);
    sha256 = record_text(reader);
    slot->image = sha256 ? cache_find(firmware->cache, sha256) : NULL;
    free(sha256);
    slot->proven = record_choice(reader, 2);
    slot->name = record_text(reader);
    slot->version = record_text(reader);
    slot->boot_failure_log = record_text(reader);
    slot->offer = record_text(reader);
    slot->alias = record_text(reader);
    /* The file was lost between lives. */
    if (slot->status == FIRMWARE_AVAILABLE && !holds_something(slot))
        slot_clear(slot);
    slot->available = slot->status == FIRMWARE_ACTIVE || holds_something(slot);
    note(slot);
}

/* Of a slot whose file was lost nothing is said any more. */
static void read_notice(struct record_reader *reader, struct firmware_slot *slot)
{
    struct firmware_notice *notice = notice_read(reader);

    if (slot->status == FIRMWARE_NO_IMAGE)
        free(notice);
    else
        slot->notice = notice;
}

static int decode(struct firmware_target *target, struct str record, struct error *err)
{
    struct record_reader reader;

    record_read(&reader, record, SLOTS_VERSION);
    target->active = (int8_t)((int)record_choice(&reader, FIRMWARE_SLOTS + 1) - 1);
    for (int i = 0; i < FIRMWARE_SLOTS; i++)
        read_slot(target->firmware, &reader, &target->slots[i]);
    /* The records of earlier versions end here. */
    for (int i = 0; i < FIRMWARE_SLOTS && reader.rest.len; i++)
        read_notice(&reader, &target->slots[i]);
    for (int i = 0; i < FIRMWARE_SLOTS; i++)
        release_keep_words(target, i);
    if (record_end(&reader))
        return 0;
    /* A record that makes no sense is as good as none; one that did not fit is tried again. */
    slots_free(target);
    target->active = -1;
    return reader.no_memory ? error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "out of memory") : 0;
}

int slots_load(struct firmware_target *target, struct error *err)
{
    struct buf buf;
    int result;

    memset(target->slots, 0, sizeof(target->slots));
    target->active = -1;
    buf_init(&buf, RECORD_BYTES, 0);
    result = store_get(target->firmware->store, "slot", str_of(target->key), &buf, err);
    if (result == 1)
        result = decode(target, (struct str){(const char *)buf_data(&buf), buf.len}, err);
    buf_done(&buf);
    return result;
}

void slots_forget(struct firmware_target *target)
{
    firmware_wrote(target->firmware,
                   store_delete(target->firmware->store, "slot", str_of(target->key), NULL));
}

void slots_free(struct firmware_target *target)
{
    for (int i = 0; i < FIRMWARE_SLOTS; i++) {
        slot_clear(&target->slots[i]);
        free(target->slots[i].alias);
        target->slots[i].alias = NULL;
    }
}

/* ---- what the cache asks ---- */

static enum cache_hold hold_of(uint64_t status)
{
    return status == FIRMWARE_AVAILABLE ? CACHE_HELD : CACHE_WANTED;
}

/* Reads the records, not the targets: devices that have not come up yet keep their images too. */
static int survey_record(void *ctx, struct str key, struct str value)
{
    struct firmware_image *images = ctx;
    struct record_reader reader;

    (void)key;
    record_read(&reader, value, SLOTS_VERSION);
    record_number(&reader);
    for (int i = 0; i < FIRMWARE_SLOTS; i++) {
        uint64_t status = record_number(&reader);
        char sha256[VERIFY_SHA256_HEX_BYTES];

        record_copy(&reader, sha256, sizeof(sha256));
        record_number(&reader);
        for (int text = 0; text < 5; text++)
            free(record_text(&reader));
        if (reader.failed)
            break;
        for (struct firmware_image *image = images; image; image = image->next)
            if (strcmp(image->sha256, sha256) == 0 && image->hold < hold_of(status))
                image->hold = hold_of(status);
    }
    return 0;
}

void slots_survey(void *ctx, struct firmware_image *images)
{
    struct firmware *firmware = ctx;

    for (struct firmware_image *image = images; image; image = image->next)
        image->hold = CACHE_FREE;
    store_each(firmware->store, "slot", STR(""), survey_record, images, NULL);
}

void slots_evicted(void *ctx, struct firmware_image *image)
{
    struct firmware *firmware = ctx;

    for (struct firmware_target *target = firmware->targets; target; target = target->next) {
        for (int i = 0; i < FIRMWARE_SLOTS; i++) {
            if (target->slots[i].image != image)
                continue;
            target->slots[i].image = NULL;
            if (target->slots[i].status == FIRMWARE_AVAILABLE) {
                slot_reset(target, i, FIRMWARE_NO_IMAGE);
                continue;
            }
            /* What it runs, or why it failed, stays true. */
            slots_save(target);
            changed(target, i);
        }
    }
}

/* ---- changes ---- */

void slot_reset(struct firmware_target *target, int index, enum firmware_status status)
{
    slot_clear(&target->slots[index]);
    target->slots[index].status = status;
    slots_save(target);
    changed(target, index);
}

void slot_set_status(struct firmware_target *target, int index, enum firmware_status status, const char *log)
{
    struct firmware_slot *slot = &target->slots[index];
    char cut[BOOT_FAILURE_LOG_BYTES];

    if (log)
        str_copy(cut, sizeof(cut), log);
    slot->status = status;
    str_replace(&slot->boot_failure_log, log ? cut : NULL);
    slots_save(target);
    changed(target, index);
}

void slot_set_image(struct firmware_target *target, int index, struct firmware_image *image,
                    const struct firmware_release *release)
{
    struct firmware_slot *slot = &target->slots[index];

    slot_clear(slot);
    slot->image = image;
    slot->status = FIRMWARE_AVAILABLE;
    slot->proven = release->proven;
    set_text(&slot->name, release->name);
    set_text(&slot->version, release->version);
    notice_replace(&slot->notice, &release->notice); /* for people: without memory there is none */
    slots_save(target);
    changed(target, index);
}

void slot_activate(struct firmware_target *target, int index, const char *name, const char *version)
{
    struct firmware_slot *slot = &target->slots[index];
    int old = target->active;

    slot->status = FIRMWARE_ACTIVE;
    slot->proven = true;
    set_text(&slot->version, version);
    if (name && *name)
        set_text(&slot->name, name);
    str_replace(&slot->boot_failure_log, NULL);
    str_replace(&slot->offer, NULL);
    target->active = (int8_t)index;
    release_keep_running(target);
    target->since = clock_monotonic(&target->firmware->loop->clock);
    turn_changed(target);
    if (old >= 0 && old != index) {
        if (target->slots[old].image)
            target->slots[old].status = FIRMWARE_AVAILABLE;
        else
            slot_clear(&target->slots[old]);
    }
    slots_save(target);
    if (old >= 0 && old != index)
        changed(target, old);
    changed(target, index);
    firmware_tell(target->firmware, FIRMWARE_TARGET_UPDATED, target, index, NULL);
}

/* A slot that nobody uses, or -1. */
static int free_slot(const struct firmware_target *target)
{
    static const enum firmware_status preferred[] = {FIRMWARE_NO_IMAGE, FIRMWARE_DOWNLOAD_FAILED,
                                                     FIRMWARE_VALIDATION_FAILED};

    for (size_t p = 0; p < sizeof(preferred) / sizeof(preferred[0]); p++)
        for (int i = 0; i < FIRMWARE_SLOTS; i++)
            if (i != target->active && target->slots[i].status == preferred[p] &&
                !firmware_slot_job(target, i))
                return i;
    return -1;
}

static int slot_with(const struct firmware_target *target, const char *version)
{
    for (int i = 0; i < FIRMWARE_SLOTS; i++) {
        const struct firmware_slot *slot = &target->slots[i];

        if (i != target->active && (slot->image || slot->offer) &&
            strcmp(slot_version(target, i), version) == 0 &&
            (slot->status == FIRMWARE_AVAILABLE || slot->status == FIRMWARE_ACTIVATION_FAILED))
            return i;
    }
    return -1;
}

void slot_running(struct firmware_target *target, const char *name, const char *version)
{
    struct firmware_slot *slot = target->active >= 0 ? &target->slots[target->active] : NULL;
    int index;

    if (slot && strcmp(slot_version(target, target->active), version) == 0) {
        if (name && *name && (!slot->name || strcmp(slot->name, name) != 0)) {
            set_text(&slot->name, name);
            slots_save(target);
            changed(target, target->active);
        }
        return;
    }
    index = slot_with(target, version);
    if (index < 0 && !slot)
        index = free_slot(target);
    if (index < 0 && !slot)
        return; /* all three are busy: the next report finds a place */
    if (index < 0) {
        /* It changed without us: the image that we kept is not what it runs now. */
        index = target->active;
        slot->image = NULL;
        set_text(&slot->name, NULL);
    }
    slot_activate(target, index, name, version);
}

static void withdraw(struct firmware_target *target, int index)
{
    if (!firmware_slot_job(target, index))
        slot_reset(target, index, FIRMWARE_NO_IMAGE);
}

void slot_offer(struct firmware_target *target, const char *offer, const char *version)
{
    bool none = !version || !*version || strcmp(version, slot_version(target, target->active)) == 0;
    struct firmware_slot *slot;
    int index;

    for (index = 0; index < FIRMWARE_SLOTS; index++) {
        slot = &target->slots[index];
        if (!slot->offer || (offer && strcmp(slot->offer, offer) != 0))
            continue;
        if (none)
            withdraw(target, index);
        else if (strcmp(slot_version(target, index), version) == 0 || firmware_slot_job(target, index))
            return;
        else
            break;
    }
    if (none || !offer)
        return;
    if (index == FIRMWARE_SLOTS)
        index = free_slot(target);
    if (index < 0)
        return; /* the operator's images have precedence; the dialect offers again */
    slot = &target->slots[index];
    slot_clear(slot);
    set_text(&slot->name, offer);
    set_text(&slot->version, version);
    if (str_replace(&slot->offer, offer) < 0)
        return;
    slot->proven = true;
    slot->status = FIRMWARE_AVAILABLE;
    slots_save(target);
    changed(target, index);
}

void slots_drop_withdrawn(struct firmware_target *target)
{
    for (int i = 0; i < FIRMWARE_SLOTS; i++) {
        const struct firmware_image *image = target->slots[i].image;
        const char *why = image ? withdrawn_reason(&target->firmware->withdrawn, image->sha256) : NULL;

        if (!why || i == target->active || firmware_slot_job(target, i))
            continue;
        slot_reset(target, i, FIRMWARE_VALIDATION_FAILED);
        slot_set_status(target, i, FIRMWARE_VALIDATION_FAILED, why);
    }
}

int firmware_slot_check_clear(const struct firmware_target *target, int index, struct error *err)
{
    if (index < 0 || index >= FIRMWARE_SLOTS)
        return error_set(err, ERROR_OBJECT_DOES_NOT_EXIST, target->path, "there is no such FirmwareImage");
    if (index == target->active)
        return error_set(err, ERROR_INVALID_VALUE, target->path, "the Active image cannot be dropped");
    if (firmware_slot_job(target, index))
        return error_set(err, ERROR_INVALID_VALUE, target->path,
                         "a Download() or Activate() on this FirmwareImage has not ended; cancel it first");
    return 0;
}

int firmware_slot_clear(struct firmware_target *target, int index, struct error *err)
{
    if (firmware_slot_check_clear(target, index, err) < 0)
        return -1;
    target->slots[index].told[SLOT_AVAILABLE] = target->slots[index].available; /* who set it false knows */
    slot_reset(target, index, FIRMWARE_NO_IMAGE);
    return 0;
}

/* ---- guesses ---- */

/* "1.4.4", "1.5.0-beta2": from the first digit that starts a dotted number. */
static struct str find_version(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        size_t end = i;
        bool dotted = false;

        if (name.data[i] < '0' || name.data[i] > '9' ||
            (i && name.data[i - 1] >= '0' && name.data[i - 1] <= '9'))
            continue;
        for (; end < name.len; end++) {
            char c = name.data[end];

            if (c == '.' && end + 1 < name.len && name.data[end + 1] >= '0' && name.data[end + 1] <= '9')
                dotted = true;
            else if (c < '0' || c > '9')
                break;
        }
        if (dotted)
            return (struct str){name.data + i, end - i};
    }
    return (struct str){NULL, 0};
}

void slot_guess(const char *url, struct firmware_release *ret)
{
    size_t len = strcspn(url, "?#");
    size_t start = len;
    struct str version;

    *ret = (struct firmware_release){.proven = false};
    while (start && url[start - 1] != '/')
        start--;
    len -= start;
    if (len >= FIRMWARE_TEXT_BYTES)
        len = FIRMWARE_TEXT_BYTES - 1;
    memcpy(ret->name, url + start, len);
    version = find_version((struct str){ret->name, len});
    if (version.len)
        memcpy(ret->version, version.data, version.len);
}
