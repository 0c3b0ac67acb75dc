/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.ProxiedDevice.{i}.: rows and news of the registry as the data model shows them. */
#include "devices/identity.h"
#include "devices/quarantine.h"
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "datamodel/device/firmware_image.h"
#include "datamodel/device/proxied_device.h"
#include "devices/dialects/shelly.h"
#include "devices/home.h"
#include "tests/unit/fake_home.h"

static const struct dm_object plain = {0};
static const struct dm_object table = {.flags = DM_TABLE};

static const struct dm_mount mounts[] = {
    {"Device.", &plain},
    {"Device.ProxiedDevice.{i}.", &model_proxied_device},
    {"Device.ProxiedDevice.{i}.DeviceInfo.", &model_proxied_device_info},
    {"Device.ProxiedDevice.{i}.DeviceInfo.FirmwareImage.{i}.", &table},
    {"Device.ProxiedDevice.{i}." VENDOR_PREFIX "Update.", &model_proxied_update},
    {"Device.ProxiedDevice.{i}." VENDOR_PREFIX "Identity.", &model_proxied_identity},
};

struct fixture {
    struct fake_home home;
    struct dm *dm;
    struct model model;
    struct observer feed;
    struct rate peer;
    char fed[4096];
};

/* In place of devices/home.c and firmware_image.c, which need more of a home than this test has. */
struct registry *home_registry(struct home *home)
{
    return (struct registry *)home;
}

int model_firmware_attach(struct model *model, struct dm_row *device_info, struct firmware_target *target)
{
    struct dm_node *node = dm_node_child(device_info->node, STR("FirmwareImage"));

    for (uint32_t i = 0; i < FIRMWARE_SLOTS; i++)
        dm_attach(model->dm, device_info, node, i + 1, &target->slots[i]);
    return 0;
}

static void on_feed(void *ctx, const void *event)
{
    static const char *const types[] = {"value", "created", "deleted", "event", "complete"};
    const struct dm_feed *feed = event;
    struct fixture *fixture = ctx;
    size_t len = strlen(fixture->fed);
    char path[DM_PATH_BYTES];
    const char *member = "";

    dm_row_path(feed->row, path);
    if (feed->type == DM_FEED_VALUE)
        member = feed->row->node->object->params[feed->member].name;
    else if (feed->type == DM_FEED_EVENT)
        member = feed->row->node->object->events[feed->member].name;
    snprintf(fixture->fed + len, sizeof(fixture->fed) - len, "%s %s%s\n", types[feed->type],
             path + strlen("Device.ProxiedDevice."), member);
}

static void start(struct fixture *fixture)
{
    fixture->model = (struct model){.dm = fixture->dm, .home = (struct home *)fixture->home.registry};
    assert_int_equal(model_proxied_start(&fixture->model, NULL), 0);
}

static int set_up(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    fake_home_init(&fixture.home, &shelly_dialect, NULL);
    fixture.dm = dm_new(mounts, sizeof(mounts) / sizeof(mounts[0]), NULL, fixture.home.store, NULL);
    assert_non_null(fixture.dm);
    start(&fixture);
    fixture.feed = (struct observer){.fn = on_feed, .ctx = &fixture};
    observer_add(dm_observers(fixture.dm), &fixture.feed);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    model_proxied_stop(&fixture->model);
    dm_free(fixture->dm);
    fake_home_done(&fixture->home, false);
    return 0;
}

static struct device *add(struct fixture *fixture, const char *id)
{
    struct device *device = registry_add(fixture->home.registry, &shelly_dialect, id, &fixture->peer, true,
                                         NULL);

    assert_non_null(device);
    device_set_own_name(device, id);
    device_set(device, DEVICE_MODEL, "SNPL-00112EU");
    registry_announce(device);
    return device;
}

static struct dm_row *row_at(struct fixture *fixture, const char *path)
{
    struct dm_row *row = dm_row_find(fixture->dm, str_of(path));

    assert_non_null(row);
    return row;
}

static void has(struct fixture *fixture, const char *object, const char *param, const char *value)
{
    struct dm_row *row = row_at(fixture, object);
    char scratch[DM_SCRATCH_BYTES], text[256];
    struct str got = dm_get_text(row, dm_node_param(row->node, param), scratch);

    snprintf(text, sizeof(text), "%.*s", (int)got.len, got.data);
    assert_string_equal(text, value);
}

static int set(struct fixture *fixture, const char *object, const char *param, const char *value,
               struct error *err)
{
    struct dm_row *row = row_at(fixture, object);
    const struct dm_requester requester = {0};
    int rc;

