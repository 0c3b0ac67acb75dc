/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/mqtt_sides.h"

const char *mq_broker_program(void)
{
    return access("/usr/sbin/mosquitto", X_OK) == 0 ? "/usr/sbin/mosquitto" : NULL;
}

static void maybe_stop(struct mq_side *side)
{
    if (side->stop)
        mqtt_client_stop(side->client);
    side->stop = false;
}

static void on_connected(void *ctx, const struct mqtt_connack *connack)
{
    struct mq_side *side = ctx;

    side->connected++;
    side->session_present = connack->session_present;
    snprintf(side->assigned, sizeof(side->assigned), "%s",
             connack->assigned_client_id ? connack->assigned_client_id : "");
    side->properties[0] = '\0';
    for (size_t i = 0; i < connack->properties_count; i++)
        snprintf(side->properties + strlen(side->properties),
                 sizeof(side->properties) - strlen(side->properties), "%s=%s ", connack->properties[i].name,
                 connack->properties[i].value);
    if (side->subscribe)
        assert_int_equal(mqtt_client_subscribe(side->client, side->subscribe, 1, NULL), 0);
    maybe_stop(side);
}

static void on_disconnected(void *ctx, const struct error *err)
{
    struct mq_side *side = ctx;

    side->disconnected++;
    snprintf(side->why, sizeof(side->why), "%s", err->message);
    maybe_stop(side);
}

static void on_subscribed(void *ctx, const char *topic, int qos_or_reason)
{
    struct mq_side *side = ctx;

    (void)topic;
    side->subscribed++;
    side->reason = qos_or_reason;
}

static void on_message(void *ctx, const struct mqtt_message *message)
{
    struct mq_side *side = ctx;
    struct mqtt_publication answer = {
        .topic = message->response_topic, .payload = message->payload, .len = message->len};

    side->messages++;
    side->bytes += message->len;
    snprintf(side->topic, sizeof(side->topic), "%s", message->topic);
    snprintf(side->text, sizeof(side->text), "%.*s", (int)(message->len < 90 ? message->len : 90),
             (const char *)message->payload);
    snprintf(side->response_topic, sizeof(side->response_topic), "%s",
             message->response_topic ? message->response_topic : "");
    snprintf(side->content_type, sizeof(side->content_type), "%s",
             message->content_type ? message->content_type : "");
    if (side->answer && message->response_topic)
        assert_int_equal(mqtt_client_publish(side->client, &answer, NULL), 0);
    maybe_stop(side);
}

const struct mqtt_ops mq_ops = {.connected = on_connected,
                                .disconnected = on_disconnected,
                                .subscribed = on_subscribed,
                                .message = on_message};

/* ---- the broker ---- */

void mq_start_broker(struct mq_fixture *f)
{
    char config[100];
    char name[] = "mosquitto";
    char option[] = "-c";
    char *argv[] = {name, option, config, NULL};

    snprintf(config, sizeof(config), "%s/broker.conf", f->folder);
    f->broker = process_start(mq_broker_program(), argv);
    process_wait_port(f->broker, f->port);
}

void mq_configure_broker(struct mq_fixture *f, const char *more)
{
    char path[100];
    FILE *file;

    snprintf(path, sizeof(path), "%s/broker.conf", f->folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(
        file,
        "per_listener_settings false\nallow_anonymous true\nlistener %u 127.0.0.1\nlistener %u 127.0.0.1\n"
        "cafile %s/ca.pem\ncertfile %s/server\nkeyfile %s/server\nmax_queued_messages 0\nuser root\n%s",
        f->port, f->tls_port, f->pki.folder, f->pki.folder, f->pki.folder, more);
    fclose(file);
}

int mq_setup(void **state)
{
    struct mq_fixture *f = calloc(1, sizeof(*f));

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(loop_init(&f->loop, NULL), 0);
    pki_init(&f->pki);
    pki_issue(&f->pki, "server", "DNS:localhost,IP:127.0.0.1", -1, 10);
    snprintf(f->folder, sizeof(f->folder), "%s", f->pki.folder);
    f->port = process_free_port();
    f->tls_port = process_free_port();
    f->fd = f->peer = -1;
    f->one.client = mqtt_client_new(&f->loop, &mq_ops, &f->one);
    f->two.client = mqtt_client_new(&f->loop, &mq_ops, &f->two);
    assert_non_null(f->one.client);
    assert_non_null(f->two.client);
    f->settings = (struct mqtt_settings){
        .version = MQTT_5_0,
        .host = "127.0.0.1",
        .port = f->port,
        .keep_alive_s = 60,
        .clean = true,
        .request_problem_info = true,
        .retry_s = 1,
        .retry_multiplier = 1000,
        .retry_max_s = 1,
    };
    *state = f;
    return 0;
}

int mq_teardown(void **state)
{
    struct mq_fixture *f = *state;

    mqtt_client_free(f->one.client);
    mqtt_client_free(f->two.client);
    process_stop(f->broker);
    if (f->fd >= 0)
        close(f->fd);
    if (f->peer >= 0)
        close(f->peer);
    loop_done(&f->loop);
    pki_done(&f->pki);
    free(f);
    return 0;
}

int mq_setup_broker(void **state)
{
    struct mq_fixture *f;

    mq_setup(state);
    f = *state;
    if (mq_broker_program()) {
        mq_configure_broker(f, "");
        mq_start_broker(f);
    }
    return 0;
}

void mq_start(struct mq_fixture *f, struct mq_side *side, const char *id)
{
    struct error err;

    f->settings.client_id = id;
    if (mqtt_client_start(side->client, &f->settings, &err) < 0)
        fail_msg("%s: %s", err.path, err.message);
    WAIT_FOR(&f->loop, side->connected || side->disconnected);
    if (!side->connected)
        fail_msg("%s", side->why);
}

int mq_publish(struct mq_side *side, const char *topic, const char *text, int qos, const char *response_topic)
{
    struct mqtt_publication publication = {.topic = topic,
                                           .payload = text,
                                           .len = strlen(text),
                                           .qos = qos,
                                           .response_topic = response_topic,
                                           .content_type = "usp.msg"};

    return mqtt_client_publish(side->client, &publication, NULL);
}
