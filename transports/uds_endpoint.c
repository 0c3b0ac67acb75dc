/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "transports/uds_internal.h"

enum {
    BACKLOG = 512,
    AGAIN_MS = 1000,
    /* R-UDS.5: again after a random 1 to 5 s; the back-off with these values is in that range. */
    RETRY_MINIMUM_S = 1,
    RETRY_MULTIPLIER = 5000,
};

struct uds_server {
    struct uds_endpoint endpoint; /* first */
    uv_pipe_t listener;
    struct timer again; /* takes the waiting connection when there was no memory for it */
};

struct uds_client {
    struct uds_endpoint endpoint; /* first */
    struct timer retry;
};

/* ---- both ---- */

int uds_endpoint_init(struct uds_endpoint *endpoint, struct loop *loop, const char *path, const char *name,
                      const struct uds_ops *ops, void *ctx, struct error *err)
{
    if (!*path || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return error_set(err, ERROR_INVALID_VALUE, path, "the path of a UNIX socket has 1 to 107 bytes");
    endpoint->path = str_dup(path, strlen(path));
    endpoint->name = str_dup(name, strlen(name));
    if (!endpoint->path || !endpoint->name) {
        free(endpoint->path);
        free(endpoint->name);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory");
    }
    endpoint->loop = loop;
    endpoint->ops = ops;
    endpoint->ctx = ctx;
    endpoint->refs = 1;
    return 0;
}

void uds_endpoint_unref(struct uds_endpoint *endpoint)
{
    if (--endpoint->refs)
        return;
    output_chunk_free(endpoint->spare);
    free(endpoint->input);
    free(endpoint->path);
    free(endpoint->name);
    free(endpoint);
}

/* ---- server ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct uds_server *server = listener->data;
    bool full = server->endpoint.count >= server->endpoint.loop->limits->local_connections;
    struct uds *uds;

    if (status < 0)
        return; /* libuv calls again for the next one */
    uds = uds_connection_new(&server->endpoint);
    if (!uds) {
        /* libuv goes on listening only after it was taken. */
        timer_arm(&server->endpoint.loop->timers, &server->again, AGAIN_MS);
        return;
    }
    uds_connection_accept(uds, listener);
    if (full)
        uds_connection_drop(uds);
}

static void on_again(struct timer *timer, void *ctx)
{
    struct uds_server *server = ctx;

    (void)timer;
    on_connection((uv_stream_t *)&server->listener, 0);
}

/* A socket file that nobody listens on is what a process left that was killed. */
static bool is_stale(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    bool stale;
    int fd;

    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    str_copy(address.sun_path, sizeof(address.sun_path), path);
    stale = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_listener(struct uds_server *server, mode_t mode, struct error *err)
{
    const char *path = server->endpoint.path;
    int rc = uv_pipe_bind(&server->listener, path);

    if (rc == UV_EADDRINUSE && is_stale(path) && unlink(path) == 0)
        rc = uv_pipe_bind(&server->listener, path);
    if (rc == UV_EADDRINUSE)
        return error_set(err, ERROR_INVALID_CONFIGURATION, path,
                         "another process listens here, or it is no socket");
    if (rc < 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, path, "cannot create the socket: %s",
                         uv_strerror(rc));
    /* Nobody can connect before listen(), so nobody sees the permissions that the umask gave. */
    if (chmod(path, mode) < 0)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, path, errno,
                               "cannot set the mode of the socket");
    rc = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    if (rc < 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, path, "cannot listen: %s", uv_strerror(rc));
    return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct uds_server *server = handle->data;

    uds_endpoint_unref(&server->endpoint);
}

struct uds_server *uds_server_new(struct loop *loop, const char *path, mode_t mode, const char *name,
                                  const struct uds_ops *ops, void *ctx, struct error *err)
{
    struct uds_server *server = calloc(1, sizeof(*server));
    int rc;

    if (!server) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory");
        return NULL;
    }
    if (uds_endpoint_init(&server->endpoint, loop, path, name, ops, ctx, err) < 0) {
        free(server);
        return NULL;
    }
    server->endpoint.is_server = true;
    timer_init(&server->again, on_again, server);
    rc = uv_pipe_init(&loop->uv, &server->listener, 0);
    if (rc < 0) {
        error_set(err, ERROR_INTERNAL, path, "%s", uv_strerror(rc));
        uds_endpoint_unref(&server->endpoint);
        return NULL;
    }
    server->listener.data = server;
    if (bind_listener(server, mode, err) < 0) {
        uv_close((uv_handle_t *)&server->listener, on_listener_closed);
        return NULL;
    }
    return server;
}

void uds_server_free(struct uds_server *server)
{
    struct error err;

    if (!server)
        return;
    server->endpoint.gone = true;
    timer_cancel(&server->endpoint.loop->timers, &server->again);
    error_set(&err, ERROR_INTERNAL, server->endpoint.path, "this side stops listening");
    while (server->endpoint.first)
        uds_connection_end(server->endpoint.first, &err);
    uv_close((uv_handle_t *)&server->listener, on_listener_closed); /* removes the file, too */
}

/* ---- client ---- */

static void connect_client(struct uds_client *client)
{
    struct uds *uds = uds_connection_new(&client->endpoint);

    if (uds)
        uds_connection_connect(uds);
    else
        timer_arm(&client->endpoint.loop->timers, &client->retry, AGAIN_MS);
}

static void on_retry(struct timer *timer, void *ctx)
{
    (void)timer;
    connect_client(ctx);
}

static void on_client_ended(struct uds_endpoint *endpoint, struct uds *uds)
{
    struct uds_client *client = (struct uds_client *)endpoint;

    (void)uds;
    if (!endpoint->gone)
        timer_arm(&endpoint->loop->timers, &client->retry,
                  timer_backoff(RETRY_MINIMUM_S, RETRY_MULTIPLIER, 1, 0));
}

struct uds_client *uds_client_new(struct loop *loop, const char *path, const char *name,
                                  const struct uds_ops *ops, void *ctx, struct error *err)
{
    struct uds_client *client = calloc(1, sizeof(*client));

    if (!client) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory");
        return NULL;
    }
    if (uds_endpoint_init(&client->endpoint, loop, path, name, ops, ctx, err) < 0) {
        free(client);
        return NULL;
    }
    client->endpoint.ended = on_client_ended;
    timer_init(&client->retry, on_retry, client);
    connect_client(client);
    return client;
}

void uds_client_free(struct uds_client *client)
{
    if (!client)
        return;
    client->endpoint.gone = true;
    timer_cancel(&client->endpoint.loop->timers, &client->retry);
    while (client->endpoint.first)
        uds_connection_drop(client->endpoint.first);
    uds_endpoint_unref(&client->endpoint);
}
