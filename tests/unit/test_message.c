/* SPDX-License-Identifier: BSD-3-Clause */
/* Get, GetInstances, GetSupportedDM, GetSupportedProtocol: every path gets its own result. */
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

/* What GetSupportedProtocol answers. */
static const char *protocols(struct usp_bench *bench, const char *versions)
{
    struct buf message;

    buf_init(&message, 4096, 384);
    usp_client_get_supported_protocol(&message, STR("m1"), str_of(versions));
    return bench_ask(bench, &message);
}

/* R-GET.0 to R-GET.3 */
static void get_parameters(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Name"),
                 "self::one GET_RESP m1 {Device.Thing.1.Name {Device.Thing.1. Name=a}}");
    bench_expect(
        bench_get(bench, 0,
                  "Device.Thing.*.Name Device.Thing.[Name==\"b\"].Number Device.Thing.1.Inside.Title"),
        "self::one GET_RESP m1 {Device.Thing.*.Name {Device.Thing.1. Name=a} "
        "{Device.Thing.2. Name=b}} {Device.Thing.[Name==\"b\"].Number {Device.Thing.2. "
        "Number=7}} {Device.Thing.1.Inside.Title {Device.Thing.1.Inside. Title=none}}");
    bench_expect(
        bench_get(
            bench, 0,
            "Device.Thing.9.Name Device.Nope. Device.Thing.1.Nope Device..x Device.Echo() Device.Boot!"),
        "self::one GET_RESP m1 {Device.Thing.9.Name #7026} {Device.Nope. #7026} "
        "{Device.Thing.1.Nope #7026} {Device..x #7008} {Device.Echo() #7026} {Device.Boot! "
        "#7026}");
    bench_expect(
        bench_get(bench, 0,
                  "Device.Thing.[Name==\"zz\"].Name Device.Thing.*.Part.*.Color Device.Thing.2.Part.*.Color"),
        "self::one GET_RESP m1 {Device.Thing.[Name==\"zz\"].Name} {Device.Thing.*.Part.*.Color "
        "{Device.Thing.1.Part.1. Color=red} {Device.Thing.1.Part.2. Color=blue}} "
        "{Device.Thing.2.Part.*.Color}");
    bench_expect(bench_get(bench, 0, "Device.Thing.[Name==\"zz\"].Nope Device.Thing.*.Nope"),
                 "self::one GET_RESP m1 {Device.Thing.[Name==\"zz\"].Nope #7026} {Device.Thing.*.Nope "
                 "#7026}");
    bench_expect(bench_get(bench, 0, ""), "self::one GET_RESP m1");
}

/* R-GET.1b: what has no rows gives no result and no error */
static void get_objects(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Part."),
                 "self::one GET_RESP m1 {Device.Thing.1.Part. {Device.Thing.1.Part.1. Alias=cpe-1 "
                 "Order=1 Color=red Owner=} {Device.Thing.1.Part.2. Alias=cpe-2 Order=2 Color=blue "
                 "Owner=}}");
    bench_expect(
        bench_get(bench, 0, "Device.Thing.2.Part. Device.LocalAgent.Request. Device.LocalAgent.Request.*."),
        "self::one GET_RESP m1 {Device.Thing.2.Part.} {Device.LocalAgent.Request.} "
        "{Device.LocalAgent.Request.*.}");
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Inside. Device.Thing.1.Inside"),
                 "self::one GET_RESP m1 {Device.Thing.1.Inside. {Device.Thing.1.Inside. Title=none "
                 "Size=0}} {Device.Thing.1.Inside {Device.Thing.1.Inside. Title=none Size=0}}");
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo. Device.DeviceInfo"),
                 "self::one GET_RESP m1 {Device.DeviceInfo. {Device.DeviceInfo. "
                 "ManufacturerOUI=012345 ProductClass=Gateway SerialNumber=S1}} {Device.DeviceInfo "
                 "{Device.DeviceInfo. ManufacturerOUI=012345 ProductClass=Gateway SerialNumber=S1}}");
}

