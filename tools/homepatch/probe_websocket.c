/* SPDX-License-Identifier: BSD-3-Clause */
/* The opening handshake of a WebSocket (RFC 6455), and what the server makes of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/homepatch/probe.h"

enum {
    HEAD_MAX = 16384,
    OPEN = 101,
};

/* The end of the head is in the input. */
static bool is_whole(struct probe *probe)
{
    const char *text = buf_cstr(&probe->input);

    return text && strstr(text, "\r\n\r\n");
}

/* The value of a header line holds the text. */
static bool header_has(const char *head, const char *name, const char *text)
{
    size_t len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        const char *end = strstr(line + 2, "\r\n");
        const char *found;

        if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
            continue;
        found = strstr(line + 2 + len, text);
        if (found && end && found < end)
            return true;
    }
    return false;
}

int probe_websocket(struct probe *probe, const char *host, uint16_t port, const char *path,
                    const char *subprotocol, bool *ret_subprotocol)
{
    const char *head;
    struct buf request;
    int status;
    int rc;

    buf_init(&request, HEAD_MAX, 0);
    buf_printf(&request,
               "GET %s%s HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: aG9tZXBhdGNoIGRvY3Rvcg==\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Protocol: %s\r\n\r\n",
               path[0] == '/' ? "" : "/", path, host, port, subprotocol);
    rc = request.failed ? -1 : probe_send(probe, buf_data(&request), request.len);
    buf_done(&request);
    while (rc == 0 && !is_whole(probe) && probe->input.len < HEAD_MAX)
        rc = probe_more(probe, PROBE_MS);
    head = rc == 0 ? buf_cstr(&probe->input) : NULL;
    if (!head)
        return -1;
    if (strncmp(head, "HTTP/1.", 7) != 0 || strlen(head) < 12) {
        snprintf(probe->why, sizeof(probe->why), "what answers on this port does not speak HTTP");
        return -1;
    }
    status = (int)strtol(head + 9, NULL, 10);
    *ret_subprotocol = status == OPEN && header_has(head, "Sec-WebSocket-Protocol", subprotocol);
    return status;
}
