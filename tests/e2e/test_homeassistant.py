# SPDX-License-Identifier: BSD-3-Clause
"""Devices that announce themselves for Home Assistant: found, told to install what their maker offers, judged by the
version that they say afterwards; and every way in which that fails."""

from home import NEEDS, PROXIED, Home
from hptest import scenario, wait_until

OLD, NEW = "1.4.4", "1.6.0"
FAMILIES = ("esphome", "openmqttgateway", "homeassistant")


class Announcers(Home):
    """One device of each family, known by their names, and a Shelly behind them. The broker keeps nothing of what the
    last family says."""

    def __init__(self, directory, families=FAMILIES, offer=NEW, **conf):
        sim = [word for family in families for word in ("--with", f"{family}=1")]
        super().__init__(directory, mqtt=1, websocket=0, sim=(*sim, "--offer", offer))
        self.agent.conf.update(conf)
        self.mqtt_controller()
        self.uds_controller()

    def start(self, devices=True):
        super().start(devices)
        self.subscribe(keep=True)
        return self

    def wait_listed(self, timeout=30):
        wanted = {d["id"] for d in self.sim.devices() if "offline" not in d["faults"]}

        def listed():
            names = {v: k[: -len("Name")] for k, v in self.ctl.get(PROXIED + "*.Name").items()}
            online = self.ctl.get(PROXIED + "*.Online")
            return names if all(online.get(names.get(w, "") + "Online") == "true" for w in wanted) else None

        self.rows = wait_until(listed, timeout, "every device listed online", interval=0.1)

    def offered(self, device):
        """The row that holds the maker's offer."""

        def find():
            rows = self.slots(device)
            return next((p for p, r in rows.items() if r["Name"] == "latest" and r["Status"] == "Available"), None)

        return wait_until(find, 10, f"offer of device {device}", interval=0.05)

    def version(self, device):
        return self.ctl.value(self.info(device) + "SoftwareVersion")


def _home(directory, *args, **options):
    return Announcers(directory, *args, **options).start()


def _fails(home, device, slot, key, timeout=60):
    code, text = home.must_fail(key, timeout)
    assert 7000 <= code < 8000 and text, (code, text)
    row = home.slots(device)[slot]
    assert row["Status"] in ("ActivationFailed", "InstallationFailed"), row
    assert row["BootFailureLog"], row
    assert home.done_count(key) == 1
    return text


@scenario(timeout=90, needs=NEEDS)
def found_and_updated(directory):
    home = _home(directory)
    makers = {"esphome": "Espressif", "openmqttgateway": "OMG_community", "homeassistant": "Bla electronics"}
    for device, family in enumerate(FAMILIES):
        home.offered(device)
        sim = home.sim.device(device)
        info = home.ctl.get(home.info(device))
        assert info[home.info(device) + "Manufacturer"] == makers[family]
        assert info[home.info(device) + "ModelName"] == sim["model"]
        assert info[home.info(device) + "SoftwareVersion"] == OLD
        assert info[home.info(device) + "SerialNumber"] == sim["mac"]
        row = home.rows[home.ids[device]]
        assert home.ctl.value(row + "ProxyProtocol") == "X_HOMEPATCH_HomeAssistant-MQTT"
        assert home.ctl.value(row + "X_HOMEPATCH_Update.OfferedVersion") == NEW
    keys = [home.activate(home.offered(d)) for d in range(3)]
    for device, key in enumerate(keys):
        home.must_succeed(key)
        assert home.sim.device(device)["version"] == NEW
        assert home.version(device) == NEW
        assert home.sim.device(device)["count"]["update_requests"] == 1
        active = home.ctl.value(home.info(device) + "ActiveFirmwareImage") + "."
        assert home.slots(device)[active]["Version"] == NEW
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def an_image_of_our_own_is_refused(directory):
    home = _home(directory, ("esphome",))
    slot = home.free_slot(0)
    url, _, _, _ = home.image()
    kind, value = home.ctl.operate(slot + "Download()", {"URL": url, "AutoActivate": "true"}, "own")[
        slot + "Download()"
    ]
    assert kind != "request" or home.wait_done("own") is not None
    assert "only what its maker offers" in str(value if kind != "request" else home.wait_done("own")), (kind, value)
    assert home.sim.device(0)["count"]["commands"] == 0
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def progress_is_seen(directory):
    home = _home(directory, ("homeassistant",))
    home.sim.fault(0, "slow")
    key = home.activate(home.offered(0))
    row = home.rows[home.ids[0]] + "X_HOMEPATCH_Update.Progress"
    wait_until(lambda: 20 <= int(home.ctl.value(row)) < 100, 20, "progress", interval=0.05)
    home.sim.fault(0, "none")
    home.must_succeed(key)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def ignores_the_command(directory):
    """Nothing is ever acknowledged: the job's patience ends it, after its tries."""
    home = _home(directory, ("esphome", "homeassistant"))
    home.sim.fault("all", "refuses")
    slots = [home.offered(d) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]
    for device in (0, 1):
        text = _fails(home, device, slots[device], keys[device])
        assert "no progress" in text, text
        assert home.sim.device(device)["count"]["update_requests"] == 2  # install_retries = 1
        assert home.version(device) == OLD
    home.sim.fault("all", "none")
    home.must_succeed(home.activate(slots[0]))
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def fails_on_the_way(directory):
    home = _home(directory, ("homeassistant",))
    home.sim.fault(0, "fails")
    slot = home.offered(0)
    _fails(home, 0, slot, home.activate(slot), 90)
    assert home.sim.device(0)["count"]["updates_failed"] == 2
    assert home.version(0) == OLD
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def never_returns(directory):
    home = _home(directory)
    home.sim.fault("all", "no-return")
    slots = [home.offered(d) for d in range(3)]
    keys = [home.activate(s) for s in slots]
    for device in range(3):
        text = _fails(home, device, slots[device], keys[device])
        assert "did not come back" in text, text
        assert home.ctl.value(home.rows[home.ids[device]] + "Online") == "false"
        assert home.sim.device(device)["count"]["update_requests"] == 1
    home.stop()


