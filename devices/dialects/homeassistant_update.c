/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Updates through Home Assistant's update entity. The device is told to install and installs what its maker offers, in its
 * own way: nothing is acknowledged, and no error is ever told. What counts is the version that it says it runs. Failure is
 * that it does not: the device stopped working on it, restarted with what it had, or the job's patience is at an end.
 * Messages that the broker kept prove nothing while an update runs, unless they bring news.
 */
#include <stdio.h>
#include <string.h>

#include "devices/dialects/homeassistant_node.h"

enum {
    TRANSFER_STALL_S = 900, /* many say nothing while they fetch from the Internet and write */
    REBOOT_S = 300,
    ASK_INTERVAL_MS = 15000,
    NEARLY_ALL = 90, /* percent from which on a device that leaves has what it needs */
};

static struct ha_node *node_of(const struct firmware_target *target)
{
    const struct device *device = target->ctx;

    return device->dialect_data;
}

static int publish(struct ha_node *node, const char *payload, bool retain, struct error *err)
{
    const struct ha_entity *entity = ha_entity_of(node);
    const struct lan *lan = node->ha->host.lan;
    struct mqtt_publication publication = {.topic = entity->command_topic,
                                           .payload = payload,
                                           .len = strlen(payload),
                                           .qos = entity->qos,
                                           .retain = retain};

    return lan->publish(lan->ctx, &publication, err);
}

void ha_update_end(struct ha_node *node)
{
    const struct ha_entity *entity = ha_entity_of(node);
    bool retained = node->run.retained;

    node->run = (struct ha_run){.state = HA_RUN_NONE};
    ha_node_schedule(node);
    /* A command that the broker keeps would be obeyed again at each restart of the device. */
    if (retained && entity && entity->command_topic)
        publish(node, "", true, NULL);
}

/* ---- the job asks ---- */

/* The topic names another device of this home: a device that announces itself must not speak through us to others. */
static const struct device *others_topic(const struct ha_node *node, const char *topic)
{
    const struct registry *registry = node->ha->host.registry;

    for (uint32_t i = 0; i < registry->count; i++) {
        const struct device *other = registry->devices[i];
        const char *address = device_text(other, DEVICE_ADDRESS);
        size_t len = strlen(address);
        const char *at = len && !other->dialect->generic ? strstr(topic, address) : NULL;

        if (at && (at == topic || at[-1] == '/') && (at[len] == '\0' || at[len] == '/'))
            return other;
    }
    return NULL;
}

static int check_topic(const struct ha_node *node, const char *topic, struct error *err)
{
    const struct ha *ha = node->ha;
    const struct device *other = others_topic(node, topic);
    size_t prefix = ha->prefix ? strlen(ha->prefix) : 0, source = strlen(ha->host.source);

    if (other)
        return error_set(err, ERROR_REQUEST_DENIED, node->device->key,
                         "its command_topic \"%.100s\" belongs to another device, %.80s", topic, other->key);
    if ((prefix && strncmp(topic, ha->prefix, prefix) == 0 && topic[prefix] == '/') ||
        (strncmp(topic, ha->host.source, source) == 0 && topic[source] == '/'))
        return error_set(err, ERROR_REQUEST_DENIED, node->device->key,
                         "its command_topic \"%.100s\" is none of a device", topic);
    return 0;
}

static int may_install(const struct ha_node *node, const struct firmware_install *how, struct error *err)
{
    const struct ha_entity *entity = ha_entity_of(node);
    const struct device *device = node->device;

    if (device->quarantined)
        return error_set(err, ERROR_REQUEST_DENIED, device->key, "the device is quarantined: %s",
                         device_text(device, DEVICE_REASON));
    if (!how->offer)
        return error_set(err, ERROR_REQUEST_DENIED, device->key, "%s", ha_firmware_ops.no_download);
    if (!device->online)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, device->key, "the device is offline");
    if (!ha_can_install(entity) && !ha_settled(node))
        return error_set(err, ERROR_RESOURCES_EXCEEDED, device->key,
                         "the device has not announced yet how it can be updated");
    if (!ha_can_install(entity))
        return error_set(err, ERROR_REQUEST_DENIED, device->key,
                         "the device does not announce any more how it can be updated");
    if (node->in_progress)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, device->key, "the device is at an update already");
    if (!node->latest[0])
        return error_set(err, ERROR_RESOURCES_EXCEEDED, device->key,
                         "the device has not said yet what it offers");
    if (*how->version && strcmp(how->version, node->latest) != 0)
        return error_set(err, ERROR_REQUEST_DENIED, device->key,
                         "its maker no longer offers version \"%s\" but \"%s\"; activate that one",
                         how->version, node->latest);
    return check_topic(node, entity->command_topic, err);
}

static int install(struct firmware_target *target, const struct firmware_install *how, struct error *err)
{
    struct ha_node *node = node_of(target);
    const struct ha_entity *entity = ha_entity_of(node);

    if (may_install(node, how, err) < 0 || publish(node, entity->payload_install, entity->retain, err) < 0)
        return -1;
    node->run = (struct ha_run){.state = HA_RUN_ASKED, .percent = -1, .retained = entity->retain};
    str_copy(node->run.old, sizeof(node->run.old), device_text(node->device, DEVICE_SOFTWARE_VERSION));
    ha_node_schedule(node);
    return 0;
}

