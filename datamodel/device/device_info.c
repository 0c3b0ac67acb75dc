/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.DeviceInfo. */
#include <time.h>

#include "datamodel/device/firmware_image.h"
#include "datamodel/device/model.h"

/* What the factory configuration says of the gateway. */
struct device_info {
    char *manufacturer;
    char *manufacturer_oui;
    char *model_name;
    char *model_number;
    char *description;
    char *product_class;
    char *serial_number;
    char *hardware_version;
    char *software_version;
    char *provisioning_code;
    char *friendly_name;
    char *boot_firmware_image;
};

/* Of the gateway: since the kernel started. */
static void get_up_time(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    struct timespec now;

    (void)row;
    (void)scratch;
    clock_gettime(CLOCK_BOOTTIME, &now);
    ret->number = (uint64_t)now.tv_sec;
}

static const struct dm_param params[] = {
    {.name = "Manufacturer",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .max = 64,
     .offset = DM_OFFSET(struct device_info, manufacturer)},
    {.name = "ManufacturerOUI",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .max = 6,
     .offset = DM_OFFSET(struct device_info, manufacturer_oui)},
    {.name = "ModelName",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .max = 64,
     .offset = DM_OFFSET(struct device_info, model_name)},
    {.name = "ModelNumber",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .max = 64,
     .offset = DM_OFFSET(struct device_info, model_number)},
    {.name = "Description",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .max = 256,
     .offset = DM_OFFSET(struct device_info, description)},
    {.name = "ProductClass",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .max = 64,
     .offset = DM_OFFSET(struct device_info, product_class)},
    {.name = "SerialNumber",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .max = 64,
     .offset = DM_OFFSET(struct device_info, serial_number)},
    {.name = "HardwareVersion",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .max = 64,
     .offset = DM_OFFSET(struct device_info, hardware_version)},
    {.name = "SoftwareVersion",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .max = 64,
     .offset = DM_OFFSET(struct device_info, software_version)},
    {.name = "ProvisioningCode",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 64,
     .offset = DM_OFFSET(struct device_info, provisioning_code)},
    {.name = "FriendlyName",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 32,
     .offset = DM_OFFSET(struct device_info, friendly_name)},
    {.name = "UpTime", .type = DM_UNSIGNED_INT, .flags = DM_NO_NOTIFY, .get = get_up_time},
    {.name = "ActiveFirmwareImage", .type = DM_STRING, .get = model_gateway_active_image},
    {.name = "BootFirmwareImage",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF,
     .refers = "Device.DeviceInfo.FirmwareImage.",
     .offset = DM_OFFSET(struct device_info, boot_firmware_image)},
    {.name = "FirmwareImageNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "FirmwareImage"},
    {.name = "MaxNumberOfActivateTimeWindows", .type = DM_UNSIGNED_INT, .get = model_activate_windows},
    DM_END_PARAMS,
};

const struct dm_object model_device_info = {.data_size = sizeof(struct device_info), .params = params};
