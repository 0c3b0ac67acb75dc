/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "devices/authority/authority_internal.h"
#include "devices/authority/register.h"

enum {
    TICK_MS = 3600 * 1000,
    TICK_WAITING_MS = 30 * 1000, /* while the clock is not right */
    KEPT_S = 30 * DAY_S,
    RECORD_BYTES = 2048,
    PRIVATE_MODE = 0700,
    PUBLIC_MODE = 0755,
    PATH_BYTES = 4096,
    TOLD_INTERVAL_MS = 60 * 1000,
    TOLD_BURST = 10,
};

static const char KIND[] = "issued";
static const char LIST_KIND[] = "authority";
static const char LIST_KEY[] = "crl";

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
}

static void tell(struct authority *authority, enum authority_event_type type, struct issued *issued)
{
    struct authority_event event = {.type = type, .issued = issued};

    observers_notify(&authority->observers, &event);
}

static bool is_dated(const struct authority *authority)
{
    return !authority->ops.dated || authority->ops.dated(authority->ops.dated_ctx);
}

/* ---- the register ---- */

static int save(struct issued *issued, struct error *err)
{
    struct buf record;
    int rc;

    buf_init(&record, RECORD_BYTES, 0);
    register_write(issued, &record);
    rc = record.failed ? no_memory(err)
                       : store_put(issued->authority->store, KIND, str_of(issued->serial), buf_data(&record),
                                   record.len, err);
    buf_done(&record);
    return rc;
}

/* In order of instance: a new one has the highest. */
static int insert(struct authority *authority, struct issued *issued)
{
    struct issued **list = realloc(authority->list, (authority->count + 1) * sizeof(struct issued *));
    uint32_t at = authority->count;

    if (!list)
        return -1;
    authority->list = list;
    if (map_put(&authority->by_serial, str_of(issued->serial), issued) < 0)
        return -1;
    for (; at && list[at - 1]->instance > issued->instance; at--)
        list[at] = list[at - 1];
    list[at] = issued;
    authority->count++;
    issued->authority = authority;
    if (authority->next_instance <= issued->instance)
        authority->next_instance = issued->instance + 1;
    return 0;
}

static void take_out(struct issued *issued)
{
    struct authority *authority = issued->authority;
    uint32_t at = 0;

    map_remove(&authority->by_serial, str_of(issued->serial));
    while (authority->list[at] != issued)
        at++;
    authority->count--;
    memmove(authority->list + at, authority->list + at + 1,
            (authority->count - at) * sizeof(struct issued *));
}

int authority_add(struct authority *authority, struct issued *issued, struct error *err)
{
    issued->instance = authority->next_instance;
    if (insert(authority, issued) < 0) {
        free(issued);
        return no_memory(err);
    }
    /* A certificate that is not in the register is worth nothing: it is there before the device gets it. */
    if (save(issued, err) < 0 || store_flush(authority->store, err) < 0) {
        take_out(issued);
        free(issued);
        return -1;
    }
    tell(authority, AUTHORITY_ISSUED, issued);
    return 0;
}

int authority_end(struct issued *issued, enum issued_status status, struct error *err)
{
    struct issued before = *issued;

    issued->status = status;
    if (status != ISSUED_EXPIRED)
        issued->ended = clock_wall(issued->authority->clock);
    if (save(issued, err) < 0) {
        *issued = before;
        return -1;
    }
    tell(issued->authority, AUTHORITY_CHANGED, issued);
    return 0;
}

int authority_pardon(struct issued *issued, struct error *err)
{
    issued->pardoned = true;
    if (save(issued, err) == 0)
        return 0;
    issued->pardoned = false;
    return -1;
}

static void forget(struct issued *issued)
{
    if (store_delete(issued->authority->store, KIND, str_of(issued->serial), NULL) < 0)
        return; /* the next tick tries again */
    tell(issued->authority, AUTHORITY_FORGOTTEN, issued);
    take_out(issued);
    free(issued);
}

struct reading {
    struct authority *authority;
    bool failed;
};

/* What cannot be read stays in the store; its certificate is refused. */
static int on_record(void *ctx, struct str key, struct str value)
{
    struct reading *reading = ctx;
    struct issued *issued = register_read(key, value);

    if (issued && insert(reading->authority, issued) < 0) {
        free(issued);
        reading->failed = true;
    }
    return reading->failed;
}