    dm_begin(fixture->dm, &requester);
    rc = dm_set(fixture->dm, row, dm_node_param(row->node, param), str_of(value), err);
    if (rc == 0)
        rc = dm_set_done(fixture->dm, row, err);
    if (rc < 0) {
        dm_rollback(fixture->dm);
        return -1;
    }
    if (dm_commit(fixture->dm, err) < 0)
        return -1;
    return dm_flush(fixture->dm, err);
}

static void a_device_is_a_row(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "plug");

    assert_string_equal(fixture->fed, "created 1.\n"
                                      "created 1.DeviceInfo.FirmwareImage.1.\n"
                                      "created 1.DeviceInfo.FirmwareImage.2.\n"
                                      "created 1.DeviceInfo.FirmwareImage.3.\n");
    has(fixture, "Device.ProxiedDevice.1.", "Alias", "cpe-1");
    has(fixture, "Device.ProxiedDevice.1.", "Name", "plug");
    has(fixture, "Device.ProxiedDevice.1.", "Online", "false");
    has(fixture, "Device.ProxiedDevice.1.", "LastTimeContacted", "0001-01-01T00:00:00Z");
    has(fixture, "Device.ProxiedDevice.1.", "ProxyProtocol", VENDOR_PREFIX "Shelly-MQTT");
    has(fixture, "Device.ProxiedDevice.1.DeviceInfo.", "ModelName", "SNPL-00112EU");
    has(fixture, "Device.ProxiedDevice.1.DeviceInfo.", "ActiveFirmwareImage", "");
    has(fixture, "Device.ProxiedDevice.1.DeviceInfo.", "FirmwareImageNumberOfEntries", "3");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Update.", "JobState", "None");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.", "Grade", "D");
    device_set_transport(device, DEVICE_WEBSOCKET);
    device->target.active = 2;
    assert_true(device_contacted(device));
    has(fixture, "Device.ProxiedDevice.1.", "ProxyProtocol", VENDOR_PREFIX "Shelly-WebSocket");
    has(fixture, "Device.ProxiedDevice.1.", "LastTimeContacted", "2027-01-15T08:00:00Z"); /* live */
    has(fixture, "Device.ProxiedDevice.1.DeviceInfo.", "ActiveFirmwareImage",
        "Device.ProxiedDevice.1.DeviceInfo.FirmwareImage.3");
}

static void instance_numbers_are_the_registrys(void **state)
{
    struct fixture *fixture = *state;
    struct device *two;

    add(fixture, "one");
    two = add(fixture, "two");
    add(fixture, "three");
    fixture->fed[0] = '\0';
    registry_remove(two);
    assert_string_equal(fixture->fed, "deleted 2.DeviceInfo.FirmwareImage.1.\n"
                                      "deleted 2.DeviceInfo.FirmwareImage.2.\n"
                                      "deleted 2.DeviceInfo.FirmwareImage.3.\n"
                                      "deleted 2.\n");
    assert_null(dm_row_find(fixture->dm, STR("Device.ProxiedDevice.2.")));
    has(fixture, "Device.ProxiedDevice.3.", "Name", "three");
    add(fixture, "two");
    has(fixture, "Device.ProxiedDevice.4.", "Name", "two");
}

static void changes_are_value_changes(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "plug");

    fixture->fed[0] = '\0';
    device_set_online(device, true);
    device_set(device, DEVICE_SOFTWARE_VERSION, "1.5.0");
    device_set(device, DEVICE_ADDRESS, "plug"); /* not shown */
    registry_announce(device);
    assert_string_equal(fixture->fed, "value 1.Online\n"
                                      "value 1.LastTimeContacted\n"
                                      "value 1.DeviceInfo.SoftwareVersion\n");
    fixture->fed[0] = '\0';
    fake_home_job(&fixture->home, &device->target, FIRMWARE_JOB_CHANGED, JOB_TRANSFERRING, 40, "");
    assert_string_equal(fixture->fed, "value 1." VENDOR_PREFIX "Update.JobState\n"
                                      "value 1." VENDOR_PREFIX "Update.Progress\n");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Update.", "JobState", "Transferring");
    fake_home_job(&fixture->home, &device->target, FIRMWARE_JOB_ENDED, JOB_EXPIRED, 40, "too late");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Update.", "JobState", "Expired");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Update.", "LastResult", "Activate Other: too late");
}

