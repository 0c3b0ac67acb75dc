/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/notice.h"

#include <stdlib.h>
#include <string.h>

void notice_put(struct buf *buf, const struct firmware_notice *notice)
{
    record_put_number(buf, notice != NULL);
    if (!notice)
        return;
    record_put_number(buf, notice->severity);
    record_put_number(buf, notice->security);
    record_put_number(buf, notice->ask);
    record_put_text(buf, notice->text);
    record_put_text(buf, notice->notes_url);
}

struct firmware_notice *notice_read(struct record_reader *reader)
{
    struct firmware_notice *notice;

    if (!record_choice(reader, 2))
        return NULL;
    notice = calloc(1, sizeof(*notice));
    if (!notice) {
        reader->failed = reader->no_memory = true;
        return NULL;
    }
    notice->severity = (enum firmware_severity)record_choice(reader, FIRMWARE_SEVERITIES);
    notice->security = record_choice(reader, 2);
    notice->ask = record_choice(reader, 2);
    record_copy(reader, notice->text, sizeof(notice->text));
    record_copy(reader, notice->notes_url, sizeof(notice->notes_url));
    return notice;
}

int notice_replace(struct firmware_notice **slot, const struct firmware_notice *notice)
{
    struct firmware_notice *copy = NULL;

    if (notice && (notice->severity != SEVERITY_UNKNOWN || notice->security || notice->ask || *notice->text ||
                   *notice->notes_url)) {
        copy = malloc(sizeof(*copy));
        if (!copy)
            return -1;
        *copy = *notice;
    }
    free(*slot);
    *slot = copy;
    return 0;
}

enum firmware_severity firmware_severity_of_priority(int64_t priority)
{
    return priority <= 0   ? SEVERITY_CRITICAL
           : priority == 1 ? SEVERITY_HIGH
           : priority == 2 ? SEVERITY_MEDIUM
                           : SEVERITY_LOW;
}

int firmware_slot_notice(struct firmware_target *target, int index, const struct firmware_notice *notice,
                         struct error *err)
{
    struct firmware_slot *slot;

    if (!target->firmware || index < 0 || index >= FIRMWARE_SLOTS)
        return error_set(err, ERROR_OBJECT_DOES_NOT_EXIST, target->path, "there is no such FirmwareImage");
    slot = &target->slots[index];
    if (index == target->active || (!slot->image && !slot->offer))
        return error_set(err, ERROR_COMMAND_FAILURE, target->path,
                         "FirmwareImage.%d holds no update; Download() one, or wait for the device's offer",
                         index + 1);
    if (notice_replace(&slot->notice, notice) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "no memory for the notice");
    return firmware_slots_save(target, err);
}
