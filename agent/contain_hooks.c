/* SPDX-License-Identifier: BSD-3-Clause */
/* Hooks keep the rights that the agent gives up, so they are started by a process that is forked before it does. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/contain.h"
#include "base/log.h"
#include "base/str.h"

/* Nobody but root can put another file in the place of this one, or another folder in the place of one above it. */
static bool is_roots_alone(const char *file)
{
    char path[PATH_MAX];
    struct stat st;
    char *end;

    if (str_copy(path, sizeof(path), file) != strlen(file))
        return false;
    while ((end = strrchr(path, '/'))) {
        if (stat(path, &st) < 0 || st.st_uid != 0 ||
            ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX))))
            return false;
        *end = '\0';
    }
    return stat("/", &st) == 0 && st.st_uid == 0;
}

/* In the order of struct contain. */
static const struct {
    const char *key;
    size_t offset;
} keys[CONTAIN_HOOKS] = {
    {"hook_firmware", offsetof(struct agent_config, hook_firmware)},
    {"hook_reboot", offsetof(struct agent_config, hook_reboot)},
    {"hook_factory_reset", offsetof(struct agent_config, hook_factory_reset)},
    {"hook_broker_reload", offsetof(struct agent_config, hook_broker_reload)},
};

static const char *program_of(const struct agent_config *config, size_t hook)
{
    return *(const char *const *)((const char *)config + keys[hook].offset);
}

/* Links are followed now, and what they lead to is what is executed: one of them may be in a folder of somebody else. */
static int check(struct contain *contain, const struct agent_config *config, struct error *err)
{
    for (size_t i = 0; i < CONTAIN_HOOKS; i++) {
        const char *program = program_of(config, i);

        if (!program)
            continue;
        free(contain->files[i]);
        contain->files[i] = realpath(program, NULL);
        if (!contain->files[i])
            return error_set_errno(err, ERROR_INVALID_CONFIGURATION, keys[i].key, errno, "%s cannot be run",
                                   program);
        if (!is_roots_alone(contain->files[i]))
            return error_set(err, ERROR_INVALID_CONFIGURATION, keys[i].key,
                             "%s would run as root, and others than root can change it or a folder above it: "
                             "chown root, chmod go-w",
                             program);
    }
    return 0;
}

static int remember(struct contain *contain, const struct agent_config *config, struct error *err)
{
    for (size_t i = 0; i < CONTAIN_HOOKS; i++)
        if (str_replace(&contain->programs[i], program_of(config, i)) < 0)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, keys[i].key, "out of memory");
    return 0;
}

void contain_hooks_compare(const struct contain *contain, const struct agent_config *config)
{
    for (size_t i = 0; i < CONTAIN_HOOKS; i++) {
        const char *now = contain->programs[i] ? contain->programs[i] : "";
        const char *then = program_of(config, i) ? program_of(config, i) : "";

        if (strcmp(now, then) != 0)
            log_warning("%s stays \"%s\": restart the service for \"%s\"", keys[i].key, now, then);
    }
}

void contain_done(struct contain *contain)
{
    hook_runner_stop(&contain->hooks);
    for (size_t i = 0; i < CONTAIN_HOOKS; i++) {
        free(contain->programs[i]);
        free(contain->files[i]);
    }
}

int contain_hooks(struct contain *contain, const struct agent_config *config, struct error *err)
{
    struct hook_programs programs = {
        .image_dir = config->cache_dir,
    };

    if (contain->begun) {
        contain_hooks_compare(contain, config); /* another life: what was not forked then cannot be now */
        return 0;
    }
    /* Without `user` the agent itself is root, and can as well change the hook. */
    if (geteuid() == 0 && config->user && check(contain, config, err) < 0)
        return -1;
    programs.firmware = (struct hook_program){config->hook_firmware, contain->files[0]};
    programs.reboot = (struct hook_program){config->hook_reboot, contain->files[1]};
    programs.factory_reset = (struct hook_program){config->hook_factory_reset, contain->files[2]};
    programs.broker_reload = (struct hook_program){config->hook_broker_reload, contain->files[3]};
    if (remember(contain, config, err) < 0 || hook_runner_start(&contain->hooks, &programs, err) < 0)
        return -1;
    contain->begun = true;
    if (contain->hooks.pid) {
        contain_whoami(contain->state.hook_user, sizeof(contain->state.hook_user));
        log_info("hooks are run by process %d as user %s", (int)contain->hooks.pid, contain->state.hook_user);
    }
    return 0;
}
