/* SPDX-License-Identifier: BSD-3-Clause */
/* What the message handlers share: the request they answer, and helpers to read paths and write results. */
#ifndef USP_MESSAGE_H
#define USP_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "datamodel/access.h"
#include "datamodel/path.h"
#include "usp/fields.h"
#include "usp/pb.h"
#include "usp/usp.h"

/* One entry of an Error message's param_errs. */
struct usp_param_error {
    struct usp_param_error *next;
    uint32_t code;
    const char *path;
    const char *message;
};

/* A request being answered. Everything in it lives until the answer was handed over. */
struct usp_request {
    struct usp *usp;
    struct dm *dm;
    struct arena *arena;
    struct controller *controller;
    const struct dm_access *access; /* NULL: everything is allowed */
    struct buf *out;                /* content of the response message */
    struct usp_param_error *errors; /* oldest first, for an Error message */
    struct usp_param_error **errors_last;
    bool silent;      /* send no response */
    uint64_t session; /* number of the channel that it came over; 0: none */
};

/* Reads the request's content and writes the response's. -1 and err: an Error message is sent instead. */
typedef int usp_handler_fn(struct usp_request *request, struct str content, struct error *err);

usp_handler_fn usp_get;
usp_handler_fn usp_get_instances;
usp_handler_fn usp_get_supported_dm;
usp_handler_fn usp_get_supported_protocol;
usp_handler_fn usp_set;
usp_handler_fn usp_add;
usp_handler_fn usp_delete;
usp_handler_fn usp_operate;

/* Puts header and body around the content in buf; `kind` and `type` are the field numbers in Body and below it. */
void usp_msg_wrap(struct buf *content, struct str msg_id, unsigned msg_type, unsigned kind, unsigned type);
/* A whole Error message into an empty buffer. */
void usp_msg_error(struct buf *buf, struct str msg_id, const struct error *err,
                   const struct usp_param_error *errors);

/* Adds to the Error's param_errs. */
void usp_param_error(struct usp_request *request, const char *path, const struct error *err);
/* "The message is malformed": 7004, for a content that is not what its type says. Returns -1. */
int usp_malformed(struct error *err, const char *message);

/* Begins the transaction of a message in the name of its controller. */
void usp_begin(struct usp_request *request);
/* Commits when result is 0 and the answer fits, else rolls back; gives what it came to. */
int usp_end(struct usp_request *request, int result, struct error *err);

/* Message texts of the standard's codes, for err_msg. */
struct str usp_error_text(const struct error *err);

/* The keys of a row that may be read (R-ADD.6, R-GIN.1), as map entries. */
void usp_write_keys(struct usp_request *request, unsigned number, const struct dm_row *row);

/* A parameter setting of Add and Set: both have the same three fields. */
struct usp_setting {
    struct str param;
    struct str value;
    bool required;
};
/* Reads one; false when malformed. */
bool usp_setting_parse(struct str content, struct usp_setting *ret);

/*
 * The row and parameter that a setting names: its own, or one of a single-instance object below it ("MQTT.Topic").
 * NULL when there is none.
 */
struct dm_row *usp_setting_row(struct dm_row *row, struct str name, int *ret_param);

struct usp_settings {
    struct str path;
    struct usp_setting *settings;
    uint32_t count;
};
/* Reads a CreateObject or UpdateObject into the arena. */
int usp_settings_parse(struct usp_request *request, struct str content, struct usp_settings *ret,
                       struct error *err);

/*
 * Applies the settings to one row inside the open transaction. Failed required ones end it with -1 (err is the first);
 * failed others are collected in *ret_errors. Every error path is the parameter's full path.
 */
int usp_settings_apply(struct usp_request *request, struct dm_row *row, const struct usp_settings *settings,
                       struct usp_param_error **ret_errors, struct error *err);

#endif
