/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One typed error for the whole program: the USP code (TR-369, "Error Codes"), the CWMP fault that says the same
 * (TR-069, A.5), the path or peer it is about, and a sentence for people. A caller puts it on its stack and passes it
 * as the last argument; NULL means that the caller does not care for the reason. Owns no memory.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>
#include <stdint.h>

enum {
    ERROR_PATH_BYTES = 640,
    ERROR_MESSAGE_BYTES = 256,
};

/* The codes of USP 1.4; names are the standard's. */
enum error_code {
    ERROR_NONE = 0,
    ERROR_MESSAGE_FAILED = 7000,
    ERROR_MESSAGE_NOT_SUPPORTED = 7001,
    ERROR_REQUEST_DENIED = 7002,
    ERROR_INTERNAL = 7003,
    ERROR_INVALID_ARGUMENTS = 7004,
    ERROR_RESOURCES_EXCEEDED = 7005,
    ERROR_PERMISSION_DENIED = 7006,
    ERROR_INVALID_CONFIGURATION = 7007,
    ERROR_INVALID_PATH_SYNTAX = 7008,
    ERROR_PARAMETER_ACTION_FAILED = 7009,
    ERROR_UNSUPPORTED_PARAMETER = 7010,
    ERROR_INVALID_TYPE = 7011,
    ERROR_INVALID_VALUE = 7012,
    ERROR_PARAMETER_READ_ONLY = 7013,
    ERROR_VALUE_CONFLICT = 7014,
    ERROR_OPERATION_ERROR = 7015,
    ERROR_OBJECT_DOES_NOT_EXIST = 7016,
    ERROR_OBJECT_NOT_CREATED = 7017,
    ERROR_OBJECT_NOT_TABLE = 7018,
    ERROR_OBJECT_NOT_CREATABLE = 7019,
    ERROR_OBJECT_NOT_UPDATED = 7020,
    ERROR_REQUIRED_PARAMETER_FAILED = 7021,
    ERROR_COMMAND_FAILURE = 7022,
    ERROR_COMMAND_CANCELLED = 7023,
    ERROR_OBJECT_NOT_DELETABLE = 7024,
    ERROR_UNIQUE_KEY_CONFLICT = 7025,
    ERROR_INVALID_PATH = 7026,
    ERROR_INVALID_COMMAND_ARGUMENTS = 7027,
    ERROR_RECORD_NOT_PARSED = 7100,
    ERROR_SECURE_SESSION_REQUIRED = 7101,
    ERROR_SECURE_SESSION_NOT_SUPPORTED = 7102,
    ERROR_SEGMENTATION_NOT_SUPPORTED = 7103,
    ERROR_INVALID_RECORD_VALUE = 7104,
    ERROR_SESSION_CONTEXT_TERMINATED = 7105,
    ERROR_SESSION_CONTEXT_NOT_ALLOWED = 7106,
};

struct error {
    uint32_t code;
    char path[ERROR_PATH_BYTES];       /* model path, file:line or peer; may be empty */
    char message[ERROR_MESSAGE_BYTES]; /* what is wrong and what to do */
};

/* Fills *err (if not NULL) and returns -1, so that a function can `return error_set(...)`. path may be NULL. */
int error_set(struct error *err, uint32_t code, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int error_set_va(struct error *err, uint32_t code, const char *path, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

/* The same, with ": strerror(error_number)" appended. */
int error_set_errno(struct error *err, uint32_t code, const char *path, int error_number, const char *fmt,
                    ...) __attribute__((format(printf, 5, 6)));

void error_clear(struct error *err);

/* The standard's short text of a code; "Unknown error" for a code that the table does not have. */
const char *error_text(uint32_t code);

/* The CWMP fault code (9000..) that says the same as a USP code. */
uint32_t error_cwmp_fault(uint32_t code);

#endif
