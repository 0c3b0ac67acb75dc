/* SPDX-License-Identifier: BSD-3-Clause */
/* As much MQTT (3.1.1 and 5.0) as it takes to knock at a broker and to look around. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "tools/homepatch/probe.h"

enum {
    CONNECT = 0x10,
    CONNACK = 0x20,
    PUBLISH = 0x30,
    PUBACK = 0x40,
    SUBSCRIBE = 0x82,
    SUBACK = 0x90,
    QOS_1 = 0x02,
    PACKET_MAX = 1 << 16,
    KEEP_ALIVE_S = 30,
    FLAG_CLEAN = 0x02,
    FLAG_PASSWORD = 0x40,
    FLAG_USERNAME = 0x80,
};

struct packet {
    uint8_t type; /* first byte */
    const uint8_t *body;
    size_t len;
    size_t size; /* with its header */
};

/* ---- writing ---- */

static void put_u16(struct buf *buf, size_t value)
{
    buf_append_byte(buf, (uint8_t)(value >> 8));
    buf_append_byte(buf, (uint8_t)value);
}

static void put_text(struct buf *buf, const char *text)
{
    size_t len = strlen(text);

    put_u16(buf, len);
    buf_append(buf, text, len);
}

static int send_packet(struct probe *probe, uint8_t type, struct buf *body)
{
    uint8_t head[5] = {type};
    size_t left = body->len;
    size_t n = 1;
    int rc = -1;

    do {
        head[n++] = (uint8_t)(left % 128 | (left >= 128 ? 0x80 : 0));
        left /= 128;
    } while (left && n < sizeof(head));
    if (!body->failed && buf_prepend(body, head, n) == 0)
        rc = probe_send(probe, buf_data(body), body->len);
    buf_done(body);
    return rc;
}

/* ---- reading ---- */

/* 1: a whole packet is at the start of the input; 0: not yet; -1: what is there is no MQTT. */
static int parse_packet(const struct probe *probe, struct packet *ret)
{
    const uint8_t *data = buf_data(&probe->input);
    size_t len = 0;

    for (size_t i = 1; i < 5; i++) {
        if (i >= probe->input.len)
            return 0;
        len |= (size_t)(data[i] & 0x7f) << (7 * (i - 1));
        if (data[i] & 0x80)
            continue;
        if (len > PACKET_MAX)
            return -1;
        *ret = (struct packet){data[0], data + i + 1, len, i + 1 + len};
        return probe->input.len >= ret->size;
    }
    return -1;
}

/* The next packet of this type; others are dropped. It is at the start of the input until the next call. */
static int wait_packet(struct probe *probe, uint8_t type, struct packet *ret)
{
    for (;;) {
        int rc = parse_packet(probe, ret);

        if (rc > 0 && (ret->type & 0xf0) == type)
            return 0;
        if (rc > 0) {
            buf_consume(&probe->input, ret->size);
            continue;
        }
        if (rc < 0) {
            snprintf(probe->why, sizeof(probe->why), "what answers on this port does not speak MQTT");
            return -1;
        }
        if (probe_more(probe, PROBE_MS) < 0)
            return -1;
    }
}

/* Skips the properties of MQTT 5 at `at`; the offset behind them, or SIZE_MAX. */
static size_t skip_properties(const struct packet *packet, size_t at)
{
    size_t len = 0;

    for (unsigned shift = 0; shift < 28 && at < packet->len; shift += 7) {
        uint8_t byte = packet->body[at++];

        len |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return len <= packet->len - at ? at + len : SIZE_MAX;
    }
    return SIZE_MAX;
}

/* ---- the steps ---- */

int probe_mqtt_connect(struct probe *probe, const struct probe_mqtt *settings)
{
    struct packet packet;
    struct buf body;
    uint8_t flags = FLAG_CLEAN;
    int code;

    if (settings->username)
        flags |= FLAG_USERNAME;
    if (settings->password)
        flags |= FLAG_PASSWORD;
    buf_init(&body, PACKET_MAX, 8);
    put_text(&body, "MQTT");
    buf_append_byte(&body, settings->version_5 ? 5 : 4);
    buf_append_byte(&body, flags);
    put_u16(&body, KEEP_ALIVE_S);
    if (settings->version_5)
        buf_append_byte(&body, 0);
    put_text(&body, settings->client_id);
    if (settings->username)
        put_text(&body, settings->username);
    if (settings->password)
        put_text(&body, settings->password);
    if (send_packet(probe, CONNECT, &body) < 0 || wait_packet(probe, CONNACK, &packet) < 0)
        return -1;
    code = packet.len >= 2 ? packet.body[1] : -1;
    buf_consume(&probe->input, packet.size);
    return code;
}

