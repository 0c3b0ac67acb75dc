/* SPDX-License-Identifier: BSD-3-Clause */
/* The side of the home: the broker that devices use, and the ports where they meet the gateway. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tools/homepatch/doctor.h"

enum {
    LISTEN_MS = 1500, /* how long the LAN's broker is listened to */
    MQTT_PORT = 1883,
    SHOWN = 8, /* names in a line */
};

/* ---- the broker ---- */

/* The first parts of the topics, once each; whether one of them is the device that was asked for. */
static const char *speakers(struct doctor *doctor, const char *const *topics, size_t count, bool *ret_seen)
{
    const char *list = "";
    size_t shown = 0;

    *ret_seen = false;
    for (size_t i = 0; i < count; i++) {
        const char *name = app_copy(doctor->app, (struct str){topics[i], strcspn(topics[i], "/")});
        const char *mark = doctor_text(doctor, " %s,", name);

        if (doctor->name && strcasestr(topics[i], doctor->name))
            *ret_seen = true;
        if (strstr(doctor_text(doctor, " %s,", list), mark) || name[0] == '$')
            continue;
        if (shown++ < SHOWN)
            list = doctor_text(doctor, "%s%s%s", list, list[0] ? ", " : "", name);
    }
    return shown > SHOWN ? doctor_text(doctor, "%s and %zu more", list, shown - SHOWN) : list;
}

static void listen_to_devices(struct doctor *doctor, struct probe *probe)
{
    const char *topics[PROBE_TOPICS];
    const char *list;
    size_t count;
    bool seen;

    if (doctor->subject != SUBJECT_DEVICE || probe_mqtt_subscribe(probe, false, "#") >= 0x80)
        return;
    count = probe_mqtt_topics(probe, LISTEN_MS, doctor->arena, topics);
    list = speakers(doctor, topics, count, &seen);
    if (!list[0])
        doctor_warn(
            doctor, "lan_mqtt_broker", "nobody said anything at the LAN's broker while it was listened to",
            "see that MQTT is switched on in the devices' own settings, with this broker as their server");
    else if (doctor->name && !seen && !doctor_knows_device(doctor))
        doctor_warn(
            doctor, "lan_mqtt_broker",
            doctor_text(doctor, "the LAN's broker was listened to: nothing from \"%s\"; heard were %s",
                        doctor->name, list),
            "see that MQTT is switched on in the device's own settings, with this broker as its server");
    else
        doctor_ok(doctor, "lan_mqtt_broker", doctor_text(doctor, "at the LAN's broker are heard: %s", list));
}

static void check_broker(struct doctor *doctor)
{
    const char *broker = doctor_config(doctor, "lan_mqtt_broker");
    const char *username = doctor_config(doctor, "lan_mqtt_username");
    const char *password = doctor_config(doctor, "lan_mqtt_password");
    struct probe_mqtt mqtt = {
        .client_id = doctor_text(doctor, "homepatch-doctor-%d", (int)getpid()),
        .username = username[0] ? username : NULL,
        .password = password[0] ? password : NULL,
    };
    struct link link = {
        .host_parameter = "lan_mqtt_broker", .port_parameter = "lan_mqtt_broker", .tls_parameter = ""};
    struct probe probe;

    if (!broker[0])
        return;
    if (!doctor_address(doctor, broker, &link.host, &link.port)) {
        link.host = broker;
        link.port = MQTT_PORT;
    }
    probe_init(&probe);
    if (doctor_link(doctor, &link, &probe) &&
        doctor_mqtt_verdict(doctor, &probe, probe_mqtt_connect(&probe, &mqtt), false, "lan_mqtt_username",
                            "")) {
        doctor_ok(doctor, "lan_mqtt_broker", "the LAN's broker accepts the agent's account");
        listen_to_devices(doctor, &probe);
    }
    probe_done(&probe);
}

/* ---- the ports of the gateway ---- */

static void check_port(struct doctor *doctor, const char *key, const char *what)
{
    const char *address = doctor_config(doctor, key);
    struct probe probe;
    const char *host;
    uint16_t port;

    if (!address[0])
        return;
    if (!doctor_address(doctor, address, &host, &port)) {
        doctor_fail(doctor, key, doctor_text(doctor, "%s: \"%s\" is not ADDRESS:PORT", key, address),
                    doctor_text(doctor, "set %s to an address and a port", key));
        return;
    }
    probe_init(&probe);
    if (probe_connect(&probe, host, port) == 0)
        doctor_ok(doctor, key, doctor_text(doctor, "%s: the gateway takes %s at %s", key, what, address));
    else
        doctor_fail(
            doctor, key,
            doctor_text(doctor, "%s: nothing listens at %s for %s: %s", key, address, what, probe.why),
            doctor_text(
                doctor,
                "see that homepatchd runs, that no other program has the port, and that %s is an address "
                "of this gateway",
                key));
    probe_done(&probe);
}

