/* SPDX-License-Identifier: BSD-3-Clause */
/* consent, consent-code: what waits for the resident's decision, deciding, policies, history. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/inventory.h"
#include "tools/homepatch/text.h"

#define CONSENT "Device." VENDOR_PREFIX "Consent."

enum {
    ROW_VALUES = 16,
    VERSION_COLUMNS = 24,
};

/* Rows of one object, with the values of `names` in their order. */
struct rows {
    struct app *app;
    const char *const *names; /* NULL at the end */
    struct row *first;
    struct row **last;
    struct row *current;
};

struct row {
    struct row *next;
    const char *path;
    const char *values[ROW_VALUES]; /* never NULL */
};

static int on_value(void *ctx, const struct usp_client_fact *fact)
{
    struct rows *rows = ctx;
    struct row *row = rows->current;

    if (fact->kind != USP_FACT_VALUE)
        return 0;
    if (!row || !str_is(fact->path, row->path)) {
        row = arena_calloc(&rows->app->arena, 1, sizeof(*row));
        if (!row)
            return 0;
        row->path = app_copy(rows->app, fact->path);
        for (size_t i = 0; i < ROW_VALUES; i++)
            row->values[i] = "";
        *rows->last = rows->current = row;
        rows->last = &row->next;
    }
    for (size_t i = 0; rows->names[i]; i++)
        if (str_is(fact->name, rows->names[i]))
            row->values[i] = app_copy(rows->app, fact->value);
    return 0;
}

static bool read_rows(struct rows *rows, struct app *app, const char *path, const char *const *names)
{
    struct str asked = str_of(path);
    struct buf message;
    struct str msg_id;

    *rows = (struct rows){.app = app, .names = names};
    rows->last = &rows->first;
    msg_id = session_begin(&app->session, &message);
    usp_client_get(&message, msg_id, &asked, 1, 1);
    return app_ask(app, &message, on_value, rows);
}

static void add_json(struct app *app, const char *array, const struct rows *rows)
{
    for (const struct row *row = rows->first; row; row = row->next) {
        cJSON *entry = cJSON_CreateObject();

        cJSON_AddStringToObject(entry, "path", row->path);
        for (size_t i = 0; rows->names[i]; i++)
            cJSON_AddStringToObject(entry, rows->names[i], row->values[i]);
        cJSON_AddItemToArray(report_array(&app->report, array), entry);
    }
}

/* ---- what waits ---- */

enum {
    REQUEST_DEVICE,
    REQUEST_VERSION,
    REQUEST_REPLACES,
    REQUEST_SEVERITY,
    REQUEST_SECURITY,
    REQUEST_MESSAGE,
    REQUEST_NOTES,
    REQUEST_STATE,
    REQUEST_CHOICES,
    REQUEST_ACTS_AT,
    REQUEST_UNTIL,
    REQUEST_ANSWER_BY,
};

static const char *const request_names[] = {
    [REQUEST_DEVICE] = "Device",
    [REQUEST_VERSION] = "Version",
    [REQUEST_REPLACES] = "Replaces",
    [REQUEST_SEVERITY] = "Severity",
    [REQUEST_SECURITY] = "Security",
    [REQUEST_MESSAGE] = "UserMessage",
    [REQUEST_NOTES] = "ReleaseNotes",
    [REQUEST_STATE] = "State",
    [REQUEST_CHOICES] = "Choices",
    [REQUEST_ACTS_AT] = "ActsAt",
    [REQUEST_UNTIL] = "Until",
    [REQUEST_ANSWER_BY] = "AnswerBy",
    NULL,
};

static bool is_gateway(const char *path)
{
    return strcmp(path, "Device.DeviceInfo.") == 0;
}

static const char *name_of(struct app *app, const struct inventory *inventory, const char *path)
{
    unsigned number = inventory_instance(str_of(path), STR("Device.ProxiedDevice."), &(struct str){NULL, 0});
    struct device *device = number ? inventory_by_number(inventory, number) : NULL;

    return device ? device_label(app, device) : is_gateway(path) ? "The gateway" : path;
}

/* The unknown time is none. */
static bool is_time(const char *text)
{
    int64_t seconds;

    return str_to_time(str_of(text), &seconds) == 0 && seconds > 0;
}

