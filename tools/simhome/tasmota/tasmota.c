/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/tasmota/tasmota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/home.h"
#include "tools/simhome/mqtt.h"

enum {
    NOISE_MS = 20,      /* how often the flood is topped up */
    GARBAGE_TURN = 3,   /* every so many noise ticks one piece of garbage */
    PROPAGATE_MS = 100, /* between the start of the minimal firmware and its fetch */
};

static const struct tasmota_model models[] = {
    {"Sonoff Basic", "esp8266", "ESP8266EX", 1024, 640, 1000},
    {"ESP32-DevKit", "esp32", "ESP32-D0WD-V3 v3.1", 4096, 1800, 2880},
    {"NodeMCU", "esp8266", "ESP8266EX", 4096, 660, 2000},
};

static struct timers *timers_of(const struct tasmota *device)
{
    return &device->base.home->loop.timers;
}

/* ---- making ----------------------------------------------------------------------------------------------- */

static void on_life(struct timer *timer, void *ctx);
static void on_noise(struct timer *timer, void *ctx);

static struct device *create(struct home *home, size_t index, size_t nth, uint64_t *seed)
{
    /* Both orders of the topic, and one of a user's own. */
    static const char *const full_topics[] = {"%prefix%/%topic%/", "%topic%/%prefix%/",
                                              "home/%topic%/%prefix%/"};
    const char *version = home->options->version ? home->options->version : tasmota_family.version;
    struct tasmota *device = calloc(1, sizeof(*device));

    if (!device)
        return NULL;
    device->base = (struct device){
        .home = home, .family = &tasmota_family, .transport = "mqtt", .index = index};
    device->model = &models[nth % 3];
    device->full_topic = full_topics[nth % 3];
    device->online = nth % 3 == 2 ? "Ready" : "Online";
    device->offline = nth % 3 == 2 ? "Gone" : "Offline";
    device->command_topics = nth % 3 == 2;
    /* 02: locally administered, so that no maker's address is imitated. The index keeps them apart. */
    snprintf(device->mac, sizeof(device->mac), "02%06X%04X", (unsigned)(home_random(seed) >> 8 & 0xffffff),
             (unsigned)(index & 0xffff));
    snprintf(device->topic, sizeof(device->topic), "tasmota_%s", device->mac + 6);
    snprintf(device->client_id, sizeof(device->client_id), "DVES_%s", device->mac + 6);
    str_copy(device->base.id, sizeof(device->base.id), device->topic);
    str_copy(device->version, sizeof(device->version), version);
    str_copy(device->variant, sizeof(device->variant), "tasmota");
    str_copy(device->ota_url, sizeof(device->ota_url), "http://ota.example/tasmota.bin.gz");
    device->program_kb = device->model->program_kb;
    timer_init(&device->life, on_life, device);
    timer_init(&device->noise, on_noise, device);
    return &device->base;
}

/* ---- topics ----------------------------------------------------------------------------------------------- */

void tasmota_topic(const struct tasmota *device, enum tasmota_prefix prefix, const char *command,
                   char to[TASMOTA_TOPIC_BYTES])
{
    static const char *const prefixes[] = {"cmnd", "stat", "tele"};
    const char *at = device->full_topic;
    struct buf out;

    buf_init(&out, TASMOTA_TOPIC_BYTES, 0);
    while (*at) {
        if (!strncmp(at, "%prefix%", 8)) {
            buf_append_str(&out, prefixes[prefix]);
            at += 8;
        } else if (!strncmp(at, "%topic%", 7)) {
            buf_append_str(&out, device->topic);
            at += 7;
        } else {
            buf_append_byte(&out, (uint8_t)*at++);
        }
    }
    buf_append_str(&out, command);
    str_copy(to, TASMOTA_TOPIC_BYTES, buf_cstr(&out) ? (const char *)buf_data(&out) : "");
    buf_done(&out);
}

void tasmota_publish(struct tasmota *device, enum tasmota_prefix prefix, const char *command,
                     const char *text, bool retain)
{
    char topic[TASMOTA_TOPIC_BYTES];

    if (!device->linked)
        return;
    if (command)
        tasmota_topic(device, prefix, command, topic);
    else
        snprintf(topic, sizeof(topic), "tasmota/discovery/%s/config", device->mac);
    sim_mqtt_publish(device->mqtt, topic, text, strlen(text), 0, retain);
}

