/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homepatch doctor: checks that ask the agent's model, its configuration and the network, and say in plain words what is
 * wrong and which parameter to change. Each check is a function in a table; what it finds is a list of findings.
 *
 * When the agent cannot be asked, the factory configuration stands in for its model: the paths are the same.
 */
#ifndef TOOLS_HOMEPATCH_DOCTOR_H
#define TOOLS_HOMEPATCH_DOCTOR_H

#include "base/conf.h"
#include "base/map.h"
#include "tools/homepatch/app.h"
#include "tools/homepatch/inventory.h"
#include "tools/homepatch/probe.h"

enum level {
    LEVEL_OK,
    LEVEL_WARN,
    LEVEL_FAIL,
};

struct finding {
    struct finding *next;
    enum level level;
    const char *check;     /* name of the check: stable, for scripts */
    const char *parameter; /* path or key of the configuration that it is about; "" when there is none */
    const char *text;      /* what was found */
    const char *fix;       /* what to do; "" when nothing is to be done */
};

/* What the command line asks about. */
enum subject {
    SUBJECT_ALL = 1,
    SUBJECT_CONTROLLER = 2,
    SUBJECT_DEVICE = 4,
    SUBJECT_UPDATE = 8,
};

struct doctor {
    struct app *app;
    struct arena *arena;
    enum subject subject;
    const char *name;  /* of the controller or device; NULL: all of them */
    const char *check; /* the one that runs */
    struct finding *first;
    struct finding **last;
    struct conf_line *config;
    struct conf_line *factory;
    struct map values; /* path of a parameter -> its text */
    bool live;         /* the values are the agent's, not the factory's */
    struct inventory inventory;
    bool has_inventory;
    const char *clients_done; /* paths of MQTT clients that were checked already */
};

typedef void check_fn(struct doctor *doctor);

check_fn doctor_configuration, doctor_clock, doctor_disk; /* doctor_host.c */
check_fn doctor_agent, doctor_command_line;               /* doctor_model.c */
check_fn doctor_containment;                              /* doctor_contain.c */
check_fn doctor_controllers;                              /* doctor_controller.c */
check_fn doctor_lan;                                      /* doctor_lan.c */
check_fn doctor_devices, doctor_updates;                  /* doctor_device.c */
check_fn doctor_releases;                                 /* doctor_release.c */

/* ---- findings ---- */

/* text and fix: doctor_text()s or literals. */
void doctor_ok(struct doctor *doctor, const char *parameter, const char *text);
void doctor_warn(struct doctor *doctor, const char *parameter, const char *text, const char *fix);
void doctor_fail(struct doctor *doctor, const char *parameter, const char *text, const char *fix);
/* In the arena; never NULL. */
const char *doctor_text(struct doctor *doctor, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- the configuration and the model ---- */

/* "" when the key is not set. */
const char *doctor_config(const struct doctor *doctor, const char *key);
struct tls_settings doctor_tls(const struct doctor *doctor);
/* The value of a parameter of the model; "" when it is empty, hidden or not there. */
const char *doctor_get(const struct doctor *doctor, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool doctor_true(const char *value);
uint16_t doctor_port(const char *value);
/* What the factory configuration says of a parameter that cannot be read back: passwords. */
const char *doctor_factory(const struct doctor *doctor, const char *path);
/* Calls fn for each row of the table ("Device.LocalAgent.Controller."), in order; how many there are. */
typedef void doctor_row_fn(struct doctor *doctor, unsigned instance, void *ctx);
unsigned doctor_rows(struct doctor *doctor, const char *table, doctor_row_fn *fn, void *ctx);
/* A reference without its final dot, or "" when nothing with an `Enable` or `Alias` is there. */
bool doctor_exists(const struct doctor *doctor, const char *row);

/* The device that was asked for is listed. */
bool doctor_knows_device(struct doctor *doctor);

/* ---- the network: doctor_link.c ---- */

struct link {
    const char *host;
    uint16_t port;
    bool tls;
    const char *host_parameter; /* what to change when the name is wrong, when the port is, */
    const char *port_parameter;
    const char *tls_parameter; /* and when TLS is on or off where it should not be; "" none */
};
/* Name, TCP, TLS, each with its finding; the probe is connected when true. */
bool doctor_link(struct doctor *doctor, const struct link *link, struct probe *probe);
/* Splits "host:port" and "[host]:port"; false when it is neither. */
bool doctor_address(struct doctor *doctor, const char *text, const char **ret_host, uint16_t *ret_port);

/* doctor_mqtt.c: the row Device.MQTT.Client.{i}, "" + no dot; the controller's topic, when one is asked about, else NULL. */
void doctor_mqtt_client(struct doctor *doctor, const char *client, const char *mtp);
void doctor_mqtt_listener(struct doctor *doctor, const char *client, const char *mtp,
                          const char *controller_mtp, const char *endpoint);
/* Broker's verdict on CONNECT in plain words. True: welcome. */
bool doctor_mqtt_verdict(struct doctor *doctor, struct probe *probe, int code, bool version_5,
                         const char *username_parameter, const char *client);

#endif
