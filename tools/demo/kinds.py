# SPDX-License-Identifier: BSD-3-Clause
"""The kinds of devices in the demonstrated home: how many, how a controller sees them, and what there is for them to
install."""

import hashlib
import subprocess

from hptest import program, write_device_image, write_image, write_zigbee_image

IMAGE_BYTES = 1 << 20
ZIGBEE_BYTES = 20000    # a radio of 250 kbit/s is slow


class Kind:
    """protocol: the end of Device.ProxiedDevice.{i}.ProxyProtocol. versions: from, to, and the one after it."""

    def __init__(self, family, protocol, count, versions, offered=False):
        self.family, self.protocol, self.count = family, protocol, count
        self.before, self.new, self.next = versions
        self.offered = offered      # takes only what its maker offers

    def image(self, directory, values, version):
        """An image for a device with these parameters: (file, SHA-256, size)."""
        model = values["DeviceInfo.ModelName"]
        if self.family == "zigbee":
            file = directory / f"{model}-{version}.ota"
            return file, *write_zigbee_image(file, model, int(version), ZIGBEE_BYTES)
        if self.family == "usp":
            file = directory / f"{model}-{version}.img"
            write_device_image(file, version, IMAGE_BYTES // 4, model)
            return file, hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size
        if self.family == "tasmota":
            chip = "esp32" if "ESP32" in values["DeviceInfo.HardwareVersion"].upper() else "esp8266"
            file = directory / f"tasmota-{chip}-{version}.bin"
            subprocess.run([program("homepatch-simhome"), "make-image", "--family", "tasmota", "--model", chip,
                            "--version", version, "--size", str(IMAGE_BYTES // 4), file], check=True)
            data = file.read_bytes()
            return file, hashlib.sha256(data).hexdigest(), len(data)
        file = directory / f"{model}-{version}.zip"
        return file, *write_image(file, model, version, IMAGE_BYTES)

    def group(self, values):
        """Devices with the same answer take the same image."""
        return (self.family, values["DeviceInfo.ModelName"],
                values["DeviceInfo.HardwareVersion"] if self.family == "tasmota" else "")


KINDS = [
    Kind("shelly", "Shelly-MQTT", 4, ("1.4.4", "2.1.0", "2.2.0")),
    Kind("shelly", "Shelly-WebSocket", 4, ("1.4.4", "2.1.0", "2.2.0")),
    Kind("tasmota", "Tasmota-MQTT", 4, ("13.4.0", "14.2.0", "14.3.0")),
    Kind("zigbee", "Zigbee2MQTT", 4, ("16777473", "16777729", "16777985")),
    Kind("usp", "USP-MQTT", 2, ("1.4.4", "2.1.0", "2.2.0")),
    Kind("esphome", "HomeAssistant-MQTT", 3, ("1.4.0", "1.6.0", "1.7.0"), offered=True),
    Kind("openmqttgateway", "HomeAssistant-MQTT", 3, ("v1.7.0", "v1.8.0", "v1.9.0"), offered=True),
]
DEVICES = sum(kind.count for kind in KINDS)


def kind_of(values):
    """By the protocol, and where several kinds share it, by the version that they start from. None: not known yet."""
    for kind in KINDS:
        if values["ProxyProtocol"].endswith(kind.protocol) and values["DeviceInfo.SoftwareVersion"] == kind.before:
            return kind
    return None
