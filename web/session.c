/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "web/internal.h"

/* The prefix binds it to this host: no other one of the same domain can set it (RFC 6265bis, 4.1.3.2). */
static const char cookie_name[] = "__Host-homepatch=";

/* ---- secrets ---- */

static int draw(char to[WEB_SECRET_BYTES])
{
    uint8_t bytes[WEB_SECRET_BYTES / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return -1;
    str_to_hex(to, bytes, sizeof(bytes));
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

/* Takes as long whatever differs. */
bool web_same(const char *a, const char *b)
{
    size_t len = strlen(a);

    return len == strlen(b) && CRYPTO_memcmp(a, b, len) == 0;
}

/* ---- sessions ---- */

void web_session_end(struct web *web, struct web_session *session)
{
    web_stream_end(web, session);
    explicit_bzero(session, sizeof(*session));
}

uint64_t web_session_left(const struct web *web, const struct web_session *session)
{
    uint64_t now = clock_monotonic(&web->loop->clock);
    uint64_t life = session->since + WEB_LIFE_S * 1000ull, idle = session->seen + WEB_IDLE_S * 1000ull;
    uint64_t end = life < idle ? life : idle;

    return end > now ? end - now : 0;
}

struct web_session *web_session_new(struct web *web)
{
    uint64_t now = clock_monotonic(&web->loop->clock);
    struct web_session *oldest = &web->sessions[0];

    for (size_t i = 0; i < LIMIT_RESIDENT_SESSIONS; i++) {
        struct web_session *session = &web->sessions[i];

        if (session->id[0] && !web_session_left(web, session))
            web_session_end(web, session);
        if (oldest->id[0] && (!session->id[0] || session->since < oldest->since))
            oldest = session;
    }
    web_session_end(web, oldest);
    if (draw(oldest->id) < 0 || draw(oldest->token) < 0) {
        web_session_end(web, oldest);
        return NULL;
    }
    oldest->since = oldest->seen = now;
    return oldest;
}

struct web_session *web_session_find(struct web *web, const char *cookie)
{
    struct web_session *found = NULL;
    struct str rest = str_of(cookie), part;
    char id[WEB_SECRET_BYTES] = "";

    while (!id[0] && str_next(&rest, ';', &part)) {
        part = str_trim(part);
        if (str_starts(part, str_of(cookie_name)) && part.len == strlen(cookie_name) + WEB_SECRET_BYTES - 1)
            memcpy(id, part.data + strlen(cookie_name), WEB_SECRET_BYTES - 1);
    }
    for (size_t i = 0; id[0] && i < LIMIT_RESIDENT_SESSIONS; i++)
        if (web->sessions[i].id[0] && web_same(web->sessions[i].id, id))
            found = &web->sessions[i];
    explicit_bzero(id, sizeof(id));
    if (found && !web_session_left(web, found)) {
        web_session_end(web, found);
        return NULL;
    }
    return found;
}

void web_session_cookie(const struct web_session *session, char to[HTTP_COOKIE_BYTES])
{
    snprintf(to, HTTP_COOKIE_BYTES, "%s%s; Path=/; Secure; HttpOnly; SameSite=Strict%s", cookie_name,
             session ? session->id : "", session ? "" : "; Max-Age=0");
}

/* ---- how often ---- */

static struct web_address *address_of(struct web *web, const char *peer, uint64_t now)
{
    struct web_address *longest = &web->addresses[0];

    for (size_t i = 0; i < LIMIT_RESIDENT_ADDRESSES; i++) {
        struct web_address *address = &web->addresses[i];

        if (strcmp(address->name, peer) == 0) {
            address->heard = now;
            return address;
        }
        if (address->heard < longest->heard)
            longest = address;
    }
    *longest = (struct web_address){.heard = now};
    str_copy(longest->name, sizeof(longest->name), peer);
    return longest;
}

bool web_may_ask(struct web *web, const char *peer)
{
    uint64_t now = clock_monotonic(&web->loop->clock);

    return rate_take(&address_of(web, peer, now)->requests, now, WEB_REQUEST_MS, WEB_REQUEST_BURST);
}

/* Its place, or that of the one that may soonest be forgotten. */
static struct web_guesser *guesser_of(struct web *web, const char *peer)
{
    struct web_guesser *soonest = &web->guessers[0];
    struct in6_addr address = IN6ADDR_ANY_INIT;

    if (inet_pton(AF_INET6, peer, &address) != 1) {
        address.s6_addr[10] = address.s6_addr[11] = 0xff;
        inet_pton(AF_INET, peer, &address.s6_addr[12]);
    }
    for (size_t i = 0; i < LIMIT_RESIDENT_GUESSERS; i++) {
        struct web_guesser *guesser = &web->guessers[i];

        if (memcmp(&guesser->address, &address, sizeof(address)) == 0)
            return guesser;
        if (guesser->tries.next_us < soonest->tries.next_us)
            soonest = guesser;
    }
    *soonest = (struct web_guesser){.address = address};
    return soonest;
}

bool web_may_guess(struct web *web, const char *peer, uint32_t *ret_wait_s)
{
    uint64_t now = clock_monotonic(&web->loop->clock);
    struct rate *rate = &guesser_of(web, peer)->tries;

    if (rate_take(rate, now, WEB_GUESS_MS, WEB_GUESS_BURST))
        return true;
    *ret_wait_s = (uint32_t)((rate_wait_ms(rate, now, WEB_GUESS_MS, WEB_GUESS_BURST) + 999) / 1000);
    return false;
}
