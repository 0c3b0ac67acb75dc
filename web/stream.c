/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Telling the page what changes, when it does. What changed is noted once per device and question (struct web_changes),
 * with a number that counts up; a stream is told what has a higher number than what it was told. So a reader that is slow is
 * told the newest and nothing between, and one that is dead costs a place. Nothing is noted while nobody is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/internal.h"

enum {
    INTERVAL_MS = 250,    /* between two pieces of a stream */
    ALIVE_MS = 20 * 1000, /* after that long without news it is told that the line is open */
    CHANGES = LIMIT_RESIDENT_DEVICES + LIMIT_RESIDENT_QUESTIONS,
};

/* ---- what changed ---- */

static void forget_all(struct web_changes *changes)
{
    for (struct web_change *change = changes->newest, *next; change; change = next) {
        next = change->next;
        free(change);
    }
    map_done(&changes->by_key);
    map_init(&changes->by_key);
    changes->newest = NULL;
    changes->count = 0;
    changes->forgotten = changes->number;
}

static void take_out(struct web_changes *changes, struct web_change *change)
{
    *(change->previous ? &change->previous->next : &changes->newest) = change->next;
    if (change->next)
        change->next->previous = change->previous;
}

static struct web_change *change_new(struct web_changes *changes, const char *key, uint32_t question)
{
    struct web_change *change = changes->count < CHANGES ? calloc(1, sizeof(*change) + strlen(key) + 1)
                                                         : NULL;

    if (!change)
        return NULL;
    change->question = question;
    strcpy(change->key, key);
    if (map_put(&changes->by_key, str_of(change->key), change) < 0) {
        free(change);
        return NULL;
    }
    changes->count++;
    return change;
}

/* Without memory, or when there are too many, all is told anew. */
static void note(struct web_changes *changes, const char *key, uint32_t question)
{
    struct web_change *change = map_get(&changes->by_key, str_of(key));

    changes->number++;
    if (change)
        take_out(changes, change);
    else
        change = change_new(changes, key, question);
    if (!change) {
        forget_all(changes);
        return;
    }
    change->number = changes->number;
    change->previous = NULL;
    change->next = changes->newest;
    if (change->next)
        change->next->previous = change;
    changes->newest = change;
}

static void note_question(struct web_changes *changes, const struct consent_question *question)
{
    struct consent_question_info info;
    char key[24];

    consent_question_info(question, &info);
    snprintf(key, sizeof(key), "\n%u", info.number); /* no device's key begins so */
    note(changes, key, info.number);
}

static void note_device(struct web_changes *changes, const struct consent_device *device)
{
    struct consent_device_info info;

    consent_device_info(device, &info);
    note(changes, info.key, 0);
}

/* Rules that a controller sets are told by their line in the ledger. */
static void note_entry(struct web_changes *changes, const struct consent_entry *entry)
{
    if (entry->what == ENTRY_POLICY && *entry->key)
        note(changes, entry->key, 0);
    else
        changes->number++;
    if (entry->what == ENTRY_POLICY && !*entry->key)
        changes->home = changes->number;
}

/* ---- when it is told ---- */

static struct web_session *session_of(const struct web_stream *stream)
{
    return &stream->web->sessions[stream - stream->web->streams];
}

/* Armed all the time, so that moving it cannot fail. */
static void schedule(struct web_stream *stream)
{
    struct web *web = stream->web;
    uint64_t left = web_session_left(web, session_of(stream));
    uint64_t now = clock_monotonic(&web->loop->clock);
    uint64_t due = stream->last + (stream->told < web->changes.number ? INTERVAL_MS : ALIVE_MS);
    uint64_t wait = due > now ? due - now : 0;

    timer_arm(&web->loop->timers, &stream->timer, wait < left ? wait : left);
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct web_stream *stream = ctx;
    struct web *web = stream->web;

    /* Its place in the heap is free until something else is armed. */
    timer_arm(&web->loop->timers, timer, ALIVE_MS);
    if (!web_session_left(web, session_of(stream)))
        web_session_end(web, session_of(stream));
    else
        web->more(stream->pending);
}

static void on_consent(void *ctx, const void *data)
{
    const struct consent_event *event = data;
    struct web *web = ctx;
    struct web_changes *changes = &web->changes;
    bool told = false;

    for (size_t i = 0; i < LIMIT_RESIDENT_SESSIONS; i++)
        told = told || web->streams[i].pending;
    if (!told)
        return;
    switch (event->type) {
    case CONSENT_QUESTION_ADDED:
    case CONSENT_QUESTION_CHANGED:
    case CONSENT_QUESTION_REMOVED:
        note_question(changes, event->question);
        break;
    case CONSENT_DEVICE_CHANGED:
    case CONSENT_DEVICE_NEWS:
        note_device(changes, event->device);
        break;
    case CONSENT_HOME_CHANGED:
        changes->home = ++changes->number;
        break;
    case CONSENT_ENTRY_ADDED:
        note_entry(changes, event->entry);
        break;
    case CONSENT_ENTRY_REMOVED:
        changes->number++;
        break;
    }
    for (size_t i = 0; i < LIMIT_RESIDENT_SESSIONS; i++)
        if (web->streams[i].pending)
            schedule(&web->streams[i]);
}

