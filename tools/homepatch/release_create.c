/* SPDX-License-Identifier: BSD-3-Clause */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "release/cms.h"
#include "tools/homepatch/release.h"

static int missing(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID_ARGUMENTS, what, "is missing (homepatch release --help)");
}

static int wrong(struct error *err, const char *option, const char *text)
{
    return error_set(err, ERROR_INVALID_ARGUMENTS, option, "\"%.80s\" is not what it takes", text);
}

/* ---- values ---- */

static int time_of(const char *option, const char *text, int64_t *ret, struct error *err)
{
    *ret = 0;
    if (!text)
        return 0;
    return str_to_time(str_of(text), ret) < 0 || *ret <= 0 ? wrong(err, option, text) : 0;
}

static enum release_comparison comparison_of(struct str *text)
{
    static const struct {
        const char *text;
        enum release_comparison comparison;
    } all[] = {{">=", RELEASE_GREATER_EQUAL},
               {"<=", RELEASE_LESSER_EQUAL},
               {">", RELEASE_GREATER},
               {"<", RELEASE_LESSER},
               {"=", RELEASE_EQUAL}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!str_starts(*text, str_of(all[i].text)))
            continue;
        text->data += strlen(all[i].text);
        text->len -= strlen(all[i].text);
        return all[i].comparison;
    }
    return 0;
}

/* ">= 1.4" */
static int version_of(const char *text, struct release_version *ret, struct error *err)
{
    struct str rest = str_trim(str_of(text)), part;

    *ret = (struct release_version){.comparison = comparison_of(&rest)};
    rest = str_trim(rest);
    while (rest.len && str_next(&rest, '.', &part))
        if (ret->count == RELEASE_VERSION_PARTS || str_to_i64(part, &ret->parts[ret->count++]) < 0)
            return wrong(err, "--from", text);
    return ret->comparison && ret->count ? 0 : wrong(err, "--from", text);
}

/* ---- images ---- */

static int load_image(struct release_options *options, const struct release_option_image *from,
                      unsigned index, struct suit_image *ret, struct error *err)
{
    const char *slash = strrchr(from->file, '/');

    if (!from->model)
        return missing(err, "--model");
    *ret = (struct suit_image){.model = from->model,
                               .hardware = from->hardware ? from->hardware : "",
                               .uri = from->uri ? from->uri
                                      : slash   ? slash + 1
                                                : from->file};
    if (release_digest_file(from->file, ret->digest, &ret->size, err) < 0)
        return -1;
    if (!from->inside)
        return 0;
    ret->uri = arena_printf(&options->arena, "#%u", index);
    return ret->uri ? release_read_file(options, from->file, LIMIT_IMAGE_BYTES, &ret->payload, err)
                    : error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
}

/* In the order of their identifiers, which deterministic encoding asks for. */
static int compare_images(const void *a, const void *b)
{
    const struct release_option_image *x = a, *y = b;
    size_t lx = x->model ? strlen(x->model) : 0, ly = y->model ? strlen(y->model) : 0;

    if (lx != ly)
        return lx < ly ? -1 : 1;
    return lx ? strcmp(x->model, y->model) : 0;
}

