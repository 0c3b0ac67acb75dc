/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/http_fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "transports/http_fetch_internal.h"

enum {
    REDIRECTS = 5,
    RECEIVE_BYTES = 64 << 10,
    CONNECT_S = 30, /* unless the request says otherwise */
    STALL_S = 60,
    STATUS_PARTIAL = 206,
};

/* ---- letting go ---- */

void http_fetch_free(struct http_fetch *fetch)
{
    struct http_fetcher *fetcher = fetch->fetcher;

    *fetch->self = fetch->next;
    if (fetch->next)
        fetch->next->self = fetch->self;
    if (fetch->curl) {
        curl_multi_remove_handle(fetcher->multi, fetch->curl);
        curl_easy_cleanup(fetch->curl);
    }
    curl_slist_free_all(fetch->headers);
    buf_done(&fetch->content);
    free(fetch->url);
    free(fetch->etag);
    free(fetch->last_modified);
    free(fetch->content_range);
    free(fetch);
}

static void end_fetch(struct http_fetch *fetch)
{
    fetch->ended = true;
    loop_defer(fetch->fetcher->loop, &fetch->fetcher->sweep);
}

/* ---- what the server says ---- */

static int refuse(struct http_fetch *fetch, enum http_outcome outcome, const char *text)
{
    fetch->refused = outcome;
    return error_set(&fetch->why, ERROR_OPERATION_ERROR, fetch->url, "%s", text);
}

static void keep_header(struct str line, const char *name, char **slot)
{
    size_t len = strlen(name);
    struct str value;

    if (line.len <= len || strncasecmp(line.data, name, len) != 0)
        return;
    value = str_trim((struct str){line.data + len, line.len - len});
    free(*slot);
    *slot = str_dup(value.data, value.len);
}

static void forget_headers(struct http_fetch *fetch)
{
    free(fetch->etag);
    free(fetch->last_modified);
    free(fetch->content_range);
    fetch->etag = fetch->last_modified = fetch->content_range = NULL;
}

static size_t on_header(char *data, size_t one, size_t len, void *ctx)
{
    struct http_fetch *fetch = ctx;
    struct str line = {data, len};

    (void)one;
    if (fetch->ended)
        return 0;
    if (str_starts(line,
                   STR("HTTP/"))) /* of the next answer: after a redirect or a request for credentials */
        forget_headers(fetch);
    keep_header(line, "etag:", &fetch->etag);
    keep_header(line, "last-modified:", &fetch->last_modified);
    keep_header(line, "content-range:", &fetch->content_range);
    return len;
}

/* "bytes 100-199/200" must begin where it was asked to. */
static int check_range(struct http_fetch *fetch, int64_t *ret_size)
{
    struct str rest = fetch->content_range ? str_of(fetch->content_range) : (struct str){"", 0};
    struct str first;
    struct str last;
    uint64_t from;
    uint64_t to;
    uint64_t size;

    if (!str_starts(rest, STR("bytes ")))
        return -1;
    rest = (struct str){rest.data + 6, rest.len - 6};
    if (!str_next(&rest, '-', &first) || !str_next(&rest, '/', &last) || str_to_u64(first, &from) < 0 ||
        str_to_u64(last, &to) < 0 || from != fetch->offset || to < from)
        return -1;
    *ret_size = -1;
    if (str_is(rest, "*"))
        return 0;
    if (str_to_u64(rest, &size) < 0 || to >= size || size > INT64_MAX)
        return -1;
    *ret_size = (int64_t)size;
    return 0;
}

