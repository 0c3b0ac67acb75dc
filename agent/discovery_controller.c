/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/discovery_controller.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "config.h"
#include "datamodel/device/mtp.h"
#include "usp/controller.h"

/* The program's own changes: it may set what controllers only read. */
static const struct dm_requester self = {.factory = true};

/* The table that all is about: the row above it, and its place. -1: no memory for its path. */
struct table {
    struct dm_row *parent;
    struct dm_node *node;
};

static int find_table(const struct model *model, struct table *ret, struct error *err)
{
    ret->parent = dm_row_find(model->dm, STR("Device.LocalAgent."));
    if (!ret->parent)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    ret->node = dm_node_child(ret->parent->node, STR("Controller"));
    return 0;
}

static int set(struct model *model, struct dm_row *row, const char *name, const char *text, struct error *err)
{
    return dm_set(model->dm, row, dm_node_param(row->node, name), str_of(text), err);
}

static int set_number(struct model *model, struct dm_row *row, const char *name, uint32_t value,
                      uint32_t standard, struct error *err)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", value ? value : standard);
    return set(model, row, name, text, err);
}

static bool found_by_dhcp(const struct dm_row *row)
{
    return ((const struct controller *)row->data)->origin == CONTROLLER_FOUND_BY_DHCP;
}

/* ---- withdrawn ---- */

static bool trusted(const struct dm_row *row)
{
    const struct controller *controller = row->data;

    return (controller->assigned_role && controller->assigned_role[0]) || controller->onboarding_complete;
}

static int disable_mtps(struct model *model, struct dm_row *row, struct error *err)
{
    struct dm_row *const *mtps;
    uint32_t count = dm_rows(row, dm_node_child(row->node, STR("MTP")), &mtps);

    for (uint32_t i = 0; i < count; i++)
        if (set(model, mtps[i], "Enable", "false", err) < 0 || dm_set_done(model->dm, mtps[i], err) < 0)
            return -1;
    return 0;
}

/* From the last row to the first: a deleted one moves those behind it. */
static int withdraw_others(struct model *model, const struct table *table, const char *keep,
                           struct error *err)
{
    struct dm_row *const *rows;

