/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/home.h"

#include <stdlib.h>
#include <string.h>

#include "base/host_port.h"
#include "devices/dialects/dialect.h"
#include "devices/dialects/topics.h"
#include "devices/lan_client.h"
#include "devices/lan_mqtt.h"
#include "devices/lan_websocket.h"

enum {
    DIALECTS_MAX = 16,
};

struct home {
    struct loop *loop;
    struct registry *registry;
    struct lan lan;
    struct dialect_host host;
    const struct dialect *dialects[DIALECTS_MAX];
    void *contexts[DIALECTS_MAX];
    size_t count;
    struct lan_mqtt *mqtt;
    struct lan_websocket *websocket;
    struct lan_client *clients;
    char *passwords_file; /* NULL: none */
    char *source;
    char *endpoint_id;
};

/* ---- what dialects may do; those who tidy up while the home ends find no network any more ---- */

static int publish(void *ctx, const struct mqtt_publication *publication, struct error *err)
{
    struct home *home = ctx;

    return lan_mqtt_publish(home->mqtt, publication, err);
}

static int subscribe(void *ctx, const char *topic, struct error *err)
{
    struct home *home = ctx;

    return lan_mqtt_subscribe(home->mqtt, topic, err);
}

static int unsubscribe(void *ctx, const char *topic, struct error *err)
{
    struct home *home = ctx;

    return home->mqtt ? lan_mqtt_unsubscribe(home->mqtt, topic, err) : 0;
}

static int session_send(void *ctx, struct lan_session *session, bool binary, const void *data, size_t len,
                        struct error *err)
{
    (void)ctx;
    return session->outbound ? lan_client_send(session, binary, data, len, err)
                             : lan_websocket_send(session, binary, data, len, err);
}

static void session_close(void *ctx, struct lan_session *session, const char *reason)
{
    (void)ctx;
    if (session->outbound)
        lan_client_close(session, reason);
    else
        lan_websocket_close(session, reason);
}

/* ---- what comes in ---- */

static void on_message(void *ctx, const struct mqtt_message *message)
{
    struct home *home = ctx;

    for (size_t i = 0; i < home->count; i++)
        if (home->dialects[i]->mqtt_message && home->dialects[i]->mqtt_message(home->contexts[i], message))
            return;
}

static void on_broker(void *ctx, bool connected)
{
    struct home *home = ctx;

    for (size_t i = 0; i < home->count; i++)
        if (home->dialects[i]->broker)
            home->dialects[i]->broker(home->contexts[i], connected);
}

static const struct dialect *find_dialect(void *ctx, const char *path, void **ret_dialect_ctx)
{
    struct home *home = ctx;

    for (size_t i = 0; i < home->count; i++) {
        if (home->dialects[i]->websocket_path && strcmp(home->dialects[i]->websocket_path, path) == 0) {
            *ret_dialect_ctx = home->contexts[i];
            return home->dialects[i];
        }
    }
    return NULL;
}

static const struct lan_mqtt_ops mqtt_ops = {.message = on_message, .broker = on_broker};
static const struct lan_websocket_ops websocket_ops = {.find = find_dialect};

/* ---- life ---- */

static void add_subscription(void *ctx, const char *topic)
{
    struct home *home = ctx;

    lan_mqtt_subscribe(home->mqtt, topic, NULL);
}

static int create_dialects(struct home *home, const struct home_settings *settings)
{
    const char *source = settings->source ? settings->source : LAN_SOURCE;
    const struct dialect *dialect;

    home->source = str_dup(source, strlen(source));
    if (!home->source ||
        str_replace(&home->endpoint_id, settings->endpoint_id ? settings->endpoint_id : "") < 0)
        return -1;
    home->host = (struct dialect_host){
        .registry = home->registry,
        .timers = &home->loop->timers,
        .clock = &home->loop->clock,
        .lan = &home->lan,
        .source = home->source,
        .endpoint_id = home->endpoint_id,
        .device_credentials = settings->device_credentials,
        .authority = settings->authority,
        .homeassistant_prefix = settings->homeassistant_prefix && settings->homeassistant_prefix[0]
                                    ? settings->homeassistant_prefix
                                    : NULL,
        .homeassistant_birth = settings->homeassistant_birth,
        .zigbee2mqtt_topics = settings->zigbee2mqtt_topics,
        .zigbee2mqtt_hex_topics = settings->zigbee2mqtt_hex_topics,
    };
    for (size_t i = 0; home->count < DIALECTS_MAX && (dialect = dialect_at(i)); i++) {
        home->contexts[home->count] = dialect->create(&home->host);
        if (!home->contexts[home->count])
            return -1;
        home->dialects[home->count++] = dialect;
        if (dialect->subscriptions)
            dialect->subscriptions(home->contexts[home->count - 1], add_subscription, home);
    }
    return 0;
}

struct home *home_new(struct loop *loop, struct store *store, struct firmware *firmware,
                      const struct home_settings *settings, struct error *err)
{
    struct home *home = calloc(1, sizeof(*home));

    if (home) {
        home->loop = loop;
        home->lan = (struct lan){home, publish, subscribe, unsubscribe, session_send, session_close};
        home->registry = registry_new(store, &loop->clock, firmware, loop->limits);
        home->mqtt = lan_mqtt_new(loop, &mqtt_ops, home);
        home->websocket = lan_websocket_new(loop, &websocket_ops, home);
        home->clients = lan_client_new(loop);
    }
    if (home && home->registry)
        home->registry->hub = settings->gateway;
    if (!home || !home->registry || !home->mqtt || !home->websocket || !home->clients ||
        create_dialects(home, settings) < 0) {
        home_free(home);
        error_set(err, ERROR_INTERNAL, NULL, "out of memory");
        return NULL;
    }
    return home;
}

