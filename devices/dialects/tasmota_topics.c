/* SPDX-License-Identifier: BSD-3-Clause */
/* FullTopic into topic prefixes, and which peer has which: nobody is given the topics of another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/tasmota_peer.h"

void tasmota_topics_done(struct tasmota_topics *topics)
{
    free(topics->command);
    free(topics->status);
    free(topics->telemetry);
    *topics = (struct tasmota_topics){.status = NULL};
}

/* ---- FullTopic ---- */

struct token {
    const char *name;
    const char *value;
};

static const struct token *token_at(const char *text, const struct token *tokens)
{
    for (; tokens->name; tokens++)
        if (strncmp(text, tokens->name, strlen(tokens->name)) == 0)
            return tokens;
    return NULL;
}

/* One prefix with a slash at its end; NULL when it is too long or memory is out. */
static char *expand(const struct tasmota_naming *naming, const char *prefix)
{
    const struct token tokens[] = {{"%prefix%", prefix},
                                   {"%topic%", naming->topic},
                                   {"%hostname%", naming->host_name},
                                   {"%id%", naming->id},
                                   {NULL, NULL}};
    char *copy = NULL;
    struct buf out;

    buf_init(&out, TASMOTA_TOPIC_MAX + 1, 0);
    for (const char *at = naming->full_topic; *at;) {
        const struct token *token = token_at(at, tokens);

        if (token)
            buf_append_str(&out, token->value ? token->value : "");
        else
            buf_append_byte(&out, (uint8_t)*at);
        at += token ? strlen(token->name) : 1;
    }
    if (!out.failed && out.len && buf_data(&out)[out.len - 1] != '/')
        buf_append_byte(&out, '/');
    if (!out.failed && out.len && buf_cstr(&out))
        copy = str_dup((const char *)buf_data(&out), out.len);
    buf_done(&out);
    return copy;
}

/* Wildcards would listen to, and speak to, the whole home; $ is the broker's own. */
static bool is_plain(const char *topic)
{
    return topic[0] != '$' && topic[0] != '/' && !strpbrk(topic, "+#") && strcmp(topic, "/") != 0;
}

/* What the maker ships as GroupTopic: all devices of a home obey it. */
static bool is_group(const char *topic)
{
    return strcmp(topic, "tasmotas") == 0 || strcmp(topic, "sonoffs") == 0;
}

int tasmota_topics_make(const struct tasmota_naming *naming, struct tasmota_topics *ret, struct error *err)
{
    struct tasmota_topics topics = {.status = NULL};
    const char *wrong = NULL;

    if (!strstr(naming->full_topic, "%prefix%"))
        wrong = "its FullTopic has no %prefix%: commands and answers would be one topic";
    else if (is_group(naming->topic))
        wrong = "its topic is the topic of a group";
    else {
        topics = (struct tasmota_topics){expand(naming, naming->prefix[0]), expand(naming, naming->prefix[1]),
                                         expand(naming, naming->prefix[2])};
        if (!topics.command || !topics.status || !topics.telemetry)
            wrong = "its topics are too long or empty";
        else if (!is_plain(topics.command) || !is_plain(topics.status) || !is_plain(topics.telemetry))
            wrong = "its topics hold what no topic may";
        else if (strcmp(topics.command, topics.status) == 0 || strcmp(topics.command, topics.telemetry) == 0)
            wrong = "it would hear its own answers as commands";
    }
    if (wrong) {
        tasmota_topics_done(&topics);
        return error_set(err, ERROR_INVALID_VALUE, NULL, "%s", wrong);
    }
    *ret = topics;
    return 0;
}

/* ---- whose they are ---- */

/* The three filters of a peer, in turn: true while there is another. */
static bool filter_at(const struct tasmota_topics *topics, unsigned index, char to[TASMOTA_TOPIC_MAX + 16])
{
    static const char *const ends[] = {"+", "LWT", "INFO1"};

    if (index >= sizeof(ends) / sizeof(ends[0]))
        return false;
    snprintf(to, TASMOTA_TOPIC_MAX + 16, "%s%s", index == 0 ? topics->status : topics->telemetry,
             ends[index]);
    return true;
}

static void unlisten(struct tasmota_peer *peer)
{
    const struct lan *lan = peer->tasmota->host.lan;
    char filter[TASMOTA_TOPIC_MAX + 16];

    for (unsigned i = 0; filter_at(&peer->topics, i, filter); i++)
        lan->unsubscribe(lan->ctx, filter, NULL);
}

static int listen_to(struct tasmota_peer *peer, struct error *err)
{
    const struct lan *lan = peer->tasmota->host.lan;
    char filter[TASMOTA_TOPIC_MAX + 16];

    for (unsigned i = 0; filter_at(&peer->topics, i, filter); i++)
        if (lan->subscribe(lan->ctx, filter, err) < 0)
            return -1;
    return 0;
}

void tasmota_topics_drop(struct tasmota_peer *peer)
{
    struct tasmota *tasmota = peer->tasmota;

    if (!peer->topics.status)
        return;
    if (map_get(&tasmota->by_status, str_of(peer->topics.status)) == peer)
        map_remove(&tasmota->by_status, str_of(peer->topics.status));
    if (map_get(&tasmota->by_telemetry, str_of(peer->topics.telemetry)) == peer)
        map_remove(&tasmota->by_telemetry, str_of(peer->topics.telemetry));
    unlisten(peer);
    tasmota_topics_done(&peer->topics);
}

static bool is_free(const struct map *map, const char *topic, const struct tasmota_peer *peer)
{
    const struct tasmota_peer *other = map_get(map, str_of(topic));

    return !other || other == peer;
}

int tasmota_topics_set(struct tasmota_peer *peer, struct tasmota_topics *topics, struct error *err)
{
    struct tasmota *tasmota = peer->tasmota;

    if (!is_free(&tasmota->by_status, topics->status, peer) ||
        !is_free(&tasmota->by_telemetry, topics->telemetry, peer)) {
        tasmota_topics_done(topics);
        return error_set(err, ERROR_INVALID_VALUE, NULL, "its topics are those of another device");
    }
    tasmota_topics_drop(peer);
    peer->topics = *topics;
    *topics = (struct tasmota_topics){.status = NULL};
    if (map_put(&tasmota->by_status, str_of(peer->topics.status), peer) < 0 ||
        map_put(&tasmota->by_telemetry, str_of(peer->topics.telemetry), peer) < 0)
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    else if (listen_to(peer, err) == 0)
        return 0;
    tasmota_topics_drop(peer);
    return -1;
}

int tasmota_mac_set(struct tasmota_peer *peer, const char *mac)
{
    if (peer->mac[0])
        return strcmp(peer->mac, mac) == 0 ? 0 : -1;
    if (map_get(&peer->tasmota->by_mac, str_of(mac)))
        return -1;
    str_copy(peer->mac, sizeof(peer->mac), mac);
    if (map_put(&peer->tasmota->by_mac, str_of(peer->mac), peer) == 0)
        return 0;
    peer->mac[0] = '\0';
    return -1;
}
