/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory runs out at every allocation of sessions, one after the other: no crash, no leak, and nothing that stays counted;
 * afterwards a session is as ever.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/failing_alloc.h"
#include "tests/unit/session_bench.h"
#include "usp/internal.h"

enum {
    MOST_ALLOCATIONS = 3000,
};

static const struct {
    const char *shake; /* a message of the handshake, or NULL: a Get */
    struct session_record record;
} script[] = {
    {NULL, AT_ROW(5, 1, 1, .protection = SIGNED)},
    {NULL, AT_ROW(5, 3, 1)}, /* early */
    {NULL, AT_ROW(5, 2, 2)},
    {NULL, AT_ROW(5, 4, 1, .again = 1)},
    {"hello", AT_ROW(6, 1, 1, .protection = SIGNED)},
    {"done", AT_ROW(6, 2, 2, .protection = SIGNED)},
    {NULL, AT_ROW(6, 3, 2, .tls = true, .protection = MAC_CLIENT)},
    {NULL, AT_ROW(6, 5, 2, .tls = true, .protection = MAC_CLIENT)},
    {NULL, AT_ROW(6, 4, 2, .tls = true, .protection = MAC_WRONG)},
};

/* The bytes of each record are made before memory runs out. */
static unsigned prepare(struct buf records[16])
{
    unsigned count = sizeof(script) / sizeof(script[0]);

    for (unsigned i = 0; i < count; i++) {
        struct session_record record = script[i].record;
        struct buf message = session_get("Device.Box.Number");
        struct buf sealed;

        buf_init(&sealed, 4096, 0);
        record.entry = (struct str){(char *)buf_data(&message), message.len};
        if (script[i].shake) {
            record.tls = true;
            toy_record(&sealed, TOY_HANDSHAKE, str_of(script[i].shake));
        } else if (record.tls) {
            toy_flip(&message);
            toy_record(&sealed, TOY_DATA, record.entry);
        }
        if (sealed.len)
            record.entry = (struct str){(char *)buf_data(&sealed), sealed.len};
        records[i] = session_record_bytes(&record);
        buf_done(&sealed);
        buf_done(&message);
    }
    return count;
}

static bool run(unsigned long n, const struct buf *records, unsigned count)
{
    static struct usp_bench bench;
    struct toy toy = {0};
    bool hit;

    usp_bench_init(&bench, ":memory:");
    usp_set_security(bench.usp, &toy_ops, &toy);
    session_set(&bench, "MaxRetransmitTries", "3");
    session_set(&bench, "MaxUSPRecordSize", "512");
    bench_sent(&bench);
    failing_alloc_arm(n);
    for (unsigned i = 0; i < count; i++) {
        usp_receive(bench.usp, &bench.channels[0].channel, NULL,
                    (struct str){(char *)buf_data(&records[i]), records[i].len}, NULL);
        bench_turn(&bench);
    }
    hit = failing_alloc_hit();
    failing_alloc_arm(0);
    bench_sent(&bench);
    bench_expect(session_ask(&bench, "Device.Box.Number", AT(8, 1, 1)),
                 "self::one session 8 1/2 GET_RESP m1 {Device.Box.Number {Device.Box. Number=7}}");
    session_set(&bench, "SessionMode", "Forbid");
    assert_int_equal(bench.usp->session_bytes, 0);
    assert_int_equal(toy.open, 0);
    usp_bench_done(&bench);
    return hit;
}

static void every_allocation(void **state)
{
    struct buf records[16];
    unsigned count = prepare(records);
    unsigned long n = 1;

    (void)state;
    while (n < MOST_ALLOCATIONS && run(n, records, count))
        n++;
    print_message("%lu allocations\n", n - 1);
    assert_in_range(n, 30, MOST_ALLOCATIONS - 1);
    for (unsigned i = 0; i < count; i++)
        buf_done(&records[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
