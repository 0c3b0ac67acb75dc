/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device.LocalAgent.Certificate.{i}.: the CAs that the configuration names, and what controllers added. Each row is stored
 * with its certificate, so that it keeps its number: references to it (Credential) must not come to mean another.
 */
#include "config.h"

#include "datamodel/device/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "datamodel/device/model.h"
#include "transports/tls.h"
#include "usp/access.h"
#include "usp/controller.h"
#include "usp/trust.h"

enum {
    NAME_BYTES = 256,
    SERIAL_BYTES = 64,
    CERTIFICATE_BYTES = 65535, /* TR-181 AddCertificate() */
};

struct certificate {
    char *alias;
    char *serial_number;
    char *issuer;
    char *content; /* DER, base64 */
    bool enable;
    bool added; /* by a controller or on first use, not by the configuration */
    bool found; /* while the configuration is read: it names this one */
    X509 *x509;
};

/* Objects that are always there, found without memory: what is trusted must follow at any time. */
static struct dm_row *single(struct dm_row *row, const char *name)
{
    return dm_row_child(row, dm_node_child(row->node, str_of(name)));
}

static struct dm_row *local_agent_of(const struct dm *dm)
{
    return single(dm_root(dm), "LocalAgent");
}

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct certificate, alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = DM_OFFSET(struct certificate, enable)},
    {.name = "SerialNumber",
     .type = DM_STRING,
     .flags = DM_STATE | DM_INDEXED,
     .max = SERIAL_BYTES,
     .offset = DM_OFFSET(struct certificate, serial_number)},
    {.name = "Issuer",
     .type = DM_STRING,
     .flags = DM_STATE,
     .max = NAME_BYTES,
     .offset = DM_OFFSET(struct certificate, issuer)},
    {.name = VENDOR_PREFIX "Content",
     .type = DM_BASE64,
     .flags = DM_STATE | DM_NO_NOTIFY,
     .max = CERTIFICATE_BYTES,
     .offset = DM_OFFSET(struct certificate, content)},
    {.name = VENDOR_PREFIX "Added",
     .type = DM_BOOLEAN,
     .flags = DM_STATE,
     .offset = DM_OFFSET(struct certificate, added)},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"SerialNumber", "Issuer"}}, {{"Alias"}}, {{NULL}}};

/* ---- GetFingerprint() ---- */

static const char *const algorithms[] = {"SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512", NULL};

static const struct dm_arg fingerprint_inputs[] = {
    {.name = "FingerprintAlgorithm", .type = DM_STRING, .required = true, .values = algorithms},
    {.name = NULL},
};

static const struct dm_arg fingerprint_outputs[] = {
    {.name = "Fingerprint", .type = DM_HEX_BINARY},
    {.name = NULL},
};

static int run_fingerprint(struct dm_call *call, struct error *err)
{
    const struct certificate *certificate = call->row->data;
    const char *name = dm_call_input(call, "FingerprintAlgorithm");
    char openssl_name[16] = "SHA";
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    const EVP_MD *md;
    unsigned len = 0;

    str_copy(openssl_name + 3, sizeof(openssl_name) - 3, name + 4); /* "SHA-256" is "SHA256" there */
    md = EVP_get_digestbyname(openssl_name);
    if (!md || !certificate->x509 || !X509_digest(certificate->x509, md, digest, &len))
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "%s cannot be computed", name);
    str_to_hex(hex, digest, len);
    return dm_call_output(call, "Fingerprint", hex);
}

/* ---- Delete() ---- */

static int run_delete(struct dm_call *call, struct error *err)
{
    const struct certificate *certificate = call->row->data;

    if (!certificate->added)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL,
                         "the configuration of the agent names this certificate (tls_ca_file)");
    dm_begin(call->dm, NULL);
    if (dm_delete(call->dm, call->row, err) < 0) { /* references to it go with it */
        dm_rollback(call->dm);
        return -1;
    }
    call->row = NULL;
    return dm_commit(call->dm, err);
}

static const struct dm_command commands[] = {
    {.name = "GetFingerprint()",
     .inputs = fingerprint_inputs,
     .outputs = fingerprint_outputs,
     .run = run_fingerprint},
    {.name = "Delete()", .run = run_delete},
    {.name = NULL},
};

/* ---- which certificates connections trust ---- */

static bool lists(struct dm *dm, const char *references, const struct dm_row *row)
{
    struct str list = str_of(references);
    struct str item;

    while (list.len && str_next(&list, ',', &item))
        if (dm_row_find(dm, str_trim(item)) == row)
            return true;
    return false;
}

/* R-SEC.2, R-SEC.4a; TR-181 AddCertificate(): a certificate is trusted once a Credential names it, of ControllerTrust or
 * of a controller. */