static int load_images(struct release_options *options, struct suit_image *ret, struct error *err)
{
    if (!options->images_count)
        return missing(err, "--image");
    qsort(options->images, options->images_count, sizeof(options->images[0]), compare_images);
    for (unsigned i = 0; i < options->images_count; i++) {
        if (i && compare_images(&options->images[i - 1], &options->images[i]) == 0)
            return error_set(err, ERROR_INVALID_ARGUMENTS, "--model",
                             "%s is there twice; hardware versions of one model are releases of their own",
                             options->images[i].model);
        if (load_image(options, &options->images[i], i, &ret[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- create ---- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static int check_given(const struct release_options *options, struct error *err)
{
    const struct {
        const char *option, *value;
    } wanted[] = {
        {"--vendor", options->vendor}, {"--version", options->version}, {"--sequence", options->sequence}};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (!wanted[i].value)
            return missing(err, wanted[i].option);
    return 0;
}

static int check_texts(const struct suit_description *from, struct error *err)
{
    const struct {
        const char *text;
        size_t room;
    } texts[] = {{from->version, RELEASE_TEXT_BYTES},
                 {from->vendor_name, RELEASE_TEXT_BYTES},
                 {from->description, RELEASE_WORDS_BYTES}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strlen(texts[i].text) >= texts[i].room || !str_is_utf8(str_of(texts[i].text)))
            return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "a text is too long, or not UTF-8");
    return 0;
}

/* What is not given stays as it is. */
static int unsigned_of(const char *option, const char *text, uint64_t *ret, struct error *err)
{
    return text && str_to_u64(str_of(text), ret) < 0 ? wrong(err, option, text) : 0;
}

static int describe(struct release_options *options, struct suit_description *ret,
                    struct release_version *versions, struct error *err)
{
    *ret = (struct suit_description){
        .vendor = options->vendor,
        .ask = options->ask,
        .versions = versions,
        .versions_count = options->from_count,
        .vendor_name = or_empty(options->vendor_name),
        .version = options->version,
        .description = or_empty(options->description),
        .sever_text = options->sever_text,
        .has_priority = options->priority != NULL,
        .has_battery = options->min_battery != NULL,
    };
    if (check_given(options, err) < 0 || check_texts(ret, err) < 0 ||
        unsigned_of("--sequence", options->sequence, &ret->sequence, err) < 0)
        return -1;
    if (options->priority && str_to_i64(str_of(options->priority), &ret->priority) < 0)
        return wrong(err, "--priority", options->priority);
    if (unsigned_of("--min-battery", options->min_battery, &ret->battery_mwh, err) < 0)
        return -1;
    for (unsigned i = 0; i < options->from_count; i++)
        if (version_of(options->from[i], &versions[i], err) < 0)
            return -1;
    if (time_of("--use-before", options->use_before, &ret->use_before, err) < 0)
        return -1;
    return time_of("--not-before", options->not_before, &ret->not_before, err);
}

static void add_text(cJSON *object, const char *name, const char *text)
{
    if (text && *text)
        cJSON_AddStringToObject(object, name, text);
}

static cJSON *manifest_of(const struct suit_description *from, const char *use_before)
{
    const struct suit_image *image = &from->images[0];
    cJSON *root = cJSON_CreateObject(), *file;
    char hex[65];

    str_to_hex(hex, image->digest, sizeof(image->digest));
    cJSON_AddNumberToObject(root, "homepatch-release", 1);
    add_text(root, "vendor", from->vendor);
    add_text(root, "vendor-name", from->vendor_name);
    add_text(root, "model", image->model);
    add_text(root, "hardware", image->hardware);
    add_text(root, "version", from->version);
    cJSON_AddNumberToObject(root, "sequence", (double)from->sequence);
    file = cJSON_AddObjectToObject(root, "image");
    add_text(file, "uri", image->uri);
    cJSON_AddNumberToObject(file, "size", (double)image->size);
    add_text(file, "sha256", hex);
    if (from->has_priority)
        cJSON_AddNumberToObject(root, "priority", (double)from->priority);
    if (from->ask)
        cJSON_AddTrueToObject(root, "ask");
    add_text(root, "use-before", use_before);
    if (from->has_battery)
        cJSON_AddNumberToObject(root, "min-battery", (double)from->battery_mwh);
    add_text(root, "description", from->description);
    return root;
}

static int write_manifest(struct release_options *options, const struct suit_description *from,
                          struct error *err)
{
    struct release release = {0};
    cJSON *json;
    char *text;
    int result;

    if (from->images_count != 1 || from->images[0].payload.len || from->versions_count || from->not_before ||
        from->sever_text)
        return error_set(err, ERROR_INVALID_ARGUMENTS, "--cms",
                         "takes one image, not inside, and neither --from, --not-before nor --sever-text");
    json = manifest_of(from, options->use_before);
    text = cJSON_Print(json);
    cJSON_Delete(json);
    if (!text)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    /* Whoever reads it is as strict. */
    result = cms_read(str_of(text), NULL, &release, err);
    if (result == 0)
        result = file_replace(AT_FDCWD, options->file, str_of(text), 0644, (gid_t)-1, err);
    cJSON_free(text);
    return result;
}

int release_create(struct release_options *options, struct error *err)
{
    struct release_version versions[RELEASE_VERSIONS];
    struct suit_image images[RELEASE_OPTION_IMAGES];
    struct suit_description description;
    struct buf buf;
    int result;

    if (describe(options, &description, versions, err) < 0 || load_images(options, images, err) < 0)
        return -1;
    description.images = images;
    description.images_count = options->images_count;
    if (options->cms)
        return write_manifest(options, &description, err);
    buf_init(&buf, 2 * LIMIT_IMAGE_BYTES, 0);
    result = suit_write(&description, &buf, err);
    if (result == 0)
        result = file_replace(AT_FDCWD, options->file, (struct str){(const char *)buf_data(&buf), buf.len},
                              0644, (gid_t)-1, err);
    buf_done(&buf);
    return result;
}
