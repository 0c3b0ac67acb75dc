/* SPDX-License-Identifier: BSD-3-Clause */
/* What DHCP may do to the rows of Device.LocalAgent.Controller., and what it may not. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/discovery_controller.h"
#include "base/limits.h"
#include "tests/unit/failing_alloc.h"
#include "usp/controller.h"

#define CONTROLLER "Device.LocalAgent.Controller."

struct bench {
    struct loop loop;
    struct store *store;
    struct model model;
    struct dhcp_answer answer;
};

static int no_route(void *ctx, struct controller *controller, struct usp_route *ret)
{
    (void)ctx;
    (void)controller;
    (void)ret;
    return -1;
}

static const struct usp_ops ops = {.route = no_route};

static struct dm_row *add(struct bench *bench, const char *endpoint_id)
{
    struct dm *dm = bench->model.dm;
    struct dm_row *agent = dm_row_find(dm, STR("Device.LocalAgent."));
    struct dm_node *node = dm_node_find(dm, CONTROLLER);
    struct dm_row *row;

    dm_begin(dm, NULL);
    row = dm_add(dm, agent, node, 0, NULL);
    assert_non_null(row);
    assert_int_equal(dm_set(dm, row, dm_node_param(node, "EndpointID"), str_of(endpoint_id), NULL), 0);
    assert_int_equal(dm_set(dm, row, dm_node_param(node, "Enable"), STR("true"), NULL), 0);
    assert_int_equal(dm_set(dm, row, dm_node_param(node, "ProvisioningCode"), STR("configured"), NULL), 0);
    assert_int_equal(dm_add_done(dm, row, NULL), 0);
    assert_int_equal(dm_commit(dm, NULL), 0);
    assert_int_equal(dm_flush(dm, NULL), 0);
    return row;
}

static int set_up(void **state)
{
    static struct bench bench;

    memset(&bench, 0, sizeof(bench));
    assert_int_equal(loop_init(&bench.loop, NULL), 0);
    bench.store = store_open(":memory:", &bench.loop, NULL);
    bench.model.dm = dm_new(model_mounts, model_mounts_count, &bench.loop, bench.store, NULL);
    bench.model.usp = usp_new(bench.model.dm, &ops, NULL, NULL);
    dm_set_ctx(bench.model.dm, &bench.model);
    assert_int_equal(model_default_roles(&bench.model, NULL), 0);
    assert_int_equal(usp_set_endpoint_id(bench.model.usp, "self::agent"), 0);
    add(&bench, "self::operator");
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    dm_flush(bench->model.dm, NULL);
    usp_stop(bench->model.usp);
    dm_free(bench->model.dm);
    usp_free(bench->model.usp);
    store_close(bench->store);
    loop_done(&bench->loop);
    return 0;
}

/* DHCP names this controller; -1 or the verdict. */
static int name(struct bench *bench, const char *endpoint_id, const char *url, struct error *err)
{
    struct discovered found = {.answer = &bench->answer};
    enum discovered_verdict verdict;

    str_copy(found.endpoint_id, sizeof(found.endpoint_id), endpoint_id);
    assert_int_equal(controller_address_parse(str_of(url), &found.address, NULL), 0);
    if (discovered_apply(&bench->model, &found, &verdict, err) < 0)
        return -1;
    if (dm_flush(bench->model.dm, NULL) < 0)
        return -1;
    return (int)verdict;
}

static void withdraw(struct bench *bench, const char *keep)
{
    assert_int_equal(discovered_withdraw(&bench->model, keep, NULL), 0);
    assert_int_equal(dm_flush(bench->model.dm, NULL), 0);
}

static const char *value_of(struct bench *bench, const char *endpoint_id, const char *path)
{
    static char copy[512];
    char scratch[DM_SCRATCH_BYTES];
    const struct controller *controller = usp_controller_find(bench->model.usp, str_of(endpoint_id));
    char place[DM_PATH_BYTES + 100];
    const char *dot;
    struct dm_row *row;
    struct str text;

    if (!controller)
        return "no row";
    dm_row_path(controller->row, place);
    strcat(place, path);
    dot = strrchr(place, '.');
    row = dm_row_find(bench->model.dm, (struct str){place, (size_t)(dot + 1 - place)});
    if (!row || !dm_row_present(row))
        return "no row";
    text = dm_get_text(row, dm_node_param(row->node, dot + 1), scratch);
    snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.data);
    return copy;
}

