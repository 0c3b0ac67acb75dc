/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/lan_accounts.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/conf.h"
#include "base/host_port.h"
#include "devices/dialects/topics.h"
#include "tools/homepatch/lan_acl.h"

/* ---- settings ---- */

enum type {
    TYPE_LISTEN,
    TYPE_FILE,
    TYPE_NUMBER,
};

struct setting {
    const char *name;
    enum type type;
    size_t offset;
    const char *standard; /* NULL: not set */
    uint64_t max;
};

#define SETTING(member, kind, standard, max)                              \
    {                                                                     \
#member, kind, offsetof(struct lan_broker, member), standard, max \
    }

static const struct setting settings[] = {
    SETTING(local_listen, TYPE_LISTEN, "127.0.0.1:1883", 0),
    SETTING(listen, TYPE_LISTEN, NULL, 0),
    SETTING(plain_listen, TYPE_LISTEN, NULL, 0),
    SETTING(certificate_listen, TYPE_LISTEN, NULL, 0),
    SETTING(certificate_file, TYPE_FILE, NULL, 0),
    SETTING(key_file, TYPE_FILE, NULL, 0),
    SETTING(device_ca_file, TYPE_FILE, NULL, 0),
    SETTING(persistence_location, TYPE_FILE, "/var/lib/mosquitto/", 0),
    SETTING(max_connections, TYPE_NUMBER, "1200", 65535),
    SETTING(max_packet_size, TYPE_NUMBER, "8388608", 268435455),
    SETTING(max_inflight_messages, TYPE_NUMBER, "20", 65535),
    SETTING(max_queued_messages, TYPE_NUMBER, "1000", 1000000),
    SETTING(max_queued_bytes, TYPE_NUMBER, "16777216", 1 << 30),
};

enum {
    SETTINGS = sizeof(settings) / sizeof(settings[0]),
};

static const char **slot_of(const struct lan_broker *broker, const struct setting *setting)
{
    return (const char **)((char *)(uintptr_t)broker + setting->offset);
}

void lan_broker_init(struct lan_broker *broker, struct arena *arena)
{
    *broker = (struct lan_broker){
        .arena = arena, .homeassistant_prefix = "homeassistant", .zigbee2mqtt_topics = "zigbee2mqtt"};
    broker->last = &broker->first;
    for (size_t i = 0; i < SETTINGS; i++)
        *slot_of(broker, &settings[i]) = settings[i].standard;
}

/* Printable, without blanks: it stands in a line of mosquitto's files. */
static bool is_word(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f || text.data[i] == '"')
            return false;
    return str_is_utf8(text);
}

static const char *objection(const struct setting *setting, struct str value)
{
    struct host_port parts;
    uint64_t number;

    if (!is_word(value) || value.len > 512)
        return "has blanks, or is too long";
    switch (setting->type) {
    case TYPE_LISTEN:
        return host_port_split(value, 0, NULL, &parts, NULL) < 0 ? "is not ADDRESS:PORT" : NULL;
    case TYPE_FILE:
        return value.data[0] == '/' ? NULL : "does not begin with /";
    case TYPE_NUMBER:
        break;
    }
    return str_to_u64(value, &number) < 0 || !number || number > setting->max
               ? "is not a number in its range (homepatch(1))"
               : NULL;
}

int lan_broker_set(struct lan_broker *broker, struct str name, struct str value, struct error *err)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *wrong = value.len ? objection(&settings[i], value) : NULL, *copy = NULL;

        if (!str_is(name, settings[i].name))
            continue;
        if (!value.len && settings[i].type == TYPE_NUMBER)
            wrong = "needs a number";
        if (wrong)
            return error_set(err, ERROR_INVALID_VALUE, settings[i].name, "\"%.*s\" %s",
                             (int)(value.len > 80 ? 80 : value.len), value.data, wrong);
        if (value.len && !(copy = arena_strndup(broker->arena, value.data, value.len)))
            return error_set(err, ERROR_INTERNAL, settings[i].name, "out of memory");
        *slot_of(broker, &settings[i]) = copy;
        return 0;
    }
    return error_set(err, ERROR_INVALID_ARGUMENTS, NULL,
                     "there is no setting \"%.*s\" (homepatch(1) lists them)",
                     (int)(name.len > 60 ? 60 : name.len), name.data);
}