static void print_state(const struct row *row)
{
    const char *state = row->values[REQUEST_STATE];

    if (strcmp(state, "Notice") == 0)
        printf("  is installed at %s unless you decide otherwise\n", row->values[REQUEST_ACTS_AT]);
    else if (strcmp(state, "Later") == 0)
        printf("  put off until %s\n", row->values[REQUEST_UNTIL]);
    else if (strcmp(state, "Tonight") == 0)
        printf("  agreed for the quiet hours%s%s\n", is_time(row->values[REQUEST_UNTIL]) ? " from " : "",
               is_time(row->values[REQUEST_UNTIL]) ? row->values[REQUEST_UNTIL] : "");
    else if (strcmp(state, "Agreed") == 0)
        printf("  agreed: is installed as soon as the device can be\n");
    else if (strcmp(state, "Refused") == 0)
        printf("  refused; withdraw that to be asked again\n");
    else
        printf("  waits for a decision%s%s\n", is_time(row->values[REQUEST_ANSWER_BY]) ? " until " : "",
               is_time(row->values[REQUEST_ANSWER_BY]) ? row->values[REQUEST_ANSWER_BY] : "");
    if (strcmp(state, "Notice") != 0 && is_time(row->values[REQUEST_ACTS_AT]))
        printf("  the operator requires it: it is installed at %s at the latest\n",
               row->values[REQUEST_ACTS_AT]);
}

static void print_request(struct app *app, const struct inventory *inventory, const struct row *row)
{
    const char *severity = row->values[REQUEST_SEVERITY];

    printf("%s", text_colour(stdout, TEXT_BOLD));
    text_print(stdout, name_of(app, inventory, row->values[REQUEST_DEVICE]));
    printf("%s: ", text_normal(stdout));
    text_print(stdout, *row->values[REQUEST_REPLACES] ? row->values[REQUEST_REPLACES] : "what it runs");
    fputs(" becomes ", stdout);
    text_print(stdout, *row->values[REQUEST_VERSION] ? row->values[REQUEST_VERSION] : "another version");
    if (strcmp(row->values[REQUEST_SECURITY], "true") == 0)
        fputs(", a security update", stdout);
    if (*severity && strcmp(severity, "Unknown") != 0)
        printf(", severity %s", severity);
    putchar('\n');
    if (*row->values[REQUEST_MESSAGE]) {
        fputs("  ", stdout);
        text_print(stdout, row->values[REQUEST_MESSAGE]);
        putchar('\n');
    }
    if (*row->values[REQUEST_NOTES]) {
        fputs("  release notes: ", stdout);
        text_print(stdout, row->values[REQUEST_NOTES]);
        putchar('\n');
    }
    print_state(row);
    if (*row->values[REQUEST_CHOICES])
        printf("  choices: %s\n", row->values[REQUEST_CHOICES]);
}

static void list_requests(struct app *app)
{
    struct inventory inventory;
    struct rows rows;

    if (app->report.json)
        report_array(&app->report, "requests");
    if (!read_rows(&rows, app, CONSENT "Request.*.", request_names))
        return;
    if (app->report.json) {
        add_json(app, "requests", &rows);
        return;
    }
    if (!rows.first) {
        puts("Nothing waits for a decision.");
        return;
    }
    if (!inventory_read(&inventory, app))
        return;
    for (const struct row *row = rows.first; row; row = row->next)
        print_request(app, &inventory, row);
}

/* ---- decide ---- */

static const char *spelled(const char *const *words, const char *word)
{
    for (; *words; words++)
        if (strcasecmp(*words, word) == 0)
            return *words;
    return NULL;
}

/* "Device.ProxiedDevice.3." or "Device.DeviceInfo."; NULL is reported. */
static const char *device_path(struct app *app, const char *name)
{
    struct inventory inventory;
    struct device *device;

    if (strcasecmp(name, "gateway") == 0)
        return "Device.DeviceInfo.";
    if (!inventory_read(&inventory, app))
        return NULL;
    device = inventory_find(&inventory, name);
    return device ? arena_printf(&app->arena, "Device.ProxiedDevice.%u.", device->number) : NULL;
}

static int ignore(void *ctx, const struct usp_client_fact *fact)
{
    (void)ctx;
    (void)fact;
    return 0;
}

static void send_decision(struct app *app, const struct row *row, const char *decision)
{
    const struct usp_client_pair args[] = {
        {STR("Decision"), str_of(decision), true},
        {STR("UserMessage"), str_of(row->values[REQUEST_MESSAGE]), true}, /* which list_requests() shows */
    };
    const char *path = arena_printf(&app->arena, "%sDecide()", row->path);
    struct usp_client_command command = {str_of(path ? path : ""), STR(""), args, 2, true};
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);

    usp_client_operate(&message, msg_id, &command);
    if (app_ask(app, &message, ignore, NULL) && !app->report.json)
        printf("Decided: %s.\n", decision);
}

