/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

const char *tls_last_error(void)
{
    const char *reason = NULL;
    unsigned long code;
    int number = 0;

    while ((code = ERR_get_error())) {
        if (ERR_SYSTEM_ERROR(code))
            number = (int)(code & ERR_SYSTEM_MASK);
        else if (ERR_reason_error_string(code))
            reason = ERR_reason_error_string(code);
    }
    /* After a file that cannot be opened, OpenSSL's last word is only "system lib". */
    if (number)
        return strerror(number);
    return reason ? reason : "unknown reason";
}

STACK_OF(X509) * tls_peer_chain(SSL *ssl)
{
    if (!ssl || !SSL_get0_peer_certificate(ssl) || SSL_get_verify_result(ssl) != X509_V_OK)
        return NULL;
    return SSL_get0_verified_chain(ssl);
}

const char *tls_verify_error(const SSL *ssl)
{
    long result = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;

    return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}

static int fail(struct error *err, const char *file, const char *what)
{
    return error_set(err, ERROR_INVALID_CONFIGURATION, file, "%s: %s", what, tls_last_error());
}

static int load_authorities(SSL_CTX *ctx, const struct tls_settings *settings, enum tls_side side,
                            struct error *err)
{
    STACK_OF(X509_NAME) * names;

    if (!settings->ca_file) {
        /* Who may connect to this side is not for the system's authorities to say. */
        if (side == TLS_CLIENT && SSL_CTX_set_default_verify_paths(ctx) != 1)
            return fail(err, NULL, "cannot load the system's certificate authorities");
        return 0;
    }
    if (SSL_CTX_load_verify_file(ctx, settings->ca_file) != 1)
        return fail(err, settings->ca_file, "cannot load the certificate authorities");
    /* With ask_peer others are trusted as well, who are not in the file and may change: clients are given no list. */
    if (side == TLS_SERVER && !settings->ask_peer) {
        names = SSL_load_client_CA_file(settings->ca_file);
        if (!names)
            return fail(err, settings->ca_file, "cannot load the certificate authorities");
        SSL_CTX_set_client_CA_list(ctx, names);
    }
    return 0;
}

static int load_certificate(SSL_CTX *ctx, const struct tls_settings *settings, enum tls_side side,
                            struct error *err)
{
    const char *key = settings->key_file ? settings->key_file : settings->certificate_file;

    if (!settings->certificate_file) {
        if (side == TLS_SERVER)
            return error_set(err, ERROR_INVALID_CONFIGURATION, NULL, "a TLS server needs a certificate");
        return 0;
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, settings->certificate_file) != 1)
        return fail(err, settings->certificate_file, "cannot load the certificate");
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return fail(err, key, "cannot load the key");
    if (SSL_CTX_check_private_key(ctx) != 1)
        return fail(err, key, "the key is not the certificate's");
    return 0;
}

static int expect_host(SSL_CTX *ctx, const char *host, struct error *err)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS); /* R-MQTT.49: RFC 6125 */
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return 0;
    ERR_clear_error();
    if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1)
        return fail(err, host, "not a host name");
    return 0;
}

/* ---- what is trusted besides ---- */

struct tls_trust {
    X509_STORE *store;
    STACK_OF(X509) * disabled;
    int count;
    bool first_use;
    tls_dated_fn *dated;
    void *dated_ctx;
    tls_refused_fn *refused;
    void *refused_ctx;
};

struct tls_trust *tls_trust_new(void)
{
    return calloc(1, sizeof(struct tls_trust));
}

void tls_trust_free(struct tls_trust *trust)
{
    if (!trust)
        return;
    X509_STORE_free(trust->store);
    sk_X509_pop_free(trust->disabled, X509_free);
    free(trust);
}

