/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/bulk.h"

#include "datamodel/device/mtp.h"
#include "usp/access.h"

static bool access_of(void *ctx, struct dm_row *controller, const struct dm_access **ret)
{
    struct agent_bulk *bulk = ctx;
    struct controller *data = controller->data;

    if (!data || !data->enable)
        return false;
    *ret = usp_access(bulk->usp, data);
    return true;
}

static struct http_fetch *post(void *ctx, const struct http_post *post, struct buf *content,
                               const struct http_fetch_ops *ops, void *post_ctx, struct error *err)
{
    struct agent_bulk *bulk = ctx;

    return http_post_start(bulk->fetcher, post, content, ops, post_ctx, err);
}

static void cancel(void *ctx, struct http_fetch *post)
{
    (void)ctx;
    http_fetch_cancel(post);
}

static int publish(void *ctx, struct dm_row *client, const struct mqtt_publication *publication,
                   struct error *err)
{
    const struct mqtt_row *row = client->data;

    (void)ctx;
    if (!row->client || mqtt_client_status(row->client) != MQTT_STATUS_CONNECTED)
        return error_set(err, ERROR_OPERATION_ERROR, NULL, "the MQTT client is not connected");
    return mqtt_client_publish(row->client, publication, err);
}

static const struct bulk_ops bulk_ops = {
    .access = access_of, .post = post, .cancel = cancel, .publish = publish};

int agent_bulk_start(struct agent_bulk *bulk, struct model *model, const struct tls_settings *tls,
                     struct error *err)
{
    bulk->usp = model->usp;
    bulk->fetcher = http_fetcher_new(dm_loop(model->dm), err);
    if (!bulk->fetcher)
        return -1;
    bulk->bulk = bulk_new(model->dm, &bulk_ops, bulk, tls, err);
    if (!bulk->bulk)
        return -1;
    model->bulk = bulk->bulk;
    bulk_start(bulk->bulk);
    return 0;
}

void agent_bulk_done(struct agent_bulk *bulk, struct model *model)
{
    model->bulk = NULL;
    bulk_free(bulk->bulk);
    http_fetcher_free(bulk->fetcher);
}
