/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/access.h"

#include <stdlib.h>
#include <string.h>

#include "datamodel/path.h"
#include "usp/internal.h"
#include "usp/trust.h"

static const char ROLES[] = "Device.LocalAgent.ControllerTrust.Role.";

static const struct controller_trust *trust_of(struct usp *usp)
{
    struct dm_row *row = dm_row_find(usp->dm, STR("Device.LocalAgent.ControllerTrust."));

    return row ? row->data : NULL;
}

/* Is the row in this list of references? */
static bool lists(struct usp *usp, const char *references, const struct dm_row *row)
{
    struct str list = str_of(references);
    struct str item;

    while (row && list.len && str_next(&list, ',', &item))
        if (dm_row_find(usp->dm, str_trim(item)) == row)
            return true;
    return false;
}

static bool is_secured(struct usp *usp, const struct dm_row *role)
{
    const struct controller_trust *trust = trust_of(usp);

    return trust && lists(usp, trust->secured_roles, role);
}

static bool has_banned_role(struct usp *usp, const struct controller *controller)
{
    const struct controller_trust *trust = trust_of(usp);
    struct str name = str_of(trust ? trust->banned_role : NULL);
    const struct dm_row *banned = name.len ? dm_row_find(usp->dm, name) : NULL;

    return lists(usp, controller->assigned_role, banned) ||
           lists(usp, usp_inherited_role(controller), banned);
}

/* Calls fn for each role row of a controller: assigned and inherited ones, else the untrusted role. */
static void each_role(struct usp *usp, const struct controller *controller,
                      void (*fn)(void *ctx, struct dm_row *role), void *ctx)
{
    const char *sources[] = {controller->assigned_role, usp_inherited_role(controller)};
    const struct controller_trust *trust = trust_of(usp);
    bool any = false;

    for (size_t i = 0; i <= 2; i++) {
        struct str list;
        struct str item;

        if (i == 2 && (any || !trust))
            break;
        list = str_of(i == 2 ? trust->untrusted_role : sources[i]);
        while (list.len && str_next(&list, ',', &item)) {
            struct dm_row *row = dm_row_find(usp->dm, str_trim(item));
            const struct role *role = row ? row->data : NULL;

            if (!role || !str_starts(str_of(row->node->path), STR(ROLES)))
                continue;
            any = true;
            if (role->enable)
                fn(ctx, row);
        }
    }
}

static uint8_t parse_bits(const char *text)
{
    static const char letters[] = "rwxn";
    uint8_t bits = 0;

    for (size_t i = 0; text && text[i] && i < 4; i++)
        if (text[i] == letters[i])
            bits |= (uint8_t)(1u << i);
    return bits;
}

int usp_permission_check(const struct dm_row *row, struct str text, struct error *err)
{
    static const char letters[] = "rwxn";

    (void)row;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '-' && text.data[i] != letters[i])
            return error_set(err, ERROR_INVALID_VALUE, NULL, "permissions are four characters like \"rw-n\"");
    return 0;
}

/* Permissions of a role with a later Order override those before. */
static int by_order(const void *a, const void *b)
{
    const struct permission *left = (*(struct dm_row *const *)a)->data;
    const struct permission *right = (*(struct dm_row *const *)b)->data;

    return (left->order > right->order) - (left->order < right->order);
}

/* The role's enabled permissions in order, in the arena. */
static uint32_t permissions_of(struct dm_row *role, struct arena *arena, struct dm_row ***ret)
{
    struct dm_node *node = dm_node_child(role->node, STR("Permission"));
    struct dm_row *const *rows;
    uint32_t count = node ? dm_rows(role, node, &rows) : 0;
    uint32_t kept = 0;

    *ret = arena_calloc(arena, count ? count : 1, sizeof(struct dm_row *));
    if (!*ret)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        if (((const struct permission *)rows[i]->data)->enable)
            (*ret)[kept++] = rows[i];
    qsort(*ret, kept, sizeof(struct dm_row *), by_order);
    return kept;
}

