/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/tls_engine.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

static const char CURVE[] = "prime256v1";
static const char LABEL[] = "EXPORTER-BBF-USP-Record"; /* R-E2E.36 */

enum {
    KEYS_BYTES = 64, /* R-E2E.37: the client's 32, then the server's (R-E2E.39) */
    READ_BYTES = 16384,
    LONGEST_CHAIN = 8, /* certificates that a sender may show */
};

struct tls_identity {
    SSL_CTX *ctx;
    const struct tls_trust *trust;
    struct buf certificate;
};

struct tls_engine {
    SSL *ssl;
    BIO *in, *out; /* ssl's */
    tls_peer_fn *peer;
    void *peer_ctx;
    bool server;
    bool has_keys;
    uint8_t keys[KEYS_BYTES];
};

static int fail(struct error *err, const char *what)
{
    return error_set(err, ERROR_SECURE_SESSION_NOT_SUPPORTED, NULL, "%s: %s", what, tls_last_error());
}

/* ---- identity ---- */

static bool is_curve(EVP_PKEY *key)
{
    char name[32] = "";

    return key && EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) == 1 && strcmp(name, CURVE) == 0;
}

/* Each handshake has its engine; the chain is verified as everywhere, then its owner is asked for. */
static int verify_peer(X509_STORE_CTX *store, void *arg)
{
    const struct tls_trust *trust = arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_engine *engine = SSL_get_app_data(ssl);

    if (!tls_trust_verify(store, trust))
        return 0;
    if (engine->peer(engine->peer_ctx, X509_STORE_CTX_get0_cert(store), X509_STORE_CTX_get0_chain(store)))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static int limit_ciphers(SSL_CTX *ctx, struct error *err)
{
    if (SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256") == 1 &&
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1 &&
        SSL_CTX_set1_groups_list(ctx, "P-256") == 1 && SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") == 1)
        return 0;
    return fail(err, "the ciphers of payload security cannot be had");
}

static int keep_certificate(struct tls_identity *identity, struct error *err)
{
    STACK_OF(X509) *chain = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && PEM_write_bio_X509(bio, SSL_CTX_get0_certificate(identity->ctx)) == 1;
    char *text = NULL;
    long len = 0;
    int rc = -1;

    SSL_CTX_get0_chain_certs(identity->ctx, &chain);
    for (int i = 0; good && i < sk_X509_num(chain); i++)
        good = PEM_write_bio_X509(bio, sk_X509_value(chain, i)) == 1;
    if (good && (len = BIO_get_mem_data(bio, &text)) > 0)
        rc = buf_append(&identity->certificate, text, (size_t)len);
    BIO_free(bio);
    return rc < 0 ? fail(err, "the certificate cannot be written") : 0;
}

struct tls_identity *tls_identity_new(const struct tls_settings *settings, struct error *err)
{
    struct tls_settings both = *settings;
    struct tls_identity *identity = calloc(1, sizeof(*identity));

    both.require_peer = true;
    if (!identity) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    identity->trust = settings->trust;
    buf_init(&identity->certificate, LIMIT_VALUE_BYTES, 0);
    identity->ctx = SSL_CTX_new(TLS_method());
    if (!identity->ctx) {
        fail(err, "cannot make a TLS context");
    } else if (tls_context_configure(identity->ctx, &both, TLS_SERVER, NULL, err) == 0 &&
               limit_ciphers(identity->ctx, err) == 0) {
        /* Who begins is the client, so a certificate is as good for one side as for the other. */
        X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(identity->ctx), X509_PURPOSE_ANY);
        SSL_CTX_set_cert_verify_callback(identity->ctx, verify_peer, (void *)settings->trust);
        if (!is_curve(SSL_CTX_get0_privatekey(identity->ctx)))
            error_set(
                err, ERROR_SECURE_SESSION_NOT_SUPPORTED, settings->certificate_file,
                "payload security needs a certificate with an ECDSA key of the curve P-256 (R-E2E.40b)");
        else if (keep_certificate(identity, err) == 0)
            return identity;
    }
    tls_identity_free(identity);
    return NULL;
}

void tls_identity_free(struct tls_identity *identity)
{
    if (!identity)
        return;
    SSL_CTX_free(identity->ctx);
    buf_done(&identity->certificate);
    free(identity);
}

struct str tls_identity_certificate(const struct tls_identity *identity)
{
    return (struct str){(char *)buf_data(&identity->certificate), identity->certificate.len};
}

int tls_identity_sign(struct tls_identity *identity, struct str bytes, struct buf *ret_signature,
                      struct error *err)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t len = (size_t)EVP_PKEY_get_size(SSL_CTX_get0_privatekey(identity->ctx));
    uint8_t *room = buf_room(ret_signature, len);
    int rc = -1;

    if (md && room &&
        EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, SSL_CTX_get0_privatekey(identity->ctx)) == 1 &&
        EVP_DigestSign(md, room, &len, (const uint8_t *)bytes.data, bytes.len) == 1) {
        ret_signature->len += len;
        rc = 0;
    }
    EVP_MD_CTX_free(md);
    return rc < 0 ? fail(err, "cannot sign") : 0;
}

