/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device_config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "usp/endpoint_id.h"

enum key_type {
    KEY_TEXT,
    KEY_NUMBER,
    KEY_BOOLEAN,
    KEY_FAULTS,
};

static const struct key {
    const char *name;
    enum key_type type;
    size_t offset;
    const char *default_value; /* NULL: not set */
    bool required;
} keys[] = {
#define KEY(member, kind, standard, needed)                                     \
    {                                                                           \
#member, kind, offsetof(struct device_config, member), standard, needed \
    }
    KEY(state_dir, KEY_TEXT, NULL, true),
    KEY(factory_image, KEY_TEXT, NULL, false),
    KEY(endpoint_id, KEY_TEXT, NULL, true),
    KEY(controller, KEY_TEXT, NULL, true),
    KEY(manufacturer, KEY_TEXT, "Example", false),
    KEY(manufacturer_oui, KEY_TEXT, NULL, false),
    KEY(model, KEY_TEXT, "Reference", false),
    KEY(serial_number, KEY_TEXT, NULL, false),
    KEY(hardware_version, KEY_TEXT, "1", false),
    KEY(name, KEY_TEXT, NULL, false),
    KEY(transport, KEY_TEXT, "websocket", false),
    KEY(host, KEY_TEXT, NULL, true),
    KEY(port, KEY_NUMBER, NULL, true),
    KEY(path, KEY_TEXT, "/usp", false),
    KEY(controller_topic, KEY_TEXT, NULL, false),
    KEY(device_topic, KEY_TEXT, NULL, false),
    KEY(username, KEY_TEXT, NULL, false),
    KEY(password, KEY_TEXT, NULL, false),
    KEY(tls, KEY_BOOLEAN, "true", false),
    KEY(ca_file, KEY_TEXT, NULL, false),
    KEY(certificate_file, KEY_TEXT, NULL, false),
    KEY(key_file, KEY_TEXT, NULL, false),
    KEY(est_url, KEY_TEXT, NULL, false),
    KEY(enrol_code, KEY_TEXT, NULL, false),
    KEY(idevid_file, KEY_TEXT, NULL, false),
    KEY(idevid_key_file, KEY_TEXT, NULL, false),
    KEY(renew, KEY_NUMBER, "0", false),
    KEY(retry, KEY_NUMBER, "5", false),
    KEY(confirm_time, KEY_NUMBER, "120", false),
    KEY(sleep_time, KEY_NUMBER, "0", false),
    KEY(awake_time, KEY_NUMBER, "10", false),
    KEY(log_level, KEY_TEXT, "info", false),
    KEY(faults, KEY_FAULTS, NULL, false),
};

static const struct {
    const char *name;
    enum device_fault fault;
} faults[] = {
    {"refuse-download", FAULT_REFUSE_DOWNLOAD},
    {"refuse-activate", FAULT_REFUSE_ACTIVATE},
    {"power-loss-download", FAULT_POWER_LOSS_DOWNLOAD},
    {"power-loss-activate", FAULT_POWER_LOSS_ACTIVATE},
    {"dead", FAULT_DEAD},
    {"no-images", FAULT_NO_IMAGES},
    {"no-activate", FAULT_NO_ACTIVATE},
    {"no-transfer-complete", FAULT_NO_TRANSFER_COMPLETE},
};

static int set_faults(unsigned *ret, struct str list)
{
    struct str word;

    while (list.len && str_next(&list, ',', &word)) {
        unsigned bit = 0;

        for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
            if (str_is(str_trim(word), faults[i].name))
                bit = faults[i].fault;
        if (!bit)
            return -1;
        *ret |= bit;
    }
    return 0;
}

static int set(struct device_config *config, const struct key *key, struct str value)
{
    void *slot = (char *)config + key->offset;

    switch (key->type) {
    case KEY_TEXT:
        *(const char **)slot = value.len ? arena_strndup(&config->arena, value.data, value.len) : NULL;
        return value.len && !*(const char **)slot ? -1 : 0;
    case KEY_NUMBER:
        return str_to_u64(value, slot);
    case KEY_BOOLEAN:
        return str_to_bool(value, slot);
    case KEY_FAULTS:
        return set_faults(slot, value);
    }
    return -1;
}

