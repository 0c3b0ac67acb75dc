/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/release_structure.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "release/cbor.h"

enum {
    DEPTH_MAX = 40,
    BYTES_MAX = 1 << 20,
};

struct node {
    enum cbor_type type;
    struct str raw;     /* all of it */
    struct str content; /* of a text or byte string */
    struct node *first; /* of an array, a map (key, value, ...), a tag, or inside a byte string */
    struct node *next;
    size_t count;
    unsigned depth;
    int64_t member;
};

struct edit {
    const struct node *at;
    enum structure_edit kind;
    bool done;
};

const char *structure_edit_text(enum structure_edit edit)
{
    static const char *const texts[] = {
        "left out", "doubled", "exchanged", "in an array", "in a byte string", "tagged",  "taken out",
        "null",     "emptied", "long head", "indefinite",  "longer",           "shorter", "trailing"};

    return texts[edit];
}

/* ---- reading ---- */

static struct node *parse(struct arena *arena, struct str bytes, unsigned depth, int64_t member);

static void parse_items(struct arena *arena, struct node *node, struct cbor *cbor, size_t items)
{
    struct node **last = &node->first;
    int64_t member = node->member;

    for (size_t i = 0; i < items; i++) {
        struct str raw = cbor_raw(cbor);

        if (node->type == CBOR_MAP && node->depth == 0 && i % 2 == 0) {
            struct cbor key;

            cbor_open(&key, raw);
            member = cbor_peek(&key) == CBOR_UINT ? (int64_t)cbor_uint(&key) : -1;
        }
        *last = parse(arena, raw, node->depth + 1, member);
        assert_non_null(*last);
        last = &(*last)->next;
    }
}

/* NULL: it is no CBOR item. A tag adds no depth. */
static struct node *parse(struct arena *arena, struct str bytes, unsigned depth, int64_t member)
{
    struct node *node = arena_alloc(arena, sizeof(*node));
    struct cbor cbor, rest;

    if (depth == DEPTH_MAX || !bytes.len || cbor_open(&cbor, bytes) < 0)
        return NULL;
    *node = (struct node){.type = cbor_peek(&cbor), .raw = bytes, .depth = depth, .member = member};
    rest = cbor;
    switch (node->type) {
    case CBOR_BYTES:
        node->content = cbor_bytes(&rest);
        node->first = parse(arena, node->content, depth + 1, member);
        break;
    case CBOR_TEXT:
        node->content = cbor_text(&rest);
        break;
    case CBOR_ARRAY:
        node->count = cbor_array(&rest);
        parse_items(arena, node, &rest, node->count);
        break;
    case CBOR_MAP:
        node->count = cbor_map(&rest);
        parse_items(arena, node, &rest, 2 * node->count);
        break;
    case CBOR_TAG:
        cbor_tag(&rest);
        node->first = parse(arena, cbor_raw(&rest), depth, member);
        break;
    default:
        break;
    }
    return node;
}

/* ---- writing ---- */

static void put(struct buf *to, const struct node *node, struct edit *edit);

static void put_byte(struct buf *to, uint8_t byte)
{
    buf_append(to, &byte, 1);
}

/* A head as it is in its shortest form, or one step longer. */
static void put_head(struct buf *to, uint8_t type, uint64_t value, bool longer)
{
    unsigned size = value < 24 ? 0 : value < 256 ? 1 : value < 65536 ? 2 : value <= UINT32_MAX ? 4 : 8;

    if (longer)
        size = size ? 2 * size : 1;
    put_byte(to, (uint8_t)(type << 5 | (size == 0   ? value
                                        : size == 1 ? 24
                                        : size == 2 ? 25
                                        : size == 4 ? 26
                                                    : 27)));
    while (size--)
        put_byte(to, (uint8_t)(value >> 8 * size));
}

/* An item of a container, with its value where that is a map. */
static void put_unit(struct buf *to, const struct node *item, bool pair, struct edit *edit)
{
    put(to, item, edit);
    if (pair)
        put(to, item->next, edit);
}

/* What is in an array or a map; returns how many there are. */
static size_t put_items(struct buf *to, const struct node *node, struct edit *edit)
{
    bool pair = node->type == CBOR_MAP;
    size_t count = 0;

    for (const struct node *item = node->first, *next; item; item = next) {
        bool here = edit->at == item && edit->kind <= EDIT_EXCHANGED;

        next = pair ? item->next->next : item->next;
        if (here && edit->kind == EDIT_EXCHANGED && !next)
            here = false;
        edit->done = edit->done || here;
        if (here && edit->kind == EDIT_LEFT_OUT)
            continue;
        if (here && edit->kind == EDIT_EXCHANGED) {
            put_unit(to, next, pair, edit);
            next = pair ? next->next->next : next->next;
            count++;
        }
        put_unit(to, item, pair, edit);
        count++;
        if (here && edit->kind == EDIT_DOUBLED) {
            put_unit(to, item, pair, edit);
            count++;
        }
    }
    return count;
}

static uint64_t head_value(const struct node *node)
{
    uint8_t info = (uint8_t)node->raw.data[0] & 31;
    unsigned size = info < 24 ? 0 : 1u << (info - 24);
    uint64_t value = size ? 0 : info;

    for (unsigned i = 1; i <= size; i++)
        value = value << 8 | (uint8_t)node->raw.data[i];
    return value;
}

