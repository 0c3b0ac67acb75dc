/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/wait.h"
#include "transports/uds.h"
#include "transports/uds_frame.h"

#define SERVER_NAME "os::012345-SERVER"
#define CLIENT_NAME "self::client"

/* One side of the conversation, as its owner sees it. */
struct side {
    int opened, closed, records;
    int refuse;
    size_t bytes;
    uint8_t last_byte;
    bool echo;
    const char *close_with; /* on the first record */
    char peer[64];
    char why[ERROR_MESSAGE_BYTES];
    struct uds *uds;
    struct uds_server *free_me; /* on the first record */
};

struct fixture {
    struct loop loop;
    char path[108];
    struct side server_side, client_side;
    struct uds_server *server;
    struct uds_client *client;
    int fd; /* a client of raw bytes */
};

static int on_opened(void *ctx, struct uds *uds, struct str peer)
{
    struct side *side = ctx;

    side->opened++;
    side->uds = uds;
    snprintf(side->peer, sizeof(side->peer), "%.*s", (int)peer.len, peer.data);
    return side->refuse;
}

static void on_record(void *ctx, struct uds *uds, const uint8_t *data, size_t len)
{
    struct side *side = ctx;

    side->records++;
    side->bytes += len;
    side->last_byte = len ? data[len - 1] : 0;
    if (side->close_with)
        uds_close(uds, side->close_with);
    if (side->free_me) {
        uds_server_free(side->free_me);
        side->free_me = NULL;
    }
    if (side->echo) {
        struct buf record;

        buf_init(&record, LIMIT_RECORD_BYTES + UDS_HEADROOM, UDS_HEADROOM);
        assert_int_equal(buf_append(&record, data, len), 0);
        if (uds_send(uds, &record) < 0)
            uds_close(uds, "queue full");
        buf_done(&record);
    }
}

static void on_closed(void *ctx, struct uds *uds, const struct error *err)
{
    struct side *side = ctx;

    if (uds)
        assert_ptr_equal(uds, side->uds);
    side->uds = NULL;
    side->closed++;
    snprintf(side->why, sizeof(side->why), "%s", err->message);
}

static const struct uds_ops ops = {.opened = on_opened, .record = on_record, .closed = on_closed};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(loop_init(&f->loop, NULL), 0);
    snprintf(f->path, sizeof(f->path), "/tmp/homepatch-test-uds-%d", (int)getpid());
    unlink(f->path);
    f->fd = -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->fd >= 0)
        close(f->fd);
    uds_client_free(f->client);
    uds_server_free(f->server);
    loop_done(&f->loop);
    assert_int_equal(access(f->path, F_OK), -1);
    free(f);
    return 0;
}

static void serve(struct fixture *f)
{
    struct error err;

    f->server = uds_server_new(&f->loop, f->path, 0660, SERVER_NAME, &ops, &f->server_side, &err);
    if (!f->server)
        fail_msg("%s", err.message);
}

static void connect_client(struct fixture *f)
{
    f->client = uds_client_new(&f->loop, f->path, CLIENT_NAME, &ops, &f->client_side, NULL);
    assert_non_null(f->client);
    WAIT_FOR(&f->loop, f->client_side.opened && f->server_side.opened);
}

