/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/home.h"

#include <mosquitto.h>
#include <stdlib.h>
#include <string.h>

#include "tools/simhome/control.h"
#include "tools/simhome/device.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/fetch.h"

uint64_t home_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int add_devices(struct home *home, const struct family_option *option, uint64_t *seed,
                       struct error *err)
{
    for (size_t nth = 0; nth < option->count; nth++) {
        struct device *device = option->family->create(home, home->device_count, nth, seed);

        if (!device || map_put(&home->by_id, str_of(device->id), device)) {
            device_free(device);
            return error_set(err, ERROR_RESOURCES_EXCEEDED, option->family->name, "out of memory");
        }
        home->devices[home->device_count++] = device;
    }
    return 0;
}

static int add_families(struct home *home, struct error *err)
{
    const struct options *options = home->options;
    uint64_t seed = options->seed;
    size_t count = 0;

    for (size_t i = 0; i < options->family_count; i++)
        count += options->families[i].count;
    home->devices = calloc(count + 1, sizeof(*home->devices));
    if (!home->devices)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    for (size_t i = 0; i < options->family_count; i++) {
        const struct family *family = options->families[i].family;

        if ((family->setup && family->setup(home, err) < 0) ||
            add_devices(home, &options->families[i], &seed, err) < 0)
            return -1;
    }
    return 0;
}

static void add_faults(struct device *device, void *ctx)
{
    device->faults |= *(const unsigned *)ctx;
}

static int apply_faults(struct home *home, struct error *err)
{
    for (size_t i = 0; i < home->options->fault_count; i++) {
        struct fault_option option = home->options->faults[i];

        if (!home_each(home, option.device, add_faults, &option.faults))
            return error_set(err, ERROR_INVALID_VALUE, option.device, "--fault: there is no such device");
    }
    return 0;
}

int home_start(struct home *home, const struct options *options, struct error *err)
{
    *home = (struct home){.options = options};
    mosquitto_lib_init();
    map_init(&home->by_id);
    if (loop_init(&home->loop, err))
        return -1;
    home->fetcher = fetcher_new(&home->loop, err);
    if (!home->fetcher || add_families(home, err) || apply_faults(home, err))
        return -1;
    if (options->control && !(home->control = control_new(home, options->control, err)))
        return -1;
    for (size_t i = 0; i < home->device_count; i++)
        device_power(home->devices[i], !(home->devices[i]->faults & FAULT_OFFLINE));
    return 0;
}

void home_done(struct home *home)
{
    for (size_t i = 0; i < home->device_count; i++)
        device_free(home->devices[i]);
    free(home->devices);
    map_done(&home->by_id);
    control_free(home->control);
    fetcher_free(home->fetcher);
    for (size_t i = 0; i < home->options->family_count; i++)
        if (home->options->families[i].family->cleanup)
            home->options->families[i].family->cleanup(home);
    loop_done(&home->loop);
    mosquitto_lib_cleanup();
}

struct device *home_find(const struct home *home, const char *name)
{
    uint64_t index;

    if (str_to_u64(str_of(name), &index) == 0)
        return index < home->device_count ? home->devices[index] : NULL;
    return map_get(&home->by_id, str_of(name));
}

static bool belongs(const struct device *device, const char *name)
{
    return !strcmp(name, "all") || !strcmp(name, device->transport) || !strcmp(name, device->family->name);
}

size_t home_each(struct home *home, const char *name, void (*fn)(struct device *device, void *ctx), void *ctx)
{
    struct device *one = home_find(home, name);
    size_t count = 0;

    if (one) {
        fn(one, ctx);
        return 1;
    }
    for (size_t i = 0; i < home->device_count; i++) {
        if (belongs(home->devices[i], name)) {
            fn(home->devices[i], ctx);
            count++;
        }
    }
    return count;
}
