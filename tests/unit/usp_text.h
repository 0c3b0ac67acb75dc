/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USP messages as text, for tests that say what they expect in one line. Reads the bytes by itself, strictly: what is
 * not in the schema, or a code without its err_msg, fails the test.
 *
 *   self::one GET_RESP m1 {Device.Thing.1.Name {Device.Thing.1. Name=a}}
 *   self::one ERROR m1 #7004 perr{Device.Thing.9. #7026}
 *   self::one mac session 7 1/2 [61]      a session's record: session_id, sequence_id/expected_id, bytes of each TLS record
 *
 * Names of fields are left out where the order says enough; err_msg is checked and not shown.
 */
#ifndef TESTS_UNIT_USP_TEXT_H
#define TESTS_UNIT_USP_TEXT_H

#include "base/buf.h"
#include "base/str.h"

/* Appends the record's to_id and its message, or its type and reason. Checks version and from_id. */
void usp_text_record(struct buf *to, struct str record, const char *from_id);
void usp_text_message(struct buf *to, struct str message);

#endif
