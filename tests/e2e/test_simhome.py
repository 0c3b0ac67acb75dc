# SPDX-License-Identifier: BSD-3-Clause
"""The simulated home by itself, seen with paho-mqtt and a plain WebSocket server: does it behave as the devices'
documentation says? No agent is involved."""

import json
import queue
import subprocess
import threading

import paho.mqtt.client as mqtt

from hptest import (
    Broker,
    Cleanup,
    ImageServer,
    SimHome,
    free_port,
    program,
    rss_kib,
    scenario,
    wait_until,
    write_image,
)
from hptest.wsserver import TEXT, Connection, WsServer


class MqttGateway:
    """Speaks the devices' RPC over a broker."""

    def __init__(self, port):
        self.answers, self.events, self.online = queue.Queue(), [], {}
        self.client = mqtt.Client("gateway")
        self.client.on_connect = lambda c, *_: c.subscribe([("gw/rpc", 1), ("+/events/rpc", 1), ("+/online", 1)])
        self.client.on_message = self._message
        self.client.max_queued_messages_set(0)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()

    def _message(self, _client, _userdata, message):
        first, last = message.topic.split("/", 1)
        if last == "online":
            self.online[first] = message.payload == b"true"
        elif message.topic == "gw/rpc":
            self.answers.put(json.loads(message.payload))
        else:
            try:
                self.events.append((first, json.loads(message.payload)))
            except (ValueError, RecursionError):
                self.events.append((first, None))

    def call(self, device, method, params=None):
        frame = {"id": 7, "src": "gw", "method": method}
        if params is not None:
            frame["params"] = params
        self.client.publish(f"{device}/rpc", json.dumps(frame), qos=1)
        return self.answers.get(timeout=10)

    def ota(self, device):
        """Names of the update events of one device so far, progress left out."""
        names = [
            e["event"]
            for d, f in self.events
            if d == device and f and f.get("method") == "NotifyEvent"
            for e in f["params"]["events"]
        ]
        return [n for n in names if n != "ota_progress"]


class WsGateway(WsServer):
    """What devices' outbound WebSockets connect to."""

    def __init__(self):
        super().__init__(free_port(), "/shelly", None, None, None)
        self.frames = []
        self.by_device = {}
        self.start()

    def _handshake(self, sock):
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(4096)
        key = [
            line.split(b":", 1)[1].strip()
            for line in data.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        ]
        assert data.startswith(b"GET /shelly "), data
        sock.sendall(self.upgrade_answer(key[0]))
        return Connection(sock, {}, None)

    def _frames(self, connection):
        while True:
            _fin, opcode, data = connection.read_frame()
            if opcode != TEXT:
                return
            try:
                frame = json.loads(data)
            except (ValueError, RecursionError):
                frame = None
            if frame and frame.get("method") == "NotifyFullStatus":
                self.by_device[frame["src"]] = connection
            self.frames.append(frame)

    def call(self, device, method, params=None):
        connection = self.by_device[device]
        connection.send(json.dumps({"id": 9, "src": "gw", "method": method, "params": params or {}}).encode(), TEXT)
        wait_until(lambda: any(f and f.get("id") == 9 for f in self.frames), 10, f"answer to {method}")
        answer = next(f for f in self.frames if f and f.get("id") == 9)
        self.frames.remove(answer)
        return answer

    def ota(self, device):
        return [
            e["event"]
            for f in list(self.frames)
            if f and f.get("method") == "NotifyEvent" and f["src"] == device
            for e in f["params"]["events"]
            if e["event"] != "ota_progress"
        ]


class _Bench:
    """A broker, a gateway on it, an image server and a simulated home."""

    def __init__(self, directory, *args, **options):
        self.cleanup = Cleanup()
        self.broker = self.cleanup.add(Broker(directory).start())
        self.gateway = self.cleanup.add(MqttGateway(self.broker.port))
        self.images = self.cleanup.add(ImageServer())
        self.home = self.cleanup.add(SimHome(directory, *args, mqtt_port=self.broker.port, **options).start())
        self.home.wait_online()
        self.devices = [d["id"] for d in self.home.devices()]
        wait_until(lambda: all(self.gateway.online.get(d) for d in self.devices), 10, "devices announce themselves")

    def image(self, directory, model, version, size=40000):
        path = directory / f"{model}-{version}.zip"
        write_image(path, model, version, size)
        self.images.add(f"/{path.name}", path)
        return f"{self.images.url}/{path.name}"


