/* SPDX-License-Identifier: BSD-3-Clause */
#include "discovery/dns_sd.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "discovery/dns_message.h"

static const char SERVICE[] =
    "_usp-ctr-ws._tcp."; /* IANA-registered; MQTT is not taken from here, see dhcp.c */

/* R-DIS.1b: res_query(), which unlike res_search() appends no search domain. It is thread-safe, and musl has it too. */
int dns_query(void *ctx, const char *name, int type, uint8_t *message)
{
    int len = res_query(name, ns_c_in, type, message, DNS_MESSAGE_BYTES);

    (void)ctx;
    if (len >= 0)
        return len > DNS_MESSAGE_BYTES ? -1 : len;
    return h_errno == HOST_NOT_FOUND || h_errno == NO_DATA ? 0 : -1;
}

struct search {
    dns_query_fn *query;
    void *ctx;
    uint8_t *message;
    struct dns_sd_result *result;
};

/* Asks and opens the answer; false: the result says why not. */
static bool ask(struct search *search, const char *name, int type, struct dns_reader *ret)
{
    struct dns_sd_result *result = search->result;
    int len = search->query(search->ctx, name, type, search->message);

    result->verdict = len ? DNS_SD_FAILED : DNS_SD_NONE;
    if (len <= 0) {
        error_set(&result->why, ERROR_INTERNAL, NULL,
                  len ? "no DNS server answers for %.150s" : "DNS has no %.150s", name);
        return false;
    }
    return dns_open((struct str){(const char *)search->message, (size_t)len}, ret, &result->why) == 0;
}

/* The next record of this type, or 0 (the result has why, if it is malformed). */
static bool next_of(struct search *search, struct dns_reader *reader, int type, struct dns_record *ret)
{
    int rc;

    while ((rc = dns_next(reader, ret, &search->result->why)) > 0)
        if (ret->type == type)
            return true;
    search->result->verdict = rc < 0 ? DNS_SD_FAILED : DNS_SD_NONE;
    return false;
}

/* R-DIS.8: the instance's name is the Endpoint ID. */
static bool find_instance(struct search *search, const char *host, const char *endpoint_id,
                          struct dns_name *ret)
{
    struct dns_sd_result *result = search->result;
    struct dns_reader reader;
    struct dns_record record;
    char name[sizeof(SERVICE) + ADDRESS_HOST_BYTES + 1];

    snprintf(name, sizeof(name), "%s%s", SERVICE, host);
    if (!ask(search, name, DNS_PTR, &reader))
        return false;
    for (unsigned n = 0; n < LIMIT_DNS_INSTANCES && next_of(search, &reader, DNS_PTR, &record); n++) {
        struct str label = dns_label(&record.name, 0);

        if (!endpoint_id_valid(label) || (endpoint_id[0] && !str_is(label, endpoint_id)))
            continue;
        memcpy(result->endpoint_id, label.data, label.len);
        result->endpoint_id[label.len] = '\0';
        *ret = record.name;
        return true;
    }
    if (result->verdict != DNS_SD_FAILED || !result->why.code) {
        result->verdict = DNS_SD_NONE;
        error_set(&result->why, ERROR_INTERNAL, NULL, "%.120s has no instance that is %s", name,
                  endpoint_id[0] ? endpoint_id : "an Endpoint ID");
    }
    return false;
}

/* Of several servers the one with the lowest priority; weights are for those who have more than one home. */
static bool find_server(struct search *search, const char *instance)
{
    struct controller_address *address = &search->result->address;
    struct dns_reader reader;
    struct dns_record record;
    unsigned best = UINT16_MAX + 1u;

    if (!ask(search, instance, DNS_SRV, &reader))
        return false;
    while (next_of(search, &reader, DNS_SRV, &record)) {
        char host[DNS_TEXT_BYTES];

        dns_name_text(&record.name, host);
        if (record.priority >= best || !record.port || !host_name_valid(str_of(host)))
            continue;
        best = record.priority;
        address->port = record.port;
        str_copy(address->host, sizeof(address->host), host);
    }
    if (best <= UINT16_MAX && search->result->verdict != DNS_SD_FAILED)
        return true;
    if (search->result->verdict != DNS_SD_FAILED)
        error_set(&search->result->why, ERROR_INTERNAL, NULL, "%.150s names no server", instance);
    return false;
}

/* R-DIS.11: "path" has to be there. */
static bool find_attributes(struct search *search, const char *instance)
{
    struct controller_address *address = &search->result->address;
    struct dns_reader reader;
    struct dns_record record;
    struct str value;

    if (!ask(search, instance, DNS_TXT, &reader))
        return false;
    while (next_of(search, &reader, DNS_TXT, &record)) {
        if (!dns_attribute(record.txt, "path", &value) || value.len >= sizeof(address->path) ||
            !str_is_utf8(value) || (value.len && memchr(value.data, '#', value.len)))
            continue;
        memcpy(address->path, value.data, value.len);
        address->path[value.len] = '\0';
        address->tls = dns_attribute(record.txt, "encrypt", &value); /* R-DIS.11a */
        return true;
    }
    if (search->result->verdict != DNS_SD_FAILED)
        error_set(&search->result->why, ERROR_INTERNAL, NULL, "the TXT record of %.150s has no path",
                  instance);
    return false;
}

void dns_sd_find(const char *host, const char *endpoint_id, dns_query_fn *query, void *ctx, uint8_t *message,
                 struct dns_sd_result *ret)
{
    struct search search = {query, ctx, message, ret};
    char instance[DNS_TEXT_BYTES];
    struct dns_name name;

    *ret = (struct dns_sd_result){.address.complete = true};
    if (!find_instance(&search, host, endpoint_id, &name))
        return;
    dns_name_text(&name, instance);
    if (find_server(&search, instance) && find_attributes(&search, instance))
        ret->verdict = DNS_SD_FOUND;
}

/* ---- on a worker ---- */

struct dns_sd {
    dns_query_fn *query;
    void (*done)(void *ctx, const struct dns_sd_result *result); /* NULL: cancelled */
    void *ctx;
    char host[ADDRESS_HOST_BYTES + 1];
    char endpoint_id[DHCP_ENDPOINT_ID_BYTES];
    struct dns_sd_result result;
    uint8_t message[DNS_MESSAGE_BYTES];
};

static void work(void *ctx)
{
    struct dns_sd *lookup = ctx;

    dns_sd_find(lookup->host, lookup->endpoint_id, lookup->query, NULL, lookup->message, &lookup->result);
}

static void work_done(void *ctx, bool cancelled)
{
    struct dns_sd *lookup = ctx;

    if (lookup->done && !cancelled)
        lookup->done(lookup->ctx, &lookup->result);
    free(lookup);
}

struct dns_sd *dns_sd_start(struct loop *loop, const char *host, const char *endpoint_id, dns_query_fn *query,
                            void (*done)(void *ctx, const struct dns_sd_result *result), void *ctx)
{
    struct dns_sd *lookup = malloc(sizeof(*lookup));

    if (!lookup)
        return NULL;
    lookup->query = query;
    lookup->done = done;
    lookup->ctx = ctx;
    str_copy(lookup->host, sizeof(lookup->host), host);
    str_copy(lookup->endpoint_id, sizeof(lookup->endpoint_id), endpoint_id);
    if (loop_work(loop, work, work_done, lookup) == 0)
        return lookup;
    free(lookup);
    return NULL;
}

void dns_sd_cancel(struct dns_sd *lookup)
{
    if (lookup)
        lookup->done = NULL; /* the worker's answer is thrown away */
}
