/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a controller is not connected: its row, its role, its MTP rows, and what each of them needs. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "tools/homepatch/doctor.h"

enum {
    HTTP_OPEN = 101,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
};

#define P(doctor, row, name) doctor_text(doctor, "%s." name, row)

/* ---- WebSocket ---- */

static void explain_status(struct doctor *doctor, const char *row, const char *path, int status)
{
    const char *text = doctor_text(doctor, "WebSocket: the server answers HTTP %d to the path \"%s\"", status,
                                   path);

    if (status == HTTP_UNAUTHORIZED || status == HTTP_FORBIDDEN)
        doctor_fail(doctor, "tls_certificate_file", text,
                    "the server wants to know who is there: see tls_certificate_file, and the server's log");
    else
        doctor_fail(
            doctor, P(doctor, row, "WebSocket.Path"), text,
            doctor_text(doctor, "set %s.WebSocket.Path to the path where the controller takes USP", row));
}

static void check_websocket_client(struct doctor *doctor, const char *row)
{
    const char *path = doctor_get(doctor, "%s.WebSocket.Path", row);
    const char *encryption = doctor_get(doctor, "%s.WebSocket.EnableEncryption", row);
    uint16_t port = doctor_port(doctor_get(doctor, "%s.WebSocket.Port", row));
    struct link link = {
        .host = doctor_get(doctor, "%s.WebSocket.Host", row),
        .port = port ? port : 443,
        .tls = !encryption[0] || doctor_true(encryption),
        .host_parameter = P(doctor, row, "WebSocket.Host"),
        .port_parameter = P(doctor, row, "WebSocket.Port"),
        .tls_parameter = P(doctor, row, "WebSocket.EnableEncryption"),
    };
    /* An Endpoint ID of its own: as the agent's it would throw out the agent's session (R-WS.4). */
    const char *target = doctor_text(doctor, "%s%s%ceid=self::homepatch-doctor", path[0] == '/' ? "" : "/",
                                     path, strchr(path, '?') ? '&' : '?');
    bool subprotocol = false;
    struct probe probe;
    int status;

    probe_init(&probe);
    if (doctor_link(doctor, &link, &probe)) {
        status = probe_websocket(&probe, link.host, link.port, target, "v1.usp", &subprotocol);
        if (status < 0)
            doctor_fail(
                doctor, link.port_parameter,
                doctor_text(doctor, "WebSocket: no answer to the handshake: %s", probe.why),
                doctor_text(doctor,
                            "see that %s is the port of a WebSocket server, and %s (%s) what it speaks",
                            link.port_parameter, link.tls_parameter, link.tls ? "true" : "false"));
        else if (status != HTTP_OPEN)
            explain_status(doctor, row, path, status);
        else if (!subprotocol)
            doctor_fail(
                doctor, P(doctor, row, "WebSocket.Path"),
                "WebSocket: the server does not take the subprotocol v1.usp: it is no USP controller",
                doctor_text(doctor,
                            "set %s.WebSocket.Path (and Host, Port) to where the controller takes USP", row));
        else
            doctor_ok(doctor, P(doctor, row, "WebSocket.Path"), "WebSocket: the controller takes USP there");
    }
    probe_done(&probe);
    if (doctor->live && strcmp(doctor_get(doctor, "%s.WebSocket.CurrentRetryCount", row), "0") != 0)
        doctor_fail(doctor, P(doctor, row, "WebSocket.CurrentRetryCount"),
                    doctor_text(doctor, "the agent's own session is not up: it has tried %s times",
                                doctor_get(doctor, "%s.WebSocket.CurrentRetryCount", row)),
                    "the findings above say why; it tries again by itself");
}

/* ---- the agent's side of an MTP ---- */

static bool local_usable(struct doctor *doctor, const char *mtp, const char *protocol)
{
    if (strcmp(doctor_get(doctor, "%s.Protocol", mtp), protocol) != 0) {
        doctor_fail(doctor, P(doctor, mtp, "Protocol"),
                    doctor_text(doctor, "%s.Protocol is \"%s\", not %s", mtp,
                                doctor_get(doctor, "%s.Protocol", mtp), protocol),
                    doctor_text(doctor, "homepatch set %s.Protocol %s", mtp, protocol));
        return false;
    }
    if (!doctor_true(doctor_get(doctor, "%s.Enable", mtp))) {
        doctor_fail(doctor, P(doctor, mtp, "Enable"), doctor_text(doctor, "%s is disabled", mtp),
                    doctor_text(doctor, "homepatch set %s.Enable true", mtp));
        return false;
    }
    return true;
}

