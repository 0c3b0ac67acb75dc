/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct code_text {
    uint32_t code;
    uint32_t cwmp_fault;
    const char *text;
};

static const struct code_text codes[] = {
    {ERROR_NONE, 0, "No error"},
    {ERROR_MESSAGE_FAILED, 9002, "Message failed"},
    {ERROR_MESSAGE_NOT_SUPPORTED, 9000, "Message not supported"},
    {ERROR_REQUEST_DENIED, 9001, "Request denied"},
    {ERROR_INTERNAL, 9002, "Internal error"},
    {ERROR_INVALID_ARGUMENTS, 9003, "Invalid arguments"},
    {ERROR_RESOURCES_EXCEEDED, 9004, "Resources exceeded"},
    {ERROR_PERMISSION_DENIED, 9001, "Permission denied"},
    {ERROR_INVALID_CONFIGURATION, 9003, "Invalid configuration"},
    {ERROR_INVALID_PATH_SYNTAX, 9005, "Invalid path syntax"},
    {ERROR_PARAMETER_ACTION_FAILED, 9002, "Parameter action failed"},
    {ERROR_UNSUPPORTED_PARAMETER, 9005, "Unsupported parameter"},
    {ERROR_INVALID_TYPE, 9006, "Invalid type"},
    {ERROR_INVALID_VALUE, 9007, "Invalid value"},
    {ERROR_PARAMETER_READ_ONLY, 9008, "Attempt to update a read-only parameter"},
    {ERROR_VALUE_CONFLICT, 9007, "Value conflict"},
    {ERROR_OPERATION_ERROR, 9002, "Operation error"},
    {ERROR_OBJECT_DOES_NOT_EXIST, 9005, "Object does not exist"},
    {ERROR_OBJECT_NOT_CREATED, 9002, "Object could not be created"},
    {ERROR_OBJECT_NOT_TABLE, 9005, "Object is not a table"},
    {ERROR_OBJECT_NOT_CREATABLE, 9005, "Attempt to create a non-creatable object"},
    {ERROR_OBJECT_NOT_UPDATED, 9002, "Object could not be updated"},
    {ERROR_REQUIRED_PARAMETER_FAILED, 9002, "Required parameter failed"},
    {ERROR_COMMAND_FAILURE, 9002, "Command failure"},
    {ERROR_COMMAND_CANCELLED, 9002, "Command cancelled"},
    {ERROR_OBJECT_NOT_DELETABLE, 9005, "Object could not be deleted"},
    {ERROR_UNIQUE_KEY_CONFLICT, 9007, "Object exists with duplicate key"},
    {ERROR_INVALID_PATH, 9005, "Invalid path"},
    {ERROR_INVALID_COMMAND_ARGUMENTS, 9003, "Invalid command arguments"},
    {ERROR_RECORD_NOT_PARSED, 9002, "Record could not be parsed"},
    {ERROR_SECURE_SESSION_REQUIRED, 9002, "Secure session required"},
    {ERROR_SECURE_SESSION_NOT_SUPPORTED, 9002, "Secure session not supported"},
    {ERROR_SEGMENTATION_NOT_SUPPORTED, 9002, "Segmentation and reassembly not supported"},
    {ERROR_INVALID_RECORD_VALUE, 9002, "Invalid value in a record"},
    {ERROR_SESSION_CONTEXT_TERMINATED, 9002, "Session context terminated"},
    {ERROR_SESSION_CONTEXT_NOT_ALLOWED, 9002, "Session context not allowed"},
};

static const struct code_text *find(uint32_t code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

const char *error_text(uint32_t code)
{
    const struct code_text *entry = find(code);

    return entry ? entry->text : "Unknown error";
}

uint32_t error_cwmp_fault(uint32_t code)
{
    const struct code_text *entry = find(code);

    return entry ? entry->cwmp_fault : 9002;
}

void error_clear(struct error *err)
{
    if (!err)
        return;
    err->code = ERROR_NONE;
    err->path[0] = '\0';
    err->message[0] = '\0';
}

int error_set_va(struct error *err, uint32_t code, const char *path, const char *fmt, va_list ap)
{
    int len;

    if (!err)
        return -1;
    err->code = code;
    str_copy(err->path, sizeof(err->path), path ? path : "");
    len = vsnprintf(err->message, sizeof(err->message), fmt, ap);
    /* It goes out as UTF-8, whatever it quotes. */
    if (len >= (int)sizeof(err->message))
        err->message[str_whole(str_of(err->message))] = '\0';
    return -1;
}

int error_set(struct error *err, uint32_t code, const char *path, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_set_va(err, code, path, fmt, ap);
    va_end(ap);
    return -1;
}

int error_set_errno(struct error *err, uint32_t code, const char *path, int error_number, const char *fmt,
                    ...)
{
    char reason[128];
    va_list ap;
    size_t used;

    va_start(ap, fmt);
    error_set_va(err, code, path, fmt, ap);
    va_end(ap);
    if (err) {
        used = strlen(err->message);
        snprintf(err->message + used, sizeof(err->message) - used, ": %s",
                 strerror_r(error_number, reason, sizeof(reason)));
    }
    return -1;
}