int lan_broker_check(const struct lan_broker *broker, struct error *err)
{
    if ((broker->listen || broker->certificate_listen) && (!broker->certificate_file || !broker->key_file))
        return error_set(err, ERROR_INVALID_CONFIGURATION, "certificate_file",
                         "a listener with TLS needs certificate_file and key_file");
    if (broker->certificate_listen && !broker->device_ca_file)
        return error_set(err, ERROR_INVALID_CONFIGURATION, "device_ca_file",
                         "certificate_listen needs the authority that signs the certificates of devices");
    if (!broker->local_listen && !broker->listen && !broker->plain_listen && !broker->certificate_listen)
        return error_set(err, ERROR_INVALID_CONFIGURATION, "listen",
                         "nobody could connect: no listener is set");
    return 0;
}

/* ---- accounts ---- */

struct lan_account *lan_account_find(const struct lan_broker *broker, const char *name)
{
    struct lan_account *account = broker->first;

    while (account && strcmp(account->name, name) != 0)
        account = account->next;
    return account;
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.data[i]) && !strchr("._-:", name.data[i]))
            return false;
    return name.len > 0 && name.len <= LAN_NAME_MAX && name.data[0] != '-';
}

/* A topic to put others below. */
static bool is_topic(struct str topic)
{
    return topic.len > 0 && topic.len <= LAN_TOPIC_MAX && is_word(topic) && topic.data[0] != '/' &&
           topic.data[0] != '$' && topic.data[topic.len - 1] != '/' && !memchr(topic.data, '+', topic.len) &&
           !memchr(topic.data, '#', topic.len);
}

/* One topic level, as Home Assistant takes it. */
static bool is_node(struct str node)
{
    for (size_t i = 0; i < node.len; i++)
        if (!isalnum((unsigned char)node.data[i]) && node.data[i] != '_' && node.data[i] != '-')
            return false;
    return node.len > 0 && node.len <= LAN_NAME_MAX;
}

static const char *mac_of(struct arena *arena, struct str text)
{
    char digits[13];
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == ':' || text.data[i] == '-')
            continue;
        if (!isxdigit((unsigned char)text.data[i]) || count == 12)
            return NULL;
        digits[count++] = (char)toupper((unsigned char)text.data[i]);
    }
    return count == 12 ? arena_strndup(arena, digits, 12) : NULL;
}

/* One of them is the other, or lies below it. */
static bool overlap(struct str a, struct str b)
{
    struct str shorter = a.len < b.len ? a : b, longer = a.len < b.len ? b : a;

    return shorter.len && str_starts(longer, shorter) &&
           (longer.len == shorter.len || longer.data[shorter.len] == '/');
}

/* Whose topics a device's must not reach into, besides those of other accounts; NULL: nobody's. */
static const char *reserved(const struct lan_broker *broker, const struct lan_account *account)
{
    static const char *const heads[] = {LAN_SOURCE,        TASMOTA_COMMAND, TASMOTA_STATUS,
                                        TASMOTA_TELEMETRY, "tasmota",       "usp"};
    struct str bases = str_of(broker->zigbee2mqtt_topics), base;

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        if (overlap(str_of(account->topic), str_of(heads[i])))
            return heads[i];
    if (overlap(str_of(account->topic), str_of(broker->homeassistant_prefix)))
        return broker->homeassistant_prefix;
    while (bases.len && str_next(&bases, ',', &base))
        if (overlap(str_of(account->topic), str_trim(base)) &&
            strcmp(account->kind->name, "zigbee2mqtt") != 0)
            return "zigbee2mqtt";
    return NULL;
}

/* -1 when somebody speaks for it already. */
static int check_conflicts(const struct lan_broker *broker, const struct lan_account *account,
                           struct error *err)
{
    const char *head = reserved(broker, account);

