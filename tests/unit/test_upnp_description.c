/* SPDX-License-Identifier: BSD-3-Clause */
/* UPnP device descriptions: what a good one says, and what is refused of hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>

#include "base/limits.h"
#include "scan/upnp_description.h"

#define HEAD "<?xml version=\"1.0\"?>\n"
#define OPEN \
    "<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><specVersion><major>1</major></specVersion><device>"
#define CLOSE "</device></root>"

static int parse(const char *text, struct upnp_device *device, struct error *err)
{
    return upnp_description_parse(str_of(text), device, err);
}

static void good(void **state)
{
    struct upnp_device device;

    (void)state;
    assert_int_equal(
        parse(
            HEAD OPEN
            "<deviceType>urn:schemas-upnp-org:device:MediaServer:1</deviceType>"
            "<friendlyName>\n  Kitchen &amp; Den &#228;\t</friendlyName><manufacturer>Example</manufacturer>"
            "<manufacturerURL>http://example.com</manufacturerURL><modelName><![CDATA[Box <2>]]></modelName>"
            "<modelNumber>7\n.1\x7f</modelNumber><serialNumber>S1</serialNumber><UDN>uuid:1-2</UDN>"
            "<friendlyName xmlns=\"urn:other\">not mine</friendlyName>"
            "<iconList><icon><modelName>not this</modelName></icon></iconList>"
            "<deviceList><device><friendlyName>inner</friendlyName><UDN>uuid:3</UDN></device>"
            "<device><deviceList><device/></deviceList></device></deviceList>"
            "<presentationURL>/index.html</presentationURL>" CLOSE,
            &device, NULL),
        0);
    assert_string_equal(device.device_type, "urn:schemas-upnp-org:device:MediaServer:1");
    assert_string_equal(device.friendly_name, "Kitchen & Den \xc3\xa4");
    assert_string_equal(device.manufacturer, "Example");
    assert_string_equal(device.model_name, "Box <2>");
    assert_string_equal(device.model_number, "7 .1");
    assert_string_equal(device.serial_number, "S1");
    assert_string_equal(device.udn, "uuid:1-2");
    assert_string_equal(device.presentation_url, "/index.html");
    assert_int_equal(device.embedded, 3);
}

static void assert_refused(const char *text, const char *why)
{
    struct upnp_device device;
    struct error err;

    assert_int_equal(parse(text, &device, &err), -1);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" does not say \"%s\"", err.message, why);
}

static void refused(void **state)
{
    (void)state;
    assert_refused("", "well-formed");
    assert_refused("not xml", "well-formed");
    assert_refused(HEAD OPEN "<friendlyName>x", "well-formed");
    assert_refused("<root><device/></root>", "no UPnP");
    assert_refused("<html xmlns=\"urn:schemas-upnp-org:device-1-0\"/>", "no UPnP");
    assert_refused("<root xmlns=\"urn:schemas-upnp-org:device-1-0\"/>", "no device");
    assert_refused(OPEN "<UDN>1</UDN><UDN>2</UDN>" CLOSE, "twice");
    assert_refused(OPEN "<UDN>1<b/></UDN>" CLOSE, "another element");
    assert_refused(OPEN "<UDN>&unknown;</UDN>" CLOSE, "well-formed");
    assert_refused(OPEN "<UDN>\xff</UDN>" CLOSE, "well-formed");
    /* It says UTF-16, and is none: what it says does not count. */
    assert_refused("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" OPEN "<UDN>\xe4</UDN>" CLOSE,
                   "well-formed");
}

