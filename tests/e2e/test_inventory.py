# SPDX-License-Identifier: BSD-3-Clause
"""The home as controllers see it."""

from home import NEEDS, NEW, OLD, PROXIED, Home
from hptest import SimHome, scenario, wait_until


def _check_rows(home, ctl):
    names = {"mqtt": "X_HOMEPATCH_Shelly-MQTT", "websocket": "X_HOMEPATCH_Shelly-WebSocket"}
    values = ctl.get(PROXIED)
    assert len(ctl.instances(PROXIED, first_level_only=True)) == len(home.ids)
    for device in home.sim.devices():
        row = home.rows[device["id"]]
        want = {
            "Online": "true",
            "ProxyProtocol": names[device["transport"]],
            "DeviceInfo.Manufacturer": "Shelly",
            "DeviceInfo.ModelName": device["model"],
            "DeviceInfo.SoftwareVersion": device["version"],
            "DeviceInfo.SerialNumber": device["mac"],
            "DeviceInfo.FirmwareImageNumberOfEntries": "3",
            "X_HOMEPATCH_Identity.Quarantined": "false",
        }
        for name, value in want.items():
            assert values.get(row + name) == value, f"{row}{name} is {values.get(row + name)!r}, not {value!r}"
        assert not values[row + "LastTimeContacted"].startswith("0001"), values[row + "LastTimeContacted"]
        active = values[row + "DeviceInfo.ActiveFirmwareImage"]
        assert values[active + ".Status"] == "Active" and values[active + ".Version"] == device["version"], active


@scenario(needs=NEEDS)
def over_mqtt_5_with_tls(directory):
    home = Home(directory, 3, 3, "Plus1,Mini1G3")
    home.mqtt_controller()
    home.start()
    _check_rows(home, home.ctl)
    home.stop()


@scenario(needs=NEEDS)
def over_mqtt_311(directory):
    home = Home(directory, 1, 1)
    home.mqtt_controller(version="3.1.1")
    home.start()
    _check_rows(home, home.ctl)
    home.stop()


@scenario(needs=NEEDS)
def over_websocket_with_tls(directory):
    home = Home(directory, 3, 3, "Plus1,Mini1G3")
    home.ws_controller()
    home.start()
    _check_rows(home, home.ctl)
    home.stop()


@scenario(needs=NEEDS)
def over_unix_socket(directory):
    home = Home(directory, 1, 1)
    home.uds_controller()
    home.start()
    _check_rows(home, home.ctl)
    home.stop()


@scenario(needs=NEEDS)
def three_controllers_at_once(directory):
    home = Home(directory, 2, 2)
    home.mqtt_controller()
    home.ws_controller()
    home.uds_controller()
    home.start()
    for ctl in home.controllers:
        _check_rows(home, ctl)
        ctl.subscribe("online", "ValueChange", PROXIED + "*.Online")
    home.sim.command("offline", 1)
    row = home.rows[home.ids[1]]
    for ctl in home.controllers:
        ctl.wait_notify(
            lambda n: n.value_change.param_path == row + "Online" and n.value_change.param_value == "false",
            15,
            "the device goes offline",
        )
    home.stop()


@scenario(needs=NEEDS)
def online_follows_the_device(directory):
    home = Home(directory, 1, 1)
    home.mqtt_controller()
    home.start()
    home.ctl.subscribe("online", "ValueChange", PROXIED + "*.Online")
    for device, row in enumerate(home.rows[i] for i in home.ids):
        for command, value in (("offline", "false"), ("online", "true")):
            home.ctl.forget()
            home.sim.command(command, device)
            home.ctl.wait_notify(
                lambda n: n.value_change.param_path == row + "Online" and n.value_change.param_value == value,
                15,
                f"{row}Online is {value}",
            )
            assert home.ctl.value(row + "Online") == value
    home.stop()


@scenario(needs=NEEDS)
def new_device_is_announced(directory):
    home = Home(directory, 1, 1)
    home.mqtt_controller()
    home.start()
    home.ctl.subscribe("created", "ObjectCreation", PROXIED)
    guest = SimHome(
        directory,
        "--mqtt-devices",
        1,
        "--websocket-devices",
        1,
        "--seed",
        99,
        mqtt_port=home.lan.port,
        websocket_port=home.agent.lan_websocket_port,
        name="guests",
    )
    home.cleanup.add(guest.start())
    wait_until(
        lambda: len(home.ctl.matching(lambda n: n.WhichOneof("notification") == "obj_creation")) >= 2,
        15,
        "both new rows announced",
    )
    created = home.ctl.matching(lambda n: n.WhichOneof("notification") == "obj_creation")
    assert {n.obj_creation.obj_path for n in created} == {PROXIED + "3.", PROXIED + "4."}, created
    home.stop()


@scenario(needs=NEEDS)
def changed_behind_our_back(directory):
    """Somebody else updates the device: seen without asking for it."""
    home = Home(directory, 1, 1)
    home.mqtt_controller()
    home.start()
    home.subscribe()
    for device in (0, 1):
        home.sim.command("version", device, NEW)
        home.ctl.wait_notify(
            lambda n: n.value_change.param_path == home.info(device) + "SoftwareVersion"
            and n.value_change.param_value == NEW,
            15,
            "the new version",
        )
        active = home.ctl.value(home.info(device) + "ActiveFirmwareImage")
        assert home.ctl.value(active + ".Version") == NEW
    home.stop()


@scenario(needs=NEEDS)
def rows_survive_restarts(directory):
    """Instance numbers stay with the device, through SIGTERM and kill -9, and for devices that are away."""
    home = Home(directory, 3, 3)
    home.uds_controller()
    home.start()
    before = dict(home.rows)
    for kill in (False, True):
        home.ctl.close()
        home.sim.command("offline", 2)
        home.agent.restart(kill=kill)
        home.ctl.connect()
        away = before[home.ids[2]]
        assert home.ctl.value(away + "Online") == "false"
        assert home.ctl.value(away + "DeviceInfo.SoftwareVersion") == OLD
        home.sim.command("online", 2)
        home.wait_listed()
        assert home.rows == before, (home.rows, before)
    home.stop()


@scenario(needs=NEEDS)
def writable_name_and_alias_persist(directory):
    home = Home(directory, 1, 0)
    home.uds_controller()
    home.start()
    row = home.rows[home.ids[0]]
    home.ctl.set(row, Name="Kitchen", Alias="kitchen")
    home.ctl.close()
    home.agent.restart(kill=True)
    home.ctl.connect()
    assert home.ctl.value(PROXIED + '[Alias=="kitchen"].Name') == "Kitchen"
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def thousand_devices(directory):
    home = Home(directory, 500, 500)
    home.uds_controller()
    home.start(devices=False)
    home.cleanup.add(home.sim.start())
    wait_until(
        lambda: list(home.ctl.get(PROXIED + "*.Online", timeout=20).values()).count("true") == 1000,
        60,
        "1,000 devices online",
        interval=0.3,
    )
    versions = home.ctl.get(PROXIED + "*.DeviceInfo.SoftwareVersion", timeout=20)
    assert len(versions) == 1000 and set(versions.values()) == {OLD}
    home.stop()
