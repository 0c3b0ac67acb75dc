/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/agent_config.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "usp/endpoint_id.h"
#include "web/web.h"

enum key_type {
    KEY_TEXT,
    KEY_NUMBER,
    KEY_SIZE,
    KEY_BOOLEAN,
    KEY_TOPICS,
    KEY_LOG_LEVEL,
    KEY_LOG_TARGET,
    KEY_TOPIC,
    KEY_BIRTH,
    KEY_CONTAIN,
    KEY_PROGRAM,
};

struct key {
    const char *name;
    enum key_type type;
    size_t offset;
    const char *default_value; /* NULL: not set */
    uint64_t min;
    uint64_t max;
};

#define KEY(member, kind, standard, ...)                                                \
    {                                                                                   \
        .name = #member, .type = kind, .offset = offsetof(struct agent_config, member), \
        .default_value = standard, __VA_ARGS__                                          \
    }

static const struct key keys[] = {
    KEY(user, KEY_TEXT, NULL, .min = 0),
    KEY(contain, KEY_CONTAIN, "auto", .min = 0),
    KEY(run_dir, KEY_TEXT, "/run/homepatch", .min = 0),
    KEY(state_dir, KEY_TEXT, "/var/lib/homepatch", .min = 0),
    KEY(cache_dir, KEY_TEXT, "/var/cache/homepatch", .min = 0),
    KEY(cache_size, KEY_SIZE, "256M", .min = 1 << 20, .max = UINT64_MAX),
    KEY(factory_file, KEY_TEXT, "/etc/homepatch/factory.conf", .min = 0),
    KEY(log_level, KEY_LOG_LEVEL, "info", .min = 0),
    KEY(log_target, KEY_LOG_TARGET, "stderr", .min = 0),
    KEY(tls_ca_file, KEY_TEXT, NULL, .min = 0),
    KEY(tls_certificate_file, KEY_TEXT, NULL, .min = 0),
    KEY(tls_key_file, KEY_TEXT, NULL, .min = 0),
    KEY(time_file, KEY_TEXT, NULL, .min = 0),
    KEY(lan_mqtt_broker, KEY_TEXT, NULL, .min = 0),
    KEY(lan_mqtt_username, KEY_TEXT, NULL, .min = 0),
    KEY(lan_mqtt_password, KEY_TEXT, NULL, .min = 0),
    KEY(lan_device_credentials, KEY_BOOLEAN, "false", .min = 0),
    KEY(lan_homeassistant_prefix, KEY_TOPIC, "homeassistant", .max = 64),
    KEY(lan_homeassistant_birth, KEY_BIRTH, "auto", .min = 0),
    KEY(lan_mqtt_tls, KEY_BOOLEAN, "false", .min = 0),
    KEY(lan_mqtt_tls_ca_file, KEY_TEXT, NULL, .min = 0),
    KEY(lan_mqtt_tls_certificate_file, KEY_TEXT, NULL, .min = 0),
    KEY(lan_mqtt_tls_key_file, KEY_TEXT, NULL, .min = 0),
    KEY(lan_websocket_listen, KEY_TEXT, NULL, .min = 0),
    KEY(lan_websocket_tls, KEY_BOOLEAN, "false", .min = 0),
    KEY(lan_websocket_tls_certificate_file, KEY_TEXT, NULL, .min = 0),
    KEY(lan_websocket_tls_key_file, KEY_TEXT, NULL, .min = 0),
    KEY(lan_device_ca_file, KEY_TEXT, NULL, .min = 0),
    KEY(lan_enrol_listen, KEY_TEXT, NULL, .min = 0),
    KEY(lan_enrol_manufacturers_file, KEY_TEXT, NULL, .min = 0),
    KEY(lan_enrol_public_dir, KEY_TEXT, NULL, .min = 0),
    KEY(lan_enrol_certificate_days, KEY_NUMBER, "365", .min = 1, .max = 3650),
    KEY(lan_enrol_authority_days, KEY_NUMBER, "7300", .min = 30, .max = 36500),
    KEY(lan_usp_endpoint_id, KEY_TEXT, NULL, .min = 0),
    KEY(lan_http_listen, KEY_TEXT, NULL, .min = 0),
    KEY(lan_http_url, KEY_TEXT, NULL, .min = 0),
    KEY(shelly_devices, KEY_TEXT, NULL, .min = 0),
    KEY(shelly_passwords_file, KEY_TEXT, NULL, .min = 0),
    KEY(zigbee2mqtt_topics, KEY_TOPICS, "zigbee2mqtt", .min = 0),
    KEY(zigbee2mqtt_hex_topics, KEY_TOPICS, NULL, .min = 0),
    KEY(resident_listen, KEY_TEXT, NULL, .min = 0),
    KEY(resident_names, KEY_TEXT, NULL, .min = 0),
    KEY(resident_tls_certificate_file, KEY_TEXT, NULL, .min = 0),
    KEY(resident_tls_key_file, KEY_TEXT, NULL, .min = 0),
    KEY(hook_firmware, KEY_PROGRAM, NULL, .min = 0),
    KEY(hook_reboot, KEY_PROGRAM, NULL, .min = 0),
    KEY(hook_factory_reset, KEY_PROGRAM, NULL, .min = 0),
    KEY(hook_broker_reload, KEY_PROGRAM, NULL, .min = 0),
    KEY(mdns, KEY_BOOLEAN, "true", .min = 0),
    KEY(dhcp_dir, KEY_TEXT, NULL, .min = 0),
    KEY(dhcp_interfaces, KEY_TEXT, NULL, .min = 0),
    KEY(dhcp_plaintext, KEY_BOOLEAN, "false", .min = 0),
    KEY(scan_interfaces, KEY_TEXT, NULL, .min = 0),
    KEY(scan_lease_files, KEY_TEXT, "/tmp/dhcp.leases,/tmp/hosts/odhcpd,/var/lib/misc/dnsmasq.leases",
        .min = 0),
    KEY(scan_hook_dir, KEY_TEXT, "/run/homepatch-hosts", .min = 0),
    KEY(scan_oui_files, KEY_TEXT,
        "/usr/share/ieee-data/oui.txt,/usr/share/hwdata/oui.txt,/usr/share/misc/oui.txt,"
        "/usr/share/nmap/nmap-mac-prefixes",
        .min = 0),
    KEY(scan_mdns, KEY_BOOLEAN, "true", .min = 0),
    KEY(scan_ssdp, KEY_BOOLEAN, "true", .min = 0),
    KEY(scan_presence, KEY_NUMBER, "300", .min = 0, .max = 86400),
    KEY(open_files, KEY_NUMBER, "4096", .min = 64, .max = 65536),
    KEY(parallel_fetches, KEY_NUMBER, "2", .min = 1, .max = 64),
    KEY(parallel_installs, KEY_NUMBER, "4", .min = 1, .max = 1024),
    KEY(canary_soak, KEY_NUMBER, "300", .min = 0, .max = 604800),
    KEY(battery_minimum, KEY_NUMBER, "30", .min = 0, .max = 100),
    KEY(allow_downgrade, KEY_BOOLEAN, "false", .min = 0),
    KEY(withdrawn_file, KEY_TEXT, NULL, .min = 0),
    KEY(release_anchors_dir, KEY_TEXT, NULL, .min = 0),
    KEY(release_untagged, KEY_BOOLEAN, "false", .min = 0),
    KEY(install_retries, KEY_NUMBER, "3", .min = 0, .max = 100),
    KEY(install_retry_wait, KEY_NUMBER, "0", .min = 0, .max = 86400),
    KEY(transfer_timeout, KEY_NUMBER, "0", .min = 0, .max = 86400),
    KEY(reboot_timeout, KEY_NUMBER, "0", .min = 0, .max = 86400),
};

