/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Observers: how a lower folder tells what happened to whoever above it cares, without knowing them. The observer is
 * embedded in its owner, who removes it before going away. Notifying calls all in order of adding; an observer may
 * remove itself while it is called.
 */
#ifndef BASE_OBSERVER_H
#define BASE_OBSERVER_H

#include <stddef.h>

struct observer {
    void (*fn)(void *ctx, const void *event); /* the event's type is stated by the list's owner */
    void *ctx;
    struct observer *next;
};

struct observers {
    struct observer *first;
};

static inline void observer_add(struct observers *list, struct observer *observer)
{
    struct observer **at = &list->first;

    while (*at)
        at = &(*at)->next;
    observer->next = NULL;
    *at = observer;
}

static inline void observer_remove(struct observers *list, struct observer *observer)
{
    for (struct observer **at = &list->first; *at; at = &(*at)->next) {
        if (*at == observer) {
            *at = observer->next;
            return;
        }
    }
}

static inline void observers_notify(const struct observers *list, const void *event)
{
    for (struct observer *observer = list->first; observer;) {
        struct observer *next = observer->next;

        observer->fn(observer->ctx, event);
        observer = next;
    }
}

#endif
