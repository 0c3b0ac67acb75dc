/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to this folder: the manager, the job, and what the files of the job machine ask of each other.
 *
 *   firmware.c      manager and targets, what dialects tell
 *   slot.c          slots and their records
 *   job.c           acceptance, states, the end, durability
 *   job_store.c     a job as a record
 *   job_download.c  Requested, Fetching, Verifying
 *   job_release.c   the same when what came is a release; and what it says of an activation
 *   job_activate.c  Waiting
 *   job_install.c   Transferring, Rebooting, Confirming
 *   turn.c          whose turn it is
 */
#ifndef FIRMWARE_MANAGER_H
#define FIRMWARE_MANAGER_H

#include "base/map.h"
#include "firmware/cache.h"
#include "firmware/fetch.h"
#include "firmware/firmware.h"
#include "firmware/serve.h"
#include "firmware/window.h"
#include "firmware/withdrawn.h"

/* What a waiting job waits for; texts in firmware_job_info. */
enum waits_for {
    WAITS_NOT,
    WAITS_WINDOW,
    WAITS_CONSENT,
    WAITS_QUIET,
    WAITS_RETRY,
    WAITS_DEVICE,
    WAITS_IDLE,
    WAITS_TURN,
    WAITS_BATTERY,
    WAITS_HUB,
    WAITS_CANARY,
    WAITS_RELEASE, /* for the time that it gives */
};

struct firmware_job {
    struct firmware *firmware;
    struct firmware_target *target;
    struct firmware_job *next; /* in the manager's list, by id; or in that of the ended */
    struct firmware_job *previous;
    struct firmware_job *target_next;
    uint64_t id;
    char *key; /* in the store; outlives the target */
    enum firmware_command command;
    enum firmware_job_state state;
    int slot;
    uint32_t tries; /* that failed and were or will be repeated */
    unsigned progress;
    int device_percent; /* of the transfer, by the device's own account; -1: it has given none */
    enum waits_for waits_for;

    bool accepted;  /* its first record is durable */
    bool ended;     /* observers were told; waits for its deletion to be durable */
    bool gone;      /* nobody knows it any more; freed when the store lets go */
    bool to_resume; /* found in the store, goes on at the end of this iteration */
    bool handed;    /* the device said that it has the image (stored) */
    bool unsure;    /* the device may be at it still, though nobody waits for it: a stall, a crash (stored) */
    bool resumed;   /* this life found it in the store */
    bool was_offline; /* since the device has the image (stored) */
    bool installing;  /* has the target; counted in the manager's installs unless deferred */
    bool deferred;    /* waits for the device to wake: others may have the turn */

    /* What the command said (stored). */
    char *originator;
    char *command_path;
    char *command_key;
    uint32_t request;
    char *url;
    char *username;
    char *password;
    uint64_t file_size;
    bool auto_activate;
    struct verify_checksum checksum;
    struct firmware_window windows[FIRMWARE_WINDOWS];
    uint8_t window_count;

    /* Where the clock stood (stored): elapsed grows by the monotonic clock within a life, by the wall clock between. */
    int64_t accepted_at;
    uint64_t elapsed_base_s;
    uint64_t elapsed_from; /* monotonic ms */
    uint32_t used_windows; /* bits (stored) */
    uint8_t window_tries[FIRMWARE_WINDOWS];
    int window;        /* the one it started in, or -1 */
    uint64_t retry_at; /* monotonic ms */

    char *old_version;  /* what the target ran when the transfer began (stored) */
    char *boot_failure; /* the device's own reason for a rollback, or NULL */
    struct verify_checksum fetched;
    struct fetch_want want;
    struct serve_grant grant;
    struct fetch_check *check;      /* of the image before it is handed out */
    struct firmware_image *checked; /* pinned meanwhile */
    struct job_release
        *release;          /* the release that it downloads or installs; NULL: none, or not looked at yet */
    uint64_t release_seen; /* trust_generation + 1 when an activation looked; 0: not yet */
    struct timer timer;    /* the present step's: window, retry, idleness, stall, next question */
    struct timer deadline; /* for the device to come back */
    uint64_t unarmed_ms;   /* what `timer` should be armed for, and could not; 0: nothing */
    bool unarmed_deadline;

