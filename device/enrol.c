/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's certificate, by Enrolment over Secure Transport (RFC 7030): a key that never leaves the device, a request that
 * is signed with it, and what comes back. The first time the request shows the manufacturer's certificate (IDevID) or a
 * one-time code, later the certificate that the device has. Key and certificate are one file, replaced as a whole: a loss
 * of power leaves the old pair or the new one.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/x509_time.h"
#include "device/device.h"
#include "transports/http_post.h"

enum {
    ANSWER_BYTES = 64 << 10,
    REQUEST_BYTES = 8192,
    RETRY_MULTIPLIER = 2000,
    RETRY_MAX_S = 300,
    RENEW_RETRY_MAX_S = 3600,
    REFUSALS = 5, /* connections that fail in a row, after which the device enrols anew */
    URL_BYTES = 1024,
};

/* ---- the certificate that the device has ---- */

static X509 *present(const struct device_agent *device)
{
    BIO *bio = BIO_new_file(device->config->ldevid_file, "r");
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

/* Seconds from now until it is to be renewed. A device whose clock is not right yet waits as if it were new. */
static int64_t time_left(const struct device_agent *device, const X509 *certificate)
{
    int64_t from = x509_seconds(X509_get0_notBefore(certificate));
    int64_t to = x509_seconds(X509_get0_notAfter(certificate));
    int64_t span = device->config->renew ? (int64_t)device->config->renew : (to - from) / 3 * 2;
    int64_t now = clock_wall(&device->loop.clock);

    return now < from ? span : from + span - now;
}

static void renew_later(struct device_agent *device, const X509 *certificate)
{
    /* At the earliest after as long as a failed request waits: a gateway that backdates gives no reason to hurry. */
    int64_t least = device->config->renew ? (int64_t)device->config->renew : (int64_t)device->config->retry;
    int64_t left = time_left(device, certificate);

    device->enrol.renews = true;
    timer_arm(&device->loop.timers, &device->enrol.timer, (uint64_t)(left > least ? left : least) * 1000);
}

static int keep(const struct device_agent *device, X509 *certificate, struct error *err)
{
    const char *file = device->config->ldevid_file;
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data;
    long len;
    int rc;

    if (bio && PEM_write_bio_X509(bio, certificate) == 1 &&
        PEM_write_bio_PKCS8PrivateKey(bio, device->enrol.key, NULL, NULL, 0, NULL, NULL) == 1 &&
        (len = BIO_get_mem_data(bio, &data)) > 0)
        rc = file_replace(AT_FDCWD, file, (struct str){data, (size_t)len}, 0600, (gid_t)-1, err);
    else
        rc = error_set(err, ERROR_INTERNAL, file, "the certificate cannot be kept: %s", tls_last_error());
    BIO_free(bio);
    return rc;
}

/* ---- what comes back ---- */

static PKCS7 *read_bundle(struct str text)
{
    EVP_ENCODE_CTX *decoder = EVP_ENCODE_CTX_new();
    unsigned char *der = malloc(text.len + 1);
    const unsigned char *at = der;
    PKCS7 *bundle = NULL;
    int len = 0;
    int rest = 0;

    if (decoder && der) {
        EVP_DecodeInit(decoder);
        if (EVP_DecodeUpdate(decoder, der, &len, (const unsigned char *)text.data, (int)text.len) >= 0 &&
            EVP_DecodeFinal(decoder, der + len, &rest) >= 0)
            bundle = d2i_PKCS7(NULL, &at, len + rest);
    }
    EVP_ENCODE_CTX_free(decoder);
    free(der);
    return bundle;
}

/* The one that is for our key and names us (R-SEC.0a); a reference of its own. */
static X509 *find_own(const struct device_agent *device, const PKCS7 *bundle)
{
    const STACK_OF(X509) *all = bundle && PKCS7_type_is_signed(bundle) ? bundle->d.sign->cert : NULL;

    for (int i = 0; i < sk_X509_num(all); i++) {
        X509 *certificate = sk_X509_value(all, i);

        if (X509_check_private_key(certificate, device->enrol.key) == 1 &&
            tls_certificate_names(certificate, device->config->endpoint_id))
            return X509_up_ref(certificate) == 1 ? certificate : NULL;
    }
    ERR_clear_error();
    return NULL;
}

static void enrolled(struct device_agent *device, X509 *certificate)
{
    struct device_enrol *enrol = &device->enrol;
    bool was_waiting = enrol->waiting;

    log_info("the gateway gave the device %s certificate", enrol->renews ? "another" : "a");
    enrol->retries = 0;
    enrol->waiting = false;
    renew_later(device, certificate);
    if (device->link.stopped)
        return;
    if (was_waiting)
        link_start(device);
    else
        link_certificate_changed(device);
}

static void try_again(struct device_agent *device)
{
    struct device_enrol *enrol = &device->enrol;
    X509 *certificate = enrol->renews || enrol->waiting ? NULL : present(device);

    if (certificate) { /* the one that it has may do yet */
        renew_later(device, certificate);
        X509_free(certificate);
        return;
    }
    timer_arm(&device->loop.timers, &enrol->timer,
              timer_backoff((uint32_t)device->config->retry, RETRY_MULTIPLIER, ++enrol->retries,
                            enrol->renews ? RENEW_RETRY_MAX_S : RETRY_MAX_S));
}

static int on_body(void *ctx, const uint8_t *data, size_t len)
{
    struct device_agent *device = ctx;

    return buf_append(&device->enrol.answer, data, len);
}

static void on_done(void *ctx, enum http_outcome outcome, const struct error *why)
{
    struct device_agent *device = ctx;
    struct device_enrol *enrol = &device->enrol;
    struct error err = {.message = "the gateway's answer holds no certificate for this device"};
    PKCS7 *bundle = NULL;
    X509 *certificate = NULL;

    enrol->post = NULL;
    if (outcome == HTTP_DONE) {
        bundle = read_bundle((struct str){(const char *)buf_data(&enrol->answer), enrol->answer.len});
        certificate = find_own(device, bundle);
    } else {
        err = *why;
    }
    if (certificate && keep(device, certificate, &err) == 0) {
        enrolled(device, certificate);
    } else {
        log_failure(LOG_LEVEL_ERROR, "no certificate from the gateway", &err);
        try_again(device);
    }
    X509_free(certificate);
    PKCS7_free(bundle);
    EVP_PKEY_free(enrol->key);
    enrol->key = NULL;
    buf_done(&enrol->answer);
}

static const struct http_fetch_ops fetch_ops = {.body = on_body, .done = on_done};

/* ---- what is asked ---- */

static int name_request(X509_REQ *csr, const char *endpoint_id)
{
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *uri = ASN1_IA5STRING_new();
    char text[TOPIC_BYTES + 16];
    int len = snprintf(text, sizeof(text), "urn:bbf:usp:id:%s", endpoint_id);
    int rc = -1;

    if (names && name && uri && ASN1_STRING_set(uri, text, len) == 1) {
        GENERAL_NAME_set0_value(name, GEN_URI, uri);
        uri = NULL;
        if (sk_GENERAL_NAME_push(names, name) > 0) {
            name = NULL;
            if (X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1 &&
                X509_REQ_add_extensions(csr, extensions) == 1)
                rc = 0;
        }
    }
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    ASN1_IA5STRING_free(uri);
    GENERAL_NAME_free(name);
    GENERAL_NAMES_free(names);
    return rc;
}

/* PKCS #10 in base64, signed with the key it is for. */
static int write_request(struct device_agent *device, struct buf *ret)
{
    X509_REQ *csr = X509_REQ_new();
    const char *endpoint_id = device->config->endpoint_id;
    unsigned char *der = NULL;
    uint8_t *to;
    int len = -1;

    if (csr && X509_REQ_set_pubkey(csr, device->enrol.key) == 1 &&
        X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(csr), NID_commonName, MBSTRING_UTF8,
                                   (const unsigned char *)endpoint_id, -1, -1, 0) == 1 &&
        name_request(csr, endpoint_id) == 0 && X509_REQ_sign(csr, device->enrol.key, EVP_sha256()) > 0)
        len = i2d_X509_REQ(csr, &der);
    to = len > 0 ? buf_room(ret, (size_t)len / 3 * 4 + 5) : NULL;
    if (to)
        ret->len += (size_t)EVP_EncodeBlock(to, der, len);
    OPENSSL_free(der);
    X509_REQ_free(csr);
    ERR_clear_error();
    return to ? 0 : -1;
}