int tls_trust_set(struct tls_trust *trust, const STACK_OF(X509) * certificates,
                  const STACK_OF(X509) * disabled)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *refused = X509_chain_up_ref((STACK_OF(X509) *)disabled);
    int count = sk_X509_num(certificates);
    bool good = store && refused;

    for (int i = 0; good && i < count; i++)
        good = X509_STORE_add_cert(store, sk_X509_value(certificates, i)) == 1;
    if (!good) {
        X509_STORE_free(store);
        sk_X509_pop_free(refused, X509_free);
        ERR_clear_error();
        return -1;
    }
    X509_STORE_free(trust->store);
    sk_X509_pop_free(trust->disabled, X509_free);
    trust->disabled = refused;
    trust->store = store;
    trust->count = count > 0 ? count : 0;
    return 0;
}

void tls_trust_first_use(struct tls_trust *trust, bool allowed)
{
    trust->first_use = allowed;
}

/* The same checks (purpose, name, dates) with the other store; a chain may end at a certificate that is no CA. */
static bool verify_with(X509_STORE_CTX *ctx, X509_STORE *store)
{
    X509_STORE_CTX *own = X509_STORE_CTX_new();
    bool good = false;

    if (own &&
        X509_STORE_CTX_init(own, store, X509_STORE_CTX_get0_cert(ctx), X509_STORE_CTX_get0_untrusted(ctx)) ==
            1 &&
        X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(own), X509_STORE_CTX_get0_param(ctx)) == 1) {
        X509_STORE_CTX_set_flags(own, X509_V_FLAG_PARTIAL_CHAIN);
        good = X509_verify_cert(own) == 1;
    }
    if (good) {
        X509_STORE_CTX_set0_verified_chain(ctx, X509_STORE_CTX_get1_chain(own));
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
    }
    X509_STORE_CTX_free(own);
    ERR_clear_error();
    return good;
}

/* R-SEC.6: for a client whom nobody vouches for its own certificate stands, when that is all that was missing. */
static bool verify_first_use(X509_STORE_CTX *ctx)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509_STORE *alone;
    bool good;

    switch (X509_STORE_CTX_get_error(ctx)) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        break;
    default:
        return false;
    }
    if (!ssl || !SSL_is_server(ssl))
        return false;
    alone = X509_STORE_new();
    good = alone && X509_STORE_add_cert(alone, X509_STORE_CTX_get0_cert(ctx)) == 1 && verify_with(ctx, alone);
    X509_STORE_free(alone);
    if (good) /* accepted, and the connection's verify result says how */
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
    return good;
}

/* R-MTP.4a, R-SEC.24a: revoked is what somebody has disabled; there are no revocation lists. */
static bool has_disabled(X509_STORE_CTX *ctx, const struct tls_trust *trust)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);

    for (int i = 0; i < sk_X509_num(chain); i++)
        for (int j = 0; j < sk_X509_num(trust->disabled); j++)
            if (X509_cmp(sk_X509_value(chain, i), sk_X509_value(trust->disabled, j)) == 0)
                return true;
    return false;
}

void tls_trust_set_dated(struct tls_trust *trust, tls_dated_fn *dated, void *ctx)
{
    trust->dated = dated;
    trust->dated_ctx = ctx;
}

void tls_trust_set_refused(struct tls_trust *trust, tls_refused_fn *refused, void *ctx)
{
    trust->refused = refused;
    trust->refused_ctx = ctx;
}

static bool has_refused(X509_STORE_CTX *ctx, const struct tls_trust *trust)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);

    for (int i = 0; trust->refused && i < sk_X509_num(chain); i++)
        if (trust->refused(trust->refused_ctx, sk_X509_value(chain, i)))
            return true;
    return false;
}

/* R-MTP.4: dates, a trusted CA, and in the caller the name (host or Endpoint ID). */
static bool verify_chain(X509_STORE_CTX *ctx, const struct tls_trust *trust, bool first_use)
{
    if (trust && trust->dated && !trust->dated(trust->dated_ctx)) /* R-SEC.19, R-MTP.2, R-MTP.3, R-WS.23 */
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
    if (!(trust && trust->count && verify_with(ctx, trust->store)) && X509_verify_cert(ctx) != 1 &&
        !(first_use && verify_first_use(ctx)))
        return false;
    if (trust && has_disabled(ctx, trust))
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REJECTED);
    else if (trust && has_refused(ctx, trust))
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REVOKED);
    else
        return true;
    return false;
}

