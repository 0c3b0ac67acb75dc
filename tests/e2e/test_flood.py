# SPDX-License-Identifier: BSD-3-Clause
"""One device of the LAN takes all it can get: messages, connections, bytes. Meanwhile an honest device on each transport is found
and updated, the controller is answered, and the agent's memory stays where it was."""

import os
import pathlib
import sys

from home import NEEDS, NEW, PROXIED, Home, own_network
from hptest import Process, SimHome, rss_kib, scenario, wait_until

GATEWAY, FLOODER = "10.66.0.1", "10.66.0.9"
GROWTH_KIB = 8192  # of anonymous memory, the two honest devices and their updates included
MESSAGE_KIB = 10240  # the one message of the largest kind that may be on its way through
SANITIZED_KIB = 1 << 30
HANDSHAKES = 512  # that the agent takes at a time
PER_ADDRESS = 16


def flooder(mode, *words):
    """The command that floods like that."""
    return [sys.executable, pathlib.Path(__file__).with_name("flooder.py"), mode, *words]


class Flooded:
    """A home in which `mode` of flooder.py is at work. With `guest` one device is there already, at the broker, and the flood
    is in its name."""

    def __init__(self, directory, mode, guest=False, before=None):
        """before(home): what is still to be configured."""
        self.mode = mode
        own_network(GATEWAY)
        self.home = home = Home(directory, mqtt=1, websocket=1)
        home.uds_controller()
        port, conf = home.agent.lan_websocket_port, home.agent.conf
        # A flood of the whole link makes an honest device slow to come back.
        conf.update(transfer_timeout=30, reboot_timeout=30)
        conf["lan_websocket_listen"] = f"{GATEWAY}:{port}"
        conf["lan_http_listen"] = conf["lan_http_listen"].replace("127.0.0.1", GATEWAY)
        conf["lan_http_url"] = conf["lan_http_url"].replace("127.0.0.1", GATEWAY)
        home.sim.argv += ["--websocket", f"ws://{GATEWAY}:{port}/shelly"]
        if before:
            before(home)
        home.start(devices=False)
        self.before = rss_kib(home.agent.pid, "RssAnon")
        self.mac, words = "02BAD0000001", []
        host = GATEWAY
        if mode.startswith("mqtt"):
            host, port = "127.0.0.1", home.lan.port
        elif mode == "slow-http":
            port = conf["lan_http_listen"].rsplit(":", 1)[1]
        if guest:
            sim = SimHome(directory, "--mqtt-devices", 1, "--seed", 99, mqtt_port=home.lan.port, name="guest")
            home.cleanup.add(sim.start())
            self.mac = sim.devices()[0]["mac"]
            words = [sim.devices()[0]["id"] + "/events/rpc"]
            wait_until(lambda: self.mac in home.ctl.get(PROXIED + "*.DeviceInfo.SerialNumber").values(), 20, "guest listed")
        address = "127.0.0.1" if mode.startswith("mqtt") else FLOODER
        self.flooder = home.cleanup.add(Process("flooder", flooder(mode, host, port, address, *words), directory))
        self.flooder.start().wait_output("flooding", 60)

    def check(self):
        """What the home is there for, in spite of it all."""
        home = self.home
        home.cleanup.add(home.sim.start())
        home.ids = [d["id"] for d in home.sim.devices()]
        home.wait_listed(30)
        home.subscribe()
        for device in (0, 1):
            slot = home.downloaded(device)
            key = home.activate(slot)
            home.must_succeed(key, 60)
            assert home.ctl.value(home.info(device) + "SoftwareVersion") == NEW
            rejected = home.ctl.value(home.rows[home.ids[device]] + "X_HOMEPATCH_Identity.RejectedMessages")
            assert rejected == "0", f"{rejected} messages of an honest device were refused"
        assert self.flooder.running(), self.flooder.output()
        assert home.ctl.value("Device.LocalAgent.EndpointID", timeout=2) == home.agent.endpoint_id
        growth = rss_kib(home.agent.pid, "RssAnon") - self.before
        sanitized = rss_kib(home.agent.pid, "VmSize") > SANITIZED_KIB  # then freed memory is kept on purpose
        allowed = GROWTH_KIB + (MESSAGE_KIB if self.mode == "mqtt-huge" else 0)
        assert sanitized or growth < allowed, f"anonymous memory grew by {growth} KiB"

    def wait_rejected(self, count):
        """The flooder is a row of its own, and what it sends too much is counted there."""
        def rejected():
            values = self.home.ctl.get(PROXIED + "*.")
            rows = [k[: -len("DeviceInfo.SerialNumber")] for k, v in values.items()
                    if k.endswith("DeviceInfo.SerialNumber") and v == self.mac]
            return rows and int(values[rows[0] + "X_HOMEPATCH_Identity.RejectedMessages"]) >= count

        wait_until(rejected, 20, f"{count} messages of the flooder refused", interval=0.1)

    def connections(self):
        """How many the agent has."""
        return len(os.listdir(f"/proc/{self.home.agent.pid}/fd"))

    def stop(self):
        self.home.stop()


def _flooded(directory, mode, rejected=0, guest=False):
    flood = Flooded(directory, mode, guest)
    if rejected:
        flood.wait_rejected(rejected)
    flood.check()
    flood.stop()


@scenario(timeout=120, needs=NEEDS)
def valid_events_over_websocket(directory):
    _flooded(directory, "events", rejected=1000)


@scenario(timeout=120, needs=NEEDS)
def garbage_over_websocket(directory):
    _flooded(directory, "garbage", rejected=1000)


@scenario(timeout=120, needs=NEEDS)
def frames_without_end(directory):
    _flooded(directory, "huge")


@scenario(timeout=120, needs=NEEDS)
def requests_without_end(directory):
    """One address holds the places of one."""
    flood = Flooded(directory, "slow")
    assert flood.connections() < PER_ADDRESS + 60, flood.connections()
    flood.check()
    flood.stop()


@scenario(timeout=120, needs=NEEDS)
def requests_without_end_from_everywhere(directory):
    """A hundred addresses: those who wait longest give way."""
    flood = Flooded(directory, "slow-many")
    assert flood.connections() < HANDSHAKES + 60, flood.connections()
    flood.check()
    flood.stop()


@scenario(timeout=120, needs=NEEDS)
def requests_without_end_for_images(directory):
    _flooded(directory, "slow-http")


@scenario(timeout=120, needs=NEEDS)
def opened_and_closed(directory):
    _flooded(directory, "knock")


@scenario(timeout=120, needs=NEEDS)
def valid_events_over_mqtt(directory):
    _flooded(directory, "mqtt-events", rejected=1000, guest=True)


@scenario(timeout=120, needs=NEEDS)
def anything_over_mqtt(directory):
    """The broker is shared: what one publishes is between the messages of all others."""
    _flooded(directory, "mqtt-garbage")


@scenario(timeout=120, needs=NEEDS)
def messages_of_megabytes_over_mqtt(directory):
    _flooded(directory, "mqtt-huge")
