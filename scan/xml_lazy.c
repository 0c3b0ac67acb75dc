/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libxml2, loaded for the first description (config.h: LAZY_XML2): most homes' agents never need it, and it brings ICU along.
 * In the place of each function that upnp_description.c calls stands one here that finds the library's; the linker then has no
 * use for the library itself. Where there is none, no parser can be made, and that is what its caller hears.
 */
#include "config.h"

/* These are not to stand in the way of the library's own. */
#pragma GCC visibility push(hidden)
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#pragma GCC visibility pop

#include <dlfcn.h>
#include <stddef.h>

/* It is asked each time, for a pointer that is kept would be state; once loaded it stays, and an answer takes a microsecond. */
static void *find(const char *name)
{
    void *library = dlopen(LAZY_XML2, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *found = library ? dlsym(library, name) : NULL;

    if (library)
        dlclose(library);
    return found;
}

#define THEIRS(function) ((__typeof__(&(function)))find(#function))

xmlParserCtxtPtr xmlCreatePushParserCtxt(xmlSAXHandlerPtr sax, void *ctx, const char *chunk, int size,
                                         const char *filename)
{
    __typeof__(&xmlCreatePushParserCtxt) theirs = THEIRS(xmlCreatePushParserCtxt);

    return theirs ? theirs(sax, ctx, chunk, size, filename) : NULL;
}

/* Who calls these has a parser. */
int xmlCtxtUseOptions(xmlParserCtxtPtr parser, int options)
{
    return THEIRS(xmlCtxtUseOptions)(parser, options);
}

int xmlSwitchEncoding(xmlParserCtxtPtr parser, xmlCharEncoding encoding)
{
    return THEIRS(xmlSwitchEncoding)(parser, encoding);
}

int xmlParseChunk(xmlParserCtxtPtr parser, const char *chunk, int size, int terminate)
{
    return THEIRS(xmlParseChunk)(parser, chunk, size, terminate);
}

void xmlStopParser(xmlParserCtxtPtr parser)
{
    THEIRS(xmlStopParser)(parser);
}

xmlEntityPtr xmlGetPredefinedEntity(const xmlChar *name)
{
    return THEIRS(xmlGetPredefinedEntity)(name);
}

void xmlFreeParserCtxt(xmlParserCtxtPtr parser)
{
    THEIRS(xmlFreeParserCtxt)(parser);
}
