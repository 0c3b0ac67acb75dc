/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Home Assistant dialect under hostile messages. An input is a conversation, one message per line, told apart by its
 * first byte:
 *   u  discovery of an update, s of a sensor, d of a device (upper case: not retained)
 *   v  its state, l its latest version, a its availability, on topics that discovery may name ("f/s", "f/l", "f/a")
 *   p  a template by itself                                i  the firmware manager asks for an update
 *   t  5 s pass                                            b  the broker goes and comes
 * Whatever comes, nothing crashes, nothing is subscribed that is a filter, and the second device stays as it is.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/dialects/homeassistant.h"
#include "devices/dialects/homeassistant_template.h"
#include "tests/unit/fake_home.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool true_one, const char *what)
{
    if (true_one)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static int on_subscribe(void *ctx, const char *topic, struct error *err)
{
    (void)ctx;
    (void)err;
    require(!strpbrk(topic, "+#") && topic[0] != '$' && topic[0], "a filter is subscribed");
    return 0;
}

static void on_topic(struct fake_home *home, const char *topic, const uint8_t *data, size_t len, bool retain)
{
    struct mqtt_message message = {.topic = topic, .payload = data, .len = len, .retain = retain};

    homeassistant_dialect.mqtt_message(home->ctx, &message);
}

static void template_alone(const uint8_t *data, size_t len)
{
    char *text = str_dup((const char *)data, len);
    struct ha_template template;

    if (ha_template_parse(text, &template) == 0)
        require((template.kind == HA_TEMPLATE_PATH) == (template.count > 0), "keys of a template");
    ha_template_done(&template);
    free(text);
}

static void ask_for_updates(struct fake_home *home)
{
    struct firmware_install install = {.offer = "latest", .version = ""};

    for (uint32_t i = 1; i < home->registry->count; i++) {
        struct device *device = home->registry->devices[i];

        device->target.ops->install(&device->target, &install, NULL);
        device->target.ops->read_version(&device->target, NULL);
    }
}

static void play(struct fake_home *home, uint8_t what, const uint8_t *data, size_t len)
{
    bool retain = islower(what);

    switch (tolower(what)) {
    case 'u':
        on_topic(home, "homeassistant/update/f/config", data, len, retain);
        break;
    case 's':
        on_topic(home, "homeassistant/sensor/node/f/config", data, len, retain);
        break;
    case 'd':
        on_topic(home, "homeassistant/device/f/config", data, len, retain);
        break;
    case 'v':
        on_topic(home, "f/s", data, len, retain);
        break;
    case 'l':
        on_topic(home, "f/l", data, len, retain);
        break;
    case 'a':
        on_topic(home, "f/a", data, len, retain);
        break;
    case 'p':
        template_alone(data, len);
        break;
    case 'i':
        ask_for_updates(home);
        break;
    case 't':
        fake_home_advance(home, 5000);
        break;
    case 'b':
        homeassistant_dialect.broker(home->ctx, false);
        homeassistant_dialect.broker(home->ctx, true);
        break;
    default:
        break;
    }
}

static void begin(struct fake_home *home)
{
    fake_home_init(home, NULL, NULL);
    home->lan.subscribe = on_subscribe;
    home->host.homeassistant_prefix = "homeassistant";
    home->dialect = &homeassistant_dialect;
    home->ctx = homeassistant_dialect.create(&home->host);
}

static const struct device *bystander(struct fake_home *home)
{
    static const char config[] = "{\"dev\":{\"ids\":\"bystander\"},\"stat_t\":\"b/s\",\"avty_t\":\"b/a\","
                                 "\"cmd_t\":\"b/c\",\"pl_inst\":\"x\"}";

    on_topic(home, "homeassistant/update/bystander/config", (const uint8_t *)config, strlen(config), true);
    fake_home_advance(home, 5000);
    on_topic(home, "b/a", (const uint8_t *)"online", 6, false);
    on_topic(home, "b/s", (const uint8_t *)"1.0.0", 5, false);
    return registry_find(home->registry, "homeassistant:bystander");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char own[] = "bystander";
    struct fake_home *home = calloc(1, sizeof(*home));
    const struct device *other;
    /* Who speaks under its name is that device, as far as anybody can tell. */
    bool named = memmem(data, size, own, strlen(own)) || memmem(data, size, "b/", 2) ||
                 memmem(data, size, "\\u", 2);

    begin(home);
    other = bystander(home);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end ? (size_t)(end - data) : size;

        if (len > 0)
            play(home, data[0], data + 1, len - 1);
        data += end ? len + 1 : len;
        size -= end ? len + 1 : len;
    }
    if (!named) {
        require(other->rejected == 0 && !other->quarantined, "a bystander pays");
        require(strcmp(device_text(other, DEVICE_SOFTWARE_VERSION), "1.0.0") == 0, "a bystander's version");
    }
    fake_home_done(home, false);
    free(home);
    return 0;
}
