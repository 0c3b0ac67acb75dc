/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/mtp.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "usp/trust.h"

enum {
    CLOSE_GOING_AWAY = 1001,
};

/* ---- rows ---- */

struct dm_row *mtp_referenced(const struct mtp *mtp, const char *reference, const struct dm_node *node)
{
    struct dm_row *row = reference ? dm_row_find(mtp->dm, str_of(reference)) : NULL;

    return row && row->node == node ? row : NULL;
}

void mtp_set_status(struct mtp *mtp, struct dm_row *row, enum local_mtp_status status)
{
    struct local_mtp *local = row->data;

    if (local->status == status)
        return;
    local->status = status;
    dm_changed(mtp->dm, row, dm_node_param(row->node, "Status"));
}

void mtp_set_text(struct mtp *mtp, struct dm_row *row, const char *param, char **slot, const char *text)
{
    if (strcmp(*slot ? *slot : "", text ? text : "") == 0 || str_replace(slot, text) < 0)
        return;
    dm_changed(mtp->dm, row, dm_node_param(row->node, param));
}

static bool is(const char *protocol, const char *name)
{
    return protocol && strcmp(protocol, name) == 0;
}

void mtp_each_controller(struct mtp *mtp, const char *protocol,
                         void (*fn)(void *ctx, struct controller *controller, struct dm_row *row), void *ctx)
{
    struct dm_row *local_agent = dm_row_find(mtp->dm, STR("Device.LocalAgent."));
    struct dm_row *const *controllers;
    uint32_t count = dm_rows(local_agent, mtp->controller, &controllers);

    for (uint32_t i = 0; i < count; i++) {
        struct controller *controller = controllers[i]->data;
        struct dm_row *const *rows;
        uint32_t mtps = dm_rows(controllers[i], mtp->controller_mtp, &rows);

        for (uint32_t j = 0; controller->enable && j < mtps; j++) {
            const struct controller_mtp *row = rows[j]->data;

            if (row->row.enable && is(row->row.protocol, protocol))
                fn(ctx, controller, rows[j]);
        }
    }
}

static void local_changed(struct mtp *mtp, struct dm_row *row, bool deleted)
{
    const struct local_mtp *local = row->data;

    /* A row whose Protocol changed still has the carrier of the old one: each looks whether the row is its own. */
    mtp_websocket_server_changed(mtp, row, deleted);
    mtp_uds_changed(mtp, row, deleted || !is(local->row.protocol, "UDS"));
}

static void each_row(struct mtp *mtp, struct dm_row *parent, const struct dm_node *node,
                     void (*fn)(struct mtp *mtp, struct dm_row *row))
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(parent, node, &rows);

    for (uint32_t i = 0; i < count; i++)
        fn(mtp, rows[i]);
}

static void start_local(struct mtp *mtp, struct dm_row *row)
{
    local_changed(mtp, row, false);
}

static void start_controller_mtp(struct mtp *mtp, struct dm_row *row)
{
    mtp_websocket_client_changed(mtp, row, false);
}

static void controller_changed(struct mtp *mtp, struct dm_row *row)
{
    each_row(mtp, row, mtp->controller_mtp, start_controller_mtp);
}

static void start_mqtt_client(struct mtp *mtp, struct dm_row *row)
{
    mtp_mqtt_client_changed(mtp, row, UINT64_MAX, false);
}

static void refresh_locals(struct mtp *mtp)
{
    each_row(mtp, dm_row_find(mtp->dm, STR("Device.LocalAgent.")), mtp->local_mtp, start_local);
}

