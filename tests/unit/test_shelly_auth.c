/* SPDX-License-Identifier: BSD-3-Clause */
/* Shelly devices that we connect to, and their passwords. */
#include "tests/unit/test_shelly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "devices/json.h"
#include "tests/unit/shelly_bench.h"

#define ENTRY "plug.home:80"
#define URL "http://192.168.1.1:7681/i/0123456789abcdef/fw.zip"
#define STATUS "{\"mac\":\"A8032ABE54DC\",\"uptime\":86400,\"available_updates\":{}}"

enum {
    QUARTER_MS = 15 * 60 * 1000,
    HEX_BYTES = 65,
};

/* ---- the device ---- */

static void sha256(const char *text, char to[HEX_BYTES])
{
    unsigned char sum[32];
    unsigned len;

    assert_int_equal(EVP_Digest(text, strlen(text), sum, &len, EVP_sha256(), NULL), 1);
    for (unsigned i = 0; i < len; i++)
        snprintf(to + 2 * i, 3, "%02x", sum[i]);
}

static void challenge_in(struct shelly_bench *bench, const char *nonce, const char *realm,
                         const char *algorithm)
{
    char text[300];

    snprintf(text, sizeof(text),
             "{\\\"auth_type\\\":\\\"digest\\\",\\\"nonce\\\":%s,\\\"nc\\\":1,\\\"realm\\\":\\\"%s\\\","
             "\\\"algorithm\\\":\\\"%s\\\"}",
             nonce, realm, algorithm);
    answer_error(bench, PLUG, 401, text);
}

static void challenge(struct shelly_bench *bench, const char *nonce)
{
    challenge_in(bench, nonce, PLUG, "SHA-256");
}

/* True when the newest request answers a challenge of this nonce with this password, as the device would reckon it. */
static bool proves(struct shelly_bench *bench, const char *nonce, unsigned count, const char *password)
{
    cJSON *frame = json_parse((const uint8_t *)bench->home.frame, strlen(bench->home.frame), NULL);
    const cJSON *auth = json_object(frame, "auth");
    char secret[HEX_BYTES], request[HEX_BYTES], expected[HEX_BYTES], text[500];
    uint64_t cnonce = 0, nc = 0;
    bool right;

    snprintf(text, sizeof(text), "admin:" PLUG ":%s", password);
    sha256(text, secret);
    sha256("dummy_method:dummy_uri", request);
    json_number(auth, "cnonce", UINT32_MAX, &cnonce);
    json_number(auth, "nc", UINT32_MAX, &nc);
    snprintf(text, sizeof(text), "%s:%s:%u:%llu:auth:%s", secret, nonce, count, (unsigned long long)cnonce,
             request);
    sha256(text, expected);
    right = auth && nc == count && strcmp(json_text(auth, "response", 100), expected) == 0 &&
            strcmp(json_text(auth, "username", 100), "admin") == 0 &&
            strcmp(json_text(auth, "realm", 100), PLUG) == 0 &&
            strcmp(json_text(auth, "algorithm", 100), "SHA-256") == 0;
    cJSON_Delete(frame);
    return right;
}

static bool bare(const struct shelly_bench *bench)
{
    return !strstr(bench->home.frame, "\"auth\"");
}

/* We connected to the plug, and it has said who it is; it is asked for its status. */
static struct device *connected(struct shelly_bench *bench, struct lan_session *session, const char *password)
{
    char info[1024];

    *session = (struct lan_session){.address = "192.168.1.20",
                                    .path = "/rpc",
                                    .outbound = true,
                                    .entry = ENTRY,
                                    .password = password,
                                    .new_devices = &bench->address};
    assert_int_equal(shelly_dialect.opened(bench->home.ctx, session), 0);
    assert_true(bare(bench));
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    /* As plug_info(), with a password. */
    plug_info("1.4.4", "SNPL-00112EU", info);
    memcpy(strstr(info, "\"auth_en\":false"), "\"auth_en\":true ", 15);
    answer(bench, PLUG, info);
    assert_true(asked(bench, "Sys.GetStatus"));
    return registry_find(bench->home.registry, "shelly:" PLUG);
}

static struct device *let_in(struct shelly_bench *bench, struct lan_session *session)
{
    struct device *device = connected(bench, session, "secret");

    challenge(bench, "1234");
    assert_true(proves(bench, "1234", 1, "secret"));
    assert_true(asked(bench, "Sys.GetStatus"));
    answer(bench, PLUG, STATUS);
    fake_home_forget_logs(&bench->home);
    return device;
}

static int start(struct device *device, struct error *err)
{
    struct firmware_install install = {.url = URL, .path = "/x", .version = "1.5.0"};

    return device->target.ops->install(&device->target, &install, err);
}

