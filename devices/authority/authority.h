/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The certificate authority of a home: it gives the home's devices certificates, and takes them back. Whom it gives one
 * follows from what a request shows: the certificate of its manufacturer, a one-time code, or the certificate that it
 * has. Each one is in a register, which is kept in the store (kind "issued"); a certificate that is not in it, or not as
 * valid, is refused in TLS whatever its dates say.
 *
 * It makes its key when it is first needed and the clock is right. Owned by the caller; loop's thread only.
 */
#ifndef DEVICES_AUTHORITY_AUTHORITY_H
#define DEVICES_AUTHORITY_AUTHORITY_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/observer.h"
#include "base/store.h"
#include "base/timer.h"
#include "devices/authority/ca.h"
#include "devices/authority/codes.h"
#include "transports/tls.h"

struct authority;

enum issued_status {
    ISSUED_VALID,
    ISSUED_REVOKED,    /* by the operator: its device gets no other one by itself */
    ISSUED_SUPERSEDED, /* the device has a newer one */
    ISSUED_EXPIRED,
};

/* What the request was authorised by. */
enum issued_by {
    ISSUED_BY_IDEVID,
    ISSUED_BY_CODE,
    ISSUED_BY_RENEWAL,
};

/* One certificate of the register; owned by it. Rows of the data model read this. */
struct issued {
    struct authority *authority;
    char serial[CA_SERIAL_TEXT]; /* lower-case hexadecimal */
    char name[CA_NAME_BYTES];
    char manufacturer[CA_NAME_BYTES]; /* proven by an IDevID; "": not */
    char serial_number[CA_NAME_BYTES];
    int64_t not_before, not_after; /* s since 1970 */
    int64_t ended;                 /* when it was revoked or superseded; 0: it was not */
    enum issued_status status;
    enum issued_by by;
    bool pardoned;     /* revoked, and an operator's code has let the device in again */
    uint32_t instance; /* of its row; not used again while the register has it */
    void *row;         /* of the observer above that shows it */
};

enum authority_event_type {
    AUTHORITY_ISSUED,
    AUTHORITY_CHANGED,   /* its status */
    AUTHORITY_REVOKED,   /* by the operator; AUTHORITY_CHANGED came before */
    AUTHORITY_FORGOTTEN, /* long expired: still readable */
    AUTHORITY_REFUSED,   /* a request; told seldom */
    AUTHORITY_READY,     /* it has a key now */
    AUTHORITY_LISTED,    /* crl.pem was written anew */
};

struct authority_event {
    enum authority_event_type type;
    struct issued *issued; /* NULL for the last three */
    const char *peer;      /* of AUTHORITY_REFUSED, with why */
    const char *why;
};

struct authority_ops {
    tls_dated_fn *dated; /* whether the clock is right; nothing is signed before. NULL: it always is */
    void *dated_ctx;
    /* Why no device may have this name at all, or not by a code that names no device; NULL: it may. */
    const char *(*reserved)(void *ctx, const char *name, bool unnamed_code);
    void *reserved_ctx;
};

struct authority_settings {
    const char *folder;             /* of the key; is made */
    const char *public_folder;      /* of ca.pem and crl.pem; NULL: the same */
    const char *owner;              /* whose devices: the gateway's Endpoint ID */
    const char *manufacturers_file; /* NULL: no manufacturer's certificates are taken */
    uint32_t certificate_days;
    uint32_t authority_days;
};

/* Reads key and register. NULL and err: one of the files is wrong, or the store cannot be read. */
struct authority *authority_new(const struct clock *clock, struct timers *timers, struct store *store,
                                const struct authority_settings *settings, const struct authority_ops *ops,
                                struct error *err);
/* Before the store. */
void authority_free(struct authority *authority);
/* Reads the file of manufacturers again: who is in it counts for requests from now on, certificates that were given stay. -1: it
 * cannot be used, and all is as it was. */
int authority_reload(struct authority *authority, struct error *err);
/* Deletes the files: after a factory reset the home has another authority. */
void authority_forget(const struct authority *authority);

/* Makes the key if there is none and the clock is right. -1: there is none. */
int authority_ready(struct authority *authority, struct error *err);
/* The authority's own; NULL: there is none yet. Borrowed. */
X509 *authority_certificate(const struct authority *authority);
uint32_t authority_certificate_days(const struct authority *authority);
/* Who connects with a certificate of this authority; with enrolment, of a manufacturer as well. For TLS servers. */
struct tls_trust *authority_trust(const struct authority *authority, bool enrolment);
/* Whether the certificate is this authority's and no longer (or never was) to be taken. A tls_refused_fn. */
bool authority_refuses(void *authority, const X509 *certificate);
/* The register's entry of a certificate of this authority; NULL: it is another's, or unknown. */
const struct issued *authority_find(const struct authority *authority, const X509 *certificate);
/* Of type struct authority_event. */
struct observers *authority_observers(struct authority *authority);
/* How many requests were refused since start. */
uint32_t authority_refusals(const struct authority *authority);

/* The register, in order of instance. */
uint32_t authority_count(const struct authority *authority);
struct issued *authority_at(const struct authority *authority, uint32_t index);

/* A one-time code. name: the device it is for, "" for any that has an Endpoint ID which is free. */
int authority_add_code(struct authority *authority, const char *name, uint32_t lifetime_s,
                       char ret[CODE_BYTES], struct error *err);
void authority_cancel_codes(struct authority *authority);
uint32_t authority_codes(const struct authority *authority);

enum authority_verdict {
    AUTHORITY_GRANTED,
    AUTHORITY_MALFORMED,
    AUTHORITY_UNAUTHENTICATED, /* a code might help */
    AUTHORITY_FORBIDDEN,
    AUTHORITY_TOO_MANY, /* later */
    AUTHORITY_NOT_NOW,  /* the clock is not right, or memory or the store failed */
};

struct authority_request {
    const char *peer;
    const STACK_OF(X509) * chain; /* that it showed, verified with authority_trust(); NULL: none */
    struct str code;              /* "": none */
    struct str body;              /* PKCS #10 in base64 */
    bool renews;                  /* RFC 7030, 4.2.2 */
};

/* A certificate for the device (the caller's to free), in the register before this returns. */
enum authority_verdict authority_enrol(struct authority *authority, const struct authority_request *request,
                                       X509 **ret, struct error *err);

/* From now on it is refused, and all others that the device has. -1: it is not valid any more, or the store or the file
 * for the broker cannot be written. */
int authority_revoke(struct issued *issued, struct error *err);

#endif
