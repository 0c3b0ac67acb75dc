/* SPDX-License-Identifier: BSD-3-Clause */
/* What certificates and challenges give a controller, and what special roles mean (R-SEC.*). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "datamodel/device/certificate.h"
#include "tests/unit/pki.h"
#include "tests/unit/usp_bench.h"

#define TRUST "Device.LocalAgent.ControllerTrust."
#define CERTIFICATE(n) "Device.LocalAgent.Certificate." #n
#define NONE "Device.LocalAgent.Controller.3."

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

static void done(const char *answer)
{
    if (!strstr(answer, "ok{"))
        fail_msg("%s", answer);
}

/* As self::one, who may do everything. */
static void add(struct usp_bench *bench, const char *objects)
{
    bench->as = 0;
    done(bench_add(bench, false, objects));
}

static void set(struct usp_bench *bench, const char *objects)
{
    bench->as = 0;
    done(bench_set(bench, false, objects));
}

/* The base64 of a certificate of a new authority. */
static char *content(const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = pki_certificate(key, name, NULL, NULL, NULL, -1, 30);
    unsigned char *der = NULL;
    int len = i2d_X509(x509, &der);
    char *text = malloc((size_t)len * 2);

    EVP_EncodeBlock((unsigned char *)text, der, len);
    OPENSSL_free(der);
    X509_free(x509);
    EVP_PKEY_free(key);
    return text;
}

static const char *add_text(struct usp_bench *bench, const char *alias, const char *text)
{
    char args[4096];

    snprintf(args, sizeof(args), "Alias=%s Certificate=%s", alias, text);
    bench->as = 0;
    return bench_operate(bench, "Device.LocalAgent.AddCertificate()", "", args, true);
}

static void add_certificate(struct usp_bench *bench, const char *alias)
{
    char *text = content(alias);

    bench_expect(add_text(bench, alias, text),
                 "self::one OPERATE_RESP m1 {Device.LocalAgent.AddCertificate() out{}}");
    free(text);
}

static const char *name_of_box(struct usp_bench *bench, unsigned as)
{
    bench->as = as;
    return bench_get(bench, 0, "Device.Box.Name") + strlen("self::none GET_RESP m1 ");
}

#define ALLOWED "{Device.Box.Name {Device.Box. Name=}}"
#define DENIED "{Device.Box.Name #7006}"

/* R-ARC.11: a reference may name its row by keys; the value is the row's number */
static void reference_by_key(void **state)
{
    struct usp_bench *bench = *state;

    set(bench, NONE ": AssignedRole=" TRUST "Role.[Name==\"Untrusted\"]");
    bench_expect(bench_get(bench, 0, NONE "AssignedRole"),
                 "self::one GET_RESP m1 {" NONE "AssignedRole {" NONE " AssignedRole=" TRUST "Role.2}}");
}

/* TR-106 secured: for roles in SecuredRoles, within what they may read */
static void secured(void **state)
{
    struct usp_bench *bench = *state;

    add(bench, "Device.Thing.: Name=a Secret=hush " TRUST "Role.: Enable=1 Name=Things");
    add(bench, TRUST "Role.3.Permission.: Enable=1 Targets=Device.Thing.1. Param=rw--");
    set(bench, NONE ": AssignedRole=" TRUST "Role.3");
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Secret"),
                 "self::one GET_RESP m1 {Device.Thing.1.Secret {Device.Thing.1. Secret=}}");
    set(bench, TRUST ": SecuredRoles=" TRUST "Role.1");
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Secret"),
                 "self::one GET_RESP m1 {Device.Thing.1.Secret {Device.Thing.1. Secret=hush}}");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Secret"),
                 "self::none GET_RESP m1 {Device.Thing.1.Secret {Device.Thing.1. Secret=}}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Secret=new"),
                 "self::none SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Secret=}}}");
    set(bench, TRUST ": SecuredRoles=" TRUST "Role.3");
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Secret"),
                 "self::one GET_RESP m1 {Device.Thing.1.Secret {Device.Thing.1. Secret=}}");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Secret"),
                 "self::none GET_RESP m1 {Device.Thing.1.Secret {Device.Thing.1. Secret=new}}");
}

