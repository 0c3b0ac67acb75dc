/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/ssdp.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/rate.h"

enum {
    MX_S = 3,
    SETTLE_MS = 20,
    BOOT_SETTLE_S = 5, /* a device that announces itself may not serve yet */
};

/* One description of a sender. */
struct ssdp_fetch {
    struct sender *sender;
    struct ssdp_location location;
    char uuid[SSDP_UUID_BYTES]; /* whose message came last */
    uint64_t expires;           /* monotonic ms, as those below */
    uint64_t due;               /* when it is to be fetched */
    uint32_t boot_id;
    uint32_t failures; /* in a row */
    bool described;
};

struct sender {
    struct ssdp *ssdp;
    struct sender *next; /* in order of coming */
    struct sockaddr_storage address;
    struct str key; /* the bytes of the address, and its link: in here */
    uint8_t key_bytes[16 + IF_NAMESIZE];
    char interface[IF_NAMESIZE];
    struct ssdp_fetch *locations[LIMIT_SSDP_LOCATIONS];
    size_t count;
    struct rate messages;
    uint64_t pause; /* no fetch before */
    struct ssdp_fetch *fetching;
    void *fetch; /* the owner's */
    uint64_t deadline;
};

struct ssdp {
    struct timers *timers;
    struct timer timer;
    const struct ssdp_ops *ops;
    void *ctx;
    struct map by_address;
    struct sender *first;
    struct sender *turn; /* who is asked next */
    unsigned fetching;
    struct ssdp_counts counts;
};

static uint64_t now_of(const struct ssdp *ssdp)
{
    return clock_monotonic(ssdp->timers->clock);
}

/* What a message changes is looked at together with what the next ones do. */
static void soon(struct ssdp *ssdp)
{
    if (!timer_armed(&ssdp->timer) || ssdp->timer.due > now_of(ssdp) + SETTLE_MS)
        timer_arm(ssdp->timers, &ssdp->timer, SETTLE_MS);
}

static struct ssdp_seen seen_of(const struct sender *sender, const char *url)
{
    return (struct ssdp_seen){
        .address = (const struct sockaddr *)&sender->address, .interface = sender->interface, .url = url};
}

static void refuse(struct ssdp *ssdp, uint64_t *count, const struct ssdp_seen *seen, const struct error *err)
{
    ++*count;
    ssdp->ops->refused(ssdp->ctx, seen, err);
}

/* ---- senders ---- */

static size_t make_key(const struct sockaddr *from, const char *interface, uint8_t key[16 + IF_NAMESIZE])
{
    size_t len = from->sa_family == AF_INET ? 4 : 16;

    if (from->sa_family == AF_INET)
        memcpy(key, &((const struct sockaddr_in *)from)->sin_addr, len);
    else
        memcpy(key, &((const struct sockaddr_in6 *)from)->sin6_addr, len);
    return len + str_copy((char *)key + len, IF_NAMESIZE, interface);
}

static struct sender *sender_find(const struct ssdp *ssdp, const struct sockaddr *from, const char *interface)
{
    uint8_t key[16 + IF_NAMESIZE];
    size_t len = make_key(from, interface, key);

    return map_get(&ssdp->by_address, (struct str){(char *)key, len});
}

static void stop_fetch(struct sender *sender)
{
    if (!sender->fetching)
        return;
    if (sender->fetch)
        sender->ssdp->ops->cancel(sender->ssdp->ctx, sender->fetch);
    sender->fetching = NULL;
    sender->fetch = NULL;
    sender->ssdp->fetching--;
}

static void location_free(struct sender *sender, size_t i)
{
    if (sender->fetching == sender->locations[i])
        stop_fetch(sender);
    free(sender->locations[i]);
    sender->locations[i] = sender->locations[--sender->count];
}

static void sender_free(struct sender *sender)
{
    struct ssdp *ssdp = sender->ssdp;
    struct sender **at = &ssdp->first;

    while (sender->count)
        location_free(sender, sender->count - 1);
    while (*at != sender)
        at = &(*at)->next;
    *at = sender->next;
    if (ssdp->turn == sender)
        ssdp->turn = sender->next;
    map_remove(&ssdp->by_address, sender->key);
    free(sender);
}

