/* SPDX-License-Identifier: BSD-3-Clause */
/* Add, Set, Delete: with and without allow_partial, and what each failure says. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/usp_bench.h"

static int set_up(void **state)
{
    static struct usp_bench bench;

    usp_bench_init(&bench, ":memory:");
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    usp_bench_done(*state);
    return 0;
}

static void two_things(struct usp_bench *bench)
{
    bench_add(bench, false, "Device.Thing.: Name=a Number=3 Device.Thing.: Name=b");
    bench_add(bench, false, "Device.Thing.1.Part.: Color=red Device.Thing.1.Part.: Color=blue");
}

/* R-ADD.* */
static void add(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(bench_add(bench, false, "Device.Thing.: Name=a Number=3 Device.Thing.:"),
                 "self::one ADD_RESP m1 {Device.Thing. ok{Device.Thing.1. Alias=cpe-1 Name=a}} "
                 "{Device.Thing. ok{Device.Thing.2. Alias=cpe-2 Name=cpe-2}}");
    bench_expect(
        bench_add(bench, false, "Device.Thing.1.Part.: Color=red Order!=4 Device.Thing.1.Part: Color=red"),
        "self::one ADD_RESP m1 {Device.Thing.1.Part. ok{Device.Thing.1.Part.1. Alias=cpe-1 "
        "Color=red Order=4}} {Device.Thing.1.Part ok{Device.Thing.1.Part.2. Alias=cpe-2 "
        "Color=red Order=5}}");
    bench_expect(
        bench_add(bench, false, "Device.Thing.: Nope=1 Number=x Twice=1 Inside.Title=t Code=ab Enable=1"),
        "self::one ADD_RESP m1 {Device.Thing. ok{Device.Thing.3. perr{Nope #7010} "
        "perr{Number #7011} perr{Twice #7013} Alias=cpe-3 Name=cpe-3}}");
    bench_expect(bench_get(bench, 0, "Device.Thing.3.Code Device.Thing.3.Inside.Title Device.Thing.3.Enable"),
                 "self::one GET_RESP m1 {Device.Thing.3.Code {Device.Thing.3. Code=ab}} "
                 "{Device.Thing.3.Inside.Title {Device.Thing.3.Inside. Title=t}} "
                 "{Device.Thing.3.Enable {Device.Thing.3. Enable=true}}");
    bench_expect(bench_add(bench, false, "Device.Thing.*.Part.: Color=green"),
                 "self::one ADD_RESP m1 {Device.Thing.*.Part. ok{Device.Thing.1.Part.3. Alias=cpe-3 "
                 "Color=green Order=6}} {Device.Thing.*.Part. ok{Device.Thing.2.Part.1. Alias=cpe-1 "
                 "Color=green Order=1}} {Device.Thing.*.Part. ok{Device.Thing.3.Part.1. Alias=cpe-1 "
                 "Color=green Order=1}}");
    bench_expect(bench_add(bench, false, "Device.Thing.[Name==\"none\"].Part.: Color=green"),
                 "self::one ADD_RESP m1");
    bench_expect(bench_add(bench, false, ""), "self::one ADD_RESP m1");
}

