/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection by libmosquitto without its thread: its socket is polled by the loop. Where the library would block or spin
 * it is led around that: names are resolved before, the host name for SNI is put in place when the TLS handshake begins,
 * and what to wait for during the handshake is asked of OpenSSL.
 */
#include <errno.h>
#include <openssl/err.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/str.h"
#include "transports/mqtt_internal.h"

enum {
    READS_PER_TURN = 256,
    KEEP_ALIVE_MINIMUM_S = 5, /* libmosquitto's */
};

/* The poll handle is its own: libuv is done with it later than the socket. */
struct poller {
    uv_poll_t handle;
    struct mqtt_session *session;
};

static void look(struct mqtt_session *session);

/* libmosquitto takes errors that others left in OpenSSL's queue for its own. */
static void forget_tls_errors(const struct mqtt_session *session)
{
    if (session->tls)
        ERR_clear_error();
}

/* ---- the end of a connection ---- */

static void on_poller_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void stop_polling(struct mqtt_session *session)
{
    if (!session->poller)
        return;
    uv_poll_stop(&session->poller->handle);
    session->poller->session = NULL;
    uv_close((uv_handle_t *)&session->poller->handle, on_poller_closed);
    session->poller = NULL;
    session->events = 0;
    session->corked = false;
}

static const char *text_of(const struct mqtt_session *session, int rc, int number)
{
    /* A reason code of DISCONNECT and the library's own errors share one number; the latter are small. */
    if (session->version == MQTT_5_0 && rc >= MQTT_REASON_REFUSED)
        return mosquitto_reason_string(rc);
    if (rc == MOSQ_ERR_ERRNO)
        return number ? strerror(number) : "the connection was lost";
    return mosquitto_strerror(rc);
}

static void describe(const struct mqtt_session *session, int rc, int number, struct error *err)
{
    if (session->refused)
        error_set(err, ERROR_INTERNAL, session->host, "the broker's certificate is refused: %s",
                  X509_verify_cert_error_string(session->refused));
    else if (session->log[0])
        error_set(err, ERROR_INTERNAL, session->host, "TLS fails: %s", session->log);
    else
        error_set(err, ERROR_INTERNAL, session->host, "%s (port %u)", text_of(session, rc, number),
                  session->port);
}

/* The connection is gone or could not be made: tells the client, once. */
static void lost(struct mqtt_session *session, int rc, int number)
{
    struct error err = session->why;

    if (session->ended)
        return;
    session->ended = true;
    session->connected = false;
    stop_polling(session);
    mqtt_session_drop_subscriptions(session);
    mqtt_waiting_drop_unacknowledged(&session->waiting);
    if (!err.code)
        describe(session, rc, number, &err);
    if (session->client)
        mqtt_client_lost(session->client, &err);
}

void mqtt_session_close(struct mqtt_session *session)
{
    session->ended = true;
    session->connected = false;
    stop_polling(session);
    mqtt_session_drop_subscriptions(session);
    mqtt_waiting_drop_unacknowledged(&session->waiting);
    /* libmosquitto closes the socket when it connects anew or is destroyed. */
}

/* ---- callbacks of libmosquitto ---- */

static void on_connect(struct mosquitto *mosq, void *ctx, int rc, int flags,
                       const mosquitto_property *properties)
{
    struct mqtt_session *session = ctx;
    struct mqtt_connack connack = {.session_present = flags & 1};
    SSL *ssl = mosquitto_ssl_get(session->mosq);
    struct mqtt_limits limits = {.keep_alive_s = session->keep_alive_s, .maximum_qos = 2};
    char *text = NULL;

    (void)mosq;
    if (!session->client || session->ended)
        return;
    if (rc != 0) {
        mosquitto_property_read_string(properties, MQTT_PROP_REASON_STRING, &text, false);
        error_set(&session->why, ERROR_INTERNAL, session->host, "the broker refuses the connection: %s%s%s",
                  session->version == MQTT_5_0 ? mosquitto_reason_string(rc) : mosquitto_connack_string(rc),
                  text ? ": " : "", text ? text : "");
        free(text);
        return; /* the end follows */
    }
    session->connected = true;
    mosquitto_property_read_int16(properties, MQTT_PROP_SERVER_KEEP_ALIVE, &limits.keep_alive_s, false);
    mosquitto_property_read_byte(properties, MQTT_PROP_MAXIMUM_QOS, &limits.maximum_qos, false);
    if (ssl)
        connack.peer_chain = SSL_get0_verified_chain(ssl);
    if (mqtt_connack_read(properties, &connack) == 0)
        mqtt_client_connected(session->client, &connack, &limits);
    else
        error_set(&session->why, ERROR_RESOURCES_EXCEEDED, session->host, "out of memory");
    mqtt_connack_free(&connack);
}

