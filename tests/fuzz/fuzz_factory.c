/* SPDX-License-Identifier: BSD-3-Clause */
/* The factory configuration: a file that is refused leaves nothing; one that is taken is all there after a restart. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <stdio.h>

#include "tests/unit/small_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct small_model model;
    struct error err = {.code = 0};
    char path[64];
    char *before, *after;
    int fd = memfd_create("factory", 0);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    small_model_init(&model, ":memory:");
    before = small_dump(model.dm);
    if (dm_load_factory(model.dm, path, &err) < 0) {
        after = small_dump(model.dm);
        if (strcmp(before, after) != 0 || !err.code || !err.message[0])
            abort();
        free(after);
    }
    small_turn(&model);
    small_check_index(model.dm);
    small_model_done(&model);
    free(before);
    close(fd);
    return 0;
}