static const char *problem(const struct device *device)
{
    return device_text(device, DEVICE_LOCKED);
}

/* ---- digest ---- */

static void the_right_password(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = connected(bench, &session, "secret");

    assert_true(bare(bench)); /* nothing is said before it was asked for */
    challenge(bench, "1234");
    assert_true(proves(bench, "1234", 1, "secret"));
    answer(bench, PLUG, STATUS);
    fake_home_advance(&bench->home, 70000);
    assert_true(proves(bench, "1234", 2, "secret")); /* the same nonce, counted */
    assert_true(asked(bench, "Shelly.CheckForUpdate"));
    answer(bench, PLUG, "{}");
    assert_true(proves(bench, "1234", 3, "secret"));
    assert_string_equal(problem(device), "");
    assert_int_equal(device->rejected, 0);
    assert_int_equal(device->grade, DEVICE_GRADE_C); /* it was proved to the device, not by it */
    assert_string_equal(device_text(device, DEVICE_IP), "192.168.1.20");
    session_close(bench, &session);
    assert_false(device->online);
}

/* RFC 7616 leaves its form to the server: digits, or text. */
static void a_nonce_of_text(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;

    connected(bench, &session, "secret");
    challenge(bench, "\\\"6089abcd\\\"");
    assert_true(proves(bench, "6089abcd", 1, "secret"));
    assert_non_null(strstr(bench->home.frame, "\"nonce\":\"6089abcd\""));
    session_close(bench, &session);
}

static void an_old_nonce(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = let_in(bench, &session);

    assert_int_equal(start(device, NULL), 0);
    assert_true(proves(bench, "1234", 2, "secret"));
    challenge(bench, "5678");
    assert_true(proves(bench, "5678", 1, "secret"));
    assert_non_null(
        strstr(bench->home.frame, "\"params\":{\"url\":\"" URL "\"}")); /* the whole request again */
    answer(bench, PLUG, "null");
    assert_string_equal(bench->home.firmware_log, "progress 0; ");
    assert_string_equal(problem(device), "");
    session_close(bench, &session);
}

static void a_wrong_password(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = connected(bench, &session, "guess");
    struct error err;

    challenge(bench, "1234");
    bench->home.sent = 0;
    challenge(bench, "1235");
    assert_int_equal(bench->home.sent, 0); /* once is enough */
    assert_non_null(strstr(problem(device), "refuses the password"));
    assert_non_null(strstr(problem(device), ENTRY));
    assert_null(strstr(problem(device), "guess"));
    assert_int_equal(device->rejected, 1);
    assert_true(device->online);
    assert_int_equal(start(device, &err), -1);
    assert_int_equal(err.code, ERROR_REQUEST_DENIED);
    assert_non_null(strstr(err.message, "refuses the password"));

    /* Not after a reconnection either; who it is may still be asked. */
    session_close(bench, &session);
    session = (struct lan_session){.address = "192.168.1.20",
                                   .path = "/rpc",
                                   .outbound = true,
                                   .entry = ENTRY,
                                   .password = "guess",
                                   .new_devices = &bench->address};
    assert_int_equal(shelly_dialect.opened(bench->home.ctx, &session), 0);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG,
           "{\"id\":\"" PLUG
           "\",\"mac\":\"A8032ABE54DC\",\"batch\":\"2243-Broadwell\",\"model\":\"SNPL-00112EU\","
           "\"gen\":2,\"fw_id\":\"f\",\"ver\":\"1.4.4\",\"app\":\"PlusPlugS\",\"auth_en\":true}");
    assert_true(device->online);
    fake_home_advance(&bench->home, QUARTER_MS - 60000);
    assert_true(bare(bench));
    assert_int_equal(start(device, NULL), -1);

    /* After a while it is tried again: once, and then not for twice as long. */
    fake_home_advance(&bench->home, 120000);
    answer(bench, PLUG,
           "{\"id\":\"" PLUG
           "\",\"mac\":\"A8032ABE54DC\",\"batch\":\"2243-Broadwell\",\"model\":\"SNPL-00112EU\","
           "\"gen\":2,\"fw_id\":\"f\",\"ver\":\"1.4.4\",\"app\":\"PlusPlugS\",\"auth_en\":true}");
    assert_int_equal(start(device, NULL), 0);
    challenge(bench, "1236");
    assert_true(proves(bench, "1236", 1, "guess"));
    challenge(bench, "1237");
    assert_non_null(strstr(bench->home.firmware_log, "failed for good"));
    fake_home_advance(&bench->home, QUARTER_MS + 60000);
    assert_int_equal(start(device, NULL), -1);
    session_close(bench, &session);
}

