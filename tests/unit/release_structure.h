/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every structural change of a CBOR item, those inside its byte strings included: members left out, doubled, exchanged;
 * wrapped in an array, a byte string or a tag, or taken out of theirs; emptied, or null; heads longer than needed, lengths
 * that are indefinite or wrong; something behind what a byte string holds. Lengths and counts around a change are put
 * right, so that it is refused for what it is.
 */
#ifndef TESTS_UNIT_RELEASE_STRUCTURE_H
#define TESTS_UNIT_RELEASE_STRUCTURE_H

#include <stdint.h>

#include "base/str.h"

enum structure_edit {
    EDIT_LEFT_OUT, /* of a map: with its value */
    EDIT_DOUBLED,
    EDIT_EXCHANGED, /* with what follows it */
    EDIT_IN_ARRAY,
    EDIT_IN_BYTES,
    EDIT_TAGGED,
    EDIT_TAKEN_OUT, /* of its byte string, or of its tag */
    EDIT_NULL,
    EDIT_EMPTY,
    EDIT_LONG_HEAD,
    EDIT_INDEFINITE,
    EDIT_LONGER, /* its head says one more than there is */
    EDIT_SHORTER,
    EDIT_TRAILING,
    STRUCTURE_EDITS,
};

const char *structure_edit_text(enum structure_edit edit);

/* key: of the member of the outermost map that it is in, or -1. depth: 0 for that map, 1 for its members, ... */
struct structure_change {
    enum structure_edit edit;
    int64_t member;
    unsigned depth;
};

/* Calls fn with each changed item; returns how many there were. */
unsigned structure_changes(struct str bytes,
                           void (*fn)(void *ctx, const struct structure_change *change, struct str changed),
                           void *ctx);

#endif
