/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.Subscription.{i}. */
#include "usp/subscription.h"

#include "base/limits.h"
#include "datamodel/device/model.h"

static const char *const notif_types[] = {"ValueChange",       "ObjectCreation", "ObjectDeletion",
                                          "OperationComplete", "Event",          NULL};

static const char *const trigger_actions[] = {"Notify", "Config", "NotifyAndConfig", NULL};

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct subscription, alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct subscription, enable)},
    {.name = "Recipient",
     .type = DM_STRING,
     .flags = DM_STATE | DM_STRONG_REF,
     .refers = "Device.LocalAgent.Controller.",
     .offset = DM_OFFSET(struct subscription, recipient)},
    {.name = "ID",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_INDEXED,
     .min = 1,
     .max = 64,
     .offset = DM_OFFSET(struct subscription, id)},
    {.name = "CreationDate",
     .type = DM_DATE_TIME,
     .flags = DM_STATE,
     .offset = DM_OFFSET(struct subscription, creation_date)},
    {.name = "NotifType",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = notif_types,
     .offset = DM_OFFSET(struct subscription, notif_type)},
    {.name = "ReferenceList",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST,
     .max = 256,
     .offset = DM_OFFSET(struct subscription, reference_list)},
    {.name = "Persistent",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct subscription, persistent)},
    {.name = "TimeToLive",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .default_value = "0",
     .offset = DM_OFFSET(struct subscription, time_to_live)},
    {.name = "NotifRetry",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct subscription, notif_retry)},
    {.name = "NotifExpiration",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .default_value = "0",
     .offset = DM_OFFSET(struct subscription, notif_expiration)},
    {.name = "TriggerAction",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = trigger_actions,
     .default_value = "Notify",
     .offset = DM_OFFSET(struct subscription, trigger_action)},
    {.name = "TriggerConfigSettings",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST,
     .offset = DM_OFFSET(struct subscription, trigger_settings)},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"Alias"}}, {{"Recipient", "ID"}}, {{NULL}}};

static int init(struct dm *dm, struct dm_row *row, struct dm_row *requester, struct error *err)
{
    return usp_subscription_init(model_of(dm)->usp, row, requester, err);
}

static int check(struct dm *dm, struct dm_row *row, struct error *err)
{
    return usp_subscription_check(model_of(dm)->usp, row, err);
}

static void applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    (void)changed;
    usp_subscription_applied(model_of(dm)->usp, row, kind);
}

const struct dm_object model_subscription = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct subscription),
    .params = params,
    .keys = keys,
    .rows_limit = LIMITS_OFFSET(subscriptions),
    .init = init,
    .check = check,
    .applied = applied,
    .done = usp_subscription_done,
};
