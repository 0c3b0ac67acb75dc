/* SPDX-License-Identifier: BSD-3-Clause */
/* Bulk data: when a profile is due, how a report is delivered, what becomes of those that cannot be. */
#include "config.h"

#include "tests/unit/bulk_bench.h"

/* In phase with TimeReference; nothing when it is off; a change of the interval counts from then */
static void schedule(void **state)
{
    struct bench *bench = *state;

    parameter(bench, "A", "Device.Thing.1.Number");
    use_event(bench);
    pass(bench, 9);
    expect(bench, "");
    pass(bench, 2);
    expect(bench, "event Data {\"Report\":[{\"A\":7}]}\n");
    pass(bench, 10);
    expect(bench, "event Data {\"Report\":[{\"A\":7}]}\n");
    put(bench, PROFILE "TimeReference", "2023-11-14T22:00:05Z"); /* now it is 22:13:41 */
    pass(bench, 3);
    expect(bench, "");
    pass(bench, 1);
    expect(bench, "event Data {\"Report\":[{\"A\":7}]}\n");
    put(bench, PROFILE "TimeReference", "2040-01-01T00:00:07Z");
    pass(bench, 3);
    expect(bench, "event Data {\"Report\":[{\"A\":7}]}\n");
    put(bench, "Device.BulkData.Enable", "false");
    assert_int_equal(timers_next(&bench->loop.timers), UINT64_MAX);
    pass(bench, 30);
    expect(bench, "");
    put(bench, "Device.BulkData.Enable", "true");
    put(bench, PROFILE "Enable", "false");
    pass(bench, 30);
    expect(bench, "");
    assert_int_equal(bulk_force(bench->bulk, dm_row_find(bench->dm, STR(PROFILE)), NULL), -1);
}

#define HEADERS "Content-Type: application/json; charset=UTF-8\nBBF-Report-Format: \"NameValuePair\"\nDate\n"
#define QUERY "oui=012345&pc=Home%20%26%20Co&sn=S1"
#define POSTED(url) "POST " url "\n" HEADERS

static void use_http(struct bench *bench)
{
    parameter(bench, "A", "Device.Thing.1.Number");
    put(bench, PROFILE "Enable", "true");
}

/* R-BULK.1, R-BULK.7, R-BULK.8; URI parameters, method, credentials */
static void http(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    pass(bench, 10);
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":7}]}\n");
    answer(bench, HTTP_DONE);
    add(bench, PROFILE "HTTP.", "RequestURIParameter");
    put(bench, PROFILE "HTTP.RequestURIParameter.1.Name", "n");
    put(bench, PROFILE "HTTP.RequestURIParameter.1.Reference", "Device.Thing.1.Name");
    put(bench, PROFILE "HTTP.URL", "https://c/x?k=1#f");
    put(bench, PROFILE "HTTP.Method", "PUT");
    put(bench, PROFILE "HTTP.Username", "me");
    put(bench, PROFILE "HTTP.Password", "pw");
    put(bench, PROFILE "HTTP.UseDateHeader", "false");
    put(bench, PROFILE "EncodingType", "CSV");
    put(bench, PROFILE "CSVEncoding.RowTimestamp", "None");
    put(bench, "Device.DeviceInfo.SerialNumber", "");
    pass(bench, 10);
    expect(bench, "PUT https://c/x?k=1&eid=os%3A%3A1&n=a me:pw\nContent-Type: text/csv; charset=UTF-8; "
                  "header=present\nBBF-Report-Format: \"ParameterPerColumn\"\nA\r\n7\r\n\n");
    put(bench, PROFILE "Enable", "false");
    assert_int_equal(bench->cancels, 1);
}

/* R-BULK.2 to R-BULK.4: waits within their ranges, at the next interval at the latest, from the start after success */
static void retries(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    put(bench, PROFILE "HTTP.RetryEnable", "true");
    put(bench, PROFILE "ReportingInterval", "100");
    pass(bench, 100);
    assert_int_equal(bench->posts, 1);
    for (unsigned i = 0; i < 3; i++) {
        unsigned posts = bench->posts;

        answer(bench, HTTP_TRANSIENT);
        pass(bench, (5u << i) - 1);
        assert_int_equal(bench->posts, posts);
        pass(bench, (5u << i) + 2);
        assert_int_equal(bench->posts, posts + 1);
    }
    answer(bench, HTTP_PERMANENT); /* the next wait would be 40 to 80 s: the interval comes first, at 100 s */
    bench->said[0] = '\0';
    pass(bench, 62);
    assert_non_null(strstr(bench->said, "\n{\"Report\":[{\"A\":7}]}\n")); /* the failed one is not kept */
    answer(bench, HTTP_DONE);
    bench->said[0] = '\0';
    assert_int_equal(((struct bulk_profile *)dm_row_find(bench->dm, STR(PROFILE))->data)->retries, 0);
}