static int describe_body(struct http_fetch *fetch, struct http_head *head)
{
    curl_off_t length = -1;
    long status = 0;

    curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(fetch->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(fetch->curl, CURLINFO_CONTENT_TYPE, &head->content_type);
    head->status = (int)status;
    head->length = length;
    /* A weak ETag does not promise the same bytes (RFC 9110, 13.1.5). */
    head->validator = fetch->etag && strncmp(fetch->etag, "W/", 2) != 0 ? fetch->etag : fetch->last_modified;
    if (status == STATUS_PARTIAL && !fetch->uploads) {
        head->offset = fetch->offset;
        if (!fetch->offset || check_range(fetch, &head->length) < 0)
            return refuse(fetch, HTTP_PERMANENT, "the server sends another part than it was asked for");
    } else if (status != 200 && !(fetch->uploads && status > 200 && status < 300)) {
        fetch->refused = HTTP_PERMANENT;
        return error_set(&fetch->why, ERROR_OPERATION_ERROR, fetch->url,
                         "the server answers with HTTP status %ld", status);
    }
    if (head->length > 0 && (uint64_t)head->length > fetch->max_bytes)
        return refuse(fetch, HTTP_PERMANENT, "the file is larger than allowed");
    return 0;
}

static int tell_head(struct http_fetch *fetch)
{
    struct http_head head = {0};

    if (fetch->head_told)
        return 0;
    if (describe_body(fetch, &head) < 0)
        return -1;
    fetch->head_told = true;
    fetch->received = head.offset;
    if (fetch->ops->head && fetch->ops->head(fetch->ctx, &head) != 0 && !fetch->ended)
        return refuse(fetch, HTTP_ABORTED, "stopped");
    return fetch->ended ? -1 : 0;
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
    struct http_fetch *fetch = ctx;

    (void)one;
    if (fetch->ended || tell_head(fetch) < 0)
        return 0;
    if (len > fetch->max_bytes || fetch->received > fetch->max_bytes - len) {
        refuse(fetch, HTTP_PERMANENT, "the file is larger than allowed");
        return 0;
    }
    fetch->received += len;
    if (fetch->ops->body(fetch->ctx, (const uint8_t *)data, len) != 0 && !fetch->ended) {
        refuse(fetch, HTTP_ABORTED, "stopped");
        return 0;
    }
    return fetch->ended ? 0 : len;
}

/* ---- the end ---- */

static enum http_outcome classify_status(long status)
{
    return status == 408 || status == 429 || status >= 500 ? HTTP_TRANSIENT : HTTP_PERMANENT;
}

static enum http_outcome classify(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_DONE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_WEIRD_SERVER_REPLY:
        return HTTP_TRANSIENT;
    default:
        return HTTP_PERMANENT;
    }
}

/* Says in fetch->why what curl says. */
static enum http_outcome describe_end(struct http_fetch *fetch, CURLcode code)
{
    long status = 0;

    if (code == CURLE_OK && tell_head(fetch) == 0) /* an empty body */
        return HTTP_DONE;
    if (fetch->refused != HTTP_DONE)
        return fetch->refused;
    curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_HTTP_RETURNED_ERROR) {
        error_set(&fetch->why, ERROR_OPERATION_ERROR, fetch->url, "the server answers with HTTP status %ld",
                  status);
        return classify_status(status);
    }
    if (code == CURLE_PARTIAL_FILE)
        error_set(&fetch->why, ERROR_OPERATION_ERROR, fetch->url, "the connection ended before the file did");
    else if (code == CURLE_TOO_MANY_REDIRECTS)
        error_set(&fetch->why, ERROR_OPERATION_ERROR, fetch->url, "more than %d redirects", REDIRECTS);
    else if (code == CURLE_UNSUPPORTED_PROTOCOL)
        error_set(&fetch->why, ERROR_OPERATION_ERROR, fetch->url,
                  "only http and https are fetched, and nothing else after https");
    else
        error_set(&fetch->why, ERROR_OPERATION_ERROR, fetch->url, "%s",
                  fetch->reason[0] ? fetch->reason : curl_easy_strerror(code));
    return classify(code);
}

void http_fetch_finish(struct http_fetch *fetch, CURLcode code)
{
    enum http_outcome outcome;

    if (fetch->ended)
        return;
    outcome = describe_end(fetch, code);
    if (fetch->ended)
        return;
    end_fetch(fetch);
    fetch->ops->done(fetch->ctx, outcome, &fetch->why);
}

/* ---- beginning ---- */

/* "https://name:secret@host/" without what is before the "@". */
static char *public_url(const char *url)
{
    const char *host = strstr(url, "://");
    size_t len = strlen(url);
    const char *end;
    const char *at;
    char *copy;

    host = host ? host + 3 : url;
    end = host + strcspn(host, "/?#");
    at = memrchr(host, '@', (size_t)(end - host));
    if (!at)
        return str_dup(url, len);
    copy = malloc(len + 1);
    if (copy)
        snprintf(copy, len + 1, "%.*s%s", (int)(host - url), url, at + 1);
    return copy;
}

static int add_header(struct http_fetch *fetch, const char *line)
{
    struct curl_slist *list = curl_slist_append(fetch->headers, line);

    if (!list)
        return -1;
    fetch->headers = list;
    return 0;
}

static int ask_for_rest(struct http_fetch *fetch, const struct http_request *request)
{
    char line[512];

    if (!request->offset)
        return 0;
    /* Not CURLOPT_RESUME_FROM: to curl an answer with the whole file is then an error. */
    snprintf(line, sizeof(line), "Range: bytes=%llu-", (unsigned long long)request->offset);
    if (add_header(fetch, line) < 0)
        return -1;
    if (!request->validator)
        return 0;
    if ((size_t)snprintf(line, sizeof(line), "If-Range: %s", request->validator) >= sizeof(line))
        return -1;
    return add_header(fetch, line);
}