/* Without allow_partial one failure takes all back and is told in param_errs (R-ADD.1) */
static void add_fails(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    char *before = small_dump(bench->dm);
    bench_expect(bench_add(bench, false, "Device.Thing.: Name=c Device.Thing.: Name=d Number!=x"),
                 "self::one ERROR m1 #7011 perr{Device.Thing.4.Number #7011}");
    bench_expect(bench_add(bench, false, "Device.Thing.: Name=c Device.Thing.: Name=a"),
                 "self::one ERROR m1 #7025 perr{Device.Thing.6.Name #7025}");
    bench_expect(
        bench_add(bench, false, "Device.Thing.: Name=c Device.Thing.: Nope!=1 Device.Thing.: Enable!=7"),
        "self::one ERROR m1 #7011 perr{Device.Thing.8.Nope #7010} perr{Device.Thing.9.Enable "
        "#7011}");
    bench_expect(bench_add(bench, false, "Device.Thing.: Name=bad"),
                 "self::one ERROR m1 #7014 perr{Device.Thing.10. #7014}");
    bench_expect(bench_add(bench, false, "Device.Box.: A=b"),
                 "self::one ERROR m1 #7018 perr{Device.Box. #7018}");
    bench_expect(bench_add(bench, false, "Device.Thing.*.Part.: Color=red Order=1"),
                 "self::one ERROR m1 #7025 perr{Device.Thing.1.Part.3.Color #7025}");
    bench_expect(bench_add(bench, false, "Device.Thing.: Alias=9"),
                 "self::one ERROR m1 #7012 perr{Device.Thing.11.Alias #7012}");
    char *after = small_dump(bench->dm);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* With allow_partial each object stands alone (R-ADD.0) */
static void add_partial(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_expect(
        bench_add(
            bench, true,
            "Device.Thing.: Name=c Device.Thing.: Name=a Device.Thing.: Name=d Number!=x Device.Thing.: Name=e"),
        "self::one ADD_RESP m1 {Device.Thing. ok{Device.Thing.3. Alias=cpe-3 Name=c}} "
        "{Device.Thing. fail{#7025}} {Device.Thing. fail{#7011}} {Device.Thing. "
        "ok{Device.Thing.6. Alias=cpe-6 Name=e}}");
    bench_expect(
        bench_add(bench, true,
                  "Device.Box.: A=b Device.Thing.1.: A=b Device.Nope.: A=b Device.Thing.9.Part.: Color=a "
                  "Device.LocalAgent.Request.: A=b Device..: A=b Device.Thing.1.Name: A=b"),
        "self::one ADD_RESP m1 {Device.Box. fail{#7018}} {Device.Thing.1. fail{#7018}} "
        "{Device.Nope. fail{#7026}} {Device.Thing.9.Part. fail{#7016}} "
        "{Device.LocalAgent.Request. fail{#7019}} {Device.. fail{#7008}} "
        "{Device.Thing.1.Name fail{#7018}}");
    bench_expect(bench_add(bench, true, "Device.Thing.*.Part.: Color=red Order=1"),
                 "self::one ADD_RESP m1 {Device.Thing.*.Part. fail{#7025}} {Device.Thing.*.Part. "
                 "ok{Device.Thing.2.Part.1. Alias=cpe-1 Color=red Order=1}} {Device.Thing.*.Part. "
                 "ok{Device.Thing.3.Part.1. Alias=cpe-1 Color=red Order=1}} {Device.Thing.*.Part. "
                 "ok{Device.Thing.6.Part.1. Alias=cpe-1 Color=red Order=1}}");
    bench_expect(bench_instances(bench, true, "Device.Thing."),
                 "self::one INSTANCES_RESP m1 {Device.Thing. {Device.Thing.1. Alias=cpe-1 Name=a} "
                 "{Device.Thing.2. Alias=cpe-2 Name=b} {Device.Thing.3. Alias=cpe-3 Name=c} "
                 "{Device.Thing.6. Alias=cpe-6 Name=e}}");
}

/* R-SET.* */
static void set(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Name=c Number!=5"),
                 "self::one SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Name=c Number=5}}}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number=x Enable=true Nope=1"),
                 "self::one SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. perr{Number #7011} "
                 "perr{Nope #7010} Enable=true}}}");
    bench_expect(
        bench_set(bench, false, "Device.Thing.*.: Number=8 Device.Thing.1.Part.[Color==\"red\"].: Order=9"),
        "self::one SET_RESP m1 {Device.Thing.*. ok{{Device.Thing.1. Number=8} "
        "{Device.Thing.2. Number=8}}} {Device.Thing.1.Part.[Color==\"red\"]. "
        "ok{{Device.Thing.1.Part.1. Order=9}}}");
    bench_expect(
        bench_set(bench, false,
                  "Device.Thing.1: Inside.Title=zz Secret=s Twice=1 Code=ab Inside.Nope=1 Part.1.Color=x"),
        "self::one SET_RESP m1 {Device.Thing.1 ok{{Device.Thing.1. perr{Twice #7013} "
        "perr{Code #7013} perr{Inside.Nope #7010} perr{Part.1.Color #7010} Inside.Title=zz "
        "Secret=}}}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.Inside.: Title=with%20blank Size=-7"),
                 "self::one SET_RESP m1 {Device.Thing.1.Inside. ok{{Device.Thing.1.Inside. Title=with "
                 "blank Size=-7}}}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.:"),
                 "self::one SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1.}}}");
    bench_expect(bench_set(bench, false, "Device.Thing.[Name==\"none\"].: Number=1"),
                 "self::one SET_RESP m1 {Device.Thing.[Name==\"none\"]. ok{}}");
    bench_expect(bench_set(bench, false,
                           "Device.Thing.1.: Ref=Device.Thing.2. Refs=Device.Thing.1,Device.Thing.2 Weak=x"),
                 "self::one SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Ref=Device.Thing.2 "
                 "Refs=Device.Thing.1,Device.Thing.2 Weak=x}}}");
    bench_expect(bench_set(bench, false, "Device.Thing.*.Ref+.: Number=77"),
                 "self::one SET_RESP m1 {Device.Thing.*.Ref+. ok{{Device.Thing.2. Number=77}}}");
    bench_expect(bench_set(bench, false, ""), "self::one SET_RESP m1");
}

