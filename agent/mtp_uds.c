/* SPDX-License-Identifier: BSD-3-Clause */
/* USP over UNIX domain sockets (R-UDS.*): a LocalAgent.MTP row refers to a socket to listen on or to connect to. */
#include <stdlib.h>
#include <string.h>

#include "agent/mtp.h"
#include "base/log.h"

enum {
    SOCKET_MODE = 0660, /* who may talk to the agent: its user and group */
};

struct carrier {
    struct mtp *mtp;
    struct dm_row *row;
    char *path;
    bool listens;
    struct uds_server *server;
    struct uds_client *client;
};

static int opened(void *ctx, struct uds *uds, struct str peer)
{
    struct carrier *carrier = ctx;
    char *name = str_dup(peer.data, peer.len);
    struct session *session = name ? session_new(carrier->mtp, name) : NULL;

    free(name);
    if (!session)
        return -1;
    session->uds = uds;
    session->channel.local = true;
    session->channel.number = ++carrier->mtp->sessions_opened;
    uds_set_ctx(uds, session);
    session_opened(session);
    return 0;
}

static void record(void *ctx, struct uds *uds, const uint8_t *data, size_t len)
{
    struct session *session = ctx;
    struct error why;

    if (!session_record(session, data, len, &why))
        uds_close(uds, why.message); /* R-UDS.23 */
}

static void closed(void *ctx, struct uds *uds, const struct error *err)
{
    if (!uds) {
        log_failure(LOG_LEVEL_DEBUG, "UNIX socket", err);
        return;
    }
    session_free(ctx);
}

static const struct uds_ops ops = {.opened = opened, .record = record, .closed = closed};

/* One carrier per LocalAgent.MTP row of this protocol, kept in the row. */
static void carrier_free(struct carrier *carrier)
{
    uds_server_free(carrier->server);
    uds_client_free(carrier->client);
    free(carrier->path);
    free(carrier);
}

static void stop(struct mtp *mtp, struct dm_row *row)
{
    struct local_mtp *local = row->data;

    (void)mtp;
    if (!local->uds_carrier)
        return;
    carrier_free(local->uds_carrier);
    local->uds_carrier = NULL;
    local->status = LOCAL_MTP_DOWN;
}

static int start(struct mtp *mtp, struct dm_row *row, const struct unix_socket_row *socket, struct error *err)
{
    struct local_mtp *local = row->data;
    struct carrier *carrier = calloc(1, sizeof(*carrier));
    const char *name = usp_endpoint_id(mtp->usp);

    if (!carrier || str_replace(&carrier->path, socket->path) < 0) {
        free(carrier);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, socket->path, "out of memory");
    }
    carrier->mtp = mtp;
    carrier->row = row;
    carrier->listens = socket->mode == 0;
    if (carrier->listens)
        carrier->server = uds_server_new(mtp->loop, socket->path, SOCKET_MODE, name, &ops, carrier, err);
    else
        carrier->client = uds_client_new(mtp->loop, socket->path, name, &ops, carrier, err);
    if (!carrier->server && !carrier->client) {
        carrier_free(carrier);
        return -1;
    }
    local->uds_carrier = carrier;
    return 0;
}

void mtp_uds_changed(struct mtp *mtp, struct dm_row *row, bool deleted)
{
    struct local_mtp *local = row->data;
    struct dm_row *socket_row = mtp_referenced(mtp, local->uds_reference, mtp->unix_socket);
    const struct unix_socket_row *socket = socket_row ? socket_row->data : NULL;
    struct carrier *carrier = local->uds_carrier;
    struct error err;

    if (deleted || !local->row.enable || !socket || !socket->path) {
        stop(mtp, row);
        return;
    }
    if (carrier && strcmp(carrier->path, socket->path) == 0 && carrier->listens == (socket->mode == 0))
        return;
    stop(mtp, row);
    if (start(mtp, row, socket, &err) == 0) {
        mtp_set_status(mtp, row, LOCAL_MTP_UP);
        return;
    }
    log_failure(LOG_LEVEL_ERROR, "cannot use the UNIX socket", &err);
    mtp_set_status(mtp, row, LOCAL_MTP_ERROR);
}

void mtp_uds_done(struct mtp *mtp)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(dm_row_find(mtp->dm, STR("Device.LocalAgent.")), mtp->local_mtp, &rows);

    for (uint32_t i = 0; i < count; i++)
        stop(mtp, rows[i]);
}
