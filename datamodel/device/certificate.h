/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.Certificate.: what others need of its rows. Loop's thread only. */
#ifndef DATAMODEL_DEVICE_CERTIFICATE_H
#define DATAMODEL_DEVICE_CERTIFICATE_H

#include <openssl/x509.h>

#include "datamodel/dm.h"

/* Paths of the rows whose certificates are in this chain, in its order, "," between; "" for none, NULL when memory is
 * out. The caller frees it. */
char *model_certificates_in(struct dm *dm, const STACK_OF(X509) * chain);

/* Device.LocalAgent.AddCertificate(). */
int model_add_certificate(struct dm_call *call, struct error *err);

#endif
