/* SPDX-License-Identifier: BSD-3-Clause */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/limits.h"
#include "release/anchor.h"
#include "release/cms.h"
#include "release/cose.h"
#include "release/suit.h"
#include "tools/homepatch/release.h"
#include "tools/homepatch/text.h"

/* ---- what a release says, for people or as an object ---- */

static void add_text(cJSON *to, const char *name, const char *text)
{
    if (*text)
        cJSON_AddStringToObject(to, name, text);
}

static void add_time(cJSON *to, const char *name, int64_t seconds)
{
    char text[STR_TIME_BYTES];

    if (seconds <= 0)
        return;
    str_from_time(text, seconds);
    cJSON_AddStringToObject(to, name, text);
}

static void add_number(cJSON *to, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    cJSON_AddItemToObject(to, name, cJSON_CreateRaw(text));
}

static void add_release(cJSON *to, const struct release *release)
{
    add_text(to, "signers", release->signers);
    if (!*release->sha256) {
        cJSON_AddStringToObject(to, "note",
                                "it has no image that a gateway could install on every device it is for");
        return;
    }
    add_text(to, "version", release->version);
    add_text(to, "vendor", release->vendor_name);
    add_text(to, "model", release->model_name);
    add_text(to, "description", release->description);
    add_number(to, "sequence", (int64_t)release->sequence);
    add_text(to, "image", release->uri);
    add_number(to, "size", (int64_t)release->size);
    add_text(to, "sha256", release->sha256);
    if (release->has_priority)
        add_number(to, "priority", release->priority);
    if (release->ask)
        cJSON_AddTrueToObject(to, "ask");
    if (release->has_battery)
        add_number(to, "min-battery", (int64_t)release->battery_mwh);
    add_time(to, "use-before", release->use_before);
    add_time(to, "not-before", release->wait.time);
}

static void print_object(const cJSON *object, bool json, unsigned indent)
{
    if (json) {
        char *text = cJSON_Print(object);

        puts(text ? text : "{}");
        cJSON_free(text);
        return;
    }
    for (const cJSON *item = object->child; item; item = item->next) {
        if (!item->string && cJSON_IsObject(item)) {
            print_object(item, false, indent);
            continue;
        }
        printf("%*s%s%s", (int)indent, "", item->string ? item->string : "-", item->string ? ": " : " ");
        if (item->child || cJSON_IsArray(item)) {
            putchar('\n');
            print_object(item, false, indent + 2);
        } else if (cJSON_IsString(item) || cJSON_IsRaw(item)) {
            text_print(stdout, item->valuestring);
            putchar('\n');
        } else {
            puts(cJSON_IsTrue(item) ? "yes" : "no");
        }
    }
}

/* ---- inspect ---- */

static void add_blocks(cJSON *to, const struct suit_envelope *envelope)
{
    cJSON *signatures = cJSON_AddArrayToObject(to, "signatures");

    for (unsigned i = 0; i < envelope->blocks_count; i++) {
        struct cose_sign1 sign1;
        struct error err;
        cJSON *one = cJSON_CreateObject();
        char id[2 * COSE_KEY_ID_BYTES + 1] = "";

        cJSON_AddItemToArray(signatures, one);
        if (cose_read(envelope->blocks[i], &sign1, &err) < 0) {
            cJSON_AddStringToObject(one, "problem", err.message);
            continue;
        }
        str_to_hex(id, (const uint8_t *)sign1.key_id.data, sign1.key_id.len);
        cJSON_AddStringToObject(one, "algorithm", cose_algorithm_text(sign1.algorithm));
        add_text(one, "key", id);
    }
}

static void add_sequence(cJSON *to, const char *name, struct str bytes);

