/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebSockets that we open to devices which have a server of their own, because the gateway's owner listed them. Each is tried
 * again with back-off for as long as it is listed; a device that stops answering pings is closed. Passwords come from a file
 * that nobody else may read. Owned by the home; loop's thread only.
 */
#ifndef DEVICES_LAN_CLIENT_H
#define DEVICES_LAN_CLIENT_H

#include "devices/dialects/dialect.h"
#include "transports/websocket.h"

struct lan_client;

struct lan_client *lan_client_new(struct loop *loop);
/* Ends all sessions (the dialect's closed() is called). */
void lan_client_free(struct lan_client *lan);

/*
 * Lists devices: "192.168.1.20, name.local:8080, [fd00::1]:80"; without a port it is 80. -1: the list is malformed or too
 * long. The dialect has a websocket_server_path.
 */
int lan_client_add(struct lan_client *lan, const struct dialect *dialect, void *dialect_ctx, const char *list,
                   struct error *err);
/*
 * Reads "ENTRY = PASSWORD" lines, where ENTRY is as listed. A device whose password is another one now gets a new session.
 * -1: the file is not as it should be, and nothing has changed; or memory is out.
 */
int lan_client_passwords(struct lan_client *lan, const char *file, struct error *err);
void lan_client_start(struct lan_client *lan, struct websocket_context *context);

/* For `struct lan`: of sessions that are outbound. */
int lan_client_send(struct lan_session *session, bool binary, const void *data, size_t len,
                    struct error *err);
void lan_client_close(struct lan_session *session, const char *reason);

#endif
