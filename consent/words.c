/* SPDX-License-Identifier: BSD-3-Clause */
#include "consent/consent.h"

const char *consent_policy_text(enum consent_policy policy)
{
    static const char *const texts[] = {
        [POLICY_AUTOMATIC] = "Automatic",
        [POLICY_SECURITY_AUTOMATIC] = "SecurityAutomatic",
        [POLICY_ASK] = "Ask",
        [POLICY_NEVER] = "Never",
        [POLICY_HOME] = "Home",
    };

    return texts[policy];
}

const char *consent_choice_text(enum consent_choice choice)
{
    static const char *const texts[] = {
        [CHOICE_NOW] = "Now",     [CHOICE_TONIGHT] = "Tonight",   [CHOICE_LATER] = "Later",
        [CHOICE_NEVER] = "Never", [CHOICE_WITHDRAW] = "Withdraw",
    };

    return texts[choice];
}

const char *consent_state_text(enum consent_state state)
{
    static const char *const texts[] = {
        [QUESTION_ASKED] = "Asked",     [QUESTION_NOTICE] = "Notice", [QUESTION_LATER] = "Later",
        [QUESTION_TONIGHT] = "Tonight", [QUESTION_AGREED] = "Agreed", [QUESTION_REFUSED] = "Refused",
        [QUESTION_IDLE] = "Idle",
    };

    return texts[state];
}

const char *consent_what_text(enum consent_what what)
{
    static const char *const texts[] = {
        [ENTRY_ASKED] = "Asked",         [ENTRY_NOTIFIED] = "Notified", [ENTRY_NOW] = "Now",
        [ENTRY_TONIGHT] = "Tonight",     [ENTRY_LATER] = "Later",       [ENTRY_NEVER] = "Never",
        [ENTRY_WITHDRAWN] = "Withdrawn", [ENTRY_POLICY] = "Policy",     [ENTRY_INSTALLED] = "Installed",
        [ENTRY_FAILED] = "Failed",       [ENTRY_EXPIRED] = "Expired",   [ENTRY_DROPPED] = "Dropped",
        [ENTRY_RELEASED] = "Released",   [ENTRY_REJECTED] = "Rejected", [ENTRY_FORGOTTEN] = "Forgotten",
    };

    return texts[what];
}

bool consent_what_is_decision(enum consent_what what)
{
    return (what >= ENTRY_NOW && what <= ENTRY_POLICY) || what >= ENTRY_RELEASED;
}

const char *consent_who_text(enum consent_who who)
{
    static const char *const texts[] = {
        [WHO_RESIDENT] = "Resident",
        [WHO_CONTROLLER] = "Controller",
        [WHO_POLICY] = "Policy",
    };

    return texts[who];
}

const char *consent_why_text(enum consent_why why)
{
    static const char *const texts[] = {
        [WHY_NOT_NEEDED] = "",
        [WHY_FLOOR] = "the operator requires this update: it can be put off only until a stated time",
        [WHY_USED_UP] = "it was put off as often as is allowed",
        [WHY_TOO_SHORT] = "the operator's time window ends before that",
        [WHY_NO_QUIET] = "no quiet hours are set, or the gateway does not know the time yet",
        [WHY_NOTHING] = "nothing was decided that could be withdrawn",
        [WHY_TOO_LATE] = "the device is being updated",
        [WHY_ENDED] = "the operator's command has ended; a refusal can be withdrawn",
        [WHY_THE_SAME] = "that is what was decided already",
        [WHY_OPERATOR] = "the operator decides about devices in quarantine",
        [WHY_PROOF] = "a certificate spoke for this device: its operator has to look",
    };

    return texts[why];
}

const char *consent_severity_text(enum firmware_severity severity)
{
    static const char *const texts[] = {
        [SEVERITY_UNKNOWN] = "Unknown", [SEVERITY_LOW] = "Low",           [SEVERITY_MEDIUM] = "Medium",
        [SEVERITY_HIGH] = "High",       [SEVERITY_CRITICAL] = "Critical",
    };

    return texts[severity];
}
