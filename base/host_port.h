/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "host:port" as configuration, command lines and URLs write it: a name, an IPv4 address, or an IPv6 address in brackets (RFC
 * 3986, 3.2.2). One reader for all, so that the same text means the same everywhere. Allocates nothing.
 */
#ifndef BASE_HOST_PORT_H
#define BASE_HOST_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum {
    HOST_PORT_HOST_BYTES = 256,
};

/* What besides "host:port", with a port from 1 to 65535, is taken. */
enum {
    HOST_PORT_LISTEN = 1,    /* no host: every address; and port 0: any */
    HOST_PORT_OPTIONAL = 2,  /* no port */
    HOST_PORT_BARE_IPV6 = 4, /* an IPv6 address without brackets, which has no port then */
};

struct host_port {
    struct str host; /* a part of the text, without brackets */
    bool bracketed;
    bool has_port;
    uint16_t port; /* 0 when there is none */
};

/* path: the key or option it is the value of, for err; may be NULL. 0, or -1 and err, which names the text. */
int host_port_split(struct str text, unsigned taken, const char *path, struct host_port *ret,
                    struct error *err);
/* The same, with the host as a text of its own. */
int host_port_parse(struct str text, unsigned taken, const char *path, char ret_host[HOST_PORT_HOST_BYTES],
                    uint16_t *ret_port, struct error *err);
/* 1 to 65535 in decimal; -1: it is none. */
int port_parse(struct str text, uint16_t *ret);
/* An IPv4 or IPv6 address, without brackets, zone or port. */
bool host_is_address(const char *host);

#endif
