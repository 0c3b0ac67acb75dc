# SPDX-License-Identifier: BSD-3-Clause
"""Devices that are USP agents: found, identified, updated, rolled back; each fault ends in one true result."""

import shutil
import sqlite3

import paho.mqtt.client as mqtt
import websocket
from home import NEW, OLD
from hptest import WsClientTransport, scenario, usp, wait_until
from usp_home import GATEWAY, NEEDS, UspHome


def _home(directory, *transports, start=True, **options):
    home = UspHome(directory, transports or ("websocket", "mqtt"), **options)
    home.mqtt_controller()
    if start:
        home.start()
        home.subscribe(keep=True)
    return home


def _update(home, device, version=NEW, **image):
    slot = home.downloaded(device, version=version, **image)
    return slot, home.activate(slot)


def _grade(home, device):
    return home.ctl.value(home.rows[home.ids[device]] + "X_HOMEPATCH_Identity.Grade")


@scenario(timeout=120, needs=NEEDS)
def found_and_updated(directory):
    """Both transports; grade A by the certificate; the bank changes on the device, and its old one is kept."""
    home = _home(directory)
    facts = home.ctl.get(home.info(0))
    assert facts[home.info(0) + "ModelName"] == "Reference", facts
    assert facts[home.info(0) + "Manufacturer"] == "Example" and facts[home.info(0) + "SerialNumber"] == "S1", facts
    assert facts[home.info(0) + "ManufacturerOUI"] == "0A0B0C", facts
    assert [_grade(home, d) for d in (0, 1)] == ["A", "C"]
    for device in (0, 1):
        slot, key = _update(home, device)
        home.must_succeed(key, 40)
        assert home.version(device) == NEW
        row = home.slots(device)[slot]
        assert row["Status"] == "Active" and row["Version"] == NEW and not row["BootFailureLog"], row
        wait_until(lambda: home.devices[device].version == NEW, 5, "confirmed on the device")
        record = home.devices[device].boot_record()
        assert record["trial"] == "0" and record["bank1_status"] == "Available", record
    home.stop()


# -- the new image does not come up ---------------------------------------------------------


def _rolled_back(home, device, slot, key, why):
    """Failed to the controller, with the device's own words; the device runs what it ran."""
    code, message = home.must_fail(key, 60)
    assert code == 7022 and why in message, (code, message)
    row = home.slots(device)[slot]
    assert row["Status"] == "ActivationFailed" and why in row["BootFailureLog"], row
    assert home.version(device) == OLD and home.devices[device].version == OLD
    state = home.ctl.value(home.rows[home.ids[device]] + "X_HOMEPATCH_Update.JobState")
    assert state == "RolledBack", state


@scenario(timeout=120, needs=NEEDS)
def dead_image_is_rolled_back(directory):
    """It ends at once, twice; the boot loader goes back, and the gateway shows the device's reason. Then a good one."""
    home = _home(directory)
    for device in (0, 1):
        slot, key = _update(home, device, version=f"1.5.{device}", behaviour="dead")
        _rolled_back(home, device, slot, key, "started 2 times and did not confirm")
    for device in (0, 1):
        slot, key = _update(home, device, version=f"1.6.{device}")
        home.must_succeed(key, 40)
        assert home.version(device) == f"1.6.{device}"
        assert not home.slots(device)[slot]["BootFailureLog"]
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def mute_image_is_rolled_back(directory):
    """It runs, but never reaches its controller: the trial's time ends it."""
    home = _home(directory, "websocket", confirm_time=1)
    slot, key = _update(home, 0, behaviour="mute")
    _rolled_back(home, 0, slot, key, "did not confirm")
    home.stop()


# -- what a device refuses, breaks or lacks ----------------------------------------------------