static void decide(struct app *app)
{
    static const char *const decisions[] = {"Now", "Tonight", "Later", "Never", "Withdraw", NULL};
    const char *decision;
    const char *device;
    struct rows rows;
    bool found = false;

    if (app->options.args_count != 3) {
        app_usage(app, NULL, "usage: homepatch consent decide DEVICE now|tonight|later|never|withdraw");
        return;
    }
    decision = spelled(decisions, app->options.args[2]);
    if (!decision) {
        app_usage(app, app->options.args[2], "is not now, tonight, later, never or withdraw");
        return;
    }
    device = device_path(app, app->options.args[1]);
    if (!device || !read_rows(&rows, app, CONSENT "Request.*.", request_names))
        return;
    for (const struct row *row = rows.first; row; row = row->next) {
        if (strcmp(row->values[REQUEST_DEVICE], device) != 0)
            continue;
        found = true;
        send_decision(app, row, decision);
    }
    if (!found)
        report_failure(&app->report, OUTCOME_REFUSED, 0, app->options.args[1],
                       "nothing waits for a decision about this device");
}

/* ---- policy ---- */

enum {
    HOME_POLICY,
    HOME_GATEWAY,
    HOME_QUIET_START,
    HOME_QUIET_END,
    HOME_QUIET_ONLY,
    HOME_NOTICE,
    HOME_DEFERRAL,
    HOME_DEFERRALS,
    HOME_FLOOR,
    HOME_FLOOR_DAYS,
    HOME_IDENTITY,
};

static const char *const home_names[] = {
    [HOME_POLICY] = "Policy",
    [HOME_GATEWAY] = "GatewayPolicy",
    [HOME_QUIET_START] = "QuietStart",
    [HOME_QUIET_END] = "QuietEnd",
    [HOME_QUIET_ONLY] = "QuietOnly",
    [HOME_NOTICE] = "NoticePeriod",
    [HOME_DEFERRAL] = "DeferralPeriod",
    [HOME_DEFERRALS] = "MaxDeferrals",
    [HOME_FLOOR] = "FloorSeverity",
    [HOME_FLOOR_DAYS] = "FloorDays",
    [HOME_IDENTITY] = "ResidentIdentity",
    NULL,
};

static void print_home(const struct row *home)
{
    printf("The home      %s\n", home->values[HOME_POLICY]);
    printf("The gateway   %s\n", home->values[HOME_GATEWAY]);
    printf("Quiet hours   %s to %s%s\n", home->values[HOME_QUIET_START], home->values[HOME_QUIET_END],
           strcmp(home->values[HOME_QUIET_ONLY], "true") == 0 ? ", and nothing uncritical outside them" : "");
    printf("A notice      %s s before a security update\n", home->values[HOME_NOTICE]);
    printf("\"later\"       %s s, at most %s times\n", home->values[HOME_DEFERRAL],
           home->values[HOME_DEFERRALS]);
    if (strcmp(home->values[HOME_FLOOR], "None") != 0)
        printf("The operator requires updates of severity %s or more within %s days\n",
               home->values[HOME_FLOOR], home->values[HOME_FLOOR_DAYS]);
    if (strcmp(home->values[HOME_IDENTITY], "false") == 0)
        puts("The operator decides about devices in quarantine");
}

static void list_policies(struct app *app)
{
    static const char *const device_names[] = {"Policy", NULL};
    struct inventory inventory;
    struct rows home, devices;

    if (!read_rows(&home, app, CONSENT, home_names) ||
        !read_rows(&devices, app, "Device.ProxiedDevice.*." VENDOR_PREFIX "Consent.", device_names))
        return;
    if (app->report.json) {
        add_json(app, "home", &home);
        add_json(app, "devices", &devices);
        return;
    }
    if (home.first)
        print_home(home.first);
    if (!inventory_read(&inventory, app))
        return;
    for (const struct row *row = devices.first; row; row = row->next) {
        if (strcmp(row->values[0], "Home") == 0)
            continue;
        text_print(stdout, name_of(app, &inventory, row->path));
        printf("  %s\n", row->values[0]);
    }
}