/* NumberOfRetainedFailedReports */
static void retained(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    put(bench, PROFILE "NumberOfRetainedFailedReports", "2");
    for (int i = 0; i < 4; i++) {
        char number[2] = {(char)('1' + i), '\0'};

        put(bench, "Device.Thing.1.Number", number);
        bench->said[0] = '\0';
        pass(bench, 10);
        answer(bench, HTTP_TRANSIENT);
    }
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":2},{\"A\":3},{\"A\":4}]}\n");
    pass(bench, 10); /* under way: what is gathered meanwhile follows it */
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":3},{\"A\":4},{\"A\":4}]}\n");
    put(bench, "Device.Thing.1.Number", "5");
    pass(bench, 10);
    expect(bench, "");
    answer(bench, HTTP_DONE);
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":5}]}\n");
    pass(
        bench,
        10); /* the answer takes longer than an interval, and is no: what was gathered meanwhile goes at once */
    answer(bench, HTTP_TRANSIENT);
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":5},{\"A\":5}]}\n");
    put(bench, PROFILE "NumberOfRetainedFailedReports", "0");
    pass(bench, 10);
    answer(bench, HTTP_TRANSIENT);
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":5}]}\n");
    answer(bench, HTTP_TRANSIENT);
    put(bench, PROFILE "EncodingType", "CSV"); /* reports of the other encoding are gone */
    put(bench, PROFILE "CSVEncoding.RowTimestamp", "None");
    put(bench, PROFILE "NumberOfRetainedFailedReports", "-1");
    bench->refuse = true;
    pass(bench, 20);
    bench->refuse = false;
    pass(bench, 10);
    assert_non_null(strstr(bench->said, "\nA\r\n5\r\n5\r\n5\r\n\n"));
    answer(bench, HTTP_TRANSIENT);
    bench->said[0] = '\0';
    parameter(bench, "B", "Device.Thing.2.Number"); /* other columns: rows of the old ones would be misread */
    pass(bench, 10);
    assert_non_null(strstr(bench->said, "\nA,B\r\n5,8\r\n\n"));
    answer(bench, HTTP_DONE);
    assert_int_equal(bench->bulk->retained_bytes, 0);
}

/* Over MQTT: R-BULK.8a; a client that is not there costs the report, and that is kept like any other */
static void mqtt(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    put(bench, PROFILE "Protocol", "MQTT");
    put(bench, PROFILE "NumberOfRetainedFailedReports", "1");
    pass(bench, 20);
    expect(bench, "");
    add(bench, "Device.MQTT.", "Client");
    put(bench, PROFILE "MQTT.Reference", "Device.MQTT.Client.1");
    put(bench, PROFILE "MQTT.PublishTopic", "t/1");
    put(bench, PROFILE "MQTT.PublishQoS", "1");
    put(bench, PROFILE "MQTT.PublishRetain", "true");
    bench->refuse = true;
    pass(bench, 10);
    bench->refuse = false;
    pass(bench, 10);
    expect(bench, "client 1 t/1 qos 1 retain 1 application/json; charset=UTF-8\n"
                  "{\"Report\":[{\"A\":7},{\"A\":7}]}\n");
    pass(bench, 10);
    expect(bench, "client 1 t/1 qos 1 retain 1 application/json; charset=UTF-8\n{\"Report\":[{\"A\":7}]}\n");
}

/* Errors name the parameter */
static void bad_values(void **state)
{
    struct bench *bench = *state;

    parameter(bench, "", "");
    assert_int_equal(set(bench, PROFILE "Parameter.1.Reference", "Device.No.Thing"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "Parameter.1.Reference", "Device.["), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "Parameter.1.Reference", "Device.Box.Do()"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "Parameter.1.Reference", "Device.Thing.1.Ref+.Name"),
                     ERROR_INVALID_VALUE);
    expect(bench, PROFILE "Parameter.1.Reference\n" PROFILE "Parameter.1.Reference\n" PROFILE
                          "Parameter.1.Reference\n" PROFILE "Parameter.1.Reference\n");
    assert_int_equal(set(bench, PROFILE "HTTP.URL", "ftp://c/"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "HTTP.URL", "http://c/ x"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "ReportingInterval", "0"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "Controller", "Device.LocalAgent.Controller.1"),
                     ERROR_PARAMETER_READ_ONLY);
    expect(bench,
           PROFILE "HTTP.URL\n" PROFILE "HTTP.URL\n" PROFILE "ReportingInterval\n" PROFILE "Controller\n");
}

/* A report has a ceiling, and so has what one message carries: the oldest reports give way */
static void large(void **state)
{
    struct bench *bench = *state;
    struct dm_row *row = dm_row_find(bench->dm, STR(PROFILE));
    char *text = malloc(65001);
    struct limits limits = limits_default;
    struct error err;

    memset(text, 'x', 65000);
    text[65000] = '\0';
    put(bench, "Device.Thing.1.Inside.Title", text);
    put(bench, PROFILE "NumberOfRetainedFailedReports", "-1");
    use_http(bench);
    for (int i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d", i);
        parameter(bench, name, "Device.Thing.1.Inside.Title");
    }
    for (int i = 0; i < 3; i++) {
        pass(bench, 10);
        assert_non_null(bench->ops);
        answer(bench, HTTP_TRANSIENT);
    }
    assert_int_equal(bench->bulk->retained_bytes / 6500000, 1);
    limits.bulk_retained_bytes = 6000000;
    bench->loop.limits = &limits;
    assert_int_equal(bulk_force(bench->bulk, row, &err), -1);
    assert_non_null(strstr(err.message, "limit_bulk_retained_bytes is 6000000"));
    assert_int_equal(bench->bulk->retained_bytes, 0);
    bench->loop.limits = &limits_default;
    for (int i = 100; i < 150; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d", i);
        parameter(bench, name, "Device.Thing.1.Inside.Title");
    }
    assert_int_equal(bulk_force(bench->bulk, row, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    free(text);
}

/* A profile that goes takes its timers and its post along */
static void deleted(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    pass(bench, 10);
    dm_begin(bench->dm, NULL);
    assert_int_equal(dm_delete(bench->dm, dm_row_find(bench->dm, STR(PROFILE)), NULL), 0);
    assert_int_equal(dm_commit(bench->dm, NULL), 0);
    loop_run_deferred(&bench->loop);
    assert_int_equal(bench->cancels, 1);
    assert_int_equal(bench->bulk->retained_bytes, 0);
    assert_int_equal(timers_next(&bench->loop.timers), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(schedule, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(http, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(retries, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(retained, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(mqtt, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(bad_values, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(large, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(deleted, bench_set_up, bench_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
