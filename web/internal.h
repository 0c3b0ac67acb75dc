/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to this folder: the structs, and what its files ask of each other.
 *
 *   web.c          life
 *   request.c      which request may pass, and who answers it
 *   session.c      sessions, and how often one may ask
 *   state.c        what the page is told
 *   stream.c       telling the page what changes
 *   decide.c       what the resident decides
 *   certificate.c  the certificate of its own
 */
#ifndef WEB_INTERNAL_H
#define WEB_INTERNAL_H

#include <netinet/in.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/rate.h"
#include "web/web.h"

enum {
    WEB_IDLE_S = 30 * 60,
    WEB_LIFE_S = 12 * 3600,
    WEB_SECRET_BYTES = 65,    /* 256 bits in hexadecimal */
    WEB_REQUEST_MS = 50,      /* of one address: a request in so long on the long run */
    WEB_REQUEST_BURST = 100,  /* and so many at once */
    WEB_GUESS_MS = 20 * 1000, /* a code tried, likewise */
    WEB_GUESS_BURST = 5,
    WEB_NAME_BYTES = 256,
};

/* The headers that are looked at, in the order in which they come. */
enum web_header {
    HEADER_HOST,
    HEADER_ORIGIN,
    HEADER_COOKIE,
    HEADER_FETCH_SITE,
    HEADER_TOKEN,
};
extern const char *const web_headers[];

struct web_file {
    const char *path; /* "/page.css" */
    const char *type;
    const unsigned char *data;
    size_t size;
};
/* Made at build time from page/; path NULL at the end. */
extern const struct web_file web_files[];

struct web_session {
    char id[WEB_SECRET_BYTES];    /* in the cookie; "": free */
    char token[WEB_SECRET_BYTES]; /* in a header of what is posted */
    uint64_t since;               /* monotonic ms */
    uint64_t seen;                /* the resident did something, not only the page */
};

struct web_address {
    char name[INET6_ADDRSTRLEN];
    uint64_t heard;
    struct rate requests;
};

/* Who tried a code. While it is not idle its place goes to another only when all are taken. */
struct web_guesser {
    struct in6_addr address; /* of IPv4: as IPv6 writes it */
    struct rate tries;
};

/* The stream of one session: server-sent events (HTML, 9.2). It has no queue: what is new is written when it is taken. */
struct web_stream {
    struct web *web;
    struct http_pending *pending; /* NULL: there is none */
    char peer[INET6_ADDRSTRLEN];
    uint64_t told; /* of web->changes */
    uint64_t last; /* monotonic ms: when something was told */
    bool begun;    /* it was told all */
    struct timer timer;
};

/* What changed, once for each thing, the newest first. */
struct web_change {
    uint64_t number;
    uint32_t question; /* 0: a device */
    struct web_change *next;
    struct web_change *previous;
    char key[]; /* in the map */
};

struct web_changes {
    struct map by_key;
    struct web_change *newest;
    size_t count;
    uint64_t number;    /* counts up */
    uint64_t home;      /* when the rules changed */
    uint64_t forgotten; /* who was told less than that is told all */
};

/* An answer that waits for the store. Outlives the web where it must: its batch ends later. */
struct web_pending {
    struct store_waiter waiter;
    struct web *web;              /* NULL: gone */
    struct http_pending *pending; /* NULL: nobody waits */
    struct web_pending *next;
};

struct web {
    struct loop *loop;
    struct consent *consent;
    struct http_server *server;
    uint16_t port;
    char *address; /* "": all */
    char *names;
    char *version;
    char fingerprint[WEB_FINGERPRINT_BYTES];
    struct web_session sessions[LIMIT_RESIDENT_SESSIONS];
    struct web_stream streams[LIMIT_RESIDENT_SESSIONS]; /* by session */
    struct web_changes changes;
    struct observer observer;
    struct web_address addresses[LIMIT_RESIDENT_ADDRESSES];
    struct web_guesser guessers[LIMIT_RESIDENT_GUESSERS];
    struct web_pending *pending;
    size_t pending_count;
    /* http_server_answer(); tests have their own. */
    void (*answer)(struct http_pending *pending, int status, const struct http_answer *answer);
    void (*more)(struct http_pending *stream);
};

/* ---- web.c ---- */
/* All but the listener. */
struct web *web_make(struct loop *loop, struct consent *consent, const struct web_settings *settings,
                     struct error *err);

/* ---- request.c ---- */
int web_get(void *ctx, const struct http_posted *asked, struct http_answer *ret_answer);
int web_post(void *ctx, const struct http_posted *posted, struct http_answer *ret_answer);
void web_gone(void *ctx, struct http_pending *pending);
/* A body of JSON; 503 without memory. */
int web_answer_json(struct http_answer *answer, int status, struct buf *json);
/* {"error":"word"} */
int web_answer_word(struct http_answer *answer, int status, const char *word);

/* ---- session.c ---- */
/* NULL: the system gives no random numbers. */
struct web_session *web_session_new(struct web *web);
/* By the header Cookie; NULL: none that is good. */
struct web_session *web_session_find(struct web *web, const char *cookie);
void web_session_end(struct web *web, struct web_session *session);
/* ms until it ends by itself; 0: it is over. */
uint64_t web_session_left(const struct web *web, const struct web_session *session);
void web_session_cookie(const struct web_session *session, char to[HTTP_COOKIE_BYTES]);
bool web_same(const char *a, const char *b);
/* One request more of this address: false when there are too many. */
bool web_may_ask(struct web *web, const char *peer);
/* The same for a code that is tried. */
bool web_may_guess(struct web *web, const char *peer, uint32_t *ret_wait_s);

/* ---- state.c ---- */
int web_state(struct web *web, const struct web_session *session, struct http_answer *answer);
/* Older than that line; 0: the newest. */
int web_history(struct web *web, uint32_t before, struct http_answer *answer);

/* What changed since then, a JSON object. */
void web_news(struct web *web, uint64_t since, struct buf *json);
void web_all(struct web *web, const struct web_session *session, struct buf *json);

/* ---- stream.c ---- */
void web_streams_init(struct web *web);
void web_streams_done(struct web *web);
int web_stream(struct web *web, const struct web_session *session, const struct http_posted *asked,
               struct http_answer *answer);
void web_stream_end(struct web *web, const struct web_session *session);
int web_more(void *ctx, struct http_pending *stream, struct http_answer *ret_answer);
/* false: it is no stream. */
bool web_stream_gone(struct web *web, struct http_pending *stream);

/* ---- decide.c ---- */
/* These are given the body, an object. 0: the answer comes once the store has it. */
struct cJSON;
int web_decide(struct web *web, const struct cJSON *body, struct http_pending *pending,
               struct http_answer *answer);
int web_policy(struct web *web, const struct cJSON *body, struct http_pending *pending,
               struct http_answer *answer);
int web_identity(struct web *web, const struct cJSON *body, struct http_pending *pending,
                 struct http_answer *answer);
int web_home(struct web *web, const struct cJSON *body, struct http_pending *pending,
             struct http_answer *answer);

/* ---- certificate.c ---- */
/* Made when it is not there, has ended, or lacks one of the names. host: address or name; "": none. */
int web_certificate(const char *file, const char *address, const char *names, int64_t now, struct error *err);
int web_certificate_fingerprint(const char *file, char ret[WEB_FINGERPRINT_BYTES], struct error *err);

#endif
