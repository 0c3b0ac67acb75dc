/* SPDX-License-Identifier: BSD-3-Clause */
/* The accounts file of the LAN's broker: whatever is accepted gives a list in which nobody speaks for another, and the
 * file that is written from it says the same. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/lan_acl_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *written(const struct lan_broker *broker, struct buf *text)
{
    lan_broker_write(broker, text);
    return buf_cstr(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lan_broker broker, again;
    struct buf acl, once, twice;
    struct arena arena;
    struct error err;
    char why[512];

    arena_init(&arena, 64 << 20);
    buf_init(&acl, 16 << 20, 0);
    buf_init(&once, 16 << 20, 0);
    buf_init(&twice, 16 << 20, 0);
    lan_broker_init(&broker, &arena);
    lan_broker_init(&again, &arena);
    if (size <= 4096 &&
        lan_broker_parse(&broker, "fuzz", (struct str){(const char *)data, size}, &err) == 0) {
        const char *text = written(&broker, &once);

        lan_acl_write(&broker, &acl);
        if (lan_acl_breach(&broker, buf_cstr(&acl), why))
            abort();
        if (lan_broker_parse(&again, "again", str_of(text), &err) < 0 ||
            strcmp(text, written(&again, &twice)) != 0)
            abort();
    } else if (size <= 4096 && strncmp(err.path, "fuzz:", 5) != 0) {
        abort();
    }
    buf_done(&acl);
    buf_done(&once);
    buf_done(&twice);
    arena_done(&arena);
    return 0;
}