static int set_text(struct agent_config *config, const struct key *key, struct str value)
{
    const char **slot = (const char **)((char *)config + key->offset);

    /* An empty value switches the thing off, as if the key were not there. */
    *slot = value.len ? arena_strndup(&config->arena, value.data, value.len) : NULL;
    return value.len && !*slot ? -1 : 0;
}

/* A topic to put others below. */
static bool is_topic(struct str value, uint64_t max)
{
    for (size_t i = 0; i < value.len; i++)
        if (strchr("+#$\"\\", value.data[i]) || (unsigned char)value.data[i] <= ' ')
            return false;
    return value.len <= max && (!value.len || (value.data[0] != '/' && value.data[value.len - 1] != '/'));
}

/* "zigbee2mqtt, attic/zigbee2mqtt"; a lone * stands for all. */
static int set_topics(struct agent_config *config, const struct key *key, struct str value)
{
    struct str rest = value, topic;

    while (!str_is(value, "*") && str_next(&rest, ',', &topic)) {
        topic = str_trim(topic);
        if (!topic.len || topic.data[0] == '/' || topic.data[topic.len - 1] == '/' ||
            memchr(topic.data, '+', topic.len) || memchr(topic.data, '#', topic.len))
            return value.len ? -1 : set_text(config, key, value);
    }
    return set_text(config, key, value);
}

