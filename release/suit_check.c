/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/suit.h"

#include <string.h>

static const struct suit_word commands[] = {
    [SUIT_VENDOR_ID] = {"condition-vendor-identifier", SUIT_REPORT},
    [SUIT_CLASS_ID] = {"condition-class-identifier", SUIT_REPORT},
    [SUIT_IMAGE_MATCH] = {"condition-image-match", SUIT_REPORT},
    [SUIT_USE_BEFORE] = {"condition-use-before", SUIT_REPORT},
    [5] = {"condition-component-slot", SUIT_REPORT},
    [6] = {"condition-check-content", SUIT_REPORT},
    [SUIT_SET_INDEX] = {"directive-set-component-index", SUIT_INDEX},
    [SUIT_ABORT] = {"condition-abort", SUIT_REPORT},
    [SUIT_TRY_EACH] = {"directive-try-each", SUIT_SEQUENCES},
    [18] = {"directive-write", SUIT_REPORT},
    [SUIT_OVERRIDE] = {"directive-override-parameters", SUIT_VALUES},
    [SUIT_FETCH] = {"directive-fetch", SUIT_REPORT},
    [22] = {"directive-copy", SUIT_REPORT},
    [23] = {"directive-invoke", SUIT_REPORT},
    [24] = {"condition-device-identifier", SUIT_REPORT},
    [25] = {"condition-image-not-match", SUIT_REPORT},
    [SUIT_MIN_BATTERY] = {"condition-minimum-battery", SUIT_REPORT},
    [SUIT_UPDATE_AUTHORIZED] = {"condition-update-authorized", SUIT_REPORT},
    [SUIT_VERSION_CONDITION] = {"condition-version", SUIT_REPORT},
    [SUIT_WAIT] = {"directive-wait", SUIT_REPORT},
    [31] = {"directive-swap", SUIT_REPORT},
    [SUIT_RUN_SEQUENCE] = {"directive-run-sequence", SUIT_SEQUENCE},
};

static const struct suit_word parameters[SUIT_PARAMETERS] = {
    [SUIT_P_VENDOR_ID] = {"vendor-identifier", SUIT_BYTES},
    [SUIT_P_CLASS_ID] = {"class-identifier", SUIT_BYTES},
    [SUIT_P_DIGEST] = {"image-digest", SUIT_DIGEST},
    [SUIT_P_USE_BEFORE] = {"use-before", SUIT_UINT},
    [5] = {"component-slot", SUIT_UINT},
    [SUIT_P_STRICT_ORDER] = {"strict-order", SUIT_BOOLEAN},
    [SUIT_P_SOFT_FAILURE] = {"soft-failure", SUIT_BOOLEAN},
    [SUIT_P_SIZE] = {"image-size", SUIT_UINT},
    [18] = {"content", SUIT_BYTES},
    [SUIT_P_URI] = {"uri", SUIT_CHARACTERS},
    [22] = {"source-component", SUIT_UINT},
    [23] = {"invoke-args", SUIT_BYTES},
    [24] = {"device-identifier", SUIT_BYTES},
    [SUIT_P_MIN_BATTERY] = {"minimum-battery", SUIT_UINT},
    [SUIT_P_PRIORITY] = {"update-priority", SUIT_INT},
    [SUIT_P_VERSION] = {"version", SUIT_VERSIONS},
    [SUIT_P_WAIT_INFO] = {"wait-info", SUIT_EVENTS},
};

const struct suit_word *suit_command(uint64_t code)
{
    return code < sizeof(commands) / sizeof(commands[0]) && commands[code].name ? &commands[code] : NULL;
}

const struct suit_word *suit_parameter(uint64_t code)
{
    return code < SUIT_PARAMETERS && parameters[code].name ? &parameters[code] : NULL;
}

/* ---- values with a structure of their own ---- */

int suit_version_read(struct str bytes, struct release_version *ret)
{
    struct cbor cbor;
    uint64_t comparison;

    *ret = (struct release_version){.count = 0};
    if (cbor_open(&cbor, bytes) < 0 || cbor_array(&cbor) != 2)
        return -1;
    comparison = cbor_uint(&cbor);
    if (comparison < RELEASE_GREATER || comparison > RELEASE_LESSER)
        return -1;
    ret->comparison = (enum release_comparison)comparison;
    for (size_t left = cbor_array(&cbor); left && !cbor.why; left--) {
        if (ret->count == RELEASE_VERSION_PARTS)
            return -1;
        ret->parts[ret->count++] = cbor_int(&cbor);
    }
    return cbor_end(&cbor) == 0 && ret->count ? 0 : -1;
}

