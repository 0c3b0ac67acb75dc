/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/authority/est.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "devices/authority/authority_internal.h"

enum {
    ANSWER_BYTES = 16384,
    CREDENTIAL_BYTES = 256, /* base64 of "user:code" */
    /* Of one address: a device needs one, and it is for all of a home. */
    PEER_CONNECTIONS = 4,
    PEER_BURST = 16,
    PEER_INTERVAL_MS = 1000,
    HTTP_OK = 200,
    HTTP_NO_CONTENT = 204,
    HTTP_BAD_REQUEST = 400,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_UNSUPPORTED = 415,
    HTTP_TOO_MANY = 429,
    HTTP_UNAVAILABLE = 503,
};

static const char PREFIX[] = "/.well-known/est/";
static const char CERTIFICATES[] = "application/pkcs7-mime; smime-type=certs-only";
static const char ENCODED[] = "Content-Transfer-Encoding: base64";

/*
 * RFC 7030, 4.5.2, in DER and base64: an EC key of P-256 is wished for, and a signature with SHA-256.
 * SEQUENCE { SEQUENCE { ecPublicKey, SET { prime256v1 } }, ecdsa-with-SHA256 }
 */
static const char WISHES[] = "MCEwFQYHKoZIzj0CATEKBggqhkjOPQMBBwYIKoZIzj0EAwI=";

/* The part of the path that names what is asked for; NULL: it is not EST's. */
static const char *operation(const char *path)
{
    return strncmp(path, PREFIX, sizeof(PREFIX) - 1) == 0 ? path + sizeof(PREFIX) - 1 : NULL;
}

/* Takes the bytes of the buffer. */
static int answer(struct http_answer *ret, struct buf *content, const char *type, const char *header)
{
    char *copy = content->failed ? NULL : str_dup((const char *)buf_data(content), content->len);

    if (!copy) {
        buf_done(content);
        return HTTP_UNAVAILABLE;
    }
    *ret = (struct http_answer){
        .fd = -1, .content = copy, .size = content->len, .content_type = type, .header = header};
    buf_done(content);
    return HTTP_OK;
}

/* ---- what anybody may read ---- */

static int get_list(const struct authority *authority, struct buf *content)
{
    BIO *bio = BIO_new_file(authority->list_file, "r");
    char chunk[2048];
    int n;

    while (bio && (n = BIO_read(bio, chunk, sizeof(chunk))) > 0)
        buf_append(content, chunk, (size_t)n);
    BIO_free(bio);
    return content->len ? 0 : -1;
}

static int on_get(void *ctx, const char *path, const char *peer, struct http_answer *ret_answer)
{
    struct authority *authority = ctx;
    const char *what = operation(path);
    struct buf content;

    (void)peer;
    if (!what)
        return HTTP_NOT_FOUND;
    buf_init(&content, strcmp(what, "crl.pem") == 0 ? LIMIT_VALUE_BYTES * 16 : ANSWER_BYTES, 0);
    if (strcmp(what, "csrattrs") == 0) {
        buf_append_str(&content, WISHES);
        return answer(ret_answer, &content, "application/csrattrs", ENCODED);
    }
    if (strcmp(what, "cacerts") != 0 && strcmp(what, "crl.pem") != 0)
        return HTTP_NOT_FOUND;
    if (authority_ready(authority, NULL) < 0 && !authority_certificate(authority))
        return HTTP_UNAVAILABLE;
    if (strcmp(what, "crl.pem") == 0) {
        if (get_list(authority, &content) == 0)
            return answer(ret_answer, &content, "application/x-pem-file", NULL);
        buf_done(&content);
        return HTTP_UNAVAILABLE;
    }
    if (ca_bundle(authority_certificate(authority), &content) < 0)
        content.failed = true;
    return answer(ret_answer, &content, CERTIFICATES, ENCODED);
}

/* ---- enrolment ---- */

/* RFC 7617. The code is the password; who gives it, the request says. A name before it may have colons (an Endpoint ID),
 * against the rules; a code has none. Returns its length. */
