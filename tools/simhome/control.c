/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/control.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "tools/simhome/device.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/home.h"

enum {
    LINE_BYTES = 4096,
    WORDS_MAX = 4,
    BACKLOG = 16,
};

struct client;

struct control {
    struct home *home;
    uv_pipe_t pipe;
    struct client *clients;
    char *path;
};

struct client {
    struct control *control;
    struct client *next;
    uv_pipe_t pipe;
    struct buf line;
    char chunk[LINE_BYTES];
};

/* Words of one command: [0] its name, [1] what device, and so on; missing ones are "". */
typedef cJSON *command_fn(struct home *home, char *words[WORDS_MAX]);

static cJSON *wrong(const char *text)
{
    cJSON *answer = cJSON_CreateObject();

    cJSON_AddStringToObject(answer, "error", text);
    return answer;
}

static cJSON *each(struct home *home, char *words[WORDS_MAX], void (*fn)(struct device *device, void *ctx))
{
    size_t count = home_each(home, words[1], fn, words);
    cJSON *answer;

    if (!count)
        return wrong("no such device");
    answer = cJSON_CreateObject();
    cJSON_AddNumberToObject(answer, "devices", (double)count);
    return answer;
}

static void list_one(struct device *device, void *ctx)
{
    cJSON_AddItemToArray(ctx, device_json(device));
}

static cJSON *do_list(struct home *home, char *words[WORDS_MAX])
{
    cJSON *list = cJSON_CreateArray();

    home_each(home, *words[1] ? words[1] : "all", list_one, list);
    return list;
}

static cJSON *do_show(struct home *home, char *words[WORDS_MAX])
{
    const struct device *device = home_find(home, words[1]);

    return device ? device_json(device) : wrong("no such device");
}

static void set_fault(struct device *device, void *ctx)
{
    char **words = ctx;
    bool clear = *words[2] == '-';
    unsigned fault = fault_find(words[2] + clear);

    if (!fault)
        device_set_faults(device, 0);
    else
        device_set_faults(device, clear ? device->faults & ~fault : device->faults | fault);
}

static cJSON *do_fault(struct home *home, char *words[WORDS_MAX])
{
    if (strcmp(words[2], "none") != 0 && !fault_find(words[2] + (*words[2] == '-')))
        return wrong("no such fault");
    return each(home, words, set_fault);
}

static void power_off(struct device *device, void *ctx)
{
    (void)ctx;
    device_power(device, false);
}

static void power_on(struct device *device, void *ctx)
{
    (void)ctx;
    device->faults &= ~(unsigned)FAULT_OFFLINE;
    device_power(device, true);
}

static cJSON *do_offline(struct home *home, char *words[WORDS_MAX])
{
    return each(home, words, power_off);
}

static cJSON *do_online(struct home *home, char *words[WORDS_MAX])
{
    return each(home, words, power_on);
}

static void reboot_one(struct device *device, void *ctx)
{
    (void)ctx;
    device->family->reboot(device);
}

static cJSON *do_reboot(struct home *home, char *words[WORDS_MAX])
{
    return each(home, words, reboot_one);
}

static void offer_one(struct device *device, void *ctx)
{
    char **words = ctx;

    device->family->set_offer(device, strcmp(words[2], "none") ? words[2] : "", words[3]);
}

static cJSON *do_offer(struct home *home, char *words[WORDS_MAX])
{
    if (!*words[2] || strlen(words[2]) >= DEVICE_VERSION_BYTES || strlen(words[3]) >= DEVICE_URL_BYTES)
        return wrong("bad version or URL");
    return each(home, words, offer_one);
}

static void version_one(struct device *device, void *ctx)
{
    char **words = ctx;

    device->family->set_version(device, words[2]);
}

static cJSON *do_version(struct home *home, char *words[WORDS_MAX])
{
    if (!*words[2] || strlen(words[2]) >= DEVICE_VERSION_BYTES)
        return wrong("bad version");
    return each(home, words, version_one);
}

static void set_one(struct device *device, void *ctx)
{
    char **words = ctx;

    if (words[2] && device->family->set && device->family->set(device, words[2], words[3]) < 0)
        words[2] = NULL; /* noted: no such thing */
}

static cJSON *do_set(struct home *home, char *words[WORDS_MAX])
{
    cJSON *answer = each(home, words, set_one);

    if (words[2])
        return answer;
    cJSON_Delete(answer);
    return wrong("there is no such thing to set");
}

struct family_command {
    char **words;
    const char *wrong;
};

static void family_one(struct device *device, void *ctx)
{
    struct family_command *command = ctx;
    const char *wrong = device->family->command
                            ? device->family->command(device, command->words[0], command->words[2])
                            : "no such command";

    if (wrong)
        command->wrong = wrong;
}

/* What only some families know. */
static cJSON *do_family(struct home *home, char *words[WORDS_MAX])
{
    struct family_command command = {.words = words};
    size_t count = home_each(home, words[1], family_one, &command);
    cJSON *answer;

    if (!count || command.wrong)
        return wrong(count ? command.wrong : "no such command, or no such device");
    answer = cJSON_CreateObject();
    cJSON_AddNumberToObject(answer, "devices", (double)count);
    return answer;
}

static cJSON *do_quit(struct home *home, char *words[WORDS_MAX])
{
    (void)words;
    loop_stop(&home->loop);
    return cJSON_CreateObject();
}

