/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/scan_listen.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "scan/service_facts.h"

enum {
    CONNECT_S = 5, /* of one description, whose whole time scan/ssdp.h limits */
    STALL_S = 5,
    COMPLAINTS = 5, /* at once, then one per COMPLAINT_MS */
    COMPLAINT_MS = 60000,
};

/* ---- DNS-SD ---- */

static void on_instance(void *ctx, const struct mdns_instance *instance, bool present)
{
    struct scan_listen *listen = ctx;

    services_observe(listen->services, instance, present);
}

static void on_heard(void *ctx, bool present)
{
    struct scan_listen *listen = ctx;

    services_heard(listen->services, present);
}

static int browse(struct scan_listen *listen, struct agent_discovery *discovery, const char *interfaces,
                  struct error *err)
{
    char names[LIMIT_MDNS_LINKS][IF_NAMESIZE];
    const char *list[LIMIT_MDNS_LINKS + 1];
    struct str rest = str_of(interfaces), name;
    size_t count = 0;

    while (count < LIMIT_MDNS_LINKS && str_next(&rest, ',', &name)) {
        name = str_trim(name);
        if (!name.len || name.len >= IF_NAMESIZE)
            continue;
        memcpy(names[count], name.data, name.len);
        names[count][name.len] = '\0';
        list[count] = names[count];
        count++;
    }
    list[count] = NULL;
    if (!count)
        return 0;
    discovery->instance = on_instance;
    discovery->heard_daemon = on_heard;
    discovery->instance_ctx = listen;
    listen->discovery = discovery;
    return mdns_browse(discovery->mdns, list, service_types, err);
}

/* ---- UPnP ---- */

/* One description under way. */
struct description {
    struct scan_listen *listen;
    struct http_fetch *fetch;
    void *token;
    struct buf text;
};

static void description_free(struct description *description)
{
    buf_done(&description->text);
    free(description);
}

static int on_body(void *ctx, const uint8_t *data, size_t len)
{
    struct description *description = ctx;

    return buf_append(&description->text, data, len);
}

static void on_done(void *ctx, enum http_outcome outcome, const struct error *err)
{
    struct description *description = ctx;
    struct str text = {(const char *)buf_data(&description->text), description->text.len};

    upnp_scan_fetched(description->token, outcome == HTTP_DONE ? &text : NULL, err);
    description_free(description);
}

static const struct http_fetch_ops fetch_ops = {.body = on_body, .done = on_done};

static void *start_fetch(void *ctx, const char *url, size_t max_bytes, void *token, struct error *err)
{
    struct http_request request = {.url = url,
                                   .max_bytes = max_bytes,
                                   .connect_timeout_s = CONNECT_S,
                                   .stall_timeout_s = STALL_S,
                                   .no_redirects = true};
    struct scan_listen *listen = ctx;
    struct description *description;

    if (!listen->fetcher)
        listen->fetcher = http_fetcher_new(listen->loop, err);
    description = listen->fetcher ? calloc(1, sizeof(*description)) : NULL;
    if (!description) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, url, "out of memory");
        return NULL;
    }
    description->listen = listen;
    description->token = token;
    buf_init(&description->text, max_bytes, 0);
    description->fetch = http_fetch_start(listen->fetcher, &request, &fetch_ops, description, err);
    if (description->fetch)
        return description;
    description_free(description);
    return NULL;
}

static void cancel_fetch(void *ctx, void *fetch)
{
    struct description *description = fetch;

    (void)ctx;
    http_fetch_cancel(description->fetch);
    description_free(description);
}

/* A host can cause as many as it likes: a few are told, all are counted. */
static void on_refused(void *ctx, const char *address, const struct error *err)
{
    struct scan_listen *listen = ctx;

    if (rate_take(&listen->complaints, clock_monotonic(&listen->loop->clock), COMPLAINT_MS, COMPLAINTS))
        log_info("UPnP: %s is not heard: %s", address, err->message);
}

static const struct upnp_scan_ops upnp_ops = {
    .fetch = start_fetch, .cancel = cancel_fetch, .refused = on_refused};

/* ---- life ---- */

int scan_listen_start(struct scan_listen *listen, struct loop *loop, struct hosts *hosts,
                      struct agent_discovery *discovery, const struct agent_config *config, struct error *err)
{
    int rc = 0;

    listen->loop = loop;
    /* mdns = false is said of all multicast DNS; without it, or Avahi's library, there is nothing to ask. */
    if (config->scan_mdns && discovery->mdns) {
        listen->services = services_new(hosts, &loop->timers);
        rc = listen->services ? browse(listen, discovery, config->scan_interfaces, err)
                              : error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    }
    if (config->scan_ssdp && upnp_scan_available) {
        listen->upnp = upnp_scan_new(loop, hosts, config->scan_interfaces, &upnp_ops, listen, err);
        if (!listen->upnp)
            rc = -1;
    }
    return rc;
}

void scan_listen_stop(struct scan_listen *listen)
{
    if (listen->discovery) {
        listen->discovery->instance = NULL;
        listen->discovery->heard_daemon = NULL;
    }
    upnp_scan_free(listen->upnp);
    http_fetcher_free(listen->fetcher);
    services_free(listen->services);
    *listen = (struct scan_listen){.loop = NULL};
}

uint64_t scan_listen_rejected(const struct scan_listen *listen)
{
    struct upnp_counts counts = {0};
    uint64_t rejected = listen->services ? services_refused(listen->services) : 0;

    if (listen->upnp)
        upnp_scan_counts(listen->upnp, &counts);
    return rejected + counts.refused + counts.limited + counts.strangers + counts.failed;
}
