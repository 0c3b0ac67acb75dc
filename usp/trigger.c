/* SPDX-License-Identifier: BSD-3-Clause */
/* TriggerAction Config and NotifyAndConfig (TR-181 Subscription.{i}.): a change applies the subscription's settings. */
#include "base/limits.h"
#include "usp/internal.h"
#include "usp/message.h"

enum {
    /* Two subscriptions may undo each other's settings for ever; so many times a second, then no more. */
    TRIGGERS_PER_SECOND = 10,
};

struct setting {
    struct usp *usp;
    const struct dm_access *access;
    struct str value;
    struct error *err;
};

static int apply(void *ctx, const struct dm_target *target)
{
    const struct setting *setting = ctx;

    if (target->kind != DM_TARGET_PARAM)
        return error_set(setting->err, ERROR_INVALID_PATH, NULL, "a setting names no parameter");
    if (!dm_may(setting->access, target->row, dm_id_param(target->node, target->member), DM_MAY_WRITE))
        return error_set(setting->err, ERROR_PERMISSION_DENIED, NULL,
                         "the role of the recipient may not write it");
    if (dm_set(setting->usp->dm, target->row, target->member, setting->value, setting->err) < 0)
        return -1;
    return dm_set_done(setting->usp->dm, target->row, setting->err);
}

/* "Device.A.[B==1].C=value": the first '=' that is not in a search expression. */
static bool split(struct str item, struct str *ret_path, struct str *ret_value)
{
    unsigned depth = 0;

    for (size_t i = 0; i < item.len; i++) {
        if (item.data[i] == '[')
            depth++;
        else if (item.data[i] == ']' && depth)
            depth--;
        else if (item.data[i] == '=' && !depth) {
            *ret_path = str_trim((struct str){item.data, i});
            *ret_value = str_trim((struct str){item.data + i + 1, item.len - i - 1});
            return true;
        }
    }
    return false;
}

static int apply_all(struct usp *usp, const struct dm_access *access, struct arena *arena, struct str list,
                     struct error *err)
{
    struct str item;

    while (list.len && str_next(&list, ',', &item)) {
        struct setting setting = {.usp = usp, .access = access, .err = err};
        struct dm_resolver resolver = {
            .dm = usp->dm, .arena = arena, .access = access, .found = apply, .ctx = &setting};
        struct str path;

        if (!split(str_trim(item), &path, &setting.value))
            return error_set(err, ERROR_INVALID_VALUE, NULL, "TriggerConfigSettings: expected Path=Value");
        if (dm_resolve(&resolver, path, err) < 0)
            return -1;
    }
    return 0;
}

static bool too_often(struct subscription *subscription)
{
    int64_t now = clock_wall(&subscription->usp->loop->clock);

    if (subscription->triggered_at != now)
        subscription->triggers = 0;
    subscription->triggered_at = now;
    return ++subscription->triggers > TRIGGERS_PER_SECOND;
}

void usp_trigger(struct subscription *subscription)
{
    struct usp *usp = subscription->usp;
    struct controller *controller = usp_subscription_recipient(subscription);
    struct dm_requester requester = {.controller = controller ? controller->row : NULL};
    struct str list = str_of(subscription->trigger_settings);
    struct arena arena;
    struct error err;

    if (!controller || !list.len || too_often(subscription))
        return;
    arena_init(&arena, 0);
    dm_begin(usp->dm, &requester);
    if (apply_all(usp, usp_access(usp, controller), &arena, list, &err) == 0)
        dm_commit(usp->dm, NULL);
    else
        dm_rollback(usp->dm); /* all or nothing; there is nobody to tell */
    arena_done(&arena);
}
