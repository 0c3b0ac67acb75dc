/* SPDX-License-Identifier: BSD-3-Clause */
/* What a Tasmota device says: announcement, telemetry at its start, and answers to commands. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/home.h"
#include "tools/simhome/tasmota/tasmota.h"

enum {
    COMMAND_BYTES = 64,
};

static void full_version(const struct tasmota *device, char *to, size_t size)
{
    bool esp32 = strcmp(device->model->chip, "esp32") == 0;

    if (device->legacy)
        snprintf(to, size, "%s(%s)", device->version, device->variant);
    else
        snprintf(to, size, "%s(release-%s%s)", device->version, device->variant,
                 esp32 && !strcmp(device->variant, "tasmota") ? "32" : "");
}

static void mac_text(const struct tasmota *device, char to[18])
{
    const char *m = device->mac;

    snprintf(to, 18, "%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", m, m + 2, m + 4, m + 6, m + 8, m + 10);
}

/* ---- announcement ----------------------------------------------------------------------------------------- */

static cJSON *texts(const char *const *text, size_t count)
{
    cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, cJSON_CreateString(text[i]));
    return array;
}

static cJSON *numbers(const int *number, int count)
{
    return cJSON_CreateIntArray(number, count);
}

void tasmota_announce(struct tasmota *device)
{
    static const char *const prefixes[] = {"cmnd", "stat", "tele"};
    static const char *const states[] = {"OFF", "ON", "TOGGLE", "HOLD"};
    cJSON *json = cJSON_CreateObject(), *options;
    char name[64];

    snprintf(name, sizeof(name), "%s %s", device->model->module, device->mac + 6);
    cJSON_AddStringToObject(json, "ip", "127.0.0.1");
    cJSON_AddStringToObject(json, "dn", name);
    cJSON_AddItemToObject(json, "fn", texts((const char *const[]){name}, 1));
    cJSON_AddStringToObject(json, "hn", device->topic);
    cJSON_AddStringToObject(json, "mac", device->mac);
    cJSON_AddStringToObject(json, "md", device->model->module);
    cJSON_AddNumberToObject(json, "ty", 0);
    cJSON_AddNumberToObject(json, "if", 0);
    cJSON_AddStringToObject(json, "ofln", device->offline);
    cJSON_AddStringToObject(json, "onln", device->online);
    cJSON_AddItemToObject(json, "state", texts(states, 4));
    cJSON_AddStringToObject(json, "sw", device->version);
    cJSON_AddStringToObject(json, "t", device->topic);
    cJSON_AddStringToObject(json, "ft", device->full_topic);
    cJSON_AddItemToObject(json, "tp", texts(prefixes, 3));
    cJSON_AddItemToObject(json, "rl", numbers((const int[]){1, 0, 0, 0, 0, 0, 0, 0}, 8));
    options = cJSON_AddObjectToObject(json, "so");
    cJSON_AddNumberToObject(options, "4", device->command_topics);
    cJSON_AddNumberToObject(json, "lk", 0);
    cJSON_AddNumberToObject(json, "lt_st", 0);
    cJSON_AddNumberToObject(json, "bat", device->battery);
    cJSON_AddNumberToObject(json, "dslp", device->sleepy);
    cJSON_AddItemToObject(json, "sho", cJSON_CreateArray());
    cJSON_AddItemToObject(json, "sht", cJSON_CreateArray());
    cJSON_AddNumberToObject(json, "ver", 1);
    tasmota_publish_json(device, TASMOTA_TELE, NULL, json, true);
}

/* ---- at its start ----------------------------------------------------------------------------------------- */

static void info(struct tasmota *device, const char *command, const char *wrap, cJSON *content)
{
    cJSON *json = content;

    if (!device->legacy) {
        json = cJSON_CreateObject();
        cJSON_AddItemToObject(json, wrap, content);
    }
    tasmota_publish_json(device, TASMOTA_TELE, command, json, false);
}

