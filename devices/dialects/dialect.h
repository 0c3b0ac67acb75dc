/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dialect: how one family of devices speaks. One file (or a few) per dialect behind this struct, one row per dialect
 * in devices/dialects/dialects.c. Dialects take bytes and time and give bytes and actions: what they do to the LAN goes
 * through `struct lan`, what they learn goes into the registry and to the firmware target. Tests and fuzzers drive them
 * with a lan of their own.
 *
 * All on the loop's thread. The strings of a message are borrowed for the call.
 */
#ifndef DEVICES_DIALECTS_DIALECT_H
#define DEVICES_DIALECTS_DIALECT_H

#include "base/clock.h"
#include "base/timer.h"
#include "devices/registry.h"
#include "transports/mqtt.h"
#include "transports/websocket.h"

struct authority;

/* A WebSocket with a device: the device opened it to us, or we to its own server. Owned by who made it; gone after
 * dialect->closed() returns. */
struct lan_session {
    const char *address;      /* the peer's, as text */
    const char *path;         /* of the request, without the query */
    const char *name;         /* what dialect->name_of() made of the handshake, or NULL */
    X509 *certificate;        /* verified: our CA for devices signed it; NULL: it showed none */
    bool local;               /* the peer is this machine */
    bool certified;           /* it showed a certificate */
    bool outbound;            /* we opened it, because the gateway's owner named the device */
    const char *entry;        /* outbound: the device, as its owner named it */
    const char *password;     /* outbound: what was configured for it; NULL: nothing */
    struct rate *new_devices; /* the address's allowance of new devices */
    void *peer;               /* the dialect's */
};

/* What dialects may do to the LAN. */
struct lan {
    void *ctx;
    /* 0, or -1: not connected or the queue is full. */
    int (*publish)(void *ctx, const struct mqtt_publication *publication, struct error *err);
    /* Topics beyond the dialect's fixed ones; kept over reconnects. */
    int (*subscribe)(void *ctx, const char *topic, struct error *err);
    int (*unsubscribe)(void *ctx, const char *topic, struct error *err);
    int (*send)(void *ctx, struct lan_session *session, bool binary, const void *data, size_t len,
                struct error *err);
    /* Ends the session, with a reason for people; closed() follows later. */
    void (*close)(void *ctx, struct lan_session *session, const char *reason);
};

/* When the gateway publishes Home Assistant's birth message, at which devices announce themselves again. */
enum homeassistant_birth {
    HOMEASSISTANT_BIRTH_AUTO, /* unless a real Home Assistant was heard at the broker */
    HOMEASSISTANT_BIRTH_ALWAYS,
    HOMEASSISTANT_BIRTH_NEVER,
};

/* What a dialect is given; lives as long as the dialect's context. */
struct dialect_host {
    struct registry *registry;
    struct timers *timers;
    const struct clock *clock;
    const struct lan *lan;
    const char *source;               /* our name on the LAN's broker, "homepatch" */
    const char *endpoint_id;          /* ours as a USP controller of devices; "" when there is none */
    bool device_credentials;          /* the broker holds each device to its own topics: grade B */
    const char *homeassistant_prefix; /* of discovery topics; NULL: that dialect is off */
    enum homeassistant_birth homeassistant_birth;
    const char *zigbee2mqtt_topics;     /* base topics, comma-separated; NULL: none */
    const char *zigbee2mqtt_hex_topics; /* those that get images inside messages; "*": all; NULL: none */
    const struct authority *authority;  /* that knows what a certificate proves; NULL: there is none */
};

struct dialect {
    const char *name;          /* prefix of its devices' keys; NULL: left out of this build */
    const char *mqtt_protocol; /* Device.ProxiedDevice.{i}.ProxyProtocol, without the vendor prefix */
    const char *websocket_protocol;
    bool generic; /* speaks for whoever announces itself in a common language: see devices/claim.h */
    const struct firmware_target_ops *firmware;

    /* A context, or NULL when memory is out. destroy() comes when all devices and sessions are gone. */
    void *(*create)(const struct dialect_host *host);
    void (*destroy)(void *ctx);
    /* A device of this dialect came from the store: be ready to hear it. -1: memory is out. */
    int (*restore)(void *ctx, struct device *device);
    /* The device is forgotten or the program ends: free device->dialect_data. */
    void (*forget)(struct device *device);
    /* Ask the device anew who it is and what it runs. May be NULL. */
    void (*identify)(struct device *device);

    /* ---- the LAN's broker ---- */
    /* Calls add() for each topic filter to subscribe; NULL: the dialect does not use MQTT. */
    void (*subscriptions)(void *ctx, void (*add)(void *add_ctx, const char *topic), void *add_ctx);
    /* The broker is there, or has been away for longer than a hiccup. */
    void (*broker)(void *ctx, bool connected);
    /* True when the message was meant for this dialect. */
    bool (*mqtt_message)(void *ctx, const struct mqtt_message *message);

    /* ---- WebSockets ---- */
    const char *websocket_path;        /* where devices open theirs to us; NULL: none */
    const char *websocket_server_path; /* of the server that a device itself has; NULL: it has none */
    const char *websocket_subprotocol; /* required of whoever comes to that path; NULL: none */
    /* What the handshake says the device is called, malloc'ed; NULL: nothing. May be NULL. */
    char *(*name_of)(const struct websocket_request *request);
    /* -1 refuses the session. */
    int (*opened)(void *ctx, struct lan_session *session);
    void (*message)(void *ctx, struct lan_session *session, bool binary, const uint8_t *data, size_t len);
    void (*closed)(void *ctx, struct lan_session *session);
};

/* The table of dialects: index from 0, NULL at the end. Rows left out of this build are passed over. */
const struct dialect *dialect_at(size_t index);
const struct dialect *dialect_find(const char *name);

#endif
