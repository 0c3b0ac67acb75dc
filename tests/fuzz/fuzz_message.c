/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages to a whole agent without sockets, and as a controller reads them: the input is the payload of a record from
 * self::one, who may do everything.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "tests/unit/usp_bench.h"
#include "usp/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_fact(void *ctx, const struct usp_client_fact *fact)
{
    (void)ctx;
    (void)fact;
    return 0;
}

static void as_controller(struct str payload)
{
    struct usp_client_message message;
    struct usp_client_notify notify;

    if (usp_client_parse(payload, &message, NULL) < 0)
        return;
    usp_client_read(&message, on_fact, NULL, NULL);
    usp_client_read_notify(&message, &notify, on_fact, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct usp_bench bench;
    static unsigned inputs;
    struct buf message;

    as_controller((struct str){(const char *)data, size});
    if (inputs++ % 256 == 0) {
        if (bench.dm)
            usp_bench_done(&bench);
        usp_bench_init(&bench, ":memory:");
        bench_add(&bench, false,
                  "Device.Thing.: Name=a Device.Thing.: Name=b Device.Thing.1.Part.: Color=red");
        bench_add(
            &bench, false,
            "Device.LocalAgent.Subscription.: ID=s Enable=1 NotifType=ValueChange ReferenceList=Device.");
    }
    buf_init(&message, LIMIT_RECORD_BYTES, USP_HEADROOM);
    buf_append(&message, data, size);
    if (!message.failed)
        bench_ask(&bench, &message);
    else
        buf_done(&message);
    if (inputs % 64 == 0)
        small_check_index(bench.dm);
    return 0;
}
