/* SPDX-License-Identifier: BSD-3-Clause */
/* Which topics wait for a SUBACK: libmosquitto tells only the number of a packet. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "transports/mqtt_internal.h"

void mqtt_session_drop_subscriptions(struct mqtt_session *session)
{
    while (session->subscriptions) {
        struct subscription *subscription = session->subscriptions;

        session->subscriptions = subscription->next;
        free(subscription);
    }
    session->subscriptions_count = 0;
}

static void forget_last(struct mqtt_session *session, size_t count)
{
    for (; count; count--) {
        struct subscription *subscription = session->subscriptions;

        session->subscriptions = subscription->next;
        session->subscriptions_count--;
        free(subscription);
    }
}

static struct subscription *remember(struct mqtt_session *session, const char *topic, size_t place)
{
    size_t len = strlen(topic);
    struct subscription *subscription = malloc(sizeof(*subscription) + len + 1);

    if (!subscription)
        return NULL;
    memcpy(subscription->topic, topic, len + 1);
    subscription->place = (int)place;
    subscription->next = session->subscriptions;
    session->subscriptions = subscription;
    session->subscriptions_count++;
    return subscription;
}

int mqtt_session_subscribe(struct mqtt_session *session, const char *const *topics, size_t count, int qos)
{
    struct subscription *subscription;
    int mid;
    int rc;

    if (count > LIMIT_LAN_TOPICS - session->subscriptions_count)
        return MOSQ_ERR_OVERSIZE_PACKET;
    for (size_t i = 0; i < count; i++) {
        if (!remember(session, topics[i], i)) {
            forget_last(session, i);
            return MOSQ_ERR_NOMEM;
        }
    }
    rc = mosquitto_subscribe_multiple(session->mosq, &mid, (int)count, (char *const *)topics, qos, 0,
                                      session->extras->subscribe);
    if (rc) {
        forget_last(session, count);
        return rc;
    }
    subscription = session->subscriptions;
    for (size_t i = 0; i < count; i++, subscription = subscription->next)
        subscription->mid = mid;
    return 0;
}

void mqtt_session_subscribed(struct mqtt_session *session, int mid, int count, const int *granted)
{
    struct subscription *answered = NULL;

    if (session->client)
        mqtt_client_heard(session->client);
    for (struct subscription **at = &session->subscriptions; *at;) {
        struct subscription *subscription = *at;

        if (subscription->mid != mid) {
            at = &subscription->next;
            continue;
        }
        *at = subscription->next;
        session->subscriptions_count--;
        subscription->next = answered; /* the newest is met first: in the order of the packet again */
        answered = subscription;
    }
    /* The owner may subscribe again, or stop. */
    while (answered) {
        struct subscription *next = answered->next;

        if (session->client && !session->ended && answered->place < count)
            mqtt_client_subscribed(session->client, answered->topic, granted[answered->place]);
        free(answered);
        answered = next;
    }
}
