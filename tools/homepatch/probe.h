/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What doctor tries on the network: one connection at a time, blocking, each step with a short deadline, and its own small
 * MQTT and WebSocket so that a fault is seen as it is on the wire. A step that fails says at which stage and why.
 */
#ifndef TOOLS_HOMEPATCH_PROBE_H
#define TOOLS_HOMEPATCH_PROBE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "transports/tls.h"

enum {
    PROBE_MS = 4000, /* of one step */
    PROBE_TEXT = 512,
    PROBE_TOPICS = 256, /* topics that are collected from a broker */
};

struct probe {
    int fd; /* -1: not connected */
    SSL_CTX *context;
    SSL *ssl;
    int verify;             /* X509_V_*: why the certificate was refused */
    char why[PROBE_TEXT];   /* what failed, for people */
    char names[PROBE_TEXT]; /* what the peer's certificate is for */
    char expires[32];       /* and until when */
    int64_t expires_s;      /* the same, s since 1970; 0: unknown */
    char address[64];       /* where the name led */
    struct buf input;
};

void probe_init(struct probe *probe);
void probe_done(struct probe *probe);

/* The name has an address. -1 and why. */
int probe_resolve(struct probe *probe, const char *host, uint16_t port);
/* Somebody listens there. -1 and why; tries all addresses of the name. */
int probe_connect(struct probe *probe, const char *host, uint16_t port);
/* The handshake, verified as the agent does. -1, why, and verify when it was the certificate. */
int probe_tls(struct probe *probe, const struct tls_settings *settings, const char *host);

/* ---- MQTT, over what is connected ---- */

struct probe_mqtt {
    bool version_5;
    const char *client_id;
    const char *username; /* NULL: none */
    const char *password;
};

/* The reason code of CONNACK (0: welcome), or -1: no answer, or none that is MQTT. */
int probe_mqtt_connect(struct probe *probe, const struct probe_mqtt *settings);
/* The granted QoS, the reason code that refused it (0x80 and above), or -1. */
int probe_mqtt_subscribe(struct probe *probe, bool version_5, const char *filter);
/* The reason code of PUBACK (5.0: 0x10 means that nobody is subscribed), or -1. */
int probe_mqtt_publish(struct probe *probe, bool version_5, const char *topic, const void *payload,
                       size_t len);
/* Topics of messages that come within ms after a subscription; how many. The texts are in the arena. */
size_t probe_mqtt_topics(struct probe *probe, uint64_t ms, struct arena *arena,
                         const char *topics[PROBE_TOPICS]);
/* For people. */
const char *probe_mqtt_reason(int code);

/* ---- WebSocket, over what is connected ---- */

/* The HTTP status (101: open), or -1. *ret_subprotocol: the answer takes the one that was offered. */
int probe_websocket(struct probe *probe, const char *host, uint16_t port, const char *path,
                    const char *subprotocol, bool *ret_subprotocol);

/* ---- below ---- */
int probe_send(struct probe *probe, const void *data, size_t len);
/* Reads more into probe->input; -1 at the end, after ms, or on an error. */
int probe_more(struct probe *probe, uint64_t ms);

#endif