static bool is_referred(struct dm *dm, const struct dm_row *row)
{
    struct dm_row *trust = single(local_agent_of(dm), "ControllerTrust");
    struct dm_row *local_agent = local_agent_of(dm);
    struct dm_row *const *rows;
    uint32_t count = dm_rows(trust, dm_node_child(trust->node, STR("Credential")), &rows);

    for (uint32_t i = 0; i < count; i++) {
        const struct credential *credential = rows[i]->data;

        if (credential->enable && lists(dm, credential->credential, row))
            return true;
    }
    count = dm_rows(local_agent, dm_node_child(local_agent->node, STR("Controller")), &rows);
    for (uint32_t i = 0; i < count; i++) {
        const struct controller *controller = rows[i]->data;

        if (controller->enable && lists(dm, controller->credential, row))
            return true;
    }
    return false;
}

/* New connections trust from now on what controllers added and refer to, and nothing that they deleted or disabled. */
static void follow_rows(struct dm *dm, struct tls_trust *to)
{
    struct dm_row *local_agent = local_agent_of(dm);
    const struct controller_trust *trust = single(local_agent_of(dm), "ControllerTrust")->data;
    STACK_OF(X509) *added = sk_X509_new_null();
    STACK_OF(X509) *disabled = sk_X509_new_null();
    struct dm_row *const *rows;
    uint32_t count = dm_rows(local_agent, dm_node_child(local_agent->node, STR("Certificate")), &rows);
    bool good = added && disabled;

    for (uint32_t i = 0; good && i < count; i++) {
        const struct certificate *certificate = rows[i]->data;

        if (!certificate->x509)
            continue;
        if (!certificate->enable)
            good = sk_X509_push(disabled, certificate->x509) > 0;
        else if (certificate->added && is_referred(dm, rows[i]))
            good = sk_X509_push(added, certificate->x509) > 0;
    }
    if (good)
        tls_trust_set(to, added, disabled);
    tls_trust_first_use(to, trust->tofu_allowed);
    sk_X509_free(added);
    sk_X509_free(disabled);
}

/* Programs without trust that follows the rows (a device, tests) need not have the table. */
void model_certificates_referred(struct dm *dm)
{
    if (model_of(dm)->trust)
        follow_rows(dm, model_of(dm)->trust);
}

static void applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    bool enabled = changed & 1ull << dm_node_param(row->node, "Enable");

    if (kind != DM_ROW_CHANGED || enabled)
        model_certificates_referred(dm);
    if (enabled)
        usp_access_changed(model_of(dm)->usp); /* roles come through it, or no longer */
}

static void done(struct dm_row *row)
{
    struct certificate *certificate = row->data;

    X509_free(certificate->x509);
    certificate->x509 = NULL;
}

const struct dm_object model_certificate = {
    .flags = DM_TABLE,
    .data_size = sizeof(struct certificate),
    .params = params,
    .commands = commands,
    .keys = keys,
    .rows_limit = LIMITS_OFFSET(certificates),
    .applied = applied,
    .done = done,
};

/* ---- rows from certificates ---- */

/* RFC 2253 text of a name. */
static void name_text(const X509_NAME *name, char to[NAME_BYTES + 1])
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;

    to[0] = '\0';
    if (!bio)
        return;
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(bio, &data);
        if (len > NAME_BYTES)
            len = NAME_BYTES;
        memcpy(to, data, (size_t)len);
        to[len] = '\0';
    }
    BIO_free(bio);
}

static void serial_text(const ASN1_INTEGER *number, char to[SERIAL_BYTES + 1])
{
    size_t len = (size_t)number->length;

    str_to_hex(to, number->data, len > SERIAL_BYTES / 2 ? SERIAL_BYTES / 2 : len);
}

/* DER in base64, malloc'ed; NULL: no memory, or longer than a parameter may be. */
static char *content_of(X509 *x509)
{
    unsigned char *der = NULL;
    int len = i2d_X509(x509, &der);
    char *text = len > 0 && len / 3 * 4 + 4 <= CERTIFICATE_BYTES ? malloc((size_t)len / 3 * 4 + 5) : NULL;

    if (text)
        EVP_EncodeBlock((unsigned char *)text, der, len);
    OPENSSL_free(der);
    return text;
}

/* The first certificate of a base64 text that is DER. */
static X509 *from_content(const char *text)
{
    size_t len = strlen(text);
    unsigned char *der = len && len <= CERTIFICATE_BYTES ? malloc(len / 4 * 3 + 4) : NULL;
    const unsigned char *at = der;
    X509 *x509 = NULL;
    int size = der ? EVP_DecodeBlock(der, (const unsigned char *)text, (int)len) : -1;

    if (size > 0)
        x509 = d2i_X509(NULL, &at, size);
    free(der);
    return x509;
}

