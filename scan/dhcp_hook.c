/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/dhcp_hook.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "discovery/lease.h"

enum {
    NAME_BYTES = 48, /* of a file: an address */
};

/* ---- one file ---- */

static const struct {
    const char *key;
    enum host_fact fact;
} fact_keys[] = {
    {"hostname", HOST_FACT_HOST_NAME},
    {"client_id", HOST_FACT_CLIENT_ID},
    {"duid", HOST_FACT_DUID},
    {"vendor_class", HOST_FACT_VENDOR_CLASS_ID},
    {"user_class", HOST_FACT_USER_CLASS_ID},
    {"requested_options", HOST_FACT_REQUESTED_OPTIONS},
    {"mud_url", HOST_FACT_MUD_URL},
    {"cpewan_oui", HOST_FACT_MANUFACTURER_OUI},
    {"cpewan_serial", HOST_FACT_SERIAL_NUMBER},
    {"cpewan_class", HOST_FACT_PRODUCT_CLASS},
};

_Static_assert(sizeof(fact_keys) / sizeof(fact_keys[0]) <= HOOK_FACTS, "each key may come once");

/* Six digits, upper-case as TR-181 has them. */
static bool is_oui(char *text)
{
    size_t len = 0;

    for (; text[len]; len++) {
        if (!isxdigit((unsigned char)text[len]))
            return false;
        text[len] = (char)toupper((unsigned char)text[len]);
    }
    return len == 6;
}

static int take_fact(struct hook_file *file, const char *key, char *value, struct error *err)
{
    for (size_t i = 0; i < sizeof(fact_keys) / sizeof(fact_keys[0]); i++) {
        if (strcmp(key, fact_keys[i].key) != 0)
            continue;
        for (size_t k = 0; k < file->facts_count; k++)
            if (file->facts[k].fact == fact_keys[i].fact)
                return error_set(err, ERROR_INVALID_VALUE, NULL, "%s is there twice", key);
        if (fact_keys[i].fact == HOST_FACT_MANUFACTURER_OUI && !is_oui(value))
            return error_set(err, ERROR_INVALID_VALUE, NULL, "cpewan_oui is not six hexadecimal digits");
        file->facts[file->facts_count++] = (struct host_said){fact_keys[i].fact, value};
    }
    return 0;
}

static int take_line(struct hook_file *file, char *line, struct error *err)
{
    char *value = strchr(line, '=');

    if (!value || value == line)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "a line is not of the form key=value");
    *value++ = '\0';
    if (!*value)
        return 0;
    if (strcmp(line, "mac") == 0) {
        file->has_mac = host_mac_from_text(str_of(value), file->mac) == 0;
        return file->has_mac ? 0 : error_set(err, ERROR_INVALID_VALUE, NULL, "mac is no MAC address");
    }
    if (strcmp(line, "ip") == 0) {
        file->has_ip = host_ip_from_text(value, 0, &file->ip) == 0;
        return file->has_ip ? 0 : error_set(err, ERROR_INVALID_VALUE, NULL, "ip is no address of a host");
    }
    if (strcmp(line, "interface") == 0) {
        file->interface = value;
        return strlen(value) < HOST_INTERFACE_BYTES
                   ? 0
                   : error_set(err, ERROR_INVALID_VALUE, NULL, "interface is no interface's name");
    }
    return take_fact(file, line, value, err);
}

int hook_file_parse(char *text, size_t len, struct hook_file *ret, struct error *err)
{
    struct hook_file file = {.has_mac = false};
    char *line = text;

    if (strlen(text) != len)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "the file holds a NUL");
    while (*line) {
        char *end = strchr(line, '\n');

        if (!end)
            return error_set(err, ERROR_INVALID_VALUE, NULL, "the last line is not complete");
        *end = '\0';
        if (take_line(&file, line, err) < 0)
            return -1;
        line = end + 1;
    }
    if (!file.has_mac && !file.has_ip)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "the file names neither a MAC nor an IP address");
    *ret = file;
    return 0;
}

/* ---- the folder ---- */

/* A file that was read: replaced as a whole, so that another has another inode or time. */
struct hook_entry {
    char name[NAME_BYTES];
    uint64_t inode;
    struct timespec time;
};

struct hook_list {
    struct hook_entry *items; /* by name */
    uint32_t count, cap;
};

struct dhcp_hook {
    struct loop *loop;
    struct hosts *hosts;
    char *dir;
    struct lease_watch *watch;
    struct hook_list list;
    uint64_t refused;
    bool was_read;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct hook_entry *)a)->name, ((const struct hook_entry *)b)->name);
}

