/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Firmware of many targets (the gateway itself and the devices behind it): slots, images and the job machine.
 *
 * A target has three slots, the rows of its FirmwareImage table: one is what it runs, two can hold an image that the
 * gateway keeps for it (or an update that the manufacturer offers). A job is one Download or Activate on one slot, from
 * acceptance to its final result; it is in the store's open batch before firmware_download() or firmware_activate()
 * return, resumed after a crash, and ends exactly once. Everything that changes is told to observers; this module
 * knows nobody above it.
 *
 * Exactly once: the batch that deletes the job's record is the batch in which FIRMWARE_JOB_ENDED is told. An observer
 * writes its OperationComplete and TransferComplete! into the store before it returns, so that both are durable
 * together or neither is: a crash before the commit finds the job in its last stored state, which resumes and ends
 * again with nothing handed on yet; a crash after it finds the notifications and no job. An observer must not send
 * what it wrote before the batch is durable (store_wait), and must not flush the store itself. A batch that was lost
 * without a crash (disk full) took what observers wrote with it: the event is told again until a batch holds.
 *
 * Acceptance: nothing starts before the batch of acceptance is durable. When that batch is lost, the job never was:
 * FIRMWARE_JOB_DROPPED, no result.
 *
 * Loop's thread only. Hashing and syncing large files run on workers. The caller owns targets; the module owns jobs
 * and images.
 */
#ifndef FIRMWARE_FIRMWARE_H
#define FIRMWARE_FIRMWARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/observer.h"
#include "base/store.h"
#include "release/release.h"
#include "transports/http_fetch.h"
#include "transports/http_server.h"

enum {
    FIRMWARE_SLOTS = 3,
    FIRMWARE_WINDOWS = 5,     /* TR-181 Activate(): TimeWindow 1..5 */
    FIRMWARE_TEXT_BYTES = 65, /* Name and Version: TR-181 string (:64), with the terminator */
    FIRMWARE_NOTICE_BYTES = 1025,
    FIRMWARE_URL_BYTES = 513,
};

struct firmware; /* the manager */
struct firmware_job;
struct firmware_image; /* a file in the cache */

/* FirmwareImage.{i}.Status, in the order of TR-181's enumeration. */
enum firmware_status {
    FIRMWARE_NO_IMAGE,
    FIRMWARE_ACTIVE,
    FIRMWARE_DOWNLOADING,
    FIRMWARE_VALIDATING,
    FIRMWARE_AVAILABLE,
    FIRMWARE_DOWNLOAD_FAILED,
    FIRMWARE_VALIDATION_FAILED,
    FIRMWARE_INSTALLATION_FAILED,
    FIRMWARE_ACTIVATION_FAILED,
};

/* How urgent an update is. */
enum firmware_severity {
    SEVERITY_UNKNOWN,
    SEVERITY_LOW,
    SEVERITY_MEDIUM,
    SEVERITY_HIGH,
    SEVERITY_CRITICAL,
    FIRMWARE_SEVERITIES,
};

/* What an update is for, in words for people: its release states it, or the operator's notice. */
struct firmware_notice {
    enum firmware_severity severity;
    bool security;                      /* it closes a hole */
    bool ask;                           /* only when somebody agrees (suit-condition-update-authorized) */
    char text[FIRMWARE_NOTICE_BYTES];   /* plain words */
    char notes_url[FIRMWARE_URL_BYTES]; /* release notes; "" or http(s) */
};

/* What a release says of its image, for people. Strings are malloc'ed. */
struct firmware_words {
    char *description;
    char *signers; /* whose signatures were verified */
};

/* Strings are malloc'ed, or NULL for "". Read them; only this module writes. */
struct firmware_slot {
    enum firmware_status status;
    bool available; /* FirmwareImage.{i}.Available: Active, or something is there to activate */
    bool proven;    /* version is from a device or its manufacturer; else guessed from the file name */
    char *alias;    /* the data model's, kept here for it */
    char *name;
    char *version;
    char *boot_failure_log;
    struct firmware_words *words; /* of the release of what it holds; NULL: a bare image, or memory was out */
    char *offer;                  /* the dialect's name of the manufacturer's own offer ("stable") */
    struct firmware_image *image; /* what the gateway keeps for this slot, or NULL */
    struct firmware_notice *notice; /* what is said of it, or NULL */
    uint32_t told[5]; /* private: hashes of what observers were told, by enum firmware_slot_field */
};

