/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The declared data model: what its files share. A `struct model` is the engine's context (dm_ctx()): hooks and
 * getters reach the modules behind the rows through it. The wiring fills and owns it; pointers are borrowed.
 */
#ifndef DATAMODEL_DEVICE_MODEL_H
#define DATAMODEL_DEVICE_MODEL_H

#include "datamodel/dm.h"
#include "datamodel/path.h"

struct authority;
struct bulk;
struct consent;
struct firmware;
struct firmware_target;
struct home;
struct hosts;
struct model_scan;
struct usp;

/* What became of a row of the message transfer configuration (Device.MQTT., LocalAgent.MTP, Controller.MTP ...). */
struct model_mtp_event {
    struct dm_row *row;
    enum dm_change_kind kind;
    uint64_t params; /* DM_ROW_CHANGED: bit n for the n-th parameter */
};

/* How the program ends when a controller wants it to. */
struct model_restart {
    const char *cause; /* TR-181 Boot! Cause */
    const char *command_key;
    const char *reason;
    bool factory_reset;
};

struct model {
    struct dm *dm;
    struct usp *usp;
    struct firmware *firmware;     /* may be NULL (tests) */
    struct home *home;             /* may be NULL (tests) */
    struct authority *authority;   /* of the home's devices; NULL: the gateway is none */
    struct consent *consent;       /* may be NULL (tests) */
    struct hosts *hosts;           /* may be NULL (tests, and until the agent begins) */
    const struct model_scan *scan; /* the same */
    struct bulk *bulk;             /* may be NULL (tests, and until the agent begins) */
    struct observers mtp;          /* struct model_mtp_event: who carries records listens */
    const char *software_version;  /* of the agent */
    int64_t started;               /* monotonic ms */
    const char *tls_ca_file;       /* where Device.LocalAgent.Certificate. rows come from */
    struct tls_trust *trust;       /* follows the rows that controllers added; may be NULL (tests) */
    /* The command Notice() of a FirmwareImage row; NULL: there is no consent (tests). */
    int (*notice)(struct dm_call *call, struct firmware_target *target, int slot, struct error *err);
    /* What a controller says of a device in quarantine (enum consent_what); NULL: the same. */
    int (*identify)(struct dm_call *call, const char *key, int what, struct error *err);
    void (*restart)(void *ctx, const struct model_restart *restart);
    void (*mqtt_reconnect)(void *ctx, struct dm_row *client);
    /* Controller.MTP row; false when it has no session to begin. */
    bool (*websocket_reset)(void *ctx, struct dm_row *controller_mtp);
    void *ctx;                       /* of the functions */
    uint32_t traceroutes;            /* that run */
    struct anchors *release_anchors; /* from files (release_anchors_dir); NULL: none */
    bool untagged_releases;          /* an envelope without its tag is one too */
};

static inline struct model *model_of(const struct dm *dm)
{
    return dm_ctx(dm);
}

/* The applied hook of every MTP row. */
void model_mtp_applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t params);

/* All objects, parents first. */
extern const struct dm_mount model_mounts[];
extern const size_t model_mounts_count;

/* The declarations. */
extern const struct dm_object model_device;
extern const struct dm_object model_device_info;
extern const struct dm_object model_local_agent;
extern const struct dm_object model_local_mtp, model_local_mtp_mqtt, model_local_mtp_websocket,
    model_local_mtp_uds;
extern const struct dm_object model_containment;
extern const struct dm_object model_controller, model_e2e_session, model_boot_parameter;
extern const struct dm_object model_controller_mtp, model_controller_mtp_mqtt, model_controller_mtp_websocket,
    model_controller_mtp_uds;
extern const struct dm_object model_subscription;
extern const struct dm_object model_request;
extern const struct dm_object model_certificate;
extern const struct dm_object model_controller_trust, model_role, model_permission, model_credential,
    model_challenge;
extern const struct dm_object model_bulk_data, model_bulk_profile, model_bulk_parameter, model_bulk_csv,
    model_bulk_json, model_bulk_http, model_bulk_uri_parameter, model_bulk_mqtt;
extern const struct dm_object model_mqtt, model_mqtt_capabilities, model_mqtt_client, model_mqtt_client_stats,
    model_mqtt_subscription, model_mqtt_user_property;
extern const struct dm_object model_time;
extern const struct dm_object model_ip, model_ip_diagnostics;
extern const struct dm_object model_unix_domain_sockets, model_unix_domain_socket;

/* Makes the roles "Full Access" and "Untrusted" when the factory configuration names none. */
int model_default_roles(struct model *model, struct error *err);
/* Rows of Device.LocalAgent.Certificate. from the files of the configuration. */
int model_load_certificates(struct model *model, struct error *err);

#endif
