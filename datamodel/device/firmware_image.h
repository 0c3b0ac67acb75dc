/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FirmwareImage.{i}., below Device.DeviceInfo. and below each Device.ProxiedDevice.{i}.DeviceInfo.: rows are the slots
 * of a firmware_target, attached by whoever has the target; Download() and Activate() are the same for all.
 */
#ifndef DATAMODEL_DEVICE_FIRMWARE_IMAGE_H
#define DATAMODEL_DEVICE_FIRMWARE_IMAGE_H

#include "datamodel/device/model.h"
#include "firmware/firmware.h"

extern const struct dm_object model_firmware_image;

/* Getters of Device.DeviceInfo. */
void model_gateway_active_image(const struct dm_row *row, struct dm_value *ret, char *scratch);
void model_activate_windows(const struct dm_row *row, struct dm_value *ret, char *scratch);

/* Attaches the rows of the target's slots below a DeviceInfo row; -1: memory. */
int model_firmware_attach(struct model *model, struct dm_row *device_info, struct firmware_target *target);

/* Listens to the firmware manager: slots, results, TransferComplete!. Once, before targets are added. */
int model_firmware_start(struct model *model, struct error *err);
void model_firmware_stop(struct model *model);

#endif
