/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.Hosts.: the table of hosts (scan/hosts.h) as rows. */
#ifndef DATAMODEL_DEVICE_HOSTS_H
#define DATAMODEL_DEVICE_HOSTS_H

#include "datamodel/device/model.h"
#include "scan/hosts.h"

/* What people are told of the scan itself. Owned by who runs it. */
struct model_scan {
    const char *interfaces;            /* NULL: the scan is off */
    char problem[ERROR_MESSAGE_BYTES]; /* why a source is missing, or "" */
    /* How many messages of hosts were not taken by the sources that listen; NULL: none does. */
    uint64_t (*rejected)(const void *ctx);
    const void *rejected_ctx;
};

extern const struct dm_object model_hosts, model_host, model_host_ipv4_address, model_host_ipv6_address,
    model_host_fact, model_host_service, model_hosts_scan;

/* Listens to model->hosts: a row per host, from now on. Once, before hosts_load(). */
int model_hosts_start(struct model *model, struct error *err);
void model_hosts_stop(struct model *model);

#endif
