/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/dialects/homeassistant_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/identity.h"

enum {
    IDENTIFIER_MAX = 128,
};

/* A member by its long or its short name. */
static const cJSON *either(const cJSON *object, const char *name, const char *abbreviation)
{
    const cJSON *member = json_member(object, name);

    return member ? member : json_member(object, abbreviation);
}

/* The entity's own members, and behind them those that its device shares with all its components. */
struct scope {
    const cJSON *own;
    const cJSON *shared; /* NULL in the single form */
};

static const cJSON *find(const struct scope *scope, const char *name, const char *abbreviation)
{
    const cJSON *member = either(scope->own, name, abbreviation);

    return member ? member : either(scope->shared, name, abbreviation);
}

/* ---- texts ---- */

/* The text, cut to what the data model takes, between two characters. Numbers are taken as well. */
static void read_fact(const cJSON *object, const char *name, const char *abbreviation, char to[HA_TEXT_BYTES])
{
    const cJSON *member = either(object, name, abbreviation);
    const char *text = json_text_of(member, 4096);

    if (!text) {
        if (cJSON_IsNumber(member))
            snprintf(to, HA_TEXT_BYTES, "%.15g", member->valuedouble);
        return;
    }
    str_copy(to, HA_TEXT_BYTES, text);
    to[str_whole(str_of(to))] = '\0';
}

/* A copy of the text, or *ret NULL when it is not there. -1: memory is out. */
static int copy_text(const cJSON *value, size_t max, const char *standard, char **ret)
{
    const char *text = json_text_of(value, max);

    if (!text)
        text = standard;
    *ret = text ? str_dup(text, strlen(text)) : NULL;
    return text && !*ret ? -1 : 0;
}

/* ---- topics ---- */

/* A topic that we may subscribe or publish: whole, no filter, not of the broker itself. */
static bool is_topic(const char *topic)
{
    return *topic && *topic != '$' && strlen(topic) < HA_TOPIC_BYTES && !strpbrk(topic, "+#");
}

/* The topic with its base, *ret NULL when there is none or it is not to be used. -1: memory is out. */
static int copy_topic(const cJSON *value, const char *base, char **ret)
{
    const char *text = json_text_of(value, HA_TOPIC_BYTES - 1);
    char topic[3 * HA_TOPIC_BYTES];
    size_t len = text ? strlen(text) : 0;

    *ret = NULL;
    if (!text)
        return 0;
    if (base && text[0] == '~')
        snprintf(topic, sizeof(topic), "%s%s", base, text + 1);
    else if (base && text[len - 1] == '~')
        snprintf(topic, sizeof(topic), "%.*s%s", (int)(len - 1), text, base);
    else
        snprintf(topic, sizeof(topic), "%s", text);
    if (!is_topic(topic))
        return 0;
    *ret = str_dup(topic, strlen(topic));
    return *ret ? 0 : -1;
}

static const char *base_of(const struct scope *scope)
{
    return json_text_of(find(scope, "~", "~"), HA_TOPIC_BYTES - 1);
}

/* ---- availability ---- */

static int add_availability(struct ha_entity *entity, const cJSON *topic, const char *base,
                            const cJSON *template, const cJSON *available, const cJSON *not_available)
{
    struct ha_availability *at = &entity->availability[entity->availability_count];

    if (entity->availability_count == HA_AVAILABILITY)
        return 0;
    if (copy_topic(topic, base, &at->topic) < 0)
        return -1;
    if (!at->topic)
        return 0;
    entity->availability_count++;
    if (ha_template_parse(json_text_of(template, HA_TEMPLATE_BYTES), &at->template) < 0 ||
        copy_text(available, HA_TEXT_BYTES, "online", &at->available) < 0 ||
        copy_text(not_available, HA_TEXT_BYTES, "offline", &at->not_available) < 0)
        return -1;
    return 0;
}

static int read_availability(const struct scope *scope, struct ha_entity *entity)
{
    const char *base = base_of(scope),
               *mode = json_text_of(find(scope, "availability_mode", "avty_mode"), 16);
    const cJSON *list = find(scope, "availability", "avty"), *item;

    entity->mode = mode && strcmp(mode, "all") == 0   ? HA_MODE_ALL
                   : mode && strcmp(mode, "any") == 0 ? HA_MODE_ANY
                                                      : HA_MODE_LATEST;
    if (!list)
        return add_availability(entity, find(scope, "availability_topic", "avty_t"), base,
                                find(scope, "availability_template", "avty_tpl"),
                                find(scope, "payload_available", "pl_avail"),
                                find(scope, "payload_not_available", "pl_not_avail"));
    for (item = cJSON_IsArray(list) ? list->child : list; item; item = list == item ? NULL : item->next)
        if (add_availability(entity, either(item, "topic", "t"), base,
                             either(item, "value_template", "val_tpl"),
                             either(item, "payload_available", "pl_avail"),
                             either(item, "payload_not_available", "pl_not_avail")) < 0)
            return -1;
    return 0;
}