static const struct command {
    const char *name;
    command_fn *fn;
} commands[] = {
    {"fault", do_fault},   {"list", do_list},       {"offer", do_offer}, {"offline", do_offline},
    {"online", do_online}, {"reboot", do_reboot},   {"quit", do_quit},   {"set", do_set},
    {"show", do_show},     {"version", do_version},
};

const char *control_help(void)
{
    return "  list [DEVICE]                every device, as a JSON array\n"
           "  show DEVICE                  one device\n"
           "  fault DEVICE FAULT           sets a fault; -FAULT clears it, none clears all\n"
           "  offline DEVICE               takes the power away\n"
           "  online DEVICE                gives it back\n"
           "  reboot DEVICE\n"
           "  offer DEVICE VERSION [URL]   the maker has this version for it; none takes it back\n"
           "  set DEVICE NAME VALUE        what its owner may change: see the family in homepatch-simhome(1)\n"
           "  version DEVICE VERSION       somebody else updates it: it reboots with that version\n"
           "  wake DEVICE, sleep DEVICE    a zigbee device asks for an image now; or does no more by itself\n"
           "  wake DEVICE                  a shelly-sleepy wakes for a moment\n"
           "  rename DEVICE NAME, leave DEVICE, join DEVICE, bridge DEVICE on|off|restart\n"
           "                               zigbee: what becomes of it, or of its bridge\n"
           "  quit\n"
           "DEVICE is an id, an index from 0, a family, mqtt, websocket or all.\n";
}

static cJSON *run(struct home *home, char *line)
{
    char *words[WORDS_MAX] = {(char[]){""}, (char[]){""}, (char[]){""}, (char[]){""}};
    char *save = NULL;
    char *word = strtok_r(line, " \t\r", &save);

    for (size_t i = 0; word && i < WORDS_MAX; i++, word = strtok_r(NULL, " \t\r", &save))
        words[i] = word;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (!strcmp(commands[i].name, words[0]))
            return commands[i].fn(home, words);
    }
    return do_family(home, words);
}

/* ---- connections ------------------------------------------------------------------------------------------ */

struct reply {
    uv_write_t request;
    char *text;
};

static void on_written(uv_write_t *request, int status)
{
    struct reply *reply = request->data;

    (void)status;
    cJSON_free(reply->text);
    free(reply);
}

static void send_reply(struct client *client, cJSON *answer)
{
    struct reply *reply = calloc(1, sizeof(*reply));
    char *text = cJSON_PrintUnformatted(answer);
    uv_buf_t part;

    cJSON_Delete(answer);
    if (!reply || !text) {
        cJSON_free(text);
        free(reply);
        return;
    }
    part = uv_buf_init(text, (unsigned)strlen(text) + 1);
    text[part.len - 1] = '\n'; /* the line's end takes the place of the string's */
    reply->text = text;
    reply->request.data = reply;
    uv_write(&reply->request, (uv_stream_t *)&client->pipe, &part, 1, on_written);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;

    buf_done(&client->line);
    free(client);
}

static void client_close(struct client *client)
{
    for (struct client **at = &client->control->clients; *at; at = &(*at)->next) {
        if (*at == client) {
            *at = client->next;
            uv_close((uv_handle_t *)&client->pipe, on_client_closed);
            return;
        }
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct client *client = handle->data;

    (void)suggested;
    *ret = uv_buf_init(client->chunk, sizeof(client->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *chunk)
{
    struct client *client = stream->data;
    char *end;

    if (got < 0 || buf_append(&client->line, chunk->base, (size_t)got)) {
        client_close(client);
        return;
    }
    while (client->line.len && (end = memchr(buf_data(&client->line), '\n', client->line.len))) {
        char *line = (char *)buf_data(&client->line);

        *end = '\0';
        send_reply(client, run(client->control->home, line));
        buf_consume(&client->line, (size_t)(end - line) + 1);
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct control *control = stream->data;
    struct client *client = status < 0 ? NULL : calloc(1, sizeof(*client));

    if (!client)
        return;
    client->control = control;
    client->pipe.data = client;
    buf_init(&client->line, LINE_BYTES, 0);
    uv_pipe_init(stream->loop, &client->pipe, 0);
    client->next = control->clients;
    control->clients = client;
    if (uv_accept(stream, (uv_stream_t *)&client->pipe) ||
        uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read))
        client_close(client);
}

static void on_control_closed(uv_handle_t *handle)
{
    struct control *control = handle->data;

    free(control->path);
    free(control);
}

struct control *control_new(struct home *home, const char *path, struct error *err)
{
    struct control *control = calloc(1, sizeof(*control));
    int rc;

    if (!control || !(control->path = str_dup(path, strlen(path)))) {
        free(control);
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    control->home = home;
    control->pipe.data = control;
    uv_pipe_init(&home->loop.uv, &control->pipe, 0);
    unlink(path); /* what a killed predecessor left */
    rc = uv_pipe_bind(&control->pipe, path);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&control->pipe, BACKLOG, on_connection);
    if (rc < 0) {
        error_set(err, ERROR_INTERNAL, path, "cannot listen: %s", uv_strerror(rc));
        control_free(control);
        return NULL;
    }
    return control;
}

void control_free(struct control *control)
{
    if (!control)
        return;
    while (control->clients)
        client_close(control->clients);
    uv_close((uv_handle_t *)&control->pipe, on_control_closed); /* libuv unlinks the path */
}