NEEDS = ("homepatch-simhome",)


@scenario(needs=NEEDS)
def rpc_over_mqtt(directory):
    b = _Bench(directory, "--devices", 3, "--seed", 5, "--offer", "1.5.0")
    device = b.devices[0]
    info = b.gateway.call(device, "Shelly.GetDeviceInfo", {"ident": True})
    assert info["id"] == 7 and info["src"] == device and info["dst"] == "gw", info
    result = info["result"]
    assert result["id"] == device and device.endswith(result["mac"].lower()), result
    assert result["model"] == "SNSW-001X16EU" and result["app"] == "Plus1" and result["ver"] == "1.4.4", result
    assert {"key", "batch", "fw_id", "gen", "slot", "auth_en"} <= set(result), result
    assert "key" not in b.gateway.call(device, "shelly.getdeviceinfo")["result"]
    assert b.gateway.call(device, "Shelly.Frobnicate")["error"]["code"] == 404
    assert b.gateway.call(device, "Shelly.Update", {"url": 5})["error"]["code"] == -103
    assert b.gateway.call(device, "Shelly.Update", {"url": "ftp://x/y"})["error"]["code"] == -103
    assert b.gateway.call(device, "Shelly.Update", {"stage": "gamma"})["error"]["code"] == -103
    assert b.gateway.call(device, "Shelly.GetDeviceInfo", [1])["error"]["code"] == -103
    assert b.gateway.call(device, "Shelly.CheckForUpdate")["result"]["stable"]["version"] == "1.5.0"
    assert b.gateway.call(device, "Sys.GetStatus")["result"]["available_updates"]["stable"]["version"] == "1.5.0"
    for method in b.gateway.call(device, "Shelly.ListMethods")["result"]["methods"]:
        if method not in ("Shelly.Update", "Shelly.Reboot"):
            assert "result" in b.gateway.call(device, method), method
    b.cleanup.run()


@scenario(needs=NEEDS)
def same_seed_same_home(directory):
    b = _Bench(directory, "--devices", 4, "--seed", 77)
    other = SimHome(directory, "--devices", 4, "--seed", 77, mqtt_port=b.broker.port, name="twin")
    b.home.stop()
    b.cleanup.add(other.start())
    assert [d["id"] for d in other.devices()] == b.devices
    b.cleanup.run()


@scenario(needs=NEEDS)
def update_over_mqtt(directory):
    b = _Bench(directory, "--devices", 2, "--models", "Plus1,Mini1G3")
    device = b.devices[0]
    url = b.image(directory, "Plus1", "1.6.0")
    assert b.gateway.call(device, "Shelly.Update", {"url": url})["result"] is None
    after = b.home.wait_device(0, lambda d: d["version"] == "1.6.0" and d["online"], what="runs 1.6.0")
    assert b.gateway.ota(device) == ["ota_begin", "ota_success"], b.gateway.ota(device)
    percents = [
        e["progress_percent"]
        for d, f in b.gateway.events
        if f["method"] == "NotifyEvent"
        for e in f["params"]["events"]
    ]
    assert percents == sorted(percents) and percents[-1] == 100 and len(percents) > 3, percents
    info = b.gateway.call(device, "Shelly.GetDeviceInfo")["result"]
    assert info["ver"] == "1.6.0" and info["fw_id"] == after["fw_id"] and "1.6.0-g" in info["fw_id"], info
    assert after["count"]["boots"] == 2 and after["count"]["update_requests"] == 1, after
    assert b.images.count("/Plus1-1.6.0.zip") == 1
    # The same image is not one for the other product, and a broken one is for nobody.
    b.gateway.call(b.devices[1], "Shelly.Update", {"url": url})
    b.home.wait_device(1, lambda d: d["count"]["updates_failed"] == 1)
    b.images.paths["/Plus1-1.6.0.zip"].body = b.images.paths["/Plus1-1.6.0.zip"].body.replace(b"\x00", b"\x01")
    b.gateway.call(device, "Shelly.Update", {"url": url})
    b.home.wait_device(0, lambda d: d["count"]["updates_failed"] == 1)
    b.gateway.call(device, "Shelly.Update", {"url": b.images.url + "/nothing"})
    b.home.wait_device(0, lambda d: d["count"]["updates_failed"] == 2)
    wait_until(lambda: b.gateway.ota(device)[2:] == ["ota_begin", "ota_error"] * 2, 5, "errors told")
    b.cleanup.run()


