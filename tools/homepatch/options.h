/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: options may stand before and after the command. Texts are borrowed from argv. */
#ifndef TOOLS_HOMEPATCH_OPTIONS_H
#define TOOLS_HOMEPATCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum {
    OPTIONS_WINDOWS = 5, /* TimeWindow.1 to 5 of Activate() */
};

struct options {
    const char *socket;
    const char *endpoint;
    const char *config;
    const char *dir;
    const char *key;
    const char *checksum;
    const char *username;
    const char *password_file;
    const char *model;
    const char *type;
    const char *windows[OPTIONS_WINDOWS];
    uint64_t windows_count;
    uint64_t timeout; /* s; 0: not given */
    uint64_t depth;
    uint64_t slot;
    uint64_t count;
    bool json;
    bool help;
    bool version;
    bool no_wait;
    bool partial;
    bool first_level;
    bool activate;
    bool all;
    const char *command; /* NULL: none was given */
    char **args;         /* what is no option, after the command; argv's own, moved together */
    int args_count;
};

/* -1 and err for an option that does not exist, does not fit the command, or lacks its value. */
int options_parse(struct options *options, int argc, char **argv, struct error *err);

#endif