static int32_t below(struct cbor *cbor, uint64_t end)
{
    uint64_t value = cbor_uint(cbor);

    if (value >= end)
        cbor_fail(cbor, "a time of the day or week is out of range");
    return (int32_t)value;
}

int suit_wait_read(struct str bytes, struct release_wait *ret)
{
    enum { DAY_S = 86400, WEEK = 7 };
    struct cbor cbor;

    *ret = (struct release_wait){
        .time = -1, .time_of_day = -1, .day_of_week = -1, .time_of_day_utc = -1, .day_of_week_utc = -1};
    cbor_open(&cbor, bytes);
    for (size_t pairs = cbor_map(&cbor); pairs && !cbor.why; pairs--) {
        switch (cbor_uint(&cbor)) {
        case 1:
            cbor_int(&cbor);
            ret->authorization = true;
            break;
        case 2:
            cbor_int(&cbor);
            ret->power = true;
            break;
        case 3: /* a network: the gateway is one */
            cbor_int(&cbor);
            break;
        case 5:
            ret->time = cbor_int(&cbor);
            break;
        case 6:
            ret->time_of_day = below(&cbor, DAY_S);
            break;
        case 7:
            ret->day_of_week = below(&cbor, WEEK);
            break;
        case 8:
            ret->time_of_day_utc = below(&cbor, DAY_S);
            break;
        case 9:
            ret->day_of_week_utc = below(&cbor, WEEK);
            break;
        default:
            cbor_fail(&cbor, "it waits for something that is not known here");
            break;
        }
    }
    return cbor_end(&cbor);
}

/* ---- parameters ---- */

static bool is_value(struct cbor *map, enum suit_kind kind)
{
    struct release_version version;
    struct release_wait wait;
    struct str digest;

    switch (kind) {
    case SUIT_UINT:
        cbor_uint(map);
        break;
    case SUIT_INT:
        cbor_int(map);
        break;
    case SUIT_BOOLEAN:
        cbor_bool(map);
        break;
    case SUIT_BYTES:
        cbor_bytes(map);
        break;
    case SUIT_CHARACTERS:
        return cbor_text(map).len < RELEASE_URI_BYTES;
    case SUIT_DIGEST:
        return suit_digest_read(cbor_bytes(map), &digest) == 0;
    case SUIT_VERSIONS:
        return suit_version_read(cbor_bytes(map), &version) == 0;
    case SUIT_EVENTS:
        return suit_wait_read(cbor_bytes(map), &wait) == 0;
    default:
        return false;
    }
    return !map->why;
}

static int check_values(struct str argument, struct error *err)
{
    struct cbor map;

    cbor_open(&map, argument);
    for (size_t pairs = cbor_map(&map); pairs && !map.why; pairs--) {
        uint64_t key = cbor_peek(&map) == CBOR_UINT ? cbor_uint(&map) : SUIT_PARAMETERS;
        const struct suit_word *word = suit_parameter(key);

        if (!word)
            return release_refuse(err, RELEASE_PARAMETER_UNSUPPORTED,
                                  "its manifest has a parameter that is not known here");
        if (!is_value(&map, word->kind))
            return release_refuse(err, RELEASE_PARAMETER_UNSUPPORTED,
                                  "its manifest: %s is not what it should be", word->name);
    }
    return cbor_end(&map) < 0 ? release_refuse(err, RELEASE_CBOR_PARSE, "its parameters: %s", map.why) : 0;
}

/* ---- sequences ---- */

struct checking {
    unsigned commands;
    struct error *err;
};

bool suit_next_command(struct cbor *sequence, size_t *left, uint64_t *ret_code, struct str *ret_argument)
{
    if (sequence->why || *left < 2)
        return false;
    *ret_code = cbor_uint(sequence);
    *ret_argument = cbor_raw(sequence);
    *left -= 2;
    return !sequence->why;
}

static int check_sequence(struct checking *checking, struct str bytes, unsigned depth);

/* bstr with a sequence; the last alternative of try-each may be null. */
static int check_nested(struct checking *checking, struct cbor *cbor, unsigned depth, bool may_be_null)
{
    struct str sequence;

    if (may_be_null && cbor_peek(cbor) == CBOR_SIMPLE) {
        cbor_null(cbor);
        return 0;
    }
    sequence = cbor_bytes(cbor);
    return cbor->why ? 0 : check_sequence(checking, sequence, depth + 1);
}

