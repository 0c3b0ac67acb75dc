/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/discovery.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"

enum {
    RETRY_S = 5,
    RETRY_MULTIPLIER = 2000,
    RETRY_MAX_S = 3600,
};

static void look_up(struct agent_discovery *discovery);

/* ---- what was found ---- */

/* DHCP names nobody, or nobody who may be taken: what it said before is over. */
static void withdraw(struct agent_discovery *discovery)
{
    struct error err;

    if (discovered_withdraw(discovery->model, "", &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the controller that DHCP named", &err);
}

static void placed(const struct discovered *found, enum discovered_verdict verdict)
{
    const struct controller_address *address = &found->address;

    if (verdict == DISCOVERED_CONFIGURED)
        log_info("DHCP names controller %s, which is configured: of its row only ProvisioningCode follows",
                 found->endpoint_id);
    else
        log_info("DHCP %s controller %s at %s://%s:%u%s", verdict == DISCOVERED_NEW ? "names" : "still names",
                 found->endpoint_id, address->tls ? "wss" : "ws", address->host, address->port,
                 address->path);
}

static void place(struct agent_discovery *discovery, const char *endpoint_id,
                  const struct controller_address *address)
{
    struct discovered found = {.address = *address, .answer = &discovery->answer};
    enum discovered_verdict verdict;
    struct error err;

    str_copy(found.endpoint_id, sizeof(found.endpoint_id), endpoint_id);
    if (!address->tls && !discovery->config->dhcp_plaintext) {
        /* Without "encrypt" in DNS TLS is possible, and the only way to know who is there. R-MTP.0, R-SEC.0. */
        if (discovery->answer.url[0] && strncmp(discovery->answer.url, "ws://", 5) == 0) {
            log_warning("DHCP names controller %s without TLS (%s): it is not connected; see dhcp_plaintext",
                        endpoint_id, discovery->answer.url);
            withdraw(discovery);
            return;
        }
        found.address.tls = true;
    }
    if (discovered_apply(discovery->model, &found, &verdict, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the controller that DHCP names", &err);
    else
        placed(&found, verdict);
}

/* ---- DNS ---- */

static void on_retry(struct timer *timer, void *ctx)
{
    (void)timer;
    look_up(ctx);
}

static void retry_later(struct agent_discovery *discovery)
{
    discovery->retries++;
    timer_arm(&discovery->mtp->loop->timers, &discovery->retry,
              timer_backoff(RETRY_S, RETRY_MULTIPLIER, discovery->retries, RETRY_MAX_S));
}

static void on_lookup(void *ctx, const struct dns_sd_result *result)
{
    struct agent_discovery *discovery = ctx;
    struct controller_address address;

    discovery->lookup = NULL;
    controller_address_parse(str_of(discovery->answer.url), &address, NULL); /* it was good before */
    if (result->verdict == DNS_SD_FOUND) {
        /* A URL says where; DNS then only says who is there. */
        place(discovery, result->endpoint_id, address.complete ? &address : &result->address);
        discovery->retries = 0;
        return;
    }
    log_failure(LOG_LEVEL_WARNING, "looking for the controller that DHCP names", &result->why);
    /* A name of which DNS-SD knows nothing: TLS at the usual port, which TR-181 has for defaults. */
    if (result->verdict == DNS_SD_NONE && discovery->answer.endpoint_id[0])
        place(discovery, discovery->answer.endpoint_id, &address);
    else
        retry_later(discovery);
}

static void look_up(struct agent_discovery *discovery)
{
    struct controller_address address;
    struct error err;

    if (controller_address_parse(str_of(discovery->answer.url), &address, &err) < 0) {
        log_failure(LOG_LEVEL_WARNING, "the controller that DHCP names", &err);
        withdraw(discovery);
        return;
    }
    /* R-DIS.7: of a URL all is known, if DHCP says whose it is. Multicast DNS has no PTR of controllers. */
    if ((address.complete && discovery->answer.endpoint_id[0]) || address.literal ||
        resolve_is_local(address.host)) {
        if (discovery->answer.endpoint_id[0]) {
            place(discovery, discovery->answer.endpoint_id, &address);
            return;
        }
        log_warning("DHCP names a controller at %s, but not its Endpoint ID (sub-option 29)",
                    discovery->answer.url);
        withdraw(discovery);
        return;
    }
    discovery->lookup = dns_sd_start(discovery->mtp->loop, address.host, discovery->answer.endpoint_id,
                                     dns_query, on_lookup, discovery);
    if (!discovery->lookup)
        retry_later(discovery);
}

/* ---- DHCP ---- */

static void on_refused(void *ctx, const struct error *err)
{
    (void)ctx;
    log_failure(LOG_LEVEL_WARNING, "DHCP options ignored", err);
}

static void forget_lookup(struct agent_discovery *discovery)
{
    dns_sd_cancel(discovery->lookup);
    discovery->lookup = NULL;
    discovery->retries = 0;
    timer_cancel(&discovery->mtp->loop->timers, &discovery->retry);
}

/* Only a code and a pace: they are of the controller that is named, or of the one that DHCP named before. */
static void without_url(struct agent_discovery *discovery)
{
    struct discovered found = {.answer = &discovery->answer};
    const struct controller *known;
    enum discovered_verdict verdict;
    struct error err;

    str_copy(found.endpoint_id, sizeof(found.endpoint_id), discovery->answer.endpoint_id);
    known = usp_controller_find(discovery->model->usp, str_of(found.endpoint_id));
    if (!known || known->origin != CONTROLLER_CONFIGURED) {
        log_warning("DHCP options say no address of a controller (sub-option 25)");
        withdraw(discovery);
        return;
    }
    if (discovered_apply(discovery->model, &found, &verdict, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the controller that DHCP names", &err);
    else
        placed(&found, verdict);
}

/* A renewed lease that says the same asks DNS again, for that may say something else now. */
static void on_leases(void *ctx)
{
    struct agent_discovery *discovery = ctx;
    enum lease_state state;
    struct dhcp_answer answer;
    char interface[64];

    state = lease_read(discovery->config->dhcp_dir, discovery->config->dhcp_interfaces, &answer, interface,
                       on_refused, NULL);
    if (state != LEASE_SPEAKS) {
        forget_lookup(discovery);
        log_debug("DHCP options: none");
        /* No lease at the start only means that none has come yet: the controller of the last life stays. */
        if (discovery->heard || state == LEASE_SILENT)
            withdraw(discovery);
        discovery->heard = false;
        return;
    }
    forget_lookup(discovery);
    log_debug("DHCP options on %s: %s %s", interface, answer.url, answer.endpoint_id);
    discovery->heard = true;
    discovery->answer = answer;
    if (answer.url[0])
        look_up(discovery);
    else
        without_url(discovery);
}

/* ---- life ---- */

void agent_discovery_start(struct agent_discovery *discovery, struct model *model, struct mtp *mtp,
                           const struct agent_config *config)
{
    struct error err;

    discovery->model = model;
    discovery->mtp = mtp;
    discovery->config = config;
    timer_init(&discovery->retry, on_retry, discovery);
    if (config->dhcp_dir) {
        discovery->leases = lease_watch_new(mtp->loop, config->dhcp_dir, on_leases, discovery, &err);
        if (!discovery->leases)
            log_failure(LOG_LEVEL_ERROR, "DHCP options are not watched", &err);
        on_leases(discovery);
    }
    if (config->mdns)
        discovery_advertise_start(discovery);
}

void agent_discovery_stop(struct agent_discovery *discovery)
{
    if (!discovery->model)
        return;
    discovery_advertise_stop(discovery);
    lease_watch_free(discovery->leases);
    discovery->leases = NULL;
    forget_lookup(discovery);
    discovery->model = NULL;
}