void tasmota_publish_json(struct tasmota *device, enum tasmota_prefix prefix, const char *command,
                          cJSON *json, bool retain)
{
    char *text = cJSON_PrintUnformatted(json);

    if (text)
        tasmota_publish(device, prefix, command, text, retain);
    cJSON_free(text);
    cJSON_Delete(json);
}

/* ---- the connection --------------------------------------------------------------------------------------- */

static void faults_changed(struct device *base);

static void on_up(void *ctx)
{
    struct tasmota *device = ctx;
    char topic[TASMOTA_TOPIC_BYTES];

    device->linked = true;
    device->count.connects++;
    tasmota_topic(device, TASMOTA_CMND, "+", topic);
    sim_mqtt_subscribe(device->mqtt, topic);
    sim_mqtt_subscribe(device->mqtt, "cmnd/tasmotas/+"); /* its group's */
    tasmota_publish(device, TASMOTA_TELE, "LWT", device->online, true);
    if (!device->announced)
        tasmota_hello(device);
    device->announced = true;
    if (!device->legacy)
        tasmota_announce(device);
    faults_changed(&device->base);
}

static void on_down(void *ctx)
{
    struct tasmota *device = ctx;

    device->linked = false;
    timer_cancel(timers_of(device), &device->noise);
}

static void on_message(void *ctx, const char *topic, const char *data, size_t len, bool retained)
{
    struct tasmota *device = ctx;
    const char *slash = strrchr(topic, '/');

    (void)retained;
    if (!strncmp(topic, "cmnd/tasmotas/", 14))
        device->count.group_commands++;
    if (slash && !(device->base.faults & FAULT_MUTE))
        tasmota_command(device, slash + 1, data, len);
}

static const struct sim_mqtt_ops mqtt_ops = {.up = on_up, .down = on_down, .message = on_message};

static void disconnect(struct tasmota *device)
{
    timer_cancel(timers_of(device), &device->noise);
    sim_mqtt_close(device->mqtt);
    device->mqtt = NULL;
    device->linked = false;
}

/* ---- power ------------------------------------------------------------------------------------------------ */

static void change_identity(struct tasmota *device)
{
    device->mac[2] = device->mac[2] == 'F' ? '0' : 'F';
}

static void boot(struct tasmota *device)
{
    bool flashed = device->flashed;
    bool goes_on = tasmota_upgrade_boot(device);

    if (flashed && !goes_on) {
        if (device->base.faults & FAULT_WRONG_MODEL)
            device->model = &models[(size_t)(device->model - models + 1) % 3];
        if (device->base.faults & FAULT_NEW_IDENTITY)
            change_identity(device);
    }
    device->count.boots++;
    device->boot_count++;
    device->booted_at = clock_monotonic(&device->base.home->loop.clock);
    device->announced = false;
    device->state = TASMOTA_RUNNING;
    tasmota_topic(device, TASMOTA_TELE, "LWT", device->will_topic);
    device->mqtt = sim_mqtt_open(device->base.home,
                                 &(struct sim_mqtt_options){.client_id = device->client_id,
                                                            .will_topic = device->will_topic,
                                                            .will = device->offline,
                                                            .ops = &mqtt_ops,
                                                            .ctx = device});
    if (goes_on)
        tasmota_reboot(device, PROPAGATE_MS); /* life: its next step is the fetch */
    device->fetching_minimal = goes_on;
}

static void power(struct device *base, bool on)
{
    struct tasmota *device = (struct tasmota *)base;

    if (on && device->state == TASMOTA_OFF) {
        boot(device);
    } else if (!on && device->state != TASMOTA_OFF) {
        timer_cancel(timers_of(device), &device->life);
        tasmota_upgrade_abort(device);
        disconnect(device);
        device->flashed = device->fetching_minimal = false;
        device->state = TASMOTA_OFF;
    }
}

static void destroy(struct device *base)
{
    power(base, false);
    free(base);
}

void tasmota_reboot(struct tasmota *device, uint64_t delay_ms)
{
    timer_arm(timers_of(device), &device->life, delay_ms);
}