    for (uint32_t i = dm_rows(table->parent, table->node, &rows); i-- > 0;
         dm_rows(table->parent, table->node, &rows)) {
        const struct controller *controller = rows[i]->data;
        int rc;

        if (!found_by_dhcp(rows[i]) ||
            strcmp(controller->endpoint_id ? controller->endpoint_id : "", keep) == 0)
            continue;
        rc = trusted(rows[i]) ? disable_mtps(model, rows[i], err) : dm_delete(model->dm, rows[i], err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int discovered_withdraw(struct model *model, const char *keep, struct error *err)
{
    struct table table;

    if (find_table(model, &table, err) < 0)
        return -1;
    dm_begin(model->dm, &self);
    if (withdraw_others(model, &table, keep, err) == 0)
        return dm_commit(model->dm, err);
    dm_rollback(model->dm);
    return -1;
}

/* ---- found ---- */

static struct dm_row *mtp_of(struct model *model, struct dm_row *row, bool *ret_new, struct error *err)
{
    struct dm_node *table = dm_node_child(row->node, STR("MTP"));
    struct dm_row *const *mtps;
    uint32_t count = dm_rows(row, table, &mtps);

    *ret_new = false;
    for (uint32_t i = 0; i < count; i++)
        if (model_is_websocket(mtps[i]))
            return mtps[i];
    *ret_new = true;
    return dm_add(model->dm, row, table, 0, err);
}

static int fill_mtp(struct model *model, struct dm_row *row, const struct controller_address *address,
                    struct error *err)
{
    struct dm_row *websocket;
    struct dm_row *mtp;
    bool fresh;

    mtp = mtp_of(model, row, &fresh, err);
    if (!mtp || set(model, mtp, "Protocol", "WebSocket", err) < 0)
        return -1;
    websocket = dm_row_child(mtp, dm_node_child(mtp->node, STR("WebSocket")));
    if (set(model, mtp, "Enable", "true", err) < 0 || set(model, websocket, "Host", address->host, err) < 0 ||
        set_number(model, websocket, "Port", address->port, 0, err) < 0 ||
        set(model, websocket, "Path", address->path, err) < 0 ||
        set(model, websocket, "EnableEncryption", address->tls ? "true" : "false", err) < 0)
        return -1;
    return fresh ? dm_add_done(model->dm, mtp, err) : dm_set_done(model->dm, mtp, err);
}

/* What an answer does not say has its default: what an earlier one said is over. */
static int fill(struct model *model, struct dm_row *row, const struct discovered *found, struct error *err)
{
    const struct dhcp_answer *answer = found->answer;

    if (set(model, row, "ProvisioningCode", answer->provisioning_code, err) < 0 ||
        set_number(model, row, "USPNotifRetryMinimumWaitInterval", answer->retry_minimum, 5, err) < 0 ||
        set_number(model, row, "USPNotifRetryIntervalMultiplier", answer->retry_multiplier, 2000, err) < 0)
        return -1;
    return fill_mtp(model, row, &found->address, err);
}

static uint32_t count_found(const struct table *table)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(table->parent, table->node, &rows);
    uint32_t found = 0;

    while (count--)
        found += found_by_dhcp(rows[count]);
    return found;
}

static int make(struct model *model, const struct table *table, const struct discovered *found,
                struct error *err)
{
    struct dm_row *row;

    if (count_found(table) >= LIMIT_DISCOVERED)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, found->endpoint_id,
                         "DHCP has named %u controllers that are in use: delete a row of Controller. first",
                         LIMIT_DISCOVERED);
    row = dm_add(model->dm, table->parent, table->node, 0, err);
    if (!row || set(model, row, "EndpointID", found->endpoint_id, err) < 0 ||
        set(model, row, VENDOR_PREFIX "DiscoveredBy", "DHCP", err) < 0 ||
        set(model, row, "Enable", "true", err) < 0 || fill(model, row, found, err) < 0)
        return -1;
    return dm_add_done(model->dm, row, err);
}

static int change(struct model *model, struct dm_row *row, const struct discovered *found, struct error *err)
{
    if (fill(model, row, found, err) < 0)
        return -1;
    return dm_set_done(model->dm, row, err);
}

/* TP-469 8.2. What the operator set up keeps its address, its role and its pace: only the code follows. */
static int change_configured(struct model *model, struct dm_row *row, const struct discovered *found,
                             struct error *err)
{
    if (!found->answer->provisioning_code[0])
        return 0;
    if (set(model, row, "ProvisioningCode", found->answer->provisioning_code, err) < 0)
        return -1;
    return dm_set_done(model->dm, row, err);
}

static int place(struct model *model, const struct table *table, const struct discovered *found,
                 enum discovered_verdict *ret, struct error *err)
{
    const struct controller *known = usp_controller_find(model->usp, str_of(found->endpoint_id));

    if (strcmp(found->endpoint_id, usp_endpoint_id(model->usp)) == 0)
        return error_set(err, ERROR_INVALID_VALUE, found->endpoint_id,
                         "the controller is said to be this agent");
    if (withdraw_others(model, table, found->endpoint_id, err) < 0)
        return -1;
    *ret = !known ? DISCOVERED_NEW : found_by_dhcp(known->row) ? DISCOVERED_KEPT : DISCOVERED_CONFIGURED;
    switch (*ret) {
    case DISCOVERED_NEW:
        return make(model, table, found, err);
    case DISCOVERED_KEPT:
        return change(model, known->row, found, err);
    default:
        return change_configured(model, known->row, found, err);
    }
}

int discovered_apply(struct model *model, const struct discovered *found, enum discovered_verdict *ret,
                     struct error *err)
{
    struct controller *controller;
    struct table table;

    if (find_table(model, &table, err) < 0)
        return -1;
    dm_begin(model->dm, &self);
    if (place(model, &table, found, ret, err) < 0) {
        dm_rollback(model->dm);
        return -1;
    }
    if (dm_commit(model->dm, err) < 0)
        return -1;
    if (*ret != DISCOVERED_NEW)
        return 0;
    /* "Using the SendOnBoardRequest() operation": it goes out when the controller is reached, and proven. */
    if (dm_flush(model->dm, err) < 0)
        return -1;
    controller = usp_controller_find(model->usp, str_of(found->endpoint_id));
    return controller ? usp_onboard(controller, err) : 0;
}