static void on_row(void *ctx, const void *event)
{
    const struct model_mtp_event *change = event;
    struct mtp *mtp = ctx;
    struct dm_row *row = change->row;
    const struct dm_node *node = row->node;
    uint64_t params = change->kind == DM_ROW_CHANGED ? change->params : 0;
    bool deleted = change->kind == DM_ROW_DELETED;

    if (mtp->stopping)
        return;
    if (row->node == mtp->local_mtp && change->kind == DM_ROW_CHANGED &&
        change->params == 1ull << dm_node_param(row->node, "EnableMDNS"))
        return; /* no matter of the transport */
    /* The objects per protocol are part of the row they are below. */
    if (!row->instance && row->parent && row->parent->instance)
        row = row->parent;
    if (row->node == mtp->local_mtp) {
        local_changed(mtp, row, deleted);
        mtp_mqtt_local_changed(mtp, row, node, params, deleted);
    } else if (row->node == mtp->controller_mtp)
        mtp_websocket_client_changed(mtp, row, deleted);
    else if (row->node == mtp->controller && !deleted)
        controller_changed(mtp, row);
    else if (row->node == mtp->mqtt_client)
        mtp_mqtt_client_changed(mtp, row, params ? params : UINT64_MAX, deleted);
    else if (row->node == mtp->mqtt_user_property)
        mtp_mqtt_user_property_changed(row);
    else if (row->node == mtp->mqtt_subscription)
        mtp_mqtt_subscription_changed(mtp, row, deleted);
    else if (row->node == mtp->unix_socket)
        refresh_locals(mtp);
    usp_reachable(mtp->usp);
}

/* ---- life ---- */

int mtp_init(struct mtp *mtp, struct model *model, struct websocket_context *websockets,
             const struct agent_config *config, struct error *err)
{
    struct dm *dm = model->dm;

    mtp->model = model;
    mtp->dm = dm;
    mtp->usp = model->usp;
    mtp->loop = dm_loop(dm);
    mtp->websockets = websockets;
    mtp->tls = (struct tls_settings){.ca_file = config->tls_ca_file,
                                     .certificate_file = config->tls_certificate_file,
                                     .key_file = config->tls_key_file,
                                     .trust = model->trust};
    mtp->local_mtp = dm_node_find(dm, "Device.LocalAgent.MTP.{i}.");
    mtp->controller = dm_node_find(dm, "Device.LocalAgent.Controller.{i}.");
    mtp->controller_mtp = dm_node_find(dm, "Device.LocalAgent.Controller.{i}.MTP.{i}.");
    mtp->mqtt_client = dm_node_find(dm, "Device.MQTT.Client.{i}.");
    mtp->mqtt_subscription = dm_node_find(dm, "Device.MQTT.Client.{i}.Subscription.{i}.");
    mtp->mqtt_user_property = dm_node_find(dm, "Device.MQTT.Client.{i}.UserProperty.{i}.");
    mtp->unix_socket = dm_node_find(dm, "Device.UnixDomainSockets.UnixDomainSocket.{i}.");
    mtp->rows = (struct observer){.fn = on_row, .ctx = mtp};
    if (!mtp->local_mtp || !mtp->controller_mtp || !mtp->mqtt_subscription || !mtp->unix_socket)
        return error_set(err, ERROR_INTERNAL, NULL, "the data model lacks the message transfer objects");
    return 0;
}

void mtp_start(struct mtp *mtp)
{
    struct dm_row *local_agent = dm_row_find(mtp->dm, STR("Device.LocalAgent."));

    observer_add(&mtp->model->mtp, &mtp->rows);
    mtp_check_certificate(mtp);
    each_row(mtp, dm_row_find(mtp->dm, STR("Device.MQTT.")), mtp->mqtt_client, start_mqtt_client);
    each_row(mtp, local_agent, mtp->local_mtp, start_local);
    each_row(mtp, local_agent, mtp->controller, controller_changed);
}