/* A secret reads as nothing, for everybody */
static void get_secret(void **state)
{
    struct usp_bench *bench = *state;

    bench_add(bench, false, "Device.Thing.: Name=a Secret=hidden");
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Secret Device.Thing.[Secret==\"hidden\"].Name"),
                 "self::one GET_RESP m1 {Device.Thing.1.Secret {Device.Thing.1. Secret=}} "
                 "{Device.Thing.[Secret==\"hidden\"].Name}");
}

/* R-GET.5 */
static void get_max_depth(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_delete(bench, false, "Device.Thing.2.");
    bench_add(bench, false, "Device.LocalAgent.Controller.1.BootParameter.: ParameterName=Device.Box.Name");
    bench_expect(bench_get(bench, 1, "Device.Thing.1.Part."),
                 "self::one GET_RESP m1 {Device.Thing.1.Part. {Device.Thing.1.Part.1. Alias=cpe-1 "
                 "Order=1 Color=red Owner=} {Device.Thing.1.Part.2. Alias=cpe-2 Order=2 Color=blue "
                 "Owner=}}");
    bench_expect(bench_get(bench, 1, "Device."), "self::one GET_RESP m1 {Device.}");
    bench_expect(bench_get(bench, 2, "Device.LocalAgent.Controller.1.BootParameter. Device.Thing.1."),
                 "self::one GET_RESP m1 {Device.LocalAgent.Controller.1.BootParameter. "
                 "{Device.LocalAgent.Controller.1.BootParameter.1. Alias=cpe-1 Enable=false "
                 "ParameterName=Device.Box.Name}} {Device.Thing.1. {Device.Thing.1. Alias=cpe-1 "
                 "Name=a Enable=false Integer=0 Number=3 Rank=2 Longer=0 Wide=0 "
                 "When=0001-01-01T00:00:00Z Kind=Round Tags= Secret= Code= Hex= Base64= Ref= Refs= "
                 "Weak= Note=made Flag=false Twice=6 PartNumberOfEntries=2} {Device.Thing.1.Inside. "
                 "Title=none Size=0} {Device.Thing.1.Part.1. Alias=cpe-1 Order=1 Color=red Owner=} "
                 "{Device.Thing.1.Part.2. Alias=cpe-2 Order=2 Color=blue Owner=}}");
    bench_expect(bench_get(bench, 1, "Device.Thing.1.Part.1.Color"),
                 "self::one GET_RESP m1 {Device.Thing.1.Part.1.Color {Device.Thing.1.Part.1. "
                 "Color=red}}");
    bench_expect(bench_get(bench, 4, "Device.Thing.1.Part.1."),
                 "self::one GET_RESP m1 {Device.Thing.1.Part.1. {Device.Thing.1.Part.1. Alias=cpe-1 "
                 "Order=1 Color=red Owner=}}");
}

