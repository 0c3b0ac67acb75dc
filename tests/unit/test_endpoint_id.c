/* SPDX-License-Identifier: BSD-3-Clause */
/* Which Endpoint IDs an agent may have (R-ARC.2a to R-ARC.6). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "usp/endpoint_id.h"

static void good(void **state)
{
    static const char *const ids[] = {
        "os::012345-GW000001",
        "ops::012345-Gate%20way-1",
        "oui:012345:x",
        "oui:0123456:x",
        "oui:012345678:a.b_c-d",
        "cid:3AA3F8:my-unique",
        "pen:3562:id",
        "self::agent",
        "self:abc:agent",
        "user::a",
        "uuid::f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "imei::990000862471854",
        "fqdn::www.example.org",
        "proto::x",
        "doc:abcdef:x",
        "self::01234567890123456789012345678901234567890123456789",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct error err;

        if (usp_endpoint_id_check(str_of(ids[i]), &err) < 0)
            fail_msg("%s: %s", ids[i], err.message);
    }
}

static void bad(void **state)
{
    static const char *const ids[] = {
        "",
        "self",
        "self:",
        "self::",
        "self:agent",
        "other::agent",
        "self:abcdefg:agent",
        "self:a b:agent",
        "os:012345:GW1",
        "os::GW1",
        "os::012345",
        "os::012345-",
        "os::01234G-x",
        "oui:01234:x",
        "oui:01234567:x",
        "oui::x",
        "cid:0123456:x",
        "pen:12a:x",
        "pen::x",
        "self::a b",
        "self::a/b",
        "self::a:b",
        "self::%4",
        "self::%4G",
        "self::012345678901234567890123456789012345678901234567890",
        "oui:00256D:x",
        "os::00256D-x",
        "pen:3561:x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (usp_endpoint_id_check(str_of(ids[i]), NULL) == 0)
            fail_msg("%s is taken for an Endpoint ID", ids[i]);
}

/* R-ARC.4 */
static void trial(void **state)
{
    (void)state;
    assert_true(usp_endpoint_id_is_trial(STR("proto::x")));
    assert_true(usp_endpoint_id_is_trial(STR("doc::x")));
    assert_false(usp_endpoint_id_is_trial(STR("self::doc")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(trial),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
