# SPDX-License-Identifier: BSD-3-Clause
"""Zigbee devices behind a Zigbee2MQTT: lights that listen and sensors that sleep, one radio for all of them."""

from home import NEEDS, PROXIED, Home
from hptest import scenario, wait_until, write_zigbee_image

FIRST, SECOND = "16777473", "16777729"
LIGHT, SENSOR, PLUG, VALVE = range(4)


class ZigbeeHome(Home):
    def __init__(self, directory, devices=4, http=True, sim=(), **conf):
        super().__init__(directory, 0, 0, families={"zigbee": devices}, sim=sim)
        if not http:
            self.agent.conf["lan_http_listen"] = ""
            self.agent.conf.pop("lan_http_url")
        self.agent.conf.update(reboot_timeout=8, **conf)
        self.mqtt_controller()
        self.start()
        self.subscribe(keep=True)
        for device in range(devices):
            self.wait_version(device, FIRST)

    def wait_version(self, device, version, timeout=20):
        path = self.info(device) + "SoftwareVersion"
        wait_until(lambda: self.ctl.value(path) == version, timeout, f"{path} is {version}", interval=0.1)

    def fetched(self, device, version=SECOND, size=20000, **wrong):
        """A slot that holds an image for this device."""
        model = self.sim.device(device)["model"]
        file = self.dir / f"{model}-{version}.ota"
        digest, _ = write_zigbee_image(file, model, int(version), size, **wrong)
        self.images.add(f"/{file.name}", file)
        slot = self.free_slot(device)
        key = self.download(slot, f"{self.images.https_url}/{file.name}", CheckSumAlgorithm="SHA-256", CheckSum=digest)
        self.must_succeed(key)
        return slot

    def restarted(self, device, version=SECOND):
        self.wait_version(device, version)
        assert self.sim.device(device)["version"] == version

    def online(self, device):
        return self.ctl.value(self.rows[self.ids[device]] + "Online") == "true"

    def wait_online(self, device, online=True):
        wait_until(lambda: self.online(device) == online, 15, f"device {device} online: {online}", interval=0.05)

    def wait_job(self, device, state, timeout=15):
        path = self.rows[self.ids[device]] + "X_HOMEPATCH_Update.JobState"
        wait_until(lambda: self.ctl.value(path) == state, timeout, f"{path} is {state}", interval=0.05)

    def wait_scheduled(self, device):
        self.sim.wait_device(device, lambda d: d["state"] == "scheduled", 15, "scheduled")


def _check_done(home, device, slot, version=SECOND):
    home.restarted(device, version)
    row = home.slots(device)[slot]
    assert row["Status"] == "Active" and row["Version"] == version, row