    if (head)
        return error_set(err, ERROR_VALUE_CONFLICT, account->name,
                         "topic=%s: \"%s\" belongs to others; name another with topic=", account->topic,
                         head);
    for (const struct lan_account *other = broker->first; other; other = other->next) {
        const char *what = strcmp(other->name, account->name) == 0                     ? "this name"
                           : overlap(str_of(other->topic), str_of(account->topic))     ? "this topic"
                           : *account->node && strcmp(other->node, account->node) == 0 ? "this node"
                           : *account->mac && strcmp(other->mac, account->mac) == 0    ? "this address"
                           : *account->endpoint && strcmp(other->endpoint, account->endpoint) == 0
                               ? "this endpoint"
                               : NULL;

        if (what)
            return error_set(err, ERROR_VALUE_CONFLICT, account->name, "the account \"%s\" has %s already",
                             other->name, what);
    }
    return 0;
}

/* Each: whether the value is one; then *ret is the account's copy, NULL when memory is out. */
static bool take_topic(struct arena *arena, struct str value, const char **ret)
{
    *ret = arena_strndup(arena, value.data, value.len);
    return is_topic(value);
}

static bool take_node(struct arena *arena, struct str value, const char **ret)
{
    *ret = arena_strndup(arena, value.data, value.len);
    return is_node(value);
}

static bool take_mac(struct arena *arena, struct str value, const char **ret)
{
    *ret = mac_of(arena, value);
    return *ret != NULL;
}

static bool take_endpoint(struct arena *arena, struct str value, const char **ret)
{
    return take_topic(arena, value, ret) && !memchr(value.data, '/', value.len);
}

/* "topic=attic/plug1" and the like: what an account of that kind may be given beside its name. */
static const struct {
    const char *name;
    bool of_endpoint; /* of kinds with an Endpoint ID; else of kinds with topics of their own */
    bool (*take)(struct arena *arena, struct str value, const char **ret);
    size_t at; /* in the account */
} fields[] = {
    {"topic", false, take_topic, offsetof(struct lan_account, topic)},
    {"node", false, take_node, offsetof(struct lan_account, node)},
    {"mac", false, take_mac, offsetof(struct lan_account, mac)},
    {"endpoint", true, take_endpoint, offsetof(struct lan_account, endpoint)},
};

static int set_word(struct lan_broker *broker, struct lan_account *account, struct str word,
                    struct error *err)
{
    const struct lan_kind *kind = account->kind;
    struct str name, value = word;
    const char *copy;

    if (!memchr(word.data, '=', word.len) || !str_next(&value, '=', &name))
        return error_set(err, ERROR_INVALID_ARGUMENTS, account->name, "\"%.*s\" is not NAME=VALUE",
                         (int)(word.len > 80 ? 80 : word.len), word.data);
    if (str_is(name, "certificate") && str_to_bool(value, &account->certificate) == 0)
        return 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!str_is(name, fields[i].name) ||
            !(fields[i].of_endpoint ? kind->has_endpoint : kind->has_topic) ||
            !fields[i].take(broker->arena, value, &copy))
            continue;
        if (!copy)
            return error_set(err, ERROR_INTERNAL, account->name, "out of memory");
        memcpy((char *)account + fields[i].at, &copy, sizeof(copy));
        return 0;
    }
    return error_set(err, ERROR_INVALID_ARGUMENTS, account->name,
                     "\"%.*s\" is not one of topic=, node=, mac=, endpoint=, certificate= for \"%s\"",
                     (int)(word.len > 80 ? 80 : word.len), word.data, kind->name);
}

static struct lan_account *account_new(struct lan_broker *broker, struct str name, struct str kind,
                                       struct error *err)
{
    struct lan_account *account = arena_calloc(broker->arena, 1, sizeof(*account));
    const char *copy = arena_strndup(broker->arena, name.data, name.len);

    if (!is_name(name) || str_is(name, LAN_AGENT)) {
        error_set(err, ERROR_INVALID_ARGUMENTS, NULL,
                  "\"%.*s\" cannot be the name of an account: up to 64 letters, digits and . _ - :",
                  (int)(name.len > 64 ? 64 : name.len), name.data);
        return NULL;
    }
    if (!account || !copy) {
        error_set(err, ERROR_INTERNAL, NULL, "out of memory");
        return NULL;
    }
    *account = (struct lan_account){
        .name = copy, .kind = lan_kind_find(kind), .topic = "", .node = "", .mac = "", .endpoint = ""};
    if (account->kind)
        return account;
    error_set(err, ERROR_INVALID_ARGUMENTS, copy, "\"%.*s\" is no kind of account: it is one of %s",
              (int)(kind.len > 60 ? 60 : kind.len), kind.data, lan_kind_names(broker->arena));
    return NULL;
}