/* The entity has no word for it: what the device still says about its update is not passed on. */
static void abort_update(struct firmware_target *target)
{
    ha_update_end(node_of(target));
}

/* Nobody can ask; but the broker may keep what the device said last. */
static int read_version(struct firmware_target *target, struct error *err)
{
    struct ha_node *node = node_of(target);
    uint64_t now = ha_now(node->ha);

    if (node->asked && now - node->asked < ASK_INTERVAL_MS)
        return 0;
    node->asked = now;
    return ha_topic_ask(node, HA_STATE)
               ? 0
               : error_set(err, ERROR_RESOURCES_EXCEEDED, node->device->key, "the device announces no state");
}

static bool idle(struct firmware_target *target)
{
    return !node_of(target)->in_progress;
}

const struct firmware_target_ops ha_firmware_ops = {
    .install = install,
    .abort = abort_update,
    .read_version = read_version,
    .idle = idle,
    .compare = ha_version_compare,
    .no_download =
        "this device installs only what its maker offers: when there is an offer, it is a FirmwareImage "
        "named \"" HA_OFFER "\"; use Activate() of that",
    .transfer_stall_s = TRANSFER_STALL_S,
    .reboot_s = REBOOT_S,
};

/* ---- the device tells ---- */

static void failed(struct ha_node *node, const char *how)
{
    char reason[200];

    snprintf(reason, sizeof(reason), "%s and still runs version \"%s\"; it tells no reason", how,
             node->run.old);
    ha_update_end(node);
    firmware_target_failed(&node->device->target, true, reason);
}

static void handed(struct ha_node *node)
{
    if (node->run.state == HA_RUN_HANDED)
        return;
    node->run.state = HA_RUN_HANDED;
    firmware_target_transferred(&node->device->target);
}

void ha_update_left(struct ha_node *node)
{
    if (node->run.state == HA_RUN_NONE)
        return;
    node->run.away = true;
    node->run.grace = 0;
    node->run.early = node->run.at_work && node->run.percent >= 0 && node->run.percent < NEARLY_ALL;
    if (!node->run.early)
        handed(node);
    ha_node_schedule(node);
}

void ha_update_conclude(struct ha_node *node)
{
    struct firmware_target *target = &node->device->target;
    char old[HA_VERSION_BYTES], how[80];

    if (node->run.state == HA_RUN_NONE)
        return;
    if (!node->run.away) {
        failed(node, "the device ended its update");
    } else if (node->run.early) {
        snprintf(how, sizeof(how), "the device left at %d %% of its update, came back", node->run.percent);
        failed(node, how);
    } else {
        memcpy(old, node->run.old, sizeof(old));
        handed(node);
        ha_update_end(node);
        firmware_target_version(target, NULL, old);
    }
}

/* An old version during an update: still at work, or was that all? */
static void heard_old(struct ha_node *node, int percent)
{
    struct ha_run *run = &node->run;

    run->at_work = node->in_progress;
    if (run->at_work) {
        run->grace = 0;
        run->percent = percent >= 0 ? percent : run->percent;
        if (run->state == HA_RUN_ASKED)
            run->state = HA_RUN_TAKEN;
        if (run->state == HA_RUN_TAKEN)
            firmware_target_progress(&node->device->target, run->percent > 0 ? (unsigned)run->percent : 0);
    } else if (!run->grace && (run->away || run->state == HA_RUN_TAKEN)) {
        run->grace = ha_now(node->ha) + HA_GRACE_MS;
    }
    ha_node_schedule(node);
}

/*
 * No update of ours runs as far as we know; but the agent may have been restarted in the middle of one. What the broker
 * kept from before the device restarted is no proof that it runs that still, so the device gets its time to say more.
 */
static bool is_proof(const struct ha_node *node, bool news, bool retained)
{
    const struct device *device = node->device;

    if (news || !ha_is_installing(device))
        return true;
    return !node->in_progress && device->online &&
           (!retained || ha_now(node->ha) - node->online_since >= HA_GRACE_MS);
}

void ha_update_heard(struct ha_node *node, const char *title, const char *version, int percent, bool retained)
{
    struct device *device = node->device;
    bool news = version && strcmp(version, device_text(device, DEVICE_SOFTWARE_VERSION)) != 0;

    if (news && node->run.state != HA_RUN_NONE && node->in_progress)
        news = false; /* it says so too early: not before it is done */
    if (news) {
        device_set_fact(device, DEVICE_SOFTWARE_VERSION, version, device->grade, DEVICE_SOURCE_DEVICE);
        device_set(device, DEVICE_FIRMWARE_NAME, title);
        registry_announce(device);
    }
    if (node->run.state == HA_RUN_NONE) {
        if (version && is_proof(node, news, retained))
            firmware_target_version(&device->target, title, version);
    } else if (news) {
        ha_update_end(node);
        firmware_target_version(&device->target, title, version);
    } else if (!retained) {
        heard_old(node, percent);
    }
}
