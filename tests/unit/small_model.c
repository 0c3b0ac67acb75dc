/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char *small_log;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    size_t len = small_log ? strlen(small_log) : 0;
    va_list ap;

    va_start(ap, fmt);
    if (small_log)
        vsnprintf(small_log + len, SMALL_LOG_BYTES - len, fmt, ap);
    va_end(ap);
}

/* ---- hooks ---- */

static void applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t params)
{
    static const char *const kinds[] = {"added", "changed", "deleted"};
    char path[DM_PATH_BYTES];

    (void)dm;
    dm_row_path(row, path);
    if (!row->instance && kind == DM_ROW_ADDED)
        return; /* single-instance objects: too many to be of interest */
    say("%s %s", kinds[kind], path);
    for (int i = 0; kind == DM_ROW_CHANGED && i < row->node->params_count; i++)
        if (params & 1ull << i)
            say("%s ", row->node->object->params[i].name);
    say("\n");
}

/* A Thing named "bad" is refused; "loop" needs a Number. */
static int check(struct dm *dm, struct dm_row *row, struct error *err)
{
    const struct thing *thing = row->data;

    (void)dm;
    if (thing->name && strcmp(thing->name, "bad") == 0)
        return error_set(err, ERROR_VALUE_CONFLICT, NULL, "a bad name");
    return 0;
}

static int check_delete(struct dm *dm, struct dm_row *row, struct error *err)
{
    const struct thing *thing = row->data;

    (void)dm;
    if (thing->name && strcmp(thing->name, "keep") == 0)
        return error_set(err, ERROR_OBJECT_NOT_DELETABLE, NULL, "it is kept");
    return 0;
}

static int init(struct dm *dm, struct dm_row *row, struct dm_row *requester, struct error *err)
{
    struct thing *thing = row->data;

    (void)dm;
    (void)requester;
    return str_replace(&thing->note, "made") < 0 ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "memory")
                                                 : 0;
}

static int check_code(const struct dm_row *row, struct str value, struct error *err)
{
    (void)row;
    return value.len && value.data[0] == 'x' ? error_set(err, ERROR_INVALID_VALUE, NULL, "no x") : 0;
}

static void get_twice(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct thing *thing = row->data;

    (void)scratch;
    ret->number = 2ull * thing->number;
}

/* ---- declarations ---- */

static const char *const kinds[] = {"Round", "Square", "Flat", NULL};
static const char *const tags[] = {"red", "green", "blue", NULL};

#define FIELD(member) DM_OFFSET(struct thing, member)
static const struct dm_param thing_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = FIELD(alias)},
    {.name = "Name", .type = DM_STRING, .flags = DM_WRITABLE | DM_INDEXED, .max = 64, .offset = FIELD(name)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = FIELD(enable)},
    {.name = "Integer",
     .type = DM_INT,
     .flags = DM_WRITABLE,
     .min = -5,
     .max = 100,
     .offset = FIELD(integer)},
    {.name = "Number",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .default_value = "7",
     .offset = FIELD(number)},
    {.name = "Rank",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 2,
     .max = 9,
     .default_value = "2",
     .offset = FIELD(rank)},
    {.name = "Longer", .type = DM_LONG, .flags = DM_WRITABLE, .offset = FIELD(longer)},
    {.name = "Wide", .type = DM_UNSIGNED_LONG, .flags = DM_WRITABLE, .offset = FIELD(wide)},
    {.name = "When", .type = DM_DATE_TIME, .flags = DM_WRITABLE, .offset = FIELD(when)},
    {.name = "Kind", .type = DM_ENUM, .flags = DM_WRITABLE, .values = kinds, .offset = FIELD(kind)},
    {.name = "Tags",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST,
     .values = tags,
     .offset = FIELD(tags)},
    {.name = "Secret", .type = DM_STRING, .flags = DM_WRITABLE | DM_SECRET, .offset = FIELD(secret)},
    {.name = "Code",
     .type = DM_STRING,
     .flags = DM_AT_CREATION,
     .min = 2,
     .max = 4,
     .check = check_code,
     .offset = FIELD(code)},
    {.name = "Hex", .type = DM_HEX_BINARY, .flags = DM_WRITABLE, .max = 8, .offset = FIELD(hex)},
    {.name = "Base64", .type = DM_BASE64, .flags = DM_WRITABLE, .offset = FIELD(base64)},
    {.name = "Ref",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF,
     .refers = "Device.Thing.",
     .offset = FIELD(ref)},
    {.name = "Refs",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF | DM_LIST,
     .refers = "Device.Thing.",
     .offset = FIELD(refs)},
    {.name = "Weak",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_WEAK_REF,
     .refers = "Device.Thing.",
     .offset = FIELD(weak)},
    {.name = "Note", .type = DM_STRING, .flags = DM_STATE, .offset = FIELD(note)},
    {.name = "Flag", .type = DM_BOOLEAN, .flags = DM_WRITABLE | DM_VOLATILE, .offset = FIELD(flag)},
    {.name = "Twice", .type = DM_UNSIGNED_INT, .get = get_twice},
    {.name = "PartNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Part"},
    DM_END_PARAMS,
};
static const struct dm_key thing_keys[] = {{{"Alias"}}, {{"Name"}}, {{NULL}}};

