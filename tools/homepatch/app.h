/* SPDX-License-Identifier: BSD-3-Clause */
/* What every command is given, and the commands. A command reports what it did and leaves the exit code in the report. */
#ifndef TOOLS_HOMEPATCH_APP_H
#define TOOLS_HOMEPATCH_APP_H

#include "base/arena.h"
#include "tools/homepatch/options.h"
#include "tools/homepatch/report.h"
#include "tools/homepatch/session.h"

enum {
    APP_ANSWER_MS = 10000, /* for an answer, unless --timeout says otherwise */
};

struct app {
    struct options options;
    struct session session;
    struct report report;
    struct arena arena; /* lives as long as the program */
};

typedef void command_fn(struct app *app);

command_fn command_devices, command_show;
command_fn command_hosts;
command_fn command_get, command_instances, command_supported;
command_fn command_set, command_add, command_del;
command_fn command_operate;
command_fn command_download, command_activate;
command_fn command_watch, command_events;
command_fn command_enrol;
command_fn command_consent, command_consent_code;
command_fn command_doctor;
command_fn command_lan_broker;
command_fn command_accept, command_reject, command_forget;
command_fn command_version;

/* Reports what is wrong with the command line. */
void app_usage(struct app *app, const char *path, const char *text);
/* Sends the message and tells fn the answer's facts; failures of all kinds are reported. False unless all went well. */
bool app_ask(struct app *app, struct buf *message, usp_client_fn *fn, void *ctx);
/*
 * The value of an argument; "-" is read from the terminal without echo, or one line of standard input. NULL when that
 * failed, which is reported.
 */
const char *app_value(struct app *app, const char *name, const char *text);
/* The first line of a file, for passwords. NULL when that failed, which is reported. */
const char *app_file_line(struct app *app, const char *file);
/* A copy that lives as long as the program. */
char *app_copy(struct app *app, struct str text);
/* "NAME=VALUE" of the command line; "-" as a value is asked for. False when it is not that, which is reported. */
bool app_pair(struct app *app, const char *text, struct usp_client_pair *ret);
/* How long a command that waits may still wait, ms; false when --timeout is over. start: monotonic ms. */
bool app_time_left(const struct app *app, uint64_t start, uint64_t *ret_ms);

#endif
