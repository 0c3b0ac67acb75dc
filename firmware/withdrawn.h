/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of images that are not to be installed any more, whoever signed or named them: a file with one `SHA-256 = why`
 * per line (base/conf.h), the digest in hexadecimal. Embedded in its owner; loop's thread only.
 */
#ifndef FIRMWARE_WITHDRAWN_H
#define FIRMWARE_WITHDRAWN_H

#include "base/arena.h"
#include "base/error.h"
#include "base/map.h"

struct withdrawn {
    struct arena arena;
    struct map reasons; /* by digest */
};

void withdrawn_init(struct withdrawn *list);
void withdrawn_done(struct withdrawn *list);
/* Takes what the file says in place of what was known. -1 and "file:line" in err: the list is as it was. */
int withdrawn_read(struct withdrawn *list, const char *file, struct error *err);
/* Why the image of that digest (lower case) is withdrawn, or NULL. Valid until the next withdrawn_read(). */
const char *withdrawn_reason(const struct withdrawn *list, const char *sha256);

#endif
