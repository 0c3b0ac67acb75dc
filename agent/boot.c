/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/boot.h"

#include <string.h>

enum {
    TEXT_BYTES = 8192,
};

/* The record is three texts, each ended by NUL: cause, command key, reason. */
static void split(struct boot *boot)
{
    struct str rest = {(const char *)buf_data(&boot->text), boot->text.len};
    struct str part;
    const char **slots[] = {&boot->why.cause, &boot->why.command_key, &boot->why.reason};

    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]) && str_next(&rest, '\0', &part); i++)
        if (rest.data) /* the text was ended: it can be read as a string */
            *slots[i] = part.data;
}

int boot_load(struct boot *boot, struct store *store, const char *version, struct error *err)
{
    struct buf last;
    int found;

    buf_init(&boot->text, TEXT_BYTES, 0);
    boot->why = (struct usp_boot){.cause = "LocalReboot", .command_key = "", .reason = ""};
    found = store_get(store, BOOT_KIND, STR("cause"), &boot->text, err);
    if (found < 0)
        return -1;
    if (found) {
        split(boot);
        if (store_delete(store, BOOT_KIND, STR("cause"), err) < 0)
            return -1;
    }
    buf_init(&last, TEXT_BYTES, 0);
    found = store_get(store, BOOT_KIND, STR("version"), &last, NULL);
    boot->why.firmware_updated = found == 1 &&
                                 !str_equal(str_of(version),
                                            (struct str){(const char *)buf_data(&last), last.len});
    buf_done(&last);
    if (found == 1 && !boot->why.firmware_updated)
        return 0;
    return store_put(store, BOOT_KIND, STR("version"), version, strlen(version), err);
}

void boot_done(struct boot *boot)
{
    buf_done(&boot->text);
}

int boot_save(struct store *store, const struct model_restart *restart, struct error *err)
{
    struct buf text;
    int result;

    buf_init(&text, TEXT_BYTES, 0);
    buf_append(&text, restart->cause, strlen(restart->cause) + 1);
    buf_append(&text, restart->command_key, strlen(restart->command_key) + 1);
    buf_append(&text, restart->reason, strlen(restart->reason) + 1);
    if (text.failed)
        result = error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the reason of the restart is too long");
    else
        result = store_put(store, BOOT_KIND, STR("cause"), buf_data(&text), text.len, err);
    buf_done(&text);
    return result;
}