@scenario(timeout=120, needs=NEEDS)
def refusals_are_typed(directory):
    home = _home(directory, "websocket", start=False)
    home.devices.append(home.device("os::0A0B0C-S2", faults="refuse-download"))
    home.devices.append(home.device("os::0A0B0C-S3", "mqtt", faults="refuse-activate"))
    home.devices.append(home.device("os::0A0B0C-S4", faults="no-images"))
    home.start()
    home.subscribe(keep=True)
    for device, why in ((1, "refused Download()"), (2, "refused Activate()"), (3, "no Device.DeviceInfo.FirmwareImage")):
        slot, key = _update(home, device, version=f"2.0.{device}")
        code, message = home.must_fail(key)
        assert code == 7022 and why in message, (code, message)
        assert home.version(device) == OLD
        assert why in home.slots(device)[slot]["BootFailureLog"]
    # An image for another model: the device finds out itself.
    slot, key = _update(home, 0, version="2.0.0", model="Other")
    code, message = home.must_fail(key, 60)
    assert 'for model "Other"' in message, message
    assert home.devices[0].boot_record()["bank2_status"] == "ValidationFailed"
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def lacking_parts(directory):
    """No Activate(): AutoActivate does it. No TransferComplete!: not missed."""
    home = _home(directory, "websocket", start=False)
    home.devices.append(home.device("os::0A0B0C-S2", faults="no-activate"))
    home.devices.append(home.device("os::0A0B0C-S3", "mqtt", faults="no-transfer-complete"))
    home.start()
    home.subscribe(keep=True)
    for device in (1, 2):
        _, key = _update(home, device)
        home.must_succeed(key, 40)
        assert home.version(device) == NEW and home.devices[device].version == NEW
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def power_loss(directory):
    """In the middle of Download(), and after the boot record of Activate(): started again, each has its true end."""
    home = _home(directory, "websocket", start=False)
    home.agent.conf.update(install_retries=3, reboot_timeout=30)
    home.devices[0].conf["faults"] = "power-loss-download"
    home.devices.append(home.device("os::0A0B0C-S2", "mqtt", faults="power-loss-activate"))
    home.start()
    home.subscribe(keep=True)
    keys = [_update(home, d, version=f"2.1.{d}", size=600000)[1] for d in (0, 1)]
    for device in home.devices:
        wait_until(lambda: not device.running(), 20, f"{device.endpoint_id} lost its power")
    assert home.devices[1].boot_record()["trial"] == "2"
    for device in home.devices:
        device.conf["faults"] = ""
        device.start()
    for d, key in enumerate(keys):
        home.must_succeed(key, 60)
        assert home.version(d) == f"2.1.{d}"
        assert home.done_count(key) == 1
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def sleepy_device(directory):
    """Asleep most of the time: the intent waits for it, and it stays awake while it is updated."""
    home = _home(directory, "websocket", sleep_time=2, awake_time=1)
    home.wait_online(home.ids[0], online=False)
    _, key = _update(home, 0)
    home.must_succeed(key, 60)
    assert home.version(0) == NEW
    home.stop()


# -- subscriptions --------------------------------------------------------------------------------


@scenario(timeout=120, needs=NEEDS)
def subscriptions_are_found_again(directory):
    """Restarts of the gateway and of the device leave five rows of ours, and changes are still heard of."""
    home = _home(directory, "websocket")
    device = home.devices[0]

    def rows():
        """Of the Subscription table in the store of the device, which is stopped; a copy is read."""
        copy = directory / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(device.dir / "state", copy)
        with sqlite3.connect(copy / "device.db") as db:
            keys = [bytes(k).decode() for (k,) in db.execute("SELECT key FROM record WHERE kind = 'row'")]
        return sorted(k for k in keys if k.startswith("Device.LocalAgent.Subscription."))

    first = None
    for turn in range(3):
        _, key = _update(home, 0, version=f"1.9.{turn}")
        home.must_succeed(key, 40)
        device.stop()
        home.wait_online(home.ids[0], online=False)
        first = first or rows()
        assert len(first) == 5 and rows() == first, rows()
        device.start()
        home.wait_online(home.ids[0])
        home.agent.stop()
        home.agent.start()
        home.wait_answers(home.ctl)
        home.wait_online(home.ids[0])
    home.stop()


# -- identity ----------------------------------------------------------------------------------------