static void on_disconnect(struct mosquitto *mosq, void *ctx, int rc, const mosquitto_property *properties)
{
    struct mqtt_session *session = ctx;
    int number = errno;
    char *text = NULL;

    (void)mosq;
    if (rc >= MQTT_REASON_REFUSED && !session->why.code) {
        mosquitto_property_read_string(properties, MQTT_PROP_REASON_STRING, &text, false);
        error_set(&session->why, ERROR_INTERNAL, session->host, "the broker disconnects: %s%s%s",
                  mosquitto_reason_string(rc), text ? ": " : "", text ? text : "");
        free(text);
    }
    lost(session, rc, number);
}

static void on_publish(struct mosquitto *mosq, void *ctx, int mid, int rc,
                       const mosquitto_property *properties)
{
    struct mqtt_session *session = ctx;

    (void)mosq;
    (void)rc;
    (void)properties;
    if (!mqtt_waiting_remove(&session->waiting, mid) && session->publishing)
        session->published = mid;
}

static void on_subscribe(struct mosquitto *mosq, void *ctx, int mid, int count, const int *granted,
                         const mosquitto_property *properties)
{
    (void)mosq;
    (void)properties;
    mqtt_session_subscribed(ctx, mid, count, granted);
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *from,
                       const mosquitto_property *properties)
{
    struct mqtt_session *session = ctx;
    char *response_topic = NULL;
    char *content_type = NULL;
    struct mqtt_message message = {
        .topic = from->topic,
        .payload = from->payload,
        .len = from->payloadlen > 0 ? (size_t)from->payloadlen : 0,
        .qos = from->qos,
        .retain = from->retain,
    };

    (void)mosq;
    session->heard++;
    if (!session->client || session->ended || message.len > LIMIT_RECORD_BYTES)
        return;
    if (properties) {
        mosquitto_property_read_string(properties, MQTT_PROP_RESPONSE_TOPIC, &response_topic, false);
        mosquitto_property_read_string(properties, MQTT_PROP_CONTENT_TYPE, &content_type, false);
        message.response_topic = response_topic;
        message.content_type = content_type;
    }
    mqtt_client_message(session->client, &message);
    free(response_topic);
    free(content_type);
}

static void on_log(struct mosquitto *mosq, void *ctx, int level, const char *text)
{
    struct mqtt_session *session = ctx;
    const char *reason = strrchr(text, ':');

    (void)mosq;
    /* "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed": the end is for people. */
    if (level == MOSQ_LOG_ERR && strstr(text, "OpenSSL"))
        str_copy(session->log, sizeof(session->log), reason ? reason + 1 : text);
}

/* ---- polling ---- */

static int wanted_events(struct mqtt_session *session)
{
    SSL *ssl = mosquitto_ssl_get(session->mosq);

    if (session->connecting)
        return UV_WRITABLE;
    if (ssl && !SSL_is_init_finished(ssl))
        return SSL_want_write(ssl) ? UV_WRITABLE : UV_READABLE;
    return UV_READABLE | (mosquitto_want_write(session->mosq) ? UV_WRITABLE : 0);
}

/* Why there is no TCP connection; 0 when there is one. */
static int connect_error(struct mqtt_session *session)
{
    int fd = mosquitto_socket(session->mosq);
    struct sockaddr_storage peer;
    socklen_t len = sizeof(int);
    int number = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0)
        return errno;
    if (number)
        return number;
    /* With TLS libmosquitto writes at once, and so was told before us. */
    len = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
        return session->connect_number ? session->connect_number : errno;
    return 0;
}

