/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of an MQTT client, given to libmosquitto. */
#include <netinet/in.h>
#include <string.h>

#include "base/str.h"
#include "transports/mqtt_internal.h"

enum {
    SEND_MAXIMUM = 1000, /* QoS 1 messages in flight, unless the broker takes fewer */
    ALPN_BYTES = 512,
};

/* libmosquitto knows only the address that it connects to; the server is asked for by the name in the settings. */
static void on_tls_state(const SSL *ssl, int where, int value)
{
    const struct mqtt_session *session = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    unsigned char binary[sizeof(struct in6_addr)];
    bool is_address;

    (void)value;
    if (!(where & SSL_CB_HANDSHAKE_START))
        return;
    is_address = uv_inet_pton(AF_INET, session->host, binary) == 0 ||
                 uv_inet_pton(AF_INET6, session->host, binary) == 0;
    SSL_set_tlsext_host_name((SSL *)ssl, is_address ? NULL : session->host);
}

static int on_verify(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct mqtt_session *session = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    if (!good)
        session->refused = X509_STORE_CTX_get_error(store);
    return good;
}

/* "a,b" as the handshake has it: each name after its length. */
static int offer_protocols(SSL_CTX *tls, const char *names)
{
    struct str rest = str_of(names);
    struct str name;
    uint8_t wire[ALPN_BYTES];
    size_t len = 0;

    while (str_next(&rest, ',', &name)) {
        name = str_trim(name);
        if (!name.len || name.len > UINT8_MAX || name.len >= sizeof(wire) - len)
            return -1;
        wire[len++] = (uint8_t)name.len;
        memcpy(wire + len, name.data, name.len);
        len += name.len;
    }
    return len && SSL_CTX_set_alpn_protos(tls, wire, (unsigned)len) != 0 ? -1 : 0;
}

static int set_up_tls(struct mqtt_session *session, const struct mqtt_settings *settings, struct error *err)
{
    session->tls = tls_context_new(&settings->tls_settings, TLS_CLIENT, settings->host, err);
    if (!session->tls)
        return -1;
    SSL_CTX_set_app_data(session->tls, session);
    SSL_CTX_set_verify(session->tls, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_info_callback(session->tls, on_tls_state);
    if (settings->alpn && *settings->alpn && offer_protocols(session->tls, settings->alpn) < 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, settings->host,
                         "\"%s\" is no list of application protocols", settings->alpn);
    if (mosquitto_void_option(session->mosq, MOSQ_OPT_SSL_CTX, session->tls) != 0 ||
        mosquitto_int_option(session->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) != 0)
        return error_set(err, ERROR_INTERNAL, settings->host, "libmosquitto has no TLS");
    return 0;
}

static int set_up_will(struct mqtt_session *session, const struct mqtt_settings *settings)
{
    const struct mqtt_will *will = &settings->will;
    mosquitto_property *properties = NULL;
    int rc = 0;

    if (!will->topic)
        return 0;
    if (session->version == MQTT_5_0)
        rc = mqtt_will_properties(&properties, settings);
    if (!rc)
        rc = mosquitto_will_set_v5(session->mosq, will->topic, (int)will->len, will->payload, will->qos,
                                   will->retain, properties);
    if (rc)
        mosquitto_property_free_all(&properties);
    return rc;
}

static int set_up_properties(struct mqtt_session *session, const struct mqtt_settings *settings)
{
    mosquitto_property *properties = NULL;
    int rc;

    if (session->version != MQTT_5_0)
        return 0;
    rc = mqtt_connect_properties(&properties, settings);
    /* Only the blocking function takes properties. It keeps them before it looks at the port, which is refused here. */
    if (!rc &&
        mosquitto_connect_bind_v5(session->mosq, settings->host, -1, 0, NULL, properties) != MOSQ_ERR_INVAL)
        rc = MOSQ_ERR_UNKNOWN;
    mosquitto_property_free_all(&properties);
    return rc;
}

int mqtt_session_set_up(struct mqtt_session *session, const struct mqtt_settings *settings, struct error *err)
{
    int rc;

    rc = mosquitto_int_option(session->mosq, MOSQ_OPT_PROTOCOL_VERSION, settings->version);
    if (!rc)
        rc = mosquitto_int_option(session->mosq, MOSQ_OPT_TCP_NODELAY, 1);
    if (!rc)
        rc = mosquitto_int_option(session->mosq, MOSQ_OPT_SEND_MAXIMUM, SEND_MAXIMUM);
    if (!rc)
        rc = mosquitto_username_pw_set(session->mosq, settings->username, settings->password);
    if (!rc)
        rc = set_up_will(session, settings);
    if (!rc)
        rc = set_up_properties(session, settings);
    if (rc)
        return error_set(err, ERROR_INVALID_CONFIGURATION, settings->host,
                         "these MQTT settings cannot be used: %s", mosquitto_strerror(rc));
    return settings->tls ? set_up_tls(session, settings, err) : 0;
}
