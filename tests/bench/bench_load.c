/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The load generator. It is handed a connected socket, on which greetings are over, and one complete request frame, and
 * sends that frame COUNT times with WINDOW outstanding. It knows the frames of three transports and nothing of USP: each
 * request carries a tag, "bench-" and ten digits, as its message id; the tag is counted up in place, and an answer is
 * known by it. tests/bench/run makes the frames and looks into the first answer.
 *
 *     bench_load FD uds|websocket|mqtt REQUEST-FILE COUNT WINDOW
 *
 * Prints one line of JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    TAG_DIGITS = 10,
    TAG_BYTES = 6 + TAG_DIGITS,
    TAGS_MAX = 4,            /* places in one request that hold the tag */
    TAG_WITHIN = 1024,       /* the tag of an answer is near its front */
    ANSWER_BYTES = 32 << 20, /* the longest answer */
    READ_BYTES = 1 << 18,
    SILENCE_MS = 30000, /* give up after that long without an answer */
};

struct load {
    int fd;
    /* Bytes of the frame at data, 0 while incomplete, -1 when it is none; *ret_answer: can be one of ours. */
    long (*frame)(const uint8_t *data, size_t len, bool *ret_answer);
    uint8_t *request;
    size_t request_len;
    size_t tags[TAGS_MAX]; /* offsets of the digits */
    size_t tag_count;
    size_t count, window;
    size_t sent, answered;
    uint64_t *begun; /* ns, per request */
    uint32_t *took;  /* 0.1 us, per request */
    uint8_t *out;    /* frames being written */
    size_t out_len, out_at;
    uint8_t *in;
    size_t in_len, in_at;
    uint64_t bytes;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint32_t be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* ---- frames ----------------------------------------------------------------------------------------------- */

static long uds_frame(const uint8_t *data, size_t len, bool *ret_answer)
{
    if (len < 8)
        return 0;
    if (memcmp(data, "_USP", 4) != 0)
        return -1;
    *ret_answer = true;
    return 8 + (long)be32(data + 4);
}

static long websocket_frame(const uint8_t *data, size_t len, bool *ret_answer)
{
    size_t head = 2;
    uint64_t body;

    if (len < 2)
        return 0;
    body = data[1] & 0x7f;
    head += body == 126 ? 2 : body == 127 ? 8 : 0;
    if (len < head)
        return 0;
    if (body == 126)
        body = (uint64_t)data[2] << 8 | data[3];
    else if (body == 127)
        body = (uint64_t)be32(data + 2) << 32 | be32(data + 6);
    *ret_answer = (data[0] & 0x0f) <= 2;
    return (data[0] & 0x0f) == 8 ? -1 : (long)(head + body);
}

static long mqtt_frame(const uint8_t *data, size_t len, bool *ret_answer)
{
    size_t body = 0, head = 1;

    do {
        if (head >= len)
            return 0;
        body |= (size_t)(data[head] & 0x7f) << 7 * (head - 1);
    } while (data[head++] & 0x80 && head < 5);
    *ret_answer = data[0] >> 4 == 3;
    return data[0] >> 4 == 14 ? -1 : (long)(head + body);
}

static const struct {
    const char *name;
    long (*frame)(const uint8_t *data, size_t len, bool *ret_answer);
} framings[] = {{"uds", uds_frame}, {"websocket", websocket_frame}, {"mqtt", mqtt_frame}};

/* ---- out -------------------------------------------------------------------------------------------------- */

static void read_request(struct load *load, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *at;

    load->request = malloc(1 << 20);
    if (!file || !load->request)
        die(path);
    load->request_len = fread(load->request, 1, 1 << 20, file);
    fclose(file);
    at = load->request;
    while ((at = memmem(at, load->request_len - (size_t)(at - load->request), "bench-", 6)) &&
           load->tag_count < TAGS_MAX) {
        load->tags[load->tag_count++] = (size_t)(at - load->request) + 6;
        at += TAG_BYTES;
    }
    if (!load->tag_count) {
        errno = EINVAL;
        die("no tag in the request");
    }
}

static void put_digits(uint8_t *at, size_t value)
{
    for (int i = TAG_DIGITS - 1; i >= 0; i--, value /= 10)
        at[i] = (uint8_t)('0' + value % 10);
}

/* Fills the output with as many requests as the window lets out. */
static void fill(struct load *load)
{
    uint64_t begun = now_ns();

    load->out_at = load->out_len = 0;
    while (load->sent < load->count && load->sent - load->answered < load->window) {
        uint8_t *at = load->out + load->out_len;

        memcpy(at, load->request, load->request_len);
        for (size_t i = 0; i < load->tag_count; i++)
            put_digits(at + load->tags[i], load->sent);
        load->begun[load->sent++] = begun;
        load->out_len += load->request_len;
    }
}

static void write_some(struct load *load)
{
    ssize_t n;

    if (load->out_at == load->out_len)
        fill(load);
    if (load->out_at == load->out_len)
        return;
    n = write(load->fd, load->out + load->out_at, load->out_len - load->out_at);
    if (n > 0)
        load->out_at += (size_t)n;
    else if (errno != EAGAIN && errno != EINTR)
        die("write");
}

/* ---- in --------------------------------------------------------------------------------------------------- */

static void take_answer(struct load *load, const uint8_t *frame, size_t len)
{
    const uint8_t *tag = memmem(frame, len < TAG_WITHIN ? len : TAG_WITHIN, "bench-", 6);
    size_t number = 0;

    if (!tag || (size_t)(frame + len - tag) < TAG_BYTES)
        return; /* a notification, or a record without a message */
    for (int i = 0; i < TAG_DIGITS; i++)
        number = number * 10 + (size_t)(tag[6 + i] - '0');
    if (number >= load->sent || load->took[number])
        return;
    load->took[number] = (uint32_t)((now_ns() - load->begun[number]) / 100) + 1;
    load->answered++;
}

static void take_frames(struct load *load)
{
    for (;;) {
        bool answer = false;
        long len = load->frame(load->in + load->in_at, load->in_len - load->in_at, &answer);

        if (len < 0) {
            errno = EPROTO;
            die("the peer closes");
        }
        if (len == 0 || (size_t)len > load->in_len - load->in_at)
            break;
        if (answer)
            take_answer(load, load->in + load->in_at, (size_t)len);
        load->in_at += (size_t)len;
    }
    memmove(load->in, load->in + load->in_at, load->in_len - load->in_at);
    load->in_len -= load->in_at;
    load->in_at = 0;
}

static void read_some(struct load *load)
{
    size_t room = ANSWER_BYTES - load->in_len;
    ssize_t n = read(load->fd, load->in + load->in_len, room < READ_BYTES ? room : READ_BYTES);

    if (n == 0) {
        errno = ECONNRESET;
        die("read");
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        die("read");
    if (n > 0) {
        load->bytes += (uint64_t)n;
        load->in_len += (size_t)n;
        take_frames(load);
    }
}

static void run(struct load *load)
{
    while (load->answered < load->count) {
        bool more = load->out_at < load->out_len ||
                    (load->sent < load->count && load->sent - load->answered < load->window);
        struct pollfd pfd = {.fd = load->fd, .events = POLLIN};

        if (more)
            pfd.events |= POLLOUT;
        if (poll(&pfd, 1, SILENCE_MS) <= 0) {
            errno = ETIMEDOUT;
            die("no answer");
        }
        if (pfd.revents & POLLOUT)
            write_some(load);
        if (pfd.revents & (POLLIN | POLLHUP | POLLERR))
            read_some(load);
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void report(struct load *load, uint64_t begin)
{
    double seconds = (double)(now_ns() - begin) / 1e9;
    struct rusage usage;
    double cpu;

    getrusage(RUSAGE_SELF, &usage);
    cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
          (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    qsort(load->took, load->count, sizeof(load->took[0]), by_value);
    printf(
        "{\"count\": %zu, \"seconds\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"bytes\": %llu, \"own_cpu\": %.6f}\n",
        load->count, seconds, load->took[load->count / 2] / 10.0, load->took[load->count * 99 / 100] / 10.0,
        (unsigned long long)load->bytes, cpu);
}

int main(int argc, char **argv)
{
    struct load load = {0};
    uint64_t begin;

    if (argc != 6)
        return 2;
    load.fd = atoi(argv[1]);
    for (size_t i = 0; i < sizeof(framings) / sizeof(framings[0]); i++) {
        if (!strcmp(framings[i].name, argv[2]))
            load.frame = framings[i].frame;
    }
    read_request(&load, argv[3]);
    load.count = strtoul(argv[4], NULL, 10);
    load.window = strtoul(argv[5], NULL, 10);
    if (!load.frame || !load.count || !load.window)
        return 2;
    load.begun = calloc(load.count, sizeof(*load.begun));
    load.took = calloc(load.count, sizeof(*load.took));
    load.out = malloc(load.window * load.request_len);
    load.in = malloc(ANSWER_BYTES);
    if (!load.begun || !load.took || !load.out || !load.in)
        die("memory");
    fcntl(load.fd, F_SETFL, fcntl(load.fd, F_GETFL) | O_NONBLOCK);
    begin = now_ns();
    run(&load);
    report(&load, begin);
    return 0;
}
