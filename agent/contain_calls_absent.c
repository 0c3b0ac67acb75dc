/* SPDX-License-Identifier: BSD-3-Clause */
/* Built without libseccomp. */
#include "agent/contain.h"

int contain_calls(struct error *err)
{
    (void)err;
    return 0;
}
