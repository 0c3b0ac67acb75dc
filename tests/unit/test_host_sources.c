/* SPDX-License-Identifier: BSD-3-Clause */
/* Where hosts are heard of: lease files, what the DHCP server's script leaves, the registry of MAC address blocks. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "scan/dhcp_hook.h"
#include "scan/lease_line.h"
#include "scan/leases.h"
#include "scan/oui.h"
#include "tests/unit/wait.h"

static const uint8_t phone[] = {2, 0, 0, 0, 0, 10};

struct bench {
    struct loop loop;
    struct hosts *hosts;
    struct leases *leases; /* these three: of the test, freed after it however it ends */
    struct dhcp_hook *hook;
    struct oui *oui;
    char dir[64];
    char hooks[80];
};

static int set_up(void **state)
{
    static struct bench bench;

    bench = (struct bench){.dir = "/tmp/hp-hosts-XXXXXX"};
    if (!mkdtemp(bench.dir) || loop_init(&bench.loop, NULL) < 0)
        return -1;
    snprintf(bench.hooks, sizeof(bench.hooks), "%s/hooks", bench.dir);
    bench.hosts = hosts_new(NULL, &bench.loop.timers, &limits_default, 0);
    *state = &bench;
    return bench.hosts ? 0 : -1;
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

    leases_free(bench->leases);
    dhcp_hook_free(bench->hook);
    oui_free(bench->oui);
    hosts_free(bench->hosts);
    loop_done(&bench->loop);
    empty(bench->hooks);
    empty(bench->dir);
    return 0;
}

static const char *put(const struct bench *bench, const char *dir, const char *name, const char *text)
{
    static char path[200];
    char new[210];
    FILE *file;

    (void)bench;
    mkdir(dir, 0755);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    snprintf(new, sizeof(new), "%s.new", path);
    file = fopen(new, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(new, path), 0);
    return path;
}

/* ---- lines ---- */

static void lines_that_are_none(void **state)
{
    static const char *const none[] = {
        "",
        "  ",
        "duid 00:01:00:01:aa",
        "192.168.1.9\thost.lan",
        "# br-lan 00010001 1 - 1900000000 100 56 fd00:0:0:100::/56", /* a prefix */
    };
    static const char *const malformed[] = {
        "x 02:00:00:00:00:0a 192.168.1.9 host *",
        "1900000000 02:00:00:00:00:0a 192.168.1.9 host",
        "1900000000 02:00:00:00:00:0a 192.168.1.9 host * more",
        "1900000000 12345 192.168.1.9 host *",
        "1900000000 02:00:00:00:00:0a fd00::1 host *",
        "1900000000 02:00:00:00:00:0a 224.0.0.1 host *",
        "-5 02:00:00:00:00:0a 192.168.1.9 host *",
        "1900000000 02:00:00:00:00:0a 192.168.1.9 host zz",
        "# br-lan",
        "# br-lan 02000000000a ipv4 host soon c0a80109 32 192.168.1.9/32",
        "# br-lan 0200 ipv4 host 1900000000 c0a80109 32 192.168.1.9/32",
        "# a-name-that-is-too-long 02000000000a ipv4 host 1900000000 c0a80109 32 192.168.1.9/32",
        "# br-lan 02000000000a ipv4 host 1900000000 c0a80109 32 192.168.1.9",
        "# br-lan 02000000000a ipv4 host 1900000000 c0a80109 32 192.168.1.9/999",
    };
    struct lease_line line;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(lease_line_parse(str_of(none[i]), &line), 0);
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
        if (lease_line_parse(str_of(malformed[i]), &line) != -1)
            fail_msg("taken: %s", malformed[i]);
}

static void leases_that_are_good(void **state)
{
    struct lease_line line;
    char text[HOST_IP_TEXT_BYTES];

    (void)state;
    assert_int_equal(
        lease_line_parse(STR("1900000000 02:00:00:00:00:0a 192.168.1.9 host 01:02:00:ab"), &line), 1);
    assert_true(line.has_mac);
    assert_int_equal(line.expires, 1900000000);
    assert_string_equal(line.host_name, "host");
    assert_string_equal(line.client_id, "010200ab");
    assert_int_equal(lease_line_parse(STR("0 02:00:00:00:00:0a 192.168.1.9 * *"), &line), 1);
    assert_true(line.expires == INT64_MAX);
    assert_string_equal(line.host_name, "");
    assert_int_equal(lease_line_parse(STR("1900000000 T4711 fd00::9 host 00:04:aa"), &line), 1);
    assert_false(line.has_mac);
    assert_string_equal(line.client_id, "0004aa");

    assert_int_equal(
        lease_line_parse(STR("# br-lan 02000000000A ipv4 host -1 c0a80109 32 192.168.1.9/32"), &line), 1);
    assert_true(line.has_mac);
    assert_memory_equal(line.mac, phone, sizeof(phone));
    assert_string_equal(line.interface, "br-lan");
    assert_true(line.expires == INT64_MAX);
    assert_int_equal(lease_line_parse(STR("# br-lan 00010001aabb 7b broken\\x20na|me 1900000000 9 128 "
                                          "fd00::9/128 2001:db8::9/128 2001:db8:1::/56"),
                                      &line),
                     1);
    assert_int_equal(line.ips_count, 2);
    assert_string_equal(line.host_name, "");
    host_ip_text(&line.ips[1], text);
    assert_string_equal(text, "2001:db8::9");
}