@scenario(timeout=150, needs=NEEDS)
def returns_with_the_old_version(directory):
    home = _home(directory, reboot_timeout=90, transfer_timeout=90)
    home.sim.fault("all", "old-version")
    slots = [home.offered(d) for d in range(3)]
    keys = [home.activate(s) for s in slots]
    for device in range(3):
        text = _fails(home, device, slots[device], keys[device], 100)
        assert f'the version it had before, "{OLD}"' in text, text
        assert home.sim.device(device)["count"]["update_requests"] == 1
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def power_cut_in_the_middle(directory):
    """It comes back as it was. Another try may succeed; the result is true in any case."""
    home = _home(directory)
    home.sim.fault("all", "power-cut")
    slots = [home.offered(d) for d in range(3)]
    keys = [home.activate(s) for s in slots]
    for device in range(3):
        home.sim.wait_device(device, lambda d: d["count"]["boots"] >= 2, 20, "power cut")
        home.sim.fault(device, "none")
    for device in range(3):
        failure = home.wait_done(keys[device], 100)
        version = home.sim.device(device)["version"]
        assert version == (NEW if failure is None else OLD), (failure, version)
        assert home.version(device) == version
        assert home.done_count(keys[device]) == 1
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def comes_back_as_another(directory):
    for fault in ("wrong-model", "new-identity"):
        where = directory / fault
        where.mkdir()
        home = _home(where, ("esphome", "homeassistant"))
        home.sim.fault("all", fault)
        keys = [home.activate(home.offered(d)) for d in (0, 1)]
        for device in (0, 1):
            home.must_fail(keys[device], 45)
            row = home.rows[home.ids[device]] + "X_HOMEPATCH_Identity."
            wait_until(lambda: home.ctl.value(row + "Quarantined") == "true", 10, "quarantine")
            assert home.ctl.value(row + "Reason")
        assert len(home.ctl.instances(PROXIED, first_level_only=True)) == 3
        home.stop()


