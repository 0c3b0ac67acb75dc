/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/suit.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/limits.h"
#include "release/anchor.h"
#include "release/cose.h"

/* ---- digests ---- */

int suit_digest_read(struct str bytes, struct str *ret)
{
    struct cbor cbor;

    if (cbor_open(&cbor, bytes) < 0 || cbor_array(&cbor) != 2 || cbor_int(&cbor) != SUIT_SHA256)
        return -1;
    *ret = cbor_bytes(&cbor);
    return cbor_end(&cbor) == 0 && ret->len == SUIT_DIGEST_BYTES ? 0 : -1;
}

int suit_digest_matches(struct str digest, struct str bytes)
{
    uint8_t computed[EVP_MAX_MD_SIZE];

    if (EVP_Digest(bytes.data, bytes.len, computed, NULL, EVP_sha256(), NULL) != 1)
        return -1;
    return digest.len == SUIT_DIGEST_BYTES && memcmp(computed, digest.data, SUIT_DIGEST_BYTES) == 0;
}

/* ---- the envelope ---- */

/* What was just read, with its head. */
static struct str with_head(const struct cbor *cbor, const uint8_t *start)
{
    return (struct str){(const char *)start, (size_t)(cbor->at - start)};
}

static void read_payload(struct cbor *cbor, struct suit_envelope *ret)
{
    struct suit_payload *payload = &ret->payloads[ret->payloads_count];

    if (ret->payloads_count == SUIT_PAYLOADS) {
        cbor_fail(cbor, "too many images are inside");
        return;
    }
    payload->name = cbor_text(cbor);
    payload->bytes = cbor_bytes(cbor);
    if (payload->name.len < 2 || payload->name.data[0] != '#')
        cbor_fail(cbor, "the name of an image inside does not begin with #");
    ret->payloads_count++;
}

static void read_member(struct cbor *cbor, struct suit_envelope *ret)
{
    const uint8_t *start;
    uint64_t key;

    if (cbor_peek(cbor) == CBOR_TEXT) {
        read_payload(cbor, ret);
        return;
    }
    key = cbor_uint(cbor);
    start = cbor->at;
    if (key == SUIT_AUTHENTICATION) {
        ret->authentication = cbor_bytes(cbor);
    } else if (key == SUIT_MANIFEST) {
        ret->manifest = cbor_bytes(cbor);
        ret->manifest_item = with_head(cbor, start);
    } else if (key == SUIT_COSWID || key == SUIT_PAYLOAD_FETCH || key == SUIT_INSTALL || key == SUIT_TEXT) {
        ret->severed[key] = cbor_bytes(cbor);
        ret->severed_item[key] = with_head(cbor, start);
    } else {
        cbor_fail(cbor, "it has a member that is not known here");
    }
}

static void read_authentication(struct cbor *cbor, struct suit_envelope *ret)
{
    size_t count = cbor_array(cbor);

    ret->digest = cbor_bytes(cbor);
    for (; count > 1 && !cbor->why; count--) {
        if (ret->blocks_count == SUIT_BLOCKS) {
            cbor_fail(cbor, "it has too many signatures");
            return;
        }
        ret->blocks[ret->blocks_count] = cbor_bytes(cbor);
        for (unsigned i = 0; i < ret->blocks_count; i++)
            if (str_equal(ret->blocks[i], ret->blocks[ret->blocks_count]))
                cbor_fail(cbor, "the same signature is in it twice");
        ret->blocks_count++;
    }
}

bool release_is_envelope(struct str bytes, bool untagged)
{
    const uint8_t *at = (const uint8_t *)bytes.data;

    if (bytes.len > 4 && at[0] == 0xd8 && at[1] == SUIT_ENVELOPE_TAG)
        return true;
    /* A small map whose first key is the authentication. */
    return untagged && bytes.len > 4 && at[0] >= 0xa2 && at[0] < 0xb8 && at[1] == SUIT_AUTHENTICATION;
}

int suit_read(struct str bytes, bool untagged, struct suit_envelope *ret, struct error *err)
{
    struct cbor cbor, authentication;

    *ret = (struct suit_envelope){.blocks_count = 0};
    if (!release_is_envelope(bytes, untagged))
        return release_refuse(err, RELEASE_CBOR_PARSE, "it is no SUIT envelope (tag 107)");
    cbor_open(&cbor, bytes);
    if (cbor_peek(&cbor) == CBOR_TAG && cbor_tag(&cbor) != SUIT_ENVELOPE_TAG)
        cbor_fail(&cbor, "its tag is not 107");
    for (size_t pairs = cbor_map(&cbor); pairs && !cbor.why; pairs--)
        read_member(&cbor, ret);
    if (!cbor.why && (!ret->authentication.data || !ret->manifest.data))
        cbor_fail(&cbor, "its authentication or its manifest is missing");
    if (!cbor.why && ret->manifest.len > LIMIT_RELEASE_BYTES)
        cbor_fail(&cbor, "its manifest is too long");
    if (cbor_end(&cbor) < 0)
        return release_refuse(err, RELEASE_CBOR_PARSE, "the envelope: %s", cbor.why);
    cbor_open(&authentication, ret->authentication);
    read_authentication(&authentication, ret);
    if (cbor_end(&authentication) < 0)
        return release_refuse(err, RELEASE_CBOR_PARSE, "its authentication: %s", authentication.why);
    return 0;
}

