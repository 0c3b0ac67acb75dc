/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/unit/failing_alloc.h"

struct fixture {
    char dir[32];
    int fd;
    struct buf text;
    struct arena arena;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.dir = "/tmp/hp-file-XXXXXX"};
    if (!mkdtemp(f.dir))
        return -1;
    f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    buf_init(&f.text, 100000, 0);
    arena_init(&f.arena, 0);
    *state = &f;
    return f.fd < 0 ? -1 : 0;
}

/* Fails when a test left more than the files it says: a temporary file stays nowhere. */
static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"f", "g", "link"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlinkat(f->fd, names[i], 0);
    close(f->fd);
    buf_done(&f->text);
    arena_done(&f->arena);
    return rmdir(f->dir);
}

static void put(struct fixture *f, const char *name, const char *text)
{
    assert_int_equal(file_replace(f->fd, name, str_of(text), 0644, (gid_t)-1, NULL), 0);
}

static void assert_holds(struct fixture *f, const char *name, const char *text)
{
    struct str got;

    assert_int_equal(file_read_text(f->fd, name, 1000, &f->arena, &got, NULL), 1);
    assert_string_equal(got.data, text);
}

static void reads(void **state)
{
    struct fixture *f = *state;
    struct str text = STR("x");

    assert_int_equal(file_read(f->fd, "f", 0, &f->text, NULL), 0);
    assert_int_equal(file_read_text(f->fd, "f", 10, &f->arena, &text, NULL), 0);
    assert_int_equal(text.len, 0);
    put(f, "f", "0123456789");
    buf_append_str(&f->text, ">");
    assert_int_equal(file_read(f->fd, "f", FILE_NO_LINK, &f->text, NULL), 1);
    assert_true(f->text.len == 11 && memcmp(buf_data(&f->text), ">0123456789", 11) == 0);
    assert_int_equal(file_read_text(f->fd, "f", 10, &f->arena, &text, NULL), 1);
    assert_true(str_is(text, "0123456789"));
    assert_int_equal(text.data[10], '\0');
    put(f, "f", "");
    assert_int_equal(file_read_text(f->fd, "f", 0, &f->arena, &text, NULL), 1);
    assert_int_equal(text.len, 0);
}

static void reads_what_is_long(void **state)
{
    struct fixture *f = *state;
    char *text = calloc(1, 70001);

    memset(text, 'a', 70000);
    put(f, "f", text);
    assert_int_equal(file_read(f->fd, "f", 0, &f->text, NULL), 1);
    assert_int_equal(f->text.len, 70000);
    assert_memory_equal(buf_data(&f->text), text, 70000);
    free(text);
}

