/* SPDX-License-Identifier: BSD-3-Clause */
/* homepatch-simhome: a simulated LAN full of devices that can be updated, and that can fail in every way there is. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tools/simhome/device.h"
#include "tools/simhome/home.h"
#include "tools/simhome/options.h"

enum {
    EXIT_USAGE = 2,
};

static int complain(const struct error *err)
{
    fprintf(stderr, "homepatch-simhome: %s%s%s\n", err->path, err->path[0] ? ": " : "", err->message);
    return EXIT_FAILURE;
}

static int make_image(int argc, char **argv)
{
    struct image_options options;
    struct error err = {0};

    if (options_parse_image(argc, argv, &options, &err) != OPTIONS_RUN) {
        complain(&err);
        return EXIT_USAGE;
    }
    if (options.family->make_image(options.path, options.model, options.version, (size_t)options.size, &err))
        return complain(&err);
    return EXIT_SUCCESS;
}

/* Every device is a connection of its own, and the MQTT library uses three descriptors for one. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    loop_stop(handle->data);
}

static int run(const struct options *options)
{
    uv_signal_t signals[2];
    static const int numbers[] = {SIGTERM, SIGINT};
    struct error err = {0};
    struct home home;

    if (home_start(&home, options, &err))
        return complain(&err);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&home.loop.uv, &signals[i]);
        signals[i].data = &home.loop;
        uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
    if (options->print_ready) {
        printf("ready devices=%zu\n", home.device_count);
        fflush(stdout);
    }
    loop_run(&home.loop);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&signals[i], NULL);
    home_done(&home);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options options;
    struct error err = {0};

    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && !strcmp(argv[1], "make-image"))
        return make_image(argc - 1, argv + 1);
    switch (options_parse(argc, argv, &options, &err)) {
    case OPTIONS_DONE:
        return EXIT_SUCCESS;
    case OPTIONS_BAD:
        complain(&err);
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    raise_descriptor_limit();
    return run(&options);
}