/* For those who already know whom the certificate has to name: nobody comes for the first time here. */
bool tls_trust_verify(X509_STORE_CTX *ctx, const struct tls_trust *trust)
{
    return verify_chain(ctx, trust, false);
}

static int verify(X509_STORE_CTX *ctx, void *arg)
{
    const struct tls_trust *trust = arg;

    return verify_chain(ctx, trust, trust && trust->first_use);
}

int tls_context_configure(SSL_CTX *ctx, const struct tls_settings *settings, enum tls_side side,
                          const char *host, struct error *err)
{
    int mode = SSL_VERIFY_PEER;

    ERR_clear_error();
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return fail(err, NULL, "cannot ask for TLS 1.2");
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    if (load_authorities(ctx, settings, side, err) < 0 || load_certificate(ctx, settings, side, err) < 0)
        return -1;
    if (side == TLS_SERVER) {
        if (settings->require_peer && !settings->ca_file)
            return error_set(err, ERROR_INVALID_CONFIGURATION, NULL,
                             "client certificates are required, but there is no file of trusted authorities");
        if (!settings->ca_file && !settings->ask_peer)
            mode = SSL_VERIFY_NONE;
        else if (settings->require_peer)
            mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"homepatch", 9);
        /* Each connection shows its chain anew: a resumed one has none, and would outlive a certificate that was
         * deleted. */
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
    }
    SSL_CTX_set_verify(ctx, mode, NULL);
    if (settings->trust)
        SSL_CTX_set_cert_verify_callback(ctx, verify, (void *)settings->trust);
    return host ? expect_host(ctx, host, err) : 0;
}

SSL_CTX *tls_context_new(const struct tls_settings *settings, enum tls_side side, const char *host,
                         struct error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(side == TLS_SERVER ? TLS_server_method() : TLS_client_method());

    if (!ctx) {
        fail(err, NULL, "cannot make a TLS context");
        return NULL;
    }
    if (tls_context_configure(ctx, settings, side, host, err) < 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* ---- identity ---- */

static const char URN[] = "urn:bbf:usp:id:";

/* A NUL inside a name makes the lengths differ. */
static bool uri_is(const ASN1_IA5STRING *name, const char *endpoint_id)
{
    const char *text = (const char *)ASN1_STRING_get0_data(name);
    size_t skip = sizeof(URN) - 1;

    return (size_t)ASN1_STRING_length(name) == skip + strlen(endpoint_id) &&
           strncasecmp(text, URN, skip) == 0 && memcmp(text + skip, endpoint_id, strlen(endpoint_id)) == 0;
}

static bool domain_is(const ASN1_IA5STRING *name, const char *domain)
{
    const char *text = (const char *)ASN1_STRING_get0_data(name);

    return (size_t)ASN1_STRING_length(name) == strlen(domain) &&
           strncasecmp(text, domain, strlen(domain)) == 0;
}

bool tls_certificate_names(X509 *certificate, const char *endpoint_id)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const char *fqdn = strncmp(endpoint_id, "fqdn::", 6) == 0 ? endpoint_id + 6 : NULL;
    bool found = false;

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_URI)
            found = uri_is(name->d.uniformResourceIdentifier, endpoint_id);
        else if (name->type == GEN_DNS && fqdn)
            found = domain_is(name->d.dNSName, fqdn);
    }
    GENERAL_NAMES_free(names);
    return found;
}

bool tls_certificate_claims(X509 *certificate, const char *endpoint_id)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool by_domain = strncmp(endpoint_id, "fqdn::", 6) == 0;
    bool found = false;

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const ASN1_IA5STRING *uri = name->type == GEN_URI ? name->d.uniformResourceIdentifier : NULL;

        found = (by_domain && name->type == GEN_DNS) ||
                (uri && (size_t)ASN1_STRING_length(uri) >= sizeof(URN) - 1 &&
                 strncasecmp((const char *)ASN1_STRING_get0_data(uri), URN, sizeof(URN) - 1) == 0);
    }
    GENERAL_NAMES_free(names);
    return found;
}
