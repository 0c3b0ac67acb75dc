# SPDX-License-Identifier: BSD-3-Clause
"""Download() and Activate() that go well, seen from all sides."""

import hashlib
import os
import signal
import time

from home import NEEDS, NEW, OLD, PROXIED, Home
from hptest import scenario, wait_until


def _home(directory, *args, **options):
    home = Home(directory, *args, **options)
    home.mqtt_controller()
    home.start()
    home.subscribe()
    return home


def _check_updated(home, device, slot, version=NEW):
    """The device runs it, the model says so, and the row it came from is the active one."""
    assert home.sim.device(device)["version"] == version
    assert home.ctl.value(home.info(device) + "SoftwareVersion") == version
    assert home.ctl.value(home.info(device) + "ActiveFirmwareImage") == slot.rstrip(".")
    row = home.slots(device)[slot]
    assert row["Status"] == "Active" and row["Version"] == version and not row["BootFailureLog"], row
    assert [r["Status"] for r in home.slots(device).values()].count("Active") == 1


def _both_transports(home):
    url, digest, size, _ = home.image()
    for device in (0, 1):
        slot = home.free_slot(device)
        key = home.download(slot, url, FileSize=size, CheckSumAlgorithm="SHA-256", CheckSum=digest)
        home.must_succeed(key)
        transfer = home.wait_transfer(key)
        assert transfer["FaultCode"] == "0" and transfer["TransferType"] == "Download", transfer
        assert transfer["TransferURL"] == url and transfer["Requestor"] == home.ctl.endpoint_id, transfer
        assert transfer["Affected"].rstrip(".") == slot.rstrip("."), transfer
        assert transfer["Command"].endswith("Download()"), transfer
        assert transfer["StartTime"] <= transfer["CompleteTime"] and not transfer["StartTime"].startswith(
            "0001"
        ), transfer
        row = home.slots(device)[slot]
        assert row["Status"] == "Available" and row["Available"] == "true", row
        assert home.sim.device(device)["version"] == OLD
        home.must_succeed(home.activate(slot))
        _check_updated(home, device, slot)
        counts = home.sim.device(device)["count"]
        assert counts["update_requests"] == 1 and counts["boots"] == 2, counts
        home.ctl.wait_notify(
            lambda n: n.value_change.param_path == home.info(device) + "SoftwareVersion"
            and n.value_change.param_value == NEW,
            10,
            "SoftwareVersion changes",
        )
        states = [
            n.value_change.param_value
            for n in home.ctl.matching(lambda n: n.value_change.param_path == slot + "Status")
        ]
        wanted = ["Available", "Active"]
        assert [s for s in states if s in wanted] == wanted, states
    assert not home.ctl.instances("Device.LocalAgent.Request."), "a request that ended is still listed"


@scenario(needs=NEEDS)
def over_mqtt(directory):
    home = _home(directory)
    _both_transports(home)
    home.stop()


@scenario(needs=NEEDS)
def over_websocket(directory):
    home = Home(directory)
    home.ws_controller()
    home.start()
    home.subscribe()
    _both_transports(home)
    home.stop()


@scenario(needs=NEEDS)
def agent_connects_to_the_controller(directory):
    """The other WebSocket direction: the controller is the server."""
    from hptest import Controller, WsServerTransport

    home = Home(directory)
    where = home.agent.ws_controller(endpoint_id="self::dial", tls=True)
    transport = WsServerTransport(tls=(home.pki.ca_file, *home.pki.issue("dial")), **where)
    transport.listen()
    home.controllers.append(home.cleanup.add(Controller(transport, "self::dial", home.agent.endpoint_id)))
    home.start()
    assert transport.server.connections[0].peer_eid == home.agent.endpoint_id
    home.subscribe()
    _both_transports(home)
    home.stop()


@scenario(needs=NEEDS)
def progress_is_seen(directory):
    home = _home(directory, 1, 1, sim=("--fetch-rate", 60000))
    home.ctl.subscribe("progress", "ValueChange", PROXIED + "*.X_HOMEPATCH_Update.")
    for device in (0, 1):
        slot = home.downloaded(device, size=60000, version=f"1.6.{device}")
        home.must_succeed(home.activate(slot))
        prefix = home.rows[home.ids[device]] + "X_HOMEPATCH_Update."
        seen = home.ctl.matching(lambda n: n.value_change.param_path.startswith(prefix))
        percents = [
            int(n.value_change.param_value) for n in seen if n.value_change.param_path == prefix + "Progress"
        ]
        states = [n.value_change.param_value for n in seen if n.value_change.param_path == prefix + "JobState"]
        assert any(0 < p < 100 for p in percents), percents
        assert "Transferring" in states and "Rebooting" in states, states
    home.stop()


@scenario(needs=NEEDS)
def auto_activate(directory):
    home = _home(directory)
    url, digest, _, _ = home.image()
    for device in (0, 1):
        slot = home.free_slot(device)
        key = home.download(slot, url, auto=True, CheckSumAlgorithm="SHA-256", CheckSum=digest)
        home.must_succeed(key)
        home.wait_status(slot, "Active")
        _check_updated(home, device, slot)
    home.stop()


