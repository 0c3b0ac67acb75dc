/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passwords of the LAN's broker, as mosquitto keeps them: "name:$7$iterations$salt$hash" a line, PBKDF2 with SHA-512. Texts
 * are in the arena of the caller.
 */
#ifndef TOOLS_HOMEPATCH_LAN_PASSWORD_H
#define TOOLS_HOMEPATCH_LAN_PASSWORD_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

/* 120 random bits as 24 letters and digits that are not mistaken for one another. NULL: no randomness, or no memory. */
const char *lan_password_new(struct arena *arena);
/* What follows the name and the colon. NULL as above. */
const char *lan_password_hash(struct arena *arena, const char *password);
/* The hash of that name in the text of a password file; an empty str when it has none. */
struct str lan_password_find(struct str file, const char *name);

#endif
