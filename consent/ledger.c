/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kind "consent-ledger", key: the number in eight hexadecimal digits, so that the store gives lines in order. Lines are
 * only added and, when there are more than limit_consent_ledger, dropped: of the device that has most of them, so that one
 * that is asked for again and again takes no line of another; what people decided goes last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/record.h"
#include "consent/internal.h"

#define KIND "consent-ledger"

enum {
    LINE_VERSION = 1,
    KEY_DIGITS = 8,
};

/* The lines about one device, or about the home (""). In consent->shares as long as there is one. */
struct ledger_share {
    char *key;
    uint32_t lines;
};

static struct ledger_share *share_of(struct consent *consent, const char *key)
{
    struct ledger_share *share = map_get(&consent->shares, str_of(key));

    if (share)
        return share;
    share = calloc(1, sizeof(*share));
    if (share)
        share->key = strdup(key);
    if (share && share->key && map_put(&consent->shares, str_of(share->key), share) == 0)
        return share;
    free(share ? share->key : NULL);
    free(share);
    return NULL;
}

static void share_leave(struct consent *consent, struct ledger_share *share)
{
    if (--share->lines)
        return;
    map_remove(&consent->shares, str_of(share->key));
    free(share->key);
    free(share);
}

static void entry_free(struct consent_entry *entry)
{
    if (!entry)
        return;
    free(entry->means);
    free(entry->key);
    free(entry->path);
    free(entry->name);
    free(entry->version);
    free(entry->wording);
    free(entry->text);
    free(entry);
}

/* -1: out of memory; the entry is still the caller's. */
static int push(struct consent *consent, struct consent_entry *entry)
{
    entry->share = share_of(consent, entry->key);
    if (!entry->share)
        return -1;
    entry->share->lines++;
    entry->next = consent->newest;
    *(entry->next ? &entry->next->previous : &consent->oldest) = entry;
    consent->newest = entry;
    consent->entries++;
    return 0;
}

static void unlink_entry(struct consent *consent, struct consent_entry *entry)
{
    *(entry->previous ? &entry->previous->next : &consent->newest) = entry->next;
    *(entry->next ? &entry->next->previous : &consent->oldest) = entry->previous;
    consent->entries--;
    share_leave(consent, entry->share);
    consent_tell(consent, CONSENT_ENTRY_REMOVED, NULL, entry, NULL);
    entry_free(entry);
}

static struct str key_of(const struct consent_entry *entry, char to[KEY_DIGITS + 1])
{
    snprintf(to, KEY_DIGITS + 1, "%08x", entry->number);
    return (struct str){to, KEY_DIGITS};
}

static int save(struct consent *consent, const struct consent_entry *entry, struct error *err)
{
    char key[KEY_DIGITS + 1];
    struct buf buf;
    int result = -1;

    record_begin(&buf, LINE_VERSION);
    record_put_number(&buf, (uint64_t)entry->time);
    record_put_number(&buf, entry->what);
    record_put_number(&buf, entry->who);
    record_put_number(&buf, entry->question);
    record_put_text(&buf, entry->means);
    record_put_text(&buf, entry->key);
    record_put_text(&buf, entry->path);
    record_put_text(&buf, entry->name);
    record_put_text(&buf, entry->version);
    record_put_text(&buf, entry->wording);
    record_put_text(&buf, entry->text);
    if (buf.failed)
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the ledger of consent");
    else
        result = store_put(consent->store, KIND, key_of(entry, key), buf_data(&buf), buf.len, err);
    buf_done(&buf);
    keep_wrote(consent, result);
    return result;
}

static char *copy(const char *text)
{
    return str_dup(text ? text : "", text ? strlen(text) : 0);
}

static struct consent_entry *make(struct consent *consent, const struct ledger_line *line)
{
    const struct firmware_target *target = line->device ? line->device->target : NULL;
    struct consent_entry *entry = calloc(1, sizeof(*entry));
    struct consent_about about = {.name = NULL};

    if (!entry)
        return NULL;
    if (target && consent->ops.about)
        consent->ops.about(consent->ops.ctx, target, &about);
    *entry = (struct consent_entry){
        .number = consent->next_entry,
        .time = clock_wall(&consent->loop->clock),
        .what = line->what,
        .who = line->by.who,
        .question = line->question,
        .means = copy(line->by.means),
        .key = copy(line->device ? line->device->key : NULL),
        .path = copy(about.path),
        .name = copy(about.name),
        .version = copy(line->version),
        .wording = copy(line->wording),
        .text = copy(line->text),
    };
    if (entry->means && entry->key && entry->path && entry->name && entry->version && entry->wording &&
        entry->text)
        return entry;
    entry_free(entry);
    return NULL;
}

