/* SPDX-License-Identifier: BSD-3-Clause */
/* homepatchd.conf(5): what the program is told about the gateway it runs on. Owned by main; strings in its arena. */
#ifndef AGENT_AGENT_CONFIG_H
#define AGENT_AGENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"

struct agent_config {
    struct arena arena;
    const char *file;    /* what was read */
    const char *user;    /* NULL: whoever started it */
    const char *contain; /* auto, on or off */
    const char *run_dir; /* of the UNIX socket */
    const char *state_dir;
    const char *cache_dir;
    uint64_t cache_size; /* bytes */
    const char *factory_file;
    const char *log_level;
    const char *log_target;
    const char *tls_ca_file; /* these and those below: NULL when not set */
    const char *tls_certificate_file;
    const char *tls_key_file;
    const char *time_file; /* there once the clock is right */
    const char *lan_mqtt_broker;
    const char *lan_mqtt_username;
    const char *lan_mqtt_password;
    bool lan_device_credentials;
    const char *lan_homeassistant_prefix;
    const char *lan_homeassistant_birth;
    bool lan_mqtt_tls;
    const char *lan_mqtt_tls_ca_file;
    const char *lan_mqtt_tls_certificate_file;
    const char *lan_mqtt_tls_key_file;
    const char *lan_websocket_listen;
    bool lan_websocket_tls;
    const char *lan_websocket_tls_certificate_file;
    const char *lan_websocket_tls_key_file;
    const char *lan_device_ca_file; /* who signs the certificates of devices */
    const char
        *lan_enrol_listen; /* where devices get their certificates; NULL: the gateway is no authority */
    const char *lan_enrol_manufacturers_file;
    const char *lan_enrol_public_dir;
    uint64_t lan_enrol_certificate_days;
    uint64_t lan_enrol_authority_days;
    const char *lan_usp_endpoint_id;
    const char *lan_http_listen;
    const char *lan_http_url;
    const char *shelly_devices;
    const char *shelly_passwords_file;
    const char *zigbee2mqtt_topics;
    const char *zigbee2mqtt_hex_topics;
    const char *resident_listen; /* the resident's page */
    const char *resident_names;
    const char *resident_tls_certificate_file;
    const char *resident_tls_key_file;
    const char *hook_firmware;
    const char *hook_reboot;
    const char *hook_factory_reset;
    const char *hook_broker_reload;
    bool mdns;
    const char *dhcp_dir; /* where the hook of the DHCP clients leaves their options */
    const char *dhcp_interfaces;
    bool dhcp_plaintext;
    const char *scan_interfaces; /* not set: no scan */
    const char *scan_lease_files;
    const char *scan_hook_dir;
    const char *scan_oui_files;
    bool scan_mdns;
    bool scan_ssdp;
    uint64_t scan_presence; /* s */
    uint64_t open_files;    /* descriptors of the process: each device connection is one */
    uint64_t parallel_fetches;
    uint64_t parallel_installs;
    uint64_t canary_soak;     /* s */
    uint64_t battery_minimum; /* percent */
    bool allow_downgrade;
    const char *withdrawn_file;
    const char *release_anchors_dir;
    bool release_untagged;
    uint64_t install_retries;
    uint64_t install_retry_wait; /* s; 0: the dialect's own, as the two below */
    uint64_t transfer_timeout;   /* s */
    uint64_t reboot_timeout;     /* s */
    struct limits limits;        /* what peers may take; the loop points here */
};

/* Reads the file; -1 and err, whose path is "file:line". The struct is usable for agent_config_done() in any case. */
int agent_config_read(struct agent_config *config, const char *file, struct error *err);
void agent_config_done(struct agent_config *config);

/* Calls fn for the file and each path in it, whatever the key: the walls around the process let them be read. Hooks are no
 * paths of the agent's: another process runs them. */
void agent_config_paths(const struct agent_config *config, void (*fn)(void *ctx, const char *path),
                        void *ctx);

/* The log as the configuration wants it. */
enum log_level agent_config_log_level(const struct agent_config *config);

#endif
