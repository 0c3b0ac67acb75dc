/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/suit.h"

#include <string.h>

enum {
    TEXT_MANIFEST_DESCRIPTION = 1,
    TEXT_UPDATE_DESCRIPTION = 2,
    COMPONENT_VENDOR_NAME = 1,
    COMPONENT_MODEL_NAME = 2,
    COMPONENT_DESCRIPTION = 5,
    COMPONENT_VERSION = 6,
};

/* For people: no control characters, cut between characters. */
static void put_words(char *to, size_t size, struct str text)
{
    size_t len = text.len < size ? text.len : str_whole((struct str){text.data, size - 1});

    for (size_t i = 0; i < len; i++)
        to[i] = (unsigned char)text.data[i] < ' ' || text.data[i] == 127 ? ' ' : text.data[i];
    to[len] = '\0';
}

static void read_component(struct cbor *map, struct release *ret)
{
    for (size_t pairs = cbor_map(map); pairs && !map->why; pairs--) {
        uint64_t key = cbor_uint(map);
        struct str raw = cbor_raw(map);
        struct cbor value;
        struct str text;

        cbor_open(&value, raw);
        text = cbor_text(&value);
        if (value.why)
            continue;
        if (key == COMPONENT_VENDOR_NAME)
            put_words(ret->vendor_name, sizeof(ret->vendor_name), text);
        else if (key == COMPONENT_MODEL_NAME)
            put_words(ret->model_name, sizeof(ret->model_name), text);
        else if (key == COMPONENT_DESCRIPTION)
            put_words(ret->description, sizeof(ret->description), text);
        else if (key == COMPONENT_VERSION)
            put_words(ret->version, sizeof(ret->version), text);
    }
}

/* What is said of the update and of the component; the more special words stand. */
static void read_language(struct str bytes, struct str component, struct release *ret)
{
    struct cbor map;

    cbor_open(&map, bytes);
    for (size_t pairs = cbor_map(&map); pairs && !map.why; pairs--) {
        struct str key = cbor_raw(&map);
        struct cbor number;

        if (component.len && str_equal(key, component)) {
            read_component(&map, ret);
            continue;
        }
        cbor_open(&number, key);
        if (cbor_peek(&number) == CBOR_UINT && cbor_peek(&map) == CBOR_TEXT) {
            uint64_t code = cbor_uint(&number);
            struct str text = cbor_text(&map);

            if (code == TEXT_UPDATE_DESCRIPTION || (code == TEXT_MANIFEST_DESCRIPTION && !*ret->description))
                put_words(ret->description, sizeof(ret->description), text);
        } else {
            cbor_raw(&map);
        }
    }
}

static void put_version(struct str bytes, struct release *ret)
{
    struct cbor parts;
    char text[RELEASE_TEXT_BYTES];
    size_t len = 0;

    cbor_open(&parts, bytes);
    for (size_t left = cbor_array(&parts); left && !parts.why; left--) {
        int64_t part = cbor_int(&parts);

        if (part < 0 ||
            len + 21 > sizeof(text)) /* negative parts are what comes before a release (alpha, beta) */
            return;
        if (len)
            text[len++] = '.';
        len += str_from_i64(text + len, part);
    }
    if (!parts.why)
        put_words(ret->version, sizeof(ret->version), (struct str){text, len});
}

void suit_words(const struct suit_manifest *manifest, struct str component, struct release *ret)
{
    struct cbor map;
    bool first = true;

    if (manifest->version.len)
        put_version(manifest->version, ret);
    if (!manifest->text.data)
        return;
    cbor_open(&map, manifest->text);
    for (size_t pairs = cbor_map(&map); pairs && !map.why; pairs--, first = false) {
        /* A language is a text, or tag 38 with language and direction: the first there is, or English. */
        bool english = cbor_peek(&map) == CBOR_TEXT && str_is(cbor_text(&map), "en");
        struct str language;

        if (!english && cbor_peek(&map) == CBOR_TAG)
            cbor_raw(&map);
        language = cbor_raw(&map);
        if (first || english)
            read_language(language, component, ret);
    }
}
