/* SPDX-License-Identifier: BSD-3-Clause */
/* What the resident decides. It is answered once it is durable: what the page says is decided, is. */
#include <stdlib.h>
#include <string.h>

#include "devices/json.h"
#include "web/internal.h"

static const struct consent_by resident = {.who = WHO_RESIDENT, .means = "page"};

/* ---- answers that wait for the store ---- */

static void unlink_pending(struct web_pending *pending)
{
    struct web *web = pending->web;

    for (struct web_pending **at = &web->pending; *at; at = &(*at)->next)
        if (*at == pending) {
            *at = pending->next;
            web->pending_count--;
            return;
        }
}

static void on_batch(void *ctx, bool durable)
{
    struct web_pending *pending = ctx;
    struct http_answer answer = {.fd = -1};
    int status;

    if (pending->web)
        unlink_pending(pending);
    if (pending->web && pending->pending) {
        status = durable ? web_answer_word(&answer, 200, "") : web_answer_word(&answer, 503, "failed");
        pending->web->answer(pending->pending, status, &answer);
    }
    free(pending);
}

void web_gone(void *ctx, struct http_pending *pending)
{
    struct web *web = ctx;

    if (web_stream_gone(web, pending))
        return;
    for (struct web_pending *at = web->pending; at; at = at->next)
        if (at->pending == pending)
            at->pending = NULL;
}

/* Made before anything is decided, so that what was decided can be answered. */
static struct web_pending *pending_new(struct web *web, struct http_pending *peer)
{
    struct web_pending *pending = web->pending_count < LIMIT_RESIDENT_PENDING ? malloc(sizeof(*pending))
                                                                              : NULL;

    if (!pending)
        return NULL;
    *pending = (struct web_pending){
        .waiter = {.fn = on_batch, .ctx = pending}, .web = web, .pending = peer, .next = web->pending};
    web->pending = pending;
    web->pending_count++;
    return pending;
}

static int refuse(struct http_answer *answer, const struct error *err)
{
    switch (err->code) {
    case ERROR_COMMAND_FAILURE:
    case ERROR_OBJECT_DOES_NOT_EXIST:
        return web_answer_word(answer, 409, "changed");
    case ERROR_INVALID_VALUE:
        return web_answer_word(answer, 400, "value");
    default:
        return web_answer_word(answer, 503, "failed");
    }
}

/* 0 when rc is: the answer follows. */
static int settle(struct web_pending *pending, int rc, struct http_answer *answer, const struct error *err)
{
    if (rc < 0) {
        unlink_pending(pending);
        free(pending);
        return refuse(answer, err);
    }
    consent_wait(pending->web->consent, &pending->waiter);
    return 0;
}

/* ---- words ---- */

static int choice_of(const char *text, enum consent_choice *ret)
{
    for (enum consent_choice choice = 0; text && choice < CONSENT_CHOICES; choice++)
        if (strcmp(text, consent_choice_text(choice)) == 0) {
            *ret = choice;
            return 0;
        }
    return -1;
}

static int policy_of(const char *text, enum consent_policy *ret)
{
    for (enum consent_policy policy = 0; text && policy < CONSENT_POLICIES; policy++)
        if (strcmp(text, consent_policy_text(policy)) == 0) {
            *ret = policy;
            return 0;
        }
    return -1;
}

/* As it was shown: line feeds may be in it, and it may be empty. NULL: not there. */
static const char *shown_of(const cJSON *body, const char *name)
{
    const cJSON *text = json_member(body, name);

    return cJSON_IsString(text) && strlen(text->valuestring) < CONSENT_WORDING_BYTES ? text->valuestring
                                                                                     : NULL;
}

/* ---- decisions ---- */

int web_decide(struct web *web, const cJSON *body, struct http_pending *peer, struct http_answer *answer)
{
    struct consent_answer decision = {.by = resident, .wording = shown_of(body, "wording")};
    struct web_pending *pending;
    struct error err;
    uint64_t number;

    if (json_number(body, "question", UINT32_MAX, &number) < 0 ||
        choice_of(json_text(body, "choice", 32), &decision.choice) < 0)
        return web_answer_word(answer, 400, "value");
    decision.question = (uint32_t)number;
    pending = pending_new(web, peer);
    if (!pending)
        return web_answer_word(answer, 503, "failed");
    return settle(pending, consent_decide(web->consent, &decision, &err), answer, &err);
}

int web_policy(struct web *web, const cJSON *body, struct http_pending *peer, struct http_answer *answer)
{
    const char *key = json_text(body, "device", WEB_NAME_BYTES);
    struct consent_device *device = key ? consent_find_device(web->consent, key) : NULL;
    struct web_pending *pending;
    enum consent_policy policy;
    struct error err;

    if (policy_of(json_text(body, "policy", 32), &policy) < 0)
        return web_answer_word(answer, 400, "value");
    if (!device)
        return web_answer_word(answer, 409, "changed");
    pending = pending_new(web, peer);
    if (!pending)
        return web_answer_word(answer, 503, "failed");
    return settle(pending, consent_set_policy(web->consent, device, policy, &resident, &err), answer, &err);
}

/* As it was shown: a device that says otherwise by now is another decision. */
int web_identity(struct web *web, const cJSON *body, struct http_pending *peer, struct http_answer *answer)
{
    const char *key = json_text(body, "device", WEB_NAME_BYTES);
    const cJSON *mine = json_member(body, "mine");
    struct consent_device *device = key ? consent_find_device(web->consent, key) : NULL;
    const struct consent_identification said = {
        .what = cJSON_IsTrue(mine) ? ENTRY_RELEASED : ENTRY_REJECTED,
        .changed = shown_of(body, "changed"),
        .was = shown_of(body, "was"),
        .is = shown_of(body, "is"),
        .by = resident,
    };
    struct web_pending *pending;
    struct error err;

    if (!cJSON_IsBool(mine) || !said.changed || !said.was || !said.is)
        return web_answer_word(answer, 400, "value");
    if (!device)
        return web_answer_word(answer, 409, "changed");
    pending = pending_new(web, peer);
    if (!pending)
        return web_answer_word(answer, 503, "failed");
    return settle(pending, consent_identify(web->consent, device, &said, &err), answer, &err);
}

int web_home(struct web *web, const cJSON *body, struct http_pending *peer, struct http_answer *answer)
{
    struct consent_home home = *consent_home(web->consent);
    const cJSON *quiet_only = json_member(body, "quiet_only");
    const char *start = json_text(body, "quiet_start", 8), *end = json_text(body, "quiet_end", 8);
    char times[2][9];
    struct web_pending *pending;
    enum consent_policy policy;
    struct error err;

    if (policy_of(json_text(body, "policy", 32), &policy) < 0 || policy == POLICY_HOME || !start || !end ||
        !cJSON_IsBool(quiet_only))
        return web_answer_word(answer, 400, "value");
    str_copy(times[0], sizeof(times[0]), start);
    str_copy(times[1], sizeof(times[1]), end);
    home.policy = policy;
    home.quiet_start = times[0];
    home.quiet_end = times[1];
    home.quiet_only = cJSON_IsTrue(quiet_only);
    pending = pending_new(web, peer);
    if (!pending)
        return web_answer_word(answer, 503, "failed");
    return settle(pending, consent_set_home(web->consent, &home, &resident, &err), answer, &err);
}