static bool is_known(const struct hook_list *list, const struct hook_entry *entry)
{
    const struct hook_entry *known = list->count
                                         ? bsearch(entry, list->items, list->count, sizeof(*entry), by_name)
                                         : NULL;

    return known && known->inode == entry->inode && known->time.tv_sec == entry->time.tv_sec &&
           known->time.tv_nsec == entry->time.tv_nsec;
}

static int add(struct hook_list *list, const struct hook_entry *entry)
{
    if (list->count == list->cap) {
        uint32_t cap = list->cap ? 2 * list->cap : 64;
        struct hook_entry *items = realloc(list->items, cap * sizeof(*items));

        if (!items)
            return -1;
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = *entry;
    return 0;
}

static void report(struct dhcp_hook *hook, const struct hook_file *file)
{
    hosts_observe(hook->hosts, &(struct host_sighting){
                                   .source = HOST_HOOK,
                                   .mac = file->has_mac ? file->mac : NULL,
                                   .ip = file->has_ip ? &file->ip : NULL,
                                   .interface = file->interface,
                                   /* What was there before the start says nothing of now. */
                                   .presence = hook->was_read ? HOST_PRESENCE_SEEN : HOST_PRESENCE_UNKNOWN,
                                   .facts = file->facts,
                                   .facts_count = file->facts_count,
                               });
}

/* 1: reported, or refused for good; 0: it is not there any more. */
static int read_one(struct dhcp_hook *hook, int dir, const char *name)
{
    struct hook_file file;
    struct error err = {0};
    struct buf text;
    int rc;

    buf_init(&text, LIMIT_HOST_FILE_BYTES + 1, 0); /* and its terminator */
    rc = file_read(dir, name, FILE_NO_LINK, &text, &err);
    if (rc > 0 && (!buf_cstr(&text) || hook_file_parse((char *)buf_data(&text), text.len, &file, &err) < 0))
        rc = -1;
    if (rc > 0)
        report(hook, &file);
    if (rc < 0 && hook->refused++ == 0) {
        str_copy(err.path, sizeof(err.path), name);
        log_failure(LOG_LEVEL_WARNING, "a file of the DHCP server's script is refused; more are only counted",
                    &err);
    }
    buf_done(&text);
    return rc != 0;
}

static void read_entry(struct dhcp_hook *hook, int dir, const char *name, struct hook_list *next)
{
    struct hook_entry entry = {.inode = 0};
    struct stat status;

    if (name[0] == '.' || strlen(name) >= NAME_BYTES || fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    str_copy(entry.name, sizeof(entry.name), name);
    entry.inode = status.st_ino;
    entry.time = status.st_mtim;
    if (is_known(&hook->list, &entry) || read_one(hook, dir, name))
        add(next, &entry);
}

static void on_changed(void *ctx)
{
    struct dhcp_hook *hook = ctx;
    struct hook_list next = {NULL, 0, 0};
    DIR *dir = opendir(hook->dir);
    struct dirent *entry;

    /* The folder is gone with a restart of the DHCP server's machine only: what is known stays. */
    if (!dir)
        return;
    while (next.count < LIMIT_HOST_FILES && (entry = readdir(dir)))
        read_entry(hook, dirfd(dir), entry->d_name, &next);
    closedir(dir);
    if (next.count)
        qsort(next.items, next.count, sizeof(*next.items), by_name);
    free(hook->list.items);
    hook->list = next;
    hook->was_read = true;
}

struct dhcp_hook *dhcp_hook_new(struct loop *loop, struct hosts *hosts, const char *dir, struct error *err)
{
    struct dhcp_hook *hook = calloc(1, sizeof(*hook));

    if (!hook || str_replace(&hook->dir, dir) < 0) {
        free(hook);
        error_set(err, ERROR_RESOURCES_EXCEEDED, dir, "out of memory");
        return NULL;
    }
    hook->loop = loop;
    hook->hosts = hosts;
    hook->watch = lease_watch_new(loop, dir, on_changed, hook, err);
    if (!hook->watch) {
        dhcp_hook_free(hook);
        return NULL;
    }
    on_changed(hook);
    hook->was_read = true;
    return hook;
}

void dhcp_hook_free(struct dhcp_hook *hook)
{
    if (!hook)
        return;
    lease_watch_free(hook->watch);
    free(hook->list.items);
    free(hook->dir);
    free(hook);
}

uint64_t dhcp_hook_refused(const struct dhcp_hook *hook)
{
    return hook->refused;
}
