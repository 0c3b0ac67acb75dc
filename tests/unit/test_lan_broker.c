/* SPDX-License-Identifier: BSD-3-Clause */
/* The accounts of the LAN's broker and what is made of them; with every allocation failing once. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/failing_alloc.h"
#include "tests/unit/lan_acl_check.h"
#include "tools/homepatch/lan_files.h"
#include "tools/homepatch/lan_password.h"

static const char home[] = "listen = 192.168.1.1:8883\n"
                           "certificate_file = /etc/homepatch/lan.pem\n"
                           "key_file = /etc/homepatch/lan.key\n"
                           "account = plug1 shelly\n"
                           "account = attic shelly topic=upstairs/plug2 node=attic_plug\n"
                           "account = hall tasmota mac=a8:03:2a:be:54:dc\n"
                           "account = zigbee2mqtt zigbee2mqtt\n"
                           "account = kitchen homeassistant topic=esp/kitchen\n"
                           "account = omg gateway topic=home/OMG\n"
                           "account = lamp usp endpoint=os::012345-LAMP\n"
                           "account = os::012345-TV usp certificate=true\n"
                           "account = hass controller\n";

struct fixture {
    struct arena arena;
    struct lan_broker broker;
    struct buf text;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    arena_init(&fixture->arena, 0);
    lan_broker_init(&fixture->broker, &fixture->arena);
    buf_init(&fixture->text, 1 << 20, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    buf_done(&fixture->text);
    arena_done(&fixture->arena);
    free(fixture);
    return 0;
}

static void parse(struct fixture *fixture, const char *text)
{
    struct error err;

    error_clear(&err);
    if (lan_broker_parse(&fixture->broker, "f", str_of(text), &err) < 0)
        fail_msg("%s: %s", err.path, err.message);
}

static const char *acl_of(struct fixture *fixture)
{
    buf_clear(&fixture->text, 0);
    lan_acl_write(&fixture->broker, &fixture->text);
    return buf_cstr(&fixture->text);
}

static void each_speaks_for_itself(void **state)
{
    struct fixture *fixture = *state;
    char text[512];
    const char *acl;

    parse(fixture, home);
    acl = acl_of(fixture);
    if (lan_acl_breach(&fixture->broker, acl, text))
        fail_msg("%s", text);
    assert_true(lan_acl_may_read(acl, "plug1", "plug1/rpc"));
    assert_false(lan_acl_may_read(acl, "plug1", "upstairs/plug2/rpc"));
    assert_true(lan_acl_may_write(acl, "attic", "homepatch/upstairs/plug2/rpc"));
    assert_true(lan_acl_may_write(acl, "attic", "homeassistant/update/attic_plug/x/config"));
    assert_false(lan_acl_may_write(acl, "plug1", "homeassistant/update/plug1/x/config"));
    assert_false(lan_acl_may_write(acl, "omg", "homeassistant/update/kitchen/x/config"));
    assert_true(lan_acl_may_write(acl, "omg", "homeassistant/sensor/any/config"));
    assert_false(lan_acl_may_write(acl, "omg", "zigbee2mqtt/bridge/state"));
    assert_true(lan_acl_may_write(acl, "os::012345-TV", "homepatch/usp/controller/os::012345-TV"));
    assert_false(lan_acl_may_read(acl, "os::012345-TV", "homepatch/usp/agent/os::012345-LAMP"));
    /* Who steers commands devices and does not speak as one of them, nor to the gateway. */
    assert_true(lan_acl_may_write(acl, "hass", "cmnd/hall/POWER"));
    assert_true(lan_acl_may_write(acl, "hass", "upstairs/plug2/rpc"));
    assert_true(lan_acl_may_write(acl, "hass", "zigbee2mqtt/lamp/set"));
    assert_false(lan_acl_may_write(acl, "hass", "stat/hall/RESULT"));
    assert_false(lan_acl_may_write(acl, "hass", "plug1/online"));
    assert_false(lan_acl_may_write(acl, "hass", "zigbee2mqtt/bridge/state"));
    assert_false(lan_acl_may_read(acl, "hass", "homepatch/plug1/rpc"));
    assert_true(lan_acl_may_read(acl, "hass", "stat/hall/RESULT"));
}

