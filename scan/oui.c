/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/oui.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"

enum {
    BATCH = 256,       /* hosts of one reading */
    GATHER_MS = 1000,  /* hosts come together */
    OWNER_BYTES = 128, /* longest name that is taken */
    LINE_BYTES = 512,  /* longest line; the longest that there are have some 150 */
};

/* ---- one line ---- */

/* Digits at the start: "00-22-72", "002272", "00:22:72". Their length, or 0. */
static size_t read_oui(struct str line, uint8_t oui[OUI_BYTES])
{
    size_t step = line.len > 2 && (line.data[2] == '-' || line.data[2] == ':') ? 3 : 2;
    size_t len = step * OUI_BYTES - (step - 2);

    if (line.len <= len)
        return 0;
    for (size_t i = 0; i < OUI_BYTES; i++)
        if (str_from_hex((struct str){line.data + step * i, 2}, oui + i, 1) != 1 ||
            (step == 3 && i < OUI_BYTES - 1 && line.data[3 * i + 2] != line.data[2]))
            return 0;
    return len;
}

int oui_line(struct str line, uint8_t ret_oui[OUI_BYTES], struct str *ret_owner)
{
    uint8_t oui[OUI_BYTES];
    size_t len = read_oui(line, oui);
    struct str rest = {line.data + len, line.len - len};

    if (!len || (rest.data[0] != ' ' && rest.data[0] != '\t'))
        return 0;
    rest = str_trim(rest);
    /* oui.txt has each twice: "00-22-72   (hex)" and "002272     (base 16)". */
    if (str_starts(rest, STR("(hex)")))
        rest = str_trim((struct str){rest.data + 5, rest.len - 5});
    else if (str_starts(rest, STR("(")))
        return 0;
    if (!rest.len || rest.len >= OWNER_BYTES)
        return 0;
    memcpy(ret_oui, oui, OUI_BYTES);
    *ret_owner = rest;
    return 1;
}

/* ---- a reading, on a worker ---- */

struct asked {
    uint8_t mac[HOST_MAC_BYTES];
    char owner[OWNER_BYTES]; /* "": not found */
};

struct lookup {
    struct lookup *next;
    struct oui *oui; /* NULL: nobody waits any more */
    char *file;
    size_t count;
    struct asked asked[BATCH];
};

struct oui {
    struct loop *loop;
    struct hosts *hosts;
    char *file;
    struct lookup *first, *last; /* that wait; the last is being gathered */
    struct lookup *running;
    struct timer gather;
    struct observer observer;
};

static void match(struct lookup *lookup, struct str line)
{
    uint8_t oui[OUI_BYTES];
    struct str owner;

    if (!oui_line(line, oui, &owner))
        return;
    for (size_t i = 0; i < lookup->count; i++) {
        struct asked *asked = &lookup->asked[i];

        if (memcmp(asked->mac, oui, OUI_BYTES) != 0 || asked->owner[0])
            continue;
        memcpy(asked->owner, owner.data, owner.len);
        asked->owner[owner.len] = '\0';
    }
}

static void look_up(void *ctx)
{
    struct lookup *lookup = ctx;
    FILE *file = fopen(lookup->file, "re");
    size_t read = 0;
    char line[LINE_BYTES];

    while (file && read < LIMIT_OUI_FILE_BYTES && fgets(line, sizeof(line), file)) {
        read += strlen(line);
        match(lookup, str_trim(str_of(line)));
    }
    if (file)
        fclose(file);
}

static void lookup_free(struct lookup *lookup)
{
    if (lookup)
        free(lookup->file);
    free(lookup);
}

static void start(struct oui *oui);

