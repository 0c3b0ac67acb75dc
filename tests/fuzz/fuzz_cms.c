/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON manifests and the CMS signatures beside them, before any is believed. The first line of an input that does not begin
 * with { is skipped: what follows is the signature of a fixed manifest; else it is a manifest. Anchor files are read as
 * the input, too.
 */
#include <stdlib.h>
#include <string.h>

#include "release/anchor.h"
#include "release/cms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    const char *end = size ? memchr(data, '\n', size) : NULL;
    struct anchors *anchors = anchors_new();
    struct release_request request = {.bytes = STR("{}"), .anchors = anchors, .now = 1800000000};
    struct release release = {.roles = 0};
    struct release_identity identity;
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;

    if (!anchors)
        return 0;
    if (cms_is_manifest(bytes)) {
        cms_read(bytes, NULL, &release, NULL);
        release = (struct release){.roles = 0};
        if (release_identify(&identity, "Maker", "maker.example", "Plus1", "2", NULL) == 0)
            cms_read(bytes, &identity, &release, NULL);
    } else if (end) {
        request.signature = (struct str){end + 1, size - (size_t)(end + 1 - bytes.data)};
        /* Without an anchor nothing can have signed. */
        if (cms_authenticate(&request, &release, NULL) == 0)
            abort();
        if (anchor_parse(request.signature, &key, &certificate, NULL) == 0) {
            EVP_PKEY_free(key);
            X509_free(certificate);
        }
    }
    anchors_unref(anchors);
    return 0;
}
