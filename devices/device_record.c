/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/device_record.h"

#include <stdlib.h>
#include <string.h>

#include "devices/dialects/dialect.h"
#include "devices/json.h"
#include "devices/quarantine.h"

enum {
    TEXT_MAX = 1024, /* of one stored text */
};

static const char *const text_names[DEVICE_TEXTS] = {
    [DEVICE_ALIAS] = "alias",
    [DEVICE_NAME] = "name",
    [DEVICE_OWN_NAME] = "own_name",
    [DEVICE_TYPE] = "type",
    [DEVICE_DESCRIPTION] = "description",
    [DEVICE_MANUFACTURER] = "manufacturer",
    [DEVICE_OUI] = "oui",
    [DEVICE_MODEL] = "model",
    [DEVICE_HARDWARE_VERSION] = "hardware",
    [DEVICE_SOFTWARE_VERSION] = "software",
    [DEVICE_SERIAL_NUMBER] = "serial",
    [DEVICE_MAC] = "mac",
    [DEVICE_APP] = "app",
    [DEVICE_FIRMWARE_NAME] = "firmware",
    [DEVICE_ADDRESS] = "address",
    [DEVICE_IP] = "ip",
    [DEVICE_OFFERED_VERSION] = "offered",
    [DEVICE_LAST_RESULT] = "result",
    [DEVICE_REASON] = "reason",
    [DEVICE_CLAIMED] = "claimed",
    [DEVICE_PUBLISHER] = "publisher",
    [DEVICE_RIVAL] = "rival",
    [DEVICE_LOCKED] = "locked",
};

/* As numbers, in the order of the facts: a grade in the low three bits, a source above. */
static void write_proof(const struct device *device, struct buf *out)
{
    for (size_t i = 0; i < DEVICE_FACTS; i++)
        buf_printf(out, "%s%u", i ? "," : ",\"proof\":[",
                   device->proof[i].grade | (unsigned)device->proof[i].source << 3);
    buf_append_byte(out, ']');
}

static void read_proof(struct device *device, const cJSON *proof)
{
    const cJSON *item;
    size_t i = 0;

    cJSON_ArrayForEach(item, proof)
    {
        unsigned value = cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 256
                             ? (unsigned)item->valuedouble
                             : 0;

        if (i == DEVICE_FACTS)
            return;
        if ((value & 7) <= DEVICE_GRADE_D && value >> 3 < DEVICE_SOURCES)
            device->proof[i] = (struct device_proof){value & 7, (value >> 3) & 31};
        i++;
    }
}

void device_record_write(const struct device *device, struct buf *out)
{
    buf_printf(out, "{\"instance\":%u,\"transport\":%u,\"grade\":%u", device->instance,
               (unsigned)device->transport, (unsigned)device->grade);
    if (device->last_contacted > 0)
        buf_printf(out, ",\"contacted\":%lld", (long long)device->last_contacted);
    if (device->quarantined)
        buf_printf(out, ",\"quarantined\":true,\"code\":%u", device->quarantine);
    if (device->accept_identity)
        buf_append_str(out, ",\"accept\":true");
    if (device->sleeps)
        buf_append_str(out, ",\"sleeps\":true");
    write_proof(device, out);
    for (size_t i = 0; i < DEVICE_TEXTS; i++) {
        if (!device->text[i])
            continue;
        buf_printf(out, ",\"%s\":", text_names[i]);
        json_quote(out, device->text[i]);
    }
    buf_append_byte(out, '}');
}

static void free_device(struct device *device)
{
    for (size_t i = 0; i < DEVICE_TEXTS; i++)
        free(device->text[i]);
    free(device->key);
    free(device);
}

static int read_fields(struct device *device, const cJSON *json)
{
    uint64_t instance, transport, grade, contacted = 0, code = 0;

    if (json_number(json, "instance", UINT32_MAX - 1, &instance) < 0 || instance == 0 ||
        json_number(json, "transport", DEVICE_WEBSOCKET, &transport) < 0 ||
        json_number(json, "grade", DEVICE_GRADE_D, &grade) < 0)
        return -1;
    json_number(json, "contacted", INT32_MAX * 4096ull, &contacted);
    device->last_contacted = device->announced_contacted = device->stored_contacted = (int64_t)contacted;
    device->instance = (uint32_t)instance;
    device->transport = (enum device_transport)transport;
    device->grade = (enum device_grade)grade;
    device->quarantined = cJSON_IsTrue(json_member(json, "quarantined"));
    device->accept_identity = cJSON_IsTrue(json_member(json, "accept"));
    device->sleeps = cJSON_IsTrue(json_member(json, "sleeps"));
    json_number(json, "code", QUARANTINE_CODES - 1, &code);
    device->quarantine = (uint8_t)code;
    read_proof(device, json_member(json, "proof"));
    for (size_t i = 0; i < DEVICE_TEXTS; i++) {
        const char *text = json_text(json, text_names[i], TEXT_MAX);

        if (text && str_replace(&device->text[i], text) < 0)
            return -1;
    }
    return 0;
}

struct device *device_record_read(struct str key, struct str record,
                                  const struct dialect *(*find)(const char *name))
{
    cJSON *json = json_parse((const uint8_t *)record.data, record.len, NULL);
    struct device *device = json ? calloc(1, sizeof(*device)) : NULL;
    char *colon;

    if (device)
        device->key = str_dup(key.data, key.len);
    colon = device && device->key ? strchr(device->key, ':') : NULL;
    if (!colon || colon[1] == '\0' || read_fields(device, json) < 0) {
        if (device)
            free_device(device);
        device = NULL;
    } else {
        *colon = '\0';
        device->dialect = find(device->key);
        *colon = ':';
    }
    cJSON_Delete(json);
    return device;
}
