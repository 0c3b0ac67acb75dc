/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

/* Written once by log_setup() before threads exist; see the header for why this is not passed around. */
static struct {
    enum log_level level;
    bool to_syslog;
} setup = {.level = LOG_LEVEL_INFO};

static const struct {
    const char *name;
    int priority;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", LOG_ERR},
    [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
    [LOG_LEVEL_INFO] = {"info", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

void log_setup(enum log_level level, bool to_syslog, const char *name)
{
    setup.level = level;
    setup.to_syslog = to_syslog;
    if (to_syslog)
        openlog(name, LOG_PID, LOG_DAEMON);
}

bool log_enabled(enum log_level level)
{
    return level <= setup.level;
}

int log_level_parse(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(levels[i].name, name) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

/* Control characters come from peers; a log line is one line. */
static void make_printable(char *line)
{
    for (unsigned char *p = (unsigned char *)line; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

void log_write(enum log_level level, const char *fmt, ...)
{
    char line[1024];
    char stamp[40];
    struct timespec now;
    struct tm tm;
    va_list ap;

    if (!log_enabled(level))
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    make_printable(line);
    if (setup.to_syslog) {
        syslog(levels[level].priority, "%s", line);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(stderr, "%s.%03ldZ %s %s\n", stamp, now.tv_nsec / 1000000, levels[level].name, line);
}

void log_failure(enum log_level level, const char *what, const struct error *err)
{
    log_write(level, "%s: %s%s%s (%u)", what, err->path, err->path[0] ? ": " : "",
              err->message[0] ? err->message : error_text(err->code), err->code);
}
