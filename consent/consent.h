/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consent: which update may be installed on which device, who said so, and when. The engine answers the firmware
 * manager's question (struct firmware_policy) from the home's policy, a device's own, how urgent the update is, and what
 * the resident decided; it keeps the ledger of all that. Whoever shows questions to people (a page, the command line, the
 * data model) reads this header and sees nothing below it.
 *
 * A question is about one update (what one slot of a device holds). It is asked once, survives restarts, and ends with
 * its update. A decision is in the store's open batch when consent_decide() returns, acts once that batch is durable, and
 * is taken back when the batch is lost.
 *
 * Everything told here is a code; words for people are with whoever shows it (consent_words.c has those of the command
 * line), but for the wording: the text that the operator, or the release, gives with an update.
 *
 * Loop's thread only. Structs are read by everybody and written by this module alone, unless they say otherwise.
 */
#ifndef CONSENT_CONSENT_H
#define CONSENT_CONSENT_H

#include "base/local_time.h"
#include "base/observer.h"
#include "base/store.h"
#include "firmware/firmware.h"

struct consent;
struct consent_device;
struct consent_question;

enum {
    CONSENT_WORDING_BYTES = 1025, /* what is shown of an update, with the terminator; longer texts are cut */
    CONSENT_MEANS_BYTES = 257,    /* how somebody decided: an Endpoint ID, or a word */
    CONSENT_PATH_BYTES = 48,
    CONSENT_CODE_BYTES = 15, /* "4827-1936-5507" */
    CONSENT_CODE_S = 600,    /* a sign-in code is good for so long */
};

/* ---- policy ---- */

enum consent_policy {
    POLICY_AUTOMATIC,          /* what the operator launches is installed */
    POLICY_SECURITY_AUTOMATIC, /* security updates after a notice that can be put off, others are asked for */
    POLICY_ASK,
    POLICY_NEVER,
    POLICY_HOME, /* of a device: what holds for the home. Never the home's own */
    CONSENT_POLICIES,
};

/*
 * The home's policy; the row of the data model is this struct. Quiet hours are local time, "HH:MM" each, and may go over
 * midnight; the same text twice is no quiet hours. `quiet_only`: what is installed without asking waits for them, unless
 * it is critical.
 *
 * The operator's floor: updates of at least `floor_severity` cannot be refused, nor put off for longer than `floor_days`
 * after they were first asked for. SEVERITY_UNKNOWN: no floor.
 */
struct consent_home {
    uint32_t policy;         /* enum consent_policy */
    uint32_t gateway_policy; /* of the gateway's own firmware; POLICY_HOME: as for the home */
    char *quiet_start;
    char *quiet_end;
    bool quiet_only;
    uint32_t notice_s;       /* from the notice of a security update to its installation */
    uint32_t deferral_s;     /* what "later" means */
    uint32_t max_deferrals;  /* of one update */
    uint32_t floor_severity; /* enum firmware_severity */
    uint32_t floor_days;
    bool resident_identity; /* the resident may end a quarantine */
};

/* ---- who ---- */

enum consent_who {
    WHO_RESIDENT,   /* means: "page" */
    WHO_CONTROLLER, /* means: its Endpoint ID; on behalf of the resident */
    WHO_POLICY,     /* means: "Automatic", ... */
};

struct consent_by {
    enum consent_who who;
    const char *means;
};

/* ---- questions ---- */

enum consent_choice {
    CHOICE_NOW,
    CHOICE_TONIGHT,  /* in the next quiet hours */
    CHOICE_LATER,    /* ask again (a notice: go ahead) after deferral_s */
    CHOICE_NEVER,    /* not this version on this device, until that is withdrawn */
    CHOICE_WITHDRAW, /* whatever was decided, as long as nothing came of it: the question is open again */
    CONSENT_CHOICES,
};

enum consent_state {
    QUESTION_ASKED,   /* nothing happens without an answer; with a floor: not before acts_at */
    QUESTION_NOTICE,  /* is installed at acts_at, unless somebody decides otherwise */
    QUESTION_LATER,   /* put off until `until` */
    QUESTION_TONIGHT, /* agreed: waits for the quiet hours, which begin at `until` (0: not known) */
    QUESTION_AGREED,  /* agreed: is installed as soon as the device can be */
    QUESTION_REFUSED, /* stays so for this update until it is withdrawn */
    QUESTION_IDLE,    /* nothing is to decide: no command is under way. Never shown */
    CONSENT_STATES,
};

