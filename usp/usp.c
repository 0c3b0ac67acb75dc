/* SPDX-License-Identifier: BSD-3-Clause */
/* The endpoint: from a record to its answer. */
#include "usp/usp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"
#include "usp/internal.h"
#include "usp/message.h"
#include "usp/session_internal.h"
#include "usp/trust.h"

static const struct {
    unsigned type;          /* field in Request */
    unsigned response;      /* field in Response */
    unsigned response_type; /* Header.MsgType */
    usp_handler_fn *fn;
} handlers[] = {
    {USP_REQUEST_GET, USP_RESPONSE_GET_RESP, USP_HEADER_MSG_TYPE_GET_RESP, usp_get},
    {USP_REQUEST_GET_SUPPORTED_DM, USP_RESPONSE_GET_SUPPORTED_DM_RESP,
     USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM_RESP, usp_get_supported_dm},
    {USP_REQUEST_GET_INSTANCES, USP_RESPONSE_GET_INSTANCES_RESP, USP_HEADER_MSG_TYPE_GET_INSTANCES_RESP,
     usp_get_instances},
    {USP_REQUEST_SET, USP_RESPONSE_SET_RESP, USP_HEADER_MSG_TYPE_SET_RESP, usp_set},
    {USP_REQUEST_ADD, USP_RESPONSE_ADD_RESP, USP_HEADER_MSG_TYPE_ADD_RESP, usp_add},
    {USP_REQUEST_DELETE, USP_RESPONSE_DELETE_RESP, USP_HEADER_MSG_TYPE_DELETE_RESP, usp_delete},
    {USP_REQUEST_OPERATE, USP_RESPONSE_OPERATE_RESP, USP_HEADER_MSG_TYPE_OPERATE_RESP, usp_operate},
    {USP_REQUEST_GET_SUPPORTED_PROTOCOL, USP_RESPONSE_GET_SUPPORTED_PROTOCOL_RESP,
     USP_HEADER_MSG_TYPE_GET_SUPPORTED_PROTO_RESP, usp_get_supported_protocol},
};

/* ---- life ---- */

struct usp *usp_new(struct dm *dm, const struct usp_ops *ops, void *ctx, struct error *err)
{
    struct usp *usp = calloc(1, sizeof(*usp));

    if (!usp) {
        error_set(err, ERROR_INTERNAL, NULL, "out of memory");
        return NULL;
    }
    usp->dm = dm;
    usp->store = dm_store(dm);
    usp->loop = dm_loop(dm);
    usp->limits = usp->loop->limits;
    usp->ops = ops;
    usp->ctx = ctx;
    usp->held_last = &usp->held;
    usp->access_generation = 1;
    usp->no_access.bits = calloc(dm_access_ids(dm), 1);
    usp->controllers = dm_node_find(dm, "Device.LocalAgent.Controller.{i}.");
    usp->subscriptions = dm_node_find(dm, "Device.LocalAgent.Subscription.{i}.");
    usp->requests = dm_node_find(dm, "Device.LocalAgent.Request.{i}.");
    usp->local_agent = dm_row_find(dm, STR("Device.LocalAgent."));
    arena_init(&usp->arena, LIMIT_REQUEST_ARENA_BYTES);
    arena_init(&usp->feed_arena, LIMIT_REQUEST_ARENA_BYTES);
    if (getrandom(&usp->boot, sizeof(usp->boot), GRND_NONBLOCK) != (ssize_t)sizeof(usp->boot))
        usp->boot = (uint64_t)clock_wall_ms(&usp->loop->clock);
    if (usp->no_access.bits && usp->controllers && usp->subscriptions && usp->requests && usp->local_agent)
        return usp;
    error_set(err, ERROR_INTERNAL, "Device.LocalAgent.", "the data model lacks the objects that USP needs");
    usp_free(usp);
    return NULL;
}

void usp_stop(struct usp *usp)
{
    if (!usp)
        return;
    if (usp->started)
        observer_remove(dm_observers(usp->dm), &usp->feed);
    usp_requests_forget(usp);
}

void usp_free(struct usp *usp)
{
    if (!usp)
        return;
    usp_send_done(usp);
    free(usp->refs);
    free((void *)usp->no_access.bits);
    free(usp->endpoint_id);
    arena_done(&usp->arena);
    arena_done(&usp->feed_arena);
    free(usp);
}

void usp_set_security(struct usp *usp, const struct usp_security_ops *ops, void *ctx)
{
    usp->security = ops;
    usp->security_ctx = ctx;
}

