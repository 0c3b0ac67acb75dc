/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "usp/address.h"

static void check_handshake(const char *query, const char *extensions, const char *expected)
{
    char *endpoint = usp_endpoint_of_handshake(query, extensions);

    if (expected)
        assert_string_equal(endpoint, expected);
    else
        assert_null(endpoint);
    free(endpoint);
}

static void handshakes(void **state)
{
    char *path;

    (void)state;
    check_handshake("", "", NULL);
    check_handshake("a=b&eid=os%3A%3A1-%2520x&eid=other", "", "os::1-%20x");
    check_handshake("", "bbf-usp-protocol; eid=\"os::1-x\"", "os::1-x");
    check_handshake("", "permessage-deflate, bbf-usp-protocol;eid=os::2;x", "os::2");
    check_handshake("eid=a::b", "bbf-usp-protocol; eid=\"os::1-x\"", "a::b");
    path = usp_handshake_path("usp", "os::1-%20&x");
    assert_string_equal(path, "/usp?eid=os::1-%2520%26x");
    free(path);
    path = usp_handshake_path("/usp?a=b", "os::1");
    assert_string_equal(path, "/usp?a=b&eid=os::1");
    check_handshake(strchr(path, '?') + 1, "", "os::1");
    free(path);
}

static void reply_topics(void **state)
{
    char *topic = usp_topic_with_reply("a/b", "c/d%");
    char *reply = usp_reply_of_topic(topic);

    (void)state;
    assert_string_equal(topic, "a/b/reply-to=c%2Fd%");
    assert_string_equal(reply, "c/d%");
    assert_true(str_is(usp_topic_without_reply(topic), "a/b"));
    free(topic);
    free(reply);
    assert_null(usp_reply_of_topic("a/b"));
    assert_true(str_is(usp_topic_without_reply("a/b"), "a/b"));
    reply = usp_reply_of_topic("a/reply-to=x/reply-to=y%2fz");
    assert_string_equal(reply, "y/z");
    free(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes),
        cmocka_unit_test(reply_topics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
