/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Integrity of what a record says besides its payload (R-E2E.28 to R-E2E.39): by signature, or by MAC once the TLS
 * session is there.
 */
#include "usp/session_internal.h"

#include "base/limits.h"

/* As long for a right one as for a wrong one. */
static bool same(const uint8_t *a, const char *b)
{
    uint8_t differ = 0;

    for (size_t i = 0; i < USP_MAC_BYTES; i++)
        differ |= (uint8_t)(a[i] ^ (uint8_t)b[i]);
    return differ == 0;
}

static int check_fields(struct controller *controller, struct usp_session *session,
                        const struct usp_record *record, struct str fields, struct error *err)
{
    const struct usp *usp = controller->usp;
    uint8_t mac[USP_MAC_BYTES];

    if (record->mac_signature.len ==
        USP_MAC_BYTES) { /* a signature is longer: two integers of 32 bytes in DER */
        if (session && session->security && usp->security->mac(session->security, false, fields, mac) == 0 &&
            same(mac, record->mac_signature.data))
            return 0;
        return error_set(err, ERROR_INVALID_RECORD_VALUE, controller->endpoint_id, "the MAC does not fit");
    }
    /* The peer's side of the handshake may have ended later than ours; but a MAC is never followed by less. */
    if (session && session->security && session->proven)
        return error_set(err, ERROR_INVALID_RECORD_VALUE, controller->endpoint_id,
                         "a signature where a MAC has to be (R-E2E.33)");
    if (!usp->security)
        return error_set(err, ERROR_INVALID_RECORD_VALUE, controller->endpoint_id,
                         "there is nothing to verify a signature with");
    return usp->security->verify(usp->security_ctx, controller, fields, record->mac_signature,
                                 record->sender_cert, err);
}

int usp_integrity_check(struct controller *controller, struct usp_session *session,
                        const struct usp_record *record, const struct usp_session_context *context,
                        bool protected, struct error *err)
{
    struct buf fields;
    int rc;

    if (!record->mac_signature.len) {
        if (protected || record->payload_security != TLS12)
            return 0;
        return error_set(err, ERROR_INVALID_RECORD_VALUE, controller->endpoint_id,
                         "neither a signature nor a transport that makes one needless (R-E2E.30)");
    }
    buf_init(&fields, LIMIT_RECORD_BYTES, 0);
    usp_record_fields(&fields, record, context);
    rc = fields.failed ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory")
                       : check_fields(controller, session, record,
                                      (struct str){(char *)buf_data(&fields), fields.len}, err);
    buf_done(&fields);
    if (rc == 0 && session && !session->secured)
        session->signs = true;
    return rc;
}

bool usp_integrity_by_transport(const struct controller *controller, const struct usp_channel *from)
{
    return from->certificates && (from->named || (controller->credential && controller->credential[0]));
}

int usp_integrity_make(struct usp_session *session, struct usp_record *record,
                       const struct usp_session_context *context, struct buf *scratch)
{
    const struct usp *usp = session->controller->usp;
    bool mac = session->secured && session->status == SESSION_UP;
    struct buf fields;
    struct str bytes;
    int rc = -1;

    if (!mac && !usp->security)
        return 0;
    if (!mac && !session->secured && !session->signs)
        return 0;
    if (!mac)
        record->sender_cert = usp->security->certificate(usp->security_ctx);
    buf_init(&fields, LIMIT_RECORD_BYTES, 0);
    usp_record_fields(&fields, record, context);
    bytes = (struct str){(char *)buf_data(&fields), fields.len};
    if (fields.failed) {
        buf_done(&fields);
        return -1;
    }
    if (!mac) {
        rc = usp->security->sign(usp->security_ctx, bytes, scratch, NULL);
    } else if (buf_room(scratch, USP_MAC_BYTES)) {
        rc = usp->security->mac(session->security, true, bytes, buf_data(scratch));
        scratch->len = USP_MAC_BYTES;
    }
    buf_done(&fields);
    record->mac_signature = (struct str){(char *)buf_data(scratch), scratch->len};
    return rc;
}
