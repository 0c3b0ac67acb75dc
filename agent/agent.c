/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/lan.h"
#include "agent/releases.h"
#include "agent/reload.h"
#include "base/log.h"
#include "usp/endpoint_id.h"
#include "config.h"
#include "datamodel/device/consent.h"
#include "datamodel/device/firmware_image.h"
#include "datamodel/device/local_agent.h"
#include "datamodel/device/proxied_device.h"
#include "usp/request.h"

enum {
    DIRECTORY_MODE = 0750,
    GRACE_MS = 300, /* for answers on their way when the program is to end */
    EID_BYTES = 256,
    INSTANCE_ID_MAX = 50, /* R-ARC.6 */
};

static const char LAN_SUFFIX[] = "-lan";

/* ---- the end ---- */

static void on_grace(struct timer *timer, void *ctx)
{
    struct agent *agent = ctx;

    (void)timer;
    loop_stop(&agent->loop);
}

static void stop(struct agent *agent)
{
    if (timer_armed(&agent->grace))
        return;
    mtp_stop(&agent->mtp);
    agent_discovery_stop(&agent->discovery);
    timer_arm(&agent->loop.timers, &agent->grace, GRACE_MS);
}

/* SIGHUP: read again what may change. Else whoever runs the program wants it to end: also when it was about to start anew
 * by itself. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct agent *agent = handle->data;

    if (number == SIGHUP) {
        agent_reload(agent);
        return;
    }
    log_info("signal %d: the agent stops", number);
    agent->restart = false;
    stop(agent);
}

static void restart_now(void *ctx)
{
    struct agent *agent = ctx;

    agent->restart = true;
    stop(agent);
}

static void on_restart(void *ctx, const struct model_restart *restart)
{
    struct agent *agent = ctx;
    struct error err;

    log_info("restart: %s", restart->cause);
    if (boot_save(agent->store, restart, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the cause of the restart is not kept", &err);
    agent->factory_reset = agent->factory_reset || restart->factory_reset;
    if (agent->factory_reset || !boot_image_activate(&agent->boot_image, agent->dm, agent->firmware,
                                                     agent->gateway, restart_now, agent))
        restart_now(agent);
}

static void on_firmware_restart(void *ctx)
{
    struct model_restart restart = {
        .cause = "LocalReboot", .command_key = "", .reason = "Firmware activation"};
    struct agent *agent = ctx;

    /* A restart that a controller asked for has said why already. */
    if (!agent->boot_image.job && boot_save(agent->store, &restart, NULL) < 0)
        log_error("the cause of the restart is not kept");
    log_info("restart: the gateway's firmware was activated");
    restart_now(agent);
}

static void on_mqtt_reconnect(void *ctx, struct dm_row *client)
{
    (void)ctx;
    mtp_mqtt_reconnect(client);
}

static bool on_websocket_reset(void *ctx, struct dm_row *controller_mtp)
{
    (void)ctx;
    return mtp_websocket_reset(controller_mtp);
}

/* ---- steps of the start ---- */

static int make_directory(const char *path, struct error *err)
{
    if (mkdir(path, DIRECTORY_MODE) < 0 && errno != EEXIST)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, path, errno, "cannot make the directory");
    return 0;
}

static const char *damaged_file_of(const struct store *store)
{
    const char *file = store_damaged_file(store);

    return file ? file : ""; /* no room, no memory */
}

/*
 * What stands by itself, and what an accepted command needs to come to its end. The rest of the configuration is the
 * factory's: a part of it, a permission without the one that takes it back, is worse than none.
 */
static void salvage(struct store *store)
{
    static const char *const kinds[] = {
        "device",    "slot",    "image",          "release",          "sequence",       "cohort",  "issued",
        "authority", "consent", "consent-device", "consent-question", "consent-ledger", "firmware"};
    unsigned jobs;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        store_salvage(store, kinds[i], STR(""));
    store_salvage(store, "row", STR("Device.LocalAgent.Request."));
    jobs = store_salvage(store, "job", STR(""));
    log_error(
        "the database was damaged: it is kept as %s, and the agent begins with its factory configuration; of the "
        "commands that had not ended, %u could be read and go on",
        damaged_file_of(store), jobs);
}