/* RFC-less but well known: entities that grow, that read files, that fetch. All need a DOCTYPE. */
static void doctype(void **state)
{
    (void)state;
    assert_refused(HEAD "<!DOCTYPE root>" OPEN CLOSE, "DOCTYPE");
    assert_refused(HEAD
                   "<!DOCTYPE root [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"
                   "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]>" OPEN "<UDN>&c;</UDN>" CLOSE,
                   "DOCTYPE");
    assert_refused(HEAD "<!DOCTYPE root [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>" OPEN
                        "<UDN>&f;</UDN>" CLOSE,
                   "DOCTYPE");
    assert_refused(HEAD "<!DOCTYPE root SYSTEM \"http://192.0.2.1/x.dtd\">" OPEN CLOSE, "DOCTYPE");
    assert_refused(HEAD "<!DOCTYPE root [<!ENTITY % p SYSTEM \"http://192.0.2.1/\"> %p;]>" OPEN CLOSE,
                   "DOCTYPE");
}

static char *repeat(const char *before, const char *what, size_t times, const char *after)
{
    size_t len = strlen(what);
    char *text = malloc(strlen(before) + len * times + strlen(after) + 1);
    char *at = text + sprintf(text, "%s", before);

    for (size_t i = 0; i < times; i++, at += len)
        memcpy(at, what, len);
    strcpy(at, after);
    return text;
}

static void assert_repeat_refused(const char *before, const char *what, size_t times, const char *after,
                                  const char *why)
{
    char *text = repeat(before, what, times, after);

    assert_refused(text, why);
    free(text);
}

static void ceilings(void **state)
{
    struct upnp_device device;
    char *text;

    (void)state;
    assert_repeat_refused(OPEN, "<a>", LIMIT_UPNP_DEPTH, "", "too deep");
    assert_repeat_refused(OPEN, "<a/>", LIMIT_UPNP_ELEMENTS, CLOSE, "too many");
    assert_repeat_refused(OPEN "<a ", "x='1' y='2' ", 1, "/>" CLOSE "<", "well-formed");
    assert_repeat_refused(OPEN "<UDN>", "x", UPNP_TEXT_BYTES, "</UDN>" CLOSE, "too long");
    assert_repeat_refused(OPEN "<UDN>", "&#65;", UPNP_TEXT_BYTES, "</UDN>" CLOSE, "too long");
    assert_repeat_refused(OPEN "<other>", "x", LIMIT_UPNP_BYTES, "</other>" CLOSE, "larger than");
    assert_refused(
        OPEN
        "<a a='' b='' c='' d='' e='' f='' g='' h='' i='' j='' k='' l='' m='' n='' o='' p='' q=''/>" CLOSE,
        "attributes");
    text = repeat(OPEN "<UDN>", "x", UPNP_TEXT_BYTES - 1, "</UDN>" CLOSE);
    assert_int_equal(parse(text, &device, NULL), 0);
    assert_int_equal(strlen(device.udn), UPNP_TEXT_BYTES - 1);
    free(text);
    text = repeat(OPEN, "<a/>", LIMIT_UPNP_ELEMENTS - 10, CLOSE); /* ours are counted, too */
    assert_int_equal(parse(text, &device, NULL), 0);
    free(text);
}

/* ---- memory ---- */

static unsigned long fail_at, allocations;

static bool fails(void)
{
    return ++allocations == fail_at;
}

static void *failing_malloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

static void *failing_realloc(void *old, size_t size)
{
    return fails() ? NULL : realloc(old, size);
}

static char *failing_strdup(const char *text)
{
    return fails() ? NULL : strdup(text);
}

static void out_of_memory(void **state)
{
    struct upnp_device device;
    unsigned long n;

    (void)state;
    for (n = 1; n < 1000; n++) {
        fail_at = n;
        allocations = 0;
        if (parse(HEAD OPEN "<UDN>uuid:1</UDN><friendlyName a='b'>x &amp; y</friendlyName>" CLOSE, &device,
                  NULL) == 0 &&
            allocations < n)
            break;
    }
    fail_at = 0;
    assert_true(n > 5 && n < 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),     cmocka_unit_test(refused),       cmocka_unit_test(doctype),
        cmocka_unit_test(ceilings), cmocka_unit_test(out_of_memory),
    };

    xmlMemSetup(free, failing_malloc, failing_realloc, failing_strdup);
    xmlInitParser();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
