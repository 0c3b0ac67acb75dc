/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * <base>/bridge/devices: an array with all there is to say about each device, some megabytes in a large home. It is read
 * item by item, and of each only what we use is kept. A list without the coordinator is not from a Zigbee2MQTT.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/zigbee2mqtt_peer.h"

enum {
    NAME_MAX_BYTES = Z2M_NAME_BYTES - 1,
    FIRST_ENTRIES = 16,
};

static void copy(char *to, size_t size, const cJSON *object, const char *name)
{
    const char *text = json_text(object, name, size - 1);

    str_copy(to, size, text ? text : "");
}

static bool is_ieee(const char *text)
{
    if (!text || strlen(text) != Z2M_IEEE_BYTES - 1 || text[0] != '0' || text[1] != 'x')
        return false;
    for (const char *c = text + 2; *c; c++)
        if (!isdigit((unsigned char)*c) && (*c < 'a' || *c > 'f'))
            return false;
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);

    return len >= tail && strcmp(text + len - tail, end) == 0;
}

/* A name is part of topics: one that would reach beyond its device's is none. */
static bool is_name(const char *name)
{
    return name[0] && name[0] != '/' && name[0] != '$' && !strpbrk(name, "+#") &&
           strcmp(name, "bridge") != 0 && strncmp(name, "bridge/", 7) != 0 && !ends_with(name, "/") &&
           !ends_with(name, "/availability") && !ends_with(name, "/set") && !ends_with(name, "/get");
}

/* Mains-powered end devices listen all the time; the others do when they wake. */
static bool is_sleepy(const char *type, const cJSON *item)
{
    const char *power = json_text(item, "power_source", Z2M_TEXT_BYTES);

    return strcmp(type, "EndDevice") == 0 && (!power || !strstr(power, "Mains"));
}

static bool is_interviewed(const cJSON *item)
{
    const char *state = json_text(item, "interview_state", Z2M_TEXT_BYTES);

    return state ? strcmp(state, "SUCCESSFUL") == 0 : cJSON_IsTrue(json_member(item, "interview_completed"));
}

static void read_entry(struct z2m_entry *entry, const char *ieee, const char *type, const cJSON *item)
{
    const cJSON *definition = json_object(item, "definition");
    const char *name = json_text(item, "friendly_name", NAME_MAX_BYTES);

    memset(entry, 0, sizeof(*entry));
    str_copy(entry->ieee, sizeof(entry->ieee), ieee);
    if (name && is_name(name))
        str_copy(entry->name, sizeof(entry->name), name);
    copy(entry->manufacturer, sizeof(entry->manufacturer), item, "manufacturer");
    copy(entry->model, sizeof(entry->model), item, "model_id");
    copy(entry->build, sizeof(entry->build), item, "software_build_id");
    copy(entry->vendor, sizeof(entry->vendor), definition, "vendor");
    copy(entry->product, sizeof(entry->product), definition, "model");
    copy(entry->what, sizeof(entry->what), definition, "description");
    entry->has_ota = cJSON_IsTrue(json_member(definition, "supports_ota"));
    entry->disabled = cJSON_IsTrue(json_member(item, "disabled"));
    entry->sleepy = is_sleepy(type, item);
    entry->interviewed = is_interviewed(item);
    entry->interviewing = cJSON_IsTrue(json_member(item, "interviewing"));
}

static struct z2m_entry *new_entry(struct z2m_list *list)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : FIRST_ENTRIES;
        struct z2m_entry *entries = realloc(list->entries, cap * sizeof(*entries));

        if (!entries)
            return NULL;
        list->entries = entries;
        list->cap = cap;
    }
    return &list->entries[list->count++];
}

/* 0, or -1: the list cannot be used. */
static int read_item(struct z2m_list *list, const cJSON *item, bool *ret_coordinator, struct error *err)
{
    const char *ieee = json_text(item, "ieee_address", Z2M_IEEE_BYTES - 1);
    const char *type = json_text(item, "type", Z2M_TEXT_BYTES);
    struct z2m_entry *entry;

    if (type && strcmp(type, "Coordinator") == 0) {
        *ret_coordinator = true; /* the radio itself: no device to update this way */
        return 0;
    }
    if (!type || !is_ieee(ieee)) {
        list->whole = false;
        return 0;
    }
    if (list->count == LIMIT_BRIDGE_DEVICES)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the list has more than %u devices",
                         LIMIT_BRIDGE_DEVICES);
    entry = new_entry(list);
    if (!entry)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the list of devices");
    read_entry(entry, ieee, type, item);
    return 0;
}

int z2m_list_read(struct z2m_list *list, const uint8_t *data, size_t len, struct error *err)
{
    struct json_items items;
    bool coordinator = false;
    struct str text;
    int more;

    *list = (struct z2m_list){.whole = true};
    if (json_items_begin(&items, data, len, LIMIT_BRIDGE_DEVICES_BYTES, err) < 0)
        return -1;
    while ((more = json_items_next(&items, &text, err)) > 0) {
        cJSON *item = json_parse((const uint8_t *)text.data, text.len, NULL);
        int rc = 0;

        if (item)
            rc = read_item(list, item, &coordinator, err);
        else
            list->whole = false;
        cJSON_Delete(item);
        if (rc < 0)
            return -1;
    }
    if (more == 0 && !coordinator)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "the list of devices has no coordinator");
    return more;
}

void z2m_list_done(struct z2m_list *list)
{
    free(list->entries);
    *list = (struct z2m_list){.whole = false};
}
