/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/lan_acl_check.h"

#include <stdio.h>
#include <string.h>

static bool matches(struct str filter, struct str topic)
{
    struct str part, level;
    bool more = true;

    while (str_next(&filter, '/', &part)) {
        if (str_is(part, "#"))
            return true;
        more = str_next(&topic, '/', &level);
        if (!more || (!str_is(part, "+") && !str_equal(part, level)))
            return false;
    }
    return topic.len == 0 && more;
}

static bool allows(struct str access, const char *wanted)
{
    return str_is(access, wanted) || str_is(access, "readwrite");
}

static bool may(const char *acl, const char *user, const char *wanted, const char *topic)
{
    struct str rest = str_of(acl), line, word;
    bool mine = false, granted = false;

    while (rest.len && str_next(&rest, '\n', &line)) {
        if (!str_next(&line, ' ', &word))
            continue;
        if (str_is(word, "user"))
            mine = str_is(line, user);
        if (!mine || !str_is(word, "topic") || !str_next(&line, ' ', &word) || !matches(line, str_of(topic)))
            continue;
        if (str_is(word, "deny"))
            return false; /* before all that grant */
        granted = granted || allows(word, wanted);
    }
    return granted;
}

bool lan_acl_may_write(const char *acl, const char *user, const char *topic)
{
    return may(acl, user, "write", topic);
}

bool lan_acl_may_read(const char *acl, const char *user, const char *topic)
{
    return may(acl, user, "read", topic);
}

/* Where the account speaks; false when there is no such topic of it. */
static bool spoken(const struct lan_broker *broker, const struct lan_account *account, unsigned which,
                   char topic[512])
{
    static const struct ends {
        const char *head, *tail;
    } shelly[] = {{"", "/online"}, {"homepatch/", "/rpc"}, {NULL, NULL}},
      tasmota[] = {{"stat/", "/RESULT"}, {"tele/", "/LWT"}, {"", "/stat/RESULT"}, {NULL, NULL}},
      others[] = {{"", "/state"}, {"", "/bridge/state"}, {NULL, NULL}};
    const struct ends *of = strcmp(account->kind->name, "shelly") == 0    ? shelly
                            : strcmp(account->kind->name, "tasmota") == 0 ? tasmota
                                                                          : others;

    topic[0] = '\0';
    for (unsigned i = 0; *account->topic && of[i].head; i++)
        if (which == i)
            snprintf(topic, 512, "%s%s%s", of[i].head, account->topic, of[i].tail);
    if (which == 4 && *account->mac && of == tasmota)
        snprintf(topic, 512, "tasmota/discovery/%s/config", account->mac);
    if (which == 5 && *account->endpoint)
        snprintf(topic, 512, "homepatch/usp/controller/%s", account->endpoint);
    if (which == 6 && *account->node && *broker->homeassistant_prefix)
        snprintf(topic, 512, "%s/update/%s/firmware/config", broker->homeassistant_prefix, account->node);
    if (which == 7 && *account->node && *broker->homeassistant_prefix)
        snprintf(topic, 512, "%s/device/%s/config", broker->homeassistant_prefix, account->node);
    return topic[0] != '\0';
}

const char *lan_acl_breach(const struct lan_broker *broker, const char *acl, char text[512])
{
    char topic[512];

    for (const struct lan_account *victim = broker->first; victim; victim = victim->next)
        for (unsigned which = 0; which < 8; which++) {
            if (!spoken(broker, victim, which, topic))
                continue;
            /* A program that steers may write below the topics of devices whose commands are anywhere below them. */
            for (const struct lan_account *other = broker->first; other; other = other->next)
                if (other != victim && !(other->kind->steers && victim->kind->commands[0].topic) &&
                    lan_acl_may_write(acl, other->name, topic)) {
                    snprintf(text, 512, "%s speaks for %s: %.300s", other->name, victim->name, topic);
                    return text;
                }
            if (!lan_acl_may_write(acl, victim->name, topic)) {
                snprintf(text, 512, "%s cannot speak: %.300s", victim->name, topic);
                return text;
            }
        }
    return NULL;
}
