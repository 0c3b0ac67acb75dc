/* SPDX-License-Identifier: BSD-3-Clause */
/* A row of Device.MQTT.Client.: its settings, its broker, what the broker says to its account, and its topics. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "tools/homepatch/doctor.h"
#include "usp/record.h"

enum {
    REFUSED = 0x80, /* MQTT reason codes from here on are failures */
    NOBODY = 0x10,  /* PUBACK of 5.0: no matching subscribers */
    SUSPICIOUS_ERRORS = 5,
};

#define P(doctor, client, name) doctor_text(doctor, "%s." name, client)

/* ---- CONNACK ---- */

static bool is_one_of(int code, int a, int b, int c)
{
    return code == a || code == b || code == c;
}

bool doctor_mqtt_verdict(struct doctor *doctor, struct probe *probe, int code, bool version_5,
                         const char *username, const char *client)
{
    const char *said;

    if (code == 0)
        return true;
    if (code < 0 && strstr(probe->why, "certificate")) {
        doctor_fail(doctor, "tls_certificate_file",
                    doctor_text(doctor, "the broker refuses this gateway's certificate: %s", probe->why),
                    "let tls_certificate_file and tls_key_file name a certificate that the broker accepts");
        return false;
    }
    if (code < 0) {
        doctor_fail(doctor, client[0] ? P(doctor, client, "BrokerPort") : username,
                    doctor_text(doctor, "the broker does not answer CONNECT: %s", probe->why),
                    client[0] ? doctor_text(doctor,
                                            "see that %s.BrokerPort is the port of an MQTT broker, and that "
                                            "%s.TransportProtocol (TLS or TCP/IP) is what it speaks there",
                                            client, client)
                              : "see that this is the address of an MQTT broker");
        return false;
    }
    said = doctor_text(doctor, "the broker refuses the connection: reason code %d (0x%02x), %s", code, code,
                       probe_mqtt_reason(code));
    if (is_one_of(code, version_5 ? 0x86 : 4, version_5 ? 0x87 : 5, 0x8c))
        doctor_fail(
            doctor, username, said,
            doctor_text(doctor, "set %s and the password to an account that the broker knows", username));
    else if (is_one_of(code, 1, 0x84, 1))
        doctor_fail(
            doctor, P(doctor, client, "ProtocolVersion"), said,
            doctor_text(doctor, "set %s.ProtocolVersion to a version that the broker speaks", client));
    else if (is_one_of(code, 2, 0x85, 2))
        doctor_fail(doctor, P(doctor, client, "ClientID"), said,
                    doctor_text(doctor, "set %s.ClientID to one that the broker allows", client));
    else
        doctor_fail(doctor, client, said, "the broker's log says more");
    return false;
}

/* ---- settings ---- */

static bool check_row(struct doctor *doctor, const char *client)
{
    if (!doctor_exists(doctor, client)) {
        doctor_fail(doctor, client, doctor_text(doctor, "there is no row %s", client),
                    "add it, or let the MQTT.Reference of the MTP row name one that exists");
        return false;
    }
    if (!doctor_true(doctor_get(doctor, "%s.Enable", client))) {
        doctor_fail(doctor, P(doctor, client, "Enable"), doctor_text(doctor, "%s is disabled", client),
                    doctor_text(doctor, "homepatch set %s.Enable true", client));
        return false;
    }
    if (!doctor_get(doctor, "%s.BrokerAddress", client)[0]) {
        doctor_fail(doctor, P(doctor, client, "BrokerAddress"),
                    doctor_text(doctor, "%s names no broker", client),
                    doctor_text(doctor, "homepatch set %s.BrokerAddress HOST", client));
        return false;
    }
    return true;
}

struct topics {
    const char *client;
    const char *mtp;
    struct probe *probe; /* connected to the broker, or NULL */
    bool version_5;
    unsigned enabled;
};

