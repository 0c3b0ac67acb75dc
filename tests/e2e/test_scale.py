# SPDX-License-Identifier: BSD-3-Clause
"""A home of a thousand devices of every dialect that the simulated home speaks, and one image fetched for all that are alike. The
figures are `make bench`'s; here it is about all of them, each with a true result."""

import time

from home import NEEDS, NEW, PROXIED, Home
from hptest import scenario, usp, wait_until

MQTT, WEBSOCKET = 250, 150
FAMILIES = {"tasmota": 250, "zigbee": 150, "esphome": 100, "openmqttgateway": 50, "homeassistant": 50}
MODELS = {"Plus1": "SNSW-001X16EU", "Plus1PM": "SNSW-001P16EU", "Mini1G3": "S3SW-001X8EU", "PlusPlugS": "SNPL-00112EU"}
IMAGE = ".DeviceInfo.FirmwareImage."


def _rows(ctl, timeout=30):
    """{row: {parameter: value}} of one Get."""
    rows = {}
    for path, value in ctl.get(PROXIED, timeout=timeout).items():
        number, name = path[len(PROXIED):].split(".", 1)
        rows.setdefault(PROXIED + number + ".", {})[name] = value
    return rows


def _complete(row):
    return (row["Online"] == "true" and row["DeviceInfo.ModelName"] and row["DeviceInfo.SoftwareVersion"]
            and row["DeviceInfo.FirmwareImageNumberOfEntries"] == "3" and row["DeviceInfo.ActiveFirmwareImage"])


def _wait_complete(home, count, timeout):
    def rows():
        found = _rows(home.ctl)
        return found if sum(bool(_complete(r)) for r in found.values()) == count else None

    return wait_until(rows, timeout, f"{count} devices known in every part", interval=0.5)


@scenario(timeout=150, needs=NEEDS)
def a_thousand_of_all_kinds(directory):
    count = MQTT + WEBSOCKET + sum(FAMILIES.values())
    home = Home(directory, MQTT, WEBSOCKET, models=",".join(MODELS), families=FAMILIES)
    home.uds_controller()
    home.start(devices=False)
    home.cleanup.add(home.sim.start())
    rows = _wait_complete(home, count, 60)
    assert len(rows) == count, len(rows)
    assert {r["ProxyProtocol"] for r in rows.values()} == {
        "X_HOMEPATCH_" + name for name in ("Shelly-MQTT", "Shelly-WebSocket", "Tasmota-MQTT", "Zigbee2MQTT", "HomeAssistant-MQTT")}
    assert not any(r["X_HOMEPATCH_Identity.Quarantined"] == "true" for r in rows.values())
    assert all(r["X_HOMEPATCH_Identity.RejectedMessages"] == "0" for r in rows.values())
    assert len(home.ctl.instances(PROXIED, first_level_only=True)) == count
    # Another life knows them all before any has spoken, and hears them all again.
    home.ctl.close()
    home.agent.restart()
    home.ctl.connect()
    again = _rows(home.ctl)
    assert {k: r["DeviceInfo.SerialNumber"] for k, r in again.items()} == {
        k: r["DeviceInfo.SerialNumber"] for k, r in rows.items()}
    _wait_complete(home, count, 60)
    home.stop()


@scenario(timeout=150, needs=NEEDS)
def two_hundred_of_four_models(directory):
    """Four commands, four fetches, two hundred results."""
    home = Home(directory, 100, 100, models=",".join(MODELS))
    home.uds_controller()
    home.agent.conf.update(parallel_installs=16, canary_soak=1, transfer_timeout=30, reboot_timeout=30)
    home.start()
    home.ctl.subscribe("done", "OperationComplete", PROXIED + "*" + IMAGE + "*.Download()")
    images = []
    for app, model in MODELS.items():
        url, digest, size, what = home.image(model=app)
        args = {"URL": url, "AutoActivate": True, "CheckSumAlgorithm": "SHA-256", "CheckSum": digest, "FileSize": size}
        command = f'{PROXIED}[DeviceInfo.ModelName=="{model}"]{IMAGE}2.Download()'
        accepted = home.ctl.must(usp.operate(command, args, app), timeout=30).operation_results
        assert len(accepted) == 50 and all(r.req_obj_path for r in accepted), accepted
        images.append("/" + url.split("/", 3)[3])

    def results():
        return {(n.oper_complete.obj_path, n.oper_complete.command_key): n.oper_complete for n in home.ctl.matching(
            lambda n: n.WhichOneof("notification") == "oper_complete")}

    begin = time.monotonic()
    wait_until(lambda: len(results()) == 200, 90, "every result", interval=0.2)
    failed = [r.cmd_failure.err_msg for r in results().values() if r.WhichOneof("operation_resp") == "cmd_failure"]
    assert not failed, failed[:3]
    print(f"200 updates in {time.monotonic() - begin:.1f} s")
    versions = home.ctl.get(PROXIED + "*.DeviceInfo.SoftwareVersion")
    assert len(versions) == 200 and set(versions.values()) == {NEW}, set(versions.values())
    assert [home.images.count(path) for path in images] == [1] * 4, [home.images.count(path) for path in images]
    counts = [d["count"]["update_requests"] for d in home.sim.devices()]
    assert counts == [1] * 200, counts
    home.stop()
