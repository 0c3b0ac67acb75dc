/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/window.h"

int window_check(const struct firmware_window *windows, size_t count, struct error *err)
{
    if (count > FIRMWARE_WINDOWS)
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, "TimeWindow.",
                         "%zu windows are given, at most %d are allowed", count, FIRMWARE_WINDOWS);
    for (size_t i = 0; i < count; i++) {
        if (windows[i].end_s <= windows[i].start_s)
            return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, "TimeWindow.",
                             "window %zu ends at %u s, which is not after its start at %u s", i + 1,
                             windows[i].end_s, windows[i].start_s);
        if (windows[i].mode > MODE_CONFIRMATION_NEEDED)
            return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, "TimeWindow.",
                             "window %zu has an unknown Mode", i + 1);
        if (windows[i].max_retries < -1 || windows[i].max_retries > 10)
            return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, "TimeWindow.",
                             "MaxRetries of window %zu is not between -1 and 10", i + 1);
    }
    return 0;
}

void window_at(const struct firmware_window *windows, size_t count, uint32_t skip, uint64_t elapsed_s,
               struct window_now *ret)
{
    uint64_t opens = UINT64_MAX;

    *ret = (struct window_now){.open = -1, .next_s = UINT64_MAX};
    for (size_t i = 0; i < count; i++) {
        if (skip & (1u << i))
            continue;
        if (windows[i].start_s > elapsed_s) {
            if (windows[i].start_s - elapsed_s < opens)
                opens = windows[i].start_s - elapsed_s;
        } else if (ret->open < 0 && windows[i].end_s > elapsed_s) {
            ret->open = (int)i;
        }
    }
    if (ret->open >= 0) {
        ret->next_s = windows[ret->open].end_s - elapsed_s;
        return;
    }
    ret->next_s = opens;
    ret->passed = opens == UINT64_MAX;
}
