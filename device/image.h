/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The image of the reference device: a head of text lines, an empty line, and the payload that the head speaks for. A real
 * device has its own form; what matters is that it can tell an image of its model, whole and unchanged, from anything else
 * before it makes it what it boots.
 *
 *   homepatch-device image 1
 *   model = Reference
 *   version = 2.0.0
 *   behaviour = good
 *   size = 65536
 *   sha256 = ...
 */
#ifndef DEVICE_IMAGE_H
#define DEVICE_IMAGE_H

#include <stdint.h>

#include "base/error.h"

enum {
    IMAGE_TEXT_BYTES = 65, /* TR-181 string (:64) */
};

/* What a started image does. Real ones do not say so beforehand. */
enum image_behaviour {
    IMAGE_GOOD,
    IMAGE_DEAD, /* ends at once, as firmware that crashes early */
    IMAGE_MUTE, /* runs and never reaches its controller */
};

struct image {
    char model[IMAGE_TEXT_BYTES];
    char version[IMAGE_TEXT_BYTES];
    enum image_behaviour behaviour;
    uint64_t size; /* of the payload */
};

/* Reads the head and checks the payload against it. Blocks: for workers, and for the start. model: of this device, NULL for
 * any. */
int image_check(const char *path, const char *model, struct image *ret, struct error *err);
/* Writes an image with a payload of image->size bytes that say nothing. */
int image_make(const char *path, const struct image *image, struct error *err);
/* -1: it is not one of the words. */
int image_behaviour_parse(const char *word, enum image_behaviour *ret);

#endif