@scenario(needs=NEEDS)
def found_and_identified(directory):
    home = ZigbeeHome(directory)
    for device in range(4):
        sim = home.sim.device(device)
        info = home.ctl.get(home.info(device))
        assert info[home.info(device) + "ModelName"] == sim["model"], info
        assert info[home.info(device) + "SoftwareVersion"] == FIRST, info
        row = home.rows[home.ids[device]]
        assert home.ctl.value(row + "ProxyProtocol") == "X_HOMEPATCH_Zigbee2MQTT"
        assert home.ctl.value(row + "Name") == sim["name"]
        assert home.ctl.value(row + "X_HOMEPATCH_Identity.Grade") == "C"
    assert len(home.ctl.get(PROXIED + "*.Online")) == 4, "the coordinator is no device"
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def updated_from_the_gateway(directory):
    home = ZigbeeHome(directory)
    slot = home.fetched(LIGHT)
    home.must_succeed(home.activate(slot))
    _check_done(home, LIGHT, slot)
    count = home.sim.device(LIGHT)["count"]
    assert count["over_url"] == 1 and count["over_hex"] == 0, count
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def updated_over_the_broker_alone(directory):
    """The gateway serves no images: they go inside messages, to those that listen and to those that sleep."""
    home = ZigbeeHome(directory, http=False)
    for device in (LIGHT, SENSOR):
        slot = home.fetched(device)
        key = home.activate(slot)
        if device == SENSOR:
            home.wait_scheduled(device)
            home.sim.command("wake", device)
        home.must_succeed(key)
        _check_done(home, device, slot)
        assert home.sim.device(device)["count"]["over_hex"] == 1
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def configured_for_the_broker(directory):
    home = ZigbeeHome(directory, zigbee2mqtt_hex_topics="zigbee2mqtt")
    slot = home.fetched(PLUG)
    home.must_succeed(home.activate(slot))
    assert home.sim.device(PLUG)["count"]["over_hex"] == 1
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def no_route_to_the_gateway(directory):
    """The bridge cannot fetch from the URL it is given; the second try goes over the broker."""
    home = ZigbeeHome(directory, lan_http_url="http://127.0.0.1:1")
    slot = home.fetched(LIGHT)
    home.must_succeed(home.activate(slot))
    count = home.sim.device(LIGHT)["count"]
    assert count["over_url"] == 1 and count["over_hex"] == 1, count
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def asleep_until_it_wakes(directory):
    """The bridge keeps the order; others on the same radio have their turn meanwhile."""
    home = ZigbeeHome(directory, parallel_installs=1)
    home.sim.command("sleep", "zigbee")
    slot = home.fetched(SENSOR)
    key = home.activate(slot)
    home.wait_scheduled(SENSOR)
    assert home.ctl.value(home.rows[home.ids[SENSOR]] + "X_HOMEPATCH_Update.WaitsFor") == "device"
    assert home.ctl.value(home.rows[home.ids[SENSOR]] + "X_HOMEPATCH_Update.BatteryLevel") == "87"
    other = home.fetched(PLUG)
    home.must_succeed(home.activate(other))
    assert home.done_count(key) == 0
    home.sim.command("wake", SENSOR)
    home.must_succeed(key)
    _check_done(home, SENSOR, slot)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def does_not_wake_within_its_window(directory):
    """What the operator allowed ends for the sleeper too: the order is taken back from the bridge."""
    home = ZigbeeHome(directory)
    home.sim.command("sleep", "zigbee")
    slot = home.fetched(SENSOR)
    key = home.activate(slot, (0, 4, "AnyTime"))
    home.wait_scheduled(SENSOR)
    _, text = home.must_fail(key, 30)
    assert "wake" in text, text
    home.sim.wait_device(SENSOR, lambda d: d["state"] == "idle", 10, "unscheduled")
    home.sim.command("wake", SENSOR)
    assert home.sim.device(SENSOR)["version"] == FIRST
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def cancelled_while_it_sleeps(directory):
    home = ZigbeeHome(directory)
    home.sim.command("sleep", "zigbee")
    slot = home.fetched(VALVE)
    key = home.activate(slot)
    home.wait_scheduled(VALVE)
    home.ctl.operate(home.requests[key] + "Cancel()", {}, "cancel")
    home.must_fail(key)
    home.sim.wait_device(VALVE, lambda d: d["state"] == "idle", 10, "unscheduled")
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def fails_and_stays_scheduled(directory):
    home = ZigbeeHome(directory)
    home.sim.command("sleep", "zigbee")
    home.sim.fault(SENSOR, "fails")
    slot = home.fetched(SENSOR)
    key = home.activate(slot)
    for tries in (1, 2):
        home.wait_scheduled(SENSOR)
        home.sim.command("wake", SENSOR)
        home.sim.wait_device(SENSOR, lambda d: d["count"]["updates_failed"] == tries, 15, f"failure {tries}")
    assert home.done_count(key) == 0
    home.sim.fault(SENSOR, "none")
    home.wait_scheduled(SENSOR)
    home.sim.command("wake", SENSOR)
    home.must_succeed(key)
    _check_done(home, SENSOR, slot)
    home.stop()


