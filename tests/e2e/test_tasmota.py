# SPDX-License-Identifier: BSD-3-Clause
"""Tasmota devices: found in every topic order, updated from the gateway, in two steps where space is short, asleep and
awake; and each way to fail, to its true end."""

import hashlib
import subprocess

from home import NEEDS, PROXIED, Home
from hptest import program, scenario, wait_until

OLD, NEW = "13.4.0", "14.2.0"
INSTALL = ("InstallationFailed", "ActivationFailed")


class TasmotaHome(Home):
    """Device 0 is an ESP8266 with the usual topics, 1 an ESP32 with the other order, 2 an ESP8266 with topics of a
    user's own, another last will and SetOption4."""

    def __init__(self, directory, count=3, **options):
        super().__init__(directory, mqtt=0, websocket=0, families={"tasmota": count}, version=OLD, **options)
        self.mqtt_controller()

    def image(self, version=NEW, chip="esp8266", size=60000, variant=None, name=None, **behaviour):
        model = f"{chip}:{variant}" if variant else chip
        name = name or f"tasmota{'-' + variant if variant else ''}-{version}.bin"
        file = self.dir / f"{chip}-{size}-{name}"
        subprocess.run(
            [program("homepatch-simhome"), "make-image", "--family", "tasmota", "--model", model]
            + ["--version", version, "--size", str(size), file],
            check=True,
        )
        what = self.images.add(f"/{chip}-{size}/{name}", file, **behaviour)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return f"{self.images.https_url}/{chip}-{size}/{name}", digest, size, what

    def chip(self, device):
        return self.sim.device(device)["chip"]

    def counts(self, device):
        return self.sim.device(device)["count"]


def _home(directory, count=3, keep=False, patience=None, **options):
    """keep: what is subscribed outlives the agent. patience: seconds for a transfer that stalls and for a restart."""
    home = TasmotaHome(directory, count, **options)
    if patience:
        home.agent.conf.update(transfer_timeout=patience, reboot_timeout=patience)
    home.start()
    home.subscribe(keep=keep)
    return home


def _check_updated(home, device, slot, version=NEW):
    assert home.sim.device(device)["version"] == version
    assert home.ctl.value(home.info(device) + "SoftwareVersion") == version
    assert home.ctl.value(home.info(device) + "ActiveFirmwareImage") == slot.rstrip(".")
    row = home.slots(device)[slot]
    assert row["Status"] == "Active" and row["Version"] == version and not row["BootFailureLog"], row


def _fails(home, device, slot, key, *words, version=OLD, timeout=45):
    """The command failed with a typed error that says why, and nothing else changed."""
    code, text = home.must_fail(key, timeout)
    assert 7000 <= code < 8000, code
    for word in words:
        assert word in text, (word, text)
    row = home.slots(device)[slot]
    assert row["Status"] in INSTALL and row["BootFailureLog"], row
    assert home.ctl.value(home.info(device) + "SoftwareVersion") == version
    assert home.done_count(key) == 1
    return text


@scenario(needs=NEEDS)
def found_in_every_topic_order(directory):
    home = _home(directory)
    for device, model in enumerate(("Sonoff Basic", "ESP32-DevKit", "NodeMCU")):
        row = home.rows[home.ids[device]]
        mac = home.sim.device(device)["mac"]
        assert home.ctl.value(row + "DeviceInfo.ModelName") == model
        assert home.ctl.value(row + "DeviceInfo.SoftwareVersion") == OLD
        assert home.ctl.value(row + "DeviceInfo.SerialNumber") == mac
        assert home.ctl.value(row + "DeviceInfo.HardwareVersion").startswith("ESP")
        assert home.ctl.value(row + "ProxyProtocol") == "X_HOMEPATCH_Tasmota-MQTT"
        assert home.ctl.value(row + "X_HOMEPATCH_Identity.Grade") == "C"
    home.sim.command("offline", 2)
    wait_until(lambda: home.ctl.value(home.rows[home.ids[2]] + "Online") == "false", 15, "last will of its own")
    home.sim.command("online", 2)
    home.wait_listed()
    assert not any(home.counts(d)["group_commands"] or home.counts(d)["unknown_commands"] for d in range(3))
    home.stop()