/* When all places are taken, the oldest of those that never had a description gives way. */
static bool make_place(struct ssdp *ssdp)
{
    if (ssdp->by_address.count < LIMIT_SSDP_SENDERS)
        return true;
    for (struct sender *sender = ssdp->first; sender; sender = sender->next) {
        bool described = false;

        for (size_t i = 0; i < sender->count; i++)
            described = described || sender->locations[i]->described;
        if (described)
            continue;
        sender_free(sender);
        return true;
    }
    return false;
}

static struct sender *sender_new(struct ssdp *ssdp, const struct sockaddr *from, const char *interface)
{
    struct sender *sender = make_place(ssdp) ? calloc(1, sizeof(*sender)) : NULL;
    struct sender **last = &ssdp->first;

    if (!sender)
        return NULL;
    sender->ssdp = ssdp;
    memcpy(&sender->address, from,
           from->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    str_copy(sender->interface, sizeof(sender->interface), interface);
    sender->key = (struct str){(char *)sender->key_bytes, make_key(from, interface, sender->key_bytes)};
    if (map_put(&ssdp->by_address, sender->key, sender) < 0) {
        free(sender);
        return NULL;
    }
    while (*last)
        last = &(*last)->next;
    *last = sender;
    return sender;
}

/* ---- what a sender says ---- */

static void on_byebye(struct sender *sender, const struct ssdp_message *message)
{
    for (size_t i = sender->count; i-- > 0;)
        if (str_is(message->uuid, sender->locations[i]->uuid))
            location_free(sender, i);
    if (!sender->count)
        sender_free(sender);
}

static struct ssdp_fetch *location_of(struct sender *sender, const struct ssdp_location *location)
{
    struct ssdp_fetch *fetch;

