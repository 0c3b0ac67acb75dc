/* SPDX-License-Identifier: BSD-3-Clause */
#include "discovery/mdns.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "discovery/mdns_internal.h"

const bool mdns_available = true;

struct mdns_lookup {
    struct mdns_lookup *next;
    uint64_t id;
    void (*done)(void *ctx, const char *address, const struct error *err);
    void *ctx;
};

struct mdns {
    const struct mdns_ops *ops;
    void *ctx;
    struct mdns_channel channel;
    struct mdns_message *stop; /* made in time: the end needs no memory */
    struct mdns_lookup *lookups;
    size_t lookups_count;
    uint64_t next_id;
    uv_thread_t thread;
};

/* ---- messages ---- */

struct mdns_message *mdns_message_new(enum mdns_kind kind, uint64_t id, const char *text)
{
    struct mdns_message *message = calloc(1, sizeof(*message));

    if (!message)
        return NULL;
    message->kind = kind;
    message->id = id;
    arena_init(&message->arena, 0);
    if (text) {
        message->text = arena_strndup(&message->arena, text, strlen(text));
        if (!message->text) {
            mdns_message_free(message);
            return NULL;
        }
    }
    return message;
}

void mdns_message_free(struct mdns_message *message)
{
    if (!message)
        return;
    arena_done(&message->arena);
    free(message);
}

static void put(struct mdns_channel *channel, struct mdns_queue *queue, struct mdns_message *message)
{
    uv_mutex_lock(&channel->lock);
    message->next = NULL;
    *queue->last = message;
    queue->last = &message->next;
    queue->count++;
    uv_mutex_unlock(&channel->lock);
}

void mdns_to_thread(struct mdns_channel *channel, struct mdns_message *message)
{
    ssize_t written;

    put(channel, &channel->to_thread, message);
    do
        written = write(channel->wake[1], "", 1); /* a full pipe wakes as well */
    while (written < 0 && errno == EINTR);
}

void mdns_to_loop(struct mdns_channel *channel, struct mdns_message *message)
{
    put(channel, &channel->to_loop, message);
    uv_async_send(channel->async);
}

struct mdns_message *mdns_take(struct mdns_channel *channel, struct mdns_queue *queue)
{
    struct mdns_message *message;

    uv_mutex_lock(&channel->lock);
    message = queue->first;
    if (message && !(queue->first = message->next))
        queue->last = &queue->first;
    queue->count -= message != NULL;
    uv_mutex_unlock(&channel->lock);
    return message;
}

size_t mdns_unread(struct mdns_channel *channel)
{
    size_t count;

    uv_mutex_lock(&channel->lock);
    count = channel->to_loop.count;
    uv_mutex_unlock(&channel->lock);
    return count;
}

/* ---- from the thread ---- */

static struct mdns_lookup *take_lookup(struct mdns *mdns, uint64_t id)
{
    for (struct mdns_lookup **at = &mdns->lookups; *at; at = &(*at)->next) {
        struct mdns_lookup *lookup = *at;

        if (lookup->id != id)
            continue;
        *at = lookup->next;
        mdns->lookups_count--;
        return lookup;
    }
    return NULL;
}

static void on_resolved(struct mdns *mdns, const struct mdns_message *message)
{
    struct mdns_lookup *lookup = take_lookup(mdns, message->id);
    struct error err;

    if (!lookup)
        return; /* cancelled meanwhile */
    error_set(&err, ERROR_INTERNAL, NULL, "%s", message->text);
    lookup->done(lookup->ctx, message->present ? message->text : NULL, &err);
    free(lookup);
}

static void on_messages(uv_async_t *async)
{
    struct mdns *mdns = async->data;
    struct mdns_message *message;
    struct error err;

    while ((message = mdns_take(&mdns->channel, &mdns->channel.to_loop))) {
        if (message->kind == MDNS_RESOLVED) {
            on_resolved(mdns, message);
        } else if (message->kind == MDNS_INSTANCE) {
            mdns->ops->instance(mdns->ctx, &message->instance, message->present);
        } else if (message->kind == MDNS_REFUSED) {
            error_set(&err, ERROR_INTERNAL, NULL, "%s", message->text);
            mdns->ops->refused(mdns->ctx, &err);
        } else {
            mdns->ops->state(mdns->ctx, message->present, message->text);
        }
        mdns_message_free(message);
    }
}

/* ---- life ---- */

static void on_async_closed(uv_handle_t *handle)
{
    free(handle);
}

static void channel_done(struct mdns_channel *channel)
{
    struct mdns_message *message;

    while ((message = mdns_take(channel, &channel->to_thread)) ||
           (message = mdns_take(channel, &channel->to_loop)))
        mdns_message_free(message);
    if (channel->async)
        uv_close((uv_handle_t *)channel->async, on_async_closed);
    for (size_t i = 0; i < 2; i++)
        if (channel->wake[i] >= 0)
            close(channel->wake[i]);
    uv_mutex_destroy(&channel->lock);
}

static int channel_init(struct mdns *mdns, struct loop *loop)
{
    struct mdns_channel *channel = &mdns->channel;
    uv_async_t *async = calloc(1, sizeof(*async));

    channel->to_thread.last = &channel->to_thread.first;
    channel->to_loop.last = &channel->to_loop.first;
    if (!async || uv_async_init(&loop->uv, async, on_messages) < 0) {
        free(async);
        return -1;
    }
    async->data = mdns;
    channel->async = async;
    return pipe2(channel->wake, O_CLOEXEC | O_NONBLOCK);
}

