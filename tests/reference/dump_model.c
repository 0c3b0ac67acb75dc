/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prints the declared data model, one line each: path, kind, access, type, flags, least, most, values, default, keys. For
 * tests/reference/run, which compares it with TR-181, and for docs/data-model.md.
 */
#include <inttypes.h>
#include <stdio.h>

#include "datamodel/device/model.h"

static const char *type_name(enum dm_type type)
{
    static const char *const names[] = {
        [DM_STRING] = "string",
        [DM_BOOLEAN] = "boolean",
        [DM_INT] = "int",
        [DM_UNSIGNED_INT] = "unsignedInt",
        [DM_LONG] = "long",
        [DM_UNSIGNED_LONG] = "unsignedLong",
        [DM_DATE_TIME] = "dateTime",
        [DM_BASE64] = "base64",
        [DM_HEX_BINARY] = "hexBinary",
        [DM_ENUM] = "string",
    };

    return names[type];
}

static void print_values(const char *const *values)
{
    for (size_t i = 0; values && values[i]; i++)
        printf("%s%s", i ? "|" : "", values[i]);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* Line ends escaped: each parameter is one line here. */
static void print_default(const char *text)
{
    for (; text && *text; text++) {
        if (*text == '\r' || *text == '\n')
            fputs(*text == '\r' ? "\\r" : "\\n", stdout);
        else
            putchar(*text);
    }
}

static void print_param(const char *object, const struct dm_param *param)
{
    printf("%s%s\tparam\t%s\t%s\t", object, param->name,
           param->flags & (DM_WRITABLE | DM_AT_CREATION) ? "readWrite" : "readOnly", type_name(param->type));
    printf("%s%s%s%s\t", param->flags & DM_LIST ? "list " : "", param->flags & DM_STRONG_REF ? "strong " : "",
           param->flags & DM_WEAK_REF ? "weak " : "", param->flags & DM_SECRET ? "secret " : "");
    printf("%" PRId64 "\t%" PRId64 "\t", param->min, param->max);
    print_values(param->values);
    putchar('\t');
    print_default(param->default_value);
    printf("\t%s\n", or_empty(param->refers));
}

static void print_args(const char *object, const char *owner, const char *kind, const struct dm_arg *arg)
{
    for (; arg && arg->name; arg++) {
        printf("%s%s %s\t%s\t%s\t%s\t\t%" PRId64 "\t%" PRId64 "\t", object, owner, arg->name, kind,
               arg->required ? "mandatory" : "", type_name(arg->type), arg->min, arg->max);
        print_values(arg->values);
        printf("\t%s\t\n", or_empty(arg->default_value));
    }
}

static void print_keys(const struct dm_key *key)
{
    for (size_t n = 0; key && key->params[0]; key++, n++) {
        printf("%s", n ? "; " : "");
        for (size_t i = 0; i < sizeof(key->params) / sizeof(key->params[0]) && key->params[i]; i++)
            printf("%s%s", i ? "," : "", key->params[i]);
    }
}

static void print_object(const struct dm_mount *mount)
{
    const struct dm_object *object = mount->object;

    printf("%s\tobject\t%s\t%s\t\t0\t0\t\t\t", mount->path,
           object->flags & (DM_ADD | DM_DELETE) ? "readWrite" : "readOnly",
           object->flags & DM_TABLE ? "table" : "object");
    print_keys(object->keys);
    printf("\n");
    for (const struct dm_param *param = object->params; param && param->name; param++)
        print_param(mount->path, param);
    for (const struct dm_command *command = object->commands; command && command->name; command++) {
        printf("%s%s\tcommand\t\t%s\t\t0\t0\t\t\t\n", mount->path, command->name,
               command->async ? "async" : "sync");
        print_args(mount->path, command->name, "input", command->inputs);
        print_args(mount->path, command->name, "output", command->outputs);
    }
    for (const struct dm_event_type *event = object->events; event && event->name; event++) {
        printf("%s%s\tevent\t\t\t\t0\t0\t\t\t\n", mount->path, event->name);
        print_args(mount->path, event->name, "argument", event->args);
    }
}

int main(void)
{
    for (size_t i = 0; i < model_mounts_count; i++)
        print_object(&model_mounts[i]);
    return 0;
}