/* What was not said follows from the name. */
static int complete(struct lan_account *account, struct error *err)
{
    struct str name = str_of(account->name);
    bool colon = strchr(account->name, ':') != NULL;

    if (colon && !account->certificate)
        return error_set(
            err, ERROR_INVALID_ARGUMENTS, account->name,
            "mosquitto has no passwords for names with a colon: add certificate=true, or take another "
            "name and say endpoint=");
    if (account->kind->has_topic && !*account->topic)
        account->topic = account->name;
    if (account->kind->has_node && !*account->node && is_node(name))
        account->node = account->name;
    if (account->kind->has_endpoint && !*account->endpoint)
        account->endpoint = account->name;
    return 0;
}

struct lan_account *lan_account_add(struct lan_broker *broker, struct str name, struct str words,
                                    struct error *err)
{
    struct lan_account *account;
    struct str word;

    if (broker->count >= LAN_ACCOUNTS_MAX) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "there are %u accounts already", broker->count);
        return NULL;
    }
    words = str_trim(words);
    if (!str_next(&words, ' ', &word))
        word = (struct str){"", 0};
    account = account_new(broker, name, word, err);
    while (account && words.len && str_next(&words, ' ', &word))
        if (word.len && set_word(broker, account, word, err) < 0)
            account = NULL;
    if (!account || complete(account, err) < 0 || check_conflicts(broker, account, err) < 0)
        return NULL;
    *broker->last = account;
    broker->last = &account->next;
    broker->count++;
    return account;
}

void lan_account_remove(struct lan_broker *broker, struct lan_account *account)
{
    struct lan_account **at = &broker->first;

    while (*at != account)
        at = &(*at)->next;
    *at = account->next;
    if (broker->last == &account->next)
        broker->last = at;
    broker->count--;
}

/* ---- the file ---- */

int lan_broker_parse(struct lan_broker *broker, const char *file, struct str text, struct error *err)
{
    struct conf_line *line;
    struct error why;

    if (conf_parse(broker->arena, file, text, &line, err) < 0)
        return -1;
    for (; line; line = line->next) {
        struct str words = line->value, name;
        int rc;

        error_clear(&why);
        if (!str_is(line->key, "account"))
            rc = lan_broker_set(broker, line->key, line->value, &why);
        else if (str_next(&words, ' ', &name))
            rc = lan_account_add(broker, name, words, &why) ? 0 : -1;
        else
            rc = error_set(&why, ERROR_INVALID_CONFIGURATION, NULL, "account = NAME KIND [KEY=VALUE...]");
        if (rc < 0)
            return conf_error(file, line->number, err, "%s%s%s", why.path, why.path[0] ? ": " : "",
                              why.message);
    }
    return 0;
}

static void write_word(struct buf *out, const char *name, const char *value, const char *standard)
{
    if (*value && strcmp(value, standard) != 0)
        buf_printf(out, " %s=%s", name, value);
}

void lan_broker_write(const struct lan_broker *broker, struct buf *out)
{
    buf_append_str(out,
                   "# The LAN's broker: settings and accounts. homepatch lan-broker writes this file; after\n"
                   "# a change by hand run: homepatch lan-broker write\n\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *value = *slot_of(broker, &settings[i]);

        if (value || settings[i].standard)
            buf_printf(out, "%s = %s\n", settings[i].name, value ? value : "");
    }
    buf_append_byte(out, '\n');
    for (const struct lan_account *account = broker->first; account; account = account->next) {
        buf_printf(out, "account = %s %s", account->name, account->kind->name);
        write_word(out, "topic", account->topic, account->kind->has_topic ? account->name : "");
        write_word(out, "node", account->node, account->kind->has_node ? account->name : "");
        write_word(out, "mac", account->mac, "");
        write_word(out, "endpoint", account->endpoint, account->name);
        write_word(out, "certificate", account->certificate ? "true" : "", "");
        buf_append_byte(out, '\n');
    }
}
