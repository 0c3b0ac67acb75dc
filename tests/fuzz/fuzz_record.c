/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records towards a whole agent without sockets: any verdict, no crash, every answer a well-formed record (the bench reads
 * it strictly), and the agent answers the next request as ever.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/usp_bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct usp_bench bench;
    static unsigned inputs;

    /* A new agent now and then: what the inputs did to it must not pile up. */
    if (inputs++ % 256 == 0) {
        if (bench.dm)
            usp_bench_done(&bench);
        usp_bench_init(&bench, ":memory:");
        bench_add(&bench, false,
                  "Device.Thing.: Name=a Device.Thing.: Name=b Device.Thing.1.Part.: Color=red");
    }
    usp_receive(bench.usp, &bench.channels[0].channel, NULL, (struct str){(const char *)data, size}, NULL);
    bench_turn(&bench);
    bench_sent(&bench);
    if (inputs % 64 == 0)
        small_check_index(bench.dm);
    return 0;
}
