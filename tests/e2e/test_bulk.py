# SPDX-License-Identifier: BSD-3-Clause
"""Bulk data: the whole home in one report, from a profile that outlives the agent's process."""

import json

from home import NEEDS, PROXIED, Home
from hptest import scenario, usp, wait_until

PROFILES = "Device.BulkData.Profile."


def _reports(ctl, row):
    """What the Push! events of that profile carried so far."""
    events = [msg.body.request.notify.event for msg in list(ctl.notifies)]
    return [json.loads(e.params["Data"])["Report"][0] for e in events if e.event_name == "Push!" and e.obj_path == row]


def _profile(ctl, reference, **params):
    row = ctl.add(PROFILES, Protocol="USPEventNotif", EncodingType="JSON", ReportingInterval=1, **params)
    ctl.add(row + "Parameter.", Name="Home", Reference=reference)
    ctl.subscribe("push-" + row, "Event", row + "Push!", Persistent=True)
    ctl.set(row, Enable=True)
    ctl.set("Device.BulkData.", Enable=True)
    return row


@scenario(needs=NEEDS)
def whole_inventory(directory):
    home = Home(directory, 3, 2)
    home.uds_controller()
    home.start()
    ctl = home.ctl
    row = _profile(ctl, PROXIED + "*.DeviceInfo.")
    macs = {device["mac"] for device in home.sim.devices()}

    def complete():
        return any({d["SerialNumber"] for d in r.get("Home", {}).values()} == macs for r in _reports(ctl, row))

    wait_until(complete, 20, "a report of all devices")
    assert all(d["FirmwareImage"] for d in _reports(ctl, row)[-1]["Home"].values())
    assert ctl.value(row + "Controller") == "Device.LocalAgent.Controller.1"

    # Killed, the profile goes on by itself, with the same owner and what that may see.
    seen = len(_reports(ctl, row))
    ctl.close()
    home.agent.restart(kill=True)
    ctl.connect()
    wait_until(lambda: len(_reports(ctl, row)) > seen, 20, "a report after the restart")
    wait_until(complete, 20, "a report of all devices")

    # Only now, on demand: the interval is far away.
    ctl.set(row, ReportingInterval=86400)
    seen = len(_reports(ctl, row))
    ctl.must(usp.operate(row + "ForceCollection()"))
    wait_until(lambda: len(_reports(ctl, row)) == seen + 1, 10, "the report that was asked for")
    home.stop()
