/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device.LocalAgent.ControllerTrust.Challenge.{i}. (TR-369 "Challenges", R-SEC.13 to R-SEC.17): who answers one gets its
 * roles. A controller has at most one that it asked for and did not answer yet; it is kept with the controller, in memory:
 * a restart ends it. Tries are counted per challenge, over all controllers.
 */
#include "datamodel/device/challenge.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"
#include "datamodel/device/model.h"
#include "usp/access.h"
#include "usp/controller.h"

static const char CHALLENGES[] = "Device.LocalAgent.ControllerTrust.Challenge.";
static const char TRUST[] = "Device.LocalAgent.ControllerTrust.";

struct challenge {
    bool enable;
    char *alias;
    char *description;
    char *role;
    uint32_t type;
    char *value; /* base64 */
    uint32_t value_type;
    char *instruction; /* base64 */
    uint32_t instruction_type;
    uint32_t retries;
    int32_t lockout_period; /* s */

    uint32_t failures;     /* since the last success or lockout */
    uint64_t locked_until; /* monotonic ms; 0: not locked */
};

static const char *const types[] = {"Passphrase", NULL};
static const char *const value_types[] = {"text/plain", "image/jpeg", NULL};
static const char *const instruction_types[] = {"text/plain", "image/jpeg", "text/html", NULL};

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct challenge, alias)},
    {.name = "Description",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 1024,
     .offset = DM_OFFSET(struct challenge, description)},
    {.name = "Role",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST | DM_STRONG_REF,
     .refers = "Device.LocalAgent.ControllerTrust.Role.",
     .offset = DM_OFFSET(struct challenge, role)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct challenge, enable)},
    {.name = "Type",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = types,
     .default_value = "Passphrase",
     .offset = DM_OFFSET(struct challenge, type)},
    {.name = "Value",
     .type = DM_BASE64,
     .flags = DM_WRITABLE | DM_SECRET,
     .offset = DM_OFFSET(struct challenge, value)},
    {.name = "ValueType",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = value_types,
     .default_value = "text/plain",
     .offset = DM_OFFSET(struct challenge, value_type)},
    {.name = "Instruction",
     .type = DM_BASE64,
     .flags = DM_WRITABLE,
     .offset = DM_OFFSET(struct challenge, instruction)},
    {.name = "InstructionType",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = instruction_types,
     .default_value = "text/plain",
     .offset = DM_OFFSET(struct challenge, instruction_type)},
    {.name = "Retries",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .default_value = "3",
     .offset = DM_OFFSET(struct challenge, retries)},
    {.name = "LockoutPeriod",
     .type = DM_INT,
     .flags = DM_WRITABLE,
     .max = INT32_MAX,
     .default_value = "30",
     .offset = DM_OFFSET(struct challenge, lockout_period)},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"Alias"}}, {{NULL}}};

const struct dm_object model_challenge = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct challenge),
    .params = params,
    .keys = keys,
    .max_rows = LIMIT_CHALLENGES,
};

/* ---- what both commands need ---- */

static uint64_t now_of(struct dm *dm)
{
    return clock_monotonic(&dm_loop(dm)->clock);
}

static int find_controller(struct dm_call *call, struct controller **ret, struct error *err)
{
    *ret = usp_controller_find(model_of(call->dm)->usp, str_of(call->originator));
    return *ret ? 0 : error_set(err, ERROR_REQUEST_DENIED, NULL, "only a controller can be challenged");
}

/* TR-181: what is asked of a locked challenge is denied; a lockout that is over takes the failures with it. */
static int check_lock(struct dm *dm, struct challenge *challenge, struct error *err)
{
    if (challenge->locked_until > now_of(dm))
        return error_set(err, ERROR_REQUEST_DENIED, NULL, "too many wrong answers: the challenge is locked");
    if (challenge->locked_until) {
        challenge->locked_until = 0;
        challenge->failures = 0;
    }
    return 0;
}