/* TLS is not there yet. Returns false when it failed. */
static bool shake_hands(struct mqtt_session *session)
{
    int number;
    SSL *ssl;
    int rc;

    errno = 0;
    rc = mosquitto_loop_read(session->mosq, 1);
    number = errno;
    ssl = mosquitto_ssl_get(session->mosq);
    /* libmosquitto takes a connection that was reset for one that takes its time. */
    if (rc == MOSQ_ERR_SUCCESS && ssl && !SSL_is_init_finished(ssl) && number && number != EAGAIN &&
        number != EWOULDBLOCK && number != EINTR)
        rc = MOSQ_ERR_ERRNO;
    if (rc != MOSQ_ERR_SUCCESS)
        lost(session, rc, number);
    return !session->ended;
}

static void read_packets(struct mqtt_session *session)
{
    bool more = true;

    for (int i = 0; more && session->client && !session->ended; i++) {
        unsigned heard = session->heard;
        SSL *ssl;
        int rc;

        errno = 0;
        rc = mosquitto_loop_read(session->mosq, 1);
        if (rc != MOSQ_ERR_SUCCESS) {
            lost(session, rc, errno); /* unless on_disconnect() was called */
            return;
        }
        /*
         * What OpenSSL has taken out of the socket, no poll will tell of. After a message, errno is that of the answer:
         * libmosquitto writes a byte into a pipe of its own for each, which nobody reads and which is full.
         */
        more = i < READS_PER_TURN && (session->heard != heard || (errno != EAGAIN && errno != EWOULDBLOCK));
        ssl = mosquitto_ssl_get(session->mosq);
        if (ssl && SSL_pending(ssl) > 0)
            more = true;
    }
}

static void write_packets(struct mqtt_session *session)
{
    int rc;

    if (!session->client || session->ended || !mosquitto_want_write(session->mosq))
        return;
    errno = 0;
    rc = mosquitto_loop_write(session->mosq, 1);
    if (rc != MOSQ_ERR_SUCCESS)
        lost(session, rc, errno);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct poller *poller = handle->data;
    struct mqtt_session *session = poller->session;
    SSL *ssl;
    int number;

    if (!session)
        return;
    if (status < 0) {
        lost(session, MOSQ_ERR_ERRNO, -status);
        return;
    }
    if (session->connecting) {
        number = connect_error(session);
        if (number) {
            lost(session, MOSQ_ERR_ERRNO, number);
            return;
        }
        session->connecting = false;
    }
    forget_tls_errors(session);
    ssl = mosquitto_ssl_get(session->mosq);
    if (ssl && !SSL_is_init_finished(ssl)) {
        if (shake_hands(session))
            look(session);
        return;
    }
    if (events & UV_READABLE)
        read_packets(session);
    write_packets(session);
    look(session);
}

/* Polls for what libmosquitto wants now. */
static void look(struct mqtt_session *session)
{
    int events;
    int rc;

    if (!session->client || session->ended || !session->poller)
        return;
    if (mosquitto_socket(session->mosq) < 0) {
        lost(session, MOSQ_ERR_CONN_LOST, 0);
        return;
    }
    events = wanted_events(session);
    if (events == session->events)
        return;
    session->events = events;
    rc = uv_poll_start(&session->poller->handle, events, on_poll);
    if (rc < 0)
        lost(session, MOSQ_ERR_ERRNO, -rc);
}

static void set_cork(struct mqtt_session *session, int on)
{
    int fd = mosquitto_socket(session->mosq);

    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
    session->corked = on;
}

static void on_settle(void *ctx)
{
    struct mqtt_session *session = ctx;

    if (session->corked)
        set_cork(session, 0);
    look(session);
}

/* libmosquitto writes each packet at once. The kernel holds them until the end of the iteration, so that many share one
 * segment. */
void mqtt_session_settle(struct mqtt_session *session)
{
    forget_tls_errors(session);
    loop_defer(session->loop, &session->settle);
    if (!session->corked && !session->ended && session->connected)
        set_cork(session, 1);
}

void mqtt_session_tick(struct mqtt_session *session)
{
    int rc;

    forget_tls_errors(session);
    errno = 0;
    rc = mosquitto_loop_misc(session->mosq);
    if (rc != MOSQ_ERR_SUCCESS)
        lost(session, rc, errno);
    else
        look(session);
}

/* ---- connecting ---- */

static void say_goodbye(struct mqtt_session *session)
{
    if (session->corked)
        set_cork(session, 0);
    forget_tls_errors(session);
    /* R-MQTT.35: after what is queued, as far as the socket takes it now. */
    if (session->goodbye && mosquitto_want_write(session->mosq))
        mosquitto_loop_write(session->mosq, 1);
    session->goodbye = false;
}