/* What the agent has to be let do, by the topics that the dialects' pages name. */
static void the_agent(void **state)
{
    static const char *const heard[] = {
        "plug1/online",
        "upstairs/plug2/events/rpc",
        "homepatch/upstairs/plug2/rpc",
        "tele/hall/LWT",
        "tasmota/discovery/A8032ABE54DC/config",
        "stat/hall/STATUS0",
        "zigbee2mqtt/lamp",
        "zigbee2mqtt/bridge/devices",
        "homeassistant/update/x/y/config",
        "homeassistant/status",
        "esp/kitchen/update/state",
        "homepatch/usp/controller/os::1-A",
    };
    static const char *const said[] = {
        "plug1/rpc",
        "upstairs/plug2/rpc",
        "cmnd/hall/STATUS",
        "zigbee2mqtt/bridge/request/device/ota_update/update",
        "homeassistant/status",
        "esp/kitchen/update/command",
        "homepatch/usp/agent/os::1-A",
    };
    struct fixture *fixture = *state;
    const char *acl;

    parse(fixture, home);
    acl = acl_of(fixture);
    for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
        if (!lan_acl_may_read(acl, LAN_AGENT, heard[i]))
            fail_msg("cannot hear %s", heard[i]);
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
        if (!lan_acl_may_write(acl, LAN_AGENT, said[i]))
            fail_msg("cannot say %s", said[i]);
    assert_false(lan_acl_may_write(acl, LAN_AGENT, "zigbee2mqtt/lamp/set"));
    fixture->broker.homeassistant_prefix = fixture->broker.zigbee2mqtt_topics = "";
    acl = acl_of(fixture);
    assert_false(lan_acl_may_read(acl, LAN_AGENT, "homeassistant/status"));
    assert_false(lan_acl_may_read(acl, LAN_AGENT, "zigbee2mqtt/bridge/devices"));
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "account = plug1\n",
        "account = plug1 toaster\n",
        "account = homepatch shelly\n",
        "account = a/b shelly\n",
        "account = -a shelly\n",
        "account = stat shelly\n",
        "account = x shelly topic=homeassistant/x\n",
        "account = x shelly topic=zigbee2mqtt\n",
        "account = x shelly topic=usp/controller\n",
        "account = x shelly topic=a/+/b\n",
        "account = x shelly topic=a/#\n",
        "account = x shelly topic=/a\n",
        "account = x shelly topic=\n",
        "account = x shelly endpoint=os::1-A\n",
        "account = x shelly endpoint\n",
        "account = x usp topic=a\n",
        "account = x controller node=a\n",
        "account = x tasmota mac=a8032abe54\n",
        "account = x homeassistant node=a/b\n",
        "account = os::1-A usp\n",
        "account = a shelly\naccount = a shelly topic=b\n",
        "account = a shelly\naccount = b shelly topic=a\n",
        "account = a shelly\naccount = b tasmota topic=a/b\n",
        "account = a/b shelly\naccount = b shelly topic=a\n",
        "account = a homeassistant node=n\naccount = b shelly node=n\n",
        "account = a tasmota mac=A8032ABE54DC\naccount = b tasmota mac=a8-03-2a-be-54-dc\n",
        "account = a usp endpoint=os::1-A\naccount = b usp endpoint=os::1-A\n",
        "listen = 1883\n",
        "listen = a:0\n",
        "listen = a:99999\n",
        "certificate_file = lan.pem\n",
        "certificate_file = \"/a b\"\n",
        "max_connections = 0\n",
        "max_connections =\n",
        "max_connections = 65536\n",
        "user = root\n",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err;

        error_clear(&err);
        lan_broker_init(&fixture->broker, &fixture->arena);
        if (lan_broker_parse(&fixture->broker, "f", str_of(bad[i]), &err) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(strncmp(err.path, "f:", 2), 0);
        assert_true(err.message[0] != '\0');
    }
}

