/* SPDX-License-Identifier: BSD-3-Clause */
/* Two MQTT clients, as their owners see them, and a real broker (mosquitto) in a process of its own. */
#ifndef TESTS_UNIT_MQTT_SIDES_H
#define TESTS_UNIT_MQTT_SIDES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/pki.h"
#include "tests/unit/process.h"
#include "tests/unit/wait.h"
#include "transports/mqtt.h"

struct mq_side {
    struct mqtt_client *client;
    int connected, disconnected, subscribed, messages;
    int reason; /* of the last SUBACK */
    size_t bytes;
    bool session_present;
    char assigned[100], why[ERROR_MESSAGE_BYTES];
    char topic[100], text[100], response_topic[100], content_type[100];
    char properties[200];  /* "name=value " of CONNACK */
    const char *subscribe; /* when connected */
    bool answer;           /* each message to its response topic */
    bool stop;             /* in the next callback */
};

struct mq_fixture {
    struct loop loop;
    struct mq_side one, two;
    struct mqtt_settings settings;
    char folder[64];
    pid_t broker;
    uint16_t port, tls_port;
    struct pki pki;
    char paths[3][PKI_PATH_BYTES];
    int fd, peer; /* the broker of bytes */
};

extern const struct mqtt_ops mq_ops;

const char *mq_broker_program(void);
void mq_start_broker(struct mq_fixture *f);
void mq_configure_broker(struct mq_fixture *f, const char *more);
int mq_setup(void **state);
int mq_teardown(void **state);
int mq_setup_broker(void **state);
void mq_start(struct mq_fixture *f, struct mq_side *side, const char *id);
int mq_publish(struct mq_side *side, const char *topic, const char *text, int qos,
               const char *response_topic);

#define NEED_BROKER()                                      \
    do {                                                   \
        if (!mq_broker_program()) {                        \
            print_message("mosquitto is not installed\n"); \
            skip();                                        \
        }                                                  \
    } while (0)

#endif
