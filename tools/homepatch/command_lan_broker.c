/* SPDX-License-Identifier: BSD-3-Clause */
/* lan-broker: the home's broker, its accounts and what each may say. Works on files only; no agent is needed. */
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "base/limits.h"
#include "tools/homepatch/app.h"
#include "tools/homepatch/lan_acl.h"
#include "tools/homepatch/lan_files.h"
#include "tools/homepatch/lan_password.h"
#include "tools/homepatch/text.h"

#define ACCOUNTS_FILE "lan-broker.conf"
#define PASSWORDS_FILE "passwords"
#define ACL_FILE "acl"
#define MOSQUITTO_FILE "mosquitto.conf"

struct lan {
    struct app *app;
    struct lan_broker broker;
    struct lan_files files;
    struct str passwords; /* the file as it was */
    bool there;           /* lan-broker.conf is */
    const char *name;     /* whose password is a new one; NULL: nobody's */
    const char *password;
    const char *hash;
    bool reload, restart;
};

/* ---- what there is ---- */

/* What the agent listens to: the same keys as homepatchd.conf(5). A gateway without that file has the defaults. */
static void read_agent(struct lan *lan)
{
    struct arena *arena = &lan->app->arena;
    struct conf_line *line;
    struct error err;

    if (conf_read(arena, lan->app->options.config, &line, &err) < 0) {
        fprintf(stderr, "homepatch: %s: %s; topics are those of its defaults\n", err.path, err.message);
        return;
    }
    for (; line; line = line->next) {
        if (str_is(line->key, "lan_homeassistant_prefix"))
            lan->broker.homeassistant_prefix = app_copy(lan->app, line->value);
        else if (str_is(line->key, "zigbee2mqtt_topics"))
            lan->broker.zigbee2mqtt_topics = app_copy(lan->app, line->value);
    }
}

static int read_files(struct lan *lan, struct error *err)
{
    struct arena *arena = &lan->app->arena;
    struct str accounts;
    bool there;

    if (lan_files_read(&lan->files, ACCOUNTS_FILE, arena, &accounts, &lan->there, err) < 0 ||
        lan_files_read(&lan->files, PASSWORDS_FILE, arena, &lan->passwords, &there, err) < 0)
        return -1;
    return lan_broker_parse(&lan->broker, ACCOUNTS_FILE, accounts, err);
}

/* ---- what becomes of it ---- */

static void write_password(const struct lan *lan, const char *name, struct buf *out)
{
    struct str hash = lan->name && strcmp(lan->name, name) == 0 ? str_of(lan->hash)
                                                                : lan_password_find(lan->passwords, name);

    if (hash.len)
        buf_printf(out, "%s:%.*s\n", name, (int)hash.len, hash.data);
}

static void make_passwords(const struct lan *lan, struct buf *out)
{
    write_password(lan, LAN_AGENT, out);
    for (const struct lan_account *account = lan->broker.first; account; account = account->next)
        if (!account->certificate)
            write_password(lan, account->name, out);
}

static int write_file(struct lan *lan, const char *name, void (*make)(const struct lan *lan, struct buf *out),
                      bool *ret_changed, struct error *err)
{
    struct buf text;
    int rc;

    buf_init(&text, LIMIT_CONFIG_BYTES, 0);
    make(lan, &text);
    rc = lan_files_write(&lan->files, name, &text, ret_changed, err);
    buf_done(&text);
    return rc;
}

static void make_accounts(const struct lan *lan, struct buf *out)
{
    lan_broker_write(&lan->broker, out);
}

static void make_acl(const struct lan *lan, struct buf *out)
{
    lan_acl_write(&lan->broker, out);
}

static void make_mosquitto(const struct lan *lan, struct buf *out)
{
    lan_mosquitto_write(&lan->broker, lan->files.dir, out);
}

/* The accounts first: should this run be cut short, the next one makes the rest from them. */
static int write_files(struct lan *lan, struct error *err)
{
    bool passwords, acl, accounts;

    if (lan_broker_check(&lan->broker, err) < 0 ||
        write_file(lan, ACCOUNTS_FILE, make_accounts, &accounts, err) < 0 ||
        write_file(lan, PASSWORDS_FILE, make_passwords, &passwords, err) < 0 ||
        write_file(lan, ACL_FILE, make_acl, &acl, err) < 0 ||
        write_file(lan, MOSQUITTO_FILE, make_mosquitto, &lan->restart, err) < 0)
        return -1;
    lan->reload = passwords || acl;
    return 0;
}

