/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two files of USP over WebSocket share: sessions look alike whoever opened them. */
#ifndef AGENT_MTP_WEBSOCKET_H
#define AGENT_MTP_WEBSOCKET_H

#include "agent/mtp.h"

#define MTP_WEBSOCKET_SUBPROTOCOL "v1.usp" /* R-WS.9 */

/* `message` of both roles; ctx is the struct session. */
void mtp_websocket_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len);
/* The extension that names this endpoint, malloc'ed; NULL: no memory. */
char *mtp_websocket_extension(const struct mtp *mtp);
bool mtp_websocket_same_text(const char *a, const char *b);

/* A session that this endpoint opened itself is over: connections of ours that stood back for it are due. */
void mtp_websocket_peer_left(struct mtp *mtp, const char *peer);
void mtp_websocket_clients_done(struct mtp *mtp);

#endif
