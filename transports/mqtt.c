/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/mqtt.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/resolve.h"
#include "transports/mqtt_internal.h"

const bool mqtt_available = true;

struct mqtt_client {
    struct loop *loop;
    const struct mqtt_ops *ops;
    void *ctx;
    enum mqtt_status status;
    struct mqtt_stats stats;
    struct mqtt_session *session; /* NULL: stopped */
    struct mqtt_session *next;    /* with newer settings, for the next connection; or NULL */
    struct mqtt_extras extras;
    struct resolve *resolving;
    struct addrinfo *addresses;
    struct addrinfo *address; /* to be tried next */
    struct timer timer;       /* waits to try, for CONNACK, or to ping */
    uint32_t retries;         /* since it was connected */
    uint32_t retry_s;
    uint32_t retry_multiplier;
    uint32_t retry_max_s;
    struct mqtt_limits limits; /* as the broker wants them */
};

static void try_next(struct mqtt_client *client);

/* ---- resolving ---- */

static void forget_addresses(struct mqtt_client *client)
{
    resolve_cancel(client->resolving);
    client->resolving = NULL;
    if (client->addresses)
        freeaddrinfo(client->addresses);
    client->addresses = NULL;
    client->address = NULL;
}

static void on_resolved(void *ctx, struct addrinfo *addresses, const struct error *err)
{
    struct mqtt_client *client = ctx;

    client->resolving = NULL;
    client->addresses = addresses;
    client->address = addresses;
    if (addresses)
        try_next(client);
    else
        mqtt_client_lost(client, err);
}

static void use_next(struct mqtt_client *client)
{
    if (!client->next)
        return;
    mqtt_session_free(client->session);
    client->session = client->next;
    client->next = NULL;
}

static void resolve(struct mqtt_client *client)
{
    struct error err;

    forget_addresses(client);
    use_next(client);
    client->status = MQTT_STATUS_CONNECTING;
    client->resolving = resolve_start(client->loop, client->session->host, on_resolved, client, &err);
    if (!client->resolving)
        mqtt_client_lost(client, &err);
}

/* ---- connecting ---- */

static void try_next(struct mqtt_client *client)
{
    const struct addrinfo *address = client->address;
    char numeric[NI_MAXHOST];
    struct error err;

    if (!address) {
        error_set(&err, ERROR_INTERNAL, client->session->host, "the name has no address");
        mqtt_client_lost(client, &err);
        return;
    }
    client->address = address->ai_next;
    if (getnameinfo(address->ai_addr, address->ai_addrlen, numeric, sizeof(numeric), NULL, 0,
                    NI_NUMERICHOST) != 0)
        numeric[0] = '\0';
    timer_arm(&client->loop->timers, &client->timer, MQTT_CONNECT_S * 1000);
    if (mqtt_session_connect(client->session, numeric, &err) < 0)
        mqtt_client_lost(client, &err);
}

/* How often pings are looked after: libmosquitto sends one when the time is over, and gives up after as long again. */
static uint64_t tick_ms(const struct mqtt_client *client)
{
    uint64_t ms = (uint64_t)client->limits.keep_alive_s * 1000 / 4;

    return ms < 1000 ? 1000 : ms;
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct mqtt_client *client = ctx;
    struct error err;

    (void)timer;
    if (client->status == MQTT_STATUS_CONNECTED) {
        timer_arm(&client->loop->timers, &client->timer, tick_ms(client));
        mqtt_session_tick(client->session);
    } else if (client->session->ended && client->address) {
        try_next(client);
    } else if (client->session->ended) {
        resolve(client);
    } else {
        mqtt_session_close(client->session);
        error_set(&err, ERROR_INTERNAL, client->session->host, "no answer within %d s (port %u)",
                  MQTT_CONNECT_S, client->session->port);
        mqtt_client_lost(client, &err);
    }
}

void mqtt_client_connected(struct mqtt_client *client, const struct mqtt_connack *connack,
                           const struct mqtt_limits *limits)
{
    client->status = MQTT_STATUS_CONNECTED;
    client->retries = 0; /* R-MQTT.11 */
    client->limits = *limits;
    client->stats.established = clock_wall(&client->loop->clock);
    client->stats.messages_received++;
    client->stats.last_received = client->stats.established;
    if (limits->keep_alive_s)
        timer_arm(&client->loop->timers, &client->timer, tick_ms(client));
    else
        timer_cancel(&client->loop->timers, &client->timer);
    client->ops->connected(client->ctx, connack);
}

