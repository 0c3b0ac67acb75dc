/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bench for the firmware manager: a fake clock, a store in a file, a server and devices that are functions, and an
 * observer that hands results on through the store as the data model does. bench_crash() loses everything that was not
 * committed, as kill -9 does: the next life starts on a copy of what was on disk.
 */
#ifndef TESTS_UNIT_FAKE_UPDATE_H
#define TESTS_UNIT_FAKE_UPDATE_H

#include "firmware/manager.h"

enum {
    BENCH_DEVICES = 4,
    BENCH_FETCHES = 4,
    BENCH_IMAGES = 4,
    BENCH_START = 1767225600, /* the wall clock of the first life */
};

/* What a device does with an image. */
enum bench_fault {
    FAULT_NONE,
    FAULT_REFUSES,      /* for good */
    FAULT_BUSY,         /* refuses, might do it later */
    FAULT_FAILS_AT_40,  /* tells of a transient failure */
    FAULT_BREAKS_AT_40, /* tells of a permanent one */
    FAULT_STALLS,       /* says nothing more */
    FAULT_NEVER_RETURNS,
    FAULT_OLD_VERSION,   /* restarts into what it had */
    FAULT_OTHER_VERSION, /* restarts into something else */
    FAULT_CLAIMS,        /* fetches nothing, and says all the same that it runs it */
};

struct bench_device {
    struct firmware_target target;
    struct bench *bench;
    char key[32];
    char path[64];
    char version[32];
    const char *cohort; /* NULL: none */
    enum bench_fault fault;
    unsigned fault_times; /* the fault goes away after so many installations; 0: never */
    bool keeps_offline;   /* does not come online */
    bool busy;            /* not idle */
    /* What goes on in it, in the gateway's absence too. */
    unsigned step; /* 0: nothing; counts seconds of the installation */
    char next_version[32];
    unsigned installs;
    unsigned aborts;
    unsigned questions;
    unsigned restarts;
    bool online; /* as the device sees it */
    bool asked;
};

struct bench_image {
    const char *url;
    const char *content;
    size_t size;           /* of content; 0: it is a text */
    const char *validator; /* NULL: none */
    const char *version;   /* what a device runs that installed it */
    unsigned cuts;         /* so many transfers end in the middle */
    unsigned failures;     /* so many requests fail before the head */
    bool missing;          /* 404 */
    bool hides_length;
};

struct bench_fetch {
    struct bench *bench;
    const struct bench_image *image;
    const struct http_fetch_ops *ops;
    void *ctx;
    uint64_t at;
    unsigned turn; /* 0: free */
    bool range;
};

struct bench {
    /* Told when a life's manager is there and has no target yet, and before the store goes; NULL: nobody. */
    void (*began)(struct bench *bench);
    void (*ends)(struct bench *bench, bool targets); /* targets: they go now; else the manager went */
    void *ctx;
    struct loop loop;
    struct store *store;
    struct firmware *firmware;
    struct firmware_settings settings;
    struct observer observer;
    char dir[64];
    char db[96];
    char cache[96];
    unsigned life;
    struct bench_device devices[BENCH_DEVICES];
    unsigned device_count;
    struct bench_image images[BENCH_IMAGES];
    struct bench_fetch fetches[BENCH_FETCHES];
    unsigned requests;
    unsigned conditional; /* of those: with a validator */
    unsigned most_parallel;
    unsigned commits; /* of this life */
    unsigned stop_at; /* stand still at this commit, 0: never */
    bool stop_before; /* ... with what it holds lost */
    bool stopped;
    unsigned accepted; /* jobs whose acceptance is durable, over all lives */
    /* The newest job that ended in this life. */
    unsigned ended;
    unsigned dropped;
    enum firmware_job_state state;
    uint32_t fault_code;
    char fault[256];
    char checksum[VERIFY_HEX_BYTES];
    char waits_for[16]; /* of the newest change */
    unsigned progress;
    unsigned updated; /* FIRMWARE_TARGET_UPDATED */
};

/* All of the image left the gateway for the target's job. */
void bench_fetched(struct firmware_target *target);

extern const struct firmware_target_ops bench_device_ops;

/* devices: how many; each runs "1.0.0" and is online. The manager is there, the devices are added. */
void bench_init(struct bench *bench, unsigned devices);
void bench_done(struct bench *bench);
/* An orderly stop and start, or a crash and start: everything but the devices and the server begins anew. */
void bench_restart(struct bench *bench);
void bench_crash(struct bench *bench);

/* From now on no file can grow: what is committed is lost. */
void bench_disk_full(bool full);

/* One second: timers, devices, server, workers, and the commit. */
void bench_tick(struct bench *bench);
void bench_run(struct bench *bench, unsigned seconds);
/* Until no job is left; fails the test after 20,000 seconds. */
void bench_finish(struct bench *bench);
/* Deferred work, the commit and workers, without time. */
void bench_settle(struct bench *bench);

struct bench_image *bench_serve(struct bench *bench, const char *url, const char *content,
                                const char *version);

/* NULL when refused; the text of the refusal is in bench->fault. */
struct firmware_job *bench_download(struct bench *bench, unsigned device, int slot, const char *url,
                                    bool auto_activate);
struct firmware_job *bench_download_sum(struct bench *bench, unsigned device, int slot, const char *url,
                                        const char *algorithm, const char *checksum);
struct firmware_job *bench_activate(struct bench *bench, unsigned device, int slot, enum firmware_mode mode,
                                    uint32_t start_s, uint32_t end_s);
/* Downloads and waits; the slot must be Available then. */
void bench_have(struct bench *bench, unsigned device, int slot, const char *url);

/* Results handed on, over all lives. */
unsigned bench_results(struct bench *bench);
unsigned bench_jobs(struct bench *bench);
/* Slots, versions and the active index say the same. */
void bench_check_slots(struct bench *bench, unsigned device);
unsigned bench_files(const struct bench *bench, const char *prefix);

#endif