    /* Durability. */
    struct store_waiter waiter;
    bool waiter_armed;
    bool wait_again; /* there were writes after it was armed */
    bool unsaved;    /* the last write failed */
    void (*then)(struct firmware_job *job);

    void *ctx; /* of whoever accepted or resumed it */

    /* The end. */
    int64_t ended_at;
    uint32_t fault_code;
    char *fault;
    char *result_version;
};

struct firmware {
    struct loop *loop;
    struct store *store;
    struct cache *cache;
    struct http_fetcher *fetcher; /* NULL when the source is a test's */
    struct fetches *fetches;
    struct serve serve;
    char *serve_url;
    char *ca_file, *certificate_file, *key_file;
    uint32_t parallel_installs;
    uint32_t retries;
    uint32_t retry_wait_s;
    uint32_t transfer_stall_s; /* 0: the target's */
    uint32_t reboot_s;         /* 0: the target's */
    uint32_t canary_soak_s;    /* 0: no canary */
    uint32_t battery_minimum;  /* percent */
    bool allow_downgrade;
    struct map cohorts; /* by name */
    struct withdrawn withdrawn;
    char *withdrawn_file; /* NULL: none */
    struct firmware_policy policy;
    struct trust *trust;
    uint64_t trust_generation; /* another one after each change */
    uint32_t departed;         /* records of firmware/sequence.h */
    bool departed_counted;
    struct observers observers;
    struct firmware_target *targets;
    struct firmware_job *jobs; /* in order of acceptance */
    struct firmware_job *last_job;
    struct firmware_job *ended;
    struct firmware_job *walk; /* the next one of a walk over jobs that is under way */
    size_t job_count;
    uint64_t next_id;
    uint32_t installs;
    struct deferred reconsider;
    struct deferred resume;
    struct store_waiter waiter;
    bool waiter_armed;
    /* Always armed, so that moving it cannot fail: repairs what memory or the store refused. */
    struct timer repair;
    bool lost; /* a batch: all is to be written again */
};

/* firmware_new() with another source of bytes (tests); source NULL: an http_fetcher of its own. */
struct firmware *firmware_new_from(struct loop *loop, struct store *store,
                                   const struct firmware_settings *settings,
                                   const struct fetch_source *source, struct error *err);

/* After each write: the manager wants to know when it failed, or when its batch is lost, and then writes all again. */
void firmware_wrote(struct firmware *firmware, int result);
/* Something could not be done for want of memory: soon again. */
void firmware_repair(struct firmware *firmware);
void firmware_tell(struct firmware *firmware, enum firmware_event_type type, struct firmware_target *target,
                   int slot, struct firmware_job *job);

/* ---- slot.c ---- */
/* -1: memory is out or the store cannot be read. */
int slots_load(struct firmware_target *target, struct error *err);
void slots_forget(struct firmware_target *target);
void slots_save(struct firmware_target *target);
void slots_free(struct firmware_target *target);
/* Empties all but the status, which becomes `status`. */
void slot_reset(struct firmware_target *target, int slot, enum firmware_status status);
void slot_set_status(struct firmware_target *target, int slot, enum firmware_status status, const char *log);
/* An image of the cache came into the slot. */
void slot_set_image(struct firmware_target *target, int slot, struct firmware_image *image,
                    const struct firmware_release *release);
