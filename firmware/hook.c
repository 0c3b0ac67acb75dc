/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/hook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

enum {
    CHUNK_BYTES = 4096,
    LINE_BYTES = 256,
    LINGER_MS = 1000, /* for output after the exit: a child that kept the pipe is not waited for longer */
};

enum stream {
    STREAM_OUT,
    STREAM_ERR,
    STREAMS,
};

struct hook_client {
    struct loop *loop;
    struct hook_runner *runner;
    uv_poll_t poll;
    struct hook_run *runs;
    unsigned users;
    bool gone; /* the process is */
};

struct hook_run {
    struct hook_client *client;
    struct hook_run *next;
    uint32_t id;
    const struct hook_ops *ops;
    void *ctx;
    struct loop *loop;
    uv_pipe_t pipes[STREAMS];
    struct timer linger;
    unsigned handles; /* not closed yet */
    bool cancelled;
    bool exited;
    int status;
    unsigned open; /* streams that have not ended */
    struct buf output;
    char line[STREAMS][LINE_BYTES];
    size_t line_len[STREAMS];
    char reason[HOOK_REASON_BYTES];
    char chunk[CHUNK_BYTES];
};

static void say(const struct hook_run *run, enum hook_request_kind kind)
{
    /* When it cannot be said, the process is gone, or its own clock ends the run. */
    hook_request_send(run->client->runner, &(struct hook_request){.kind = kind, .id = run->id});
}

static void run_free(struct hook_run *run)
{
    buf_done(&run->output);
    free(run);
}

static void on_closed(uv_handle_t *handle)
{
    struct hook_run *run = handle->data;

    if (--run->handles == 0)
        run_free(run);
}

static void unlink_run(struct hook_run *run)
{
    struct hook_run **at = &run->client->runs;

    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
}

/* From here on no answer finds it. */
static void end(struct hook_run *run)
{
    struct hook_result result = {.status = run->status, .reason = run->reason};

    unlink_run(run);
    timer_cancel(&run->loop->timers, &run->linger);
    result.output = buf_cstr(&run->output);
    if (!result.output)
        result.output = "";
    if (!run->cancelled)
        run->ops->done(run->ctx, &result);
    if (!run->handles) {
        run_free(run);
        return;
    }
    for (int i = 0; i < STREAMS; i++)
        uv_close((uv_handle_t *)&run->pipes[i], on_closed);
}

static void maybe_end(struct hook_run *run)
{
    if (!run->exited || run->open)
        return;
    say(run, HOOK_RELEASE);
    end(run);
}

/* ---- what it prints ---- */

static void on_line(struct hook_run *run, enum stream stream)
{
    struct str line = str_trim((struct str){run->line[stream], run->line_len[stream]});
    char text[LINE_BYTES];

    run->line_len[stream] = 0;
    if (!line.len || run->cancelled)
        return;
    memcpy(text, line.data, line.len);
    text[line.len] = '\0';
    if (stream == STREAM_ERR && str_is_utf8(line))
        str_copy(run->reason, sizeof(run->reason), text);
    else if (stream == STREAM_OUT && run->ops->line)
        run->ops->line(run->ctx, text);
}

/* Lines longer than LINE_BYTES lose their end. */
static void take_lines(struct hook_run *run, enum stream stream, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n')
            on_line(run, stream);
        else if (run->line_len[stream] + 1 < LINE_BYTES)
            run->line[stream][run->line_len[stream]++] = data[i];
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct hook_run *run = handle->data;

    (void)suggested;
    *buf = uv_buf_init(run->chunk, sizeof(run->chunk));
}

static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
    struct hook_run *run = handle->data;
    enum stream stream = handle == (uv_stream_t *)&run->pipes[STREAM_OUT] ? STREAM_OUT : STREAM_ERR;

    if (n > 0) {
        if (stream == STREAM_OUT && !run->output.failed)
            buf_append(&run->output, buf->base, (size_t)n);
        take_lines(run, stream, buf->base, (size_t)n);
        return;
    }
    if (n == 0)
        return;
    uv_read_stop(handle);
    on_line(run, stream);
    run->open--;
    maybe_end(run);
}

/* ---- how it ends ---- */

/* It is over, and somebody of its group still has the pipe. */
static void on_linger(struct timer *timer, void *ctx)
{
    struct hook_run *run = ctx;

    (void)timer;
    say(run, HOOK_KILL);
    end(run);
}

static void on_started(struct hook_run *run, const int pipes[STREAMS])
{
    for (int i = 0; i < STREAMS; i++) {
        uv_pipe_init(&run->loop->uv, &run->pipes[i], 0);
        run->pipes[i].data = run;
        run->handles++;
        run->open++;
        if (uv_pipe_open(&run->pipes[i], pipes[i]) < 0) {
            close(pipes[i]);
            run->open--;
        } else {
            uv_read_start((uv_stream_t *)&run->pipes[i], on_alloc, on_read);
        }
    }
}

