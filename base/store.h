/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store: what must survive a crash, in one SQLite file with one writer. Records are (kind, key) -> bytes. Writes
 * join the open batch, which the end of the loop's iteration makes durable with one commit and one fsync (group
 * commit): whoever needs to know waits on the batch and is called once with the outcome. A batch that cannot be
 * committed is lost as a whole, and each waiter is told so.
 *
 * Each record has a sum. A file that is damaged is put aside under a name with ".corrupt-<time>" and a fresh one is
 * begun; records that are whole can be taken over with store_salvage(). When only the write-ahead log is damaged, the
 * file is as it was before the damaged batch, and the log is kept under such a name. Owned and freed by the caller; used
 * on the loop's thread only.
 */
#ifndef BASE_STORE_H
#define BASE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/str.h"

struct store;

/* A waiter is embedded in its owner; fn is called once, on the loop, and may add writes (to the next batch). */
struct store_waiter {
    void (*fn)(void *ctx, bool durable);
    void *ctx;
    struct store_waiter *next;
};

/*
 * Opens or creates the file (":memory:" for tests). loop: whose iterations end batches; NULL when only store_flush()
 * does. Fails when the directory cannot be written or the file is another's.
 */
struct store *store_open(const char *path, struct loop *loop, struct error *err);
/* Commits the open batch and closes. */
void store_close(struct store *store);

enum store_damage {
    STORE_WHOLE,
    STORE_CUT_SHORT, /* the last batches are missing */
    STORE_ANEW,      /* begun anew */
};

/* What was found at opening, and where the damaged file was put (NULL: all was well, or there was no room). */
enum store_damage store_damage(const struct store *store);
const char *store_damaged_file(const struct store *store);

/*
 * After STORE_ANEW: copies the whole records of a kind, those whose key starts with prefix, from the damaged file, as far
 * as they can be read. Returns how many there were; what could not be read is not known.
 */
unsigned store_salvage(struct store *store, const char *kind, struct str prefix);

/* Writes join the open batch; 0 or -1. */
int store_put(struct store *store, const char *kind, struct str key, const void *value, size_t len,
              struct error *err);
int store_delete(struct store *store, const char *kind, struct str key, struct error *err);
/* All keys that start with prefix ("" for all). */
int store_delete_prefix(struct store *store, const char *kind, struct str prefix, struct error *err);

/* Everything but the records of one kind. */
int store_forget(struct store *store, const char *kept_kind, struct error *err);

/* Reads see the open batch. 1 found (appended to *ret), 0 not there, -1. */
int store_get(struct store *store, const char *kind, struct str key, struct buf *ret, struct error *err);
/* In key order; fn returns non-zero to stop, which is returned. fn must not write. */
int store_each(struct store *store, const char *kind, struct str prefix,
               int (*fn)(void *ctx, struct str key, struct str value), void *ctx, struct error *err);

/* A mark inside the open batch, to take back what was written since. Marks nest and end in reverse order. */
int store_mark(struct store *store, struct error *err);
void store_mark_keep(struct store *store);
void store_mark_rollback(struct store *store);

/* True while writes wait for the commit. */
bool store_pending(const struct store *store);
/* Calls waiter->fn when the open batch ended; at once (before returning) when none is open. */
void store_wait(struct store *store, struct store_waiter *waiter);
/* The waiter goes away before its batch ends. */
void store_unwait(struct store *store, struct store_waiter *waiter);
/* Commits the open batch now. */
int store_flush(struct store *store, struct error *err);

#endif
