# SPDX-License-Identifier: BSD-3-Clause
"""Devices that misbehave. Each command ends once, with the result that says what happened."""

from home import NEEDS, NEW, OLD, PROXIED, Home
from hptest import scenario, wait_until


def _home(directory, mqtt=1, websocket=1, **options):
    home = Home(directory, mqtt, websocket, **options)
    home.mqtt_controller()
    home.start()
    home.subscribe()
    return home


def _fails(home, device, slot, key, status=("ActivationFailed",), version=OLD):
    """The command failed with a typed error, the row says so, and the reason is kept."""
    code, text = home.must_fail(key, 45)
    assert 7000 <= code < 8000 and text, (code, text)
    row = home.slots(device)[slot]
    assert row["Status"] in status, row
    assert row["BootFailureLog"], "no reason in BootFailureLog"
    if version:
        assert home.ctl.value(home.info(device) + "SoftwareVersion") == version
        active = home.ctl.value(home.info(device) + "ActiveFirmwareImage")
        assert active and home.ctl.value(active + ".Status") == "Active" and active + "." != slot
    assert home.done_count(key) == 1
    return code, text


INSTALL = ("InstallationFailed", "ActivationFailed")


@scenario(timeout=120, needs=NEEDS)
def refuses(directory):
    home = _home(directory)
    home.sim.fault("all", "refuses")
    for device in (0, 1):
        slot = home.downloaded(device)
        _, text = _fails(home, device, slot, home.activate(slot), INSTALL)
        assert "refused" in text.lower(), text
        # Nothing is broken for good: the device changes its mind, and the image is still there or fetched again.
        home.sim.fault(device, "none")
        if home.status(slot) != "Available":
            slot = home.downloaded(device)
        home.must_succeed(home.activate(slot))
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def fails_at_40_percent(directory):
    home = _home(directory)
    home.sim.fault("all", "fails")
    slots = [home.downloaded(d, size=200000) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]
    for device in (0, 1):
        _, text = _fails(home, device, slots[device], keys[device], INSTALL)
        assert "Flash write failed" in text, text
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def never_returns(directory):
    home = _home(directory)
    home.sim.fault("all", "no-return")
    slots = [home.downloaded(d) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]
    for device in (0, 1):
        failure = home.wait_done(keys[device], 110)
        assert failure is not None
        assert home.status(slots[device]) == "ActivationFailed"
        assert home.slots(device)[slots[device]]["BootFailureLog"]
        assert home.ctl.value(home.rows[home.ids[device]] + "Online") == "false"
        assert home.sim.device(device)["count"]["update_requests"] == 1
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def returns_with_the_old_version(directory):
    home = _home(directory)
    home.sim.fault("all", "old-version")
    slots = [home.downloaded(d) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]
    for device in (0, 1):
        _, text = _fails(home, device, slots[device], keys[device])
        assert OLD in text or "version" in text.lower(), text
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def power_cut_in_the_middle(directory):
    """The device says nothing more, comes back as it was. Another try may succeed, but the result must be true."""
    home = _home(directory)
    home.sim.fault("all", "power-cut")
    slots = [home.downloaded(d, size=200000) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]
    for device in (0, 1):
        home.sim.wait_device(device, lambda d: d["count"]["boots"] >= 2, 20, "power cut")
        home.sim.fault(device, "none")
    for device in (0, 1):
        failure = home.wait_done(keys[device], 100)
        version = home.sim.device(device)["version"]
        assert version == (NEW if failure is None else OLD), (failure, version)
        assert home.ctl.value(home.info(device) + "SoftwareVersion") == version
        assert home.done_count(keys[device]) == 1
    home.stop()


def _quarantined(home, device):
    return home.ctl.value(home.rows[home.ids[device]] + "X_HOMEPATCH_Identity.Quarantined") == "true"


def _identity(directory, fault):
    home = _home(directory)
    home.sim.fault("all", fault)
    slots = [home.downloaded(d) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]
    for device in (0, 1):
        home.must_fail(keys[device], 45)
        wait_until(lambda: _quarantined(home, device), 10, "quarantine")
        assert home.ctl.value(home.rows[home.ids[device]] + "X_HOMEPATCH_Identity.Reason")
        assert home.slots(device)[slots[device]]["Status"] == "ActivationFailed"
        # Listed, but not updated.
        url, digest, _, _ = home.image("1.8.0")
        slot = home.free_slot(device)
        results = home.ctl.operate(slot + "Download()", {"URL": url, "AutoActivate": "true"}, key=f"q{device}")
        if results[slot + "Download()"][0] == "request":
            assert home.wait_done(f"q{device}") is not None, "a quarantined device was updated"
        assert home.sim.device(device)["count"]["update_requests"] == 1
    assert len(home.ctl.instances(PROXIED, first_level_only=True)) == 2
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def comes_back_as_another_model(directory):
    _identity(directory, "wrong-model")


@scenario(timeout=120, needs=NEEDS)
def comes_back_with_another_address(directory):
    _identity(directory, "new-identity")


