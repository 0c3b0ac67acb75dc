/* SPDX-License-Identifier: BSD-3-Clause */
/* USP devices at the LAN's broker: whose record it is, where its sender may be answered, and what is left from before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/uspdev_bench.h"
#include "usp/record.h"

static const char *text(struct uspdev_bench *bench, enum device_field field)
{
    return device_text(uspdev_device(bench), field);
}

static void found_at_the_broker(void **state)
{
    struct uspdev_bench *bench = *state;

    bench->home.host.device_credentials = true;
    uspdev_dialect.destroy(bench->home.ctx);
    bench->home.ctx = uspdev_dialect.create(&bench->home.host);
    bench->over_mqtt = true;
    uspdev_connects(bench);
    assert_string_equal(bench->home.topic, LAMP_TOPIC);
    uspdev_run(bench);
    assert_int_equal(uspdev_device(bench)->grade, DEVICE_GRADE_B);
    assert_int_equal(uspdev_device(bench)->transport, DEVICE_MQTT);
    assert_string_equal(text(bench, DEVICE_ADDRESS), LAMP_TOPIC);
    uspdev_disconnects(bench);
    assert_false(uspdev_device(bench)->online);
    /* With better proof known, the topic that anybody may publish to proves nothing. */
    bench->home.sent = 0;
    fake_home_forget_logs(&bench->home);
    {
        struct buf record;

        buf_init(&record, 4096, 128);
        usp_record_mqtt_connect(&record, STR(GATEWAY), STR(LAMP), true, STR(LAMP_TOPIC));
        uspdev_dialect.mqtt_message(bench->home.ctx,
                                    &(struct mqtt_message){.topic = "homepatch/usp/controller",
                                                           .payload = buf_data(&record),
                                                           .len = record.len});
        buf_done(&record);
    }
    assert_int_equal(bench->home.sent, 0);
    assert_int_equal(uspdev_device(bench)->rejected, 1);
    assert_string_equal(text(bench, DEVICE_ADDRESS), LAMP_TOPIC);
}

/* 3.1.1 has reply topics in topics, both ways. */
static void reply_topics_of_3_1_1(void **state)
{
    struct uspdev_bench *bench = *state;
    struct buf record;

    bench->over_mqtt = true;
    buf_init(&record, 4096, 128);
    usp_record_mqtt_connect(&record, STR(GATEWAY), STR(LAMP), false, STR(LAMP_TOPIC "/#"));
    uspdev_dialect.mqtt_message(
        bench->home.ctx,
        &(struct mqtt_message){.topic = LAMP_SAYS "/reply-to=homepatch%2Fusp%2Fagent%2F" LAMP,
                               .payload = buf_data(&record),
                               .len = record.len});
    buf_done(&record);
    assert_string_equal(bench->home.topic, LAMP_TOPIC "/reply-to=homepatch%2Fusp%2Fcontroller%2F" LAMP);
    uspdev_run(bench);
    assert_non_null(uspdev_device(bench));
}

/* Nothing is published where a device has no business. */
static void listens_where_it_may_not(void **state)
{
    static const char *const topics[] = {"shellyplus1-x/rpc",
                                         "homepatch/usp/agent/",
                                         "homepatch/usp/agent/+",
                                         "homepatch/usp/agentx/y",
                                         "homepatch/usp/agent/" LAMP,
                                         "homepatch/usp/agent/os::0A0B0C-",
                                         "homepatch/usp/agent/os::0A0B0C-6/#/x"};
    struct uspdev_bench *bench = *state;

    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        char eid[32], topic[80];
        struct buf record;

        snprintf(eid, sizeof(eid), "os::0A0B0C-%zu", i);
        snprintf(topic, sizeof(topic), "homepatch/usp/controller/%s", eid);
        buf_init(&record, 4096, 128);
        usp_record_mqtt_connect(&record, STR(GATEWAY), str_of(eid), true, str_of(topics[i]));
        assert_true(uspdev_dialect.mqtt_message(
            bench->home.ctx,
            &(struct mqtt_message){.topic = topic, .payload = buf_data(&record), .len = record.len}));
        buf_done(&record);
        assert_int_equal(bench->home.sent, 0);
        assert_int_equal(bench->home.registry->stats.rejected, i + 1);
    }
}