/* What of a slot changed: bits in an event. */
enum firmware_slot_field {
    SLOT_STATUS,
    SLOT_AVAILABLE,
    SLOT_NAME,
    SLOT_VERSION,
    SLOT_BOOT_FAILURE_LOG,
};

struct firmware_release;
struct firmware_target;

/* One installation, handed to the target's dialect. Lives for the call; the URL is good until the job leaves the target. */
struct firmware_install {
    int slot; /* index into target->slots */
    /* Single-device, expiring URL at the gateway; NULL with an offer, or when there is none (ops->takes_file,
     * takes_either). What follows its last slash may be replaced: the gateway takes any name there. */
    const char *url;
    const char *path;        /* the same image as a file; NULL when offer is set */
    const char *offer;       /* ask the device to update itself to this offer; NULL when url is set */
    const char *name;        /* of the image */
    const char *version;     /* expected after the update; "" when not known before */
    const char *sha256;      /* hexadecimal, of the image; NULL with an offer */
    uint64_t size;           /* 0 for an offer */
    uint64_t companion_size; /* of the image that ops->companion names; 0: no slot of the target holds one */
};

/* How a dialect drives its device. Answers come through firmware_target_* below, at once or later. */
struct firmware_target_ops {
    /* Preflight and start. -1: refused, err says whether it can be tried again (ERROR_RESOURCES_EXCEEDED: yes). */
    int (*install)(struct firmware_target *target, const struct firmware_install *install, struct error *err);
    /* The job no longer wants the installation; may be impossible, then a later answer is ignored. May be NULL. */
    void (*abort)(struct firmware_target *target);
    /* Ask the device which version it runs; answered by firmware_target_version(). -1: cannot ask now. */
    int (*read_version)(struct firmware_target *target, struct error *err);
    /* WhenIdle: true when an interruption now disturbs nobody. May be NULL (always idle). */
    bool (*idle)(struct firmware_target *target);
    /*
     * The agent was restarted after the device had the image, and the device still runs the old version: true when
     * it was made to restart (again) now, false when it did restart. May be NULL (false).
     */
    bool (*restart)(struct firmware_target *target);
    bool takes_file;   /* installs from install->path: gets no URL */
    bool takes_either; /* gets a URL when the gateway serves images, and does without otherwise */
    /* What a fetched image says of itself, in place of the guess from its URL. -1: it is none. NULL: it says nothing. */
    int (*inspect)(const char *path, struct firmware_release *release, struct error *err);
    /*
     * A part of a file's name ("-minimal"): the device may fetch, from beside its image, one with that in its name. It is
     * what another slot of the target holds under such a name, and 404 when none does. NULL: there is no such thing.
     */
    const char *companion;
    /*
     * The order of this family's versions: below 0, 0 or above 0 as a is older, the same or newer than b. -1 (and
     * *ret untouched) when one of them cannot be told apart. NULL: versions have no order here.
     */
    int (*compare)(const char *a, const char *b, int *ret);
    /* Why Download() is refused: the device takes its maker's offers only. NULL: it takes images. */
    const char *no_download;
    /* How long the steps may take, s. 0: a default of this module. */
    uint32_t transfer_stall_s; /* no progress for this long while transferring */
    uint32_t reboot_s;         /* from "transferred" to back online with a version */
};