static bool is_by_people(const struct consent_entry *entry)
{
    return entry->who != WHO_POLICY && consent_what_is_decision(entry->what);
}

/* The oldest one of whoever has most; the newest stays. */
static struct consent_entry *dispensable(const struct consent *consent)
{
    struct consent_entry *found = consent->oldest;

    for (struct consent_entry *entry = found->previous; entry != consent->newest; entry = entry->previous)
        if (entry->share->lines > found->share->lines ||
            (entry->share->lines == found->share->lines && is_by_people(found) && !is_by_people(entry)))
            found = entry;
    return found;
}

static void drop(struct consent *consent)
{
    struct consent_entry *entry;
    char key[KEY_DIGITS + 1];

    while (consent->entries > consent->loop->limits->consent_ledger) {
        entry = dispensable(consent);
        keep_wrote(consent, store_delete(consent->store, KIND, key_of(entry, key), NULL));
        unlink_entry(consent, entry);
    }
}

/* The newest, of which nobody was told. */
static void pop(struct consent *consent)
{
    struct consent_entry *entry = consent->newest;

    consent->newest = entry->next;
    *(entry->next ? &entry->next->previous : &consent->oldest) = NULL;
    consent->entries--;
    share_leave(consent, entry->share);
    entry_free(entry);
}

int ledger_add(struct consent *consent, const struct ledger_line *line, struct error *err)
{
    struct consent_entry *entry = make(consent, line);

    if (!entry)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the ledger of consent");
    if (push(consent, entry) < 0) {
        entry_free(entry);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the ledger of consent");
    }
    if (save(consent, entry, err) < 0) {
        pop(consent);
        return -1;
    }
    consent->next_entry++;
    consent_tell(consent, CONSENT_ENTRY_ADDED, NULL, entry, NULL);
    drop(consent);
    return 0;
}

void ledger_durable(struct consent *consent)
{
    for (struct consent_entry *entry = consent->newest; entry && !entry->durable; entry = entry->next)
        entry->durable = true;
}

void ledger_lost(struct consent *consent)
{
    for (struct consent_entry *entry = consent->newest, *next; entry && !entry->durable; entry = next) {
        next = entry->next;
        if (is_by_people(entry)) /* who are told that it failed */
            unlink_entry(consent, entry);
        else
            save(consent, entry, NULL);
    }
}

static int on_record(void *ctx, struct str key, struct str value)
{
    struct consent *consent = ctx;
    struct record_reader reader;
    struct consent_entry *entry;
    uint8_t number[KEY_DIGITS / 2];

    if (key.len != KEY_DIGITS || str_from_hex(key, number, sizeof(number)) != sizeof(number))
        return 0;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return -1;
    record_read(&reader, value, LINE_VERSION);
    entry->number = (uint32_t)number[0] << 24 | (uint32_t)number[1] << 16 | (uint32_t)number[2] << 8 |
                    number[3];
    entry->time = (int64_t)record_number(&reader);
    entry->what = (enum consent_what)record_choice(&reader, CONSENT_WHATS);
    entry->who = (enum consent_who)record_choice(&reader, WHO_POLICY + 1);
    entry->question = (uint32_t)record_number(&reader);
    entry->means = record_text(&reader);
    entry->key = record_text(&reader);
    entry->path = record_text(&reader);
    entry->name = record_text(&reader);
    entry->version = record_text(&reader);
    entry->wording = record_text(&reader);
    entry->text = record_text(&reader);
    entry->durable = true;
    if (!record_end(&reader) || !entry->means || !entry->key || !entry->path || !entry->name ||
        !entry->version || !entry->wording || !entry->text) {
        entry_free(entry);
        return reader.no_memory ? -1 : 0;
    }
    if (push(consent, entry) < 0) {
        entry_free(entry);
        return -1;
    }
    consent->next_entry = entry->number + 1;
    return 0;
}

int ledger_load(struct consent *consent, struct error *err)
{
    int result = store_each(consent->store, KIND, STR(""), on_record, consent, err);

    if (result != 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the ledger of consent cannot be read");
    drop(consent);
    return 0;
}

void ledger_free(struct consent *consent)
{
    for (struct consent_entry *entry = consent->newest, *next; entry; entry = next) {
        next = entry->next;
        share_leave(consent, entry->share);
        entry_free(entry);
    }
    map_done(&consent->shares);
}

int consent_each_entry(struct consent *consent, int (*fn)(void *ctx, struct consent_entry *entry), void *ctx)
{
    int result = 0;

    for (struct consent_entry *entry = consent->newest; entry && !result; entry = entry->next)
        result = fn(ctx, entry);
    return result;
}
