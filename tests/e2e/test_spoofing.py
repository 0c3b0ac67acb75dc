# SPDX-License-Identifier: BSD-3-Clause
"""One device of the home speaks in the name of another. Behind the access list that homepatch lan-broker makes nothing of
it arrives; without one (grade C) what can be told apart is refused and counted, what cannot is quarantined, and in either
case an honest device is updated beside it and no job ends with a result that is not true."""

import json
import re
import signal

import paho.mqtt.client as mqtt
from cli import Cli
from home import NEEDS, NEW, OLD, PROXIED, Home
from hptest import (
    Agent,
    Cleanup,
    ImageServer,
    LanBroker,
    Pki,
    SimHome,
    UspDevice,
    scenario,
    wait_until,
    write_device_image,
)

IDENTITY = "X_HOMEPATCH_Identity."
NEEDS = (*NEEDS, "homepatch")


class Peer:
    """An MQTT client that a test plays by hand. Everything that it hears is in `heard`."""

    def __init__(self, port, name, password=None, client_id=None, will=None):
        self.heard = []
        self.answer = None  # called with each message
        self.result = None  # of CONNECT
        self.connected = False
        self.mqtt = mqtt.Client(client_id or f"test-{name}", protocol=mqtt.MQTTv311)
        if password:
            self.mqtt.username_pw_set(name, password)
        if will:
            self.mqtt.will_set(*will, qos=1, retain=True)
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_disconnect = self._on_disconnect
        self.mqtt.on_message = self._on_message
        self.mqtt.connect_async("127.0.0.1", port)
        self.mqtt.loop_start()

    def _on_connect(self, client, data, flags, result):
        self.result, self.connected = result, result == 0

    def _on_disconnect(self, client, data, result):
        self.connected = False

    def _on_message(self, client, data, message):
        self.heard.append((message.topic, message.payload))
        if self.answer:
            self.answer(message)

    def wait(self):
        wait_until(lambda: self.connected, 10, "the peer is connected")
        return self

    def listen(self, *topics):
        for topic in topics:
            self.mqtt.subscribe(topic, 1)
        return self

    def say(self, topic, payload, retain=False):
        if not isinstance(payload, (str, bytes)):
            payload = json.dumps(payload)
        self.mqtt.publish(topic, payload, 1, retain).wait_for_publish()

    def stop(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def die(self):
        """As by a power cut: the broker says the last will."""
        self.mqtt.loop_stop()
        self.mqtt.socket().close()


class Guarded(Home):
    """A home whose broker knows each device by an account of its own. `devices` is {name: (arguments of its simulation,
    kind, words)}; words may name the simulated device's {id} and {mac}."""

    def __init__(self, directory, devices, accounts=()):
        self.dir = directory
        self.cleanup = Cleanup()
        self.pki = Pki(directory / "pki")
        self.images = self.cleanup.add(ImageServer(tls=self.pki.issue("server")))
        self.lan = LanBroker(directory)
        self.agent = Agent(directory)
        self.agent.lan(self.lan.port, websocket=False)
        self.agent.conf.update(
            install_retries=1,
            install_retry_wait=1,
            transfer_timeout=5,
            reboot_timeout=5,
            lan_mqtt_username="homepatch",
            lan_mqtt_password=self.lan.passwords["homepatch"],
            lan_device_credentials="true",
        )
        self.agent.tls(self.pki.ca_file)
        self.tls = False
        self.model = "Plus1"
        self.controllers, self.ids, self.rows, self.requests = [], [], {}, {}
        self.sims = {}
        for seed, (name, (args, kind, words)) in enumerate(devices.items(), 1):
            self._add_device(name, args, kind, words, seed)
        for name, kind, words in accounts:
            self.lan.add(name, kind, **words)
        self.cleanup.add(self.lan.start())

    def _sim(self, name, args, seed, password, port):
        where = ("--mqtt-username", name, "--mqtt-password", password, "--seed", seed)
        return SimHome(self.dir, *args, *where, mqtt_port=port, name=f"sim-{name}")

    def _add_device(self, name, args, kind, words, seed):
        unknown = self._sim(name, args, seed, "x", 1).start()  # no broker there: only to be asked who it is
        device = unknown.devices()[0]
        unknown.stop()
        words = {key: value.format(**device) for key, value in words.items()}
        password = self.lan.add(name, kind, **words)
        self.sims[name] = self._sim(name, args, seed, password, self.lan.port)
        self.ids.append(device["id"])

    def start(self):
        self.uds_controller()
        self.cleanup.add(self.agent)
        self.agent.start()
        for sim in self.sims.values():
            self.cleanup.add(sim.start())
        self.ctl.connect()
        self.wait_answers(self.ctl)
        self.wait_listed()
        self.subscribe()
        return self

    def devices(self):
        return [sim.devices()[0] for sim in self.sims.values()]

    def wait_listed(self, timeout=20):
        wanted = {d["mac"]: d["id"] for d in self.devices()}

        def listed():
            online = self.ctl.get(PROXIED + "*.Online")
            macs = {v: k for k, v in self.ctl.get(PROXIED + "*.DeviceInfo.SerialNumber").items()}
            rows = {mac: path.split("DeviceInfo.")[0] for mac, path in macs.items()}
            return rows if all(online.get(rows.get(m, "") + "Online") == "true" for m in wanted) else None

        by_mac = wait_until(listed, timeout, "every device listed online", interval=0.1)
        self.rows = {wanted[mac]: row for mac, row in by_mac.items() if mac in wanted}


SHELLY = (("--mqtt-devices", 1, "--models", "Plus1", "--version", OLD), "shelly", {"topic": "{id}"})
TASMOTA = (
    ("--with", "tasmota=1", "--version", "13.4.0"),
    "tasmota",
    {"topic": "{id}", "mac": "{mac}"},
)


def _identity(home, device, name):
    return home.ctl.value(home.rows[home.ids[device]] + IDENTITY + name)


def _count(home):
    return len(home.ctl.instances(PROXIED, first_level_only=True))


def _rpc(src, number, result):
    return {"id": number, "src": src, "dst": "homepatch", "result": result}


# ---- behind the access list ----


@scenario(timeout=120, needs=(*NEEDS, "homepatch-device"))
def every_family_has_what_it_needs(directory):
    """The list is not too tight: each family is found with its grade, and updated."""
    offer = ("--version", OLD, "--offer", NEW)
    home = Guarded(
        directory,
        {
            "plug": SHELLY,
            "hall": TASMOTA,
            "zigbee2mqtt": (("--with", "zigbee=1"), "zigbee2mqtt", {}),
            "lamp": (("--with", "esphome=1", *offer), "homeassistant", {"topic": "{id}", "node": "{id}"}),
            "omg": (("--with", "openmqttgateway=1", *offer), "gateway", {"topic": "home/{id}"}),
        },
        (("tv", "usp", {"endpoint": "os::0A0B0C-TV"}),),
    )
    tv = UspDevice(
        directory,
        "os::0A0B0C-TV",
        home.agent.endpoint_id + "-lan",
        transport="mqtt",
        port=home.lan.port,
        tls="false",
        username="tv",
        password=home.lan.passwords["tv"],
    )
    home.start()
    home.cleanup.add(tv.start())
    wait_until(lambda: _count(home) == 6, 20, "the USP device is listed")
    serials = {v: k.split("DeviceInfo.")[0] for k, v in home.ctl.get(PROXIED + "*.DeviceInfo.SerialNumber").items()}
    home.rows["tv"] = serials["TV"]
    grades = {name: home.ctl.value(home.rows[name] + IDENTITY + "Grade") for name in (*home.ids, "tv")}
    # OpenMQTTGateway's topics name no announcer: nobody vouches for them.
    assert list(grades.values()) == ["B", "B", "B", "B", "C", "B"], grades
    proof = home.ctl.value(home.rows[home.ids[2]] + IDENTITY + "ModelNameProof")
    assert proof == "B,Bridge", proof

    def offered(device):
        rows = home.slots(device)
        return next((p for p, r in rows.items() if r["Name"] == "latest" and r["Status"] == "Available"), None)

    image = directory / "tv.img"
    write_device_image(image, "2.0.0")
    home.images.add("/tv.img", image)
    home.ids.append("tv")
    tv_slot = home.free_slot(5)
    home.must_succeed(home.download(tv_slot, f"{home.images.https_url}/tv.img"))
    keys = [home.activate(home.downloaded(0)), home.activate(tv_slot)]
    keys += [home.activate(wait_until(lambda d=d: offered(d), 20, f"offer of {d}")) for d in (3, 4)]
    for key in keys:
        home.must_succeed(key, 60)
    assert [_identity(home, d, "RejectedMessages") for d in range(6)] == ["0"] * 6
    home.stop()


def _attacks(victim, mac):
    """What one device may say in the name of others: (topic, payload, retained)."""
    newer = {"id": victim, "mac": mac, "model": "SNSW-001X16EU", "gen": 2, "fw_id": "x", "ver": NEW, "app": "Plus1"}
    return [
        (f"{victim}/online", "false", True),
        (f"{victim}/events/rpc", {"src": victim, "method": "NotifyEvent", "params": {}}, False),
        (f"{victim}/rpc", {"id": 1, "src": "rogue", "method": "Shelly.FactoryReset"}, False),
        (f"homepatch/{victim}/rpc", _rpc(victim, 1, newer), False),
        ("zigbee2mqtt/bridge/state", {"state": "offline"}, True),
        ("zigbee2mqtt/bridge/devices", [{"ieee_address": "0x00158d0001a2b3c4", "interview_state": "SUCCESSFUL"}], True),
        (f"tasmota/discovery/{mac}/config", {"ip": "10.0.0.1", "mac": mac, "t": "x", "ft": "%prefix%/%topic%/"}, True),
        ("tele/hall/LWT", "Online", True),
        ("homeassistant/update/kitchen/firmware/config", {"stat_t": "x", "dev": {"ids": "kitchen"}}, True),
        ("homepatch/usp/controller/os::012345-LAMP", "x", False),
    ]


@scenario(timeout=120, needs=NEEDS)
def nothing_passes_the_access_list(directory):
    home = Guarded(
        directory,
        {"plug": SHELLY, "hall": TASMOTA},
        (("rogue", "shelly", {}), ("watch", "controller", {}), ("kitchen", "homeassistant", {})),
    ).start()
    assert [_identity(home, d, "Grade") for d in (0, 1)] == ["B", "B"]
    assert _identity(home, 0, "ModelNameProof") == "B,Device"
    assert _identity(home, 0, "ManufacturerProof") == "D,Family"
    assert _identity(home, 0, "ManufacturerOUIProof") == "D,Address"
    assert _identity(home, 1, "ManufacturerProof") == ""
    slot = home.downloaded(0)
    watch = home.cleanup.add(Peer(home.lan.port, "watch", home.lan.passwords["watch"])).wait().listen("#")
    rogue = home.cleanup.add(Peer(home.lan.port, "rogue", home.lan.passwords["rogue"])).wait()
    wait_until(lambda: any(t.endswith("/online") for t, _ in watch.heard), 10, "the witness hears what is retained")
    rogue.listen(f"{home.ids[0]}/rpc", "#")
    attacks = _attacks(home.ids[0], home.devices()[0]["mac"])
    key = home.activate(slot)
    for attack in attacks:
        rogue.say(*attack)
    rogue.say("rogue/marker", "x")
    wait_until(lambda: ("rogue/marker", b"x") in watch.heard, 10, "the witness hears the last of it")
    said = {t: p if isinstance(p, str) else json.dumps(p) for t, p, _ in attacks}
    assert not [t for t, p in watch.heard if t in said and p == said[t].encode()], "an attack was passed on"
    home.must_succeed(key)
    for attack in attacks:  # and once more when it is done
        rogue.say(*attack)
    assert not [t for t, _ in rogue.heard if not t.startswith(("rogue/", "homeassistant/status"))], rogue.heard
    assert _count(home) == 2
    assert [_identity(home, d, "RejectedMessages") for d in (0, 1)] == ["0", "0"]
    assert [_identity(home, d, "Quarantined") for d in (0, 1)] == ["false", "false"]
    assert home.ctl.value(home.info(0) + "SoftwareVersion") == NEW == home.devices()[0]["version"]
    assert all(home.ctl.value(home.rows[i] + "Online") == "true" for i in home.ids)
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def names_and_wills_of_others(directory):
    """Another's client identifier ends nobody's session, another's topic is no last will, and a password is one's own."""
    home = Guarded(directory, {"plug": SHELLY}, (("rogue", "shelly", {}), ("watch", "controller", {}))).start()
    password = home.lan.passwords["rogue"]
    watch = home.cleanup.add(Peer(home.lan.port, "watch", home.lan.passwords["watch"])).wait().listen("#")
    twin = home.cleanup.add(Peer(home.lan.port, "rogue", password, client_id=home.ids[0])).wait()
    twin.stop()
    for topic in (f"{home.ids[0]}/online", "rogue/online"):
        Peer(home.lan.port, "rogue", password, will=(topic, "gone")).wait().die()
    wait_until(lambda: ("rogue/online", b"gone") in watch.heard, 10, "its own last will")
    assert (f"{home.ids[0]}/online", b"gone") not in watch.heard, "a last will in another's name"
    thief = home.cleanup.add(Peer(home.lan.port, "plug", password))
    nobody = home.cleanup.add(Peer(home.lan.port, "nobody"))
    wait_until(lambda: None not in (thief.result, nobody.result), 10, "the broker's answers")
    assert thief.result == nobody.result == 5, (thief.result, nobody.result)
    assert home.sims["plug"].devices()[0]["online"]
    assert home.ctl.value(home.rows[home.ids[0]] + "Online") == "true"
    assert "Client plug already connected" not in home.lan.log.read_text(), "its session was ended"
    assert home.lan.log.read_text().count("as plug (") == 1, "the device had to connect anew"
    home.must_succeed(home.activate(home.downloaded(0)))
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def announced_by_another(directory):
    """Discovery for Home Assistant: the topic is held by the list, what the message says by the agent."""
    home = Guarded(directory, {}, (("kitchen", "homeassistant", {}), ("rogue", "gateway", {})))
    home.uds_controller()
    home.cleanup.add(home.agent).start()
    home.ctl.connect()
    home.wait_answers(home.ctl)
    device = {"ids": "kitchen-1", "mf": "Espressif", "mdl": "lamp", "name": "Kitchen"}
    update = {"stat_t": "kitchen/update", "dev_cla": "firmware", "dev": device}
    kitchen = home.cleanup.add(Peer(home.lan.port, "kitchen", home.lan.passwords["kitchen"])).wait()
    rogue = home.cleanup.add(Peer(home.lan.port, "rogue", home.lan.passwords["rogue"])).wait()
    kitchen.say("homeassistant/update/kitchen/firmware/config", update, True)
    kitchen.say("kitchen/update", {"installed_version": OLD, "latest_version": OLD}, True)
    row = PROXIED + "1."
    wait_until(lambda: row in home.ctl.instances(PROXIED, first_level_only=True), 20, "the lamp is listed")
    wait_until(lambda: home.ctl.value(row + "DeviceInfo.SoftwareVersion") == OLD, 10, "and says its version")
    assert home.ctl.value(row + IDENTITY + "Grade") == "B"
    assert home.ctl.value(row + IDENTITY + "ModelNameProof") == "B,Announcement"
    evil = {**update, "dev": {**device, "mf": "Evil"}}
    rogue.say("homeassistant/update/kitchen/firmware/config", "", True)  # would remove it; refused by the broker
    rogue.say("homeassistant/update/kitchen/other/config", evil)
    rogue.say("kitchen/update", {"installed_version": NEW, "latest_version": NEW}, True)
    rogue.say("homeassistant/update/rogue/firmware/config", evil)  # its own topic, another's device
    rogue.say("homeassistant/sensor/rogue/config", evil)
    rejected = row + IDENTITY + "RejectedMessages"
    wait_until(lambda: home.ctl.value(rejected) == "2", 10, "both are counted, the others never came")
    assert home.ctl.value(row + "DeviceInfo.SoftwareVersion") == OLD
    assert home.ctl.value(row + IDENTITY + "Quarantined") == "false"
    assert _count(home) == 1
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def flood_behind_the_access_list(directory):
    """Who floods pays for it; the device beside it is updated while it does."""
    home = Guarded(directory, {"plug": SHELLY, "loud": SHELLY}).start()
    slot = home.downloaded(0)
    home.sims["loud"].fault("all", "flood")
    rejected = home.rows[home.ids[1]] + IDENTITY + "RejectedMessages"
    wait_until(lambda: int(home.ctl.value(rejected)) > 3, 20, "the flood is counted")
    before = int(home.ctl.value(rejected))
    home.must_succeed(home.activate(slot))
    wait_until(lambda: int(home.ctl.value(rejected)) > before, 20, "and it went on meanwhile")
    assert _identity(home, 0, "RejectedMessages") == "0"
    assert _count(home) == 2
    home.sims["loud"].fault("all", "none")
    home.must_succeed(home.activate(home.downloaded(1)))
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def an_account_is_taken_back(directory):
    """A new password, and none any more: mosquitto is told once, and the others stay."""
    home = Guarded(directory, {"plug": SHELLY}, (("hall", "tasmota", {}),)).start()
    old = home.lan.passwords["hall"]
    assert home.lan.command("write")["mosquitto"] == "nothing"
    answer = home.lan.command("rotate", "hall")
    assert answer["mosquitto"] == "reload" and answer["password"] != old
    home.lan.signal(signal.SIGHUP)

    def result(password):
        peer = Peer(home.lan.port, "hall", password)
        wait_until(lambda: peer.result is not None, 10, "the broker's answer")
        peer.stop()
        return peer.result

    wait_until(lambda: result(old) == 5, 10, "the old password is no good")
    assert result(answer["password"]) == 0
    home.lan.command("remove", "hall")
    home.lan.signal(signal.SIGHUP)
    wait_until(lambda: result(answer["password"]) == 5, 10, "the account is gone")
    assert [a["name"] for a in home.lan.command("list")["accounts"]] == ["plug"]
    home.lan.command("remove", "hall", code=2)
    home.lan.command("add", "other", "shelly", f"topic={home.ids[0]}/sub", code=2)
    home.must_succeed(home.activate(home.downloaded(0)))
    home.stop()


# ---- without one ----


def _open_home(directory, mqtt_devices=2, **options):
    home = Home(directory, mqtt=mqtt_devices, websocket=0, **options)
    home.uds_controller()
    home.agent.uds("self::homepatch")
    home.start()
    home.subscribe(keep=True)
    return home


def _comes_anew(home):
    """The first device leaves and comes back, and is asked who it is."""
    home.sim.command("offline", 0)
    online = home.rows[home.ids[0]] + "Online"
    wait_until(lambda: home.ctl.value(online) == "false", 10, "the device left")
    home.sim.command("online", 0)


@scenario(timeout=90, needs=NEEDS)
def claims_a_version_that_it_never_fetched(directory):
    """The device is silent, and another answers for it as it would: taken, installed, newer. The job is not done."""
    home = _open_home(directory)
    victim = home.ids[0]
    slots = [home.downloaded(d) for d in (0, 1)]
    rogue = home.cleanup.add(Peer(home.lan.port, "rogue")).wait()
    known = {}

    def learn(message):
        answer = json.loads(message.payload)
        if "ver" in (answer.get("result") or {}):
            known.update(answer["result"])

    def lie(message):
        asked = json.loads(message.payload)
        version = NEW if any(json.loads(p)["method"] == "Shelly.Update" for _, p in rogue.heard[start:]) else OLD
        result = {**known, "ver": version} if asked["method"] == "Shelly.GetDeviceInfo" else None
        rogue.mqtt.publish(f"homepatch/{victim}/rpc", json.dumps(_rpc(victim, asked["id"], result)), 1)
        if asked["method"] == "Shelly.Update":
            said = {"component": "sys", "event": "ota_success", "msg": "Update applied"}
            event = {"src": victim, "dst": f"{victim}/events", "method": "NotifyEvent", "params": {"events": [said]}}
            rogue.mqtt.publish(f"{victim}/events/rpc", json.dumps(event), 1)
            rogue.mqtt.publish(f"{victim}/online", "false", 1)
            rogue.mqtt.publish(f"{victim}/online", "true", 1)

    rogue.answer = learn
    rogue.listen(f"homepatch/{victim}/rpc")
    _comes_anew(home)
    wait_until(lambda: known, 10, "the rogue knows what the device says")
    home.wait_listed()
    home.sim.fault(0, "mute")
    start = len(rogue.heard)
    rogue.mqtt.unsubscribe(f"homepatch/{victim}/rpc")
    rogue.answer = lie
    rogue.listen(f"{victim}/rpc")
    keys = [home.activate(s) for s in slots]
    home.must_succeed(keys[1])
    _, text = home.must_fail(keys[0], 60)
    assert "has not fetched this image" in text, text
    assert home.status(slots[0]) != "Active"
    assert home.sim.device(0)["version"] == OLD
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def replays_what_was_said(directory):
    """Answers to questions that nobody asks any more change nothing."""
    home = _open_home(directory)
    victim = home.ids[0]
    rogue = home.cleanup.add(Peer(home.lan.port, "rogue")).wait().listen(f"homepatch/{victim}/rpc", f"{victim}/events/rpc")
    _comes_anew(home)
    wait_until(lambda: any(b'"ver"' in p for _, p in rogue.heard), 10, "there is something to replay")
    home.wait_listed()
    home.must_succeed(home.activate(home.downloaded(0)))
    slot = home.downloaded(1)
    key = home.activate(slot)
    for topic, payload in list(rogue.heard):
        rogue.say(topic, payload)
    rogue.say(f"homepatch/{victim}/rpc", "garbage")  # counted: the agent has seen all of it then
    rejected = home.rows[victim] + IDENTITY + "RejectedMessages"
    wait_until(lambda: int(home.ctl.value(rejected)) > 0, 10, "the replay was heard")
    home.must_succeed(key)
    assert home.ctl.value(home.info(0) + "SoftwareVersion") == NEW
    assert home.ctl.value(home.rows[victim] + IDENTITY + "Quarantined") == "false"
    assert home.ctl.value(home.rows[home.ids[1]] + IDENTITY + "RejectedMessages") == "0"
    home.stop()


class FalseShelly(Peer):
    """Plays a device of that id, address and model."""

    def __init__(self, port, device_id, mac, model="SNSW-001X16EU", app="Plus1"):
        super().__init__(port, "false", client_id=f"false-{mac}")
        self.id = device_id
        self.info = {"id": device_id, "mac": mac, "model": model, "gen": 2, "fw_id": "x/1", "ver": OLD, "app": app}
        self.answer = self._reply

    def come(self):
        self.wait().listen(f"{self.id}/rpc")
        self.say(f"{self.id}/online", "true")
        return self

    def _reply(self, message):
        asked = json.loads(message.payload)
        result = self.info if asked["method"] == "Shelly.GetDeviceInfo" else {}
        self.mqtt.publish(f"homepatch/{self.id}/rpc", json.dumps(_rpc(self.id, asked["id"], result)), 1)


@scenario(timeout=120, needs=NEEDS)
def a_forged_address_takes_no_row(directory):
    """A Shelly that claims the address of a device that announced itself before: both are listed until a person looks."""
    home = _open_home(directory, 1, sim=("--with", "esphome=1", "--offer", NEW))
    lamp = next(d for d in home.sim.devices() if not d["id"].startswith("shelly"))
    row = home.rows[lamp["id"]]
    false_id = f"shellyplus1-{lamp['mac'].lower()}"
    forger = home.cleanup.add(FalseShelly(home.lan.port, false_id, lamp["mac"])).come()
    wait_until(lambda: _count(home) == 3, 20, "the forger is listed beside it")
    others = set(home.ctl.instances(PROXIED, first_level_only=True)) - set(home.rows.values())
    assert home.ctl.value(row + "Online") == "true"
    device = home.ids.index(lamp["id"])

    def offer():
        return next((p for p, r in home.slots(device).items() if r["Name"] == "latest" and r["Status"] == "Available"), None)

    home.must_succeed(home.activate(wait_until(offer, 10, "its offer is still there")), 60)
    assert row in home.ctl.instances(PROXIED, first_level_only=True)
    false_row = others.pop()
    kind, _ = home.ctl.operate(false_row + IDENTITY + "Forget()")[false_row + IDENTITY + "Forget()"]
    assert kind == "failure", "a device that is there was forgotten"
    forger.say(f"{false_id}/online", "false")
    wait_until(lambda: home.ctl.value(false_row + "Online") == "false", 10, "the forger left")
    home.ctl.operate(false_row + IDENTITY + "Forget()")
    wait_until(lambda: _count(home) == 2, 10, "and is forgotten")
    assert home.ctl.value(row + "Online") == "true"
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def quarantined_and_the_ways_back(directory):
    """Another model under a known name: an event, a line for the resident, no updates, over a restart; then both ways out."""
    home = _open_home(directory)
    cli = Cli(home.agent.dir / "agent.sock")
    row = home.rows[home.ids[0]] + IDENTITY
    home.ctl.subscribe("quarantine", "Event", PROXIED + "*." + IDENTITY + "Quarantined!", Persistent=True)
    before = home.ctl.value(home.info(0) + "ModelName")
    mac = home.sim.device(0)["mac"]
    slot = home.downloaded(0)

    def impostor():
        home.sim.command("offline", 0)
        wait_until(lambda: home.ctl.value(home.rows[home.ids[0]] + "Online") == "false", 10, "the device left")
        false = FalseShelly(home.lan.port, home.ids[0], mac, model="SNSW-002X16EU", app="Plus2PM").come()
        wait_until(lambda: home.ctl.value(row + "Quarantined") == "true", 15, "quarantine")
        return false

    false = impostor()
    event = home.ctl.wait_notify(lambda n: n.event.event_name == "Quarantined!", 10, "the event")
    assert event.event.params["ReasonCode"] == "ModelChanged"
    assert event.event.params["KnownValue"] == before and event.event.params["ClaimedValue"] == "SNSW-002X16EU"
    false.say(f"{false.id}/online", "false")
    false.stop()
    home.agent.restart()
    home.ctl.connect()
    home.wait_answers(home.ctl)
    assert home.ctl.value(row + "ReasonCode") == "ModelChanged"
    assert home.ctl.value(row + "KnownValue") == before == home.ctl.value(home.info(0) + "ModelName")
    assert home.ctl.value(row + "ClaimedValue") == "SNSW-002X16EU"
    text = cli.run("devices")
    assert re.search(r"gets no updates: model changed from .* to .SNSW-002X16EU", text), text
    number = home.rows[home.ids[0]].split(".")[2]
    assert f"homepatch accept {number}" in text and f"homepatch reject {number}" in text
    kind, value = home.ctl.operate(slot + "Activate()", {}, "no")[slot + "Activate()"]
    assert kind == "failure" or home.must_fail("no"), (kind, value)
    # It was not the device.
    cli.run("reject", number)
    assert home.ctl.value(row + "Quarantined") == "false" and home.ctl.value(row + "ReasonCode") == "None"
    home.sim.command("online", 0)
    home.wait_listed()
    assert home.ctl.value(home.info(0) + "ModelName") == before
    home.must_succeed(home.activate(home.downloaded(0)))
    # It was: a repair.
    false = home.cleanup.add(impostor())
    cli.run("accept", number)
    wait_until(lambda: home.ctl.value(home.info(0) + "ModelName") == "SNSW-002X16EU", 15, "it is what it says now")
    assert home.ctl.value(row + "Quarantined") == "false"
    home.must_succeed(home.activate(home.downloaded(1)))
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def a_retained_word_of_one_that_is_gone(directory):
    """What the broker keeps in the name of a device that left does not make it present, after a restart neither."""
    home = _open_home(directory)
    online = home.rows[home.ids[0]] + "Online"
    home.sim.command("offline", 0)
    wait_until(lambda: home.ctl.value(online) == "false", 10, "the device left")
    rogue = home.cleanup.add(Peer(home.lan.port, "rogue")).wait().listen(f"{home.ids[0]}/rpc")
    rogue.say(f"{home.ids[0]}/online", "true", True)
    wait_until(lambda: rogue.heard, 15, "it is asked")
    home.agent.restart()
    home.ctl.connect()
    home.wait_answers(home.ctl)
    wait_until(lambda: len(rogue.heard) > 1, 20, "and asked again")
    home.must_succeed(home.activate(home.downloaded(1)))
    assert home.ctl.value(online) == "false"
    home.stop()