struct listener {
    const char *protocol;
    unsigned found;
};

/* Sockets on which a controller can come to the agent. */
static void check_listener(struct doctor *doctor, unsigned instance, void *ctx)
{
    struct listener *listener = ctx;
    const char *mtp = doctor_text(doctor, "Device.LocalAgent.MTP.%u", instance);
    const char *status = doctor_get(doctor, "%s.Status", mtp);

    if (strcmp(doctor_get(doctor, "%s.Protocol", mtp), listener->protocol) != 0 ||
        !doctor_true(doctor_get(doctor, "%s.Enable", mtp)))
        return;
    listener->found++;
    if (!doctor->live || strcmp(status, "Up") == 0)
        doctor_ok(doctor, P(doctor, mtp, "Status"),
                  doctor_text(doctor, "%s (%s) is up", mtp, listener->protocol));
    else if (strcmp(listener->protocol, "WebSocket") == 0)
        doctor_fail(
            doctor, P(doctor, mtp, "WebSocket.Port"),
            doctor_text(doctor, "%s.Status is %s: the agent could not open port %s", mtp, status,
                        doctor_get(doctor, "%s.WebSocket.Port", mtp)),
            doctor_text(
                doctor,
                "see that no other program has the port of %s.WebSocket.Port, and, with encryption, that "
                "tls_certificate_file and tls_key_file are set",
                mtp));
    else
        doctor_fail(
            doctor, P(doctor, mtp, "UDS.UnixDomainSocketRef"),
            doctor_text(doctor, "%s.Status is %s: the agent could not use its socket", mtp, status),
            "see that the row that it refers to has a Path in a directory that the agent may write to");
}

static void check_comes_itself(struct doctor *doctor, const char *controller, const char *protocol)
{
    struct listener listener = {protocol, 0};

    doctor_rows(doctor, "Device.LocalAgent.MTP.", check_listener, &listener);
    if (!listener.found)
        doctor_fail(
            doctor, "Device.LocalAgent.MTP.{i}.Protocol",
            doctor_text(doctor,
                        "%s would have to connect to the agent, but no enabled Device.LocalAgent.MTP. row "
                        "of Protocol %s listens",
                        controller, protocol),
            doctor_text(doctor, "homepatch add Device.LocalAgent.MTP. Enable=true Protocol=%s", protocol));
}

/* ---- MQTT ---- */

static const char *agent_topic(struct doctor *doctor, const char *mtp)
{
    const char *topic = doctor_get(doctor, "%s.MQTT.ResponseTopicConfigured", mtp);

    return topic[0] ? topic : doctor_get(doctor, "%s.MQTT.ResponseTopicDiscovered", mtp);
}

static bool check_topic(struct doctor *doctor, const char *row, const char *mtp)
{
    const char *topic = doctor_get(doctor, "%s.MQTT.Topic", row);
    const char *parameter = P(doctor, row, "MQTT.Topic");

    if (!topic[0])
        doctor_fail(doctor, parameter,
                    doctor_text(doctor, "%s is empty: the agent cannot send to the controller", parameter),
                    doctor_text(doctor, "homepatch set %s TOPIC, the topic that the controller listens to",
                                parameter));
    else if (strpbrk(topic, "+#"))
        doctor_fail(doctor, parameter,
                    doctor_text(doctor, "%s is \"%s\": nobody can publish to a wildcard", parameter, topic),
                    doctor_text(doctor, "set %s to the one topic that the controller listens to", parameter));
    else if (strcmp(topic, agent_topic(doctor, mtp)) == 0)
        doctor_fail(doctor, parameter,
                    doctor_text(doctor, "%s is \"%s\", where the agent itself listens: it talks to itself",
                                parameter, topic),
                    doctor_text(doctor, "set %s to the topic that the controller listens to", parameter));
    else
        return true;
    return false;
}