static int apply_line(struct device_config *config, const char *file, const struct conf_line *line,
                      struct error *err)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!str_is(line->key, keys[i].name))
            continue;
        if (set(config, &keys[i], line->value) == 0)
            return 0;
        return conf_error(file, line->number, err,
                          "%s: \"%.*s\" is not allowed here (see homepatch-device(1))", keys[i].name,
                          (int)(line->value.len > 60 ? 60 : line->value.len), line->value.data);
    }
    return conf_error(file, line->number, err, "unknown key \"%.*s\" (see homepatch-device(1))",
                      (int)(line->key.len > 60 ? 60 : line->key.len), line->key.data);
}

static int check_enrolment(const struct device_config *config, const char *file, struct error *err)
{
    if (!config->idevid_file != !config->idevid_key_file)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                         "idevid_file and idevid_key_file go together");
    if (!config->est_url && (config->idevid_file || config->enrol_code))
        return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                         "enrol_code and idevid_file are for the gateway at est_url, which is missing");
    if (config->est_url && strncmp(config->est_url, "https://", 8) != 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file, "est_url begins with https://");
    if (config->est_url && config->certificate_file)
        return error_set(
            err, ERROR_INVALID_CONFIGURATION, file,
            "with est_url the device keeps its certificate itself: certificate_file is one too many");
    return 0;
}

/* The certificate and its key in one file, which is replaced as a whole. */
static int derive_certificate(struct device_config *config, const char *file, struct error *err)
{
    int len = snprintf(config->ldevid_file, sizeof(config->ldevid_file), "%s/ldevid.pem", config->state_dir);

    if (len >= (int)sizeof(config->ldevid_file))
        return error_set(err, ERROR_INVALID_CONFIGURATION, file, "state_dir is too long");
    if (config->est_url)
        config->certificate_file = config->key_file = config->ldevid_file;
    return 0;
}

/* Topics as the gateway expects them when nobody says otherwise. */
static void derive_topics(struct device_config *config)
{
    snprintf(config->topics[0], TOPIC_BYTES, "homepatch/usp/controller/%s", config->endpoint_id);
    snprintf(config->topics[1], TOPIC_BYTES, "homepatch/usp/agent/%s", config->endpoint_id);
    if (!config->controller_topic)
        config->controller_topic = config->topics[0];
    if (!config->device_topic)
        config->device_topic = config->topics[1];
}

static int check(const struct device_config *config, const char *file, struct error *err)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const void *slot = (const char *)config + keys[i].offset;

        if (keys[i].required &&
            (keys[i].type == KEY_TEXT ? !*(const char *const *)slot : !*(const uint64_t *)slot))
            return error_set(err, ERROR_INVALID_CONFIGURATION, file, "%s is missing", keys[i].name);
    }
    if (usp_endpoint_id_check(str_of(config->endpoint_id), NULL) < 0 ||
        usp_endpoint_id_check(str_of(config->controller), NULL) < 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                         "endpoint_id and controller are Endpoint IDs such as os::012345-S1");
    if (strcmp(config->transport, "websocket") != 0 && strcmp(config->transport, "mqtt") != 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file, "transport is websocket or mqtt");
    if (config->port > UINT16_MAX)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file, "port is a number up to 65535");
    if (!config->certificate_file != !config->key_file)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file, "certificate_file and key_file go together");
    return 0;
}

int device_config_read(struct device_config *config, const char *file, struct error *err)
{
    struct conf_line *lines;

    *config = (struct device_config){.faults = 0};
    arena_init(&config->arena, 0);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].default_value && set(config, &keys[i], str_of(keys[i].default_value)) < 0)
            return error_set(err, ERROR_INTERNAL, keys[i].name, "out of memory");
    if (conf_read(&config->arena, file, &lines, err) < 0)
        return -1;
    for (; lines; lines = lines->next)
        if (apply_line(config, file, lines, err) < 0)
            return -1;
    if (check(config, file, err) < 0 || check_enrolment(config, file, err) < 0 ||
        derive_certificate(config, file, err) < 0)
        return -1;
    derive_topics(config);
    return 0;
}

void device_config_done(struct device_config *config)
{
    arena_done(&config->arena);
}