void mqtt_session_disconnect(struct mqtt_session *session)
{
    bool was_connected = session->connected;

    if (session->corked)
        set_cork(session, 0);
    mqtt_session_close(session);
    if (!was_connected)
        return;
    /* Written now, or queued when this is inside a callback. */
    mosquitto_disconnect_v5(session->mosq, 0, session->extras->disconnect);
    session->goodbye = true;
}

int mqtt_session_connect(struct mqtt_session *session, const char *address, struct error *err)
{
    struct poller *poller;
    int fd;
    int rc;

    say_goodbye(session);
    mqtt_session_close(session);
    session->why = (struct error){0};
    session->log[0] = '\0';
    session->refused = X509_V_OK;
    forget_tls_errors(session);
    errno = 0;
    rc = mosquitto_connect_async(session->mosq, address, session->port, session->keep_alive_s);
    session->connect_number = errno;
    if (rc != MOSQ_ERR_SUCCESS) {
        describe(session, rc, errno, err);
        return -1;
    }
    poller = calloc(1, sizeof(*poller));
    if (!poller)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, session->host, "out of memory");
    fd = mosquitto_socket(session->mosq);
    rc = uv_poll_init_socket(&session->loop->uv, &poller->handle, fd);
    if (rc < 0) {
        free(poller);
        return error_set(err, ERROR_INTERNAL, session->host, "cannot wait for the broker: %s",
                         uv_strerror(rc));
    }
    poller->handle.data = poller;
    poller->session = session;
    session->poller = poller;
    session->connecting = true;
    session->ended = false;
    look(session);
    return 0;
}

/* ---- making and letting go ---- */

static void set_callbacks(struct mosquitto *mosq)
{
    mosquitto_connect_v5_callback_set(mosq, on_connect);
    mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
    mosquitto_publish_v5_callback_set(mosq, on_publish);
    mosquitto_subscribe_v5_callback_set(mosq, on_subscribe);
    mosquitto_message_v5_callback_set(mosq, on_message);
    mosquitto_log_callback_set(mosq, on_log);
}

static void destroy(void *ctx)
{
    struct mqtt_session *session = ctx;

    if (session->mosq)
        say_goodbye(session);
    loop_undefer(session->loop, &session->settle);
    mosquitto_destroy(session->mosq);
    mosquitto_lib_cleanup();
    SSL_CTX_free(session->tls);
    mqtt_session_drop_subscriptions(session);
    mqtt_waiting_done(&session->waiting);
    free(session->host);
    free(session);
}

struct mqtt_session *mqtt_session_new(struct mqtt_client *client, struct loop *loop,
                                      const struct mqtt_settings *settings, const struct mqtt_extras *extras,
                                      struct error *err)
{
    struct mqtt_session *session = calloc(1, sizeof(*session));
    const char *id = settings->client_id && *settings->client_id ? settings->client_id : NULL;

    if (!session) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, settings->host, "out of memory");
        return NULL;
    }
    session->client = client;
    session->loop = loop;
    session->extras = extras;
    session->version = settings->version;
    session->port = settings->port;
    session->ended = true;
    session->keep_alive_s = settings->keep_alive_s;
    if (settings->keep_alive_s && settings->keep_alive_s < KEEP_ALIVE_MINIMUM_S)
        session->keep_alive_s = KEEP_ALIVE_MINIMUM_S;
    session->settle = (struct deferred){.fn = on_settle, .ctx = session};
    session->destroy = (struct deferred){.fn = destroy, .ctx = session};
    session->host = str_dup(settings->host, strlen(settings->host));
    mosquitto_lib_init(); /* the library counts, so each session may ask for it */
    /* A client without a name has no session to come back to. */
    session->mosq = mosquitto_new(id, id ? settings->clean : true, session);
    if (!session->host || !session->mosq) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, settings->host, "out of memory, or an unusable client id");
        destroy(session);
        return NULL;
    }
    set_callbacks(session->mosq);
    if (mqtt_session_set_up(session, settings, err) < 0) {
        destroy(session);
        return NULL;
    }
    return session;
}

void mqtt_session_free(struct mqtt_session *session)
{
    if (!session)
        return;
    session->client = NULL;
    mqtt_session_disconnect(session);
    loop_defer(session->loop, &session->destroy); /* maybe inside a callback of libmosquitto */
}
