/* SPDX-License-Identifier: BSD-3-Clause */
/* The factory configuration: `Device.Path.1.Param = value` lines (homepatch-factory.conf(5)). */
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "datamodel/internal.h"
#include "datamodel/path.h"

struct added {
    struct dm_row *row;
    unsigned line;
    struct added *next;
};

struct factory {
    struct dm *dm;
    struct arena arena;
    const char *file;
    struct added *added;
    struct added **added_last;
};

static int add_row(struct factory *factory, struct dm_row *parent, struct dm_node *node, uint32_t instance,
                   unsigned line, struct dm_row **ret, struct error *err)
{
    struct added *added = arena_alloc(&factory->arena, sizeof(*added));
    struct error reason;

    if (!added)
        return conf_error(factory->file, line, err, "out of memory");
    *ret = dm_add(factory->dm, parent, node, instance, &reason);
    if (!*ret)
        return conf_error(factory->file, line, err, "%s: %s", reason.path, reason.message);
    *added = (struct added){.row = *ret, .line = line};
    *factory->added_last = added;
    factory->added_last = &added->next;
    return 0;
}

/* The row that the line's path stands in, made when it is not there; *ret_param is the last name. */
static int row_of(struct factory *factory, const struct conf_line *line, struct dm_row **ret, int *ret_param,
                  struct error *err)
{
    struct dm_row *row = dm_root(factory->dm);
    struct dm_path path;
    struct error reason;

    if (dm_path_parse(&factory->arena, line->key, &path, &reason) < 0)
        return conf_error(factory->file, line->number, err, "%s", reason.message);
    for (uint32_t i = 1; i + 1 < path.count; i++) {
        struct dm_node *node = dm_node_child(row->node, path.segments[i].name);
        struct dm_row *next;

        if (path.segments[i].kind != DM_SEGMENT_NAME || !node)
            return conf_error(factory->file, line->number, err, "%.*s: no such object", (int)line->key.len,
                              line->key.data);
        if (!dm_node_is_table(node)) {
            row = dm_row_child(row, node);
            continue;
        }
        i++;
        if (i + 1 >= path.count || path.segments[i].kind != DM_SEGMENT_INSTANCE)
            return conf_error(factory->file, line->number, err, "%.*s: an instance number is missing",
                              (int)line->key.len, line->key.data);
        next = dm_row_instance(row, node, path.segments[i].instance);
        if (!next && add_row(factory, row, node, path.segments[i].instance, line->number, &next, err) < 0)
            return -1;
        row = next;
    }
    *ret_param = -1;
    if (path.count > 1 && str_is(path.segments[0].name, "Device")) {
        char name[128];

        snprintf(name, sizeof(name), "%.*s", (int)path.segments[path.count - 1].name.len,
                 path.segments[path.count - 1].name.data);
        *ret_param = dm_node_param(row->node, name);
    }
    if (*ret_param < 0)
        return conf_error(factory->file, line->number, err, "%.*s: no such parameter", (int)line->key.len,
                          line->key.data);
    *ret = row;
    return 0;
}

static int apply_lines(struct factory *factory, const struct conf_line *first, struct error *err)
{
    struct dm_row *row;
    struct error reason;
    int param;

    /* Rows first: a reference may name a row that comes later in the file. */
    for (const struct conf_line *line = first; line; line = line->next)
        if (row_of(factory, line, &row, &param, err) < 0)
            return -1;
    for (const struct conf_line *line = first; line; line = line->next) {
        if (row_of(factory, line, &row, &param, err) < 0)
            return -1;
        if (dm_set(factory->dm, row, param, line->value, &reason) < 0)
            return conf_error(factory->file, line->number, err, "%.*s: %s", (int)line->key.len,
                              line->key.data, reason.message);
    }
    for (const struct added *added = factory->added; added; added = added->next)
        if (dm_add_done(factory->dm, added->row, &reason) < 0)
            return conf_error(factory->file, added->line, err, "%s", reason.message);
    return 0;
}

int dm_load_factory(struct dm *dm, const char *file, struct error *err)
{
    struct factory factory = {.dm = dm, .file = file};
    struct dm_requester requester = {.factory = true};
    struct conf_line *lines;
    int result;

    factory.added_last = &factory.added;
    arena_init(&factory.arena, 0);
    result = conf_read(&factory.arena, file, &lines, err);
    if (result == 0) {
        dm_begin(dm, &requester);
        result = apply_lines(&factory, lines, err);
        if (result == 0)
            result = dm_commit(dm, err);
        else
            dm_rollback(dm);
    }
    arena_done(&factory.arena);
    return result;
}