static int load_register(struct authority *authority, struct error *err)
{
    struct reading reading = {.authority = authority};
    struct buf number;
    int rc;

    if (store_each(authority->store, KIND, STR(""), on_record, &reading, err) < 0)
        return -1;
    if (reading.failed)
        return no_memory(err);
    buf_init(&number, 64, 0);
    rc = store_get(authority->store, LIST_KIND, str_of(LIST_KEY), &number, err);
    if (rc > 0)
        str_to_u64((struct str){(const char *)buf_data(&number), number.len}, &authority->list_number);
    buf_done(&number);
    return rc < 0 ? -1 : 0;
}

uint32_t authority_count(const struct authority *authority)
{
    return authority->count;
}

struct issued *authority_at(const struct authority *authority, uint32_t index)
{
    return index < authority->count ? authority->list[index] : NULL;
}

/* ---- what others see of it ---- */

/* Those whose certificate could still be used. */
static bool is_listed(const struct issued *issued, int64_t now)
{
    return issued->ended && issued->not_after >= now;
}

static X509_CRL *list_of(struct authority *authority)
{
    int64_t now = clock_wall(authority->clock);
    X509_CRL *list = ca_list_new(&authority->ca, now, authority->list_number);

    authority->listed = 0;
    for (uint32_t i = 0; list && i < authority->count; i++) {
        const struct issued *issued = authority->list[i];

        if (!is_listed(issued, now))
            continue;
        authority->listed++;
        if (ca_list_add(list, issued->serial, issued->ended, issued->status == ISSUED_SUPERSEDED) < 0) {
            X509_CRL_free(list);
            return NULL;
        }
    }
    return list;
}

int authority_write_list(struct authority *authority, struct error *err)
{
    char number[24];
    int len = snprintf(number, sizeof(number), "%llu", (unsigned long long)authority->list_number + 1);

    if (!authority->ca.key)
        return 0;
    if (store_put(authority->store, LIST_KIND, str_of(LIST_KEY), number, (size_t)len, err) < 0)
        return -1;
    authority->list_number++;
    if (ca_list_write(&authority->ca, list_of(authority), authority->list_file, err) < 0)
        return -1;
    tell(authority, AUTHORITY_LISTED, NULL);
    return 0;
}

static int follow(struct authority *authority)
{
    STACK_OF(X509) *certificates = sk_X509_new_null();
    STACK_OF(X509) *none = sk_X509_new_null();
    bool good = certificates && none &&
                (!authority->ca.certificate || sk_X509_push(certificates, authority->ca.certificate) > 0) &&
                tls_trust_set(authority->trust[false], certificates, none) == 0;

    for (size_t i = 0; good && i < authority->manufacturers.count; i++)
        for (int k = 0; good && k < sk_X509_num(authority->manufacturers.list[i].roots); k++)
            good = sk_X509_push(certificates, sk_X509_value(authority->manufacturers.list[i].roots, k)) > 0;
    good = good && tls_trust_set(authority->trust[true], certificates, none) == 0;
    sk_X509_free(certificates);
    sk_X509_free(none);
    return good ? 0 : -1;
}

int authority_reload(struct authority *authority, struct error *err)
{
    struct manufacturers before = authority->manufacturers, fresh;

    if (manufacturers_read(&fresh, authority->manufacturers_file, err) < 0) {
        manufacturers_done(&fresh);
        return -1;
    }
    authority->manufacturers = fresh;
    if (follow(authority) == 0) {
        manufacturers_done(&before);
        return 0;
    }
    authority->manufacturers = before;
    follow(authority);
    manufacturers_done(&fresh);
    return no_memory(err);
}

/* The key is there: what others read of it is written, and its certificates are trusted. */
static int publish(struct authority *authority, struct error *err)
{
    if (ca_write_certificate(&authority->ca, authority->certificate_file, err) < 0 ||
        authority_write_list(authority, err) < 0)
        return -1;
    return follow(authority) < 0 ? no_memory(err) : 0;
}

int authority_ready(struct authority *authority, struct error *err)
{
    int64_t now = clock_wall(authority->clock);

    if (!is_dated(authority))
        return error_set(err, ERROR_INTERNAL, NULL, "the gateway's clock is not right yet");
    if (authority->ca.key)
        return 0;
    if (ca_make(&authority->ca, authority->key_file, authority->owner, now - BACKDATE_S,
                now + (int64_t)authority->authority_days * DAY_S, err) < 0)
        return -1;
    if (publish(authority, err) < 0)
        return -1;
    tell(authority, AUTHORITY_READY, NULL);
    return 0;
}

