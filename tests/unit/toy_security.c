/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/toy_security.h"

#include <stdlib.h>
#include <string.h>

#include "usp/controller.h"

struct usp_security {
    struct toy *toy;
    bool client;
    bool up;
    struct buf in;
};

void toy_record(struct buf *to, unsigned type, struct str body)
{
    uint8_t head[5] = {(uint8_t)type, 3, 3, (uint8_t)(body.len >> 8), (uint8_t)body.len};

    buf_append(to, head, sizeof(head));
    buf_append(to, body.data, body.len);
}

void toy_flip(struct buf *bytes)
{
    for (size_t i = 0; i < bytes->len; i++)
        buf_data(bytes)[i] ^= 0x5a;
}

static void checksum(const char *by, struct str fields, uint8_t *to, size_t size)
{
    uint64_t sum = 14695981039346656037u;

    for (; *by; by++)
        sum = (sum ^ (uint8_t)*by) * 1099511628211u;
    for (size_t i = 0; i < fields.len; i++)
        sum = (sum ^ (uint8_t)fields.data[i]) * 1099511628211u;
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(sum >> (8 * (i % 8)));
}

void toy_mac(char by, struct str fields, uint8_t ret[USP_MAC_BYTES])
{
    checksum((char[]){by, '\0'}, fields, ret, USP_MAC_BYTES);
}

void toy_sign(const char *endpoint_id, struct str fields, uint8_t ret[TOY_SIGNATURE_BYTES])
{
    checksum(endpoint_id, fields, ret, TOY_SIGNATURE_BYTES);
}

static void close_toy(struct usp_security *security)
{
    security->toy->open--;
    buf_done(&security->in);
    free(security);
}

static struct usp_security *open_toy(void *ctx, struct controller *controller, bool client, struct error *err)
{
    struct toy *toy = ctx;
    struct usp_security *security = toy->absent ? NULL : calloc(1, sizeof(*security));

    (void)controller;
    if (!security) {
        error_set(err, ERROR_SECURE_SESSION_NOT_SUPPORTED, NULL, "as told");
        return NULL;
    }
    *security = (struct usp_security){.toy = toy, .client = client};
    buf_init(&security->in, 1 << 20, 0);
    toy->open++;
    return security;
}

static int refuse(struct buf *out, struct error *err)
{
    toy_record(out, TOY_ALERT, STR("\x02\x2a"));
    return error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "refused, as told");
}

static int take_record(struct usp_security *security, unsigned type, struct str body, struct buf *plain,
                       struct buf *out, struct error *err)
{
    const char *expected = security->client ? "welcome" : "hello";

    if (type == TOY_DATA && security->up) {
        size_t before = plain->len;

        buf_append(plain, body.data, body.len);
        for (size_t i = before; i < plain->len; i++)
            buf_data(plain)[i] ^= 0x5a;
        return plain->failed ? -1 : 0;
    }
    if (type != TOY_HANDSHAKE || security->up)
        return error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "an alert, or out of turn");
    if (!security->client && str_is(body, "done")) {
        if (security->toy->refuses)
            return refuse(out, err);
        security->up = true;
        return 0;
    }
    if (!str_is(body, expected))
        return error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "no handshake");
    if (security->client && security->toy->refuses)
        return refuse(out, err);
    security->up = security->client;
    toy_record(out, TOY_HANDSHAKE, security->client ? STR("done") : STR("welcome"));
    return 0;
}

static int take(struct usp_security *security, struct str bytes, struct buf *plain, struct buf *out,
                struct error *err)
{
    if (!bytes.len && security->client)
        toy_record(out, TOY_HANDSHAKE, STR("hello"));
    if (buf_append(&security->in, bytes.data, bytes.len) < 0)
        return -1;
    while (security->in.len >= 5) {
        const uint8_t *head = buf_data(&security->in);
        size_t len = (size_t)head[3] << 8 | head[4];

        if (security->in.len < 5 + len)
            break;
        if (take_record(security, head[0], (struct str){(const char *)head + 5, len}, plain, out, err) < 0)
            return -1;
        buf_consume(&security->in, 5 + len);
    }
    return 0;
}

/* 200 bytes to a record: a message is more than one. */
static int seal(struct usp_security *security, struct str plain, struct buf *out, struct error *err)
{
    (void)security;
    (void)err;
    while (plain.len) {
        struct str part = {plain.data, plain.len < 200 ? plain.len : 200};
        size_t before = out->len;

        toy_record(out, TOY_DATA, part);
        for (size_t i = before + 5; i < out->len; i++)
            buf_data(out)[i] ^= 0x5a;
        plain.data += part.len;
        plain.len -= part.len;
    }
    return out->failed ? -1 : 0;
}

static bool up(const struct usp_security *security)
{
    return security->up;
}

static struct usp_channel shown(const struct usp_security *security)
{
    return (struct usp_channel){
        .certificates = security->toy->certificates ? security->toy->certificates : "", .named = true};
}

static int mac(struct usp_security *security, bool own, struct str fields, uint8_t ret[USP_MAC_BYTES])
{
    toy_mac(own == security->client ? 'c' : 's', fields, ret);
    return security->up ? 0 : -1;
}

static int sign(void *ctx, struct str fields, struct buf *ret_signature, struct error *err)
{
    uint8_t *room = buf_room(ret_signature, TOY_SIGNATURE_BYTES);

    (void)ctx;
    (void)err;
    if (!room)
        return -1;
    toy_sign("self::agent", fields, room);
    ret_signature->len += TOY_SIGNATURE_BYTES;
    return 0;
}

static struct str certificate(void *ctx)
{
    (void)ctx;
    return STR("certificate of self::agent");
}

static int verify(void *ctx, struct controller *controller, struct str fields, struct str signature,
                  struct str shown, struct error *err)
{
    uint8_t right[TOY_SIGNATURE_BYTES];

    (void)ctx;
    toy_sign(controller->endpoint_id, fields, right);
    if (str_is(shown, controller->endpoint_id) && signature.len == sizeof(right) &&
        memcmp(signature.data, right, sizeof(right)) == 0)
        return 0;
    return error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "not its signature");
}

const struct usp_security_ops toy_ops = {
    .open = open_toy,
    .close = close_toy,
    .take = take,
    .seal = seal,
    .up = up,
    .shown = shown,
    .mac = mac,
    .sign = sign,
    .certificate = certificate,
    .verify = verify,
};
