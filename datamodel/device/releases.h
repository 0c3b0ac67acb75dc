/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.X_..._Releases.: trust in signed releases. Loop's thread only. */
#ifndef DATAMODEL_DEVICE_RELEASES_H
#define DATAMODEL_DEVICE_RELEASES_H

#include "datamodel/dm.h"

extern const struct dm_object model_releases, model_release_vendor, model_release_anchor;

/*
 * The rows of files are made what model->release_anchors say. -1: they stay as they were, and so may say what does not
 * count; what counts is model_trust_releases()'s, which the caller asks for next.
 */
int model_trust_files(struct dm *dm, struct error *err);
/* The firmware manager trusts from now on what the rows and model->release_anchors say. -1: all stays as it was. */
int model_trust_releases(struct dm *dm, struct error *err);

#endif