static size_t read_code(const char *header, char to[CREDENTIAL_BYTES])
{
    unsigned char text[CREDENTIAL_BYTES];
    const char *colon;
    size_t len;
    int n;

    if (strncasecmp(header, "Basic ", 6) != 0)
        return 0;
    header += 6 + strspn(header + 6, " ");
    len = strcspn(header, " ");
    if (len % 4 || len / 4 * 3 >= CREDENTIAL_BYTES)
        return 0;
    n = EVP_DecodeBlock(text, (const unsigned char *)header, (int)len);
    if (n < 0)
        return 0;
    while (n && !text[n - 1]) /* its padding */
        n--;
    colon = memrchr(text, ':', (size_t)n);
    len = colon ? (size_t)n - (size_t)(colon + 1 - (const char *)text) : 0;
    if (len)
        memcpy(to, colon + 1, len);
    OPENSSL_cleanse(text, sizeof(text));
    return len;
}

static int refuse(enum authority_verdict verdict, const struct error *err, struct http_answer *ret_answer)
{
    static const struct {
        int status;
        const char *header;
    } refusals[] = {
        [AUTHORITY_GRANTED] = {HTTP_OK, NULL},
        [AUTHORITY_MALFORMED] = {HTTP_BAD_REQUEST, NULL},
        [AUTHORITY_UNAUTHENTICATED] = {HTTP_UNAUTHORIZED, "WWW-Authenticate: Basic realm=\"enrolment code\""},
        [AUTHORITY_FORBIDDEN] = {HTTP_FORBIDDEN, NULL},
        [AUTHORITY_TOO_MANY] = {HTTP_TOO_MANY, "Retry-After: 60"},
        [AUTHORITY_NOT_NOW] = {HTTP_UNAVAILABLE, "Retry-After: 30"},
    };
    struct buf content;

    buf_init(&content, ANSWER_BYTES, 0);
    buf_printf(&content, "%s\n", err->message); /* RFC 7030, 4.2.3: for people */
    answer(ret_answer, &content, "text/plain; charset=utf-8", refusals[verdict].header);
    return refusals[verdict].status;
}

static int on_post(void *ctx, const struct http_posted *posted, struct http_answer *ret_answer)
{
    struct authority *authority = ctx;
    const char *what = operation(posted->path);
    bool renews = what && strcmp(what, "simplereenroll") == 0;
    char code[CREDENTIAL_BYTES];
    struct authority_request request = {
        .peer = posted->peer, .chain = posted->chain, .body = posted->body, .renews = renews};
    enum authority_verdict verdict;
    X509 *certificate;
    struct buf content;
    struct error err;

    if (!what || (!renews && strcmp(what, "simpleenroll") != 0))
        return HTTP_NOT_FOUND;
    if (strncasecmp(posted->content_type, "application/pkcs10", 18) != 0)
        return HTTP_UNSUPPORTED;
    request.code = (struct str){code, read_code(posted->authorization, code)};
    verdict = authority_enrol(authority, &request, &certificate, &err);
    OPENSSL_cleanse(code, sizeof(code));
    if (verdict != AUTHORITY_GRANTED)
        return refuse(verdict, &err, ret_answer);
    buf_init(&content, ANSWER_BYTES, 0);
    if (ca_bundle(certificate, &content) < 0)
        content.failed = true;
    X509_free(certificate);
    return answer(ret_answer, &content, CERTIFICATES, ENCODED);
}

const struct http_server_ops est_ops = {.request = on_get, .post = on_post};

struct http_server *est_new(struct websocket_context *context, struct authority *authority,
                            const char *address, uint16_t port, const struct tls_settings *tls,
                            struct error *err)
{
    struct http_server_settings settings = {
        .address = address,
        .port = port,
        .tls = true,
        .tls_settings = {.certificate_file = tls->certificate_file,
                         .key_file = tls->key_file,
                         .ask_peer = true,
                         .trust = authority_trust(authority, true)},
        .max_connections = LIMIT_ENROLMENT_CONNECTIONS,
        .per_peer = {.connections = PEER_CONNECTIONS, .burst = PEER_BURST, .interval_ms = PEER_INTERVAL_MS},
        .max_body = LIMIT_CSR_BYTES,
    };

    return http_server_new(context, &settings, &est_ops, authority, err);
}
