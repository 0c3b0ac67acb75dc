/* SPDX-License-Identifier: BSD-3-Clause */
/* What the page is told. Texts of devices are quoted as they are: the page shows them as text and nothing else. */
#include "devices/json.h"
#include "web/internal.h"

/* ---- writing ---- */

static void comma(struct buf *json)
{
    const uint8_t *data = buf_data(json);

    if (json->len && !strchr("{[: ", data[json->len - 1]))
        buf_append_byte(json, ',');
}

static void name(struct buf *json, const char *member)
{
    comma(json);
    buf_printf(json, "\"%s\":", member);
}

static void text(struct buf *json, const char *member, const char *value)
{
    name(json, member);
    json_quote(json, value);
}

static void number(struct buf *json, const char *member, int64_t value)
{
    name(json, member);
    buf_printf(json, "%lld", (long long)value);
}

static void truth(struct buf *json, const char *member, bool value)
{
    name(json, member);
    buf_append_str(json, value ? "true" : "false");
}

static void begin(struct buf *json, const char *member, char bracket)
{
    if (member)
        name(json, member);
    else
        comma(json);
    buf_append_byte(json, (uint8_t)bracket);
}

static void end(struct buf *json, char bracket)
{
    buf_append_byte(json, (uint8_t)bracket);
}

/* ---- the home ---- */

struct writer {
    struct buf *json;
    uint32_t count;
    uint32_t more; /* that did not fit */
};

static const char *command_text(enum firmware_command command)
{
    return command == FIRMWARE_DOWNLOAD ? "Download" : "Activate";
}

static const char *why_word(enum consent_why why)
{
    static const char *const words[] = {
        [WHY_NOT_NEEDED] = "",         [WHY_FLOOR] = "floor",       [WHY_USED_UP] = "used-up",
        [WHY_TOO_SHORT] = "too-short", [WHY_NO_QUIET] = "no-quiet", [WHY_NOTHING] = "nothing",
        [WHY_TOO_LATE] = "too-late",   [WHY_ENDED] = "ended",       [WHY_THE_SAME] = "the-same",
        [WHY_OPERATOR] = "operator",   [WHY_PROOF] = "proof",
    };

    return words[why];
}

static void write_device(void *ctx, struct consent_device *device)
{
    struct writer *writer = ctx;
    struct buf *json = writer->json;
    struct consent_device_info info;

    if (writer->count == LIMIT_RESIDENT_DEVICES) {
        writer->more++;
        return;
    }
    writer->count++;
    consent_device_info(device, &info);
    begin(json, NULL, '{');
    text(json, "key", info.key);
    text(json, "name", info.about.name);
    text(json, "manufacturer", info.about.manufacturer);
    text(json, "model", info.about.model);
    text(json, "type", info.about.type);
    text(json, "last_result", info.about.last_result);
    truth(json, "gateway", info.about.gateway);
    text(json, "version", info.version);
    truth(json, "online", info.online);
    truth(json, "quarantined", info.quarantined);
    if (info.quarantined) {
        text(json, "reason", info.reason);
        text(json, "changed", info.about.changed);
        text(json, "was", info.about.was);
        text(json, "is", info.about.is);
        text(json, "why", why_word(consent_identity_why(device)));
    }
    number(json, "battery", info.battery);
    text(json, "policy", consent_policy_text(info.policy));
    text(json, "effective", consent_policy_text(info.effective));
    if (info.busy) {
        text(json, "command", command_text(info.command));
        text(json, "state", firmware_job_state_text(info.state));
        number(json, "progress", info.progress);
        text(json, "waits_for", info.waits_for);
    }
    end(json, '}');
}

static void write_question(void *ctx, struct consent_question *question)
{
    struct writer *writer = ctx;
    struct buf *json = writer->json;
    struct consent_question_info info;
    struct consent_device_info device;

    if (writer->count == LIMIT_RESIDENT_QUESTIONS) {
        writer->more++;
        return;
    }
    writer->count++;
    consent_question_info(question, &info);
    consent_device_info(info.device, &device);
    begin(json, NULL, '{');
    number(json, "number", info.number);
    text(json, "device", device.key);
    text(json, "name", device.about.name);
    text(json, "state", consent_state_text(info.state));
    text(json, "severity", consent_severity_text(info.severity));
    truth(json, "security", info.security);
    text(json, "version", info.version);
    text(json, "from", info.from);
    text(json, "wording", info.wording);
    text(json, "notes", info.notes_url);
    number(json, "deferrals_left", info.deferrals_left);
    number(json, "asked", info.asked);
    number(json, "acts_at", info.acts_at);
    number(json, "until", info.until);
    number(json, "answer_by", info.answer_by);
    begin(json, "why", '{');
    for (enum consent_choice choice = 0; choice < CONSENT_CHOICES; choice++)
        text(json, consent_choice_text(choice), why_word(info.why[choice]));
    end(json, '}');
    end(json, '}');
}

