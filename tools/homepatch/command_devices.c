/* SPDX-License-Identifier: BSD-3-Clause */
/* devices, show. */
#include <stdio.h>
#include <string.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/inventory.h"
#include "tools/homepatch/text.h"

static const char *age(struct app *app, const char *time)
{
    return text_age(&app->arena, clock_wall(&app->session.loop.clock), time);
}

static const char *update_text(struct app *app, const struct device *device)
{
    const char *text = device->values[DEVICE_STATE];

    if (device_is(device, DEVICE_STATE, "None"))
        return "";
    if (device_is_busy(device) && !device_is(device, DEVICE_PROGRESS, "0"))
        text = arena_printf(&app->arena, "%s %s %%", text, device->values[DEVICE_PROGRESS]);
    return text ? text : "";
}

static const char *trust_text(const struct device *device)
{
    return device_is(device, DEVICE_QUARANTINED, "true") ? "QUARANTINED" : device->values[DEVICE_GRADE];
}

static void print_devices(struct app *app, const struct inventory *inventory)
{
    static const char *const heads[] = {"#",      "NAME",    "MANUFACTURER", "MODEL", "VERSION", "AVAILABLE",
                                        "ONLINE", "CONTACT", "UPDATE",       "TRUST", NULL};
    struct table table;

    table_init(&table, &app->arena, heads);
    for (const struct device *device = inventory->first; device; device = device->next) {
        struct table_row *row;

        if (app->options.model && !device_is(device, DEVICE_MODEL, app->options.model))
            continue;
        row = table_add(&table);
        if (!row)
            return;
        row->colour = device_is(device, DEVICE_QUARANTINED, "true") || device_has_failed(device) ? TEXT_RED
                      : device_is_busy(device)                                                   ? TEXT_YELLOW
                      : device_is(device, DEVICE_ONLINE, "true")                                 ? TEXT_PLAIN
                                                                                                 : TEXT_DIM;
        row->cells[0] = arena_printf(&app->arena, "%u", device->number);
        row->cells[1] = device_label(app, device);
        row->cells[2] = device->values[DEVICE_MANUFACTURER];
        row->cells[3] = device->values[DEVICE_MODEL];
        row->cells[4] = device->values[DEVICE_VERSION];
        row->cells[5] = device_available(device);
        row->cells[6] = device_is(device, DEVICE_ONLINE, "true") ? "yes" : "no";
        row->cells[7] = age(app, device->values[DEVICE_LAST_CONTACT]);
        row->cells[8] = update_text(app, device);
        row->cells[9] = trust_text(device);
    }
    table_print(&table, stdout);
}

/* A line for the resident for each device that waits for somebody to look. */
static void print_quarantined(struct app *app, const struct inventory *inventory)
{
    for (const struct device *device = inventory->first; device; device = device->next) {
        if (!device_is(device, DEVICE_QUARANTINED, "true"))
            continue;
        printf("\n%s", text_colour(stdout, TEXT_RED));
        text_print(stdout, device_label(app, device));
        printf("%s gets no updates: ", text_normal(stdout));
        text_print(stdout, device->values[DEVICE_REASON]);
        printf(
            ".\n  If you changed the device, or put another in its place: homepatch accept %u. If not: homepatch "
            "reject %u. If it is\n  no longer there: homepatch forget %u.\n",
            device->number, device->number, device->number);
    }
}

void command_devices(struct app *app)
{
    struct inventory inventory;

    if (app->report.json)
        report_array(&app->report, "devices");
    if (!inventory_read(&inventory, app))
        return;
    if (app->report.json) {
        for (const struct device *device = inventory.first; device; device = device->next)
            if (!app->options.model || device_is(device, DEVICE_MODEL, app->options.model))
                cJSON_AddItemToArray(report_array(&app->report, "devices"), device_json(device));
        return;
    }
    if (inventory.first) {
        print_devices(app, &inventory);
        print_quarantined(app, &inventory);
        return;
    }
    puts("No device was found yet (homepatch doctor device says what to look at).");
}

