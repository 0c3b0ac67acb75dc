/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of SSDP share. */
#ifndef TESTS_UNIT_TEST_SSDP_H
#define TESTS_UNIT_TEST_SSDP_H

#include <arpa/inet.h>
#include <netinet/in.h>

#define ALIVE(location)                                                                                    \
    "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCACHE-CONTROL: max-age=100\r\nLOCATION: " location \
    "\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\nUSN: uuid:abc::upnp:rootdevice\r\n\r\n"

static inline struct sockaddr_in v4(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1900)};

    inet_pton(AF_INET, text, &address.sin_addr);
    return address;
}

#endif