static void another_password_is_tried_at_once(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = connected(bench, &session, "guess");

    challenge(bench, "1234");
    challenge(bench, "1235");
    assert_int_equal(start(device, NULL), -1);
    session.password = "secret";
    assert_int_equal(start(device, NULL), 0);
    challenge(bench, "1236");
    assert_true(proves(bench, "1236", 1, "secret"));
    answer(bench, PLUG, "null");
    assert_string_equal(problem(device), "");
    session_close(bench, &session);
}

/* The right one until now: one more try with the new nonce, and no more. */
static void changed_while_connected(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = let_in(bench, &session);

    assert_int_equal(start(device, NULL), 0);
    challenge(bench, "5678");
    bench->home.sent = 0;
    challenge(bench, "9012");
    assert_int_equal(bench->home.sent, 0);
    assert_non_null(
        strstr(bench->home.firmware_log, "failed for good the device refused the update: it refuses"));
    assert_non_null(strstr(problem(device), "refuses the password"));
    session_close(bench, &session);
}

static void locked_out(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = let_in(bench, &session);

    assert_int_equal(start(device, NULL), 0);
    answer_error(bench, PLUG, 429, "Too many requests");
    assert_non_null(strstr(bench->home.firmware_log, "failed for now"));
    assert_non_null(strstr(problem(device), "429"));
    session.password = "another"; /* of no use now */
    assert_int_equal(start(device, NULL), -1);
    for (int i = 0; i < 5; i++) { /* who it is may be asked all the time */
        fake_home_advance(&bench->home, QUARTER_MS - 1000);
        session_event(bench, &session, PLUG, "NotifyStatus", "{}");
    }
    assert_int_equal(start(device, NULL), 0);
    assert_non_null(strstr(bench->home.frame, "Shelly.Update"));
    challenge(bench, "5");
    challenge(bench, "6"); /* refused: and now a changed password helps at once again */
    session.password = "third";
    assert_int_equal(start(device, NULL), 0);
    session_close(bench, &session);
}

static void no_password_is_known(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = connected(bench, &session, NULL);

    bench->home.sent = 0;
    challenge(bench, "1234");
    assert_int_equal(bench->home.sent, 0);
    assert_non_null(strstr(problem(device), ENTRY " = PASSWORD"));
    assert_int_equal(start(device, NULL), 0);
    challenge(bench, "1234");
    assert_non_null(strstr(bench->home.firmware_log, "failed for good"));
    assert_int_equal(device->rejected, 1); /* told once */
    session_close(bench, &session);
}

static void set_and_taken_off_later(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = connected(bench, &session, "secret");
    char info[1024];

    answer(bench, PLUG, STATUS); /* without being asked for the password */
    assert_int_equal(start(device, NULL), 0);
    assert_true(bare(bench));
    challenge(bench, "1234");
    assert_true(proves(bench, "1234", 1, "secret"));
    answer_error(bench, PLUG, -109, "no");
    shelly_dialect.identify(device);
    assert_true(bare(bench));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info)); /* "auth_en":false */
    assert_int_equal(start(device, NULL), 0);
    assert_true(bare(bench));
    session_close(bench, &session);
}

