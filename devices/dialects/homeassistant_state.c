/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node's topics say: the state of its update, the latest version, whether it is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/dialects/homeassistant_node.h"

enum {
    PRESENCE_INTERVAL_MS = 2000,
    PRESENCE_BURST = 20,
    VERSION_DIGITS = 18, /* of one number in a version */
};

/* ---- versions ---- */

/* The next number of a version, -1 when there is none. */
static int next_number(const char **at, uint64_t *ret)
{
    const char *start = *at;

    *ret = 0;
    while (**at >= '0' && **at <= '9' && *at - start < VERSION_DIGITS)
        *ret = *ret * 10 + (uint64_t)(*(*at)++ - '0');
    return *at > start && !(**at >= '0' && **at <= '9') ? 0 : -1;
}

int ha_version_compare(const char *a, const char *b, int *ret)
{
    uint64_t x, y;

    a += *a == 'v' || *a == 'V';
    b += *b == 'v' || *b == 'V';
    for (;;) {
        if (next_number(&a, &x) < 0 || next_number(&b, &y) < 0)
            return -1;
        if (x != y || (!*a && !*b)) {
            *ret = (x > y) - (x < y);
            return 0;
        }
        if ((*a && *a != '.') || (*b && *b != '.'))
            return -1; /* what a suffix means its maker knows */
        if (!*a || !*b) {
            *ret = *a ? 1 : -1; /* 1.2 and 1.2.1 */
            return 0;
        }
        a++;
        b++;
    }
}

/* Text or a whole number as a version; false when it is neither. */
static bool read_version(const cJSON *value, char to[HA_VERSION_BYTES])
{
    const char *text = json_text_of(value, HA_VERSION_BYTES - 1);

    if (text)
        str_copy(to, HA_VERSION_BYTES, text);
    else if (cJSON_IsNumber(value))
        snprintf(to, HA_VERSION_BYTES, "%.15g", value->valuedouble);
    return text || cJSON_IsNumber(value);
}

/* A message that is no JSON, as a version; false when it cannot be one. */
static bool plain_version(const uint8_t *data, size_t len, char to[HA_VERSION_BYTES])
{
    struct str text = str_trim((struct str){(const char *)data, len});

    if (text.len == 0 || text.len >= HA_VERSION_BYTES || !str_is_utf8(text))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
    return true;
}

/* ---- the state ---- */

/* What one message says; "" and -1 for what it does not. */
struct report {
    char installed[HA_VERSION_BYTES], latest[HA_VERSION_BYTES], title[HA_VERSION_BYTES];
    int in_progress;
    int percent;
};

static void read_percent(const cJSON *value, struct report *report)
{
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= 100))
        return;
    report->percent = (int)value->valuedouble;
    report->in_progress = 1;
}

static void read_object(const cJSON *json, struct report *report)
{
    const cJSON *in_progress = json_member(json, "in_progress");

    read_version(json_member(json, "installed_version"), report->installed);
    read_version(json_member(json, "latest_version"), report->latest);
    read_version(json_member(json, "title"), report->title);
    read_percent(json_member(json, "update_percentage"), report);
    read_percent(in_progress, report); /* a number in older devices */
    if (cJSON_IsBool(in_progress))
        report->in_progress = cJSON_IsTrue(in_progress);
    else if (report->percent < 0 && cJSON_IsNull(json_member(json, "update_percentage")))
        report->in_progress = 0;
}

static void read_zigbee2mqtt(const cJSON *json, struct report *report)
{
    const cJSON *update = json_object(json, "update");
    const char *state = json_text(update, "state", 32);

    read_version(json_member(update, "installed_version"), report->installed);
    read_version(json_member(update, "latest_version"), report->latest);
    read_percent(json_member(update, "progress"), report);
    report->in_progress = state ? strcmp(state, "updating") == 0 : report->percent >= 0;
}

/* False when the message is not what the template says it is. */
static bool read_report(const struct ha_template *template, const uint8_t *data, size_t len,
                        struct report *report)
{
    cJSON *json = json_parse(data, len, NULL);
    bool good = true;

    *report = (struct report){.in_progress = -1, .percent = -1};
    if (template->kind == HA_TEMPLATE_ZIGBEE2MQTT)
        read_zigbee2mqtt(json, report);
    else if (template->kind == HA_TEMPLATE_PATH)
        read_version(ha_template_follow(template, json), report->installed);
    else if (cJSON_IsObject(json))
        read_object(json, report);
    else
        good = !(len > 0 && data[0] == '{') && plain_version(data, len, report->installed);
    if (template->kind != HA_TEMPLATE_NONE && !json)
        good = false;
    cJSON_Delete(json);
    return good;
}

