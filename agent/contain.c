/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/contain.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"

enum {
    FOLDER_MODE = 0750,
    PUBLIC_MODE = 0755, /* of lan_enrol_public_dir, for servers of other users */
};

/* ---- the user ---- */

/* A folder has to be there before it can be given away, or a rule can name it. */
static int make(const char *folder, mode_t mode, struct error *err)
{
    if (mkdir(folder, mode) == 0 ? chmod(folder, mode) < 0 : errno != EEXIST)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, folder, errno, "cannot make the directory");
    return 0;
}

static int give(const char *folder, mode_t mode, const struct passwd *user, struct error *err)
{
    if (!folder)
        return 0;
    return make(folder, mode, err) < 0 ? -1 : contain_give(folder, user->pw_uid, user->pw_gid, err);
}

static int give_all(const struct agent_config *config, const struct passwd *user, struct error *err)
{
    return give(config->state_dir, FOLDER_MODE, user, err) < 0 ||
                   give(config->cache_dir, FOLDER_MODE, user, err) < 0 ||
                   give(config->run_dir, FOLDER_MODE, user, err) < 0 ||
                   give(config->lan_enrol_public_dir, PUBLIC_MODE, user, err) < 0
               ? -1
               : 0;
}

static int set_capabilities(uint32_t mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = mask, .permitted = mask, .inheritable = mask},
        {.effective = 0},
    };

    return (int)syscall(SYS_capset, &header, data);
}

static void drop_bounding_set(void)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (cap != CAP_NET_BIND_SERVICE)
            prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int become(const struct passwd *user)
{
    drop_bounding_set();
    if (initgroups(user->pw_name, user->pw_gid) < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0 || prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
        return -1;
    /* A gateway in a box without CAP_NET_BIND_SERVICE has none to keep. */
    if (set_capabilities(1u << CAP_NET_BIND_SERVICE) < 0 && set_capabilities(0) < 0)
        return -1;
    /* It outlives the agent's exec of itself. An old kernel has no ambient set: then a port below 1024 is refused. */
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
    return 0;
}

/* There is no way back: neither to root, nor by what is saved. */
static bool is_only(const struct passwd *user)
{
    uid_t real, effective, saved;
    gid_t group, effective_group, saved_group;

    return getresuid(&real, &effective, &saved) == 0 && real == user->pw_uid && effective == user->pw_uid &&
           saved == user->pw_uid && getresgid(&group, &effective_group, &saved_group) == 0 &&
           group == user->pw_gid && effective_group == user->pw_gid && saved_group == user->pw_gid &&
           setuid(0) < 0 && setgid(0) < 0;
}

void contain_whoami(char *to, size_t size)
{
    const struct passwd *user = getpwuid(geteuid());

    if (user)
        str_copy(to, size, user->pw_name);
    else
        snprintf(to, size, "%u", (unsigned)geteuid());
}

int contain_user(const struct agent_config *config, struct error *err)
{
    const struct passwd *user;

    if (!config->user)
        return 0;
    user = getpwnam(config->user);
    if (!user)
        return error_set(err, ERROR_INVALID_CONFIGURATION, "user", "there is no user \"%s\"", config->user);
    if (user->pw_uid == 0 || user->pw_gid == 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, "user", "\"%s\" has root's user or group number",
                         config->user);
    if (geteuid() == user->pw_uid && getuid() == user->pw_uid)
        return 0; /* systemd, procd or an earlier life did it */
    if (geteuid() != 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, "user",
                         "only root can become \"%s\": start it as root or as that user", config->user);
    if (give_all(config, user, err) < 0)
        return -1;
    if (become(user) < 0)
        return error_set_errno(err, ERROR_INTERNAL, "user", errno, "cannot become \"%s\"", config->user);
    if (!is_only(user))
        return error_set(err, ERROR_INTERNAL, "user", "\"%s\" could become root again", config->user);
    return 0;
}

/* ---- the walls ---- */

static int raise_walls(struct contain *contain, const struct agent_config *config, const struct dm *dm,
                       struct error *err)
{
    bool required = strcmp(config->contain, "on") == 0;
    int files, calls;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set_errno(err, ERROR_INTERNAL, "contain", errno, "PR_SET_NO_NEW_PRIVS");
    if (config->lan_enrol_public_dir && make(config->lan_enrol_public_dir, PUBLIC_MODE, err) < 0)
        return -1;
    files = contain_files(config, dm, err);
    if (files < 0)
        return -1;
    calls = contain_calls(err);
    if (calls < 0)
        return -1;
    contain->walled = true;
    contain->state.landlock = (uint32_t)files;
    if (required && (!files || !calls))
        return error_set(err, ERROR_INVALID_CONFIGURATION, "contain",
                         "it is on, and %s missing here: contain = auto does without",
                         files ? "the filter of system calls is" : "Landlock is");
    if (files && calls)
        log_info("contained: no new privileges, Landlock %d, system calls filtered", files);
    else
        log_warning("contained in part: no new privileges, %s, %s",
                    files ? "Landlock" : "no Landlock in this kernel",
                    calls ? "system calls filtered" : "no filter of system calls");
    return 0;
}

static int raise_wanted(struct contain *contain, const struct agent_config *config, const struct dm *dm,
                        struct error *err)
{
    if (strcmp(config->contain, "off") == 0) {
        log_warning("not contained: contain = off");
        return 0;
    }
    if (geteuid() == 0)
        log_warning("runs as root: set `user`");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* its memory has keys: no core file, no debugger of the same user */
    return raise_walls(contain, config, dm, err);
}

int contain_raise(struct contain *contain, const struct agent_config *config, const struct dm *dm,
                  struct error *err)
{
    if (contain->walled)
        return 0;
    contain_whoami(contain->state.user, sizeof(contain->state.user));
    if (raise_wanted(contain, config, dm, err) < 0)
        return -1;
    contain->state.no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    contain->state.calls_filtered = prctl(PR_GET_SECCOMP) == 2; /* SECCOMP_MODE_FILTER */
    return 0;
}
