/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A USP device played by hand, on a fake home: it answers what the dialect asks, by what its struct says, when it is let.
 * Its messages are written with the wire format's functions, after TR-369; none of the agent's code answers.
 */
#ifndef TESTS_UNIT_USPDEV_BENCH_H
#define TESTS_UNIT_USPDEV_BENCH_H

#include "devices/dialects/uspdev.h"
#include "tests/unit/fake_home.h"

#define LAMP "os::0A0B0C-LAMP1"
#define GATEWAY "os::012345-GW1-lan"
#define LAMP_TOPIC "homepatch/usp/agent/" LAMP
#define LAMP_SAYS "homepatch/usp/controller/" LAMP

enum {
    BENCH_QUEUE = 32,
    BENCH_BANKS = 3,
};

struct bench_bank {
    const char *status; /* NULL: there is no such row */
    const char *log;
};

/* A record that the dialect sent and nobody has answered yet. */
struct bench_record {
    char bytes[4096];
    size_t len;
    char topic[256];
    struct lan_session *to;
};

struct uspdev_bench {
    struct fake_home home; /* first */
    struct rate address;
    struct lan_session session;
    bool over_mqtt;
    /* The device. */
    const char *eid, *model, *manufacturer, *version, *active, *up_time;
    struct bench_bank banks[BENCH_BANKS];
    const char *subscriptions[8][4]; /* ID, NotifType, ReferenceList, Enable; by instance - 1 */
    uint32_t operate_code;           /* of the next Operate: 0 accepts */
    bool lacks_activate, lacks_transfer, refuses_info;
    /* What the dialect sent. */
    struct bench_record queue[BENCH_QUEUE];
    size_t queued;
    char asked[2048]; /* "connect info supported_dm subscriptions add:version,boot " */
    char command_key[64];
    char last_args[512]; /* of Operate: "URL=...;AutoActivate=false;" */
};

int uspdev_bench_up(void **state);
int uspdev_bench_down(void **state);
/* Empties it to the state after uspdev_bench_up(). */
void uspdev_bench_init(struct uspdev_bench *bench, struct store *store);
void uspdev_bench_restart(struct uspdev_bench *bench);

/* Answers what was asked, and what is asked because of that, until nothing is. */
void uspdev_run(struct uspdev_bench *bench);
/* The same for the oldest question; false when there is none. */
bool uspdev_run_one(struct uspdev_bench *bench);
/* A response with these bytes as its content, to the oldest question (or to none). */
void uspdev_reply(struct uspdev_bench *bench, unsigned type, unsigned kind, const void *data, size_t len);
/* Forgets what was asked. */
void uspdev_forget(struct uspdev_bench *bench);
/* Was this word asked since the last uspdev_forget()? */
bool uspdev_asked(const struct uspdev_bench *bench, const char *word);

/* The device says a record with this content: bytes, as they are, over what it is connected by. */
void uspdev_says(struct uspdev_bench *bench, const void *data, size_t len);
void uspdev_connects(struct uspdev_bench *bench); /* the Connect record */
void uspdev_disconnects(struct uspdev_bench *bench);
/* A session of this endpoint from this address; certificate may be NULL (borrowed). */
void uspdev_opens(struct uspdev_bench *bench, struct lan_session *session, const char *address,
                  const char *name, X509 *certificate);
void uspdev_closes(struct uspdev_bench *bench, struct lan_session *session);

/* Notifications with send_resp; the first has these bytes as its content. */
void uspdev_notify(struct uspdev_bench *bench, const void *data, size_t len);
void uspdev_event(struct uspdev_bench *bench, const char *object, const char *event, const char *const *args);
void uspdev_complete(struct uspdev_bench *bench, const char *command, const char *key, uint32_t code);
void uspdev_value_change(struct uspdev_bench *bench, const char *version);

/* The lamp, known and online, over a session (from 192.168.1.20) or at the broker; logs are empty. */
struct device *uspdev_lamp(struct uspdev_bench *bench, bool over_mqtt);
struct device *uspdev_device(struct uspdev_bench *bench);
/* The firmware manager wants an update; what install() returned. */
int uspdev_install(struct uspdev_bench *bench, struct error *err);

#endif