@scenario(needs=NEEDS)
def own_image_writer(directory):
    """`make-image` writes what python's zipfile accepts and a device installs."""
    b = _Bench(directory, "--devices", 1, "--models", "S4PL-00416EU")
    path = directory / "own.zip"
    subprocess.run(
        [
            program("homepatch-simhome"),
            "make-image",
            "--model",
            "PowerStrip",
            "--version",
            "2.0.0",
            "--size",
            "5000",
            path,
        ],
        check=True,
    )
    subprocess.run(["python3", "-m", "zipfile", "-t", path], check=True, stdout=subprocess.DEVNULL)
    b.images.add("/own", path)
    b.gateway.call(b.devices[0], "Shelly.Update", {"url": b.images.url + "/own"})
    b.home.wait_device(0, lambda d: d["version"] == "2.0.0" and d["online"])
    b.cleanup.run()


@scenario(needs=NEEDS)
def update_over_websocket(directory):
    cleanup = Cleanup()
    gateway = cleanup.add(WsGateway())
    images = cleanup.add(ImageServer())
    home = cleanup.add(SimHome(directory, "--devices", 2, "--models", "Plus1", websocket_port=gateway.port).start())
    home.wait_online()
    device, other = (d["id"] for d in home.devices())
    wait_until(lambda: {device, other} <= set(gateway.by_device), 5, "devices say who they are")
    assert gateway.frames[0]["params"]["sys"]["mac"]
    assert gateway.call(device, "Shelly.GetDeviceInfo")["result"]["id"] == device
    assert gateway.call(device, "No.Such")["error"]["code"] == 404
    write_image(directory / "i.zip", "Plus1", "1.7.0", 30000)
    images.add("/i", directory / "i.zip")
    assert gateway.call(device, "Shelly.Update", {"url": images.url + "/i"})["result"] is None
    home.wait_device(0, lambda d: d["version"] == "1.7.0" and d["online"], what="runs 1.7.0")
    assert gateway.ota(device) == ["ota_begin", "ota_success"], gateway.ota(device)
    wait_until(
        lambda: sum(1 for f in gateway.frames if f and f.get("method") == "NotifyFullStatus") == 3,
        5,
        "says hello again",
    )
    assert gateway.call(device, "Shelly.GetDeviceInfo")["result"]["ver"] == "1.7.0"
    cleanup.run()


@scenario(needs=NEEDS)
def offers(directory):
    b = _Bench(directory, "--devices", 2)
    device = b.devices[0]
    assert b.gateway.call(device, "Shelly.CheckForUpdate")["result"] == {}
    assert b.gateway.call(device, "Shelly.Update", {"stage": "stable"})["error"]["code"] == -114
    b.home.command("offer", 0, "1.9.0")
    wait_until(
        lambda: any(
            f and f["params"].get("sys", {}).get("available_updates") for d, f in b.gateway.events if d == device
        ),
        5,
        "offer told",
    )
    assert b.gateway.call(device, "Shelly.Update", {"stage": "stable"})["result"] is None
    b.home.wait_device(0, lambda d: d["version"] == "1.9.0" and d["online"])
    assert b.gateway.call(device, "Shelly.CheckForUpdate")["result"] == {}
    b.cleanup.run()