int usp_set_endpoint_id(struct usp *usp, const char *endpoint_id)
{
    return str_replace(&usp->endpoint_id, endpoint_id);
}

const char *usp_endpoint_id(const struct usp *usp)
{
    return usp->endpoint_id ? usp->endpoint_id : "";
}

int usp_start(struct usp *usp, const struct usp_boot *boot, struct error *err)
{
    if (usp_notifications_load(usp, err) < 0)
        return -1;
    usp_raise_boot(usp, boot);
    if (usp_subscriptions_purge(usp, err) < 0)
        return -1;
    usp->feed = (struct observer){.fn = usp_on_feed, .ctx = usp};
    observer_add(dm_observers(usp->dm), &usp->feed);
    usp->started = true;
    return 0;
}

const struct usp_stats *usp_stats(const struct usp *usp)
{
    return &usp->stats;
}

/* ---- reading a message ---- */

struct message {
    struct str msg_id;
    unsigned kind; /* field in Body: request, response, error; 0 none */
    unsigned type; /* field below it */
    struct str content;
    unsigned headers, bodies, kinds, types; /* how many there were: R-MSG.6, R-MSG.7, R-ENC.5 */
    bool malformed;
};

static bool parse_header(struct message *message, struct str bytes)
{
    struct pb_reader reader = pb_reader(bytes);
    struct pb_field field;
    uint64_t type;
    bool good = true;
    int rc;

    while (good && (rc = pb_next(&reader, &field)) != 0) {
        if (rc < 0)
            return false;
        if (field.number == USP_HEADER_MSG_ID)
            good = pb_text(&field, &message->msg_id);
        else if (field.number == USP_HEADER_MSG_TYPE)
            good = pb_number(&field, &type); /* R-MSG.10: the body decides */
    }
    return good;
}

static bool parse_kind(struct message *message, struct str bytes)
{
    struct pb_reader reader = pb_reader(bytes);
    struct pb_field field;
    int rc;

    if (message->kind == USP_BODY_ERROR) {
        message->content = bytes;
        message->types++;
        return true;
    }
    while ((rc = pb_next(&reader, &field)) > 0) {
        message->type = field.number;
        message->types++;
        if (!pb_bytes(&field, &message->content))
            return false;
    }
    return rc == 0;
}

static bool parse_body(struct message *message, struct str bytes)
{
    struct pb_reader reader = pb_reader(bytes);
    struct pb_field field;
    struct str inner;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0) {
        message->kind = field.number;
        message->kinds++;
        if (!pb_bytes(&field, &inner) || !parse_kind(message, inner))
            return false;
    }
    return rc == 0;
}

/* As much as can be read is read: an Error needs the msg_id even when the rest is bad. */
static void parse_message(struct str payload, struct message *ret)
{
    struct pb_reader reader = pb_reader(payload);
    struct pb_field field;
    struct str part;
    int rc;

    *ret = (struct message){.msg_id = STR("")};
    while ((rc = pb_next(&reader, &field)) > 0) {
        if (!pb_bytes(&field, &part))
            ret->malformed = true;
        else if (field.number == USP_MSG_HEADER && ++ret->headers && !parse_header(ret, part))
            ret->malformed = true;
        else if (field.number == USP_MSG_BODY && ++ret->bodies && !parse_body(ret, part))
            ret->malformed = true;
    }
    if (rc < 0)
        ret->malformed = true;
}

static int check_message(const struct message *message, struct error *err)
{
    if (message->malformed)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "the message could not be parsed");
    if (message->headers != 1 || message->bodies != 1 || message->kinds != 1 || message->types != 1)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL,
                         "the message does not have exactly one header, body and message type");
    return 0;
}

/* ---- answering ---- */

static int dispatch(struct usp_request *request, const struct message *message, unsigned *ret_handler,
                    struct error *err)
{
    if (check_message(message, err) < 0)
        return -1;
    for (unsigned i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        if (handlers[i].type != message->type)
            continue;
        *ret_handler = i;
        return handlers[i].fn(request, message->content, err);
    }
    return error_set(err, ERROR_MESSAGE_NOT_SUPPORTED, NULL, "this message type is not supported");
}

void usp_begin(struct usp_request *request)
{
    struct dm_requester requester = {.controller = request->controller->row};

    dm_begin(request->dm, &requester);
}