/* ---- signatures of others ---- */

static STACK_OF(X509) * read_chain(struct str pem)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(pem.data, (int)(pem.len > LIMIT_VALUE_BYTES ? 0 : pem.len));
    X509 *one;

    while (chain && bio && sk_X509_num(chain) < LONGEST_CHAIN &&
           (one = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (sk_X509_push(chain, one) <= 0) {
            X509_free(one);
            break;
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    return chain;
}

static bool is_trusted(struct tls_identity *identity, STACK_OF(X509) * shown, tls_peer_fn *peer, void *ctx)
{
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    bool good = false;

    if (store &&
        X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(identity->ctx), sk_X509_value(shown, 0), shown) ==
            1 &&
        X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(store), SSL_CTX_get0_param(identity->ctx)) == 1)
        good = tls_trust_verify(store, identity->trust) &&
               peer(ctx, sk_X509_value(shown, 0), X509_STORE_CTX_get0_chain(store));
    X509_STORE_CTX_free(store);
    return good;
}

static bool is_signed(X509 *certificate, struct str bytes, struct str signature)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md && is_curve(key) && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(md, (const uint8_t *)signature.data, signature.len,
                                 (const uint8_t *)bytes.data, bytes.len) == 1;

    EVP_MD_CTX_free(md);
    return good;
}

int tls_identity_verify(struct tls_identity *identity, struct str bytes, struct str signature,
                        struct str certificates, tls_peer_fn *peer, void *ctx, struct error *err)
{
    STACK_OF(X509) *chain = read_chain(certificates);
    const char *why = NULL;

    if (sk_X509_num(chain) <= 0)
        why = "the record is signed, but shows no certificate (sender_cert)";
    else if (!is_signed(sk_X509_value(chain, 0), bytes, signature))
        why = "the signature is not of its certificate";
    else if (!is_trusted(identity, chain, peer, ctx))
        why = "the certificate of the signature is not trusted, or is another endpoint's";
    sk_X509_pop_free(chain, X509_free);
    ERR_clear_error();
    return why ? error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "%s", why) : 0;
}

/* ---- engine ---- */

struct tls_engine *tls_engine_new(struct tls_identity *identity, enum tls_side side, tls_peer_fn *peer,
                                  void *ctx, struct error *err)
{
    struct tls_engine *engine = calloc(1, sizeof(*engine));
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());

    if (engine)
        engine->ssl = SSL_new(identity->ctx);
    if (!engine || !engine->ssl || !in || !out) {
        BIO_free(in);
        BIO_free(out);
        tls_engine_free(engine);
        fail(err, "cannot make a TLS session");
        return NULL;
    }
    BIO_set_mem_eof_return(in, -1); /* no bytes now: not the end */
    engine->in = in;
    engine->out = out;
    engine->peer = peer;
    engine->peer_ctx = ctx;
    engine->server = side == TLS_SERVER;
    SSL_set_bio(engine->ssl, in, out);
    SSL_set_app_data(engine->ssl, engine);
    if (engine->server)
        SSL_set_accept_state(engine->ssl);
    else
        SSL_set_connect_state(engine->ssl);
    return engine;
}

