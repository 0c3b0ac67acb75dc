/* SPDX-License-Identifier: BSD-3-Clause */
/* What hosts have others write of them: lease files, the files of the DHCP server's script. The first byte says which. */
#include <stdlib.h>
#include <string.h>

#include "scan/dhcp_hook.h"
#include "scan/lease_line.h"
#include "scan/oui.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
    if (!good)
        abort();
}

struct table {
    struct clock clock;
    struct timers timers;
    struct hosts *hosts;
};

static void check_host(const struct host *host)
{
    for (uint32_t i = 0; i < host->facts_count; i++)
        require(host->facts[i]->text[0] && strlen(host->facts[i]->text) <= HOST_FACT_BYTES &&
                str_is_utf8(str_of(host->facts[i]->text)));
    for (uint32_t i = 0; i < host->addresses_count; i++)
        require(hosts_find_ip(host->hosts, &host->addresses[i]->ip) == host);
}

/* What was taken goes to the table, which believes nothing either. */
static void observe(struct table *table, const struct host_sighting *sighting)
{
    hosts_observe(table->hosts, sighting);
    require(hosts_count(table->hosts) <= 4096);
    for (uint32_t i = 0; i < hosts_count(table->hosts); i++)
        check_host(hosts_at(table->hosts, i));
}

static void leases(struct table *table, struct str text)
{
    struct lease_line lease;
    struct str line;

    while (text.len && str_next(&text, '\n', &line)) {
        if (lease_line_parse(line, &lease) <= 0)
            continue;
        require(lease.ips_count >= 1 && lease.ips_count <= LEASE_ADDRESSES);
        for (uint32_t i = 0; i < lease.ips_count; i++) {
            struct host_said said[] = {{HOST_FACT_HOST_NAME, lease.host_name},
                                       {HOST_FACT_CLIENT_ID, lease.client_id}};

            observe(table, &(struct host_sighting){.source = HOST_LEASE,
                                                   .mac = lease.has_mac ? lease.mac : NULL,
                                                   .ip = &lease.ips[i],
                                                   .interface = lease.interface,
                                                   .lease = HOST_LEASE_HELD,
                                                   .lease_expires = lease.expires,
                                                   .facts = said,
                                                   .facts_count = 2});
        }
    }
}

static void hook(struct table *table, struct str text)
{
    char *copy = str_dup(text.data, text.len);
    struct hook_file file;

    if (copy && hook_file_parse(copy, text.len, &file, NULL) == 0) {
        require((file.has_mac || file.has_ip) && file.facts_count <= HOOK_FACTS);
        observe(table, &(struct host_sighting){.source = HOST_HOOK,
                                               .mac = file.has_mac ? file.mac : NULL,
                                               .ip = file.has_ip ? &file.ip : NULL,
                                               .interface = file.interface,
                                               .presence = HOST_PRESENCE_SEEN,
                                               .facts = file.facts,
                                               .facts_count = file.facts_count});
    }
    free(copy);
}

static void blocks(struct str text)
{
    uint8_t oui[OUI_BYTES];
    struct str line, owner;

    while (text.len && str_next(&text, '\n', &line))
        if (oui_line(line, oui, &owner))
            require(owner.len && owner.data >= line.data && owner.data + owner.len <= line.data + line.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table table;
    struct str rest;

    if (!size)
        return 0;
    rest = (struct str){(const char *)data + 1, size - 1};
    clock_fake(&table.clock, 1800000000);
    timers_init(&table.timers, &table.clock);
    table.hosts = hosts_new(NULL, &table.timers, &limits_default, 300);
    if (!table.hosts)
        return 0;
    switch (data[0]) {
    case 'l':
        leases(&table, rest);
        break;
    case 'h':
        hook(&table, rest);
        break;
    default:
        blocks(rest);
    }
    hosts_free(table.hosts);
    timers_done(&table.timers);
    return 0;
}
