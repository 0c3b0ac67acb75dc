/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/hook.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

struct hook_run {
    struct loop *loop;
    const struct hook_ops *ops;
    void *ctx;
    uv_process_t process;
    uv_pipe_t pipes[STREAMS];
    struct timer timer;
    unsigned handles; /* not closed yet */
    bool cancelled;
    bool exited;
    bool timed_out;
    bool told;
    int status;
    unsigned open; /* streams that have not ended */
    struct buf output;
    char line[STREAMS][LINE_BYTES];
    size_t line_len[STREAMS];
    char reason[HOOK_REASON_BYTES];
    char chunk[CHUNK_BYTES];
};

static void on_closed(uv_handle_t *handle)
{
    struct hook_run *run = handle->data;

    if (--run->handles)
        return;
    buf_done(&run->output);
    free(run);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

/* The process leads its own group: what it started goes with it. */
static void kill_group(struct hook_run *run)
{
    if (!run->exited && run->process.pid > 0 && kill(-run->process.pid, SIGKILL) < 0)
        kill(run->process.pid, SIGKILL);
}

static void close_all(struct hook_run *run)
{
    timer_cancel(&run->loop->timers, &run->timer);
    for (int i = 0; i < STREAMS; i++)
        close_handle((uv_handle_t *)&run->pipes[i]);
    /* Before that it could not be reaped. */
    if (run->exited)
        close_handle((uv_handle_t *)&run->process);
}

static void end(struct hook_run *run)
{
    struct hook_result result = {.status = run->status, .reason = run->reason};

    if (run->told)
        return;
    run->told = true;
    result.output = buf_cstr(&run->output);
    if (!result.output)
        result.output = "";
    if (!run->cancelled)
        run->ops->done(run->ctx, &result);
    close_all(run);
}

static void maybe_end(struct hook_run *run)
{
    if (run->exited && !run->open)
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
    kill(-run->process.pid, SIGKILL);
    end(run);
}

static void on_exit_status(uv_process_t *process, int64_t status, int signal)
{
    struct hook_run *run = process->data;

    run->exited = true;
    run->status = signal || run->timed_out ? -1 : (int)status;
    if (signal && !run->timed_out)
        snprintf(run->reason, sizeof(run->reason), "the program was killed by signal %d", signal);
    if (run->told) {
        close_handle((uv_handle_t *)process);
        return;
    }
    if (run->open) {
        run->timer.fn = on_linger;
        timer_arm(&run->loop->timers, &run->timer, LINGER_MS);
    }
    maybe_end(run);
}

static void on_timeout(struct timer *timer, void *ctx)
{
    struct hook_run *run = ctx;

    (void)timer;
    run->timed_out = true;
    kill_group(run);
    snprintf(run->reason, sizeof(run->reason), "the program took too long and was killed");
}

void hook_cancel(struct hook_run *run)
{
    if (!run)
        return;
    run->cancelled = true;
    kill_group(run);
    end(run);
}

/* ---- start ---- */

static int spawn(struct hook_run *run, const char *program, const char *const *arguments)
{
    char *argv[HOOK_ARGUMENTS + 2] = {(char *)program};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->pipes[STREAM_OUT]},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->pipes[STREAM_ERR]},
    };
    uv_process_options_t options = {
        .file = program,
        .args = argv,
        .exit_cb = on_exit_status,
        .stdio = stdio,
        .stdio_count = 3,
        .flags = UV_PROCESS_DETACHED,
    };

    for (int i = 0; i < HOOK_ARGUMENTS && arguments[i]; i++)
        argv[i + 1] = (char *)arguments[i];
    return uv_spawn(&run->loop->uv, &run->process, &options);
}

struct hook_run *hook_start(struct loop *loop, const char *program, const char *const *arguments,
                            uint32_t timeout_s, const struct hook_ops *ops, void *ctx, struct error *err)
{
    struct hook_run *run = calloc(1, sizeof(*run));
    int rc;

    if (!run) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, program, "no memory to run it");
        return NULL;
    }
    run->loop = loop;
    run->ops = ops;
    run->ctx = ctx;
    run->handles = STREAMS + 1;
    run->open = STREAMS;
    buf_init(&run->output, HOOK_OUTPUT_BYTES, 0);
    timer_init(&run->timer, on_timeout, run);
    for (int i = 0; i < STREAMS; i++) {
        uv_pipe_init(&loop->uv, &run->pipes[i], 0);
        run->pipes[i].data = run;
    }
    run->process.data = run;
    rc = spawn(run, program, arguments);
    if (rc < 0) {
        error_set(err, ERROR_COMMAND_FAILURE, program, "cannot be run: %s", uv_strerror(rc));
        run->told = run->exited = true;
        close_all(run);
        return NULL;
    }
    for (int i = 0; i < STREAMS; i++)
        uv_read_start((uv_stream_t *)&run->pipes[i], on_alloc, on_read);
    timer_arm(&loop->timers, &run->timer, timeout_s * 1000ull);
    return run;
}