static void connect_raw(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    f->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
    assert_int_equal(connect(f->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

static size_t frame(uint8_t *to, int type, const void *data, size_t len)
{
    uds_frame_header(to, (enum uds_item_type)type, len);
    memcpy(to + UDS_HEADROOM, data, len);
    return UDS_HEADROOM + len;
}

static void say(struct fixture *f, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (len) {
        ssize_t n = write(f->fd, at, len);

        if (n < 0 && errno != EAGAIN)
            return; /* the other side hung up: the test looks at what it said */
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
        wait_turn(&f->loop);
    }
}

static void say_item(struct fixture *f, int type, const char *text)
{
    uint8_t bytes[512];

    say(f, bytes, frame(bytes, type, text, strlen(text)));
}

/* The next TLV that the server sends; its type, or 0 at the end of the stream. */
static int hear(struct fixture *f, char *text, size_t size)
{
    uint8_t header[UDS_HEADROOM];
    size_t have = 0;
    size_t len = 0;
    uint64_t end = uv_hrtime() + 20000000000ull;

    while (have < sizeof(header) + len) {
        ssize_t n = have < sizeof(header)
                        ? read(f->fd, header + have, sizeof(header) - have)
                        : read(f->fd, text + have - sizeof(header), sizeof(header) + len - have);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return 0;
        have += n > 0 ? (size_t)n : 0;
        if (have >= sizeof(header)) {
            len = (size_t)header[11] << 8 | header[12];
            assert_true(len < size);
        }
        if (n < 0)
            wait_turn(&f->loop);
        assert_true(uv_hrtime() < end);
    }
    text[len] = '\0';
    return header[8];
}

static void send_bytes(struct uds *uds, size_t len, uint8_t byte)
{
    struct buf record;

    buf_init(&record, LIMIT_RECORD_BYTES + UDS_HEADROOM, UDS_HEADROOM);
    memset(buf_room(&record, len), byte, len);
    record.len += len;
    assert_int_equal(uds_send(uds, &record), 0);
    assert_int_equal(record.len, 0);
    buf_done(&record);
}

static void test_handshake(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    serve(f);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    connect_client(f);
    assert_string_equal(f->server_side.peer, CLIENT_NAME);
    assert_string_equal(f->client_side.peer, SERVER_NAME);
    assert_int_equal(uds_peer_uid(f->server_side.uds), getuid());
}

static void test_records_of_all_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 8192, 8193, 65536, 100000, 1 << 20, LIMIT_RECORD_BYTES};
    struct fixture *f = *state;
    size_t bytes = 0;
    int records = 0;

    serve(f);
    connect_client(f);
    f->server_side.echo = true;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        send_bytes(f->client_side.uds, sizes[i], (uint8_t)i);
        bytes += sizes[i];
        records++;
        if (i % 3 == 2) { /* small and large ones together, in order */
            WAIT_FOR(&f->loop, f->client_side.records == records);
            assert_int_equal(f->client_side.bytes, bytes);
            assert_int_equal(f->client_side.last_byte, i);
        }
    }
    for (int i = 0; i < 5000; i++)
        send_bytes(f->client_side.uds, 300, 7);
    WAIT_FOR(&f->loop, f->client_side.records == records + 5000);
    assert_int_equal(f->client_side.bytes, bytes + 5000 * 300);
}

static void test_too_much(void **state)
{
    struct fixture *f = *state;
    struct buf record;
    int sent = 0;

    serve(f);
    connect_client(f);
    buf_init(&record, LIMIT_RECORD_BYTES * 2, UDS_HEADROOM);
    assert_non_null(buf_room(&record, LIMIT_RECORD_BYTES + 1));
    record.len = LIMIT_RECORD_BYTES + 1;
    assert_int_equal(uds_send(f->client_side.uds, &record), -1);
    buf_clear(&record, UDS_HEADROOM);
    for (;;) {
        assert_non_null(buf_room(&record, 1 << 20));
        record.len = 1 << 20;
        memset(buf_data(&record), 0, record.len);
        if (uds_send(f->client_side.uds, &record) < 0)
            break;
        buf_init(&record, LIMIT_RECORD_BYTES * 2, UDS_HEADROOM);
        sent++;
    }
    assert_int_equal(record.len, 1 << 20); /* still the caller's */
    assert_in_range(sent, 20, 32);
    buf_done(&record);
    WAIT_FOR(&f->loop, f->server_side.records == sent);
}

/* What the server's loop says: who sends a longer record hears why, and is hung up on. */
static void test_limits(void **state)
{
    struct limits limits = limits_default;
    struct fixture *f = *state;
    uint8_t header[UDS_FRAME_HEADER + UDS_ITEM_HEADER];
    char answer[300];

    limits.record_bytes = 64 << 10;
    f->loop.limits = &limits;
    serve(f);
    connect_raw(f);
    say_item(f, UDS_ITEM_HANDSHAKE, CLIENT_NAME);
    assert_int_equal(hear(f, answer, sizeof(answer)), UDS_ITEM_HANDSHAKE);
    uds_frame_header(header, UDS_ITEM_RECORD, limits.record_bytes + 1);
    assert_int_equal(write(f->fd, header, sizeof(header)), sizeof(header));
    assert_int_equal(hear(f, answer, sizeof(answer)), UDS_ITEM_ERROR);
    assert_non_null(strstr(answer, "limit_record_bytes is 65536"));
    WAIT_FOR(&f->loop, f->server_side.closed == 1);
    f->loop.limits = &limits_default;
}

