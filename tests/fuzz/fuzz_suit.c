/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SUIT envelopes without the protection of a signature: whatever the bytes are, reading, checking, running and writing them
 * out again end. One input is one envelope; what is read of it also goes to COSE and to the reader of bare CBOR.
 */
#include <stdlib.h>

#include "release/anchor.h"
#include "release/cose.h"
#include "release/suit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* To be sure that what is borrowed lies in the input. */
static void touch(const struct release *release)
{
    volatile char last;

    if (release->payload.len)
        last = release->payload.data[release->payload.len - 1];
    (void)last;
}

static void run(struct str bytes, const struct suit_envelope *envelope)
{
    struct suit_manifest manifest;
    struct release_identity identity;
    struct release release = {.roles = 0};
    struct cose_sign1 sign1;
    struct buf kept;
    char text[160];

    for (unsigned i = 0; i < envelope->blocks_count; i++)
        cose_read(envelope->blocks[i], &sign1, NULL);
    buf_init(&kept, 1 << 20, 0);
    if (release_strip(bytes, true, &kept, NULL) == 0) {
        struct suit_envelope again;

        /* What is kept must be an envelope, too. */
        if (suit_read((struct str){(const char *)buf_data(&kept), kept.len}, false, &again, NULL) < 0)
            abort();
    }
    buf_done(&kept);
    if (suit_check(envelope, &manifest, NULL) < 0)
        return;
    suit_run(&manifest, NULL, &release, NULL);
    if (release_identify(&identity, "Maker", "maker.example", "Plus1", "2", NULL) < 0)
        return;
    release = (struct release){.roles = 0};
    if (suit_run(&manifest, &identity, &release, NULL) < 0)
        return;
    touch(&release);
    release_version_objection(&release, "1.4.4", text);
    release_wait_s(&release, 1800000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    struct suit_envelope envelope;
    struct cose_sign1 sign1;
    struct cbor cbor;

    cbor_open(&cbor, bytes);
    cose_read(bytes, &sign1, NULL);
    if (suit_read(bytes, true, &envelope, NULL) == 0)
        run(bytes, &envelope);
    return 0;
}