const struct dm_object small_thing = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct thing),
    .params = thing_params,
    .keys = thing_keys,
    .max_rows = 2000,
    .init = init,
    .check = check,
    .check_delete = check_delete,
    .applied = applied,
};

/* Its member lies in the Thing's data. */
static const struct dm_param inside_params[] = {
    {.name = "Title",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .default_value = "none",
     .offset = FIELD(title)},
    {.name = "Size", .type = DM_LONG, .flags = DM_WRITABLE, .offset = FIELD(size)},
    DM_END_PARAMS,
};
const struct dm_object small_inside = {.params = inside_params, .applied = applied};

struct part {
    char *alias, *color, *owner;
    uint32_t order;
};
static const struct dm_param part_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED,
     .offset = DM_OFFSET(struct part, alias)},
    {.name = "Order",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE | DM_INDEXED,
     .offset = DM_OFFSET(struct part, order)},
    {.name = "Color",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED,
     .offset = DM_OFFSET(struct part, color)},
    {.name = "Owner",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF,
     .refers = "Device.Thing.",
     .offset = DM_OFFSET(struct part, owner)},
    DM_END_PARAMS,
};
/* Two rows may have one Color: the set is (Color, Order). */
static const struct dm_key part_keys[] = {{{"Alias"}}, {{"Color", "Order"}}, {{NULL}}};
const struct dm_object small_part = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct part),
    .params = part_params,
    .keys = part_keys,
    .applied = applied,
};

static const struct dm_event_type box_events[] = {{.name = "Happened!"}, {.name = NULL}};
static int run_nothing(struct dm_call *call, struct error *err)
{
    (void)call;
    (void)err;
    return 0;
}
static const struct dm_command box_commands[] = {{.name = "Do()", .run = run_nothing}, {.name = NULL}};
const struct dm_object small_box = {
    .data_size = sizeof(struct thing),
    .params = thing_params,
    .commands = box_commands,
    .events = box_events,
    .applied = applied,
};

/* Rows that a module attaches; its data is a struct part. */
const struct dm_object small_owned = {
    .flags = DM_TABLE | DM_DELETE, .params = part_params, .applied = applied};
const struct dm_object small_device = {0};

const struct dm_mount small_mounts[] = {
    {"Device.", &small_device},
    {"Device.Box.", &small_box},
    {"Device.Thing.{i}.", &small_thing},
    {"Device.Thing.{i}.Inside.", &small_inside},
    {"Device.Thing.{i}.Part.{i}.", &small_part},
    {"Device.Owned.{i}.", &small_owned},
};
const size_t small_mounts_count = sizeof(small_mounts) / sizeof(small_mounts[0]);

/* ---- the bench ---- */

static void on_feed(void *ctx, const void *event)
{
    static const char *const types[] = {"value", "created", "deleted", "event", "complete"};
    const struct dm_feed *feed = event;
    const struct dm_object *object = feed->row->node->object;
    char path[DM_PATH_BYTES];

    (void)ctx;
    dm_row_path(feed->row, path);
    say("feed %s %s%s\n", types[feed->type], path,
        feed->type == DM_FEED_VALUE   ? object->params[feed->member].name
        : feed->type == DM_FEED_EVENT ? object->events[feed->member].name
                                      : "");
}

