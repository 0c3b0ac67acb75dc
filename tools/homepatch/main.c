/* SPDX-License-Identifier: BSD-3-Clause */
/* homepatch: a USP controller for people and scripts, over the agent's UNIX socket. */
#include "config.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/release.h"
#include "tools/homepatch/text.h"

enum {
    LINE_BYTES = 4096,
};

struct command {
    const char *name;
    const char *args;
    const char *help;
    command_fn *run;
    int args_min;
    int args_max; /* -1: any number */
    bool alone;   /* connects by itself, if at all */
};

static const struct command commands[] = {
    {"devices", "[--model MODEL]", "the devices of the home and their updates", command_devices, 0, 0, false},
    {"hosts", "", "the LAN as the gateway sees it", command_hosts, 0, 0, false},
    {"show", "DEVICE", "all about one device", command_show, 1, 1, false},
    {"download", "DEVICE... URL | --all [--model MODEL] URL", "download firmware for devices",
     command_download, 1, -1, false},
    {"activate", "DEVICE... | --all [--model MODEL]", "install what was downloaded", command_activate, 0, -1,
     false},
    {"accept", "DEVICE", "end its quarantine: what it says now is what it is", command_accept, 1, 1, false},
    {"reject", "DEVICE", "end its quarantine: what was known of it is what it is", command_reject, 1, 1,
     false},
    {"forget", "DEVICE", "take a device that is gone off the list", command_forget, 1, 1, false},
    {"consent", "[decide DEVICE now|tonight|later|never|withdraw | policy ... | quiet ... | history]",
     "what waits for the resident's decision, and deciding it", command_consent, 0, -1, false},
    {"consent-code", "", "a sign-in code for the resident's page", command_consent_code, 0, 0, false},
    {"watch", "[DEVICE...]", "follow updates as they go", command_watch, 0, -1, false},
    {"events", "[--type TYPE] [PATH...]", "print notifications as they come", command_events, 0, -1, false},
    {"get", "PATH...", "read parameters", command_get, 1, -1, false},
    {"set", "PATH VALUE...", "change parameters (VALUE \"-\": ask for it)", command_set, 2, -1, false},
    {"add", "OBJECT [PARAM=VALUE...]", "add a row", command_add, 1, -1, false},
    {"del", "PATH...", "delete rows", command_del, 1, -1, false},
    {"operate", "COMMAND [ARG=VALUE...]", "run a command and wait for its end", command_operate, 1, -1,
     false},
    {"instances", "[OBJECT...]", "the rows there are", command_instances, 0, -1, false},
    {"supported", "[OBJECT...]", "the data model that the agent supports", command_supported, 0, -1, false},
    {"enrol", "[NAME]", "a one-time code by which a device gets its certificate", command_enrol, 0, 1, false},
    {"doctor", "[controller ENDPOINT | device NAME | update NAME]", "find out what is wrong", command_doctor,
     0, 2, true},
    {"lan-broker", "[list | init | set | add NAME KIND | remove NAME | rotate NAME | write]",
     "accounts of the home's MQTT broker, and mosquitto's configuration from them", command_lan_broker, 0, -1,
     true},
    {"version", "", "versions of this program and of the agent", command_version, 0, 0, true},
};

/* ---- shared by the commands ---- */

void app_usage(struct app *app, const char *path, const char *text)
{
    report_failure(&app->report, OUTCOME_USAGE, 0, path, text);
}

struct asking {
    struct app *app;
    usp_client_fn *fn;
    void *ctx;
    bool failed;
    bool general; /* of an Error message; what it is about follows, or does not */
    struct usp_client_fact error;
};

static int on_fact(void *ctx, const struct usp_client_fact *fact)
{
    struct asking *asking = ctx;

    if (fact->kind == USP_FACT_FAILURE) {
        asking->failed = true;
        asking->general = !fact->path.len && !fact->requested.len;
        if (asking->general)
            asking->error = *fact;
        else
            report_fact(&asking->app->report, fact);
        return 0;
    }
    return asking->fn ? asking->fn(asking->ctx, fact) : 0;
}

bool app_ask(struct app *app, struct buf *message, usp_client_fn *fn, void *ctx)
{
    struct asking asking = {.app = app, .fn = fn, .ctx = ctx};
    struct error err;
    enum outcome outcome;

    error_clear(&err);
    outcome = session_ask(&app->session, message, on_fact, &asking, &err);
    if (outcome != OUTCOME_DONE)
        report_error(&app->report, outcome, &err);
    else if (asking.general)
        report_fact(&app->report, &asking.error);
    return outcome == OUTCOME_DONE && !asking.failed;
}

char *app_copy(struct app *app, struct str text)
{
    char *copy = arena_strndup(&app->arena, text.data ? text.data : "", text.len);

    if (!copy) {
        fputs("homepatch: out of memory\n", stderr);
        exit(OUTCOME_REFUSED);
    }
    return copy;
}

