/* SPDX-License-Identifier: BSD-3-Clause */
/* From a peer that speaks to a device that is known: who it says it is, and whether that may be believed. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "devices/authority/authority.h"
#include "devices/dialects/uspdev_peer.h"
#include "devices/identity.h"

static struct device *find_device(const struct uspdev *uspdev, const char *eid)
{
    char key[8 + USPDEV_EID_MAX];

    snprintf(key, sizeof(key), "%s:%s", uspdev_dialect.name, eid);
    return registry_find(uspdev->host.registry, key);
}

/* ---- sessions that say their name ---- */

/* Two sessions are one device that lost its first connection when they come from the same address, or when the newer one
 * proves it. */
static bool same_device(const struct uspdev_peer *known, const struct uspdev_peer *candidate)
{
    return uspdev_grade(candidate) == DEVICE_GRADE_A ||
           (known->session && strcmp(known->session->address, candidate->session->address) == 0);
}

/* R-WS.4: the newer session is the device's, the older one ends. The candidate goes. */
static struct uspdev_peer *join(struct uspdev_peer *candidate, struct device *device)
{
    const struct lan *lan = candidate->uspdev->host.lan;
    struct uspdev_peer *peer = device->dialect_data;
    struct lan_session *old = peer->session;

    uspdev_forget_requests(peer);
    peer->session = candidate->session;
    peer->session->peer = peer;
    candidate->session = NULL;
    free(peer->topic); /* it is reached in one way */
    peer->topic = NULL;
    peer->subscribed = false;
    peer->excess = 0;
    uspdev_update_lost(peer);
    if (old) {
        old->peer = NULL;
        lan->close(lan->ctx, old, "the device came back on another connection");
    }
    uspdev_peer_free(candidate);
    return peer;
}

/* The peer of the known device that a candidate says it is; NULL: not believed, and the candidate is gone. */
static struct uspdev_peer *join_if_believed(struct uspdev_peer *candidate, struct device *device)
{
    struct uspdev_peer *peer = device->dialect_data;

    if (uspdev_grade(candidate) > device->grade && !device->accept_identity) {
        uspdev_drop_candidate(candidate, "it claims to be a device that is known by better proof");
        return NULL;
    }
    if (device->online && !same_device(peer, candidate)) {
        uspdev_drop_candidate(candidate, "it claims to be a device that is online elsewhere");
        uspdev_call(peer, USPDEV_INFO, NULL); /* unless that one is gone: then the next try is believed */
        return NULL;
    }
    return join(candidate, device);
}

/* NULL: the certificate, if there is one, is this endpoint's, or names nobody (R-SEC.0a). */
static const char *wrong_name(const struct uspdev_peer *candidate, const char *eid)
{
    X509 *certificate = candidate->session->certificate;

    if (strcmp(eid, candidate->uspdev->host.endpoint_id) == 0)
        return "it has the gateway's own Endpoint ID"; /* R-ARC.2 */
    if (certificate && !tls_certificate_names(certificate, eid) && tls_certificate_claims(certificate, eid))
        return "its certificate is another endpoint's";
    return NULL;
}

struct uspdev_peer *uspdev_claim(struct uspdev_peer *candidate, struct str eid)
{
    const char *wrong = NULL;
    struct device *device;

    candidate->eid = usp_endpoint_id_check(eid, NULL) == 0 ? str_dup(eid.data, eid.len) : NULL;
    if (!candidate->eid)
        wrong = "it says no Endpoint ID that a device may have";
    else
        wrong = wrong_name(candidate, candidate->eid);
    if (wrong) {
        uspdev_drop_candidate(candidate, wrong);
        return NULL;
    }
    device = find_device(candidate->uspdev, candidate->eid);
    if (device)
        candidate = join_if_believed(candidate, device);
    if (!candidate)
        return NULL;
    uspdev_greet(candidate);
    uspdev_call(candidate, USPDEV_PROTOCOL, NULL);
    uspdev_call(candidate, USPDEV_INFO, NULL);
    return candidate;
}

/* ---- what it says of itself ---- */

/* A candidate at the broker of the same name has to find out that the device is connected otherwise. */
static void forget_rival(struct uspdev_peer *peer)
{
    struct uspdev_peer *rival = map_get(&peer->uspdev->by_eid, str_of(peer->eid));

    if (!rival || rival == peer)
        return;
    peer->uspdev->candidates--;
    uspdev_peer_free(rival);
}

static struct uspdev_peer *add(struct uspdev_peer *candidate)
{
    struct uspdev *uspdev = candidate->uspdev;
    struct lan_session *session = candidate->session;
    struct error err = {0};
    struct device *device;

    if (session) {
        forget_rival(candidate);
        if (map_put(&uspdev->by_eid, str_of(candidate->eid), candidate) < 0) {
            uspdev_drop_candidate(candidate, "out of memory");
            return NULL;
        }
    }
    device = registry_add(uspdev->host.registry, &uspdev_dialect, candidate->eid,
                          session ? session->new_devices : &uspdev->broker_new,
                          session ? session->local : true, &err);
    if (!device) {
        uspdev_drop_candidate(candidate, err.message);
        return NULL;
    }
    candidate->device = device;
    device->dialect_data = candidate;
    if (!session)
        uspdev->candidates--;
    return candidate;
}