void small_model_init(struct small_model *model, const char *path)
{
    struct error err;

    *model = (struct small_model){.observer = {.fn = on_feed}, .limits = limits_default};
    small_log = model->log;
    assert_int_equal(loop_init(&model->loop, NULL), 0);
    model->loop.limits = &model->limits;
    clock_fake(&model->loop.clock, SMALL_TIME);
    model->store = store_open(path, &model->loop, &err);
    if (!model->store)
        fail_msg("store: %s", err.message);
    model->dm = dm_new(small_mounts, small_mounts_count, &model->loop, model->store, NULL);
    assert_non_null(model->dm);
    observer_add(dm_observers(model->dm), &model->observer);
}

void small_model_done(struct small_model *model)
{
    dm_flush(model->dm, NULL);
    dm_free(model->dm);
    store_close(model->store);
    loop_done(&model->loop);
    small_log = NULL;
}

void small_turn(struct small_model *model)
{
    loop_run_deferred(&model->loop);
}

const char *small_said(struct small_model *model)
{
    static char copy[SMALL_LOG_BYTES];

    memcpy(copy, model->log, sizeof(copy));
    model->log[0] = '\0';
    return copy;
}

/* ---- changing ---- */

struct dm_row *small_thing_add(struct small_model *model, uint32_t instance, const char *name)
{
    struct dm_node *node = dm_node_find(model->dm, "Device.Thing.");
    struct dm_row *row;

    dm_begin(model->dm, NULL);
    row = dm_add(model->dm, dm_root(model->dm), node, instance, NULL);
    if (row && (!name || dm_set(model->dm, row, dm_node_param(node, "Name"), str_of(name), NULL) == 0) &&
        dm_add_done(model->dm, row, NULL) == 0)
        return dm_commit(model->dm, NULL) == 0 ? row : NULL;
    dm_rollback(model->dm);
    return NULL;
}

struct first {
    struct dm_target target;
    unsigned count;
};

static int take(void *ctx, const struct dm_target *target)
{
    struct first *first = ctx;

    if (!first->count++)
        first->target = *target;
    return 0;
}

static struct first resolve(struct small_model *model, const char *path)
{
    struct first first = {.count = 0};
    struct arena arena;
    struct dm_resolver resolver = {.dm = model->dm, .arena = &arena, .found = take, .ctx = &first};

    arena_init(&arena, 0);
    dm_resolve(&resolver, str_of(path), NULL);
    arena_done(&arena);
    return first;
}

uint32_t small_set(struct small_model *model, const char *path, const char *value)
{
    struct first first = resolve(model, path);
    struct error err;

    if (first.count != 1 || first.target.kind != DM_TARGET_PARAM)
        return ERROR_UNSUPPORTED_PARAMETER;
    error_clear(&err);
    dm_begin(model->dm, NULL);
    if (dm_set(model->dm, first.target.row, first.target.member, str_of(value), &err) == 0 &&
        dm_set_done(model->dm, first.target.row, &err) == 0)
        return dm_commit(model->dm, &err) == 0 ? 0 : err.code;
    dm_rollback(model->dm);
    return err.code ? err.code : UINT32_MAX;
}

uint32_t small_delete(struct small_model *model, const char *path)
{
    struct first first = resolve(model, path);
    struct error err;

    if (first.count != 1 || first.target.kind != DM_TARGET_ROW)
        return ERROR_OBJECT_DOES_NOT_EXIST;
    error_clear(&err);
    dm_begin(model->dm, NULL);
    if (dm_delete(model->dm, first.target.row, &err) == 0)
        return dm_commit(model->dm, &err) == 0 ? 0 : err.code;
    dm_rollback(model->dm);
    return err.code ? err.code : UINT32_MAX;
}

/* ---- reading ---- */

struct listing {
    char *to;
    size_t size;
    size_t len;
    bool values;
};

static int list(void *ctx, const struct dm_target *target)
{
    struct listing *listing = ctx;
    char scratch[DM_SCRATCH_BYTES];
    char text[DM_PATH_BYTES + 128];
    size_t len = target->row ? dm_row_path(target->row, text) : 0;
    const struct dm_object *object = target->node->object;
    const char *name = target->kind == DM_TARGET_PARAM     ? object->params[target->member].name
                       : target->kind == DM_TARGET_COMMAND ? object->commands[target->member].name
                       : target->kind == DM_TARGET_EVENT   ? object->events[target->member].name
                                                           : "";

    if (target->kind == DM_TARGET_TABLE)
        snprintf(text + len, sizeof(text) - len, "%.*s.", (int)target->node->name.len,
                 target->node->name.data);
    else
        snprintf(text + len, sizeof(text) - len, "%s", name);
    if (listing->values && target->kind == DM_TARGET_PARAM) {
        struct str value = dm_get_text(target->row, target->member, scratch);

        snprintf(text, sizeof(text), "%.*s", (int)value.len, value.data);
    }
    listing->len += (size_t)snprintf(listing->to + listing->len, listing->size - listing->len, "%s%s",
                                     listing->len ? (listing->values ? "|" : " ") : "", text);
    assert_true(listing->len < listing->size);
    return 0;
}

