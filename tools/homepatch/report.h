/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a command tells. With --json one object on standard output, in the shape that homepatch(1) documents; its "errors"
 * is always there. Failures go to standard error for people as well. The first failure decides the exit code.
 */
#ifndef TOOLS_HOMEPATCH_REPORT_H
#define TOOLS_HOMEPATCH_REPORT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/error.h"
#include "tools/homepatch/session.h"

struct report {
    bool json;
    bool stream; /* the command prints an object per line by itself: the last one only tells of errors */
    cJSON *root;
    cJSON *errors; /* in root */
    enum outcome outcome;
};

void report_init(struct report *report, bool json);
/* Prints the object, frees it, and gives the exit code. */
enum outcome report_finish(struct report *report);

/* An array or object of this name in the root, made on first use. */
cJSON *report_array(struct report *report, const char *name);
cJSON *report_object(struct report *report, const char *name);
/* The text as a JSON string; borrowed text of any length. */
void report_set(cJSON *object, const char *name, struct str text);

/* Prints and keeps a failure. code 0: not the agent's. */
void report_failure(struct report *report, enum outcome outcome, uint32_t code, const char *path,
                    const char *text);
void report_error(struct report *report, enum outcome outcome, const struct error *err);
/* A fact of kind USP_FACT_FAILURE. */
void report_fact(struct report *report, const struct usp_client_fact *fact);

#endif
