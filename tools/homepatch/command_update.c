/* SPDX-License-Identifier: BSD-3-Clause */
/* download, activate: their arguments, and the slots they use. */
#include <stdio.h>
#include <string.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/update.h"

enum {
    DOWNLOAD_ARGS = 6,
    WINDOW_ARGS = 3,
};

/* ---- download ---- */

/* Empty slots first, then what failed, then what waits; never what runs or what is being filled. */
static unsigned free_slot(const struct device *device, const char **ret_why)
{
    static const char *const order[] = {"NoImage",          "DownloadFailed",     "ValidationFailed",
                                        "ActivationFailed", "InstallationFailed", "Available"};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        for (size_t j = 0; j < device->slots_count; j++)
            if (slot_is(&device->slots[j], SLOT_STATUS, order[i]))
                return device->slots[j].number;
    *ret_why = "no slot is free: both are being filled";
    return 0;
}

/* "sha256:HEX" as CheckSumAlgorithm and CheckSum. */
static bool add_checksum(struct app *app, struct usp_client_pair *args, size_t *count)
{
    static const char *const names[][2] = {{"sha1:", "SHA-1"},
                                           {"sha224:", "SHA-224"},
                                           {"sha256:", "SHA-256"},
                                           {"sha384:", "SHA-384"},
                                           {"sha512:", "SHA-512"}};
    const char *text = app->options.checksum;

    if (!text)
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i][0]);

        if (strncmp(text, names[i][0], len) != 0)
            continue;
        args[(*count)++] = (struct usp_client_pair){STR("CheckSumAlgorithm"), str_of(names[i][1]), true};
        args[(*count)++] = (struct usp_client_pair){STR("CheckSum"), str_of(text + len), true};
        return true;
    }
    app_usage(app, "--checksum", "is written as sha256:HEX (or sha1, sha224, sha384, sha512)");
    return false;
}

/* The password is never an argument: it would be seen in the list of processes. */
static bool add_credentials(struct app *app, struct usp_client_pair *args, size_t *count)
{
    const struct options *options = &app->options;
    const char *password;

    if (!options->username && !options->password_file)
        return true;
    password = options->password_file ? app_file_line(app, options->password_file)
                                      : app_value(app, "Password", "-");
    if (!password)
        return false;
    args[(*count)++] = (struct usp_client_pair){STR("Username"),
                                                str_of(options->username ? options->username : ""), true};
    args[(*count)++] = (struct usp_client_pair){STR("Password"), str_of(password), true};
    return true;
}

void command_download(struct app *app)
{
    int names = app->options.args_count - 1;
    const char *url = app->options.args[names];
    struct usp_client_pair args[DOWNLOAD_ARGS] = {
        {STR("URL"), str_of(url), true},
        {STR("AutoActivate"), app->options.activate ? STR("true") : STR("false"), true},
    };
    size_t count = 2;

    if (!strstr(url, "://")) {
        app_usage(app, url, "is no URL; it comes last: homepatch download DEVICE... URL");
        return;
    }
    if (app->options.all && !app->options.model) {
        app_usage(app, "--all", "needs --model: an image is for one model");
        return;
    }
    if (add_checksum(app, args, &count) && add_credentials(app, args, &count))
        updates_run(app, "Download()", names, free_slot, args, count);
}

/* ---- activate ---- */

/* What the operator downloaded goes before what the manufacturer offers. */
static unsigned available_slot(const struct device *device, const char **ret_why)
{
    unsigned offered = 0;

    for (size_t i = 0; i < device->slots_count; i++) {
        const struct slot *slot = &device->slots[i];

        if (!slot_is(slot, SLOT_STATUS, "Available"))
            continue;
        if (!device->values[DEVICE_OFFERED][0] ||
            strcmp(slot->values[SLOT_VERSION], device->values[DEVICE_OFFERED]) != 0)
            return slot->number;
        offered = slot->number;
    }
    if (!offered)
        *ret_why = "nothing is available to install (homepatch download gets an image)";
    return offered;
}

/* "START:END:MODE", seconds from now; MODE may be left out. */
static bool add_window(struct app *app, size_t number, const char *text, struct usp_client_pair *args)
{
    static const char *const names[WINDOW_ARGS] = {"Start", "End", "Mode"};
    struct str rest = str_of(text);
    struct str parts[WINDOW_ARGS] = {STR(""), STR(""), STR("AnyTime")};
    size_t count = 0;
    uint64_t seconds;

    while (count < WINDOW_ARGS && rest.len && str_next(&rest, ':', &parts[count]))
        count++;
    if (count < 2 || rest.len || str_to_u64(parts[0], &seconds) < 0 || str_to_u64(parts[1], &seconds) < 0) {
        app_usage(app, text,
                  "is not START:END:MODE, in seconds from now, with AnyTime, Immediately, WhenIdle or "
                  "ConfirmationNeeded");
        return false;
    }
    for (size_t i = 0; i < WINDOW_ARGS; i++) {
        const char *name = arena_printf(&app->arena, "TimeWindow.%zu.%s", number, names[i]);

        args[i] = (struct usp_client_pair){str_of(name ? name : ""), parts[i], true};
    }
    return true;
}

void command_activate(struct app *app)
{
    struct usp_client_pair args[OPTIONS_WINDOWS * WINDOW_ARGS];
    size_t count = 0;

    for (size_t i = 0; i < app->options.windows_count; i++) {
        if (!add_window(app, i + 1, app->options.windows[i], &args[count]))
            return;
        count += WINDOW_ARGS;
    }
    updates_run(app, "Activate()", app->options.args_count, available_slot, args, count);
}