void tasmota_hello(struct tasmota *device)
{
    cJSON *json = cJSON_CreateObject();
    char version[96], fallback[64];

    full_version(device, version, sizeof(version));
    snprintf(fallback, sizeof(fallback), "cmnd/DVES_%s_fb/", device->mac + 6);
    cJSON_AddStringToObject(json, "Module", device->model->module);
    cJSON_AddStringToObject(json, "Version", version);
    cJSON_AddStringToObject(json, "FallbackTopic", fallback);
    cJSON_AddStringToObject(json, "GroupTopic", "cmnd/tasmotas/");
    info(device, "INFO1", "Info1", json);
    json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "WebServerMode", "Admin");
    cJSON_AddStringToObject(json, "Hostname", device->topic);
    cJSON_AddStringToObject(json, "IPAddress", "127.0.0.1");
    info(device, "INFO2", "Info2", json);
    json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "RestartReason",
                            device->sleepy ? "Deep-Sleep Wake" : "Software/System restart");
    cJSON_AddNumberToObject(json, "BootCount", device->boot_count);
    info(device, "INFO3", "Info3", json);
}

/* ---- Status ----------------------------------------------------------------------------------------------- */

static void send_status(struct tasmota *device, const char *command, const char *wrap, cJSON *content)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddItemToObject(json, wrap, content);
    tasmota_publish_json(device, TASMOTA_STAT, command, json, false);
}

static void status_main(struct tasmota *device)
{
    cJSON *json = cJSON_CreateObject();
    char name[64];

    snprintf(name, sizeof(name), "%s %s", device->model->module, device->mac + 6);
    cJSON_AddNumberToObject(json, "Module", 1);
    if (!device->legacy)
        cJSON_AddStringToObject(json, "DeviceName", name);
    cJSON_AddItemToObject(json, "FriendlyName", texts((const char *const[]){name}, 1));
    cJSON_AddStringToObject(json, "Topic", device->topic);
    cJSON_AddNumberToObject(json, "Power", 0);
    send_status(device, "STATUS", "Status", json);
}

static void status_parameters(struct tasmota *device)
{
    cJSON *json = cJSON_CreateObject();
    uint64_t up = (clock_monotonic(&device->base.home->loop.clock) - device->booted_at) / 1000;
    char uptime[48];

    snprintf(uptime, sizeof(uptime), "%uT%02u:%02u:%02u", (unsigned)(up / 86400), (unsigned)(up / 3600 % 24),
             (unsigned)(up / 60 % 60), (unsigned)(up % 60));
    cJSON_AddNumberToObject(json, "Baudrate", 115200);
    cJSON_AddStringToObject(json, "GroupTopic", "tasmotas");
    cJSON_AddStringToObject(json, "OtaUrl", device->ota_url);
    cJSON_AddStringToObject(json, "Uptime", uptime);
    cJSON_AddNumberToObject(json, "BootCount", device->boot_count);
    send_status(device, "STATUS1", "StatusPRM", json);
}

static void status_firmware(struct tasmota *device)
{
    cJSON *json = cJSON_CreateObject();
    char version[96];

    full_version(device, version, sizeof(version));
    cJSON_AddStringToObject(json, "Version", version);
    cJSON_AddStringToObject(json, "BuildDateTime", "2026-01-01T10:00:00");
    cJSON_AddNumberToObject(json, "Boot", 31);
    cJSON_AddStringToObject(json, "Core", "2_7_7");
    cJSON_AddStringToObject(json, "SDK", "2.2.2-dev(38a443e)");
    if (!device->legacy)
        cJSON_AddStringToObject(json, "Hardware", device->model->hardware);
    send_status(device, "STATUS2", "StatusFWR", json);
}

static void status_memory(struct tasmota *device)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddNumberToObject(json, "ProgramSize", device->program_kb);
    cJSON_AddNumberToObject(json, "Free", device->model->space_kb - device->program_kb);
    cJSON_AddNumberToObject(json, "Heap", 25);
    cJSON_AddNumberToObject(json, "ProgramFlashSize", device->model->flash_kb);
    cJSON_AddNumberToObject(json, "FlashSize", device->model->flash_kb);
    send_status(device, "STATUS4", "StatusMEM", json);
}