#define expect(endpoint_id, path, text) assert_string_equal(value_of(bench, endpoint_id, path), text)

static void set(struct bench *bench, const char *endpoint_id, const char *param, const char *text)
{
    struct dm_row *row = usp_controller_find(bench->model.usp, str_of(endpoint_id))->row;

    dm_begin(bench->model.dm, NULL);
    assert_int_equal(dm_set(bench->model.dm, row, dm_node_param(row->node, param), str_of(text), NULL), 0);
    assert_int_equal(dm_commit(bench->model.dm, NULL), 0);
    assert_int_equal(dm_flush(bench->model.dm, NULL), 0);
}

static void makes_a_row(void **state)
{
    struct bench *bench = *state;

    bench->answer = (struct dhcp_answer){
        .provisioning_code = "code", .retry_minimum = 30, .retry_multiplier = 1500};
    assert_int_equal(name(bench, "self::found", "wss://c.example:8443/usp", NULL), DISCOVERED_NEW);
    expect("self::found", "Enable", "true");
    expect("self::found", VENDOR_PREFIX "DiscoveredBy", "DHCP");
    expect("self::found", "AssignedRole", ""); /* nothing is granted */
    expect("self::found", "InheritedRole", "");
    expect("self::found", "Credential", "");
    expect("self::found", "ProvisioningCode", "code");
    expect("self::found", "USPNotifRetryMinimumWaitInterval", "30");
    expect("self::found", "USPNotifRetryIntervalMultiplier", "1500");
    expect("self::found", "MTP.1.Enable", "true");
    expect("self::found", "MTP.1.Protocol", "WebSocket");
    expect("self::found", "MTP.1.WebSocket.Host", "c.example.");
    expect("self::found", "MTP.1.WebSocket.Port", "8443");
    expect("self::found", "MTP.1.WebSocket.Path", "/usp");
    expect("self::found", "MTP.1.WebSocket.EnableEncryption", "true");
    assert_int_equal(usp_controller_find(bench->model.usp, STR("self::found"))->waiting,
                     1); /* OnBoardRequest */
    expect("self::operator", "ProvisioningCode", "configured");
}

/* The row follows, and what is not said any more has its default again. The agent asks to be taken on once. */
static void follows(void **state)
{
    struct bench *bench = *state;

    bench->answer = (struct dhcp_answer){.provisioning_code = "code", .retry_minimum = 30};
    assert_int_equal(name(bench, "self::found", "wss://c.example/a", NULL), DISCOVERED_NEW);
    bench->answer = (struct dhcp_answer){.retry_multiplier = 3000};
    assert_int_equal(name(bench, "self::found", "wss://192.0.2.9:9/b", NULL), DISCOVERED_KEPT);
    expect("self::found", "ProvisioningCode", "");
    expect("self::found", "USPNotifRetryMinimumWaitInterval", "5");
    expect("self::found", "USPNotifRetryIntervalMultiplier", "3000");
    expect("self::found", "MTP.1.WebSocket.Host", "192.0.2.9");
    expect("self::found", "MTP.1.WebSocket.Path", "/b");
    expect("self::found", "MTP.2.Enable", "no row");
    assert_int_equal(usp_controller_find(bench->model.usp, STR("self::found"))->waiting, 1);
}

