/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/lan_acl.h"

#include <string.h>

#include "base/host_port.h"
#include "devices/dialects/topics.h"

/* ---- what each kind of account may do ---- */

/* A device's own announcements for Home Assistant; none without a node of its own. */
#define ANNOUNCES_ITSELF                                        \
    {"write", "%p/+/%n/config"}, {"write", "%p/+/%n/+/config"}, \
    {                                                           \
        "read", "%p/status"                                     \
    }
#define ANNOUNCES_OTHERS                                      \
    {"write", "%p/+/+/config"}, {"write", "%p/+/+/+/config"}, \
    {                                                         \
        "read", "%p/status"                                   \
    }

static const struct lan_rule shelly_rules[] = {
    {"readwrite", "%t/#"}, {"write", LAN_SOURCE "/%t/rpc"}, ANNOUNCES_ITSELF, {NULL, NULL}};
static const struct lan_rule shelly_commands[] = {
    {"write", "%t/rpc"}, {"write", "%t/command/#"}, {NULL, NULL}};

static const struct lan_rule tasmota_rules[] = {
    {"read", TASMOTA_COMMAND "/%t/#"},
    {"write", TASMOTA_STATUS "/%t/#"},
    {"write", TASMOTA_TELEMETRY "/%t/#"},
    {"read", "%t/" TASMOTA_COMMAND "/#"},
    {"write", "%t/" TASMOTA_STATUS "/#"},
    {"write", "%t/" TASMOTA_TELEMETRY "/#"},
    {"write", TASMOTA_DISCOVERY "%m/#"},
    ANNOUNCES_ITSELF,
    {NULL, NULL},
};
static const struct lan_rule tasmota_commands[] = {
    {"write", TASMOTA_COMMAND "/%t/#"}, {"write", "%t/" TASMOTA_COMMAND "/#"}, {NULL, NULL}};

static const struct lan_rule homeassistant_rules[] = {{"readwrite", "%t/#"}, ANNOUNCES_ITSELF, {NULL, NULL}};
static const struct lan_rule own_topics[] = {{"write", "%t/#"}, {NULL, NULL}};

static const struct lan_rule usp_rules[] = {{"write", LAN_SOURCE "/" USPDEV_CONTROLLER "/%e"},
                                            {"read", LAN_SOURCE "/" USPDEV_AGENT "/%e"},
                                            {NULL, NULL}};
static const struct lan_rule none[] = {{NULL, NULL}};

static const struct lan_rule bridge_rules[] = {{"readwrite", "%t/#"}, ANNOUNCES_OTHERS, {NULL, NULL}};
static const struct lan_rule zigbee2mqtt_commands[] = {{"write", "%t/+/set/#"},
                                                       {"write", "%t/+/get/#"},
                                                       {"write", "%t/+/+/set/#"},
                                                       {"write", "%t/bridge/request/#"},
                                                       {NULL, NULL}};

static const struct lan_rule controller_rules[] = {
    {"deny", LAN_SOURCE "/#"}, {"read", "#"}, {"write", "%p/status"}, {NULL, NULL}};

static const struct lan_kind kinds[] = {
    {"shelly", shelly_rules, shelly_commands, .has_topic = true},
    {"tasmota", tasmota_rules, tasmota_commands, .has_topic = true},
    {"homeassistant", homeassistant_rules, own_topics, .has_topic = true, .has_node = true},
    {"usp", usp_rules, none, .has_endpoint = true},
    {"zigbee2mqtt", bridge_rules, zigbee2mqtt_commands, .has_topic = true, .announces_any = true},
    {"gateway", bridge_rules, own_topics, .has_topic = true, .announces_any = true},
    {"controller", controller_rules, none, .steers = true},
};

enum {
    KINDS = sizeof(kinds) / sizeof(kinds[0]),
};