/* ---- show ---- */

static void line(const char *name, const char *value)
{
    if (!value[0])
        return;
    printf("%-16s ", name);
    text_print(stdout, value);
    putchar('\n');
}

/* With who vouches for it: "Shelly  (D, Family)". */
static void fact(struct app *app, const struct device *device, const char *name, enum device_value value,
                 enum device_value proof)
{
    const char *comma = strchr(device->values[proof], ',');
    const char *text = device->values[value];

    if (*text && comma)
        text = arena_printf(&app->arena, "%s  (%.*s, %s)", text, (int)(comma - device->values[proof]),
                            device->values[proof], comma + 1);
    line(name, text ? text : "");
}

static void print_slots(struct app *app, const struct device *device)
{
    static const char *const heads[] = {"SLOT", "STATUS", "VERSION", "NAME", "ALIAS", "WHY", NULL};
    struct table table;

    table_init(&table, &app->arena, heads);
    for (size_t i = 0; i < device->slots_count; i++) {
        const struct slot *slot = &device->slots[i];
        struct table_row *row = table_add(&table);

        if (!row)
            return;
        row->cells[0] = arena_printf(&app->arena, "%u", slot->number);
        row->cells[1] = slot->values[SLOT_STATUS];
        row->cells[2] = slot->values[SLOT_VERSION];
        row->cells[3] = slot->values[SLOT_NAME];
        row->cells[4] = slot->values[SLOT_ALIAS];
        row->cells[5] = slot->values[SLOT_LOG];
    }
    putchar('\n');
    table_print(&table, stdout);
}

void command_show(struct app *app)
{
    struct inventory inventory;
    struct device *device;

    if (!inventory_read(&inventory, app))
        return;
    device = inventory_find(&inventory, app->options.args[0]);
    if (!device)
        return;
    if (app->report.json) {
        cJSON_AddItemToObject(app->report.root, "device", device_json_all(device));
        return;
    }
    printf("%s", text_colour(stdout, TEXT_BOLD));
    text_print(stdout, device_label(app, device));
    printf("%s  (Device.ProxiedDevice.%u.)\n", text_normal(stdout), device->number);
    line("Alias", device->values[DEVICE_ALIAS]);
    line("Type", device->values[DEVICE_TYPE]);
    fact(app, device, "Manufacturer", DEVICE_MANUFACTURER, DEVICE_MANUFACTURER_PROOF);
    fact(app, device, "Model", DEVICE_MODEL, DEVICE_MODEL_PROOF);
    fact(app, device, "Hardware", DEVICE_HARDWARE, DEVICE_HARDWARE_PROOF);
    fact(app, device, "Serial number", DEVICE_SERIAL, DEVICE_SERIAL_PROOF);
    fact(app, device, "MAC address", DEVICE_MAC, DEVICE_MAC_PROOF);
    fact(app, device, "Version", DEVICE_VERSION, DEVICE_VERSION_PROOF);
    line("Offered", device->values[DEVICE_OFFERED]);
    line("Online", device_is(device, DEVICE_ONLINE, "true") ? "yes" : "no");
    line("Last contact", age(app, device->values[DEVICE_LAST_CONTACT]));
    line("Spoken to over", device->values[DEVICE_PROTOCOL]);
    line("Update", update_text(app, device));
    line("Last result", device->values[DEVICE_RESULT]);
    line("Identity", device->values[DEVICE_GRADE]);
    if (device_is(device, DEVICE_QUARANTINED, "true"))
        line("Quarantined", device->values[DEVICE_REASON][0] ? device->values[DEVICE_REASON] : "yes");
    line("Rejected", device_is(device, DEVICE_REJECTED, "0") ? "" : device->values[DEVICE_REJECTED]);
    print_slots(app, device);
}