/* ---- life ---- */

void web_streams_init(struct web *web)
{
    map_init(&web->changes.by_key);
    for (size_t i = 0; i < LIMIT_RESIDENT_SESSIONS; i++) {
        web->streams[i].web = web;
        timer_init(&web->streams[i].timer, on_timer, &web->streams[i]);
    }
    web->observer = (struct observer){.fn = on_consent, .ctx = web};
    observer_add(consent_observers(web->consent), &web->observer);
}

static void let_go(struct web_stream *stream)
{
    struct web *web = stream->web;

    stream->pending = NULL;
    timer_cancel(&web->loop->timers, &stream->timer);
    for (size_t i = 0; i < LIMIT_RESIDENT_SESSIONS; i++)
        if (web->streams[i].pending)
            return;
    forget_all(&web->changes);
}

void web_streams_done(struct web *web)
{
    observer_remove(consent_observers(web->consent), &web->observer);
    for (size_t i = 0; i < LIMIT_RESIDENT_SESSIONS; i++)
        let_go(&web->streams[i]);
    map_done(&web->changes.by_key);
}

/* Whom nobody holds any more is bidden farewell by web_more(). */
void web_stream_end(struct web *web, const struct web_session *session)
{
    struct web_stream *stream = &web->streams[session - web->sessions];
    struct http_pending *pending = stream->pending;

    if (!pending)
        return;
    let_go(stream);
    web->more(pending);
}

static struct web_stream *find(struct web *web, const struct http_pending *pending)
{
    for (size_t i = 0; i < LIMIT_RESIDENT_SESSIONS; i++)
        if (pending && web->streams[i].pending == pending)
            return &web->streams[i];
    return NULL;
}

bool web_stream_gone(struct web *web, struct http_pending *pending)
{
    struct web_stream *stream = find(web, pending);

    if (stream)
        let_go(stream);
    return stream != NULL;
}

/* One per session: the page that asks last has it. */
int web_stream(struct web *web, const struct web_session *session, const struct http_posted *asked,
               struct http_answer *answer)
{
    struct web_stream *stream = &web->streams[session - web->sessions];
    unsigned others = 0;
    struct buf text;
    int status;

    for (size_t i = 0; i < LIMIT_RESIDENT_SESSIONS; i++)
        others += web->streams[i].pending && &web->streams[i] != stream &&
                  strcmp(web->streams[i].peer, asked->peer) == 0;
    if (others >= LIMIT_RESIDENT_STREAMS)
        return web_answer_word(answer, 429, "too-many");
    web_stream_end(web, session);
    if (timer_arm(&web->loop->timers, &stream->timer, ALIVE_MS) < 0)
        return web_answer_word(answer, 503, "failed");
    buf_init(&text, LIMIT_RESIDENT_ANSWER_BYTES, 0);
    buf_append_str(&text, ":\n\n");
    status = web_answer_json(answer, 200, &text);
    if (status != 200) {
        timer_cancel(&web->loop->timers, &stream->timer);
        return status;
    }
    answer->content_type = "text/event-stream";
    answer->stream = true;
    stream->pending = asked->pending;
    stream->begun = false;
    str_copy(stream->peer, sizeof(stream->peer), asked->peer);
    return status;
}

/* ---- what is told ---- */

static int give(struct buf *text, bool goes_on, struct http_answer *ret_answer)
{
    if (text->failed) {
        buf_done(text);
        return -1;
    }
    *ret_answer = (struct http_answer){
        .fd = -1, .content = (char *)text->base, .size = text->len, .stream = goes_on};
    return 1;
}

static void write_event(struct web_stream *stream, struct buf *text)
{
    struct web *web = stream->web;
    const struct web_changes *changes = &web->changes;

    if (!stream->begun || stream->told < changes->forgotten) {
        buf_append_str(text, "event: state\ndata: ");
        web_all(web, session_of(stream), text);
    } else if (stream->told < changes->number) {
        buf_append_str(text, "event: news\ndata: ");
        web_news(web, stream->told, text);
    } else {
        buf_append_str(text, "event: alive\ndata:"); /* no script sees a comment */
    }
    buf_append_str(text, "\n\n");
    stream->begun = true;
    stream->told = changes->number;
}

int web_more(void *ctx, struct http_pending *pending, struct http_answer *ret_answer)
{
    struct web *web = ctx;
    struct web_stream *stream = find(web, pending);
    uint64_t now = clock_monotonic(&web->loop->clock);
    struct buf text;

    buf_init(&text, LIMIT_RESIDENT_ANSWER_BYTES, 0);
    if (!stream) {
        buf_append_str(&text, "event: end\ndata:\n\n");
        return give(&text, false, ret_answer);
    }
    if (stream->begun && now - stream->last < (stream->told < web->changes.number ? INTERVAL_MS : ALIVE_MS)) {
        schedule(stream);
        return 0;
    }
    write_event(stream, &text);
    stream->last = now;
    schedule(stream);
    return give(&text, true, ret_answer);
}