/* ---- the table ---- */

struct compiling {
    struct usp *usp;
    struct arena arena;
    uint8_t *role_bits; /* of the role being compiled */
    uint8_t *bits;      /* of all roles together */
    uint32_t count;
};

struct grant {
    uint8_t param;
    uint8_t obj;
    uint8_t instantiated;
    uint8_t command;
    bool depends; /* the target names instances: asked again for each row */
};

static void put(uint8_t *slot, uint8_t bits, bool depends)
{
    *slot = depends ? *slot | DM_MAY_DEPENDS : (uint8_t)((*slot & DM_MAY_DEPENDS) | bits);
}

static void grant_node(uint8_t *bits, const struct dm_node *node, const struct grant *grant)
{
    uint32_t members = (uint32_t)node->params_count;
    uint32_t others = (uint32_t)node->commands_count + node->events_count;

    put(&bits[dm_id_object(node)], grant->obj, grant->depends);
    put(&bits[dm_id_instance(node)], grant->instantiated, grant->depends);
    for (uint32_t i = 0; i < members; i++)
        put(&bits[node->id + 2 + i], grant->param, grant->depends);
    for (uint32_t i = 0; i < others; i++)
        put(&bits[node->id + 2 + members + i], grant->command, grant->depends);
    for (uint16_t i = 0; i < node->children_count; i++)
        grant_node(bits, node->children[i], grant);
}

static void grant_target(uint8_t *bits, const struct dm_target *target, const struct grant *grant)
{
    switch (target->kind) {
    case DM_TARGET_ROW:
    case DM_TARGET_TABLE:
        grant_node(bits, target->node, grant);
        break;
    case DM_TARGET_PARAM:
        put(&bits[dm_id_param(target->node, target->member)], grant->param, grant->depends);
        break;
    case DM_TARGET_COMMAND:
        put(&bits[dm_id_command(target->node, target->member)], grant->command, grant->depends);
        break;
    case DM_TARGET_EVENT:
        put(&bits[dm_id_event(target->node, target->member)], grant->command, grant->depends);
        break;
    }
}

static struct grant grant_of(const struct permission *permission)
{
    return (struct grant){parse_bits(permission->param), parse_bits(permission->obj),
                          parse_bits(permission->instantiated_obj), parse_bits(permission->command_event),
                          false};
}

/* True when the path applies to some rows of an object and not to others. */
static bool names_instances(const struct dm_path *path)
{
    for (uint32_t i = 0; i < path->count; i++)
        if (path->segments[i].kind == DM_SEGMENT_INSTANCE || path->segments[i].kind == DM_SEGMENT_EXPRESSION)
            return true;
    return false;
}

/* A secured role sees the secrets among what it may read. */
static uint8_t with_secrets(uint8_t bits, bool secured)
{
    return secured && (bits & DM_MAY_READ) ? bits | DM_MAY_READ_SECRET : bits;
}

/* The next target of the list that this agent has; false at the end. */
static bool next_target(struct usp *usp, struct arena *arena, struct str *list, struct dm_path *ret_path,
                        struct dm_target *ret)
{
    struct str item;

    while (list->len && str_next(list, ',', &item)) {
        item = str_trim(item);
        if (dm_path_parse(arena, item, ret_path, NULL) == 0 &&
            dm_resolve_supported(usp->dm, arena, item, ret, NULL) == 0)
            return true;
    }
    return false;
}

static void compile_permission(struct compiling *compiling, const struct permission *permission)
{
    struct grant grant = grant_of(permission);
    struct str list = str_of(permission->targets);
    struct dm_target target;
    struct dm_path path;

    while (next_target(compiling->usp, &compiling->arena, &list, &path, &target)) {
        grant.depends = names_instances(&path);
        grant_target(compiling->role_bits, &target, &grant);
    }
}

