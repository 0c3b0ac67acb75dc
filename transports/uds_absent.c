/* SPDX-License-Identifier: BSD-3-Clause */
/* The UNIX socket in a build without it (configure --without-uds). */
#include "transports/uds.h"

const bool uds_available = false;

static int absent(const char *path, struct error *err)
{
    return error_set(err, ERROR_MESSAGE_NOT_SUPPORTED, path, "this program was built without UNIX sockets");
}

struct uds_server *uds_server_new(struct loop *loop, const char *path, mode_t mode, const char *name,
                                  const struct uds_ops *ops, void *ctx, struct error *err)
{
    (void)loop;
    (void)mode;
    (void)name;
    (void)ops;
    (void)ctx;
    absent(path, err);
    return NULL;
}

void uds_server_free(struct uds_server *server)
{
    (void)server;
}

struct uds_client *uds_client_new(struct loop *loop, const char *path, const char *name,
                                  const struct uds_ops *ops, void *ctx, struct error *err)
{
    (void)loop;
    (void)name;
    (void)ops;
    (void)ctx;
    absent(path, err);
    return NULL;
}

void uds_client_free(struct uds_client *client)
{
    (void)client;
}

int uds_send(struct uds *uds, struct buf *record)
{
    (void)uds;
    (void)record;
    return -1;
}

void uds_close(struct uds *uds, const char *text)
{
    (void)uds;
    (void)text;
}

void uds_set_ctx(struct uds *uds, void *ctx)
{
    (void)uds;
    (void)ctx;
}

uid_t uds_peer_uid(const struct uds *uds)
{
    (void)uds;
    return (uid_t)-1;
}
