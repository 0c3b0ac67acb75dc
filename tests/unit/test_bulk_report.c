/* SPDX-License-Identifier: BSD-3-Clause */
/* Bulk data: what is in a report, and how it is written. */
#include "config.h"

#include "tests/unit/bulk_bench.h"

/* R-BULK.9, R-BULK.10: the names that references give */
static void names(void **state)
{
    struct bench *bench = *state;

    use_event(bench);
    add(bench, "Device.Thing.2.", "Part");
    add(bench, "Device.Thing.2.", "Part");
    parameter(bench, "", "Device.Thing.1.Number");
    parameter(bench, "N", "Device.Thing.1.Number");
    parameter(bench, "W", "Device.Thing.*.Number");
    parameter(bench, "P", "Device.Thing.*.Part.*.Order");
    parameter(bench, "S", "Device.Thing.[Name==\"b\"].Number");
    parameter(bench, "", "Device.Thing.*.Name");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"Device.Thing.1.Number\":7,\"N\":7,\"W.1\":7,\"W.2\":8,"
                  "\"P.2.1\":1,\"P.2.2\":2,\"S.2\":8,\"Device.Thing.1.Name\":\"a\","
                  "\"Device.Thing.2.Name\":\"b\"}]}\n");
    clear_parameters(bench);
    parameter(bench, "I", "Device.Thing.1.Inside.");
    parameter(bench, "J", "Device.Thing.*.Inside.");
    parameter(bench, "", "Device.Thing.2.Inside.");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"I.Title\":\"none\",\"I.Size\":0,\"J.1.Title\":\"none\","
                  "\"J.1.Size\":0,\"J.2.Title\":\"none\",\"J.2.Size\":0,"
                  "\"Device.Thing.2.Inside.Title\":\"none\",\"Device.Thing.2.Inside.Size\":0}]}\n");
    clear_parameters(bench);
    parameter(bench, "T", "Device.Thing.2.Part.");
    put(bench, PROFILE "JSONEncoding.ReportFormat", "ObjectHierarchy");
    force(bench);
    expect(
        bench,
        "event Data {\"Report\":[{\"T\":{\"1\":{\"Alias\":\"cpe-1\",\"Color\":\"cpe-1\",\"Order\":1,"
        "\"Owner\":\"\"},\"2\":{\"Alias\":\"cpe-2\",\"Color\":\"cpe-2\",\"Order\":2,\"Owner\":\"\"}}}]}\n");
}

/* R-BULK.10a, and references that name nothing now */
static void left_out(void **state)
{
    struct bench *bench = *state;

    use_event(bench);
    parameter(bench, "I", "Device.Thing.");
    parameter(bench, "", "Device.Thing.*.Inside.Size");
    put(bench, PROFILE "Parameter.2.Exclude", "true");
    parameter(bench, "", "Device.Thing.2.");
    put(bench, PROFILE "Parameter.3.Exclude", "true");
    parameter(bench, "G", "Device.Thing.99.Name");
    parameter(bench, "", "");
    memset(bench->bits, 0, sizeof(bench->bits));
    bench->bits[dm_id_param(dm_node_find(bench->dm, "Device.Thing."), 1)] = DM_MAY_READ; /* Name */
    for (int i = 0; i < 2; i++)
        bench->bits[dm_id_param(dm_node_find(bench->dm, "Device.Thing.{i}.Inside."), i)] = DM_MAY_READ;
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"I.1.Name\":\"a\",\"I.1.Inside.Title\":\"none\"}]}\n");
    bench->nothing = true;
    force(bench);
    expect(bench, "event Data {\"Report\":[{}]}\n");
}

/* A profile whose controller is gone sees nothing, a secret is never seen */
static void nobody(void **state)
{
    struct bench *bench = *state;
    struct dm_row *owner = dm_row_find(bench->dm, STR("Device.LocalAgent.Controller.1."));

    use_event(bench);
    put(bench, "Device.Thing.1.Secret", "hidden");
    parameter(bench, "S", "Device.Thing.1.Secret");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"S\":\"\"}]}\n");
    dm_begin(bench->dm, NULL);
    assert_int_equal(dm_delete(bench->dm, owner, NULL), 0);
    assert_int_equal(dm_commit(bench->dm, NULL), 0);
    force(bench);
    expect(bench, "event Data {\"Report\":[{}]}\n");
}