@scenario(timeout=90, needs=NEEDS)
def an_impostor_gets_nothing(directory):
    """The name of a device that is known by its certificate: without one, with another's, at the broker."""
    home = _home(directory, "websocket")
    name = home.ids[0]
    rejected = home.rows[name] + "X_HOMEPATCH_Identity."
    for index, options in enumerate(
        (
            {"certificate": False},
            {"certificate": "os::0A0B0C-S9"},
            {"transport": "mqtt"},
        )
    ):
        home.devices[0].stop()
        home.wait_online(name, online=False)
        impostor = home.device(name, name=f"impostor{index}", manufacturer="Evil", **options)
        home.cleanup.add(impostor).start()
        impostor.wait_output("connected to the controller")
        if options.get("transport") != "mqtt":
            impostor.wait_output("WebSocket to the controller: closed with 1008")
        home.devices[0].start()
        home.wait_online(name)
        assert home.ctl.value(home.info(0) + "Manufacturer") == "Example"
        assert home.ctl.value(rejected + "Quarantined") == "false"
        assert _grade(home, 0) == "A"
        impostor.stop()
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def another_model_is_quarantined(directory):
    """The same certificate, another model: listed, not updated."""
    home = _home(directory, "websocket")
    slot = home.downloaded(0)
    home.devices[0].stop()
    home.devices[0].conf.update(hardware_version="2")
    home.devices[0].start()
    path = home.rows[home.ids[0]] + "X_HOMEPATCH_Identity.Quarantined"
    wait_until(lambda: home.ctl.value(path) == "true", 15, "quarantined")
    kind, _ = home.ctl.operate(slot + "Activate()", {}, "q")[slot + "Activate()"]
    assert kind == "failure", kind
    assert home.devices[0].version == OLD
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def certificate_of_another_authority(directory):
    """TLS itself refuses what the configured authority did not sign."""
    from hptest import Pki

    home = _home(directory, "websocket")
    other = Pki(directory / "other", "other")
    files = other.issue("stranger", uris=["urn:bbf:usp:id:os::0A0B0C-S7"])
    stranger = home.device("os::0A0B0C-S7", certificate_file=files[0], key_file=files[1])
    home.cleanup.add(stranger).start()
    stranger.wait_output("WebSocket to the controller: ")
    assert home.row_of("os::0A0B0C-S7") is None
    home.stop()


# -- scripted peers that break the rules ---------------------------------------------------------


def _record(home, sender, kind="websocket_connect", to=GATEWAY, **content):
    record = usp.Record(version="1.4", to_id=to, from_id=sender)
    part = getattr(record, kind)
    part.SetInParent()
    for name, value in content.items():
        setattr(part, name, value)
    return record.SerializeToString()


@scenario(timeout=120, needs=NEEDS)
def bad_websocket_peers(directory):
    """Each costs its session and nobody else anything: the device that behaves is updated meanwhile."""
    home = _home(directory, "websocket", tls=False)
    name = home.ids[0]
    rows = len(home.ctl.instances("Device.ProxiedDevice."))
    slot = home.downloaded(0)
    evil = "os::0A0B0C-EVIL"
    sayings = (
        b"",
        b"\xff" * 5000,
        _record(home, name),  # another's name on its own session
        _record(home, evil, to="os::012345-OTHER"),
        _record(home, GATEWAY),
        _record(home, "not an id"),
        b"\x0a\xff\xff\xff\xff\x07x",
    )
    for saying in sayings:
        peer = WsClientTransport(home.agent.lan_websocket_port, endpoint_id=evil)
        peer.connect()
        peer.send(saying)
        wait_until(lambda: not peer.connected, 10, f"closed after {saying[:20]}")
        assert peer.close_code == 1008, peer.close_code
    # R-WS.12a: the path wants its subprotocol, and the other family's path wants none.
    for path, offered in (("/usp", None), ("/usp", ["other"]), ("/shelly", ["v1.usp"]), ("/", ["v1.usp"])):
        try:
            websocket.create_connection(
                f"ws://127.0.0.1:{home.agent.lan_websocket_port}{path}", subprotocols=offered, timeout=5
            )
            raise AssertionError(f"{path} takes {offered}")
        except (websocket.WebSocketException, OSError):
            pass
    # One that is well-formed and never says what it is; one that floods.
    mute = WsClientTransport(home.agent.lan_websocket_port, endpoint_id=evil)
    mute.connect()
    mute.send(_record(home, evil))
    flood = WsClientTransport(home.agent.lan_websocket_port, endpoint_id="os::0A0B0C-FLOOD")
    flood.connect()
    for _ in range(300):
        flood.send(_record(home, "os::0A0B0C-FLOOD"))
    home.must_succeed(home.activate(slot), 40)
    assert home.version(0) == NEW
    assert len(home.ctl.instances("Device.ProxiedDevice.")) == rows, "a peer that said nothing is listed"
    mute.close()
    flood.close()
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def bad_broker_peers(directory):
    """Records in the name of the device on other topics, topics that are not a device's to listen on, retained rubbish."""
    home = _home(directory, "mqtt")
    name = home.ids[0]
    home.agent.conf["lan_device_credentials"] = "true"
    home.agent.stop()
    home.agent.start()
    home.wait_answers(home.ctl)
    wait_until(lambda: _grade(home, 0) == "B", 20, "grade B by its own topic")
    seen = []
    client = mqtt.Client(client_id="evil")
    client.on_message = lambda _client, _userdata, message: seen.append(message.topic)
    client.connect("127.0.0.1", home.lan.port)
    client.subscribe("shelly/#")
    client.loop_start()
    disconnect = _record(home, name, "disconnect", reason="evil")
    for topic, saying in (
        ("homepatch/usp/controller", disconnect),
        ("homepatch/usp/controller/os::0A0B0C-EVIL", disconnect),
        ("homepatch/usp/controller/os::0A0B0C-EVIL", _record(home, "os::0A0B0C-EVIL", "mqtt_connect",
                                                             subscribed_topic="shelly/evil/rpc")),
        (f"homepatch/usp/controller/{name}/reply-to=shelly%2Fevil", b"rubbish"),
        ("homepatch/usp/controller/x/y/z", b""),
    ):
        client.publish(topic, saying, qos=1).wait_for_publish()
    _, key = _update(home, 0)
    home.must_succeed(key, 40)
    assert home.version(0) == NEW and _grade(home, 0) == "B"
    assert home.row_of("os::0A0B0C-EVIL") is None and not seen, seen
    client.disconnect()
    client.loop_stop()
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def first_at_the_broker(directory):
    """Devices that greeted before anybody listened are found: before the agent's first start, and while the broker was away."""
    home = _home(directory, "mqtt", start=False, retry=1)
    early = home.cleanup.add(home.devices[0]).start()
    early.wait_output("connected to the controller", 10)
    home.start(devices=False)
    home.wait_listed()
    home.lan.stop()
    home.devices.append(home.device("os::0A0B0C-S2", "mqtt", retry=1))
    home.cleanup.add(home.devices[1]).start()
    home.lan.start()
    home.ids.append("os::0A0B0C-S2")
    home.wait_listed()
    home.stop()