@scenario(needs=NEEDS)
def never_announced(directory):
    """Discovery switched off: the last will shows it; and the announcement of one that left takes its row along."""
    home = TasmotaHome(directory, 1)
    home.cleanup.add(home.sim.start())
    home.sim.wait_online()
    home.sim.command("set", 0, "announce", "off")
    home.start(devices=False)
    home.ids = [home.sim.device(0)["id"]]
    home.wait_listed()
    home.sim.command("set", 0, "announce", "on")
    home.sim.command("set", 0, "announce", "off")
    assert home.ctl.value(home.rows[home.ids[0]] + "Online") == "true"
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def updated(directory):
    home = _home(directory)
    for device in range(3):
        own = home.sim.device(device)["ota_url"]
        slot = home.downloaded(device, chip=home.chip(device))
        home.must_succeed(home.activate(slot))
        _check_updated(home, device, slot)
        seen = home.sim.device(device)
        assert seen["count"]["update_requests"] == 1 and seen["count"]["boots"] == 2, seen
        assert seen["count"]["minimal_steps"] == 0 and seen["count"]["group_commands"] == 0, seen
        assert len(seen["last_url"]) <= 100 and "/image/" in seen["last_url"], seen
        home.sim.wait_device(device, lambda d: d["ota_url"] == own, 10, "its own OtaUrl is back")
    home.stop()


def _short_of_space(home, minimal=True):
    """24 KiB are free, the image has 59, and the minimal one 20."""
    home.sim.command("set", 0, "program", 976)
    slot = home.downloaded(0)
    if minimal:
        home.downloaded(0, variant="minimal", size=20000)
    return slot


@scenario(timeout=90, needs=NEEDS)
def in_two_steps(directory):
    home = _home(directory, 1)
    slot = _short_of_space(home)
    home.must_succeed(home.activate(slot))
    _check_updated(home, 0, slot)
    seen = home.sim.device(0)
    assert seen["count"]["minimal_steps"] == 1 and seen["count"]["boots"] == 3, seen
    assert seen["variant"] == "tasmota" and seen["count"]["update_requests"] == 1, seen
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def no_minimal_image(directory):
    """Refused before the device is touched: it would be left with a firmware that can do nothing."""
    home = _home(directory, 1)
    slot = _short_of_space(home, minimal=False)
    _fails(home, 0, slot, home.activate(slot), "minimal", "room for 24 KiB")
    assert home.counts(0)["update_requests"] == 0
    slot = home.downloaded(0, variant="minimal", size=20000)
    _fails(home, 0, slot, home.activate(slot), "only serves to take another image")
    assert home.counts(0)["update_requests"] == 0
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def killed_between_the_two_steps(directory):
    """The agent dies while the device runs its minimal firmware: the next life finds it there and goes on."""
    home = _home(directory, 1, keep=True, patience=20, sim=("--fetch-rate", 60000))
    slot = _short_of_space(home)
    key = home.activate(slot)
    home.sim.wait_device(0, lambda d: d["variant"] == "minimal", 30, "half way")
    home.agent.kill()
    home.agent.start()
    home.wait_answers(home.ctl)
    home.must_succeed(key, 90)
    _check_updated(home, 0, slot)
    assert home.sim.device(0)["variant"] == "tasmota"
    assert home.done_count(key) == 1
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def sleeps(directory):
    """The intent waits for the device; that it wakes is the moment to push."""
    home = _home(directory, 1)
    slot = home.downloaded(0)
    home.sim.command("set", 0, "sleep", "on")
    wait_until(lambda: home.ctl.value(home.rows[home.ids[0]] + "Online") == "false", 15, "asleep")
    key = home.activate(slot, (0, 600, "AnyTime"))
    state = home.rows[home.ids[0]] + "X_HOMEPATCH_Update.JobState"
    wait_until(lambda: home.ctl.value(state) == "Waiting", 5, "the job waits")
    home.sim.command("set", 0, "sleep", "off")
    home.must_succeed(key)
    _check_updated(home, 0, slot)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def old_version_goes_in_steps(directory):
    """A device of 2018: no announcement, results in plain text, and a path that leaves no step out."""
    home = _home(directory, 1)
    home.sim.command("set", 0, "legacy", "on")
    home.sim.command("version", 0, "6.7.1")
    wait_until(lambda: home.ctl.value(home.info(0) + "SoftwareVersion") == "6.7.1", 20, "an old one")
    slot = home.downloaded(0)
    _fails(home, 0, slot, home.activate(slot), "7.2.0 first", version="6.7.1")
    slot = home.downloaded(0, version="7.2.0")
    home.must_succeed(home.activate(slot))
    _check_updated(home, 0, slot, "7.2.0")
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def refuses(directory):
    home = _home(directory)
    home.sim.fault("all", "refuses")
    for device in range(3):
        slot = home.downloaded(device, chip=home.chip(device))
        _fails(home, device, slot, home.activate(slot), "refused")
        home.sim.fault(device, "none")
        home.must_succeed(home.activate(slot))
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def fails_on_the_way(directory):
    home = _home(directory, 1)
    home.sim.fault(0, "fails")
    slot = home.downloaded(0, size=200000)
    _fails(home, 0, slot, home.activate(slot), "Flash write failed")
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def image_for_another_chip(directory):
    home = _home(directory, 1)
    slot = home.downloaded(0, chip="esp32")
    _fails(home, 0, slot, home.activate(slot), "Verify Bin Header Failed")
    assert home.counts(0)["update_requests"] == 1, "tried again what cannot work"
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def never_returns(directory):
    home = _home(directory, 1)
    home.sim.fault(0, "no-return")
    slot = home.downloaded(0)
    _fails(home, 0, slot, home.activate(slot), "did not come back", timeout=100)
    assert home.ctl.value(home.rows[home.ids[0]] + "Online") == "false"
    assert home.counts(0)["update_requests"] == 1
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def returns_with_the_old_version(directory):
    home = _home(directory)
    home.sim.fault("all", "old-version")
    slots = [home.downloaded(d, chip=home.chip(d)) for d in range(3)]
    keys = [home.activate(s) for s in slots]
    for device in range(3):
        _fails(home, device, slots[device], keys[device], OLD)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def power_cut_in_the_middle(directory):
    home = _home(directory, 1)
    home.sim.fault(0, "power-cut")
    slot = home.downloaded(0, size=200000)
    key = home.activate(slot)
    home.sim.wait_device(0, lambda d: d["count"]["boots"] >= 2, 20, "power cut")
    home.sim.fault(0, "none")
    failure = home.wait_done(key, 100)
    version = home.sim.device(0)["version"]
    assert version == (NEW if failure is None else OLD), (failure, version)
    assert home.ctl.value(home.info(0) + "SoftwareVersion") == version
    home.stop()


