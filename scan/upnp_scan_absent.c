/* SPDX-License-Identifier: BSD-3-Clause */
/* SSDP was left out of this build (--without-ssdp). */
#include "scan/upnp_scan.h"

const bool upnp_scan_available = false;

struct upnp_scan *upnp_scan_new(struct loop *loop, struct hosts *hosts, const char *interfaces,
                                const struct upnp_scan_ops *ops, void *ctx, struct error *err)
{
    (void)loop;
    (void)hosts;
    (void)interfaces;
    (void)ops;
    (void)ctx;
    error_set(err, ERROR_INTERNAL, NULL, "this build has no SSDP");
    return NULL;
}

void upnp_scan_free(struct upnp_scan *scan)
{
    (void)scan;
}

void upnp_scan_fetched(void *token, const struct str *text, const struct error *err)
{
    (void)token;
    (void)text;
    (void)err;
}

void upnp_scan_counts(const struct upnp_scan *scan, struct upnp_counts *ret)
{
    (void)scan;
    *ret = (struct upnp_counts){0};
}
