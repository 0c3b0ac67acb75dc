/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.Certificate.: what others need of its rows. Loop's thread only. */
#ifndef DATAMODEL_DEVICE_CERTIFICATE_H
#define DATAMODEL_DEVICE_CERTIFICATE_H

#include <openssl/x509.h>

#include "datamodel/dm.h"

/* Paths of the rows whose certificates are in this chain, in its order, "," between; "" for none, NULL when memory is
 * out. The caller frees it. */
char *model_certificates_in(struct dm *dm, const STACK_OF(X509) * chain);

/* In an open transaction: the row of this certificate, a new one if there is none. Its path (the caller frees it), or NULL. */
char *model_remember_certificate(struct dm *dm, X509 *certificate);

/* Credential rows or a controller's Credential have changed: they say which certificates connections trust. */
void model_certificates_referred(struct dm *dm);

/* Device.LocalAgent.Controller.{i}.AddMyCertificate(). */
int model_add_my_certificate(struct dm_call *call, struct error *err);

/* Device.LocalAgent.AddCertificate(); both have the same arguments. */
extern const struct dm_arg model_add_certificate_inputs[];
int model_add_certificate(struct dm_call *call, struct error *err);

#endif