static void forget(struct controller *controller)
{
    memset(&controller->challenge, 0, sizeof(controller->challenge));
}

/* The enabled row of that instance number, or NULL. */
static struct challenge *challenge_of(struct dm *dm, uint32_t instance)
{
    struct dm_row *trust = dm_row_find(dm, STR(TRUST));
    struct dm_row *row = dm_row_instance(trust, dm_node_child(trust->node, STR("Challenge")), instance);
    struct challenge *challenge = row ? row->data : NULL;

    return challenge && challenge->enable ? challenge : NULL;
}

static bool is_pending(const struct controller *controller, uint64_t now)
{
    return controller->challenge.instance &&
           (!controller->challenge.expires || controller->challenge.expires > now);
}

/* ---- RequestChallenge() ---- */

const struct dm_arg model_request_challenge_inputs[] = {
    {.name = "ChallengeRef", .type = DM_STRING, .required = true, .max = 256},
    {.name = "RequestExpiration", .type = DM_INT, .max = INT32_MAX, .default_value = "900"},
    {.name = NULL},
};

const struct dm_arg model_request_challenge_outputs[] = {
    {.name = "Instruction", .type = DM_BASE64},
    {.name = "InstructionType"},
    {.name = "ValueType"},
    {.name = "ChallengeID"},
    {.name = NULL},
};

static int new_id(char to[CHALLENGE_ID_BYTES])
{
    uint8_t bytes[(CHALLENGE_ID_BYTES - 1) / 2];

    if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != (ssize_t)sizeof(bytes))
        return -1;
    str_to_hex(to, bytes, sizeof(bytes));
    return 0;
}

int model_request_challenge(struct dm_call *call, struct error *err)
{
    struct str ref = str_of(dm_call_input(call, "ChallengeRef"));
    struct dm_row *row = dm_row_find(call->dm, ref);
    uint64_t lifetime = dm_call_input_number(call, "RequestExpiration");
    uint64_t now = now_of(call->dm);
    struct controller *controller;
    struct challenge *challenge;

    if (find_controller(call, &controller, err) < 0)
        return -1;
    challenge = row && row->instance && str_starts(str_of(row->node->path), STR(CHALLENGES))
                    ? challenge_of(call->dm, row->instance)
                    : NULL;
    if (!challenge)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "ChallengeRef: no such challenge");
    if (check_lock(call->dm, challenge, err) < 0)
        return -1;
    if (is_pending(controller, now) && controller->challenge.instance != row->instance)
        return error_set(err, ERROR_REQUEST_DENIED, NULL, "another challenge waits for its response");
    forget(controller);
    if (new_id(controller->challenge.id) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no random numbers yet");
    controller->challenge.instance = row->instance;
    controller->challenge.expires = lifetime ? now + lifetime * 1000 : 0;
    if (dm_call_output(call, "Instruction", challenge->instruction ? challenge->instruction : "") < 0 ||
        dm_call_output(call, "InstructionType", instruction_types[challenge->instruction_type]) < 0 ||
        dm_call_output(call, "ValueType", value_types[challenge->value_type]) < 0 ||
        dm_call_output(call, "ChallengeID", controller->challenge.id) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    return 0;
}

/* ---- ChallengeResponse() ---- */

const struct dm_arg model_challenge_response_inputs[] = {
    {.name = "ChallengeID", .type = DM_STRING, .required = true, .max = 64},
    {.name = "Value", .type = DM_BASE64, .required = true, .max = LIMIT_VALUE_BYTES},
    {.name = NULL},
};

/* Bytes of a base64 text, malloc'ed; NULL when there are none. */
static unsigned char *decode(const char *text, size_t *ret_len)
{
    size_t len = text ? strlen(text) : 0;
    unsigned char *bytes = len ? malloc(len / 4 * 3 + 4) : NULL;
    int size = bytes ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) : -1;

    if (size <= 0) {
        free(bytes);
        return NULL;
    }
    *ret_len = (size_t)size - (text[len - 1] == '=') - (len > 1 && text[len - 2] == '=');
    return bytes;
}

