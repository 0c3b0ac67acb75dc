/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The resident's page: an https listener on the LAN with a page (files that are part of the program) and the few requests
 * that it makes. Who is signed in decides on behalf of the resident, by consent/consent.h; nobody else is told anything.
 *
 * What keeps others out: a code that only the gateway gives (consent_code_make()), a session that lives in a cookie no
 * script reads, a token that only the page can send, and the names of Host and Origin. docs/consent.md lists them.
 *
 * Loop's thread only. Strings in settings are copied.
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include "consent/consent.h"
#include "transports/http_server.h"

struct web;

struct web_settings {
    const char *address; /* NULL or "": all */
    uint16_t port;       /* 0: any */
    const char
        *names; /* under which browsers may come besides the address: "gateway.lan, home.lan"; NULL: none */
    const char *certificate_file; /* NULL: one of its own, in state_dir */
    const char *key_file;
    const char *state_dir;
    const char *version; /* of this program, for the page */
};

enum {
    WEB_FINGERPRINT_BYTES = 96,
};

struct web *web_new(struct loop *loop, struct websocket_context *context, struct consent *consent,
                    const struct web_settings *settings, struct error *err);
/* Ends all sessions. Before the engine of consent goes. */
void web_free(struct web *web);
uint16_t web_port(const struct web *web);
/* SHA-256 of its certificate, as browsers show it: people can compare. */
const char *web_fingerprint(const struct web *web);

/* Whether names is a list of host names. */
int web_check_names(const char *names, struct error *err);

#endif
