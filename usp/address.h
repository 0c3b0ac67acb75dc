/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How transports say who is at their other end: an Endpoint ID in a WebSocket's handshake, a reply topic in MQTT 3.1.1.
 * Agent and controller side alike. What is returned is malloc'ed, NULL when there is nothing or memory is out.
 */
#ifndef USP_ADDRESS_H
#define USP_ADDRESS_H

#include "base/str.h"

/* The client's Endpoint ID by its opening handshake: in the query (R-WS.10b), or in an extension (R-WS.10a). */
char *usp_endpoint_of_handshake(const char *query, const char *extensions);
/* The request path with the own Endpoint ID in the query (R-WS.10b, R-WS.10c). path may lack its first slash. */
char *usp_handshake_path(const char *path, const char *endpoint_id);

/* R-MQTT.24: in 3.1.1 the reply topic rides at the end of the topic, slashes as %2F. */
char *usp_topic_with_reply(const char *topic, const char *reply);
/* R-MQTT.25: the reply topic of a 3.1.1 message. */
char *usp_reply_of_topic(const char *topic);
/* Where the topic ends and "/reply-to=" begins; the whole of it when there is none. */
struct str usp_topic_without_reply(const char *topic);

#endif