@scenario(needs=NEEDS)
def faults(directory):
    b = _Bench(directory, "--devices", 9, "--models", "Plus1", "--fault", "1:refuses", "--fault", "2:fails")
    url = b.image(directory, "Plus1", "1.6.0", 200000)
    names = {3: "no-return", 4: "old-version", 5: "wrong-model", 6: "new-identity", 7: "mute", 8: "power-cut"}
    for index, name in names.items():
        b.home.fault(index, name)
    before = b.home.devices()
    assert b.gateway.call(b.devices[1], "Shelly.Update", {"url": url})["error"]["code"] == -109
    for index in (2, 3, 4, 5, 6, 8):
        b.gateway.call(b.devices[index], "Shelly.Update", {"url": url})
    b.home.wait_device(2, lambda d: d["count"]["updates_failed"] == 1 and d["progress"] < 50)
    b.home.wait_device(3, lambda d: d["state"] == "off", what="stays away")
    b.home.wait_device(4, lambda d: d["count"]["boots"] == 2 and d["version"] == "1.4.4" and d["online"])
    b.home.wait_device(5, lambda d: d["version"] == "1.6.0" and d["app"] != "Plus1" and d["online"])
    b.home.wait_device(6, lambda d: d["version"] == "1.6.0" and d["mac"] != before[6]["mac"] and d["online"])
    b.home.wait_device(8, lambda d: d["count"]["boots"] == 2 and d["version"] == "1.4.4" and d["online"])
    wait_until(lambda: b.gateway.online[b.devices[3]] is False, 5, "last will")
    wait_until(lambda: b.gateway.ota(b.devices[2]) == ["ota_begin", "ota_error"], 5, "failure told")
    assert b.gateway.ota(b.devices[8]) == ["ota_begin"]
    try:
        b.gateway.client.publish(f"{b.devices[7]}/rpc", '{"id":1,"src":"gw","method":"Shelly.GetStatus"}')
        b.gateway.answers.get(timeout=0.3)
        raise AssertionError("a mute device answered")
    except queue.Empty:
        pass
    b.cleanup.run()


@scenario(needs=NEEDS)
def noise(directory):
    b = _Bench(directory, "--devices", 3, "--flood-rate", 3000)
    b.home.fault(0, "flood")
    b.home.fault(1, "garbage")
    wait_until(lambda: len(b.gateway.events) > 3000, 20, "flood")
    wait_until(lambda: sum(1 for d, f in b.gateway.events if d == b.devices[1] and f is None) >= 4, 20, "garbage")
    assert b.gateway.call(b.devices[2], "Sys.GetStatus")["result"]
    b.home.fault("all", "none")
    b.cleanup.run()


@scenario(needs=NEEDS)
def power_and_broker_restart(directory):
    b = _Bench(directory, "--devices", 3)
    b.home.command("offline", 1)
    wait_until(lambda: b.gateway.online[b.devices[1]] is False, 5, "last will")
    assert not b.home.device(1)["online"]
    b.home.command("online", 1)
    b.home.wait_device(1, lambda d: d["online"])
    b.broker.stop()
    wait_until(lambda: not any(d["online"] for d in b.home.devices()), 10, "connections lost")
    b.broker.start()
    b.home.wait_online()
    b.home.command("version", 2, "3.0.0")
    b.home.wait_device(2, lambda d: d["version"] == "3.0.0" and d["online"])
    b.cleanup.run()


@scenario(timeout=90, needs=NEEDS)
def thousand_devices(directory):
    """1,000 devices in one process, half on each transport."""
    cleanup = Cleanup()
    broker = cleanup.add(Broker(directory).start())
    gateway = cleanup.add(WsGateway())
    threading.stack_size(256 * 1024)
    home = cleanup.add(
        SimHome(directory, "--devices", 1000, mqtt_port=broker.port, websocket_port=gateway.port).start()
    )
    home.wait_online(1000, timeout=60)
    assert len({d["id"] for d in home.devices()}) == 1000
    wait_until(lambda: len(gateway.by_device) == 500, 20, "every WebSocket device said hello")
    assert rss_kib(home.pid) < 200 * 1024, rss_kib(home.pid)
    cleanup.run()
