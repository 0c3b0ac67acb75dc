/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running async commands: the data of a row of Device.LocalAgent.Request. (R-OPR.0). The row is stored before the
 * command is acknowledged and deleted in the same batch that stores its OperationComplete, so each has one result.
 */
#ifndef USP_REQUEST_H
#define USP_REQUEST_H

#include "usp/usp.h"

enum request_status {
    REQUEST_REQUESTED,
    REQUEST_ACTIVE,
    REQUEST_CANCELING,
    REQUEST_CANCELED,
    REQUEST_SUCCESS,
    REQUEST_ERROR,
};

struct request {
    /* Device.LocalAgent.Request.{i}. */
    char *alias;
    char *originator;
    char *command;
    char *command_key;
    uint32_t status;

    struct dm_call *call; /* NULL until its module resumed it after a restart */
};

/* Starts a command on the row; inputs are copied. For async ones *ret_request is the Request's instance. */
struct dm_call;
int usp_request_start(struct usp *usp, struct dm_row *row, const struct dm_command *command, const char *path,
                      const char *originator, const char *command_key, const struct dm_pair *inputs,
                      size_t count, uint32_t *ret_request, struct error *err);

/*
 * After a restart, a module that goes on with a command takes its Request over; the call has no inputs. NULL: no such
 * Request. What nobody took over when usp_requests_abandon() is called has failed (R-OPR.0). failed false: it
 * goes without a result, because what went on with it may only be lost, and its device be at it still.
 */
struct dm_call *usp_request_resume(struct usp *usp, uint32_t instance);
void usp_requests_abandon(struct usp *usp, bool failed);
/* Lets go of all that run, without results: the program ends. */
void usp_requests_forget(struct usp *usp);

/* Device.LocalAgent.Request.{i}.Cancel(). */
int usp_request_cancel(struct dm_row *row, struct error *err);
void usp_request_set_status(struct usp *usp, uint32_t instance, enum request_status status);
void usp_request_done(struct dm_row *row);

#endif
