# SPDX-License-Identifier: BSD-3-Clause
"""A home whose devices are USP agents: homepatch-device processes on the gateway's WebSocket server and the LAN's broker."""

import hashlib

from home import NEW, OLD, PROXIED, Home
from hptest import UspDevice, wait_until, write_device_image

GATEWAY = "os::012345-GW000001-lan"
NEEDS = ("homepatchd", "homepatch-device")
URN = "urn:bbf:usp:id:"


class UspHome(Home):
    """transports: of the devices, in order. Their Endpoint IDs are in `ids`; `devices` are the processes."""

    def __init__(self, directory, transports=("websocket", "mqtt"), tls=True, **conf):
        super().__init__(directory)
        self.lan_tls = tls
        server = self.pki.issue("lan-server", uris=[URN + GATEWAY])
        if tls:
            self.agent.conf.update(
                lan_websocket_tls="true",
                lan_websocket_tls_certificate_file=server[0],
                lan_websocket_tls_key_file=server[1],
                lan_device_ca_file=self.pki.ca_file,
            )
        self.agent.conf.update(reboot_timeout=20, transfer_timeout=15)
        self.devices = [self.device(f"os::0A0B0C-S{n}", t, **conf) for n, t in enumerate(transports, 1)]

    def device(self, endpoint_id, transport="websocket", certificate=True, name=None, **conf):
        """Not started. certificate: its own; a name of another's; False for none."""
        where = {"transport": transport, "tls": "false", "controller": GATEWAY}
        if transport == "mqtt":
            where["port"] = self.lan.port
        else:
            where["port"] = self.agent.lan_websocket_port
        if transport != "mqtt" and self.lan_tls:
            where.update(tls="true", ca_file=self.pki.ca_file)
            if certificate:
                who = endpoint_id if certificate is True else certificate
                files = self.pki.issue("dev-" + who.rsplit(":", 1)[-1], uris=[URN + who])
                where.update(certificate_file=files[0], key_file=files[1])
        return UspDevice(self.dir, endpoint_id, name=name, version=OLD, **{**where, **conf})

    def start(self, devices=True):
        super().start(devices=False)
        self.ids = [d.endpoint_id for d in self.devices]
        for device in self.devices if devices else ():
            self.cleanup.add(device).start()
        if devices:
            self.wait_listed()
        return self

    def row_of(self, endpoint_id):
        """Path of the device's row, or None."""
        serial = endpoint_id.rsplit("-", 1)[-1]
        rows = self.ctl.get(PROXIED + "*.DeviceInfo.SerialNumber")
        return next((p.split("DeviceInfo.")[0] for p, v in rows.items() if v == serial), None)

    def wait_listed(self, timeout=20):
        for endpoint_id in self.ids:
            self.rows[endpoint_id] = wait_until(lambda: self.row_of(endpoint_id), timeout, f"{endpoint_id} listed")
            self.wait_online(endpoint_id, timeout)

    def wait_online(self, endpoint_id, timeout=20, online=True):
        path = self.rows[endpoint_id] + "Online"
        want = "true" if online else "false"
        wait_until(lambda: self.ctl.value(path) == want, timeout, f"{endpoint_id} Online {want}", interval=0.05)

    def image(self, version=NEW, model="Reference", size=60000, path=None, https=True, behaviour="good", **how):
        file = self.dir / f"{model}-{version}-{size}-{behaviour}.img"
        write_device_image(file, version, size, model, behaviour)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        path = path or f"/{file.name}"
        what = self.images.add(path, file, **how)
        return (self.images.https_url if https else self.images.url) + path, digest, file.stat().st_size, what

    def version(self, device):
        """As the gateway shows it."""
        return self.ctl.value(self.info(device) + "SoftwareVersion")