def _identity(directory, fault):
    home = _home(directory, 1)
    home.sim.fault(0, fault)
    slot = home.downloaded(0)
    key = home.activate(slot)
    home.must_fail(key, 45)
    row = home.rows[home.ids[0]] + "X_HOMEPATCH_Identity."
    wait_until(lambda: home.ctl.value(row + "Quarantined") == "true", 10, "quarantine")
    assert home.ctl.value(row + "Reason")
    assert len(home.ctl.instances(PROXIED, first_level_only=True)) == 1
    assert home.counts(0)["update_requests"] == 1
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def comes_back_as_another_model(directory):
    _identity(directory, "wrong-model")


@scenario(timeout=120, needs=NEEDS)
def comes_back_with_another_address(directory):
    _identity(directory, "new-identity")


@scenario(timeout=120, needs=NEEDS)
def mute_device(directory):
    home = _home(directory)
    slots = [home.downloaded(d, chip=home.chip(d)) for d in range(3)]
    home.sim.fault(0, "mute")
    keys = [home.activate(s) for s in slots]
    for device in (1, 2):
        home.must_succeed(keys[device])
    assert home.wait_done(keys[0], 110) is not None
    assert home.status(slots[0]) in INSTALL
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def flood_and_garbage(directory):
    """Whoever does it pays for it; the other one is updated."""
    for fault in ("flood", "garbage"):
        work = directory / fault
        work.mkdir()
        home = _home(work, 2)
        home.sim.fault(0, fault)
        home.must_succeed(home.activate(home.downloaded(1, chip=home.chip(1))))
        rejected = home.rows[home.ids[0]] + "X_HOMEPATCH_Identity.RejectedMessages"
        wait_until(lambda: int(home.ctl.value(rejected)) > 3, 20, "counted")
        assert home.ctl.value(home.rows[home.ids[1]] + "X_HOMEPATCH_Identity.RejectedMessages") == "0"
        assert len(home.ctl.instances(PROXIED, first_level_only=True)) == 2
        home.sim.fault(0, "none")
        home.must_succeed(home.activate(home.downloaded(0)))
        home.stop()


def _killed(directory, wait, done=None):
    """The agent is killed when wait(device) is true; the job ends once, with what is true."""
    home = _home(directory, 1, keep=True, sim=("--fetch-rate", 60000))
    slot = home.downloaded(0)
    key = home.activate(slot)
    home.sim.wait_device(0, wait, 30, "the moment to die")
    home.agent.kill()
    if done:
        home.sim.wait_device(0, done, 30, "the device goes on without us")
    home.agent.start()
    home.wait_answers(home.ctl)
    failure = home.wait_done(key, 60)
    version = home.sim.device(0)["version"]
    assert version == (NEW if failure is None else OLD), (failure, version)
    wait_until(lambda: home.ctl.value(home.info(0) + "SoftwareVersion") == version, 20, "the true version")
    assert home.done_count(key) == 1
    home.stop()
    return failure


@scenario(timeout=120, needs=NEEDS)
def killed_while_it_fetches(directory):
    _killed(directory, lambda d: d["state"] == "updating" and d["progress"] > 20)


@scenario(timeout=120, needs=NEEDS)
def killed_while_it_restarts(directory):
    assert _killed(directory, lambda d: d["state"] == "rebooting") is None


@scenario(timeout=120, needs=NEEDS)
def killed_until_it_is_back(directory):
    assert (
        _killed(directory, lambda d: d["progress"] > 90, lambda d: d["count"]["boots"] == 2 and d["online"]) is None
    )
