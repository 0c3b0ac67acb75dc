/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The accounts of the LAN's broker: who may connect, and for which topics each speaks. Kept in one file of the house's form,
 * lan-broker.conf, which people may edit; everything that mosquitto reads is made from it (lan_acl.h). Bytes in, bytes
 * out: no files here. Everything is in the arena.
 *
 * No two accounts speak for the same topic, discovery node, address or endpoint: that is checked here, once, so that each
 * generated section stands for itself.
 */
#ifndef TOOLS_HOMEPATCH_LAN_ACCOUNTS_H
#define TOOLS_HOMEPATCH_LAN_ACCOUNTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

enum {
    LAN_ACCOUNTS_MAX = 4096,
    LAN_NAME_MAX = 64,
    LAN_TOPIC_MAX = 128,
};

struct lan_kind; /* lan_acl.h */

struct lan_account {
    struct lan_account *next;
    const char *name; /* the user name at the broker, or the CN of a certificate */
    const struct lan_kind *kind;
    const char *topic; /* head of its own topics; "": it has none */
    const char *node;  /* its level in topics of Home Assistant's discovery; "": none */
    const char *mac;   /* twelve upper-case digits; "": not given */
    const char *endpoint;
    bool certificate; /* it shows a certificate and has no password */
};

struct lan_broker {
    struct arena *arena;
    /* Settings; NULL: not set. */
    const char *local_listen;
    const char *listen;
    const char *plain_listen;
    const char *certificate_listen;
    const char *certificate_file;
    const char *key_file;
    const char *device_ca_file;
    const char *persistence_location;
    const char *max_connections;
    const char *max_packet_size;
    const char *max_inflight_messages;
    const char *max_queued_messages;
    const char *max_queued_bytes;
    /* Of homepatchd.conf: what the agent listens to. */
    const char *homeassistant_prefix; /* "": that dialect is off */
    const char *zigbee2mqtt_topics;   /* comma-separated; "": none */
    struct lan_account *first, **last;
    unsigned count;
};

/* The agent's own account; no other has this name. */
#define LAN_AGENT "homepatch"

void lan_broker_init(struct lan_broker *broker, struct arena *arena);
/* Reads the text of the file; -1 and err with file:line. */
int lan_broker_parse(struct lan_broker *broker, const char *file, struct str text, struct error *err);
/* The text of the file. out->failed when memory is out. */
void lan_broker_write(const struct lan_broker *broker, struct buf *out);

/* One setting, checked; "" takes it away. */
int lan_broker_set(struct lan_broker *broker, struct str name, struct str value, struct error *err);
/* What only works together; before anything is made of the accounts. */
int lan_broker_check(const struct lan_broker *broker, struct error *err);

struct lan_account *lan_account_find(const struct lan_broker *broker, const char *name);
/* words: "shelly topic=attic/plug1": the kind and what it is to have, separated by blanks. NULL and err. */
struct lan_account *lan_account_add(struct lan_broker *broker, struct str name, struct str words,
                                    struct error *err);
void lan_account_remove(struct lan_broker *broker, struct lan_account *account);

#endif
