/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to this folder: the structs, and what its files ask of each other.
 *
 *   consent.c   life, devices, what the firmware manager tells and asks
 *   question.c  the states of a question
 *   decide.c    choices, decisions, the operator's notice
 *   info.c      what others see
 *   home.c      policies
 *   identity.c  devices in quarantine
 *   quiet.c     quiet hours on the wall clock
 *   keep.c      questions and policies as records, and batches that are lost
 *   ledger.c    the ledger
 *   code.c      the sign-in code
 *   words.c     texts
 */
#ifndef CONSENT_INTERNAL_H
#define CONSENT_INTERNAL_H

#include "base/map.h"
#include "base/rate.h"
#include "consent/consent.h"
#include "consent/quiet.h"

enum {
    CODE_DIGITS = 12,
    DAY_S = 24 * 3600,
};

/* What was decided last, or what is open. */
struct consent_standing {
    enum consent_state state;
    enum consent_who who;
    uint32_t deferrals;
    uint64_t until; /* QUESTION_LATER: on the question's clock */
};

struct consent_question {
    struct consent *consent;
    struct consent_device *device;
    struct consent_question *next; /* in the order of their numbers */
    struct consent_question *previous;
    int slot;
    uint32_t number;
    uint64_t job_id; /* of the job that asks; 0: none. Not stored */

    /* Stored. */
    char *identity; /* of what the slot holds */
    char *version;
    char *from;
    char *wording;
    char *notes_url;
    enum firmware_severity severity;
    bool security;
    bool confirm;
    bool notice; /* it is put as a notice */
    bool notice_only;
    struct consent_standing now;     /* as the open batch has it */
    struct consent_standing durable; /* as it acts */
    /*
     * Its clock, s since it was first asked: it grows by the monotonic clock within a life and by the wall clock between
     * lives, as a job's does. A wall clock that is moved puts off nothing and hurries nothing.
     */
    int64_t asked;
    uint64_t elapsed_base;
    uint64_t elapsed_from; /* monotonic ms */
    uint64_t opened;       /* on this clock: since when it is put */

    enum firmware_job_state job_state; /* as observers know it */
    bool reopened;                     /* a decision is being withdrawn: the policy has its turn */
    bool unsaved;                      /* in consent->unsaved: its last record is not durable */
    struct consent_question *unsaved_next;
};

struct consent_device {
    uint32_t policy; /* enum consent_policy; first: the data model's row */
    bool gateway;    /* its policy is in the home's */
    struct consent *consent;
    char *key;
    struct firmware_target *target; /* NULL: not there (yet, or any more) */
    bool shown;                     /* somebody above holds it */
    struct consent_question *questions[FIRMWARE_SLOTS];
};

struct consent_code {
    char digits[CODE_DIGITS]; /* no terminator */
    bool valid;
    uint64_t good_until; /* monotonic ms */
    struct rate tries;   /* of all */
    struct rate made;
};

struct consent {
    struct loop *loop;
    struct store *store;
    struct firmware *firmware; /* NULL before consent_start() and after consent_stop() */
    struct consent_ops ops;
    struct consent_home home;
    struct local_zone zone;
    struct quiet_cache quiet;
    struct map devices; /* by key */
    struct consent_question *first;
    struct consent_question *last;
    struct consent_question *unsaved;
    struct consent_question *walk; /* the next one of a walk that is under way */
    uint32_t next_question;
    struct consent_entry *newest;
    struct consent_entry *oldest;
    uint32_t entries;
    struct map shares; /* struct ledger_share, by the key of its device */
    uint32_t next_entry;
    struct observers observers;
    struct observer firmware_observer;
    bool ready;
    bool was_quiet;
    bool again; /* jobs are to ask again: a policy changed, or something failed for want of memory */
    struct consent_code code;
    char reason[160]; /* of the last refusal */
    /* Always armed, so that moving it cannot fail. */
    struct timer timer;
    struct store_waiter waiter;
    bool waiter_armed;
    bool policies_changed; /* in the open batch */
    bool lost;             /* a batch: all is to be written again */
};