/* Embedded in its owner (struct device, the gateway). The owner registers it at start and when a device appears. */
struct firmware_target {
    const char *key; /* stable name, the store's key; owned by the owner; no line feed in it */
    const char
        *path; /* object path for results, e.g. "Device.ProxiedDevice.3.DeviceInfo."; owned by the owner */
    const struct firmware_target_ops *ops;
    void *ctx;         /* the owner's */
    const char *group; /* radio or bridge that allows one installation at a time; NULL: none */
    const char *
        hardware; /* its hardware address, by which it is known when it comes back; NULL or "": none. Owned by
                             the owner */
    const char *address; /* only this peer may fetch the image ("192.168.1.7"); NULL: whoever has the URL */
    const char *blocked_reason; /* set while blocked */
    bool online;
    bool blocked;    /* quarantined: no job starts, those that run fail */
    bool sleeps;     /* awake only for moments; set by firmware_target_sleeps() */
    bool on_battery; /* set by firmware_target_battery(), with its percentage */
    uint8_t battery;
    int8_t active;       /* index of the Active slot, -1 unknown; set to -1 before firmware_target_add() */
    uint16_t dependents; /* private: how many have it as their hub; LIMIT_PROXIED_DEVICES fits */
    struct firmware_slot slots[FIRMWARE_SLOTS];
    /* private */
    struct firmware *firmware;
    struct firmware_job *job;  /* whose installation has the target now, or NULL */
    struct firmware_job *jobs; /* that have not ended, newest first */
    struct firmware_target *next;
    struct firmware_target *previous;
    struct firmware_cohort *cohort;
    struct firmware_target *hub;
    uint64_t since; /* monotonic ms: it runs its version since then, or is known since then */
};

/* ---- the manager ---- */

struct firmware_settings {
    const char *cache_dir;
    uint64_t cache_bytes;
    uint32_t parallel_fetches;
    uint32_t parallel_installs;
    const char *serve_url;   /* base URL that devices are given, e.g. "http://192.168.1.1:7681" */
    struct tls_settings tls; /* for fetching over https */
    uint32_t retries;        /* tries of a transient failure before it is final */
    uint32_t retry_wait_s;   /* before the first retry; 0: 10 s. It doubles, up to ten minutes */
    /*
     * Of devices that are alike one is updated first, and the others when it has run the new version for so long.
     * 0: no canary.
     */
    uint32_t canary_soak_s;
    uint32_t battery_minimum; /* percent below which a device on battery is not updated */
    const char
        *withdrawn_file;  /* digests of images that are not installed (firmware/withdrawn.h); NULL: none */
    bool allow_downgrade; /* of images whose version is only guessed; see firmware_target_ops.compare */
    /* Instead of what the target's ops say; 0: theirs. */
    uint32_t transfer_stall_s;
    uint32_t reboot_s;
};

struct firmware *firmware_new(struct loop *loop, struct store *store,
                              const struct firmware_settings *settings, struct error *err);
void firmware_free(struct firmware *firmware);
/* Where devices reach the HTTP server, when that is known later than firmware_new() (port 0). Copied. */
int firmware_serve_at(struct firmware *firmware, const char *url);
/* Reads withdrawn_file again; what waits and is on the list now fails. -1: the list is as it was. */
int firmware_reload(struct firmware *firmware, struct error *err);
/* The HTTP server's ops: the wiring creates the server with them (ctx is the manager). */
const struct http_server_ops *firmware_server_ops(void);

/*
 * Policy: who may say no. Releases (signed statements about an image) and consent plug in here; the default takes a bare
 * image whose checksum, if the command gave one, matched, and knows no consent, so that a ConfirmationNeeded window
 * is never used. The struct is copied.
 */
struct firmware_candidate {
    const char *path; /* the fetched file, hashed and on disk */
    const char *url;
    const char *sha256; /* hexadecimal, of the file */
    uint64_t size;
    bool checksum_given; /* the command named a checksum, and it matched */
};

/* What is known about an image; set what the release states. */
struct firmware_release {
    char name[FIRMWARE_TEXT_BYTES];
    char version[FIRMWARE_TEXT_BYTES];
    bool proven;                   /* the version is stated by the release, not guessed */
    struct firmware_notice notice; /* empty: it says nothing */
};

enum firmware_consent {
    CONSENT_UNKNOWN, /* nobody can be asked: a window that needs confirmation is not used */
    CONSENT_PENDING, /* asked: wait; firmware_reconsider() when it was answered */
    CONSENT_QUIET,   /* agreed, for the quiet hours: wait likewise */
    CONSENT_GRANTED,
    CONSENT_REFUSED, /* the job fails */
};