@scenario(timeout=180, needs=NEEDS)
def fails_whenever_it_wakes(directory):
    """The intent is kept, and not for ever."""
    home = ZigbeeHome(directory)
    home.sim.fault(SENSOR, "fails")
    slot = home.fetched(SENSOR)
    key = home.activate(slot)

    def wake():
        home.sim.command("wake", SENSOR)
        return home.done_count(key)

    wait_until(wake, 60, "the job ends", interval=0.5)
    _, text = home.must_fail(key)
    assert "woke" in text, text
    home.sim.wait_device(SENSOR, lambda d: d["state"] == "idle", 10, "unscheduled")
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def one_radio_one_update(directory):
    home = ZigbeeHome(directory, devices=5, sim=("--fetch-rate", 15000))
    slots = [home.fetched(d) for d in (LIGHT, PLUG)]
    keys = [home.activate(s) for s in slots]
    seen = 0

    def watch():
        nonlocal seen
        seen = max(seen, sum(d["state"] == "updating" for d in home.sim.devices()))
        return all(home.done_count(k) for k in keys)

    wait_until(watch, 60, "both end", interval=0.05)
    for key in keys:
        home.must_succeed(key)
    assert seen == 1, f"{seen} at once"
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def the_makers_offer(directory):
    home = ZigbeeHome(directory)
    home.sim.command("offer", LIGHT, SECOND)

    def offered():
        rows = home.slots(LIGHT).items()
        return next((path for path, row in rows if row["Name"] == "latest" and row["Version"] == SECOND), None)

    slot = wait_until(offered, 15, "the offer is listed", interval=0.1)
    home.must_succeed(home.activate(slot))
    _check_done(home, LIGHT, slot)
    assert home.ctl.value(home.rows[home.ids[LIGHT]] + "X_HOMEPATCH_Update.OfferedVersion") == ""
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def older_images(directory):
    """An older image is no accident when the row was proven by running; by its header alone it is refused."""
    home = ZigbeeHome(directory)
    first = home.fetched(LIGHT, "16777475")
    home.must_succeed(home.activate(first))
    _check_done(home, LIGHT, first, "16777475")
    second = home.fetched(LIGHT)
    home.must_succeed(home.activate(second))
    _check_done(home, LIGHT, second)
    home.must_succeed(home.activate(first))
    _check_done(home, LIGHT, first, "16777475")
    third = home.fetched(LIGHT, "16777474")
    _, text = home.must_fail(home.activate(third))
    assert "older" in text, text
    home.stop()


@scenario(needs=NEEDS)
def no_zigbee_image(directory):
    home = ZigbeeHome(directory, devices=1)
    file = home.dir / "wrong.ota"
    write_zigbee_image(file, "LMN-E27-W", int(SECOND), magic=0x12345678)
    home.images.add("/wrong.ota", file)
    slot = home.free_slot(LIGHT)
    _, text = home.must_fail(home.download(slot, f"{home.images.https_url}/wrong.ota"))
    assert "Zigbee OTA" in text, text
    assert home.status(slot) == "ValidationFailed"
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def for_another_product(directory):
    home = ZigbeeHome(directory)
    file = home.dir / "other.ota"
    write_zigbee_image(file, "LMN-PLUG", int(SECOND))
    home.images.add("/other.ota", file)
    slot = home.free_slot(LIGHT)
    home.must_succeed(home.download(slot, f"{home.images.https_url}/other.ota"))
    _, text = home.must_fail(home.activate(slot))
    assert "INVALID_IMAGE" in text, text
    home.stop()


def _faulty(directory, fault, *expected, **options):
    home = ZigbeeHome(directory, **options)
    home.sim.fault(LIGHT, fault)
    slot = home.fetched(LIGHT)
    key = home.activate(slot)
    code, text = home.must_fail(key, 60)
    assert 7000 <= code < 8000 and all(word in text for word in expected), (code, text)
    assert home.status(slot) == "ActivationFailed" and home.done_count(key) == 1
    return home


@scenario(timeout=120, needs=NEEDS)
def refuses(directory):
    _faulty(directory, "refuses", "refused").stop()


@scenario(timeout=120, needs=NEEDS)
def mute(directory):
    _faulty(directory, "mute", "didn't respond").stop()


