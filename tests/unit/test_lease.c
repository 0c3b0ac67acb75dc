/* SPDX-License-Identifier: BSD-3-Clause */
/* The files that the hook of the DHCP clients leaves, and the folder that comes and goes. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "discovery/lease.h"
#include "tests/unit/wait.h"

#define CODE(letter) "00000de9031a01" letter "\n" /* ProvisioningCode of one letter */
#define CODE_V6(letter) "00000de9001a0001" letter "\n"

struct bench {
    char dir[64];
    char leases[80];
    char refused[800];
};

static int set_up(void **state)
{
    static struct bench bench;

    bench = (struct bench){.dir = "/tmp/hp-lease-XXXXXX"};
    if (!mkdtemp(bench.dir))
        return -1;
    snprintf(bench.leases, sizeof(bench.leases), "%s/dhcp", bench.dir);
    *state = &bench;
    return 0;
}

static void empty(const char *dir)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;
    char path[400];

    while (stream && (entry = readdir(stream))) {
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(path);
    }
    if (stream)
        closedir(stream);
    rmdir(dir);
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    empty(bench->leases);
    return rmdir(bench->dir);
}

static void put(struct bench *bench, const char *name, const char *text)
{
    char path[200];
    FILE *file;

    mkdir(bench->leases, 0755);
    snprintf(path, sizeof(path), "%s/%s", bench->leases, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0644);
}

static void on_refused(void *ctx, const struct error *err)
{
    struct bench *bench = ctx;

    snprintf(bench->refused, sizeof(bench->refused), "%s", err->path);
}

/* The code that is found, "" for none. */
static const char *read_code(struct bench *bench, const char *interfaces, char interface[64])
{
    static struct dhcp_answer answer;

    answer.provisioning_code[0] = '\0';
    bench->refused[0] = '\0';
    lease_read(bench->leases, interfaces, &answer, interface, on_refused, bench);
    return answer.provisioning_code;
}

static void reads(void **state)
{
    struct bench *bench = *state;
    char interface[64] = "";

    assert_string_equal(read_code(bench, NULL, interface), ""); /* no folder */
    put(bench, "eth1.v4", CODE("61"));
    assert_string_equal(read_code(bench, NULL, interface), "a");
    assert_string_equal(interface, "eth1");
    put(bench, "eth0.v6", "00000009\n" CODE_V6("62"));
    assert_string_equal(read_code(bench, NULL, interface), "b"); /* the first by name */
    assert_string_equal(interface, "eth0");
    assert_string_equal(read_code(bench, "wan, eth1", interface), "a");
    assert_string_equal(read_code(bench, "wan", interface), "");
    put(bench, "eth0.v6", "\n");
    assert_string_equal(read_code(bench, NULL, interface), "a"); /* empty: the lease says nothing */
    assert_string_equal(bench->refused, "");
}

static void passes_over(void **state)
{
    struct bench *bench = *state;
    char interface[64] = "";
    char path[200];
    char *long_text = calloc(1, 20000);

    put(bench, ".eth0.v4", CODE("61"));
    put(bench, "eth0.v5", CODE("61"));
    put(bench, ".v4", CODE("61"));
    put(bench, "v4", CODE("61"));
    assert_string_equal(read_code(bench, NULL, interface), "");
    assert_string_equal(bench->refused, "");
    put(bench, "eth1.v4", "not hexadecimal");
    assert_string_equal(read_code(bench, NULL, interface), "");
    assert_non_null(strstr(bench->refused, "/dhcp/eth1.v4"));
    put(bench, "eth1.v4", CODE("61") CODE("62")); /* twice, and both are refused */
    assert_string_equal(read_code(bench, NULL, interface), "");
    memset(long_text, '0', 19999);
    put(bench, "eth1.v4", long_text);
    assert_string_equal(read_code(bench, NULL, interface), "");
    put(bench, "eth1.v4", CODE("61"));
    snprintf(path, sizeof(path), "%s/eth1.v4", bench->leases);
    chmod(path, 0666); /* anybody could have written it */
    assert_string_equal(read_code(bench, NULL, interface), "");
    assert_non_null(strstr(bench->refused, "/dhcp/eth1.v4"));
    unlink(path);
    put(bench, "other", CODE("61"));
    assert_int_equal(symlink("other", path), 0);
    assert_string_equal(read_code(bench, NULL, interface), "");
    assert_non_null(strstr(bench->refused, "/dhcp/eth1.v4"));
    free(long_text);
}

static void on_changed(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void watches(void **state)
{
    struct bench *bench = *state;
    struct lease_watch *watch;
    unsigned changes = 0;
    unsigned before;
    struct loop loop;
    char path[200];

    assert_int_equal(loop_init(&loop, NULL), 0);
    watch = lease_watch_new(&loop, bench->leases, on_changed, &changes,
                            NULL); /* the folder is not there yet */
    assert_non_null(watch);
    assert_int_equal(mkdir(bench->leases, 0755), 0);
    WAIT_FOR(&loop, changes == 1);
    put(bench, "eth0.v4", CODE("61"));
    WAIT_FOR(&loop, changes == 2);
    snprintf(path, sizeof(path), "%s/eth0.v4", bench->leases);
    unlink(path);
    WAIT_FOR(&loop, changes == 3);
    rmdir(bench->leases); /* a tmpfiles cleaner; the next lease makes it again */
    WAIT_FOR(&loop, changes == 4);
    before = changes;
    put(bench, "eth0.v4", CODE("61"));
    WAIT_FOR(&loop, changes > before);
    lease_watch_free(watch);
    lease_watch_free(NULL);
    loop_done(&loop);
}

/* What happens beside the folder is no news. */
static void ignores_neighbours(void **state)
{
    struct bench *bench = *state;
    struct lease_watch *watch;
    unsigned changes = 0;
    struct loop loop;
    char path[200];

    assert_int_equal(loop_init(&loop, NULL), 0);
    watch = lease_watch_new(&loop, bench->leases, on_changed, &changes, NULL);
    assert_non_null(watch);
    snprintf(path, sizeof(path), "%s/dhcpd", bench->dir); /* begins alike */
    assert_int_equal(mkdir(path, 0755), 0);
    rmdir(path);
    for (unsigned turn = 0; turn < 5; turn++)
        wait_turn(&loop);
    assert_int_equal(timers_next(&loop.timers), UINT64_MAX); /* nothing is about to be told */
    assert_int_equal(mkdir(bench->leases, 0755), 0);
    WAIT_FOR(&loop, changes == 1);
    lease_watch_free(watch);
    loop_done(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(passes_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(watches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ignores_neighbours, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
