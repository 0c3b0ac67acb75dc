/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Controllers: the data of a row of Device.LocalAgent.Controller. and what the agent knows of it while it runs: the
 * notifications that wait for it, its timers, its permissions. The engine owns the struct; members that parameters
 * declare are freed by it, the rest by usp_controller_done().
 */
#ifndef USP_CONTROLLER_H
#define USP_CONTROLLER_H

#include "base/timer.h"
#include "usp/session.h"
#include "usp/usp.h"

struct access_table;
struct notification;

enum {
    CHALLENGE_ID_BYTES = 33,
};

enum controller_origin {
    CONTROLLER_CONFIGURED,    /* by the factory configuration or another controller, or by first contact */
    CONTROLLER_FOUND_BY_DHCP, /* DHCP is not authenticated: its certificate has to name the Endpoint ID */
};

struct controller {
    /* Device.LocalAgent.Controller.{i}. */
    bool enable;
    char *alias;
    char *endpoint_id;
    char *controller_code;
    char *provisioning_code;
    char *assigned_role;
    char *credential;           /* certificates that it may show */
    uint32_t periodic_interval; /* s; 0: no Periodic! */
    int64_t periodic_time;      /* s since 1970; phase of Periodic! */
    uint32_t retry_minimum;     /* s */
    uint32_t retry_multiplier;  /* thousandths */
    bool onboarding_complete;
    uint32_t onboarding_restart; /* s; 0: never repeated */
    uint32_t origin;             /* enum controller_origin */
    struct session_settings e2e; /* E2ESession. */

    /* While it runs. */
    struct {
        uint32_t
            instance; /* of ControllerTrust.Challenge. that it asked for and did not answer yet; 0: none */
        uint64_t expires; /* monotonic ms; 0: never */
        char id[CHALLENGE_ID_BYTES];
    } challenge;
    char *
        certificates; /* that its newest record came with (usp/trust.h); NULL: none, as after a restart (R-SEC.21) */
    bool brokered;               /* they are a broker's */
    struct usp_session *session; /* NULL: there was none yet */
    struct usp *usp;
    struct dm_row *row;
    struct notification *first; /* waiting or unacknowledged, oldest first */
    struct notification **last;
    uint32_t waiting;
    uint32_t unsent; /* of these, not sent since the controller was last reachable */
    struct timer periodic;
    struct timer onboarding;
    struct access_table *access; /* made when it is first asked for */
    uint32_t access_generation;  /* of usp's, when it was made */
    bool banned;                 /* by BannedRole, as of then */
};

/* The controller with this Endpoint ID, enabled or not, or NULL. */
struct controller *usp_controller_find(struct usp *usp, struct str endpoint_id);

/* Hooks for the declaration in datamodel/device/. */
void usp_controller_applied(struct usp *usp, struct dm_row *row, enum dm_change_kind kind);
void usp_controller_done(struct dm_row *row);
/* The controller is about to be deleted: its subscriptions go with it, in the same transaction. */
int usp_controller_deleting(struct usp *usp, struct dm_row *row, struct error *err);

/* Device.LocalAgent.Controller.{i}.SendOnBoardRequest() (R-NOT.5). */
int usp_onboard(struct controller *controller, struct error *err);

#endif
