/* SPDX-License-Identifier: BSD-3-Clause */
/* homepatchd: the gateway's agent. */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "config.h"

static const char DEFAULT_CONFIG[] = "/etc/homepatch/homepatchd.conf";

enum {
    EXIT_USAGE = 2,
};

static void usage(FILE *to)
{
    fprintf(to,
            "usage: homepatchd [-c FILE] [-v] [--check-config | --limits]\n"
            "  -c, --config FILE   configuration [%s]\n"
            "  -v, --verbose       log more than the configuration says (twice: still more)\n"
            "      --check-config  read the configuration, say what is wrong with it, and end\n"
            "      --limits        print what peers may take, in the form of a configuration, and end\n"
            "      --version       print the version\n"
            "  -h, --help          print this\n",
            DEFAULT_CONFIG);
}

struct options {
    const char *config;
    int verbose;
    bool check;
    bool limits;
};

/* -1 to go on, else the exit status. */
static int parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"verbose", no_argument, NULL, 'v'},
        {"check-config", no_argument, NULL, 'k'},
        {"limits", no_argument, NULL, 'l'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *ret = (struct options){.config = DEFAULT_CONFIG};
    while ((option = getopt_long(argc, argv, "c:vh", longs, NULL)) != -1) {
        switch (option) {
        case 'c':
            ret->config = optarg;
            break;
        case 'v':
            ret->verbose++;
            break;
        case 'k':
            ret->check = true;
            break;
        case 'l':
            ret->limits = true;
            break;
        case 'V':
            printf("homepatchd %s\n", PACKAGE_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "homepatchd: unexpected argument \"%s\"\n", argv[optind]);
    usage(stderr);
    return EXIT_USAGE;
}

/* Small and steady: one malloc arena, freed memory given back, no more workers than the work needs. */
static void tune_process(const struct agent_config *config)
{
    struct rlimit files;

    umask(077); /* what is stored holds passwords and keys' paths: nobody else reads it */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    setenv("UV_THREADPOOL_SIZE", "2", 0);
    signal(SIGPIPE, SIG_IGN); /* a peer that went is an error of the write, not the end of the program */
    /* Libraries size tables by the soft limit, so it is what is needed and no more. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = config->open_files < files.rlim_max ? config->open_files : files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void set_log(const struct agent_config *config, int verbose)
{
    int level = (int)agent_config_log_level(config) + verbose;

    if (level > LOG_LEVEL_DEBUG)
        level = LOG_LEVEL_DEBUG;
    log_setup((enum log_level)level, strcmp(config->log_target, "syslog") == 0, "homepatchd");
}

/* Waits for the program: a machine that goes down takes us with it. */
static void run_hook(struct hook_runner *hooks, enum hook_step step, const char *key)
{
    struct error err;
    int status = hook_runner_wait(hooks, step, &err);

    if (status < 0)
        log_failure(LOG_LEVEL_ERROR, key, &err);
    if (status != 0)
        log_error("%s failed (status %d): the agent starts anew without it", key, status);
}

/* After the loop: the machine's restart, or this program's. Returns whether another life begins in this process: walls let
 * nothing be executed, and the process that runs hooks cannot be had again without root. */
static bool start_anew(const struct agent *agent, struct contain *contain, char **argv)
{
    if (agent->factory_reset && hook_runner_has(&contain->hooks, HOOK_FACTORY_RESET))
        run_hook(&contain->hooks, HOOK_FACTORY_RESET, "hook_factory_reset");
    else if (hook_runner_has(&contain->hooks, HOOK_REBOOT))
        run_hook(&contain->hooks, HOOK_REBOOT, "hook_reboot");
    if (contain->walled || contain->hooks.pid)
        return true;
    execv("/proc/self/exe", argv);
    log_error("cannot start anew");
    return false;
}

static int check(struct agent_config *config, const char *file)
{
    struct error err;

    log_setup(LOG_LEVEL_WARNING, false, "homepatchd");
    if (agent_check(config, &err) < 0) {
        fprintf(stderr, "homepatchd: %s: %s\n", err.path, err.message);
        return EXIT_USAGE;
    }
    printf("%s: good\n", file);
    return EXIT_SUCCESS;
}

/* In the form of a configuration. */
static int print_limits(const struct limits *limits)
{
    char value[LIMIT_TEXT_BYTES], expected[LIMIT_TEXT_BYTES];

    for (size_t i = 0; i < limits_count; i++) {
        limits_text(&limits_table[i], limits_value(limits, limits_table[i].offset), value);
        limits_expected(&limits_table[i], expected);
        printf("# %s: %s\n%s = %s\n", limits_table[i].meaning, expected, limits_table[i].key, value);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* From a configuration to the end. Sets *ret_again when a restart was asked for; else the exit status counts. */
static int live(const struct options *options, struct contain *contain, char **argv, bool *ret_again)
{
    struct agent_config config;
    struct agent agent;
    struct error err;
    int status = EXIT_SUCCESS;

    *ret_again = false;
    if (agent_config_read(&config, options->config, &err) < 0) {
        fprintf(stderr, "homepatchd: %s: %s\n", err.path, err.message);
        agent_config_done(&config);
        return EXIT_USAGE;
    }
    if (options->check || options->limits) {
        status = options->limits ? print_limits(&config.limits) : check(&config, options->config);
        agent_config_done(&config);
        return status;
    }
    tune_process(&config);
    set_log(&config, options->verbose);
    if (contain_hooks(contain, &config, &err) < 0 || contain_user(&config, &err) < 0) {
        log_failure(LOG_LEVEL_ERROR, "cannot start", &err);
        agent_config_done(&config);
        return EXIT_FAILURE;
    }
    if (agent_start(&agent, &config, contain, &err) == 0) {
        agent_run(&agent);
        status = agent.failed ? EXIT_FAILURE : EXIT_SUCCESS;
    } else {
        log_failure(LOG_LEVEL_ERROR, "cannot start", &err);
        status = EXIT_FAILURE;
    }
    agent_done(&agent);
    if (status == EXIT_SUCCESS && agent.restart) {
        *ret_again = start_anew(&agent, contain, argv);
        status = EXIT_FAILURE;
    }
    agent_config_done(&config);
    return status;
}

int main(int argc, char **argv)
{
    struct contain contain = {.begun = false};
    struct options options;
    bool again;
    int status = parse_options(argc, argv, &options);

    if (status >= 0)
        return status;
    do
        status = live(&options, &contain, argv, &again);
    while (again);
    contain_done(&contain);
    return status;
}