static int new_password(struct lan *lan, const char *name, struct error *err)
{
    lan->name = name;
    lan->password = lan_password_new(&lan->app->arena);
    lan->hash = lan->password ? lan_password_hash(&lan->app->arena, lan->password) : NULL;
    return lan->hash ? 0 : error_set(err, ERROR_INTERNAL, name, "no password could be made");
}

/* ---- telling ---- */

static void tell_password(struct lan *lan)
{
    struct report *report = &lan->app->report;

    if (!lan->password)
        return;
    if (report->json) {
        report_set(report->root, "account", str_of(lan->name));
        report_set(report->root, "password", str_of(lan->password));
        return;
    }
    if (strcmp(lan->name, LAN_AGENT) != 0) {
        printf("user      %s\npassword  %s\n(shown this once: enter both in the device now)\n", lan->name,
               lan->password);
        return;
    }
    printf(
        "For homepatchd.conf (shown this once):\n\n    lan_mqtt_broker = %s\n    lan_mqtt_username = " LAN_AGENT
        "\n    lan_mqtt_password = %s\n    lan_device_credentials = true\n\n",
        lan->broker.local_listen ? lan->broker.local_listen : "ADDRESS:PORT", lan->password);
}

static void tell_files(struct lan *lan)
{
    struct report *report = &lan->app->report;
    const char *needs = lan->restart ? "restart" : lan->reload ? "reload" : "nothing";

    if (report->json) {
        report_set(report->root, "mosquitto", str_of(needs));
        return;
    }
    if (lan->restart)
        printf("mosquitto's configuration changed: restart it (it reads %s/" MOSQUITTO_FILE ")\n",
               lan->files.dir);
    else if (lan->reload)
        puts("mosquitto has to read this: systemctl reload mosquitto (or send it SIGHUP)");
    else
        puts("nothing changed");
}

static const char *proof_of(const struct lan *lan, const struct lan_account *account)
{
    return account->certificate                                       ? "certificate"
           : lan_password_find(lan->passwords, account->name).len > 0 ? "password"
                                                                      : "NONE: rotate";
}

static int list(struct lan *lan, struct error *err)
{
    static const char *const heads[] = {"NAME", "KIND", "TOPIC", "NODE", "MAC", "PROOF", NULL};
    struct report *report = &lan->app->report;
    struct table table;

    (void)err;
    table_init(&table, &lan->app->arena, heads);
    if (report->json)
        report_array(report, "accounts");
    for (const struct lan_account *account = lan->broker.first; account; account = account->next) {
        const char *const cells[] = {account->name, account->kind->name, account->topic,
                                     account->node, account->mac,        proof_of(lan, account)};
        static const char *const names[] = {"name", "kind", "topic", "node", "mac", "proof"};
        struct table_row *row = report->json ? NULL : table_add(&table);
        cJSON *entry = report->json ? cJSON_CreateObject() : NULL;

        for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
            if (row)
                row->cells[i] = cells[i];
            else if (entry)
                report_set(entry, names[i], str_of(cells[i]));
        }
        if (entry)
            cJSON_AddItemToArray(report_array(report, "accounts"), entry);
    }
    if (!report->json && lan->broker.first)
        table_print(&table, stdout);
    else if (!report->json)
        puts("There is no account yet (homepatch lan-broker add NAME KIND).");
    return 0;
}

/* ---- the verbs ---- */

static int write_and_tell(struct lan *lan, struct error *err)
{
    if (write_files(lan, err) < 0)
        return -1;
    tell_password(lan);
    tell_files(lan);
    return 0;
}

static int set_words(struct lan *lan, int from, struct error *err)
{
    const struct options *options = &lan->app->options;

    for (int i = from; i < options->args_count; i++) {
        struct str value = str_of(options->args[i]), name;

        if (!strchr(options->args[i], '='))
            return error_set(err, ERROR_INVALID_ARGUMENTS, options->args[i], "is not NAME=VALUE");
        str_next(&value, '=', &name);
        if (lan_broker_set(&lan->broker, name, value, err) < 0)
            return -1;
    }
    return 0;
}

