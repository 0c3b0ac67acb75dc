/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Tasmota dialect under hostile messages. An input is a conversation, one message per line, told apart by its first
 * byte:
 *   c  announcement of the device, C of an address that follows up to a blank
 *   l  live, L retained last will              i  INFO1
 *   0 1 2 4 5  STATUS, STATUS1, ...            r  RESULT, u  UPGRADE
 *   t  10 s pass                               f  the firmware manager asks for an update
 *   m  a topic, a blank and a message          v  a version
 * Whatever comes, nothing crashes, and the second device, which has done nothing, stays as it is.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/dialects/tasmota.h"
#include "devices/dialects/tasmota_version.h"
#include "tests/unit/fake_home.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYSTANDER "A4CF12000002"

static void require(bool true_one, const char *what)
{
    if (true_one)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void on_topic(struct fake_home *home, const char *topic, struct str payload, bool retain)
{
    struct mqtt_message message = {
        .topic = topic, .payload = (const uint8_t *)payload.data, .len = payload.len, .retain = retain};

    tasmota_dialect.mqtt_message(home->ctx, &message);
}

/* "<text> <payload>": the topic is made of the text. */
static void on_named_topic(struct fake_home *home, const char *format, struct str line)
{
    char name[200], topic[256];
    struct str payload = line, part;

    if (!str_next(&payload, ' ', &part) || part.len >= sizeof(name) || memchr(part.data, 0, part.len))
        return;
    memcpy(name, part.data, part.len);
    name[part.len] = '\0';
    snprintf(topic, sizeof(topic), format[0] ? "tasmota/discovery/%s/config" : "%s", name);
    on_topic(home, topic, payload.data ? payload : (struct str){"", 0}, false);
}

static void ask_for_update(struct fake_home *home)
{
    struct device *device = registry_find(home->registry, "tasmota:A4CF121A2B3C");
    struct firmware_install install = {.url = "http://192.168.1.1:7681/image/0123/x",
                                       .path = "/x",
                                       .name = "tasmota.bin",
                                       .version = "14.2.0",
                                       .size = 400000,
                                       .companion_size = 300000};

    if (device)
        device->target.ops->install(&device->target, &install, NULL);
}

static void check_version(struct str line)
{
    char text[128];
    struct tasmota_version version, other = {.number = 0x08000000};

    if (line.len >= sizeof(text))
        return;
    memcpy(text, line.data, line.len);
    text[line.len] = '\0';
    if (tasmota_version_parse(text, &version) < 0)
        return;
    require(version.base.len + version.variant.len <= line.len, "a version longer than its text");
    tasmota_version_check(&version, &other, NULL);
    tasmota_version_check(&other, &version, NULL);
}

static void play(struct fake_home *home, char what, struct str text)
{
    static const struct {
        char what;
        const char *topic;
    } topics[] = {
        {'c', "tasmota/discovery/A4CF121A2B3C/config"},
        {'l', "tele/lamp/LWT"},
        {'L', "tele/lamp/LWT"},
        {'i', "tele/lamp/INFO1"},
        {'0', "stat/lamp/STATUS"},
        {'1', "stat/lamp/STATUS1"},
        {'2', "stat/lamp/STATUS2"},
        {'4', "stat/lamp/STATUS4"},
        {'5', "stat/lamp/STATUS5"},
        {'r', "stat/lamp/RESULT"},
        {'u', "stat/lamp/UPGRADE"},
    };

    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        if (topics[i].what == what)
            on_topic(home, topics[i].topic, text, what == 'L');
    if (what == 'C')
        on_named_topic(home, "c", text);
    else if (what == 'm')
        on_named_topic(home, "", text);
    else if (what == 't')
        fake_home_advance(home, 10000);
    else if (what == 'f')
        ask_for_update(home);
    else if (what == 'v')
        check_version(text);
}

static struct device *bystander(struct fake_home *home)
{
    struct rate peer = {0};
    struct device *device = registry_add(home->registry, &tasmota_dialect, BYSTANDER, &peer, true, NULL);

    device_set(device, DEVICE_SOFTWARE_VERSION, "1.0.0");
    device_set_online(device, true);
    tasmota_dialect.restore(home->ctx, device);
    registry_announce(device);
    return device;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_home *home = calloc(1, sizeof(*home));
    struct str rest = {(const char *)data, size}, line;
    const struct device *other;

    fake_home_init(home, &tasmota_dialect, NULL);
    other = bystander(home);
    while (size && str_next(&rest, '\n', &line))
        if (line.len)
            play(home, line.data[0], (struct str){line.data + 1, line.len - 1});
    other = registry_find(home->registry, "tasmota:" BYSTANDER);
    require(other && other->rejected == 0 && !other->quarantined, "a bystander pays");
    require(strcmp(device_text(other, DEVICE_SOFTWARE_VERSION), "1.0.0") == 0, "a bystander's version");
    fake_home_done(home, false);
    free(home);
    return 0;
}
