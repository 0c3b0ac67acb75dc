# SPDX-License-Identifier: BSD-3-Clause
"""Shelly devices beyond the broker and the plain outbound WebSocket: those that the gateway connects to, with their
passwords, and those that sleep."""

import os
import signal

from home import NEEDS, NEW, OLD, PROXIED, Home
from hptest import scenario, wait_until
from hptest.process import Process

WRONG = "wrong horse"
RIGHT = "correct horse"


class ServerHome(Home):
    """Devices with WebSocket servers of their own, all of which the agent is told to connect to."""

    def __init__(self, directory, count=1, passwords=()):
        self.entries = []
        self.passwords_file = directory / "shelly.passwords"
        super().__init__(
            directory,
            mqtt=0,
            websocket=0,
            families={"shelly-server": count},
            sim=("--listen", "127.0.0.1"),
        )
        self.mqtt_controller()
        self.cleanup.add(self.sim.start())
        self.entries = [f"127.0.0.1:{device['port']}" for device in self.sim.devices()]
        self.agent.conf["reboot_timeout"] = 20  # the gateway connects anew after a back-off
        self.agent.conf["shelly_devices"] = ", ".join(self.entries)
        if passwords:
            self.agent.conf["shelly_passwords_file"] = self.passwords_file
            self.know(*passwords)

    def know(self, *passwords):
        lines = [f'{entry} = "{p}"\n' for entry, p in zip(self.entries, passwords) if p]
        self.passwords_file.unlink(missing_ok=True)
        with os.fdopen(os.open(self.passwords_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.writelines(lines)

    def reload(self):
        os.kill(self.agent.pid, signal.SIGHUP)

    def protect(self, device, password):
        """In the simulated home; words are one each."""
        self.sim.command("set", device, "password", password.replace(" ", "_") if password else "-")

    def auth(self, device):
        return self.sim.device(device)["auth"]

    def problem(self, device):
        return self.ctl.value(self.rows[self.ids[device]] + "X_HOMEPATCH_Identity.PasswordProblem")


def _server_home(directory, count=1, passwords=(), protected=None):
    home = ServerHome(directory, count, [p.replace(" ", "_") for p in passwords])
    for device in range(count):
        if protected:
            home.protect(device, protected)
    home.cleanup.add(home.agent)
    home.agent.start()
    home.ctl.connect()
    home.wait_answers(home.ctl)
    home.ids = [d["id"] for d in home.sim.devices()]
    home.wait_listed()
    home.subscribe()
    return home


def _check_updated(home, device, slot):
    assert home.sim.device(device)["version"] == NEW
    assert home.ctl.value(home.info(device) + "SoftwareVersion") == NEW
    row = home.slots(device)[slot]
    assert row["Status"] == "Active" and row["Version"] == NEW, row


@scenario(needs=NEEDS)
def without_password(directory):
    """The gateway connects to a device, identifies it, and updates it."""
    home = _server_home(directory)
    row = home.rows[home.ids[0]]
    assert home.ctl.value(row + "ProxyProtocol") == "X_HOMEPATCH_Shelly-WebSocket"
    assert home.ctl.value(row + "X_HOMEPATCH_Identity.Grade") == "C"
    slot = home.downloaded(0)
    home.must_succeed(home.activate(slot))
    _check_updated(home, 0, slot)
    home.stop()


@scenario(needs=NEEDS)
def with_password(directory):
    """With its password, which nobody sees."""
    home = _server_home(directory, passwords=[RIGHT], protected=RIGHT)
    # Nothing is heard before the password was taken: this offer proves that notifications come.
    home.sim.wait_device(0, lambda d: d["auth"]["taken"] > 0)
    row = home.rows[home.ids[0]]
    home.sim.command("offer", 0, "1.5.5")
    wait_until(
        lambda: home.ctl.value(row + "X_HOMEPATCH_Update.OfferedVersion") == "1.5.5", 10, "the offer is heard"
    )
    home.sim.command("offer", 0, "none")
    assert home.ctl.value(row + "X_HOMEPATCH_Identity.Grade") == "C"
    slot = home.downloaded(0)
    home.must_succeed(home.activate(slot))
    _check_updated(home, 0, slot)
    assert home.problem(0) == ""
    # A nonce that the device no longer knows costs one more try, and no refusal.
    home.sim.command("set", 0, "nonces", "forget")
    slot = home.downloaded(0, version="1.7.0")
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == "1.7.0"
    assert home.auth(0)["refused"] == 0, home.auth(0)
    secret = RIGHT.replace(" ", "_")
    for path, value in home.ctl.get("Device.").items():
        assert secret not in value, path
    assert secret not in home.agent.output()
    home.stop()


@scenario(needs=NEEDS)
def wrong_password(directory):
    """A wrong password: tried once, told what to do, and mended without a restart."""
    home = _server_home(directory, count=2, passwords=[WRONG, RIGHT], protected=RIGHT)
    wait_until(lambda: "refuses the password" in home.problem(0), 10, "the problem is told")
    assert "SIGHUP" in home.problem(0) and home.entries[0] in home.problem(0)
    assert home.ctl.value(home.info(0) + "SoftwareVersion") == OLD  # who it is, it says without
    slot = home.downloaded(0)
    code, text = home.must_fail(home.activate(slot))
    assert 7000 <= code < 8000 and "refuses the password" in text, (code, text)
    # It comes and goes, and is not asked with that password again; its neighbour is not concerned.
    home.sim.command("reboot", 0)
    home.sim.wait_device(0, lambda d: d["count"]["boots"] == 2)
    home.wait_listed()
    assert home.auth(0)["refused"] == 1, home.auth(0)
    assert home.problem(1) == "" and home.auth(1)["refused"] == 0
    home.know(*(RIGHT.replace(" ", "_"),) * 2)
    home.reload()
    wait_until(lambda: home.problem(0) == "", 10, "the password is taken")
    slot = home.downloaded(0)
    home.must_succeed(home.activate(slot))
    _check_updated(home, 0, slot)
    assert home.auth(0)["refused"] == 1, home.auth(0)
    home.stop()


@scenario(needs=NEEDS)
def password_changes(directory):
    """The device's password is set, changed and taken off while the gateway is connected."""
    home = _server_home(directory, passwords=[RIGHT])
    assert home.problem(0) == ""
    connects = home.auth(0)["taken"]
    home.protect(0, RIGHT)  # set: the first question is challenged, and answered
    slot = home.downloaded(0)
    home.must_succeed(home.activate(slot))
    _check_updated(home, 0, slot)
    assert home.auth(0)["taken"] > connects and home.auth(0)["refused"] == 0
    home.protect(0, WRONG)  # changed: found out when something is asked, at the cost of one refusal
    slot = home.downloaded(0, version="1.7.0")
    _, text = home.must_fail(home.activate(slot))
    assert "refuses the password" in text, text
    refused = home.auth(0)["refused"]
    assert 1 <= refused <= 2, refused
    _, text = home.must_fail(home.activate(slot))
    assert home.auth(0)["refused"] == refused
    home.protect(0, None)  # taken off: the next connection finds that
    home.sim.command("reboot", 0)
    wait_until(lambda: home.problem(0) == "", 15, "no password is wanted")
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == "1.7.0"
    home.stop()


@scenario(needs=NEEDS)
def passwords_file_is_private(directory):
    """Passwords that others may read are refused."""
    home = ServerHome(directory, passwords=[RIGHT])
    home.passwords_file.chmod(0o640)
    home.agent.write_config()
    Process.start(home.agent)
    home.agent.wait_output("0600", 10)
    wait_until(lambda: not home.agent.running(), 10, "the agent gives up")
    home.cleanup.run()


class SleepyHome(Home):
    def __init__(self, directory, count=1):
        super().__init__(directory, mqtt=0, websocket=0, families={"shelly-sleepy": count})
        self.agent.lan(None, websocket=True)
        self.sim.argv += ["--websocket", f"ws://127.0.0.1:{self.agent.lan_websocket_port}/shelly"]
        self.model = "HTG3"
        self.mqtt_controller()

    def update(self, device, name):
        return self.ctl.value(self.rows[self.ids[device]] + "X_HOMEPATCH_Update." + name)

    def online(self, device):
        return self.ctl.value(self.rows[self.ids[device]] + "Online") == "true"

    def wait_asleep(self, device):
        self.sim.wait_device(device, lambda d: d["state"] == "asleep")
        wait_until(lambda: not self.online(device), 10, "the device is offline")


def _sleepy_home(directory, keep=False):
    home = SleepyHome(directory).start()
    home.subscribe(keep=keep)
    return home


@scenario(needs=NEEDS)
def sleeps_and_wakes(directory):
    """A device that sleeps is known as such, and is updated when it wakes, also after kill -9."""
    home = _sleepy_home(directory, keep=True)
    wait_until(lambda: home.update(0, "Sleeps") == "true", 10, "it says that it sleeps")
    assert home.update(0, "BatteryLevel") == "96"
    home.wait_asleep(0)
    slot = home.downloaded(0)
    key = home.activate(slot, (0, 86400, "AnyTime"))
    wait_until(lambda: home.update(0, "WaitsFor") == "device", 10, "the job waits for the device")
    home.agent.restart(kill=True)
    home.ctl.connect()
    home.wait_answers(home.ctl)
    assert home.update(0, "Sleeps") == "true" and not home.online(0)
    wait_until(lambda: home.update(0, "WaitsFor") == "device", 10, "the job still waits")
    assert home.sim.device(0)["count"]["update_requests"] == 0
    home.sim.command("wake", 0)
    home.must_succeed(key)
    _check_updated(home, 0, slot)
    assert home.done_count(key) == 1
    home.wait_asleep(0)
    home.stop()


@scenario(needs=NEEDS)
def low_battery_waits(directory):
    """A battery that is too low keeps the intent for another day."""
    home = _sleepy_home(directory)
    home.wait_asleep(0)
    home.sim.fault(0, "low-battery")
    slot = home.downloaded(0)
    key = home.activate(slot, (0, 86400, "AnyTime"))
    home.sim.command("wake", 0)
    wait_until(lambda: home.update(0, "BatteryLevel") == "9", 10, "the battery is low")
    home.wait_asleep(0)
    assert home.sim.device(0)["count"]["update_requests"] == 0
    assert home.done_count(key) == 0
    home.sim.fault(0, "none")
    home.sim.command("wake", 0)
    home.must_succeed(key)
    _check_updated(home, 0, slot)
    home.stop()


@scenario(needs=NEEDS)
def never_wakes(directory):
    """A device that does not wake within its window ends its job."""
    home = _sleepy_home(directory)
    home.wait_asleep(0)
    slot = home.downloaded(0)
    _, text = home.must_fail(home.activate(slot, (0, 3, "AnyTime")))
    assert "the device was not online" in text, text
    assert home.ctl.value(PROXIED + "*.DeviceInfo.SoftwareVersion") == OLD
    home.stop()
