#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demonstration that ./quickstart runs: a home of two dozen simulated devices of all dialects (kinds.py), the agent, two brokers, an https image server and two controllers, one over MQTT with TLS and one over WebSocket with TLS.
Both controllers speak through protoc's encoder, not the agent's. Everything is on loopback, in one temporary directory."""

import argparse
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "lib"))
from hptest import (Agent, Broker, Cleanup, Controller, ImageServer, MqttTransport, Pki, SimHome,  # noqa: E402
                    UspDevice, WsClientTransport, build_dir, free_port, wait_until)
from kinds import DEVICES, KINDS, kind_of  # noqa: E402

FETCH_RATE = 400_000        # bytes per second of each transfer, so that there is progress to see
CANARY_SOAK_S = 3           # of each model one device goes first; minutes in a real home
# Now, and once: the device that will fail is not tried again.
WINDOW = {"TimeWindow.1.Start": 0, "TimeWindow.1.End": 3600, "TimeWindow.1.Mode": "Immediately",
          "TimeWindow.1.MaxRetries": 0}
TERMINAL = sys.stdout.isatty()


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if TERMINAL else text


def title(text):
    print("\n" + paint("1", text), flush=True)


def say(text):
    print("  " + text, flush=True)


class Device:
    """One row of Device.ProxiedDevice as a controller knows it, and what became of its update."""

    def __init__(self, path, values):
        self.path = path
        self.name = values["Name"] or path
        self.protocol = values["ProxyProtocol"].split("_", 2)[-1]
        self.kind = kind_of(values)
        self.values = values
        self.model = values["DeviceInfo.ModelName"]
        self.before = values["DeviceInfo.SoftwareVersion"]
        self.after = ""
        self.slot = ""      # the path of the FirmwareImage row that takes the new image
        self.phase = ""     # the command that runs
        self.state = ""
        self.progress = 0
        self.fault = ""
        self.done = False


class Home:
    """Everything that runs. The order of the steps in start() is the order of stopping, reversed."""

    def __init__(self, directory, cleanup):
        self.dir, self.cleanup = directory, cleanup

    def keys(self):
        pki = Pki(self.dir / "pki")
        self.server, self.gateway, self.operator = (pki.issue(n) for n in ("server", "gateway", "operator"))
        self.ca = pki.ca_file

    def services(self):
        self.operator_broker = self.cleanup.add(
            Broker(self.dir, "operator-broker", tls=(self.ca, *self.server)).start())
        self.lan_broker = self.cleanup.add(Broker(self.dir, "lan-broker").start())
        self.images = self.cleanup.add(ImageServer(tls=self.server))
        self.published = {}

    def publish(self, device, version):
        """Puts an image for a device and its like on the image server; (URL, SHA-256, size)."""
        key = (*device.kind.group(device.values), version)
        if key not in self.published:
            file, digest, size = device.kind.image(self.dir, device.values, version)
            self.images.add(f"/{file.name}", file, rate=FETCH_RATE)
            self.published[key] = (f"{self.images.https_url}/{file.name}", digest, size)
        return self.published[key]

    def gateway_agent(self):
        self.agent = Agent(self.dir, log_level="info")
        mqtt = self.agent.mqtt(self.operator_broker.port, "self::operator-a", topic="usp/operator-a", tls=True)
        websocket = self.agent.ws_server("self::operator-b", tls=True)
        self.socket = self.agent.uds("self::homepatch")["path"]
        self.agent.tls(self.ca, *self.gateway)
        self.agent.lan(self.lan_broker.port)
        self.agent.conf["parallel_installs"] = DEVICES // 2
        self.agent.conf["transfer_timeout"] = 60
        self.agent.conf["canary_soak"] = CANARY_SOAK_S
        self.page = free_port()
        self.agent.conf["resident_listen"] = f"127.0.0.1:{self.page}"
        self.agent.conf["resident_names"] = "localhost"
        self.cleanup.add(self.agent.start())
        tls = (self.ca, *self.operator)
        self.a = self.cleanup.add(Controller(
            MqttTransport(mqtt["port"], mqtt["topic"], mqtt["agent_topic"], tls=tls), "self::operator-a"))
        self.b = self.cleanup.add(Controller(
            WsClientTransport(websocket["port"], websocket["path"], "self::operator-b", tls=tls), "self::operator-b"))
        self.a.connect(send_connect_record=True)
        self.b.connect()

    def devices(self):
        shelly = {kind.protocol.rsplit("-")[-1]: kind.count for kind in KINDS if kind.family == "shelly"}
        others = [kind for kind in KINDS if kind.family not in ("shelly", "usp")]
        self.sim = self.cleanup.add(SimHome(
            self.dir, "--mqtt-devices", shelly["MQTT"], "--websocket-devices", shelly["WebSocket"],
            *(word for kind in others for word in ("--with", f"{kind.family}={kind.count}")),
            "--fetch-rate", FETCH_RATE, mqtt_port=self.lan_broker.port,
            websocket_port=self.agent.lan_websocket_port, reboot_ms=1500).start())
        self.sim.wait_online()
        usp = next(kind for kind in KINDS if kind.family == "usp")
        self.agents = {f"D{n}": self.cleanup.add(UspDevice(
            self.dir, f"os::0A0B0C-D{n}", f"{self.agent.endpoint_id}-lan", usp.before, transport="mqtt", tls="false",
            port=self.lan_broker.port, confirm_time=10).start()) for n in range(1, usp.count + 1)}
        for kind in others:
            if kind.offered:
                self.sim.command("offer", kind.family, kind.new)

    def truth(self, device):
        """The version that the device itself says it runs."""
        if device.kind.family == "usp":
            return self.agents[device.values["DeviceInfo.SerialNumber"]].version
        for sim in self.sim.devices():
            if device.name in (sim["id"], sim.get("name")) or device.name.endswith(sim["id"].split("_")[-1]):
                return sim["version"]
        raise AssertionError(f"{device.name} is not simulated")


def inventory(controller):
    """Every proxied device that has told its version, through one Get."""
    rows = {}
    for path, value in controller.get("Device.ProxiedDevice.").items():
        table, number, name = path.removeprefix("Device.").split(".", 2)
        rows.setdefault(f"Device.{table}.{number}.", {})[name] = value
    return [Device(path, values) for path, values in rows.items() if kind_of(values)]


def wait_inventory(controller):
    def complete():
        devices = inventory(controller)
        return devices if len(devices) == DEVICES else None
    return wait_until(complete, 30, f"{DEVICES} devices in the inventory")


class Operator:
    """Updates some devices through one controller: Download() into a free slot, then Activate()."""

    def __init__(self, home, controller, name, devices):
        self.home, self.controller, self.name, self.devices = home, controller, name, devices
        self.results = {}       # OperationComplete by command key
        self.by_path = {d.path: d for d in devices}
        controller.notifies = self      # what arrives comes to append()
        controller.subscribe(f"{name}-done", "OperationComplete", "Device.ProxiedDevice.")
        controller.subscribe(f"{name}-moves", "ValueChange", "Device.ProxiedDevice.*.X_HOMEPATCH_Update.")
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        """Every command is given as soon as it can be; the agent keeps the order and the limits."""
        for device in self.devices:
            self.attempt(device, self.download)
        for device in self.devices:
            self.attempt(device, self.activate)
        for device in self.devices:
            self.attempt(device, self.finish)

    def attempt(self, device, step):
        if device.done:
            return
        try:
            step(device)
        except AssertionError as problem:
            self.end(device, str(problem))

    def download(self, device):
        """What the maker offers is there already; anything else is fetched into a slot that is free."""
        if device.kind.offered:
            device.slot = wait_until(lambda: self.offered(device), 30, f"offer for {device.name}")
            return
        url, digest, size = self.home.publish(device, device.kind.new)
        values = self.controller.get(device.path + "DeviceInfo.FirmwareImage.")
        device.slot = next(p for p, v in values.items() if p.endswith(".Status") and v == "NoImage").removesuffix("Status")
        device.phase = "Download()"
        self.controller.operate(f"{device.slot}Download()", {
            "URL": url, "AutoActivate": False, "FileSize": size, "CheckSumAlgorithm": "SHA-256",
            "CheckSum": digest}, f"{self.name}-download-{device.path}")

    def offered(self, device):
        values = self.controller.get(device.path + "DeviceInfo.FirmwareImage.")
        return next((p.removesuffix("Status") for p, v in values.items()
                     if p.endswith(".Status") and v == "Available"), None)

    def activate(self, device):
        if not device.kind.offered:
            self.complete(device, f"{self.name}-download-{device.path}")
        device.phase, device.state, device.progress = "Activate()", "", 0
        self.controller.operate(f"{device.slot}Activate()", WINDOW, f"{self.name}-activate-{device.path}")

    def finish(self, device):
        self.complete(device, f"{self.name}-activate-{device.path}")
        device.after = self.controller.value(device.path + "DeviceInfo.SoftwareVersion")
        self.end(device, "")

    def complete(self, device, key):
        """Waits for the OperationComplete; a failure raises the agent's own words."""
        done = wait_until(lambda: self.results.get(key), 90, f"OperationComplete of {device.phase}")
        if done.WhichOneof("operation_resp") == "cmd_failure":
            raise AssertionError(f"{done.cmd_failure.err_msg} ({done.cmd_failure.err_code})")

    def end(self, device, fault):
        device.fault, device.done = fault, True
        device.state = "failed" if fault else "updated"

    def append(self, msg):
        """A notification: a result, or a step of an update."""
        notify = msg.body.request.notify
        if notify.WhichOneof("notification") == "oper_complete":
            self.results[notify.oper_complete.command_key] = notify.oper_complete
        elif notify.WhichOneof("notification") == "value_change":
            path, _, name = notify.value_change.param_path.partition("X_HOMEPATCH_Update.")
            device = self.by_path.get(path)
            if device and name == "Progress":
                device.progress = int(notify.value_change.param_value or 0)
            elif device and name == "JobState" and not device.done:
                device.state = notify.value_change.param_value


