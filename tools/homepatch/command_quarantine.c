/* SPDX-License-Identifier: BSD-3-Clause */
/* accept, reject, forget: the three ways out of quarantine, by the name of a device. */
#include "config.h"

#include "tools/homepatch/app.h"
#include "tools/homepatch/inventory.h"

static void run(struct app *app, const char *command)
{
    struct inventory inventory;
    const struct device *device;
    char *path;

    if (!inventory_read(&inventory, app))
        return;
    device = inventory_find(&inventory, app->options.args[0]);
    if (!device)
        return;
    path = arena_printf(&app->arena, "Device.ProxiedDevice.%u." VENDOR_PREFIX "Identity.%s", device->number,
                        command);
    app->options.args[0] = path ? path : app->options.args[0];
    command_operate(app);
}

void command_accept(struct app *app)
{
    run(app, "Release()");
}

void command_reject(struct app *app)
{
    run(app, "Reject()");
}

void command_forget(struct app *app)
{
    run(app, "Forget()");
}
