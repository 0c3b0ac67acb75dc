/* SPDX-License-Identifier: BSD-3-Clause */
/* The times of certificates as seconds since 1970, for all years: OpenSSL's own way goes through time_t (base/calendar.h). */
#ifndef BASE_X509_TIME_H
#define BASE_X509_TIME_H

#include <openssl/x509.h>

#include "base/calendar.h"

/* 0: it is none. */
static inline int64_t x509_seconds(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) == 1 ? calendar_seconds(&tm) : 0;
}

/* Sets `to`, or a new one that the caller frees; NULL: out of memory, or not within the years 0 to 9999. */
static inline ASN1_TIME *x509_time(ASN1_TIME *to, int64_t seconds)
{
    return ASN1_TIME_adj(to, 0, (int)(seconds / 86400), (long)(seconds % 86400));
}

#endif