/* R-GIN.* */
static void instances(void **state)
{
    struct usp_bench *bench = *state;

    two_things(bench);
    bench_expect(bench_instances(bench, true, "Device.Thing."),
                 "self::one INSTANCES_RESP m1 {Device.Thing. {Device.Thing.1. Alias=cpe-1 Name=a} "
                 "{Device.Thing.2. Alias=cpe-2 Name=b}}");
    bench_expect(bench_instances(bench, false, "Device.Thing."),
                 "self::one INSTANCES_RESP m1 {Device.Thing. {Device.Thing.1. Alias=cpe-1 Name=a} "
                 "{Device.Thing.1.Part.1. Alias=cpe-1 Color=red Order=1} {Device.Thing.1.Part.2. "
                 "Alias=cpe-2 Color=blue Order=2} {Device.Thing.2. Alias=cpe-2 Name=b}}");
    bench_expect(bench_instances(bench, false,
                                 "Device.Thing.1. Device.Thing.1.Part. Device.Thing.*.Part. Device.Box."),
                 "self::one INSTANCES_RESP m1 {Device.Thing.1. {Device.Thing.1.Part.1. Alias=cpe-1 "
                 "Color=red Order=1} {Device.Thing.1.Part.2. Alias=cpe-2 Color=blue Order=2}} "
                 "{Device.Thing.1.Part. {Device.Thing.1.Part.1. Alias=cpe-1 Color=red Order=1} "
                 "{Device.Thing.1.Part.2. Alias=cpe-2 Color=blue Order=2}} {Device.Thing.*.Part. "
                 "{Device.Thing.1.Part.1. Alias=cpe-1 Color=red Order=1} {Device.Thing.1.Part.2. "
                 "Alias=cpe-2 Color=blue Order=2}} {Device.Box.}");
    bench_expect(
        bench_instances(
            bench, true,
            "Device.Thing.[Name==\"a\"].Part. Device.Thing.[Name==\"b\"].Part. Device.Thing.[Name==\"c\"].Part."),
        "self::one INSTANCES_RESP m1 {Device.Thing.[Name==\"a\"].Part. {Device.Thing.1.Part.1. "
        "Alias=cpe-1 Color=red Order=1} {Device.Thing.1.Part.2. Alias=cpe-2 Color=blue "
        "Order=2}} {Device.Thing.[Name==\"b\"].Part.} {Device.Thing.[Name==\"c\"].Part.}");
    bench_expect(bench_instances(bench, true, "Device."),
                 "self::one INSTANCES_RESP m1 {Device. {Device.LocalAgent.Controller.1. "
                 "EndpointID=self::one Alias=cpe-1} {Device.LocalAgent.Controller.2. "
                 "EndpointID=self::two Alias=cpe-2} {Device.LocalAgent.Controller.3. "
                 "EndpointID=self::none Alias=cpe-3} {Device.LocalAgent.ControllerTrust.Role.1. "
                 "Name=Full Access Alias=cpe-1} {Device.LocalAgent.ControllerTrust.Role.2. "
                 "Name=Untrusted Alias=cpe-2} {Device.Thing.1. Alias=cpe-1 Name=a} {Device.Thing.2. "
                 "Alias=cpe-2 Name=b}}");
    bench_expect(bench_instances(bench, true, "Device.LocalAgent.Controller."),
                 "self::one INSTANCES_RESP m1 {Device.LocalAgent.Controller. "
                 "{Device.LocalAgent.Controller.1. EndpointID=self::one Alias=cpe-1} "
                 "{Device.LocalAgent.Controller.2. EndpointID=self::two Alias=cpe-2} "
                 "{Device.LocalAgent.Controller.3. EndpointID=self::none Alias=cpe-3}}");
    bench_expect(
        bench_instances(
            bench, true,
            "Device.Nope. Device.Thing.9. Device.Thing.9.Part. Device.Box.Name Device.Echo() Device.."),
        "self::one INSTANCES_RESP m1 {Device.Nope. #7026} {Device.Thing.9. #7026} "
        "{Device.Thing.9.Part. #7026} {Device.Box.Name #7018} {Device.Echo() #7018} "
        "{Device.. #7008}");
}

