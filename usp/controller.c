/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/controller.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "usp/access_table.h"
#include "usp/internal.h"
#include "usp/message.h"

static int take(void *ctx, struct dm_row *row)
{
    struct controller **ret = ctx;

    *ret = row->data;
    return 1;
}

struct controller *usp_controller_find(struct usp *usp, struct str endpoint_id)
{
    struct controller *controller = NULL;

    if (endpoint_id.len)
        dm_rows_with(usp->dm, usp->local_agent, usp->controllers,
                     dm_node_param(usp->controllers, "EndpointID"), endpoint_id, take, &controller);
    return controller && controller->usp ? controller : NULL;
}

/* ---- Periodic! ---- */

/* The next moment that is a whole number of intervals away from PeriodicNotifTime. */
static void arm_periodic(struct controller *controller)
{
    struct loop *loop = controller->usp->loop;
    int64_t interval = (int64_t)controller->periodic_interval * 1000;
    int64_t now = clock_wall_ms(&loop->clock);
    int64_t past;

    timer_cancel(&loop->timers, &controller->periodic);
    if (!controller->enable || !interval)
        return;
    past = (now - controller->periodic_time * 1000) % interval;
    if (past < 0)
        past += interval;
    timer_arm(&loop->timers, &controller->periodic, (uint64_t)(interval - past));
}

static void on_periodic(struct timer *timer, void *ctx)
{
    struct controller *controller = ctx;

    (void)timer;
    usp_raise_for(controller, controller->usp->local_agent, "Periodic!", NULL, 0);
    arm_periodic(controller);
}

/* ---- OnBoardRequest ---- */

static const char *device_info(struct usp *usp, const char *name, char scratch[DM_SCRATCH_BYTES])
{
    struct dm_row *row = dm_row_find(usp->dm, STR("Device.DeviceInfo."));
    int param = row ? dm_node_param(row->node, name) : -1;
    struct str text;

    if (param < 0)
        return "";
    text = dm_get_text(row, param, scratch);
    return text.len ? text.data : ""; /* strings of a row are terminated */
}

int usp_onboard(struct controller *controller, struct error *err)
{
    struct notify_options options = {.id = "", .retry = true, .onboarding = true}; /* R-NOT.6, R-NOT.7 */
    char scratch[DM_SCRATCH_BYTES];
    struct usp *usp = controller->usp;
    struct buf out;
    size_t mark;
    int result;

    buf_init(&out, LIMIT_RECORD_BYTES, 0);
    mark = pb_begin(&out, USP_NOTIFY_ON_BOARD_REQ);
    pb_write_text(&out, USP_NOTIFY_ON_BOARD_REQUEST_OUI,
                  str_of(device_info(usp, "ManufacturerOUI", scratch)));
    pb_write_text(&out, USP_NOTIFY_ON_BOARD_REQUEST_PRODUCT_CLASS,
                  str_of(device_info(usp, "ProductClass", scratch)));
    pb_write_text(&out, USP_NOTIFY_ON_BOARD_REQUEST_SERIAL_NUMBER,
                  str_of(device_info(usp, "SerialNumber", scratch)));
    pb_write_text(&out, USP_NOTIFY_ON_BOARD_REQUEST_AGENT_SUPPORTED_PROTOCOL_VERSIONS, STR("1.3,1.4"));
    pb_end(&out, mark);
    result = usp_notify(controller, &options, &out);
    buf_done(&out);
    return result < 0 ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "too many notifications wait") : 0;
}

static void on_onboarding(struct timer *timer, void *ctx)
{
    struct controller *controller = ctx;

    (void)timer;
    if (!controller->onboarding_complete)
        usp_onboard(controller, NULL);
}

void usp_onboard_arm(struct controller *controller)
{
    struct timers *timers = &controller->usp->loop->timers;

    timer_cancel(timers, &controller->onboarding);
    if (!controller->onboarding_complete && controller->onboarding_restart)
        timer_arm(timers, &controller->onboarding, (uint64_t)controller->onboarding_restart * 1000);
}

/* ---- hooks ---- */

void usp_controller_applied(struct usp *usp, struct dm_row *row, enum dm_change_kind kind)
{
    struct controller *controller = row->data;

    if (!controller->usp) {
        controller->usp = usp;
        controller->row = row;
        controller->last = &controller->first;
        timer_init(&controller->periodic, on_periodic, controller);
        timer_init(&controller->onboarding, on_onboarding, controller);
    }
    usp_access_changed(usp);
    if (kind == DM_ROW_DELETED) {
        timer_cancel(&usp->loop->timers, &controller->periodic);
        timer_cancel(&usp->loop->timers, &controller->onboarding);
        usp_notifications_forget(controller);
        usp_session_done(controller);
        return;
    }
    usp_session_applied(controller);
    arm_periodic(controller);
    if (controller->onboarding_complete)
        timer_cancel(&usp->loop->timers, &controller->onboarding);
    usp_notifications_send(controller);
}

int usp_controller_deleting(struct usp *usp, struct dm_row *row, struct error *err)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(usp->local_agent, usp->subscriptions, &rows);

    for (uint32_t i = count; i-- > 0;) {
        if (usp_subscription_recipient(rows[i]->data) == row->data && dm_delete(usp->dm, rows[i], err) < 0)
            return -1;
        dm_rows(usp->local_agent, usp->subscriptions, &rows); /* the table may have moved */
    }
    return 0;
}

void usp_controller_done(struct dm_row *row)
{
    struct controller *controller = row->data;

    access_table_free(controller->access);
    controller->access = NULL;
    free(controller->certificates);
    controller->certificates = NULL;
    if (!controller->usp)
        return;
    timer_cancel(&controller->usp->loop->timers, &controller->periodic);
    timer_cancel(&controller->usp->loop->timers, &controller->onboarding);
    usp_notifications_free(controller);
    usp_session_done(controller);
}