static void add_values(cJSON *to, struct str argument)
{
    struct cbor map;

    cbor_open(&map, argument);
    for (size_t pairs = cbor_map(&map); pairs && !map.why; pairs--) {
        const struct suit_word *word = suit_parameter(cbor_uint(&map));
        enum cbor_type type = cbor_peek(&map);
        struct str value;
        char *hex;

        if (!word)
            return;
        if (type == CBOR_UINT || type == CBOR_NINT) {
            add_number(to, word->name, cbor_int(&map));
        } else if (type == CBOR_SIMPLE) {
            cJSON_AddBoolToObject(to, word->name, cbor_bool(&map));
        } else {
            value = type == CBOR_TEXT ? cbor_text(&map) : cbor_bytes(&map);
            hex = type == CBOR_TEXT ? str_dup(value.data, value.len) : malloc(2 * value.len + 1);
            if (hex && type != CBOR_TEXT)
                str_to_hex(hex, (const uint8_t *)value.data, value.len);
            cJSON_AddStringToObject(to, word->name, hex ? hex : "");
            free(hex);
        }
    }
}

static void add_argument(cJSON *to, const struct suit_word *word, struct str argument)
{
    struct cbor cbor;

    cbor_open(&cbor, argument);
    if (word->kind == SUIT_VALUES)
        add_values(cJSON_AddObjectToObject(to, word->name), argument);
    else if (word->kind == SUIT_SEQUENCE)
        add_sequence(to, word->name, cbor_bytes(&cbor));
    else if (word->kind == SUIT_INDEX && cbor_peek(&cbor) == CBOR_UINT)
        add_number(to, word->name, cbor_int(&cbor));
    else if (word->kind == SUIT_SEQUENCES) {
        cJSON *all = cJSON_AddArrayToObject(to, word->name);

        for (size_t left = cbor_array(&cbor); left && cbor_peek(&cbor) == CBOR_BYTES; left--) {
            cJSON *one = cJSON_CreateObject();

            add_sequence(one, "either", cbor_bytes(&cbor));
            cJSON_AddItemToArray(all, one);
        }
    } else
        cJSON_AddTrueToObject(to, word->name);
}

static void add_sequence(cJSON *to, const char *name, struct str bytes)
{
    cJSON *list = cJSON_AddArrayToObject(to, name); /* a command may be there twice */
    struct cbor sequence;
    struct str argument;
    uint64_t code;
    size_t left;

    cbor_open(&sequence, bytes);
    left = cbor_array(&sequence);
    while (suit_next_command(&sequence, &left, &code, &argument)) {
        cJSON *one = cJSON_CreateObject();

        add_argument(one, suit_command(code), argument);
        cJSON_AddItemToArray(list, one);
    }
}

static void add_manifest(cJSON *to, const struct suit_manifest *manifest)
{
    static const struct {
        enum suit_member member;
        const char *name;
    } sequences[] = {{SUIT_PAYLOAD_FETCH, "payload-fetch"},
                     {SUIT_INSTALL, "install"},
                     {SUIT_VALIDATE, "validate"},
                     {SUIT_CANDIDATE_VERIFICATION, "candidate-verification"},
                     {SUIT_LOAD, "load"},
                     {SUIT_INVOKE, "invoke"}};

    add_number(to, "sequence", (int64_t)manifest->sequence_number);
    add_number(to, "components", manifest->components_count);
    if (manifest->shared.data)
        add_sequence(to, "shared", manifest->shared);
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
        if (manifest->sequences[sequences[i].member].data)
            add_sequence(to, sequences[i].name, manifest->sequences[sequences[i].member]);
}

static int inspect_envelope(struct str bytes, cJSON *to, struct error *err)
{
    struct suit_envelope envelope;
    struct suit_manifest manifest;
    struct release release = {0};

    if (suit_read(bytes, true, &envelope, err) < 0 || suit_check(&envelope, &manifest, err) < 0)
        return -1;
    cJSON_AddStringToObject(to, "format", "SUIT envelope");
    if (suit_run(&manifest, NULL, &release, NULL) == 0)
        add_release(to, &release);
    else
        suit_words(&manifest, manifest.components[0], &release);
    if (!*release.sha256) {
        add_text(to, "version", release.version);
        add_text(to, "description", release.description);
    }
    add_blocks(to, &envelope);
    add_manifest(cJSON_AddObjectToObject(to, "manifest"), &manifest);
    return 0;
}

