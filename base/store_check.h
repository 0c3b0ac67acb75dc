/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to the store: what tells a whole file from a damaged one. SQLite notices a broken structure and not a changed
 * value, and of a damaged write-ahead log it silently takes what comes before the damage. So each record has a sum, and
 * the log is read over before SQLite gets it.
 */
#ifndef BASE_STORE_CHECK_H
#define BASE_STORE_CHECK_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Of kind, key and value; against damage, not against an attacker. */
int64_t store_sum(const char *kind, struct str key, struct str value);

/* Whether the row of SELECT kind, key, value, sum has the sum that it should. */
bool store_record_whole(sqlite3_stmt *stmt);

/* SQLITE_OK when all is right, else the code that says why the file cannot be used. */
int store_check_structure(sqlite3 *db);
int store_check_sums(sqlite3 *db);

/* True when batches that were committed lie behind a damaged place of the log, so that SQLite will leave them out. */
bool store_log_damaged(const char *log_path);

/* Copies the file. 0 or -1 (then there is no copy). */
int store_copy(const char *from, const char *to);

#endif
