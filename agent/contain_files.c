/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Landlock (Linux 5.13): what may be opened. Numbers are the kernel's (include/uapi/linux/landlock.h), written here because
 * the headers of a gateway's toolchain are older than its kernel. A rule is for a folder rather than a file wherever
 * files are replaced by a rename, which makes another inode.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/contain.h"
#include "base/log.h"
#include "datamodel/device/mtp.h"

enum {
    CREATE_RULESET = 444,
    ADD_RULE,
    RESTRICT_SELF,
    VERSION = 1,   /* flag of CREATE_RULESET */
    PATH_RULE = 1, /* kind of rule */
};

/* Rights. */
#define EXECUTE (1ull << 0)
#define WRITE_FILE (1ull << 1)
#define READ_FILE (1ull << 2)
#define READ_DIR (1ull << 3)
#define REMOVE_FILE (1ull << 5)
#define MAKE_SOCK (1ull << 9)
#define TRUNCATE (1ull << 14)
#define ABI_1 0x1fffull
#define ABI_2 0x3fffull     /* a file goes to another folder */
#define ABI_3 0x7fffull     /* truncate */
#define ABI_5 0xffffull     /* ioctl of devices */
#define SCOPE_ABSTRACT 1ull /* ABI 6: UNIX sockets without a file */
#define SCOPE_SIGNAL 2ull   /* ABI 6: signals to other processes */

#define READ (READ_FILE | READ_DIR)
/* Neither programs nor device nodes. */
#define KEEP (ABI_3 & ~(EXECUTE | 1ull << 6 /* MAKE_CHAR */ | 1ull << 11 /* MAKE_BLOCK */))

struct ruleset {
    uint64_t handled;
    uint64_t handled_net;
    uint64_t scoped;
};

struct rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

struct walls {
    int fd;
    uint64_t handled;
    int error_number;
    const char *failed; /* the path it is about; lives as long as the configuration */
};

/* What libraries open: certificates, names, the time zone, themselves when they are loaded late, the state of the system. */
static const char *const readable[] = {
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/proc",
    "/opt/lib",
    "/run/systemd",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/dbus",
    "/run/avahi-daemon",
    "/sys/class/net",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/dev/random",
    "/dev/null",
};

static uint64_t handled_by(int abi)
{
    return abi >= 5 ? ABI_5 : abi >= 3 ? ABI_3 : abi == 2 ? ABI_2 : ABI_1;
}

static void allow(struct walls *walls, const char *path, uint64_t rights)
{
    struct rule rule = {.allowed = rights & walls->handled};
    struct stat st;

    rule.parent = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent < 0)
        return; /* it is not there */
    if (fstat(rule.parent, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed &= WRITE_FILE | READ_FILE | TRUNCATE;
    if (syscall(ADD_RULE, walls->fd, PATH_RULE, &rule, 0) < 0 && !walls->error_number) {
        walls->error_number = errno;
        walls->failed = path;
    }
    close(rule.parent);
}

/* The folder of a path, or the nearest one above it that is there; the whole tree is no answer. */
static void allow_above(struct walls *walls, const char *path, uint64_t rights)
{
    char folder[PATH_MAX];
    struct stat st;
    char *slash;

    if (strlen(path) >= sizeof(folder))
        return;
    memcpy(folder, path, strlen(path) + 1);
    while (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
        slash = strrchr(folder, '/');
        if (slash == folder)
            return;
        if (!slash) {
            allow(walls, ".", rights);
            return;
        }
        *slash = '\0';
    }
    allow(walls, folder, rights);
}

/* Where a link leads is where a file is: /etc/resolv.conf of most systems. */
static void allow_read(void *ctx, const char *path)
{
    char real[PATH_MAX];

    allow_above(ctx, path, READ);
    if (realpath(path, real) && strcmp(real, path) != 0)
        allow_above(ctx, real, READ);
}

/* The UNIX sockets that the rows name: a socket file is made there and removed. */
static void allow_sockets(struct walls *walls, const struct dm *dm)
{
    struct dm_row *parent = dm_row_find(dm, STR("Device.UnixDomainSockets."));
    const struct dm_node *table = parent ? dm_node_child(parent->node, STR("UnixDomainSocket")) : NULL;
    struct dm_row *const *rows;
    uint32_t count = table ? dm_rows(parent, table, &rows) : 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct unix_socket_row *socket = rows[i]->data;

        if (socket->path && socket->path[0] == '/')
            allow_above(walls, socket->path, READ_DIR | WRITE_FILE | MAKE_SOCK | REMOVE_FILE);
    }
}

static void allow_all(struct walls *walls, const struct agent_config *config, const struct dm *dm)
{
    const char *const kept[] = {config->state_dir, config->cache_dir, config->run_dir,
                                config->lan_enrol_public_dir};

    for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
        allow(walls, readable[i], READ);
    allow(walls, "/dev/null", READ | WRITE_FILE);
    allow_read(walls, "/etc/resolv.conf");
    agent_config_paths(config, allow_read, walls);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (kept[i])
            allow(walls, kept[i], KEEP);
    if (dm)
        allow_sockets(walls, dm);
}

int contain_files(const struct agent_config *config, const struct dm *dm, struct error *err)
{
    int abi = (int)syscall(CREATE_RULESET, NULL, 0, VERSION);
    struct ruleset ruleset = {.handled = handled_by(abi)};
    struct walls walls = {.handled = ruleset.handled};

    if (abi <= 0)
        return 0;
    if (abi >= 6)
        ruleset.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
    /* Before ABI 6 the struct ended earlier; what is longer may only hold zeros. */
    walls.fd = (int)syscall(CREATE_RULESET, &ruleset, sizeof(ruleset), 0);
    if (walls.fd < 0)
        return error_set_errno(err, ERROR_INTERNAL, "contain", errno, "Landlock takes no rules");
    allow_all(&walls, config, dm);
    if (!walls.error_number && syscall(RESTRICT_SELF, walls.fd, 0) < 0)
        walls.error_number = errno;
    close(walls.fd);
    return walls.error_number ? error_set_errno(err, ERROR_INTERNAL, "contain", walls.error_number,
                                                "Landlock: %s", walls.failed ? walls.failed : "the rules")
                              : abi;
}
