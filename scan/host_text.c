/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "scan/hosts_internal.h"

static const char *const source_names[HOST_SOURCES] = {
    [HOST_LEASE] = "Lease", [HOST_HOOK] = "DHCP", [HOST_SSDP] = "SSDP",
    [HOST_MDNS] = "mDNS",   [HOST_OUI] = "OUI",   [HOST_NEIGHBOUR] = "Neighbour",
};

static const char *const fact_names[HOST_FACTS] = {
    [HOST_FACT_HOST_NAME] = "HostName",
    [HOST_FACT_FRIENDLY_NAME] = "FriendlyName",
    [HOST_FACT_MANUFACTURER] = "Manufacturer",
    [HOST_FACT_MANUFACTURER_OUI] = "ManufacturerOUI",
    [HOST_FACT_MODEL_NAME] = "ModelName",
    [HOST_FACT_MODEL_NUMBER] = "ModelNumber",
    [HOST_FACT_MODEL_DESCRIPTION] = "ModelDescription",
    [HOST_FACT_SERIAL_NUMBER] = "SerialNumber",
    [HOST_FACT_PRODUCT_CLASS] = "ProductClass",
    [HOST_FACT_HARDWARE_VERSION] = "HardwareVersion",
    [HOST_FACT_SOFTWARE_VERSION] = "SoftwareVersion",
    [HOST_FACT_DEVICE_TYPE] = "DeviceType",
    [HOST_FACT_UDN] = "UDN",
    [HOST_FACT_URL] = "URL",
    [HOST_FACT_MUD_URL] = "MUDURL",
    [HOST_FACT_VENDOR_CLASS_ID] = "VendorClassID",
    [HOST_FACT_USER_CLASS_ID] = "UserClassID",
    [HOST_FACT_CLIENT_ID] = "ClientID",
    [HOST_FACT_DUID] = "DUID",
    [HOST_FACT_REQUESTED_OPTIONS] = "RequestedOptions",
};

const char *host_source_name(enum host_source source)
{
    return source_names[source];
}

const char *host_fact_name(enum host_fact fact)
{
    return fact_names[fact];
}

/* ---- addresses ---- */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool host_ip_is_v4(const struct host_ip *ip)
{
    return memcmp(ip->bytes, mapped, sizeof(mapped)) == 0;
}

/* One host's: no multicast, broadcast, loopback or unspecified address. */
static int check_ip(struct host_ip *ip, uint32_t scope)
{
    static const uint8_t zeros[15];
    const uint8_t *b = ip->bytes;

    if (host_ip_is_v4(ip))
        return b[12] == 0 || b[12] == 127 || b[12] >= 224 ? -1 : 0;
    if (b[0] == 0xff || (memcmp(b, zeros, 15) == 0 && b[15] <= 1))
        return -1;
    if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
        ip->scope = scope;
    return 0;
}

static int set_v4(struct host_ip *ip, const void *address)
{
    memcpy(ip->bytes, mapped, sizeof(mapped));
    memcpy(ip->bytes + sizeof(mapped), address, 4);
    return check_ip(ip, 0);
}

int host_ip_from_text(const char *text, uint32_t scope, struct host_ip *ret)
{
    struct host_ip ip = {.scope = 0};
    uint8_t v4[4];

    if (inet_pton(AF_INET, text, v4) == 1 ? set_v4(&ip, v4) < 0
                                          : inet_pton(AF_INET6, text, ip.bytes) != 1 || check_ip(&ip, scope))
        return -1;
    *ret = ip;
    return 0;
}

int host_ip_from_sockaddr(const struct sockaddr *address, struct host_ip *ret)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    struct host_ip ip = {.scope = 0};

    if (address->sa_family == AF_INET) {
        if (set_v4(&ip, &v4->sin_addr) < 0)
            return -1;
    } else if (address->sa_family == AF_INET6) {
        memcpy(ip.bytes, &v6->sin6_addr, sizeof(ip.bytes));
        if (check_ip(&ip, v6->sin6_scope_id) < 0)
            return -1;
    } else {
        return -1;
    }
    *ret = ip;
    return 0;
}

void host_ip_text(const struct host_ip *ip, char to[HOST_IP_TEXT_BYTES])
{
    if (host_ip_is_v4(ip))
        inet_ntop(AF_INET, ip->bytes + sizeof(mapped), to, HOST_IP_TEXT_BYTES);
    else
        inet_ntop(AF_INET6, ip->bytes, to, HOST_IP_TEXT_BYTES);
}

static bool is_unicast(const uint8_t mac[HOST_MAC_BYTES])
{
    static const uint8_t none[HOST_MAC_BYTES];

    return !(mac[0] & 1) && memcmp(mac, none, HOST_MAC_BYTES) != 0;
}

int host_mac_from_text(struct str text, uint8_t ret[HOST_MAC_BYTES])
{
    size_t step = text.len == 3 * HOST_MAC_BYTES - 1 ? 3 : 2;
    uint8_t mac[HOST_MAC_BYTES];

    if (text.len != step * HOST_MAC_BYTES - (step - 2))
        return -1;
    for (size_t i = 0; i < HOST_MAC_BYTES; i++) {
        if (str_from_hex((struct str){text.data + step * i, 2}, mac + i, 1) != 1)
            return -1;
        if (step == 3 && i + 1 < HOST_MAC_BYTES && text.data[3 * i + 2] != ':' && text.data[3 * i + 2] != '-')
            return -1;
    }
    if (!is_unicast(mac))
        return -1;
    memcpy(ret, mac, HOST_MAC_BYTES);
    return 0;
}

void host_mac_text(const uint8_t mac[HOST_MAC_BYTES], char to[HOST_MAC_TEXT_BYTES])
{
    snprintf(to, HOST_MAC_TEXT_BYTES, "%02X:%02X:%02X:%02X:%02X:%02X", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

/* ---- what strangers say ---- */

bool host_text_valid(const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);

    if (len == 0 || len > max || !str_is_utf8((struct str){text, len}))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return true;
}

char *host_text_list(const char *const *items)
{
    struct buf list;
    char *copy = NULL;

    /* TR-106, 3.2.3: what would end or pad an item is percent-encoded. */
    buf_init(&list, 3 * HOST_SERVICE_TXT_BYTES, 0);
    for (size_t i = 0; items[i]; i++) {
        if (!*items[i])
            continue;
        if (!host_text_valid(items[i], 255))
            list.failed = true;
        if (list.len)
            buf_append_byte(&list, ',');
        for (const char *at = items[i]; *at && !list.failed; at++)
            if (strchr(",% ", *at))
                buf_printf(&list, "%%%02X", (unsigned char)*at);
            else
                buf_append_byte(&list, (uint8_t)*at);
    }
    if (!list.failed && list.len <= HOST_SERVICE_TXT_BYTES)
        copy = str_dup(list.len ? (const char *)buf_data(&list) : "", list.len);
    buf_done(&list);
    return copy;
}