static int run_init(struct lan *lan, struct error *err)
{
    if (set_words(lan, 1, err) < 0)
        return -1;
    if (!lan_password_find(lan->passwords, LAN_AGENT).len && new_password(lan, LAN_AGENT, err) < 0)
        return -1;
    return write_and_tell(lan, err);
}

static int run_set(struct lan *lan, struct error *err)
{
    return set_words(lan, 1, err) < 0 ? -1 : write_and_tell(lan, err);
}

static int run_add(struct lan *lan, struct error *err)
{
    const struct options *options = &lan->app->options;
    const struct lan_account *account;
    const char *words = "";

    for (int i = 2; words && i < options->args_count; i++)
        words = arena_printf(&lan->app->arena, "%s %s", words, options->args[i]);
    account = words ? lan_account_add(&lan->broker, str_of(options->args[1]), str_of(words), err) : NULL;
    if (!account || (!account->certificate && new_password(lan, account->name, err) < 0))
        return -1;
    return write_and_tell(lan, err);
}

static struct lan_account *the_account(struct lan *lan, struct error *err)
{
    struct lan_account *account = lan_account_find(&lan->broker, lan->app->options.args[1]);

    if (!account)
        error_set(err, ERROR_OBJECT_DOES_NOT_EXIST, lan->app->options.args[1],
                  "there is no such account (homepatch lan-broker lists them)");
    return account;
}

static int run_remove(struct lan *lan, struct error *err)
{
    struct lan_account *account = the_account(lan, err);

    if (!account)
        return -1;
    lan_account_remove(&lan->broker, account);
    return write_and_tell(lan, err);
}

static int run_rotate(struct lan *lan, struct error *err)
{
    bool agent = strcmp(lan->app->options.args[1], LAN_AGENT) == 0;
    const struct lan_account *account = agent ? NULL : the_account(lan, err);

    if (!agent && !account)
        return -1;
    if (account && account->certificate)
        return error_set(err, ERROR_INVALID_ARGUMENTS, account->name,
                         "shows a certificate and has no password");
    if (new_password(lan, agent ? LAN_AGENT : account->name, err) < 0)
        return -1;
    return write_and_tell(lan, err);
}

static const struct verb {
    const char *name;
    int (*run)(struct lan *lan, struct error *err);
    int args_min, args_max; /* after the verb; -1: any number */
} verbs[] = {
    {"list", list, 0, 0},
    {"init", run_init, 0, -1},
    {"set", run_set, 1, -1},
    {"add", run_add, 2, -1},
    {"remove", run_remove, 1, 1},
    {"rotate", run_rotate, 1, 1},
    {"write", write_and_tell, 0, 0},
};

static const struct verb *verb_of(const struct options *options)
{
    const char *name = options->args_count ? options->args[0] : "list";
    int count = options->args_count ? options->args_count - 1 : 0;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, name) == 0 && count >= verbs[i].args_min &&
            (verbs[i].args_max < 0 || count <= verbs[i].args_max))
            return &verbs[i];
    return NULL;
}

void command_lan_broker(struct app *app)
{
    const struct verb *verb = verb_of(&app->options);
    struct lan lan = {.app = app, .files = {.fd = -1}};
    struct error err;
    bool init = verb && verb->run == run_init;

    if (!verb) {
        app_usage(
            app, NULL,
            "usage: homepatch lan-broker [list | init [NAME=VALUE...] | set NAME=VALUE... | add NAME KIND "
            "[NAME=VALUE...] | remove NAME | rotate NAME | write]");
        return;
    }
    error_clear(&err);
    lan_broker_init(&lan.broker, &app->arena);
    read_agent(&lan);
    if (lan_files_open(&lan.files, app->options.dir, init, &err) < 0 || read_files(&lan, &err) < 0 ||
        (!init && !lan.there &&
         error_set(&err, ERROR_INVALID_CONFIGURATION, app->options.dir,
                   "there is no " ACCOUNTS_FILE " (homepatch lan-broker init makes it)") < 0) ||
        verb->run(&lan, &err) < 0)
        report_error(&app->report, OUTCOME_USAGE, &err);
    lan_files_close(&lan.files);
}
