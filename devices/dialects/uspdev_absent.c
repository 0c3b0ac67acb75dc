/* SPDX-License-Identifier: BSD-3-Clause */
/* In the place of uspdev*.c when configured with --without-uspdev: a row without a name is passed over. */
#include "devices/dialects/uspdev.h"

const struct dialect uspdev_dialect = {.name = NULL};