static int set(struct agent_config *config, const struct key *key, struct str value)
{
    void *slot = (char *)config + key->offset;
    enum log_level level;
    uint64_t number;

    switch (key->type) {
    case KEY_LOG_LEVEL:
        if (set_text(config, key, value) < 0 || !config->log_level ||
            log_level_parse(config->log_level, &level) < 0)
            return -1;
        return 0;
    case KEY_LOG_TARGET:
        return str_is(value, "stderr") || str_is(value, "syslog") ? set_text(config, key, value) : -1;
    case KEY_TOPIC:
        return is_topic(value, key->max) ? set_text(config, key, value) : -1;
    case KEY_BIRTH:
        return str_is(value, "auto") || str_is(value, "always") || str_is(value, "never")
                   ? set_text(config, key, value)
                   : -1;
    case KEY_CONTAIN:
        return str_is(value, "auto") || str_is(value, "on") || str_is(value, "off")
                   ? set_text(config, key, value)
                   : -1;
    case KEY_PROGRAM:
        return !value.len || value.data[0] == '/' ? set_text(config, key, value) : -1;
    case KEY_TEXT:
        return set_text(config, key, value);
    case KEY_TOPICS:
        return set_topics(config, key, value);
    case KEY_BOOLEAN:
        return str_to_bool(value, slot);
    case KEY_NUMBER:
    case KEY_SIZE:
        break;
    }
    if ((key->type == KEY_SIZE ? str_to_size(value, &number) : str_to_u64(value, &number)) < 0 ||
        number < key->min || number > key->max)
        return -1;
    *(uint64_t *)slot = number;
    return 0;
}

static const char *expected(const struct key *key, char text[64])
{
    switch (key->type) {
    case KEY_NUMBER:
        snprintf(text, 64, "a number from %llu to %llu", (unsigned long long)key->min,
                 (unsigned long long)key->max);
        return text;
    case KEY_SIZE:
        return "a size such as 256M (at least 1M)";
    case KEY_BOOLEAN:
        return "true or false";
    case KEY_LOG_LEVEL:
        return "error, warning, info or debug";
    case KEY_LOG_TARGET:
        return "stderr or syslog";
    case KEY_TOPIC:
        return "a topic without wildcards";
    case KEY_BIRTH:
        return "auto, always or never";
    case KEY_CONTAIN:
        return "auto, on or off";
    case KEY_PROGRAM:
        return "the absolute path of a program";
    case KEY_TOPICS:
        return "a list of MQTT topics without wildcards, separated by commas";
    case KEY_TEXT:
        break;
    }
    return "a text";
}

static int bad_value(const char *file, const struct conf_line *line, const char *wanted, struct error *err)
{
    return conf_error(file, line->number, err, "%.*s: \"%.*s\" is not %s", (int)line->key.len, line->key.data,
                      (int)line->value.len, line->value.data, wanted);
}

static int apply_line(struct agent_config *config, const char *file, const struct conf_line *line,
                      struct error *err)
{
    const struct limit *limit = limits_find(line->key);
    char text[LIMIT_TEXT_BYTES];

    if (limit) {
        limits_expected(limit, text);
        return limits_set(&config->limits, limit, line->value) < 0 ? bad_value(file, line, text, err) : 0;
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!str_is(line->key, keys[i].name))
            continue;
        if (set(config, &keys[i], line->value) == 0)
            return 0;
        return bad_value(file, line, expected(&keys[i], text), err);
    }
    return conf_error(file, line->number, err, "unknown key \"%.*s\" (see homepatchd.conf(5))",
                      (int)(line->key.len > 60 ? 60 : line->key.len), line->key.data);
}