/* A peer that asks and does not read is not read from; when it reads, all answers come. */
static void test_slow_reader(void **state)
{
    struct fixture *f = *state;
    static uint8_t request[65536];
    static char answer[65536];
    const int requests = 600; /* 36 MB of answers: more than may wait */
    int said = 0;
    int heard = 0;
    size_t len = frame(request, UDS_ITEM_RECORD, answer, 60000);

    serve(f);
    f->server_side.echo = true;
    connect_raw(f);
    say_item(f, UDS_ITEM_HANDSHAKE, CLIENT_NAME);
    assert_int_equal(hear(f, answer, sizeof(answer)), UDS_ITEM_HANDSHAKE);
    for (size_t at = 0; said < requests;) {
        ssize_t n = write(f->fd, request + at, len - at);

        at += n > 0 ? (size_t)n : 0;
        if (at == len) {
            at = 0;
            said++;
            continue;
        }
        wait_turn(&f->loop);
        if (f->server_side.records < 200) /* nothing is read before much waits */
            continue;
        assert_int_equal(hear(f, answer, sizeof(answer)), UDS_ITEM_RECORD);
        heard++;
    }
    for (; heard < requests; heard++)
        assert_int_equal(hear(f, answer, sizeof(answer)), UDS_ITEM_RECORD);
    assert_int_equal(f->server_side.closed, 0);
}

static void test_bytes_one_by_one(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[600];
    char text[600];
    size_t len = frame(bytes, UDS_ITEM_HANDSHAKE, CLIENT_NAME, strlen(CLIENT_NAME));

    serve(f);
    f->server_side.echo = true;
    connect_raw(f);
    len += frame(bytes + len, UDS_ITEM_RECORD, "hello", 5);
    len += frame(bytes + len, UDS_ITEM_RECORD, "world", 5);
    for (size_t i = 0; i < len; i++)
        say(f, bytes + i, 1);
    assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_HANDSHAKE);
    assert_string_equal(text, SERVER_NAME);
    assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_RECORD);
    assert_string_equal(text, "hello");
    assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_RECORD);
    assert_string_equal(text, "world");
    /* A peer that says its last and reads on gets all answers. */
    say_item(f, UDS_ITEM_RECORD, "last");
    shutdown(f->fd, SHUT_WR);
    assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_RECORD);
    assert_string_equal(text, "last");
    assert_int_equal(hear(f, text, sizeof(text)), 0);
}

/* R-UDS.15, R-UDS.19, R-UDS.20 */
static void test_what_is_ignored(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[100];
    char text[200];

    serve(f);
    f->server_side.echo = true;
    connect_raw(f);
    say_item(f, UDS_ITEM_RECORD, "too early");
    say_item(f, 99, "unknown");
    say_item(f, UDS_ITEM_HANDSHAKE, CLIENT_NAME);
    say_item(f, UDS_ITEM_HANDSHAKE, "self::other");
    /* One frame with an unknown TLV and a record. */
    memcpy(bytes, "_USP\0\0\0\x0e\x63\0\0\0\x02xy\x03\0\0\0\x02ok", 22);
    say(f, bytes, 22);
    assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_HANDSHAKE);
    assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_RECORD);
    assert_string_equal(text, "ok");
    assert_int_equal(f->server_side.opened, 1);
    assert_string_equal(f->server_side.peer, CLIENT_NAME);
    assert_int_equal(f->server_side.records, 1);
}

/* R-UDS.24: an error TLV, then the end. */
static void test_malformed_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"_UXP\0\0\0\x05\x03\0\0\0\0", 13},     /* sync */
        {"GET / HTTP/1.1\r\n\r\n", 18},         /* another protocol */
        {"_USP\0\0\0\0", 8},                    /* no TLV */
        {"_USP\0\0\0\x04\x03\0\0\0", 12},       /* half a TLV header */
        {"_USP\0\0\0\x06\x03\0\0\0\x02x", 14},  /* TLV longer than the frame */
        {"_USP\0\0\0\x07\x03\0\0\0\x01xy", 15}, /* bytes after the last TLV */
        {"_USP\0\0\0\x05\x03\xff\xff\xff\xff", 13},
        {"_USP\xff\xff\xff\xff\x03\0\0\0\0", 13}, /* beyond the ceiling */
        {"_USP\0\x80\0\x06", 8},                  /* one byte beyond it */
    };
    struct fixture *f = *state;
    char text[300];

    serve(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        connect_raw(f);
        say_item(f, UDS_ITEM_HANDSHAKE, CLIENT_NAME);
        assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_HANDSHAKE);
        say(f, cases[i].bytes, cases[i].len);
        assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_ERROR);
        assert_true(strlen(text) > 10);
        assert_int_equal(hear(f, text, sizeof(text)), 0);
        WAIT_FOR(&f->loop, f->server_side.closed == (int)i + 1);
        close(f->fd);
    }
    f->fd = -1;
    assert_int_equal(f->server_side.records, 0);
}

