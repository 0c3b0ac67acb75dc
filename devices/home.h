/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The home: the registry, the dialects with their contexts, and the two ways devices reach us, wired together. What the
 * program creates; everything else in this folder follows from it.
 *
 * Comes up in three steps: home_new(), and observers of the registry are added; home_load() announces the devices of the
 * last life, which is no news to anybody who observes their rows only after it; home_start() lets their jobs go on and
 * listens to the home.
 * Owned by the caller; loop's thread only.
 */
#ifndef DEVICES_HOME_H
#define DEVICES_HOME_H

#include "devices/dialects/dialect.h"
#include "devices/registry.h"
#include "transports/websocket.h"

struct authority;
struct home;

struct home_settings {
    const char *mqtt_broker; /* "host:port"; NULL or "": the broker is not used */
    const char *mqtt_username;
    const char *mqtt_password;
    bool mqtt_tls;
    struct tls_settings mqtt_tls_settings;
    const char *websocket_listen; /* "address:port", "port 0: any"; NULL or "": not used */
    bool websocket_tls;
    struct tls_settings websocket_tls_settings; /* ca_file: who signs the certificates of devices */
    struct firmware_target *gateway; /* as a target of firmware itself; NULL: it is not updated here */
    const char *source;              /* our name towards devices; NULL: "homepatch" */
    const char *endpoint_id;         /* ours as a USP controller of devices; NULL: no USP towards devices */
    bool device_credentials; /* the broker holds each device to its own topics (its ACL): identity grade B */
    const char *homeassistant_prefix; /* of discovery topics; NULL or "": not listened to */
    enum homeassistant_birth homeassistant_birth;
    const struct authority *authority; /* gives devices certificates, outlives the home; NULL: none does */
    const char *shelly_devices;        /* to connect to, see devices/lan_client.h; NULL or "": none */
    const char *shelly_passwords_file; /* theirs; NULL or "": they have none */
    const char *zigbee2mqtt_topics;    /* these two as in devices/dialects/dialect.h; both outlive the home */
    const char *zigbee2mqtt_hex_topics;
};

/* Settings are copied as far as they are needed later. */
struct home *home_new(struct loop *loop, struct store *store, struct firmware *firmware,
                      const struct home_settings *settings, struct error *err);
struct registry *home_registry(struct home *home);
/* -1: the store cannot be read. */
int home_load(struct home *home, struct error *err);
/* Jobs of the last life go on, then the network. -1: a setting or the port is unusable. */
int home_start(struct home *home, struct websocket_context *context, const struct home_settings *settings,
               struct error *err);
/* Reads again what may change: passwords of devices. -1: nothing has changed. */
int home_reload(struct home *home, struct error *err);
/* Before the firmware manager, the WebSocket context and the store. */
void home_free(struct home *home);

/* Certificates were revoked: the sessions of those that are refused now end. */
void home_end_refused(struct home *home, tls_refused_fn *refused, void *ctx);

uint16_t home_websocket_port(const struct home *home); /* 0: not used */
bool home_broker_connected(const struct home *home);

#endif