int usp_end(struct usp_request *request, int result, struct error *err)
{
    /* An answer that cannot be sent must not be true: nothing has changed then. */
    if (result == 0 && request->out->failed)
        result = error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                           "the answer would be longer than allowed (%s is %u)",
                           LIMIT_SAYS(request->usp->limits, record_bytes));
    if (result == 0)
        return dm_commit(request->dm, err);
    dm_rollback(request->dm);
    return -1;
}

static void answer(struct usp *usp, struct controller *controller, const struct usp_route *route,
                   const struct message *message)
{
    struct buf out;
    struct usp_request request = {.usp = usp,
                                  .dm = usp->dm,
                                  .arena = &usp->arena,
                                  .controller = controller,
                                  .access = usp_access(usp, controller),
                                  .session = route->channel ? route->channel->number : 0,
                                  .out = &out};
    struct str to = str_of(controller->endpoint_id);
    struct error err;
    unsigned handler = 0;
    int rc;

    request.errors_last = &request.errors;
    buf_init(&out, usp->limits->record_bytes, USP_HEADROOM);
    error_clear(&err);
    usp_answer_begin(usp);
    rc = dispatch(&request, message, &handler, &err);
    if (rc == 0 && out.failed)
        rc = error_set(&err, ERROR_RESOURCES_EXCEEDED, NULL,
                       "the answer would be longer than allowed (%s is %u): ask for less",
                       LIMIT_SAYS(usp->limits, record_bytes));
    if (rc < 0) {
        buf_done(&out);
        buf_init(&out, usp->limits->record_bytes, USP_HEADROOM);
        usp_msg_error(&out, message->msg_id, &err, request.errors);
    } else if (!request.silent) {
        usp_msg_wrap(&out, message->msg_id, handlers[handler].response_type, USP_BODY_RESPONSE,
                     handlers[handler].response);
    }
    if (rc < 0 || !request.silent)
        usp_send(usp, route, &out, to, message->msg_id);
    usp_answer_end(usp);
    buf_done(&out);
    arena_reset(&usp->arena);
}

/* R-MTP.5: tells a sender that we do not know why it gets no answer. */
static void refuse(struct usp *usp, const struct usp_route *route, struct str to, struct str msg_id,
                   const struct error *err)
{
    struct buf out;

    buf_init(&out, usp->limits->record_bytes, USP_HEADROOM);
    usp_msg_error(&out, msg_id, err, NULL);
    usp_send(usp, route, &out, to, msg_id);
    buf_done(&out);
}

static void handle_message(struct usp *usp, struct controller *controller, const struct usp_route *route,
                           const struct message *message)
{
    /* Without a msg_id nobody could match an answer (R-MSG.8). */
    if (!message->msg_id.len)
        return;
    if (message->kind == USP_BODY_REQUEST) {
        answer(usp, controller, route, message);
        return;
    }
    if (message->kind == USP_BODY_RESPONSE && message->type == USP_RESPONSE_NOTIFY_RESP &&
        !message->malformed)
        usp_notify_response(controller, message->msg_id);
    /* Other responses and Errors answer nothing that we asked (R-MSG.9). */
}

/* ---- records ---- */

/* The way back for an answer: where the record came from; over MQTT without a reply topic, the controller's own. */
static int way_back(struct usp *usp, struct usp_channel *from, const char *reply_topic,
                    struct controller *controller, struct usp_route *ret)
{
    *ret = (struct usp_route){.channel = from, .topic = reply_topic};
    if (reply_topic || from->peer)
        return 0;
    return controller ? usp->ops->route(usp->ctx, controller, ret) : -1;
}

enum usp_verdict usp_ignore(struct usp *usp, struct error *err, uint32_t code, const char *why,
                            struct str who)
{
    usp->stats.records_ignored++;
    error_set(err, code, NULL, "%s%.*s", why, (int)(who.len > 100 ? 100 : who.len), who.data ? who.data : "");
    return USP_IGNORED;
}

enum usp_verdict usp_admit(struct controller *controller, const struct usp_channel *shown, struct error *err)
{
    struct usp *usp = controller->usp;

    if (!usp_credential_accepts(controller, shown))
        return usp_ignore(usp, err, ERROR_REQUEST_DENIED, "nothing that it showed authenticates ",
                          str_of(controller->endpoint_id));
    usp_controller_presented(controller, shown);
    if (usp_access_banned(usp, controller))
        return usp_ignore(usp, err, ERROR_REQUEST_DENIED, "banned controller ",
                          str_of(controller->endpoint_id));
    return USP_TAKEN;
}

