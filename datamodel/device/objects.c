/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree: where each declared object stands. Parents come before their children. */
#include "config.h"

#include "datamodel/device/collection_device.h"
#include "datamodel/device/device_authority.h"
#include "datamodel/device/consent.h"
#include "datamodel/device/firmware_image.h"
#include "datamodel/device/hosts.h"
#include "datamodel/device/model.h"
#include "datamodel/device/proxied_device.h"
#include "datamodel/device/releases.h"

const struct dm_mount model_mounts[] = {
    {"Device.", &model_device},
    {"Device.DeviceInfo.", &model_device_info},
    {"Device.DeviceInfo.FirmwareImage.{i}.", &model_firmware_image},
    {"Device.LocalAgent.", &model_local_agent},
    {"Device.LocalAgent.MTP.{i}.", &model_local_mtp},
    {"Device.LocalAgent.MTP.{i}.MQTT.", &model_local_mtp_mqtt},
    {"Device.LocalAgent.MTP.{i}.WebSocket.", &model_local_mtp_websocket},
    {"Device.LocalAgent.MTP.{i}.UDS.", &model_local_mtp_uds},
    {"Device.LocalAgent.Controller.{i}.", &model_controller},
    {"Device.LocalAgent.Controller.{i}.MTP.{i}.", &model_controller_mtp},
    {"Device.LocalAgent.Controller.{i}.MTP.{i}.MQTT.", &model_controller_mtp_mqtt},
    {"Device.LocalAgent.Controller.{i}.MTP.{i}.WebSocket.", &model_controller_mtp_websocket},
    {"Device.LocalAgent.Controller.{i}.MTP.{i}.UDS.", &model_controller_mtp_uds},
    {"Device.LocalAgent.Controller.{i}.E2ESession.", &model_e2e_session},
    {"Device.LocalAgent.Controller.{i}.BootParameter.{i}.", &model_boot_parameter},
    {"Device.LocalAgent.Subscription.{i}.", &model_subscription},
    {"Device.LocalAgent.Request.{i}.", &model_request},
    {"Device.LocalAgent.Certificate.{i}.", &model_certificate},
    {"Device.LocalAgent." VENDOR_PREFIX "Containment.", &model_containment},
    {"Device.LocalAgent.ControllerTrust.", &model_controller_trust},
    {"Device.LocalAgent.ControllerTrust.Credential.{i}.", &model_credential},
    {"Device.LocalAgent.ControllerTrust.Challenge.{i}.", &model_challenge},
    {"Device.LocalAgent.ControllerTrust.Role.{i}.", &model_role},
    {"Device.LocalAgent.ControllerTrust.Role.{i}.Permission.{i}.", &model_permission},
    {"Device.BulkData.", &model_bulk_data},
    {"Device.BulkData.Profile.{i}.", &model_bulk_profile},
    {"Device.BulkData.Profile.{i}.Parameter.{i}.", &model_bulk_parameter},
    {"Device.BulkData.Profile.{i}.CSVEncoding.", &model_bulk_csv},
    {"Device.BulkData.Profile.{i}.JSONEncoding.", &model_bulk_json},
    {"Device.BulkData.Profile.{i}.HTTP.", &model_bulk_http},
    {"Device.BulkData.Profile.{i}.HTTP.RequestURIParameter.{i}.", &model_bulk_uri_parameter},
    {"Device.BulkData.Profile.{i}.MQTT.", &model_bulk_mqtt},
    {"Device.IP.", &model_ip},
    {"Device.IP.Diagnostics.", &model_ip_diagnostics},
    {"Device.Time.", &model_time},
    {"Device.MQTT.", &model_mqtt},
    {"Device.MQTT.Capabilities.", &model_mqtt_capabilities},
    {"Device.MQTT.Client.{i}.", &model_mqtt_client},
    {"Device.MQTT.Client.{i}.Stats.", &model_mqtt_client_stats},
    {"Device.MQTT.Client.{i}.Subscription.{i}.", &model_mqtt_subscription},
    {"Device.MQTT.Client.{i}.UserProperty.{i}.", &model_mqtt_user_property},
    {"Device.UnixDomainSockets.", &model_unix_domain_sockets},
    {"Device.UnixDomainSockets.UnixDomainSocket.{i}.", &model_unix_domain_socket},
    {"Device." VENDOR_PREFIX "Releases.", &model_releases},
    {"Device." VENDOR_PREFIX "Releases.Vendor.{i}.", &model_release_vendor},
    {"Device." VENDOR_PREFIX "Releases.Anchor.{i}.", &model_release_anchor},
    {"Device.Hosts.", &model_hosts},
    {"Device.Hosts." VENDOR_PREFIX "Scan.", &model_hosts_scan},
    {"Device.Hosts.Host.{i}.", &model_host},
    {"Device.Hosts.Host.{i}.IPv4Address.{i}.", &model_host_ipv4_address},
    {"Device.Hosts.Host.{i}.IPv6Address.{i}.", &model_host_ipv6_address},
    {"Device.Hosts.Host.{i}." VENDOR_PREFIX "Fact.{i}.", &model_host_fact},
    {"Device.Hosts.Host.{i}." VENDOR_PREFIX "Service.{i}.", &model_host_service},
    {"Device.CollectionDevice.{i}.", &model_collection_device},
    {"Device.ProxiedDevice.{i}.", &model_proxied_device},
    {"Device.ProxiedDevice.{i}.DeviceInfo.", &model_proxied_device_info},
    {"Device.ProxiedDevice.{i}.DeviceInfo.FirmwareImage.{i}.", &model_firmware_image},
    {"Device.ProxiedDevice.{i}." VENDOR_PREFIX "Update.", &model_proxied_update},
    {"Device.ProxiedDevice.{i}." VENDOR_PREFIX "Identity.", &model_proxied_identity},
    {"Device." VENDOR_PREFIX "DeviceAuthority.", &model_device_authority},
    {"Device." VENDOR_PREFIX "DeviceAuthority.Certificate.{i}.", &model_issued_certificate},
    {"Device.ProxiedDevice.{i}." VENDOR_PREFIX "Consent.", &model_consent_device},
    {"Device." VENDOR_PREFIX "Consent.", &model_consent},
    {"Device." VENDOR_PREFIX "Consent.Request.{i}.", &model_consent_request},
    {"Device." VENDOR_PREFIX "Consent.Ledger.{i}.", &model_consent_ledger},
};

const size_t model_mounts_count = sizeof(model_mounts) / sizeof(model_mounts[0]);