/* The session is ended (or never began to connect): the next address at once, or all again after the back-off. */
void mqtt_client_lost(struct mqtt_client *client, const struct error *err)
{
    bool was_connected = client->status == MQTT_STATUS_CONNECTED;

    client->stats.connection_errors++;
    if (!was_connected && client->address) {
        timer_arm(&client->loop->timers, &client->timer, 0); /* not from inside libmosquitto */
        return;
    }
    client->status = MQTT_STATUS_ERROR_UNREACHABLE;
    if (client->retries < UINT32_MAX)
        client->retries++;
    forget_addresses(client);
    timer_arm(&client->loop->timers, &client->timer,
              timer_backoff(client->retry_s, client->retry_multiplier, client->retries, client->retry_max_s));
    client->ops->disconnected(client->ctx, err);
}

/* ---- what comes in ---- */

void mqtt_client_subscribed(struct mqtt_client *client, const char *topic, int qos_or_reason)
{
    client->ops->subscribed(client->ctx, topic, qos_or_reason);
}

void mqtt_client_heard(struct mqtt_client *client)
{
    client->stats.messages_received++;
}

void mqtt_client_message(struct mqtt_client *client, const struct mqtt_message *message)
{
    client->stats.messages_received++;
    client->stats.publish_received++;
    client->stats.last_received = clock_wall(&client->loop->clock);
    client->ops->message(client->ctx, message);
}

/* ---- the client ---- */

struct mqtt_client *mqtt_client_new(struct loop *loop, const struct mqtt_ops *ops, void *ctx)
{
    struct mqtt_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->loop = loop;
    client->ops = ops;
    client->ctx = ctx;
    timer_init(&client->timer, on_timer, client);
    return client;
}

void mqtt_client_stop(struct mqtt_client *client)
{
    timer_cancel(&client->loop->timers, &client->timer);
    forget_addresses(client);
    mqtt_session_free(client->next);
    client->next = NULL;
    mqtt_session_free(client->session);
    client->session = NULL;
    client->status = MQTT_STATUS_DISABLED;
}

void mqtt_client_free(struct mqtt_client *client)
{
    if (!client)
        return;
    mqtt_client_stop(client);
    loop_run_deferred(client->loop); /* the session goes now: there may be no other iteration */
    mqtt_extras_done(&client->extras);
    free(client);
}

static int check(const struct mqtt_settings *settings, struct error *err)
{
    if (!settings->host || !*settings->host || !settings->port)
        return error_set(err, ERROR_INVALID_CONFIGURATION, settings->host,
                         "an MQTT broker has a host and a port");
    if (settings->will.len > LIMIT_RECORD_BYTES)
        return error_set(err, ERROR_INVALID_CONFIGURATION, settings->host, "the will is too long");
    if (settings->will.topic && (!*settings->will.topic || !settings->will.len))
        return error_set(err, ERROR_INVALID_CONFIGURATION, settings->host,
                         "a will has a topic and a value: set WillTopic and WillValue");
    return 0;
}

/* What needs no new connection. */
static int take_settings(struct mqtt_client *client, const struct mqtt_settings *settings, struct error *err)
{
    if (mqtt_extras_make(&client->extras, settings, err) < 0)
        return -1;
    client->retry_s = settings->retry_s;
    client->retry_multiplier = settings->retry_multiplier;
    client->retry_max_s = settings->retry_max_s;
    return 0;
}

int mqtt_client_start(struct mqtt_client *client, const struct mqtt_settings *settings, struct error *err)
{
    struct mqtt_session *session;

    mqtt_client_stop(client);
    client->status = MQTT_STATUS_ERROR_MISCONFIGURED;
    if (check(settings, err) < 0 || take_settings(client, settings, err) < 0)
        return -1;
    session = mqtt_session_new(client, client->loop, settings, &client->extras, err);
    if (!session)
        return -1;
    client->session = session;
    client->retries = 0;
    resolve(client);
    return 0;
}

int mqtt_client_configure(struct mqtt_client *client, const struct mqtt_settings *settings, struct error *err)
{
    struct mqtt_session *next;

    if (!client->session)
        return error_set(err, ERROR_INTERNAL, settings->host, "the MQTT client was not started");
    if (check(settings, err) < 0 || take_settings(client, settings, err) < 0)
        return -1;
    next = mqtt_session_new(client, client->loop, settings, &client->extras, err);
    if (!next)
        return -1;
    mqtt_session_free(client->next);
    client->next = next;
    return 0;
}

void mqtt_client_reconnect(struct mqtt_client *client)
{
    if (!client->session)
        return;
    timer_cancel(&client->loop->timers, &client->timer);
    mqtt_session_disconnect(client->session);
    client->retries = 0;
    forget_addresses(client);
    client->status = MQTT_STATUS_CONNECTING;
    timer_arm(&client->loop->timers, &client->timer, 0); /* not from inside libmosquitto */
}

enum mqtt_status mqtt_client_status(const struct mqtt_client *client)
{
    return client->status;
}

const struct mqtt_stats *mqtt_client_stats(const struct mqtt_client *client)
{
    return &client->stats;
}

void mqtt_client_reset_stats(struct mqtt_client *client)
{
    client->stats = (struct mqtt_stats){0};
}

