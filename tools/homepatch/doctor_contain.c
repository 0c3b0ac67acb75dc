/* SPDX-License-Identifier: BSD-3-Clause */
/* The walls around the agent, as it tells of them itself: docs/security.md, "Containment". */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tools/homepatch/doctor.h"

#define CONTAINMENT "Device.LocalAgent." VENDOR_PREFIX "Containment."

enum {
    ENOUGH = 3, /* the first Landlock that guards what is in a file too (Linux 6.2) */
};

static unsigned check_user(struct doctor *doctor, const char *user)
{
    if (strcmp(user, "root") != 0)
        return 0;
    doctor_warn(doctor, CONTAINMENT "User", "the agent runs as root",
                "set `user` in its configuration, or User= in its unit, and restart the service");
    return 1;
}

static unsigned check_wall(struct doctor *doctor, bool up, const char *parameter, const char *text,
                           const char *fix)
{
    bool off = strcmp(doctor_config(doctor, "contain"), "off") == 0;

    if (up)
        return 0;
    doctor_warn(doctor, parameter, text,
                off ? "set `contain` to auto in its configuration, and restart the service" : fix);
    return 1;
}

static unsigned check_landlock(struct doctor *doctor, unsigned version)
{
    if (version > 0 && version < ENOUGH) {
        doctor_warn(doctor, CONTAINMENT "LandlockVersion",
                    doctor_text(doctor,
                                "Landlock %u of this kernel does not guard files against being emptied",
                                version),
                    "a kernel from Linux 6.2 on does");
        return 1;
    }
    return check_wall(
        doctor, version > 0, CONTAINMENT "LandlockVersion",
        "the agent may open all files that its user may: no Landlock",
        "it takes Linux 5.13 with CONFIG_SECURITY_LANDLOCK, and landlock in the list of lsm= on "
        "the kernel's command line");
}

void doctor_containment(struct doctor *doctor)
{
    const char *user = doctor_get(doctor, CONTAINMENT "User");
    const char *hooks = doctor_get(doctor, CONTAINMENT "HookUser");
    unsigned version = doctor_port(doctor_get(doctor, CONTAINMENT "LandlockVersion"));
    unsigned missing;

    if (!doctor->live || !user[0])
        return; /* an agent that does not tell, or not us */
    missing = check_user(doctor, user);
    missing += check_wall(doctor, doctor_true(doctor_get(doctor, CONTAINMENT "NoNewPrivileges")),
                          CONTAINMENT "NoNewPrivileges",
                          "the agent could gain privileges by set-user-ID programs",
                          "restart the service with `contain` of auto or on");
    missing += check_landlock(doctor, version);
    missing += check_wall(doctor, doctor_true(doctor_get(doctor, CONTAINMENT "SystemCallFilter")),
                          CONTAINMENT "SystemCallFilter", "the agent's system calls are not filtered",
                          "it takes a build with libseccomp, and a kernel with CONFIG_SECCOMP_FILTER");
    if (missing)
        return;
    doctor_ok(doctor, "",
              doctor_text(doctor,
                          "the agent is contained: user %s, no new privileges, Landlock %u, system calls "
                          "filtered%s%s",
                          user, version,
                          hooks[0] ? "; hooks are run by a process of their own, user " : "; no hooks",
                          hooks));
}
