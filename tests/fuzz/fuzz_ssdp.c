/* SPDX-License-Identifier: BSD-3-Clause */
/* An SSDP datagram from 192.0.2.7 (first byte '4') or fe80::7 on loopback, and all that follows from it. */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scan/ssdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
    if (!good)
        abort();
}

/* Whatever is fetched is at the sender. */
static void *on_fetch(void *ctx, const char *url, struct ssdp_fetch *token, struct error *err)
{
    const struct sockaddr *from = ctx;
    const char *prefix = from->sa_family == AF_INET ? "http://192.0.2.7:" : "http://[fe80::7%25lo]:";

    (void)token;
    require(strncmp(url, prefix, strlen(prefix)) == 0);
    url += strlen(prefix);
    require(strspn(url, "0123456789") > 0 && url[strspn(url, "0123456789")] == '/');
    for (; *url; url++)
        require(*url > ' ' && *url < 0x7f && *url != '#' && *url != '\\');
    error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "not in this test");
    return NULL;
}

static void on_refused(void *ctx, const struct ssdp_seen *seen, const struct error *err)
{
    (void)ctx;
    require(seen->address && err->message[0]);
}

static const struct ssdp_ops ops = {.fetch = on_fetch, .refused = on_refused};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_scope_id = 1};
    struct sockaddr *from = size && data[0] == '6' ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    struct timers timers;
    struct clock clock;
    struct ssdp *ssdp;

    if (!size)
        return 0;
    inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr);
    inet_pton(AF_INET6, "fe80::7", &v6.sin6_addr);
    clock_fake(&clock, 1700000000);
    timers_init(&timers, &clock);
    ssdp = ssdp_new(&timers, &ops, from, NULL);
    if (ssdp) {
        ssdp_input(ssdp, from, "lo", (struct str){(const char *)data + 1, size - 1});
        require(ssdp_senders(ssdp) <= 1);
        clock_fake_advance(&clock, 1000);
        timers_run(&timers);
        clock_fake_advance(&clock, (SSDP_MAX_AGE_LAST + 1) * 1000ull);
        timers_run(&timers);
        require(ssdp_senders(ssdp) == 0);
    }
    ssdp_free(ssdp);
    timers_done(&timers);
    return 0;
}
