/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/upnp_description.h"

#include "base/limits.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEVICE_NAMESPACE "urn:schemas-upnp-org:device-1-0"

static const struct {
    const char *name;
    size_t offset;
} values[] = {
    {"deviceType", offsetof(struct upnp_device, device_type)},
    {"friendlyName", offsetof(struct upnp_device, friendly_name)},
    {"manufacturer", offsetof(struct upnp_device, manufacturer)},
    {"modelName", offsetof(struct upnp_device, model_name)},
    {"modelNumber", offsetof(struct upnp_device, model_number)},
    {"serialNumber", offsetof(struct upnp_device, serial_number)},
    {"UDN", offsetof(struct upnp_device, udn)},
    {"presentationURL", offsetof(struct upnp_device, presentation_url)},
};

/* One reading. Devices nest: only what is directly in the root device is read. */
struct reader {
    xmlParserCtxtPtr parser;
    struct upnp_device *to;
    unsigned depth;
    unsigned device_depth; /* of the elements in the root device; 0: it has not come */
    bool in_device;
    unsigned elements;
    char *value; /* that is being read, UPNP_TEXT_BYTES; NULL: none */
    size_t value_len;
    const char *refused;
};

static void refuse(struct reader *reader, const char *why)
{
    if (!reader->refused)
        reader->refused = why;
    xmlStopParser(reader->parser);
}

/* ---- elements ---- */

static void begin_device(struct reader *reader)
{
    if (reader->device_depth) {
        reader->to->embedded++;
        return;
    }
    reader->device_depth = reader->depth;
    reader->in_device = true;
}

static void begin_value(struct reader *reader, const char *name)
{
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char *value = (char *)reader->to + values[i].offset;

        if (strcmp(name, values[i].name) != 0)
            continue;
        if (value[0]) {
            refuse(reader, "a value is there twice");
            return;
        }
        reader->value = value;
        reader->value_len = 0;
    }
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces_count, const xmlChar **namespaces, int attributes_count, int defaulted,
                     const xmlChar **attributes)
{
    struct reader *reader = ctx;
    const char *local = (const char *)name;
    bool ours = uri && strcmp((const char *)uri, DEVICE_NAMESPACE) == 0;

    (void)prefix;
    (void)namespaces;
    (void)defaulted;
    (void)attributes;
    if (reader->refused)
        return;
    if (reader->depth == 0 && (!ours || strcmp(local, "root") != 0)) {
        refuse(reader, "it is no UPnP device description");
        return;
    }
    if (reader->depth + 1 >= LIMIT_UPNP_DEPTH || ++reader->elements > LIMIT_UPNP_ELEMENTS ||
        (unsigned)namespaces_count + (unsigned)attributes_count > LIMIT_UPNP_ATTRIBUTES) {
        refuse(reader, "it nests too deep, or has too many elements or attributes");
        return;
    }
    if (reader->value) {
        refuse(reader, "a value holds another element");
        return;
    }
    reader->depth++;
    if (ours && strcmp(local, "device") == 0)
        begin_device(reader);
    else if (ours && reader->in_device && reader->depth == reader->device_depth + 1)
        begin_value(reader, local);
}

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

/* Blanks at its ends go, and what controls a terminal becomes a blank. */
static void end_value(struct reader *reader)
{
    char *value = reader->value;
    size_t len = reader->value_len, from = 0;

    while (len && is_blank(value[len - 1]))
        len--;
    while (from < len && is_blank(value[from]))
        from++;
    memmove(value, value + from, len - from);
    value[len - from] = '\0';
    for (char *c = value; *c; c++)
        if (is_blank(*c))
            *c = ' ';
    reader->value = NULL;
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct reader *reader = ctx;

    (void)name;
    (void)prefix;
    (void)uri;
    if (reader->refused || !reader->depth)
        return;
    if (reader->value) /* it holds no elements: this is its own end */
        end_value(reader);
    if (reader->in_device && reader->depth == reader->device_depth)
        reader->in_device = false;
    reader->depth--;
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
    struct reader *reader = ctx;

    if (!reader->value || reader->refused)
        return;
    /* What is left of one that is too long would be another value. */
    if ((size_t)len >= UPNP_TEXT_BYTES - reader->value_len) {
        refuse(reader, "a value is too long");
        return;
    }
    memcpy(reader->value + reader->value_len, text, (size_t)len);
    reader->value_len += (size_t)len;
}

/* ---- what has no business here ---- */

static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    (void)name;
    (void)external;
    (void)system;
    refuse(ctx, "it has a DOCTYPE");
}

static xmlEntityPtr on_entity(void *ctx, const xmlChar *name)
{
    (void)ctx;
    return xmlGetPredefinedEntity(name);
}

/* ---- the whole ---- */

static const xmlSAXHandler handler = {
    .initialized = XML_SAX2_MAGIC,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .internalSubset = on_doctype,
    .externalSubset = on_doctype,
    .getEntity = on_entity,
};

int upnp_description_parse(struct str text, struct upnp_device *ret, struct error *err)
{
    struct reader reader = {.to = ret};
    xmlSAXHandler sax = handler;
    bool good;

    memset(ret, 0, sizeof(*ret));
    if (text.len > LIMIT_UPNP_BYTES)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "UPnP description: larger than %d bytes",
                         LIMIT_UPNP_BYTES);
    reader.parser = xmlCreatePushParserCtxt(&sax, &reader, NULL, 0, NULL);
    if (!reader.parser)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    xmlCtxtUseOptions(reader.parser,
                      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC);
    /* One encoding, whatever the text declares: what converts others is not for strangers to choose. */
    xmlSwitchEncoding(reader.parser, XML_CHAR_ENCODING_UTF8);
    good = xmlParseChunk(reader.parser, text.data, (int)text.len, 1) == 0 && !reader.refused &&
           reader.device_depth;
    if (!good)
        error_set(err, ERROR_INVALID_VALUE, NULL, "UPnP description: %s",
                  reader.refused ? reader.refused : "it is no well-formed XML in UTF-8, or has no device");
    xmlFreeParserCtxt(reader.parser);
    return good ? 0 : -1;
}
