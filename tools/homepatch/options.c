/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum kind {
    KIND_FLAG,
    KIND_TEXT,
    KIND_NUMBER,
    KIND_WINDOW,
};

struct option {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *commands; /* those that know it, between blanks; NULL: all */
    uint64_t max;
};

#define OPTION(text, type, member, which, ...)                           \
    {                                                                    \
        text, type, offsetof(struct options, member), which, __VA_ARGS__ \
    }

static const struct option table[] = {
    OPTION("socket", KIND_TEXT, socket, NULL, 0),
    OPTION("endpoint", KIND_TEXT, endpoint, NULL, 0),
    OPTION("json", KIND_FLAG, json, NULL, 0),
    OPTION("timeout", KIND_NUMBER, timeout, NULL, 86400),
    OPTION("help", KIND_FLAG, help, NULL, 0),
    OPTION("version", KIND_FLAG, version, NULL, 0),
    OPTION("config", KIND_TEXT, config, " doctor lan-broker ", 0),
    OPTION("dir", KIND_TEXT, dir, " lan-broker ", 0),
    OPTION("depth", KIND_NUMBER, depth, " get ", 64),
    OPTION("first-level", KIND_FLAG, first_level, " instances supported ", 0),
    OPTION("partial", KIND_FLAG, partial, " set add del ", 0),
    OPTION("key", KIND_TEXT, key, " operate ", 0),
    OPTION("no-wait", KIND_FLAG, no_wait, " operate download activate ", 0),
    OPTION("checksum", KIND_TEXT, checksum, " download ", 0),
    OPTION("activate", KIND_FLAG, activate, " download ", 0),
    OPTION("username", KIND_TEXT, username, " download ", 0),
    OPTION("password-file", KIND_TEXT, password_file, " download ", 0),
    OPTION("slot", KIND_NUMBER, slot, " download activate ", 16),
    OPTION("window", KIND_WINDOW, windows, " activate ", 0),
    OPTION("all", KIND_FLAG, all, " download activate ", 0),
    OPTION("model", KIND_TEXT, model, " download activate devices ", 0),
    OPTION("type", KIND_TEXT, type, " events ", 0),
    OPTION("count", KIND_NUMBER, count, " events ", 1000000000),
};

static int bad(struct error *err, const char *argument, const char *what)
{
    return error_set(err, ERROR_INVALID_ARGUMENTS, argument, "%s", what);
}

static const struct option *find(struct str name)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (str_is(name, table[i].name))
            return &table[i];
    return NULL;
}

static int apply(struct options *options, const struct option *option, const char *value, struct error *err)
{
    void *slot = (char *)options + option->offset;
    uint64_t number;

    switch (option->kind) {
    case KIND_FLAG:
        *(bool *)slot = true;
        return 0;
    case KIND_TEXT:
        *(const char **)slot = value;
        return 0;
    case KIND_WINDOW:
        if (options->windows_count == OPTIONS_WINDOWS)
            return bad(err, "--window", "there may be five windows");
        options->windows[options->windows_count++] = value;
        return 0;
    case KIND_NUMBER:
        break;
    }
    if (str_to_u64(str_of(value), &number) < 0 || number > option->max || !number)
        return error_set(err, ERROR_INVALID_ARGUMENTS, option->name, "takes a number from 1 to %llu",
                         (unsigned long long)option->max);
    *(uint64_t *)slot = number;
    return 0;
}

/* One argument that begins with "--"; *at moves on when the next one is its value. */
static int parse_option(struct options *options, int argc, char **argv, int *at, const struct option **ret,
                        struct error *err)
{
    const char *argument = argv[*at];
    const char *equals = strchr(argument, '=');
    size_t len = equals ? (size_t)(equals - argument) - 2 : strlen(argument) - 2;
    const struct option *option = find((struct str){argument + 2, len});

    if (!option)
        return bad(err, argument, "there is no such option");
    *ret = option;
    if (option->kind == KIND_FLAG)
        return equals ? bad(err, argument, "this option takes no value") : apply(options, option, NULL, err);
    if (equals)
        return apply(options, option, equals + 1, err);
    if (*at + 1 >= argc)
        return bad(err, argument, "this option needs a value");
    return apply(options, option, argv[++*at], err);
}

static bool fits(const struct option *option, const char *command)
{
    const char *at = option->commands;
    size_t len = command ? strlen(command) : 0;

    if (!at)
        return true;
    while (len && (at = strstr(at, command)) != NULL) {
        if (at[-1] == ' ' && at[len] == ' ')
            return true;
        at++;
    }
    return false;
}

static void set_defaults(struct options *options)
{
    const char *path = getenv("HOMEPATCH_SOCKET");

    options->socket = path && path[0] ? path : "/run/homepatch/agent.sock";
    options->endpoint = "self::homepatch";
    options->config = "/etc/homepatch/homepatchd.conf";
    options->dir = "/etc/homepatch/lan-broker";
}

int options_parse(struct options *options, int argc, char **argv, struct error *err)
{
    const struct option *used[64];
    size_t used_count = 0;
    bool only_args = false;

    *options = (struct options){.args = argv + 1};
    set_defaults(options);
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];

        /* "-" is a value to be asked for, and "-1" a number. */
        if (only_args || argument[0] != '-' || !argument[1] || (argument[1] >= '0' && argument[1] <= '9')) {
            if (!options->command)
                options->command = argument;
            else
                options->args[options->args_count++] = argv[i];
        } else if (strcmp(argument, "--") == 0) {
            only_args = true;
        } else if (strcmp(argument, "-h") == 0) {
            options->help = true;
        } else if (argument[1] != '-') {
            return bad(err, argument, "there is no such option");
        } else if (parse_option(options, argc, argv, &i, &used[used_count], err) < 0) {
            return -1;
        } else if (++used_count == sizeof(used) / sizeof(used[0])) {
            return bad(err, argument, "too many options");
        }
    }
    for (size_t i = 0; i < used_count; i++)
        if (options->command && !fits(used[i], options->command))
            return error_set(err, ERROR_INVALID_ARGUMENTS, options->command, "does not take the option --%s",
                             used[i]->name);
    return 0;
}
