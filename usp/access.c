/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/access.h"

#include <stdlib.h>
#include <string.h>

#include "usp/access_table.h"
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

int usp_permission_check(const struct dm_row *row, struct str text, struct error *err)
{
    static const char letters[] = "rwxn";

    (void)row;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '-' && text.data[i] != letters[i])
            return error_set(err, ERROR_INVALID_VALUE, NULL, "permissions are four characters like \"rw-n\"");
    return 0;
}

struct making {
    struct usp *usp;
    struct access_table *table;
    bool failed;
};

static void add_role(void *ctx, struct dm_row *role)
{
    struct making *making = ctx;

    if (!making->failed)
        making->failed = access_table_add_role(making->table, role, is_secured(making->usp, role)) < 0;
}

/* NULL when memory is out. */
static struct access_table *make_table(struct usp *usp, const struct controller *controller)
{
    struct making making = {.usp = usp, .table = access_table_new(usp->dm)};

    if (!making.table)
        return NULL;
    each_role(usp, controller, add_role, &making);
    if (making.failed) {
        access_table_free(making.table);
        return NULL;
    }
    access_table_seal(making.table);
    return making.table;
}

const struct dm_access *usp_access(struct usp *usp, struct controller *controller)
{
    if (!controller->access || controller->access_generation != usp->access_generation) {
        access_table_free(controller->access);
        controller->access = make_table(usp, controller);
        controller->access_generation = usp->access_generation;
        controller->banned = has_banned_role(usp, controller);
    }
    return controller->access ? access_table_use(controller->access) : &usp->no_access;
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
