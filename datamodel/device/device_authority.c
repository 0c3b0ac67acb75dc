/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "datamodel/device/device_authority.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/authority/authority.h"
#include "devices/home.h"

/* ---- Device.<vendor prefix>DeviceAuthority. ---- */

/* The row's data; found again through the authority's observers. */
struct shown {
    struct model *model;
    struct authority *authority;
    struct dm *dm;
    struct observer observer;
    struct dm_row *row;
    struct dm_node *table;
    int status, ended, authority_status, fingerprint;
};

static struct authority *authority_of(const struct dm_row *row)
{
    return ((const struct shown *)row->data)->authority;
}

enum {
    CODE_SECONDS_MIN = 60,
    CODE_SECONDS_MAX = 86400,
};

static const char *const states[] = {"WaitingForClock", "Ready", NULL};

static void get_status(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(states[authority_certificate(authority_of(row)) != NULL]);
}

/* SHA-256 of the certificate: what a device or a person holds against what it was given. */
static void get_fingerprint(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    X509 *certificate = authority_certificate(authority_of(row));
    uint8_t digest[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned len = 0;

    if (certificate && X509_digest(certificate, EVP_sha256(), digest, &len) == 1)
        str_to_hex(text, digest, len);
    memcpy(scratch, text, 2 * len); /* all of the scratch: it needs no end */
    ret->text = (struct str){scratch, 2 * len};
}

static void get_days(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->number = authority_certificate_days(authority_of(row));
}

static void get_codes(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->number = authority_codes(authority_of(row));
}

static void get_refusals(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->number = authority_refusals(authority_of(row));
}

static const struct dm_param authority_params[] = {
    {.name = "Status", .type = DM_ENUM, .values = states, .get = get_status},
    {.name = "Fingerprint", .type = DM_HEX_BINARY, .get = get_fingerprint},
    {.name = "CertificateDays", .type = DM_UNSIGNED_INT, .get = get_days},
    {.name = "PendingCodes", .type = DM_UNSIGNED_INT, .flags = DM_NO_NOTIFY, .get = get_codes},
    {.name = "RefusedRequests", .type = DM_UNSIGNED_INT, .flags = DM_NO_NOTIFY, .get = get_refusals},
    {.name = "CertificateNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Certificate"},
    DM_END_PARAMS,
};

static const struct dm_arg code_inputs[] = {
    {.name = "Name", .type = DM_STRING, .max = CA_NAME_BYTES - 1}, /* of the device that may use it */
    {.name = "Lifetime",
     .type = DM_UNSIGNED_INT,
     .min = CODE_SECONDS_MIN,
     .max = CODE_SECONDS_MAX,
     .default_value = "600"},
    {.name = NULL},
};

static const struct dm_arg code_outputs[] = {
    {.name = "Code", .type = DM_STRING},
    {.name = "ExpirationDate", .type = DM_DATE_TIME},
    {.name = NULL},
};

static int run_code(struct dm_call *call, struct error *err)
{
    const char *name = dm_call_input(call, "Name");
    uint32_t lifetime = (uint32_t)dm_call_input_number(call, "Lifetime");
    char code[CODE_BYTES];
    char until[STR_TIME_BYTES];
    int rc;

    if (authority_add_code(authority_of(call->row), name ? name : "", lifetime, code, err) < 0)
        return -1;
    str_from_time(until, clock_wall(&dm_loop(call->dm)->clock) + lifetime);
    rc = dm_call_output(call, "Code", code) < 0 || dm_call_output(call, "ExpirationDate", until) < 0
             ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory")
             : 0;
    explicit_bzero(code, sizeof(code));
    return rc;
}

static int run_cancel(struct dm_call *call, struct error *err)
{
    (void)err;
    authority_cancel_codes(authority_of(call->row));
    return 0;
}

static const struct dm_command authority_commands[] = {
    {.name = "CreateCode()", .inputs = code_inputs, .outputs = code_outputs, .run = run_code},
    {.name = "CancelCodes()", .run = run_cancel},
    {.name = NULL},
};

static const struct dm_arg certificate_args[] = {
    {.name = "Certificate", .type = DM_STRING}, /* its row */
    {.name = "Name", .type = DM_STRING},
    {.name = "Authorization", .type = DM_STRING},
    {.name = NULL},
};

static const struct dm_arg refused_args[] = {
    {.name = "Address", .type = DM_STRING},
    {.name = "Reason", .type = DM_STRING},
    {.name = NULL},
};

static const struct dm_event_type authority_events[] = {
    {.name = "DeviceEnrolled!", .args = certificate_args},
    {.name = "CertificateRenewed!", .args = certificate_args},
    {.name = "CertificateRevoked!", .args = certificate_args},
    {.name = "EnrolmentRefused!", .args = refused_args},
    {.name = NULL},
};

static bool is_there(const struct dm_row *row)
{
    return row->data != NULL;
}

const struct dm_object model_device_authority = {
    .params = authority_params,
    .commands = authority_commands,
    .events = authority_events,
    .present = is_there,
};

/* ---- Certificate.{i}. ---- */

static const char *const certificate_states[] = {"Valid", "Revoked", "Superseded", "Expired", NULL};
static const char *const authorizations[] = {"IDevID", "Code", "Renewal", NULL};

static void get_serial(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(((const struct issued *)row->data)->serial);
}

static void get_name(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(((const struct issued *)row->data)->name);
}

static void get_manufacturer(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(((const struct issued *)row->data)->manufacturer);
}

static void get_device_serial(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(((const struct issued *)row->data)->serial_number);
}

/* The proxied device of that name; "" before it was seen, and for clients of the broker that are none. */
static void get_device(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct issued *issued = row->data;
    const struct shown *shown = row->parent->data;
    char key[CA_NAME_BYTES + 8];
    const struct device *device;
    int len = 0;

    snprintf(key, sizeof(key), "usp:%s", issued->name);
    device = shown->model->home ? registry_find(home_registry(shown->model->home), key) : NULL;
    if (device)
        len = snprintf(scratch, DM_SCRATCH_BYTES, "Device.ProxiedDevice.%u", device->instance);
    ret->text = (struct str){scratch, (size_t)len};
}

static const struct dm_param certificate_params[] = {
    {.name = "SerialNumber",
     .type = DM_STRING,
     .flags = DM_INDEXED,
     .max = CA_SERIAL_TEXT - 1,
     .get = get_serial},
    {.name = "Name", .type = DM_STRING, .max = CA_NAME_BYTES - 1, .get = get_name},
    {.name = "Status",
     .type = DM_ENUM,
     .values = certificate_states,
     .offset = DM_OFFSET(struct issued, status)},
    {.name = "Authorization",
     .type = DM_ENUM,
     .values = authorizations,
     .offset = DM_OFFSET(struct issued, by)},
    {.name = "NotBefore", .type = DM_DATE_TIME, .offset = DM_OFFSET(struct issued, not_before)},
    {.name = "NotAfter", .type = DM_DATE_TIME, .offset = DM_OFFSET(struct issued, not_after)},
    {.name = "RevocationDate", .type = DM_DATE_TIME, .offset = DM_OFFSET(struct issued, ended)},
    {.name = "Manufacturer", .type = DM_STRING, .max = CA_NAME_BYTES - 1, .get = get_manufacturer},
    {.name = "DeviceSerialNumber", .type = DM_STRING, .max = CA_NAME_BYTES - 1, .get = get_device_serial},
    {.name = "DeviceRef",
     .type = DM_STRING,
     .flags = DM_WEAK_REF | DM_NO_NOTIFY,
     .refers = "Device.ProxiedDevice.",
     .get = get_device},
    DM_END_PARAMS,
};

static int run_revoke(struct dm_call *call, struct error *err)
{
    return authority_revoke(call->row->data, err);
}

static const struct dm_command certificate_commands[] = {
    {.name = "Revoke()", .run = run_revoke}, /* this one and all others that the device has */
    {.name = NULL},
};

static const struct dm_key certificate_keys[] = {{{"SerialNumber"}}, {{NULL}}};

const struct dm_object model_issued_certificate = {
    .flags = DM_TABLE,
    .params = certificate_params,
    .commands = certificate_commands,
    .keys = certificate_keys,
    .max_rows = LIMIT_ISSUED_CERTIFICATES,
};

/* ---- the authority's news ---- */

static void tell_event(const struct shown *shown, const struct issued *issued, const char *event)
{
    char path[DM_PATH_BYTES];
    struct dm_pair args[] = {
        {"Certificate", path}, {"Name", issued->name}, {"Authorization", authorizations[issued->by]}};

    if (!issued->row)
        return; /* there was no memory for its row */
    dm_row_path(issued->row, path);
    dm_raise(shown->dm, shown->row, event, args, 3);
}

static void add_row(const struct shown *shown, struct issued *issued)
{
    issued->row = dm_attach(shown->dm, shown->row, shown->table, issued->instance, issued);
}

static void tell_status(const struct shown *shown, const struct issued *issued)
{
    if (!issued->row)
        return;
    dm_changed(shown->dm, issued->row, shown->status);
    dm_changed(shown->dm, issued->row, shown->ended);
}

static void on_authority(void *ctx, const void *data)
{
    const struct authority_event *event = data;
    struct shown *shown = ctx;

    switch (event->type) {
    case AUTHORITY_ISSUED:
        add_row(shown, event->issued);
        tell_event(shown, event->issued,
                   event->issued->by == ISSUED_BY_RENEWAL ? "CertificateRenewed!" : "DeviceEnrolled!");
        break;
    case AUTHORITY_CHANGED:
        tell_status(shown, event->issued);
        break;
    case AUTHORITY_REVOKED:
        tell_event(shown, event->issued, "CertificateRevoked!");
        break;
    case AUTHORITY_FORGOTTEN:
        if (event->issued->row)
            dm_detach(shown->dm, event->issued->row);
        event->issued->row = NULL;
        break;
    case AUTHORITY_REFUSED:
        dm_raise(shown->dm, shown->row, "EnrolmentRefused!",
                 (struct dm_pair[]){{"Address", event->peer}, {"Reason", event->why}}, 2);
        break;
    case AUTHORITY_READY:
        dm_changed(shown->dm, shown->row, shown->authority_status);
        dm_changed(shown->dm, shown->row, shown->fingerprint);
        break;
    case AUTHORITY_LISTED:
        break;
    }
}

int model_authority_start(struct model *model, struct error *err)
{
    struct dm_node *node = dm_node_find(model->dm, "Device." VENDOR_PREFIX "DeviceAuthority.");
    struct shown *shown = node ? calloc(1, sizeof(*shown)) : NULL;
    struct authority *authority = model->authority;

    if (!shown)
        return error_set(err, ERROR_INTERNAL, NULL, "out of memory");
    shown->model = model;
    shown->authority = authority;
    shown->dm = model->dm;
    shown->row = dm_row_child(dm_root(model->dm), node);
    shown->table = dm_node_child(node, STR("Certificate"));
    shown->status = dm_node_param(shown->table, "Status");
    shown->ended = dm_node_param(shown->table, "RevocationDate");
    shown->authority_status = dm_node_param(node, "Status");
    shown->fingerprint = dm_node_param(node, "Fingerprint");
    shown->observer = (struct observer){.fn = on_authority, .ctx = shown};
    dm_bind(shown->row, shown);
    observer_add(authority_observers(authority), &shown->observer);
    for (uint32_t i = 0; i < authority_count(authority); i++)
        add_row(shown, authority_at(authority, i));
    return 0;
}

void model_authority_stop(struct model *model)
{
    struct observers *observers = authority_observers(model->authority);

    for (struct observer *at = observers->first; at; at = at->next) {
        struct shown *shown = at->ctx;

        if (at->fn != on_authority)
            continue;
        observer_remove(observers, at);
        dm_bind(shown->row, NULL);
        free(shown);
        return;
    }
}
