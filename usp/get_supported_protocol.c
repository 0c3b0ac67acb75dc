/* SPDX-License-Identifier: BSD-3-Clause */
/* GetSupportedProtocol: the versions of USP that this endpoint speaks. */
#include "usp/message.h"

static const char VERSIONS[] = "1.3,1.4";

int usp_get_supported_protocol(struct usp_request *request, struct str content, struct error *err)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    struct str versions;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0)
        if (field.number == USP_GET_SUPPORTED_PROTOCOL_CONTROLLER_SUPPORTED_PROTOCOL_VERSIONS &&
            !pb_text(&field, &versions))
            return usp_malformed(err, "GetSupportedProtocol");
    if (rc < 0)
        return usp_malformed(err, "GetSupportedProtocol");
    pb_write_text(request->out, USP_GET_SUPPORTED_PROTOCOL_RESP_AGENT_SUPPORTED_PROTOCOL_VERSIONS,
                  STR(VERSIONS));
    return 0;
}
