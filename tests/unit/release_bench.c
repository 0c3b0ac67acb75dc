/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/release_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int release_bench_anchor(struct release_bench *bench, EVP_PKEY *key, const struct anchor *anchor,
                         struct error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    long len;
    int result;

    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    len = BIO_get_mem_data(bio, &pem);
    result = anchors_add(bench->anchors, anchor, (struct str){pem, (size_t)len}, err);
    BIO_free(bio);
    return result;
}

void release_bench_init(struct release_bench *bench)
{
    static const uint8_t digest[32] = {1, 2, 3};

    *bench = (struct release_bench){
        .maker = EVP_EC_gen("P-256"),
        .carrier = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
        .stranger = EVP_EC_gen("P-256"),
        .anchors = anchors_new(),
        .image = {.model = "Plus1", .hardware = "", .size = 1000, .uri = "https://images.example/plus1.bin"},
        .description = {.vendor = "maker.example",
                        .sequence = 7,
                        .images_count = 1,
                        .vendor_name = "Maker",
                        .version = "1.4.4",
                        .description = "Closes a hole"},
    };
    memcpy(bench->image.digest, digest, sizeof(digest));
    bench->description.images = &bench->image;
    assert_int_equal(release_bench_anchor(bench, bench->maker,
                                          &(struct anchor){.name = "maker", .role = RELEASE_MANUFACTURER},
                                          NULL),
                     0);
    assert_int_equal(release_bench_anchor(bench, bench->carrier,
                                          &(struct anchor){.name = "operator", .role = RELEASE_OPERATOR},
                                          NULL),
                     0);
    assert_int_equal(release_identify(&bench->identity, "Maker", "maker.example", "Plus1", "2", NULL), 0);
    bench->request = (struct release_request){
        .anchors = bench->anchors, .identity = &bench->identity, .now = RELEASE_NOW};
}

void release_bench_done(struct release_bench *bench)
{
    EVP_PKEY_free(bench->maker);
    EVP_PKEY_free(bench->carrier);
    EVP_PKEY_free(bench->stranger);
    anchors_unref(bench->anchors);
}

void release_bench_make(struct release_bench *bench, struct buf *buf, EVP_PKEY *const *keys)
{
    struct error err;

    buf_init(buf, 1 << 20, 0);
    if (suit_write(&bench->description, buf, &err) < 0)
        fail_msg("%s", err.message);
    for (; *keys; keys++) {
        struct buf next;

        buf_init(&next, 1 << 20, 0);
        if (suit_sign((struct str){(const char *)buf_data(buf), buf->len}, *keys, &next, &err) < 0)
            fail_msg("%s", err.message);
        buf_done(buf);
        *buf = next;
    }
}

int release_bench_open(struct release_bench *bench, struct str bytes, struct release *ret, struct error *err)
{
    bench->request.bytes = bytes;
    error_clear(err);
    return release_open(&bench->request, ret, err);
}

static void must_refuse(const struct release_request *request, struct str bytes, const char *what, size_t at)
{
    struct release_request changed = *request;
    struct release release;
    struct error err;

    changed.bytes = bytes;
    error_clear(&err);
    if (release_open(&changed, &release, &err) == 0)
        fail_msg("%s at %zu was taken", what, at);
    assert_true(err.code != 0 && err.message[0]);
}

unsigned release_mutate(const struct release_request *request, struct str bytes)
{
    bool all = getenv("HOMEPATCH_ALL_BYTES") != NULL;
    char *copy = malloc(bytes.len + 8);
    unsigned tried = 0;

    assert_non_null(copy);
    memset(copy, 0, bytes.len + 8);
    memcpy(copy, bytes.data, bytes.len);
    for (size_t at = 0; at < bytes.len; at++) {
        for (unsigned change = 1; change < 256; change = all ? change + 1 : change << 1, tried++) {
            copy[at] = (char)(bytes.data[at] ^ (char)change);
            must_refuse(request, (struct str){copy, bytes.len}, "a change", at);
        }
        copy[at] = bytes.data[at];
    }
    for (size_t len = 0; len < bytes.len; len++, tried++)
        must_refuse(request, (struct str){copy, len}, "a cut", len);
    for (size_t more = 1; more <= 8; more++, tried++)
        must_refuse(request, (struct str){copy, bytes.len + more}, "something behind it", more);
    free(copy);
    return tried;
}

/* ---- the draft's examples ---- */

static FILE *open_vector(const char *name)
{
    const char *dir = getenv("HOMEPATCH_SUIT_VECTORS");
    const char *source = getenv("srcdir");
    char path[4096];

    if (dir)
        snprintf(path, sizeof(path), "%s/%s", dir, name);
    else
        snprintf(path, sizeof(path), "%s/../shared/vectors/suit/%s", source ? source : ".", name);
    return fopen(path, "re");
}

struct anchors *release_vectors_anchors(void)
{
    const struct anchor anchor = {.name = "trust-anchor.pem", .role = RELEASE_MANUFACTURER};
    FILE *file = open_vector("trust-anchor.pem");
    struct anchors *anchors;
    char pem[RELEASE_VECTOR_BYTES];
    size_t len;

    if (!file)
        return NULL;
    len = fread(pem, 1, sizeof(pem), file);
    fclose(file);
    anchors = anchors_new();
    assert_int_equal(anchors_add(anchors, &anchor, (struct str){pem, len}, NULL), 0);
    return anchors;
}

struct str release_vector(unsigned number, char to[RELEASE_VECTOR_BYTES])
{
    char name[32];
    FILE *file;
    size_t len;

    snprintf(name, sizeof(name), "example%u.suit", number);
    file = open_vector(name);
    assert_non_null(file);
    len = fread(to, 1, RELEASE_VECTOR_BYTES, file);
    fclose(file);
    return (struct str){to, len};
}