/* A rogue server that says the operator's Endpoint ID gets nowhere. */
static void leaves_the_configured_alone(void **state)
{
    struct bench *bench = *state;
    struct error err;

    bench->answer = (struct dhcp_answer){.retry_minimum = 65535, .retry_multiplier = 65535};
    assert_int_equal(name(bench, "self::operator", "wss://rogue.example/", NULL), DISCOVERED_CONFIGURED);
    expect("self::operator", "ProvisioningCode", "configured"); /* none was said */
    expect("self::operator", "USPNotifRetryMinimumWaitInterval", "5");
    expect("self::operator", "USPNotifRetryIntervalMultiplier", "2000");
    expect("self::operator", "MTP.1.Enable", "no row");
    expect("self::operator", VENDOR_PREFIX "DiscoveredBy", "None");
    str_copy(bench->answer.provisioning_code, sizeof(bench->answer.provisioning_code), "dhcp");
    assert_int_equal(name(bench, "self::operator", "wss://rogue.example/", NULL), DISCOVERED_CONFIGURED);
    expect("self::operator", "ProvisioningCode", "dhcp");
    withdraw(bench, "");
    expect("self::operator", "Enable", "true");
    assert_int_equal(name(bench, "self::agent", "wss://rogue.example/", &err), -1);
    assert_non_null(strstr(err.message, "this agent"));
    expect("self::agent", "Enable", "no row");
}

static void withdrawn(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(name(bench, "self::found", "wss://c.example/", NULL), DISCOVERED_NEW);
    withdraw(bench, "self::found");
    expect("self::found", "Enable", "true");
    withdraw(bench, "");
    expect("self::found", "Enable", "no row"); /* nobody had come to trust it */
    assert_int_equal(name(bench, "self::found", "wss://c.example/", NULL), DISCOVERED_NEW);
    set(bench, "self::found", "AssignedRole", "Device.LocalAgent.ControllerTrust.Role.2");
    withdraw(bench, "");
    expect("self::found", "AssignedRole", "Device.LocalAgent.ControllerTrust.Role.2");
    expect("self::found", "MTP.1.Enable", "false");
    assert_int_equal(name(bench, "self::found", "wss://c.example/", NULL), DISCOVERED_KEPT);
    expect("self::found", "MTP.1.Enable", "true");
    expect("self::found", "AssignedRole", "Device.LocalAgent.ControllerTrust.Role.2");
}

/* One after the other: whoever is not trusted makes room, and those that are do not fill the table. */
static void another_controller(void **state)
{
    struct bench *bench = *state;
    char id[32];
    struct error err;

    assert_int_equal(name(bench, "self::a", "wss://c.example/", NULL), DISCOVERED_NEW);
    assert_int_equal(name(bench, "self::b", "wss://c.example/", NULL), DISCOVERED_NEW);
    expect("self::a", "Enable", "no row");
    set(bench, "self::b", "OnBoardingComplete", "true");
    assert_int_equal(name(bench, "self::operator", "wss://c.example/", NULL), DISCOVERED_CONFIGURED);
    expect("self::b", "MTP.1.Enable", "false");
    for (unsigned n = 2; n <= LIMIT_DISCOVERED; n++) {
        snprintf(id, sizeof(id), "self::n%u", n);
        assert_int_equal(name(bench, id, "wss://c.example/", NULL), DISCOVERED_NEW);
        set(bench, id, "OnBoardingComplete", "true");
    }
    assert_int_equal(name(bench, "self::z", "wss://c.example/", &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    expect("self::z", "Enable", "no row");
    expect(id, "MTP.1.Enable", "true"); /* nothing has changed */
}

/* Whatever fails to be allocated: all of it or nothing, and nobody else is touched. */
static void out_of_memory(void **state)
{
    struct bench *bench = *state;

    str_copy(bench->answer.provisioning_code, sizeof(bench->answer.provisioning_code), "code");
    for (unsigned long n = 1;; n++) {
        int verdict;

        failing_alloc_arm(n);
        verdict = name(bench, "self::found", "wss://c.example/usp", NULL);
        failing_alloc_arm(0);
        if (verdict >= 0 && !failing_alloc_hit())
            break;
        if (usp_controller_find(bench->model.usp, STR("self::found"))) {
            expect("self::found", "MTP.1.WebSocket.Path", "/usp");
            withdraw(bench, "");
        }
        expect("self::operator", "ProvisioningCode", "configured");
        assert_true(n < 1000);
    }
    expect("self::found", "MTP.1.WebSocket.Path", "/usp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_a_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(follows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_the_configured_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(withdrawn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_controller, set_up, tear_down),
        cmocka_unit_test_setup_teardown(out_of_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