void session_say_goodbye(struct session *session)
{
    struct buf record;

    if (!session->peer || session->parted)
        return;
    session->parted = true;
    buf_init(&record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_record_disconnect(&record, str_of(session->peer), str_of(usp_endpoint_id(session->mtp->usp)), 0,
                          STR("The agent ends the session"));
    session->channel.ops->send(&session->channel, NULL, &record, NULL);
    buf_done(&record);
}

void sessions_say_goodbye(struct mtp *mtp, const void *server)
{
    for (struct session *session = mtp->sessions; session; session = session->next)
        if (session->server == server)
            session_say_goodbye(session);
}

void mtp_stop(struct mtp *mtp)
{
    mtp->stopping = true;
    for (struct session *session = mtp->sessions; session; session = session->next)
        session_say_goodbye(session);
    mtp_mqtt_stop(mtp);
}

void mtp_done(struct mtp *mtp)
{
    observer_remove(&mtp->model->mtp, &mtp->rows);
    mtp->stopping = true;
    mtp_websocket_done(mtp);
    mtp_uds_done(mtp);
    mtp_mqtt_done(mtp);
    while (mtp->sessions)
        session_free(mtp->sessions);
}

/* ---- sessions ---- */

static int send_on_session(struct usp_channel *channel, const char *topic, struct buf *record,
                           struct error *err)
{
    struct session *session = channel->ctx;
    int rc;

    (void)topic;
    rc = session->ws ? websocket_send(session->ws, true, record) : uds_send(session->uds, record);
    return rc < 0 ? error_set(err, ERROR_RESOURCES_EXCEEDED, session->peer,
                              "the peer does not read, or is going (%s is %u)",
                              LIMIT_SAYS(session->mtp->loop->limits, queue_bytes))
                  : 0;
}

static const struct usp_channel_ops session_ops = {.send = send_on_session};

struct session *session_new(struct mtp *mtp, const char *peer)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    session->mtp = mtp;
    session->channel = (struct usp_channel){.ops = &session_ops, .ctx = session};
    if (peer && peer[0] && str_replace(&session->peer, peer) < 0) {
        free(session);
        return NULL;
    }
    session->channel.peer = session->peer;
    session->accepted = clock_monotonic(&mtp->loop->clock);
    timer_init(&session->inactivity, session_inactive, session);
    return session;
}

void session_free(struct session *session)
{
    struct session **at;

    if (!session)
        return;
    usp_channel_gone(session->mtp->usp, &session->channel);
    for (at = &session->mtp->sessions; *at; at = &(*at)->next) {
        if (*at == session) {
            *at = session->next;
            break;
        }
    }
    timer_cancel(&session->mtp->loop->timers, &session->inactivity);
    X509_free(session->certificate);
    free(session->certificates);
    free(session->peer);
    free(session);
}

/* R-WS.4: the new one is the one that works. */
static void leave_only_one(const struct session *session)
{
    for (struct session *other = session->mtp->sessions; other; other = other->next)
        if (other != session && other->ws && other->peer && strcmp(other->peer, session->peer) == 0)
            websocket_close(other->ws, CLOSE_GOING_AWAY, "another session of the same endpoint");
}

