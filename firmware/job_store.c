/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/record.h"
#include "firmware/manager.h"

/*
 * Kind "job", key "<target>\n<id in 16 hexadecimal digits>": all jobs of a target lie together and in order. Kind
 * "firmware", key "next_job" holds the next id, so that an id is never given twice.
 */
enum {
    JOB_VERSION = 1,
    PLAUSIBLE_TIME = 1735689600, /* 2025: a clock that shows less was never set */
    ID_DIGITS = 16,
};

int job_name(struct firmware_job *job, uint64_t id)
{
    job->id = id;
    if (asprintf(&job->key, "%s\n%016llx", job->target->key, (unsigned long long)id) < 0)
        job->key = NULL;
    return job->key ? 0 : -1;
}

static void encode(const struct firmware_job *job, struct buf *buf)
{
    record_begin(buf, JOB_VERSION);
    record_put_number(buf, job->command);
    record_put_number(buf, job->state);
    record_put_number(buf, (uint64_t)job->slot);
    record_put_number(buf, job->tries);
    record_put_number(buf, job->handed);
    record_put_number(buf, job->unsure);
    record_put_number(buf, job->was_offline);
    record_put_text(buf, job->originator);
    record_put_text(buf, job->command_path);
    record_put_text(buf, job->command_key);
    record_put_number(buf, job->request);
    record_put_text(buf, job->url);
    record_put_text(buf, job->username);
    record_put_text(buf, job->password);
    record_put_number(buf, job->file_size);
    record_put_number(buf, job->auto_activate);
    record_put_number(buf, job->checksum.algorithm);
    record_put_text(buf, job->checksum.hex);
    record_put_number(buf, job->fetched.algorithm);
    record_put_text(buf, job->fetched.hex);
    record_put_number(buf, (uint64_t)job->accepted_at);
    record_put_number(buf, job_elapsed(job));
    record_put_number(buf, job->used_windows);
    record_put_text(buf, job->old_version);
    record_put_number(buf, job->window_count);
    for (unsigned i = 0; i < job->window_count; i++) {
        const struct firmware_window *window = &job->windows[i];

        record_put_number(buf, window->start_s);
        record_put_number(buf, window->end_s);
        record_put_number(buf, window->mode);
        record_put_text(buf, window->user_message);
        record_put_number(buf, (uint64_t)(window->max_retries + 1));
    }
}

static void read_checksum(struct record_reader *reader, struct verify_checksum *checksum)
{
    checksum->algorithm = (enum verify_algorithm)record_choice(reader, VERIFY_ALGORITHMS + 1);
    record_copy(reader, checksum->hex, sizeof(checksum->hex));
}

static void decode_windows(struct record_reader *reader, struct firmware_job *job)
{
    uint64_t count = record_choice(reader, FIRMWARE_WINDOWS + 1);

    for (; job->window_count < count && !reader->failed; job->window_count++) {
        struct firmware_window *window = &job->windows[job->window_count];

        window->start_s = (uint32_t)record_number(reader);
        window->end_s = (uint32_t)record_number(reader);
        window->mode = (enum firmware_mode)record_choice(reader, MODE_CONFIRMATION_NEEDED + 1);
        window->user_message = record_text(reader);
        window->max_retries = (int32_t)record_choice(reader, 12) - 1;
    }
}

/* 1: it is a job. 0: it makes no sense. -1: memory is out. */
static int decode(struct firmware_job *job, struct str record)
{
    struct record_reader reader;

    record_read(&reader, record, JOB_VERSION);
    job->command = (enum firmware_command)record_choice(&reader, FIRMWARE_ACTIVATE + 1);
    job->state = (enum firmware_job_state)record_choice(&reader, JOB_DONE);
    job->slot = (int)record_choice(&reader, FIRMWARE_SLOTS);
    job->tries = (uint32_t)record_number(&reader);
    job->handed = record_choice(&reader, 2);
    job->unsure = record_choice(&reader, 2);
    job->was_offline = record_choice(&reader, 2);
    job->originator = record_text(&reader);
    job->command_path = record_text(&reader);
    job->command_key = record_text(&reader);
    job->request = (uint32_t)record_number(&reader);
    job->url = record_text(&reader);
    job->username = record_text(&reader);
    job->password = record_text(&reader);
    job->file_size = record_number(&reader);
    job->auto_activate = record_choice(&reader, 2);
    read_checksum(&reader, &job->checksum);
    read_checksum(&reader, &job->fetched);
    job->accepted_at = (int64_t)record_number(&reader);
    job->elapsed_base_s = record_number(&reader);
    job->used_windows = (uint32_t)record_choice(&reader, 1u << FIRMWARE_WINDOWS);
    job->old_version = record_text(&reader);
    decode_windows(&reader, job);
    if (reader.no_memory)
        return -1;
    return record_end(&reader) && (job->command == FIRMWARE_ACTIVATE || job->url);
}