struct firmware_window;

struct firmware_policy {
    /* After the digests, before the image becomes Available. *release holds the guess from the URL. -1: refused. */
    int (*verify_release)(void *ctx, struct firmware_target *target,
                          const struct firmware_candidate *candidate, struct firmware_release *release,
                          struct error *err);
    void *ctx; /* of verify_release */
    /* For each window that is open, whatever its mode. window NULL: Download() with AutoActivate. *ret_reason: why it was
     * refused, for the job's result. */
    enum firmware_consent (*consent)(void *ctx, struct firmware_job *job,
                                     const struct firmware_window *window, const char **ret_reason);
    void *consent_ctx;
};
/* What is NULL in it leaves that part as it was; policy NULL: all as it was at first. */
void firmware_set_policy(struct firmware *firmware, const struct firmware_policy *policy);
/* Something outside that waiting jobs depend on changed (consent, idleness): looks at them again this iteration. */
void firmware_reconsider(struct firmware *firmware);

/* ---- releases ---- */

/* What an image needs to be taken. A release is verified in any case. */
enum firmware_signatures {
    SIGNATURES_NONE,     /* a bare image is taken */
    SIGNATURES_CHECKSUM, /* a bare image is taken when the command gave a checksum */
    SIGNATURES_ANY,      /* a release that the manufacturer or the operator signed */
    SIGNATURES_MANUFACTURER,
    SIGNATURES_OPERATOR,
    SIGNATURES_BOTH,
    FIRMWARE_SIGNATURES,
};

/* Devices of one maker. */
struct firmware_vendor {
    const char *name;   /* as its devices name it */
    const char *domain; /* its DNS domain, for vendor-id; "": the name stands for it */
    enum firmware_signatures required;
    uint8_t battery_percent; /* see struct firmware_trust */
};

struct firmware_trust {
    struct anchors *anchors;           /* release/anchor.h; NULL: none */
    enum firmware_signatures required; /* of devices whose vendor is not listed */
    uint8_t
        battery_percent; /* of them: enough for a release that asks for mWh; 0: not known, and so refused */
    bool untagged;       /* an envelope without its tag is one too */
    const struct firmware_vendor *vendors;
    size_t vendors_count;
};
/* Copied, the anchors counted. Jobs whose device has not got its image yet are held against it at once. -1: no memory, all
 * stays as it was. */
int firmware_set_trust(struct firmware *firmware, const struct firmware_trust *trust, struct error *err);
/*
 * What the release of the image in this slot says, verified anew: 1; 0: it came without one; -1 and err: it does not
 * hold any more (an anchor was revoked). Costs a signature check.
 */
int firmware_slot_release(struct firmware_target *target, int slot, struct release *ret, struct error *err);

/*
 * Adds a target: its stored slots are restored into target->slots, its stored jobs are announced, and go on at the end of
 * this iteration, so that whoever is above can show the target first. -1: out of memory.
 */
int firmware_target_add(struct firmware *firmware, struct firmware_target *target, struct error *err);
/* The device is forgotten: its jobs end as failed, its slots and images are dropped from the store. */
void firmware_target_remove(struct firmware_target *target);
/* Only lets go (orderly stop of the program): nothing ends, nothing is forgotten. */
void firmware_target_detach(struct firmware_target *target);

/* Of suit-parameter-update-priority, of which the smaller is the more urgent: 0 Critical, 1 High, 2 Medium, else Low. */
enum firmware_severity firmware_severity_of_priority(int64_t priority);
/* Of the image in the slot, hexadecimal; NULL: there is none. */
const char *firmware_slot_sha256(const struct firmware_slot *slot);
/* What is said of what the slot holds, in the open batch; goes with that. -1: it holds nothing to activate. */
int firmware_slot_notice(struct firmware_target *target, int slot, const struct firmware_notice *notice,
                         struct error *err);