static void too_long(void **state)
{
    struct fixture *f = *state;
    struct str text = STR("x");
    struct error err;
    struct buf small;

    put(f, "f", "0123456789");
    buf_init(&small, 10, 0);
    assert_int_equal(file_read(f->fd, "f", 0, &small, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    assert_string_equal(err.path, "f");
    buf_done(&small);
    buf_init(&small, 11, 0);
    assert_int_equal(file_read(f->fd, "f", 0, &small, &err), 1);
    buf_done(&small);
    assert_int_equal(file_read_text(f->fd, "f", 9, &f->arena, &text, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    assert_true(str_is(text, "x"));
}

static void not_a_file(void **state)
{
    struct fixture *f = *state;
    struct str text;
    struct error err;

    assert_int_equal(file_read(f->fd, ".", 0, &f->text, &err), -1);
    assert_non_null(strstr(err.message, "no regular file"));
    assert_int_equal(mkfifoat(f->fd, "f", 0600), 0); /* nobody writes: it does not wait */
    assert_int_equal(file_read_text(f->fd, "f", 10, &f->arena, &text, &err), -1);
    assert_non_null(strstr(err.message, "no regular file"));
    assert_int_equal(file_read_text(f->fd, "f/g", 10, &f->arena, &text, &err), -1);
    assert_non_null(strstr(err.message, "Not a directory"));
}

static void links_and_owners(void **state)
{
    struct fixture *f = *state;

    put(f, "f", "text");
    assert_int_equal(symlinkat("f", f->fd, "link"), 0);
    assert_int_equal(file_read(f->fd, "link", 0, &f->text, NULL), 1);
    assert_int_equal(file_read(f->fd, "link", FILE_NO_LINK, &f->text, NULL), -1);
    assert_int_equal(file_read(f->fd, "link", FILE_TRUSTED, &f->text, NULL), -1);
    assert_int_equal(file_read(f->fd, "f", FILE_TRUSTED, &f->text, NULL), 1);
    assert_int_equal(fchmodat(f->fd, "f", 0664, 0), 0);
    assert_int_equal(file_read(f->fd, "f", FILE_TRUSTED, &f->text, NULL), -1);
    assert_int_equal(fchmodat(f->fd, "f", 0646, 0), 0);
    assert_int_equal(file_read(f->fd, "f", FILE_TRUSTED, &f->text, NULL), -1);
    assert_int_equal(file_read(f->fd, "f", 0, &f->text, NULL), 1);
    /* What is put in the place of a link replaces the link, not what it leads to. */
    put(f, "link", "other");
    assert_holds(f, "f", "text");
    assert_holds(f, "link", "other");
}

static void replaces(void **state)
{
    struct fixture *f = *state;
    mode_t mask = umask(077);
    struct stat before, after;
    char path[64];

    put(f, "f", "old");
    assert_int_equal(fstatat(f->fd, "f", &before, 0), 0);
    assert_int_equal(before.st_mode & 07777, 0644); /* whatever the umask */
    umask(mask);
    snprintf(path, sizeof(path), "%s/f", f->dir);
    assert_int_equal(file_replace(AT_FDCWD, path, STR("new"), 0600, getgid(), NULL), 0);
    assert_int_equal(fstatat(f->fd, "f", &after, 0), 0);
    assert_int_equal(after.st_mode & 07777, 0600);
    assert_int_not_equal(before.st_ino, after.st_ino);
    assert_holds(f, "f", "new");
}

/* A start that a loss of power cut short left its file; or somebody else put a link there. */
static void clears_what_was_left(void **state)
{
    struct fixture *f = *state;

    put(f, "g", "not ours");
    assert_int_equal(symlinkat("g", f->fd, "f.new"), 0);
    put(f, "f", "ours");
    assert_holds(f, "g", "not ours");
    assert_holds(f, "f", "ours");
}

static void cannot_be_written(void **state)
{
    struct fixture *f = *state;
    char *name = calloc(1, PATH_MAX);
    struct error err;

    /* The place is taken by what cannot be replaced: the old one stays, and nothing beside it. */
    assert_int_equal(mkdirat(f->fd, "f", 0700), 0);
    assert_int_equal(file_replace(f->fd, "f", STR("x"), 0600, (gid_t)-1, &err), -1);
    assert_string_equal(err.path, "f");
    assert_non_null(strstr(err.message, "cannot be written"));
    assert_int_equal(unlinkat(f->fd, "f", AT_REMOVEDIR), 0);
    assert_int_equal(file_replace(f->fd, "nowhere/f", STR("x"), 0600, (gid_t)-1, &err), -1);
    assert_int_equal(file_replace(AT_FDCWD, "/dev/full/f", STR("x"), 0600, (gid_t)-1, &err), -1);
    memset(name, 'a', PATH_MAX - 1);
    assert_int_equal(file_replace(f->fd, name, STR("x"), 0600, (gid_t)-1, &err), -1);
    assert_int_equal(file_rename(f->fd, "nowhere", "f"), -1);
    assert_int_equal(errno, ENOENT);
    put(f, "f", "x");
    assert_int_equal(file_rename(f->fd, "f", "g"), 0);
    assert_holds(f, "g", "x");
    free(name);
}

static void without_memory(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct str text;

    put(f, "f", "text");
    failing_alloc_arm(1);
    assert_int_equal(file_read(f->fd, "f", 0, &f->text, &err), -1);
    assert_true(failing_alloc_hit());
    assert_string_equal(err.message, "out of memory");
    failing_alloc_arm(1);
    assert_int_equal(file_read_text(f->fd, "f", 10, &f->arena, &text, &err), -1);
    assert_true(failing_alloc_hit());
    assert_string_equal(err.message, "out of memory");
    failing_alloc_arm(0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads),
        TEST(reads_what_is_long),
        TEST(too_long),
        TEST(not_a_file),
        TEST(links_and_owners),
        TEST(replaces),
        TEST(clears_what_was_left),
        TEST(cannot_be_written),
        TEST(without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
