/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `homepatch release`: what a manufacturer or an operator needs to make and to judge signed releases. It speaks to no agent,
 * and has a command line of its own: everything after the word `release`.
 */
#ifndef TOOLS_HOMEPATCH_RELEASE_H
#define TOOLS_HOMEPATCH_RELEASE_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/arena.h"
#include "release/release.h"
#include "release/suit_write.h"

enum {
    RELEASE_OPTION_IMAGES = 8, /* components of one envelope */
    RELEASE_OPTION_ANCHORS = 64,
};

/* One --image and the options that follow it. */
struct release_option_image {
    const char *file;
    const char *model;
    const char *hardware;
    const char *uri;
    bool inside;
};

/* Texts are borrowed from argv. */
struct release_options {
    const char *command;
    const char *file; /* the one argument */
    const char *output;
    const char *key;
    const char *certificate;
    const char *vendor, *vendor_name, *version, *description;
    const char *sequence, *priority, *min_battery, *use_before, *not_before, *not_after, *time;
    const char *from[RELEASE_VERSIONS];
    unsigned from_count;
    const char *role;
    const char *anchors[RELEASE_OPTION_ANCHORS];
    unsigned anchors_count;
    struct release_option_image images[RELEASE_OPTION_IMAGES];
    unsigned images_count;
    bool ask, sever_text, cms, json, ed25519, untagged, help;
    struct arena arena;
};

/* The exit code: 0 done; 1 refused (verify), or it could not be done; 2 the command line is wrong. */
int release_main(int argc, char **argv);

/* Each: 0, or -1 and err; ERROR_INVALID_ARGUMENTS is about the command line. */
int release_keygen(struct release_options *options, struct error *err);
int release_create(struct release_options *options, struct error *err);
int release_sign(struct release_options *options, struct error *err);
int release_inspect(struct release_options *options, struct error *err);
int release_verify(struct release_options *options, struct error *err);

/* ---- release_files.c ---- */
/* The whole file, in the arena. */
int release_read_file(struct release_options *options, const char *path, size_t max, struct str *ret,
                      struct error *err);
EVP_PKEY *release_private_key(struct release_options *options, const char *path, struct error *err);
/* SHA-256 of a file of any size. */
int release_digest_file(const char *path, uint8_t ret_digest[32], uint64_t *ret_size, struct error *err);

#endif
