/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is asked for a name (R-DIS.5, R-DIS.6), and that an answer comes once or, cancelled, never. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/resolve.h"
#include "base/str.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/wait.h"

/* Somebody who speaks multicast DNS, and answers when the test says so. */
struct lan {
    char asked[64];
    void (*done)(void *done_ctx, const char *address, const struct error *err);
    void *done_ctx;
    unsigned cancelled;
    bool refuses;
};

static void *start(void *ctx, const char *host,
                   void (*done)(void *done_ctx, const char *address, const struct error *err), void *done_ctx,
                   struct error *err)
{
    struct lan *lan = ctx;

    if (lan->refuses) {
        error_set(err, ERROR_INTERNAL, host, "refused");
        return NULL;
    }
    str_copy(lan->asked, sizeof(lan->asked), host);
    lan->done = done;
    lan->done_ctx = done_ctx;
    return lan;
}

static void cancel(void *ctx, void *lookup)
{
    struct lan *lan = ctx;

    assert_ptr_equal(lookup, lan);
    lan->cancelled++;
}

struct answer {
    unsigned count;
    char address[INET6_ADDRSTRLEN];
    char why[ERROR_MESSAGE_BYTES];
};

static void on_answer(void *ctx, struct addrinfo *addresses, const struct error *err)
{
    struct answer *answer = ctx;

    answer->count++;
    if (!addresses) {
        str_copy(answer->why, sizeof(answer->why), err->message);
        return;
    }
    assert_int_equal(getnameinfo(addresses->ai_addr, addresses->ai_addrlen, answer->address,
                                 sizeof(answer->address), NULL, 0, NI_NUMERICHOST),
                     0);
    freeaddrinfo(addresses);
}

static void local_or_not(void **state)
{
    static const char *const local[] = {"a.local", "a.local.", "a.b.LOCAL", "x.Local."};
    static const char *const others[] = {"local", ".local", "a.local.example", "alocal", "a.locale", "", "."};

    (void)state;
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        assert_true(resolve_is_local(local[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(resolve_is_local(others[i]));
}

static void local_names_are_asked_on_the_lan(void **state)
{
    struct lan lan = {.refuses = false};
    struct local_names names = {.start = start, .cancel = cancel, .ctx = &lan};
    struct answer answer = {.count = 0};
    struct error err;
    struct loop loop;

    (void)state;
    assert_int_equal(loop_init(&loop, NULL), 0);
    loop.local_names = &names;
    assert_non_null(resolve_start(&loop, "ctl.local", on_answer, &answer, NULL));
    assert_string_equal(lan.asked, "ctl.local");
    assert_int_equal(answer.count, 0);
    lan.done(lan.done_ctx, "192.0.2.7", NULL);
    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.address, "192.0.2.7");

    assert_non_null(resolve_start(&loop, "ctl.local.", on_answer, &answer, NULL));
    error_set(&err, ERROR_INTERNAL, NULL, "nobody");
    lan.done(lan.done_ctx, NULL, &err);
    assert_string_equal(answer.why, "cannot resolve the name: nobody");

    assert_non_null(resolve_start(&loop, "ctl.local", on_answer, &answer, NULL));
    lan.done(lan.done_ctx, "no address", NULL);
    assert_string_equal(answer.why, "cannot resolve the name: \"no address\" is no address");
    assert_int_equal(answer.count, 3);

    resolve_cancel(resolve_start(&loop, "ctl.local", on_answer, &answer, NULL));
    assert_int_equal(lan.cancelled, 1);
    assert_int_equal(answer.count, 3);

    lan.refuses = true;
    assert_null(resolve_start(&loop, "ctl.local", on_answer, &answer, &err));
    assert_string_equal(err.message, "refused");
    loop_done(&loop);
}

static void others_are_the_systems(void **state)
{
    struct lan lan = {.refuses = true};
    struct local_names names = {.start = start, .cancel = cancel, .ctx = &lan};
    struct answer cancelled = {.count = 0};
    struct answer answer = {.count = 0};
    struct loop loop;

    (void)state;
    assert_int_equal(loop_init(&loop, NULL), 0);
    loop.local_names = &names;
    assert_non_null(resolve_start(&loop, "127.0.0.1", on_answer, &answer, NULL));
    resolve_cancel(resolve_start(&loop, "127.0.0.1", on_answer, &cancelled, NULL));
    resolve_cancel(NULL);
    WAIT_FOR(&loop, answer.count == 1);
    assert_string_equal(answer.address, "127.0.0.1");
    loop_done(&loop);
    assert_int_equal(cancelled.count, 0);
}

static void out_of_memory(void **state)
{
    struct answer answer = {.count = 0};
    struct error err;
    struct loop loop;

    (void)state;
    assert_int_equal(loop_init(&loop, NULL), 0);
    for (unsigned long n = 1; n <= 2; n++) {
        failing_alloc_arm(n);
        assert_null(resolve_start(&loop, "127.0.0.1", on_answer, &answer, &err));
        assert_true(failing_alloc_hit());
        assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    }
    failing_alloc_arm(0);
    loop_done(&loop);
    assert_int_equal(answer.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_or_not),
        cmocka_unit_test(local_names_are_asked_on_the_lan),
        cmocka_unit_test(others_are_the_systems),
        cmocka_unit_test(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
