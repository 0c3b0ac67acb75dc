/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Shelly dialect under hostile messages. An input is a conversation, one message per line, told apart by its first
 * byte:
 *   o  retained, O  live message on PREFIX/online        e  message on PREFIX/events/rpc
 *   a  answer on our topic                               w  message on the WebSocket session
 *   c  the session closes, and a new one opens           t  10 s pass
 *   C  the same, opened by us, with a password           S  the password that is configured
 *   u  the firmware manager asks for an update           r  a stored row of the registry
 * In messages, a byte 0x01 stands for the id of the newest request. Whatever comes, nothing crashes, and the second
 * device, which has done nothing, stays as it is.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/device_record.h"
#include "devices/dialects/shelly.h"
#include "devices/json.h"
#include "tests/unit/fake_home.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PREFIX "shellyplus1-a8032abe54dc"
#define BYSTANDER "shelly1minig3-84fce63a1b2c"

struct table {
    struct fake_home home;
    struct lan_session session;
    struct rate address;
    char password[64];
    bool open;
};

static void require(bool true_one, const char *what)
{
    if (true_one)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

/* The id of the newest request, as digits. */
static size_t newest_id(struct table *table, char to[24])
{
    cJSON *frame = json_parse((const uint8_t *)table->home.frame, strlen(table->home.frame), NULL);
    uint64_t id = 0;

    json_number(frame, "id", UINT32_MAX, &id);
    cJSON_Delete(frame);
    return (size_t)snprintf(to, 24, "%llu", (unsigned long long)id);
}

static struct buf expand(struct table *table, const uint8_t *line, size_t len)
{
    struct buf out;
    char id[24];
    size_t digits = newest_id(table, id);

    buf_init(&out, 1u << 20, 0);
    buf_append(&out, "", 0);
    for (size_t i = 0; i < len; i++)
        line[i] == 1 ? buf_append(&out, id, digits) : buf_append_byte(&out, line[i]);
    return out;
}

static void on_topic(struct table *table, const char *topic, const struct buf *payload, bool retain)
{
    struct mqtt_message message = {
        .topic = topic, .payload = buf_data(payload), .len = payload->len, .retain = retain};

    shelly_dialect.mqtt_message(table->home.ctx, &message);
}

static void reopen(struct table *table, bool outbound)
{
    if (table->open)
        shelly_dialect.closed(table->home.ctx, &table->session);
    table->session = (struct lan_session){
        .address = "192.168.1.9", .path = outbound ? "/rpc" : "/shelly", .new_devices = &table->address};
    if (outbound) {
        table->session.outbound = true;
        table->session.entry = "192.168.1.9";
        table->session.password = table->password[0] ? table->password : NULL;
    }
    table->open = shelly_dialect.opened(table->home.ctx, &table->session) == 0;
}

static void ask_for_update(struct table *table)
{
    struct device *device = registry_find(table->home.registry, "shelly:" PREFIX);
    struct firmware_install install = {.url = "http://192.168.1.1:7681/x", .path = "/x", .version = "1.5.0"};

    if (device)
        device->target.ops->install(&device->target, &install, NULL);
}

static void stored_row(const struct buf *text)
{
    struct device *device = device_record_read(
        STR("shelly:x"), (struct str){(const char *)buf_data(text), text->len}, dialect_find);

    if (!device)
        return;
    for (size_t i = 0; i < DEVICE_TEXTS; i++)
        free(device->text[i]);
    free(device->key);
    free(device);
}

static void play(struct table *table, uint8_t what, const struct buf *text)
{
    switch (what) {
    case 'o':
    case 'O':
        on_topic(table, PREFIX "/online", text, what == 'o');
        break;
    case 'e':
        on_topic(table, PREFIX "/events/rpc", text, false);
        break;
    case 'a':
        on_topic(table, "homepatch/" PREFIX "/rpc", text, false);
        break;
    case 'w':
        if (table->open)
            shelly_dialect.message(table->home.ctx, &table->session, false, buf_data(text), text->len);
        break;
    case 'c':
        reopen(table, false);
        break;
    case 'C':
        reopen(table, true);
        break;
    case 'S':
        snprintf(table->password, sizeof(table->password), "%.*s", (int)(text->len > 60 ? 60 : text->len),
                 (const char *)buf_data(text));
        if (table->session.outbound)
            table->session.password = table->password[0] ? table->password : NULL;
        break;
    case 't':
        fake_home_advance(&table->home, 10000);
        break;
    case 'u':
        ask_for_update(table);
        break;
    case 'r':
        stored_row(text);
        break;
    default:
        break;
    }
}

static struct device *bystander(struct table *table)
{
    struct rate peer = {0};
    struct device *device = registry_add(table->home.registry, &shelly_dialect, BYSTANDER, &peer, true, NULL);

    device_set(device, DEVICE_SOFTWARE_VERSION, "1.0.0");
    device_set(device, DEVICE_MODEL, "S3SW-001X8EU");
    device_set(device, DEVICE_ADDRESS, BYSTANDER);
    device_set_online(device, true);
    shelly_dialect.restore(table->home.ctx, device);
    registry_announce(device);
    return device;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table *table = calloc(1, sizeof(*table));
    const struct device *other;

    fake_home_init(&table->home, &shelly_dialect, NULL);
    other = bystander(table);
    reopen(table, false);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end ? (size_t)(end - data) : size;

        if (len > 0) {
            struct buf text = expand(table, data + 1, len - 1);

            play(table, data[0], &text);
            buf_done(&text);
        }
        data += end ? len + 1 : len;
        size -= end ? len + 1 : len;
    }
    require(other->rejected == 0 && !other->quarantined, "a bystander pays");
    require(strcmp(device_text(other, DEVICE_SOFTWARE_VERSION), "1.0.0") == 0, "a bystander's version");
    require(table->home.registry->count <= 2, "rows without devices");
    if (table->open)
        shelly_dialect.closed(table->home.ctx, &table->session);
    fake_home_done(&table->home, false);
    free(table);
    return 0;
}
