/* SPDX-License-Identifier: BSD-3-Clause */
/* What strangers say of a controller: DHCP options, addresses and DNS answers. The first byte says which. */
#include <stdlib.h>
#include <string.h>

#include "discovery/dhcp.h"
#include "discovery/dns_message.h"
#include "discovery/dns_sd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
    if (!good)
        abort();
}

static void dhcp(struct str option, enum dhcp_family family)
{
    struct dhcp_answer answer = {.url = ""};
    struct controller_address address;

    if (dhcp_parse(option, family, &answer, NULL) < 0) {
        require(dhcp_answer_empty(&answer));
        return;
    }
    require(!answer.retry_multiplier ||
            (answer.retry_multiplier >= 1000 && answer.retry_multiplier <= 65535));
    require(answer.retry_minimum <= 65535);
    require(!answer.endpoint_id[0] || endpoint_id_valid(str_of(answer.endpoint_id)));
    require(str_is_utf8(str_of(answer.provisioning_code)));
    if (controller_address_parse(str_of(answer.url), &address, NULL) < 0)
        return;
    require(address.port && address.host[0] && strlen(address.host) <= ADDRESS_HOST_BYTES);
    require(address.literal || address.host[strlen(address.host) - 1] == '.');
    /* What was made of it is read as the same again. */
    require(address.literal || host_name_valid(str_of(address.host)));
}

static void records(struct str message)
{
    struct dns_reader reader;
    struct dns_record record;
    char text[DNS_TEXT_BYTES];
    struct str value;

    if (dns_open(message, &reader, NULL) < 0)
        return;
    while (dns_next(&reader, &record, NULL) > 0) {
        dns_name_text(&record.owner, text);
        require(strlen(text) < sizeof(text));
        dns_name_text(&record.name, text);
        require(dns_name_equal(&record.name, &record.name));
        if (record.type == DNS_TXT && dns_attribute(record.txt, "path", &value))
            require(!value.len ||
                    (value.data >= message.data && value.data + value.len <= message.data + message.len));
    }
}

struct answers {
    const uint8_t *data;
    size_t size;
};

/* Each query gets the same bytes. */
static int query(void *ctx, const char *name, int type, uint8_t *message)
{
    const struct answers *answers = ctx;

    (void)type;
    require(strlen(name) < DNS_TEXT_BYTES);
    memcpy(message, answers->data, answers->size);
    return (int)answers->size;
}

static void discovery(const uint8_t *data, size_t size)
{
    struct answers answers = {data, size > DNS_MESSAGE_BYTES ? DNS_MESSAGE_BYTES : size};
    uint8_t *message = malloc(DNS_MESSAGE_BYTES);
    struct dns_sd_result result;

    if (!message)
        return;
    dns_sd_find("host.example.", "", query, &answers, message, &result);
    if (result.verdict == DNS_SD_FOUND) {
        require(endpoint_id_valid(str_of(result.endpoint_id)));
        require(result.address.port && host_name_valid(str_of(result.address.host)));
    } else {
        require(result.why.message[0]);
    }
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct controller_address address;
    struct str rest;

    if (!size)
        return 0;
    rest = (struct str){(const char *)data + 1, size - 1};
    switch (data[0]) {
    case '4':
        dhcp(rest, DHCP_V4);
        break;
    case '6':
        dhcp(rest, DHCP_V6);
        break;
    case 'u':
        controller_address_parse(rest, &address, NULL);
        break;
    case 'd':
        records(rest);
        break;
    default:
        discovery(data + 1, size - 1);
    }
    return 0;
}