static void compile_role(void *ctx, struct dm_row *role)
{
    struct compiling *compiling = ctx;
    struct dm_row **permissions;
    uint32_t count = permissions_of(role, &compiling->arena, &permissions);
    bool secured = is_secured(compiling->usp, role);

    memset(compiling->role_bits, 0, compiling->count);
    for (uint32_t i = 0; i < count; i++)
        compile_permission(compiling, permissions[i]->data);
    for (uint32_t i = 0; i < compiling->count; i++)
        compiling->bits[i] |= with_secrets(compiling->role_bits[i], secured);
    arena_reset(&compiling->arena);
}

/* ---- one row ---- */

struct asking {
    struct usp *usp;
    struct arena arena;
    const struct dm_row *row;
    uint32_t id;
    uint8_t role_bits;
    uint8_t bits;
};

static void ask_permission(struct asking *asking, const struct permission *permission, uint8_t *one)
{
    struct grant grant = grant_of(permission);
    struct str list = str_of(permission->targets);
    struct dm_target target;
    struct dm_path path;

    while (next_target(asking->usp, &asking->arena, &list, &path, &target)) {
        if (asking->row && !dm_path_covers(asking->usp->dm, &asking->arena, &path, asking->row))
            continue;
        one[asking->id] = asking->role_bits;
        grant_target(one, &target, &grant);
        asking->role_bits = one[asking->id];
    }
}

static void ask_role(void *ctx, struct dm_row *role)
{
    struct asking *asking = ctx;
    struct dm_row **permissions;
    uint32_t count = permissions_of(role, &asking->arena, &permissions);
    uint8_t *one = arena_calloc(&asking->arena, dm_access_ids(asking->usp->dm), 1);

    asking->role_bits = 0;
    for (uint32_t i = 0; one && i < count; i++)
        ask_permission(asking, permissions[i]->data, one);
    asking->bits |= with_secrets(asking->role_bits, is_secured(asking->usp, role));
    arena_reset(&asking->arena);
}

/* The slow answer, for ids that some permission grants for some instances only. */
static uint8_t exact(const struct dm_access *access, const struct dm_row *row, uint32_t id)
{
    struct controller *controller = access->ctx;
    struct asking asking = {.usp = controller->usp, .row = row, .id = id};

    arena_init(&asking.arena, 0);
    each_role(controller->usp, controller, ask_role, &asking);
    arena_done(&asking.arena);
    return asking.bits;
}

const struct dm_access *usp_access(struct usp *usp, struct controller *controller)
{
    struct compiling compiling = {.usp = usp, .count = dm_access_ids(usp->dm)};

    if (controller->access_bits && controller->access_generation == usp->access_generation)
        return &controller->access;
    controller->banned = has_banned_role(usp, controller);
    free(controller->access_bits);
    controller->access_bits = calloc(compiling.count, 1);
    controller->access = (struct dm_access){.bits = usp->no_access, .ctx = controller};
    if (!controller->access_bits)
        return &controller->access;
    arena_init(&compiling.arena, 0);
    compiling.bits = controller->access_bits;
    compiling.role_bits = malloc(compiling.count);
    if (compiling.role_bits) {
        each_role(usp, controller, compile_role, &compiling);
        controller->access = (struct dm_access){
            .bits = controller->access_bits, .exact = exact, .ctx = controller};
        controller->access_generation = usp->access_generation;
    }
    free(compiling.role_bits);
    arena_done(&compiling.arena);
    return &controller->access;
}

bool usp_access_banned(struct usp *usp, struct controller *controller)
{
    usp_access(usp, controller); /* made with the table, and as seldom */
    return controller->banned;
}

struct str usp_access_text(const struct dm_access *access, const struct dm_row *row, int param,
                           char scratch[DM_SCRATCH_BYTES])
{
    if ((row->node->object->params[param].flags & DM_SECRET) &&
        !dm_may(access, row, dm_id_param(row->node, param), DM_MAY_READ_SECRET))
        return STR("");
    return dm_get_text(row, param, scratch);
}

void usp_access_changed(struct usp *usp)
{
    usp->access_generation++;
}
