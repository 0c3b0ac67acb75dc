/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/lan_password.h"

#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

enum {
    LETTERS = 24,
    SALT_BYTES = 12,
    HASH_BYTES = 64,
    ITERATIONS = 101, /* as mosquitto_passwd takes it: guessing 120 random bits needs no slowing down */
};

const char *lan_password_new(struct arena *arena)
{
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
    uint8_t bytes[LETTERS];
    char text[LETTERS];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return NULL;
    for (size_t i = 0; i < LETTERS; i++)
        text[i] = alphabet[bytes[i] % 32];
    return arena_strndup(arena, text, LETTERS);
}

const char *lan_password_hash(struct arena *arena, const char *password)
{
    uint8_t salt[SALT_BYTES], hash[HASH_BYTES];
    char salt_text[SALT_BYTES * 2], hash_text[HASH_BYTES * 2];

    if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt) ||
        PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, sizeof(salt), ITERATIONS, EVP_sha512(),
                          sizeof(hash), hash) != 1)
        return NULL;
    EVP_EncodeBlock((unsigned char *)salt_text, salt, sizeof(salt));
    EVP_EncodeBlock((unsigned char *)hash_text, hash, sizeof(hash));
    return arena_printf(arena, "$7$%d$%s$%s", ITERATIONS, salt_text, hash_text);
}

struct str lan_password_find(struct str file, const char *name)
{
    size_t len = strlen(name);
    struct str line;

    while (file.len && str_next(&file, '\n', &line))
        if (line.len > len + 1 && memcmp(line.data, name, len) == 0 && line.data[len] == ':')
            return str_trim((struct str){line.data + len + 1, line.len - len - 1});
    return (struct str){"", 0};
}