/* refusal: why a request in it is not answered (R-MTP.5); NULL: it is. */
static void take_message(struct usp *usp, struct controller *controller, const struct usp_route *route,
                         const struct usp_record *record, const struct error *refusal)
{
    struct message message;

    parse_message(record->payload, &message);
    if (!refusal)
        handle_message(usp, controller, route, &message);
    else if (message.kind == USP_BODY_REQUEST && message.msg_id.len)
        refuse(usp, route, record->from_id, message.msg_id, refusal);
}

void usp_take_message(struct usp *usp, struct controller *controller, const struct usp_route *route,
                      struct str payload)
{
    struct usp_record record = {.payload = payload};

    take_message(usp, controller, route, &record, NULL);
}

/* The sender's row if it has one and may be heard at all. */
static struct controller *sender_of(struct usp *usp, struct usp_channel *from,
                                    const struct usp_record *record)
{
    struct controller *controller = usp_controller_find(usp, record->from_id);

    if (!controller)
        controller = usp_first_contact(usp, from, record->from_id);
    return controller && controller->enable ? controller : NULL;
}

static enum usp_verdict refuse_message(struct usp *usp, const struct usp_route *route,
                                       const struct usp_record *record, const struct error *reason,
                                       struct error *err)
{
    take_message(usp, NULL, route, record, reason);
    if (err)
        *err = *reason;
    usp->stats.records_ignored++;
    return USP_IGNORED;
}

/* TR-181 SessionMode Require: nothing is exchanged outside of a session. */
static enum usp_verdict refuse_sessionless(struct controller *controller, const struct usp_route *route,
                                           const struct usp_record *record, struct error *err)
{
    bool tls = controller->e2e.security == SESSION_TLS;
    struct error reason;

    error_set(&reason, tls ? ERROR_SECURE_SESSION_REQUIRED : ERROR_INVALID_RECORD_VALUE, NULL,
              "%s has to use a session context%s (E2ESession.SessionMode)", controller->endpoint_id,
              tls ? " with TLS" : "");
    usp_session_reachable(controller);
    return refuse_message(controller->usp, route, record, &reason, err);
}

static enum usp_verdict refuse_unknown(struct usp *usp, const struct usp_route *route,
                                       const struct usp_record *record, struct error *err)
{
    struct error reason;

    error_set(&reason, ERROR_REQUEST_DENIED, NULL, "%.*s is no enabled row of Device.LocalAgent.Controller.",
              (int)(record->from_id.len > 100 ? 100 : record->from_id.len), record->from_id.data);
    return refuse_message(usp, route, record, &reason, err);
}

/* R-ENC.2: a value that no version known here has. Whether it was plain all the same, the request's id tells. */
static enum usp_verdict refuse_security(struct usp *usp, struct usp_channel *from, const char *reply_topic,
                                        const struct usp_record *record, struct error *err)
{
    struct usp_route route;
    struct error reason;

    if (way_back(usp, from, reply_topic, sender_of(usp, from, record), &route) < 0)
        return usp_ignore(usp, err, ERROR_INVALID_RECORD_VALUE, "no way to answer ", record->from_id);
    error_set(&reason, ERROR_INVALID_RECORD_VALUE, NULL, "payload_security %llu is not known",
              (unsigned long long)record->payload_security);
    return refuse_message(usp, &route, record, &reason, err);
}

static enum usp_verdict take_payload(struct usp *usp, struct usp_channel *from, const char *reply_topic,
                                     const struct usp_record *record, struct error *err)
{
    struct controller *controller = sender_of(usp, from, record);
    struct usp_route route;

    if (controller && usp_admit(controller, from, err) != USP_TAKEN)
        return USP_IGNORED;
    if (way_back(usp, from, reply_topic, controller, &route) < 0)
        return usp_ignore(usp, err, ERROR_REQUEST_DENIED, "no way to answer ", record->from_id);
    if (!controller)
        return refuse_unknown(usp, &route, record, err);
    if (record->mac_signature.len && usp_integrity_check(controller, NULL, record, NULL, false, err) < 0) {
        usp->stats.records_ignored++; /* R-E2E.30 */
        return USP_IGNORED;
    }
    if (controller->e2e.mode == SESSION_REQUIRE)
        return refuse_sessionless(controller, &route, record, err);
    if (controller->session)
        usp_session_without(controller);
    take_message(usp, controller, &route, record, NULL);
    return USP_TAKEN;
}

