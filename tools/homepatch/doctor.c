/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of checks, and what is printed of their findings. */
#include "tools/homepatch/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/homepatch/text.h"

static const struct check {
    const char *name;
    unsigned subjects; /* enum subject */
    check_fn *run;
} checks[] = {
    {"configuration", SUBJECT_ALL | SUBJECT_CONTROLLER | SUBJECT_DEVICE | SUBJECT_UPDATE,
     doctor_configuration},
    {"clock", SUBJECT_ALL | SUBJECT_CONTROLLER, doctor_clock},
    {"disk", SUBJECT_ALL | SUBJECT_UPDATE, doctor_disk},
    {"agent", SUBJECT_ALL | SUBJECT_CONTROLLER | SUBJECT_DEVICE | SUBJECT_UPDATE, doctor_agent},
    {"containment", SUBJECT_ALL, doctor_containment},
    {"command-line", SUBJECT_ALL, doctor_command_line},
    {"controller", SUBJECT_ALL | SUBJECT_CONTROLLER, doctor_controllers},
    {"lan", SUBJECT_ALL | SUBJECT_DEVICE | SUBJECT_UPDATE, doctor_lan},
    {"device", SUBJECT_ALL | SUBJECT_DEVICE, doctor_devices},
    {"release", SUBJECT_ALL | SUBJECT_UPDATE, doctor_releases},
    {"update", SUBJECT_ALL | SUBJECT_UPDATE, doctor_updates},
};

/* ---- findings ---- */

const char *doctor_text(struct doctor *doctor, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return app_copy(doctor->app, str_of(text));
}

/* On a terminal a finding is seen when it is found: some take seconds. */
static void print(const struct doctor *doctor, const struct finding *finding)
{
    static const struct {
        const char *word;
        enum text_colour colour;
    } looks[] = {
        [LEVEL_OK] = {"ok  ", TEXT_GREEN},
        [LEVEL_WARN] = {"warn", TEXT_YELLOW},
        [LEVEL_FAIL] = {"FAIL", TEXT_RED},
    };

    if (doctor->app->report.json)
        return;
    printf("%s%s%s  %-13s ", text_colour(stdout, looks[finding->level].colour), looks[finding->level].word,
           text_normal(stdout), finding->check);
    text_print(stdout, finding->text);
    putchar('\n');
    if (finding->fix[0]) {
        printf("                    what to do: ");
        text_print(stdout, finding->fix);
        putchar('\n');
    }
    if (finding->level != LEVEL_OK && finding->parameter[0] && !strstr(finding->text, finding->parameter) &&
        !strstr(finding->fix, finding->parameter)) {
        printf("                    parameter:  ");
        text_print(stdout, finding->parameter);
        putchar('\n');
    }
    fflush(stdout);
}

static void add(struct doctor *doctor, enum level level, const char *parameter, const char *text,
                const char *fix)
{
    struct finding *finding = arena_calloc(doctor->arena, 1, sizeof(*finding));

    if (!finding)
        return;
    *finding = (struct finding){.level = level,
                                .check = doctor->check,
                                .parameter = doctor_text(doctor, "%s", parameter ? parameter : ""),
                                .text = text,
                                .fix = fix ? fix : ""};
    *doctor->last = finding;
    doctor->last = &finding->next;
    print(doctor, finding);
}

void doctor_ok(struct doctor *doctor, const char *parameter, const char *text)
{
    add(doctor, LEVEL_OK, parameter, text, NULL);
}

void doctor_warn(struct doctor *doctor, const char *parameter, const char *text, const char *fix)
{
    add(doctor, LEVEL_WARN, parameter, text, fix);
}

void doctor_fail(struct doctor *doctor, const char *parameter, const char *text, const char *fix)
{
    add(doctor, LEVEL_FAIL, parameter, text, fix);
}

/* ---- the command ---- */

static bool parse(struct doctor *doctor)
{
    static const struct {
        const char *word;
        enum subject subject;
    } words[] = {{"controller", SUBJECT_CONTROLLER}, {"device", SUBJECT_DEVICE}, {"update", SUBJECT_UPDATE}};
    struct app *app = doctor->app;

    doctor->subject = SUBJECT_ALL;
    if (app->options.args_count == 0)
        return true;
    doctor->name = app->options.args_count > 1 ? app->options.args[1] : NULL;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(app->options.args[0], words[i].word) != 0)
            continue;
        doctor->subject = words[i].subject;
        return true;
    }
    app_usage(app, app->options.args[0], "is none of controller, device and update");
    return false;
}

static void conclude(const struct doctor *doctor)
{
    static const char *const levels[] = {"ok", "warn", "fail"};
    struct report *report = &doctor->app->report;
    unsigned counts[3] = {0};

    for (const struct finding *finding = doctor->first; finding; finding = finding->next) {
        counts[finding->level]++;
        if (report->json) {
            cJSON *entry = cJSON_CreateObject();

            cJSON_AddStringToObject(entry, "check", finding->check);
            cJSON_AddStringToObject(entry, "level", levels[finding->level]);
            cJSON_AddStringToObject(entry, "parameter", finding->parameter);
            cJSON_AddStringToObject(entry, "text", finding->text);
            cJSON_AddStringToObject(entry, "fix", finding->fix);
            cJSON_AddItemToArray(report_array(report, "checks"), entry);
        }
    }
    if (counts[LEVEL_FAIL])
        report->outcome = OUTCOME_REFUSED;
    if (report->json)
        cJSON_AddNumberToObject(report->root, "failed", counts[LEVEL_FAIL]);
    else
        printf("\n%u ok, %u to look at, %u failed\n", counts[LEVEL_OK], counts[LEVEL_WARN],
               counts[LEVEL_FAIL]);
}

void command_doctor(struct app *app)
{
    struct doctor doctor = {.app = app, .arena = &app->arena, .check = "", .clients_done = ""};

    doctor.last = &doctor.first;
    if (!parse(&doctor))
        return;
    map_init(&doctor.values);
    if (app->report.json)
        report_array(&app->report, "checks");
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (!(checks[i].subjects & doctor.subject) || app->session.interrupted)
            continue;
        doctor.check = checks[i].name;
        checks[i].run(&doctor);
    }
    conclude(&doctor);
    map_done(&doctor.values);
}