static void check_subscription(struct doctor *doctor, unsigned instance, void *ctx)
{
    struct topics *topics = ctx;
    const char *row = doctor_text(doctor, "%s.Subscription.%u", topics->client, instance);
    const char *topic = doctor_get(doctor, "%s.Topic", row);
    const char *status = doctor_get(doctor, "%s.Status", row);
    int code = 0;

    if (!doctor_true(doctor_get(doctor, "%s.Enable", row)))
        return;
    topics->enabled++;
    if (!topic[0]) {
        doctor_fail(doctor, P(doctor, row, "Topic"), doctor_text(doctor, "%s has no topic", row),
                    doctor_text(doctor, "homepatch set %s.Topic TOPIC", row));
        return;
    }
    if (topics->probe)
        code = probe_mqtt_subscribe(topics->probe, topics->version_5, topic);
    if (code >= REFUSED || strcmp(status, "Error") == 0)
        doctor_fail(doctor, P(doctor, row, "Topic"),
                    doctor_text(doctor, "the broker does not let this account subscribe to \"%s\" (%s)",
                                topic, code >= REFUSED ? probe_mqtt_reason(code) : "Status is Error"),
                    doctor_text(doctor,
                                "allow it in the broker's access list, or set %s.Topic to a topic that is",
                                row));
    else if (topics->probe || strcmp(status, "Subscribed") == 0)
        doctor_ok(doctor, P(doctor, row, "Topic"), doctor_text(doctor, "the agent listens to \"%s\"", topic));
}

static void check_topics(struct doctor *doctor, struct topics *topics)
{
    const char *reply = doctor_get(doctor, "%s.MQTT.ResponseTopicConfigured", topics->mtp);
    const char *discovered = doctor_get(doctor, "%s.MQTT.ResponseTopicDiscovered", topics->mtp);

    if (strpbrk(reply, "+#"))
        doctor_fail(doctor, P(doctor, topics->mtp, "MQTT.ResponseTopicConfigured"),
                    doctor_text(doctor,
                                "the response topic \"%s\" holds a wildcard: nobody can publish to it",
                                reply),
                    "set it to one topic");
    doctor_rows(doctor, doctor_text(doctor, "%s.Subscription.", topics->client), check_subscription, topics);
    if (!topics->enabled && !reply[0] && !discovered[0])
        doctor_fail(
            doctor, P(doctor, topics->mtp, "MQTT.ResponseTopicConfigured"),
            doctor_text(doctor,
                        "%s has no enabled Subscription and no response topic: the agent hears nothing",
                        topics->client),
            doctor_text(doctor, "homepatch set %s.MQTT.ResponseTopicConfigured TOPIC", topics->mtp));
}

/* ---- the connection ---- */

static void check_status(struct doctor *doctor, const char *client)
{
    const char *status = doctor_get(doctor, "%s.Status", client);
    const char *errors = doctor_get(doctor, "%s.Stats.ConnectionErrors", client);
    uint64_t count = 0;

    if (!doctor->live)
        return;
    if (strcmp(status, "Connected") != 0)
        doctor_fail(
            doctor, P(doctor, client, "Status"),
            doctor_text(doctor, "the agent's own connection is not up: %s.Status is %s", client, status),
            "what failed above says why; if nothing did, homepatchd's log. It tries again by "
            "itself");
    else if (str_to_u64(str_of(errors), &count) == 0 && count >= SUSPICIOUS_ERRORS)
        doctor_warn(doctor, P(doctor, client, "ClientID"),
                    doctor_text(doctor, "the agent is connected, but was thrown out %s times", errors),
                    "see that no other client uses the same ClientID: a broker keeps only the newest");
    else
        doctor_ok(doctor, P(doctor, client, "Status"), "the agent itself is connected to the broker");
}

/* The account that the agent uses. The password cannot be read back: the factory configuration may know it. */
static bool account(struct doctor *doctor, const char *client, struct probe_mqtt *ret)
{
    const char *username = doctor_get(doctor, "%s.Username", client);
    const char *path = doctor_text(doctor, "%s.Password", client);
    const char *password = doctor_factory(doctor, path);

    ret->version_5 = strcmp(doctor_get(doctor, "%s.ProtocolVersion", client), "3.1.1") != 0;
    ret->client_id = doctor_text(doctor, "homepatch-doctor-%d", (int)getpid());
    ret->username = username[0] ? username : NULL;
    ret->password = password[0] ? password : NULL;
    return !ret->username || ret->password;
}

static struct link link_of(struct doctor *doctor, const char *client)
{
    uint16_t port = doctor_port(doctor_get(doctor, "%s.BrokerPort", client));

