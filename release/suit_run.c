/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A gateway is no boot loader: it fetches one image, proves its digest and hands it to the device. So the sequences that a
 * manifest has for the processor of the update (shared, payload-fetch, install, validate) are gone through for their
 * conditions, and for the one component that is fetched; those for the boot (load, invoke) are the device's own. What only
 * the device's own processor could do (copy, write, swap, slots) is refused for it, not skipped.
 */
#include "release/suit.h"

#include <string.h>
#include <strings.h>

struct component {
    struct str vendor_id, class_id, digest, version, wait; /* data NULL: not set */
    struct str uri;
    uint64_t size, battery_mwh, use_before;
    int64_t priority;
    bool has_size, has_battery, has_use_before, has_priority;
    bool is_vendor, is_class; /* its conditions were there, and held */
    bool fetched;
    struct str fetched_digest;
};

struct running {
    const struct suit_manifest *manifest;
    const struct release_identity *identity;
    struct release *release;
    struct component components[SUIT_COMPONENTS];
    size_t current;
    unsigned commands;
    struct error *err;
};

enum outcome {
    REFUSED = -1,
    FAILED, /* a condition does not hold; err says which */
    HELD,
};

static enum outcome run_sequence(struct running *run, struct str bytes, unsigned depth);

static enum outcome failed(struct running *run, const char *what)
{
    release_refuse(run->err, RELEASE_CONDITION_FAILED, "%s", what);
    return FAILED;
}

/* ---- parameters ---- */

static void set_value(struct component *component, uint64_t key, struct cbor *map, bool *soft)
{
    switch (key) {
    case SUIT_P_VENDOR_ID:
        component->vendor_id = cbor_bytes(map);
        break;
    case SUIT_P_CLASS_ID:
        component->class_id = cbor_bytes(map);
        break;
    case SUIT_P_DIGEST:
        suit_digest_read(cbor_bytes(map), &component->digest);
        break;
    case SUIT_P_USE_BEFORE:
        component->use_before = cbor_uint(map);
        component->has_use_before = true;
        break;
    case SUIT_P_SOFT_FAILURE:
        *soft = cbor_bool(map);
        break;
    case SUIT_P_SIZE:
        component->size = cbor_uint(map);
        component->has_size = true;
        break;
    case SUIT_P_URI:
        component->uri = cbor_text(map);
        break;
    case SUIT_P_MIN_BATTERY:
        component->battery_mwh = cbor_uint(map);
        component->has_battery = true;
        break;
    case SUIT_P_PRIORITY:
        component->priority = cbor_int(map);
        component->has_priority = true;
        break;
    case SUIT_P_VERSION:
        component->version = cbor_bytes(map);
        break;
    case SUIT_P_WAIT_INFO:
        component->wait = cbor_bytes(map);
        break;
    default: /* of commands that are refused where they stand, and strict-order: nothing runs beside another here */
        cbor_raw(map);
        break;
    }
}

static void set_values(struct running *run, struct str argument, bool *soft)
{
    struct cbor map;

    cbor_open(&map, argument);
    for (size_t pairs = cbor_map(&map); pairs && !map.why; pairs--) {
        uint64_t key = cbor_uint(&map);

        set_value(&run->components[run->current], key, &map, soft);
    }
}

/* ---- conditions ---- */

static bool is_uuid(struct str value, const uint8_t uuid[RELEASE_UUID_BYTES])
{
    return value.len == RELEASE_UUID_BYTES && memcmp(value.data, uuid, RELEASE_UUID_BYTES) == 0;
}

static enum outcome check_vendor(struct running *run, struct component *component)
{
    if (run->identity && !is_uuid(component->vendor_id, run->identity->vendor_id))
        return failed(run, "it is for another vendor's devices than this one");
    component->is_vendor = component->vendor_id.data != NULL;
    return component->is_vendor ? HELD : failed(run, "it names no vendor");
}

static enum outcome check_class(struct running *run, struct component *component)
{
    bool ours = false;

    for (unsigned i = 0; run->identity && i < run->identity->classes; i++)
        ours = ours || is_uuid(component->class_id, run->identity->class_id[i]);
    if (run->identity && !ours)
        return failed(run, "it is for another class of devices than this one (model, hardware version)");
    component->is_class = component->class_id.data != NULL;
    return component->is_class ? HELD : failed(run, "it names no class");
}

static enum outcome check_image(struct running *run, const struct component *component)
{
    if (!component->digest.data)
        return failed(run, "an image is to be compared with a digest that is not there");
    if (component->fetched && !str_equal(component->fetched_digest, component->digest))
        return failed(run, "an image is to have two different digests");
    return HELD;
}

static enum outcome note_version(struct running *run, const struct component *component)
{
    struct release *release = run->release;

    if (release->versions_count == RELEASE_VERSIONS || !component->version.data ||
        suit_version_read(component->version, &release->versions[release->versions_count]) < 0)
        return failed(run, "its conditions on the version are not understood");
    release->versions_count++;
    return HELD;
}

static enum outcome note_use_before(struct running *run, const struct component *component)
{
    int64_t end = component->use_before > INT64_MAX ? INT64_MAX : (int64_t)component->use_before;

