/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The password of a Shelly that we connected to: RFC 7616 digest with SHA-256, inside RPC frames. Over MQTT and over the
 * WebSockets that devices open there is none.
 *
 * The digest proves the gateway to the device, and nothing about the device to the gateway. So an answer is made for nobody
 * but the device that this peer is known to be (the realm is its id), and never for less than SHA-256. Newer firmware locks
 * out who guesses: a password that was refused is not tried again before the owner has changed it or a long time has passed.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "devices/dialects/shelly_peer.h"

enum {
    NUMBER_BITS_MAX = 53, /* of a nonce that is a JSON number */
    LOCK_FIRST_MS = 15 * 60 * 1000,
    LOCK_DOUBLINGS = 7, /* up to 32 hours */
    LOCKED_OUT_MS = 3600 * 1000,
    PROBLEM_BYTES = 400,
};

static uint64_t now_ms(const struct shelly_peer *peer)
{
    return clock_monotonic(peer->shelly->host.clock);
}

static int digest(const char *text, size_t len, char to[SHELLY_DIGEST_BYTES])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned sum_len = 0;

    if (EVP_Digest(text, len, sum, &sum_len, EVP_sha256(), NULL) != 1 ||
        2 * sum_len + 1 != SHELLY_DIGEST_BYTES)
        return -1;
    str_to_hex(to, sum, sum_len);
    return 0;
}

/* RFC 7616, 3.4.2: the digest of "admin:<realm>:<password>". */
static int secret_of(const struct shelly_peer *peer, char to[SHELLY_DIGEST_BYTES])
{
    struct buf text;
    int result = -1;

    buf_init(&text, SHELLY_PASSWORD_MAX + 256, 0);
    buf_printf(&text, "admin:%s:%s", device_id(peer->device), peer->session->password);
    if (!text.failed)
        result = digest((const char *)buf_data(&text), text.len, to);
    if (!text.failed)
        explicit_bzero((void *)buf_data(&text), text.len);
    buf_done(&text);
    return result;
}

/* The answer to the challenge (3.4.1); what is "method" and "URI" in HTTP has fixed names here. */
static int response_of(const struct shelly_auth *auth, const char *secret, uint32_t cnonce,
                       char to[SHELLY_DIGEST_BYTES])
{
    static const char resource[] = "dummy_method:dummy_uri";
    char text[3 * SHELLY_DIGEST_BYTES + SHELLY_TEXT_MAX], request[SHELLY_DIGEST_BYTES];

    if (digest(resource, sizeof(resource) - 1, request) < 0)
        return -1;
    snprintf(text, sizeof(text), "%s:%s:%u:%u:auth:%s", secret, auth->nonce, auth->count, cnonce, request);
    return digest(text, strlen(text), to);
}

static bool has_password(const struct shelly_peer *peer)
{
    /* Who is not who it was gets nothing to try passwords against. */
    return peer->device && !peer->device->quarantined && peer->session && peer->session->outbound &&
           peer->session->password;
}

bool shelly_auth_add(struct shelly_peer *peer, struct buf *frame)
{
    struct shelly_auth *auth = &peer->auth;
    char secret[SHELLY_DIGEST_BYTES], response[SHELLY_DIGEST_BYTES];
    uint32_t cnonce;
    bool made;

    if (!auth->nonce[0] || !has_password(peer) || secret_of(peer, secret) < 0)
        return false;
    auth->count++;
    made = getrandom(&cnonce, sizeof(cnonce), 0) == (ssize_t)sizeof(cnonce);
    cnonce &= 0x7fffffff;
    made = made && response_of(auth, secret, cnonce, response) == 0;
    explicit_bzero(secret, sizeof(secret));
    if (!made)
        return false;
    buf_append_str(frame, ",\"auth\":{\"realm\":");
    json_quote(frame, device_id(peer->device));
    buf_append_str(frame, ",\"username\":\"admin\",\"nonce\":");
    if (auth->is_number)
        buf_append_str(frame, auth->nonce);
    else
        json_quote(frame, auth->nonce);
    buf_printf(frame, ",\"nc\":%u,\"cnonce\":%u,\"response\":\"%s\",\"algorithm\":\"SHA-256\"}", auth->count,
               cnonce, response);
    return true;
}

/* ---- what is wrong, and what to do about it ---- */

static void tell(struct shelly_peer *peer, const char *problem)
{
    bool told = problem && strcmp(device_text(peer->device, DEVICE_LOCKED), problem) == 0;

    if (problem && !told)
        shelly_reject(peer, problem); /* once in the log, too */
    device_set(peer->device, DEVICE_LOCKED, problem);
    registry_announce(peer->device);
}

static void no_password(struct shelly_peer *peer)
{
    char text[PROBLEM_BYTES];

    snprintf(
        text, sizeof(text),
        "it asks for its password, and none is known: add \"%.100s = PASSWORD\" to shelly_passwords_file and "
        "send SIGHUP",
        peer->session->entry ? peer->session->entry : peer->session->address);
    tell(peer, text);
}