@scenario(timeout=120, needs=NEEDS)
def fails_at_40_percent(directory):
    home = _faulty(directory, "fails", "Flash write failed")
    assert home.ctl.value(home.info(LIGHT) + "SoftwareVersion") == FIRST
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def never_returns(directory):
    """The bridge calls it done and names the version of the file; the device is not there, so it is not done."""
    home = _faulty(directory, "no-return")
    assert not home.online(LIGHT)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def returns_with_the_old_version(directory):
    home = _faulty(directory, "old-version", FIRST)
    assert home.ctl.value(home.info(LIGHT) + "SoftwareVersion") == FIRST
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def power_cut_in_the_middle(directory):
    home = ZigbeeHome(directory)
    home.sim.fault(LIGHT, "power-cut")
    slot = home.fetched(LIGHT)
    key = home.activate(slot)
    home.sim.wait_device(LIGHT, lambda d: d["count"]["updates_failed"] >= 1, 15, "power cut")
    home.sim.fault(LIGHT, "none")
    failure = home.wait_done(key, 60)
    home.wait_version(LIGHT, SECOND if failure is None else FIRST)
    assert home.sim.device(LIGHT)["version"] == (SECOND if failure is None else FIRST)
    home.stop()


def _quarantined(directory, fault):
    home = ZigbeeHome(directory)
    home.sim.fault(LIGHT, fault)
    slot = home.fetched(LIGHT)
    home.activate(slot)
    path = home.rows[home.ids[LIGHT]] + "X_HOMEPATCH_Identity.Quarantined"
    wait_until(lambda: home.ctl.value(path) == "true", 30, "quarantine", interval=0.1)
    home.ctl.operate(home.rows[home.ids[LIGHT]] + "X_HOMEPATCH_Identity.Release()", {}, "release")
    wait_until(lambda: home.ctl.value(path) == "false", 15, "released", interval=0.1)
    wait_until(
        lambda: home.ctl.value(home.info(LIGHT) + "SoftwareVersion") == SECOND, 30, "its version", interval=0.2
    )
    return home


@scenario(timeout=120, needs=NEEDS)
def another_model(directory):
    _quarantined(directory, "wrong-model").stop()


@scenario(timeout=120, needs=NEEDS)
def another_maker(directory):
    _quarantined(directory, "new-identity").stop()


@scenario(timeout=120, needs=NEEDS)
def flood_and_garbage(directory):
    """One device too many; the others are updated as ever."""
    home = ZigbeeHome(directory, sim=("--flood-rate", 500))
    home.sim.fault(LIGHT, "flood")
    home.sim.fault(LIGHT, "garbage")
    path = home.rows[home.ids[LIGHT]] + "X_HOMEPATCH_Identity.RejectedMessages"
    wait_until(lambda: int(home.ctl.value(path)) >= 10, 30, "rejected messages", interval=0.2)
    slot = home.fetched(PLUG)
    home.must_succeed(home.activate(slot))
    _check_done(home, PLUG, slot)
    rejected = home.rows[home.ids[PLUG]] + "X_HOMEPATCH_Identity.RejectedMessages"
    assert home.ctl.value(rejected) == "0"
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def renamed_while_updated(directory):
    home = ZigbeeHome(directory, sim=("--fetch-rate", 15000))
    slot = home.fetched(LIGHT)
    key = home.activate(slot)
    home.wait_job(LIGHT, "Transferring")
    home.sim.command("rename", LIGHT, "hall/lamp")
    home.must_succeed(key)
    assert home.ctl.value(home.rows[home.ids[LIGHT]] + "Name") == "hall/lamp"
    _check_done(home, LIGHT, slot)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def leaves_and_comes_back(directory):
    home = ZigbeeHome(directory)
    home.sim.command("leave", LIGHT)
    home.wait_online(LIGHT, False)
    home.sim.command("join", LIGHT)
    home.wait_online(LIGHT)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def the_bridge_goes(directory):
    home = ZigbeeHome(directory)
    home.sim.command("bridge", LIGHT, "off")
    for device in range(4):
        home.wait_online(device, False)
    home.sim.command("bridge", LIGHT, "on")
    for device in range(4):
        home.wait_online(device)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def the_bridge_restarts_in_the_middle(directory):
    home = ZigbeeHome(directory, sim=("--fetch-rate", 10000))
    slot = home.fetched(LIGHT)
    key = home.activate(slot)
    home.sim.wait_device(LIGHT, lambda d: d["state"] == "updating" and d["progress"] > 10, 15, "progress")
    home.sim.command("bridge", LIGHT, "restart")
    home.must_succeed(key, 60)
    assert home.sim.device(LIGHT)["count"]["updates_begun"] == 2
    _check_done(home, LIGHT, slot)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def the_broker_restarts_in_the_middle(directory):
    home = ZigbeeHome(directory, sim=("--fetch-rate", 8000))
    slot = home.fetched(LIGHT)
    key = home.activate(slot)
    home.sim.wait_device(LIGHT, lambda d: d["state"] == "updating" and d["progress"] > 10, 15, "progress")
    home.lan.stop()
    home.lan.start()
    home.must_succeed(key, 60)
    _check_done(home, LIGHT, slot)
    home.stop()