static int post(struct device_agent *device, struct buf *content, struct error *err)
{
    static const char *const headers[] = {"Content-Type: application/pkcs10",
                                          "Content-Transfer-Encoding: base64", NULL};
    const struct device_config *config = device->config;
    struct device_enrol *enrol = &device->enrol;
    char url[URL_BYTES];
    struct http_post what = {
        .url = url,
        .method = "POST",
        .headers = headers,
        .tls = {.ca_file = config->ca_file,
                .certificate_file = enrol->renews ? config->ldevid_file : config->idevid_file,
                .key_file = enrol->renews ? config->ldevid_file : config->idevid_key_file},
    };

    if (!enrol->renews && config->enrol_code) {
        what.username = "device";
        what.password = config->enrol_code;
    }
    if (snprintf(url, sizeof(url), "%s/%s", config->est_url,
                 enrol->renews ? "simplereenroll" : "simpleenroll") >= (int)sizeof(url))
        return error_set(err, ERROR_INVALID_CONFIGURATION, config->est_url, "the URL is too long");
    enrol->post = http_post_start(device->fetcher, &what, content, &fetch_ops, device, err);
    return enrol->post ? 0 : -1;
}

static void request(struct device_agent *device, bool renews)
{
    struct device_enrol *enrol = &device->enrol;
    struct error err = {.message = "cannot make a key and a request"};
    struct buf content;
    int rc = -1;

    if (enrol->post)
        return;
    timer_cancel(&device->loop.timers, &enrol->timer);
    enrol->renews = renews;
    buf_init(&enrol->answer, ANSWER_BYTES, 0);
    buf_init(&content, REQUEST_BYTES, 0);
    enrol->key = EVP_EC_gen("P-256");
    if (enrol->key && write_request(device, &content) == 0)
        rc = post(device, &content, &err);
    buf_done(&content);
    if (rc == 0)
        return;
    log_failure(LOG_LEVEL_ERROR, "cannot ask the gateway for a certificate", &err);
    EVP_PKEY_free(enrol->key);
    enrol->key = NULL;
    try_again(device);
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct device_agent *device = ctx;

    (void)timer;
    request(device, device->enrol.renews);
}

/* ---- life ---- */

void enrol_start(struct device_agent *device)
{
    const struct device_config *config = device->config;
    X509 *certificate = config->est_url ? present(device) : NULL;
    bool is_over = certificate && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;

    timer_init(&device->enrol.timer, on_timer, device);
    if (config->est_url && (!certificate || is_over)) {
        device->enrol.waiting = true;
        request(device, false);
    } else if (certificate) {
        renew_later(device, certificate);
    }
    X509_free(certificate);
    link_start(device);
}

void enrol_refused(struct device_agent *device, uint32_t retries)
{
    if (device->config->idevid_file && retries % REFUSALS == 0)
        request(device, false);
}

void enrol_stop(struct device_agent *device)
{
    struct device_enrol *enrol = &device->enrol;

    timer_cancel(&device->loop.timers, &enrol->timer);
    if (enrol->post)
        http_fetch_cancel(enrol->post);
    enrol->post = NULL;
    EVP_PKEY_free(enrol->key);
    enrol->key = NULL;
    buf_done(&enrol->answer);
}
