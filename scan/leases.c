/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/leases.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "discovery/lease.h"
#include "scan/lease_line.h"

/* One address of the file. */
struct lease {
    struct host_ip ip;
    int64_t expires;
    uint64_t line; /* its hash: the same line says nothing new */
};

struct lease_list {
    struct lease *items; /* by address */
    uint32_t count, cap;
};

struct leases {
    struct loop *loop;
    struct hosts *hosts;
    char *file;
    struct lease_watch *watch;
    struct lease_list list;
    uint32_t malformed;
    bool was_read, complained;
};

static int by_address(const void *a, const void *b)
{
    return memcmp(&((const struct lease *)a)->ip, &((const struct lease *)b)->ip, sizeof(struct host_ip));
}

static const struct lease *find(const struct lease_list *list, const struct host_ip *ip)
{
    struct lease key = {.ip = *ip};

    return list->count ? bsearch(&key, list->items, list->count, sizeof(key), by_address) : NULL;
}

static int add(struct lease_list *list, const struct lease *lease)
{
    if (list->count == list->cap) {
        uint32_t cap = list->cap ? 2 * list->cap : 64;
        struct lease *items = realloc(list->items, cap * sizeof(*items));

        if (!items)
            return -1;
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = *lease;
    return 0;
}

/* What a line does not say, another of the same client may: of DHCPv4 and of DHCPv6. */
static size_t facts_of(const struct lease_line *line, const struct host_ip *ip, struct host_said said[2])
{
    size_t count = 0;

    if (line->host_name[0])
        said[count++] = (struct host_said){HOST_FACT_HOST_NAME, line->host_name};
    if (line->client_id[0])
        said[count++] = (struct host_said){host_ip_is_v4(ip) ? HOST_FACT_CLIENT_ID : HOST_FACT_DUID,
                                           line->client_id};
    return count;
}

static void report(struct leases *leases, const struct lease_line *line, const struct host_ip *ip,
                   const struct lease *before)
{
    struct host_said said[2];
    struct host_sighting sighting = {
        .source = HOST_LEASE,
        .mac = line->has_mac ? line->mac : NULL,
        .ip = ip,
        .interface = line->interface[0] ? line->interface : NULL,
        .lease = HOST_LEASE_HELD,
        .lease_expires = line->expires,
        .facts = said,
        .facts_count = facts_of(line, ip, said),
    };

    if (leases->was_read && (!before || before->expires < line->expires))
        sighting.presence = HOST_PRESENCE_SEEN;
    hosts_observe(leases->hosts, &sighting);
}

static void read_line(struct leases *leases, struct str text, struct lease_list *next)
{
    static const uint64_t seed[2];
    struct lease_line line;
    int rc = lease_line_parse(text, &line);

    leases->malformed += rc < 0;
    for (uint32_t i = 0; rc > 0 && i < line.ips_count && next->count < LIMIT_LEASES; i++) {
        struct lease lease = {line.ips[i], line.expires, map_hash(seed, text.data, text.len)};
        const struct lease *before = find(&leases->list, &lease.ip);

        if (add(next, &lease) == 0 && (!before || before->line != lease.line))
            report(leases, &line, &lease.ip, before);
    }
}

static void report_ended(struct leases *leases, const struct lease_list *next)
{
    for (uint32_t i = 0; i < leases->list.count; i++)
        if (!find(next, &leases->list.items[i].ip))
            hosts_observe(leases->hosts, &(struct host_sighting){.source = HOST_LEASE,
                                                                 .ip = &leases->list.items[i].ip,
                                                                 .lease = HOST_LEASE_ENDED});
}

static void read_file(struct leases *leases, struct str text)
{
    struct lease_list next = {NULL, 0, 0};
    struct str line;

    leases->malformed = 0;
    while (text.len && str_next(&text, '\n', &line))
        read_line(leases, line, &next);
    if (next.count)
        qsort(next.items, next.count, sizeof(*next.items), by_address);
    report_ended(leases, &next);
    free(leases->list.items);
    leases->list = next;
    leases->was_read = true;
}

static void on_changed(void *ctx)
{
    struct leases *leases = ctx;
    struct error err = {0};
    struct buf text;
    int rc;

    buf_init(&text, LIMIT_LEASE_FILE_BYTES, 0);
    rc = file_read(AT_FDCWD, leases->file, FILE_NO_LINK, &text, &err);
    if (rc >= 0)
        read_file(leases, (struct str){(const char *)buf_data(&text), text.len});
    else if (!leases->complained)
        log_failure(LOG_LEVEL_WARNING, "cannot read the leases of the DHCP server", &err);
    leases->complained = rc < 0;
    buf_done(&text);
}

struct leases *leases_new(struct loop *loop, struct hosts *hosts, const char *file, struct error *err)
{
    struct leases *leases = calloc(1, sizeof(*leases));

    if (!leases || str_replace(&leases->file, file) < 0) {
        free(leases);
        error_set(err, ERROR_RESOURCES_EXCEEDED, file, "out of memory");
        return NULL;
    }
    leases->loop = loop;
    leases->hosts = hosts;
    leases->watch = lease_watch_new(loop, file, on_changed, leases, err);
    if (!leases->watch) {
        leases_free(leases);
        return NULL;
    }
    on_changed(leases);
    return leases;
}

void leases_free(struct leases *leases)
{
    if (!leases)
        return;
    lease_watch_free(leases->watch);
    free(leases->list.items);
    free(leases->file);
    free(leases);
}

uint32_t leases_count(const struct leases *leases)
{
    return leases->list.count;
}

uint32_t leases_malformed(const struct leases *leases)
{
    return leases->malformed;
}
