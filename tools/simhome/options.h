/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line. Strings in *ret point into argv. */
#ifndef TOOLS_SIMHOME_OPTIONS_H
#define TOOLS_SIMHOME_OPTIONS_H

#include "tools/simhome/home.h"

enum options_result {
    OPTIONS_RUN,
    OPTIONS_DONE, /* --help or --version was answered */
    OPTIONS_BAD,  /* *err says why */
};

enum options_result options_parse(int argc, char **argv, struct options *ret, struct error *err);

/* The arguments of "make-image". */
struct image_options {
    const struct family *family;
    const char *model; /* as the family knows it */
    const char *version;
    const char *path;
    uint64_t size;
};

enum options_result options_parse_image(int argc, char **argv, struct image_options *ret, struct error *err);

#endif
