/* SPDX-License-Identifier: BSD-3-Clause */
/* A WebSocket server and a client on one loop, as their owners see them, and a client of raw bytes. */
#ifndef TESTS_UNIT_WEBSOCKET_SIDES_H
#define TESTS_UNIT_WEBSOCKET_SIDES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/wait.h"
#include "transports/websocket.h"

enum {
    MAX_MESSAGE = 4 << 20,
};

struct ws_side {
    int accepted, opened, closed, messages;
    int refuse;
    int code;
    bool echo, binary, has_certificate;
    size_t bytes;
    uint32_t sum;
    char path[100], query[200], subprotocols[100], extensions[100], peer[64];
    char why[ERROR_MESSAGE_BYTES];
    char last[64];
    struct websocket *ws;
    struct websocket_server *free_server; /* on the first message */
    struct websocket_client *free_client;
};

struct ws_fixture {
    struct loop loop;
    struct websocket_context *context;
    struct websocket_server *server;
    struct websocket_client *client;
    struct ws_side server_side, client_side;
    struct websocket_server_settings server_settings;
    struct websocket_client_settings client_settings;
    int fd;
};

/* The header of a USP client. */
#define USP "Sec-WebSocket-Protocol: v1.usp\r\n"

extern const struct websocket_ops ws_ops;

int ws_setup(void **state);
int ws_teardown(void **state);
void ws_serve(struct ws_fixture *f);
void ws_start_client(struct ws_fixture *f);
void ws_connect_both(struct ws_fixture *f);
void ws_send_bytes(struct websocket *ws, size_t len, uint8_t seed, bool binary);
void ws_connect_raw(struct ws_fixture *f);
void ws_say(struct ws_fixture *f, const void *data, size_t len);
bool ws_hear(struct ws_fixture *f, void *to, size_t n);
int ws_hear_answer(struct ws_fixture *f, char *to, size_t size);
int ws_handshake(struct ws_fixture *f, const char *path, const char *more, char *answer, size_t size);
void ws_say_frame(struct ws_fixture *f, int first, const void *data, size_t len);
int ws_hear_frame(struct ws_fixture *f, char *to);

#endif