static void oui_lines(void **state)
{
    static const char *const none[] = {"",
                                       "# Xerox",
                                       "0000",
                                       "002272",
                                       "002272     (base 16)\t\tX",
                                       "00-22-72 (hex)",
                                       "OUI/MA-L   Organization",
                                       "00-22:72   (hex)\tX"};
    uint8_t oui[OUI_BYTES];
    struct str owner;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(oui_line(str_of(none[i]), oui, &owner), 0);
    assert_int_equal(oui_line(STR("00-22-72   (hex)\t\tFuel Cells (Pty), Inc."), oui, &owner), 1);
    assert_true(str_is(owner, "Fuel Cells (Pty), Inc."));
    assert_memory_equal(oui, "\x00\x22\x72", 3);
    assert_int_equal(oui_line(STR("0050C2 Registry"), oui, &owner), 1);
    assert_true(str_is(owner, "Registry"));
}

static void hook_files(void **state)
{
    static const char *const malformed[] = {
        "",
        "vendor_class=x\n",
        "mac=02:00:00:00:00:0a",
        "mac=02:00:00:00:00:0a\nnothing\n",
        "mac=02:00:00:00:00:0a\n=value\n",
        "mac=02:00:00:00:00\n",
        "mac=02:00:00:00:00:0a\nip=224.0.0.1\n",
        "mac=02:00:00:00:00:0a\ninterface=a-name-that-is-too-long\n",
        "mac=02:00:00:00:00:0a\ncpewan_oui=AABBC\n",
        "mac=02:00:00:00:00:0a\nhostname=a\nhostname=b\n",
    };
    char text[400];
    struct hook_file file;
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        snprintf(text, sizeof(text), "%s", malformed[i]);
        if (hook_file_parse(text, strlen(text), &file, &err) != -1)
            fail_msg("taken: %s", malformed[i]);
        assert_true(err.message[0]);
    }
    memcpy(text, "mac=02:00:00:00:00:0a\n\0x=1\n", 28);
    assert_int_equal(hook_file_parse(text, 27, &file, &err), -1);
    snprintf(text, sizeof(text),
             "mac=02:00:00:00:00:0a\nip=192.168.1.9\ncpewan_oui=aabbcc\nvendor_class=\"a=b\"\n"
             "later=what\nmud_url=\n");
    assert_int_equal(hook_file_parse(text, strlen(text), &file, &err), 0);
    assert_true(file.has_mac && file.has_ip);
    assert_int_equal(file.facts_count, 2);
    assert_string_equal(file.facts[0].text, "AABBCC");
    assert_string_equal(file.facts[1].text, "\"a=b\"");
}

/* ---- files that change ---- */

static bool is_active(struct bench *bench)
{
    struct host *host = hosts_find(bench->hosts, phone);

    return host && host->active;
}

static const char *name_of(struct bench *bench)
{
    struct host *host = hosts_find(bench->hosts, phone);

    return host ? host_text(host, HOST_FACT_HOST_NAME) : "";
}

static void lease_file(void **state)
{
    struct bench *bench = *state;
    char path[200], line[200];
    FILE *file;

    snprintf(path, sizeof(path), "%s/leases", bench->dir);
    bench->leases = leases_new(&bench->loop, bench->hosts, path, NULL);
    assert_non_null(bench->leases);
    assert_int_equal(leases_count(bench->leases), 0);
    leases_free(bench->leases);
    bench->leases = NULL;
    put(bench, bench->dir, "leases", "1900000000 02:00:00:00:00:0a 192.168.1.9 old *\nnonsense here\n");
    bench->leases = leases_new(&bench->loop, bench->hosts, path, NULL);
    assert_int_equal(leases_count(bench->leases), 1);
    assert_int_equal(leases_malformed(bench->leases), 1);
    assert_string_equal(name_of(bench), "old");
    assert_false(is_active(bench)); /* it may have been given long ago */

    /* Replaced as a whole, as odhcpd does. */
    put(bench, bench->dir, "leases", "1900000100 02:00:00:00:00:0a 192.168.1.9 new *\n");
    WAIT_FOR(&bench->loop, strcmp(name_of(bench), "new") == 0);
    assert_true(is_active(bench)); /* renewed just now */
    /* Written in place, as dnsmasq does. */
    snprintf(line, sizeof(line), "1900000100 02:00:00:00:00:0b 192.168.1.10 other *\n");
    file = fopen(path, "w");
    fputs(line, file);
    fclose(file);
    WAIT_FOR(&bench->loop, hosts_count(bench->hosts) == 2);
    WAIT_FOR(&bench->loop, host_address(hosts_find(bench->hosts, phone))->lease_expires == 0);
    leases_free(bench->leases);
    bench->leases = NULL;
}