static int check_argument(struct checking *checking, const struct suit_word *word, struct str argument,
                          unsigned depth)
{
    enum { REPORT_MAX = 15 };
    struct cbor cbor;
    size_t left;

    cbor_open(&cbor, argument);
    switch (word->kind) {
    case SUIT_VALUES:
        return check_values(argument, checking->err);
    case SUIT_SEQUENCE:
        if (check_nested(checking, &cbor, depth, false) < 0)
            return -1;
        break;
    case SUIT_SEQUENCES:
        for (left = cbor_array(&cbor); left && !cbor.why; left--)
            if (check_nested(checking, &cbor, depth, left == 1) < 0)
                return -1;
        break;
    case SUIT_INDEX:
        if (cbor_peek(&cbor) == CBOR_SIMPLE && !cbor_bool(&cbor))
            cbor_fail(&cbor, "no component is chosen");
        else if (cbor_peek(&cbor) == CBOR_ARRAY)
            for (left = cbor_array(&cbor); left && !cbor.why; left--)
                cbor_uint(&cbor);
        else if (cbor_peek(&cbor) != CBOR_NONE)
            cbor_uint(&cbor);
        break;
    default:
        if (cbor_uint(&cbor) > REPORT_MAX)
            cbor_fail(&cbor, "a reporting policy is out of range");
        break;
    }
    return cbor_end(&cbor) < 0 ? release_refuse(checking->err, RELEASE_COMMAND_UNSUPPORTED,
                                                "its manifest: %s: %s", word->name, cbor.why)
                               : 0;
}

static int check_sequence(struct checking *checking, struct str bytes, unsigned depth)
{
    struct cbor sequence;
    struct str argument;
    uint64_t code;
    size_t left;

    if (depth >= SUIT_SEQUENCE_DEPTH)
        return release_refuse(checking->err, RELEASE_COMMAND_UNSUPPORTED,
                              "its sequences are nested too deep");
    cbor_open(&sequence, bytes);
    left = cbor_array(&sequence);
    if (left % 2)
        cbor_fail(&sequence, "a command has no argument");
    while (suit_next_command(&sequence, &left, &code, &argument)) {
        const struct suit_word *word = suit_command(code);

        if (!word)
            return release_refuse(checking->err, RELEASE_COMMAND_UNSUPPORTED,
                                  "its manifest has command %llu, which is not known here",
                                  (unsigned long long)code);
        if (++checking->commands > SUIT_COMMANDS)
            return release_refuse(checking->err, RELEASE_COMMAND_UNSUPPORTED,
                                  "its manifest has too many commands");
        if (check_argument(checking, word, argument, depth) < 0)
            return -1;
    }
    return cbor_end(&sequence) < 0 ? release_refuse(checking->err, RELEASE_CBOR_PARSE,
                                                    "a sequence of its manifest: %s", sequence.why)
                                   : 0;
}

/* ---- the manifest ---- */

static void read_components(struct cbor *common, struct suit_manifest *ret)
{
    for (size_t left = cbor_array(common); left && !common->why; left--) {
        struct str id = cbor_raw(common);
        struct cbor parts;

        if (ret->components_count == SUIT_COMPONENTS) {
            cbor_fail(common, "it has too many components");
            return;
        }
        cbor_open(&parts, id);
        for (size_t count = cbor_array(&parts); count && !parts.why; count--)
            cbor_bytes(&parts);
        if (cbor_end(&parts) < 0 || 2 * id.len >= RELEASE_COMPONENT_BYTES)
            cbor_fail(common, "a component's identifier is no short list of byte strings");
        ret->components[ret->components_count++] = id;
    }
}

static void read_common(struct str bytes, struct suit_manifest *ret, const char **ret_why)
{
    struct cbor common;

    cbor_open(&common, bytes);
    for (size_t pairs = cbor_map(&common); pairs && !common.why; pairs--) {
        uint64_t key = cbor_uint(&common);

        if (key == SUIT_COMPONENTS_KEY)
            read_components(&common, ret);
        else if (key == SUIT_SHARED_SEQUENCE)
            ret->shared = cbor_bytes(&common);
        else
            cbor_fail(&common, "common has a member that is not known here (dependencies are not)");
    }
    cbor_end(&common);
    *ret_why = common.why;
}

/* A severable member: its content, or the digest of what is beside the manifest. */
static int read_severable(struct cbor *manifest, enum suit_member key, struct suit_manifest *ret,
                          struct error *err)
{
    const struct suit_envelope *envelope = ret->envelope;
    struct str digest, content;
    int matches;

