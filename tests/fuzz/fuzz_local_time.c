/* SPDX-License-Identifier: BSD-3-Clause */
/* Time zones: whatever is taken gives an offset that a clock can have, at any moment. One input is one text. */
#include <stdlib.h>
#include <string.h>

#include "base/local_time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t moments[] = {0, 86399, 951782400, 1774746000, 1792890000, 4102444800, 253402300799};
    struct local_zone zone;
    char text[300];

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (local_zone_parse(&zone, text, NULL) < 0)
        return 0;
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
        if (abs(local_offset(&zone, moments[i])) > 26 * 3600)
            abort();
    return 0;
}