static void on_exited(struct hook_run *run, const struct hook_answer *answer)
{
    run->exited = true;
    run->status = answer->kind == HOOK_EXITED ? answer->value : -1;
    if (answer->kind == HOOK_SIGNALLED)
        snprintf(run->reason, sizeof(run->reason), "the program was killed by signal %d", answer->value);
    else if (answer->kind == HOOK_TIMED_OUT)
        snprintf(run->reason, sizeof(run->reason), "the program took too long and was killed");
    else if (answer->kind == HOOK_REFUSED)
        snprintf(run->reason, sizeof(run->reason), "the program cannot be run: %s", strerror(answer->value));
    if (run->open)
        timer_arm(&run->loop->timers, &run->linger, LINGER_MS);
    maybe_end(run);
}

void hook_cancel(struct hook_run *run)
{
    if (!run)
        return;
    run->cancelled = true;
    say(run, HOOK_KILL);
    end(run);
}

/* ---- the process ---- */

static void lose(struct hook_client *client)
{
    client->gone = true;
    uv_poll_stop(&client->poll);
    while (client->runs) {
        struct hook_run *run = client->runs;

        run->status = -1;
        snprintf(run->reason, sizeof(run->reason), "the process that runs hooks is gone: restart the agent");
        end(run);
    }
}

/* Answers to a run that was cancelled, or of an earlier life, find nobody. */
static void on_answer(struct hook_client *client, const struct hook_answer *answer, const int pipes[STREAMS])
{
    bool piped = pipes[STREAM_OUT] >= 0 && pipes[STREAM_ERR] >= 0;
    struct hook_run *run = client->runs;

    while (run && run->id != answer->id)
        run = run->next;
    if (run && answer->kind == HOOK_STARTED && piped && !run->handles) {
        on_started(run, pipes);
        return;
    }
    for (int i = 0; i < STREAMS; i++)
        if (pipes[i] >= 0)
            close(pipes[i]);
    if (run && answer->kind != HOOK_STARTED)
        on_exited(run, answer);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    struct hook_client *client = handle->data;
    struct hook_answer answer;
    int pipes[STREAMS], rc;

    (void)status;
    (void)events;
    while (!client->gone && (rc = hook_answer_receive(client->runner, &answer, pipes)) != -1) {
        if (rc == 0)
            lose(client);
        else
            on_answer(client, &answer, pipes);
    }
}

static void on_client_closed(uv_handle_t *handle)
{
    free(handle->data);
}

struct hook_client *hook_client_new(struct loop *loop, struct hook_runner *runner, struct error *err)
{
    struct hook_client *client = runner->client;
    int rc;

    if (client) {
        client->users++;
        return client;
    }
    client = calloc(1, sizeof(*client));
    if (!client) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to run hooks");
        return NULL;
    }
    client->loop = loop;
    client->runner = runner;
    rc = uv_poll_init(&loop->uv, &client->poll, runner->fd);
    if (rc < 0) {
        free(client);
        error_set(err, ERROR_INTERNAL, NULL, "cannot listen to hooks: %s", uv_strerror(rc));
        return NULL;
    }
    client->poll.data = client;
    client->users = 1;
    runner->client = client;
    uv_poll_start(&client->poll, UV_READABLE, on_readable);
    return client;
}

void hook_client_free(struct hook_client *client)
{
    if (!client || --client->users > 0)
        return;
    client->runner->client = NULL;
    while (client->runs)
        hook_cancel(client->runs);
    uv_close((uv_handle_t *)&client->poll, on_client_closed);
}

/* ---- start ---- */

struct hook_run *hook_start(struct hook_client *client, enum hook_step step, const char *image, unsigned slot,
                            const struct hook_ops *ops, void *ctx, struct error *err)
{
    struct hook_request request = {.kind = HOOK_START, .step = step, .slot = slot};
    struct hook_run *run = calloc(1, sizeof(*run));

    if (!run) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to run a hook");
        return NULL;
    }
    request.id = run->id = ++client->runner->last_id;
    str_copy(request.image, sizeof(request.image), image ? image : "");
    if (client->gone || hook_request_send(client->runner, &request) < 0) {
        free(run);
        error_set(err, ERROR_COMMAND_FAILURE, NULL,
                  "the process that runs hooks is gone or busy: restart the agent");
        return NULL;
    }
    run->client = client;
    run->loop = client->loop;
    run->ops = ops;
    run->ctx = ctx;
    buf_init(&run->output, HOOK_OUTPUT_BYTES, 0);
    timer_init(&run->linger, on_linger, run);
    run->next = client->runs;
    client->runs = run;
    return run;
}
