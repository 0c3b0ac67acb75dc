/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The USP dialect under hostile messages. An input is a conversation, one message after another: a byte for what, two for the
 * length (little endian), and so many bytes:
 *   r  record as it is, over what the device is connected by
 *   m  response to the oldest question: type, kind (bytes), and its content
 *   a  the device answers the oldest question as a good one does
 *   n  Notify with this content                             b  record on the topic that anybody may publish to
 *   k  Boot!      d  OperationComplete of Download(), of our key (with an error when there are bytes)
 *   c  the session closes, and a new one opens              q  over the broker from now on, or back
 *   t  10 s pass                                            u  the firmware manager asks for an update
 * Whatever comes, nothing crashes, and the second device, which has done nothing, stays as it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/uspdev_bench.h"
#include "usp/fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYSTANDER "os::0A0B0C-OTHER"

static void require(bool true_one, const char *what)
{
    if (true_one)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void reopen(struct uspdev_bench *bench)
{
    if (bench->session.address)
        uspdev_closes(bench, &bench->session);
    uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, NULL);
}

static void say_to_all(struct uspdev_bench *bench, const uint8_t *data, size_t len)
{
    uspdev_dialect.mqtt_message(
        bench->home.ctx,
        &(struct mqtt_message){.topic = "homepatch/usp/controller/reply-to=homepatch%2Fusp%2Fagent%2Fx",
                               .payload = data,
                               .len = len});
}

static void play(struct uspdev_bench *bench, uint8_t what, const uint8_t *data, size_t len)
{
    switch (what) {
    case 'r':
        uspdev_says(bench, data, len);
        break;
    case 'm':
        if (len >= 2)
            uspdev_reply(bench, data[0] % 32, data[1] % 16, data + 2, len - 2);
        break;
    case 'a':
        uspdev_run_one(bench);
        break;
    case 'n':
        uspdev_notify(bench, data, len);
        break;
    case 'b':
        say_to_all(bench, data, len);
        break;
    case 'k':
        uspdev_event(bench, "Device.", "Boot!", NULL);
        break;
    case 'd':
        uspdev_complete(bench, "Download()", bench->command_key, len ? ERROR_COMMAND_FAILURE : 0);
        break;
    case 'c':
        reopen(bench);
        break;
    case 'q':
        bench->over_mqtt = !bench->over_mqtt;
        uspdev_connects(bench);
        break;
    case 't':
        fake_home_advance(&bench->home, 10000);
        break;
    case 'u':
        if (uspdev_device(bench))
            uspdev_install(bench, NULL);
        break;
    default:
        break;
    }
}

static struct device *bystander(struct uspdev_bench *bench)
{
    struct rate peer = {0};
    struct device *device = registry_add(bench->home.registry, &uspdev_dialect, BYSTANDER, &peer, true, NULL);

    device_set(device, DEVICE_SOFTWARE_VERSION, "1.0.0");
    device_set(device, DEVICE_MODEL, "Toaster");
    uspdev_dialect.restore(bench->home.ctx, device);
    registry_announce(device);
    return device;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uspdev_bench *bench = calloc(1, sizeof(*bench));
    const struct device *other;

    uspdev_bench_init(bench, NULL);
    other = bystander(bench);
    reopen(bench);
    while (size >= 3) {
        size_t len = (size_t)data[1] | (size_t)data[2] << 8;

        if (len > size - 3)
            len = size - 3;
        play(bench, data[0], data + 3, len);
        data += 3 + len;
        size -= 3 + len;
    }
    require(!other->online && !other->quarantined, "a bystander pays");
    require(strcmp(device_text(other, DEVICE_SOFTWARE_VERSION), "1.0.0") == 0, "a bystander's version");
    uspdev_closes(bench, &bench->session);
    fake_home_done(&bench->home, false);
    free(bench);
    return 0;
}