static int set(struct dm *dm, struct dm_row *row, const char *name, const char *value, struct error *err)
{
    return dm_set(dm, row, dm_node_param(row->node, name), str_of(value), err);
}

/* In an open transaction that may set read-only parameters. Takes over x509. */
static int add_certificate(struct dm *dm, X509 *x509, const char *alias, bool added, struct error *err)
{
    struct dm_row *local_agent = local_agent_of(dm);
    struct dm_node *node = dm_node_child(local_agent->node, STR("Certificate"));
    struct dm_row *row = dm_add(dm, local_agent, node, 0, err);
    char serial[SERIAL_BYTES + 1];
    char issuer[NAME_BYTES + 1];
    char *content;
    int rc = -1;

    if (!row) {
        X509_free(x509);
        return -1;
    }
    ((struct certificate *)row->data)->x509 = x509;
    name_text(X509_get_issuer_name(x509), issuer);
    serial_text(X509_get0_serialNumber(x509), serial);
    content = content_of(x509);
    if (!content)
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the certificate is too long");
    else if ((!alias || !alias[0] || set(dm, row, "Alias", alias, err) == 0) &&
             set(dm, row, "SerialNumber", serial, err) == 0 && set(dm, row, "Issuer", issuer, err) == 0 &&
             set(dm, row, VENDOR_PREFIX "Content", content, err) == 0 &&
             set(dm, row, VENDOR_PREFIX "Added", added ? "true" : "false", err) == 0)
        rc = dm_add_done(dm, row, err);
    free(content);
    return rc;
}

static struct dm_row *row_of(struct dm_row *local_agent, const X509 *x509)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(local_agent, dm_node_child(local_agent->node, STR("Certificate")), &rows);

    for (uint32_t i = 0; i < count; i++) {
        const struct certificate *certificate = rows[i]->data;

        if (certificate->x509 && X509_cmp(certificate->x509, x509) == 0)
            return rows[i];
    }
    return NULL;
}

/* ---- AddCertificate() ---- */

const struct dm_arg model_add_certificate_inputs[] = {
    {.name = "Alias", .type = DM_STRING, .max = 64},
    {.name = "Certificate", .type = DM_STRING, .required = true, .max = 65535},
    {.name = NULL},
};

/* Exactly one certificate, PEM or the base64 of DER. */
static X509 *read_one(const char *text, struct error *err)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    X509 *more = x509 ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    if (!x509)
        x509 = from_content(text);
    ERR_clear_error();
    if (x509 && !more)
        return x509;
    X509_free(x509);
    X509_free(more);
    error_set(err, ERROR_COMMAND_FAILURE, NULL, "Certificate: %s",
              more ? "more than one" : "not an X.509 certificate");
    return NULL;
}

/* The certificate of the call's arguments, in an open transaction that may set read-only parameters. */
static int add_input(struct dm_call *call, X509 **ret_certificate, struct error *err)
{
    X509 *x509 = read_one(dm_call_input(call, "Certificate"), err);

    if (!x509)
        return -1;
    *ret_certificate = x509;
    return add_certificate(call->dm, x509, dm_call_input(call, "Alias"), true, err);
}

int model_add_certificate(struct dm_call *call, struct error *err)
{
    const struct dm_requester requester = {.factory = true};
    X509 *x509;

    dm_begin(call->dm, &requester);
    if (add_input(call, &x509, err) < 0) {
        dm_rollback(call->dm);
        return -1;
    }
    return dm_commit(call->dm, err);
}

/* ---- AddMyCertificate() ---- */

/* The row's Credential, and this certificate's row in it. */
static int refer(struct dm *dm, struct dm_row *row, X509 *x509, struct error *err)
{
    const struct controller *controller = row->data;
    const char *before = controller->credential ? controller->credential : "";
    char path[DM_PATH_BYTES];
    struct buf list;
    int rc;

    dm_row_path(row_of(local_agent_of(dm), x509), path);
    buf_init(&list, LIMIT_VALUE_BYTES, 0);
    buf_printf(&list, "%s%s%s", before, before[0] ? "," : "", path);
    rc = list.failed ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "Credential would be too long")
                     : set(dm, row, "Credential", (const char *)buf_data(&list), err);
    buf_done(&list);
    return rc;
}