const struct lan_kind *lan_kind_find(struct str name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (str_is(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}

const char *lan_kind_names(struct arena *arena)
{
    const char *names = kinds[0].name;

    for (size_t i = 1; names && i < KINDS; i++)
        names = arena_printf(arena, "%s%s%s", names, i + 1 < KINDS ? ", " : " or ", kinds[i].name);
    return names ? names : "";
}

/* ---- the access list ---- */

static const char *value_of(const struct lan_broker *broker, const struct lan_account *account, char letter)
{
    switch (letter) {
    case 't':
        return account->topic;
    case 'n':
        return account->node;
    case 'm':
        return account->mac;
    case 'e':
        return account->endpoint;
    default:
        return broker->homeassistant_prefix;
    }
}

/* False when the account lacks what the topic needs. */
static bool applies(const struct lan_broker *broker, const struct lan_account *account, const char *topic)
{
    for (const char *at = topic; (at = strchr(at, '%')) != NULL; at++)
        if (!*value_of(broker, account, at[1]))
            return false;
    return true;
}

static void write_rule(const struct lan_broker *broker, const struct lan_account *account,
                       const struct lan_rule *rule, struct buf *out)
{
    if (!applies(broker, account, rule->topic))
        return;
    buf_printf(out, "topic %s ", rule->access);
    for (const char *at = rule->topic; *at; at++) {
        if (*at == '%')
            buf_append_str(out, value_of(broker, account, *++at));
        else
            buf_append_byte(out, (uint8_t)*at);
    }
    buf_append_byte(out, '\n');
}

/* Who announces devices that are not known by name here may not do so in the name of those that are. */
static void write_denials(const struct lan_broker *broker, const struct lan_account *account, struct buf *out)
{
    if (!account->kind->announces_any || !*broker->homeassistant_prefix)
        return;
    for (const struct lan_account *other = broker->first; other; other = other->next)
        if (other != account && *other->node)
            buf_printf(out, "topic deny %s/+/%s/#\n", broker->homeassistant_prefix, other->node);
}

static void write_account(const struct lan_broker *broker, const struct lan_account *account, struct buf *out)
{
    buf_printf(out, "\n# %s\nuser %s\n", account->kind->name, account->name);
    write_denials(broker, account, out);
    for (const struct lan_rule *rule = account->kind->rules; rule->topic; rule++)
        write_rule(broker, account, rule, out);
    if (!account->kind->steers)
        return;
    for (const struct lan_account *other = broker->first; other; other = other->next)
        for (const struct lan_rule *rule = other->kind->commands; rule->topic; rule++)
            write_rule(broker, other, rule, out);
}

static void write_all(struct buf *out, const char *access, const char *head, const char *const *tails,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "topic %s %s%s\n", access, head, tails[i]);
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* What the agent hears and says itself. Its lists are as short as the dialects' own, however many devices there are. */
static void write_agent(const struct lan_broker *broker, struct buf *out)
{
    static const char *const heard[] = {SHELLY_HEARD,
                                        TASMOTA_HEARD,
                                        TASMOTA_STATUS "/#",
                                        TASMOTA_TELEMETRY "/#",
                                        "+/" TASMOTA_STATUS "/#",
                                        "+/" TASMOTA_TELEMETRY "/#",
                                        LAN_SOURCE "/#"};
    static const char *const said[] = {SHELLY_SAID, TASMOTA_COMMAND "/#", "+/" TASMOTA_COMMAND "/#",
                                       LAN_SOURCE "/" USPDEV_AGENT "/#"};
    static const char *const announced[] = {HA_HEARD};
    struct str bases = str_of(broker->zigbee2mqtt_topics), base;

    buf_append_str(out, "\n# the agent\nuser " LAN_AGENT "\n");
    write_all(out, "read", "", heard, COUNT(heard));
    write_all(out, "write", "", said, COUNT(said));
    while (bases.len && str_next(&bases, ',', &base)) {
        base = str_trim(base);
        buf_printf(out, "topic read %.*s/#\n", (int)base.len, base.data);
        buf_printf(out, "topic write %.*s/" Z2M_REQUEST "#\n", (int)base.len, base.data);
    }
    if (!*broker->homeassistant_prefix)
        return;
    write_all(out, "read", broker->homeassistant_prefix, announced, COUNT(announced));
    buf_printf(out, "topic write %s/status\n", broker->homeassistant_prefix);
    /* An update entity's topics are the device's own. */
    for (const struct lan_account *account = broker->first; account; account = account->next)
        if (*account->topic && (*account->node || account->kind->commands == own_topics))
            buf_printf(out, "topic readwrite %s/#\n", account->topic);
}

void lan_acl_write(const struct lan_broker *broker, struct buf *out)
{
    buf_append_str(out, "# Written by homepatch lan-broker from lan-broker.conf. Changes here are lost.\n");
    write_agent(broker, out);
    for (const struct lan_account *account = broker->first; account; account = account->next)
        write_account(broker, account, out);
}

/* ---- the configuration ---- */

/* "192.168.1.1:8883" as mosquitto writes it. */
static void write_listener(struct buf *out, const char *listen, const char *what)
{
    struct host_port parts;

    /* It was checked when it was read. */
    if (host_port_split(str_of(listen), HOST_PORT_LISTEN, NULL, &parts, NULL) == 0)
        buf_printf(out, "\n# %s\nlistener %u %.*s\n", what, parts.port, (int)parts.host.len, parts.host.data);
}

/* One account is one client: nobody ends another's connection by its client identifier. */
static void write_limits(const struct lan_broker *broker, struct buf *out, bool tls)
{
    buf_append_str(out, "use_username_as_clientid true\n");
    buf_printf(out, "max_connections %s\n", broker->max_connections);
    if (!tls)
        return;
    buf_printf(out, "certfile %s\nkeyfile %s\ntls_version tlsv1.2\n", broker->certificate_file,
               broker->key_file);
}

static void write_listeners(const struct lan_broker *broker, struct buf *out)
{
    if (broker->local_listen) {
        write_listener(out, broker->local_listen, "programs of this gateway");
        write_limits(broker, out, false);
    }
    if (broker->listen) {
        write_listener(out, broker->listen, "devices with TLS and a password");
        write_limits(broker, out, true);
    }
    if (broker->certificate_listen) {
        write_listener(out, broker->certificate_listen, "devices with a certificate: its CN is the account");
        write_limits(broker, out, true);
        buf_printf(out, "cafile %s\nrequire_certificate true\nuse_identity_as_username true\n",
                   broker->device_ca_file);
    }
    if (broker->plain_listen) {
        write_listener(out, broker->plain_listen,
                       "devices that have no TLS: whoever listens on the LAN reads their passwords");
        write_limits(broker, out, false);
    }
}

void lan_mosquitto_write(const struct lan_broker *broker, const char *dir, struct buf *out)
{
    buf_append_str(out, "# Written by homepatch lan-broker from lan-broker.conf. Changes here are lost.\n\n"
                        "per_listener_settings false\nallow_anonymous false\n");
    buf_printf(out, "password_file %s/passwords\nacl_file %s/acl\n", dir, dir);
    buf_append_byte(out, '\n');
    if (broker->persistence_location)
        buf_printf(out, "persistence true\npersistence_location %s\nautosave_interval 900\n",
                   broker->persistence_location);
    else
        buf_append_str(out, "persistence false\n");
    buf_append_str(out, "persistent_client_expiration 14d\nset_tcp_nodelay true\n");
    buf_printf(out, "max_packet_size %s\nmax_inflight_messages %s\nmax_queued_messages %s\n",
               broker->max_packet_size, broker->max_inflight_messages, broker->max_queued_messages);
    buf_printf(out, "max_queued_bytes %s\n", broker->max_queued_bytes);
    write_listeners(broker, out);
}
