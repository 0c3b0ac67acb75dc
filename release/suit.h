/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SUIT envelope and its manifest (draft-ietf-suit-manifest, with the extensions of draft-ietf-suit-update-management).
 *
 *   suit.c           the envelope: members, digests, signatures
 *   suit_check.c     the manifest's form: every sequence, command and parameter is known, whoever it is for
 *   suit_run.c       what it says to one device: the sequences are gone through as its processor would
 *   suit_text.c      its words for people
 *
 * All borrow from the envelope's bytes and allocate nothing.
 */
#ifndef RELEASE_SUIT_H
#define RELEASE_SUIT_H

#include "release/cbor.h"
#include "release/release.h"

enum {
    SUIT_ENVELOPE_TAG = 107,
    SUIT_SHA256 = -16,
    SUIT_DIGEST_BYTES = 32,
    SUIT_BLOCKS = 8,   /* signatures of one envelope */
    SUIT_PAYLOADS = 8, /* images inside one envelope */
    SUIT_COMPONENTS = 8,
    SUIT_SEQUENCE_DEPTH = 4, /* of try-each and run-sequence */
    SUIT_COMMANDS = 512,     /* looked at in one manifest */
};

/* Keys of the envelope and the manifest. */
enum suit_member {
    SUIT_AUTHENTICATION = 2,
    SUIT_MANIFEST = 3,
    SUIT_VERSION = 1,
    SUIT_SEQUENCE_NUMBER = 2,
    SUIT_COMMON = 3,
    SUIT_REFERENCE_URI = 4,
    SUIT_COMPONENT_ID = 5,
    SUIT_SET_VERSION = 6,
    SUIT_VALIDATE = 7,
    SUIT_LOAD = 8,
    SUIT_INVOKE = 9,
    SUIT_COSWID = 14,
    SUIT_PAYLOAD_FETCH = 16,
    SUIT_CANDIDATE_VERIFICATION = 18,
    SUIT_INSTALL = 20,
    SUIT_TEXT = 23,
    SUIT_MEMBERS = 24,
};

/* Keys of common. */
enum {
    SUIT_COMPONENTS_KEY = 2,
    SUIT_SHARED_SEQUENCE = 4,
};

enum suit_condition {
    SUIT_VENDOR_ID = 1,
    SUIT_CLASS_ID = 2,
    SUIT_IMAGE_MATCH = 3,
    SUIT_USE_BEFORE = 4,
    SUIT_ABORT = 14,
    SUIT_MIN_BATTERY = 26,
    SUIT_UPDATE_AUTHORIZED = 27,
    SUIT_VERSION_CONDITION = 28,
};

enum suit_directive {
    SUIT_SET_INDEX = 12,
    SUIT_TRY_EACH = 15,
    SUIT_OVERRIDE = 20,
    SUIT_FETCH = 21,
    SUIT_WAIT = 29,
    SUIT_RUN_SEQUENCE = 32,
};

enum suit_parameter {
    SUIT_P_VENDOR_ID = 1,
    SUIT_P_CLASS_ID = 2,
    SUIT_P_DIGEST = 3,
    SUIT_P_USE_BEFORE = 4,
    SUIT_P_STRICT_ORDER = 12,
    SUIT_P_SOFT_FAILURE = 13,
    SUIT_P_SIZE = 14,
    SUIT_P_URI = 21,
    SUIT_P_MIN_BATTERY = 26,
    SUIT_P_PRIORITY = 27,
    SUIT_P_VERSION = 28,
    SUIT_P_WAIT_INFO = 29,
    SUIT_PARAMETERS = 30,
};

/* What a command's argument, or a parameter's value, is. */
enum suit_kind {
    SUIT_NOTHING, /* there is no such command or parameter */
    SUIT_REPORT,  /* a reporting policy */
    SUIT_INDEX,
    SUIT_SEQUENCES,
    SUIT_SEQUENCE,
    SUIT_VALUES, /* a map of parameters */
    SUIT_UINT,
    SUIT_INT,
    SUIT_BOOLEAN,
    SUIT_BYTES,
    SUIT_CHARACTERS,
    SUIT_DIGEST,   /* bstr with a SUIT_Digest */
    SUIT_VERSIONS, /* bstr with a SUIT_Parameter_Version_Match */
    SUIT_EVENTS,   /* bstr with a SUIT_Wait_Event */
};

struct suit_word {
    const char *name;
    enum suit_kind kind;
};
/* NULL: unknown. */
const struct suit_word *suit_command(uint64_t code);
const struct suit_word *suit_parameter(uint64_t code);

struct suit_payload {
    struct str name; /* "#image" */
    struct str bytes;
};

struct suit_envelope {
    struct str authentication; /* content of the member's byte string */
    struct str digest;         /* its first element, content: what is signed */
    struct str blocks[SUIT_BLOCKS];
    unsigned blocks_count;
    struct str manifest;                   /* content of the byte string */
    struct str manifest_item;              /* with the byte string's head: what the digest covers */
    struct str severed[SUIT_MEMBERS];      /* content; data NULL: not there */
    struct str severed_item[SUIT_MEMBERS]; /* with the head */
    struct suit_payload payloads[SUIT_PAYLOADS];
    unsigned payloads_count;
};

struct suit_manifest {
    const struct suit_envelope *envelope;
    uint64_t sequence_number;
    struct str reference_uri;
    struct str component_id;                /* of the manifest, as encoded; empty: none */
    struct str version;                     /* suit-set-version, content; empty: none */
    struct str components[SUIT_COMPONENTS]; /* as encoded */
    unsigned components_count;
    struct str shared;                  /* data NULL: none */
    struct str sequences[SUIT_MEMBERS]; /* by member; content, data NULL: none */
    bool stripped;                      /* images inside were taken out; see release_strip() */
    struct str text;                    /* content, data NULL: none, or severed and not sent */
};

/* The envelope's members; the manifest is not looked into, and its digest not computed. */
int suit_read(struct str bytes, bool untagged, struct suit_envelope *ret, struct error *err);
/* The digest covers the manifest, and which anchors signed it: roles and signers of *ret. */
int suit_authenticate(const struct suit_envelope *envelope, const struct release_request *request,
                      struct release *ret, struct error *err);
/* The manifest's form, all of it, with what was severed from it. Authenticate first. */
int suit_check(const struct suit_envelope *envelope, struct suit_manifest *ret, struct error *err);
/* What it says to this device: fills all of *ret but roles, signers and words. */
int suit_run(const struct suit_manifest *manifest, const struct release_identity *identity,
             struct release *ret, struct error *err);
/* Its words about the component (as encoded; may be empty). */
void suit_words(const struct suit_manifest *manifest, struct str component, struct release *ret);

/* The manifest and what was severed from it, as it stands in the envelope; how many members that is. */
void suit_put_rest(struct buf *to, const struct suit_envelope *envelope);
size_t suit_rest_count(const struct suit_envelope *envelope);
/* [-16, h'..'] */
int suit_digest_read(struct str bytes, struct str *ret);
/* 1: it is the digest of these bytes; 0: it is not; -1: memory is out. */
int suit_digest_matches(struct str digest, struct str bytes);
/* In order; false at the end, or when something is wrong (then sequence->why). */
bool suit_next_command(struct cbor *sequence, size_t *left, uint64_t *ret_code, struct str *ret_argument);
int suit_wait_read(struct str bytes, struct release_wait *ret);
int suit_version_read(struct str bytes, struct release_version *ret);

#endif