static const char *said(const char *text)
{
    return text[0] ? text : NULL;
}

/* What the manufacturer has certified is a statement of its own, and a better one than the device's. */
static bool certificate_agrees(struct uspdev_peer *peer, const struct uspdev_info *info)
{
    const struct authority *authority = peer->uspdev->host.authority;
    const struct issued *issued = authority && peer->session && peer->session->certificate
                                      ? authority_find(authority, peer->session->certificate)
                                      : NULL;
    struct identity identity = {.grade = DEVICE_GRADE_A, .source = DEVICE_SOURCE_CERTIFICATE};

    if (!issued || !issued->serial_number[0])
        return true;
    identity.serial_number = issued->serial_number;
    /* Two spellings of one name are no contradiction. */
    identity.manufacturer = strcasecmp(issued->manufacturer, info->manufacturer) == 0 ? info->manufacturer
                                                                                      : issued->manufacturer;
    return identity_present(peer->device, &identity) == IDENTITY_ACCEPTED;
}

static void describe(struct uspdev_peer *peer, const struct uspdev_info *info)
{
    struct device *device = peer->device;
    char oui[7];
    size_t digits = 0;

    for (; digits < 6 && isxdigit((unsigned char)info->oui[digits]); digits++)
        oui[digits] = (char)toupper((unsigned char)info->oui[digits]);
    oui[digits] = '\0';
    if (digits == 6 && !info->oui[6])
        device_set_fact(device, DEVICE_OUI, oui, device->grade, DEVICE_SOURCE_DEVICE);
    if (info->description[0])
        device_set(device, DEVICE_DESCRIPTION, info->description);
    device_set_own_name(device, info->friendly_name[0] ? info->friendly_name
                                : info->model[0]       ? info->model
                                                       : peer->eid);
}

static const char *active_name(const struct uspdev_info *info)
{
    for (size_t i = 0; i < USPDEV_BANKS; i++)
        if (info->active && info->banks[i].instance == info->active)
            return said(info->names[i]);
    return NULL;
}

/* The device is who it was: what it runs, and that it is here. */
static void welcome(struct uspdev_peer *peer, const struct uspdev_info *info)
{
    struct device *device = peer->device;
    bool changed = strcmp(device_text(device, DEVICE_SOFTWARE_VERSION), info->software_version) != 0;

    describe(peer, info);
    memcpy(peer->banks, info->banks, sizeof(peer->banks));
    peer->active = info->active;
    peer->lacks_download = peer->lacks_download || !info->banks[0].instance;
    if (str_replace(&peer->failure, said(info->log)) < 0) {
        free(peer->failure);
        peer->failure = NULL;
    }
    device_set_fact(device, DEVICE_SOFTWARE_VERSION, info->software_version, device->grade,
                    DEVICE_SOURCE_DEVICE);
    device_set(device, DEVICE_FIRMWARE_NAME, active_name(info));
    device_set_online(device, true);
    registry_announce(device);
    if (!peer->subscribed) {
        peer->subscribed = true;
        peer->missing = 0;
        if (info->banks[0].instance)
            uspdev_call(peer, USPDEV_SUPPORTED, NULL);
        uspdev_call(peer, USPDEV_SUBSCRIPTION, NULL);
    }
    uspdev_update_info(peer, info, changed);
    uspdev_schedule(peer);
}

void uspdev_identified(struct uspdev_peer *peer, const struct uspdev_info *info)
{
    struct device *device = peer->device;

    if (!device) {
        device = find_device(peer->uspdev, peer->eid); /* another session was faster */
        peer = device ? join_if_believed(peer, device) : add(peer);
    }
    if (!peer)
        return;
    device = peer->device;
    device->last_contacted = clock_wall(peer->uspdev->host.clock);
    device_set_transport(device, peer->session ? DEVICE_WEBSOCKET : DEVICE_MQTT);
    device_set(device, DEVICE_ADDRESS, peer->session ? NULL : peer->topic);
    device_set(device, DEVICE_IP, peer->session ? peer->session->address : NULL);
    /* Behind a proxy on this machine the address says nothing about who fetches. */
    device->target.address = peer->session && !peer->session->local ? device->text[DEVICE_IP] : NULL;
    if (certificate_agrees(peer, info) &&
        identity_present(device, &(struct identity){.manufacturer = said(info->manufacturer),
                                                    .serial_number = said(info->serial_number),
                                                    .model = said(info->model),
                                                    .app = said(info->product_class),
                                                    .hardware_version = said(info->hardware_version),
                                                    .grade = uspdev_grade(peer)}) == IDENTITY_ACCEPTED) {
        welcome(peer, info);
        return;
    }
    peer->update = (struct uspdev_update){.state = USPDEV_UPDATE_NONE};
    device_set_online(device, true);
    registry_announce(device);
}
