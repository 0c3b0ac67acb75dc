/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device says of itself. A value that is too long, or has control characters in it, was not said. */
#include <string.h>

#include "devices/dialects/uspdev_peer.h"

static const struct str INFO = {"Device.DeviceInfo.", 18};
static const struct str IMAGES = {"Device.DeviceInfo.FirmwareImage.", 32};

enum {
    NAME_MAX_BYTES = 256,
};

static void take(char *to, size_t size, struct str value)
{
    if (value.len >= size)
        return;
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.data[i] < ' ' || value.data[i] == 0x7f)
            return;
    memcpy(to, value.data, value.len);
    to[value.len] = '\0';
}

/* For people: what does not fit is cut off (between characters), lines become one. */
static void take_log(char *to, size_t size, struct str value)
{
    size_t len = value.len < size ? value.len : str_whole((struct str){value.data, size - 1});

    for (size_t i = 0; i < len; i++)
        to[i] = (unsigned char)value.data[i] < ' ' || value.data[i] == 0x7f ? ' ' : value.data[i];
    to[len] = '\0';
}

uint32_t uspdev_bank_of(struct str path)
{
    struct str part;
    uint64_t number;

    if (!str_starts(path, IMAGES))
        return 0;
    path = (struct str){path.data + IMAGES.len, path.len - IMAGES.len};
    if (!str_next(&path, '.', &part) || str_to_u64(part, &number) < 0 || number > UINT32_MAX)
        return 0;
    return (uint32_t)number;
}

/* The place of this row among those that are looked at, or -1: there are too many. */
static int bank_at(struct uspdev_info *info, uint32_t instance)
{
    for (int i = 0; i < USPDEV_BANKS; i++) {
        if (!info->banks[i].instance)
            info->banks[i].instance = instance;
        if (info->banks[i].instance == instance)
            return i;
    }
    return -1;
}

static enum uspdev_status status_of(struct str text)
{
    static const struct {
        const char *text;
        enum uspdev_status status;
    } words[] = {
        {"Active", USPDEV_ACTIVE},
        {"Downloading", USPDEV_BUSY},
        {"Validating", USPDEV_BUSY},
        {"Available", USPDEV_AVAILABLE},
        {"DownloadFailed", USPDEV_LOAD_FAILED},
        {"ValidationFailed", USPDEV_LOAD_FAILED},
        {"InstallationFailed", USPDEV_LOAD_FAILED},
        {"ActivationFailed", USPDEV_ACTIVATION_FAILED},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (str_is(text, words[i].text))
            return words[i].status;
    return USPDEV_OTHER;
}

struct reading {
    struct uspdev_info *info;
    char logs[USPDEV_BANKS][USPDEV_LOG_MAX + 1];
    bool refused; /* all that was asked for */
};

static void bank_value(struct reading *reading, uint32_t instance, struct str name, struct str value)
{
    struct uspdev_info *info = reading->info;
    int at = instance ? bank_at(info, instance) : -1;

    if (at < 0)
        return;
    if (str_is(name, "Status"))
        info->banks[at].status = (uint8_t)status_of(value);
    else if (str_is(name, "Name"))
        take(info->names[at], sizeof(info->names[at]), value);
    else if (str_is(name, "BootFailureLog"))
        take_log(reading->logs[at], sizeof(reading->logs[at]), value);
}

static void info_value(struct uspdev_info *info, struct str name, struct str value)
{
    const struct {
        const char *name;
        char *to;
        size_t size;
    } texts[] = {
        {"Manufacturer", info->manufacturer, sizeof(info->manufacturer)},
        {"ManufacturerOUI", info->oui, sizeof(info->oui)},
        {"ModelName", info->model, sizeof(info->model)},
        {"ProductClass", info->product_class, sizeof(info->product_class)},
        {"SerialNumber", info->serial_number, sizeof(info->serial_number)},
        {"HardwareVersion", info->hardware_version, sizeof(info->hardware_version)},
        {"SoftwareVersion", info->software_version, sizeof(info->software_version)},
        {"FriendlyName", info->friendly_name, sizeof(info->friendly_name)},
        {"Description", info->description, sizeof(info->description)},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (str_is(name, texts[i].name))
            take(texts[i].to, texts[i].size, value);
    if (str_is(name, "ActiveFirmwareImage"))
        info->active = uspdev_bank_of(value);
    else if (str_is(name, "UpTime") && str_to_u64(value, &info->up_time) < 0)
        info->up_time = UINT64_MAX;
}

/* Agents give a value below the object that was asked for as "FirmwareImage.1.Status" too: the whole path decides. */
static int on_fact(void *ctx, const struct usp_client_fact *fact)
{
    struct reading *reading = ctx;
    char text[NAME_MAX_BYTES];
    struct str full = {text, fact->path.len + fact->name.len}, name;
    uint32_t bank;

    if (fact->kind == USP_FACT_FAILURE && str_equal(fact->requested, INFO))
        reading->refused = true;
    if (fact->kind != USP_FACT_VALUE || full.len >= sizeof(text) || !str_starts(fact->path, INFO))
        return 0;
    memcpy(text, fact->path.data, fact->path.len);
    if (fact->name.len)
        memcpy(text + fact->path.len, fact->name.data, fact->name.len);
    name = full;
    for (size_t i = full.len; i > 0 && name.len == full.len; i--)
        if (text[i - 1] == '.')
            name = (struct str){text + i, full.len - i};
    bank = uspdev_bank_of(full);
    if (bank)
        bank_value(reading, bank, name, fact->value);
    else if (name.len + INFO.len == full.len)
        info_value(reading->info, name, fact->value);
    return 0;
}

/* What the device runs is what it says, or else the row that says so. */
static void settle_active(struct reading *reading)
{
    struct uspdev_info *info = reading->info;

    for (int i = 0; i < USPDEV_BANKS && info->banks[i].instance; i++) {
        if (!info->active && info->banks[i].status == USPDEV_ACTIVE)
            info->active = info->banks[i].instance;
        if (info->banks[i].status == USPDEV_ACTIVATION_FAILED && reading->logs[i][0])
            memcpy(info->log, reading->logs[i], sizeof(info->log));
    }
}

int uspdev_info_read(const struct usp_client_message *message, struct uspdev_info *ret, struct error *err)
{
    struct reading reading = {.info = ret};

    *ret = (struct uspdev_info){.up_time = UINT64_MAX};
    if (usp_client_read(message, on_fact, &reading, err) < 0)
        return -1;
    if (reading.refused)
        return error_set(err, ERROR_REQUEST_DENIED, NULL,
                         "it does not let the gateway read Device.DeviceInfo.: its role there may not");
    if (!ret->software_version[0])
        return error_set(err, ERROR_INVALID_VALUE, NULL, "it says no Device.DeviceInfo.SoftwareVersion");
    settle_active(&reading);
    return 0;
}

struct commands {
    bool download, activate;
};

static int on_command(void *ctx, const struct usp_client_fact *fact)
{
    struct commands *commands = ctx;

    if (fact->kind == USP_FACT_COMMAND && str_is(fact->name, "Download()"))
        commands->download = true;
    if (fact->kind == USP_FACT_COMMAND && str_is(fact->name, "Activate()"))
        commands->activate = true;
    return 0;
}

int uspdev_commands_read(const struct usp_client_message *message, bool *ret_download, bool *ret_activate)
{
    struct commands commands = {false, false};

    if (usp_client_read(message, on_command, &commands, NULL) < 0)
        return -1;
    *ret_download = commands.download;
    *ret_activate = commands.activate;
    return 0;
}