/* A file that is too long, no file, or another's. */
static void lease_file_refused(void **state)
{
    struct bench *bench = *state;
    char path[200], target[200];

    snprintf(path, sizeof(path), "%s/leases", bench->dir);
    snprintf(target, sizeof(target), "%s/target", bench->dir);
    put(bench, bench->dir, "target", "1900000000 02:00:00:00:00:0a 192.168.1.9 old *\n");
    assert_int_equal(symlink(target, path), 0);
    bench->leases = leases_new(&bench->loop, bench->hosts, path, NULL);
    assert_non_null(bench->leases);
    assert_int_equal(hosts_count(bench->hosts), 0);
    leases_free(bench->leases);
    bench->leases = NULL;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(truncate(target, 4 << 20), 0);
    bench->leases = leases_new(&bench->loop, bench->hosts, target, NULL);
    assert_int_equal(leases_count(bench->leases), 0);
    leases_free(bench->leases);
    bench->leases = NULL;
}

static void hook_folder(void **state)
{
    struct bench *bench = *state;

    bench->hook = dhcp_hook_new(&bench->loop, bench->hosts, bench->hooks, NULL);
    assert_non_null(bench->hook);
    put(bench, bench->hooks, "192.168.1.9", "mac=02:00:00:00:00:0a\nip=192.168.1.9\nhostname=phone\n");
    WAIT_FOR(&bench->loop, is_active(bench));
    assert_string_equal(name_of(bench), "phone");
    put(bench, bench->hooks, "192.168.1.9", "mac=02:00:00:00:00:0a\nip=192.168.1.9\nhostname=renamed\n");
    WAIT_FOR(&bench->loop, strcmp(name_of(bench), "renamed") == 0);
    put(bench, bench->hooks, "192.168.1.10", "garbage");
    WAIT_FOR(&bench->loop, dhcp_hook_refused(bench->hook) == 1);
    assert_int_equal(hosts_count(bench->hosts), 1);
}

static void registry_of_blocks(void **state)
{
    static const uint8_t known[] = {0, 0x0a, 0x0b, 0, 0, 1}, unknown[] = {0, 0x0a, 0x0c, 0, 0, 1},
                         made_up[] = {2, 0x0a, 0x0b, 0, 0, 1};
    const uint8_t *const macs[] = {known, unknown, made_up};
    struct bench *bench = *state;
    struct host_said said = {HOST_FACT_HOST_NAME, "host"};
    char files[300];

    assert_null(oui_new(&bench->loop, bench->hosts, "/nowhere, /nothing", NULL));
    snprintf(files, sizeof(files), "/nowhere, %s",
             put(bench, bench->dir, "oui.txt",
                 "OUI\tOrganization\n\n00-0A-0B   (hex)\t\tPrinters Inc.\n000A0B     (base 16)\t\tPrinters\n"
                 "02-0A-0B   (hex)\t\tNobody\n"));
    bench->oui = oui_new(&bench->loop, bench->hosts, files, NULL);
    assert_non_null(bench->oui);
    for (size_t i = 0; i < 3; i++)
        hosts_observe(
            bench->hosts,
            &(struct host_sighting){.source = HOST_HOOK, .mac = macs[i], .facts = &said, .facts_count = 1});
    WAIT_FOR(&bench->loop, *host_text(hosts_find(bench->hosts, known), HOST_FACT_MANUFACTURER));
    assert_string_equal(host_text(hosts_find(bench->hosts, known), HOST_FACT_MANUFACTURER), "Printers Inc.");
    assert_string_equal(host_text(hosts_find(bench->hosts, unknown), HOST_FACT_MANUFACTURER), "");
    assert_string_equal(host_text(hosts_find(bench->hosts, made_up), HOST_FACT_MANUFACTURER), "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_are_none),
        cmocka_unit_test(leases_that_are_good),
        cmocka_unit_test(oui_lines),
        cmocka_unit_test(hook_files),
        CASE(lease_file),
        CASE(lease_file_refused),
        CASE(hook_folder),
        CASE(registry_of_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
