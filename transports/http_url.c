/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/http_url.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_http(CURLU *url)
{
    char *scheme = NULL;
    bool http = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);

    curl_free(scheme);
    return http;
}

char *http_url_join(const char *base, const char *reference)
{
    CURLU *url = curl_url();
    char *joined = NULL, *copy = NULL;

    if (url && curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_URL, reference, 0) == CURLUE_OK && is_http(url) &&
        curl_url_get(url, CURLUPART_URL, &joined, 0) == CURLUE_OK)
        copy = strdup(joined);
    curl_free(joined);
    curl_url_cleanup(url);
    return copy;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = NULL, *y = NULL;
    bool same = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(x, y) == 0;

    curl_free(x);
    curl_free(y);
    return same;
}

bool http_url_same_origin(const char *a, const char *b)
{
    CURLU *x = curl_url(), *y = curl_url();
    bool same = x && y && curl_url_set(x, CURLUPART_URL, a, 0) == CURLUE_OK &&
                curl_url_set(y, CURLUPART_URL, b, 0) == CURLUE_OK && same_part(x, y, CURLUPART_SCHEME) &&
                same_part(x, y, CURLUPART_HOST) && same_part(x, y, CURLUPART_PORT);

    curl_url_cleanup(x);
    curl_url_cleanup(y);
    return same;
}
