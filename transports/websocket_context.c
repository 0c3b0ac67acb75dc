/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/limits.h"
#include "transports/websocket_internal.h"

enum {
    KEEP_FILES = 64, /* left to the rest of the program */
    /* lws sizes two tables by RLIMIT_NOFILE, which may be a million: this many files are enough for it. */
    TABLE_FILES = LIMIT_CONNECTIONS + KEEP_FILES,
    SERVICE_BYTES = 8192,    /* lws's one buffer for reading */
    READ_BYTES = 8188,       /* per connection with a subprotocol (controllers) */
    READ_BYTES_PLAIN = 1020, /* per connection without one (devices, of which there are many) */
    WRITE_BYTES = 1 << 30,   /* a frame is handed to the socket in one piece */
    HANDSHAKE_S = 20,
    /* Iterations of the loop until lws's handles are closed: connections in the first, its own in the second. */
    CLOSING_TURNS = 4,
};

const lws_retry_bo_t websocket_no_pings = {0};

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);

static struct link *link_of(struct lws *wsi)
{
    return lws_get_opaque_user_data(wsi);
}

/* A TLS server's SSL_CTX is made by lws; what is in it is ours, as for all other transports. */
static int set_up_server_tls(SSL_CTX *ctx, struct lws_vhost *host)
{
    const struct tls_settings *settings = lws_get_vhost_user(host);

    if (!settings)
        return 0;
    /* lws would look for another host by the name that the client asks for. */
    SSL_CTX_set_tlsext_servername_callback(ctx, NULL);
    return tls_context_configure(ctx, settings, TLS_SERVER, NULL, NULL);
}

static int on_destroyed(struct lws *wsi)
{
    struct link *link = link_of(wsi);
    struct websocket_context *context = lws_context_user(lws_get_context(wsi));

    if (!link)
        return 0;
    lws_set_opaque_user_data(wsi, NULL);
    link->wsi = NULL;
    if (link->counted)
        context->links--;
    listener_peer_leave(context, link->peer);
    link->destroyed(link);
    return 0;
}

static int on_created(struct lws *wsi)
{
    struct websocket_context *context = lws_context_user(lws_get_context(wsi));
    struct link *link = context->adopting;

    if (link) {
        context->adopting = NULL;
        context->links++;
        link->counted = true;
        link->wsi = wsi;
        lws_set_opaque_user_data(wsi, link);
    }
    return 0;
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct link *link;

    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        return set_up_server_tls(user, in);
    case LWS_CALLBACK_WSI_CREATE:
        return on_created(wsi);
    case LWS_CALLBACK_WSI_DESTROY:
        return on_destroyed(wsi);
    case LWS_CALLBACK_CLIENT_CONFIRM_EXTENSION_SUPPORTED:
    case LWS_CALLBACK_CONFIRM_EXTENSION_OKAY:
        return 1; /* what is offered and answered are headers of ours */
    case LWS_CALLBACK_PROTOCOL_INIT:
    case LWS_CALLBACK_PROTOCOL_DESTROY:
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS:
    case LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION:
    case LWS_CALLBACK_GET_THREAD_ID:
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
    case LWS_CALLBACK_VHOST_CERT_AGING:
        return 0;
    default:
        break;
    }
    link = wsi ? link_of(wsi) : NULL;
    if (!link)
        return 0;
    link->wsi = wsi; /* of a client, known from its first callback on */
    return link->handle(link, reason, in, len);
}

/* ---- virtual hosts ---- */

static void describe_protocols(struct websocket_context *context, struct lws_protocols *protocols)
{
    protocols[0] = (struct lws_protocols){
        .name = "", .callback = on_lws, .rx_buffer_size = READ_BYTES_PLAIN, .tx_packet_size = WRITE_BYTES};
    for (size_t i = 0; i < WEBSOCKET_SUBPROTOCOLS; i++)
        protocols[1 + i] = (struct lws_protocols){.name = context->names[i],
                                                  .callback = on_lws,
                                                  .rx_buffer_size = READ_BYTES,
                                                  .tx_packet_size = WRITE_BYTES};
    protocols[1 + WEBSOCKET_SUBPROTOCOLS] = (struct lws_protocols){0};
}

static struct lws_vhost *host_new(struct websocket_context *context, SSL_CTX *client_ctx,
                                  const struct tls_settings *server)
{
    struct lws_protocols protocols[WEBSOCKET_SUBPROTOCOLS + 2]; /* lws copies them */
    struct lws_context_creation_info info = {
        .port = server ? CONTEXT_PORT_NO_LISTEN_SERVER : CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .extensions = context->extensions,
        .retry_and_idle_policy = &websocket_no_pings,
        .vhost_name = "homepatch",
        .user = (void *)server,
        .provided_client_ssl_ctx = client_ctx,
        .alpn = "http/1.1",
        .http_proxy_address = "", /* else it follows the environment */
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
    };

    if (!context->host)
        info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    if (server)
        info.options |= LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
    describe_protocols(context, protocols);
    return lws_create_vhost(context->lws, &info);
}

struct lws_vhost *websocket_host_new(struct websocket_context *context, SSL_CTX *client_ctx,
                                     const struct tls_settings *server, struct error *err)
{
    struct lws_vhost *host;
    SSL_CTX *trial;

    if (server) {
        /* lws does not say what is wrong with certificate or key. */
        trial = tls_context_new(server, TLS_SERVER, NULL, err);
        if (!trial)
            return NULL;
        SSL_CTX_free(trial);
    }
    host = host_new(context, client_ctx, server);
    if (!host)
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "libwebsockets cannot make a virtual host");
    return host;
}