static int open_store(struct agent *agent, struct error *err)
{
    char path[4096];

    if (make_directory(agent->config->state_dir, err) < 0 ||
        make_directory(agent->config->cache_dir, err) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/homepatch.db", agent->config->state_dir);
    agent->store = store_open(path, &agent->loop, err);
    if (!agent->store)
        return -1;
    if (store_damage(agent->store) == STORE_ANEW)
        salvage(agent->store);
    else if (store_damage(agent->store) == STORE_CUT_SHORT)
        log_error("%s: the end of the database's log was damaged: what was stored last is lost; kept: %s",
                  path, damaged_file_of(agent->store));
    return 0;
}

static int load_model(struct agent *agent, struct error *err)
{
    bool fresh = store_damage(agent->store) == STORE_ANEW || dm_store_empty(agent->dm);
    uint32_t skipped = 0;

    if (dm_load(agent->dm, &skipped, err) < 0)
        return -1;
    if (skipped)
        log_warning("%u stored values are unknown to this version and were skipped", skipped);
    if (fresh && (model_default_roles(&agent->model, err) < 0 ||
                  dm_load_factory(agent->dm, agent->config->factory_file, err) < 0))
        return -1;
    return dm_flush(agent->dm, err) < 0 || model_load_certificates(&agent->model, err) < 0
               ? -1
               : dm_flush(agent->dm, err);
}

static int make_model(struct agent *agent, struct error *err)
{
    agent->consent = consent_new(&agent->loop, agent->store, err);
    if (!agent->consent)
        return -1;
    agent->trust = tls_trust_new();
    if (!agent->trust)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    agent->dm = dm_new(model_mounts, model_mounts_count, &agent->loop, agent->store, err);
    if (!agent->dm)
        return -1;
    agent->model = (struct model){
        .dm = agent->dm,
        .consent = agent->consent,
        .software_version = PACKAGE_VERSION,
        .tls_ca_file = agent->config->tls_ca_file,
        .trust = agent->trust,
        .restart = on_restart,
        .mqtt_reconnect = on_mqtt_reconnect,
        .websocket_reset = on_websocket_reset,
        .ctx = agent,
    };
    dm_set_ctx(agent->dm, &agent->model);
    model_consent_bind(&agent->model);
    agent->usp = usp_new(agent->dm, &mtp_usp_ops, &agent->mtp, err);
    agent->model.usp = agent->usp;
    if (!agent->usp)
        return -1;
    payload_security_init(&agent->security, &agent->model, agent->config);
    return load_model(agent, err);
}

static const char *device_info(struct agent *agent, const char *name, char scratch[DM_SCRATCH_BYTES])
{
    struct dm_row *row = dm_row_find(agent->dm, STR("Device.DeviceInfo."));

    return dm_get_text(row, dm_node_param(row->node, name), scratch).data;
}

static void name_protocols(struct local_agent *local)
{
    const struct {
        const char *name;
        bool available;
    } protocols[] = {{"MQTT", mqtt_available}, {"WebSocket", websocket_available}, {"UDS", uds_available}};

    local->protocols[0] = '\0';
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        size_t len = strlen(local->protocols);

        if (protocols[i].available)
            snprintf(local->protocols + len, sizeof(local->protocols) - len, "%s%s", len ? "," : "",
                     protocols[i].name);
    }
}

/* Towards devices the gateway is a controller, with a name of its own. R-ARC.6, R-ARC.0: where "-lan" makes the instance-id
 * too long, it has the agent's. */
