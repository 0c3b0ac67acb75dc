/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/record.h"
#include "scan/hosts_internal.h"

/* Kind "host", key: the MAC address. Sources and facts by name, so that another version reads what it knows. */
enum {
    HOST_VERSION = 1,
    FACTS_MAX = HOST_FACTS * HOST_SOURCES,
};

void host_record_write(const struct host *host, struct buf *record)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < host->facts_count; i++)
        count += !host->facts[i]->ended;
    record_begin(record, HOST_VERSION);
    record_put_number(record, host->instance);
    record_put_number(record, (uint64_t)host->active_change);
    record_put_text(record, host->alias);
    record_put_text(record, host->interface);
    record_put_number(record, count);
    for (uint32_t i = 0; i < host->facts_count; i++) {
        const struct host_known_fact *known = host->facts[i];

        if (known->ended)
            continue;
        record_put_text(record, host_fact_name(known->fact));
        record_put_text(record, host_source_name(known->source));
        record_put_text(record, known->text);
        record_put_number(record, (uint64_t)known->time);
    }
}

static int index_of(const char *name, const char *(*name_of)(unsigned i), unsigned count)
{
    for (unsigned i = 0; name && i < count; i++)
        if (strcmp(name, name_of(i)) == 0)
            return (int)i;
    return -1;
}

static const char *fact_name(unsigned i)
{
    return host_fact_name((enum host_fact)i);
}

static const char *source_name(unsigned i)
{
    return host_source_name((enum host_source)i);
}

static int read_fact(struct host *host, struct record_reader *reader)
{
    char *name = record_text(reader), *from = record_text(reader), *text = record_text(reader);
    int64_t time = (int64_t)record_number(reader);
    int fact = index_of(name, fact_name, HOST_FACTS), source = index_of(from, source_name, HOST_SOURCES);
    int result = reader->failed ? -1 : 0;

    if (result == 0 && fact >= 0 && source >= 0 && text && host_text_valid(text, HOST_FACT_BYTES)) {
        result = host_said_restore(host, (enum host_source)source, (enum host_fact)fact, text, time);
        if (result == 0)
            text = NULL;
    }
    free(name);
    free(from);
    free(text);
    return result;
}

int host_record_read(struct host *host, struct str record)
{
    struct record_reader reader;
    uint64_t count;

    record_read(&reader, record, HOST_VERSION);
    host->instance = (uint32_t)record_choice(&reader, UINT32_MAX);
    host->active_change = host->stored_change = (int64_t)record_number(&reader);
    host->alias = record_text(&reader);
    record_copy(&reader, host->interface, sizeof(host->interface));
    count = record_choice(&reader, FACTS_MAX + 1);
    while (count-- && !reader.failed)
        if (read_fact(host, &reader) < 0)
            return -1;
    return record_end(&reader) && host->instance ? 0 : -1;
}