    if (cbor_peek(manifest) == CBOR_BYTES) {
        content = cbor_bytes(manifest);
        if (envelope->severed[key].data)
            return release_refuse(err, RELEASE_SEVERING_UNSUPPORTED,
                                  "a member is in the manifest and beside it");
    } else {
        if (suit_digest_read(cbor_raw(manifest), &digest) < 0)
            return release_refuse(err, RELEASE_SEVERING_UNSUPPORTED,
                                  "the digest of a severed member is not SHA-256");
        content = envelope->severed[key];
        matches = content.data ? suit_digest_matches(digest, envelope->severed_item[key]) : 1;
        if (matches <= 0)
            return release_refuse(err, matches < 0 ? RELEASE_OPERATION_FAILED : RELEASE_UNAUTHORISED,
                                  "what was severed from its manifest is not what was signed");
        if (!content.data && key != SUIT_TEXT && key != SUIT_COSWID)
            return release_refuse(err, RELEASE_SEVERING_UNSUPPORTED,
                                  "what was severed from its manifest is missing");
    }
    if (key == SUIT_TEXT)
        ret->text = content;
    else if (key != SUIT_COSWID)
        ret->sequences[key] = content;
    return 0;
}

static int read_member(struct cbor *manifest, uint64_t key, struct suit_manifest *ret, struct error *err)
{
    const char *why;

    switch (key) {
    case SUIT_VERSION:
        if (cbor_uint(manifest) != 1)
            cbor_fail(manifest, "its version is not 1");
        return 0;
    case SUIT_SEQUENCE_NUMBER:
        ret->sequence_number = cbor_uint(manifest);
        return 0;
    case SUIT_COMMON:
        read_common(cbor_bytes(manifest), ret, &why);
        if (why)
            cbor_fail(manifest, why);
        return 0;
    case SUIT_REFERENCE_URI:
        ret->reference_uri = cbor_text(manifest);
        return 0;
    case SUIT_COMPONENT_ID:
        ret->component_id = cbor_raw(manifest);
        if (2 * ret->component_id.len >= RELEASE_COMPONENT_BYTES)
            cbor_fail(manifest, "its component identifier is too long");
        return 0;
    case SUIT_SET_VERSION:
        ret->version = cbor_bytes(manifest);
        return 0;
    case SUIT_VALIDATE:
    case SUIT_LOAD:
    case SUIT_INVOKE:
    case SUIT_CANDIDATE_VERIFICATION:
        ret->sequences[key] = cbor_bytes(manifest);
        return 0;
    case SUIT_COSWID:
    case SUIT_PAYLOAD_FETCH:
    case SUIT_INSTALL:
    case SUIT_TEXT:
        return read_severable(manifest, (enum suit_member)key, ret, err);
    default:
        cbor_fail(manifest, "it has a member that is not known here");
        return 0;
    }
}

/* What is beside the manifest must be named in it, or somebody put it there. */
static int check_beside(const struct suit_manifest *manifest, unsigned seen, struct error *err)
{
    const struct suit_envelope *envelope = manifest->envelope;

    for (unsigned key = 0; key < SUIT_MEMBERS; key++)
        if (envelope->severed[key].data && !(seen & 1u << key))
            return release_refuse(err, RELEASE_UNAUTHORISED,
                                  "something is beside its manifest that was not signed");
    return 0;
}

static int check_sequences(const struct suit_manifest *manifest, struct error *err)
{
    struct checking checking = {.err = err};

    if (manifest->shared.data && check_sequence(&checking, manifest->shared, 0) < 0)
        return -1;
    for (unsigned key = 0; key < SUIT_MEMBERS; key++)
        if (manifest->sequences[key].data && check_sequence(&checking, manifest->sequences[key], 0) < 0)
            return -1;
    return 0;
}

int suit_check(const struct suit_envelope *envelope, struct suit_manifest *ret, struct error *err)
{
    enum { NEEDED = 1u << SUIT_VERSION | 1u << SUIT_SEQUENCE_NUMBER | 1u << SUIT_COMMON };
    struct cbor manifest;
    unsigned seen = 0;

    *ret = (struct suit_manifest){.envelope = envelope};
    cbor_open(&manifest, envelope->manifest);
    for (size_t pairs = cbor_map(&manifest); pairs && !manifest.why; pairs--) {
        uint64_t key = cbor_uint(&manifest);

        if (read_member(&manifest, key, ret, err) < 0)
            return -1;
        seen |= key < SUIT_MEMBERS ? 1u << key : 0;
    }
    if (!manifest.why && ((seen & NEEDED) != NEEDED || !ret->components_count))
        cbor_fail(&manifest, "its version, sequence number or components are missing");
    if (cbor_end(&manifest) < 0)
        return release_refuse(err, RELEASE_CBOR_PARSE, "its manifest: %s", manifest.why);
    if (check_beside(ret, seen, err) < 0)
        return -1;
    return check_sequences(ret, err);
}