@scenario(needs=NEEDS)
def every_checksum_algorithm(directory):
    home = _home(directory, 1, 0)
    url, _, _, what = home.image(https=False)
    slot = home.free_slot(0)
    for name in ("SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"):
        digest = hashlib.new(name.replace("-", "").lower(), what.body).hexdigest()
        home.must_succeed(home.download(slot, url, CheckSumAlgorithm=name, CheckSum=digest.upper()))
        key = home.download(
            slot, url, CheckSumAlgorithm=name, CheckSum=digest[:-2] + ("00" if digest[-2:] != "00" else "11")
        )
        home.must_fail(key)
        assert home.status(slot) == "ValidationFailed", home.status(slot)
    home.stop()


@scenario(needs=NEEDS)
def no_checksum(directory):
    home = _home(directory, 1, 0)
    url, _, _, _ = home.image()
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    home.must_succeed(home.activate(slot))
    _check_updated(home, 0, slot)
    home.stop()


@scenario(needs=NEEDS)
def roll_back_by_activating_the_old_image(directory):
    """The row a device leaves behind is Available when its image is still kept, and can be activated again."""
    home = _home(directory, 1, 0)
    first = home.downloaded(0)
    home.must_succeed(home.activate(first))
    second = home.downloaded(0, version="1.7.0")
    home.must_succeed(home.activate(second))
    _check_updated(home, 0, second, "1.7.0")
    assert home.slots(0)[first]["Status"] == "Available", home.slots(0)
    home.must_succeed(home.activate(first))
    _check_updated(home, 0, first, NEW)
    home.stop()


@scenario(needs=NEEDS)
def one_fetch_for_many_devices(directory):
    home = _home(directory, 3, 3)
    url, digest, size, _ = home.image(rate=100000)
    path = "/" + url.rsplit("/", 1)[1]
    slots = [home.free_slot(d) for d in range(6)]
    keys = [home.download(s, url, CheckSumAlgorithm="SHA-256", CheckSum=digest) for s in slots]
    for key in keys:
        home.must_succeed(key)
    assert home.images.sent(path) == size, f"{home.images.sent(path)} bytes left the server for an image of {size}"
    for key in [home.activate(s) for s in slots]:
        home.must_succeed(key)
    for device, slot in enumerate(slots):
        _check_updated(home, device, slot)
    assert home.images.sent(path) == size
    home.stop()


# -- windows ------------------------------------------------------------


@scenario(needs=NEEDS)
def window_modes(directory):
    home = _home(directory)
    version = 0
    for mode in ("AnyTime", "Immediately", "WhenIdle"):
        for device in (0, 1):
            version += 1
            slot = home.downloaded(device, version=f"2.0.{version}")
            home.must_succeed(home.activate(slot, (0, 60, mode)))
            _check_updated(home, device, slot, f"2.0.{version}")
    home.stop()


@scenario(needs=NEEDS)
def window_in_the_future(directory):
    home = _home(directory, 1, 0)
    slot = home.downloaded(0)
    begin = time.monotonic()
    key = home.activate(slot, (3, 60, "AnyTime"))
    state = home.rows[home.ids[0]] + "X_HOMEPATCH_Update.JobState"
    wait_until(lambda: home.ctl.value(state) == "Waiting", 3, "the job waits")
    assert home.ctl.value(home.requests[key] + "Status") in ("Requested", "Active")
    assert home.sim.device(0)["count"]["update_requests"] == 0
    home.must_succeed(key)
    assert time.monotonic() - begin >= 2.9, "activated before its window"
    _check_updated(home, 0, slot)
    home.stop()


@scenario(needs=NEEDS)
def window_that_nobody_may_use(directory):
    """Nobody to ask for confirmation; a window that closes while the device is away: the job ends, nothing is touched."""
    home = _home(directory)
    slots = [home.downloaded(0), home.downloaded(1)]
    home.sim.command("offline", 1)
    wait_until(lambda: home.ctl.value(home.rows[home.ids[1]] + "Online") == "false", 15, "device away")
    keys = [home.activate(slots[0], (0, 2, "ConfirmationNeeded")), home.activate(slots[1], (0, 2, "AnyTime"))]
    for key in keys:
        home.must_fail(key)
    home.sim.command("online", 1)
    home.wait_listed()
    for device in (0, 1):
        assert home.sim.device(device)["count"]["update_requests"] == 0
        assert home.status(slots[device]) in ("Available", "ActivationFailed")
    home.stop()


@scenario(needs=NEEDS)
def waits_for_a_device_that_is_away(directory):
    home = _home(directory)
    for device in (0, 1):
        slot = home.downloaded(device)
        home.sim.command("offline", device)
        wait_until(lambda: home.ctl.value(home.rows[home.ids[device]] + "Online") == "false", 15, "device away")
        key = home.activate(slot, (0, 300, "AnyTime"))
        home.sim.command("online", device)
        home.must_succeed(key)
        _check_updated(home, device, slot)
    home.stop()


# -- the manufacturer's own offer ------------------------------------------------------------