int probe_mqtt_subscribe(struct probe *probe, bool version_5, const char *filter)
{
    struct packet packet;
    struct buf body;
    size_t at = 2;
    int code;

    buf_init(&body, PACKET_MAX, 8);
    put_u16(&body, 1);
    if (version_5)
        buf_append_byte(&body, 0);
    put_text(&body, filter);
    buf_append_byte(&body, 0);
    if (send_packet(probe, SUBSCRIBE, &body) < 0 || wait_packet(probe, SUBACK, &packet) < 0)
        return -1;
    if (version_5)
        at = skip_properties(&packet, at);
    code = at < packet.len ? packet.body[at] : -1;
    buf_consume(&probe->input, packet.size);
    return code;
}

int probe_mqtt_publish(struct probe *probe, bool version_5, const char *topic, const void *payload,
                       size_t len)
{
    struct packet packet;
    struct buf body;
    int code;

    buf_init(&body, PACKET_MAX, 8);
    put_text(&body, topic);
    put_u16(&body, 2);
    if (version_5)
        buf_append_byte(&body, 0);
    buf_append(&body, payload, len);
    if (send_packet(probe, PUBLISH | QOS_1, &body) < 0 || wait_packet(probe, PUBACK, &packet) < 0)
        return -1;
    code = packet.len > 2 ? packet.body[2] : 0;
    buf_consume(&probe->input, packet.size);
    return code;
}

static bool is_new(const char *const *topics, size_t count, struct str topic)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(topic, topics[i]))
            return false;
    return true;
}

size_t probe_mqtt_topics(struct probe *probe, uint64_t ms, struct arena *arena,
                         const char *topics[PROBE_TOPICS])
{
    struct clock clock = {0};
    uint64_t end = clock_monotonic(&clock) + ms;
    size_t count = 0;

    while (count < PROBE_TOPICS) {
        uint64_t now = clock_monotonic(&clock);
        struct packet packet;
        int rc = parse_packet(probe, &packet);

        if (rc < 0 || (rc == 0 && (now >= end || probe_more(probe, end - now) < 0)))
            break;
        if (rc == 0)
            continue;
        if ((packet.type & 0xf0) == PUBLISH && packet.len > 2) {
            size_t len = (size_t)packet.body[0] << 8 | packet.body[1];
            struct str topic = {(const char *)packet.body + 2, len};

            if (len <= packet.len - 2 && str_is_utf8(topic) && is_new(topics, count, topic)) {
                const char *copy = arena_strndup(arena, topic.data, topic.len);

                if (copy)
                    topics[count++] = copy;
            }
        }
        buf_consume(&probe->input, packet.size);
    }
    return count;
}

const char *probe_mqtt_reason(int code)
{
    static const struct {
        int code;
        const char *text;
    } reasons[] = {
        {0x01, "unacceptable protocol version"},
        {0x02, "client identifier rejected"},
        {0x03, "server unavailable"},
        {0x04, "bad user name or password"},
        {0x05, "not authorized"},
        {0x80, "unspecified error"},
        {0x81, "malformed packet"},
        {0x82, "protocol error"},
        {0x83, "implementation specific error"},
        {0x84, "unsupported protocol version"},
        {0x85, "client identifier not valid"},
        {0x86, "bad user name or password"},
        {0x87, "not authorized"},
        {0x88, "server unavailable"},
        {0x89, "server busy"},
        {0x8a, "banned"},
        {0x8c, "bad authentication method"},
        {0x8f, "topic filter invalid"},
        {0x90, "topic name invalid"},
        {0x95, "packet too large"},
        {0x97, "quota exceeded"},
        {0x9c, "use another server"},
        {0x9d, "server moved"},
        {0x9f, "connection rate exceeded"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == code)
            return reasons[i].text;
    return "a reason that MQTT does not name";
}
