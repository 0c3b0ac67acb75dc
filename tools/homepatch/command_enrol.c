/* SPDX-License-Identifier: BSD-3-Clause */
/* enrol: a one-time code by which a device gets its certificate from the gateway. */
#include "config.h"

#include <stdio.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/text.h"

static const char COMMAND[] = "Device." VENDOR_PREFIX "DeviceAuthority.CreateCode()";

struct enrolling {
    struct app *app;
    const char *code;
    const char *until;
};

static int on_output(void *ctx, const struct usp_client_fact *fact)
{
    struct enrolling *enrolling = ctx;

    if (fact->kind != USP_FACT_OUTPUT)
        return 0;
    if (str_is(fact->name, "Code"))
        enrolling->code = app_copy(enrolling->app, fact->value);
    else if (str_is(fact->name, "ExpirationDate"))
        enrolling->until = app_copy(enrolling->app, fact->value);
    return 0;
}

void command_enrol(struct app *app)
{
    struct enrolling enrolling = {.app = app, .code = "", .until = ""};
    const char *name = app->options.args_count ? app->options.args[0] : "";
    struct usp_client_pair pair = {STR("Name"), str_of(name), true};
    struct usp_client_command command = {str_of(COMMAND), STR(""), &pair, app->options.args_count ? 1 : 0,
                                         true};
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);

    usp_client_operate(&message, msg_id, &command);
    if (!app_ask(app, &message, on_output, &enrolling))
        return;
    if (app->report.json) {
        cJSON_AddStringToObject(app->report.root, "code", enrolling.code);
        cJSON_AddStringToObject(app->report.root, "until", enrolling.until);
        return;
    }
    printf("%s\n", enrolling.code);
    fprintf(stderr, "good once, until %s, for ", enrolling.until);
    text_print(stderr, name[0] ? name : "any device whose Endpoint ID has no certificate yet");
    fputc('\n', stderr);
}