static void on_done(void *ctx, bool cancelled)
{
    struct lookup *lookup = ctx;
    struct oui *oui = lookup->oui;

    for (size_t i = 0; oui && !cancelled && i < lookup->count; i++) {
        const struct asked *asked = &lookup->asked[i];
        struct host_said said = {HOST_FACT_MANUFACTURER, asked->owner};

        /* It may have been forgotten meanwhile. */
        if (asked->owner[0] && hosts_find(oui->hosts, asked->mac))
            hosts_observe(oui->hosts,
                          &(struct host_sighting){
                              .source = HOST_OUI, .mac = asked->mac, .facts = &said, .facts_count = 1});
    }
    lookup_free(lookup);
    if (!oui)
        return;
    oui->running = NULL;
    if (oui->first && !timer_armed(&oui->gather))
        start(oui);
}

static void start(struct oui *oui)
{
    struct lookup *lookup = oui->first;

    oui->first = lookup->next;
    if (loop_work(oui->loop, look_up, on_done, lookup) == 0)
        oui->running = lookup;
    else
        lookup_free(lookup);
}

/* ---- gathering ---- */

static void on_gathered(struct timer *timer, void *ctx)
{
    struct oui *oui = ctx;

    (void)timer;
    if (oui->first && !oui->running)
        start(oui);
}

static struct lookup *room(struct oui *oui)
{
    struct lookup *lookup = oui->first ? oui->last : NULL;

    if (lookup && lookup->count < BATCH)
        return lookup;
    lookup = calloc(1, sizeof(*lookup));
    if (!lookup || str_replace(&lookup->file, oui->file) < 0) {
        free(lookup);
        return NULL;
    }
    lookup->oui = oui;
    *(oui->first ? &oui->last->next : &oui->first) = lookup;
    oui->last = lookup;
    return lookup;
}

static void on_host(void *ctx, const void *event)
{
    const struct host_event *news = event;
    struct oui *oui = ctx;
    struct lookup *lookup;

    /* Bit 1 of the first byte: locally administered (IEEE 802, 8.4). */
    if (news->type != HOST_ADDED || (news->host->mac[0] & 2))
        return;
    for (uint32_t i = 0; i < news->host->facts_count; i++)
        if (news->host->facts[i]->source == HOST_OUI)
            return;
    lookup = room(oui);
    if (!lookup)
        return;
    memcpy(lookup->asked[lookup->count++].mac, news->host->mac, HOST_MAC_BYTES);
    if (!timer_armed(&oui->gather) && !oui->running)
        timer_arm(&oui->loop->timers, &oui->gather, GATHER_MS);
}

static char *first_there(const char *files)
{
    struct str rest = str_of(files), one;

    while (rest.len && str_next(&rest, ',', &one)) {
        char *file = str_dup(str_trim(one).data, str_trim(one).len);

        if (file && access(file, R_OK) == 0)
            return file;
        free(file);
    }
    return NULL;
}

struct oui *oui_new(struct loop *loop, struct hosts *hosts, const char *files, struct error *err)
{
    struct oui *oui = calloc(1, sizeof(*oui));

    if (!oui || !(oui->file = first_there(files))) {
        free(oui);
        error_set(err, ERROR_INVALID_CONFIGURATION, "scan_oui_files", "none of the files is there: %.200s",
                  files);
        return NULL;
    }
    oui->loop = loop;
    oui->hosts = hosts;
    timer_init(&oui->gather, on_gathered, oui);
    oui->observer = (struct observer){.fn = on_host, .ctx = oui};
    observer_add(hosts_observers(hosts), &oui->observer);
    return oui;
}

void oui_free(struct oui *oui)
{
    if (!oui)
        return;
    observer_remove(hosts_observers(oui->hosts), &oui->observer);
    timer_cancel(&oui->loop->timers, &oui->gather);
    if (oui->running)
        oui->running->oui = NULL;
    while (oui->first) {
        struct lookup *lookup = oui->first;

        oui->first = lookup->next;
        lookup_free(lookup);
    }
    free(oui->file);
    free(oui);
}

const char *oui_file(const struct oui *oui)
{
    return oui->file;
}