static void set_values(struct app *app, const char *path, const struct usp_client_pair *pairs, size_t count)
{
    const struct usp_client_object object = {str_of(path), pairs, count};
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);

    usp_client_set(&message, msg_id, &object, 1, false);
    app_ask(app, &message, ignore, NULL);
}

static void policy(struct app *app)
{
    static const char *const policies[] = {"Automatic", "SecurityAutomatic", "Ask", "Never", "Home", NULL};
    int count = app->options.args_count;
    struct usp_client_pair pair = {STR("Policy"), STR(""), true};
    const char *path = CONSENT;
    const char *word;

    if (count == 1) {
        list_policies(app);
        return;
    }
    word = spelled(policies, app->options.args[count - 1]);
    if (!word || count > 3) {
        app_usage(app, NULL,
                  "usage: homepatch consent policy [[DEVICE] automatic|securityautomatic|ask|never|home]");
        return;
    }
    pair.value = str_of(word);
    if (count == 3) {
        path = device_path(app, app->options.args[1]);
        if (!path)
            return;
        if (is_gateway(path)) {
            pair.name = STR("GatewayPolicy");
            path = CONSENT;
        } else {
            path = arena_printf(&app->arena, "%s" VENDOR_PREFIX "Consent.", path);
        }
    }
    set_values(app, path ? path : "", &pair, 1);
}

static void quiet(struct app *app)
{
    const char *start = app->options.args_count == 3 ? app->options.args[1] : NULL;
    struct usp_client_pair pairs[] = {{STR("QuietStart"), STR(""), true}, {STR("QuietEnd"), STR(""), true}};

    if (!start) {
        app_usage(app, NULL, "usage: homepatch consent quiet HH:MM HH:MM (local time)");
        return;
    }
    pairs[0].value = str_of(start);
    pairs[1].value = str_of(app->options.args[2]);
    set_values(app, CONSENT, pairs, 2);
}

/* ---- history ---- */

static void history(struct app *app)
{
    static const char *const heads[] = {"TIME", "WHAT", "WHO", "BY", "DEVICE", "VERSION", "TEXT", NULL};
    static const char *const names[] = {"Time",    "What", "Who",         "Means",   "DeviceName",
                                        "Version", "Text", "UserMessage", "Request", NULL};
    struct table table;
    struct rows rows;

    if (app->report.json)
        report_array(&app->report, "history");
    if (!read_rows(&rows, app, CONSENT "Ledger.*.", names))
        return;
    if (app->report.json) {
        add_json(app, "history", &rows);
        return;
    }
    table_init(&table, &app->arena, heads);
    for (const struct row *row = rows.first; row; row = row->next) {
        struct table_row *cells = table_add(&table);

        if (!cells)
            return;
        for (size_t i = 0; heads[i]; i++)
            cells->cells[i] = text_safe(&app->arena, row->values[i], i == 5 ? VERSION_COLUMNS : 0);
        if (!*row->values[6])
            cells->cells[6] = text_safe(&app->arena, row->values[7], 0);
    }
    if (rows.first)
        table_print(&table, stdout);
    else
        puts("Nothing was decided yet.");
}

void command_consent(struct app *app)
{
    static const struct {
        const char *name;
        void (*run)(struct app *app);
    } commands[] = {{"decide", decide}, {"policy", policy}, {"quiet", quiet}, {"history", history}};

    if (!app->options.args_count) {
        list_requests(app);
        return;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(app->options.args[0], commands[i].name) != 0)
            continue;
        commands[i].run(app);
        return;
    }
    app_usage(app, app->options.args[0], "is not decide, policy, quiet or history");
}

/* ---- consent-code ---- */

static int on_code(void *ctx, const struct usp_client_fact *fact)
{
    struct app *app = ctx;

    if (fact->kind != USP_FACT_OUTPUT)
        return 0;
    if (app->report.json) {
        report_set(app->report.root, str_is(fact->name, "Code") ? "code" : "valid_for", fact->value);
        return 0;
    }
    if (str_is(fact->name, "Code"))
        printf("%s\n", app_copy(app, fact->value));
    else
        printf("Good for %s s, once: the resident types it on the page that the gateway shows at home.\n",
               app_copy(app, fact->value));
    return 0;
}

void command_consent_code(struct app *app)
{
    const struct usp_client_command command = {STR(CONSENT "CreateCode()"), STR(""), NULL, 0, true};
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);

    usp_client_operate(&message, msg_id, &command);
    app_ask(app, &message, on_code, app);
}
