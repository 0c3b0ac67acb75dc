/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consent/internal.h"

enum {
    POLICY_LINE_BYTES = 320,
};

enum consent_policy own_policy(const struct consent_device *device)
{
    return device->gateway ? device->consent->home.gateway_policy : device->policy;
}

enum consent_policy policy_of(const struct consent_device *device)
{
    enum consent_policy own = own_policy(device);

    return own == POLICY_HOME ? device->consent->home.policy : own;
}

int home_init(struct consent *consent)
{
    consent->home = (struct consent_home){
        .policy = POLICY_AUTOMATIC, /* what the operator launches is installed */
        .gateway_policy = POLICY_HOME,
        .quiet_start = strdup("02:00"),
        .quiet_end = strdup("05:00"),
        .notice_s = DAY_S,
        .deferral_s = DAY_S,
        .max_deferrals = 3,
        .floor_days = 7,
        .resident_identity = true,
    };
    return consent->home.quiet_start && consent->home.quiet_end ? 0 : -1;
}

void home_done(struct consent *consent)
{
    free(consent->home.quiet_start);
    free(consent->home.quiet_end);
}

const struct consent_home *consent_home(const struct consent *consent)
{
    return &consent->home;
}

struct consent_home *consent_home_row(struct consent *consent)
{
    return &consent->home;
}

static int check_time(const char *text, const char *name, struct error *err)
{
    if (text && quiet_minute(str_of(text)) >= 0)
        return 0;
    return error_set(err, ERROR_INVALID_VALUE, name, "\"%.16s\" is no local time such as 02:30",
                     text ? text : "");
}

int consent_home_check(const struct consent_home *home, struct error *err)
{
    if (home->policy >= POLICY_HOME || home->gateway_policy >= CONSENT_POLICIES)
        return error_set(err, ERROR_INVALID_VALUE, "Policy",
                         "the home's policy is Automatic, SecurityAutomatic, Ask or Never");
    if (home->floor_severity >= FIRMWARE_SEVERITIES)
        return error_set(err, ERROR_INVALID_VALUE, "FloorSeverity", "there is no such severity");
    if (check_time(home->quiet_start, "QuietStart", err) < 0)
        return -1;
    return check_time(home->quiet_end, "QuietEnd", err);
}

bool consent_is_quiet(const struct consent *consent, int64_t *ret_next)
{
    const struct consent_home *home = &consent->home;
    /* What was found out last is no part of what the engine is. */
    struct quiet_cache *cache = &((struct consent *)consent)->quiet;

    return quiet_at(cache, &consent->zone, quiet_minute(str_of(home->quiet_start)),
                    quiet_minute(str_of(home->quiet_end)), clock_wall(&consent->loop->clock), ret_next);
}

void consent_set_zone(struct consent *consent, const struct local_zone *zone)
{
    consent->zone = *zone;
    consent->quiet = (struct quiet_cache){.next = 0};
    consent_soon(consent, 0);
}

int32_t consent_local_offset(const struct consent *consent)
{
    return local_offset(&consent->zone, clock_wall(&consent->loop->clock));
}

/* ---- changes ---- */

static int log_policy(struct consent *consent, const struct consent_device *device, const char *text,
                      const struct consent_by *by, struct error *err)
{
    const struct ledger_line line = {.what = ENTRY_POLICY, .by = *by, .device = device, .text = text};

    return ledger_add(consent, &line, err);
}

/* By the names of the data model, so that whoever shows it can say it in the reader's language. */
int consent_home_save(struct consent *consent, const struct consent_by *by, struct error *err)
{
    const struct consent_home *home = &consent->home;
    char text[POLICY_LINE_BYTES];

    snprintf(text, sizeof(text),
             "Policy=%s, GatewayPolicy=%s, QuietStart=%s, QuietEnd=%s, QuietOnly=%s, NoticePeriod=%u, "
             "DeferralPeriod=%u, MaxDeferrals=%u, FloorSeverity=%s, FloorDays=%u, ResidentIdentity=%s",
             consent_policy_text(home->policy), consent_policy_text(home->gateway_policy), home->quiet_start,
             home->quiet_end, home->quiet_only ? "true" : "false", home->notice_s, home->deferral_s,
             home->max_deferrals, home->floor_severity ? consent_severity_text(home->floor_severity) : "None",
             home->floor_days, home->resident_identity ? "true" : "false");
    if (log_policy(consent, NULL, text, by, err) < 0)
        return -1;
    return home_save(consent, err);
}

int consent_device_save(struct consent_device *device, const struct consent_by *by, struct error *err)
{
    if (log_policy(device->consent, device, consent_policy_text(device->policy), by, err) < 0)
        return -1;
    return device_save(device, err);
}

void home_applied(struct consent *consent)
{
    for (struct consent_question *question = consent->first; question; question = consent->walk) {
        consent->walk = question->next;
        question_review(question);
    }
    consent->walk = NULL;
    consent->again = true;
    consent_soon(consent, 0);
}

int consent_set_home(struct consent *consent, const struct consent_home *home, const struct consent_by *by,
                     struct error *err)
{
    struct consent_home *mine = &consent->home;
    struct consent_home before = *mine;
    struct consent_home after = *home;

    if (consent_home_check(home, err) < 0)
        return -1;
    after.quiet_start = strdup(home->quiet_start);
    after.quiet_end = strdup(home->quiet_end);
    *mine = after;
    if (!after.quiet_start || !after.quiet_end || consent_home_save(consent, by, err) < 0) {
        if (!after.quiet_start || !after.quiet_end)
            error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the policy");
        free(after.quiet_start);
        free(after.quiet_end);
        *mine = before;
        return -1;
    }
    free(before.quiet_start);
    free(before.quiet_end);
    consent_tell(consent, CONSENT_HOME_CHANGED, NULL, NULL, NULL);
    return 0;
}

int consent_set_policy(struct consent *consent, struct consent_device *device, enum consent_policy policy,
                       const struct consent_by *by, struct error *err)
{
    uint32_t before = device->policy;

    if (policy >= CONSENT_POLICIES)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "there is no such policy");
    if (device->gateway) {
        struct consent_home home = consent->home;

        home.gateway_policy = policy;
        return consent_set_home(consent, &home, by, err);
    }
    device->policy = policy;
    if (consent_device_save(device, by, err) < 0) {
        device->policy = before;
        return -1;
    }
    consent_tell(consent, CONSENT_DEVICE_CHANGED, NULL, NULL, device);
    return 0;
}
