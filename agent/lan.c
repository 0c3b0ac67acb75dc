/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/lan.h"

#include <string.h>

#include "agent/releases.h"
#include "agent/web.h"
#include "base/host_port.h"
#include "datamodel/device/consent.h"
#include "datamodel/device/firmware_image.h"
#include "datamodel/device/proxied_device.h"

static int serve_images(struct agent *agent, struct error *err)
{
    struct http_server_settings settings = {
        .max_connections = agent->config->limits.image_connections,
        .per_peer = {.connections = agent->config->limits.address_connections,
                     .burst = 64,
                     .interval_ms = 250},
    };
    char address[HOST_PORT_HOST_BYTES];

    if (!agent->config->lan_http_listen)
        return 0;
    if (host_port_parse(str_of(agent->config->lan_http_listen), HOST_PORT_LISTEN, "lan_http_listen", address,
                        &settings.port, err) < 0)
        return -1;
    settings.address = address;
    agent->images = http_server_new(agent->websockets, &settings, firmware_server_ops(), agent->firmware,
                                    err);
    return agent->images ? 0 : -1;
}

static int listen_for_enrolment(struct agent *agent, const struct tls_settings *tls, struct error *err)
{
    char address[HOST_PORT_HOST_BYTES];
    uint16_t port;

    if (!agent->enrolment.authority)
        return 0;
    if (host_port_parse(str_of(agent->config->lan_enrol_listen), HOST_PORT_LISTEN, "lan_enrol_listen",
                        address, &port, err) < 0)
        return -1;
    return enrolment_listen(&agent->enrolment, agent->websockets, address, port, tls, err);
}

static int listen_for_residents(struct agent *agent, struct error *err)
{
    char address[HOST_PORT_HOST_BYTES];
    uint16_t port;

    if (!agent->config->resident_listen)
        return 0;
    if (host_port_parse(str_of(agent->config->resident_listen), HOST_PORT_LISTEN, "resident_listen", address,
                        &port, err) < 0)
        return -1;
    return agent_web_open(agent, address, port, err);
}

static enum homeassistant_birth homeassistant_birth(const char *word)
{
    return strcmp(word, "always") == 0  ? HOMEASSISTANT_BIRTH_ALWAYS
           : strcmp(word, "never") == 0 ? HOMEASSISTANT_BIRTH_NEVER
                                        : HOMEASSISTANT_BIRTH_AUTO;
}

/* A certificate for the LAN, or else the one that controllers see. */
static struct tls_settings lan_tls(const struct agent *agent)
{
    const struct agent_config *config = agent->config;
    const struct authority *authority = agent->enrolment.authority;
    bool own = config->lan_websocket_tls_certificate_file != NULL;

    /* Not the CA of controllers: who may manage the gateway is no device for that. */
    return (struct tls_settings){
        .ca_file = config->lan_device_ca_file,
        .certificate_file = own ? config->lan_websocket_tls_certificate_file : config->tls_certificate_file,
        .key_file = own ? config->lan_websocket_tls_key_file : config->tls_key_file,
        .ask_peer = authority != NULL,
        .trust = authority ? authority_trust(authority, false) : NULL,
    };
}

static struct home_settings home_settings(const struct agent *agent)
{
    const struct agent_config *config = agent->config;

    return (struct home_settings){
        .mqtt_broker = config->lan_mqtt_broker,
        .mqtt_username = config->lan_mqtt_username,
        .mqtt_password = config->lan_mqtt_password,
        .mqtt_tls = config->lan_mqtt_tls,
        .mqtt_tls_settings = {.ca_file = config->lan_mqtt_tls_ca_file ? config->lan_mqtt_tls_ca_file
                                                                      : config->tls_ca_file,
                              .certificate_file = config->lan_mqtt_tls_certificate_file,
                              .key_file = config->lan_mqtt_tls_key_file},
        .websocket_listen = config->lan_websocket_listen,
        .websocket_tls = config->lan_websocket_tls,
        .websocket_tls_settings = lan_tls(agent),
        .endpoint_id = agent->lan_endpoint_id,
        .authority = agent->enrolment.authority,
        .device_credentials = config->lan_device_credentials,
        .gateway = agent->gateway ? firmware_gateway_target(agent->gateway) : NULL,
        .homeassistant_prefix = config->lan_homeassistant_prefix,
        .homeassistant_birth = homeassistant_birth(config->lan_homeassistant_birth),
        .shelly_devices = config->shelly_devices,
        .shelly_passwords_file = config->shelly_passwords_file,
        .zigbee2mqtt_topics = config->zigbee2mqtt_topics,
        .zigbee2mqtt_hex_topics = config->zigbee2mqtt_hex_topics,
    };
}

int agent_lan_restore(struct agent *agent, struct error *err)
{
    struct home_settings settings;

    if (enrolment_open(&agent->enrolment, &agent->model, agent->config, &agent->contain->hooks,
                       &agent->security, agent->lan_endpoint_id, err) < 0)
        return -1;
    settings = home_settings(agent);
    agent->home = home_new(&agent->loop, agent->store, agent->firmware, &settings, err);
    if (!agent->home)
        return -1;
    agent->model.home = agent->home;
    if (model_firmware_start(&agent->model, err) < 0 || model_proxied_start(&agent->model, err) < 0 ||
        model_consent_start(&agent->model, err) < 0)
        return -1;
    if (agent->gateway &&
        model_firmware_attach(&agent->model, dm_row_find(agent->dm, STR("Device.DeviceInfo.")),
                              firmware_gateway_target(agent->gateway)) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    if (home_load(agent->home, err) < 0)
        return -1;
    return agent_scan_restore(&agent->scan, &agent->model, agent->store, agent->config, err);
}

int agent_lan_open(struct agent *agent, struct error *err)
{
    struct home_settings settings = home_settings(agent);

    if (agent->gateway && firmware_gateway_start(agent->gateway, agent->firmware, err) < 0)
        return -1;
    agent_releases_identify(agent);
    if (serve_images(agent, err) < 0 || listen_for_residents(agent, err) < 0 ||
        listen_for_enrolment(agent, &settings.websocket_tls_settings, err) < 0)
        return -1;
    return home_start(agent->home, agent->websockets, &settings, err);
}
