/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/lan_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/host_port.h"
#include "base/limits.h"
#include "base/log.h"
#include "devices/lan_websocket.h"

enum {
    PING_S = 30,
    PORT_DEFAULT = 80,
    ADDRESS_BYTES = 64,
    /* Between attempts: from 2 s to ten minutes, as devices that restart are back soon and those that are gone stay away. */
    RETRY_MIN_S = 1,
    RETRY_MULTIPLIER = 2000,
    RETRY_MAX_S = 600,
    STEADY_MS = 2000,    /* a connection that held for so long, and that we did not end, was a good one */
    TOLD_FAILURES = 3,   /* in a row, before the log says that a device is not to be had */
    CLOSE_POLICY = 1008, /* RFC 6455, 7.4.1 */
    PASSWORD_MAX = 256,
};

struct client {
    struct lan_session lan; /* first: dialects hand it back to us */
    struct lan_client *owner;
    struct client *next;
    const struct dialect *dialect;
    void *dialect_ctx;
    char *entry;
    char *host;
    char *password; /* NULL: none */
    uint16_t port;
    char address[ADDRESS_BYTES];
    struct websocket_client *attempt; /* the attempt or the connection; NULL while waiting for the next */
    struct websocket *ws;             /* NULL: not open */
    struct timer timer;
    struct rate new_devices;
    uint32_t failures; /* in a row */
    uint64_t opened_at;
    bool refused; /* this side closes */
};

struct lan_client {
    struct loop *loop;
    struct websocket_context *context; /* NULL: not started */
    struct client *clients;
    uint32_t count;
};

static uint64_t now_ms(const struct client *client)
{
    return clock_monotonic(&client->owner->loop->clock);
}

/* ---- connections ---- */

static void retry_later(struct client *client)
{
    uint64_t wait = timer_backoff(RETRY_MIN_S, RETRY_MULTIPLIER, ++client->failures, RETRY_MAX_S);

    if (timer_arm(&client->owner->loop->timers, &client->timer, wait) < 0)
        log_warning("no memory to try %s again", client->entry);
}

static void on_opened(void *ctx, struct websocket *ws, X509 *peer_certificate)
{
    struct client *client = ctx;

    (void)peer_certificate; /* devices offer no TLS here */
    client->ws = ws;
    client->refused = false;
    client->opened_at = now_ms(client);
    websocket_peer_address(ws, client->address, sizeof(client->address));
    client->lan = (struct lan_session){
        .address = client->address,
        .path = client->dialect->websocket_server_path,
        .local = lan_address_is_local(client->address),
        .outbound = true,
        .entry = client->entry,
        .password = client->password,
        .new_devices = &client->new_devices,
    };
    if (client->dialect->opened(client->dialect_ctx, &client->lan) == 0)
        return;
    client->lan.peer = NULL;
    websocket_close(ws, CLOSE_POLICY, "out of memory");
}

static void on_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    struct client *client = ctx;

    (void)ws;
    client->dialect->message(client->dialect_ctx, &client->lan, binary, data, len);
}

static void on_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct client *client = ctx;

    (void)code;
    if (ws) {
        client->ws = NULL;
        if (!client->refused && now_ms(client) - client->opened_at >= STEADY_MS)
            client->failures = 0;
        client->dialect->closed(client->dialect_ctx, &client->lan);
    } else if (client->failures + 1 == TOLD_FAILURES) {
        log_failure(LOG_LEVEL_WARNING, "a device that the gateway is to connect to", err);
    }
    retry_later(client);
}

static const struct websocket_ops client_ops = {
    .opened = on_opened, .message = on_message, .closed = on_closed};

static void on_timer(struct timer *timer, void *ctx)
{
    struct client *client = ctx;
    struct websocket_client_settings settings = {
        .host = client->host,
        .port = client->port,
        .path = client->dialect->websocket_server_path,
        .ping_s = PING_S,
        .max_message = LIMIT_LAN_FRAME_BYTES,
    };
    struct error err = {0};

    (void)timer;
    websocket_client_free(client->attempt);
    client->attempt = websocket_client_new(client->owner->context, &settings, &client_ops, client, &err);
    if (client->attempt)
        return;
    log_failure(LOG_LEVEL_WARNING, "a device that the gateway is to connect to", &err);
    retry_later(client);
}

/* ---- the list ---- */

static void client_free(struct client *client)
{
    timer_cancel(&client->owner->loop->timers, &client->timer);
    if (client->ws)
        client->dialect->closed(client->dialect_ctx, &client->lan);
    websocket_client_free(client->attempt);
    if (client->password)
        explicit_bzero(client->password, strlen(client->password));
    free(client->password);
    free(client->entry);
    free(client->host);
    free(client);
}

/* "name", "name:80", "fd00::1", "[fd00::1]:80". */
static int split_entry(struct str entry, struct host_port *ret, struct error *err)
{
    if (host_port_split(entry, HOST_PORT_OPTIONAL | HOST_PORT_BARE_IPV6, NULL, ret, err) < 0)
        return -1;
    if (memchr(ret->host.data, ' ', ret->host.len) || memchr(ret->host.data, '/', ret->host.len))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "\"%.*s\" is no address with or without a port",
                         (int)(entry.len > 80 ? 80 : entry.len), entry.data);
    return 0;
}

static struct client *find(const struct lan_client *lan, struct str entry)
{
    for (struct client *client = lan->clients; client; client = client->next)
        if (str_is(entry, client->entry))
            return client;
    return NULL;
}

