/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/homepatch/text.h"

void report_init(struct report *report, bool json)
{
    *report = (struct report){.json = json};
    if (!json)
        return;
    report->root = cJSON_CreateObject();
    report->errors = cJSON_AddArrayToObject(report->root, "errors");
}

enum outcome report_finish(struct report *report)
{
    if (report->json && (!report->stream || cJSON_GetArraySize(report->errors))) {
        char *text = report->stream ? cJSON_PrintUnformatted(report->root) : cJSON_Print(report->root);

        printf("%s\n", text ? text : "{}");
        free(text);
    }
    cJSON_Delete(report->root);
    report->root = NULL;
    if (fflush(stdout) != 0 && report->outcome == OUTCOME_DONE)
        report->outcome = OUTCOME_REFUSED;
    return report->outcome;
}

cJSON *report_array(struct report *report, const char *name)
{
    cJSON *array = cJSON_GetObjectItemCaseSensitive(report->root, name);

    return array ? array : cJSON_AddArrayToObject(report->root, name);
}

cJSON *report_object(struct report *report, const char *name)
{
    cJSON *object = cJSON_GetObjectItemCaseSensitive(report->root, name);

    return object ? object : cJSON_AddObjectToObject(report->root, name);
}

void report_set(cJSON *object, const char *name, struct str text)
{
    char *copy = str_dup(text.data ? text.data : "", text.len);

    if (copy)
        cJSON_AddStringToObject(object, name, copy);
    free(copy);
}

void report_failure(struct report *report, enum outcome outcome, uint32_t code, const char *path,
                    const char *text)
{
    const char *red = text_colour(stderr, TEXT_RED);

    if (report->outcome == OUTCOME_DONE)
        report->outcome = outcome;
    fflush(stdout);
    fprintf(stderr, "%shomepatch:%s ", red, text_normal(stderr));
    if (path && path[0]) {
        text_print(stderr, path);
        fputs(": ", stderr);
    }
    text_print(stderr, text);
    if (code)
        fprintf(stderr, " (%u %s)", code, error_text(code));
    fputc('\n', stderr);
    if (report->errors) {
        cJSON *entry = cJSON_CreateObject();

        cJSON_AddNumberToObject(entry, "code", code);
        cJSON_AddStringToObject(entry, "path", path ? path : "");
        cJSON_AddStringToObject(entry, "message", text);
        cJSON_AddItemToArray(report->errors, entry);
    }
}

void report_error(struct report *report, enum outcome outcome, const struct error *err)
{
    /* What did not come from the agent has no code that would mean anything to its reader. */
    report_failure(report, outcome, outcome == OUTCOME_REFUSED ? err->code : 0, err->path, err->message);
}

void report_fact(struct report *report, const struct usp_client_fact *fact)
{
    struct str path = fact->path.len ? fact->path : fact->requested;
    char full[ERROR_PATH_BYTES];
    char text[2 * ERROR_MESSAGE_BYTES];

    snprintf(full, sizeof(full), "%.*s%.*s", (int)path.len, path.data ? path.data : "", (int)fact->name.len,
             fact->name.data ? fact->name.data : "");
    snprintf(text, sizeof(text), "%.*s", (int)fact->text.len, fact->text.data ? fact->text.data : "");
    report_failure(report, OUTCOME_REFUSED, fact->code, full, text);
}
