/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log. One per program: its level and target are the only state of the process that is set once at start and read
 * everywhere (a log handle in every call would buy nothing). Library code does not log; who handles an error logs it
 * once. Secrets never enter: parameters declared secret are printed as "***".
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

/* To stderr, or to syslog(3) under `name`. Called once, before other threads exist. */
void log_setup(enum log_level level, bool to_syslog, const char *name);
bool log_enabled(enum log_level level);
/* -1 when the name is not one of error, warning, info, debug. */
int log_level_parse(const char *name, enum log_level *ret);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) (log_enabled(LOG_LEVEL_DEBUG) ? log_write(LOG_LEVEL_DEBUG, __VA_ARGS__) : (void)0)

/* "what: path: message (code)". */
void log_failure(enum log_level level, const char *what, const struct error *err);

#endif
