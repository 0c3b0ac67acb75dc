/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "firmware/fetch_source.h"
#include "firmware/flight.h"

/* ---- turns ---- */

static struct flight *next_queued(const struct fetches *fetches)
{
    uint32_t running = 0;
    struct flight *queued = NULL;

    for (struct flight *flight = fetches->first; flight; flight = flight->next) {
        if (flight->state == FETCH_RUNNING || flight->state == FETCH_VERIFYING)
            running++;
        else if (flight->state == FETCH_QUEUED && !queued)
            queued = flight;
    }
    return running < fetches->parallel ? queued : NULL;
}

static void on_pump(void *ctx)
{
    struct fetches *fetches = ctx;
    struct flight *flight;

    while ((flight = next_queued(fetches)))
        flight_begin(flight);
}

/* ---- wants ---- */

static struct flight *flight_new(struct fetches *fetches, const struct fetch_args *args, const char *key)
{
    struct flight *flight = calloc(1, sizeof(*flight));
    struct flight **at = &fetches->first;

    if (!flight)
        return NULL;
    flight->fetches = fetches;
    flight->fd = -1;
    flight->size_hint = args->size_hint;
    flight->checksum = args->checksum;
    timer_init(&flight->retry, flight_retry, flight);
    str_copy(flight->key, sizeof(flight->key), key);
    if (str_replace(&flight->url, args->url) < 0 || str_replace(&flight->username, args->username) < 0 ||
        str_replace(&flight->password, args->password) < 0) {
        flight_free(flight, false);
        return NULL;
    }
    while (*at)
        at = &(*at)->next;
    *at = flight;
    return flight;
}

int fetch_start(struct fetches *fetches, const struct fetch_args *args, struct fetch_want *want,
                struct error *err)
{
    struct fetch_want **at;
    struct flight *flight;
    char key[CACHE_PART_KEY_BYTES];

    if (fetch_key(args, key) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, args->url,
                         "no memory for the fetch, or the URL is too long");
    for (flight = fetches->first; flight; flight = flight->next)
        if (!flight->ending && strcmp(flight->key, key) == 0)
            break;
    if (!flight)
        flight = flight_new(fetches, args, key);
    if (!flight)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, args->url, "no memory for the fetch");
    at = &flight->wants;
    while (*at)
        at = &(*at)->next;
    *at = want;
    want->next = NULL;
    want->flight = flight;
    loop_defer(fetches->loop, &fetches->pump);
    return 0;
}

enum fetch_state fetch_want_state(const struct fetch_want *want, unsigned *ret_percent)
{
    *ret_percent = want->flight->percent;
    return want->flight->state;
}

void fetch_cancel(struct fetches *fetches, struct fetch_want *want)
{
    struct flight *flight = want->flight;

    if (!flight)
        return;
    want->flight = NULL;
    for (struct fetch_want **at = &flight->wants; *at; at = &(*at)->next) {
        if (*at == want) {
            *at = want->next;
            break;
        }
    }
    if (flight->wants || flight->ending)
        return;
    flight_free(flight, true);
    loop_defer(fetches->loop, &fetches->pump);
}

void fetch_forget(struct fetches *fetches, const struct fetch_args *args)
{
    char key[CACHE_PART_KEY_BYTES];

    if (fetch_key(args, key) == 0)
        cache_part_forget(fetches->cache, key);
}

struct fetches *fetches_new(struct loop *loop, struct cache *cache, const struct fetch_source *source,
                            const struct tls_settings *tls, uint32_t parallel, uint32_t retries,
                            uint32_t retry_wait_s)
{
    struct fetches *fetches = calloc(1, sizeof(*fetches));

    if (!fetches)
        return NULL;
    *fetches = (struct fetches){
        .loop = loop,
        .cache = cache,
        .source = *source,
        .tls = *tls,
        .parallel = parallel ? parallel : 1,
        .retries = retries,
        .retry_wait_s = retry_wait_s,
        .pump = {.fn = on_pump, .ctx = fetches},
    };
    return fetches;
}

void fetches_free(struct fetches *fetches)
{
    if (!fetches)
        return;
    while (fetches->first) {
        for (struct fetch_want *want = fetches->first->wants; want; want = want->next)
            want->flight = NULL;
        flight_free(fetches->first, false);
    }
    loop_undefer(fetches->loop, &fetches->pump);
    free(fetches);
}