static void what_only_works_together(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(lan_broker_check(&fixture->broker, NULL), 0);
    parse(fixture, "listen = a:8883\n");
    assert_int_equal(lan_broker_check(&fixture->broker, NULL), -1);
    parse(fixture, "certificate_file = /c\nkey_file = /k\n");
    assert_int_equal(lan_broker_check(&fixture->broker, NULL), 0);
    parse(fixture, "certificate_listen = a:8884\n");
    assert_int_equal(lan_broker_check(&fixture->broker, NULL), -1);
    parse(fixture, "device_ca_file = /ca\n");
    assert_int_equal(lan_broker_check(&fixture->broker, NULL), 0);
    parse(fixture, "certificate_listen =\nlisten =\nlocal_listen =\n");
    assert_int_equal(lan_broker_check(&fixture->broker, NULL), -1);
}

static void written_and_read(void **state)
{
    struct fixture *fixture = *state;
    struct lan_account *account;
    char *once;

    parse(fixture, home);
    lan_broker_write(&fixture->broker, &fixture->text);
    once = strdup(buf_cstr(&fixture->text));
    lan_broker_init(&fixture->broker, &fixture->arena);
    parse(fixture, once);
    buf_clear(&fixture->text, 0);
    lan_broker_write(&fixture->broker, &fixture->text);
    assert_string_equal(buf_cstr(&fixture->text), once);
    assert_int_equal(fixture->broker.count, 9);
    free(once);
    account = lan_account_find(&fixture->broker, "hass"); /* the last one */
    lan_account_remove(&fixture->broker, account);
    assert_null(lan_account_find(&fixture->broker, "hass"));
    assert_non_null(lan_account_add(&fixture->broker, STR("new"), STR(" shelly  topic=n "), NULL));
    assert_string_equal(lan_account_find(&fixture->broker, "new")->topic, "n");
    assert_int_equal(fixture->broker.count, 9);
}

static void listeners(void **state)
{
    struct fixture *fixture = *state;
    const char *conf;

    parse(fixture,
          "listen = [fd00::1]:8883\ncertificate_listen = 192.168.1.1:8884\nplain_listen = 192.168.1.1:1883\n"
          "certificate_file = /c\nkey_file = /k\ndevice_ca_file = /ca\npersistence_location =\n");
    lan_mosquitto_write(&fixture->broker, "/dir", &fixture->text);
    conf = buf_cstr(&fixture->text);
    assert_non_null(strstr(conf, "\nallow_anonymous false\n"));
    assert_non_null(strstr(conf, "\npassword_file /dir/passwords\nacl_file /dir/acl\n"));
    assert_non_null(strstr(conf, "\npersistence false\n"));
    assert_non_null(strstr(conf, "\nlistener 1883 127.0.0.1\nuse_username_as_clientid true\n"));
    assert_non_null(strstr(conf, "\nlistener 8883 fd00::1\n"));
    assert_non_null(
        strstr(conf, "\nlistener 8884 192.168.1.1\nuse_username_as_clientid true\nmax_connections 1200\n"
                     "certfile /c\nkeyfile /k\ntls_version tlsv1.2\ncafile /ca\n"
                     "require_certificate true\nuse_identity_as_username true\n"));
    assert_non_null(strstr(conf, "\nlistener 1883 192.168.1.1\n"));
}