void ha_offer(struct ha_node *node)
{
    struct device *device = node->device;
    const char *installed = device_text(device, DEVICE_SOFTWARE_VERSION), *offered = node->latest;
    bool can = ha_can_install(ha_entity_of(node));
    int order = 1;

    if (device->quarantined || (can ? !*offered : !ha_settled(node)))
        return; /* nothing is known yet that would end an older offer */
    ha_version_compare(offered, installed, &order);
    if (!can || !*installed || order < 0 || strcmp(installed, offered) == 0)
        offered = "";
    device_set(device, DEVICE_OFFERED_VERSION, offered);
    registry_announce(device);
    firmware_target_offer(&device->target, HA_OFFER, *offered ? offered : NULL);
}

void ha_online(struct ha_node *node)
{
    struct device *device = node->device;

    if (device->online)
        return;
    node->online_since = ha_now(node->ha);
    device->last_contacted = clock_wall(node->ha->host.clock);
    device_set_online(device, true);
    registry_announce(device);
}

void ha_state_in(struct ha_node *node, const uint8_t *data, size_t len, bool retained)
{
    const struct ha_entity *entity = ha_entity_of(node);
    struct device *device = node->device;
    struct report report;

    if (len == 0)
        return;
    if (!read_report(&entity->state_template, data, len, &report)) {
        ha_node_reject(node, "its state is not what its discovery message says");
        return;
    }
    if (!entity->availability_count)
        ha_online(node); /* it says nothing of when it is there, so it is, as for Home Assistant */
    if (device->quarantined)
        return;
    if (report.in_progress >= 0)
        node->in_progress = report.in_progress;
    if (report.latest[0])
        str_copy(node->latest, sizeof(node->latest), report.latest);
    ha_update_heard(node, report.title[0] ? report.title : NULL,
                    report.installed[0] ? report.installed : NULL, report.percent, retained);
    ha_offer(node);
}

void ha_latest_in(struct ha_node *node, const uint8_t *data, size_t len)
{
    const struct ha_template *template = &ha_entity_of(node)->latest_template;
    char version[HA_VERSION_BYTES] = "";
    cJSON *json;
    bool good;

    if (len == 0)
        return;
    if (template->kind == HA_TEMPLATE_PATH) {
        json = json_parse(data, len, NULL);
        good = json != NULL;
        read_version(ha_template_follow(template, json), version);
        cJSON_Delete(json);
    } else {
        good = plain_version(data, len, version);
    }
    if (!good)
        ha_node_reject(node, "its latest version is not what its discovery message says");
    if (!version[0])
        return;
    str_copy(node->latest, sizeof(node->latest), version);
    ha_offer(node);
}

/* ---- availability ---- */

/* 1 available, 2 not, 0 something else. */
static uint8_t read_availability(const struct ha_availability *at, const uint8_t *data, size_t len)
{
    struct str said = {(const char *)data, len};
    char text[HA_TEXT_BYTES] = "";
    const cJSON *value;
    cJSON *json = NULL;

    if (at->template.kind == HA_TEMPLATE_PATH) {
        json = json_parse(data, len, NULL);
        value = ha_template_follow(&at->template, json);
        if (cJSON_IsBool(value)) /* as the template's language writes it */
            str_copy(text, sizeof(text), cJSON_IsTrue(value) ? "True" : "False");
        else
            read_version(value, text);
        cJSON_Delete(json);
        said = str_of(text);
    }
    return str_is(said, at->available) ? 1 : str_is(said, at->not_available) ? 2 : 0;
}

static bool is_available(const struct ha_node *node, const struct ha_entity *entity)
{
    unsigned available = 0;

    if (entity->mode == HA_MODE_LATEST)
        return node->latest_heard;
    for (unsigned i = 0; i < entity->availability_count; i++)
        available += node->heard[i] == 1;
    return entity->mode == HA_MODE_ALL ? available == entity->availability_count : available > 0;
}

void ha_offline(struct ha_node *node, bool left)
{
    if (left)
        ha_update_left(node);
    node->in_progress = false;
    device_set_online(node->device, false);
    registry_announce(node->device);
}

void ha_availability_in(struct ha_node *node, unsigned index, const uint8_t *data, size_t len, bool retained)
{
    const struct ha_entity *entity = ha_entity_of(node);
    uint8_t said = read_availability(&entity->availability[index], data, len);
    bool available;

    if (!said)
        return; /* what is neither changes nothing, as for Home Assistant */
    node->heard[index] = said;
    node->latest_heard = said == 1;
    available = is_available(node, entity);
    if (available == node->device->online)
        return;
    if (!retained && !rate_take(&node->presence, ha_now(node->ha), PRESENCE_INTERVAL_MS, PRESENCE_BURST)) {
        ha_node_reject(node, "it comes and goes too often");
        return;
    }
    if (available)
        ha_online(node);
    else
        ha_offline(node, true);
}