/* ---- entities ---- */

void ha_entity_free(struct ha_entity *entity)
{
    if (!entity)
        return;
    for (unsigned i = 0; i < entity->availability_count; i++) {
        free(entity->availability[i].topic);
        free(entity->availability[i].available);
        free(entity->availability[i].not_available);
        ha_template_done(&entity->availability[i].template);
    }
    ha_template_done(&entity->state_template);
    ha_template_done(&entity->latest_template);
    free(entity->state_topic);
    free(entity->latest_topic);
    free(entity->command_topic);
    free(entity->payload_install);
    free(entity);
}

static const char *what_is_not_supported(const struct ha_entity *entity)
{
    if (!entity->update && !entity->availability_count)
        return "it has no availability";
    if (entity->update && !entity->state_topic)
        return "its state_topic is missing or has wildcards";
    if (entity->state_template.kind == HA_TEMPLATE_OTHER)
        return "its value_template is none of those that are understood";
    if (entity->latest_topic && (entity->latest_template.kind == HA_TEMPLATE_OTHER ||
                                 entity->latest_template.kind == HA_TEMPLATE_ZIGBEE2MQTT))
        return "its latest_version_template is none of those that are understood";
    for (unsigned i = 0; i < entity->availability_count; i++)
        if (entity->availability[i].template.kind == HA_TEMPLATE_OTHER ||
            entity->availability[i].template.kind == HA_TEMPLATE_ZIGBEE2MQTT)
            return "its availability_template is none of those that are understood";
    return NULL;
}

static int read_update(const struct scope *scope, struct ha_entity *entity)
{
    const char *base = base_of(scope), *class = json_text_of(find(scope, "device_class", "dev_cla"), 32);
    const cJSON *qos = find(scope, "qos", "qos");

    entity->update = true;
    entity->firmware = class && strcmp(class, "firmware") == 0;
    entity->retain = cJSON_IsTrue(find(scope, "retain", "ret"));
    entity->qos = cJSON_IsNumber(qos) && qos->valuedouble >= 1 && qos->valuedouble <= 2 ? qos->valueint : 0;
    if (copy_topic(find(scope, "state_topic", "stat_t"), base, &entity->state_topic) < 0 ||
        copy_topic(find(scope, "latest_version_topic", "l_ver_t"), base, &entity->latest_topic) < 0 ||
        copy_topic(find(scope, "command_topic", "cmd_t"), base, &entity->command_topic) < 0 ||
        copy_text(find(scope, "payload_install", "pl_inst"), HA_PAYLOAD_BYTES, NULL,
                  &entity->payload_install) < 0 ||
        ha_template_parse(json_text_of(find(scope, "value_template", "val_tpl"), 4096),
                          &entity->state_template) < 0 ||
        ha_template_parse(json_text_of(find(scope, "latest_version_template", "l_ver_tpl"), 4096),
                          &entity->latest_template) < 0)
        return -1;
    return 0;
}

int ha_entity_rank(const struct ha_entity *entity)
{
    return entity ? 1 + (entity->update ? 4 + (entity->firmware ? 1 : 0) + (entity->unsupported ? 0 : 2) : 0)
                  : 0;
}

/* An entity that says more than those before it stays in the config. -1: memory is out. */
static int add_entity(struct ha_config *config, const struct scope *scope, bool update)
{
    struct ha_entity *entity = calloc(1, sizeof(*entity));

    if (!entity || (update && read_update(scope, entity) < 0) || read_availability(scope, entity) < 0) {
        ha_entity_free(entity);
        return -1;
    }
    entity->unsupported = what_is_not_supported(entity);
    if ((!update && entity->unsupported) || ha_entity_rank(entity) <= ha_entity_rank(config->entity)) {
        ha_entity_free(entity);
        return 0;
    }
    ha_entity_free(config->entity);
    config->entity = entity;
    return 0;
}

/* ---- the device ---- */

static void add_token(struct ha_config *config, const char *kind, const char *text)
{
    char token[HA_TOKEN_BYTES];

    if (config->token_count == HA_TOKENS)
        return;
    snprintf(token, sizeof(token), "%s%s", kind, text);
    for (unsigned i = 0; i < config->token_count; i++)
        if (strcmp(config->tokens[i], token) == 0)
            return;
    memcpy(config->tokens[config->token_count++], token, sizeof(token));
}

/* "a8032abe54dc", "zigbee2mqtt_0x00158d0001a2b3c4", "shellyplus1-a8032abe54dc": the address at the end. */
static void add_address(struct ha_config *config, const char *text)
{
    const char *tail = strrchr(text, '_');
    char address[IDENTITY_ADDRESS_BYTES];

    if (identity_address(text, address) == 0) {
        add_token(config, "a=", address);
        return;
    }
    if (!tail)
        tail = strrchr(text, '-');
    if (tail && identity_address(tail + 1, address) == 0)
        add_token(config, "a=", address);
}