struct registry *home_registry(struct home *home)
{
    return home->registry;
}

/* Each device that came from the store meets its dialect. */
static int restore_devices(struct home *home)
{
    for (uint32_t i = 0; i < home->registry->count; i++) {
        struct device *device = home->registry->devices[i];

        for (size_t k = 0; k < home->count; k++)
            if (home->dialects[k] == device->dialect &&
                device->dialect->restore(home->contexts[k], device) < 0)
                return -1;
    }
    return 0;
}

static int start_mqtt(struct home *home, const struct home_settings *settings, struct error *err)
{
    char host[HOST_PORT_HOST_BYTES];
    struct lan_mqtt_settings mqtt = {
        .host = host,
        .username = settings->mqtt_username && settings->mqtt_username[0] ? settings->mqtt_username : NULL,
        .password = settings->mqtt_password && settings->mqtt_password[0] ? settings->mqtt_password : NULL,
        .tls = settings->mqtt_tls,
        .tls_settings = settings->mqtt_tls_settings,
    };

    if (!settings->mqtt_broker || !settings->mqtt_broker[0])
        return 0;
    if (host_port_parse(str_of(settings->mqtt_broker), 0, "lan_mqtt_broker", host, &mqtt.port, err) < 0)
        return -1;
    return lan_mqtt_start(home->mqtt, &mqtt, err);
}

/* The first that a dialect asks for: no two ask for different ones. */
static const char *subprotocol(const struct home *home)
{
    for (size_t i = 0; i < home->count; i++)
        if (home->dialects[i]->websocket_subprotocol)
            return home->dialects[i]->websocket_subprotocol;
    return NULL;
}

static int start_websocket(struct home *home, struct websocket_context *context,
                           const struct home_settings *settings, struct error *err)
{
    char host[HOST_PORT_HOST_BYTES];
    struct lan_websocket_settings websocket = {
        .address = host,
        .tls = settings->websocket_tls,
        .subprotocol = subprotocol(home),
        .tls_settings = settings->websocket_tls_settings,
    };

    if (!settings->websocket_listen || !settings->websocket_listen[0])
        return 0;
    if (host_port_parse(str_of(settings->websocket_listen), HOST_PORT_LISTEN, "lan_websocket_listen", host,
                        &websocket.port, err) < 0)
        return -1;
    return lan_websocket_start(home->websocket, context, &websocket, err);
}

static void *context_of(struct home *home, const struct dialect *dialect)
{
    for (size_t i = 0; dialect && i < home->count; i++)
        if (home->dialects[i] == dialect)
            return home->contexts[i];
    return NULL;
}

static int list_clients(struct home *home, const struct home_settings *settings, struct error *err)
{
    const struct dialect *dialect = dialect_find("shelly");

    if (!settings->shelly_devices || !settings->shelly_devices[0])
        return 0;
    if (!dialect)
        return error_set(err, ERROR_INVALID_VALUE, "shelly_devices", "this build has no Shelly dialect");
    if (lan_client_add(home->clients, dialect, context_of(home, dialect), settings->shelly_devices, err) <
        0) {
        if (err)
            str_copy(err->path, sizeof(err->path), "shelly_devices");
        return -1;
    }
    if (!settings->shelly_passwords_file || !settings->shelly_passwords_file[0])
        return 0;
    if (str_replace(&home->passwords_file, settings->shelly_passwords_file) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    return home_reload(home, err);
}

int home_reload(struct home *home, struct error *err)
{
    return home->passwords_file ? lan_client_passwords(home->clients, home->passwords_file, err) : 0;
}

int home_load(struct home *home, struct error *err)
{
    if (registry_load(home->registry, dialect_find, err) < 0)
        return -1;
    if (!home->host.device_credentials)
        registry_drop_credentials(home->registry);
    return restore_devices(home) < 0 ? error_set(err, ERROR_INTERNAL, NULL, "out of memory") : 0;
}

int home_start(struct home *home, struct websocket_context *context, const struct home_settings *settings,
               struct error *err)
{
    if (registry_resume(home->registry, err) < 0 || list_clients(home, settings, err) < 0 ||
        start_websocket(home, context, settings, err) < 0)
        return -1;
    lan_client_start(home->clients, context);
    return start_mqtt(home, settings, err);
}

void home_free(struct home *home)
{
    if (!home)
        return;
    /* Ending the connections makes no device offline for those above; then devices go, then who spoke for them. */
    if (home->registry)
        registry_detach(home->registry);
    lan_client_free(home->clients);
    lan_websocket_free(home->websocket);
    lan_mqtt_free(home->mqtt);
    home->mqtt = NULL;
    registry_free(home->registry);
    for (size_t i = 0; i < home->count; i++)
        home->dialects[i]->destroy(home->contexts[i]);
    free(home->passwords_file);
    free(home->source);
    free(home->endpoint_id);
    free(home);
}

void home_end_refused(struct home *home, tls_refused_fn *refused, void *ctx)
{
    lan_websocket_end_refused(home->websocket, refused, ctx);
}

uint16_t home_websocket_port(const struct home *home)
{
    return lan_websocket_port(home->websocket);
}

bool home_broker_connected(const struct home *home)
{
    return lan_mqtt_connected(home->mqtt);
}