static void challenges_of_others(void **state)
{
    static const struct {
        const char *nonce, *realm, *algorithm, *why;
    } bad[] = {
        {"1", RELAY, "SHA-256", "another device"},
        {"1", PLUG, "MD5", "not safe"},
        {"-5", PLUG, "SHA-256", "without a nonce"},
        {"99999999999999999999", PLUG, "SHA-256", "without a nonce"},
        {"[]", PLUG, "SHA-256", "without a nonce"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct shelly_bench *bench = *state;
        struct lan_session session;
        struct device *device = connected(bench, &session, "secret");

        bench->home.sent = 0;
        challenge_in(bench, bad[i].nonce, bad[i].realm, bad[i].algorithm);
        assert_int_equal(bench->home.sent, 0);
        assert_int_equal(device->rejected, 1);
        session_close(bench, &session);
        shelly_bench_down(state);
        shelly_bench_up(state);
    }
}

/* A device that asks again and again gets three answers to one question. */
static void endless_challenges(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = let_in(bench, &session);

    assert_int_equal(start(device, NULL), 0);
    bench->home.sent = 0;
    for (int i = 0; i < 20; i++)
        challenge(bench, "77");
    assert_true(bench->home.sent <= 3);
    answer_error(bench, PLUG, 401, "not even JSON");
    session_close(bench, &session);
}

/* A stranger under its name gets nothing to try passwords against. */
static void quarantined(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = let_in(bench, &session);
    char info[1024];

    shelly_dialect.identify(device);
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00110IT", info));
    assert_true(device->quarantined);
    fake_home_advance(&bench->home, 70000);
    assert_true(asked(bench, "Shelly.CheckForUpdate"));
    assert_true(bare(bench));
    challenge(bench, "77");
    assert_int_equal(bench->home.sent, 0);
    session_close(bench, &session);
}

/* What was wrong with the password is of no concern when the device is reached otherwise. */
static void reached_otherwise(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = connected(bench, &session, NULL);
    char info[1024];

    challenge(bench, "1234");
    assert_string_not_equal(problem(device), "");
    session_close(bench, &session);
    session_open(bench, &session, "192.168.1.20");
    plug_info("1.4.4", "SNPL-00112EU", info);
    memcpy(strstr(info, "\"auth_en\":false"), "\"auth_en\":true ", 15);
    answer(bench, PLUG, info);
    assert_string_equal(problem(device), "");
    session_close(bench, &session);
}

/* Over MQTT, and when the device connected to us, there is no password, whatever it says. */
static void other_ways_have_none(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = plug_on_websocket(bench, &session);

    session.password = "secret";
    assert_int_equal(start(device, NULL), 0);
    bench->home.sent = 0;
    challenge(bench, "1234");
    assert_int_equal(bench->home.sent, 0);
    assert_string_equal(problem(device), "");
    session_close(bench, &session);
}

/* ---- messages from the maker's description ---- */

#define SENSOR "shellyhtg3-84fce63a1b2c"

static void say_fixture(struct shelly_bench *bench, struct lan_session *session, const char *name)
{
    char path[300], text[4096] = "", frame[4200];
    uint64_t id = 0;
    char *mark;
    cJSON *request = json_parse((const uint8_t *)bench->home.frame, strlen(bench->home.frame), NULL);
    FILE *file;

    snprintf(path, sizeof(path), FIXTURES "/shelly/%s.json", name);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    json_number(request, "id", UINT32_MAX, &id);
    cJSON_Delete(request);
    mark = strstr(text, ":ID,");
    if (mark) {
        *mark = '\0';
        snprintf(frame, sizeof(frame), "%s:%llu,%s", text, (unsigned long long)id, mark + strlen(":ID,"));
    } else {
        snprintf(frame, sizeof(frame), "%s", text);
    }
    session_says(bench, session, frame);
}

static void as_the_maker_has_it(void **state)
{
    static const char info[] = "{\"id\":\"" SENSOR
                               "\",\"mac\":\"84FCE63A1B2C\",\"model\":\"S3SN-0U12A\",\"gen\":3,"
                               "\"fw_id\":\"f\",\"ver\":\"1.4.4\",\"app\":\"HTG3\",\"auth_en\":true}";
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device;

    session_open(bench, &session, "192.168.1.44");
    say_fixture(bench, &session, "full-status-battery");
    answer(bench, SENSOR, info);
    device = registry_find(bench->home.registry, "shelly:" SENSOR);
    assert_true(device && device->sleeps);
    assert_int_equal(device->target.battery, 71);
    assert_string_equal(device_text(device, DEVICE_TYPE), "Sensor");
    say_fixture(bench, &session, "full-status-plugged");
    assert_false(device->sleeps || device->target.on_battery);
    session_close(bench, &session);

    session.outbound = true;
    session.password = "secret";
    assert_int_equal(shelly_dialect.opened(bench->home.ctx, &session), 0);
    answer(bench, SENSOR, info);
    assert_true(asked(bench, "Sys.GetStatus"));
    say_fixture(bench, &session, "unauthorized");
    assert_true(asked(bench, "Sys.GetStatus"));
    assert_non_null(strstr(bench->home.frame, "\"realm\":\"" SENSOR "\""));
    assert_non_null(strstr(bench->home.frame, "\"nonce\":1625038762,\"nc\":1,"));
    session_close(bench, &session);
}

int test_shelly_auth(void)
{
    const struct CMUnitTest tests[] = {
        SHELLY_TEST(the_right_password),
        SHELLY_TEST(a_nonce_of_text),
        SHELLY_TEST(an_old_nonce),
        SHELLY_TEST(a_wrong_password),
        SHELLY_TEST(another_password_is_tried_at_once),
        SHELLY_TEST(changed_while_connected),
        SHELLY_TEST(locked_out),
        SHELLY_TEST(no_password_is_known),
        SHELLY_TEST(set_and_taken_off_later),
        SHELLY_TEST(challenges_of_others),
        SHELLY_TEST(endless_challenges),
        SHELLY_TEST(quarantined),
        SHELLY_TEST(reached_otherwise),
        SHELLY_TEST(other_ways_have_none),
        SHELLY_TEST(as_the_maker_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