/* What follows the head; returns the number that the head says: a length, a count, or the value itself. */
static uint64_t put_content(struct buf *to, const struct node *node, struct edit *edit)
{
    size_t before = to->len;

    switch (node->type) {
    case CBOR_BYTES:
    case CBOR_TEXT:
        if (node->first)
            put(to, node->first, edit);
        else
            buf_append(to, node->content.data, node->content.len);
        if (edit->at == node && edit->kind == EDIT_TRAILING && node->first) {
            put_byte(to, 0);
            edit->done = true;
        }
        return to->len - before;
    case CBOR_ARRAY:
    case CBOR_MAP:
        return put_items(to, node, edit);
    case CBOR_TAG:
        put(to, node->first, edit);
        return head_value(node);
    default:
        return head_value(node);
    }
}

static bool has_length(const struct node *node)
{
    return node->type >= CBOR_BYTES && node->type <= CBOR_MAP;
}

/* Head and content, as the edit of this node wants the head. */
static void put_plain(struct buf *to, const struct node *node, struct edit *edit)
{
    bool here = edit->at == node, longer = here && edit->kind == EDIT_LONG_HEAD;
    uint8_t type = (uint8_t)node->raw.data[0] >> 5;
    struct buf content;
    uint64_t value;

    buf_init(&content, BYTES_MAX, 0);
    value = put_content(&content, node, edit);
    if (here && edit->kind == EDIT_INDEFINITE && has_length(node)) {
        put_byte(to, (uint8_t)(type << 5 | 31));
        if (node->type <= CBOR_TEXT)
            put_head(to, type, value, false);
        buf_append(to, buf_data(&content), content.len);
        put_byte(to, 0xff);
        edit->done = true;
    } else {
        if (here && has_length(node) &&
            (edit->kind == EDIT_LONGER || (edit->kind == EDIT_SHORTER && value))) {
            value = edit->kind == EDIT_LONGER ? value + 1 : value - 1;
            edit->done = true;
        }
        if (longer && (type == 7 || node->raw.data[0] == 0x1b || node->raw.data[0] == 0x3b))
            longer = false; /* null and the like, and what is longest already */
        edit->done = edit->done || longer;
        put_head(to, type, value, longer);
        buf_append(to, buf_data(&content), content.len);
    }
    buf_done(&content);
}

static void put_wrapped(struct buf *to, const struct node *node, struct edit *edit)
{
    if (edit->kind == EDIT_IN_ARRAY) {
        put_head(to, 4, 1, false);
    } else if (edit->kind == EDIT_TAGGED) {
        put_head(to, 6, 24, false);
    } else {
        put_head(to, 2, node->raw.len, false);
    }
    buf_append(to, node->raw.data, node->raw.len);
}

static void put(struct buf *to, const struct node *node, struct edit *edit)
{
    static const uint8_t empty[] = {
        [CBOR_BYTES] = 0x40, [CBOR_TEXT] = 0x60, [CBOR_ARRAY] = 0x80, [CBOR_MAP] = 0xa0};
    enum structure_edit kind = edit->at == node ? edit->kind : STRUCTURE_EDITS;

    if (kind == EDIT_IN_ARRAY || kind == EDIT_IN_BYTES || kind == EDIT_TAGGED) {
        put_wrapped(to, node, edit);
        edit->done = true;
    } else if (kind == EDIT_TAKEN_OUT && node->first &&
               (node->type == CBOR_BYTES || node->type == CBOR_TAG)) {
        put(to, node->first, edit);
        edit->done = true;
    } else if (kind == EDIT_NULL && (uint8_t)node->raw.data[0] != 0xf6) {
        put_byte(to, 0xf6);
        edit->done = true;
    } else if (kind == EDIT_EMPTY && has_length(node) && node->raw.len > 1) {
        put_byte(to, empty[node->type]);
        edit->done = true;
    } else {
        put_plain(to, node, edit);
    }
}

/* ---- all of them ---- */

struct walk {
    const struct node *root;
    struct str bytes;
    void (*fn)(void *ctx, const struct structure_change *change, struct str changed);
    void *ctx;
    unsigned count;
};

static void change(struct walk *walk, const struct node *node, enum structure_edit kind)
{
    struct edit edit = {.at = node, .kind = kind};
    struct structure_change what = {.edit = kind, .member = node->member, .depth = node->depth};
    struct buf buf;

    buf_init(&buf, BYTES_MAX, 0);
    put(&buf, walk->root, &edit);
    /* Two of the same exchanged are the same. */
    if (edit.done && !str_equal((struct str){(const char *)buf_data(&buf), buf.len}, walk->bytes)) {
        walk->fn(walk->ctx, &what, (struct str){(const char *)buf_data(&buf), buf.len});
        walk->count++;
    }
    buf_done(&buf);
}

static void visit(struct walk *walk, const struct node *node)
{
    for (; node; node = node->next) {
        for (int kind = 0; kind < STRUCTURE_EDITS; kind++)
            change(walk, node, (enum structure_edit)kind);
        visit(walk, node->first);
    }
}

unsigned structure_changes(struct str bytes,
                           void (*fn)(void *ctx, const struct structure_change *change, struct str changed),
                           void *ctx)
{
    struct walk walk = {.bytes = bytes, .fn = fn, .ctx = ctx};
    struct edit none = {.at = NULL};
    struct arena arena;
    struct buf same;

    arena_init(&arena, 0);
    walk.root = parse(&arena, bytes, 0, -1);
    assert_non_null(walk.root);
    /* The writer adds nothing of its own. */
    buf_init(&same, BYTES_MAX, 0);
    put(&same, walk.root, &none);
    assert_true(str_equal((struct str){(const char *)buf_data(&same), same.len}, bytes));
    buf_done(&same);
    visit(&walk, walk.root);
    arena_done(&arena);
    return walk.count;
}
