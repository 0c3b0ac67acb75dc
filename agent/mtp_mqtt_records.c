/* SPDX-License-Identifier: BSD-3-Clause */
/* What MQTT has to know of the records that it carries. */
#include "agent/mtp_mqtt.h"
#include "base/log.h"
#include "usp/fields.h"
#include "usp/pb.h"

/* The MTP row by which a controller is reached on this client, or NULL. */
static struct dm_row *row_of(const struct mqtt_carrier *carrier, struct controller *controller)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(controller->row, carrier->mtp->controller_mtp, &rows);

    for (uint32_t i = 0; i < count; i++) {
        const struct controller_mtp *row = rows[i]->data;

        if (row->row.enable && model_is_mqtt(rows[i]) && carrier->local &&
            mtp_referenced(carrier->mtp, row->mqtt_agent_mtp, carrier->mtp->local_mtp) == carrier->local)
            return rows[i];
    }
    return NULL;
}

/* The last field with this number, if it is bytes. */
static bool find(struct str message, unsigned number, struct str *ret)
{
    struct pb_reader reader = pb_reader(message);
    struct pb_field field;
    bool found = false;

    while (pb_next(&reader, &field) > 0)
        if (field.number == number)
            found = pb_bytes(&field, ret);
    return found;
}

/* ---- RETAIN ---- */

bool mqtt_retains(const struct mqtt_carrier *carrier, struct str record)
{
    struct usp_record parsed;
    const struct controller_mtp *row;
    struct controller *controller;
    struct dm_row *where;
    struct str body, inner;

    if (usp_record_parse(record, &parsed, NULL) < 0 || parsed.type != USP_RECORD_NO_SESSION)
        return false;
    controller = usp_controller_find(carrier->mtp->usp, parsed.to_id);
    where = controller ? row_of(carrier, controller) : NULL;
    row = where ? where->data : NULL;
    if (!row || !(row->mqtt_retain_response || row->mqtt_retain_notify) ||
        !find(parsed.payload, USP_MSG_BODY, &body))
        return false;
    if (find(body, USP_BODY_RESPONSE, &inner))
        return row->mqtt_retain_response;
    return row->mqtt_retain_notify && find(body, USP_BODY_REQUEST, &inner) &&
           find(inner, USP_REQUEST_NOTIFY, &body);
}

/* ---- versions ---- */

static uint64_t version_of(struct str connect)
{
    struct pb_reader reader = pb_reader(connect);
    struct pb_field field;
    uint64_t version = USP_RECORD_MQTT_CONNECT_RECORD_MQTT_VERSION_V3_1_1;

    while (pb_next(&reader, &field) > 0)
        if (field.number == USP_RECORD_MQTT_CONNECT_RECORD_VERSION)
            pb_number(&field, &version);
    return version;
}

bool mqtt_versions_match(const struct mqtt_carrier *carrier, struct str record, bool has_reply_topic)
{
    uint64_t own = carrier->version_5 ? USP_RECORD_MQTT_CONNECT_RECORD_MQTT_VERSION_V5
                                      : USP_RECORD_MQTT_CONNECT_RECORD_MQTT_VERSION_V3_1_1;
    bool match = has_reply_topic;
    struct usp_record parsed;
    struct controller *controller;
    struct controller_mtp *row;
    struct dm_row *where;

    if (usp_record_parse(record, &parsed, NULL) < 0)
        return true; /* that is said elsewhere */
    controller = usp_controller_find(carrier->mtp->usp, parsed.from_id);
    where = controller ? row_of(carrier, controller) : NULL;
    row = where ? where->data : NULL;
    if (parsed.type == USP_RECORD_MQTT_CONNECT)
        match = version_of(parsed.body) == own;
    else if (carrier->version_5 && !has_reply_topic) /* a property that may be missing: it says nothing new */
        match = !row || !row->mqtt_mismatch;
    if (!row || row->mqtt_mismatch == !match)
        return match;
    row->mqtt_mismatch = !match;
    if (match)
        usp_controller_reachable(carrier->mtp->usp, controller);
    else
        log_warning("nothing is sent to %s: it uses another MQTT version", controller->endpoint_id);
    return match;
}

/* ---- Disconnect ---- */

void mqtt_greet_again(struct mqtt_carrier *carrier, struct str record)
{
    struct usp_record parsed;
    struct controller *controller;
    struct dm_row *row;

    if (!mtp_is_disconnect(record) || usp_record_parse(record, &parsed, NULL) < 0)
        return;
    controller = usp_controller_find(carrier->mtp->usp, parsed.from_id);
    row = controller ? row_of(carrier, controller) : NULL;
    if (row)
        mqtt_greet(carrier, controller, row);
}
