/* SPDX-License-Identifier: BSD-3-Clause */
/* What doctor knows: the configuration, the agent's model, and whether the agent can be asked for it at all. */
#include "config.h"

#include "tools/homepatch/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    PATH_BYTES = 640,
};

/* ---- reading what is known ---- */

static const char *line_value(const struct doctor *doctor, const struct conf_line *lines, const char *key)
{
    for (const struct conf_line *line = lines; line; line = line->next)
        if (str_is(line->key, key))
            return app_copy(doctor->app, line->value);
    return "";
}

const char *doctor_config(const struct doctor *doctor, const char *key)
{
    static const char *const defaults[][2] = {
        {"state_dir", "/var/lib/homepatch"},
        {"cache_dir", "/var/cache/homepatch"},
        {"cache_size", "256M"},
        {"factory_file", "/etc/homepatch/factory.conf"},
        {"parallel_installs", "4"},
    };
    const char *value = line_value(doctor, doctor->config, key);

    for (size_t i = 0; !value[0] && i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (strcmp(key, defaults[i][0]) == 0)
            return defaults[i][1];
    return value;
}

const char *doctor_factory(const struct doctor *doctor, const char *path)
{
    return line_value(doctor, doctor->factory, path);
}

struct tls_settings doctor_tls(const struct doctor *doctor)
{
    const char *ca = doctor_config(doctor, "tls_ca_file");
    const char *certificate = doctor_config(doctor, "tls_certificate_file");
    const char *key = doctor_config(doctor, "tls_key_file");

    return (struct tls_settings){.ca_file = ca[0] ? ca : NULL,
                                 .certificate_file = certificate[0] ? certificate : NULL,
                                 .key_file = key[0] ? key : NULL};
}

const char *doctor_get(const struct doctor *doctor, const char *fmt, ...)
{
    char path[PATH_BYTES];
    const char *value;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    value = map_get(&doctor->values, str_of(path));
    return value ? value : "";
}

bool doctor_true(const char *value)
{
    return strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
}

uint16_t doctor_port(const char *value)
{
    uint64_t port;

    return str_to_u64(str_of(value), &port) == 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static unsigned instance_below(struct str path, const char *table)
{
    struct str rest;

    return inventory_instance(path, str_of(table), &rest);
}

/* The map has no order; tables here have few rows, and each round looks for the next number. */
static unsigned next_instance(const struct doctor *doctor, const char *table, unsigned after)
{
    unsigned best = 0;
    size_t at = 0;
    const char *value;

    /* A value is kept right behind its key: see remember(). */
    while ((value = map_next(&doctor->values, &at)) != NULL) {
        const char *key = value + strlen(value) + 1;
        unsigned instance = instance_below(str_of(key), table);

        if (instance > after && (!best || instance < best))
            best = instance;
    }
    return best;
}

unsigned doctor_rows(struct doctor *doctor, const char *table, doctor_row_fn *fn, void *ctx)
{
    unsigned instance = 0;
    unsigned count = 0;

    while ((instance = next_instance(doctor, table, instance)) != 0) {
        count++;
        if (fn)
            fn(doctor, instance, ctx);
    }
    return count;
}

bool doctor_exists(const struct doctor *doctor, const char *row)
{
    const char *dot = strrchr(row, '.');
    char table[PATH_BYTES];
    uint64_t wanted;
    unsigned found;

    if (!dot || str_to_u64(str_of(dot + 1), &wanted) < 0 || !wanted)
        return false;
    snprintf(table, sizeof(table), "%.*s", (int)(dot + 1 - row), row);
    found = next_instance(doctor, table, (unsigned)wanted - 1);
    return found == wanted;
}

/* Keeps "value\0path" so that the map can be walked by path. */
static void remember(struct doctor *doctor, struct str path, struct str value)
{
    char *both = arena_alloc(doctor->arena, value.len + path.len + 2);
    char *key;

    if (!both)
        return;
    memcpy(both, value.data, value.len);
    both[value.len] = '\0';
    key = both + value.len + 1;
    memcpy(key, path.data, path.len);
    key[path.len] = '\0';
    map_put(&doctor->values, (struct str){key, path.len}, both);
}

static int on_value(void *ctx, const struct usp_client_fact *fact)
{
    char path[PATH_BYTES];
    int len = snprintf(path, sizeof(path), "%.*s%.*s", (int)fact->path.len, fact->path.data,
                       (int)fact->name.len, fact->name.data);

    if (fact->kind == USP_FACT_VALUE && len < (int)sizeof(path))
        remember(ctx, (struct str){path, (size_t)len}, fact->value);
    return 0;
}

/* ---- the agent ---- */

static void use_factory(struct doctor *doctor)
{
    for (const struct conf_line *line = doctor->factory; line; line = line->next)
        remember(doctor, line->key, line->value);
    if (doctor->factory)
        doctor_warn(
            doctor, "factory_file",
            "the agent cannot be asked: what follows is checked with the factory configuration, which "
            "may have been changed since",
            "");
}

static void explain_socket(struct doctor *doctor, const struct error *err)
{
    const char *path = doctor->app->options.socket;
    const char *factory = doctor_factory(doctor, "Device.UnixDomainSockets.UnixDomainSocket.1.Path");

    if (factory[0] && strcmp(factory, path) != 0)
        doctor_fail(
            doctor, "Device.UnixDomainSockets.UnixDomainSocket.1.Path",
            doctor_text(doctor, "no agent at %s, while the factory configuration says %s", path, factory),
            doctor_text(doctor, "homepatch --socket %s doctor", factory));
    else
        doctor_fail(
            doctor, "Device.UnixDomainSockets.UnixDomainSocket.1.Path",
            doctor_text(doctor, "no agent at %s: %s", path, err->message),
            "start the agent (systemctl status homepatchd says why it is not running) with a "
            "Device.UnixDomainSockets.UnixDomainSocket. row of Mode Listen, and an enabled "
            "Device.LocalAgent.MTP. row of Protocol UDS that refers to it; see that you may use the socket");
}

static bool read_model(struct doctor *doctor, struct error *err)
{
    static const char *const paths[] = {"Device.LocalAgent.EndpointID",
                                        "Device.LocalAgent.MTP.",
                                        "Device.LocalAgent.Controller.",
                                        "Device.LocalAgent.Request.",
                                        "Device.LocalAgent.ControllerTrust.",
                                        "Device.MQTT.",
                                        "Device.UnixDomainSockets.",
                                        "Device.Hosts.HostNumberOfEntries",
                                        "Device.Hosts." VENDOR_PREFIX "Scan.",
                                        "Device." VENDOR_PREFIX "Releases.",
                                        "Device.LocalAgent." VENDOR_PREFIX "Containment."};
    struct str list[sizeof(paths) / sizeof(paths[0])];
    struct app *app = doctor->app;
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);
    size_t count = sizeof(paths) / sizeof(paths[0]);

    for (size_t i = 0; i < count; i++)
        list[i] = str_of(paths[i]);
    usp_client_get(&message, msg_id, list, count, 0);
    error_clear(err);
    return session_ask(&app->session, &message, on_value, doctor, err) == OUTCOME_DONE &&
           doctor_get(doctor, "Device.LocalAgent.EndpointID")[0];
}

static void compare_ids(struct doctor *doctor)
{
    const char *id = doctor_get(doctor, "Device.LocalAgent.EndpointID");
    const char *factory = doctor_factory(doctor, "Device.LocalAgent.EndpointID");

    if (factory[0] && strcmp(factory, id) != 0)
        doctor_warn(doctor, "Device.LocalAgent.EndpointID",
                    doctor_text(doctor, "the agent is %s, the factory configuration says %s", id, factory),
                    "controllers must know the agent by the first; a factory reset makes it the second");
    else
        doctor_ok(doctor, "Device.LocalAgent.EndpointID", doctor_text(doctor, "%s runs and answers", id));
}

void doctor_agent(struct doctor *doctor)
{
    struct app *app = doctor->app;
    struct session_settings settings = {app->options.socket, app->options.endpoint, APP_ANSWER_MS / 2};
    struct error err;

    if (session_open(&app->session, &settings, &err) != OUTCOME_DONE) {
        explain_socket(doctor, &err);
        use_factory(doctor);
        return;
    }
    /* From here on an interrupt may simply end the program: nothing was left at the agent, and probes block. */
    for (int i = 0; i < 2; i++)
        uv_signal_stop(&app->session.signals[i]);
    doctor->live = read_model(doctor, &err);
    if (doctor->live) {
        compare_ids(doctor);
        return;
    }
    doctor_fail(
        doctor, "Device.LocalAgent.Controller.{i}.EndpointID",
        doctor_text(doctor, "the agent %s runs, but does not answer %s: %s", app->session.agent,
                    app->options.endpoint,
                    err.message[0] ? err.message : "its role may not read Device.LocalAgent."),
        doctor_text(doctor,
                    "give the factory configuration, or the agent through another controller, an enabled row "
                    "Device.LocalAgent.Controller.{i}. with EndpointID %s and AssignedRole "
                    "Device.LocalAgent.ControllerTrust.Role.1",
                    app->options.endpoint));
    use_factory(doctor);
}

struct own_row {
    const char *endpoint;
    unsigned found;
};

static void find_own(struct doctor *doctor, unsigned instance, void *ctx)
{
    struct own_row *own = ctx;

    if (strcmp(doctor_get(doctor, "Device.LocalAgent.Controller.%u.EndpointID", instance), own->endpoint) ==
        0)
        own->found = instance;
}

/* Whether what this program shows is all there is. */
void doctor_command_line(struct doctor *doctor)
{
    struct own_row own = {doctor->app->options.endpoint, 0};
    const char *role;

    if (!doctor->live)
        return;
    doctor_rows(doctor, "Device.LocalAgent.Controller.", find_own, &own);
    role = doctor_get(doctor, "Device.LocalAgent.Controller.%u.AssignedRole", own.found);
    if (!own.found)
        doctor_warn(doctor, "Device.LocalAgent.Controller.{i}.AssignedRole",
                    doctor_text(doctor, "%s cannot see its own row: its role hides things from this program",
                                own.endpoint),
                    "give its row the AssignedRole Device.LocalAgent.ControllerTrust.Role.1");
    else if (strcmp(doctor_get(doctor, "%s.Name", role), "Full Access") != 0)
        doctor_warn(doctor, doctor_text(doctor, "Device.LocalAgent.Controller.%u.AssignedRole", own.found),
                    doctor_text(doctor,
                                "%s has not the role Full Access: devices and parameters may be hidden",
                                own.endpoint),
                    "set it to Device.LocalAgent.ControllerTrust.Role.1");
    else
        doctor_ok(doctor, "", "this program sees all of the agent");
}
