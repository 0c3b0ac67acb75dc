/* SPDX-License-Identifier: BSD-3-Clause */
/* homepatch-device: a device that is a USP agent, as a program. A start of the program is a start of the device. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config.h"
#include "device/device.h"

enum {
    EXIT_USAGE = 2,
    DEFAULT_SIZE = 65536,
};

static void usage(FILE *to)
{
    fputs("usage: homepatch-device -c FILE [--check-config]\n"
          "       homepatch-device --make-image FILE --version-of VERSION [--model MODEL] [--size BYTES]\n"
          "                        [--behaviour good|dead|mute]\n"
          "  -c, --config FILE        configuration, see homepatch-device(1)\n"
          "      --check-config       read the configuration, say what is wrong with it, and end\n"
          "      --make-image FILE    write an image for such a device\n"
          "      --version-of VERSION its version\n"
          "      --model MODEL        the model it is for [Reference]\n"
          "      --size BYTES         of its payload [65536]\n"
          "      --behaviour WORD     what it does when it is started [good]\n"
          "      --version            print the version\n"
          "  -h, --help               print this\n",
          to);
}

struct options {
    const char *config;
    const char *image_file;
    struct image image;
    bool check;
};

static int take_text(char to[IMAGE_TEXT_BYTES], const char *text)
{
    size_t len = strlen(text);

    if (!len || len >= IMAGE_TEXT_BYTES || strchr(text, '\n'))
        return -1;
    memcpy(to, text, len + 1);
    return 0;
}

/* An option of --make-image; -1: its value is wrong. */
static int image_option(struct options *options, int option)
{
    switch (option) {
    case 'n':
        return take_text(options->image.version, optarg);
    case 'm':
        return take_text(options->image.model, optarg);
    case 's':
        return str_to_size(str_of(optarg), &options->image.size);
    default:
        return image_behaviour_parse(optarg, &options->image.behaviour);
    }
}

/* -1 to go on, else the exit status. */
static int parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'k'},
        {"make-image", required_argument, NULL, 'i'},
        {"version-of", required_argument, NULL, 'n'},
        {"model", required_argument, NULL, 'm'},
        {"size", required_argument, NULL, 's'},
        {"behaviour", required_argument, NULL, 'b'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *ret = (struct options){.image = {.model = "Reference", .size = DEFAULT_SIZE}};
    while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        if (option == 'V') {
            printf("homepatch-device %s\n", PACKAGE_VERSION);
            return EXIT_SUCCESS;
        }
        if (option == 'h') {
            usage(stdout);
            return EXIT_SUCCESS;
        }
        if (option == 'c')
            ret->config = optarg;
        else if (option == 'i')
            ret->image_file = optarg;
        else if (option == 'k')
            ret->check = true;
        else if (option == '?' || image_option(ret, option) < 0)
            break;
    }
    if (option == -1 && optind == argc &&
        (ret->image_file ? ret->image.version[0] != 0 : ret->config != NULL))
        return -1;
    usage(stderr);
    return EXIT_USAGE;
}

static int make_image(const struct options *options)
{
    struct error err;

    if (image_make(options->image_file, &options->image, &err) == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "homepatch-device: %s: %s\n", err.path, err.message);
    return EXIT_FAILURE;
}

static void set_log(const struct device_config *config)
{
    enum log_level level = LOG_LEVEL_INFO;

    log_level_parse(config->log_level, &level);
    log_setup(level, false, "homepatch-device");
}

/* One life of the device: -1 to start anew, else the exit status. */
static int live(struct device_config *config)
{
    struct device_agent device;
    struct error err;
    int status = EXIT_SUCCESS;

    if (device_agent_start(&device, config, &err) == 0) {
        device_agent_run(&device);
    } else {
        log_failure(LOG_LEVEL_ERROR, "cannot start", &err);
        device.restart = false;
        status = EXIT_FAILURE;
    }
    device_agent_done(&device);
    return device.restart ? -1 : status;
}

int main(int argc, char **argv)
{
    struct device_config config;
    struct options options;
    struct error err;
    int status = parse_options(argc, argv, &options);

    if (status >= 0)
        return status;
    if (options.image_file)
        return make_image(&options);
    if (device_config_read(&config, options.config, &err) < 0) {
        fprintf(stderr, "homepatch-device: %s: %s\n", err.path, err.message);
        device_config_done(&config);
        return EXIT_USAGE;
    }
    if (options.check) {
        printf("%s: good\n", options.config);
        device_config_done(&config);
        return EXIT_SUCCESS;
    }
    umask(077);
    signal(SIGPIPE, SIG_IGN); /* a peer that went is an error of the write, not the end of the program */
    set_log(&config);
    status = live(&config);
    device_config_done(&config);
    if (status >= 0)
        return status;
    execv("/proc/self/exe", argv);
    log_error("cannot start anew");
    return EXIT_FAILURE;
}