static const char *read_line(struct app *app, FILE *file, const char *name)
{
    char line[LINE_BYTES];
    const char *copy;

    if (!fgets(line, sizeof(line), file)) {
        app_usage(app, name, "there is no line to read the value from");
        return NULL;
    }
    copy = app_copy(app, (struct str){line, strcspn(line, "\r\n")});
    explicit_bzero(line, sizeof(line));
    return copy;
}

static const char *prompt(struct app *app, const char *name)
{
    struct termios before;
    struct termios silent;
    const char *line;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return read_line(app, stdin, name);
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s: ", name);
    fflush(stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    line = read_line(app, stdin, name);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return line;
}

const char *app_value(struct app *app, const char *name, const char *text)
{
    return strcmp(text, "-") == 0 ? prompt(app, name) : text;
}

const char *app_file_line(struct app *app, const char *file)
{
    FILE *stream = fopen(file, "re");
    const char *line;

    if (!stream) {
        app_usage(app, file, "cannot be read");
        return NULL;
    }
    line = read_line(app, stream, file);
    fclose(stream);
    return line;
}

bool app_pair(struct app *app, const char *text, struct usp_client_pair *ret)
{
    const char *equals = strchr(text, '=');
    const char *value;

    if (!equals || equals == text) {
        app_usage(app, text, "is not NAME=VALUE");
        return false;
    }
    value = app_value(app, app_copy(app, (struct str){text, (size_t)(equals - text)}), equals + 1);
    if (!value)
        return false;
    *ret = (struct usp_client_pair){{text, (size_t)(equals - text)}, str_of(value), true};
    return true;
}

bool app_time_left(const struct app *app, uint64_t start, uint64_t *ret_ms)
{
    uint64_t passed = clock_monotonic(&app->session.loop.clock) - start;
    uint64_t limit = app->options.timeout * 1000;

    if (limit && passed >= limit)
        return false;
    *ret_ms = limit ? limit - passed : UINT64_MAX;
    return true;
}

/* ---- main ---- */

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_help(FILE *file)
{
    fputs("usage: homepatch [--socket PATH] [--endpoint ID] [--json] [--timeout S] COMMAND\n\n", file);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(file, "  %-10s %s\n             %s\n", commands[i].name, commands[i].args, commands[i].help);
    fputs("  release    keygen | create | sign | co-sign | inspect | verify ...\n"
          "             make and judge signed releases (homepatch release --help)\n",
          file);
    fputs("\nhomepatch(1) has the whole story.\n", file);
}

void command_version(struct app *app)
{
    struct session_settings settings = {app->options.socket, app->options.endpoint, 2000};
    struct error err;
    bool reached = session_open(&app->session, &settings, &err) == OUTCOME_DONE;

    if (app->report.json) {
        cJSON_AddStringToObject(app->report.root, "version", PACKAGE_VERSION);
        cJSON_AddStringToObject(app->report.root, "agent", reached ? app->session.agent : "");
        return;
    }
    printf("homepatch %s\n", PACKAGE_VERSION);
    if (reached) {
        printf("agent     ");
        text_print(stdout, app->session.agent);
        putchar('\n');
    }
}

static void run(struct app *app, const struct command *command)
{
    struct session_settings settings = {app->options.socket, app->options.endpoint,
                                        app->options.timeout ? (uint32_t)app->options.timeout * 1000
                                                             : APP_ANSWER_MS};
    struct error err;
    enum outcome outcome;

    if (app->options.args_count < command->args_min ||
        (command->args_max >= 0 && app->options.args_count > command->args_max)) {
        char text[256];

        snprintf(text, sizeof(text), "usage: homepatch %s %s", command->name, command->args);
        app_usage(app, NULL, text);
        return;
    }
    if (!command->alone) {
        outcome = session_open(&app->session, &settings, &err);
        if (outcome != OUTCOME_DONE) {
            report_error(&app->report, outcome, &err);
            return;
        }
    }
    command->run(app);
}

int main(int argc, char **argv)
{
    const struct command *command;
    struct app app = {0};
    struct error err;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    /* Has options of its own, and speaks to no agent. */
    if (argc > 1 && strcmp(argv[1], "release") == 0)
        return release_main(argc - 1, argv + 1);
    if (options_parse(&app.options, argc, argv, &err) < 0) {
        fprintf(stderr, "homepatch: %s: %s\n", err.path, err.message);
        return OUTCOME_USAGE;
    }
    if (app.options.help) {
        print_help(stdout);
        return OUTCOME_DONE;
    }
    command = find(app.options.version ? "version" : app.options.command ? app.options.command : "");
    if (!command) {
        if (app.options.command)
            fprintf(stderr, "homepatch: %s: there is no such command (homepatch --help)\n",
                    app.options.command);
        else
            print_help(stderr);
        return OUTCOME_USAGE;
    }
    arena_init(&app.arena, 0);
    report_init(&app.report, app.options.json);
    run(&app, command);
    session_close(&app.session);
    report_finish(&app.report);
    arena_done(&app.arena);
    return (int)app.report.outcome;
}