static int name_lan_controller(struct agent *agent, const char *endpoint_id)
{
    const char *configured = agent->config->lan_usp_endpoint_id;
    const char *instance = strrchr(endpoint_id, ':');
    char eid[EID_BYTES];

    snprintf(eid, sizeof(eid), "%s%s", endpoint_id,
             strlen(instance ? instance + 1 : endpoint_id) + strlen(LAN_SUFFIX) <= INSTANCE_ID_MAX
                 ? LAN_SUFFIX
                 : "");
    return str_replace(&agent->lan_endpoint_id, configured ? configured : eid);
}

/* R-ARC.2a: without a configured Endpoint ID it is os::<OUI>-<serial number>, what is not allowed in it escaped. */
static int set_identity(struct agent *agent, struct error *err)
{
    struct dm_row *row = dm_row_find(agent->dm, STR("Device.LocalAgent."));
    struct local_agent *local = row->data;
    char scratch[DM_SCRATCH_BYTES];
    char eid[EID_BYTES];
    struct timespec now;
    struct error why;
    size_t len;

    clock_gettime(CLOCK_MONOTONIC, &now);
    local->software_version = agent->model.software_version;
    name_protocols(local);
    local->started = now.tv_sec;
    if (!local->endpoint_id || !local->endpoint_id[0]) {
        const char *serial;

        len = (size_t)snprintf(eid, sizeof(eid), "os::%s-", device_info(agent, "ManufacturerOUI", scratch));
        serial = device_info(agent, "SerialNumber", scratch);
        for (; *serial && len + 4 < sizeof(eid); serial++) {
            if (strchr("-._", *serial) || (*serial >= '0' && *serial <= '9') ||
                (*serial >= 'A' && *serial <= 'Z') || (*serial >= 'a' && *serial <= 'z'))
                eid[len++] = *serial;
            else
                len += (size_t)snprintf(eid + len, sizeof(eid) - len, "%%%02X", (unsigned char)*serial);
        }
        eid[len] = '\0';
        if (str_replace(&local->endpoint_id, eid) < 0)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    }
    if (usp_endpoint_id_check(str_of(local->endpoint_id), &why) < 0)
        return error_set(err, ERROR_INVALID_CONFIGURATION, agent->config->factory_file,
                         "Device.LocalAgent.EndpointID is %s: %s", local->endpoint_id, why.message);
    if (usp_endpoint_id_is_trial(str_of(local->endpoint_id)))
        log_warning("%s: Endpoint IDs of this scheme are for trials, not for production", local->endpoint_id);
    if (usp_set_endpoint_id(agent->usp, local->endpoint_id) < 0 ||
        name_lan_controller(agent, local->endpoint_id) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    return 0;
}

static struct tls_settings tls_of(const struct agent_config *config)
{
    return (struct tls_settings){.ca_file = config->tls_ca_file,
                                 .certificate_file = config->tls_certificate_file,
                                 .key_file = config->tls_key_file};
}

static int make_serve_url(struct agent *agent, struct error *err)
{
    const struct agent_config *config = agent->config;
    char url[600];

    if (config->lan_http_url)
        snprintf(url, sizeof(url), "%s", config->lan_http_url);
    else
        snprintf(url, sizeof(url), "http://%s", config->lan_http_listen ? config->lan_http_listen : "");
    return str_replace(&agent->serve_url, url) < 0
               ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory")
               : 0;
}

static int make_firmware(struct agent *agent, struct error *err)
{
    const struct agent_config *config = agent->config;
    struct firmware_settings settings = {
        .cache_dir = config->cache_dir,
        .cache_bytes = config->cache_size,
        .parallel_fetches = (uint32_t)config->parallel_fetches,
        .parallel_installs = (uint32_t)config->parallel_installs,
        .serve_url = agent->serve_url,
        .tls = tls_of(config),
        .retries = (uint32_t)config->install_retries,
        .retry_wait_s = (uint32_t)config->install_retry_wait,
        .transfer_stall_s = (uint32_t)config->transfer_timeout,
        .reboot_s = (uint32_t)config->reboot_timeout,
        .canary_soak_s = (uint32_t)config->canary_soak,
        .battery_minimum = (uint32_t)config->battery_minimum,
        .allow_downgrade = config->allow_downgrade,
        .withdrawn_file = config->withdrawn_file,
    };
    char scratch[DM_SCRATCH_BYTES];
    struct firmware_gateway_settings gateway = {
        .hooks = &agent->contain->hooks,
        .path = "Device.DeviceInfo.",
        .version = device_info(agent, "SoftwareVersion", scratch),
        .restarts_machine = hook_runner_has(&agent->contain->hooks, HOOK_REBOOT),
        .restart = on_firmware_restart,
        .ctx = agent,
    };

    agent->firmware = firmware_new(&agent->loop, agent->store, &settings, err);
    agent->model.firmware = agent->firmware;
    if (!agent->firmware || agent_releases_load(agent, err) < 0)
        return -1;
    agent_consent_start(agent->consent, &agent->model, agent->firmware);
    if (!hook_runner_has(&agent->contain->hooks, HOOK_VERSION))
        return 0;
    agent->gateway = firmware_gateway_new(&agent->loop, agent->store, &gateway, err);
    return agent->gateway ? 0 : -1;
}

static int watch_signals(struct agent *agent, struct error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_init(&agent->loop.uv, &agent->signals[i]);
        agent->signals[i].data = agent;
        if (uv_signal_start(&agent->signals[i], on_signal, numbers[i]) < 0)
            return error_set(err, ERROR_INTERNAL, NULL, "cannot watch signals");
    }
    agent->signals_open = true;
    return 0;
}