int model_add_my_certificate(struct dm_call *call, struct error *err)
{
    const struct dm_requester requester = {.factory = true};
    const struct controller *controller = call->row->data;
    X509 *x509;

    if (strcmp(controller->endpoint_id, call->originator) != 0)
        return error_set(err, ERROR_PERMISSION_DENIED, NULL,
                         "a controller adds a certificate for itself only");
    dm_begin(call->dm, &requester);
    if (add_input(call, &x509, err) < 0 || refer(call->dm, call->row, x509, err) < 0) {
        dm_rollback(call->dm);
        return -1;
    }
    return dm_commit(call->dm, err);
}

/* ---- first use ---- */

char *model_remember_certificate(struct dm *dm, X509 *certificate)
{
    const struct dm_requester requester = {.factory = true};
    struct dm_row *local_agent = local_agent_of(dm);
    struct dm_row *row = row_of(local_agent, certificate);
    char path[DM_PATH_BYTES];

    if (!row) {
        if (X509_up_ref(certificate) != 1)
            return NULL;
        dm_begin(dm, &requester);
        if (add_certificate(dm, certificate, NULL, true, NULL) < 0) {
            dm_rollback(dm);
            return NULL;
        }
        if (dm_commit(dm, NULL) < 0)
            return NULL;
        row = row_of(local_agent, certificate);
    }
    dm_row_path(row, path);
    return strdup(path);
}

/* ---- chains ---- */

char *model_certificates_in(struct dm *dm, const STACK_OF(X509) * chain)
{
    struct dm_row *local_agent = local_agent_of(dm);
    char path[DM_PATH_BYTES];
    struct buf text;
    char *copy;

    buf_init(&text, LIMIT_VALUE_BYTES, 0);
    for (int i = 0; i < sk_X509_num(chain); i++) {
        struct dm_row *row = row_of(local_agent, sk_X509_value(chain, i));

        if (row && dm_row_path(row, path))
            buf_printf(&text, "%s%s", text.len ? "," : "", path);
    }
    copy = text.failed ? NULL : str_dup((const char *)buf_data(&text), text.len);
    buf_done(&text);
    return copy;
}

/* ---- loading ---- */

/* The rows that were stored get their certificates back. One that cannot be read is deleted. */
static int restore(struct dm *dm, struct dm_row *local_agent, struct error *err)
{
    struct dm_row *const *rows;
    uint32_t i = dm_rows(local_agent, dm_node_child(local_agent->node, STR("Certificate")), &rows);

    while (i-- > 0) {
        struct certificate *certificate = rows[i]->data;

        certificate->x509 = certificate->content ? from_content(certificate->content) : NULL;
        if (!certificate->x509 && dm_delete(dm, rows[i], err) < 0)
            return -1;
        dm_rows(local_agent, dm_node_child(local_agent->node, STR("Certificate")), &rows);
    }
    ERR_clear_error();
    return 0;
}

/* Rows of the configuration that it names no more. */
static int forget_others(struct dm *dm, struct dm_row *local_agent, struct error *err)
{
    struct dm_row *const *rows;
    uint32_t i = dm_rows(local_agent, dm_node_child(local_agent->node, STR("Certificate")), &rows);

    while (i-- > 0) {
        const struct certificate *certificate = rows[i]->data;

        if (!certificate->found && !certificate->added && dm_delete(dm, rows[i], err) < 0)
            return -1;
        dm_rows(local_agent, dm_node_child(local_agent->node, STR("Certificate")), &rows);
    }
    return 0;
}

static int read_file(struct dm *dm, struct dm_row *local_agent, const char *file, struct error *err)
{
    BIO *bio = BIO_new_file(file, "r");
    int rc = 0;
    X509 *x509;

    if (!bio)
        return error_set(err, ERROR_INVALID_CONFIGURATION, file, "cannot be read");
    while (rc == 0 && (x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        struct dm_row *row = row_of(local_agent, x509);

        if (row)
            X509_free(x509);
        else if ((rc = add_certificate(dm, x509, NULL, false, err)) == 0)
            row = row_of(local_agent, x509);
        if (row)
            ((struct certificate *)row->data)->found = true;
    }
    BIO_free(bio);
    ERR_clear_error();
    return rc;
}

int model_load_certificates(struct model *model, struct error *err)
{
    const struct dm_requester requester = {.factory = true};
    struct dm_row *local_agent = local_agent_of(model->dm);

    dm_begin(model->dm, &requester);
    if (restore(model->dm, local_agent, err) < 0 ||
        (model->tls_ca_file && read_file(model->dm, local_agent, model->tls_ca_file, err) < 0) ||
        forget_others(model->dm, local_agent, err) < 0) {
        dm_rollback(model->dm);
        return -1;
    }
    if (dm_commit(model->dm, err) < 0)
        return -1;
    model_certificates_referred(model->dm);
    return 0;
}
