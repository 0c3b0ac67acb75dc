/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions of a hostile controller: the input is a list of steps, most of them a record whose fields it chooses, with the toy's
 * security. Any verdict, no crash, every record sent is well-formed, and what is kept stays below the ceilings.
 *
 *   step: kind; id; sequence (from what is expected); expected; again; states; protection; length of the payload; payload
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/session_bench.h"
#include "usp/session_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STEP_BYTES = 8,
};

static void change(struct usp_bench *bench, unsigned what)
{
    static const char *const settings[][2] = {
        {"SessionMode", "Allow"},     {"SessionMode", "Require"},       {"SessionMode", "Forbid"},
        {"PayloadSecurity", "TLS"},   {"PayloadSecurity", "Plaintext"}, {"MaxUSPRecordSize", "512"},
        {"MaxUSPRecordSize", "0"},    {"SessionExpiration", "1"},       {"SessionExpiration", "0"},
        {"MaxRetransmitTries", "-1"}, {"MaxRetransmitTries", "0"},
    };

    what %= sizeof(settings) / sizeof(settings[0]);
    session_set(bench, settings[what][0], settings[what][1]);
}

/* A Get, a message of the handshake, or what the input has: as TLS or not. */
static void make_entry(unsigned kind, bool tls, struct str rest, struct buf *to)
{
    static const char *const shakes[] = {"hello", "welcome", "done", "alert"};
    struct buf message = session_get("Device.");

    buf_init(to, LIMIT_RECORD_BYTES, 0);
    if (kind < 4)
        toy_record(to, kind == 3 ? TOY_ALERT : TOY_HANDSHAKE, str_of(shakes[kind]));
    else if (kind == 4 && tls) {
        toy_flip(&message);
        toy_record(to, TOY_DATA, (struct str){(char *)buf_data(&message), message.len});
    } else if (kind == 4)
        buf_append(to, buf_data(&message), message.len);
    else
        buf_append(to, rest.data, rest.len);
    buf_done(&message);
}

static void step(struct usp_bench *bench, const uint8_t *data, struct str rest)
{
    const struct usp_session *session = usp_controller_find(bench->usp, STR("self::one"))->session;
    uint64_t base = session ? session->expected : 1;
    unsigned kind = data[0] % 16;
    struct session_record record = {
        .id = data[1] < 8 ? data[1]
              : session   ? session->id
                          : 5,
        .sequence = data[2] == 255   ? UINT64_MAX
                    : data[2] == 254 ? UINT64_MAX - 9000
                                     : base + data[2] - 8u * (data[2] > 250),
        .expected = data[3],
        .again = data[4] % 32,
        .sar = data[5] % 5,
        .recsar = data[5] / 5 % 5,
        .tls = data[6] & 1,
        .protection = (data[6] >> 1) % 5,
    };
    struct buf entry;

    if (kind >= 14) {
        change(bench, data[1]);
        return;
    }
    if (kind >= 12) {
        bench_advance(bench, data[1] * 500u);
        return;
    }
    make_entry(kind, record.tls, rest, &entry);
    if (kind < 11)
        record.entry = (struct str){(char *)buf_data(&entry), entry.len};
    session_give(bench, record);
    buf_done(&entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct usp_bench bench;
    static struct toy toy;
    static unsigned inputs;
    const uint8_t *end = data + size;

    if (inputs++ % 64 == 0) {
        if (bench.dm)
            usp_bench_done(&bench);
        usp_bench_init(&bench, ":memory:");
        usp_set_security(bench.usp, &toy_ops, &toy);
        bench_subscribe(
            &bench, "ID=s NotifType=ValueChange ReferenceList=Device.LocalAgent.Controller.1.E2ESession.");
    }
    while (end - data >= STEP_BYTES) {
        size_t len = data[7];

        if (len > (size_t)(end - data - STEP_BYTES))
            len = (size_t)(end - data - STEP_BYTES);
        step(&bench, data, (struct str){(const char *)data + STEP_BYTES, len});
        data += STEP_BYTES + len;
        assert_true(bench.usp->session_bytes <= limits_default.session_bytes && toy.open <= 1);
        bench_sent(&bench);
    }
    session_set(&bench, "SessionMode", "Forbid");
    assert_true(bench.usp->session_bytes == 0 && toy.open == 0);
    session_set(&bench, "SessionMode", "Allow");
    bench_sent(&bench);
    return 0;
}