/* Why a choice is not offered. */
enum consent_why {
    WHY_NOT_NEEDED, /* it is offered */
    WHY_FLOOR,      /* the operator does not leave it to the resident: acts_at says until when it can wait */
    WHY_USED_UP,    /* it was put off max_deferrals times */
    WHY_TOO_SHORT,  /* the operator's time window ends before that */
    WHY_NO_QUIET,   /* no quiet hours are set, or the gateway does not know the time */
    WHY_NOTHING,    /* there is no decision to withdraw */
    WHY_TOO_LATE,   /* the device is being updated */
    WHY_ENDED,      /* the operator's command has ended: only a refusal can be withdrawn */
    WHY_THE_SAME,   /* it is what was decided already */
    WHY_OPERATOR,   /* the operator keeps it to itself */
    WHY_PROOF,      /* a certificate spoke for the device: that is not for the resident to judge */
    CONSENT_WHYS,
};

/* Texts live until the question changes. Times are s since 1970; 0: there is none. */
struct consent_question_info {
    uint32_t number; /* never given twice */
    struct consent_device *device;
    int slot;
    enum consent_state state;
    enum firmware_severity severity;
    bool security;
    bool confirm; /* the operator asked for confirmation: no policy and no floor answers for the resident */
    bool notice_only; /* no command waits: the operator told of it, and the gateway launches it when agreed */
    const char *version;   /* it would bring; "" not known */
    const char *from;      /* it would replace */
    const char *wording;   /* the exact text to show; "" when nobody gave one */
    const char *notes_url; /* release notes; "" none. http or https */
    uint32_t deferrals;    /* how often it was put off */
    uint32_t deferrals_left;
    int64_t asked;   /* first */
    int64_t acts_at; /* it goes ahead by itself */
    int64_t until;
    int64_t answer_by;                     /* after that the command has expired */
    enum consent_why why[CONSENT_CHOICES]; /* WHY_NOT_NEEDED: the choice is offered */
};

/* What is to decide and what people decided, the oldest first. What a policy agreed to is not among it. */
void consent_each_question(struct consent *consent, void (*fn)(void *ctx, struct consent_question *question),
                           void *ctx);
struct consent_question *consent_find_question(struct consent *consent, uint32_t number);
void consent_question_info(const struct consent_question *question, struct consent_question_info *ret);
/* Whether consent_each_question() tells of it. */
bool consent_question_shown(const struct consent_question *question);

/*
 * wording: the text as it was shown, in the language it was shown in; NULL: the question's own. It goes into the ledger.
 * 0: in the open batch; answer people after consent_wait(). -1 and err: not offered (7022), no such question (7016).
 */
struct consent_answer {
    uint32_t question;
    enum consent_choice choice;
    struct consent_by by;
    const char *wording;
};
int consent_decide(struct consent *consent, const struct consent_answer *answer, struct error *err);
/* waiter->fn is told whether all that was written until now is durable: store_wait(). */
void consent_wait(struct consent *consent, struct store_waiter *waiter);

/*
 * The operator's notice of an update that a slot holds or that the manufacturer offers: its words become those of the
 * slot, and it is asked for (confirm: whatever the policy but Never; else as the policy says). Agreed, the gateway
 * launches it. The question's number goes to *ret_number.
 */
int consent_notice(struct consent *consent, struct firmware_target *target, int slot,
                   const struct firmware_notice *notice, bool confirm, const struct consent_by *by,
                   uint32_t *ret_number, struct error *err);

/* ---- devices ---- */

/* What the wiring knows of a target; texts may be NULL. path: "Device.ProxiedDevice.3.", "Device.DeviceInfo." */
struct consent_about {
    char path[CONSENT_PATH_BYTES];
    const char *name;
    const char *manufacturer;
    const char *model;
    const char *type;
    const char *last_result;
    /* Of a device that is quarantined: what changed ("ModelChanged"), what it was, and what it is now. */
    const char *changed;
    const char *was;
    const char *is;
    bool proven; /* what changed is about its certificate */
    bool gateway;
};

