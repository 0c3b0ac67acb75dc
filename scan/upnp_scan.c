/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/upnp_scan.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "scan/ssdp_link.h"

const bool upnp_scan_available = true;

struct upnp_scan {
    struct hosts *hosts;
    const struct upnp_scan_ops *ops;
    void *ctx;
    struct ssdp *ssdp;
    struct ssdp_links *links;
};

static const struct {
    enum host_fact fact;
    size_t offset;
} facts_of[] = {
    {HOST_FACT_FRIENDLY_NAME, offsetof(struct upnp_device, friendly_name)},
    {HOST_FACT_MANUFACTURER, offsetof(struct upnp_device, manufacturer)},
    {HOST_FACT_MODEL_NAME, offsetof(struct upnp_device, model_name)},
    {HOST_FACT_MODEL_NUMBER, offsetof(struct upnp_device, model_number)},
    {HOST_FACT_SERIAL_NUMBER, offsetof(struct upnp_device, serial_number)},
    {HOST_FACT_DEVICE_TYPE, offsetof(struct upnp_device, device_type)},
    {HOST_FACT_UDN, offsetof(struct upnp_device, udn)},
};

enum {
    FACTS = sizeof(facts_of) / sizeof(facts_of[0]),
};

/* ---- from SSDP ---- */

static void on_described(void *ctx, const struct ssdp_seen *seen, const struct upnp_device *device)
{
    struct upnp_scan *scan = ctx;
    struct host_said facts[FACTS + 1];
    struct host_ip ip;
    struct host_sighting sighting = {
        .source = HOST_SSDP,
        .ip = &ip,
        .interface = seen->interface,
        .presence = HOST_PRESENCE_SEEN, /* it has just served its description */
        .facts = facts,
        .facts_count = seen->primary ? FACTS + 1 : 0,
    };

    if (host_ip_from_sockaddr(seen->address, &ip) < 0)
        return;
    for (size_t i = 0; i < FACTS; i++)
        facts[i] = (struct host_said){facts_of[i].fact, (const char *)device + facts_of[i].offset};
    /* A page is told as it stands, when it stands alone; else the description, from which it was read. */
    facts[FACTS] = (struct host_said){HOST_FACT_URL, strncmp(device->presentation_url, "http", 4) == 0
                                                         ? device->presentation_url
                                                         : seen->url};
    hosts_observe(scan->hosts, &sighting);
}

static void on_refused(void *ctx, const struct ssdp_seen *seen, const struct error *err)
{
    struct upnp_scan *scan = ctx;
    char text[HOST_IP_TEXT_BYTES] = "?";
    struct host_ip ip;

    if (host_ip_from_sockaddr(seen->address, &ip) == 0)
        host_ip_text(&ip, text);
    scan->ops->refused(scan->ctx, text, err);
}

static void on_failed(void *ctx, const struct error *err)
{
    struct upnp_scan *scan = ctx;

    scan->ops->refused(scan->ctx, err->path, err);
}

static void *start_fetch(void *ctx, const char *url, struct ssdp_fetch *token, struct error *err)
{
    struct upnp_scan *scan = ctx;

    return scan->ops->fetch(scan->ctx, url, LIMIT_UPNP_BYTES, token, err);
}

static void cancel_fetch(void *ctx, void *fetch)
{
    struct upnp_scan *scan = ctx;

    scan->ops->cancel(scan->ctx, fetch);
}

static const struct ssdp_ops ssdp_ops = {
    .fetch = start_fetch, .cancel = cancel_fetch, .described = on_described, .refused = on_refused};

void upnp_scan_fetched(void *token, const struct str *text, const struct error *err)
{
    ssdp_fetched(token, text, err);
}

/* ---- life ---- */

struct upnp_scan *upnp_scan_new(struct loop *loop, struct hosts *hosts, const char *interfaces,
                                const struct upnp_scan_ops *ops, void *ctx, struct error *err)
{
    struct upnp_scan *scan = calloc(1, sizeof(*scan));

    if (!scan) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    scan->hosts = hosts;
    scan->ops = ops;
    scan->ctx = ctx;
    scan->ssdp = ssdp_new(&loop->timers, &ssdp_ops, scan, err);
    if (scan->ssdp)
        scan->links = ssdp_links_new(loop, interfaces, scan->ssdp, on_failed, scan, err);
    if (scan->links)
        return scan;
    upnp_scan_free(scan);
    return NULL;
}

void upnp_scan_free(struct upnp_scan *scan)
{
    if (!scan)
        return;
    ssdp_links_free(scan->links);
    ssdp_free(scan->ssdp);
    free(scan);
}

void upnp_scan_counts(const struct upnp_scan *scan, struct upnp_counts *ret)
{
    const struct ssdp_counts *counts = ssdp_counts(scan->ssdp);

    *ret = (struct upnp_counts){.messages = counts->messages,
                                .strangers = ssdp_links_strangers(scan->links),
                                .refused = counts->refused,
                                .limited = counts->limited,
                                .fetched = counts->fetched,
                                .failed = counts->failed,
                                .senders = ssdp_senders(scan->ssdp)};
}