/* ---- what goes out ---- */

static int not_connected(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, NULL, "not connected to the broker");
}

static int sent(struct mqtt_client *client, int rc, const char *what, const char *topic, struct error *err)
{
    if (rc != MOSQ_ERR_SUCCESS)
        return error_set(err, ERROR_INTERNAL, topic, "cannot %s: %s", what, mosquitto_strerror(rc));
    client->stats.messages_sent++;
    client->stats.last_sent = clock_wall(&client->loop->clock);
    return 0;
}

static int publish(struct mqtt_client *client, const struct mqtt_publication *publication)
{
    struct mqtt_session *session = client->session;
    /* TR-181, PublishQoS: the highest that the broker supports. libmosquitto leaves RETAIN out by itself. */
    int qos = publication->qos < client->limits.maximum_qos ? publication->qos : client->limits.maximum_qos;
    mosquitto_property *properties = NULL;
    int mid = 0;
    int rc = 0;

    if (client->extras.publish)
        rc = mosquitto_property_copy_all(&properties, client->extras.publish);
    if (!rc && session->version == MQTT_5_0)
        rc = mqtt_publish_properties(&properties, publication);
    if (!rc) {
        session->publishing = true;
        session->published = 0;
        rc = mosquitto_publish_v5(session->mosq, &mid, publication->topic, (int)publication->len,
                                  publication->payload, qos, publication->retain, properties);
        session->publishing = false;
    }
    mosquitto_property_free_all(&properties);
    /* Out of memory only costs the count of this one. */
    if (!rc && session->published != mid)
        mqtt_waiting_add(&session->waiting, mid, qos, publication->len);
    return rc;
}

int mqtt_client_publish(struct mqtt_client *client, const struct mqtt_publication *publication,
                        struct error *err)
{
    const struct limits *limits = client->loop->limits;
    struct mqtt_session *session = client->session;
    int rc;

    if (client->status != MQTT_STATUS_CONNECTED) {
        client->stats.publish_errors++;
        return not_connected(err);
    }
    if (publication->len > limits->queue_bytes ||
        session->waiting.bytes > limits->queue_bytes - publication->len ||
        session->waiting.count >= limits->queue_messages) {
        client->stats.publish_errors++;
        return error_set(err, ERROR_RESOURCES_EXCEEDED, publication->topic,
                         "too much waits for the broker (%s is %u, %s is %u)",
                         LIMIT_SAYS(limits, queue_bytes), LIMIT_SAYS(limits, queue_messages));
    }
    mqtt_session_settle(session);
    rc = publish(client, publication);
    if (rc)
        client->stats.publish_errors++;
    else
        client->stats.publish_sent++;
    return sent(client, rc, "publish", publication->topic, err);
}

int mqtt_client_subscribe(struct mqtt_client *client, const char *topic, int qos, struct error *err)
{
    int rc;

    if (client->status != MQTT_STATUS_CONNECTED)
        return not_connected(err);
    mqtt_session_settle(client->session);
    rc = mqtt_session_subscribe(client->session, &topic, 1, qos);
    if (!rc)
        client->stats.subscribe_sent++;
    return sent(client, rc, "subscribe", topic, err);
}

int mqtt_client_subscribe_all(struct mqtt_client *client, const struct mqtt_filter *filters, size_t count,
                              struct error *err)
{
    const char **topics;
    int rc = 0;

    if (client->status != MQTT_STATUS_CONNECTED)
        return not_connected(err);
    topics = malloc((count ? count : 1) * sizeof(*topics));
    if (!topics)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    mqtt_session_settle(client->session);
    /* libmosquitto has one QoS for a packet. */
    for (int qos = 0; !rc && qos <= 2; qos++) {
        size_t n = 0;

        for (size_t i = 0; i < count; i++)
            if (filters[i].qos == qos)
                topics[n++] = filters[i].topic;
        if (!n)
            continue;
        rc = sent(client, mqtt_session_subscribe(client->session, topics, n, qos), "subscribe", topics[0],
                  err);
        if (!rc)
            client->stats.subscribe_sent++;
    }
    free(topics);
    return rc;
}

int mqtt_client_unsubscribe(struct mqtt_client *client, const char *topic, struct error *err)
{
    int rc;

    if (client->status != MQTT_STATUS_CONNECTED)
        return not_connected(err);
    mqtt_session_settle(client->session);
    rc = mosquitto_unsubscribe_v5(client->session->mosq, NULL, topic, client->extras.unsubscribe);
    if (!rc)
        client->stats.unsubscribe_sent++;
    return sent(client, rc, "unsubscribe", topic, err);
}

bool mqtt_topic_matches(const char *filter, const char *topic)
{
    bool matches = false;

    return mosquitto_topic_matches_sub(filter, topic, &matches) == MOSQ_ERR_SUCCESS && matches;
}
