/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/bank.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/file.h"
#include "base/limits.h"

const char *const bank_statuses[] = {
    "NoImage",        "Active",           "Downloading",        "Validating",       "Available",
    "DownloadFailed", "ValidationFailed", "InstallationFailed", "ActivationFailed", NULL};

enum {
    FOLDER_MODE = 0750,
    RECORD_MODE = 0640,
};

const char *banks_path(const struct banks *banks, int bank, const char *suffix, char to[BANK_PATH_BYTES])
{
    snprintf(to, BANK_PATH_BYTES, "%s/bank%d%s", banks->folder, bank + 1, suffix);
    return to;
}

static void record_path(const struct banks *banks, char to[BANK_PATH_BYTES])
{
    snprintf(to, BANK_PATH_BYTES, "%s/boot", banks->folder);
}

/* ---- the record ---- */

static void write_text(struct buf *to, int bank, const char *key, const char *text)
{
    buf_printf(to, "bank%d_%s = \"", bank + 1, key);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_append_byte(to, '\\');
        buf_append_byte(to, (unsigned char)*text < ' ' ? ' ' : (uint8_t)*text);
    }
    buf_append_str(to, "\"\n");
}

int banks_save(const struct banks *banks, struct error *err)
{
    char path[BANK_PATH_BYTES];
    struct buf text;
    int rc;

    record_path(banks, path);
    buf_init(&text, LIMIT_CONFIG_BYTES, 0);
    buf_printf(&text, "confirmed = %d\ntrial = %d\nstarts = %d\n", banks->confirmed + 1, banks->trial + 1,
               banks->starts);
    for (int i = 0; i < BANKS; i++) {
        write_text(&text, i, "status", bank_statuses[banks->bank[i].status]);
        write_text(&text, i, "version", banks->bank[i].version);
        write_text(&text, i, "log", banks->bank[i].log);
    }
    rc = text.failed ? error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory")
                     : file_replace(AT_FDCWD, path, (struct str){(const char *)buf_data(&text), text.len},
                                    RECORD_MODE, (gid_t)-1, err);
    buf_done(&text);
    return rc;
}

static int take_number(struct str value, int max, int *ret)
{
    uint64_t number;

    if (str_to_u64(value, &number) < 0 || number > (uint64_t)max)
        return -1;
    *ret = (int)number;
    return 0;
}

static int take_text(char *to, size_t size, struct str value)
{
    if (value.len >= size)
        return -1;
    memcpy(to, value.data, value.len);
    to[value.len] = '\0';
    return 0;
}

static int take_status(struct bank *bank, struct str value)
{
    for (int i = 0; bank_statuses[i]; i++) {
        if (str_is(value, bank_statuses[i])) {
            bank->status = (enum bank_status)i;
            return 0;
        }
    }
    return -1;
}

static int take_line(struct banks *banks, struct str key, struct str value)
{
    int number;

    if (str_is(key, "starts"))
        return take_number(value, TRIAL_STARTS, &banks->starts);
    if (str_is(key, "confirmed") || str_is(key, "trial")) {
        if (take_number(value, BANKS, &number) < 0)
            return -1;
        *(str_is(key, "trial") ? &banks->trial : &banks->confirmed) = number - 1;
        return 0;
    }
    if (key.len < 7 || !str_starts(key, STR("bank")) || key.data[4] < '1' || key.data[4] >= '1' + BANKS)
        return 0; /* a later version's */
    number = key.data[4] - '1';
    key = (struct str){key.data + 6, key.len - 6};
    if (str_is(key, "status"))
        return take_status(&banks->bank[number], value);
    if (str_is(key, "version"))
        return take_text(banks->bank[number].version, IMAGE_TEXT_BYTES, value);
    if (str_is(key, "log"))
        return take_text(banks->bank[number].log, BANK_LOG_BYTES, value);
    return 0;
}

static int read_record(struct banks *banks, const char *path, struct error *err)
{
    struct conf_line *lines;
    struct arena arena;
    int rc;

    arena_init(&arena, 0);
    rc = conf_read(&arena, path, &lines, err);
    for (; rc == 0 && lines; lines = lines->next)
        if (take_line(banks, lines->key, lines->value) < 0)
            rc = conf_error(path, lines->number, err, "the boot record is damaged");
    arena_done(&arena);
    if (rc == 0 && banks->confirmed < 0)
        rc = error_set(err, ERROR_INVALID_CONFIGURATION, path, "the boot record names no bank that works");
    return rc;
}

/* ---- the first start ---- */

static int copy_file(const char *from, const char *to, struct error *err)
{
    char chunk[16384];
    FILE *in = fopen(from, "rb");
    FILE *out = in ? fopen(to, "wb") : NULL;
    bool good = in && out;
    size_t n;

    while (good && (n = fread(chunk, 1, sizeof(chunk), in)) > 0)
        good = fwrite(chunk, 1, n, out) == n;
    good = good && !ferror(in) && fflush(out) == 0 && fsync(fileno(out)) == 0;
    if (in)
        fclose(in);
    if (out)
        good = fclose(out) == 0 && good;
    return good ? 0
                : error_set_errno(err, ERROR_INVALID_CONFIGURATION, from, errno, "cannot copy it to %s", to);
}