/* R-UDS.21 */
static void test_bad_handshakes(void **state)
{
    static const char *const names[] = {"", "\xff\xfe"};
    struct fixture *f = *state;
    char text[300];

    serve(f);
    for (size_t i = 0; i < 2; i++) {
        connect_raw(f);
        say_item(f, UDS_ITEM_HANDSHAKE, names[i]);
        assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_ERROR);
        assert_int_equal(hear(f, text, sizeof(text)), 0);
        close(f->fd);
    }
    f->server_side.refuse = 1;
    connect_raw(f);
    say_item(f, UDS_ITEM_HANDSHAKE, CLIENT_NAME);
    assert_int_equal(hear(f, text, sizeof(text)), UDS_ITEM_ERROR);
    assert_int_equal(hear(f, text, sizeof(text)), 0);
    assert_int_equal(f->server_side.opened, 1);
    assert_int_equal(f->server_side.closed, 0);
}

static void test_close(void **state)
{
    struct fixture *f = *state;

    serve(f);
    connect_client(f);
    f->server_side.close_with = "the record cannot be parsed";
    send_bytes(f->client_side.uds, 3, 0);
    send_bytes(f->client_side.uds, 3, 0);
    WAIT_FOR(&f->loop, f->client_side.closed && f->server_side.closed);
    assert_string_equal(f->server_side.why, "the record cannot be parsed");
    assert_non_null(strstr(f->client_side.why, "the record cannot be parsed"));
    assert_int_equal(f->server_side.records, 1);
    /* R-UDS.5: the client comes again. */
    WAIT_FOR(&f->loop, f->client_side.opened == 2);
}

static void test_server_freed_in_callback(void **state)
{
    struct fixture *f = *state;

    serve(f);
    connect_client(f);
    f->server_side.free_me = f->server;
    f->server = NULL;
    send_bytes(f->client_side.uds, 3, 0);
    send_bytes(f->client_side.uds, 3, 0);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_int_equal(f->server_side.closed, 1);
    assert_int_equal(f->server_side.records, 1);
}

static void test_client_alone(void **state)
{
    struct fixture *f = *state;

    f->client = uds_client_new(&f->loop, f->path, CLIENT_NAME, &ops, &f->client_side, NULL);
    WAIT_FOR(&f->loop, f->client_side.closed == 1);
    assert_null(f->client_side.uds);
    serve(f);
    WAIT_FOR(&f->loop, f->client_side.opened);
}

/* R-UDS.18, on a clock moved by hand. */
static void test_handshake_timeout(void **state)
{
    struct fixture *f = *state;
    char text[10];

    clock_fake(&f->loop.clock, 1700000000);
    serve(f);
    connect_raw(f);
    for (int i = 0; i < 5; i++)
        wait_turn(&f->loop);
    clock_fake_advance(&f->loop.clock, 29999);
    timers_run(&f->loop.timers);
    assert_int_equal(read(f->fd, text, sizeof(text)), -1);
    assert_int_equal(errno, EAGAIN);
    clock_fake_advance(&f->loop.clock, 1);
    timers_run(&f->loop.timers);
    assert_int_equal(hear(f, text, sizeof(text)), 0);
}

static void test_socket_file(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error err;
    char longer[200];
    int fd;

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_null(uds_server_new(&f->loop, longer, 0600, SERVER_NAME, &ops, f, &err));
    assert_null(uds_server_new(&f->loop, "/nonexistent/x", 0600, SERVER_NAME, &ops, f, &err));
    /* One that a killed process left is replaced. */
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    serve(f);
    /* One that is in use is not. */
    assert_null(uds_server_new(&f->loop, f->path, 0600, SERVER_NAME, &ops, f, &err));
    assert_non_null(strstr(err.message, "another process"));
    connect_client(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handshake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records_of_all_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_handshakes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_freed_in_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handshake_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_file, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
