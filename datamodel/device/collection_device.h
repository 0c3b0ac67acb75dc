/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device.CollectionDevice.{i}.: each device of the home once, be it a host, a proxied device or both. They are the same when
 * the device says the MAC address of the host, or, where its dialect has none, came from one of the host's IP addresses.
 *
 * A row stays with its device or host as long as either is known; when two rows turn out to be one device, the elder stays.
 * Instance and alias are kept in the store (kind "collection").
 */
#ifndef DATAMODEL_DEVICE_COLLECTION_DEVICE_H
#define DATAMODEL_DEVICE_COLLECTION_DEVICE_H

#include "datamodel/device/model.h"

extern const struct dm_object model_collection_device;

/* Listens to model->hosts and to the registry of model->home, whose rows are there. -1: the store cannot be read. */
int model_collection_start(struct model *model, struct error *err);
void model_collection_stop(struct model *model);

#endif