    for (size_t i = 0; i < sender->count; i++)
        if (strcmp(sender->locations[i]->location.url, location->url) == 0)
            return sender->locations[i];
    if (sender->count == LIMIT_SSDP_LOCATIONS)
        return NULL;
    fetch = calloc(1, sizeof(*fetch));
    if (!fetch)
        return NULL;
    fetch->sender = sender;
    fetch->location = *location;
    fetch->due = now_of(sender->ssdp);
    sender->locations[sender->count++] = fetch;
    return fetch;
}

/* False: it has said enough for now. */
static bool on_alive(struct sender *sender, const struct ssdp_message *message,
                     const struct ssdp_location *location)
{
    uint64_t now = now_of(sender->ssdp);
    struct ssdp_fetch *fetch = location_of(sender, location);

    if (!fetch)
        return false;
    memcpy(fetch->uuid, message->uuid.data, message->uuid.len);
    fetch->uuid[message->uuid.len] = '\0';
    fetch->expires = now + (uint64_t)message->max_age * 1000;
    /* It began anew, perhaps with another firmware. */
    if (fetch->described && message->boot_id && message->boot_id != fetch->boot_id &&
        fetch->due > now + BOOT_SETTLE_S * 1000)
        fetch->due = now + BOOT_SETTLE_S * 1000;
    if (message->boot_id)
        fetch->boot_id = message->boot_id;
    return true;
}

static bool known_or_new(struct ssdp *ssdp, const struct sockaddr *from, const struct ssdp_seen *seen,
                         const struct ssdp_message *message, const struct ssdp_location *location)
{
    struct sender *sender = sender_find(ssdp, from, seen->interface);

    if (!sender)
        sender = sender_new(ssdp, from, seen->interface);
    if (!sender)
        return false;
    if (on_alive(sender, message, location))
        return true;
    if (!sender->count) /* no memory for its first */
        sender_free(sender);
    return false;
}

void ssdp_input(struct ssdp *ssdp, const struct sockaddr *from, const char *interface, struct str datagram)
{
    struct ssdp_seen seen = {.address = from, .interface = interface, .url = NULL};
    struct sender *sender = sender_find(ssdp, from, interface);
    struct ssdp_location location;
    struct ssdp_message message;
    struct error err;

    ssdp->counts.messages++;
    if (sender && !rate_take(&sender->messages, now_of(ssdp), SSDP_INTERVAL_MS, SSDP_BURST)) {
        ssdp->counts.limited++;
        return;
    }
    if (ssdp_parse(datagram, &message, &err) < 0) {
        refuse(ssdp, &ssdp->counts.refused, &seen, &err);
        return;
    }
    if (message.kind == SSDP_SEARCH)
        return;
    if (message.kind == SSDP_BYEBYE) {
        if (sender)
            on_byebye(sender, &message);
    } else if (ssdp_location(message.location, from, &location, &err) < 0) {
        refuse(ssdp, &ssdp->counts.refused, &seen, &err);
        return;
    } else if (!known_or_new(ssdp, from, &seen, &message, &location)) {
        ssdp->counts.limited++;
    }
    soon(ssdp);
}

/* ---- fetches ---- */

static void failed(struct ssdp_fetch *fetch, const struct error *err)
{
    struct ssdp *ssdp = fetch->sender->ssdp;
    struct ssdp_seen seen = seen_of(fetch->sender, fetch->location.url);
    uint64_t wait_s = (uint64_t)SSDP_RETRY_FIRST_S << (fetch->failures < 16 ? fetch->failures : 16);

    fetch->failures++;
    fetch->due = now_of(ssdp) + (wait_s > SSDP_REFRESH_S ? SSDP_REFRESH_S : wait_s) * 1000;
    refuse(ssdp, &ssdp->counts.failed, &seen, err);
}

static void ended(struct ssdp_fetch *fetch)
{
    struct sender *sender = fetch->sender;

    sender->fetching = NULL;
    sender->fetch = NULL;
    sender->ssdp->fetching--;
    sender->pause = now_of(sender->ssdp) + SSDP_FETCH_PAUSE_S * 1000;
}

static bool is_primary(const struct ssdp_fetch *fetch)
{
    const struct sender *sender = fetch->sender;

    for (size_t i = 0; i < sender->count && sender->locations[i] != fetch; i++)
        if (sender->locations[i]->described)
            return false;
    return true;
}

static void take(struct ssdp_fetch *fetch, struct str text)
{
    struct ssdp *ssdp = fetch->sender->ssdp;
    struct ssdp_seen seen = seen_of(fetch->sender, fetch->location.url);
    struct upnp_device device;
    struct error err;

    if (upnp_description_parse(text, &device, &err) < 0) {
        failed(fetch, &err);
        return;
    }
    fetch->described = true;
    fetch->failures = 0;
    fetch->due = now_of(ssdp) + (uint64_t)SSDP_REFRESH_S * 1000;
    ssdp->counts.fetched++;
    seen.primary = is_primary(fetch);
    ssdp->ops->described(ssdp->ctx, &seen, &device);
}

void ssdp_fetched(struct ssdp_fetch *token, const struct str *text, const struct error *err)
{
    struct ssdp *ssdp = token->sender->ssdp;

    ended(token);
    if (text)
        take(token, *text);
    else
        failed(token, err);
    soon(ssdp);
}

static void begin(struct sender *sender, struct ssdp_fetch *fetch, uint64_t now)
{
    struct ssdp *ssdp = sender->ssdp;
    struct error err;

    sender->fetching = fetch;
    sender->deadline = now + SSDP_FETCH_S * 1000;
    ssdp->fetching++;
    sender->fetch = ssdp->ops->fetch(ssdp->ctx, fetch->location.url, fetch, &err);
    if (sender->fetch)
        return;
    ended(fetch);
    failed(fetch, &err);
}

/* ---- what time does ---- */

static void earliest(uint64_t *next, uint64_t when)
{
    if (when < *next)
        *next = when;
}

/* False: nothing of it is left. */
static bool age(struct sender *sender, uint64_t now, uint64_t *next)
{
    if (sender->fetching && sender->deadline <= now) {
        struct ssdp_fetch *fetch = sender->fetching;
        struct error err;

        stop_fetch(sender);
        sender->pause = now + SSDP_FETCH_PAUSE_S * 1000;
        error_set(&err, ERROR_OPERATION_ERROR, NULL, "the description took longer than %d s", SSDP_FETCH_S);
        failed(fetch, &err);
    }
    for (size_t i = sender->count; i-- > 0;) {
        if (sender->locations[i]->expires <= now)
            location_free(sender, i);
        else
            earliest(next, sender->locations[i]->expires);
    }
    if (sender->fetching)
        earliest(next, sender->deadline);
    if (sender->count)
        return true;
    sender_free(sender);
    return false;
}

static void serve(struct sender *sender, uint64_t now, uint64_t *next)
{
    struct ssdp_fetch *first = NULL;
    uint64_t when;

    if (sender->fetching)
        return;
    for (size_t i = 0; i < sender->count; i++)
        if (!first || sender->locations[i]->due < first->due)
            first = sender->locations[i];
    when = first->due > sender->pause ? first->due : sender->pause;
    if (when > now) {
        earliest(next, when);
    } else if (sender->ssdp->fetching < LIMIT_SSDP_FETCHES) { /* else the end of one comes here again */
        begin(sender, first, now);
        earliest(next, sender->fetching ? sender->deadline : sender->pause);
    }
}

/* Each in turn, from where the last round ended: whoever came first has no more of it than others. */
static void work(struct ssdp *ssdp)
{
    uint64_t now = now_of(ssdp), next = UINT64_MAX;
    struct sender *sender, *following;

    for (sender = ssdp->first; sender; sender = following) {
        following = sender->next;
        age(sender, now, &next);
    }
    sender = ssdp->turn ? ssdp->turn : ssdp->first;
    for (size_t left = ssdp->by_address.count; left && sender; left--) {
        unsigned before = ssdp->fetching;

        serve(sender, now, &next);
        sender = sender->next ? sender->next : ssdp->first;
        if (ssdp->fetching != before)
            ssdp->turn = sender;
    }
    timer_cancel(ssdp->timers, &ssdp->timer);
    if (next != UINT64_MAX)
        timer_arm(ssdp->timers, &ssdp->timer, next > now ? next - now : 1);
}

static void on_timer(struct timer *timer, void *ctx)
{
    (void)timer;
    work(ctx);
}

/* ---- life ---- */

struct ssdp *ssdp_new(struct timers *timers, const struct ssdp_ops *ops, void *ctx, struct error *err)
{
    struct ssdp *ssdp = calloc(1, sizeof(*ssdp));

