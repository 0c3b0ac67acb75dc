/* SPDX-License-Identifier: BSD-3-Clause */
/* What an agent may say to the process that runs hooks: of what is taken, each argument is one that a hook is made for. */
#include <stdlib.h>
#include <string.h>

#include "firmware/hook_runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct hook_programs programs = {
        .firmware = {.path = "/hook"}, .factory_reset = {.path = "/reset"}, .image_dir = "/cache"};
    const char *argv[HOOK_ARGUMENTS + 2];
    char path[HOOK_PATH_BYTES], slot[12];
    struct hook_request request;

    if (hook_request_read(data, size, &programs, &request) < 0)
        return 0;
    if (size != sizeof(request))
        abort();
    if (request.kind != HOOK_START)
        return 0;
    hook_request_arguments(&request, &programs, argv, path, slot);
    if (strcmp(argv[0], "/hook") != 0 && strcmp(argv[0], "/reset") != 0)
        abort();
    for (size_t i = 1; argv[i]; i++) {
        bool is_step = strcmp(argv[i], "version") == 0 || strcmp(argv[i], "install") == 0 ||
                       strcmp(argv[i], "activate") == 0;
        bool is_slot = strlen(argv[i]) == 1 && argv[i][0] >= '1' && argv[i][0] <= '3';
        bool is_image = strncmp(argv[i], "/cache/", 7) == 0 && strlen(argv[i]) == 7 + 64 &&
                        strspn(argv[i] + 7, "0123456789abcdef") == 64;

        if (i > HOOK_ARGUMENTS || !(is_step || is_slot || is_image))
            abort();
    }
    return 0;
}
