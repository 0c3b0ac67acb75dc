/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "transports/mqtt_internal.h"

/* ---- what waits ---- */

static int grow(struct mqtt_waiting *waiting)
{
    size_t cap = waiting->cap ? waiting->cap * 2 : 16;
    struct mqtt_waiting_item *items = malloc(cap * sizeof(*items));

    if (!items)
        return -1;
    for (size_t i = 0; i < waiting->count; i++)
        items[i] = waiting->items[(waiting->first + i) % waiting->cap];
    free(waiting->items);
    waiting->items = items;
    waiting->cap = cap;
    waiting->first = 0;
    return 0;
}

int mqtt_waiting_add(struct mqtt_waiting *waiting, int mid, int qos, size_t bytes)
{
    if (waiting->count == waiting->cap && grow(waiting) < 0)
        return -1;
    waiting->items[(waiting->first + waiting->count) % waiting->cap] = (struct mqtt_waiting_item){mid, qos,
                                                                                                  bytes};
    waiting->count++;
    waiting->bytes += bytes;
    return 0;
}

static void remove_at(struct mqtt_waiting *waiting, size_t at)
{
    waiting->bytes -= waiting->items[(waiting->first + at) % waiting->cap].bytes;
    /* Nearly always the first: brokers acknowledge in order. */
    for (; at > 0; at--)
        waiting->items[(waiting->first + at) % waiting->cap] =
            waiting->items[(waiting->first + at - 1) % waiting->cap];
    waiting->first = (waiting->first + 1) % waiting->cap;
    waiting->count--;
}

bool mqtt_waiting_remove(struct mqtt_waiting *waiting, int mid)
{
    for (size_t i = 0; i < waiting->count; i++) {
        if (waiting->items[(waiting->first + i) % waiting->cap].mid == mid) {
            remove_at(waiting, i);
            return true;
        }
    }
    return false;
}

void mqtt_waiting_drop_unacknowledged(struct mqtt_waiting *waiting)
{
    for (size_t i = 0; i < waiting->count;) {
        if (waiting->items[(waiting->first + i) % waiting->cap].qos == 0)
            remove_at(waiting, i);
        else
            i++;
    }
}

void mqtt_waiting_done(struct mqtt_waiting *waiting)
{
    free(waiting->items);
    *waiting = (struct mqtt_waiting){0};
}

/* ---- properties ---- */

/* Functions of libmosquitto give 0 for success; the first failure stays. */
static void add_string(int *rc, mosquitto_property **properties, int name, const char *value)
{
    if (!*rc && value && *value)
        *rc = mosquitto_property_add_string(properties, name, value);
}

static void add_int32(int *rc, mosquitto_property **properties, int name, uint32_t value)
{
    if (!*rc && value)
        *rc = mosquitto_property_add_int32(properties, name, value);
}

static void add_int16(int *rc, mosquitto_property **properties, int name, uint16_t value)
{
    if (!*rc && value)
        *rc = mosquitto_property_add_int16(properties, name, value);
}

int mqtt_user_properties(mosquitto_property **properties, const struct mqtt_settings *settings,
                         enum mqtt_packets packet)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < settings->user_properties_count; i++) {
        const struct mqtt_user_property *property = &settings->user_properties[i];

        if (property->packets & packet)
            rc = mosquitto_property_add_string_pair(properties, MQTT_PROP_USER_PROPERTY, property->name,
                                                    property->value);
    }
    return rc;
}

int mqtt_extras_make(struct mqtt_extras *ret, const struct mqtt_settings *settings, struct error *err)
{
    struct mqtt_extras extras = {0};
    int rc = 0;

    if (settings->version == MQTT_5_0) {
        rc = mqtt_user_properties(&extras.publish, settings, MQTT_IN_PUBLISH);
        if (!rc)
            rc = mqtt_user_properties(&extras.subscribe, settings, MQTT_IN_SUBSCRIBE);
        if (!rc)
            rc = mqtt_user_properties(&extras.unsubscribe, settings, MQTT_IN_UNSUBSCRIBE);
        if (!rc)
            rc = mqtt_user_properties(&extras.disconnect, settings, MQTT_IN_DISCONNECT);
    }
    if (rc) {
        mqtt_extras_done(&extras);
        return error_set(err, ERROR_INVALID_CONFIGURATION, settings->host,
                         "these user properties cannot be used: %s", mosquitto_strerror(rc));
    }
    mqtt_extras_done(ret);
    *ret = extras;
    return 0;
}

