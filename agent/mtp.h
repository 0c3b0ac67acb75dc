/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Message transfer: joins the rows of Device.LocalAgent.MTP., Controller.MTP., MQTT. and UnixDomainSockets. to the
 * transports, and records to the USP endpoint. Policy of each protocol is in its own file; what a row's change means is
 * decided by its table. Owned by the agent; loop's thread only.
 */
#ifndef AGENT_MTP_H
#define AGENT_MTP_H

#include "agent/agent_config.h"
#include "datamodel/device/model.h"
#include "datamodel/device/mtp.h"
#include "transports/uds.h"
#include "transports/websocket.h"
#include "usp/controller.h"
#include "usp/record.h"
#include "usp/usp.h"

enum {
    /* The answer to the message that changed the settings goes out on the old connection first. */
    MTP_RESTART_MS = 100,
};

/* One open WebSocket or UNIX socket connection with an endpoint. */
struct session {
    struct usp_channel channel;
    struct mtp *mtp;
    struct session *next; /* of those that are open, or of those that a server has accepted */
    uint64_t accepted;    /* monotonic ms */
    char *peer;           /* Endpoint ID; NULL until it is known */
    struct websocket *ws; /* one of the two */
    struct uds *uds;
    void *server;            /* of an incoming WebSocket, else NULL */
    X509 *certificate;       /* that the peer showed, or NULL */
    char *certificates;      /* of the channel */
    struct timer inactivity; /* while it is trusted on first use only: TOFUInactivityTimer */
    bool parted;             /* the Disconnect record was sent */
    bool refused;            /* it is not who it says: nothing is taken from it, and it closes */
};

struct mtp {
    struct model *model;
    struct dm *dm;
    struct usp *usp;
    struct loop *loop;
    struct websocket_context *websockets;
    struct tls_settings tls;
    struct observer rows;
    struct session *sessions;
    uint64_t sessions_opened; /* of the UNIX sockets: their numbers */
    struct dm_node *local_mtp, *controller, *controller_mtp, *mqtt_client, *mqtt_subscription,
        *mqtt_user_property, *unix_socket;
    bool stopping;
};

int mtp_init(struct mtp *mtp, struct model *model, struct websocket_context *websockets,
             const struct agent_config *config, struct error *err);
/* Brings up what the rows say, and follows them from now on. */
void mtp_start(struct mtp *mtp);
/* Warns when the agent's own certificate does not say whose it is (R-SEC.10, R-ARC.4a). */
void mtp_check_certificate(const struct mtp *mtp);
/* Disconnect records (R-MTP.7) and orderly ends; records that wait go out while the loop still runs. */
void mtp_stop(struct mtp *mtp);
void mtp_done(struct mtp *mtp);

/* struct usp_ops. */
extern const struct usp_ops mtp_usp_ops;

/* ---- shared by the protocols ---- */

struct session *session_new(struct mtp *mtp, const char *peer);
/* It is open (ws or uds is set): it is listed, the Connect record is sent, and what waits for the peer goes out. An older
 * WebSocket with the same peer is closed (R-WS.4). */
void session_opened(struct session *session);
/* The peer showed a certificate (or none); the chain that was verified, NULL when it is trusted on first use only. Before
 * session_opened(): whom the certificate does not name is refused, and has no peer then (R-SEC.0a). */
void session_identify(struct session *session, X509 *certificate, const STACK_OF(X509) * chain);
/* Its timer, and struct usp_ops. */
void session_inactive(struct timer *timer, void *ctx);
const char *session_remember(void *ctx, struct usp_channel *channel);
/* Whether the certificate, if there is one that says whose it is, is this endpoint's. */
bool session_is(struct session *session, const char *endpoint_id);
void session_refuse(struct session *session, const char *why);
/* Takes it off the list if it is there. */
void session_free(struct session *session);
/* Hands a record to the endpoint. False: it was no record, *ret_why says why, and the session is to be closed. */
bool session_record(struct session *session, const uint8_t *data, size_t len, struct error *ret_why);
/* R-MTP.8: after a Disconnect record on a channel that stays open, a Connect record comes first. */
bool mtp_is_disconnect(struct str record);
struct session *session_with(struct mtp *mtp, const char *peer, bool websocket);
/* R-MTP.7: the last record of a session that this side ends; of all sessions of a WebSocket server. */
void session_say_goodbye(struct session *session);
void sessions_say_goodbye(struct mtp *mtp, const void *server);

/* Rows of a table of Device.LocalAgent. or below a row; and the row behind a reference, if it is one of `node`. */
struct dm_row *mtp_referenced(const struct mtp *mtp, const char *reference, const struct dm_node *node);
/* Sets a read-only parameter that only the program changes, and tells the feed. */
void mtp_set_status(struct mtp *mtp, struct dm_row *local_mtp_row, enum local_mtp_status status);
void mtp_set_text(struct mtp *mtp, struct dm_row *row, const char *param, char **slot, const char *text);
/* Calls fn for each enabled controller that has an enabled MTP row of this protocol. */
void mtp_each_controller(struct mtp *mtp, const char *protocol,
                         void (*fn)(void *ctx, struct controller *controller, struct dm_row *row), void *ctx);

/* ---- the protocols: a row was added, changed or deleted ---- */
void mtp_mqtt_client_changed(struct mtp *mtp, struct dm_row *client, uint64_t params, bool deleted);
void mtp_mqtt_subscription_changed(struct mtp *mtp, struct dm_row *subscription, bool deleted);
void mtp_mqtt_user_property_changed(struct dm_row *user_property);
/* params: of `node`, which is the row's or that of the object MQTT. below it; 0: all. */
void mtp_mqtt_local_changed(struct mtp *mtp, struct dm_row *local, const struct dm_node *node,
                            uint64_t params, bool deleted);
void mtp_mqtt_reconnect(struct dm_row *client);
/* The channel of the MQTT client that the LocalAgent.MTP row refers to, if records can be published now. */
struct usp_channel *mtp_mqtt_channel(struct mtp *mtp, struct dm_row *local);
void mtp_mqtt_stop(struct mtp *mtp);
void mtp_mqtt_done(struct mtp *mtp);

void mtp_websocket_server_changed(struct mtp *mtp, struct dm_row *local, bool deleted);
void mtp_websocket_client_changed(struct mtp *mtp, struct dm_row *row, bool deleted);
/* Begins the session anew; false when the row has none to begin. */
bool mtp_websocket_reset(struct dm_row *row);
void mtp_websocket_done(struct mtp *mtp);

void mtp_uds_changed(struct mtp *mtp, struct dm_row *local, bool deleted);
void mtp_uds_done(struct mtp *mtp);

#endif
