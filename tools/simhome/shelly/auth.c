/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/shelly/auth.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "tools/simhome/home.h"
#include "tools/simhome/shelly/rpc.h"
#include "tools/simhome/shelly/shelly.h"

enum {
    HEX_BYTES = 65,
    FAILURES_MAX = 5, /* in a row: then nobody is let in for a while */
    LOCKED_MS = 60 * 1000,
    UNAUTHORIZED = 401,
    TOO_MANY_REQUESTS = 429,
};

static void sha256(const char *text, char to[HEX_BYTES])
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    EVP_Digest(text, strlen(text), sum, &len, EVP_sha256(), NULL);
    str_to_hex(to, sum, len);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text ? text : "";
}

static uint32_t number_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble < UINT32_MAX
               ? (uint32_t)item->valuedouble
               : 0;
}

static void challenge(struct shelly *device, struct rpc_error *error)
{
    struct shelly_auth *auth = &device->auth;
    uint32_t nonce = 0;

    RAND_bytes((uint8_t *)&nonce, sizeof(nonce));
    nonce = (nonce & 0x7fffffff) | 1;
    auth->nonces[auth->turn % AUTH_NONCES].nonce = nonce;
    auth->nonces[auth->turn++ % AUTH_NONCES].used = 0;
    auth->challenges++;
    error->code = UNAUTHORIZED;
    snprintf(error->message, sizeof(error->message),
             "{\"auth_type\":\"digest\",\"nonce\":%u,\"nc\":1,\"realm\":\"%s\",\"algorithm\":\"SHA-256\"}",
             nonce, device->base.id);
}

static bool is_right(const struct shelly *device, const cJSON *answer, uint32_t nonce, uint32_t count)
{
    char secret[256], request[HEX_BYTES], text[512], hex[HEX_BYTES];

    snprintf(secret, sizeof(secret), "admin:%s:%s", device->base.id, device->auth.password);
    sha256(secret, hex);
    sha256("dummy_method:dummy_uri", request);
    snprintf(text, sizeof(text), "%s:%u:%u:%u:auth:%s", hex, nonce, count, number_of(answer, "cnonce"),
             request);
    sha256(text, hex);
    return !strcmp(text_of(answer, "username"), "admin") &&
           !strcmp(text_of(answer, "realm"), device->base.id) &&
           !strcmp(text_of(answer, "algorithm"), "SHA-256") && !strcmp(text_of(answer, "response"), hex);
}

/* A nonce that was given out, with a count that was not used with it. */
static bool is_fresh(struct shelly_auth *auth, uint32_t nonce, uint32_t count)
{
    for (unsigned i = 0; nonce && i < AUTH_NONCES; i++) {
        if (auth->nonces[i].nonce == nonce && count > auth->nonces[i].used) {
            auth->nonces[i].used = count;
            return true;
        }
    }
    return false;
}

bool auth_admits(struct shelly *device, const cJSON *request, const char *method, struct rpc_error *ret_error)
{
    const cJSON *answer = cJSON_GetObjectItemCaseSensitive(request, "auth");
    uint32_t nonce = number_of(answer, "nonce"), count = number_of(answer, "nc");
    uint64_t now = clock_monotonic(&device->base.home->loop.clock);
    struct shelly_auth *auth = &device->auth;

    if (!*auth->password || !strcasecmp(method, "Shelly.GetDeviceInfo"))
        return true;
    if (auth->locked > now) {
        ret_error->code = TOO_MANY_REQUESTS;
        snprintf(ret_error->message, sizeof(ret_error->message), "Too many failed attempts!");
        return false;
    }
    if (answer && is_fresh(auth, nonce, count)) {
        if (is_right(device, answer, nonce, count)) {
            auth->taken++;
            auth->failures = 0;
            return true;
        }
        auth->refused++;
        if (++auth->failures >= FAILURES_MAX)
            auth->locked = now + LOCKED_MS;
    }
    challenge(device, ret_error);
    return false;
}

int auth_set(struct shelly_auth *auth, const char *name, const char *value)
{
    if (!strcmp(name, "password") && strlen(value) < sizeof(auth->password))
        str_copy(auth->password, sizeof(auth->password), strcmp(value, "-") ? value : "");
    else if (!strcmp(name, "nonces"))
        memset(auth->nonces, 0, sizeof(auth->nonces));
    else if (!strcmp(name, "lock"))
        auth->locked = strcmp(value, "-") ? UINT64_MAX : 0;
    else
        return -1;
    return 0;
}

void auth_describe(const struct shelly_auth *auth, cJSON *json)
{
    cJSON *all = cJSON_AddObjectToObject(json, "auth");

    cJSON_AddBoolToObject(all, "enabled", *auth->password != '\0');
    cJSON_AddNumberToObject(all, "challenges", auth->challenges);
    cJSON_AddNumberToObject(all, "taken", auth->taken);
    cJSON_AddNumberToObject(all, "refused", auth->refused);
}