static void check_mqtt(struct doctor *doctor, const char *row, const char *endpoint)
{
    const char *mtp = doctor_get(doctor, "%s.MQTT.AgentMTPReference", row);
    const char *client;
    bool sends;

    if (!mtp[0] || !doctor_exists(doctor, mtp)) {
        doctor_fail(
            doctor, P(doctor, row, "MQTT.AgentMTPReference"),
            doctor_text(doctor, "%s.MQTT.AgentMTPReference names no row of Device.LocalAgent.MTP. (\"%s\")",
                        row, mtp),
            doctor_text(doctor,
                        "homepatch set %s.MQTT.AgentMTPReference Device.LocalAgent.MTP.N, the agent's row "
                        "of Protocol MQTT",
                        row));
        return;
    }
    if (!local_usable(doctor, mtp, "MQTT"))
        return;
    client = doctor_get(doctor, "%s.MQTT.Reference", mtp);
    if (!client[0]) {
        doctor_fail(doctor, P(doctor, mtp, "MQTT.Reference"),
                    doctor_text(doctor, "%s names no MQTT client", mtp),
                    doctor_text(doctor, "homepatch set %s.MQTT.Reference Device.MQTT.Client.N", mtp));
        return;
    }
    sends = check_topic(doctor, row, mtp);
    doctor_mqtt_client(doctor, client, mtp);
    if (sends)
        doctor_mqtt_listener(doctor, client, mtp, row, endpoint);
}

/* ---- rows ---- */

struct visit {
    const char *controller; /* path without dot */
    const char *endpoint;
    unsigned enabled;
};

static void check_mtp(struct doctor *doctor, unsigned instance, void *ctx)
{
    struct visit *visit = ctx;
    const char *row = doctor_text(doctor, "%s.MTP.%u", visit->controller, instance);
    const char *protocol = doctor_get(doctor, "%s.Protocol", row);

    if (!doctor_true(doctor_get(doctor, "%s.Enable", row))) {
        doctor_warn(doctor, P(doctor, row, "Enable"), doctor_text(doctor, "%s is disabled", row),
                    doctor_text(doctor, "homepatch set %s.Enable true", row));
        return;
    }
    visit->enabled++;
    if (strcmp(protocol, "MQTT") == 0)
        check_mqtt(doctor, row, visit->endpoint);
    else if (strcmp(protocol, "WebSocket") == 0 && doctor_get(doctor, "%s.WebSocket.Host", row)[0])
        check_websocket_client(doctor, row);
    else if (strcmp(protocol, "WebSocket") == 0 || strcmp(protocol, "UDS") == 0)
        check_comes_itself(doctor, visit->endpoint, protocol);
    else
        doctor_fail(doctor, P(doctor, row, "Protocol"), doctor_text(doctor, "%s.Protocol is not set", row),
                    doctor_text(doctor, "homepatch set %s.Protocol MQTT (or WebSocket, or UDS)", row));
}

static void count_permission(struct doctor *doctor, unsigned instance, void *ctx)
{
    (void)doctor;
    (void)instance;
    ++*(unsigned *)ctx;
}

static void check_role(struct doctor *doctor, const char *controller, const char *endpoint)
{
    const char *role = doctor_get(doctor, "%s.AssignedRole", controller);
    const char *parameter = P(doctor, controller, "AssignedRole");
    const char *fix = doctor_text(doctor, "homepatch set %s Device.LocalAgent.ControllerTrust.Role.1",
                                  parameter);
    unsigned permissions = 0;

    if (!role[0]) {
        doctor_warn(
            doctor, parameter,
            doctor_text(doctor,
                        "%s has no AssignedRole: it is untrusted, and most of the agent is hidden from it",
                        endpoint),
            fix);
        return;
    }
    if (!doctor->live || strchr(role, ','))
        return;
    doctor_rows(doctor, doctor_text(doctor, "%s.Permission.", role), count_permission, &permissions);
    if (!doctor_true(doctor_get(doctor, "%s.Enable", role)) || !permissions)
        doctor_fail(doctor, parameter,
                    doctor_text(doctor, "the role of %s, %s, %s: everything is hidden from it", endpoint,
                                role, permissions ? "is disabled" : "permits nothing"),
                    fix);
    else if (strcmp(doctor_get(doctor, "Device.LocalAgent.ControllerTrust.UntrustedRole"), role) == 0)
        doctor_warn(doctor, parameter,
                    doctor_text(doctor,
                                "%s has the untrusted role: it sees no devices and may change nothing",
                                endpoint),
                    fix);
    else
        doctor_ok(
            doctor, parameter,
            doctor_text(doctor, "%s has the role \"%s\"", endpoint, doctor_get(doctor, "%s.Name", role)));
}