static const char *read_path(struct small_model *model, const char *path, const struct dm_access *access,
                             struct listing *listing)
{
    struct arena arena;
    struct dm_resolver resolver = {
        .dm = model->dm, .arena = &arena, .access = access, .found = list, .ctx = listing};
    struct error err;

    listing->to[0] = '\0';
    arena_init(&arena, 0);
    if (dm_resolve(&resolver, str_of(path), &err) != 0)
        snprintf(listing->to, listing->size, "#%u", err.code);
    arena_done(&arena);
    return listing->to;
}

const char *small_get(struct small_model *model, const char *path)
{
    struct listing listing = {model->text, sizeof(model->text), 0, true};

    return read_path(model, path, NULL, &listing);
}

const char *small_find(struct small_model *model, const char *path, const struct dm_access *access)
{
    static char text[1 << 16];
    struct listing listing = {text, sizeof(text), 0, false};

    return read_path(model, path, access, &listing);
}

/* ---- the whole ---- */

static void dump_row(struct buf *to, const struct dm_row *row)
{
    char path[DM_PATH_BYTES];

    dm_row_path(row, path);
    buf_printf(to, "%s\n", path);
    for (int i = 0; row->data && i < row->node->params_count; i++) {
        char scratch[DM_SCRATCH_BYTES];
        struct str text = dm_get_text(row, i, scratch);

        buf_printf(to, "  %s=%.*s\n", row->node->object->params[i].name, (int)text.len, text.data);
    }
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        const struct dm_node *child = row->node->children[i];
        struct dm_row *const *rows;
        uint32_t count;

        if (!dm_node_is_table(child)) {
            dump_row(to, dm_row_child(row, child));
            continue;
        }
        count = dm_rows(row, child, &rows);
        for (uint32_t j = 0; j < count; j++)
            dump_row(to, rows[j]);
    }
}

char *small_dump(const struct dm *dm)
{
    struct buf buf;
    char *text;

    buf_init(&buf, 16 << 20, 0);
    dump_row(&buf, dm_root(dm));
    text = strdup(buf_cstr(&buf));
    buf_done(&buf);
    return text;
}

struct seen {
    const struct dm_row *row;
    unsigned times;
    unsigned others;
};

static int see(void *ctx, struct dm_row *row)
{
    struct seen *seen = ctx;

    if (row == seen->row)
        seen->times++;
    else
        seen->others++;
    return 0;
}

static void check_row(const struct dm *dm, struct dm_row *const *rows, uint32_t count, uint32_t at, int param)
{
    struct seen seen = {.row = rows[at]};
    char mine[DM_SCRATCH_BYTES];
    char theirs[DM_SCRATCH_BYTES];
    struct str value = dm_get_text(rows[at], param, mine);
    unsigned others = 0;

    for (uint32_t i = 0; i < count; i++)
        if (i != at && str_equal(value, dm_get_text(rows[i], param, theirs)))
            others++;
    dm_rows_with(dm, rows[at]->parent, rows[at]->node, param, value, see, &seen);
    assert_int_equal(seen.times, 1);
    assert_int_equal(seen.others, others);
}

static void check_tables(const struct dm *dm, const struct dm_row *row)
{
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        const struct dm_node *child = row->node->children[i];
        struct dm_row *const *rows;
        uint32_t count;

        if (!dm_node_is_table(child)) {
            check_tables(dm, dm_row_child(row, child));
            continue;
        }
        count = dm_rows(row, child, &rows);
        for (uint32_t j = 0; j < count; j++) {
            assert_ptr_equal(dm_row_instance(row, child, rows[j]->instance), rows[j]);
            for (int param = 0; param < child->params_count; param++)
                if (child->object->params[param].flags & DM_INDEXED)
                    check_row(dm, rows, count, j, param);
            check_tables(dm, rows[j]);
        }
    }
}

void small_check_index(const struct dm *dm)
{
    check_tables(dm, dm_root(dm));
}
