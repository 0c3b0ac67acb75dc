/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/authority/manufacturers.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/limits.h"
#include "transports/tls.h"

/* ---- the file ---- */

static int add_manufacturer(struct manufacturers *all, struct str name)
{
    struct manufacturer *list;

    if (!name.len || name.len >= CA_NAME_BYTES || !str_is_utf8(name) ||
        all->count == LIMIT_DEVICE_MANUFACTURERS)
        return -1;
    list = realloc(all->list, (all->count + 1) * sizeof(*list));
    if (!list)
        return -1;
    all->list = list;
    list[all->count] = (struct manufacturer){.roots = sk_X509_new_null()};
    memcpy(list[all->count].name, name.data, name.len);
    return list[all->count++].roots ? 0 : -1;
}

static int add_ouis(struct manufacturer *manufacturer, struct str list)
{
    struct str oui;
    size_t count = 0;

    while (count < MANUFACTURER_OUIS && manufacturer->ouis[count][0])
        count++;
    while (list.len && str_next(&list, ',', &oui)) {
        oui = str_trim(oui);
        if (oui.len != OUI_BYTES - 1 || count == MANUFACTURER_OUIS)
            return -1;
        for (size_t i = 0; i < oui.len; i++) {
            if (!isxdigit((unsigned char)oui.data[i]))
                return -1;
            manufacturer->ouis[count][i] = (char)toupper((unsigned char)oui.data[i]);
        }
        count++;
    }
    return 0;
}

/* All certificates of the file. */
static int add_roots(struct manufacturer *manufacturer, const char *file, struct error *err)
{
    BIO *bio = BIO_new_file(file, "r");
    X509 *root = NULL;
    int count = 0;

    while (bio && (root = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (count == (int)LIMIT_MANUFACTURER_ROOTS || sk_X509_push(manufacturer->roots, root) <= 0)
            break;
        root = NULL;
        count++;
    }
    BIO_free(bio);
    ERR_clear_error();
    X509_free(root);
    return count && !root ? 0
                          : error_set(err, ERROR_INVALID_CONFIGURATION, file,
                                      "holds no certificate in PEM that can be read, or more than %u",
                                      LIMIT_MANUFACTURER_ROOTS);
}

static int take_root(struct manufacturer *manufacturer, struct str value, struct error *err)
{
    char *file = str_dup(value.data, value.len);
    int rc = file ? add_roots(manufacturer, file, err)
                  : error_set(err, ERROR_INTERNAL, NULL, "out of memory");

    free(file);
    return rc;
}

static int take_line(struct manufacturers *all, const char *file, const struct conf_line *line,
                     struct error *err)
{
    struct manufacturer *last = all->count ? &all->list[all->count - 1] : NULL;

    if (str_is(line->key, "manufacturer"))
        return add_manufacturer(all, line->value) == 0
                   ? 0
                   : conf_error(file, line->number, err, "not the name of a manufacturer, or more than %u",
                                LIMIT_DEVICE_MANUFACTURERS);
    if (!last)
        return conf_error(file, line->number, err, "the first line names a manufacturer");
    if (str_is(line->key, "root"))
        return take_root(last, line->value, err);
    if (!str_is(line->key, "oui"))
        return conf_error(file, line->number, err, "the keys are manufacturer, oui and root");
    return add_ouis(last, line->value) == 0
               ? 0
               : conf_error(file, line->number, err, "OUIs are six hexadecimal digits each, up to %d",
                            MANUFACTURER_OUIS);
}

int manufacturers_read(struct manufacturers *manufacturers, const char *file, struct error *err)
{
    struct conf_line *lines;
    struct arena arena;
    int rc;

    *manufacturers = (struct manufacturers){.list = NULL};
    if (!file)
        return 0;
    arena_init(&arena, 0);
    rc = conf_read(&arena, file, &lines, err);
    for (; rc == 0 && lines; lines = lines->next)
        rc = take_line(manufacturers, file, lines, err);
    arena_done(&arena);
    return rc;
}

void manufacturers_done(struct manufacturers *manufacturers)
{
    for (size_t i = 0; i < manufacturers->count; i++)
        sk_X509_pop_free(manufacturers->list[i].roots, X509_free);
    free(manufacturers->list);
    *manufacturers = (struct manufacturers){.list = NULL};
}

/* ---- whose a device is, and how it may be called ---- */

const struct manufacturer *manufacturers_find(const struct manufacturers *manufacturers,
                                              const STACK_OF(X509) * chain)
{
    const X509 *top = sk_X509_num(chain) > 1 ? sk_X509_value(chain, sk_X509_num(chain) - 1) : NULL;

    for (size_t i = 0; top && i < manufacturers->count; i++)
        for (int k = 0; k < sk_X509_num(manufacturers->list[i].roots); k++)
            if (X509_cmp(sk_X509_value(manufacturers->list[i].roots, k), top) == 0)
                return &manufacturers->list[i];
    return NULL;
}

/* TR-369 writes what is not unreserved as %XX. */
static void escape(const char *text, char *to, size_t size)
{
    size_t len = 0;

    for (; *text && len + 4 < size; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._", *text))
            to[len++] = *text;
        else
            len += (size_t)snprintf(to + len, size - len, "%%%02X", (unsigned char)*text);
    }
    to[len] = '\0';
}

/* What follows the OUI, which is one of the manufacturer's; NULL: it is not. */
static const char *after_oui(const struct manufacturer *manufacturer, const char *rest)
{
    for (size_t i = 0; i < MANUFACTURER_OUIS && manufacturer->ouis[i][0]; i++)
        if (strncmp(rest, manufacturer->ouis[i], OUI_BYTES - 1) == 0 && rest[OUI_BYTES - 1] == '-')
            return rest + OUI_BYTES;
    return NULL;
}

bool manufacturer_covers(const struct manufacturer *manufacturer, X509 *idevid, const char *serial_number,
                         const char *name)
{
    bool has_class = strncmp(name, "ops::", 5) == 0;
    char serial[3 * CA_NAME_BYTES + 4];
    char plain[2 * CA_NAME_BYTES];
    const char *rest;

    snprintf(plain, sizeof(plain), "%s-%s", manufacturer->name, serial_number);
    if (strcmp(plain, name) == 0)
        return true;
    if (!has_class && strncmp(name, "os::", 4) != 0)
        return false;
    rest = after_oui(manufacturer, name + (has_class ? 5 : 4));
    if (!rest)
        return false;
    if (tls_certificate_names(idevid, name))
        return true;
    if (has_class) { /* a hyphen in the class is escaped: the first one ends it */
        rest = strchr(rest, '-');
        if (!rest++)
            return false;
    }
    escape(serial_number, serial, sizeof(serial));
    return strcmp(rest, serial) == 0;
}
