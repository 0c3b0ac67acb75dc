/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller's side of USP messages (TR-369): building requests, and reading what an agent answers or notifies. No
 * sockets, no state, nothing copied: a request is appended to a buffer, and an answer of any kind is read as a sequence
 * of facts whose texts are borrowed from the bytes it came in. Envelopes are record.h's.
 */
#ifndef USP_CLIENT_H
#define USP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

/* ---- requests: a whole message into an empty buffer (give it USP_HEADROOM); errors stay in buf->failed ---- */

/* A parameter and its value, or an argument. */
struct usp_client_pair {
    struct str name;
    struct str value;
    bool required; /* Add and Set: its failure fails the object */
};

/* What Set changes, or what Add creates. */
struct usp_client_object {
    struct str path;
    const struct usp_client_pair *params;
    size_t count;
};

struct usp_client_command {
    struct str path; /* "Device.Reboot()" */
    struct str key;
    const struct usp_client_pair *args;
    size_t count;
    bool send_resp;
};

/* GetSupportedDM: what to tell of each object. */
enum {
    USP_CLIENT_FIRST_LEVEL = 1,
    USP_CLIENT_COMMANDS = 2,
    USP_CLIENT_EVENTS = 4,
    USP_CLIENT_PARAMS = 8,
    USP_CLIENT_UNIQUE_KEYS = 16,
};

/* max_depth 0: everything below. */
void usp_client_get(struct buf *buf, struct str msg_id, const struct str *paths, size_t count,
                    uint32_t max_depth);
void usp_client_get_instances(struct buf *buf, struct str msg_id, const struct str *paths, size_t count,
                              bool first_level_only);
void usp_client_get_supported_dm(struct buf *buf, struct str msg_id, const struct str *paths, size_t count,
                                 unsigned flags);
void usp_client_get_supported_protocol(struct buf *buf, struct str msg_id, struct str versions);
void usp_client_set(struct buf *buf, struct str msg_id, const struct usp_client_object *objects, size_t count,
                    bool allow_partial);
void usp_client_add(struct buf *buf, struct str msg_id, const struct usp_client_object *objects, size_t count,
                    bool allow_partial);
void usp_client_delete(struct buf *buf, struct str msg_id, const struct str *paths, size_t count,
                       bool allow_partial);
void usp_client_operate(struct buf *buf, struct str msg_id, const struct usp_client_command *command);
/* The answer to a Notify with send_resp. */
void usp_client_notify_response(struct buf *buf, struct str msg_id, struct str subscription_id);

/* ---- answers ---- */

struct usp_client_message {
    struct str msg_id;
    uint32_t type;      /* USP_HEADER_MSG_TYPE_* (fields.h), which the body agrees with */
    struct str content; /* of the innermost message */
};

/* -1 and err when the bytes are no USP message, hold not exactly one body (R-ENC.3), or another than the header says. */
int usp_client_parse(struct str payload, struct usp_client_message *ret, struct error *err);

enum usp_client_fact_kind {
    /* An Error message, or one object, path, parameter or command of a response that failed: code, text (err_msg). */
    USP_FACT_FAILURE, /* requested, and path and name where they are known */
    /* Get, and what Set changed. */
    USP_FACT_VALUE, /* requested; path of the object, name, value */
    /* GetInstances; Add; Set; Delete: path of the row. For the first two its keys follow. */
    USP_FACT_INSTANCE,
    USP_FACT_CREATED,
    USP_FACT_UPDATED,
    USP_FACT_DELETED,
    USP_FACT_KEY, /* path, name, value: a unique key of the row */
    /* Operate: path of the command. */
    USP_FACT_EXECUTED, /* it is done; its output arguments follow */
    USP_FACT_OUTPUT,   /* path, name, value */
    USP_FACT_STARTED,  /* asynchronous; value: its row in Device.LocalAgent.Request. */
    /* GetSupportedDM: path of the object. */
    USP_FACT_OBJECT,  /* number: ObjAccessType; table: is it one */
    USP_FACT_PARAM,   /* name; number: ParamAccessType; type: ParamValueType */
    USP_FACT_COMMAND, /* name; number: CmdType; its arguments follow */
    USP_FACT_INPUT,   /* name: the command; value: the argument */
    USP_FACT_RESULT,  /* the same of an output argument */
    USP_FACT_EVENT,   /* name; its arguments follow */
    USP_FACT_ARGUMENT,
    USP_FACT_UNIQUE,       /* value: a parameter of a unique key; number: which key set, from 1 */
    USP_FACT_VERSIONS,     /* GetSupportedProtocol: value */
    USP_FACT_ACKNOWLEDGED, /* NotifyResp: value is the subscription's ID */
    /* Notify: arguments of an event, output of a command, keys of a new row. */
    USP_FACT_EVENT_PARAM, /* path, name, value */
};

struct usp_client_fact {
    enum usp_client_fact_kind kind;
    struct str requested; /* the path that the request named */
    struct str path;
    struct str name;
    struct str value;
    uint32_t code;
    struct str text;
    uint32_t number;
    uint32_t type;
    bool table;
};

/* Called for each fact in order; non-zero ends the reading and is returned. */
typedef int usp_client_fn(void *ctx, const struct usp_client_fact *fact);

/*
 * Reads a response or an Error message. 0; -1 and err 7004 when it is malformed (facts before that were told); or what fn
 * returned.
 */
int usp_client_read(const struct usp_client_message *message, usp_client_fn *fn, void *ctx,
                    struct error *err);

enum usp_client_notify_kind {
    USP_CLIENT_EVENT = 3, /* numbers of the standard's fields */
    USP_CLIENT_VALUE_CHANGE,
    USP_CLIENT_CREATION,
    USP_CLIENT_DELETION,
    USP_CLIENT_COMPLETE,
    USP_CLIENT_ONBOARD,
};

struct usp_client_notify {
    struct str subscription_id;
    bool send_resp;
    enum usp_client_notify_kind kind;
    struct str path; /* object, or the parameter that changed */
    struct str name; /* event or command */
    struct str key;  /* USP_CLIENT_COMPLETE: command_key */
    struct str value;
    uint32_t code;   /* USP_CLIENT_COMPLETE: 0, or why the command failed */
    struct str text; /* err_msg */
};

/* Reads a Notify request. fn (may be NULL) is told its arguments, outputs or keys as USP_FACT_EVENT_PARAM. */
int usp_client_read_notify(const struct usp_client_message *message, struct usp_client_notify *ret,
                           usp_client_fn *fn, void *ctx, struct error *err);

#endif