static void write_home(struct web *web, struct buf *json)
{
    const struct consent_home *home = consent_home(web->consent);
    int64_t next = 0;
    bool quiet = consent_is_quiet(web->consent, &next);

    begin(json, "home", '{');
    text(json, "policy", consent_policy_text(home->policy));
    text(json, "quiet_start", home->quiet_start);
    text(json, "quiet_end", home->quiet_end);
    truth(json, "quiet_only", home->quiet_only);
    number(json, "offset", consent_local_offset(web->consent));
    truth(json, "quiet", quiet);
    number(json, "quiet_next", next);
    number(json, "notice_s", home->notice_s);
    number(json, "deferral_s", home->deferral_s);
    text(json, "floor", home->floor_severity ? consent_severity_text(home->floor_severity) : "");
    number(json, "floor_days", home->floor_days);
    end(json, '}');
}

static int newest_entry(void *ctx, struct consent_entry *entry)
{
    *(uint32_t *)ctx = entry->number;
    return 1;
}

static uint32_t ledger_of(struct web *web)
{
    uint32_t newest = 0;

    consent_each_entry(web->consent, newest_entry, &newest);
    return newest;
}

void web_all(struct web *web, const struct web_session *session, struct buf *json)
{
    struct writer devices = {.json = json}, questions = {.json = json};

    begin(json, NULL, '{');
    text(json, "token", session->token);
    text(json, "program", web->version);
    number(json, "number", (int64_t)web->changes.number);
    number(json, "now", clock_wall(&web->loop->clock));
    number(json, "ledger", ledger_of(web));
    write_home(web, json);
    begin(json, "questions", '[');
    consent_each_question(web->consent, write_question, &questions);
    end(json, ']');
    begin(json, "devices", '[');
    consent_each_device(web->consent, write_device, &devices);
    end(json, ']');
    number(json, "more", devices.more);
    end(json, '}');
}

int web_state(struct web *web, const struct web_session *session, struct http_answer *answer)
{
    struct buf json;

    buf_init(&json, LIMIT_RESIDENT_ANSWER_BYTES, 0);
    web_all(web, session, &json);
    return web_answer_json(answer, 200, &json);
}

/* ---- what changed ---- */

static struct consent_question *shown_question(struct web *web, const struct web_change *change)
{
    struct consent_question *question = consent_find_question(web->consent, change->question);

    return question && consent_question_shown(question) ? question : NULL;
}

/* Those that are there, or the names of those that are no more. */
static void write_questions(struct web *web, uint64_t since, bool there, struct buf *json)
{
    struct writer writer = {.json = json};

    for (const struct web_change *change = web->changes.newest; change && change->number > since;
         change = change->next) {
        struct consent_question *question = change->question ? shown_question(web, change) : NULL;

        if (question && there)
            write_question(&writer, question);
        if (change->question && !question && !there) {
            comma(json);
            buf_printf(json, "%u", change->question);
        }
    }
}

static void write_devices(struct web *web, uint64_t since, bool there, struct buf *json)
{
    struct writer writer = {.json = json};

    for (const struct web_change *change = web->changes.newest; change && change->number > since;
         change = change->next) {
        struct consent_device *device = change->question ? NULL
                                                         : consent_find_device(web->consent, change->key);

        if (device && there)
            write_device(&writer, device);
        if (!change->question && !device && !there) {
            comma(json);
            json_quote(json, change->key);
        }
    }
}

void web_news(struct web *web, uint64_t since, struct buf *json)
{
    begin(json, NULL, '{');
    number(json, "number", (int64_t)web->changes.number);
    number(json, "now", clock_wall(&web->loop->clock));
    number(json, "ledger", ledger_of(web));
    if (web->changes.home > since)
        write_home(web, json);
    begin(json, "questions", '[');
    write_questions(web, since, true, json);
    end(json, ']');
    begin(json, "answered", '[');
    write_questions(web, since, false, json);
    end(json, ']');
    begin(json, "devices", '[');
    write_devices(web, since, true, json);
    end(json, ']');
    begin(json, "gone", '[');
    write_devices(web, since, false, json);
    end(json, ']');
    end(json, '}');
}

/* ---- the ledger ---- */

struct page {
    struct buf *json;
    uint32_t before; /* 0: all */
    uint32_t count;
    bool more;
};

static int write_entry(void *ctx, struct consent_entry *entry)
{
    struct page *page = ctx;
    struct buf *json = page->json;

    if (page->before && entry->number >= page->before)
        return 0;
    if (page->count == LIMIT_RESIDENT_HISTORY) {
        page->more = true;
        return 1;
    }
    page->count++;
    begin(json, NULL, '{');
    number(json, "number", entry->number);
    number(json, "time", entry->time);
    text(json, "what", consent_what_text(entry->what));
    text(json, "who", consent_who_text(entry->who));
    text(json, "means", entry->means);
    text(json, "name", entry->name);
    text(json, "device", entry->key);
    text(json, "version", entry->version);
    text(json, "wording", entry->wording);
    text(json, "text", entry->text);
    end(json, '}');
    return 0;
}

int web_history(struct web *web, uint32_t before, struct http_answer *answer)
{
    struct buf json;
    struct page page = {.json = &json, .before = before};

    buf_init(&json, LIMIT_RESIDENT_ANSWER_BYTES, 0);
    begin(&json, NULL, '{');
    begin(&json, "entries", '[');
    consent_each_entry(web->consent, write_entry, &page);
    end(&json, ']');
    truth(&json, "more", page.more);
    end(&json, '}');
    return web_answer_json(answer, 200, &json);
}
