/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader of a UPnP device description (UPnP Device Architecture 2.0, 2.3), on libxml2. The text comes from whoever sent a
 * NOTIFY, so it is read as a stream and no tree is built: a DOCTYPE ends it (with it go entities of all kinds), and so do depth,
 * elements and lengths above the ceilings below. Nothing is ever fetched for it. Owns no memory between calls.
 */
#ifndef SCAN_UPNP_DESCRIPTION_H
#define SCAN_UPNP_DESCRIPTION_H

#include "base/error.h"
#include "base/str.h"

enum {
    UPNP_TEXT_BYTES = 129, /* one value, terminated; a longer one is refused */
};

/* The root device. Values without blanks at their ends, UTF-8 without control characters; "": not said. */
struct upnp_device {
    char device_type[UPNP_TEXT_BYTES];
    char friendly_name[UPNP_TEXT_BYTES];
    char manufacturer[UPNP_TEXT_BYTES];
    char model_name[UPNP_TEXT_BYTES];
    char model_number[UPNP_TEXT_BYTES];
    char serial_number[UPNP_TEXT_BYTES];
    char udn[UPNP_TEXT_BYTES];
    char presentation_url[UPNP_TEXT_BYTES]; /* as it is written: a fact, never fetched */
    unsigned embedded;                      /* devices inside it, which are counted only */
};

/* -1: no description, or one that is refused. */
int upnp_description_parse(struct str text, struct upnp_device *ret, struct error *err);

#endif
