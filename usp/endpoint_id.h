/* SPDX-License-Identifier: BSD-3-Clause */
/* What an Endpoint ID may look like (R-ARC.2a to R-ARC.6): authority-scheme ":" [authority-id] ":" instance-id. */
#ifndef USP_ENDPOINT_ID_H
#define USP_ENDPOINT_ID_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

/* 0, or -1 and why it is none that an agent may have. */
int usp_endpoint_id_check(struct str id, struct error *err);
/* Its scheme is for prototypes or documents, not for production (R-ARC.4). */
bool usp_endpoint_id_is_trial(struct str id);

#endif