/* JSON: types, escapes, times, nesting, one member per name */
static void json(void **state)
{
    struct bench *bench = *state;

    use_event(bench);
    put(bench, "Device.Thing.1.Name", "a\"\\\n\x01");
    put(bench, "Device.Thing.1.Tags", "red,blue");
    put(bench, "Device.Thing.1.When", "2026-01-02T03:04:05Z");
    put(bench, "Device.Thing.1.Integer", "-5");
    put(bench, "Device.Thing.1.Enable", "true");
    parameter(bench, "A.B", "Device.Thing.1.Name");
    parameter(bench, "A.C", "Device.Thing.1.Tags");
    parameter(bench, "A.B", "Device.Thing.1.When");
    parameter(bench, "A.B.D", "Device.Thing.1.Integer");
    parameter(bench, "E", "Device.Thing.1.Enable");
    parameter(bench, "A.Kind", "Device.Thing.1.Kind");
    put(bench, PROFILE "JSONEncoding.ReportTimestamp", "Unix-Epoch");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"CollectionTime\":1700000000,\"A.C\":\"red,blue\","
                  "\"A.B\":\"2026-01-02T03:04:05Z\",\"A.B.D\":-5,\"E\":true,\"A.Kind\":\"Round\"}]}\n");
    put(bench, PROFILE "JSONEncoding.ReportTimestamp", "ISO-8601");
    put(bench, PROFILE "JSONEncoding.ReportFormat", "ObjectHierarchy");
    force(bench);
    expect(bench,
           "event Data {\"Report\":[{\"CollectionTime\":\"2023-11-14T22:13:20Z\",\"A\":{\"B\":{\"D\":-5},"
           "\"C\":\"red,blue\",\"Kind\":\"Round\"},\"E\":true}]}\n");
    clear_parameters(bench);
    parameter(bench, "A", "Device.Thing.1.Name");
    put(bench, PROFILE "JSONEncoding.ReportTimestamp", "None");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"A\":\"a\\\"\\\\\\u000a\\u0001\"}]}\n");
}

/* CSV: R-BULK.11 to R-BULK.13 */
static void csv(void **state)
{
    struct bench *bench = *state;

    use_event(bench);
    put(bench, PROFILE "EncodingType", "CSV");
    put(bench, "Device.Thing.1.Name", "x,\"y\"");
    parameter(bench, "A", "Device.Thing.1.Name");
    parameter(bench, "N", "Device.Thing.*.Number");
    force(bench);
    expect(bench, "event Data ReportTimestamp,A,N.1,N.2\r\n1700000000,\"x,\"\"y\"\"\",7,8\r\n\n");
    put(bench, PROFILE "CSVEncoding.RowTimestamp", "None");
    put(bench, PROFILE "CSVEncoding.RowSeparator", "&#10;");
    put(bench, PROFILE "CSVEncoding.FieldSeparator", ";");
    put(bench, PROFILE "CSVEncoding.EscapeCharacter", "'");
    force(bench);
    expect(bench, "event Data A;N.1;N.2\nx,\"y\";7;8\n\n");
    put(bench, PROFILE "CSVEncoding.ReportFormat", "ParameterPerRow");
    parameter(bench, "T", "Device.Thing.1.Tags");
    parameter(bench, "W", "Device.Thing.1.When");
    force(bench);
    expect(bench, "event Data ParameterName;ParameterValue;ParameterType\nA;x,\"y\";string\n"
                  "N.1;7;unsignedInt\nN.2;8;unsignedInt\nT;;string\nW;0001-01-01T00:00:00Z;dateTime\n\n");
    put(bench, PROFILE "CSVEncoding.RowTimestamp", "ISO-8601");
    put(bench, PROFILE "Parameter.2.Exclude", "true");
    put(bench, PROFILE "Parameter.3.Exclude", "true");
    put(bench, PROFILE "Parameter.4.Exclude", "true");
    force(bench);
    expect(bench, "event Data ReportTimestamp;ParameterName;ParameterValue;ParameterType\n"
                  "2023-11-14T22:13:20Z;A;x,\"y\";string\n\n");
    assert_int_equal(set(bench, PROFILE "CSVEncoding.RowSeparator", "x"), ERROR_INVALID_VALUE);
    expect(bench, PROFILE "CSVEncoding.RowSeparator\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(left_out, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(nobody, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(json, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(csv, bench_set_up, bench_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
