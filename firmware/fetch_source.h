/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tells fetches apart, and the source of bytes that is an http_fetcher.
 */
#ifndef FIRMWARE_FETCH_SOURCE_H
#define FIRMWARE_FETCH_SOURCE_H

#include "firmware/fetch.h"

/* Whoever has the same key may share: URL, credentials and checksum are in it, none can be read from it. */
int fetch_key(const struct fetch_args *args, char key[CACHE_PART_KEY_BYTES]);

#endif