@scenario(timeout=120, needs=NEEDS)
def image_for_another_model(directory):
    """The gateway cannot know; the device refuses it, and says why."""
    home = _home(directory)
    for device in (0, 1):
        slot = home.downloaded(device, model="Mini1G3")
        _, text = _fails(home, device, slot, home.activate(slot), INSTALL)
        assert "Mini1G3" in text, text
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def mute_device(directory):
    """Connected, but answers nothing: the command ends all the same, and the others are not held up."""
    home = _home(directory, 2, 2)
    slots = [home.downloaded(d) for d in range(4)]
    home.sim.fault(0, "mute")
    home.sim.fault(1, "mute")
    keys = [home.activate(s) for s in slots]
    for device in (2, 3):
        home.must_succeed(keys[device])
    for device in (0, 1):
        assert home.wait_done(keys[device], 110) is not None
        assert home.status(slots[device]) in INSTALL
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def flood(directory):
    """One device on each transport floods; the others are updated, and the controller is answered."""
    home = _home(directory, 2, 2, sim=("--flood-rate", 3000))
    home.sim.fault(0, "flood")
    home.sim.fault(1, "flood")
    keys = [home.activate(home.downloaded(d)) for d in (2, 3)]
    for key in keys:
        home.must_succeed(key)
    assert {home.sim.device(d)["version"] for d in (2, 3)} == {NEW}
    assert len(home.ctl.instances(PROXIED, first_level_only=True)) == 4
    home.sim.fault("all", "none")
    home.wait_listed()
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def garbage(directory):
    """Malformed, huge and deeply nested frames: dropped; no row appears from them, nobody else suffers."""
    home = _home(directory, 2, 2)
    home.sim.fault(0, "garbage")
    home.sim.fault(1, "garbage")
    for device in (2, 3):
        home.must_succeed(home.activate(home.downloaded(device)))
    wait_until(lambda: home.sim.device(1)["count"]["connects"] >= 1, 10, "garbage sent")
    assert len(home.ctl.instances(PROXIED, first_level_only=True)) == 4
    for device in (0, 1):
        assert home.ctl.value(home.info(device) + "SoftwareVersion") == OLD
    home.sim.fault("all", "none")
    home.wait_listed()
    for device in (0, 1):
        home.must_succeed(home.activate(home.downloaded(device)))
    assert home.agent.running()
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def one_failure_among_many(directory):
    """Twelve devices, one of which fails: eleven run the new version, and every result is the true one."""
    home = _home(directory, 6, 6)
    home.sim.fault(5, "fails")
    slots = [home.downloaded(d, size=100000) for d in range(12)]
    keys = [home.activate(s) for s in slots]
    results = [home.wait_done(k, 60) for k in keys]
    assert [r is None for r in results] == [d != 5 for d in range(12)], results
    assert [d["version"] for d in home.sim.devices()] == [OLD if d == 5 else NEW for d in range(12)]
    home.stop()


@scenario(needs=NEEDS)
def waits_for_its_battery(directory):
    """A device on a battery that is nearly empty is not updated until it has enough again, and the inventory says so."""
    home = _home(directory)
    slot = home.downloaded(0)
    update = home.rows[home.ids[0]] + "X_HOMEPATCH_Update."
    home.sim.fault(0, "low-battery")
    wait_until(lambda: home.ctl.value(update + "BatteryLevel") == "9", 10, "the level is known")
    key = home.activate(slot)
    wait_until(lambda: home.ctl.value(update + "WaitsFor") == "battery", 10, "the job waits")
    assert home.sim.device(0)["count"]["update_requests"] == 0
    home.sim.fault(0, "none")
    assert home.wait_done(key) is None
    assert home.sim.device(0)["version"] == NEW
    assert home.ctl.value(update + "WaitsFor") == ""
    home.stop()


def _canary_home(directory, soak):
    home = Home(directory, 2, 2)
    home.agent.conf.update(canary_soak=soak)
    home.mqtt_controller()
    home.start()
    home.subscribe()
    return home


@scenario(needs=NEEDS)
def canary_first_then_the_rest(directory):
    """Of devices that are alike one is updated first; the rest follow when it has run the new version for a while."""
    home = _canary_home(directory, soak=4)
    slots = [home.downloaded(d) for d in range(4)]
    keys = [home.activate(s) for s in slots]
    wait_until(lambda: any(d["version"] == NEW for d in home.sim.devices()), 30, "the canary is updated")
    states = home.ctl.get(PROXIED + "*.X_HOMEPATCH_Update.JobState")
    assert sorted(states.values())[-3:] == ["Waiting"] * 3, states
    assert [d["version"] for d in home.sim.devices()].count(NEW) == 1
    assert [home.wait_done(k, 60) for k in keys] == [None] * 4
    assert {d["version"] for d in home.sim.devices()} == {NEW}
    home.stop()


@scenario(needs=NEEDS)
def canary_that_fails_saves_the_rest(directory):
    """The image comes to nothing on the first device: the others are not given it, and their results say why."""
    home = _canary_home(directory, soak=600)
    for d in range(4):
        home.sim.fault(d, "old-version")
    slots = [home.downloaded(d) for d in range(4)]
    keys = [home.activate(s) for s in slots]
    results = [home.wait_done(k, 60) for k in keys]
    assert all(results), results
    assert sum("held back, because it failed on" in text for _, text in results) == 3, results
    devices = home.sim.devices()
    assert {d["version"] for d in devices} == {OLD}
    assert sum(d["count"]["update_requests"] for d in devices) == 1, devices
    home.stop()
