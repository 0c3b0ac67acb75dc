/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/options.h"

#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_port.h"
#include "tools/simhome/control.h"
#include "tools/simhome/device.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/shelly/image.h"
#include "tools/simhome/shelly/models.h"
#include "tools/simhome/shelly/shelly.h"

enum {
    DEFAULT_DEVICES = 4,
    DEVICES_DEFAULT = HOME_DEVICES_MAX + 1, /* --devices was not given */
    DEFAULT_REBOOT_MS = 2000,
    DEFAULT_FLOOD_RATE = 2000,
    DEFAULT_IMAGE_BYTES = 262144,
    IMAGE_BYTES_MAX = 64 << 20,
};

static const char usage[] =
    "Usage: homepatch-simhome [OPTION]...\n"
    "       homepatch-simhome make-image [--family FAMILY] --model MODEL --version VERSION [--size BYTES] FILE\n"
    "Simulates a home full of devices for tests and demonstrations.\n\n"
    "  --mqtt HOST:PORT             LAN broker of the devices that use MQTT\n"
    "  --mqtt-username NAME, --mqtt-password PASSWORD\n"
    "  --websocket ws://HOST:PORT/PATH\n"
    "                               gateway that the other devices connect to\n"
    "  --listen ADDRESS[:PORT]      where the first \"shelly-server\" listens, the others on the ports after it; any ports\n"
    "  --devices N                  how many Shelly devices, on both transports in turn [4; 0 beside --with]\n"
    "  --mqtt-devices N, --websocket-devices N\n"
    "                               how many on each, in place of --devices\n"
    "  --models LIST                Shelly products, comma-separated, in turn [all known]\n"
    "  --with FAMILY=N              N devices of another family too; repeatable\n"
    "  --version VERSION            firmware that all start with [as the family says]\n"
    "  --offer VERSION              firmware that their maker offers\n"
    "  --seed N                     same seed, same addresses and keys [1]\n"
    "  --fault DEVICE:FAULT[,FAULT] repeatable; DEVICE as on the control socket\n"
    "  --reboot-time MS             how long a reboot takes [2000]\n"
    "  --fetch-rate BYTES           per second and device, when fetching an image [no limit]\n"
    "  --flood-rate EVENTS          per second and device, with the fault \"flood\" [2000]\n"
    "  --control PATH               UNIX socket for commands\n"
    "  --print-ready                print \"ready devices=N\" once the control socket is there\n"
    "  --help, --program-version\n";

static const struct option long_options[] = {
    {"mqtt", required_argument, NULL, 'm'},          {"mqtt-username", required_argument, NULL, 'u'},
    {"mqtt-password", required_argument, NULL, 'p'}, {"websocket", required_argument, NULL, 'w'},
    {"listen", required_argument, NULL, 'L'},        {"devices", required_argument, NULL, 'n'},
    {"mqtt-devices", required_argument, NULL, 'M'},  {"websocket-devices", required_argument, NULL, 'W'},
    {"models", required_argument, NULL, 'l'},        {"with", required_argument, NULL, 't'},
    {"version", required_argument, NULL, 'v'},       {"offer", required_argument, NULL, 'o'},
    {"seed", required_argument, NULL, 's'},          {"fault", required_argument, NULL, 'f'},
    {"reboot-time", required_argument, NULL, 'r'},   {"fetch-rate", required_argument, NULL, 'R'},
    {"flood-rate", required_argument, NULL, 'F'},    {"control", required_argument, NULL, 'c'},
    {"print-ready", no_argument, NULL, 'y'},         {"help", no_argument, NULL, 'h'},
    {"program-version", no_argument, NULL, 'V'},     {NULL, 0, NULL, 0},
};

static int print_usage(void)
{
    printf("%s\nFaults:", usage);
    for (size_t bit = 0; fault_name(bit); bit++)
        printf(" %s", fault_name(bit));
    printf("\nFamilies:\n");
    for (size_t i = 0; family_at(i); i++)
        printf("  %-14s %s, from %s\n", family_at(i)->name, family_at(i)->text, family_at(i)->version);
    printf("Models:");
    for (size_t i = 0; i < model_count(); i++)
        printf(" %s (%s)", model_at(i)->code, model_at(i)->app);
    printf("\n\nControl commands, one per line; each is answered by one line of JSON:\n%s", control_help());
    return 0;
}

static int bad(struct error *err, const char *option, const char *text)
{
    return error_set(err, ERROR_INVALID_VALUE, option, "\"%s\" is not valid here", text);
}

