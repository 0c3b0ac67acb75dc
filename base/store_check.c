/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/store_check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"

/* ---- records ---- */

int64_t store_sum(const char *kind, struct str key, struct str value)
{
    const uint64_t of_kind[2] = {strlen(kind), key.len};
    const uint64_t of_key[2] = {map_hash(of_kind, kind, strlen(kind)), value.len};
    const uint64_t of_value[2] = {map_hash(of_key, key.data, key.len), value.len};

    return (int64_t)map_hash(of_value, value.data, value.len);
}

int store_check_structure(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(stmt, 0);

        rc = !text ? SQLITE_NOMEM : strcmp((const char *)text, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
    }
    sqlite3_finalize(stmt);
    return rc;
}

bool store_record_whole(sqlite3_stmt *stmt)
{
    struct str key = {sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)};
    struct str value = {sqlite3_column_blob(stmt, 2), (size_t)sqlite3_column_bytes(stmt, 2)};
    const char *kind = (const char *)sqlite3_column_text(stmt, 0);

    /* Records of a version before there were sums have none. */
    if (sqlite3_column_type(stmt, 3) == SQLITE_NULL)
        return true;
    return kind && store_sum(kind, key, value) == sqlite3_column_int64(stmt, 3);
}

int store_check_sums(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT kind, key, value, sum FROM record", -1, &stmt, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW && !store_record_whole(stmt))
            rc = SQLITE_CORRUPT;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- the log: https://www.sqlite.org/fileformat2.html#the_write_ahead_log ---- */

enum {
    LOG_HEADER = 32,
    FRAME_HEADER = 24,
    SALTS_AT = 16, /* in the log's header; in a frame's at 8 */
    FRAME_SALTS_AT = 8,
    SALTS_BYTES = 8,
    LARGEST_PAGE = 65536,
};

struct log {
    int fd;
    uint8_t header[LOG_HEADER];
    uint32_t page; /* bytes */
    bool big_endian;
    uint32_t sum[2];
    uint8_t *frame;
};

static uint32_t number_at(const uint8_t *at, bool big_endian)
{
    return big_endian ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
                      : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void add_up(struct log *log, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i + 8 <= len; i += 8) {
        log->sum[0] += number_at(bytes + i, log->big_endian) + log->sum[1];
        log->sum[1] += number_at(bytes + i + 4, log->big_endian) + log->sum[0];
    }
}

static bool sum_is(const struct log *log, const uint8_t *at)
{
    return log->sum[0] == number_at(at, true) && log->sum[1] == number_at(at + 4, true);
}

/* 1: the header is right. 0: it is not. -1: there is nothing to look at. */
static int read_log_header(struct log *log)
{
    enum { MAGIC = 0x377f0682 }; /* the lowest bit: sums are of big-endian numbers */
    uint32_t magic;

    if (pread(log->fd, log->header, LOG_HEADER, 0) != LOG_HEADER)
        return -1;
    magic = number_at(log->header, true);
    log->big_endian = magic & 1;
    log->page = number_at(log->header + 8, true);
    if ((magic & ~1u) != MAGIC || log->page < 512 || log->page > LARGEST_PAGE || log->page & (log->page - 1))
        return 0;
    add_up(log, log->header, 24);
    return sum_is(log, log->header + 24);
}

static bool read_frame(struct log *log, uint32_t number)
{
    off_t at = LOG_HEADER + (off_t)number * (FRAME_HEADER + (off_t)log->page);

    return pread(log->fd, log->frame, FRAME_HEADER + log->page, at) == (ssize_t)(FRAME_HEADER + log->page);
}

/*
 * Whether a frame after the first that is wrong says that it ends a batch of this log. A last frame that is wrong is what
 * a write leaves that was cut short: such a batch was never committed.
 */
static bool frames_lost(struct log *log)
{
    bool wrong = false;

    for (uint32_t i = 0; read_frame(log, i); i++) {
        bool of_this_log = memcmp(log->frame + FRAME_SALTS_AT, log->header + SALTS_AT, SALTS_BYTES) == 0;
        bool ends_batch = number_at(log->frame + 4, true) != 0;

        if (wrong && of_this_log && ends_batch)
            return true;
        if (!wrong) {
            add_up(log, log->frame, FRAME_SALTS_AT);
            add_up(log, log->frame + FRAME_HEADER, log->page);
            wrong = !of_this_log || !sum_is(log, log->frame + 16);
        }
    }
    return false;
}

bool store_log_damaged(const char *path)
{
    struct log log = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    bool damaged = false;
    struct stat st;
    int header;

    if (log.fd < 0)
        return false;
    header = read_log_header(&log);
    if (header == 0) {
        /* Without its header nothing of the log counts; a first write that was cut short had no frame yet. */
        damaged = fstat(log.fd, &st) == 0 && st.st_size > LOG_HEADER + FRAME_HEADER;
    } else if (header > 0 && (log.frame = malloc(FRAME_HEADER + log.page))) {
        damaged = frames_lost(&log);
        free(log.frame);
    }
    close(log.fd);
    return damaged;
}

int store_copy(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int result = out < 0 ? -1 : 0;
    char bytes[4096];
    ssize_t len = 0;

    while (result == 0 && (len = read(in, bytes, sizeof(bytes))) > 0)
        if (write(out, bytes, (size_t)len) != len)
            result = -1;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    if (out >= 0 && (result < 0 || len < 0)) {
        unlink(to);
        result = -1;
    }
    return result;
}
