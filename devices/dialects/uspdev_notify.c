/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device tells by itself. None of it is believed: it says where to look, or which of our commands has ended. */
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/uspdev_peer.h"

/* Arguments of TransferComplete!. */
struct transfer {
    struct str command, key, fault_code, fault;
};

static int on_argument(void *ctx, const struct usp_client_fact *fact)
{
    struct transfer *transfer = ctx;

    if (str_is(fact->name, "Command"))
        transfer->command = fact->value;
    else if (str_is(fact->name, "CommandKey"))
        transfer->key = fact->value;
    else if (str_is(fact->name, "FaultCode"))
        transfer->fault_code = fact->value;
    else if (str_is(fact->name, "FaultString"))
        transfer->fault = fact->value;
    return 0;
}

static bool ends_with(struct str text, struct str end)
{
    return text.len >= end.len && memcmp(text.data + text.len - end.len, end.data, end.len) == 0;
}

static void on_event(struct uspdev_peer *peer, const struct usp_client_notify *notify,
                     const struct transfer *transfer)
{
    uint64_t code = 0;

    if (str_is(notify->name, "Boot!")) {
        uspdev_update_booted(peer);
        uspdev_call(peer, USPDEV_INFO, NULL);
    } else if (str_is(notify->name, "TransferComplete!") && ends_with(transfer->command, STR("Download()"))) {
        if (str_to_u64(transfer->fault_code, &code) < 0 || code > UINT32_MAX)
            code = transfer->fault_code.len ? ERROR_COMMAND_FAILURE : 0;
        uspdev_update_completed(peer, true, transfer->key, (uint32_t)code, transfer->fault);
    }
}

static void on_complete(struct uspdev_peer *peer, const struct usp_client_notify *notify)
{
    if (str_is(notify->name, "Download()"))
        uspdev_update_completed(peer, true, notify->key, notify->code, notify->text);
    else if (str_is(notify->name, "Activate()"))
        uspdev_update_completed(peer, false, notify->key, notify->code, notify->text);
}

static void acknowledge(struct uspdev_peer *peer, const struct usp_client_message *message,
                        struct str subscription_id)
{
    struct buf answer;

    buf_init(&answer, LIMIT_LAN_FRAME_BYTES, USP_HEADROOM);
    usp_client_notify_response(&answer, message->msg_id, subscription_id);
    uspdev_send_message(peer, &answer, NULL);
    buf_done(&answer);
}

void uspdev_notified(struct uspdev_peer *peer, const struct usp_client_message *message)
{
    struct transfer transfer = {STR(""), STR(""), STR(""), STR("")};
    struct usp_client_notify notify;
    struct error err;

    if (usp_client_read_notify(message, &notify, on_argument, &transfer, &err) < 0) {
        uspdev_reject(peer, err.message);
        return;
    }
    if (!peer->device)
        return; /* it is told again */
    if (notify.send_resp)
        acknowledge(peer, message, notify.subscription_id);
    if (peer->device->quarantined)
        return;
    switch (notify.kind) {
    case USP_CLIENT_EVENT:
        on_event(peer, &notify, &transfer);
        break;
    case USP_CLIENT_COMPLETE:
        on_complete(peer, &notify);
        break;
    case USP_CLIENT_VALUE_CHANGE:
    case USP_CLIENT_ONBOARD:
        uspdev_call(peer, USPDEV_INFO, NULL);
        break;
    case USP_CLIENT_CREATION:
    case USP_CLIENT_DELETION:
        break;
    }
}
