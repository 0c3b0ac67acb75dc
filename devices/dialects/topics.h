/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The topics of the dialects at the LAN's broker: what they subscribe to, and what an access list has to let through. The
 * dialects and `homepatch lan-broker` both read them here, so that the list follows the code. String literals only.
 */
#ifndef DEVICES_DIALECTS_TOPICS_H
#define DEVICES_DIALECTS_TOPICS_H

#define LAN_SOURCE "homepatch" /* our name on the LAN's broker: what is below it is said to us */

/* Shelly. A topic prefix may have a second level: "attic/shelly1". Devices answer below our name. */
#define SHELLY_HEARD "+/online", "+/+/online", "+/events/rpc", "+/+/events/rpc"
#define SHELLY_SAID "+/rpc", "+/+/rpc"
#define SHELLY_ANSWERS "/+/rpc", "/+/+/rpc" /* below our name */

/* Tasmota, in both usual orders of topics. */
#define TASMOTA_COMMAND "cmnd"
#define TASMOTA_STATUS "stat"
#define TASMOTA_TELEMETRY "tele"
#define TASMOTA_DISCOVERY "tasmota/discovery/"
#define TASMOTA_HEARD TASMOTA_DISCOVERY "+/config", TASMOTA_TELEMETRY "/+/LWT", "+/" TASMOTA_TELEMETRY "/LWT"

/* Zigbee2MQTT, below its base topic. */
#define Z2M_REQUEST "bridge/request/device/ota_update/"
#define Z2M_RESPONSE "bridge/response/device/ota_update/"
#define Z2M_HEARD "bridge/state", "bridge/devices", Z2M_RESPONSE "#"

/* Home Assistant's discovery, below its prefix. */
#define HA_HEARD "/+/+/config", "/+/+/+/config", "/status"

/* USP, below our name. */
#define USPDEV_CONTROLLER "usp/controller"
#define USPDEV_AGENT "usp/agent"

#endif
