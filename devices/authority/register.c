/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/authority/register.h"

#include <stdlib.h>
#include <string.h>

#include "devices/json.h"

/* The last second that X.509 can say: the end of the year 9999. */
static const uint64_t LAST_TIME = 253402300799;

void register_write(const struct issued *issued, struct buf *out)
{
    buf_printf(
        out, "{\"instance\":%u,\"from\":%lld,\"to\":%lld,\"ended\":%lld,\"status\":%u,\"by\":%u%s,\"name\":",
        issued->instance, (long long)issued->not_before, (long long)issued->not_after,
        (long long)issued->ended, (unsigned)issued->status, (unsigned)issued->by,
        issued->pardoned ? ",\"pardoned\":true" : "");
    json_quote(out, issued->name);
    if (issued->manufacturer[0]) {
        buf_append_str(out, ",\"manufacturer\":");
        json_quote(out, issued->manufacturer);
    }
    if (issued->serial_number[0]) {
        buf_append_str(out, ",\"serial\":");
        json_quote(out, issued->serial_number);
    }
    buf_append_byte(out, '}');
}

static int read_fields(struct issued *issued, const cJSON *json)
{
    const char *name = json_text(json, "name", CA_NAME_BYTES - 1);
    const char *manufacturer = json_text(json, "manufacturer", CA_NAME_BYTES - 1);
    const char *serial = json_text(json, "serial", CA_NAME_BYTES - 1);
    uint64_t instance, from, to, ended, status, by;

    if (!name || json_number(json, "instance", UINT32_MAX - 1, &instance) < 0 || !instance ||
        json_number(json, "from", LAST_TIME, &from) < 0 || json_number(json, "to", LAST_TIME, &to) < 0 ||
        json_number(json, "ended", LAST_TIME, &ended) < 0 ||
        json_number(json, "status", ISSUED_EXPIRED, &status) < 0 ||
        json_number(json, "by", ISSUED_BY_RENEWAL, &by) < 0)
        return -1;
    str_copy(issued->name, sizeof(issued->name), name);
    str_copy(issued->manufacturer, sizeof(issued->manufacturer), manufacturer ? manufacturer : "");
    str_copy(issued->serial_number, sizeof(issued->serial_number), serial ? serial : "");
    issued->instance = (uint32_t)instance;
    issued->not_before = (int64_t)from;
    issued->not_after = (int64_t)to;
    issued->ended = (int64_t)ended;
    issued->status = (enum issued_status)status;
    issued->by = (enum issued_by)by;
    issued->pardoned = cJSON_IsTrue(json_member(json, "pardoned"));
    return 0;
}

struct issued *register_read(struct str serial, struct str record)
{
    cJSON *json = json_parse((const uint8_t *)record.data, record.len, NULL);
    struct issued *issued = json && serial.len < CA_SERIAL_TEXT ? calloc(1, sizeof(*issued)) : NULL;

    if (issued && read_fields(issued, json) < 0) {
        free(issued);
        issued = NULL;
    }
    if (issued)
        memcpy(issued->serial, serial.data, serial.len);
    cJSON_Delete(json);
    return issued;
}