static void add_identifier(struct ha_config *config, const cJSON *value)
{
    const char *text = json_text_of(value, IDENTIFIER_MAX);

    if (text)
        add_token(config, "i=", text);
}

static void add_connection(struct ha_config *config, const cJSON *pair)
{
    const char *type = json_text_of(cJSON_GetArrayItem(pair, 0), 16);
    const char *value = json_text_of(cJSON_GetArrayItem(pair, 1), IDENTIFIER_MAX - 32);
    char address[IDENTITY_ADDRESS_BYTES], token[HA_TOKEN_BYTES];

    if (!type || !value || cJSON_GetArraySize(pair) != 2)
        return;
    if (strcmp(type, "mac") == 0 && identity_mac(value, address) == 0) {
        memcpy(config->facts.mac, address, sizeof(config->facts.mac));
        value = address;
    }
    snprintf(token, sizeof(token), "%s=%s", type, value);
    add_token(config, "c=", token);
}

static void add_addresses(struct ha_config *config)
{
    unsigned said = config->token_count;

    for (unsigned i = 0; i < said; i++) {
        const char *token = config->tokens[i];
        const char *value = token[0] == 'c' ? strchr(token + 2, '=') + 1 : token + 2;

        add_address(config, value);
    }
}

static void read_device(const cJSON *device, const cJSON *origin, struct ha_config *config)
{
    const cJSON *identifiers = either(device, "identifiers", "ids"), *item;
    struct ha_facts *facts = &config->facts;

    if (cJSON_IsString(identifiers)) {
        add_identifier(config, identifiers);
    } else if (cJSON_IsArray(identifiers)) {
        cJSON_ArrayForEach(item, identifiers)
        {
            add_identifier(config, item);
        }
    }
    cJSON_ArrayForEach(item, either(device, "connections", "cns"))
    {
        add_connection(config, item);
    }
    add_addresses(config);
    read_fact(device, "name", "name", facts->name);
    read_fact(device, "manufacturer", "mf", facts->manufacturer);
    read_fact(device, "model", "mdl", facts->model);
    if (!facts->model[0])
        read_fact(device, "model_id", "mdl_id", facts->model);
    read_fact(device, "hw_version", "hw", facts->hardware);
    read_fact(device, "sw_version", "sw", facts->software);
    read_fact(device, "serial_number", "sn", facts->serial);
    read_fact(origin, "name", "name", facts->origin);
    read_fact(origin, "sw_version", "sw", facts->origin_version);
}

/* ---- the two forms ---- */

/* A component that names its platform and nothing else is one that was removed. */
static bool is_removed(const cJSON *component)
{
    return !component->child || !component->child->next;
}

static int read_components(const cJSON *json, struct ha_config *config, struct error *err)
{
    const cJSON *components = either(json, "components", "cmps"), *component;
    unsigned count = 0;

    if (!cJSON_IsObject(components))
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "a device without components");
    cJSON_ArrayForEach(component, components)
    {
        const char *platform = json_text_of(either(component, "platform", "p"), 32);
        struct scope scope = {component, json};

        if (++count > LIMIT_HA_COMPONENTS)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u components",
                             LIMIT_HA_COMPONENTS);
        if (!cJSON_IsObject(component) || !platform)
            return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "a component without a platform");
        if (!is_removed(component) && add_entity(config, &scope, strcmp(platform, "update") == 0) < 0)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    }
    return 0;
}

static int read_json(const cJSON *json, struct str component, struct ha_config *config, struct error *err)
{
    struct scope scope = {json, NULL};
    const cJSON *device = either(json, "device", "dev"), *origin = either(json, "origin", "o");

    if (!cJSON_IsObject(json))
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "not a JSON object");
    if (cJSON_IsTrue(either(json, "migrate_discovery", "migr_discvry"))) {
        config->hand_over = true;
        return 0;
    }
    if (origin && !either(origin, "name", "name"))
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "an origin without a name");
    read_device(device, origin, config);
    if (!str_is(component, "device")) {
        /* Without a device there is nobody whom the entity would belong to; Home Assistant allows that. */
        if (config->token_count && add_entity(config, &scope, str_is(component, "update")) < 0)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return 0;
    }
    if (!config->token_count)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "a device without identifiers and connections");
    return read_components(json, config, err);
}

int ha_config_read(const uint8_t *data, size_t len, struct str component, struct ha_config *ret,
                   struct error *err)
{
    cJSON *json;
    int rc;

    memset(ret, 0, sizeof(*ret));
    if (len > LIMIT_HA_CONFIG_BYTES)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                         "a discovery message of %zu bytes: the limit is %u", len, LIMIT_HA_CONFIG_BYTES);
    json = json_parse(data, len, err);
    if (!json)
        return -1;
    rc = read_json(json, component, ret, err);
    cJSON_Delete(json);
    if (rc < 0)
        ha_config_done(ret);
    return rc;
}

void ha_config_done(struct ha_config *config)
{
    ha_entity_free(config->entity);
    config->entity = NULL;
}