static int first_record(struct banks *banks, const char *factory, struct error *err)
{
    char path[BANK_PATH_BYTES];

    if (!factory)
        return error_set(err, ERROR_INVALID_CONFIGURATION, banks->folder,
                         "there is no firmware yet: factory_image names the first one");
    if (copy_file(factory, banks_path(banks, 0, "", path), err) < 0)
        return -1;
    banks->confirmed = 0;
    banks->bank[0].status = BANK_ACTIVE;
    return banks_save(banks, err);
}

int banks_open(struct banks *banks, const char *folder, const char *model, const char *factory,
               struct error *err)
{
    char path[BANK_PATH_BYTES];

    *banks = (struct banks){.folder = folder, .model = model, .confirmed = -1, .trial = -1, .running = -1};
    if (mkdir(folder, FOLDER_MODE) < 0 && errno != EEXIST)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, folder, errno, "cannot make the folder");
    record_path(banks, path);
    return access(path, F_OK) == 0 ? read_record(banks, path, err) : first_record(banks, factory, err);
}

/* ---- starts ---- */

static void fail_trial(struct banks *banks, const char *why)
{
    struct bank *bank = &banks->bank[banks->trial];

    bank->status = BANK_ACTIVATION_FAILED;
    str_copy(bank->log, sizeof(bank->log), why);
    banks->trial = -1;
    banks->starts = 0;
    banks->bank[banks->confirmed].status = BANK_ACTIVE;
}

/* What was under way when the power went is not any more. */
static bool tidy(struct banks *banks)
{
    bool changed = false;

    for (int i = 0; i < BANKS; i++) {
        struct bank *bank = &banks->bank[i];

        if (bank->status != BANK_DOWNLOADING && bank->status != BANK_VALIDATING)
            continue;
        bank->status = BANK_DOWNLOAD_FAILED;
        str_copy(bank->log, sizeof(bank->log), "the device restarted in the middle of the download");
        changed = true;
    }
    return changed;
}

static int run(struct banks *banks, int bank, struct image *ret, struct error *err)
{
    char path[BANK_PATH_BYTES];

    if (image_check(banks_path(banks, bank, "", path), banks->model, ret, err) < 0)
        return -1;
    banks->running = bank;
    str_copy(banks->bank[bank].version, sizeof(banks->bank[bank].version), ret->version);
    return 0;
}

int banks_start(struct banks *banks, enum bank_start *ret_start, struct image *ret, struct error *err)
{
    struct error why;
    char log[BANK_LOG_BYTES];
    bool is_fresh = !banks->bank[banks->confirmed].version[0];
    bool changed = tidy(banks);

    *ret_start = BANK_STARTED;
    if (banks->trial >= 0 && banks->starts > 0) {
        banks->starts--;
        /* Before anything of the image runs. */
        if (banks_save(banks, err) < 0)
            return -1;
        if (run(banks, banks->trial, ret, &why) == 0) {
            *ret_start = BANK_STARTED_TRIAL;
            return 0;
        }
        fail_trial(banks, why.message);
        *ret_start = BANK_ROLLED_BACK;
    } else if (banks->trial >= 0) {
        str_copy(log, sizeof(log), banks->bank[banks->trial].log);
        if (!log[0])
            snprintf(log, sizeof(log), "the image was started %d times and did not confirm that it works",
                     TRIAL_STARTS);
        fail_trial(banks, log);
        *ret_start = BANK_ROLLED_BACK;
    }
    if (run(banks, banks->confirmed, ret, err) < 0)
        return -1;
    /* The first start writes down which version the factory's image is. */
    return *ret_start == BANK_ROLLED_BACK || changed || is_fresh ? banks_save(banks, err) : 0;
}

int banks_confirm(struct banks *banks, struct error *err)
{
    struct banks before = *banks;

    if (banks->trial < 0 || banks->running != banks->trial)
        return 0;
    banks->bank[banks->confirmed].status = BANK_AVAILABLE;
    banks->bank[banks->trial].status = BANK_ACTIVE;
    banks->bank[banks->trial].log[0] = '\0';
    banks->confirmed = banks->trial;
    banks->trial = -1;
    banks->starts = 0;
    if (banks_save(banks, err) == 0)
        return 0;
    *banks = before;
    return -1;
}

int banks_try(struct banks *banks, int bank, struct error *err)
{
    struct banks before = *banks;

    if (bank == banks->running)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "the device runs from this bank already");
    if (banks->bank[bank].status != BANK_AVAILABLE && banks->bank[bank].status != BANK_ACTIVATION_FAILED)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "there is no image to activate; Download() one");
    banks->trial = bank;
    banks->starts = TRIAL_STARTS;
    banks->bank[bank].status = BANK_AVAILABLE;
    banks->bank[bank].log[0] = '\0';
    if (banks_save(banks, err) == 0)
        return 0;
    *banks = before;
    return -1;
}

int banks_give_up(struct banks *banks, const char *why, struct error *err)
{
    if (banks->trial < 0)
        return 0;
    banks->starts = 0;
    str_copy(banks->bank[banks->trial].log, BANK_LOG_BYTES, why);
    return banks_save(banks, err);
}