const struct issued *authority_find(const struct authority *authority, const X509 *certificate)
{
    char serial[CA_SERIAL_TEXT];

    if (!ca_issued(&authority->ca, certificate) || ca_serial(certificate, serial) < 0)
        return NULL;
    return map_get(&authority->by_serial, str_of(serial));
}

bool authority_refuses(void *ctx, const X509 *certificate)
{
    const struct authority *authority = ctx;
    const struct issued *issued;

    if (!authority->ca.certificate || X509_cmp(certificate, authority->ca.certificate) == 0 ||
        !ca_issued(&authority->ca, certificate))
        return false; /* another's, which is not for us to say */
    issued = authority_find(authority, certificate);
    /* Dates are looked at in TLS, as soon as the clock is right. */
    return !issued || issued->ended;
}

/* All that the device has: it may have renewed the one that was meant. */
int authority_revoke(struct issued *issued, struct error *err)
{
    struct authority *authority = issued->authority;
    struct error why;

    if (issued->status == ISSUED_REVOKED || issued->status == ISSUED_EXPIRED)
        return error_set(err, ERROR_COMMAND_FAILURE, issued->name, "the certificate is not valid any more");
    if (authority_end(issued, ISSUED_REVOKED, err) < 0)
        return -1;
    for (uint32_t i = 0; i < authority->count; i++) {
        struct issued *other = authority->list[i];

        if (other->status == ISSUED_VALID && strcmp(other->name, issued->name) == 0 &&
            authority_end(other, ISSUED_REVOKED, err) < 0)
            return -1;
    }
    tell(authority, AUTHORITY_REVOKED, issued);
    if (authority_write_list(authority, &why) < 0)
        return error_set(err, ERROR_COMMAND_FAILURE, why.path,
                         "it is revoked here, but the broker's list cannot be written: %s", why.message);
    return 0;
}

/* ---- time ---- */

/* Certificates whose time is over, and those that nobody has to remember. A device that was shut out stays so. */
static void expire(struct authority *authority)
{
    int64_t now = clock_wall(authority->clock);
    uint32_t listed = 0;

    for (uint32_t i = authority->count; i-- > 0;) {
        struct issued *issued = authority->list[i];

        listed += is_listed(issued, now);
        if (issued->not_after >= now)
            continue;
        if (issued->status == ISSUED_VALID)
            authority_end(issued, ISSUED_EXPIRED, NULL);
        else if (issued->not_after + KEPT_S < now && (issued->status != ISSUED_REVOKED || issued->pardoned))
            forget(issued);
    }
    if (listed != authority->listed)
        authority_write_list(authority, NULL);
}

static void on_tick(struct timer *timer, void *ctx)
{
    struct authority *authority = ctx;
    bool ready = authority_ready(authority, NULL) == 0;

    if (ready)
        expire(authority);
    timer_arm(authority->timers, timer, ready ? TICK_MS : TICK_WAITING_MS);
}

/* ---- life ---- */

static char *join(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    int len = snprintf(path, sizeof(path), "%s/%s", folder, name);

    return len < (int)sizeof(path) ? str_dup(path, (size_t)len) : NULL;
}

static int make_folder(const char *folder, mode_t mode, struct error *err)
{
    /* What is there already is as the operator wants it. */
    if (mkdir(folder, mode) == 0 ? chmod(folder, mode) < 0 : errno != EEXIST)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, folder, errno, "cannot make the folder");
    return 0;
}

static int set_up(struct authority *authority, const struct authority_settings *settings, struct error *err)
{
    const char *open = settings->public_folder ? settings->public_folder : settings->folder;

    authority->owner = str_dup(settings->owner, strlen(settings->owner));
    authority->key_file = join(settings->folder, "authority.pem");
    authority->certificate_file = join(open, "ca.pem");
    authority->list_file = join(open, "crl.pem");
    for (int i = 0; i < 2; i++) {
        authority->trust[i] = tls_trust_new();
        if (!authority->trust[i])
            return no_memory(err);
        tls_trust_set_refused(authority->trust[i], authority_refuses, authority);
        if (authority->ops.dated)
            tls_trust_set_dated(authority->trust[i], authority->ops.dated, authority->ops.dated_ctx);
    }
    if (str_replace(&authority->manufacturers_file, settings->manufacturers_file) < 0 || !authority->owner ||
        !authority->key_file || !authority->certificate_file || !authority->list_file)
        return no_memory(err);
    if (make_folder(settings->folder, PRIVATE_MODE, err) < 0)
        return -1;
    return make_folder(open, PUBLIC_MODE, err);
}