    return (struct link){
        .host = doctor_get(doctor, "%s.BrokerAddress", client),
        .port = port ? port : 1883,
        .tls = strcmp(doctor_get(doctor, "%s.TransportProtocol", client), "TLS") == 0,
        .host_parameter = P(doctor, client, "BrokerAddress"),
        .port_parameter = P(doctor, client, "BrokerPort"),
        .tls_parameter = P(doctor, client, "TransportProtocol"),
    };
}

/* Connects as the agent would, under another client identifier. */
static bool knock(struct doctor *doctor, const char *client, struct probe *probe, struct probe_mqtt *mqtt)
{
    struct link link = link_of(doctor, client);
    bool complete = account(doctor, client, mqtt);
    int code;

    if (!doctor_link(doctor, &link, probe))
        return false;
    if (!complete) {
        doctor_warn(doctor, P(doctor, client, "Password"),
                    doctor_text(doctor,
                                "the password of \"%s\" cannot be read back, so its account was not tried",
                                mqtt->username),
                    "see what the agent's own Status says");
        return false;
    }
    code = probe_mqtt_connect(probe, mqtt);
    if (!doctor_mqtt_verdict(doctor, probe, code, mqtt->version_5, P(doctor, client, "Username"), client))
        return false;
    doctor_ok(doctor, client, "the broker accepts this account");
    return true;
}

void doctor_mqtt_client(struct doctor *doctor, const char *client, const char *mtp)
{
    struct topics topics = {.client = client, .mtp = mtp};
    const char *mark = doctor_text(doctor, "|%s|", client);
    struct probe_mqtt mqtt;
    struct probe probe;

    if (strstr(doctor->clients_done, mark) || !check_row(doctor, client))
        return;
    doctor->clients_done = doctor_text(doctor, "%s%s", doctor->clients_done, mark);
    probe_init(&probe);
    if (knock(doctor, client, &probe, &mqtt)) {
        topics.probe = &probe;
        topics.version_5 = mqtt.version_5;
    }
    check_status(doctor, client);
    check_topics(doctor, &topics);
    probe_done(&probe);
}

/*
 * Whether anybody listens to the controller's topic: the agent's own Connect record (R-MTP.6), which a controller is used to
 * get whenever the agent connects, is published once more, and an MQTT 5 broker says if nobody took it.
 */
void doctor_mqtt_listener(struct doctor *doctor, const char *client, const char *mtp,
                          const char *controller_mtp, const char *endpoint)
{
    const char *topic = doctor_get(doctor, "%s.MQTT.Topic", controller_mtp);
    const char *reply = doctor_get(doctor, "%s.MQTT.ResponseTopicConfigured", mtp);
    struct probe_mqtt mqtt;
    struct link link = link_of(doctor, client);
    struct tls_settings tls = doctor_tls(doctor);
    struct probe probe;
    struct buf record;
    int code = -1;

    if (!account(doctor, client, &mqtt) || !mqtt.version_5)
        return; /* 3.1.1 cannot say it */
    probe_init(&probe);
    buf_init(&record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_record_mqtt_connect(&record, str_of(endpoint),
                            str_of(doctor_get(doctor, "Device.LocalAgent.EndpointID")), true, str_of(reply));
    if (!record.failed && probe_connect(&probe, link.host, link.port) == 0 &&
        (!link.tls || probe_tls(&probe, &tls, link.host) == 0) && probe_mqtt_connect(&probe, &mqtt) == 0)
        code = probe_mqtt_publish(&probe, true, topic, buf_data(&record), record.len);
    if (code == NOBODY)
        doctor_fail(
            doctor, P(doctor, controller_mtp, "MQTT.Topic"),
            doctor_text(doctor,
                        "nobody at the broker is subscribed to \"%s\", where the agent sends what is for %s",
                        topic, endpoint),
            doctor_text(doctor,
                        "set %s.MQTT.Topic to the topic that the controller listens to; if it is that, the "
                        "controller is not connected to this broker",
                        controller_mtp));
    else if (code >= REFUSED)
        doctor_fail(doctor, P(doctor, controller_mtp, "MQTT.Topic"),
                    doctor_text(doctor, "the broker does not let this account publish to \"%s\" (%s)", topic,
                                probe_mqtt_reason(code)),
                    "allow it in the broker's access list");
    else if (code == 0)
        doctor_ok(doctor, P(doctor, controller_mtp, "MQTT.Topic"),
                  doctor_text(doctor, "somebody is subscribed to \"%s\"", topic));
    buf_done(&record);
    probe_done(&probe);
}