int job_save(struct firmware_job *job, struct error *err)
{
    struct buf buf;
    int result = -1;

    encode(job, &buf);
    if (buf.failed)
        error_set(err, ERROR_RESOURCES_EXCEEDED, job->target->path, "the job is too long to be stored");
    else
        result = store_put(job->firmware->store, "job", str_of(job->key), buf_data(&buf), buf.len, err);
    buf_done(&buf);
    job->unsaved = result < 0;
    firmware_wrote(job->firmware, result);
    return result;
}

int job_delete(struct firmware_job *job, struct error *err)
{
    int result = store_delete(job->firmware->store, "job", str_of(job->key), err);

    job->unsaved = result < 0;
    firmware_wrote(job->firmware, result);
    return result;
}

static int parse_id(struct str digits, uint64_t *ret)
{
    uint8_t bytes[ID_DIGITS / 2];

    if (digits.len != ID_DIGITS || str_from_hex(digits, bytes, sizeof(bytes)) != ID_DIGITS / 2)
        return -1;
    *ret = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *ret = *ret << 8 | bytes[i];
    return 0;
}

struct loading {
    struct firmware_target *target;
    size_t prefix;
    struct firmware_job *first; /* found, through target_next, newest first */
};

static int on_record(void *ctx, struct str key, struct str value)
{
    struct loading *loading = ctx;
    struct firmware_job *job;
    uint64_t id;
    int result;

    if (parse_id((struct str){key.data + loading->prefix, key.len - loading->prefix}, &id) < 0)
        return 0;
    job = job_new(loading->target, FIRMWARE_DOWNLOAD, 0);
    if (!job || job_name(job, id) < 0) {
        job_free(job);
        return -1;
    }
    result = decode(job, value);
    if (result <= 0) {
        job_free(job);
        return result;
    }
    job->target_next = loading->first;
    loading->first = job;
    return 0;
}

/* Time went on while we were away. A wall clock that went back, or was not set yet, takes nothing off. */
static void resume_clock(struct firmware_job *job)
{
    int64_t passed = clock_wall(&job->firmware->loop->clock) - job->accepted_at;

    /* Accepted before the gateway knew the time: the wall clock's leap since is not time that passed. */
    if (job->accepted_at >= PLAUSIBLE_TIME && passed > 0 && (uint64_t)passed > job->elapsed_base_s)
        job->elapsed_base_s = (uint64_t)passed;
    job->elapsed_from = clock_monotonic(&job->firmware->loop->clock);
}

int jobs_load(struct firmware_target *target, struct error *err)
{
    struct loading loading = {.target = target};
    struct firmware_job *job;
    struct buf prefix;
    int result;

    buf_init(&prefix, RECORD_BYTES, 0);
    result = buf_printf(&prefix, "%s\n", target->key);
    loading.prefix = prefix.len;
    if (result == 0)
        result = store_each(target->firmware->store, "job",
                            (struct str){(const char *)buf_data(&prefix), prefix.len}, on_record, &loading,
                            err);
    else
        error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "out of memory");
    buf_done(&prefix);
    while ((job = loading.first)) {
        loading.first = job->target_next;
        if (result != 0) {
            job_free(job);
            continue;
        }
        job->accepted = job->resumed = true;
        resume_clock(job);
        job_link(job);
    }
    return result == 0 ? 0 : -1;
}

static int on_any(void *ctx, struct str key, struct str value)
{
    uint64_t *next = ctx;
    uint64_t id;

    (void)value;
    if (key.len > ID_DIGITS && parse_id((struct str){key.data + key.len - ID_DIGITS, ID_DIGITS}, &id) == 0 &&
        id >= *next)
        *next = id + 1;
    return 0;
}

uint64_t jobs_next_id(struct store *store)
{
    uint64_t next = 1;
    struct buf buf;

    buf_init(&buf, 64, 0);
    if (store_get(store, "firmware", STR("next_job"), &buf, NULL) == 1)
        str_to_u64((struct str){(const char *)buf_data(&buf), buf.len}, &next);
    buf_done(&buf);
    store_each(store, "job", STR(""), on_any, &next, NULL);
    return next ? next : 1;
}
