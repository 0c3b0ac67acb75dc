/* SPDX-License-Identifier: BSD-3-Clause */
/* The supported model: places built once from the const declarations. */
#include <stdlib.h>
#include <string.h>

#include "datamodel/access.h"
#include "datamodel/internal.h"

static int compare_members(const void *a, const void *b)
{
    const struct dm_member *left = a;
    const struct dm_member *right = b;
    size_t len = left->name.len < right->name.len ? left->name.len : right->name.len;
    int order = memcmp(left->name.data, right->name.data, len);

    return order ? order : (left->name.len > right->name.len) - (left->name.len < right->name.len);
}

static void count_members(struct dm_node *node)
{
    const struct dm_object *object = node->object;

    while (object->params && object->params[node->params_count].name)
        node->params_count++;
    while (object->commands && object->commands[node->commands_count].name)
        node->commands_count++;
    while (object->events && object->events[node->events_count].name)
        node->events_count++;
    node->members_count = (uint16_t)(node->params_count + node->commands_count + node->events_count);
}

static int list_members(struct dm_node *node)
{
    const struct dm_object *object = node->object;
    struct dm_member *member;

    count_members(node);
    if (!node->members_count)
        return 0;
    node->members = calloc(node->members_count, sizeof(*node->members));
    if (!node->members)
        return -1;
    member = node->members;
    for (int i = 0; i < node->params_count; i++)
        *member++ = (struct dm_member){str_of(object->params[i].name), DM_MEMBER_PARAM, i};
    for (int i = 0; i < node->commands_count; i++)
        *member++ = (struct dm_member){str_of(object->commands[i].name), DM_MEMBER_COMMAND, i};
    for (int i = 0; i < node->events_count; i++)
        *member++ = (struct dm_member){str_of(object->events[i].name), DM_MEMBER_EVENT, i};
    qsort(node->members, node->members_count, sizeof(*node->members), compare_members);
    return 0;
}

static int add_child(struct dm_node *parent, struct dm_node *child)
{
    struct dm_node **children = realloc(parent->children,
                                        (parent->children_count + 1u) * sizeof(struct dm_node *));

    if (!children)
        return -1;
    parent->children = children;
    child->place = parent->children_count;
    parent->children[parent->children_count++] = child;
    return 0;
}

/* Cuts "Device.A.B.{i}." into its parent's path and its own name. */
static void split_path(const char *path, struct str *ret_parent, struct str *ret_name)
{
    size_t end = strlen(path) - 1; /* the final dot */
    size_t start;

    if (end >= 4 && memcmp(path + end - 4, ".{i}", 4) == 0)
        end -= 4;
    start = end;
    while (start && path[start - 1] != '.')
        start--;
    *ret_parent = (struct str){path, start};
    *ret_name = (struct str){path + start, end - start};
}

static struct dm_node *node_at(const struct dm *dm, struct str path)
{
    for (size_t i = 0; i < dm->nodes_count; i++)
        if (str_is(path, dm->nodes[i]->path))
            return dm->nodes[i];
    return NULL;
}

static int build_node(struct dm *dm, const struct dm_mount *mount, struct error *err)
{
    struct dm_node *node = calloc(1, sizeof(*node));
    struct str parent;

    if (!node)
        return error_set(err, ERROR_INTERNAL, mount->path, "out of memory");
    node->index = (uint32_t)dm->nodes_count;
    dm->nodes[dm->nodes_count++] = node;
    node->object = mount->object;
    node->path = mount->path;
    split_path(mount->path, &parent, &node->name);
    if (parent.len) {
        node->parent = node_at(dm, parent);
        if (!node->parent)
            return error_set(err, ERROR_INTERNAL, mount->path, "declared before its parent object");
        node->depth = node->parent->depth + 1;
        if (add_child(node->parent, node) < 0)
            return error_set(err, ERROR_INTERNAL, mount->path, "out of memory");
    }
    if (list_members(node) < 0)
        return error_set(err, ERROR_INTERNAL, mount->path, "out of memory");
    node->id = dm->access_ids;
    dm->access_ids += 2u + node->members_count;
    return 0;
}

int dm_nodes_build(struct dm *dm, const struct dm_mount *mounts, size_t count, struct error *err)
{
    dm->nodes = calloc(count ? count : 1, sizeof(struct dm_node *));
    if (!dm->nodes)
        return error_set(err, ERROR_INTERNAL, NULL, "out of memory");
    for (size_t i = 0; i < count; i++)
        if (build_node(dm, &mounts[i], err) < 0)
            return -1;
    return 0;
}

void dm_nodes_free(struct dm *dm)
{
    for (size_t i = 0; i < dm->nodes_count; i++) {
        free(dm->nodes[i]->members);
        free(dm->nodes[i]->children);
        free(dm->nodes[i]);
    }
    free(dm->nodes);
    dm->nodes = NULL;
    dm->nodes_count = 0;
}

size_t dm_nodes(const struct dm *dm, struct dm_node *const **ret)
{
    *ret = dm->nodes;
    return dm->nodes_count;
}

uint32_t dm_access_ids(const struct dm *dm)
{
    return dm->access_ids;
}

struct dm_node *dm_node_child(const struct dm_node *node, struct str name)
{
    for (uint16_t i = 0; i < node->children_count; i++)
        if (str_equal(node->children[i]->name, name))
            return node->children[i];
    return NULL;
}

struct dm_node *dm_node_find(const struct dm *dm, const char *path)
{
    struct str rest = str_of(path);
    struct str part;
    struct dm_node *node = NULL;

    while (str_next(&rest, '.', &part)) {
        if (!part.len || str_is(part, "{i}"))
            continue;
        if (node)
            node = dm_node_child(node, part);
        else
            node = dm->nodes_count && str_equal(dm->nodes[0]->name, part) ? dm->nodes[0] : NULL;
        if (!node)
            return NULL;
    }
    return node;
}

int dm_node_member(const struct dm_node *node, struct str name, enum dm_member_kind *ret_kind)
{
    struct dm_member key = {.name = name};
    const struct dm_member *member = NULL;

    if (node->members_count)
        member = bsearch(&key, node->members, node->members_count, sizeof(key), compare_members);
    if (!member)
        return -1;
    *ret_kind = member->kind;
    return member->index;
}

int dm_node_param(const struct dm_node *node, const char *name)
{
    enum dm_member_kind kind;
    int index = dm_node_member(node, str_of(name), &kind);

    return index >= 0 && kind == DM_MEMBER_PARAM ? index : -1;
}
