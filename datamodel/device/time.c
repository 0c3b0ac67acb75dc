/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device.Time.: in which time zone the home's hours are read. The clock itself, and who sets it, is the gateway's affair; no
 * more of this object is declared.
 */
#include <stdio.h>

#include "base/local_time.h"
#include "consent/consent.h"
#include "datamodel/device/model.h"

struct time_data {
    char *local_time_zone; /* POSIX; "": the system's */
};

static int check_zone(const struct dm_row *row, struct str value, struct error *err)
{
    struct local_zone zone;
    char text[260];

    (void)row;
    snprintf(text, sizeof(text), "%.*s", (int)value.len, value.data);
    return local_zone_parse(&zone, text, err);
}

/* Also when it was read from the store. */
static void applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    const struct time_data *data = row->data;
    const struct model *model = model_of(dm);
    struct local_zone zone;

    (void)kind;
    (void)changed;
    if (model && model->consent &&
        local_zone_parse(&zone, data->local_time_zone ? data->local_time_zone : "", NULL) == 0)
        consent_set_zone(model->consent, &zone);
}

static const struct dm_param params[] = {
    {.name = "LocalTimeZone",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 256,
     .offset = DM_OFFSET(struct time_data, local_time_zone),
     .check = check_zone},
    DM_END_PARAMS,
};

const struct dm_object model_time = {
    .data_size = sizeof(struct time_data),
    .params = params,
    .applied = applied,
};