/* Nothing is lost silently: whoever subscribed (the factory configuration may) hears of it. */
static void tell_recovery(struct agent *agent)
{
    bool anew = store_damage(agent->store) == STORE_ANEW;
    struct dm_pair args[] = {{"File", damaged_file_of(agent->store)},
                             {"Outcome", anew ? "Anew" : "CutShort"}};

    if (store_damage(agent->store) != STORE_WHOLE)
        dm_raise(agent->dm, dm_row_find(agent->dm, STR("Device.LocalAgent.")),
                 VENDOR_PREFIX "StoreRecovered!", args, 2);
}

/* From here on the agent is seen. version: of the gateway's firmware, for FirmwareUpdated in Boot!. */
static int begin(struct agent *agent, const char *version, struct error *err)
{
    /* R-BULK.6: the collector is not shown a certificate of ours, it has the profile's credentials. */
    struct tls_settings tls = {.ca_file = agent->config->tls_ca_file};

    /* Boot! is queued before anything can raise another event. */
    if (boot_load(&agent->boot, agent->store, version, err) < 0)
        return -1;
    if (store_damage(agent->store) == STORE_ANEW)
        agent->boot.why.reason = "The database was damaged and was made anew";
    else if (store_damage(agent->store) == STORE_CUT_SHORT)
        agent->boot.why.reason = "The end of the database's log was damaged and is lost";
    if (agent_lan_restore(agent, err) < 0 || usp_start(agent->usp, &agent->boot.why, err) < 0 ||
        agent_lan_open(agent, err) < 0)
        return -1;
    if (agent_bulk_start(&agent->bulk, &agent->model, &tls, err) < 0)
        return -1;
    consent_ready(agent->consent);
    tell_recovery(agent);
    /* What no job goes on with ended with the last life; unless that job could not be read. */
    usp_requests_abandon(agent->usp, store_damage(agent->store) == STORE_WHOLE);
    agent_discovery_start(&agent->discovery, &agent->model, &agent->mtp, agent->config);
    agent_scan_start(&agent->scan, &agent->discovery);
    mtp_start(&agent->mtp);
    log_info("ready endpoint=%s", usp_endpoint_id(agent->usp));
    return 0;
}

static void on_version(void *ctx, const char *version)
{
    struct agent *agent = ctx;
    struct error err;

    if (begin(agent, version, &err) == 0)
        return;
    log_failure(LOG_LEVEL_ERROR, "cannot start", &err);
    agent->failed = true;
    loop_stop(&agent->loop);
}