int release_inspect(struct release_options *options, struct error *err)
{
    cJSON *object;
    struct str bytes;
    int result;

    if (release_read_file(options, options->file, 2 * LIMIT_IMAGE_BYTES, &bytes, err) < 0)
        return -1;
    object = cJSON_CreateObject();
    if (cms_is_manifest(bytes)) {
        struct release release = {0};

        cJSON_AddStringToObject(object, "format", "JSON manifest");
        result = cms_read(bytes, NULL, &release, err);
        if (result == 0)
            add_release(object, &release);
    } else {
        result = inspect_envelope(bytes, object, err);
    }
    if (result == 0)
        print_object(object, options->json, 0);
    cJSON_Delete(object);
    return result;
}

/* ---- verify ---- */

static int add_anchor(struct anchors *anchors, const char *path, struct error *err)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode) ? anchors_read(anchors, path, err)
                                                               : anchors_read_file(anchors, path, err);
}

static int verify_image(const char *path, const struct release *release, struct error *err)
{
    uint8_t digest[32];
    char hex[65];
    uint64_t size;

    if (release_digest_file(path, digest, &size, err) < 0)
        return -1;
    str_to_hex(hex, digest, sizeof(digest));
    if (size == release->size && strcmp(hex, release->sha256) == 0)
        return 0;
    return error_set(err, ERROR_COMMAND_FAILURE, path,
                     "is not the image that was signed: %" PRIu64 " bytes, SHA-256 %.16s...", size, hex);
}

static int open_release(struct release_options *options, struct release_request *request, struct release *ret,
                        struct error *err)
{
    char *signature;

    if (release_read_file(options, options->file, 2 * LIMIT_IMAGE_BYTES, &request->bytes, err) < 0)
        return -1;
    request->signature = (struct str){"", 0};
    if (cms_is_manifest(request->bytes)) {
        signature = arena_printf(&options->arena, "%s.p7s", options->file);
        if (!signature ||
            release_read_file(options, signature, CMS_SIGNATURE_BYTES, &request->signature, err) < 0)
            return -1;
    }
    return release_open(request, ret, err);
}

static int verify_with(struct release_options *options, struct anchors *anchors, struct error *err)
{
    const struct release_option_image *image = &options->images[0];
    struct release_request request = {.anchors = anchors, .now = time(NULL), .untagged = options->untagged};
    struct release_identity identity;
    struct release release;
    cJSON *object;

    if (options->time && str_to_time(str_of(options->time), &request.now) < 0)
        return error_set(err, ERROR_INVALID_ARGUMENTS, "--time", "is no time such as 2027-01-31T00:00:00Z");
    if (options->vendor) {
        /* As on the gateway: a device names its maker, and an anchor's scope; the domain makes vendor-id. */
        if (release_identify(&identity, options->vendor_name ? options->vendor_name : options->vendor,
                             options->vendor, image->model, image->hardware, err) < 0)
            return -1;
        request.identity = &identity;
    }
    if (open_release(options, &request, &release, err) < 0)
        return -1;
    if (release.use_before && request.now >= release.use_before)
        return release_refuse(err, RELEASE_CONDITION_FAILED,
                              "its time is over: it was to be used before that");
    if (image->file && verify_image(image->file, &release, err) < 0)
        return -1;
    object = cJSON_CreateObject();
    cJSON_AddTrueToObject(object, "verified");
    add_release(object, &release);
    print_object(object, options->json, 0);
    cJSON_Delete(object);
    return 0;
}

int release_verify(struct release_options *options, struct error *err)
{
    struct anchors *anchors = anchors_new();
    int result = anchors ? 0 : error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");

    if (result == 0 && !options->anchors_count)
        result = error_set(err, ERROR_INVALID_ARGUMENTS, "--anchor",
                           "is missing: whose signature is to count?");
    for (unsigned i = 0; i < options->anchors_count && result == 0; i++)
        result = add_anchor(anchors, options->anchors[i], err);
    if (result == 0)
        result = verify_with(options, anchors, err);
    anchors_unref(anchors);
    return result;
}
