/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to this folder: a CMS signature has one form. Much of RFC 5652's SignedData is covered by no signature, and a
 * verifier looks at little of it: here it is DER, says nothing that is not needed, and carries no certificate that
 * nobody vouches for. So a changed byte is seen wherever it is.
 */
#ifndef RELEASE_CMS_FORM_H
#define RELEASE_CMS_FORM_H

#include <openssl/cms.h>

#include "release/release.h"

/* der: what cms was read from. -1 and err. */
int cms_check_form(CMS_ContentInfo *cms, struct str der, struct error *err);
/* By the name that its certificate writes: OpenSSL compares names without regard to case. */
bool cms_names_signer(CMS_SignerInfo *signer, X509 *certificate);
/*
 * Those that came with it: each once, and each is one of `used` (those that signed, and that lead from there to an anchor)
 * or issued one that has no other issuer there. Adds to `used`, whose members are counted. -1 and err.
 */
int cms_check_certificates(STACK_OF(X509) * came, STACK_OF(X509) * used, struct error *err);

#endif
