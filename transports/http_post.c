/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/http_post.h"

#include <stdio.h>

#include "base/calendar.h"
#include "base/limits.h"
#include "transports/http_fetch_internal.h"

enum {
    MAX_HEADERS = 8,
    TIMEOUT_S = 300,
};

int http_post_ignore(void *ctx, const uint8_t *data, size_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
    return 0;
}

/* RFC 9110, 5.6.7; not strftime(), which would speak the language of the environment. */
static void write_date(char *to, size_t size, int64_t date)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;

    calendar_of(date, &tm);
    snprintf(to, size, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

struct http_fetch *http_post_start(struct http_fetcher *fetcher, const struct http_post *post,
                                   struct buf *content, const struct http_fetch_ops *ops, void *ctx,
                                   struct error *err)
{
    struct http_request request = {
        .url = post->url,
        .username = post->username,
        .password = post->password,
        .max_bytes = LIMIT_POST_ANSWER_BYTES,
        .tls = post->tls,
    };
    const char *headers[MAX_HEADERS + 3];
    struct http_upload upload = {
        .method = post->method, .content = content, .headers = headers, .timeout_s = TIMEOUT_S};
    size_t count = 0;
    char date[64];

    for (const char *const *line = post->headers; *line && count < MAX_HEADERS; line++)
        headers[count++] = *line;
    headers[count++] = "Expect:"; /* no round trip to ask whether the content is welcome */
    if (post->date) {
        write_date(date, sizeof(date), post->date);
        headers[count++] = date;
    }
    headers[count] = NULL;
    return http_fetch_begin(fetcher, &request, &upload, ops, ctx, err);
}