/* R-E2E.6a: a session with whom it is not allowed, or who is unknown. */
static enum usp_verdict refuse_session(struct usp *usp, const struct usp_route *route,
                                       const struct usp_record *record, struct error *err)
{
    usp_session_disconnect(usp, route, record->from_id, ERROR_SESSION_CONTEXT_NOT_ALLOWED);
    return usp_ignore(usp, err, ERROR_SESSION_CONTEXT_NOT_ALLOWED, "a session record from ", record->from_id);
}

static enum usp_verdict take_session(struct usp *usp, struct usp_channel *from, const char *reply_topic,
                                     struct str data, const struct usp_record *record, struct error *err)
{
    struct controller *controller = sender_of(usp, from, record);
    struct usp_route route;

    if (way_back(usp, from, reply_topic, controller, &route) < 0)
        return usp_ignore(usp, err, ERROR_REQUEST_DENIED, "no way to answer ", record->from_id);
    if (!controller || controller->e2e.mode == SESSION_FORBID)
        return refuse_session(usp, &route, record, err);
    return usp_session_receive(controller, from, &route, data, record, err);
}

/* The transport acts on its own state; the session is ours. One with TLS does not end by the word of just anybody. */
static enum usp_verdict take_disconnect(struct usp *usp, const struct usp_channel *from,
                                        const struct usp_record *record, struct error *err)
{
    struct controller *controller = usp_controller_find(usp, record->from_id);
    struct usp_session *session = controller ? controller->session : NULL;

    if (!session)
        return USP_TAKEN;
    if (session->secured && !record->mac_signature.len && !usp_integrity_by_transport(controller, from))
        return usp_ignore(usp, err, ERROR_INVALID_RECORD_VALUE, "an unsigned Disconnect record from ",
                          record->from_id);
    if (usp_integrity_check(controller, session, record, NULL, true, err) == 0)
        usp_session_left(controller);
    return USP_TAKEN;
}

enum usp_verdict usp_receive(struct usp *usp, struct usp_channel *from, const char *reply_topic,
                             struct str data, struct error *err)
{
    struct usp_record record;

    usp->stats.records_received++;
    if (data.len > usp->limits->record_bytes) {
        error_set(err, ERROR_RECORD_NOT_PARSED, from->peer, "a record of %zu bytes (%s is %u)", data.len,
                  LIMIT_SAYS(usp->limits, record_bytes));
        return USP_UNPROCESSABLE;
    }
    if (usp_record_parse(data, &record, err) < 0)
        return USP_UNPROCESSABLE;
    /* R-E2E.1: not for us. R-ARC.2: not from ourselves. R-SEC.0a: not from another than the channel's peer. */
    if (!str_is(record.to_id, usp_endpoint_id(usp)))
        return usp_ignore(usp, err, ERROR_INVALID_RECORD_VALUE, "the record is addressed to ", record.to_id);
    if (!record.from_id.len || str_is(record.from_id, usp_endpoint_id(usp)))
        return usp_ignore(usp, err, ERROR_INVALID_RECORD_VALUE, "the record is from ", record.from_id);
    if (from->peer && !str_is(record.from_id, from->peer))
        return usp_ignore(usp, err, ERROR_REQUEST_DENIED,
                          "the record's from_id is not its peer: ", record.from_id);
    switch (record.type) {
    case USP_RECORD_NO_SESSION:
        if (record.payload_security > USP_RECORD_RECORD_PAYLOAD_SECURITY_TLS12)
            return refuse_security(usp, from, reply_topic, &record, err);
        if (record.payload_security != USP_RECORD_RECORD_PAYLOAD_SECURITY_PLAINTEXT) /* R-E2E.41 */
            return usp_ignore(usp, err, ERROR_SECURE_SESSION_NOT_SUPPORTED,
                              "payload security without a session from ", record.from_id);
        if (!record.payload.len) /* R-E2E.26 */
            return usp_ignore(usp, err, ERROR_INVALID_RECORD_VALUE, "an empty payload from ", record.from_id);
        return take_payload(usp, from, reply_topic, &record, err);
    case USP_RECORD_SESSION:
        return take_session(usp, from, reply_topic, data, &record, err);
    case USP_RECORD_DISCONNECT:
        return take_disconnect(usp, from, &record, err);
    case USP_RECORD_WEBSOCKET_CONNECT:
    case USP_RECORD_MQTT_CONNECT:
    case USP_RECORD_STOMP_CONNECT:
    case USP_RECORD_UDS_CONNECT:
        return USP_TAKEN; /* the transport acts on its own state */
    }
    return USP_IGNORED;
}
