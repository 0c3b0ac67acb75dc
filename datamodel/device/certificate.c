/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.Certificate.{i}.: the CAs and the own certificate that the configuration names. */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "datamodel/device/model.h"

struct certificate {
    char *alias;
    char *serial_number;
    char *issuer;
    X509 *x509;
};

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED | DM_VOLATILE,
     .max = 64,
     .offset = DM_OFFSET(struct certificate, alias)},
    {.name = "SerialNumber",
     .type = DM_STRING,
     .max = 64,
     .offset = DM_OFFSET(struct certificate, serial_number)},
    {.name = "Issuer", .type = DM_STRING, .max = 256, .offset = DM_OFFSET(struct certificate, issuer)},
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

static const struct dm_command commands[] = {
    {.name = "GetFingerprint()",
     .inputs = fingerprint_inputs,
     .outputs = fingerprint_outputs,
     .run = run_fingerprint},
    {.name = NULL},
};

static bool never(const struct dm_row *row)
{
    (void)row;
    return false; /* the files are the truth: rows are made from them at each start */
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
    .max_rows = 512,
    .persistent = never,
    .done = done,
};

/* ---- loading ---- */

/* RFC 2253 text of a name, malloc'ed. */
static char *name_text(X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    char *data;
    long len;

    if (!bio)
        return NULL;
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(bio, &data);
        text = str_dup(data, len > 256 ? 256 : (size_t)len);
    }
    BIO_free(bio);
    return text;
}

/* Takes over x509. */
static int add_certificate(struct model *model, struct dm_row *local_agent, X509 *x509, struct error *err)
{
    const ASN1_INTEGER *number = X509_get0_serialNumber(x509);
    struct dm_node *node = dm_node_child(local_agent->node, STR("Certificate"));
    struct dm_row *row = dm_add(model->dm, local_agent, node, 0, err);
    struct certificate *certificate;

    if (!row) {
        X509_free(x509);
        return -1;
    }
    certificate = row->data;
    certificate->x509 = x509;
    certificate->issuer = name_text(X509_get_issuer_name(x509));
    certificate->serial_number = malloc(2 * (size_t)number->length + 1);
    if (!certificate->issuer || !certificate->serial_number)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    str_to_hex(certificate->serial_number, number->data, (size_t)number->length);
    if (strlen(certificate->serial_number) > 64)
        certificate->serial_number[64] = '\0';
    return 0;
}

int model_load_certificates(struct model *model, struct error *err)
{
    struct dm_row *local_agent = dm_row_find(model->dm, STR("Device.LocalAgent."));
    BIO *bio;
    X509 *x509;
    int result = 0;

    if (!model->tls_ca_file)
        return 0;
    bio = BIO_new_file(model->tls_ca_file, "r");
    if (!bio)
        return error_set(err, ERROR_INVALID_CONFIGURATION, model->tls_ca_file, "cannot be read");
    dm_begin(model->dm, NULL);
    while (result == 0 && (x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        result = add_certificate(model, local_agent, x509, err);
    BIO_free(bio);
    if (result < 0) {
        dm_rollback(model->dm);
        return -1;
    }
    return dm_commit(model->dm, err);
}