static int load(struct authority *authority, const struct authority_settings *settings, struct error *err)
{
    int rc;

    if (set_up(authority, settings, err) < 0 ||
        manufacturers_read(&authority->manufacturers, authority->manufacturers_file, err) < 0 ||
        load_register(authority, err) < 0)
        return -1;
    rc = ca_load(&authority->ca, authority->key_file, err);
    if (rc < 0)
        return -1;
    if (rc > 0)
        return publish(authority, err);
    return follow(authority) < 0 ? no_memory(err) : 0;
}

struct authority *authority_new(const struct clock *clock, struct timers *timers, struct store *store,
                                const struct authority_settings *settings, const struct authority_ops *ops,
                                struct error *err)
{
    struct authority *authority = calloc(1, sizeof(*authority));

    if (!authority) {
        no_memory(err);
        return NULL;
    }
    authority->clock = clock;
    authority->timers = timers;
    authority->store = store;
    authority->ops = *ops;
    authority->next_instance = 1;
    authority->certificate_days = settings->certificate_days;
    authority->authority_days = settings->authority_days;
    map_init(&authority->by_serial);
    timer_init(&authority->tick, on_tick, authority);
    if (load(authority, settings, err) < 0 || timer_arm(timers, &authority->tick, 0) < 0) {
        authority_free(authority);
        return NULL;
    }
    return authority;
}

void authority_free(struct authority *authority)
{
    if (!authority)
        return;
    timer_cancel(authority->timers, &authority->tick);
    for (uint32_t i = 0; i < authority->count; i++)
        free(authority->list[i]);
    free(authority->list);
    map_done(&authority->by_serial);
    codes_clear(&authority->codes);
    manufacturers_done(&authority->manufacturers);
    tls_trust_free(authority->trust[0]);
    tls_trust_free(authority->trust[1]);
    ca_done(&authority->ca);
    free(authority->owner);
    free(authority->manufacturers_file);
    free(authority->key_file);
    free(authority->certificate_file);
    free(authority->list_file);
    free(authority);
}

void authority_forget(const struct authority *authority)
{
    unlink(authority->key_file);
    unlink(authority->certificate_file);
    unlink(authority->list_file);
}

X509 *authority_certificate(const struct authority *authority)
{
    return authority->ca.certificate;
}

uint32_t authority_certificate_days(const struct authority *authority)
{
    return authority->certificate_days;
}

struct tls_trust *authority_trust(const struct authority *authority, bool enrolment)
{
    return authority->trust[enrolment];
}

struct observers *authority_observers(struct authority *authority)
{
    return &authority->observers;
}

uint32_t authority_refusals(const struct authority *authority)
{
    return authority->refusals;
}

/* ---- codes ---- */

int authority_add_code(struct authority *authority, const char *name, uint32_t lifetime_s,
                       char ret[CODE_BYTES], struct error *err)
{
    const char *reserved = NULL;

    if (authority_ready(authority, err) < 0)
        return -1;
    if (name[0] && authority->ops.reserved)
        reserved = authority->ops.reserved(authority->ops.reserved_ctx, name, false);
    if (reserved)
        return error_set(err, ERROR_INVALID_VALUE, name, "%s", reserved);
    return codes_add(&authority->codes, name, clock_monotonic(authority->clock), lifetime_s * 1000ull, ret,
                     err);
}

void authority_cancel_codes(struct authority *authority)
{
    codes_clear(&authority->codes);
}

uint32_t authority_codes(const struct authority *authority)
{
    return codes_count(&authority->codes, clock_monotonic(authority->clock));
}

/* ---- refusals ---- */

void authority_refused(struct authority *authority, const char *peer, const char *why)
{
    struct authority_event event = {.type = AUTHORITY_REFUSED, .peer = peer, .why = why};

    authority->refusals++;
    if (rate_take(&authority->told, clock_monotonic(authority->clock), TOLD_INTERVAL_MS, TOLD_BURST))
        observers_notify(&authority->observers, &event);
}
