/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is at the other end of a session, by its certificate (R-SEC.0a, R-SEC.3). */
#include <stdlib.h>

#include "agent/mtp.h"
#include "base/log.h"
#include "datamodel/device/certificate.h"

enum {
    CLOSE_POLICY = 1008,
};

bool session_is(struct session *session, const char *endpoint_id)
{
    if (!session->certificate)
        return true;
    session->channel.named = tls_certificate_names(session->certificate, endpoint_id);
    return session->channel.named || !tls_certificate_claims(session->certificate, endpoint_id);
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

void session_identify(struct session *session, X509 *certificate, const STACK_OF(X509) * chain)
{
    if (!certificate || X509_up_ref(certificate) != 1)
        return;
    session->certificate = certificate;
    session->certificates = model_certificates_in(session->mtp->dm, chain);
    session->channel.certificates = session->certificates ? session->certificates : "";
    if (session->peer && !session_is(session, session->peer))
        session_refuse(session, "its certificate is another endpoint's");
}
