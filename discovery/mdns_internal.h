/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two sides of discovery/mdns.h and what goes between them. mdns.c is the loop's side, mdns_avahi.c the thread's; they
 * share nothing but the two queues, under one lock. Whoever takes a message off a queue owns it.
 */
#ifndef DISCOVERY_MDNS_INTERNAL_H
#define DISCOVERY_MDNS_INTERNAL_H

#include "base/arena.h"
#include "discovery/mdns.h"

enum mdns_kind {
    /* To the thread. */
    MDNS_ADVERTISE, /* services */
    MDNS_RESOLVE,   /* id, text: the name */
    MDNS_CANCEL,    /* id */
    MDNS_BROWSE,    /* interfaces, types */
    MDNS_STOP,
    /* From the thread. */
    MDNS_STATE,    /* present, text: why not */
    MDNS_REFUSED,  /* text */
    MDNS_RESOLVED, /* id, present, text: address or why not */
    MDNS_INSTANCE, /* present, instance */
};

struct mdns_message {
    struct mdns_message *next;
    struct arena arena; /* holds all that it points to */
    enum mdns_kind kind;
    uint64_t id;
    bool present;
    const char *text;
    struct mdns_service *services;
    size_t count;
    const char *const *interfaces; /* NULL: all */
    const char *const *types;
    struct mdns_instance instance;
};

struct mdns_queue {
    struct mdns_message *first;
    struct mdns_message **last;
    size_t count;
};

struct mdns_channel {
    uv_mutex_t lock;
    struct mdns_queue to_thread, to_loop;
    int wake[2];       /* wakes the thread */
    uv_async_t *async; /* wakes the loop */
};

/* text is copied. NULL: no memory. */
struct mdns_message *mdns_message_new(enum mdns_kind kind, uint64_t id, const char *text);
void mdns_message_free(struct mdns_message *message);

/* Takes over the message. */
void mdns_to_thread(struct mdns_channel *channel, struct mdns_message *message);
void mdns_to_loop(struct mdns_channel *channel, struct mdns_message *message);
/* The first message, or NULL. */
struct mdns_message *mdns_take(struct mdns_channel *channel, struct mdns_queue *queue);

/* Messages that the loop has not read yet: the thread slows down before it drowns the loop. */
size_t mdns_unread(struct mdns_channel *channel);

/* The thread: runs until MDNS_STOP. */
void mdns_thread(void *channel);

#endif
