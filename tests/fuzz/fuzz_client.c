/* SPDX-License-Identifier: BSD-3-Clause */
/* What an agent may send to a controller: every text of every fact lies inside the input. */
#include <stdlib.h>

#include "usp/client.h"
#include "usp/fields.h"

struct input {
    const char *data;
    size_t size;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct input *input, struct str text)
{
    if (text.len && (text.data < input->data || text.data + text.len > input->data + input->size))
        abort();
}

static int on_fact(void *ctx, const struct usp_client_fact *fact)
{
    check(ctx, fact->requested);
    check(ctx, fact->path);
    check(ctx, fact->name);
    check(ctx, fact->value);
    check(ctx, fact->text);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {(const char *)data, size};
    struct usp_client_message message;
    struct usp_client_notify notify;

    if (usp_client_parse((struct str){input.data, input.size}, &message, NULL) < 0)
        return 0;
    check(&input, message.msg_id);
    check(&input, message.content);
    if (message.type != USP_HEADER_MSG_TYPE_NOTIFY) {
        usp_client_read(&message, on_fact, &input, NULL);
    } else if (usp_client_read_notify(&message, &notify, on_fact, &input, NULL) == 0) {
        check(&input, notify.subscription_id);
        check(&input, notify.path);
        check(&input, notify.name);
        check(&input, notify.key);
        check(&input, notify.value);
        check(&input, notify.text);
    }
    return 0;
}