struct mdns *mdns_new(struct loop *loop, const struct mdns_ops *ops, void *ctx, struct error *err)
{
    struct mdns *mdns = calloc(1, sizeof(*mdns));
    sigset_t all, before;
    int rc;

    if (!mdns || uv_mutex_init(&mdns->channel.lock) < 0) {
        free(mdns);
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    mdns->ops = ops;
    mdns->ctx = ctx;
    mdns->channel.wake[0] = mdns->channel.wake[1] = -1;
    mdns->stop = mdns_message_new(MDNS_STOP, 0, NULL);
    if (mdns->stop && channel_init(mdns, loop) == 0) {
        /* Signals are the loop's. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = uv_thread_create(&mdns->thread, mdns_thread, &mdns->channel);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (rc == 0)
            return mdns;
    }
    mdns_message_free(mdns->stop);
    channel_done(&mdns->channel);
    free(mdns);
    error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "cannot start the thread of multicast DNS");
    return NULL;
}

void mdns_free(struct mdns *mdns)
{
    if (!mdns)
        return;
    mdns_to_thread(&mdns->channel, mdns->stop);
    uv_thread_join(&mdns->thread);
    while (mdns->lookups)
        free(take_lookup(mdns, mdns->lookups->id));
    channel_done(&mdns->channel);
    free(mdns);
}

/* ---- to the thread ---- */

static const char *copy(struct arena *arena, const char *text, bool *failed)
{
    const char *result = text ? arena_strndup(arena, text, strlen(text)) : NULL;

    *failed = *failed || (text && !result);
    return result;
}

static const char *const *copy_list(struct arena *arena, const char *const *from, bool *failed)
{
    const char **list;
    size_t n = 0;

    if (!from)
        return NULL;
    while (from[n])
        n++;
    list = arena_alloc(arena, (n + 1) * sizeof(*list));
    *failed = *failed || !list;
    for (size_t i = 0; list && i < n; i++)
        list[i] = copy(arena, from[i], failed);
    if (list)
        list[n] = NULL;
    return list;
}

static bool copy_service(struct arena *arena, const struct mdns_service *from, struct mdns_service *to)
{
    bool failed = false;

    *to = (struct mdns_service){
        .instance = copy(arena, from->instance, &failed),
        .type = copy(arena, from->type, &failed),
        .subtype = copy(arena, from->subtype, &failed),
        .host = copy(arena, from->host, &failed),
        .address = copy(arena, from->address, &failed),
        .host_label = copy(arena, from->host_label, &failed),
        .port = from->port,
        .txt = copy_list(arena, from->txt, &failed),
    };
    return !failed;
}

int mdns_advertise(struct mdns *mdns, const struct mdns_service *services, size_t count, struct error *err)
{
    struct mdns_message *message = mdns_message_new(MDNS_ADVERTISE, 0, NULL);
    bool good = message != NULL;

    if (good && count) {
        message->services = arena_alloc(&message->arena, count * sizeof(*services));
        good = message->services && count <= LIMIT_MDNS_SERVICES;
    }
    for (; good && message->count < count; message->count++)
        good = copy_service(&message->arena, &services[message->count], &message->services[message->count]);
    if (!good) {
        mdns_message_free(message);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to advertise %zu services", count);
    }
    mdns_to_thread(&mdns->channel, message);
    return 0;
}

struct mdns_lookup *mdns_resolve(struct mdns *mdns, const char *host,
                                 void (*done)(void *ctx, const char *address, const struct error *err),
                                 void *ctx, struct error *err)
{
    struct mdns_lookup *lookup = calloc(1, sizeof(*lookup));
    struct mdns_message *message = mdns_message_new(MDNS_RESOLVE, mdns->next_id, host);

    if (!lookup || !message || mdns->lookups_count >= LIMIT_MDNS_LOOKUPS) {
        free(lookup);
        mdns_message_free(message);
        error_set(err, ERROR_RESOURCES_EXCEEDED, host, "too many names are being resolved");
        return NULL;
    }
    *lookup = (struct mdns_lookup){.next = mdns->lookups, .id = mdns->next_id++, .done = done, .ctx = ctx};
    mdns->lookups = lookup;
    mdns->lookups_count++;
    mdns_to_thread(&mdns->channel, message);
    return lookup;
}

void mdns_resolve_cancel(struct mdns *mdns, struct mdns_lookup *lookup)
{
    struct mdns_message *message = mdns_message_new(MDNS_CANCEL, lookup->id, NULL);

    free(take_lookup(mdns, lookup->id));
    if (message) /* without memory for it the answer comes, and finds nobody */
        mdns_to_thread(&mdns->channel, message);
}

int mdns_browse(struct mdns *mdns, const char *const *interfaces, const char *const *types, struct error *err)
{
    struct mdns_message *message = mdns_message_new(MDNS_BROWSE, 0, NULL);
    bool failed = !message;

    if (message) {
        message->interfaces = copy_list(&message->arena, interfaces, &failed);
        message->types = copy_list(&message->arena, types, &failed);
    }
    if (failed) {
        mdns_message_free(message);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to browse the LAN's services");
    }
    mdns_to_thread(&mdns->channel, message);
    return 0;
}
