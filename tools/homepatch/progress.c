/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/homepatch/text.h"

enum {
    LABEL_COLUMNS = 22,
    STATE_COLUMNS = 13,
    BAR_MAX = 40,
    BAR_MIN = 10,
    PLAIN_WIDTH = 80,
    STEP = 10, /* per cent between two plain lines */
};

void progress_init(struct progress *progress, struct app *app)
{
    const char *term = getenv("TERM");

    *progress = (struct progress){
        .app = app,
        .live = !app->report.json && isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0),
    };
    arena_init(&progress->scratch, 0);
}

static unsigned percent_of(const struct device *device)
{
    unsigned long percent = strtoul(device->values[DEVICE_PROGRESS], NULL, 10);

    return percent > 100 ? 100 : (unsigned)percent;
}

static enum text_colour colour_of(const struct device *device)
{
    if (device_has_failed(device) || device_is(device, DEVICE_STATE, "Cancelled"))
        return TEXT_RED;
    return device_is(device, DEVICE_STATE, "Done") ? TEXT_GREEN : TEXT_PLAIN;
}

/* What is worth saying behind the bar. */
static const char *detail_of(const struct device *device)
{
    if (device_is_busy(device))
        return device_is(device, DEVICE_ONLINE, "true") ? "" : "offline";
    return device_has_failed(device) ? device->values[DEVICE_RESULT] : device->values[DEVICE_VERSION];
}

static void draw(struct progress *progress, const struct device *device, unsigned width)
{
    struct app *app = progress->app;
    size_t fixed = LABEL_COLUMNS + STATE_COLUMNS + 12;
    unsigned bar = width > fixed + BAR_MIN + 8 ? (unsigned)((width - fixed) / 2) : BAR_MIN;
    unsigned percent = device_is(device, DEVICE_STATE, "Done") ? 100 : percent_of(device);
    const char *label = text_safe(&progress->scratch, device_label(app, device), LABEL_COLUMNS);
    size_t room;

    if (bar > BAR_MAX)
        bar = BAR_MAX;
    room = width > fixed + bar + 1 ? width - fixed - bar - 1 : 1;
    printf("\r\033[K%s%*s %s%-*s%s [", label, (int)(LABEL_COLUMNS - text_columns(label)), "",
           text_colour(stdout, colour_of(device)), STATE_COLUMNS,
           text_safe(&progress->scratch, device->values[DEVICE_STATE], STATE_COLUMNS), text_normal(stdout));
    for (unsigned i = 0; i < bar; i++)
        putchar(i < bar * percent / 100 ? '#' : '.');
    printf("] %3u %% %s\n", percent, text_safe(&progress->scratch, detail_of(device), room));
}

static void show_live(struct progress *progress, struct device *const *devices, size_t count)
{
    unsigned width = text_width(stdout);
    unsigned height = text_height(stdout);
    size_t most = height > 3 ? height - 2 : 1;
    size_t ended = 0;
    size_t lines = 0;

    if (progress->drawn)
        printf("\033[%zuA\r\033[J", progress->drawn);
    for (size_t i = 0; i < count; i++)
        ended += !device_is_busy(devices[i]);
    /* When they do not all fit, those that still run are of interest. */
    for (size_t i = 0; i < count && lines < most; i++) {
        if (count > most && !device_is_busy(devices[i]))
            continue;
        draw(progress, devices[i], width ? width : PLAIN_WIDTH);
        lines++;
    }
    if (count > most) {
        printf("%zu devices, %zu have ended\n", count, ended);
        lines++;
    }
    progress->drawn = lines;
    fflush(stdout);
}

static void show_plain(struct progress *progress, struct device *device)
{
    struct app *app = progress->app;
    const char *state = device->values[DEVICE_STATE];
    char line[256];

    snprintf(line, sizeof(line), "%.32s %u", state,
             device_is_busy(device) ? percent_of(device) / STEP * STEP : 100);
    if (device->shown && strcmp(device->shown, line) == 0)
        return;
    device->shown = app_copy(app, str_of(line));
    text_print(stdout, device_label(app, device));
    printf(": %s", text_safe(&progress->scratch, state, 0));
    if (device_is_busy(device) && percent_of(device))
        printf(" %u %%", percent_of(device));
    if (detail_of(device)[0]) {
        fputs(" ", stdout);
        text_print(stdout, detail_of(device));
    }
    putchar('\n');
    fflush(stdout);
}

void progress_show(struct progress *progress, struct device *const *devices, size_t count)
{
    if (progress->app->report.json)
        return;
    arena_reset(&progress->scratch);
    if (progress->live) {
        show_live(progress, devices, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        show_plain(progress, devices[i]);
}

void progress_done(struct progress *progress)
{
    progress->drawn = 0;
    arena_done(&progress->scratch);
    arena_init(&progress->scratch, 0);
}