/* A running device goes down now; one that is down comes up; the minimal firmware fetches the rest. */
static void on_life(struct timer *timer, void *ctx)
{
    struct tasmota *device = ctx;

    (void)timer;
    if (device->state == TASMOTA_RUNNING && device->fetching_minimal && !strcmp(device->variant, "minimal")) {
        tasmota_upgrade(device);
    } else if (device->state != TASMOTA_REBOOTING) {
        tasmota_upgrade_abort(device);
        disconnect(device);
        device->state = TASMOTA_REBOOTING;
        timer_arm(timers_of(device), &device->life, device->base.home->options->reboot_ms);
    } else if (device->flashed && !device->propagate && device->base.faults & FAULT_NO_RETURN) {
        power(&device->base, false);
    } else {
        boot(device);
    }
}

static void reboot(struct device *base)
{
    struct tasmota *device = (struct tasmota *)base;

    if (device->state == TASMOTA_RUNNING)
        tasmota_reboot(device, 0);
}

static void set_version(struct device *base, const char *version)
{
    struct tasmota *device = (struct tasmota *)base;

    str_copy(device->next_version, sizeof(device->next_version), version);
    str_copy(device->next_variant, sizeof(device->next_variant), "tasmota");
    device->next_program_kb = device->program_kb;
    device->flashed = true;
    device->propagate = false;
    if (device->state != TASMOTA_OFF && device->state != TASMOTA_SLEEPING)
        tasmota_reboot(device, 0);
}

static void set_offer(struct device *base, const char *version, const char *url)
{
    (void)base; /* Tasmota does not look for updates */
    (void)version;
    (void)url;
}

/* ---- sleep, and what a user may have set ------------------------------------------------------------------- */

/* Deep sleep says goodbye, unlike a power cut. */
static void fall_asleep(struct tasmota *device)
{
    if (device->state != TASMOTA_RUNNING)
        return;
    tasmota_publish(device, TASMOTA_TELE, "LWT", device->offline, true);
    disconnect(device);
    device->state = TASMOTA_SLEEPING;
}

static void set_sleep(struct tasmota *device, bool on)
{
    device->sleepy = device->battery = true;
    if (on)
        fall_asleep(device);
    else if (device->state == TASMOTA_SLEEPING)
        boot(device);
}

static void set_legacy(struct tasmota *device, bool on)
{
    if (on && device->linked)
        tasmota_publish(device, TASMOTA_TELE, NULL, "", true); /* its announcement is gone */
    device->legacy = on;
}

static int set(struct device *base, const char *name, const char *value)
{
    struct tasmota *device = (struct tasmota *)base;
    bool on = !strcmp(value, "on");
    uint64_t number;

    if (!strcmp(name, "sleep"))
        set_sleep(device, on);
    else if (!strcmp(name, "legacy"))
        set_legacy(device, on);
    else if (!strcmp(name, "setoption4"))
        device->command_topics = on;
    else if (!strcmp(name, "program") && str_to_u64(str_of(value), &number) == 0 &&
             number <= device->model->space_kb)
        device->program_kb = (unsigned)number;
    else if (!strcmp(name, "announce") && device->linked)
        on ? tasmota_announce(device) : tasmota_publish(device, TASMOTA_TELE, NULL, "", true);
    else
        return -1;
    return 0;
}

/* ---- noise ------------------------------------------------------------------------------------------------ */

static void faults_changed(struct device *base)
{
    struct tasmota *device = (struct tasmota *)base;

    if (device->linked && base->faults & (FAULT_FLOOD | FAULT_GARBAGE) && !timer_armed(&device->noise))
        timer_arm(timers_of(device), &device->noise, NOISE_MS);
}

static void flood(struct tasmota *device)
{
    device->noise_due += device->base.home->options->flood_rate * NOISE_MS;
    for (; device->noise_due >= 1000; device->noise_due -= 1000)
        tasmota_publish(device, TASMOTA_STAT, "RESULT",
                        ++device->noise_turn & 1 ? "{\"POWER\":\"ON\"}" : "{\"POWER\":\"OFF\"}", false);
}