static int number(const char *text, const char *option, uint64_t max, uint64_t *ret, struct error *err)
{
    return str_to_u64(str_of(text), ret) || *ret > max ? bad(err, option, text) : 0;
}

static int count(const char *text, const char *option, size_t *ret, struct error *err)
{
    uint64_t value;

    if (number(text, option, HOME_DEVICES_MAX, &value, err))
        return -1;
    *ret = (size_t)value;
    return 0;
}

/* HOST:PORT, the port required. */
static int address(struct str text, const char *option, char host[HOST_PORT_HOST_BYTES], int *ret_port,
                   struct error *err)
{
    uint16_t port;

    if (host_port_parse(text, 0, option, host, &port, err) < 0)
        return -1;
    *ret_port = port;
    return 0;
}

static int listen_address(const char *text, struct options *options, struct error *err)
{
    if (strchr(text, ':'))
        return address(str_of(text), "--listen", options->listen_host, &options->listen_port, err);
    return str_copy(options->listen_host, sizeof(options->listen_host), text) ? 0
                                                                              : bad(err, "--listen", text);
}

static int websocket_url(const char *text, struct options *options, struct error *err)
{
    const char *host = text + strlen("ws://");
    const char *path;

    if (strncmp(text, "ws://", 5) != 0)
        return bad(err, "--websocket", text);
    path = strchr(host, '/');
    if (str_copy(options->ws_path, sizeof(options->ws_path), path ? path : "/") + 1 >=
        sizeof(options->ws_path))
        return bad(err, "--websocket", text);
    return address((struct str){host, path ? (size_t)(path - host) : strlen(host)}, "--websocket",
                   options->ws_host, &options->ws_port, err);
}

static int model_list(char *text, struct options *options, struct error *err)
{
    char *save = NULL;

    options->model_count = 0;
    for (char *name = strtok_r(text, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        const struct model *model = model_find(name);

        if (!model || options->model_count == HOME_MODELS_MAX)
            return bad(err, "--models", name);
        options->models[options->model_count++] = model;
    }
    return options->model_count ? 0 : bad(err, "--models", text);
}

/* FAMILY=N */
static int with_family(char *text, struct options *options, struct error *err)
{
    struct family_option *option = &options->families[options->family_count];
    char *equals = strchr(text, '=');

    if (!equals || options->family_count == HOME_FAMILIES_MAX - 1)
        return bad(err, "--with", text);
    *equals = '\0';
    option->family = family_find(text);
    /* Shelly devices have options of their own. */
    if (!option->family || option->family == &shelly_family)
        return bad(err, "--with", text);
    for (size_t i = 0; i < options->family_count; i++)
        if (options->families[i].family == option->family)
            return bad(err, "--with", text);
    options->family_count++;
    return count(equals + 1, "--with", &option->count, err);
}

static int fault_option(char *text, struct options *options, struct error *err)
{
    struct fault_option *option = &options->faults[options->fault_count];
    char *colon = strchr(text, ':');
    char *save = NULL;

    if (!colon || options->fault_count == HOME_FAULTS_MAX)
        return bad(err, "--fault", text);
    *colon = '\0';
    option->device = text;
    for (char *name = strtok_r(colon + 1, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        if (!fault_find(name))
            return bad(err, "--fault", name);
        option->faults |= fault_find(name);
    }
    options->fault_count++;
    return 0;
}

static int set_text(const char *text, const char *option, size_t max, const char **ret, struct error *err)
{
    if (!*text || strlen(text) >= max)
        return bad(err, option, text);
    *ret = text;
    return 0;
}

static int one_option(int letter, char *arg, struct options *options, struct error *err)
{
    switch (letter) {
    case 'm':
        return address(str_of(arg), "--mqtt", options->mqtt_host, &options->mqtt_port, err);
    case 'u':
        return set_text(arg, "--mqtt-username", 256, &options->mqtt_username, err);
    case 'p':
        return set_text(arg, "--mqtt-password", 256, &options->mqtt_password, err);
    case 'w':
        return websocket_url(arg, options, err);
    case 'L':
        return listen_address(arg, options, err);
    case 'n':
        return count(arg, "--devices", &options->devices, err);
    case 'M':
        return count(arg, "--mqtt-devices", &options->mqtt_devices, err);
    case 'W':
        return count(arg, "--websocket-devices", &options->ws_devices, err);
    case 'l':
        return model_list(arg, options, err);
    case 't':
        return with_family(arg, options, err);
    case 'v':
        return set_text(arg, "--version", IMAGE_VERSION_BYTES, &options->version, err);
    case 'o':
        return set_text(arg, "--offer", IMAGE_VERSION_BYTES, &options->offer, err);
    case 's':
        return number(arg, "--seed", UINT64_MAX, &options->seed, err);
    case 'f':
        return fault_option(arg, options, err);
    case 'r':
        return number(arg, "--reboot-time", 3600000, &options->reboot_ms, err);
    case 'R':
        return number(arg, "--fetch-rate", UINT32_MAX, &options->fetch_rate, err);
    case 'F':
        return number(arg, "--flood-rate", 1000000, &options->flood_rate, err);
    case 'c':
        return set_text(arg, "--control", 108, &options->control, err);
    case 'y':
        options->print_ready = true;
        return 0;
    default:
        return error_set(err, ERROR_INVALID_VALUE, NULL, "try --help");
    }
}

/* What follows from the options together. */
static int settle(struct options *options, struct error *err)
{
    bool mqtt = options->mqtt_port != 0, websocket = options->ws_port != 0;

    if (!mqtt && !websocket && !options->listen_host[0])
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "name at least one of --mqtt, --websocket and --listen");
    if (options->devices == DEVICES_DEFAULT)
        options->devices = options->family_count ? 0 : DEFAULT_DEVICES;
    if (!options->mqtt_devices && !options->ws_devices) {
        options->ws_devices = mqtt && websocket ? options->devices / 2 : websocket ? options->devices : 0;
        options->mqtt_devices = options->devices - options->ws_devices;
    }
    if ((options->mqtt_devices && !mqtt) || (options->ws_devices && !websocket))
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "--mqtt-devices needs --mqtt, --websocket-devices --websocket");
    if (options->mqtt_devices + options->ws_devices)
        options->families[options->family_count++] = (struct family_option){
            &shelly_family, options->mqtt_devices + options->ws_devices};
    return 0;
}