/* ---- what a dialect tells ---- */
void firmware_target_online(struct firmware_target *target, bool online);
void firmware_target_progress(struct firmware_target *target, unsigned percent);
/*
 * Who speaks for the device keeps the order until the device wakes: the transfer may take days to begin, as long as its
 * window is open, and meanwhile gives its turn to others. false: it has begun.
 */
void firmware_target_deferred(struct firmware_target *target, bool deferred);
/* The device has the image and restarts. */
void firmware_target_transferred(struct firmware_target *target);
/* The device says that it failed. transient: worth another try. */
void firmware_target_failed(struct firmware_target *target, bool transient, const char *reason);
/* Why, by the device's own account, it does not run the image it was given: told with a rollback, BootFailureLog. Before
 * firmware_target_version(). */
void firmware_target_boot_failure(struct firmware_target *target, const char *log);
/* What the device runs, read from it now. Outside jobs too: moves the Active row. name may be NULL. */
void firmware_target_version(struct firmware_target *target, const char *name, const char *version);
/*
 * The device runs what only serves to take the rest: no outcome. An installation that is under way goes on; one that
 * ended there, or that an earlier life of ours left there, is tried again.
 */
void firmware_target_interim(struct firmware_target *target, const char *name, const char *version);
/* What the manufacturer offers (NULL version: nothing): fills a free slot as Available, or clears it. */
void firmware_target_offer(struct firmware_target *target, const char *offer, const char *version);
/* Devices of the same name are alike: manufacturer, model and hardware. Copied; NULL: unlike any other. */
void firmware_target_cohort(struct firmware_target *target, const char *name);
/*
 * It is awake only for moments: that it is offline says nothing about its health, and one of its kind that is awake is the
 * better canary.
 */
void firmware_target_sleeps(struct firmware_target *target, bool sleeps);
/*
 * What hangs on a hub (a bridge, the gateway) is never updated together with it, and after it when both are due. NULL:
 * on nothing. Ends when either is removed.
 */
void firmware_target_hub(struct firmware_target *target, struct firmware_target *hub);
/* It runs on a battery, which has so many percent left; below 0: on mains. */
void firmware_target_battery(struct firmware_target *target, int percent);
/* Quarantine on or off (reason NULL: off). reason is kept by the owner and must stay valid while blocked. */
void firmware_target_block(struct firmware_target *target, const char *reason);

/* ---- jobs ---- */

enum firmware_command {
    FIRMWARE_DOWNLOAD,
    FIRMWARE_ACTIVATE,
};

enum firmware_job_state {
    JOB_REQUESTED,
    JOB_FETCHING,
    JOB_VERIFYING,
    JOB_WAITING, /* for a window, consent, the device to come online, or its turn */
    JOB_TRANSFERRING,
    JOB_REBOOTING,
    JOB_CONFIRMING,
    JOB_DONE, /* from here on final */
    JOB_FAILED,
    JOB_ROLLED_BACK,
    JOB_CANCELLED,
    JOB_EXPIRED,
};

enum firmware_mode {
    MODE_ANY_TIME,
    MODE_IMMEDIATELY,
    MODE_WHEN_IDLE,
    MODE_CONFIRMATION_NEEDED,
};

struct firmware_window {
    uint32_t start_s; /* from acceptance */
    uint32_t end_s;
    enum firmware_mode mode;
    const char *user_message; /* NULL: none */
    int32_t max_retries;      /* in this window; -1: the agent decides */
};

/* Who asked; opaque here, stored with the job and given back in events so that the result finds its way. */
struct firmware_origin {
    const char *originator; /* Endpoint ID of the controller */
    const char *command;    /* full command path */
    const char *command_key;
    uint32_t request; /* instance of Device.LocalAgent.Request. */
};

struct firmware_download {
    const char *url;
    bool auto_activate;
    const char *username; /* NULL: none */
    const char *password;
    uint64_t file_size;             /* 0: not given. Wrong is no failure (TR-181) */
    const char *checksum_algorithm; /* "SHA-1" ... "SHA-512", NULL: none */
    const char *checksum;           /* hexadecimal */
};

/*
 * Accept a job. NULL and err (7xxx) when it cannot be accepted; otherwise it is in the store's open batch. No window:
 * Immediately. Strings are copied.
 */