/* R-SET.1: nothing changes, and the error says which */
static void set_fails(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    char *before = small_dump(bench->dm);
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Name=d Number!=x"),
                 "self::one ERROR m1 #7011 perr{Device.Thing.1.Number #7011}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number!=x Device.Thing.2.: Number=7"),
                 "self::one ERROR m1 #7011 perr{Device.Thing.1.Number #7011}");
    bench_expect(
        bench_set(bench, false,
                  "Device.Thing.1.: Number=7 Device.Thing.2.: Number!=x Enable!=y Device.Thing.9.: Number=1"),
        "self::one ERROR m1 #7016 perr{Device.Thing.2.Number #7011} perr{Device.Thing.9. "
        "#7016}");
    bench_expect(bench_set(bench, false, "Device.Thing.2.: Name=a"),
                 "self::one ERROR m1 #7025 perr{Device.Thing.2.Name #7025}");
    bench_expect(bench_set(bench, false, "Device.Thing.*.: Name=x"),
                 "self::one ERROR m1 #7025 perr{Device.Thing.2.Name #7025}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number=9 Name=bad"),
                 "self::one ERROR m1 #7014 perr{Device.Thing.1. #7014}");
    bench_expect(bench_set(bench, false, "Device.Thing.: Number=1"),
                 "self::one ERROR m1 #7016 perr{Device.Thing. #7016}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.Name: Number=1"),
                 "self::one ERROR m1 #7016 perr{Device.Thing.1.Name #7016}");
    bench_expect(bench_set(bench, false, "Device.Nope.: Number=1"),
                 "self::one ERROR m1 #7026 perr{Device.Nope. #7026}");
    bench_expect(bench_set(bench, false, "Device..: Number=1"),
                 "self::one ERROR m1 #7008 perr{Device.. #7008}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Ref!=Device.Thing.3."),
                 "self::one ERROR m1 #7012 perr{Device.Thing.1.Ref #7012}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Alias=1"),
                 "self::one ERROR m1 #7012 perr{Device.Thing.1.Alias #7012}");
    char *after = small_dump(bench->dm);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* R-SET.0, R-SET.2a: a path of many rows changes all or none */
static void set_partial(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_expect(bench_set(bench, true, "Device.Thing.1.: Number!=x Device.Thing.2.: Number=70"),
                 "self::one SET_RESP m1 {Device.Thing.1. fail{#7011 {Device.Thing.1. perr{Number "
                 "#7011}}}} {Device.Thing.2. ok{{Device.Thing.2. Number=70}}}");
    bench_expect(bench_set(bench, true, "Device.Thing.*.: Name=x Device.Thing.1.: Enable=1"),
                 "self::one SET_RESP m1 {Device.Thing.*. fail{#7025 {Device.Thing.2. perr{Name #7025}}}} "
                 "{Device.Thing.1. ok{{Device.Thing.1. Enable=true}}}");
    bench_expect(
        bench_set(
            bench, true,
            "Device.Thing.9.: Number=8 Device.Thing.: Number=1 Device.Nope.: A=b Device.Thing.1.Name: A=b Device..: A=b"),
        "self::one SET_RESP m1 {Device.Thing.9. fail{#7016}} {Device.Thing. fail{#7016}} "
        "{Device.Nope. fail{#7026}} {Device.Thing.1.Name fail{#7016}} {Device.. fail{#7008}}");
    bench_expect(bench_get(bench, 0, "Device.Thing.*.Name Device.Thing.*.Number Device.Thing.*.Enable"),
                 "self::one GET_RESP m1 {Device.Thing.*.Name {Device.Thing.1. Name=a} "
                 "{Device.Thing.2. Name=b}} {Device.Thing.*.Number {Device.Thing.1. Number=3} "
                 "{Device.Thing.2. Number=70}} {Device.Thing.*.Enable {Device.Thing.1. Enable=true} "
                 "{Device.Thing.2. Enable=false}}");
}