int websocket_context_use(struct websocket_context *context, const char *subprotocol, struct error *err)
{
    int place = -1;

    if (!subprotocol || !*subprotocol)
        return 0;
    if (strlen(subprotocol) >= WEBSOCKET_SUBPROTOCOL_BYTES)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "the subprotocol is too long");
    for (int i = 0; i < WEBSOCKET_SUBPROTOCOLS; i++) {
        if (context->uses[i] && strcmp(context->names[i], subprotocol) == 0) {
            context->uses[i]++;
            return 0;
        }
        if (!context->uses[i] && place < 0)
            place = i;
    }
    if (place < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %d subprotocols",
                         WEBSOCKET_SUBPROTOCOLS);
    /* lws's tables of protocols point here. */
    str_copy(context->names[place], WEBSOCKET_SUBPROTOCOL_BYTES, subprotocol);
    context->uses[place] = 1;
    return 0;
}

void websocket_context_unuse(struct websocket_context *context, const char *subprotocol)
{
    if (!subprotocol || !*subprotocol)
        return;
    for (int i = 0; i < WEBSOCKET_SUBPROTOCOLS; i++) {
        if (!context->uses[i] || strcmp(context->names[i], subprotocol) != 0)
            continue;
        if (!--context->uses[i])
            context->names[i][0] = '\0';
        return;
    }
}

/* ---- extensions ---- */

/* lws makes one for a connection when a server answers with its name: none, for it has nothing to do with frames. */
static int on_extension(struct lws_context *lws, const struct lws_extension *extension, struct lws *wsi,
                        enum lws_extension_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)lws;
    (void)extension;
    (void)wsi;
    (void)user;
    (void)in;
    (void)len;
    return reason == LWS_EXT_CB_CLIENT_CONSTRUCT || reason == LWS_EXT_CB_CONSTRUCT;
}

size_t websocket_extension_name(const char *extension)
{
    return strcspn(extension, "; ");
}

int websocket_context_extend(struct websocket_context *context, const char *extension, struct error *err)
{
    size_t len = extension ? websocket_extension_name(extension) : 0;

    if (!len)
        return 0;
    for (int i = 0; len < WEBSOCKET_EXTENSION_BYTES && i < WEBSOCKET_EXTENSIONS; i++) {
        char *name = context->extension_names[i];

        if (context->extensions[i].callback && (strlen(name) != len || memcmp(name, extension, len) != 0))
            continue;
        memcpy(name, extension, len);
        context->extensions[i] = (struct lws_extension){
            .name = name, .callback = on_extension, .client_offer = name};
        return 0;
    }
    return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "too many extensions, or too long a name");
}

void link_kill(struct link *link)
{
    if (!link->wsi)
        return;
    lws_set_timeout(link->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
}

void link_peer_name(const struct link *link, char *to, size_t size)
{
    static const char mapped[] = "::ffff:"; /* an IPv4 peer of an IPv6 socket */

    if (!lws_get_peer_simple(link->wsi, to, size))
        to[0] = '\0';
    if (strncmp(to, mapped, strlen(mapped)) == 0)
        memmove(to, to + strlen(mapped), strlen(to) - strlen(mapped) + 1);
}

/* ---- the context ---- */

static struct lws_context *create(struct websocket_context *context)
{
    void *loops[] = {&context->loop->uv};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .foreign_loops = loops,
        .user = context,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .pt_serv_buf_size = SERVICE_BYTES,
        .timeout_secs = HANDSHAKE_S,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
    };
    struct lws_context *lws;
    struct rlimit old;
    struct rlimit lower;
    bool lowered = false;

    lws_set_log_level(0, NULL); /* what matters is in errors */
    if (getrlimit(RLIMIT_NOFILE, &old) == 0 && old.rlim_cur > TABLE_FILES) {
        lower = (struct rlimit){.rlim_cur = TABLE_FILES, .rlim_max = old.rlim_max};
        lowered = setrlimit(RLIMIT_NOFILE, &lower) == 0;
    }
    context->max_links = (old.rlim_cur > TABLE_FILES ? TABLE_FILES : (size_t)old.rlim_cur) - KEEP_FILES;
    lws = lws_create_context(&info);
    if (lowered)
        setrlimit(RLIMIT_NOFILE, &old);
    return lws;
}

struct websocket_context *websocket_context_new(struct loop *loop, struct error *err)
{
    struct websocket_context *context = calloc(1, sizeof(*context));

    if (!context) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    context->loop = loop;
    map_init(&context->peers);
    context->lws = create(context);
    if (!context->lws) {
        error_set(err, ERROR_INTERNAL, NULL,
                  "cannot start libwebsockets (is its libuv plugin, libwebsockets-evlib-uv, installed?)");
        free(context);
        return NULL;
    }
    uv_idle_init(&loop->uv, &context->closing);
    context->closing.data = context;
    context->host = host_new(context, NULL, NULL);
    if (!context->host) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "libwebsockets cannot make a virtual host");
        websocket_context_free(context);
        return NULL;
    }
    return context;
}

static void on_closing_closed(uv_handle_t *handle)
{
    struct websocket_context *context = handle->data;

    output_chunk_free(context->spare);
    listener_peers_done(context);
    free(context);
}

static void on_closing(uv_idle_t *idle)
{
    struct websocket_context *context = idle->data;

    if (--context->closing_turns)
        return;
    /* The second call frees it: now that the loop has closed all handles that are part of it. */
    lws_context_destroy(context->lws);
    uv_close((uv_handle_t *)idle, on_closing_closed);
}

void websocket_context_free(struct websocket_context *context)
{
    if (!context)
        return;
    loop_run_deferred(context->loop); /* hosts and connections that wait to be closed */
    lws_context_destroy(context->lws);
    context->closing_turns = CLOSING_TURNS;
    uv_idle_start(&context->closing, on_closing);
}