static void refused(struct shelly_peer *peer)
{
    struct shelly_auth *auth = &peer->auth;
    char text[PROBLEM_BYTES];

    auth->nonce[0] = '\0';
    auth->retry = now_ms(peer) + ((uint64_t)LOCK_FIRST_MS << auth->refusals);
    if (auth->refusals < LOCK_DOUBLINGS)
        auth->refusals++;
    snprintf(
        text, sizeof(text),
        "it refuses the password: correct the line of %.100s in shelly_passwords_file and send SIGHUP. The same "
        "password is not tried again for a while, so that the device does not lock the gateway out",
        peer->session->entry ? peer->session->entry : peer->session->address);
    tell(peer, text);
    if (secret_of(peer, auth->refused) < 0)
        auth->refused[0] = '\0';
}

const char *shelly_auth_obstacle(struct shelly_peer *peer)
{
    struct shelly_auth *auth = &peer->auth;
    char secret[SHELLY_DIGEST_BYTES] = "";

    if (!peer->device || !peer->session || !peer->session->outbound)
        return NULL;
    if (auth->retry && auth->retry <= now_ms(peer)) {
        auth->retry = 0;
        auth->locked_out = false;
    }
    /* Another password than the one that was refused may be tried at once; one that is locked out may not. */
    if (auth->retry && !auth->locked_out && has_password(peer) && secret_of(peer, secret) == 0 &&
        strcmp(secret, auth->refused) != 0)
        auth->retry = 0;
    explicit_bzero(secret, sizeof(secret));
    if (!auth->retry)
        return NULL;
    return *device_text(peer->device, DEVICE_LOCKED) ? device_text(peer->device, DEVICE_LOCKED)
                                                     : "its password was refused";
}

void shelly_auth_locked_out(struct shelly_peer *peer)
{
    peer->auth.locked_out = true;
    peer->auth.retry = now_ms(peer) + LOCKED_OUT_MS;
    tell(
        peer,
        "it lets nobody in for a while, after too many wrong passwords (429): the gateway asks again in an hour");
}

void shelly_auth_taken(struct shelly_peer *peer)
{
    struct shelly_auth *auth = &peer->auth;

    auth->proven = auth->nonce[0] != '\0';
    shelly_auth_clear(peer);
}

void shelly_auth_clear(struct shelly_peer *peer)
{
    struct shelly_auth *auth = &peer->auth;

    auth->retry = 0;
    auth->refusals = 0;
    auth->locked_out = false;
    auth->refused[0] = '\0';
    if (peer->device && peer->device->text[DEVICE_LOCKED])
        tell(peer, NULL);
}

void shelly_auth_begin(struct shelly_peer *peer)
{
    peer->auth.nonce[0] = '\0';
    peer->auth.proven = false;
}

/* ---- challenges ---- */

static int read_nonce(const cJSON *challenge, struct shelly_auth *ret)
{
    const char *text = json_text(challenge, "nonce", SHELLY_NONCE_BYTES - 1);
    uint64_t number;

    if (text) {
        str_copy(ret->nonce, sizeof(ret->nonce), text);
        ret->is_number = false;
        return 0;
    }
    if (json_number(challenge, "nonce", UINT64_C(1) << NUMBER_BITS_MAX, &number) < 0)
        return -1;
    ret->nonce[str_from_u64(ret->nonce, number)] = '\0';
    ret->is_number = true;
    return 0;
}

/* {"auth_type":"digest","nonce":1,"nc":1,"realm":"<id>","algorithm":"SHA-256"}: NULL, or what is wrong with it. */
static const char *read_challenge(struct shelly_peer *peer, const cJSON *challenge)
{
    const char *type = json_text(challenge, "auth_type", SHELLY_TEXT_MAX);
    const char *realm = json_text(challenge, "realm", SHELLY_TEXT_MAX);
    const char *algorithm = json_text(challenge, "algorithm", SHELLY_TEXT_MAX);

    if (!type || !realm || !algorithm || strcmp(type, "digest") != 0)
        return "it asks for a password in a way that is not known here";
    if (strcmp(realm, device_id(peer->device)) != 0)
        return "it asks for the password of another device";
    if (strcmp(algorithm, "SHA-256") != 0)
        return "it asks for its password in a way that is not safe";
    return read_nonce(challenge, &peer->auth) < 0 ? "it asks for its password without a nonce" : NULL;
}

int shelly_auth_challenged(struct shelly_peer *peer, struct shelly_request *request, const char *message)
{
    bool was_proven = peer->auth.proven;
    const char *wrong;
    cJSON *challenge;

    if (!peer->device || peer->device->quarantined || !peer->session || !peer->session->outbound)
        return -1;
    if (!peer->session->password) {
        no_password(peer);
        return -1;
    }
    /*
     * An answer that was made from a nonce that had served before may be refused for its age, which the device does not
     * tell from a wrong password: one more try with the new nonce says which it is. Of requests that were under way together
     * only the first finds out.
     */
    if (request->authenticated && !was_proven && request->nonce_turn == peer->auth.turn) {
        refused(peer);
        return -1;
    }
    if (request->challenges++ >= SHELLY_CHALLENGES_MAX || shelly_auth_obstacle(peer))
        return -1;
    challenge = message ? json_parse((const uint8_t *)message, strlen(message), NULL) : NULL;
    wrong = read_challenge(peer, challenge);
    cJSON_Delete(challenge);
    if (wrong) {
        shelly_auth_begin(peer);
        shelly_reject(peer, wrong);
        return -1;
    }
    peer->auth.count = 0;
    peer->auth.proven = false;
    peer->auth.turn++;
    return 0;
}