/* ---- consent.c ---- */
struct consent_device *device_get(struct consent *consent, const char *key);
void consent_tell(struct consent *consent, enum consent_event_type type, struct consent_question *question,
                  struct consent_entry *entry, struct consent_device *device);
/* Looks at all questions soon; without memory or the store, too. */
void consent_soon(struct consent *consent, uint64_t ms);

/* ---- question.c ---- */
struct consent_question *question_new(struct consent_device *device, int slot);
/* Into the lists, by its number. */
void question_link(struct consent_question *question);
/* Out of the lists, freed; its record stays. */
void question_unlink(struct consent_question *question);
/* Forgotten. */
void question_drop(struct consent_question *question);
/* The question about what the slot holds, made when there is none; NULL: out of memory, or the slot holds nothing. */
struct consent_question *question_of(struct consent_device *device, int slot);
bool question_matches(const struct consent_question *question);
/* Puts it: as the policy has it, or to be confirmed. */
void question_open(struct consent_question *question, bool confirm, const char *wording,
                   const struct consent_by *by);
/* A job asks again, in the mode of the window that is open now. */
void question_adjust(struct consent_question *question, bool confirm, const char *wording,
                     const struct consent_by *by);
/* The policy changed. */
void question_review(struct consent_question *question);
/* What the clock decides; true when it decided. */
bool question_settle(struct consent_question *question);
enum firmware_consent question_answer(struct consent_question *question, const char **ret_reason);
void question_ended(struct consent_question *question, const struct firmware_job_info *job);
/* Nobody waits for it any more. */
void question_rest(struct consent_question *question);
/* What was agreed and nobody commanded is launched. */
void question_launch(struct consent_question *question);
/* Its decision is durable, or was taken back. */
void question_durable(struct consent_question *question);
struct firmware_job *question_job(const struct consent_question *question);
uint64_t question_elapsed(const struct consent_question *question);
/* On its clock: when it goes ahead by itself; UINT64_MAX: never. */
uint64_t question_acts_at(const struct consent_question *question);
uint64_t question_floor_at(const struct consent_question *question);
/* Why a choice is not offered. */
enum consent_why question_why(const struct consent_question *question, enum consent_choice choice);
bool question_is_under_way(const struct consent_question *question);
/* wording NULL: the question's. */
int question_log(struct consent_question *question, enum consent_what what, const struct consent_by *by,
                 const char *wording, const char *text, struct error *err);
int question_word(struct consent_question *question, const char *wording);

/* ---- home.c ---- */
/* Its own, or POLICY_HOME; and what holds. */
enum consent_policy own_policy(const struct consent_device *device);
enum consent_policy policy_of(const struct consent_device *device);
/* A changed policy is durable: looks at what waits. */
void home_applied(struct consent *consent);
int home_init(struct consent *consent);
void home_done(struct consent *consent);

/* ---- keep.c ---- */
/* After each write: the outcome of its batch is waited for. */
void keep_wrote(struct consent *consent, int result);
int question_save(struct consent_question *question, struct error *err);
void question_forget(struct consent_question *question);
int home_save(struct consent *consent, struct error *err);
int device_save(struct consent_device *device, struct error *err);
/* All that is stored. -1: memory is out, or the store cannot be read. */
int keep_load(struct consent *consent, struct error *err);
/* Policies as they are stored. */
int policies_load(struct consent *consent, struct error *err);
void keep_on_batch(void *ctx, bool durable);
/* Everything once more, after a batch was lost. */
void keep_rewrite(struct consent *consent);

/* ---- ledger.c ---- */
/* What a line says; path and name are the device's. -1: memory or the store failed; then there is no line. */
struct ledger_line {
    enum consent_what what;
    struct consent_by by;
    const struct consent_device *device; /* NULL: the home */
    uint32_t question;
    const char *version;
    const char *wording;
    const char *text;
};
int ledger_add(struct consent *consent, const struct ledger_line *line, struct error *err);
int ledger_load(struct consent *consent, struct error *err);
/* The batch of the newest lines is durable, or was lost: then what people decided is taken back, the rest is written. */
void ledger_durable(struct consent *consent);
void ledger_lost(struct consent *consent);
void ledger_free(struct consent *consent);

#endif