/* R-MTP.6: the first record of a session says over what it runs. */
static void send_connect(struct session *session)
{
    struct str from = str_of(usp_endpoint_id(session->mtp->usp));
    struct buf record;

    buf_init(&record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    if (session->ws)
        usp_record_websocket_connect(&record, str_of(session->peer), from);
    else
        usp_record_uds_connect(&record, str_of(session->peer), from);
    session->channel.ops->send(&session->channel, NULL, &record, NULL);
    buf_done(&record);
}

/* The peer is known: now, or from its first record on. */
static void greet(struct session *session)
{
    struct controller *controller = usp_controller_find(session->mtp->usp, str_of(session->peer));

    if (controller && !usp_credential_accepts(controller, &session->channel)) {
        session_refuse(session, "nothing that it showed authenticates this controller");
        return;
    }
    /* R-SEC.3: whom DHCP named has nothing but its certificate to show for it. */
    if (controller && controller->origin == CONTROLLER_FOUND_BY_DHCP && session->certificate &&
        !session->channel.named) {
        session_refuse(session, "its certificate does not name the Endpoint ID that DHCP said");
        return;
    }
    if (session->ws)
        leave_only_one(session);
    send_connect(session);
    if (!controller)
        return;
    usp_controller_presented(controller, &session->channel);
    usp_controller_reachable(session->mtp->usp, controller);
}

void session_opened(struct session *session)
{
    session->next = session->mtp->sessions;
    session->mtp->sessions = session;
    if (session->peer)
        greet(session);
}

/* A peer that did not name itself in the handshake does so with its first record. */
static void learn_peer(struct session *session, struct str data)
{
    struct usp_record record;

    if (usp_record_parse(data, &record, NULL) < 0 || !record.from_id.len)
        return;
    session->peer = str_dup(record.from_id.data, record.from_id.len);
    session->channel.peer = session->peer;
    if (session->peer && !session_is(session, session->peer))
        session_refuse(session, "its certificate is another endpoint's");
    else if (session->peer)
        greet(session);
}

bool session_record(struct session *session, const uint8_t *data, size_t len, struct error *ret_why)
{
    struct str bytes = {(const char *)data, len};
    enum usp_verdict verdict;

    if (!session->peer && !session->refused)
        learn_peer(session, bytes);
    if (session->refused)
        return true; /* it is closing */
    verdict = usp_receive(session->mtp->usp, &session->channel, NULL, bytes, ret_why);
    if (verdict == USP_TAKEN && mtp_is_disconnect(bytes) && !session->refused)
        send_connect(session); /* R-MTP.8 */
    if (verdict == USP_IGNORED)
        log_failure(LOG_LEVEL_WARNING, "record ignored", ret_why);
    else if (verdict == USP_UNPROCESSABLE)
        log_failure(LOG_LEVEL_WARNING, session->peer ? session->peer : "unknown peer", ret_why);
    return verdict != USP_UNPROCESSABLE;
}

bool mtp_is_disconnect(struct str data)
{
    struct usp_record record;

    return usp_record_parse(data, &record, NULL) == 0 && record.type == USP_RECORD_DISCONNECT;
}

/* ---- routes ---- */

struct session *session_with(struct mtp *mtp, const char *peer, bool websocket)
{
    for (struct session *session = mtp->sessions; session; session = session->next)
        if (session->peer && (session->ws != NULL) == websocket && strcmp(session->peer, peer) == 0)
            return session;
    return NULL;
}

static bool route_by_row(struct mtp *mtp, struct controller *controller, struct dm_row *row,
                         struct usp_route *ret)
{
    const struct controller_mtp *controller_mtp = row->data;
    struct session *session = NULL;
    struct dm_row *local;

    if (is(controller_mtp->row.protocol, "MQTT")) {
        local = mtp_referenced(mtp, controller_mtp->mqtt_agent_mtp, mtp->local_mtp);
        *ret = (struct usp_route){.channel = local ? mtp_mqtt_channel(mtp, local) : NULL,
                                  .topic = controller_mtp->mqtt_topic};
        return ret->channel && ret->topic && !controller_mtp->mqtt_mismatch;
    }
    if (is(controller_mtp->row.protocol, "WebSocket"))
        session = session_with(mtp, controller->endpoint_id, true);
    else if (is(controller_mtp->row.protocol, "UDS"))
        session = session_with(mtp, controller->endpoint_id, false);
    *ret = (struct usp_route){.channel = session ? &session->channel : NULL};
    return session != NULL;
}

/* The enabled MTP row with the lowest Order above *order; false at the end. */
static bool next_mtp(struct mtp *mtp, struct controller *controller, uint64_t *order, struct dm_row **ret)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(controller->row, mtp->controller_mtp, &rows);
    uint64_t best = UINT64_MAX;

    for (uint32_t i = 0; i < count; i++) {
        const struct controller_mtp *row = rows[i]->data;
        uint64_t rank = (uint64_t)row->order << 32 | rows[i]->instance;

        if (row->row.enable && rank > *order && rank < best) {
            best = rank;
            *ret = rows[i];
        }
    }
    *order = best;
    return best != UINT64_MAX;
}

static int route(void *ctx, struct controller *controller, struct usp_route *ret)
{
    struct mtp *mtp = ctx;
    struct session *session;
    struct dm_row *row;
    uint64_t order = 0;

    if (!controller->endpoint_id)
        return -1;
    while (next_mtp(mtp, controller, &order, &row))
        if (route_by_row(mtp, controller, row, ret))
            return 0;
    /* A controller that came to us by itself is reached on the session that it opened. */
    session = session_with(mtp, controller->endpoint_id, true);
    if (!session)
        session = session_with(mtp, controller->endpoint_id, false);
    *ret = (struct usp_route){.channel = session ? &session->channel : NULL};
    return session ? 0 : -1;
}

static struct usp_channel *numbered(void *ctx, uint64_t number)
{
    struct mtp *mtp = ctx;

    for (struct session *session = mtp->sessions; session; session = session->next)
        if (session->channel.number == number)
            return &session->channel;
    return NULL;
}

const struct usp_ops mtp_usp_ops = {.route = route, .numbered = numbered, .remember = session_remember};