/* As long for a wrong answer as for the right one. An empty Value is matched by nothing. */
static bool matches(const char *value, const char *answer)
{
    size_t value_len = 0;
    size_t answer_len = 0;
    unsigned char *wanted = decode(value, &value_len);
    unsigned char *given = decode(answer, &answer_len);
    bool same = wanted && given && value_len && value_len == answer_len &&
                CRYPTO_memcmp(wanted, given, value_len) == 0;

    free(wanted);
    free(given);
    return same;
}

static bool has(struct dm *dm, const char *list, const struct dm_row *row)
{
    struct str rest = str_of(list);
    struct str one;

    while (row && rest.len && str_next(&rest, ',', &one))
        if (dm_row_find(dm, str_trim(one)) == row)
            return true;
    return false;
}

/* Adds the items of a list that are not in the text yet, but for those that `but` has. */
static void append(struct dm *dm, struct buf *text, const char *list, const char *but)
{
    struct str rest = str_of(list);
    struct str one;

    while (rest.len && str_next(&rest, ',', &one)) {
        const struct dm_row *row = dm_row_find(dm, str_trim(one));
        char *so_far = str_dup((const char *)buf_data(text), text->len);

        if (row && so_far && !has(dm, but, row) && !has(dm, so_far, row))
            buf_printf(text, "%s%.*s", text->len ? "," : "", (int)str_trim(one).len, str_trim(one).data);
        free(so_far);
    }
}

/* The challenge's roles come to the assigned ones, and in place of the untrusted role. */
static int assign(struct dm *dm, struct controller *controller, const struct challenge *challenge,
                  struct error *err)
{
    const struct controller_trust *trust = dm_row_find(dm, STR(TRUST))->data;
    struct dm_row *row = controller->row;
    struct buf roles;
    int rc = -1;

    buf_init(&roles, LIMIT_VALUE_BYTES, 0);
    append(dm, &roles, controller->assigned_role, trust->untrusted_role);
    append(dm, &roles, challenge->role, NULL);
    if (roles.failed) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    } else {
        dm_begin(dm, NULL);
        if (dm_set(dm, row, dm_node_param(row->node, "AssignedRole"),
                   (struct str){(const char *)buf_data(&roles), roles.len}, err) == 0 &&
            dm_set_done(dm, row, err) == 0)
            rc = dm_commit(dm, err);
        else
            dm_rollback(dm);
    }
    buf_done(&roles);
    return rc;
}

/* R-SEC.16, R-SEC.17 */
static int failed(struct dm *dm, struct controller *controller, struct challenge *challenge,
                  struct error *err)
{
    challenge->failures++;
    if (challenge->failures >= challenge->retries) {
        forget(controller);
        challenge->failures = 0;
        if (challenge->lockout_period)
            challenge->locked_until = now_of(dm) + (uint64_t)challenge->lockout_period * 1000;
    }
    return error_set(err, ERROR_COMMAND_FAILURE, NULL, "the answer is wrong");
}

int model_challenge_response(struct dm_call *call, struct error *err)
{
    const char *id = dm_call_input(call, "ChallengeID");
    struct controller *controller;
    struct challenge *challenge;

    if (find_controller(call, &controller, err) < 0)
        return -1;
    if (!is_pending(controller, now_of(call->dm)) || strcmp(controller->challenge.id, id) != 0)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "ChallengeID: none that waits for a response");
    challenge = challenge_of(call->dm, controller->challenge.instance);
    if (!challenge) {
        forget(controller);
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "ChallengeID: the challenge is gone");
    }
    if (check_lock(call->dm, challenge, err) < 0)
        return -1;
    if (!matches(challenge->value, dm_call_input(call, "Value")))
        return failed(call->dm, controller, challenge, err);
    if (assign(call->dm, controller, challenge, err) < 0)
        return -1;
    challenge->failures = 0;
    forget(controller);
    return 0;
}
