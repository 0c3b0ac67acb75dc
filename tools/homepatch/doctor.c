/* SPDX-License-Identifier: BSD-3-Clause */
/* doctor: whether the agent can be asked at all. */
#include "tools/homepatch/app.h"

void command_doctor(struct app *app)
{
    struct session_settings settings = {app->options.socket, app->options.endpoint, APP_ANSWER_MS};
    struct error err;
    enum outcome outcome = session_open(&app->session, &settings, &err);

    if (outcome != OUTCOME_DONE)
        report_error(&app->report, outcome, &err);
}
