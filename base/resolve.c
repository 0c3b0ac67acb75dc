/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

struct resolve {
    struct loop *loop;
    uv_getaddrinfo_t request;
    void *lookup; /* of local_names; NULL: the request runs */
    char *host;
    resolve_fn *done; /* NULL: cancelled */
    void *ctx;
};

bool resolve_is_local(const char *host)
{
    static const char suffix[] = ".local";
    size_t len = strlen(host);

    if (len && host[len - 1] == '.')
        len--;
    return len >= sizeof(suffix) &&
           strncasecmp(host + len - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) == 0;
}

static void resolve_free(struct resolve *resolve)
{
    free(resolve->host);
    free(resolve);
}

static void end(struct resolve *resolve, struct addrinfo *addresses, const struct error *err)
{
    if (resolve->done)
        resolve->done(resolve->ctx, addresses, err);
    else if (addresses)
        freeaddrinfo(addresses);
    resolve_free(resolve);
}

static void on_system(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct resolve *resolve = request->data;
    struct error err;

    if (status < 0)
        error_set(&err, ERROR_INTERNAL, resolve->host, "cannot resolve the name: %s", uv_strerror(status));
    end(resolve, status < 0 ? NULL : addresses, &err);
}

static void on_local(void *ctx, const char *address, const struct error *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}; /* asks nobody */
    struct resolve *resolve = ctx;
    struct addrinfo *addresses = NULL;
    struct error err;

    resolve->lookup = NULL;
    if (!address)
        error_set(&err, ERROR_INTERNAL, resolve->host, "cannot resolve the name: %s", why->message);
    else if (getaddrinfo(address, NULL, &hints, &addresses) != 0)
        error_set(&err, ERROR_INTERNAL, resolve->host, "cannot resolve the name: \"%s\" is no address",
                  address);
    end(resolve, addresses, &err);
}

static int ask_system(struct resolve *resolve, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int rc = uv_getaddrinfo(&resolve->loop->uv, &resolve->request, on_system, resolve->host, NULL, &hints);

    return rc < 0
               ? error_set(err, ERROR_INTERNAL, resolve->host, "cannot resolve the name: %s", uv_strerror(rc))
               : 0;
}

struct resolve *resolve_start(struct loop *loop, const char *host, resolve_fn *done, void *ctx,
                              struct error *err)
{
    struct resolve *resolve = calloc(1, sizeof(*resolve));
    const struct local_names *names = loop->local_names;
    int result;

    if (!resolve || str_replace(&resolve->host, host) < 0) {
        free(resolve);
        error_set(err, ERROR_RESOURCES_EXCEEDED, host, "out of memory");
        return NULL;
    }
    resolve->loop = loop;
    resolve->done = done;
    resolve->ctx = ctx;
    resolve->request.data = resolve;
    if (names && resolve_is_local(host)) {
        resolve->lookup = names->start(names->ctx, host, on_local, resolve, err);
        result = resolve->lookup ? 0 : -1;
    } else {
        result = ask_system(resolve, err);
    }
    if (result == 0)
        return resolve;
    resolve_free(resolve);
    return NULL;
}

void resolve_cancel(struct resolve *resolve)
{
    if (!resolve)
        return;
    resolve->done = NULL;
    if (resolve->lookup) {
        resolve->loop->local_names->cancel(resolve->loop->local_names->ctx, resolve->lookup);
        resolve_free(resolve);
    } else {
        uv_cancel((uv_req_t *)&resolve->request); /* freed when it is back */
    }
}