static void status_network(struct tasmota *device)
{
    cJSON *json = cJSON_CreateObject();
    char mac[18];

    mac_text(device, mac);
    cJSON_AddStringToObject(json, "Hostname", device->topic);
    cJSON_AddStringToObject(json, "IPAddress", "127.0.0.1");
    cJSON_AddStringToObject(json, "Mac", mac);
    send_status(device, "STATUS5", "StatusNET", json);
}

static void status_time(struct tasmota *device)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "UTC", "2026-01-01T10:00:00Z");
    send_status(device, "STATUS7", "StatusTIM", json);
}

static void on_status(struct tasmota *device, const char *payload)
{
    static const struct {
        unsigned number;
        void (*fn)(struct tasmota *device);
    } parts[] = {{0, status_main},   {1, status_parameters}, {2, status_firmware},
                 {4, status_memory}, {5, status_network},    {7, status_time}};
    uint64_t wanted = 0;
    bool given = *payload && str_to_u64(str_of(payload), &wanted) == 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (given ? wanted == 0 || parts[i].number == wanted : parts[i].number == 0)
            parts[i].fn(device);
}

/* ---- other commands --------------------------------------------------------------------------------------- */

/* On RESULT, or with SetOption4 on a topic named after the command. */
static void answer(struct tasmota *device, const char *command, const char *key, const char *value)
{
    cJSON *json = cJSON_CreateObject();
    char upper[COMMAND_BYTES];
    size_t i = 0;

    for (; command[i] && i + 1 < sizeof(upper); i++)
        upper[i] = command[i] >= 'a' && command[i] <= 'z' ? (char)(command[i] - 32) : command[i];
    upper[i] = '\0';
    cJSON_AddStringToObject(json, key, value);
    tasmota_publish_json(device, TASMOTA_STAT, device->command_topics ? upper : "RESULT", json, false);
}

static void on_ota_url(struct tasmota *device, const char *payload)
{
    if (!strcmp(payload, "1"))
        payload = "http://ota.example/tasmota.bin.gz";
    if (*payload)
        str_copy(device->ota_url, sizeof(device->ota_url), payload);
    answer(device, "OtaUrl", "OtaUrl", device->ota_url);
}

static void on_upgrade(struct tasmota *device, const char *payload)
{
    char text[TASMOTA_URL_BYTES + 160], version[96];

    device->count.update_requests++;
    full_version(device, version, sizeof(version));
    if (strcmp(payload, "1") != 0 || device->state != TASMOTA_RUNNING ||
        device->base.faults & FAULT_REFUSES) {
        snprintf(text, sizeof(text), "1 or >%s to upgrade", version);
        answer(device, "Upgrade", "Upgrade", text);
        return;
    }
    snprintf(text, sizeof(text), "Version %s from %s", version, device->ota_url);
    answer(device, "Upgrade", "Upgrade", text);
    tasmota_upgrade(device);
}

static void on_restart(struct tasmota *device, const char *payload)
{
    if (strcmp(payload, "1") != 0) {
        answer(device, "Restart", "Restart", "1 to restart");
        return;
    }
    answer(device, "Restart", "Restart", "Restarting");
    tasmota_reboot(device, 50);
}

void tasmota_command(struct tasmota *device, const char *command, const char *data, size_t len)
{
    static const struct {
        const char *name;
        void (*fn)(struct tasmota *device, const char *payload);
    } commands[] = {
        {"STATUS", on_status}, {"OTAURL", on_ota_url}, {"UPGRADE", on_upgrade}, {"RESTART", on_restart}};
    char payload[512];

    if (len >= sizeof(payload))
        len = sizeof(payload) - 1;
    memcpy(payload, data, len);
    payload[len] = '\0';
    device->count.commands++;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (!strcasecmp(commands[i].name, command)) {
            commands[i].fn(device, payload);
            return;
        }
    }
    device->count.unknown_commands++;
    answer(device, "Command", "Command", "Unknown");
}