@scenario(needs=NEEDS)
def manufacturers_offer(directory):
    home = _home(directory)
    home.sim.command("offer", "all", "1.9.0")
    for device in (0, 1):

        def offered():
            return [
                p for p, r in home.slots(device).items() if r["Version"] == "1.9.0" and r["Status"] == "Available"
            ]

        slot = wait_until(offered, 15, "the offer is a row")[0]
        assert home.ctl.value(home.rows[home.ids[device]] + "X_HOMEPATCH_Update.OfferedVersion") == "1.9.0"
        home.must_succeed(home.activate(slot))
        _check_updated(home, device, slot, "1.9.0")
        assert home.sim.device(device)["last_url"] == "", "the device was given a URL for its maker's own update"
    home.stop()


@scenario(needs=NEEDS)
def offer_withdrawn(directory):
    home = _home(directory, 1, 0)
    home.sim.command("offer", 0, "1.9.0")
    wait_until(lambda: any(r["Version"] == "1.9.0" for r in home.slots(0).values()), 15, "the offer is a row")
    home.sim.command("offer", 0, "none")
    wait_until(lambda: not any(r["Version"] == "1.9.0" for r in home.slots(0).values()), 15, "the offer is gone")
    home.stop()


# -- cancelling ------------------------------------------------------------


def _cancel(home, key):
    results = home.ctl.operate(home.requests[key] + "Cancel()")
    kind, value = next(iter(results.values()))
    assert kind == "output", (kind, value)


@scenario(needs=NEEDS)
def cancel_a_download(directory):
    home = _home(directory, 1, 0)
    url, _, size, what = home.image(rate=20000, size=400000)
    slot = home.free_slot(0)
    key = home.download(slot, url)
    wait_until(lambda: home.images.sent("/" + url.rsplit("/", 1)[1]) > 0, 10, "bytes flow")
    _cancel(home, key)
    code, _ = home.must_fail(key)
    assert code == 7023, f"cancelled with {code}"
    assert home.status(slot) in ("NoImage", "DownloadFailed"), home.status(slot)
    wait_until(lambda: not home.ctl.instances("Device.LocalAgent.Request."), 5, "the request row goes")
    what.rate = None
    home.must_succeed(home.download(slot, url))
    assert home.done_count(key) == 1
    home.stop()


@scenario(needs=NEEDS)
def cancel_a_waiting_activation(directory):
    home = _home(directory, 1, 0)
    slot = home.downloaded(0)
    key = home.activate(slot, (100, 200, "AnyTime"))
    _cancel(home, key)
    code, _ = home.must_fail(key)
    assert code == 7023, f"cancelled with {code}"
    assert home.status(slot) == "Available"
    assert home.sim.device(0)["count"]["update_requests"] == 0
    home.must_succeed(home.activate(slot))
    assert home.done_count(key) == 1
    home.stop()


@scenario(needs=NEEDS)
def several_devices_by_one_search(directory):
    """Operate on a search path: every device of a model with one message."""
    home = _home(directory, 2, 2)
    url, digest, _, _ = home.image()
    command = (
        PROXIED
        + f'[Online==true].DeviceInfo.FirmwareImage.[Status=="NoImage"&&Alias=="{_second_alias(home)}"].Download()'
    )
    results = home.ctl.operate(
        command, {"URL": url, "AutoActivate": True, "CheckSumAlgorithm": "SHA-256", "CheckSum": digest}, key="all"
    )
    assert len(results) == 4 and all(kind == "request" for kind, _ in results.values()), results
    wait_until(lambda: home.done_count("all") == 4, 30, "four results")
    assert {d["version"] for d in home.sim.devices()} == {NEW}
    home.stop()


def _second_alias(home):
    """The Alias that the second row of every FirmwareImage table has."""
    aliases = {list(home.slots(d).values())[1]["Alias"] for d in range(len(home.ids))}
    assert len(aliases) == 1, aliases
    return aliases.pop()


@scenario(needs=NEEDS)
def withdrawn_image(directory):
    """An image on the list of withdrawn ones is refused with the reason; SIGHUP reads the list again."""
    home = Home(directory, 1, 0)
    withdrawn = directory / "withdrawn.conf"
    withdrawn.write_text("")
    home.agent.conf["withdrawn_file"] = withdrawn
    home.mqtt_controller()
    home.start()
    home.subscribe()
    slot = home.downloaded(0)
    url, digest, _, _ = home.image()
    withdrawn.write_text("not a digest = nonsense\n")
    os.kill(home.agent.pid, signal.SIGHUP)
    home.agent.wait_output("withdrawn.conf:1")
    withdrawn.write_text(f"{digest} = leaks the password\n")
    os.kill(home.agent.pid, signal.SIGHUP)
    wait_until(lambda: home.slots(0)[slot]["Status"] == "ValidationFailed", 10, "the image leaves its slot")
    key = home.download(slot, url)
    code, text = home.must_fail(key, 20)
    assert code == 7022 and "leaks the password" in text, (code, text)
    assert home.sim.device(0)["version"] == OLD
    home.stop()