/* A Set may change the key that its path searches by, in an indexed table */
static void set_found_by_key(void **state)
{
    struct usp_bench *bench = *state;

    for (unsigned i = 0; i < 12; i++)
        bench_add(bench, false, i % 2 ? "Device.Thing.:" : "Device.Thing.: Number=1");
    bench_expect(bench_set(bench, false, "Device.Thing.[Name==\"cpe-5\"].: Name=other"),
                 "self::one SET_RESP m1 {Device.Thing.[Name==\"cpe-5\"]. ok{{Device.Thing.5. "
                 "Name=other}}}");
    bench_expect(
        bench_set(bench, false, "Device.Thing.[Alias==\"cpe-5\"&&Name==\"other\"].: Alias=new Name=cpe-5"),
        "self::one SET_RESP m1 {Device.Thing.[Alias==\"cpe-5\"&&Name==\"other\"]. "
        "ok{{Device.Thing.5. Alias=new Name=cpe-5}}}");
    bench_expect(bench_get(bench, 0, "Device.Thing.[Alias==\"new\"].Name"),
                 "self::one GET_RESP m1 {Device.Thing.[Alias==\"new\"].Name {Device.Thing.5. "
                 "Name=cpe-5}}");
    small_check_index(bench->dm);
}

/* R-DEL.* */
static void delete_rows(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_expect(bench_delete(bench, false, "Device.Thing.1.Part.1."),
                 "self::one DELETE_RESP m1 {Device.Thing.1.Part.1. ok{Device.Thing.1.Part.1.}}");
    bench_expect(bench_delete(bench, false, "Device.Thing.1.Part.*. Device.Thing.[Name==\"none\"]."),
                 "self::one DELETE_RESP m1 {Device.Thing.1.Part.*. ok{Device.Thing.1.Part.2.}} "
                 "{Device.Thing.[Name==\"none\"]. ok{}}");
    bench_expect(bench_delete(bench, false, "Device.Thing.1.Part.1. Device.Thing.99."),
                 "self::one DELETE_RESP m1 {Device.Thing.1.Part.1. ok{}} {Device.Thing.99. ok{}}");
    bench_expect(bench_delete(bench, false, "Device.Thing.[Name==\"a\"] Device.Thing.2."),
                 "self::one DELETE_RESP m1 {Device.Thing.[Name==\"a\"] ok{Device.Thing.1.}} "
                 "{Device.Thing.2. ok{Device.Thing.2.}}");
    bench_expect(bench_instances(bench, false, "Device.Thing."),
                 "self::one INSTANCES_RESP m1 {Device.Thing.}");
}