/* ---- signatures ---- */

struct authenticating {
    const struct release_request *request;
    struct release *release;
    const char *why; /* an anchor that signed does not count */
    char who[ANCHOR_NAME_BYTES];
};

/* Tries one block with one anchor: 1, it is its signature; 0; -1 no memory. */
static int try_anchor(struct authenticating *at, const struct cose_sign1 *sign1, const struct anchor *anchor,
                      struct str payload)
{
    const char *why;
    int result = cose_verify(sign1, anchor->key, payload);

    if (result <= 0)
        return result;
    if (anchor_counts(anchor, at->request->identity, at->request->now, &why)) {
        anchor_signed(anchor, at->release);
    } else {
        at->why = why;
        str_copy(at->who, sizeof(at->who), anchor->name);
    }
    return 1;
}

static bool names(const struct cose_sign1 *sign1, const struct anchor *anchor)
{
    return sign1->key_id.len == ANCHOR_ID_BYTES &&
           memcmp(sign1->key_id.data, anchor->id, ANCHOR_ID_BYTES) == 0;
}

/*
 * A block that names an anchor of ours must be its signature. One that names a key which nobody here knows is another's
 * affair (an operator elsewhere, a key to come) and counts for nothing; one without a name is tried with all.
 */
static int verify_block(struct authenticating *at, struct str block, struct str payload, struct error *err)
{
    const struct anchors *anchors = at->request->anchors;
    struct cose_sign1 sign1;
    bool named = false, matched = false;

    if (cose_read(block, &sign1, err) < 0)
        return -1;
    for (unsigned i = 0; i < anchors->count; i++)
        named = named || names(&sign1, &anchors->list[i]);
    for (unsigned i = 0; i < anchors->count; i++) {
        int result;

        if (named && !names(&sign1, &anchors->list[i]))
            continue;
        result = try_anchor(at, &sign1, &anchors->list[i], payload);
        if (result < 0)
            return release_refuse(err, RELEASE_OPERATION_FAILED, "no memory to verify its signature");
        matched = matched || result;
    }
    if (matched || (sign1.key_id.len == ANCHOR_ID_BYTES && !named))
        return 0;
    return release_refuse(
        err, RELEASE_UNAUTHORISED,
        named ? "a signature is not what the key makes that it names: the release was changed, or forged"
              : "no trust anchor verifies its signature: add its maker's key, or check where it is from");
}

int suit_authenticate(const struct suit_envelope *envelope, const struct release_request *request,
                      struct release *ret, struct error *err)
{
    struct authenticating at = {.request = request, .release = ret};
    struct str digest;
    int matches;

    if (suit_digest_read(envelope->digest, &digest) < 0)
        return release_refuse(err, RELEASE_ALGORITHM_UNSUPPORTED, "its digest is not SHA-256");
    if (!envelope->blocks_count)
        return release_refuse(err, RELEASE_UNAUTHORISED, "it is not signed");
    for (unsigned i = 0; i < envelope->blocks_count; i++)
        if (verify_block(&at, envelope->blocks[i], envelope->digest, err) < 0)
            return -1;
    if (!ret->roles && at.why)
        return release_refuse(err, RELEASE_UNAUTHORISED,
                              "it is signed with \"%s\", and that key does not count: %s", at.who, at.why);
    if (!ret->roles)
        return release_refuse(
            err, RELEASE_UNAUTHORISED,
            "no trust anchor verifies its signature: add its maker's key, or check where it is from");
    matches = suit_digest_matches(digest, envelope->manifest_item);
    if (matches <= 0)
        return release_refuse(err, matches < 0 ? RELEASE_OPERATION_FAILED : RELEASE_UNAUTHORISED,
                              "its manifest is not the one that was signed");
    return 0;
}

/* ---- what is kept ---- */

size_t suit_rest_count(const struct suit_envelope *envelope)
{
    size_t members = 1;

    for (unsigned key = 0; key < SUIT_MEMBERS; key++)
        members += envelope->severed[key].data ? 1 : 0;
    return members;
}

void suit_put_rest(struct buf *to, const struct suit_envelope *envelope)
{
    cbor_put_uint(to, SUIT_MANIFEST);
    buf_append(to, envelope->manifest_item.data, envelope->manifest_item.len);
    for (unsigned key = 0; key < SUIT_MEMBERS; key++) {
        if (!envelope->severed[key].data)
            continue;
        cbor_put_uint(to, key);
        buf_append(to, envelope->severed_item[key].data, envelope->severed_item[key].len);
    }
}

int release_strip(struct str bytes, bool untagged, struct buf *to, struct error *err)
{
    struct suit_envelope envelope;

    if (suit_read(bytes, untagged, &envelope, err) < 0)
        return -1;
    cbor_put_tag(to, SUIT_ENVELOPE_TAG);
    cbor_put_map(to, 1 + suit_rest_count(&envelope));
    cbor_put_uint(to, SUIT_AUTHENTICATION);
    cbor_put_bytes(to, envelope.authentication);
    suit_put_rest(to, &envelope);
    return to->failed ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the release is too long to be kept")
                      : 0;
}