static void garbage(struct tasmota *device)
{
    static const struct {
        enum tasmota_prefix prefix;
        const char *command;
        const char *text;
        unsigned repeat; /* of the text */
    } kinds[] = {
        {TASMOTA_STAT, "RESULT", "{\"Upgrade\":{}}", 1},
        {TASMOTA_STAT, "RESULT", "{\"a\":", 20000},
        {TASMOTA_STAT, "UPGRADE", "Successful nonsense", 1},
        {TASMOTA_STAT, "STATUS2", "{\"StatusFWR\":[]}", 1},
        {TASMOTA_STAT, "STATUS5", "{\"StatusNET\":{\"Mac\":7}}", 1},
        {TASMOTA_STAT, "RESULT", "\xff\xfe not text", 1},
        {TASMOTA_TELE, "INFO1", "{\"Info1\":{\"Version\":true}}", 1},
        {TASMOTA_TELE, "LWT", "Perhaps", 1},
        {TASMOTA_TELE, NULL, "{\"mac\":\"020000000000\",\"ft\":\"#\",\"t\":\"+\",\"tp\":[1,2]}", 1},
        {TASMOTA_STAT, "STATUS4", "long ", 60000},
    };
    unsigned kind = device->noise_turn / GARBAGE_TURN % (sizeof(kinds) / sizeof(kinds[0]));
    struct buf out;

    buf_init(&out, 1u << 20, 0);
    for (unsigned i = 0; i < kinds[kind].repeat; i++)
        buf_append_str(&out, kinds[kind].text);
    if (buf_cstr(&out))
        tasmota_publish(device, kinds[kind].prefix, kinds[kind].command, (const char *)buf_data(&out), false);
    buf_done(&out);
}

static void on_noise(struct timer *timer, void *ctx)
{
    struct tasmota *device = ctx;

    if (!device->linked || !(device->base.faults & (FAULT_FLOOD | FAULT_GARBAGE)))
        return;
    timer_arm(timers_of(device), timer, NOISE_MS);
    if (device->base.faults & FAULT_GARBAGE && ++device->noise_turn % GARBAGE_TURN == 0)
        garbage(device);
    if (device->base.faults & FAULT_FLOOD)
        flood(device);
}

/* ---- telling ---------------------------------------------------------------------------------------------- */

static cJSON *counters_json(const struct tasmota_counters *count)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddNumberToObject(json, "connects", count->connects);
    cJSON_AddNumberToObject(json, "boots", count->boots);
    cJSON_AddNumberToObject(json, "commands", count->commands);
    cJSON_AddNumberToObject(json, "unknown_commands", count->unknown_commands);
    cJSON_AddNumberToObject(json, "group_commands", count->group_commands);
    cJSON_AddNumberToObject(json, "update_requests", count->update_requests);
    cJSON_AddNumberToObject(json, "updates_begun", count->updates_begun);
    cJSON_AddNumberToObject(json, "updates_done", count->updates_done);
    cJSON_AddNumberToObject(json, "updates_failed", count->updates_failed);
    cJSON_AddNumberToObject(json, "minimal_steps", count->minimal_steps);
    return json;
}

static void describe(const struct device *base, cJSON *json)
{
    static const char *const states[] = {"off", "running", "updating", "rebooting", "sleeping"};
    const struct tasmota *device = (const struct tasmota *)base;

    cJSON_AddStringToObject(json, "mac", device->mac);
    cJSON_AddStringToObject(json, "model", device->model->module);
    cJSON_AddStringToObject(json, "chip", device->model->chip);
    cJSON_AddStringToObject(json, "version", device->version);
    cJSON_AddStringToObject(json, "variant", device->variant);
    cJSON_AddStringToObject(json, "offer", "");
    cJSON_AddStringToObject(json, "ota_url", device->ota_url);
    cJSON_AddStringToObject(json, "last_url", device->last_url);
    cJSON_AddStringToObject(json, "state", states[device->state]);
    cJSON_AddBoolToObject(json, "online", device->linked);
    cJSON_AddNumberToObject(json, "progress", device->progress);
    cJSON_AddItemToObject(json, "count", counters_json(&device->count));
}

const struct family tasmota_family = {
    .name = "tasmota",
    .version = "13.4.0",
    .text = "Tasmota at the broker, in three topic orders in turn",
    .create = create,
    .free = destroy,
    .power = power,
    .reboot = reboot,
    .faults_changed = faults_changed,
    .set_version = set_version,
    .set_offer = set_offer,
    .set = set,
    .make_image = tasmota_image_write,
    .describe = describe,
};