static void passwords(void **state)
{
    struct fixture *fixture = *state;
    const char *first = lan_password_new(&fixture->arena), *second = lan_password_new(&fixture->arena);
    const char *hash = lan_password_hash(&fixture->arena, first);
    struct str file = STR("plug10:$7$101$x$y\nplug1:$7$101$a$b\r\nplug\n");

    assert_int_equal(strlen(first), 24);
    assert_string_not_equal(first, second);
    assert_int_equal(strncmp(hash, "$7$101$", 7), 0);
    assert_int_equal(strlen(hash), 7 + 16 + 1 + 88);
    assert_string_not_equal(hash, lan_password_hash(&fixture->arena, first)); /* another salt */
    assert_true(str_is(lan_password_find(file, "plug1"), "$7$101$a$b"));
    assert_true(str_is(lan_password_find(file, "plug10"), "$7$101$x$y"));
    assert_int_equal(lan_password_find(file, "plug").len, 0);
    assert_int_equal(lan_password_find(STR(""), "plug").len, 0);
}

static void files(void **state)
{
    struct fixture *fixture = *state;
    char dir[] = "/tmp/lan-broker-XXXXXX", path[64];
    struct lan_files files;
    struct error err;
    struct str text;
    bool changed, there;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/sub", dir);
    assert_int_equal(lan_files_open(&files, path, false, NULL), -1);
    assert_int_equal(lan_files_open(&files, path, true, NULL), 0);
    assert_int_equal(lan_files_read(&files, "f", &fixture->arena, &text, &there, NULL), 0);
    assert_false(there);
    buf_append_str(&fixture->text, "one\n");
    assert_int_equal(lan_files_write(&files, "f", &fixture->text, &changed, NULL), 0);
    assert_true(changed);
    assert_int_equal(lan_files_write(&files, "f", &fixture->text, &changed, NULL), 0);
    assert_false(changed);
    buf_append_str(&fixture->text, "two\n");
    assert_int_equal(lan_files_write(&files, "f", &fixture->text, &changed, NULL), 0);
    assert_true(changed);
    assert_int_equal(lan_files_read(&files, "f", &fixture->arena, &text, &there, NULL), 0);
    assert_true(there && str_is(text, "one\ntwo\n"));
    /* What cannot be written is named whole. */
    assert_int_equal(mkdirat(files.fd, "d", 0700), 0);
    assert_int_equal(lan_files_write(&files, "d", &fixture->text, &changed, &err), -1);
    assert_string_equal(err.path + strlen(err.path) - 6, "/sub/d");
    assert_int_equal(unlinkat(files.fd, "d", AT_REMOVEDIR), 0);
    /* What could not be made replaces nothing. */
    fixture->text.failed = true;
    assert_int_equal(lan_files_write(&files, "f", &fixture->text, &changed, NULL), -1);
    assert_int_equal(unlinkat(files.fd, "f", 0), 0);
    lan_files_close(&files);
    assert_int_equal(rmdir(path), 0); /* nothing else was left there */
    assert_int_equal(rmdir(dir), 0);
}

/* Each allocation fails once: an error, or a text that is marked as failed, and never half a list that looks whole. */
static void without_memory(void **state)
{
    unsigned long n;
    bool hit = true;

    (void)state;
    for (n = 1; hit; n++) {
        struct fixture fixture = {.broker = {.arena = NULL}};
        bool made;

        failing_alloc_arm(n);
        arena_init(&fixture.arena, 0);
        lan_broker_init(&fixture.broker, &fixture.arena);
        buf_init(&fixture.text, 1 << 20, 0);
        made = lan_broker_parse(&fixture.broker, "f", str_of(home), NULL) == 0;
        if (made)
            lan_acl_write(&fixture.broker, &fixture.text);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        assert_true(hit ? !made || fixture.text.failed : made && !fixture.text.failed);
        buf_done(&fixture.text);
        arena_done(&fixture.arena);
    }
    assert_true(n > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_speaks_for_itself),     TEST(the_agent), TEST(refused),   TEST(what_only_works_together),
        TEST(written_and_read),           TEST(listeners), TEST(passwords), TEST(files),
        cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
