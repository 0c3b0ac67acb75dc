/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/shelly/link_socket.h"

#include <stdlib.h>
#include <string.h>

#include "tools/simhome/shelly/link.h"

enum {
    QUEUE_FRAMES_MAX = 4096,
};

struct link_frame {
    struct link_frame *next;
    size_t len;
    unsigned char data[]; /* LWS_PRE bytes of room, then the text */
};

void link_socket_init(struct link_socket *socket)
{
    *socket = (struct link_socket){.wsi = NULL};
    socket->last = &socket->first;
    buf_init(&socket->incoming, LINK_FRAME_BYTES, 0);
}

static void forget_first(struct link_socket *socket)
{
    struct link_frame *frame = socket->first;

    socket->first = frame->next;
    if (!socket->first)
        socket->last = &socket->first;
    socket->queued--;
    free(frame);
}

void link_socket_clear(struct link_socket *socket)
{
    while (socket->first)
        forget_first(socket);
    buf_clear(&socket->incoming, 0);
    socket->wsi = NULL;
}

void link_socket_done(struct link_socket *socket)
{
    link_socket_clear(socket);
    buf_done(&socket->incoming);
}

bool link_socket_received(struct link_socket *socket, const void *data, size_t len)
{
    return buf_append(&socket->incoming, data, len) == 0 && lws_is_final_fragment(socket->wsi) &&
           !lws_remaining_packet_payload(socket->wsi);
}

void link_socket_send(struct link_socket *socket, const char *text, size_t len, bool firm)
{
    struct link_frame *frame;

    if (!firm && socket->queued >= QUEUE_FRAMES_MAX)
        return;
    frame = malloc(sizeof(*frame) + LWS_PRE + len);
    if (!frame)
        return;
    frame->next = NULL;
    frame->len = len;
    memcpy(frame->data + LWS_PRE, text, len);
    *socket->last = frame;
    socket->last = &frame->next;
    socket->queued++;
    lws_callback_on_writable(socket->wsi);
}

int link_socket_writable(struct link_socket *socket)
{
    int rc;

    if (!socket->first)
        return 0;
    rc = lws_write(socket->wsi, socket->first->data + LWS_PRE, socket->first->len, LWS_WRITE_TEXT);
    forget_first(socket);
    if (rc < 0)
        return -1;
    if (socket->first)
        lws_callback_on_writable(socket->wsi);
    return 0;
}
