/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is at the other end of a session, by its certificate (R-SEC.0a, R-SEC.3). */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "agent/mtp.h"
#include "base/log.h"
#include "datamodel/device/certificate.h"
#include "usp/access.h"

enum {
    CLOSE_POLICY = 1008,
};

bool session_is(struct session *session, const char *endpoint_id)
{
    if (!session->certificate)
        return true;
    session->channel.named = tls_certificate_names(session->certificate, endpoint_id);
    /* R-SEC.5: whom nobody vouches for has nothing but the name in its own certificate. */
    return session->channel.named ||
           (!session->channel.first_use && !tls_certificate_claims(session->certificate, endpoint_id));
}

void session_refuse(struct session *session, const char *why)
{
    log_warning("session with %s refused: %s", session->peer ? session->peer : "an endpoint", why);
    session->refused = true;
    free(session->peer);
    session->peer = NULL;
    session->channel.peer = NULL;
    if (session->ws)
        websocket_close(session->ws, CLOSE_POLICY, why);
    else
        uds_close(session->uds, why);
}

/* R-SEC.10: what others need to know this agent by its certificate. */
static bool names(const char *file, const char *endpoint_id)
{
    BIO *bio = BIO_new_file(file, "r");
    X509 *x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool found = x509 && tls_certificate_names(x509, endpoint_id);

    X509_free(x509);
    BIO_free(bio);
    ERR_clear_error();
    return found;
}

void mtp_check_certificate(const struct mtp *mtp)
{
    const char *endpoint_id = usp_endpoint_id(mtp->usp);

    if (mtp->tls.certificate_file && !names(mtp->tls.certificate_file, endpoint_id))
        log_warning("%s: its subjectAltName does not have urn:bbf:usp:id:%s; controllers may refuse it",
                    mtp->tls.certificate_file, endpoint_id);
}

void session_inactive(struct timer *timer, void *ctx)
{
    struct session *session = ctx;

    (void)timer;
    if (session->channel.first_use && !session->refused)
        session_refuse(session, "TOFUInactivityTimer: no message since it was trusted on first use");
}

static void watch(struct session *session)
{
    const struct dm_row *row = dm_row_find(session->mtp->dm, STR("Device.LocalAgent.ControllerTrust."));
    const struct controller_trust *trust = row->data;

    if (trust->tofu_inactivity)
        timer_arm(&session->mtp->loop->timers, &session->inactivity, (uint64_t)trust->tofu_inactivity * 1000);
}

void session_identify(struct session *session, X509 *certificate, const STACK_OF(X509) * chain)
{
    if (!certificate || X509_up_ref(certificate) != 1)
        return;
    session->certificate = certificate;
    session->channel.first_use = !chain;
    session->certificates = chain ? model_certificates_in(session->mtp->dm, chain) : NULL;
    session->channel.certificates = session->certificates ? session->certificates : "";
    if (session->channel.first_use)
        watch(session);
    if (session->peer && !session_is(session, session->peer))
        session_refuse(session, "its certificate is another endpoint's");
}

const char *session_remember(void *ctx, struct usp_channel *channel)
{
    struct session *session = channel->ctx;
    char *path;

    (void)ctx;
    if (channel->broker || !session->certificate)
        return NULL;
    path = model_remember_certificate(session->mtp->dm, session->certificate);
    if (!path)
        return NULL;
    free(session->certificates);
    session->certificates = path;
    channel->certificates = path;
    channel->first_use = false;
    return path;
}
