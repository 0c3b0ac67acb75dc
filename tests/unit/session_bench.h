/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of a session as self::one sends them to the bench's agent, every field as told. The peer of the toy's TLS is
 * here, too: what it answers is what a test gives.
 */
#ifndef TESTS_UNIT_SESSION_BENCH_H
#define TESTS_UNIT_SESSION_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/toy_security.h"
#include "tests/unit/usp_bench.h"
#include "usp/record.h"
#include "usp/session.h"

enum protection {
    UNSIGNED,
    SIGNED,
    MAC_CLIENT, /* the peer began the session */
    MAC_SERVER,
    MAC_WRONG,
};

struct session_record {
    uint64_t id, sequence, expected, again;
    unsigned sar, recsar;
    bool tls;
    enum protection protection;
    struct str entry; /* of the payload; none when it is empty */
    unsigned entries; /* how often; 0: once */
};

/* Session, sequence_id, expected_id, and members by name. */
#define AT_ROW(i, s, e, ...)                                       \
    {                                                              \
        .id = (i), .sequence = (s), .expected = (e), ##__VA_ARGS__ \
    }
#define AT(...) ((struct session_record)AT_ROW(__VA_ARGS__))

static inline void session_protect(struct usp_record *record, const struct usp_session_context *context,
                                   enum protection protection, uint8_t mac[TOY_SIGNATURE_BYTES])
{
    struct buf fields;
    struct str bytes;

    if (protection == UNSIGNED)
        return;
    if (protection == SIGNED)
        record->sender_cert = record->from_id;
    buf_init(&fields, 4096, 0);
    usp_record_fields(&fields, record, context);
    bytes = (struct str){(char *)buf_data(&fields), fields.len};
    if (protection == SIGNED)
        toy_sign("self::one", bytes, mac);
    else
        toy_mac(protection == MAC_SERVER ? 's' : 'c', bytes, mac);
    if (protection == MAC_WRONG)
        mac[3] ^= 1;
    record->mac_signature = (struct str){(char *)mac,
                                         protection == SIGNED ? (size_t)TOY_SIGNATURE_BYTES : USP_MAC_BYTES};
    buf_done(&fields);
}

/* The whole record, to be freed with buf_done(). */
static inline struct buf session_record_bytes(const struct session_record *what)
{
    struct usp_record record = {.version = STR("1.4"),
                                .to_id = STR("self::agent"),
                                .from_id = STR("self::one"),
                                .payload_security = what->tls};
    struct usp_session_context context = {.session_id = what->id,
                                          .sequence_id = what->sequence,
                                          .expected_id = what->expected,
                                          .retransmit_id = what->again,
                                          .sar = what->sar,
                                          .recsar = what->recsar};
    uint8_t mac[TOY_SIGNATURE_BYTES];
    struct buf bytes;

    buf_init(&bytes, LIMIT_RECORD_BYTES, USP_HEADROOM);
    for (unsigned i = 0; what->entry.len && i < (what->entries ? what->entries : 1); i++)
        pb_write_bytes(&bytes, 7, what->entry);
    session_protect(&record, &context, what->protection, mac);
    usp_record_wrap_session(&bytes, &record, &context);
    return bytes;
}

static inline enum usp_verdict session_give(struct usp_bench *bench, struct session_record what)
{
    struct buf bytes = session_record_bytes(&what);
    struct error err;
    enum usp_verdict verdict;

    error_clear(&err);
    verdict = usp_receive(bench->usp, &bench->channels[0].channel, NULL,
                          (struct str){(char *)buf_data(&bytes), bytes.len}, &err);
    buf_done(&bytes);
    bench_turn(bench);
    return verdict;
}

static inline struct buf session_get(const char *path)
{
    struct str one = str_of(path);
    struct buf message;

    buf_init(&message, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_client_get(&message, STR("m1"), &one, 1, 0);
    return message;
}

/* A Get in the record: what was sent. */
static inline const char *session_ask(struct usp_bench *bench, const char *path, struct session_record what)
{
    struct buf message = session_get(path);
    struct buf sealed;

    buf_init(&sealed, LIMIT_RECORD_BYTES, 0);
    what.entry = (struct str){(char *)buf_data(&message), message.len};
    if (what.tls) {
        toy_flip(&message);
        toy_record(&sealed, TOY_DATA, what.entry);
        what.entry = (struct str){(char *)buf_data(&sealed), sealed.len};
    }
    session_give(bench, what);
    buf_done(&sealed);
    buf_done(&message);
    return bench_sent(bench);
}

/* One message of the toy's handshake: what was sent. */
static inline const char *session_shake(struct usp_bench *bench, const char *text, struct session_record what)
{
    struct buf handshake;

    buf_init(&handshake, 4096, 0);
    toy_record(&handshake, strcmp(text, "alert") == 0 ? TOY_ALERT : TOY_HANDSHAKE, str_of(text));
    what.tls = true;
    what.entry = (struct str){(char *)buf_data(&handshake), handshake.len};
    session_give(bench, what);
    buf_done(&handshake);
    return bench_sent(bench);
}

/* The id of the session of the newest record that was sent. */
static inline uint64_t session_last_id(struct usp_bench *bench)
{
    struct usp_session_context context = {0};
    struct usp_record record;

    assert_int_equal(
        usp_record_parse((struct str){(char *)buf_data(&bench->last), bench->last.len}, &record, NULL), 0);
    assert_int_equal(usp_session_context_parse(record.body, &context), 0);
    return context.session_id;
}

static inline void session_set(struct usp_bench *bench, const char *name, const char *value)
{
    struct dm_row *row = dm_row_find(bench->dm, STR("Device.LocalAgent.Controller.1.E2ESession."));

    dm_begin(bench->dm, NULL);
    assert_int_equal(dm_set(bench->dm, row, dm_node_param(row->node, name), str_of(value), NULL), 0);
    assert_int_equal(dm_commit(bench->dm, NULL), 0);
    bench_turn(bench);
}

/* Status and CurrentRetryCount: "Up 0". */
static inline const char *session_state(struct usp_bench *bench)
{
    static char text[64];
    struct dm_row *row = dm_row_find(bench->dm, STR("Device.LocalAgent.Controller.1.E2ESession."));
    char scratch[DM_SCRATCH_BYTES];
    char count[DM_SCRATCH_BYTES];
    struct str status = dm_get_text(row, dm_node_param(row->node, "Status"), scratch);
    struct str retries = dm_get_text(row, dm_node_param(row->node, "CurrentRetryCount"), count);

    snprintf(text, sizeof(text), "%.*s %.*s", (int)status.len, status.data, (int)retries.len, retries.data);
    return text;
}

#endif