def bar(device):
    percent = 100 if device.state == "updated" else device.progress
    state = device.state if device.done else f"{device.phase} {device.state}"
    text = f"{device.name:<28} {device.protocol:<18} [{'#' * (percent // 5):<20}] {percent:3} %  {state}"
    return paint("31" if device.fault else "32" if device.done else "0", text)


def watch(operators):
    """Shows the progress of all devices until every operator is done: bars on a terminal, else a line per change."""
    devices = [d for o in operators for d in o.devices]
    shown, lines = {}, 0
    while True:
        alive = any(o.thread.is_alive() for o in operators)
        if TERMINAL:
            print(f"\033[{lines}A" if lines else "", end="")
            for device in devices:
                print("\033[2K  " + bar(device))
            lines = len(devices)
        else:
            for device in devices:
                now = (device.state, device.progress // 34)
                if shown.get(device.path) != now and device.state in ("Transferring", "Rebooting", "updated", "failed"):
                    shown[device.path] = now
                    say(bar(device).rstrip())
        sys.stdout.flush()
        if not alive:
            return
        for operator in operators:
            operator.thread.join(0.1)


def summary(home, devices, victim, seconds):
    """The closing words, and whether all went as it should: the devices themselves are asked, not only the agent."""
    title("Summary")
    good = True
    for device in devices:
        runs = home.truth(device)
        if device is victim:
            as_expected = bool(device.fault) and runs == device.before
        else:
            as_expected = not device.fault and device.after == device.kind.new and runs == device.kind.new
        good = good and as_expected
        end = paint("31", "FAILED  " + device.fault) if device.fault else paint("32", "updated")
        say(f"{device.name:<28} {device.protocol:<18} {device.before:>8} -> {device.after or device.before:<8} {end}")
    updated = sum(not d.fault for d in devices)
    gets = sum(home.images.count(path) for path in home.images.paths)
    say("")
    say(f"{updated} of {len(devices)} devices updated in {seconds:.0f} s; {len(home.published)} images, "
        f"fetched from the image server {gets} times, by the gateway only.")
    if good:
        say(f"{victim.name} was made to fail: it kept its version {victim.before}, and the result says why.")
    say(paint("32", "Everything as it should be.") if good else paint("31", "This is not what should have happened."))
    return good


def demonstrate(home):
    title("Starting")
    begin = time.monotonic()
    home.keys()
    say("keys: an authority, and certificates for the servers, the gateway and the operator")
    home.services()
    say("two brokers (the operator's with TLS, the home's) and an https image server")
    home.gateway_agent()
    say("homepatchd, with one controller over MQTT with TLS and one over WebSocket with TLS")
    home.devices()
    say(f"a home of {DEVICES} simulated devices ({time.monotonic() - begin:.1f} s so far)")

    title("The inventory, as each controller reads it")
    devices = wait_inventory(home.a)
    assert sorted(d.path for d in wait_inventory(home.b)) == sorted(d.path for d in devices)
    for device in devices:
        say(f"{device.name:<28} {device.model:<16} {device.before:<10} {device.protocol:<18} {device.path}")

    title("Updating: Download(), then Activate(); what makers offer is activated as it is")
    first = [d for d in devices if d.protocol in ("Shelly-MQTT", "Tasmota-MQTT", "Zigbee2MQTT")]
    second = [d for d in devices if d not in first]
    victim = [d for d in second if d.kind.family == "shelly"][-1]
    home.sim.fault(victim.name, "fails")
    say(f"({victim.name} will give up in the middle of it)")
    begin = time.monotonic()
    operators = [Operator(home, home.a, "a", first), Operator(home, home.b, "b", second)]
    for operator in operators:
        operator.thread.start()
    watch(operators)
    return summary(home, devices, victim, time.monotonic() - begin), devices, victim


def serve(home, devices, victim):
    """Mends the device that failed, puts newer images on the image server, says what to try, and waits."""
    home.sim.fault(victim.name, "none")
    mended = home.publish(victim, victim.kind.new)[0]
    newer = {device.model: home.publish(device, device.kind.next)[0] for device in devices if not device.kind.offered}
    for kind in KINDS:
        if kind.offered:
            home.sim.command("offer", kind.family, kind.next)
    number = victim.path.rstrip(".").rsplit(".", 1)[-1]
    title("The home goes on running. In another terminal:")
    say(f"export PATH={build_dir()}:$PATH HOMEPATCH_SOCKET={home.socket}")
    say("homepatch devices")
    say(f"homepatch download {number} {mended} --activate     # the one that failed, mended now")
    say("homepatch consent policy ask; homepatch consent-code     # for the resident's page:")
    say(f"    https://localhost:{home.page}/")
    say(f"homepatch doctor --config {home.agent.conf_file}")
    say("")
    say("Newer images, for `homepatch download --all --model MODEL URL`, then `homepatch activate --all`:")
    for model, url in newer.items():
        say(f"  {model:<14} {url}")
    say("Ctrl-C ends it.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass


def main():
    parser = argparse.ArgumentParser(prog="quickstart", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="leave the home running afterwards, until Ctrl-C")
    parser.add_argument("--keep", action="store_true", help="keep the directory with keys, logs and state")
    args = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="homepatch-quickstart-"))
    cleanup, good = Cleanup(), False
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        home = Home(directory, cleanup)
        good, devices, victim = demonstrate(home)
        if args.serve:
            serve(home, devices, victim)
    except AssertionError as problem:
        print(paint("31", f"\nquickstart: {problem}"), file=sys.stderr)
    finally:
        cleanup.run()
        if good and not args.keep:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"Logs, keys and state are in {directory}")
    return 0 if good else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
