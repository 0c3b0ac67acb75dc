# SPDX-License-Identifier: BSD-3-Clause
"""homepatchd under test: writes its two files, starts it, stops it, kills it, starts it again on the same state."""

import os
import pathlib
import shlex
import signal

from .process import Process, free_port, program

OUI, SERIAL = "012345", "GW000001"
ENDPOINT_ID = f"os::{OUI}-{SERIAL}"
FULL_ACCESS = "Device.LocalAgent.ControllerTrust.Role.1"
UNTRUSTED = "Device.LocalAgent.ControllerTrust.Role.2"


class Agent(Process):
    """`conf` (homepatchd.conf) and `factory` (factory.conf) are plain dicts, written at each start(); the mqtt(), ws_...()
    and uds() helpers add consistent rows to `factory` and return what a Transport needs."""

    def __init__(self, workdir, name="homepatchd", endpoint_id=ENDPOINT_ID, log_level="debug"):
        self.dir = pathlib.Path(workdir)
        self.state_dir = self.dir / "state"
        self.cache_dir = self.dir / "cache"
        self.conf_file = self.dir / f"{name}.conf"
        self.factory_file = self.dir / "factory.conf"
        self.endpoint_id = endpoint_id
        self.conf = {
            "state_dir": self.state_dir,
            "cache_dir": self.cache_dir,
            "factory_file": self.factory_file,
            "log_level": log_level,
            "log_target": "stderr",
            "lan_mqtt_broker": "",
            "lan_websocket_listen": "",
            "lan_http_listen": "",
            "canary_soak": 0,
            # A sanitized build cannot look for leaks inside the walls.
            "contain": os.environ.get("HOMEPATCH_CONTAIN", "auto"),
            "mdns": "false",  # tests speak to nobody but themselves
        }
        self.factory = {
            "Device.LocalAgent.EndpointID": endpoint_id,
            "Device.DeviceInfo.Manufacturer": "Example",
            "Device.DeviceInfo.ManufacturerOUI": OUI,
            "Device.DeviceInfo.ModelName": "Gateway",
            "Device.DeviceInfo.ProductClass": "Gateway",
            "Device.DeviceInfo.SerialNumber": SERIAL,
            "Device.DeviceInfo.HardwareVersion": "1",
            "Device.DeviceInfo.SoftwareVersion": "1.0.0",
        }
        self._counts = {"controller": 0, "mtp": 0, "client": 0, "uds": 0}
        self._by_endpoint = {}
        self.lan_websocket_port = None
        wrap = shlex.split(os.environ.get("HOMEPATCH_WRAP", ""))  # e.g. "valgrind --error-exitcode=9"
        super().__init__(name, [*wrap, program("homepatchd") or "homepatchd", "-c", self.conf_file], workdir)

    # -- configuration ---------------------------------------------------------------------------------------------

    def _next(self, kind):
        self._counts[kind] += 1
        return self._counts[kind]

    def put(self, prefix, **params):
        for name, value in params.items():
            self.factory[prefix + name.replace("__", ".")] = (
                "true" if value is True else "false" if value is False else value
            )

    def controller(self, endpoint_id="self::ctl", role=FULL_ACCESS, **params):
        """The path of the Controller row for that endpoint, made on first use."""
        if endpoint_id not in self._by_endpoint:
            path = f"Device.LocalAgent.Controller.{self._next('controller')}."
            self._by_endpoint[endpoint_id] = path
            self.put(
                path,
                Enable=True,
                EndpointID=endpoint_id,
                AssignedRole=role,
                USPNotifRetryMinimumWaitInterval=1,
                USPNotifRetryIntervalMultiplier=1000,
            )
        self.put(self._by_endpoint[endpoint_id], **params)
        return self._by_endpoint[endpoint_id]

    def mqtt(
        self,
        broker_port,
        endpoint_id="self::ctl",
        topic="usp/ctl",
        agent_topic="usp/agent",
        version="5.0",
        tls=False,
        host=None,
        role=FULL_ACCESS,
        username=None,
        password=None,
        **client,
    ):
        """A broker connection and a controller reached through it."""
        number = self._next("client")
        path = f"Device.MQTT.Client.{number}."
        self.put(
            path,
            Enable=True,
            BrokerAddress=host or ("localhost" if tls else "127.0.0.1"),
            BrokerPort=broker_port,
            ProtocolVersion=version,
            TransportProtocol="TLS" if tls else "TCP/IP",
            ConnectRetryTime=1,
            ConnectRetryIntervalMultiplier=1000,
            **client,
        )
        if username is not None:
            self.put(path, Username=username, Password=password)
        self.put(path + "Subscription.1.", Enable=True, Topic=agent_topic, QoS=1)
        mtp = f"Device.LocalAgent.MTP.{self._next('mtp')}."
        self.put(
            mtp,
            Enable=True,
            Protocol="MQTT",
            MQTT__Reference=path.rstrip("."),
            MQTT__ResponseTopicConfigured=agent_topic,
            MQTT__PublishQoS=1,
        )
        row = self.controller(endpoint_id, role)
        self.put(
            row + "MTP.1.",
            Enable=True,
            Protocol="MQTT",
            MQTT__Topic=topic,
            MQTT__AgentMTPReference=mtp.rstrip("."),
        )
        return {
            "port": broker_port,
            "topic": topic,
            "agent_topic": agent_topic,
            "version": 5 if version == "5.0" else 3,
        }

    def ws_server(self, endpoint_id="self::ctl", path="/usp", tls=False, role=FULL_ACCESS):
        """The agent listens; a controller of that endpoint id connects."""
        port = free_port()
        mtp = f"Device.LocalAgent.MTP.{self._next('mtp')}."
        self.put(
            mtp,
            Enable=True,
            Protocol="WebSocket",
            WebSocket__Port=port,
            WebSocket__Path=path,
            WebSocket__EnableEncryption=tls,
        )
        self.controller(endpoint_id, role)
        return {"port": port, "path": path, "endpoint_id": endpoint_id}

    def ws_controller(
        self, port=None, endpoint_id="self::ctl", path="/usp", tls=False, host=None, role=FULL_ACCESS
    ):
        """The agent connects to a controller's WebSocket server."""
        port = port or free_port()
        row = self.controller(endpoint_id, role)
        self.put(
            row + "MTP.1.",
            Enable=True,
            Protocol="WebSocket",
            WebSocket__Port=port,
            WebSocket__Path=path,
            WebSocket__Host=host or ("localhost" if tls else "127.0.0.1"),
            WebSocket__EnableEncryption=tls,
            WebSocket__SessionRetryMinimumWaitInterval=1,
            WebSocket__SessionRetryIntervalMultiplier=1000,
        )
        return {"port": port, "path": path, "endpoint_id": endpoint_id}

    def uds(self, endpoint_id="self::ctl", role=FULL_ACCESS):
        """The agent listens on a UNIX socket in its work directory."""
        sock = self.dir / "agent.sock"
        if not self._counts["uds"]:
            self._next("uds")
            self.put("Device.UnixDomainSockets.UnixDomainSocket.1.", Mode="Listen", Path=sock)
            self.put(
                f"Device.LocalAgent.MTP.{self._next('mtp')}.",
                Enable=True,
                Protocol="UDS",
                UDS__UnixDomainSocketRef="Device.UnixDomainSockets.UnixDomainSocket.1",
            )
        self.controller(endpoint_id, role)
        return {"path": sock, "endpoint_id": endpoint_id}

    def lan(self, broker_port=None, websocket=True, http=True):
        """Turns the LAN side on: the broker the devices use, the gateway's own WebSocket and image server."""
        if broker_port:
            self.conf["lan_mqtt_broker"] = f"127.0.0.1:{broker_port}"
        if websocket:
            self.lan_websocket_port = free_port()
            self.conf["lan_websocket_listen"] = f"127.0.0.1:{self.lan_websocket_port}"
        if http:
            port = free_port()
            self.conf["lan_http_listen"] = f"127.0.0.1:{port}"
            self.conf["lan_http_url"] = f"http://127.0.0.1:{port}"

    def tls(self, ca_file, cert_file=None, key_file=None):
        self.conf["tls_ca_file"] = ca_file
        if cert_file:
            self.conf["tls_certificate_file"] = cert_file
            self.conf["tls_key_file"] = key_file

    # -- running -----------------------------------------------------------------------------------------------------

    def write_config(self):
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.cache_dir.mkdir(parents=True, exist_ok=True)
        self.conf_file.write_text("".join(f"{k} = {v}\n" for k, v in self.conf.items()))
        self.factory_file.write_text("".join(f"{k} = {v}\n" for k, v in self.factory.items()))

    def start(self, timeout=20):
        self.write_config()
        super().start()
        self.wait_output(f"ready endpoint={self.endpoint_id}", timeout)
        return self

    def stop(self, timeout=10):
        """An orderly stop ends with 0: also under sanitizers and valgrind, which count errors and leaks there."""
        status = super().stop(timeout)
        assert status in (None, 0, -signal.SIGKILL), f"homepatchd ended with {status}:\n{self.output()[-4000:]}"
        return status

    def restart(self, kill=False):
        if kill:
            self.kill()
        else:
            self.stop()
        return self.start()

    @property
    def database(self):
        return self.state_dir / "homepatch.db"