/* Neither heard nor told anything, and the role stands alone */
static void banned(void **state)
{
    struct usp_bench *bench = *state;

    add(bench, TRUST "Role.: Enable=1 Name=Banned");
    set(bench, TRUST ": BannedRole=" TRUST "Role.3");
    bench_expect(bench_set(bench, false, NONE ": AssignedRole!=" TRUST "Role.3," TRUST "Role.1"),
                 "self::one ERROR m1 #7012 perr{" NONE " #7012}");
    bench->as = 2;
    assert_string_not_equal(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
    set(bench, NONE ": AssignedRole=" TRUST "Role.3");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
    set(bench, NONE ": AssignedRole=");
    bench->as = 2;
    assert_string_not_equal(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
}

/* R-SEC.25: the first CA of the chain that has a Credential decides, for as long as the chain is shown */
static void inherited(void **state)
{
    struct usp_bench *bench = *state;
    struct usp_channel *channel = &bench->channels[2].channel;

    add_certificate(bench, "near");
    add_certificate(bench, "far");
    channel->certificates = CERTIFICATE(1) "," CERTIFICATE(2);
    bench_expect(name_of_box(bench, 2), DENIED);
    add(bench, TRUST "Credential.: Enable=1 Credential=" CERTIFICATE(2) " Role=" TRUST "Role.1");
    bench_expect(name_of_box(bench, 2), DENIED); /* MTP-only, until somebody says more */
    set(bench, TRUST "Credential.1.: AllowedUses=MTP-and-USP");
    bench_expect(name_of_box(bench, 2), ALLOWED);
    bench->as = 0;
    bench_expect(bench_get(bench, 0, NONE "InheritedRole"),
                 "self::one GET_RESP m1 {" NONE "InheritedRole {" NONE " InheritedRole=" TRUST "Role.1}}");
    add(bench, TRUST "Credential.: Enable=1 Credential=" CERTIFICATE(1) " AllowedUses=MTP-and-USP");
    bench_expect(name_of_box(bench, 2), DENIED);
    set(bench, TRUST "Credential.2.: Enable=0");
    bench_expect(name_of_box(bench, 2), ALLOWED);
    set(bench, CERTIFICATE(2) ".: Enable=0");
    bench_expect(name_of_box(bench, 2), DENIED);
    set(bench, CERTIFICATE(2) ".: Enable=1");
    bench_expect(name_of_box(bench, 2), ALLOWED);
    channel->certificates = NULL;
    bench_expect(name_of_box(bench, 2), DENIED);
    channel->certificates = CERTIFICATE(2);
    bench_expect(name_of_box(bench, 2), ALLOWED);
    bench->as = 0;
    bench_expect(bench_operate(bench, CERTIFICATE(2) ".Delete()", "", "", true),
                 "self::one OPERATE_RESP m1 {" CERTIFICATE(2) ".Delete() out{}}");
    bench_expect(name_of_box(bench, 2), DENIED);
}

/* Controller.Credential: none but these certificates, where one is shown */
static void own_credential(void **state)
{
    struct usp_bench *bench = *state;
    struct usp_channel *channel = &bench->channels[2].channel;

    add_certificate(bench, "one");
    add_certificate(bench, "two");
    set(bench, NONE ": Credential=" CERTIFICATE(1));
    bench->as = 2;
    channel->certificates = CERTIFICATE(1);
    assert_string_not_equal(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
    channel->certificates = CERTIFICATE(2);
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
    channel->certificates = "";
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
}

/* R-SEC.4, R-SEC.24: besides its Credential, its own name under a CA that may authenticate controllers; nothing is not enough */
static void credential_and_authority(void **state)
{
    struct usp_bench *bench = *state;
    struct usp_channel *channel = &bench->channels[2].channel;

    add_certificate(bench, "own");
    add_certificate(bench, "ca");
    set(bench, NONE ": Credential=" CERTIFICATE(1));
    add(bench, TRUST "Credential.: Enable=1 Credential=" CERTIFICATE(2) " AllowedUses=MTP-and-USP");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
    channel->local = true;
    assert_string_not_equal(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
    channel->local = false;
    channel->certificates = CERTIFICATE(2);
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
    channel->named = true;
    assert_string_not_equal(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
    channel->named = false;
    channel->certificates = CERTIFICATE(1);
    assert_string_not_equal(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
    set(bench, CERTIFICATE(1) ".: Enable=0");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "");
}

/* R-SEC.26: through a broker that a Credential row names, and once one does, through no other */
static void trusted_broker(void **state)
{
    struct usp_bench *bench = *state;
    struct usp_channel *channel = &bench->channels[2].channel;

    add_certificate(bench, "broker");
    add_certificate(bench, "other");
    channel->broker = true;
    bench_expect(name_of_box(bench, 2), DENIED);
    add(bench, TRUST "Credential.: Enable=1 Credential=" CERTIFICATE(
                   1) " AllowedUses=MTP-and-broker Role=" TRUST "Role.1");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.Box.Name"), "");
    channel->certificates = CERTIFICATE(2);
    bench_expect(bench_get(bench, 0, "Device.Box.Name"), "");
    channel->certificates = CERTIFICATE(1);
    bench_expect(name_of_box(bench, 2), ALLOWED);
    set(bench,
        NONE ": Credential=" CERTIFICATE(2)); /* the broker vouches for it, whatever else it may show */
    bench_expect(name_of_box(bench, 2), ALLOWED);
    channel->broker = false; /* a broker's certificate does not make a controller */
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.Box.Name"), "");
    bench->channels[3].channel.broker = true;
    bench->channels[3].channel.certificates = CERTIFICATE(1);
    assert_non_null(strstr(name_of_box(bench, 3), "Name="));
}

/* ---- first use ---- */

/* What the wiring does with the certificate of a session. */
static const char *remember(void *ctx, struct usp_channel *channel)
{
    struct usp_bench *bench = ctx;
    static char path[64];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = pki_certificate(key, "stranger", NULL, NULL, NULL, -1, 30);
    char *text = model_remember_certificate(bench->dm, x509);

    X509_free(x509);
    EVP_PKEY_free(key);
    if (!text)
        return NULL;
    snprintf(path, sizeof(path), "%s", text);
    free(text);
    channel->certificates = path;
    channel->first_use = false;
    return path;
}

static const char *serial_number(struct usp_bench *bench, unsigned as)
{
    bench->as = as;
    return bench_get(bench, 0, "Device.DeviceInfo.SerialNumber");
}

#define UNKNOWN "self::stranger ERROR m1 #7002"

/* R-SEC.6, R-SEC.8: a name and a certificate of its own: untrusted, and nobody else has that name from then on */
static void first_use(void **state)
{
    struct usp_bench *bench = *state;
    struct usp_channel *channel = &bench->channels[3].channel;

    bench->remember = remember;
    channel->certificates = "";
    channel->named = true;
    channel->first_use = true;
    bench_expect(serial_number(bench, 3), UNKNOWN);
    set(bench, TRUST ": TOFUAllowed=1");
    channel->named = false;
    bench_expect(serial_number(bench, 3), UNKNOWN);
    channel->named = true;
    assert_non_null(strstr(serial_number(bench, 3), "SerialNumber=S1"));
    bench_expect(name_of_box(bench, 3) + 4, DENIED);
    bench->as = 0;
    bench_expect(
        bench_get(bench, 0,
                  "Device.LocalAgent.Controller.4.AssignedRole Device.LocalAgent.Controller.4.Credential"),
        "self::one GET_RESP m1 {Device.LocalAgent.Controller.4.AssignedRole "
        "{Device.LocalAgent.Controller.4. AssignedRole=" TRUST "Role.2}} "
        "{Device.LocalAgent.Controller.4.Credential {Device.LocalAgent.Controller.4. Credential=" CERTIFICATE(
            1) "}}");
    /* Another certificate, for the same name, that nobody vouches for either. */
    channel->first_use = true;
    channel->certificates = "";
    bench_expect(serial_number(bench, 3), "");
    channel->first_use = false;
    bench_expect(serial_number(bench, 3), "");
    channel->certificates = CERTIFICATE(1);
    assert_non_null(strstr(serial_number(bench, 3), "SerialNumber=S1"));
    /* Nor is the name of a controller that was never bound free for the first who comes. */
    bench->channels[2].channel.first_use = bench->channels[2].channel.named = true;
    bench_expect(serial_number(bench, 2), "");
    /* R-SEC.7 */
    set(bench, "Device.LocalAgent.Controller.4.: AssignedRole=" TRUST "Role.1");
    assert_non_null(strstr(name_of_box(bench, 3), "Name="));
}

/* A certificate that cannot be kept is not trusted; and strangers do not fill the table */
static void first_use_refused(void **state)
{
    struct usp_bench *bench = *state;
    struct usp_channel *channel = &bench->channels[3].channel;
    char row[160];

    set(bench, TRUST ": TOFUAllowed=1");
    channel->named = channel->first_use = true;
    bench_expect(serial_number(bench, 3), UNKNOWN); /* nothing remembers it */
    bench->remember = remember;
    for (unsigned i = 0; i < LIMIT_FIRST_USE; i++) {
        snprintf(row, sizeof(row),
                 "Device.LocalAgent.Controller.: EndpointID=self::s%u AssignedRole=" TRUST "Role.2", i);
        add(bench, row);
    }
    bench_expect(serial_number(bench, 3), UNKNOWN);
    set(bench, "Device.LocalAgent.Controller.8.: AssignedRole=" TRUST "Role.1");
    assert_non_null(strstr(serial_number(bench, 3), "SerialNumber=S1"));
}

/* AddMyCertificate(): for oneself only, and it joins those that were there */
static void my_certificate(void **state)
{
    struct usp_bench *bench = *state;
    char *text = content("mine");
    char args[4096];

    add_certificate(bench, "before");
    set(bench, NONE ": Credential=" CERTIFICATE(1) " AssignedRole=" TRUST "Role.1");
    snprintf(args, sizeof(args), "Alias=mine Certificate=%s", text);
    bench->channels[2].channel.certificates = CERTIFICATE(1);
    bench->as = 0;
    assert_non_null(strstr(bench_operate(bench, NONE "AddMyCertificate()", "", args, true), "fail{#7006}"));
    bench->as = 2;
    assert_non_null(strstr(bench_operate(bench, NONE "AddMyCertificate()", "", args, true), "out{}"));
    assert_non_null(strstr(bench_operate(bench, NONE "AddMyCertificate()", "", args, true), "fail{#7025}"));
    bench->as = 0;
    bench_expect(bench_get(bench, 0, NONE "Credential"),
                 "self::one GET_RESP m1 {" NONE "Credential {" NONE
                 " Credential=" CERTIFICATE(1) "," CERTIFICATE(2) "}}");
    bench->channels[2].channel.certificates = CERTIFICATE(2);
    bench_expect(name_of_box(bench, 2), ALLOWED);
    free(text);
}

/* Who is certified by a CA that may, and by name, gets a row */
static void first_contact(void **state)
{
    struct usp_bench *bench = *state;
    struct usp_channel *channel = &bench->channels[3].channel;

    add_certificate(bench, "ca");
    add(bench, TRUST "Credential.: Enable=1 Credential=" CERTIFICATE(1) " AllowedUses=MTP-only");
    channel->certificates = CERTIFICATE(1);
    channel->named = true;
    bench->as = 3;
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "self::stranger ERROR m1 #7002");
    set(bench, TRUST "Credential.1.: AllowedUses=MTP-and-USP");
    channel->named = false;
    bench->as = 3;
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "self::stranger ERROR m1 #7002");
    channel->named = true;
    bench_expect(
        bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"),
        "self::stranger GET_RESP m1 {Device.DeviceInfo.SerialNumber {Device.DeviceInfo. SerialNumber=S1}}");
    bench->as = 0;
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Controller.4.AssignedRole"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Controller.4.AssignedRole "
                 "{Device.LocalAgent.Controller.4. AssignedRole=" TRUST "Role.2}}");
}

/* One certificate, once, and only what a controller added can be deleted */
static void certificates(void **state)
{
    struct usp_bench *bench = *state;
    char *text = content("twice");

    assert_non_null(strstr(add_text(bench, "a", text), "out{}"));
    assert_non_null(strstr(add_text(bench, "b", text), "fail{#7025}"));
    assert_non_null(strstr(add_text(bench, "c", "bm90aGluZw=="), "fail{#7022}"));
    assert_non_null(strstr(add_text(bench, "d", "-"), "fail{#7022}"));
    free(text);
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Certificate.[Alias==\"a\"].X_HOMEPATCH_Added"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Certificate.[Alias==\"a\"].X_HOMEPATCH_Added "
                 "{" CERTIFICATE(1) ". X_HOMEPATCH_Added=true}}");
}

/* What was added keeps its number over a restart; what the configuration names no more goes, and its references. */
static void restarted(void **state)
{
    static const char store[] = "trust.db";
    struct usp_bench *bench = *state;
    char path[PKI_PATH_BYTES];
    struct pki pki;

    pki_init(&pki);
    usp_bench_done(bench);
    unlink(store);
    usp_bench_init(bench, store);
    bench->model.tls_ca_file = pki_path(&pki, "ca.pem", path);
    assert_int_equal(model_load_certificates(&bench->model, NULL), 0);
    bench_turn(bench);
    add_certificate(bench, "added");
    bench->as = 0;
    assert_non_null(strstr(bench_operate(bench, CERTIFICATE(1) ".Delete()", "", "", true), "fail{#7022}"));
    add(bench,
        TRUST "Credential.: Credential=" CERTIFICATE(1) " " TRUST "Credential.: Credential=" CERTIFICATE(2));
    usp_bench_done(bench);
    usp_bench_open(bench, store);
    assert_int_equal(dm_load(bench->dm, NULL, NULL), 0);
    assert_int_equal(model_load_certificates(&bench->model, NULL), 0);
    assert_int_equal(dm_flush(bench->dm, NULL), 0);
    usp_bench_start(bench);
    bench_expect(bench_get(bench, 0, CERTIFICATE(*) ".Alias " TRUST "Credential.*.Credential"),
                 "self::one GET_RESP m1 {" CERTIFICATE(*) ".Alias {" CERTIFICATE(
                     2) ". Alias=added}} {" TRUST "Credential.*.Credential {" TRUST
                        "Credential.1. Credential=} {" TRUST "Credential.2. Credential=" CERTIFICATE(2) "}}");
    bench_expect(
        bench_operate(bench, CERTIFICATE(2) ".GetFingerprint()", "", "FingerprintAlgorithm=SHA-9", true),
        "self::one OPERATE_RESP m1 {" CERTIFICATE(2) ".GetFingerprint() fail{#7027}}");
    assert_non_null(strstr(
        bench_operate(bench, CERTIFICATE(2) ".GetFingerprint()", "", "FingerprintAlgorithm=SHA-256", true),
        "Fingerprint="));
    /* A file that is closed leaves no journal. */
    usp_bench_done(bench);
    unlink(store);
    usp_bench_init(bench, ":memory:");
    pki_done(&pki);
}

/* ---- challenges ---- */

static const char *ask(struct usp_bench *bench, const char *args)
{
    bench->as = 2;
    return bench_operate(bench, TRUST "RequestChallenge()", "", args, true);
}

/* The ChallengeID of the answer. */
static void request(struct usp_bench *bench, const char *args, char id[64])
{
    const char *answer = ask(bench, args);
    const char *at = strstr(answer, "ChallengeID=");

    if (!at)
        fail_msg("%s", answer);
    assert_int_equal(sscanf(at, "ChallengeID=%63[0-9a-fA-F]", id), 1);
}

static uint32_t respond(struct usp_bench *bench, const char *id, const char *value)
{
    char args[256];
    const char *failure;

    snprintf(args, sizeof(args), "ChallengeID=%s Value=%s", id, value);
    bench->as = 2;
    failure = strstr(bench_operate(bench, TRUST "ChallengeResponse()", "", args, true), "fail{#");
    return failure ? (uint32_t)strtoul(failure + 6, NULL, 10) : 0;
}

#define RIGHT "c2VjcmV0"
#define WRONG "d3Jvbmc="
#define REF "ChallengeRef=" TRUST "Challenge.1"

/* self::none may run the commands and nothing else; the challenge gives full access. */
static void challenge(struct usp_bench *bench, const char *more)
{
    char text[512];

    add(bench, TRUST "Role.2.Permission.: Enable=1 Targets=" TRUST " CommandEvent=r-x-");
    snprintf(text, sizeof(text),
             TRUST "Challenge.: Enable=1 Value=" RIGHT " Instruction=d2hv Role=" TRUST "Role.1 %s", more);
    add(bench, text);
    set(bench, NONE ": AssignedRole=" TRUST "Role.2");
}

static void answered(void **state)
{
    struct usp_bench *bench = *state;
    char id[64];

    challenge(bench, "");
    bench_expect(name_of_box(bench, 2), DENIED);
    request(bench, REF, id);
    assert_int_equal(respond(bench, "00", RIGHT), 7004);
    assert_int_equal(respond(bench, id, WRONG), 7022);
    assert_int_equal(respond(bench, id, RIGHT), 0);
    bench_expect(name_of_box(bench, 2), ALLOWED);
    assert_int_equal(respond(bench, id, RIGHT), 7004);
    bench->as = 0;
    bench_expect(bench_get(bench, 0, NONE "AssignedRole " TRUST "Challenge.1.Value"),
                 "self::one GET_RESP m1 {" NONE "AssignedRole {" NONE " AssignedRole=" TRUST
                 "Role.1}} {" TRUST "Challenge.1.Value {" TRUST "Challenge.1. Value=}}");
}

/* R-SEC.16, R-SEC.17: for all controllers, until the time is over */
static void locked(void **state)
{
    struct usp_bench *bench = *state;
    char id[64];

    challenge(bench, "Retries=2 LockoutPeriod=60");
    request(bench, REF, id);
    assert_int_equal(respond(bench, id, WRONG), 7022);
    assert_int_equal(respond(bench, id, WRONG), 7022);
    assert_int_equal(respond(bench, id, RIGHT), 7004);
    assert_non_null(strstr(ask(bench, REF), "fail{#7002}"));
    bench_advance(bench, 59000);
    assert_non_null(strstr(ask(bench, REF), "fail{#7002}"));
    bench_advance(bench, 1001);
    request(bench, REF, id);
    assert_int_equal(respond(bench, id, RIGHT), 0);
}

/* One at a time, for as long as was asked */
static void outstanding(void **state)
{
    struct usp_bench *bench = *state;
    char first[64];
    char id[64];

    challenge(bench, "");
    add(bench, TRUST "Challenge.: Enable=1 " TRUST "Challenge.: Enable=0");
    request(bench, REF " RequestExpiration=10", first);
    assert_non_null(strstr(ask(bench, "ChallengeRef=" TRUST "Challenge.2"), "fail{#7002}"));
    assert_non_null(strstr(ask(bench, "ChallengeRef=" TRUST "Challenge.3"), "fail{#7012}"));
    assert_non_null(strstr(ask(bench, "ChallengeRef=" TRUST "Role.1"), "fail{#7012}"));
    request(bench, REF " RequestExpiration=10", id);
    assert_int_equal(respond(bench, first, RIGHT), 7004);
    bench_advance(bench, 10001);
    assert_int_equal(respond(bench, id, RIGHT), 7004);
    request(bench, "ChallengeRef=" TRUST "Challenge.2 RequestExpiration=0", id);
    bench_advance(bench, 100000000);
    assert_int_equal(respond(bench, id, RIGHT), 7022); /* it has no Value: nothing is right */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(secured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(banned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inherited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_credential, set_up, tear_down),
        cmocka_unit_test_setup_teardown(first_contact, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reference_by_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(credential_and_authority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trusted_broker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(first_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(first_use_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(my_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(certificates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(restarted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(locked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outstanding, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
