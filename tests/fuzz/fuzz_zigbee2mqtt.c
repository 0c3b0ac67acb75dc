/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Zigbee2MQTT dialect under hostile messages. An input is a conversation, one message per line, told apart by its
 * first byte:
 *   s  bridge/state      d  bridge/devices     r  a response      l  the lamp's topic     a  its availability
 *   t  10 s pass         u  the firmware manager asks for an update
 *   x  it gives that up  v  it asks for the version
 *   i  a firmware image, of which the header is read
 * In messages, a byte 0x01 stands for the transaction of the newest request. Whatever comes, nothing crashes, and a device
 * of the other bridge, which has done nothing, stays as it is.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/dialects/zigbee2mqtt_peer.h"
#include "tests/unit/fake_home.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LAMP "0x020d6ffffe010203"
#define BYSTANDER "0x02ffffffffffffff"

static void require(bool true_one, const char *what)
{
    if (true_one)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static struct buf expand(struct fake_home *home, const uint8_t *line, size_t len)
{
    cJSON *frame = json_parse((const uint8_t *)home->frame, strlen(home->frame), NULL);
    const char *transaction = json_text(frame, "transaction", 64);
    struct buf out;

    buf_init(&out, 1u << 20, 0);
    buf_append(&out, "", 0);
    for (size_t i = 0; i < len; i++) {
        if (line[i] == 1)
            buf_append_str(&out, transaction ? transaction : "");
        else
            buf_append_byte(&out, line[i]);
    }
    cJSON_Delete(frame);
    return out;
}

static void on_topic(struct fake_home *home, const char *topic, const struct buf *payload)
{
    struct mqtt_message message = {.topic = topic, .payload = buf_data(payload), .len = payload->len};

    require(zigbee2mqtt_dialect.mqtt_message(home->ctx, &message), "a topic of the bridge is not taken");
}

static void read_image(const struct buf *bytes)
{
    char path[] = "/tmp/homepatch-fuzz-XXXXXX";
    int fd = mkstemp(path);
    struct z2m_image image;

    if (fd < 0)
        return;
    if (write(fd, buf_data(bytes), bytes->len) == (ssize_t)bytes->len)
        z2m_image_read(path, &image, NULL);
    close(fd);
    unlink(path);
}

static void command(struct fake_home *home, uint8_t what)
{
    struct device *device = registry_find(home->registry, "zigbee2mqtt:" LAMP);
    struct firmware_install install = {.offer = "latest", .version = "2"};

    if (!device)
        return;
    if (what == 'u')
        device->target.ops->install(&device->target, &install, NULL);
    else if (what == 'x')
        device->target.ops->abort(&device->target);
    else
        device->target.ops->read_version(&device->target, NULL);
}

static void play(struct fake_home *home, uint8_t what, const struct buf *text)
{
    static const struct {
        uint8_t what;
        const char *topic;
    } topics[] = {
        {'s', "zigbee2mqtt/bridge/state"},
        {'d', "zigbee2mqtt/bridge/devices"},
        {'r', "zigbee2mqtt/bridge/response/device/ota_update/update"},
        {'l', "zigbee2mqtt/lamp"},
        {'a', "zigbee2mqtt/lamp/availability"},
    };

    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        if (topics[i].what == what)
            on_topic(home, topics[i].topic, text);
    if (what == 't')
        fake_home_advance(home, 10000);
    else if (what == 'i')
        read_image(text);
    else if (what == 'u' || what == 'x' || what == 'v')
        command(home, what);
}

static struct device *bystander(struct fake_home *home)
{
    static const char list[] =
        "[{\"type\":\"Coordinator\"},{\"type\":\"Router\",\"ieee_address\":\"" BYSTANDER
        "\",\"friendly_name\":\"other\",\"interview_state\":\"SUCCESSFUL\",\"manufacturer\":\"M\"}]";

    fake_home_mqtt(home, "attic/z2m/bridge/state", "online", true);
    fake_home_mqtt(home, "attic/z2m/bridge/devices", list, true);
    fake_home_mqtt(home, "attic/z2m/other", "{\"update\":{\"state\":\"idle\",\"installed_version\":1}}",
                   false);
    return registry_find(home->registry, "zigbee2mqtt:" BYSTANDER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_home *home = calloc(1, sizeof(*home));
    const struct device *other;

    fake_home_init(home, &zigbee2mqtt_dialect, NULL);
    other = bystander(home);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end ? (size_t)(end - data) : size;

        if (len > 0) {
            struct buf text = expand(home, data + 1, len - 1);

            play(home, data[0], &text);
            buf_done(&text);
        }
        data += end ? len + 1 : len;
        size -= end ? len + 1 : len;
    }
    require(registry_find(home->registry, "zigbee2mqtt:" BYSTANDER) == other, "a bystander is gone");
    require(other->rejected == 0 && !other->quarantined, "a bystander pays");
    require(strcmp(device_text(other, DEVICE_SOFTWARE_VERSION), "1") == 0, "a bystander's version");
    fake_home_done(home, false);
    free(home);
    return 0;
}