static bool is_any(const char *address)
{
    return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0 || address[0] == ':';
}

/* "http://HOST:PORT/..." */
static void check_url(struct doctor *doctor)
{
    const char *url = doctor_config(doctor, "lan_http_url");
    const char *listen = doctor_config(doctor, "lan_http_listen");
    const char *host;
    const char *authority;
    struct probe probe;
    uint16_t port;

    if (!listen[0]) {
        doctor_warn(
            doctor, "lan_http_listen", "lan_http_listen is not set: nothing can be installed on devices",
            "set lan_http_listen to an address of the gateway on the LAN, and lan_http_url to what devices call it");
        return;
    }
    if (!url[0]) {
        if (is_any(listen))
            doctor_fail(
                doctor, "lan_http_url", "lan_http_url is not set, and the gateway listens on all addresses",
                "set lan_http_url to the address that devices reach, such as http://192.168.1.1:7681");
        return;
    }
    authority = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
    authority = app_copy(doctor->app, (struct str){authority, strcspn(authority, "/")});
    if (!doctor_address(doctor, authority, &host, &port)) {
        host = authority;
        port = 80;
    }
    probe_init(&probe);
    if (probe_connect(&probe, host, port) < 0)
        doctor_fail(doctor, "lan_http_url",
                    doctor_text(doctor, "lan_http_url: nothing answers at %s: %s", url, probe.why),
                    "set lan_http_url to the address of lan_http_listen that devices reach");
    else if (strncmp(probe.address, "127.", 4) == 0 || strcmp(probe.address, "::1") == 0)
        doctor_warn(doctor, "lan_http_url",
                    doctor_text(doctor, "lan_http_url is %s: only this machine itself reaches that", url),
                    "devices need an address of the gateway on the LAN");
    else
        doctor_ok(doctor, "lan_http_url", doctor_text(doctor, "devices are sent to %s, which answers", url));
    probe_done(&probe);
}

/* ---- the scan ---- */

static void check_scan(struct doctor *doctor)
{
    const char *interfaces = doctor_config(doctor, "scan_interfaces");
    const char *status = doctor_get(doctor, "Device.Hosts." VENDOR_PREFIX "Scan.Status");
    const char *count = doctor_get(doctor, "Device.Hosts.HostNumberOfEntries");
    const char *refused = doctor_get(doctor, "Device.Hosts." VENDOR_PREFIX "Scan.RefusedHosts");

    if (!interfaces[0]) {
        doctor_ok(doctor, "scan_interfaces", "scan_interfaces is not set: hosts of the LAN are not listed");
        return;
    }
    if (!doctor->live || !status[0])
        return;
    if (strcmp(status, "Error") == 0)
        doctor_warn(doctor, "scan_interfaces",
                    doctor_text(doctor, "the scan of %s goes on without a source: %s", interfaces,
                                doctor_get(doctor, "Device.Hosts." VENDOR_PREFIX "Scan.Problem")),
                    "homepatchd.conf(5) says what the keys scan_... need");
    else if (strcmp(count, "0") == 0)
        doctor_warn(doctor, "scan_interfaces", doctor_text(doctor, "no host was seen on %s yet", interfaces),
                    "see that scan_interfaces names the interfaces of the LAN, as ip link does");
    else
        doctor_ok(doctor, "scan_interfaces",
                  doctor_text(doctor, "%s hosts are listed of %s", count, interfaces));
    if (refused[0] && strcmp(refused, "0") != 0)
        doctor_warn(
            doctor, "scan_interfaces",
            doctor_text(doctor, "%s new hosts were refused: too many at once, or the table is full", refused),
            "look for a device on the LAN that invents MAC addresses");
}

void doctor_lan(struct doctor *doctor)
{
    if (!doctor->config)
        return;
    if (!doctor_config(doctor, "lan_mqtt_broker")[0] && !doctor_config(doctor, "lan_websocket_listen")[0])
        doctor_fail(doctor, "lan_mqtt_broker",
                    "neither lan_mqtt_broker nor lan_websocket_listen is set: no device can be found",
                    "set one of them in the agent's configuration");
    check_broker(doctor);
    check_port(doctor, "lan_websocket_listen", "WebSockets of devices");
    check_port(doctor, "lan_http_listen", "devices that fetch images");
    check_url(doctor);
    check_scan(doctor);
}
