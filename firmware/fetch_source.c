/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/fetch_source.h"

#include "base/limits.h"

int fetch_key(const struct fetch_args *args, char key[CACHE_PART_KEY_BYTES])
{
    char hex[VERIFY_SHA256_HEX_BYTES];
    struct buf buf;
    int result;

    buf_init(&buf, LIMIT_VALUE_BYTES, 0);
    buf_printf(&buf, "%s\n%s\n%s\n%d\n%s", args->url, args->username ? args->username : "",
               args->password ? args->password : "", (int)args->checksum.algorithm, args->checksum.hex);
    result = buf.failed ? -1 : verify_bytes(buf_data(&buf), buf.len, hex);
    buf_done(&buf);
    if (result == 0)
        str_copy(key, CACHE_PART_KEY_BYTES, hex);
    return result;
}

static void *http_start(void *ctx, const struct http_request *request, const struct http_fetch_ops *ops,
                        void *fetch_ctx, struct error *err)
{
    return http_fetch_start(ctx, request, ops, fetch_ctx, err);
}

static void http_cancel(void *ctx, void *fetch)
{
    (void)ctx;
    http_fetch_cancel(fetch);
}

struct fetch_source fetch_source_http(struct http_fetcher *fetcher)
{
    return (struct fetch_source){.start = http_start, .cancel = http_cancel, .ctx = fetcher};
}
