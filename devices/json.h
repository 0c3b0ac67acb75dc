/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON from the LAN, which is hostile until proven otherwise: what is too large, too deep, of too many values, not
 * UTF-8 or holds a NUL is refused before cJSON sees it. The tree that json_parse() gives is freed with cJSON_Delete();
 * everything read from it is borrowed. Getters take NULL and values of another type, and say "not there".
 */
#ifndef DEVICES_JSON_H
#define DEVICES_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

/* One JSON value and nothing after it. NULL: err says what is wrong with it. */
cJSON *json_parse(const uint8_t *data, size_t len, struct error *err);

/*
 * The items of an array one at a time, so that a long array costs no more memory than its largest item. The bytes are
 * borrowed. json_items_begin(): -1 when it is no array, or longer than max_bytes.
 */
struct json_items {
    const uint8_t *data;
    size_t len;
    size_t at;
};
int json_items_begin(struct json_items *items, const uint8_t *data, size_t len, size_t max_bytes,
                     struct error *err);
/* 1: *ret_item is the text of the next item, for json_parse(). 0: that was all. -1: the array is malformed. */
int json_items_next(struct json_items *items, struct str *ret_item, struct error *err);

/* The member of an object, or NULL. Names are compared exactly; of two members of one name the first counts. */
const cJSON *json_member(const cJSON *object, const char *name);
/* The member as an object or an array, or NULL. */
const cJSON *json_object(const cJSON *object, const char *name);
const cJSON *json_array(const cJSON *object, const char *name);
/* The member as text of 1 to max bytes without control characters, or NULL. */
const char *json_text(const cJSON *object, const char *name, size_t max);
/* The same for a value. */
const char *json_text_of(const cJSON *value, size_t max);
/* The member as a whole number from 0 to max: 0 and *ret, or -1. */
int json_number(const cJSON *object, const char *name, uint64_t max, uint64_t *ret);

/* Appends text as a JSON string with its quotes. 0, or -1 and buf->failed. */
int json_quote(struct buf *buf, const char *text);

#endif
