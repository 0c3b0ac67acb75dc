/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: one command per line in, one line of JSON out. It changes what the simulated home does while it
 * runs; anybody who can open the socket may. control_new() binds, control_free() unlinks.
 */
#ifndef TOOLS_SIMHOME_CONTROL_H
#define TOOLS_SIMHOME_CONTROL_H

#include "base/error.h"

struct control;
struct home;

struct control *control_new(struct home *home, const char *path, struct error *err);
void control_free(struct control *control);
/* The commands, one per line, for --help. */
const char *control_help(void);

#endif