    if (!component->has_use_before || !end)
        return failed(run, "it is to be used before a time that it does not give");
    if (!run->release->use_before || end < run->release->use_before)
        run->release->use_before = end;
    return HELD;
}

static enum outcome run_condition(struct running *run, uint64_t code)
{
    struct component *component = &run->components[run->current];
    struct release *release = run->release;

    switch (code) {
    case SUIT_VENDOR_ID:
        return check_vendor(run, component);
    case SUIT_CLASS_ID:
        return check_class(run, component);
    case SUIT_IMAGE_MATCH:
        return check_image(run, component);
    case SUIT_USE_BEFORE:
        return note_use_before(run, component);
    case SUIT_ABORT:
        return failed(run, "it is for none of what this device is");
    case SUIT_MIN_BATTERY:
        release->has_battery = true;
        if (component->battery_mwh > release->battery_mwh)
            release->battery_mwh = component->battery_mwh;
        return component->has_battery ? HELD : failed(run, "its minimum for the battery is missing");
    case SUIT_UPDATE_AUTHORIZED:
        release->ask = true;
        return HELD;
    case SUIT_VERSION_CONDITION:
        return note_version(run, component);
    case SUIT_WAIT:
        if (!component->wait.data || suit_wait_read(component->wait, &release->wait) < 0)
            return failed(run, "it is to wait, and does not say for what");
        release->ask = release->ask || release->wait.authorization;
        return HELD;
    default:
        release_refuse(run->err, RELEASE_COMMAND_UNSUPPORTED,
                       "its manifest has %s, which only the device itself could do",
                       suit_command(code)->name);
        return REFUSED;
    }
}

/* ---- directives ---- */

static enum outcome fetch(struct running *run)
{
    struct component *component = &run->components[run->current];

    if (!component->uri.len || !component->digest.data || !component->has_size || !component->size) {
        release_refuse(run->err, RELEASE_OPERATION_FAILED,
                       "its manifest fetches an image without saying from where, its digest and its size");
        return REFUSED;
    }
    component->fetched = true;
    component->fetched_digest = component->digest;
    return HELD;
}

static enum outcome set_index(struct running *run, struct str argument)
{
    struct cbor cbor;

    cbor_open(&cbor, argument);
    if (cbor_peek(&cbor) != CBOR_UINT ||
        (run->current = cbor_uint(&cbor)) >= run->manifest->components_count) {
        run->current = 0;
        release_refuse(run->err, RELEASE_COMPONENT_UNSUPPORTED,
                       "its manifest chooses a component in a way not known here");
        return REFUSED;
    }
    return HELD;
}

/* The first alternative whose conditions hold; what one that failed has set is taken back. */
static enum outcome try_each(struct running *run, struct str argument, unsigned depth)
{
    struct component before[SUIT_COMPONENTS];
    struct release release = *run->release;
    size_t current = run->current;
    struct cbor cbor;

    memcpy(before, run->components, sizeof(before));
    cbor_open(&cbor, argument);
    failed(run, "it has to choose, and there is nothing to choose from");
    for (size_t left = cbor_array(&cbor); left && !cbor.why; left--) {
        enum outcome outcome;

        if (cbor_peek(&cbor) != CBOR_BYTES)
            return HELD; /* null: none of them is no failure */
        outcome = run_sequence(run, cbor_bytes(&cbor), depth + 1);
        if (outcome != FAILED) {
            run->current = current;
            return outcome;
        }
        memcpy(run->components, before, sizeof(before));
        *run->release = release;
        run->current = current;
    }
    return FAILED;
}

static enum outcome run_nested(struct running *run, struct str argument, unsigned depth)
{
    size_t current = run->current;
    enum outcome outcome;
    struct cbor cbor;

    cbor_open(&cbor, argument);
    outcome = run_sequence(run, cbor_bytes(&cbor), depth + 1);
    run->current = current;
    return outcome;
}

static enum outcome run_command(struct running *run, uint64_t code, struct str argument, unsigned depth,
                                bool *soft)
{
    switch (code) {
    case SUIT_OVERRIDE:
        set_values(run, argument, soft);
        return HELD;
    case SUIT_SET_INDEX:
        return set_index(run, argument);
    case SUIT_TRY_EACH:
        return try_each(run, argument, depth);
    case SUIT_RUN_SEQUENCE:
        return run_nested(run, argument, depth);
    case SUIT_FETCH:
        return fetch(run);
    default:
        return run_condition(run, code);
    }
}

static enum outcome run_sequence(struct running *run, struct str bytes, unsigned depth)
{
    enum outcome outcome = HELD;
    struct cbor sequence;
    struct str argument;
    bool soft = false;
    uint64_t code;
    size_t left;

    cbor_open(&sequence, bytes);
    left = cbor_array(&sequence);
    while (outcome == HELD && suit_next_command(&sequence, &left, &code, &argument)) {
        if (++run->commands > SUIT_COMMANDS || depth >= SUIT_SEQUENCE_DEPTH) {
            release_refuse(run->err, RELEASE_COMMAND_UNSUPPORTED, "its manifest has too many commands");
            return REFUSED;
        }
        outcome = run_command(run, code, argument, depth, &soft);
    }
    return outcome == FAILED && soft ? HELD : outcome;
}

