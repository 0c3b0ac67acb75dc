/* SPDX-License-Identifier: BSD-3-Clause */
/* The banks of the reference device and its boot record: starts, trials, rollback, and files that are not what they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/bank.h"

struct fixture {
    char folder[64], state[80], factory[80];
    struct banks banks;
    struct image image;
    enum bank_start start;
};

static const char *file_of(struct fixture *f, const char *name)
{
    static char path[200];

    snprintf(path, sizeof(path), "%s/%s", f->state, name);
    return path;
}

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    snprintf(f.folder, sizeof(f.folder), "/tmp/homepatch-bank-XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    snprintf(f.state, sizeof(f.state), "%s/state", f.folder);
    snprintf(f.factory, sizeof(f.factory), "%s/factory.img", f.folder);
    assert_int_equal(
        image_make(f.factory, &(struct image){.model = "M", .version = "1.0", .size = 40000}, NULL), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"bank1", "bank2", "boot", "boot.new"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(file_of(f, names[i]));
    rmdir(f->state);
    unlink(f->factory);
    rmdir(f->folder);
    return 0;
}

/* The device starts: everything is read anew. */
static void power_on(struct fixture *f)
{
    struct error err;

    assert_int_equal(banks_open(&f->banks, f->state, "M", f->factory, &err), 0);
    assert_int_equal(banks_start(&f->banks, &f->start, &f->image, &err), 0);
}

static void put_image(struct fixture *f, const char *version)
{
    struct image image = {.model = "M", .size = 30000};

    snprintf(image.version, sizeof(image.version), "%s", version);
    assert_int_equal(image_make(file_of(f, "bank2"), &image, NULL), 0);
    f->banks.bank[1].status = BANK_AVAILABLE;
    assert_int_equal(banks_save(&f->banks, NULL), 0);
}

static void first_start(void **state)
{
    struct fixture *f = *state;
    struct error err;

    assert_int_equal(banks_open(&f->banks, f->state, "M", NULL, &err), -1);
    assert_non_null(strstr(err.message, "factory_image"));
    power_on(f);
    assert_int_equal(f->start, BANK_STARTED);
    assert_string_equal(f->image.version, "1.0");
    assert_int_equal(f->banks.running, 0);
    assert_int_equal(banks_try(&f->banks, 1, &err), -1);
    assert_int_equal(banks_try(&f->banks, 0, &err), -1);
}

static void trial_is_confirmed(void **state)
{
    struct fixture *f = *state;

    power_on(f);
    put_image(f, "2.0");
    assert_int_equal(banks_try(&f->banks, 1, NULL), 0);
    power_on(f);
    assert_int_equal(f->start, BANK_STARTED_TRIAL);
    assert_string_equal(f->image.version, "2.0");
    assert_int_equal(banks_confirm(&f->banks, NULL), 0);
    power_on(f);
    assert_int_equal(f->start, BANK_STARTED);
    assert_string_equal(f->image.version, "2.0");
    assert_int_equal(f->banks.bank[0].status, BANK_AVAILABLE);
    assert_int_equal(f->banks.bank[1].status, BANK_ACTIVE);
}

/* Each start of a trial counts, whatever ends it. */
static void trial_runs_out(void **state)
{
    struct fixture *f = *state;

    power_on(f);
    put_image(f, "2.0");
    assert_int_equal(banks_try(&f->banks, 1, NULL), 0);
    for (int i = 0; i < TRIAL_STARTS; i++) {
        power_on(f);
        assert_int_equal(f->start, BANK_STARTED_TRIAL);
    }
    power_on(f);
    assert_int_equal(f->start, BANK_ROLLED_BACK);
    assert_string_equal(f->image.version, "1.0");
    assert_int_equal(f->banks.bank[1].status, BANK_ACTIVATION_FAILED);
    assert_non_null(strstr(f->banks.bank[1].log, "started 2 times"));
    power_on(f);
    assert_int_equal(f->start, BANK_STARTED);
    assert_int_equal(banks_try(&f->banks, 1, NULL), 0); /* once more, if somebody wants it */
}

static void trial_gives_up(void **state)
{
    struct fixture *f = *state;

    power_on(f);
    put_image(f, "2.0");
    assert_int_equal(banks_try(&f->banks, 1, NULL), 0);
    power_on(f);
    assert_int_equal(banks_give_up(&f->banks, "the \"radio\" is \\ dead\n", NULL), 0);
    power_on(f);
    assert_int_equal(f->start, BANK_ROLLED_BACK);
    assert_string_equal(f->banks.bank[1].log, "the \"radio\" is \\ dead ");
}

static void damaged_trial(void **state)
{
    struct fixture *f = *state;
    FILE *file;

    power_on(f);
    put_image(f, "2.0");
    assert_int_equal(banks_try(&f->banks, 1, NULL), 0);
    file = fopen(file_of(f, "bank2"), "r+");
    fseek(file, 5000, SEEK_SET);
    fputs("x!", file);
    fclose(file);
    power_on(f);
    assert_int_equal(f->start, BANK_ROLLED_BACK);
    assert_non_null(strstr(f->banks.bank[1].log, "damaged"));
    assert_string_equal(f->image.version, "1.0");
}

static void download_cut_short(void **state)
{
    struct fixture *f = *state;

    power_on(f);
    f->banks.bank[1].status = BANK_DOWNLOADING;
    assert_int_equal(banks_save(&f->banks, NULL), 0);
    power_on(f);
    assert_int_equal(f->banks.bank[1].status, BANK_DOWNLOAD_FAILED);
    assert_non_null(strstr(f->banks.bank[1].log, "in the middle"));
}

static void damaged_record(void **state)
{
    static const char *const texts[] = {"confirmed = 3\n", "trial = x\nconfirmed = 1\n",
                                        "confirmed = 1\nbank1_status = Splendid\n", "trial = 1\n",
                                        "rubbish\n"};
    struct fixture *f = *state;
    struct error err;

    power_on(f);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        FILE *file = fopen(file_of(f, "boot"), "w");

        fputs(texts[i], file);
        fclose(file);
        assert_int_equal(banks_open(&f->banks, f->state, "M", f->factory, &err), -1);
    }
}

static void images(void **state)
{
    static const char *const heads[] = {
        "",
        "something else\n",
        "homepatch-device image 1\n",
        "homepatch-device image 1\n\n",
        "homepatch-device image 1\nmodel = M\nversion = 1\nsize = 0\nsha256 = 00\n\n",
        "homepatch-device image 1\nmodel = M\nversion = 1\nsize = x\n\n",
        "homepatch-device image 1\nmodel = M\nversion = 1\nbehaviour = odd\n\n"};
    struct fixture *f = *state;
    struct error err;

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        FILE *file = fopen(f->factory, "w");

        fputs(heads[i], file);
        fclose(file);
        assert_int_equal(image_check(f->factory, "M", &f->image, &err), -1);
        assert_non_null(strstr(err.message, "no image of a reference device"));
    }
    assert_int_equal(
        image_make(f->factory, &(struct image){.model = "N", .version = "1", .behaviour = IMAGE_MUTE}, NULL),
        0);
    assert_int_equal(image_check(f->factory, "M", &f->image, &err), -1);
    assert_non_null(strstr(err.message, "for model \"N\""));
    assert_int_equal(image_check(f->factory, NULL, &f->image, &err), 0);
    assert_int_equal(f->image.behaviour, IMAGE_MUTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(first_start),   TEST(trial_is_confirmed), TEST(trial_runs_out), TEST(trial_gives_up),
        TEST(damaged_trial), TEST(download_cut_short), TEST(damaged_record), TEST(images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