/* What its release says of it, for people. */
void slot_set_words(struct firmware_slot *slot, const char *description, const char *signers);
/* The target runs this slot now: what it ran before becomes Available or NoImage. */
void slot_activate(struct firmware_target *target, int slot, const char *name, const char *version);
/* Images that were withdrawn leave the slots that no job uses. */
void slots_drop_withdrawn(struct firmware_target *target);
/* The target runs this version: finds out which slot that is. */
void slot_running(struct firmware_target *target, const char *name, const char *version);
void slot_offer(struct firmware_target *target, const char *offer, const char *version);
/* cache_ops */
void slots_survey(void *ctx, struct firmware_image *images);
void slots_evicted(void *ctx, struct firmware_image *image);
const char *slot_version(const struct firmware_target *target, int slot); /* never NULL */
/* "shelly-plus1-1.4.4.bin" and "1.4.4" from its URL: a guess. */
void slot_guess(const char *url, struct firmware_release *ret);

/* ---- job.c ---- */
struct firmware_job *job_new(struct firmware_target *target, enum firmware_command command, int slot);
void job_free(struct firmware_job *job);
/* Into the manager's and the target's lists. */
void job_link(struct firmware_job *job);
/* Checks that hold for both commands. */
int job_admit(struct firmware_target *target, int slot, struct error *err);
/* Gives it an id, stores it, and runs `then` when that is durable. Frees the job on failure. */
struct firmware_job *job_accept(struct firmware_job *job, const struct firmware_origin *origin,
                                void (*then)(struct firmware_job *job), struct error *err);
void job_set_state(struct firmware_job *job, enum firmware_job_state state);
void job_set_progress(struct firmware_job *job, unsigned percent);
/* Runs fn when all that was written until now is durable, unless the job changes its mind (then = NULL). */
void job_then(struct firmware_job *job, void (*fn)(struct firmware_job *job));
/* After a batch was lost: writes what should be stored once more. */
void job_rewrite(struct firmware_job *job);
void job_end(struct firmware_job *job, enum firmware_job_state state, uint32_t code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
uint64_t job_elapsed(const struct firmware_job *job);
void job_wait_ms(struct firmware_job *job, uint64_t ms, timer_fn *fn);
void job_stop_timers(struct firmware_job *job);
/* Arms the timers that could not be armed. */
void job_rearm(struct firmware_job *job);
/* The program stops: frees without ending. */
void job_let_go(struct firmware_job *job);

/* ---- job_store.c ---- */
/* Sets id and key. -1 when memory is out. */
int job_name(struct firmware_job *job, uint64_t id);
int job_save(struct firmware_job *job, struct error *err);
int job_delete(struct firmware_job *job, struct error *err);
/* Makes the stored jobs of a target; they are linked, not started. */
int jobs_load(struct firmware_target *target, struct error *err);
/* The first id that no job ever had. */
uint64_t jobs_next_id(struct store *store);

/* ---- job_download.c, job_activate.c, job_install.c ---- */
void job_resume(struct firmware_job *job);
void download_begin(struct firmware_job *job);
void download_cancel(struct firmware_job *job);
/* The image is there and may be taken. `release` NULL: a bare one. */
void download_take(struct firmware_job *job, struct firmware_image *image, const struct release *release);
/* Fetches the next file that its release names. */
void download_fetch(struct firmware_job *job);
void download_failed(struct firmware_job *job, enum firmware_status status, const struct error *err);
void activate_begin(struct firmware_job *job);
void activate_consider(struct firmware_job *job);
void activate_failed(struct firmware_job *job, bool transient, const char *reason);
/* The release of its image says no, or the policy does: for good. */
void activate_refused(struct firmware_job *job, const struct error *err);
void install_begin(struct firmware_job *job);
/* Trust has changed, and the device has not got its image yet: it does not, when that counts no more. */
void install_reconsider(struct firmware_job *job);
void install_resume(struct firmware_job *job);
void install_watch_return(struct firmware_job *job);
/* Leaves the target: timers, grant and place are given back. */
void install_leave(struct firmware_job *job);
void install_online(struct firmware_job *job, bool online);
void install_progress(struct firmware_job *job, unsigned percent);
void install_defer(struct firmware_job *job, bool deferred);
void install_transferred(struct firmware_job *job);
void install_interim(struct firmware_job *job, const char *version);
void install_version(struct firmware_job *job, const char *name, const char *version);

#endif