/* GetSupportedDM, all flags */
static void supported(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(bench_supported(bench, 0, "Device.Thing."),
                 "self::one GSDM_RESP m1 {Device.Thing. {Device.Thing.{i}. access:1 table:1} "
                 "{Device.Thing.{i}.Inside.} {Device.Thing.{i}.Part.{i}. access:1 table:1}}");
    bench_expect(bench_supported(bench, USP_CLIENT_FIRST_LEVEL, "Device.Thing."),
                 "self::one GSDM_RESP m1 {Device.Thing. {Device.Thing.{i}. access:1 table:1} "
                 "{Device.Thing.{i}.Inside.} {Device.Thing.{i}.Part.{i}. access:1 table:1}}");
    bench_expect(bench_supported(bench, USP_CLIENT_FIRST_LEVEL | USP_CLIENT_PARAMS | USP_CLIENT_UNIQUE_KEYS,
                                 "Device.Thing.{i}.Part.{i}."),
                 "self::one GSDM_RESP m1 {Device.Thing.{i}.Part.{i}. {Device.Thing.{i}.Part.{i}. "
                 "access:1 table:1 param{Alias rw1 type:8 notify:1} param{Order rw1 type:9 notify:1} "
                 "param{Color rw1 type:8 notify:1} param{Owner rw1 type:8 notify:1} key{Alias} "
                 "key{Color Order}}}");
    bench_expect(
        bench_supported(bench, USP_CLIENT_FIRST_LEVEL | USP_CLIENT_COMMANDS | USP_CLIENT_EVENTS, "Device."),
        "self::one GSDM_RESP m1 {Device. {Device. command{Echo() in:Text in:Number in:Fail "
        "in:Window.{i}.Start out:Text out:Number out:Key type:1} command{Slow() type:2} "
        "command{Quick() type:2} command{Refuse() type:2} event{Boot! CommandKey Cause}} "
        "{Device.DeviceInfo.} {Device.LocalAgent.} {Device.Box.} {Device.Thing.{i}. access:1 "
        "table:1}}");
    bench_expect(bench_supported(bench, USP_CLIENT_COMMANDS | USP_CLIENT_EVENTS, "Device.Box."),
                 "self::one GSDM_RESP m1 {Device.Box. {Device.Box. command{Do() type:1} "
                 "event{Happened!}}}");
    bench_expect(bench_supported(bench, USP_CLIENT_PARAMS, "Device.Box."),
                 "self::one GSDM_RESP m1 {Device.Box. {Device.Box. param{Alias rw1 type:8 notify:1} "
                 "param{Name rw1 type:8 notify:1} param{Enable rw1 type:2 notify:1} param{Integer rw1 "
                 "type:6 notify:1} param{Number rw1 type:9 notify:1} param{Rank rw1 type:9 notify:1} "
                 "param{Longer rw1 type:7 notify:1} param{Wide rw1 type:10 notify:1} param{When rw1 "
                 "type:3 notify:1} param{Kind rw1 type:8 notify:1} param{Tags rw1 type:8 notify:1} "
                 "param{Secret rw1 type:8 notify:1} param{Code rw1 type:8 notify:1} param{Hex rw1 "
                 "type:5 notify:1} param{Base64 rw1 type:1 notify:1} param{Ref rw1 type:8 notify:1} "
                 "param{Refs rw1 type:8 notify:1} param{Weak rw1 type:8 notify:1} param{Note type:8 "
                 "notify:1} param{Flag rw1 type:2 notify:1} param{Twice type:9 notify:1} "
                 "param{PartNumberOfEntries type:9 notify:1}}}");
    bench_expect(bench_supported(bench, 0, "Device.Thing.*.Part.1. Device.Thing.7.Inside."),
                 "self::one GSDM_RESP m1 {Device.Thing.*.Part.1. {Device.Thing.{i}.Part.{i}. access:1 "
                 "table:1}} {Device.Thing.7.Inside. {Device.Thing.{i}.Inside.}}");
    bench_expect(bench_supported(bench, 0, "Device.Thing.1.Name Device.Echo() Device.Boot!"),
                 "self::one GSDM_RESP m1 {Device.Thing.1.Name {Device.Thing.{i}. access:1 table:1 "
                 "param{Name rw1 type:8 notify:1}}} {Device.Echo() {Device. command{Echo() in:Text "
                 "in:Number in:Fail in:Window.{i}.Start out:Text out:Number out:Key type:1}}} "
                 "{Device.Boot! {Device. event{Boot! CommandKey Cause}}}");
    bench_expect(bench_supported(bench, 0, "Device.Nope. Device.. Device.Box.{i}."),
                 "self::one GSDM_RESP m1 {Device.Nope. #7026} {Device.. #7008} {Device.Box.{i}. #7026}");
}

/* The versions that this agent speaks, whatever the controller's */
static void supported_protocol(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(protocols(bench, "1.0,1.1"), "self::one PROTOCOL_RESP m1 1.3,1.4");
    bench_expect(protocols(bench, ""), "self::one PROTOCOL_RESP m1 1.3,1.4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(get_parameters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(get_objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(get_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(get_max_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(instances, set_up, tear_down),
        cmocka_unit_test_setup_teardown(supported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(supported_protocol, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