/* ---- the image ---- */

/* [..., "plus1s"]: the last part of a component's identifier is the device's model. */
static bool is_named(struct str component, const struct release_identity *identity)
{
    struct str last = {"", 0};
    struct cbor cbor;

    cbor_open(&cbor, component);
    for (size_t left = cbor_array(&cbor); left && !cbor.why; left--)
        last = cbor_bytes(&cbor);
    return identity && last.len == strlen(identity->model) &&
           strncasecmp(last.data, identity->model, last.len) == 0;
}

/* The one component that is fetched for this device; of several, the one with its model's name. -1: none, or unclear. */
static int choose(const struct running *run)
{
    int fetched = -1, named = -1, count = 0, names = 0;

    for (unsigned i = 0; i < run->manifest->components_count; i++) {
        if (!run->components[i].fetched)
            continue;
        fetched = (int)i;
        count++;
        if (!is_named(run->manifest->components[i], run->identity))
            continue;
        named = (int)i;
        names++;
    }
    if (!count)
        return release_refuse(run->err, RELEASE_OPERATION_FAILED,
                              "its manifest fetches nothing that a gateway could install on this device");
    if (count > 1 && names != 1)
        return release_refuse(
            run->err, RELEASE_COMPONENT_UNSUPPORTED,
            "it has %d images for this device, and none has its model as component identifier; "
            "release them one by one",
            count);
    return count == 1 ? fetched : named;
}

static int find_payload(const struct suit_manifest *manifest, struct str digest, struct release *ret,
                        struct error *err)
{
    const struct suit_envelope *envelope = manifest->envelope;

    if (ret->uri[0] != '#' || manifest->stripped)
        return 0;
    for (unsigned i = 0; i < envelope->payloads_count; i++) {
        if (!str_is(envelope->payloads[i].name, ret->uri))
            continue;
        ret->payload = envelope->payloads[i].bytes;
        if (ret->payload.len == ret->size && suit_digest_matches(digest, ret->payload) == 1)
            return 0;
        return release_refuse(err, RELEASE_CONDITION_FAILED,
                              "the image inside it is not the one that was signed");
    }
    return release_refuse(err, RELEASE_OPERATION_FAILED,
                          "the image \"%.60s\" that should be inside it is not", ret->uri);
}

static int take(struct running *run, int chosen)
{
    const struct suit_manifest *manifest = run->manifest;
    const struct component *component = &run->components[chosen];
    struct release *release = run->release;
    struct str id = manifest->component_id.len ? manifest->component_id : manifest->components[chosen];

    for (size_t i = 0; i < component->uri.len; i++)
        if ((unsigned char)component->uri.data[i] <= ' ' || component->uri.data[i] == 127)
            return release_refuse(run->err, RELEASE_PARAMETER_UNSUPPORTED,
                                  "where its image is has blanks or control characters in it");
    release->sequence = manifest->sequence_number;
    release->size = component->size;
    release->has_priority = component->has_priority;
    release->priority = component->priority;
    str_to_hex(release->sha256, (const uint8_t *)component->fetched_digest.data, SUIT_DIGEST_BYTES);
    str_to_hex(release->component, (const uint8_t *)id.data, id.len);
    memcpy(release->uri, component->uri.data, component->uri.len);
    release->uri[component->uri.len] = '\0';
    suit_words(manifest, manifest->components[chosen], release);
    return find_payload(manifest, component->fetched_digest, release, run->err);
}

static bool is_for_this(const struct running *run)
{
    bool vendor = false, class = false;

    for (unsigned i = 0; i < run->manifest->components_count; i++) {
        vendor = vendor || run->components[i].is_vendor;
        class = class || run->components[i].is_class;
    }
    return vendor && class;
}

int suit_run(const struct suit_manifest *manifest, const struct release_identity *identity,
             struct release *ret, struct error *err)
{
    const struct str sequences[] = {manifest->shared, manifest->sequences[SUIT_PAYLOAD_FETCH],
                                    manifest->sequences[SUIT_CANDIDATE_VERIFICATION],
                                    manifest->sequences[SUIT_INSTALL], manifest->sequences[SUIT_VALIDATE]};
    struct running run = {.manifest = manifest, .identity = identity, .release = ret, .err = err};
    int chosen;

    ret->wait = (struct release_wait){
        .time = -1, .time_of_day = -1, .day_of_week = -1, .time_of_day_utc = -1, .day_of_week_utc = -1};
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        run.current = 0;
        if (sequences[i].data && run_sequence(&run, sequences[i], 0) != HELD)
            return -1;
    }
    chosen = choose(&run);
    if (chosen < 0)
        return -1;
    /* Parameters that nothing is held against keep no other device from it. */
    if (identity && !is_for_this(&run))
        return release_refuse(err, RELEASE_CONDITION_FAILED,
                              "it has no conditions on the vendor and the class of devices that it is for");
    return take(&run, chosen);
}
