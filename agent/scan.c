/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/scan.h"

#include <stdlib.h>

#include "base/log.h"
#include "datamodel/device/collection_device.h"

int agent_scan_restore(struct agent_scan *scan, struct model *model, struct store *store,
                       const struct agent_config *config, struct error *err)
{
    struct error why;

    scan->config = config;
    scan->loop = dm_loop(model->dm);
    scan->hosts = hosts_new(store, &scan->loop->timers, scan->loop->limits, (uint32_t)config->scan_presence);
    if (!scan->hosts)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    scan->shown.interfaces = config->scan_interfaces;
    model->hosts = scan->hosts;
    model->scan = &scan->shown;
    if (model_hosts_start(model, err) < 0)
        return -1;
    scan->model = model;
    if (config->scan_interfaces) {
        /* It is asked about hosts that were restored, too. */
        if (config->scan_oui_files &&
            !(scan->oui = oui_new(scan->loop, scan->hosts, config->scan_oui_files, &why)))
            log_info("hosts have no manufacturer by their MAC address: %s", why.message);
        if (hosts_load(scan->hosts, err) < 0)
            return -1;
    }
    return model_collection_start(model, err);
}

/* The first that is missing is what people are told. */
static void missing(struct agent_scan *scan, const struct error *err)
{
    log_failure(LOG_LEVEL_WARNING, "the scan goes on without a source", err);
    if (!scan->shown.problem[0])
        str_copy(scan->shown.problem, sizeof(scan->shown.problem), err->message);
}

static void watch_leases(struct agent_scan *scan)
{
    struct str rest = str_of(scan->config->scan_lease_files), name;
    struct error err;

    while (rest.len && str_next(&rest, ',', &name) && scan->leases_count < LIMIT_LEASE_FILES) {
        char *file = str_dup(str_trim(name).data, str_trim(name).len);
        struct leases *leases = file ? leases_new(scan->loop, scan->hosts, file, &err) : NULL;

        if (leases)
            scan->leases[scan->leases_count++] = leases;
        else if (file)
            missing(scan, &err);
        free(file);
    }
}

static uint64_t count_rejected(const void *ctx)
{
    return scan_listen_rejected(ctx);
}

void agent_scan_start(struct agent_scan *scan, struct agent_discovery *discovery)
{
    struct error err;

    if (!scan->config->scan_interfaces)
        return;
    scan->neighbours = neighbours_new(scan->loop, scan->hosts, scan->config->scan_interfaces, &err);
    if (!scan->neighbours)
        missing(scan, &err);
    if (scan->config->scan_lease_files)
        watch_leases(scan);
    if (scan->config->scan_hook_dir) {
        scan->hook = dhcp_hook_new(scan->loop, scan->hosts, scan->config->scan_hook_dir, &err);
        if (!scan->hook)
            missing(scan, &err);
    }
    if (scan_listen_start(&scan->listen, scan->loop, scan->hosts, discovery, scan->config, &err) < 0)
        missing(scan, &err);
    scan->shown.rejected = count_rejected;
    scan->shown.rejected_ctx = &scan->listen;
    log_info("the scan looks at %s", scan->config->scan_interfaces);
}

void agent_scan_stop(struct agent_scan *scan)
{
    if (!scan->hosts)
        return;
    if (scan->model) {
        model_collection_stop(scan->model);
        model_hosts_stop(scan->model);
    }
    scan_listen_stop(&scan->listen);
    dhcp_hook_free(scan->hook);
    for (size_t i = 0; i < scan->leases_count; i++)
        leases_free(scan->leases[i]);
    neighbours_free(scan->neighbours);
    oui_free(scan->oui);
    hosts_free(scan->hosts);
    scan->hosts = NULL;
}
