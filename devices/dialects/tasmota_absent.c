/* SPDX-License-Identifier: BSD-3-Clause */
/* In the place of tasmota*.c when configured with --without-tasmota: a row without a name is passed over. */
#include "devices/dialects/tasmota.h"

const struct dialect tasmota_dialect = {.name = NULL};