    if (!ssdp) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    ssdp->timers = timers;
    ssdp->ops = ops;
    ssdp->ctx = ctx;
    map_init(&ssdp->by_address);
    timer_init(&ssdp->timer, on_timer, ssdp);
    return ssdp;
}

void ssdp_free(struct ssdp *ssdp)
{
    if (!ssdp)
        return;
    while (ssdp->first)
        sender_free(ssdp->first);
    timer_cancel(ssdp->timers, &ssdp->timer);
    map_done(&ssdp->by_address);
    free(ssdp);
}

const struct ssdp_counts *ssdp_counts(const struct ssdp *ssdp)
{
    return &ssdp->counts;
}

size_t ssdp_senders(const struct ssdp *ssdp)
{
    return ssdp->by_address.count;
}

size_t ssdp_search_text(int family, char to[256])
{
    return (size_t)snprintf(to, 256,
                            "M-SEARCH * HTTP/1.1\r\nHOST: %s:%d\r\nMAN: \"ssdp:discover\"\r\nMX: %d\r\n"
                            "ST: upnp:rootdevice\r\nUSER-AGENT: homepatch UPnP/2.0\r\n\r\n",
                            family == AF_INET ? "239.255.255.250" : "[FF02::C]", SSDP_PORT, MX_S);
}