struct consent_device_info {
    struct consent_about about; /* no text is NULL */
    const char *key;            /* stable */
    const char *version;        /* that it runs; "" not known */
    bool online;
    bool quarantined;
    const char *reason;            /* of the quarantine */
    int battery;                   /* percent; -1: mains, or not known */
    enum consent_policy policy;    /* its own: POLICY_HOME when it has none */
    enum consent_policy effective; /* what holds */
    bool busy;                     /* a command has not ended: the four below are of it */
    enum firmware_command command;
    enum firmware_job_state state;
    unsigned progress;     /* percent of the present step */
    const char *waits_for; /* struct firmware_job_info */
};

void consent_each_device(struct consent *consent, void (*fn)(void *ctx, struct consent_device *device),
                         void *ctx);
struct consent_device *consent_find_device(struct consent *consent, const char *key);
void consent_device_info(const struct consent_device *device, struct consent_device_info *ret);

/* Copied. The same rules as for consent_decide(). */
const struct consent_home *consent_home(const struct consent *consent);
int consent_set_home(struct consent *consent, const struct consent_home *home, const struct consent_by *by,
                     struct error *err);
int consent_set_policy(struct consent *consent, struct consent_device *device, enum consent_policy policy,
                       const struct consent_by *by, struct error *err);
/* Where local time is read, until then the system's; and its s east of UTC at present. */
void consent_set_zone(struct consent *consent, const struct local_zone *zone);
int32_t consent_local_offset(const struct consent *consent);
/* The quiet hours are now; *ret_next: when they begin or end next, s since 1970, 0 when there are none. */
bool consent_is_quiet(const struct consent *consent, int64_t *ret_next);

/* ---- the ledger ---- */

enum consent_what {
    ENTRY_ASKED,    /* the question was put */
    ENTRY_NOTIFIED, /* the notice was put */
    ENTRY_NOW,      /* CHOICE_NOW ... CHOICE_WITHDRAW */
    ENTRY_TONIGHT,
    ENTRY_LATER,
    ENTRY_NEVER,
    ENTRY_WITHDRAWN,
    ENTRY_POLICY,    /* a policy was changed: text says to what */
    ENTRY_INSTALLED, /* what became of it */
    ENTRY_FAILED,
    ENTRY_EXPIRED,
    ENTRY_DROPPED, /* the operator cancelled it, or it is no longer there */
    /* What was said of a device in quarantine: wording has the code of what changed, text what it was and what it is. */
    ENTRY_RELEASED,  /* what it says now is right */
    ENTRY_REJECTED,  /* what was known is right */
    ENTRY_FORGOTTEN, /* it is no more */
    CONSENT_WHATS,
};

/* One line, never changed. Texts are never NULL. */
struct consent_entry {
    uint32_t number; /* counts up, never given twice */
    int64_t time;
    enum consent_what what;
    enum consent_who who;
    char *means;
    char *key;  /* of the device; "" for the home */
    char *path; /* of its row, at that time */
    char *name; /* at that time */
    char *version;
    char *wording; /* that was shown */
    char *text;    /* the outcome's reason, or the policy */
    uint32_t question;
    void *row; /* of the observer above that shows it; written by that */
    /* private */
    bool durable;
    struct ledger_share *share;
    struct consent_entry *next;
    struct consent_entry *previous;
};

/* Newest first, until fn returns non-zero. At most limit_consent_ledger; then those of the device with most are dropped. */
int consent_each_entry(struct consent *consent, int (*fn)(void *ctx, struct consent_entry *entry), void *ctx);

/* ---- quarantine ---- */

/*
 * What somebody says of a device in quarantine. ENTRY_RELEASED: it is the device, and what it says now is right;
 * ENTRY_REJECTED: what was known is right, somebody else spoke; ENTRY_FORGOTTEN: it is no more. In the open batch, and in
 * the ledger; taken back when the batch is lost. -1 and err: not allowed (7022), or it is not as it was shown any more.
 */
struct consent_identification {
    enum consent_what what;
    const char *changed; /* as they were shown; NULL: however they are */
    const char *was;
    const char *is;
    struct consent_by by;
};
int consent_identify(struct consent *consent, struct consent_device *device,
                     const struct consent_identification *said, struct error *err);
