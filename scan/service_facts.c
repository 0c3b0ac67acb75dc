/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/service_facts.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/*
 * In order of belief: makers' own services before those of a platform that many share. key NULL: the instance's name, or
 * `text` where the service itself says it.
 */
static const struct rule {
    const char *type;
    const char *key;
    enum host_fact fact;
    const char *text;
} rules[] = {
    /* Shelly Gen2+ (shelly-api-docs.shelly.cloud, "mDNS discovery") */
    {"_shelly._tcp", NULL, HOST_FACT_MANUFACTURER, "Shelly"},
    {"_shelly._tcp", "app", HOST_FACT_MODEL_NAME, NULL},
    {"_shelly._tcp", "ver", HOST_FACT_SOFTWARE_VERSION, NULL},
    /* ESPHome (its mdns component): a project is what the device was made for, else ESPHome's version is all there is. */
    {"_esphomelib._tcp", "friendly_name", HOST_FACT_FRIENDLY_NAME, NULL},
    {"_esphomelib._tcp", "project_name", HOST_FACT_MODEL_NAME, NULL},
    {"_esphomelib._tcp", "project_version", HOST_FACT_SOFTWARE_VERSION, NULL},
    {"_esphomelib._tcp", "version", HOST_FACT_SOFTWARE_VERSION, NULL},
    {"_esphomelib._tcp", "board", HOST_FACT_HARDWARE_VERSION, NULL},
    /* WLED (kno.wled.ge): only that it is one, and its name */
    {"_wled._tcp", NULL, HOST_FACT_FRIENDLY_NAME, NULL},
    /* Philips Hue bridge (developers.meethue.com, "Hue bridge discovery") */
    {"_hue._tcp", "modelid", HOST_FACT_MODEL_NAME, NULL},
    {"_hue._tcp", "bridgeid", HOST_FACT_SERIAL_NUMBER, NULL},
    /* Home Assistant (its zeroconf integration) */
    {"_home-assistant._tcp", "location_name", HOST_FACT_FRIENDLY_NAME, NULL},
    {"_home-assistant._tcp", "version", HOST_FACT_SOFTWARE_VERSION, NULL},
    /* Google Cast (the Open Screen Protocol's and Chromium's notes on it) */
    {"_googlecast._tcp", "fn", HOST_FACT_FRIENDLY_NAME, NULL},
    {"_googlecast._tcp", "md", HOST_FACT_MODEL_NAME, NULL},
    /* Bonjour Printing Specification 1.2.1, 9.2 */
    {"_ipp._tcp", "usb_MFG", HOST_FACT_MANUFACTURER, NULL},
    {"_ipp._tcp", "usb_MDL", HOST_FACT_MODEL_NAME, NULL},
    {"_ipp._tcp", "ty", HOST_FACT_MODEL_NAME, NULL},
    {"_ipp._tcp", "adminurl", HOST_FACT_URL, NULL},
    {"_ipp._tcp", NULL, HOST_FACT_FRIENDLY_NAME, NULL},
    {"_ipps._tcp", "usb_MFG", HOST_FACT_MANUFACTURER, NULL},
    {"_ipps._tcp", "usb_MDL", HOST_FACT_MODEL_NAME, NULL},
    {"_ipps._tcp", "ty", HOST_FACT_MODEL_NAME, NULL},
    {"_printer._tcp", "usb_MFG", HOST_FACT_MANUFACTURER, NULL},
    {"_printer._tcp", "usb_MDL", HOST_FACT_MODEL_NAME, NULL},
    {"_printer._tcp", "ty", HOST_FACT_MODEL_NAME, NULL},
    {"_pdl-datastream._tcp", "usb_MFG", HOST_FACT_MANUFACTURER, NULL},
    {"_pdl-datastream._tcp", "usb_MDL", HOST_FACT_MODEL_NAME, NULL},
    {"_pdl-datastream._tcp", "ty", HOST_FACT_MODEL_NAME, NULL},
    /* AirPlay: accessories of other makers say who made them */
    {"_airplay._tcp", "manufacturer", HOST_FACT_MANUFACTURER, NULL},
    {"_airplay._tcp", "model", HOST_FACT_MODEL_NAME, NULL},
    {"_airplay._tcp", NULL, HOST_FACT_FRIENDLY_NAME, NULL},
    /* Matter Core Specification 1.0, 4.3.1.5: vendor and product id (also where a commissioned node shows it), name */
    {"_matterc._udp", "VP", HOST_FACT_MODEL_NUMBER, NULL},
    {"_matterc._udp", "DN", HOST_FACT_FRIENDLY_NAME, NULL},
    {"_matter._tcp", "VP", HOST_FACT_MODEL_NUMBER, NULL},
    /* HomeKit Accessory Protocol Specification R2, 6.4 */
    {"_hap._tcp", "md", HOST_FACT_MODEL_NAME, NULL},
    {"_hap._tcp", NULL, HOST_FACT_FRIENDLY_NAME, NULL},
    {"_hap._udp", "md", HOST_FACT_MODEL_NAME, NULL},
    {"_hap._udp", NULL, HOST_FACT_FRIENDLY_NAME, NULL},
};

const char *const service_types[] = {
    "_shelly._tcp",
    "_esphomelib._tcp",
    "_wled._tcp",
    "_hue._tcp",
    "_home-assistant._tcp",
    "_googlecast._tcp",
    "_ipp._tcp",
    "_ipps._tcp",
    "_printer._tcp",
    "_pdl-datastream._tcp",
    "_airplay._tcp",
    "_matterc._udp",
    "_matter._tcp",
    "_hap._tcp",
    "_hap._udp",
    NULL,
};

/* Keys are compared without case, and the first of several counts (RFC 6763, 6.4). */
static const char *attribute(const char *const *txt, const char *key)
{
    size_t len = strlen(key);

    for (; *txt; txt++)
        if (strncasecmp(*txt, key, len) == 0 && ((*txt)[len] == '=' || !(*txt)[len]))
            return (*txt)[len] ? *txt + len + 1 : "";
    return NULL;
}

static bool has(const struct service_fact *facts, size_t count, enum host_fact fact)
{
    while (count--)
        if (facts[count].fact == fact)
            return true;
    return false;
}

size_t service_facts(const char *type, const char *instance, const char *const *txt,
                     struct service_fact ret[SERVICE_FACTS])
{
    size_t count = 0;

    for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]) && count < SERVICE_FACTS; i++) {
        const struct rule *rule = &rules[i];
        const char *value;

        if (strcasecmp(rule->type, type) != 0)
            continue;
        value = rule->key ? attribute(txt, rule->key) : rule->text ? rule->text : instance;
        if (value && value[0] && !has(ret, count, rule->fact))
            ret[count++] = (struct service_fact){.fact = rule->fact, .rank = i, .value = value};
    }
    return count;
}