void mqtt_extras_done(struct mqtt_extras *extras)
{
    mosquitto_property_free_all(&extras->publish);
    mosquitto_property_free_all(&extras->subscribe);
    mosquitto_property_free_all(&extras->unsubscribe);
    mosquitto_property_free_all(&extras->disconnect);
}

int mqtt_connect_properties(mosquitto_property **properties, const struct mqtt_settings *settings)
{
    int rc = 0;

    add_int32(&rc, properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, settings->session_expiry_s);
    add_int16(&rc, properties, MQTT_PROP_RECEIVE_MAXIMUM, settings->receive_maximum);
    add_int32(&rc, properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, settings->maximum_packet);
    add_int16(&rc, properties, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, settings->topic_alias_maximum);
    if (!rc && settings->request_response_info)
        rc = mosquitto_property_add_byte(properties, MQTT_PROP_REQUEST_RESPONSE_INFORMATION, 1);
    if (!rc && !settings->request_problem_info)
        rc = mosquitto_property_add_byte(properties, MQTT_PROP_REQUEST_PROBLEM_INFORMATION, 0);
    return rc ? rc : mqtt_user_properties(properties, settings, MQTT_IN_CONNECT);
}

int mqtt_will_properties(mosquitto_property **properties, const struct mqtt_settings *settings)
{
    const struct mqtt_will *will = &settings->will;
    int rc = 0;

    add_int32(&rc, properties, MQTT_PROP_WILL_DELAY_INTERVAL, will->delay_s);
    add_int32(&rc, properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, will->expiry_s);
    add_string(&rc, properties, MQTT_PROP_CONTENT_TYPE, will->content_type);
    add_string(&rc, properties, MQTT_PROP_RESPONSE_TOPIC, will->response_topic);
    return rc ? rc : mqtt_user_properties(properties, settings, MQTT_IN_WILL);
}

int mqtt_publish_properties(mosquitto_property **properties, const struct mqtt_publication *publication)
{
    int rc = 0;

    add_int32(&rc, properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, publication->expiry_s);
    add_string(&rc, properties, MQTT_PROP_CONTENT_TYPE, publication->content_type);
    add_string(&rc, properties, MQTT_PROP_RESPONSE_TOPIC, publication->response_topic);
    return rc;
}

static int read_user_properties(const mosquitto_property *properties, struct mqtt_connack *ret)
{
    struct mqtt_property *list = NULL;
    char *name = NULL;
    char *value = NULL;
    bool skip = false;

    while ((properties = mosquitto_property_read_string_pair(properties, MQTT_PROP_USER_PROPERTY, &name,
                                                             &value, skip))) {
        struct mqtt_property *longer = NULL;

        if (ret->properties_count < LIMIT_MQTT_USER_PROPERTIES_HEARD)
            longer = realloc(list, (ret->properties_count + 1) * sizeof(*list));
        if (!longer) {
            free(name);
            free(value);
            return ret->properties_count < LIMIT_MQTT_USER_PROPERTIES_HEARD ? -1 : 0;
        }
        list = longer;
        list[ret->properties_count++] = (struct mqtt_property){name, value};
        ret->properties = list;
        skip = true;
    }
    return 0;
}

int mqtt_connack_read(const mosquitto_property *properties, struct mqtt_connack *ret)
{
    char *text = NULL;

    if (mosquitto_property_read_string(properties, MQTT_PROP_ASSIGNED_CLIENT_IDENTIFIER, &text, false))
        ret->assigned_client_id = text;
    text = NULL;
    if (mosquitto_property_read_string(properties, MQTT_PROP_RESPONSE_INFORMATION, &text, false))
        ret->response_information = text;
    return read_user_properties(properties, ret);
}

void mqtt_connack_free(struct mqtt_connack *connack)
{
    for (size_t i = 0; i < connack->properties_count; i++) {
        free((char *)connack->properties[i].name);
        free((char *)connack->properties[i].value);
    }
    free((struct mqtt_property *)connack->properties);
    free((char *)connack->assigned_client_id);
    free((char *)connack->response_information);
}