static int contain(struct agent *agent, struct error *err)
{
    struct dm_row *row = dm_row_find(agent->dm, STR("Device.LocalAgent." VENDOR_PREFIX "Containment."));

    if (contain_raise(agent->contain, agent->config, agent->dm, err) < 0)
        return -1;
    *(struct model_containment *)row->data = agent->contain->state;
    return 0;
}

int agent_start(struct agent *agent, struct agent_config *config, struct contain *walls, struct error *err)
{
    char scratch[DM_SCRATCH_BYTES];

    *agent = (struct agent){.config = config, .contain = walls};
    timer_init(&agent->grace, on_grace, agent);
    if (loop_init(&agent->loop, err) < 0)
        return -1;
    agent->loop.limits = &config->limits;
    if (watch_signals(agent, err) < 0 || open_store(agent, err) < 0 || make_model(agent, err) < 0 ||
        contain(agent, err) < 0 || set_identity(agent, err) < 0 || make_serve_url(agent, err) < 0)
        return -1;
    agent->websockets = websocket_context_new(&agent->loop, err);
    if (!agent->websockets || mtp_init(&agent->mtp, &agent->model, agent->websockets, config, err) < 0 ||
        make_firmware(agent, err) < 0)
        return -1;
    if (agent->gateway)
        return firmware_gateway_ask(agent->gateway, on_version, agent, err);
    return begin(agent, device_info(agent, "SoftwareVersion", scratch), err);
}

int agent_check(struct agent_config *config, struct error *err)
{
    struct agent agent = {.config = config};
    int rc = -1;

    timer_init(&agent.grace, on_grace, &agent);
    if (loop_init(&agent.loop, err) == 0) {
        agent.loop.limits = &config->limits;
        agent.store = store_open(":memory:", &agent.loop, err);
        if (agent.store && make_model(&agent, err) == 0)
            rc = set_identity(&agent, err) < 0 ? -1 : enrolment_check(config, err);
    }
    agent_done(&agent);
    return rc;
}

void agent_run(struct agent *agent)
{
    loop_run(&agent->loop);
}

void agent_done(struct agent *agent)
{
    if (agent->factory_reset && store_forget(agent->store, BOOT_KIND, NULL) == 0)
        log_info("factory reset: all that was stored is forgotten");
    agent_discovery_stop(&agent->discovery);
    if (agent->mtp.model)
        mtp_done(&agent->mtp);
    usp_stop(agent->usp); /* commands let go of their jobs while those are still there */
    boot_image_done(&agent->boot_image);
    web_free(agent->web);
    consent_stop(agent->consent);
    agent_scan_stop(&agent->scan);
    if (agent->home) {
        model_consent_stop(&agent->model);
        model_proxied_stop(&agent->model);
        model_firmware_stop(&agent->model);
    }
    http_server_free(agent->images);
    enrolment_close(&agent->enrolment);
    home_free(agent->home);
    agent->model.home = NULL;
    enrolment_done(&agent->enrolment, agent->factory_reset);
    firmware_gateway_free(agent->gateway);
    firmware_free(agent->firmware);
    agent_releases_done(agent);
    websocket_context_free(agent->websockets);
    if (agent->dm)
        dm_flush(agent->dm, NULL);
    agent_bulk_done(&agent->bulk, &agent->model);
    dm_free(agent->dm);
    consent_free(agent->consent);
    usp_free(agent->usp);
    payload_security_done(&agent->security);
    store_close(agent->store);
    boot_done(&agent->boot);
    timer_cancel(&agent->loop.timers, &agent->grace);
    for (size_t i = 0; agent->signals_open && i < sizeof(agent->signals) / sizeof(agent->signals[0]); i++)
        uv_close((uv_handle_t *)&agent->signals[i], NULL);
    loop_done(&agent->loop);
    tls_trust_free(agent->trust);
    free(agent->serve_url);
    free(agent->lan_endpoint_id);
}