/* R-DEL.1 */
static void delete_fails(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_add(bench, false, "Device.Thing.: Name=keep");
    char *before = small_dump(bench->dm);
    bench_expect(bench_delete(bench, false, "Device.Thing.1. Device.Thing."),
                 "self::one ERROR m1 #7024 perr{Device.Thing. #7024}");
    bench_expect(bench_delete(bench, false, "Device.Box."),
                 "self::one ERROR m1 #7024 perr{Device.Box. #7024}");
    bench_expect(bench_delete(bench, false, "Device.Thing.1. Device.Thing.2.Name"),
                 "self::one ERROR m1 #7024 perr{Device.Thing.2.Name #7024}");
    bench_expect(bench_delete(bench, false, "Device.Thing.1. Device.Nope.1."),
                 "self::one ERROR m1 #7026 perr{Device.Nope.1. #7026}");
    bench_expect(bench_delete(bench, false, "Device.Thing.*."),
                 "self::one ERROR m1 #7024 perr{Device.Thing.3. #7024}");
    bench_expect(bench_delete(bench, false, "Device.Thing.3."),
                 "self::one ERROR m1 #7024 perr{Device.Thing.3. #7024}");
    bench_expect(bench_delete(bench, false, "Device.."), "self::one ERROR m1 #7008 perr{Device.. #7008}");
    bench_expect(bench_delete(bench, false, "Device.Echo()"),
                 "self::one ERROR m1 #7024 perr{Device.Echo() #7024}");
    char *after = small_dump(bench->dm);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* R-DEL.0, R-DEL.3 */
static void delete_partial(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_add(bench, false, "Device.Thing.: Name=keep");
    bench_expect(
        bench_delete(
            bench, true,
            "Device.Thing. Device.Box. Device.Nope. Device.Thing.[Name==\"none\"]. Device.Thing.2.Name"),
        "self::one DELETE_RESP m1 {Device.Thing. fail{#7024}} {Device.Box. fail{#7024}} "
        "{Device.Nope. fail{#7026}} {Device.Thing.[Name==\"none\"]. ok{}} {Device.Thing.2.Name "
        "fail{#7024}}");
    bench_expect(bench_delete(bench, true, "Device.Thing.*. Device.Thing.3."),
                 "self::one DELETE_RESP m1 {Device.Thing.*. ok{Device.Thing.1. Device.Thing.2. "
                 "kept{Device.Thing.3. #7024}}} {Device.Thing.3. fail{#7024}}");
    bench_expect(bench_instances(bench, true, "Device.Thing."),
                 "self::one INSTANCES_RESP m1 {Device.Thing. {Device.Thing.3. Alias=cpe-3 Name=keep}}");
}

/* A row that the path names more than once is deleted once */
static void delete_through_references(void **state)
{
    struct usp_bench *bench = *state;

    bench_add(bench, false, "Device.Thing.: Name=a Device.Thing.: Name=b Device.Thing.: Name=c");
    bench_set(bench, false,
              "Device.Thing.*.: Ref=Device.Thing.2 Refs=Device.Thing.2,Device.Thing.2,Device.Thing.3");
    bench_expect(bench_delete(bench, false, "Device.Thing.*.Ref+."),
                 "self::one DELETE_RESP m1 {Device.Thing.*.Ref+. ok{Device.Thing.2.}}");
    bench_expect(bench_delete(bench, false, "Device.Thing.1.Refs#*+."),
                 "self::one DELETE_RESP m1 {Device.Thing.1.Refs#*+. ok{Device.Thing.3.}}");
    bench_expect(bench_instances(bench, true, "Device.Thing."),
                 "self::one INSTANCES_RESP m1 {Device.Thing. {Device.Thing.1. Alias=cpe-1 Name=a}}");
}

/* An answer does not go out before what it says is durable */
static void held_until_durable(void **state)
{
    struct usp_bench *bench = *state;

    struct buf message;
    struct usp_client_pair pair = {STR("Name"), STR("x"), false};
    struct usp_client_object object = {STR("Device.Thing."), &pair, 1};

    buf_init(&message, 4096, 384);
    usp_client_add(&message, STR("m7"), &object, 1, false);
    assert_int_equal(bench_give(bench, &message), USP_TAKEN);
    assert_int_equal(bench->sent_count, 0); /* not before it is durable */
    assert_true(store_pending(bench->store));
    bench_turn(bench);
    bench_expect(bench_sent(bench),
                 "self::one ADD_RESP m7 {Device.Thing. ok{Device.Thing.1. Alias=cpe-1 Name=x}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(add, set_up, tear_down),
        cmocka_unit_test_setup_teardown(add_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(add_partial, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set_partial, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set_found_by_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(delete_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(delete_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(delete_partial, set_up, tear_down),
        cmocka_unit_test_setup_teardown(delete_through_references, set_up, tear_down),
        cmocka_unit_test_setup_teardown(held_until_durable, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
