/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/verify.h"

/* FIPS 180-4's example message. */
static const char message[] = "abc";

static const char *const digests[VERIFY_ALGORITHMS] = {
    [VERIFY_SHA1] = "a9993e364706816aba3e25717850c26c9cd0d89d",
    [VERIFY_SHA224] = "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    [VERIFY_SHA256] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    [VERIFY_SHA384] = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                      "8086072ba1e7cc2358baeca134c825a7",
    [VERIFY_SHA512] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
};

static int file_with(const void *data, size_t len)
{
    char name[] = "/tmp/homepatch-verify-XXXXXX";
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    return fd;
}

static void test_each_algorithm(void **state)
{
    int fd = file_with(message, 3);

    (void)state;
    for (int i = 0; i < VERIFY_ALGORITHMS; i++) {
        struct verify_result result;
        enum verify_algorithm parsed;

        assert_int_equal(verify_file(fd, (enum verify_algorithm)i, &result, NULL), 0);
        assert_int_equal(result.size, 3);
        assert_string_equal(result.sha256, digests[VERIFY_SHA256]);
        assert_string_equal(result.other, digests[i]);
        assert_int_equal(strlen(digests[i]), 2 * verify_algorithm_bytes((enum verify_algorithm)i));
        assert_int_equal(verify_algorithm_parse(verify_algorithm_text((enum verify_algorithm)i), &parsed), 0);
        assert_int_equal(parsed, i);
    }
    close(fd);
}

static void test_long_and_empty_files(void **state)
{
    size_t len = (1 << 20) + 7;
    uint8_t *data = calloc(1, len);
    int fd = file_with(data, len);
    struct verify_result result;
    char hex[VERIFY_SHA256_HEX_BYTES];

    (void)state;
    assert_int_equal(verify_file(fd, VERIFY_ALGORITHMS, &result, NULL), 0);
    assert_int_equal(result.size, len);
    assert_string_equal(result.other, "");
    assert_int_equal(verify_bytes(data, len, hex), 0);
    assert_string_equal(result.sha256, hex);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(verify_file(fd, VERIFY_ALGORITHMS, &result, NULL), 0);
    assert_int_equal(result.size, 0);
    close(fd);
    free(data);
}

static void test_unreadable_file(void **state)
{
    struct verify_result result;
    struct error err;

    (void)state;
    assert_int_equal(verify_file(-1, VERIFY_SHA1, &result, &err), -1);
    assert_int_equal(err.code, ERROR_INTERNAL);
}

static void check_refused(const char *algorithm, const char *checksum)
{
    struct verify_checksum parsed;
    struct error err;

    assert_int_equal(verify_checksum_parse(algorithm, checksum, &parsed, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_COMMAND_ARGUMENTS);
    assert_int_equal(parsed.algorithm, VERIFY_ALGORITHMS);
}

static void test_checksum_arguments(void **state)
{
    struct verify_checksum parsed;

    (void)state;
    assert_int_equal(verify_checksum_parse(NULL, "", &parsed, NULL), 0);
    assert_int_equal(parsed.algorithm, VERIFY_ALGORITHMS);
    assert_int_equal(
        verify_checksum_parse("SHA-1", "A9993E364706816ABA3E25717850C26C9CD0D89D", &parsed, NULL), 0);
    assert_int_equal(parsed.algorithm, VERIFY_SHA1);
    assert_string_equal(parsed.hex, digests[VERIFY_SHA1]);
    check_refused("SHA-256", NULL);
    check_refused(NULL, digests[VERIFY_SHA256]);
    check_refused("MD5", "00112233445566778899aabbccddeeff");
    check_refused("sha-256", digests[VERIFY_SHA256]);
    check_refused("SHA-256", digests[VERIFY_SHA1]);
    check_refused("SHA-1", "zz993e364706816aba3e25717850c26c9cd0d89d");
    check_refused("SHA-1", "9993e364706816aba3e25717850c26c9cd0d89d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_algorithm),
        cmocka_unit_test(test_long_and_empty_files),
        cmocka_unit_test(test_unreadable_file),
        cmocka_unit_test(test_checksum_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