/* Nor is a device that is known sent somewhere else from now on, in neither of the two ways to ask for it. */
static void moves_to_the_topic_of_another(void **state)
{
    static const char other[] = "homepatch/usp/agent/os::0A0B0C-OTHER";
    static const char *const ways[] = {LAMP_SAYS,
                                       LAMP_SAYS "/reply-to=homepatch%2Fusp%2Fagent%2Fos::0A0B0C-OTHER"};
    struct uspdev_bench *bench = *state;
    struct device *device;

    bench->home.host.device_credentials = true;
    device = uspdev_lamp(bench, true);
    for (size_t i = 0; i < 2; i++) {
        struct buf record;

        bench->home.sent = 0;
        buf_init(&record, 4096, 128);
        if (i == 0)
            usp_record_mqtt_connect(&record, STR(GATEWAY), STR(LAMP), true, STR(other));
        else
            usp_record_disconnect(&record, STR(GATEWAY), STR(LAMP), 0, STR("bye"));
        uspdev_dialect.mqtt_message(
            bench->home.ctx,
            &(struct mqtt_message){.topic = ways[i], .payload = buf_data(&record), .len = record.len});
        buf_done(&record);
        assert_int_equal(bench->home.sent, 0);
        assert_int_equal(device->rejected, i + 1);
        assert_true(device->online);
        assert_string_equal(device_text(device, DEVICE_ADDRESS), LAMP_TOPIC);
    }
    /* The fault is one record's: the next one is heard. */
    uspdev_disconnects(bench);
    assert_false(device->online);
}

/* A topic that one device may publish to speaks for nobody else, known or not. */
static void topic_of_another(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device = uspdev_lamp(bench, true);
    struct buf record;

    buf_init(&record, 4096, 128);
    usp_record_disconnect(&record, STR(GATEWAY), STR(LAMP), 0, STR("bye"));
    uspdev_dialect.mqtt_message(bench->home.ctx,
                                &(struct mqtt_message){.topic = "homepatch/usp/controller/os::0A0B0C-OTHER",
                                                       .payload = buf_data(&record),
                                                       .len = record.len});
    buf_done(&record);
    assert_true(device->online);
    assert_int_equal(bench->home.registry->stats.rejected, 1);
}

/* What the broker kept from before we listened: a device that is not known yet is asked, and it takes an answer to be one. */
static void retained(void **state)
{
    struct uspdev_bench *bench = *state;
    struct mqtt_message message = {.topic = LAMP_SAYS, .retain = true};
    struct device *device;
    struct buf record;

    bench->over_mqtt = true;
    buf_init(&record, 4096, 128);
    usp_record_disconnect(&record, STR(GATEWAY), STR(LAMP), 0, STR("bye"));
    message.payload = buf_data(&record), message.len = record.len;
    assert_true(uspdev_dialect.mqtt_message(bench->home.ctx, &message));
    assert_int_equal(bench->home.sent, 0);
    assert_int_equal(bench->home.registry->stats.rejected, 1);
    buf_clear(&record, 128);
    usp_record_mqtt_connect(&record, STR(GATEWAY), STR(LAMP), true, STR(LAMP_TOPIC));
    message.payload = buf_data(&record), message.len = record.len;
    assert_true(uspdev_dialect.mqtt_message(bench->home.ctx, &message));
    assert_null(uspdev_device(bench));
    uspdev_run(bench);
    device = uspdev_device(bench);
    assert_true(device && device->online);
    /* Of a known one it is no news, least of all that it started anew. */
    uspdev_forget(bench);
    bench->home.sent = 0;
    assert_true(uspdev_dialect.mqtt_message(bench->home.ctx, &message));
    assert_int_equal(bench->home.sent, 0);
    assert_int_equal(device->rejected, 0);
    buf_done(&record);
}

static void only_its_own_topics(void **state)
{
    static const char *const others[] = {"homepatch/usp/controllers/x", "homepatch/shelly/rpc", "x/online",
                                         "homepatch/usp/agent/" LAMP};
    struct uspdev_bench *bench = *state;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(uspdev_dialect.mqtt_message(
            bench->home.ctx, &(struct mqtt_message){.topic = others[i], .payload = NULL}));
    assert_int_equal(bench->home.registry->stats.rejected, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, uspdev_bench_up, uspdev_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(found_at_the_broker),           TEST(reply_topics_of_3_1_1), TEST(listens_where_it_may_not),
        TEST(moves_to_the_topic_of_another), TEST(topic_of_another),      TEST(retained),
        TEST(only_its_own_topics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