static void quarantine_and_release(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "plug");
    struct error err = {0};
    struct dm_call call = {.dm = fixture->dm, .path = "x", .command = model_proxied_identity.commands};

    fixture->fed[0] = '\0';
    quarantine_put(device, QUARANTINE_MODEL, "X");
    assert_string_equal(fixture->fed, "value 1." VENDOR_PREFIX "Identity.Quarantined\n"
                                      "value 1." VENDOR_PREFIX "Identity.Reason\n"
                                      "value 1." VENDOR_PREFIX "Identity.ReasonCode\n"
                                      "value 1." VENDOR_PREFIX "Identity.KnownValue\n"
                                      "value 1." VENDOR_PREFIX "Identity.ClaimedValue\n"
                                      "event 1." VENDOR_PREFIX "Identity.Quarantined!\n");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.", "ReasonCode", "ModelChanged");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.", "ClaimedValue", "X");
    call.row = row_at(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.");
    assert_int_equal(call.command->run(&call, &err), 0);
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.", "Quarantined", "false");
    assert_int_equal(call.command->run(&call, &err), -1);
    assert_int_equal(err.code, ERROR_COMMAND_FAILURE);
}

static void facts_and_their_proofs(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "plug");
    const struct identity identity = {
        .manufacturer = "Shelly",
        .mac = "A8032ABE54DC",
        .model = "SNPL-00112EU",
        .inferred = DEVICE_BIT(DEVICE_MANUFACTURER),
        .grade = DEVICE_GRADE_B,
    };

    assert_int_equal(identity_present(device, &identity), IDENTITY_ACCEPTED);
    registry_announce(device);
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.", "ManufacturerProof", "D,Family");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.", "ManufacturerOUIProof", "D,Address");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.", "ModelNameProof", "B,Device");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.", "MACAddressProof", "B,Device");
    has(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.", "HardwareVersionProof", "");
}

static void rejected_and_forgotten(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "plug");
    struct error err = {0};
    struct dm_call call = {.dm = fixture->dm, .path = "x"};
    const struct dm_command *reject = model_proxied_identity.commands + 1, *forget = reject + 1;

    call.row = row_at(fixture, "Device.ProxiedDevice.1." VENDOR_PREFIX "Identity.");
    assert_int_equal(reject->run(&call, &err), -1);
    quarantine_put(device, QUARANTINE_MODEL, "X");
    assert_int_equal(reject->run(&call, &err), 0);
    assert_false(device->quarantined);
    assert_false(device->accept_identity);
    device_set_online(device, true);
    assert_int_equal(forget->run(&call, &err), -1); /* it would be found again */
    assert_non_null(call.row);
    device_set_online(device, false);
    assert_int_equal(forget->run(&call, &err), 0);
    assert_null(call.row);
    assert_int_equal(fixture->home.registry->count, 0);
}

static void names_are_kept(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add(fixture, "plug");
    struct store *store;
    struct error err = {0};

    add(fixture, "relay");
    assert_int_equal(set(fixture, "Device.ProxiedDevice.1.", "Alias", "kitchen", &err), 0);
    assert_int_equal(set(fixture, "Device.ProxiedDevice.1.", "Name", "Lamp", &err), 0);
    assert_int_equal(set(fixture, "Device.ProxiedDevice.2.", "Alias", "kitchen", &err), -1);
    assert_int_equal(err.code, ERROR_UNIQUE_KEY_CONFLICT);
    has(fixture, "Device.ProxiedDevice.[Alias==\"kitchen\"].", "Name", "Lamp");
    device_set_own_name(device, "plug, renamed");
    has(fixture, "Device.ProxiedDevice.1.", "Name", "Lamp");

    model_proxied_stop(&fixture->model);
    dm_free(fixture->dm);
    store = fake_home_done(&fixture->home, true);
    fake_home_init(&fixture->home, &shelly_dialect, store);
    fixture->dm = dm_new(mounts, sizeof(mounts) / sizeof(mounts[0]), NULL, store, NULL);
    start(fixture);
    fake_home_restore(&fixture->home);
    has(fixture, "Device.ProxiedDevice.1.", "Alias", "kitchen");
    has(fixture, "Device.ProxiedDevice.1.", "Name", "Lamp");
    has(fixture, "Device.ProxiedDevice.2.", "Alias", "cpe-2");
}

static void objects_must_be_mounted(void **state)
{
    struct fixture *fixture = *state;
    struct dm *dm = dm_new(mounts, 4, NULL, fixture->home.store, NULL);
    struct error err = {0};

    struct model model = {.dm = dm, .home = (struct home *)fixture->home.registry};

    assert_int_equal(model_proxied_start(&model, &err), -1);
    assert_int_equal(err.code, ERROR_INTERNAL);
    dm_free(dm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_device_is_a_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(instance_numbers_are_the_registrys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes_are_value_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quarantine_and_release, set_up, tear_down),
        cmocka_unit_test_setup_teardown(facts_and_their_proofs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rejected_and_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(objects_must_be_mounted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