@scenario(timeout=60, needs=NEEDS)
def updated_by_somebody_else(directory):
    home = _home(directory)
    home.sim.command("version", "all", NEW)
    for device in range(3):
        wait_until(lambda: home.version(device) == NEW, 15, "the new version is seen")
        offered = home.rows[home.ids[device]] + "X_HOMEPATCH_Update.OfferedVersion"
        wait_until(lambda: home.ctl.value(offered) == "", 10, "no offer any more")
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def flood_and_garbage(directory):
    """Whoever floods or sends garbage suffers alone."""
    home = _home(directory)
    home.sim.fault(0, "flood")
    home.sim.fault(1, "garbage")
    home.must_succeed(home.activate(home.offered(2)))
    rejected = home.rows[home.ids[1]] + "X_HOMEPATCH_Identity.RejectedMessages"
    wait_until(lambda: int(home.ctl.value(rejected)) > 0, 10, "garbage is counted")
    assert len(home.ctl.instances(PROXIED, first_level_only=True)) == 4
    home.sim.fault("all", "none")
    home.wait_listed()
    # What is over the limit was dropped; its allowance comes back.
    for device in (0, 1):
        home.must_succeed(home.activate(home.offered(device)))
    assert home.agent.running()
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def birth_message(directory):
    """The last family's discovery is not kept by the broker: an agent that starts later hears of it by asking."""
    home = Announcers(directory, ("homeassistant",))
    home.cleanup.add(home.sim.start())
    home.sim.wait_online()
    home.agent.conf["lan_homeassistant_birth"] = "never"
    super(Announcers, home).start(devices=False)
    home.subscribe(keep=True)
    wait_until(lambda: home.ctl.value("Device.LocalAgent.UpTime") != "0", 10, "the agent is up")
    home.sim.command("offline", 0)
    home.sim.command("online", 0)  # it connects anew, and announces itself without being asked
    home.ids = [d["id"] for d in home.sim.devices()]
    home.wait_listed()
    home.agent.stop()
    announcements = home.sim.device(0)["count"]["announcements"]
    home.agent.conf["lan_homeassistant_birth"] = "auto"
    home.agent.start()
    home.sim.wait_device(0, lambda d: d["count"]["announcements"] > announcements, 20, "asked to announce itself")
    home.controllers[1].connect()
    home.wait_answers(home.ctl)
    home.wait_listed()
    home.must_succeed(home.activate(home.offered(0)))
    home.stop()


def _job_state(home, device):
    return home.controllers[1].value(home.rows[home.ids[device]] + "X_HOMEPATCH_Update.JobState")


def _kill_and_start(home):
    home.controllers[1].close()
    home.agent.kill()
    home.agent.start()
    home.controllers[1].connect()
    home.wait_answers(home.ctl)


@scenario(timeout=180, needs=NEEDS)
def killed_at_each_stage(directory):
    """kill -9 of the agent while it waits, while the device is at work, and while it restarts: one result, and true."""
    for stage in ("Waiting", "Transferring", "Rebooting"):
        where = directory / stage
        where.mkdir()
        home = Announcers(where, ("esphome", "homeassistant"))
        home.agent.conf.update(install_retries=20, transfer_timeout=60, reboot_timeout=60)
        home.start()
        slots = [home.offered(d) for d in (0, 1)]
        home.sim.fault("all", "slow" if stage == "Transferring" else "none")
        if stage == "Waiting":
            home.sim.command("offline", "all")
            for device in (0, 1):
                row = home.rows[home.ids[device]] + "Online"
                wait_until(lambda: home.ctl.value(row) == "false", 10, "the device is away")
        keys = [home.activate(s) for s in slots]
        if stage == "Rebooting":
            home.sim.wait_device(1, lambda d: d["state"] == "rebooting" or d["count"]["boots"] > 1, 20, "reboot")
        else:
            wait_until(lambda: _job_state(home, 1) == stage, 20, stage, interval=0.01)
        _kill_and_start(home)
        home.sim.fault("all", "none")
        home.sim.command("online", "all")
        for device in (0, 1):
            failure = home.wait_done(keys[device], 120)
            version = home.sim.device(device)["version"]
            assert failure is None and version == NEW, (stage, failure, version)
            assert home.version(device) == NEW
            assert home.done_count(keys[device]) == 1
        home.stop()


@scenario(timeout=60, needs=NEEDS)
def prefix_of_its_own(directory):
    """With another prefix than the devices', none is found; with none, the dialect is off."""
    for prefix in ("elsewhere", ""):
        where = directory / (prefix or "off")
        where.mkdir()
        home = Announcers(where, ("esphome",), lan_homeassistant_prefix=prefix)
        super(Announcers, home).start(devices=False)
        home.cleanup.add(home.sim.start())
        home.sim.wait_online()
        wait_until(lambda: len(home.ctl.instances(PROXIED, first_level_only=True)) == 1, 20, "the Shelly is listed")
        # The Shelly was announced later than the other one would have been: five seconds of patience are over.
        wait_until(lambda: int(home.ctl.value("Device.LocalAgent.UpTime")) >= 6, 20, "patience")
        assert len(home.ctl.instances(PROXIED, first_level_only=True)) == 1
        home.stop()