static int add_one(struct lan_client *lan, const struct dialect *dialect, void *dialect_ctx, struct str entry,
                   struct error *err)
{
    struct client *client;
    struct host_port address = {.port = 0};

    if (split_entry(entry, &address, err) < 0)
        return -1;
    if (find(lan, entry))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "\"%.*s\" is listed twice",
                         (int)(entry.len > 80 ? 80 : entry.len), entry.data);
    if (lan->count >= lan->loop->limits->lan_clients)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "too many devices are listed (%s is %u)",
                         LIMIT_SAYS(lan->loop->limits, lan_clients));
    client = calloc(1, sizeof(*client));
    if (client) {
        client->owner = lan;
        timer_init(&client->timer, on_timer, client);
        client->entry = str_dup(entry.data, entry.len);
        client->host = str_dup(address.host.data, address.host.len);
    }
    if (!client || !client->entry || !client->host) {
        if (client)
            client_free(client);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    }
    client->dialect = dialect;
    client->dialect_ctx = dialect_ctx;
    client->port = address.has_port ? address.port : PORT_DEFAULT;
    client->next = lan->clients;
    lan->clients = client;
    lan->count++;
    return 0;
}

int lan_client_add(struct lan_client *lan, const struct dialect *dialect, void *dialect_ctx, const char *list,
                   struct error *err)
{
    struct str rest = str_of(list), entry;

    while (str_next(&rest, ',', &entry)) {
        if (add_one(lan, dialect, dialect_ctx, str_trim(entry), err) < 0)
            return -1;
    }
    return 0;
}

/* ---- passwords ---- */

static int check_file(const char *file, struct error *err)
{
    struct stat st;

    if (stat(file, &st) < 0)
        return error_set(err, ERROR_INTERNAL, file, "cannot read it: %s", strerror(errno));
    if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) ||
        (st.st_uid != geteuid() && st.st_uid != 0))
        return error_set(err, ERROR_INVALID_VALUE, file,
                         "passwords are in it: it must be a file of the agent's user with mode 0600");
    return 0;
}

static const struct conf_line *line_of(const struct conf_line *lines, const struct client *client)
{
    for (; lines; lines = lines->next)
        if (str_is(lines->key, client->entry))
            return lines;
    return NULL;
}

/* The file says nothing that cannot be taken, so that taking it needs nothing but memory. */
static int check_lines(const struct lan_client *lan, const char *file, const struct conf_line *lines,
                       struct error *err)
{
    for (; lines; lines = lines->next) {
        if (!find(lan, lines->key))
            return conf_error(file, lines->number, err, "\"%.*s\" is not listed as a device to connect to",
                              (int)(lines->key.len > 80 ? 80 : lines->key.len), lines->key.data);
        if (!lines->value.len || lines->value.len > PASSWORD_MAX ||
            memchr(lines->value.data, '\0', lines->value.len))
            return conf_error(file, lines->number, err, "a password has 1 to %d bytes", PASSWORD_MAX);
    }
    return 0;
}

static int take_password(struct client *client, const struct conf_line *line, struct error *err)
{
    char *password = line ? str_dup(line->value.data, line->value.len) : NULL;

    if (line && !password)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    if (client->password && password && strcmp(client->password, password) == 0) {
        explicit_bzero(password, line->value.len);
        free(password);
        return 0;
    }
    if (client->ws && (client->password || password))
        websocket_close(client->ws, CLOSE_POLICY, "another password was configured");
    if (client->password)
        explicit_bzero(client->password, strlen(client->password));
    free(client->password);
    client->password = password;
    client->lan.password = password;
    client->failures = 0;
    return 0;
}

int lan_client_passwords(struct lan_client *lan, const char *file, struct error *err)
{
    struct conf_line *lines = NULL;
    struct arena arena;
    int result;

    arena_init(&arena, 0);
    result = check_file(file, err);
    if (result == 0)
        result = conf_read(&arena, file, &lines, err);
    if (result == 0)
        result = check_lines(lan, file, lines, err);
    for (struct client *client = lan->clients; result == 0 && client; client = client->next)
        result = take_password(client, line_of(lines, client), err);
    for (; lines; lines = lines->next)
        explicit_bzero((void *)lines->value.data, lines->value.len);
    arena_done(&arena);
    return result;
}

/* ---- all of it ---- */

struct lan_client *lan_client_new(struct loop *loop)
{
    struct lan_client *lan = calloc(1, sizeof(*lan));

    if (lan)
        lan->loop = loop;
    return lan;
}

void lan_client_free(struct lan_client *lan)
{
    struct client *client;

    while (lan && (client = lan->clients)) {
        lan->clients = client->next;
        client_free(client);
    }
    free(lan);
}

void lan_client_start(struct lan_client *lan, struct websocket_context *context)
{
    lan->context = context;
    for (struct client *client = lan->clients; client; client = client->next)
        timer_arm(&lan->loop->timers, &client->timer, 0);
}

int lan_client_send(struct lan_session *session, bool binary, const void *data, size_t len, struct error *err)
{
    struct client *client = (struct client *)session;

    return lan_websocket_write(client->ws, session->address, binary, data, len, err);
}

void lan_client_close(struct lan_session *session, const char *reason)
{
    struct client *client = (struct client *)session;

    client->refused = true;
    if (client->ws)
        websocket_close(client->ws, CLOSE_POLICY, reason);
}