static void check_controller(struct doctor *doctor, unsigned instance, void *ctx)
{
    const char *controller = doctor_text(doctor, "Device.LocalAgent.Controller.%u", instance);
    const char *endpoint = doctor_get(doctor, "%s.EndpointID", controller);
    struct visit visit = {.controller = controller, .endpoint = endpoint};
    unsigned *matched = ctx;

    if (doctor->name && strcmp(doctor->name, endpoint) != 0)
        return;
    ++*matched;
    if (!doctor->name && strcmp(endpoint, doctor->app->options.endpoint) == 0)
        return; /* this program; it got here */
    if (!doctor_true(doctor_get(doctor, "%s.Enable", controller))) {
        const char *text = doctor_text(doctor, "%s (%s) is disabled: the agent ignores it", controller,
                                       endpoint);
        const char *fix = doctor_text(doctor, "homepatch set %s.Enable true", controller);

        if (doctor->name)
            doctor_fail(doctor, P(doctor, controller, "Enable"), text, fix);
        else
            doctor_warn(doctor, P(doctor, controller, "Enable"), text, fix);
        return;
    }
    doctor_ok(doctor, P(doctor, controller, "Enable"),
              doctor_text(doctor, "%s is %s, enabled", controller, endpoint));
    check_role(doctor, controller, endpoint);
    if (!doctor_rows(doctor, doctor_text(doctor, "%s.MTP.", controller), check_mtp, &visit)) {
        check_comes_itself(doctor, endpoint,
                           strcmp(endpoint, doctor->app->options.endpoint) == 0 ? "UDS" : "WebSocket");
    } else if (!visit.enabled) {
        doctor_fail(doctor, doctor_text(doctor, "%s.MTP.1.Enable", controller),
                    doctor_text(doctor,
                                "no MTP row of %s is enabled: the agent does not know how to reach it",
                                endpoint),
                    doctor_text(doctor, "homepatch set %s.MTP.1.Enable true", controller));
    }
}

struct list {
    const char *text;
    const char *close; /* one that differs only in case */
};

static void list_controller(struct doctor *doctor, unsigned instance, void *ctx)
{
    struct list *list = ctx;
    const char *endpoint = doctor_get(doctor, "Device.LocalAgent.Controller.%u.EndpointID", instance);

    list->text = doctor_text(doctor, "%s%s%s", list->text, list->text[0] ? ", " : "", endpoint);
    if (strcasecmp(endpoint, doctor->name) == 0)
        list->close = doctor_text(doctor, "Device.LocalAgent.Controller.%u", instance);
}

void doctor_controllers(struct doctor *doctor)
{
    struct list list = {"", NULL};
    unsigned matched = 0;

    doctor_rows(doctor, "Device.LocalAgent.Controller.", check_controller, &matched);
    if (matched)
        return;
    if (!doctor->name) {
        doctor_fail(doctor, "Device.LocalAgent.Controller.{i}.EndpointID", "no controller is configured",
                    "homepatch add Device.LocalAgent.Controller. EndpointID=ID Enable=true "
                    "AssignedRole=Device.LocalAgent.ControllerTrust.Role.1");
        return;
    }
    doctor_rows(doctor, "Device.LocalAgent.Controller.", list_controller, &list);
    doctor_fail(
        doctor, "Device.LocalAgent.Controller.{i}.EndpointID",
        doctor_text(doctor,
                    "no row of Device.LocalAgent.Controller. has the EndpointID \"%s\" (there are: %s)",
                    doctor->name, list.text[0] ? list.text : "none"),
        list.close
            ? doctor_text(doctor, "capitals count: correct %s.EndpointID or the controller", list.close)
            : doctor_text(doctor,
                          "correct the EndpointID on one side, or: homepatch add "
                          "Device.LocalAgent.Controller. EndpointID=%s Enable=true "
                          "AssignedRole=Device.LocalAgent.ControllerTrust.Role.1",
                          doctor->name));
}