struct firmware_job *firmware_download(struct firmware_target *target, int slot,
                                       const struct firmware_download *args,
                                       const struct firmware_origin *origin, struct error *err);
struct firmware_job *firmware_activate(struct firmware_target *target, int slot,
                                       const struct firmware_window *windows, size_t count,
                                       const struct firmware_origin *origin, struct error *err);
/* R-OPR.3: only through Request.{i}.Cancel(). Ends the job before it returns. -1: the device has the image already. */
int firmware_job_cancel(struct firmware_job *job, struct error *err);
/* Available := false by a controller: drops the image. -1 when the slot is Active or busy. */
int firmware_slot_clear(struct firmware_target *target, int slot, struct error *err);
/* The same in the data model's four phases: may it be dropped; then slot->available is set to false by others ... */
int firmware_slot_check_clear(const struct firmware_target *target, int slot, struct error *err);
/* ... and this stores the target's slots: one that holds something and is not available is stored as empty. */
int firmware_slots_save(struct firmware_target *target, struct error *err);

struct firmware_job_info {
    uint64_t id;
    enum firmware_command command;
    enum firmware_job_state state;
    struct firmware_target *target;
    int slot;
    unsigned progress; /* percent of the present step */
    uint32_t tries;
    struct firmware_origin origin;
    const char *waits_for; /* JOB_WAITING: "window", "device", "turn", "idle", "consent", "quiet", "retry",
                              "battery", "hub", "canary", "release"; JOB_TRANSFERRING: "device" while deferred; else "" */
    const char *url;       /* Download; else "" */
    const char *checksum_algorithm; /* of what was fetched, as the command named it or SHA-256; "" not yet */
    const char *checksum;           /* hexadecimal */
    const char *version;            /* what the target ran at the end; "" not known */
    int64_t started, ended;         /* s since 1970; 0 not yet */
    uint64_t elapsed;               /* s since acceptance, whatever the wall clock did */
    uint64_t closes;                /* s from acceptance to the end of its last window */
    uint32_t fault_code;            /* 0 or a USP error code */
    const char *fault;              /* text for people; "" when none */
};
void firmware_job_info(const struct firmware_job *job, struct firmware_job_info *ret);
/* A pointer of whoever accepted or resumed the job; NULL at first, not stored. */
void firmware_job_set_ctx(struct firmware_job *job, void *ctx);
void *firmware_job_ctx(const struct firmware_job *job);
/* fn for each job that has not ended, in order of acceptance. */
void firmware_each_job(struct firmware *firmware, void (*fn)(void *ctx, struct firmware_job *job), void *ctx);

/* ---- what observers hear ---- */
enum firmware_event_type {
    FIRMWARE_SLOT_CHANGED, /* target, slot, fields */
    FIRMWARE_JOB_RESUMED,  /* job: found in the store by firmware_target_add(); before anything else of it */
    FIRMWARE_JOB_CHANGED,  /* job: state or progress */
    FIRMWARE_JOB_ENDED,    /* job: final; not to be touched after the observer returned */
    FIRMWARE_JOB_DROPPED,  /* job: its acceptance could not be stored, it never was; likewise gone */
    FIRMWARE_TARGET_ADDED, /* its slots are there, its jobs not yet announced */
    FIRMWARE_TARGET_REMOVED, /* forgotten: its jobs have ended */
    FIRMWARE_TARGET_UPDATED, /* target runs another version than before (SoftwareVersion, ActiveFirmwareImage) */
};
struct firmware_event {
    enum firmware_event_type type;
    struct firmware_target *target;
    int slot;
    unsigned fields; /* 1 << enum firmware_slot_field */
    struct firmware_job *job;
};
struct observers *firmware_observers(struct firmware *firmware);

/* The job on this slot that has not ended, or NULL. */
struct firmware_job *firmware_slot_job(const struct firmware_target *target, int slot);

/* "Downloading", ... and "Fetching", ... */
const char *firmware_status_text(enum firmware_status status);
const char *firmware_job_state_text(enum firmware_job_state state);

#endif
