/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filter of system calls: those that no part of the agent makes fail with EPERM. A list of what is refused, not of what is
 * allowed: the second depends on the C library's version, and when it is wrong it stops a gateway.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/socket.h>

#include "agent/contain.h"

static const char *const refused[] = {
    /* other processes and their memory */
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "process_madvise",
    "kcmp",
    /* the tree of files */
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "open_by_handle_at",
    "mknod",
    "mknodat",
    "quotactl",
    "quotactl_fd",
    "swapon",
    "swapoff",
    "nfsservctl",
    "lookup_dcookie",
    "fanotify_init",
    "uselib",
    /* the machine */
    "reboot",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "syslog",
    "acct",
    "iopl",
    "ioperm",
    "sethostname",
    "setdomainname",
    "vhangup",
    /* the clock */
    "settimeofday",
    "clock_settime",
    "clock_settime64",
    "clock_adjtime",
    "clock_adjtime64",
    "adjtimex",
    "stime",
    /* large, rarely used doors into the kernel */
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "add_key",
    "request_key",
    "keyctl",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "personality",
    "vmsplice",
    "move_pages",
    "migrate_pages",
    "mbind",
    "set_mempolicy",
    "unshare",
    "setns",
    "modify_ldt",
    "remap_file_pages",
    /* programs: hooks are run by another process */
    "execve",
    "execveat",
};

static int refuse_calls(scmp_filter_ctx filter)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof(refused) / sizeof(refused[0]); i++) {
        int number = seccomp_syscall_resolve_name(refused[i]);

        if (number != __NR_SCMP_ERROR) /* a name that this library or machine does not have */
            rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
        if (rc == -EEXIST || rc == -EDOM)
            rc = 0;
    }
    return rc;
}

/* New namespaces: each flag for itself, since a call may ask for several. clone3() hides its flags in memory, and C libraries
 * take ENOSYS for an older kernel. */
static int refuse_namespaces(scmp_filter_ctx filter)
{
    static const unsigned flags[] = {CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,   CLONE_NEWUSER,
                                     CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP};
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    for (size_t i = 0; rc == 0 && i < sizeof(flags) / sizeof(flags[0]); i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
    return rc;
}

/* AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK are what there is to talk with. */
static int refuse_families(scmp_filter_ctx filter)
{
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0));

    for (unsigned family = 0; rc == 0 && family < AF_NETLINK; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                  SCMP_A0(SCMP_CMP_EQ, family, 0));
    return rc;
}

int contain_calls(struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = filter ? 0 : -ENOMEM;

    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    if (rc == 0)
        rc = refuse_calls(filter);
    if (rc == 0)
        rc = refuse_namespaces(filter);
    if (rc == 0)
        rc = refuse_families(filter);
    if (rc == 0 && seccomp_load(filter) < 0) {
        seccomp_release(filter);
        return 0; /* the kernel has no filters */
    }
    seccomp_release(filter);
    return rc < 0 ? error_set_errno(err, ERROR_INTERNAL, "contain", -rc, "the filter of system calls") : 1;
}
