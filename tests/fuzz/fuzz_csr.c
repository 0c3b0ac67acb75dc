/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device posts to get a certificate. A name that was taken is one that may be. */
#include <stdlib.h>
#include <string.h>

#include "devices/authority/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csr csr;
    bool is_endpoint;

    if (csr_read((struct str){(const char *)data, size}, &csr, NULL) < 0)
        return 0;
    if (!csr.key || csr_check_name(str_of(csr.name), &is_endpoint, NULL) < 0 ||
        is_endpoint != csr.is_endpoint)
        abort();
    csr_done(&csr);
    return 0;
}