enum options_result options_parse(int argc, char **argv, struct options *ret, struct error *err)
{
    int letter;

    *ret = (struct options){.devices = DEVICES_DEFAULT,
                            .seed = 1,
                            .reboot_ms = DEFAULT_REBOOT_MS,
                            .flood_rate = DEFAULT_FLOOD_RATE};
    while ((letter = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (letter == 'h') {
            print_usage();
            return OPTIONS_DONE;
        }
        if (letter == 'V') {
            printf("homepatch-simhome %s\n", PACKAGE_VERSION);
            return OPTIONS_DONE;
        }
        if (one_option(letter, optarg, ret, err))
            return OPTIONS_BAD;
    }
    if (optind < argc) {
        bad(err, NULL, argv[optind]);
        return OPTIONS_BAD;
    }
    return settle(ret, err) ? OPTIONS_BAD : OPTIONS_RUN;
}

enum options_result options_parse_image(int argc, char **argv, struct image_options *ret, struct error *err)
{
    static const struct option image_options[] = {{"family", required_argument, NULL, 'f'},
                                                  {"model", required_argument, NULL, 'm'},
                                                  {"version", required_argument, NULL, 'v'},
                                                  {"size", required_argument, NULL, 's'},
                                                  {NULL, 0, NULL, 0}};
    int letter, rc = 0;

    *ret = (struct image_options){.family = &shelly_family, .size = DEFAULT_IMAGE_BYTES};
    while (rc == 0 && (letter = getopt_long(argc, argv, "", image_options, NULL)) != -1) {
        if (letter == 'f')
            rc = (ret->family = family_find(optarg)) && ret->family->make_image
                     ? 0
                     : bad(err, "--family", optarg);
        else if (letter == 'm')
            rc = set_text(optarg, "--model", DEVICE_ID_BYTES, &ret->model, err);
        else if (letter == 'v')
            rc = set_text(optarg, "--version", IMAGE_VERSION_BYTES, &ret->version, err);
        else if (letter == 's')
            rc = number(optarg, "--size", IMAGE_BYTES_MAX, &ret->size, err);
        else
            rc = error_set(err, ERROR_INVALID_VALUE, NULL, "try homepatch-simhome --help");
    }
    if (rc == 0 && (!ret->model || !ret->version || optind != argc - 1))
        rc = error_set(err, ERROR_INVALID_VALUE, NULL, "make-image needs --model, --version and one file");
    if (rc)
        return OPTIONS_BAD;
    ret->path = argv[optind];
    return OPTIONS_RUN;
}
