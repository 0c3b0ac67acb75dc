# SPDX-License-Identifier: BSD-3-Clause
"""A whole test home: brokers, simulated devices, the agent, an image server and controllers, and the few questions that
the scenarios ask again and again."""

import ctypes
import itertools
import os
import shutil
import subprocess

from hptest import (
    FULL_ACCESS,
    Agent,
    Broker,
    Cleanup,
    Controller,
    ImageServer,
    MqttTransport,
    Pki,
    SimHome,
    Skip,
    UdsTransport,
    WsClientTransport,
    wait_until,
    write_image,
)

PROXIED = "Device.ProxiedDevice."
IMAGES = PROXIED + "*.DeviceInfo.FirmwareImage.*."
NEEDS = ("homepatchd", "homepatch-simhome")
OLD, NEW = "1.4.4", "1.6.0"
CLONE_NEWNET = 0x40000000

_keys = itertools.count(1)


def own_network(gateway):
    """This process and those it starts have a network of their own, where every address of 10.66/16 is at home. Loopback
    would not do: this machine's own addresses are not limited."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        raise Skip("network namespaces need root and iproute2")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) < 0:
        raise Skip(f"network namespaces cannot be made here: {os.strerror(ctypes.get_errno())}")
    for args in ("link set lo up", f"addr add {gateway}/32 dev lo", "route add local 10.66.0.0/16 dev lo"):
        subprocess.run(["ip", *args.split()], check=True)


class Home:
    """`mqtt` and `websocket` are how many Shelly devices there are on each transport, `families` how many of others, all
    at the broker; their ids are in `ids`, in the order of their index in the simulated home. Controllers are made by the
    ..._controller() methods before start()."""

    def __init__(self, directory, mqtt=1, websocket=1, models="Plus1", sim=(), tls=True, families=None, version=OLD):
        broker = mqtt or families
        self.dir = directory
        self.cleanup = Cleanup()
        self.pki = Pki(directory / "pki")
        server = self.pki.issue("server")
        self.images = self.cleanup.add(ImageServer(tls=server))
        self.lan = self.cleanup.add(Broker(directory, "lan").start())
        self.wan = self.cleanup.add(
            Broker(directory, "wan", tls=(self.pki.ca_file, *server) if tls else None).start()
        )
        self.agent = Agent(directory)
        self.agent.lan(self.lan.port if broker else None, websocket=websocket > 0)
        # Patience that a test can afford; the simulated devices fetch and restart in a moment.
        self.agent.conf.update(install_retries=1, install_retry_wait=1, transfer_timeout=5, reboot_timeout=5)
        gateway = self.pki.issue("gateway", uris=["urn:bbf:usp:id:os::012345-GW000001"])
        self.agent.tls(self.pki.ca_file, *gateway)
        self.tls = tls
        self.sim = SimHome(
            directory,
            "--models",
            models,
            "--version",
            version,
            *(word for name, count in (families or {}).items() for word in ("--with", f"{name}={count}")),
            *sim,
            *(("--mqtt-devices", mqtt) if mqtt else ()),
            *(("--websocket-devices", websocket) if websocket else ()),
            mqtt_port=self.lan.port if broker else None,
            websocket_port=self.agent.lan_websocket_port,
        )
        self.model = models.split(",")[0]
        self.controllers = []
        self.ids = []
        self.rows = {}  # device id -> path of its row
        self.requests = {}  # command key -> path of its row in Device.LocalAgent.Request.

    # -- controllers ---------------------------------------------------------------------------------------------

    def _client_tls(self, name):
        return (self.pki.ca_file, *self.pki.issue(name)) if self.tls else None

    def mqtt_controller(self, endpoint_id="self::ctl", version="5.0", role=FULL_ACCESS):
        name = endpoint_id.rsplit(":", 1)[-1]
        where = self.agent.mqtt(
            self.wan.port,
            endpoint_id,
            topic=f"usp/{name}",
            agent_topic=f"usp/agent-{name}",
            version=version,
            tls=self.tls,
            role=role,
        )
        return self._controller(MqttTransport(tls=self._client_tls(name), **where), endpoint_id)

    def ws_controller(self, endpoint_id="self::web", tls=True, role=FULL_ACCESS):
        """Connects to the agent's WebSocket server."""
        where = self.agent.ws_server(endpoint_id, tls=tls, role=role)
        return self._controller(
            WsClientTransport(tls=self._client_tls("web") if tls else None, **where), endpoint_id
        )

    def uds_controller(self, endpoint_id="self::uds", role=FULL_ACCESS):
        return self._controller(UdsTransport(**self.agent.uds(endpoint_id, role)), endpoint_id)

    def _controller(self, transport, endpoint_id):
        controller = Controller(transport, endpoint_id, self.agent.endpoint_id)
        self.controllers.append(self.cleanup.add(controller))
        return controller

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self, devices=True):
        """Everything up; every controller connected and answered; every device listed and online."""
        self.cleanup.add(self.agent)
        self.agent.start()
        if devices:
            self.cleanup.add(self.sim.start())
        for controller in self.controllers:
            controller.connect()
            self.wait_answers(controller)
        if devices:
            self.ids = [d["id"] for d in self.sim.devices()]
            self.wait_listed()
        return self

    def wait_answers(self, controller, timeout=15):
        """Until the agent answers on that transport: over MQTT it may still be subscribing."""

        def ask():
            try:
                return controller.get("Device.LocalAgent.EndpointID", timeout=1)
            except AssertionError:
                return None

        return wait_until(ask, timeout, f"agent answers {controller.endpoint_id}", interval=0.05)

    def reboot(self):
        """Device.Reboot(), until the agent of the next life answers."""
        before = self.agent.log.read_text().count("ready endpoint=")
        self.ctl.operate("Device.Reboot()")
        wait_until(lambda: self.agent.log.read_text().count("ready endpoint=") > before, 20, "the agent is up again")
        self.ctl.close()
        self.ctl.connect()
        self.wait_answers(self.ctl)

    def wait_listed(self, timeout=20):
        """Until every simulated device has a row that is online."""
        wanted = {d["mac"] for d in self.sim.devices() if "offline" not in d["faults"]}

        def listed():
            online = self.ctl.get(PROXIED + "*.Online")
            macs = {v: k for k, v in self.ctl.get(PROXIED + "*.DeviceInfo.SerialNumber").items()}
            rows = {mac: path.split("DeviceInfo.")[0] for mac, path in macs.items()}
            return rows if all(online.get(rows.get(m, "") + "Online") == "true" for m in wanted) else None

        by_mac = wait_until(listed, timeout, "every device listed online", interval=0.1)
        self.rows = {d["id"]: by_mac[d["mac"]] for d in self.sim.devices() if d["mac"] in by_mac}

    @property
    def ctl(self):
        """The first controller: the one that scenarios with one controller talk through."""
        return self.controllers[0]

    def stop(self):
        self.cleanup.run()

    # -- firmware ------------------------------------------------------------------------------------------------

    def image(self, version=NEW, model=None, size=60000, path=None, https=True, **behaviour):
        """Puts an image on the server; (url, sha256, size, Behaviour)."""
        model = model or self.model
        file = self.dir / f"{model}-{version}-{size}.zip"
        digest, length = write_image(file, model, version, size)
        path = path or f"/{file.name}"
        what = self.images.add(path, file, **behaviour)
        return (self.images.https_url if https else self.images.url) + path, digest, length, what

    def info(self, device):
        """Path of the device's DeviceInfo; `device` is its index."""
        return self.rows[self.ids[device]] + "DeviceInfo."

    def slots(self, device, ctl=None):
        """{FirmwareImage row path: {parameter: value}} in order."""
        table = {}
        values = (ctl or self.ctl).get(self.info(device) + "FirmwareImage.")
        for path, value in sorted(values.items()):
            row, name = path.rsplit(".", 1)
            table.setdefault(row + ".", {})[name] = value
        return table

    def free_slot(self, device, ctl=None):
        """A row to download into: an empty one, else any that is not active."""
        slots = self.slots(device, ctl)
        for wanted in ("NoImage", None):
            for path, row in slots.items():
                if row["Status"] == wanted or (wanted is None and row["Status"] != "Active"):
                    return path
        raise AssertionError(f"no free row: {slots}")

    def status(self, slot):
        return self.ctl.value(slot + "Status")

    def wait_status(self, slot, status, timeout=15):
        wait_until(lambda: self.status(slot) == status, timeout, f"{slot}Status is {status}", interval=0.05)

    def subscribe(self, ctl=None, keep=False):
        """What an operator wants to hear of updates. keep: subscriptions outlive the agent, notifications are repeated."""
        ctl = ctl or self.ctl
        for name, kind, paths in (
            ("done", "OperationComplete", [IMAGES + "Download()", IMAGES + "Activate()"]),
            ("transfer", "Event", "Device.LocalAgent.TransferComplete!"),
            ("version", "ValueChange", PROXIED + "*.DeviceInfo.SoftwareVersion"),
            ("status", "ValueChange", IMAGES + "Status"),
        ):
            ctl.subscribe(name, kind, paths, retry=keep, Persistent=keep)

    def download(self, slot, url, ctl=None, auto=False, **args):
        """Starts it; returns the command key."""
        return self._start(slot + "Download()", {"URL": url, "AutoActivate": auto, **args}, ctl)

    def activate(self, slot, *windows, ctl=None):
        """windows: (start, end, mode)."""
        args = {}
        for number, (start, end, mode) in enumerate(windows, 1):
            prefix = f"TimeWindow.{number}."
            args.update({prefix + "Start": start, prefix + "End": end, prefix + "Mode": mode})
        return self._start(slot + "Activate()", args, ctl)

    def _start(self, command, args, ctl):
        key = f"key{next(_keys)}"
        kind, value = (ctl or self.ctl).operate(command, args, key)[command]
        assert kind == "request", f"{command}: {kind} {value}"
        self.requests[key] = value
        return key

    def wait_done(self, key, timeout=30, ctl=None):
        """The OperationComplete of that command: None for success, else (err_code, err_msg)."""
        notify = (ctl or self.ctl).wait_notify(
            lambda n: n.WhichOneof("notification") == "oper_complete" and n.oper_complete.command_key == key,
            timeout,
            f"OperationComplete of {key}",
        )
        failure = notify.oper_complete
        if failure.WhichOneof("operation_resp") == "cmd_failure":
            return failure.cmd_failure.err_code, failure.cmd_failure.err_msg
        return None

    def wait_transfer(self, key, timeout=10, ctl=None):
        """The parameters of the TransferComplete! event of that command."""
        notify = (ctl or self.ctl).wait_notify(
            lambda n: n.event.event_name == "TransferComplete!" and n.event.params.get("CommandKey") == key,
            timeout,
            f"TransferComplete! of {key}",
        )
        return dict(notify.event.params)

    def done_count(self, key, ctl=None):
        return len((ctl or self.ctl).matching(lambda n: n.oper_complete.command_key == key))

    def transfer_count(self, key, ctl=None):
        return len((ctl or self.ctl).matching(lambda n: n.event.params.get("CommandKey") == key))

    def must_succeed(self, key, timeout=30):
        failure = self.wait_done(key, timeout)
        assert failure is None, f"{key} failed: {failure}"

    def must_fail(self, key, timeout=30):
        failure = self.wait_done(key, timeout)
        assert failure is not None, f"{key} succeeded"
        return failure

    def downloaded(self, device, **image):
        """A slot that holds an image, ready to be activated."""
        slot = self.free_slot(device)
        url, digest, _, _ = self.image(**image)
        self.must_succeed(self.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=digest))
        assert self.status(slot) == "Available", self.status(slot)
        return slot
