/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/payload_security.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "datamodel/device/certificate.h"
#include "usp/security.h"
#include "usp/trust.h"

enum {
    /* 2024-01-01: a clock that says an earlier time than this program can have was not set since the gateway woke up. */
    EARLIEST_TIME = 1704067200,
};

struct usp_security {
    struct payload_security *owner;
    struct controller *controller;
    struct tls_engine *engine;
    char *certificates;
    bool named; /* the peer's certificate has its Endpoint ID */
};

/* R-SEC.19: a gateway without a battery for its clock begins in the past, until something sets it. */
bool payload_security_dated(void *ctx)
{
    const struct payload_security *security = ctx;

    return clock_wall(&security->loop->clock) >= EARLIEST_TIME &&
           (!security->time_file || access(security->time_file, F_OK) == 0);
}

static struct usp_channel shown(const struct usp_security *security)
{
    return (struct usp_channel){.peer = security->controller->endpoint_id,
                                .certificates = security->certificates ? security->certificates : "",
                                .named = security->named};
}

/* R-SEC.0a, R-E2E.43: the certificate names the controller, or is the one that its Credential names. */
static bool is_controller(const struct usp_security *security)
{
    const struct controller *controller = security->controller;
    bool listed = controller->credential && controller->credential[0];
    struct usp_channel channel = shown(security);

    return (security->named || listed) && usp_credential_accepts(controller, &channel);
}

static bool take_peer(void *ctx, X509 *certificate, const STACK_OF(X509) * chain)
{
    struct usp_security *security = ctx;
    bool good;

    free(security->certificates);
    security->certificates = model_certificates_in(security->owner->model->dm, chain);
    security->named = tls_certificate_names(certificate, security->controller->endpoint_id);
    good = security->certificates && is_controller(security);
    if (good)
        return true;
    free(security->certificates);
    security->certificates = NULL;
    return false;
}

static void close_security(struct usp_security *security)
{
    tls_engine_free(security->engine);
    free(security->certificates);
    free(security);
}

static struct usp_security *open_security(void *ctx, struct controller *controller, bool client,
                                          struct error *err)
{
    struct payload_security *owner = ctx;
    struct usp_security *security;

    if (!owner->identity) {
        error_set(err, ERROR_SECURE_SESSION_NOT_SUPPORTED, NULL,
                  "payload security needs tls_certificate_file, tls_key_file and tls_ca_file");
        return NULL;
    }
    security = calloc(1, sizeof(*security));
    if (!security) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    security->owner = owner;
    security->controller = controller;
    security->engine = tls_engine_new(owner->identity, client ? TLS_CLIENT : TLS_SERVER, take_peer, security,
                                      err);
    if (security->engine)
        return security;
    close_security(security);
    return NULL;
}

static int take(struct usp_security *security, struct str bytes, struct buf *plain, struct buf *out,
                struct error *err)
{
    return tls_engine_take(security->engine, bytes, plain, out, err);
}

static int seal(struct usp_security *security, struct str plain, struct buf *out, struct error *err)
{
    return tls_engine_seal(security->engine, plain, out, err);
}

static bool up(const struct usp_security *security)
{
    return tls_engine_up(security->engine);
}

static int mac(struct usp_security *security, bool own, struct str fields, uint8_t ret[USP_MAC_BYTES])
{
    return tls_engine_mac(security->engine, own, fields, ret);
}

/* ---- signatures ---- */

static int sign(void *ctx, struct str fields, struct buf *ret_signature, struct error *err)
{
    const struct payload_security *security = ctx;

    return security->identity ? tls_identity_sign(security->identity, fields, ret_signature, err) : -1;
}

static struct str own_certificate(void *ctx)
{
    const struct payload_security *security = ctx;

    return security->identity ? tls_identity_certificate(security->identity) : STR("");
}

static int verify(void *ctx, struct controller *controller, struct str fields, struct str signature,
                  struct str certificate, struct error *err)
{
    struct usp_security signer = {.owner = ctx, .controller = controller};
    int rc;

    if (!signer.owner->identity)
        return error_set(err, ERROR_SECURE_SESSION_NOT_SUPPORTED, controller->endpoint_id,
                         "a signature cannot be verified without tls_certificate_file and tls_ca_file");
    rc = tls_identity_verify(signer.owner->identity, fields, signature, certificate, take_peer, &signer, err);
    free(signer.certificates); /* no role follows: a signature does not cover the payload */
    return rc;
}

static const struct usp_security_ops ops = {
    .open = open_security,
    .close = close_security,
    .take = take,
    .seal = seal,
    .up = up,
    .shown = shown,
    .mac = mac,
    .sign = sign,
    .certificate = own_certificate,
    .verify = verify,
};

void payload_security_init(struct payload_security *security, struct model *model,
                           const struct agent_config *config)
{
    struct tls_settings settings = {.ca_file = config->tls_ca_file,
                                    .certificate_file = config->tls_certificate_file,
                                    .key_file = config->tls_key_file,
                                    .trust = model->trust};
    struct error err;

    *security = (struct payload_security){
        .model = model, .loop = dm_loop(model->dm), .time_file = config->time_file};
    if (settings.certificate_file && !(security->identity = tls_identity_new(&settings, &err)))
        log_failure(LOG_LEVEL_WARNING, "no payload security", &err);
    tls_trust_set_dated(model->trust, payload_security_dated, security);
    usp_set_security(model->usp, &ops, security);
}

void payload_security_done(struct payload_security *security)
{
    tls_identity_free(security->identity);
    security->identity = NULL;
}