/* What only works together. */
static int check_tls(const struct agent_config *config, const char *file, struct error *err)
{
    const struct {
        const char *name;
        const char *certificate_file;
        const char *key_file;
    } pairs[] = {
        {"tls", config->tls_certificate_file, config->tls_key_file},
        {"lan_mqtt_tls", config->lan_mqtt_tls_certificate_file, config->lan_mqtt_tls_key_file},
        {"lan_websocket_tls", config->lan_websocket_tls_certificate_file, config->lan_websocket_tls_key_file},
        {"resident_tls", config->resident_tls_certificate_file, config->resident_tls_key_file},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (!pairs[i].certificate_file != !pairs[i].key_file)
            return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                             "%s_certificate_file and %s_key_file go together: only one is set",
                             pairs[i].name, pairs[i].name);
    if ((config->lan_websocket_tls || config->lan_enrol_listen) &&
        !config->lan_websocket_tls_certificate_file && !config->tls_certificate_file)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                         "%s needs a certificate: set lan_websocket_tls_certificate_file and "
                         "lan_websocket_tls_key_file",
                         config->lan_websocket_tls ? "lan_websocket_tls" : "lan_enrol_listen");
    return 0;
}

int agent_config_read(struct agent_config *config, const char *file, struct error *err)
{
    struct conf_line *lines;

    *config = (struct agent_config){.limits = limits_default};
    arena_init(&config->arena, 0);
    config->file = file;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].default_value && set(config, &keys[i], str_of(keys[i].default_value)) < 0)
            return error_set(err, ERROR_INTERNAL, keys[i].name, "out of memory");
    if (conf_read(&config->arena, file, &lines, err) < 0)
        return -1;
    for (; lines; lines = lines->next)
        if (apply_line(config, file, lines, err) < 0)
            return -1;
    if (check_tls(config, file, err) < 0 || limits_check(&config->limits, file, err) < 0)
        return -1;
    if (config->lan_usp_endpoint_id && usp_endpoint_id_check(str_of(config->lan_usp_endpoint_id), NULL) < 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                         "lan_usp_endpoint_id: \"%s\" is no Endpoint ID such as os::012345-GW1",
                         config->lan_usp_endpoint_id);
    if (config->resident_names && web_check_names(config->resident_names, err) < 0)
        return -1;
    if (config->dhcp_dir && config->dhcp_dir[0] != '/')
        return error_set(err, ERROR_INVALID_CONFIGURATION, file, "dhcp_dir: \"%s\" does not begin with /",
                         config->dhcp_dir);
    if (config->scan_hook_dir && config->scan_hook_dir[0] != '/')
        return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                         "scan_hook_dir: \"%s\" does not begin with /", config->scan_hook_dir);
    if (!config->state_dir || !config->cache_dir || !config->factory_file)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                         "state_dir, cache_dir and factory_file must not be empty");
    return 0;
}

void agent_config_done(struct agent_config *config)
{
    arena_done(&config->arena);
}

void agent_config_paths(const struct agent_config *config, void (*fn)(void *ctx, const char *path), void *ctx)
{
    char path[PATH_MAX];

    fn(ctx, config->file);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct str rest = {.len = 0}, part;

        /* The scan's defaults are in folders of everybody. */
        if (keys[i].type == KEY_TEXT && (config->scan_interfaces || strncmp(keys[i].name, "scan_", 5) != 0))
            rest = str_of(*(const char *const *)((const char *)config + keys[i].offset));
        while (rest.len && str_next(&rest, ',', &part)) {
            part = str_trim(part);
            if (!part.len || part.len >= sizeof(path))
                continue;
            memcpy(path, part.data, part.len);
            path[part.len] = '\0';
            /* Of what is no absolute path only a file that is there can be one. */
            if (path[0] == '/' || access(path, F_OK) == 0)
                fn(ctx, path);
        }
    }
}

enum log_level agent_config_log_level(const struct agent_config *config)
{
    enum log_level level = LOG_LEVEL_INFO;

    log_level_parse(config->log_level, &level);
    return level;
}
