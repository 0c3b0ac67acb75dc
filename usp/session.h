/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Session contexts (TR-369 "End to End Message Exchange", R-E2E.*): numbered records between the agent and one controller,
 * put in order, asked for again when they are lost, cut in pieces for carriers that take only short ones, and
 * secured by TLS if the session says so. There is one with a controller at most (R-E2E.5), and a controller without costs
 * a pointer. What was acknowledged (expected_id) was processed, also when the session ends then (R-E2E.22).
 *
 * What a session knows is in memory only: a restart begins with none (R-SEC.21, R-E2E.13).
 */
#ifndef USP_SESSION_H
#define USP_SESSION_H

#include "datamodel/dm.h"

struct controller;
struct usp_session;

enum session_mode {
    SESSION_REQUIRE,
    SESSION_ALLOW,
    SESSION_FORBID,
};

enum session_security {
    SESSION_PLAINTEXT,
    SESSION_TLS,
};

enum session_status {
    SESSION_UP,
    SESSION_NEGOTIATING,
    SESSION_DOWN,
};

/* Device.LocalAgent.Controller.{i}.E2ESession. */
struct session_settings {
    uint32_t mode; /* enum session_mode */
    uint32_t
        security; /* enum session_security: of the sessions that the agent starts; with Require, of all */
    uint32_t expiration;       /* s without a record; 0: never */
    uint32_t retry_minimum;    /* s */
    uint32_t retry_multiplier; /* thousandths */
    uint32_t record_max;       /* bytes of a record; 0: any */
    int32_t retransmit_max;    /* of one record; -1: any */
};

/* Status and CurrentRetryCount. */
enum session_status usp_session_status(const struct controller *controller);
uint32_t usp_session_retries(const struct controller *controller);

/* Hook for the declaration in datamodel/device/: the settings changed. */
void usp_session_applied(struct controller *controller);
/* Reset(): a new session once this iteration is over; none with SessionMode Forbid. */
void usp_session_reset(struct controller *controller);

#endif