# -- kill -9 of either side, at each stage ---------------------------------------------------------


def _job_state(home, device):
    return home.ctl.value(home.rows[home.ids[device]] + "X_HOMEPATCH_Update.JobState")


def _true_end(home, device, slot, key, version):
    failure = home.wait_done(key, 60)
    home.wait_online(home.ids[device])
    runs = wait_until(
        lambda: home.devices[device].boot_record()["trial"] == "0" and home.devices[device].version, 20, "no trial"
    )
    assert runs == (version if failure is None else OLD), (failure, runs)
    wait_until(lambda: home.version(device) == runs, 10, "the true version at the gateway")
    status = home.slots(device)[slot]["Status"]
    assert status == "Active" if failure is None else status.endswith("Failed"), (failure, status)
    assert home.done_count(key) == 1
    assert not home.ctl.instances("Device.LocalAgent.Request.")
    return failure


def _stages(home, device):
    record = home.devices[device].boot_record
    return (
        ("before", lambda: True),
        ("downloading", lambda: record()["bank2_status"] in ("Downloading", "Validating", "Available")),
        ("on trial", lambda: record()["trial"] == "2"),
        ("confirmed", lambda: record()["confirmed"] == "2"),
    )


def _killed(directory, who, transport):
    for number in range(4):
        folder = directory / f"stage{number}"
        folder.mkdir()
        home = _home(folder, transport, start=False)
        home.agent.conf.update(install_retries=8, transfer_timeout=10, reboot_timeout=15)
        home.start()
        home.subscribe(keep=True)
        version = f"2.{number}.0"
        slot = home.downloaded(0, version=version, size=2000000)
        key = home.activate(slot)
        stage, moment = _stages(home, 0)[number]
        wait_until(moment, 20, stage, interval=0.002)
        victim = home.agent if who == "gateway" else home.devices[0]
        victim.kill()
        victim.start()
        if who == "gateway":
            home.wait_answers(home.ctl)
        failure = _true_end(home, 0, slot, key, version)
        assert failure is None, (stage, failure)
        home.stop()


@scenario(timeout=240, needs=NEEDS)
def gateway_killed_over_websocket(directory):
    _killed(directory, "gateway", "websocket")


@scenario(timeout=240, needs=NEEDS)
def gateway_killed_over_mqtt(directory):
    _killed(directory, "gateway", "mqtt")


@scenario(timeout=240, needs=NEEDS)
def device_killed_over_websocket(directory):
    _killed(directory, "device", "websocket")


@scenario(timeout=240, needs=NEEDS)
def device_killed_over_mqtt(directory):
    _killed(directory, "device", "mqtt")