void tls_engine_free(struct tls_engine *engine)
{
    if (!engine)
        return;
    SSL_free(engine->ssl);
    OPENSSL_cleanse(engine->keys, sizeof(engine->keys));
    free(engine);
}

static int drain(struct tls_engine *engine, struct buf *out)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(engine->out, &bytes);
    int rc = len > 0 ? buf_append(out, bytes, (size_t)len) : 0;

    (void)BIO_reset(engine->out);
    return rc;
}

/* 0: all that is there was read. */
static int read_all(struct tls_engine *engine, struct buf *plain)
{
    for (;;) {
        uint8_t *room = buf_room(plain, READ_BYTES);
        int n;

        if (!room)
            return -1;
        n = SSL_read(engine->ssl, room, READ_BYTES);
        if (n <= 0)
            return SSL_get_error(engine->ssl, n) == SSL_ERROR_WANT_READ ? 0 : -1;
        plain->len += (size_t)n;
    }
}

int tls_engine_take(struct tls_engine *engine, struct str bytes, struct buf *plain, struct buf *out,
                    struct error *err)
{
    int rc = 0;
    int n;

    ERR_clear_error();
    if (bytes.len > LIMIT_RECORD_BYTES ||
        (bytes.len && BIO_write(engine->in, bytes.data, (int)bytes.len) != (int)bytes.len))
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    if (!SSL_is_init_finished(engine->ssl)) {
        n = SSL_do_handshake(engine->ssl);
        if (n <= 0 && SSL_get_error(engine->ssl, n) != SSL_ERROR_WANT_READ)
            rc = -1;
    }
    if (rc == 0 && SSL_is_init_finished(engine->ssl))
        rc = read_all(engine, plain);
    if (drain(engine, out) < 0)
        rc = -1;
    if (rc == 0)
        return 0;
    if (tls_verify_error(engine->ssl))
        error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "TLS: the peer's certificate is refused: %s",
                  tls_verify_error(engine->ssl));
    else
        error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "TLS: %s", tls_last_error());
    ERR_clear_error();
    return -1;
}

int tls_engine_seal(struct tls_engine *engine, struct str plain, struct buf *out, struct error *err)
{
    ERR_clear_error();
    if (!SSL_is_init_finished(engine->ssl) || plain.len > LIMIT_RECORD_BYTES || !plain.len ||
        SSL_write(engine->ssl, plain.data, (int)plain.len) != (int)plain.len || drain(engine, out) < 0)
        return fail(err, "cannot encrypt");
    return 0;
}

bool tls_engine_up(const struct tls_engine *engine)
{
    return SSL_is_init_finished(engine->ssl);
}

/* R-E2E.35: an empty context, which in TLS 1.2 is another one than none. The cipher's PRF has SHA-256 (R-E2E.38). */
static int find_keys(struct tls_engine *engine)
{
    if (engine->has_keys)
        return 0;
    if (SSL_export_keying_material(engine->ssl, engine->keys, sizeof(engine->keys), LABEL, sizeof(LABEL) - 1,
                                   (const unsigned char *)"", 0, 1) != 1) {
        ERR_clear_error();
        return -1;
    }
    engine->has_keys = SSL_is_init_finished(engine->ssl);
    return 0;
}

int tls_engine_mac(struct tls_engine *engine, bool own, struct str bytes, uint8_t ret[TLS_MAC_BYTES])
{
    bool client_key = own != engine->server;
    unsigned len = TLS_MAC_BYTES;

    if (find_keys(engine) < 0)
        return -1;
    return HMAC(EVP_sha256(), engine->keys + (client_key ? 0 : KEYS_BYTES / 2), KEYS_BYTES / 2,
                (const uint8_t *)bytes.data, bytes.len, ret, &len)
               ? 0
               : -1;
}