static void limit_protocols(CURL *curl, bool secure)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS,
                     secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static void set_tls(CURL *curl, const struct tls_settings *tls)
{
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (tls->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, tls->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* not the system's besides */
    }
    if (tls->certificate_file) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, tls->certificate_file);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, tls->key_file ? tls->key_file : tls->certificate_file);
    }
}

static void set_credentials(CURL *curl, const struct http_request *request)
{
    if (!request->username)
        return;
    /* curl gives them to the first host only (CURLOPT_UNRESTRICTED_AUTH is off). */
    curl_easy_setopt(curl, CURLOPT_USERNAME, request->username);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, request->password ? request->password : "");
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST));
}

static void set_options(struct http_fetch *fetch, const struct http_request *request)
{
    CURL *curl = fetch->curl;

    curl_easy_setopt(curl, CURLOPT_PRIVATE, (void *)fetch);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fetch->reason);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, (void *)fetch);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, (void *)fetch);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fetch->headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "homepatch");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* not the environment's */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, request->no_redirects ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
                     (long)(request->connect_timeout_s ? request->connect_timeout_s : CONNECT_S));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                     (long)(request->stall_timeout_s ? request->stall_timeout_s : STALL_S));
    limit_protocols(curl, strncasecmp(request->url, "https:", 6) == 0);
    set_credentials(curl, request);
    set_tls(curl, &request->tls);
}

/* The content stays where it is: curl sends it again after a redirect or a request for credentials. */
static int set_upload(struct http_fetch *fetch, const struct http_upload *upload)
{
    CURL *curl = fetch->curl;

    for (const char *const *line = upload->headers; *line; line++)
        if (add_header(fetch, *line) < 0)
            return -1;
    buf_move(&fetch->content, upload->content);
    fetch->uploads = true;
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->content.len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, fetch->content.len ? (char *)buf_data(&fetch->content) : "");
    curl_easy_setopt(curl, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)upload->timeout_s);
    return curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, upload->method) == CURLE_OK ? 0 : -1;
}

static int begin(struct http_fetch *fetch, const struct http_request *request,
                 const struct http_upload *upload, struct error *err)
{
    bool usable = strncasecmp(request->url, "http://", 7) == 0 ||
                  strncasecmp(request->url, "https://", 8) == 0;
    CURLMcode rc;

    if (!usable)
        return error_set(err, ERROR_INVALID_VALUE, request->url, "only http and https URLs can be fetched");
    fetch->url = public_url(request->url);
    fetch->curl = curl_easy_init();
    if (!fetch->url || !fetch->curl || ask_for_rest(fetch, request) < 0 ||
        (upload && set_upload(fetch, upload) < 0) ||
        curl_easy_setopt(fetch->curl, CURLOPT_URL, request->url) != CURLE_OK)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, fetch->url, "out of memory");
    set_options(fetch, request);
    rc = curl_multi_add_handle(fetch->fetcher->multi, fetch->curl);
    if (rc != CURLM_OK)
        return error_set(err, ERROR_INTERNAL, fetch->url, "%s", curl_multi_strerror(rc));
    return 0;
}

struct http_fetch *http_fetch_begin(struct http_fetcher *fetcher, const struct http_request *request,
                                    const struct http_upload *upload, const struct http_fetch_ops *ops,
                                    void *ctx, struct error *err)
{
    struct http_fetch *fetch = calloc(1, sizeof(*fetch));

    if (!fetch) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, request->url, "out of memory");
        return NULL;
    }
    fetch->fetcher = fetcher;
    fetch->ops = ops;
    fetch->ctx = ctx;
    fetch->offset = request->offset;
    fetch->max_bytes = request->max_bytes;
    fetch->next = fetcher->first;
    if (fetch->next)
        fetch->next->self = &fetch->next;
    fetch->self = &fetcher->first;
    fetcher->first = fetch;
    if (begin(fetch, request, upload, err) < 0) {
        http_fetch_free(fetch);
        return NULL;
    }
    return fetch;
}

struct http_fetch *http_fetch_start(struct http_fetcher *fetcher, const struct http_request *request,
                                    const struct http_fetch_ops *ops, void *ctx, struct error *err)
{
    return http_fetch_begin(fetcher, request, NULL, ops, ctx, err);
}

void http_fetch_cancel(struct http_fetch *fetch)
{
    if (fetch && !fetch->ended)
        end_fetch(fetch);
}