/* Whether the resident may end its quarantine. */
enum consent_why consent_identity_why(const struct consent_device *device);

/* ---- what observers hear ---- */

enum consent_event_type {
    CONSENT_QUESTION_ADDED,
    CONSENT_QUESTION_CHANGED,
    CONSENT_QUESTION_REMOVED, /* still readable */
    CONSENT_ENTRY_ADDED,      /* in the open batch; an observer adds what it writes to that */
    CONSENT_ENTRY_REMOVED,    /* dropped for want of room, or its batch was lost */
    CONSENT_HOME_CHANGED,
    CONSENT_DEVICE_CHANGED, /* its policy */
    CONSENT_DEVICE_NEWS, /* something else that consent_device_info() says of it; it may be gone in a moment */
};

struct consent_event {
    enum consent_event_type type;
    struct consent_question *question;
    struct consent_entry *entry;
    struct consent_device *device;
};
struct observers *consent_observers(struct consent *consent);

/* ---- the resident's sign-in code ---- */

enum consent_code_outcome {
    CONSENT_CODE_RIGHT,   /* and used up */
    CONSENT_CODE_WRONG,   /* or there is none */
    CONSENT_CODE_LIMITED, /* too many tries: not looked at; again after *ret_wait_s */
};

/*
 * A new code; an older one is void. It lives in memory only, for CONSENT_CODE_S. Wrong tries do not end it: it is too long
 * to be guessed, and nobody else's tries take it from the resident. -1 and err, also when too many were made (7022).
 */
int consent_code_make(struct consent *consent, char ret_code[CONSENT_CODE_BYTES], struct error *err);
/* Dashes and blanks in text do not matter. Limits count over all who try. */
enum consent_code_outcome consent_code_check(struct consent *consent, const char *text, uint32_t *ret_wait_s);

/* ---- words: the data model's, and plain English ---- */
const char *consent_policy_text(enum consent_policy policy);        /* "SecurityAutomatic" */
const char *consent_choice_text(enum consent_choice choice);        /* "Tonight" */
const char *consent_state_text(enum consent_state state);           /* "Asked" */
const char *consent_what_text(enum consent_what what);              /* "Notified" */
bool consent_what_is_decision(enum consent_what what);              /* it is told as Decided! */
const char *consent_who_text(enum consent_who who);                 /* "Resident" */
const char *consent_why_text(enum consent_why why);                 /* a sentence */
const char *consent_severity_text(enum firmware_severity severity); /* "Critical" */

/* ---- for the wiring ---- */

struct consent_ops {
    void (*about)(void *ctx, const struct firmware_target *target, struct consent_about *ret);
    /* Into the open batch, and taken back when that is lost. NULL: there is no quarantine (tests). */
    int (*identify)(void *ctx, struct firmware_target *target, enum consent_what what, struct error *err);
    void *ctx;
};

/* Reads what is stored. Before any target is added to a manager. -1: the store cannot be read. */
struct consent *consent_new(struct loop *loop, struct store *store, struct error *err);
/* Becomes the manager's policy as to consent, and listens to its events. Before any target is added to it. */
void consent_start(struct consent *consent, struct firmware *firmware, const struct consent_ops *ops);
/* Once all devices that are stored are there: what belongs to none is forgotten, what was agreed is launched. */
void consent_ready(struct consent *consent);
/* Before the targets go: nothing ends, nothing is forgotten, and who asks from now on waits. */
void consent_stop(struct consent *consent);
/* After the manager went. */
void consent_free(struct consent *consent);

/* ---- for the data model, whose rows are these structs; the first member of a consent_device is its policy ---- */
struct consent_home *consent_home_row(struct consent *consent);
int consent_home_check(const struct consent_home *home, struct error *err);
/* After a row was changed: into the open batch and the ledger. */
int consent_home_save(struct consent *consent, const struct consent_by *by, struct error *err);
int consent_device_save(struct consent_device *device, const struct consent_by *by, struct error *err);
/* What consent_ops.about says of it changed. */
void consent_device_news(struct consent *consent, const char *key);
/* Made when it is not there; stays until consent_hide_device(). NULL: out of memory. */
struct consent_device *consent_show_device(struct consent *consent, const char *key);
void consent_hide_device(struct consent *consent, const char *key);

#endif
