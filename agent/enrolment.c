/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/enrolment.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "datamodel/device/device_authority.h"
#include "devices/authority/est.h"
#include "devices/authority/manufacturers.h"
#include "devices/home.h"
#include "devices/quarantine.h"
#include "usp/usp.h"

enum {
    FOLDER_BYTES = 4096,
    KEY_BYTES = CA_NAME_BYTES + 8,
};

/* The proxied device that has this name, or NULL. */
static struct device *device_of(const struct enrolment *enrolment, const char *name)
{
    char key[KEY_BYTES];

    if (!enrolment->model->home)
        return NULL;
    snprintf(key, sizeof(key), "usp:%s", name);
    return registry_find(home_registry(enrolment->model->home), key);
}

/* A certificate is also an account at the LAN's broker: nobody becomes the gateway there. */
static const char *reserved(void *ctx, const char *name, bool unnamed_code)
{
    const struct enrolment *enrolment = ctx;
    const char *account = enrolment->config->lan_mqtt_username;
    const struct device *device;

    if (strcmp(name, enrolment->lan_endpoint_id) == 0 ||
        strcmp(name, usp_endpoint_id(enrolment->model->usp)) == 0 || strcmp(name, "homepatch") == 0 ||
        (account && strcmp(name, account) == 0))
        return "this name is the gateway's own";
    device = unnamed_code ? device_of(enrolment, name) : NULL;
    return device && device->grade == DEVICE_GRADE_A
               ? "a device of this name is known by its certificate: it needs an enrolment code that names it"
               : NULL;
}

static void on_revoked(struct enrolment *enrolment, const struct issued *issued)
{
    struct device *device = device_of(enrolment, issued->name);

    if (device)
        quarantine_put(device, QUARANTINE_REVOKED, NULL);
}

/* Of all sessions; signatures are looked at for the one only. */
static bool is_ended(void *ctx, const X509 *certificate)
{
    const struct issued *issued = ctx;
    char serial[CA_SERIAL_TEXT];

    return ca_serial(certificate, serial) == 0 && strcmp(serial, issued->serial) == 0 &&
           authority_refuses(issued->authority, certificate);
}

static void on_event(void *ctx, const void *data)
{
    const struct authority_event *event = data;
    struct enrolment *enrolment = ctx;

    switch (event->type) {
    case AUTHORITY_ISSUED:
        log_info("certificate %s issued to %s", event->issued->serial, event->issued->name);
        break;
    case AUTHORITY_CHANGED:
        if (event->issued->ended && enrolment->model->home)
            home_end_refused(enrolment->model->home, is_ended, event->issued);
        break;
    case AUTHORITY_REVOKED:
        log_warning("certificate %s of %s revoked", event->issued->serial, event->issued->name);
        on_revoked(enrolment, event->issued);
        break;
    case AUTHORITY_REFUSED:
        log_warning("%s: enrolment refused: %s", event->peer, event->why);
        break;
    case AUTHORITY_READY:
        log_info("the authority of the home's devices has its key");
        break;
    case AUTHORITY_LISTED:
        broker_reload_due(&enrolment->broker);
        break;
    case AUTHORITY_FORGOTTEN:
        break;
    }
}

int enrolment_check(const struct agent_config *config, struct error *err)
{
    struct manufacturers manufacturers;
    int rc = manufacturers_read(&manufacturers, config->lan_enrol_manufacturers_file, err);

    manufacturers_done(&manufacturers);
    return rc;
}

int enrolment_open(struct enrolment *enrolment, struct model *model, const struct agent_config *config,
                   struct hook_runner *hooks, struct payload_security *security, const char *lan_endpoint_id,
                   struct error *err)
{
    struct authority_ops ops = {.dated = payload_security_dated,
                                .dated_ctx = security,
                                .reserved = reserved,
                                .reserved_ctx = enrolment};
    char folder[FOLDER_BYTES];
    struct authority_settings settings = {
        .folder = folder,
        .public_folder = config->lan_enrol_public_dir,
        .owner = usp_endpoint_id(model->usp),
        .manufacturers_file = config->lan_enrol_manufacturers_file,
        .certificate_days = (uint32_t)config->lan_enrol_certificate_days,
        .authority_days = (uint32_t)config->lan_enrol_authority_days,
    };
    struct loop *loop = dm_loop(model->dm);

    if (!config->lan_enrol_listen)
        return 0;
    snprintf(folder, sizeof(folder), "%s/authority", config->state_dir);
    enrolment->model = model;
    enrolment->config = config;
    enrolment->lan_endpoint_id = lan_endpoint_id;
    enrolment->authority = authority_new(&loop->clock, &loop->timers, dm_store(model->dm), &settings, &ops,
                                         err);
    if (!enrolment->authority)
        return -1;
    enrolment->observer = (struct observer){.fn = on_event, .ctx = enrolment};
    observer_add(authority_observers(enrolment->authority), &enrolment->observer);
    model->authority = enrolment->authority;
    if (broker_reload_init(&enrolment->broker, loop, hooks, err) < 0)
        return -1;
    broker_reload_due(&enrolment->broker); /* the list was written before anybody listened */
    return model_authority_start(model, err);
}

int enrolment_listen(struct enrolment *enrolment, struct websocket_context *websockets, const char *address,
                     uint16_t port, const struct tls_settings *tls, struct error *err)
{
    enrolment->server = est_new(websockets, enrolment->authority, address, port, tls, err);
    return enrolment->server ? 0 : -1;
}

int enrolment_reload(struct enrolment *enrolment, struct error *err)
{
    return enrolment->authority ? authority_reload(enrolment->authority, err) : 0;
}

void enrolment_close(struct enrolment *enrolment)
{
    broker_reload_done(&enrolment->broker);
    http_server_free(enrolment->server);
    enrolment->server = NULL;
}

void enrolment_done(struct enrolment *enrolment, bool forget)
{
    if (!enrolment->authority)
        return;
    if (enrolment->model->authority)
        model_authority_stop(enrolment->model);
    if (forget)
        authority_forget(enrolment->authority);
    authority_free(enrolment->authority);
    enrolment->authority = NULL;
}