def _crash(directory, device, ready, **options):
    """kill -9 when `ready` says so; the command ends once and true."""
    home = ZigbeeHome(directory, **options)
    if device == SENSOR:
        home.sim.command("sleep", "zigbee")
    slot = home.fetched(device)
    key = home.activate(slot)
    ready(home)
    home.agent.restart(kill=True)
    home.wait_answers(home.ctl)
    return home, slot, key


@scenario(timeout=180, needs=NEEDS)
def killed_while_the_light_takes_it(directory):
    """The bridge goes on with it; the agent finds it at it, and judges by what comes of it."""
    home, slot, key = _crash(
        directory,
        LIGHT,
        lambda h: h.sim.wait_device(LIGHT, lambda d: d["state"] == "updating" and d["progress"] > 10, 15, "progress"),
        sim=("--fetch-rate", 4000),
    )
    home.must_succeed(key, 90)
    _check_done(home, LIGHT, slot)
    assert home.sim.device(LIGHT)["count"]["updates_begun"] == 1
    assert home.done_count(key) == 1
    home.stop()


@scenario(timeout=180, needs=NEEDS)
def killed_while_the_sensor_sleeps(directory):
    home, slot, key = _crash(directory, SENSOR, lambda h: h.wait_scheduled(SENSOR))

    def wake():
        home.sim.command("wake", SENSOR)
        return home.done_count(key)

    wait_until(wake, 60, "the job ends", interval=0.5)
    home.must_succeed(key)
    _check_done(home, SENSOR, slot)
    home.stop()


@scenario(timeout=180, needs=NEEDS)
def killed_after_the_light_took_it(directory):

    def handed(home):
        home.sim.wait_device(LIGHT, lambda d: d["state"] == "updating" and d["progress"] > 50, 15, "progress")
        home.sim.fault(LIGHT, "mute")  # it does not tell its version
        home.wait_job(LIGHT, "Rebooting")

    home, slot, key = _crash(directory, LIGHT, handed)
    home.sim.fault(LIGHT, "none")
    home.must_succeed(key, 60)
    _check_done(home, LIGHT, slot)
    assert home.sim.device(LIGHT)["count"]["updates_begun"] == 1
    home.stop()


@scenario(timeout=180, needs=NEEDS)
def killed_while_it_waits(directory):
    home = ZigbeeHome(directory)
    home.sim.command("offline", LIGHT)
    home.wait_online(LIGHT, False)
    slot = home.fetched(LIGHT)
    key = home.activate(slot)
    home.wait_job(LIGHT, "Waiting")
    home.agent.restart(kill=True)
    home.wait_answers(home.ctl)
    home.sim.command("online", LIGHT)
    home.must_succeed(key, 60)
    _check_done(home, LIGHT, slot)
    home.stop()
