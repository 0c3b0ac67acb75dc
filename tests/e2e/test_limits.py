# SPDX-License-Identifier: BSD-3-Clause
"""The limits of homepatchd.conf(5), each set low: whoever reaches one is refused with its name, and nobody else notices."""

import os
import select
import signal
import socket
import subprocess

from home import NEEDS, NEW, PROXIED, Home, own_network
from hptest import Agent, Cleanup, Controller, UdsTransport, UspError, program, scenario, usp, wait_until

AGENT = ("homepatchd",)
SUBSCRIPTIONS = "Device.LocalAgent.Subscription."
PERMISSIONS = "Device.LocalAgent.ControllerTrust.Role.1.Permission."
GATEWAY, HOLDER, OTHER = "10.66.0.1", "10.66.1.1", "10.66.2.1"


class Pair:
    """An agent with these limits and two controllers at its UNIX socket."""

    def __init__(self, directory, **limits):
        self.cleanup = Cleanup()
        self.agent = Agent(directory)
        self.agent.conf.update({f"limit_{name}": value for name, value in limits.items()})
        self.controllers = [
            self.cleanup.add(Controller(UdsTransport(**self.agent.uds(name)), name, self.agent.endpoint_id))
            for name in ("self::one", "self::two")]
        self.cleanup.add(self.agent)
        self.agent.start()
        self.one, self.two = (c.connect() for c in self.controllers)

    def limit(self, said=None, **limits):
        """New limits, by SIGHUP. said: how the log tells the last of them."""
        self.agent.conf.update({f"limit_{name}": value for name, value in limits.items()})
        self.agent.write_config()
        self.agent.signal(signal.SIGHUP)
        self.agent.wait_output(said)

    def answers(self, controller):
        assert controller.value("Device.LocalAgent.EndpointID", timeout=2) == self.agent.endpoint_id


def _refused(call, *words):
    """The call fails, and every one of these words is in what it says."""
    try:
        call()
    except UspError as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError(f"not refused: {words}")


def _subscribe(controller, number):
    return controller.subscribe(f"s{number}", "ValueChange", "Device.DeviceInfo.FriendlyName", Persistent=True)


@scenario(needs=AGENT)
def subscriptions(directory):
    """Also: the limit follows SIGHUP, a bad one leaves all as it was, and one that is lowered takes no row away."""
    pair = Pair(directory, subscriptions=3)
    rows = [_subscribe(pair.one, n) for n in range(3)]
    _refused(lambda: _subscribe(pair.one, 3), "7005", "limit_subscriptions is 3")
    _refused(lambda: _subscribe(pair.two, 3), "limit_subscriptions is 3")
    assert pair.two.add(PERMISSIONS, Alias="x")  # another table
    pair.one.delete(rows[0])
    rows[0] = _subscribe(pair.two, 3)
    pair.limit("limit_subscriptions is 4 now", subscriptions=4)
    rows.append(_subscribe(pair.one, 4))
    _refused(lambda: _subscribe(pair.one, 5), "limit_subscriptions is 4")
    pair.limit("the limits stay as they were", subscriptions=0)
    _refused(lambda: _subscribe(pair.one, 5), "limit_subscriptions is 4")
    # What a restart would make good is not good at once.
    pair.limit("limit_queue_bytes is less than limit_record_bytes", subscriptions=9, record_bytes="64K", queue_bytes="64K")
    _refused(lambda: _subscribe(pair.one, 5), "limit_subscriptions is 4")
    pair.agent.conf["limit_subscriptions"] = 1
    for controller in pair.controllers:
        controller.close()
    pair.agent.restart()
    pair.one.connect()
    assert sorted(pair.one.instances(SUBSCRIPTIONS)) == sorted(rows)
    _refused(lambda: _subscribe(pair.one, 5), "limit_subscriptions is 1")
    pair.cleanup.run()


@scenario(needs=AGENT)
def rows_of_one_table(directory):
    pair = Pair(directory, table_rows=32)
    for n in range(32 - len(pair.one.instances(PERMISSIONS))):
        pair.one.add(PERMISSIONS, Alias=f"p{n}")
    assert len(pair.one.instances(PERMISSIONS)) == 32
    _refused(lambda: pair.one.add(PERMISSIONS, Alias="last"), "7005", "limit_table_rows is 32")
    _subscribe(pair.two, 1)
    assert pair.two.add(PERMISSIONS.replace("Role.1", "Role.2"), Alias="first")  # the same table of another row
    pair.cleanup.run()


@scenario(needs=AGENT)
def bytes_of_one_record(directory):
    """In: the session of who sends more ends. Out: the answer is an Error, and what it tells has not happened."""
    pair = Pair(directory, record_bytes="64K")
    pair.one.transport.send(b"\n" * 70000)
    wait_until(lambda: not pair.one.transport.connected, 10, "the session ended")
    assert "limit_record_bytes is 65536" in pair.one.transport.error, pair.one.transport.error
    pair.answers(pair.two)
    pair.one.connect()
    _refused(lambda: pair.one.must(usp.get(*["Device."] * 16)), "7005", "limit_record_bytes is 65536")
    pair.answers(pair.one)
    pair.cleanup.run()


@scenario(needs=AGENT)
def connections_to_the_socket(directory):
    pair = Pair(directory, local_connections=3)
    third = pair.cleanup.add(Controller(UdsTransport(pair.agent.dir / "agent.sock", "self::one"), "self::one",
                                        pair.agent.endpoint_id)).connect()
    pair.answers(third)
    fourth = UdsTransport(pair.agent.dir / "agent.sock", "self::one")
    assert not _connects(fourth), "a fourth connection"
    for controller in (pair.one, pair.two, third):
        pair.answers(controller)
    third.close()
    wait_until(lambda: _connects(fourth), 10, "its place is free")
    fourth.close()
    pair.cleanup.run()


def _connects(transport):
    """connect() is over when the handshake was answered, or the agent hung up: before it, where it is faster."""
    try:
        transport.connect()
    except OSError:
        return False
    return transport.connected


@scenario(needs=AGENT)
def told_by_the_program(directory):
    """--check-config names file and line, the key and its range; --limits prints what counts."""
    agent = Agent(directory)
    agent.conf = {"limit_jobs": 7, "limit_record_bytes": "1M"}
    agent.write_config()

    def run(*options):
        done = subprocess.run([program("homepatchd"), "-c", str(agent.conf_file), *options], capture_output=True, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    code, out = run("--limits")
    lines = out.splitlines()
    assert code == 0 and "limit_jobs = 7" in lines and "limit_record_bytes = 1M" in lines, out
    assert "limit_subscriptions = 16384" in lines, out
    agent.conf_file.write_text(out)
    assert run("--limits") == (0, out)  # it may stand in the configuration
    for line, words in (("limit_jobs = 0", "is not a number from 1 to 65536"), ("limit_record_bytes = 9M", "is not a size from 64K to 8M"),
                        ("limit_jobs = many", "is not a number"), ("limit_job = 1", "unknown key")):
        agent.conf_file.write_text(f"# one\n\n{line}\n")
        code, out = run("--check-config")
        assert code == 2 and f"{agent.conf_file}:3: " in out and words in out, (code, out)
    agent.conf_file.write_text("limit_queue_bytes = 1M\n")
    code, out = run("--check-config")
    assert code == 2 and "limit_queue_bytes is less than limit_record_bytes" in out, (code, out)


@scenario(needs=NEEDS)
def proxied_devices(directory):
    """Of three devices two are listed, and updated; the third is once there may be three."""
    home = Home(directory, mqtt=3, websocket=0)
    home.agent.conf["limit_proxied_devices"] = 2
    home.uds_controller()
    home.start(devices=False)
    home.cleanup.add(home.sim.start())
    home.agent.wait_output("limit_proxied_devices is 2", 20)
    listed = wait_until(lambda: _listed(home, 2), 20, "two devices listed")
    home.rows = {d["id"]: listed[d["mac"]] for d in home.sim.devices() if d["mac"] in listed}
    home.ids = list(home.rows)
    home.subscribe()
    home.must_succeed(home.activate(home.downloaded(0)))
    assert home.ctl.value(home.info(0) + "SoftwareVersion") == NEW
    assert len(home.ctl.instances(PROXIED, first_level_only=True)) == 2
    for limit in (3, 1):  # a lower one takes no device away
        home.agent.conf["limit_proxied_devices"] = limit
        home.ctl.close()
        home.agent.restart()
        home.ctl.connect()
        wait_until(lambda: _listed(home, 3), 30, "all three listed")
    home.stop()


def _listed(home, count):
    """{MAC address: row} once there are so many that are online."""
    online = home.ctl.get(PROXIED + "*.Online")
    rows = {v: k.split("DeviceInfo.")[0] for k, v in home.ctl.get(PROXIED + "*.DeviceInfo.SerialNumber").items() if v}
    return rows if len(rows) == count and all(online[row + "Online"] == "true" for row in rows.values()) else None


@scenario(needs=NEEDS)
def jobs(directory):
    """While one download runs, another is refused; the first ends as it would have, and then there is room."""
    home = Home(directory, mqtt=2, websocket=0)
    home.agent.conf["limit_jobs"] = 1
    home.uds_controller()
    home.start()
    home.subscribe()
    url = home.image(size=200000, rate=100000)[0]
    first = home.download(home.free_slot(0), url)
    slot = home.free_slot(1)
    outcome = home.ctl.operate(slot + "Download()", {"URL": url, "AutoActivate": False}, "refused")[slot + "Download()"]
    assert outcome[0] == "failure" and "limit_jobs is 1" in str(outcome[1]), outcome
    home.must_succeed(first)
    home.must_succeed(home.download(slot, url))
    home.stop()


class Holder:
    """Connections from addresses of the LAN, held without a word."""

    def __init__(self, port):
        self.port = port
        self.open = []

    def dial(self, address):
        sock = socket.socket()
        sock.bind((address, 0))
        sock.settimeout(5)
        sock.connect((GATEWAY, self.port))
        self.open.append(sock)

    def left(self):
        """How many the agent has not closed."""
        readable, _, _ = select.select(self.open, [], [], 0)
        for sock in readable:
            try:
                gone = not sock.recv(1)
            except OSError:
                gone = True
            if gone:
                self.open.remove(sock)
                sock.close()
        return len(self.open)

    def close(self):
        for sock in self.open:
            sock.close()


def _lan(directory, **limits):
    own_network(GATEWAY)
    home = Home(directory, mqtt=0, websocket=1, tls=False)
    port, conf = home.agent.lan_websocket_port, home.agent.conf
    conf.update({f"limit_{name}": value for name, value in limits.items()})
    conf["lan_websocket_listen"] = f"{GATEWAY}:{port}"
    conf["lan_http_listen"] = conf["lan_http_listen"].replace("127.0.0.1", GATEWAY)
    conf["lan_http_url"] = conf["lan_http_url"].replace("127.0.0.1", GATEWAY)
    home.sim.argv += ["--websocket", f"ws://{GATEWAY}:{port}/shelly"]
    home.ws_controller(tls=False)
    home.start(devices=False)
    return home, Holder(port)


@scenario(needs=NEEDS)
def connections_of_one_address(directory):
    home, holder = _lan(directory, address_connections=3)
    for _ in range(10):
        holder.dial(HOLDER)
    wait_until(lambda: holder.left() == 3, 5, "three connections are left")
    for _ in range(3):
        holder.dial(OTHER)
    assert holder.left() == 6
    home.cleanup.add(home.sim.start())  # this machine itself, which is not limited
    home.ids = [d["id"] for d in home.sim.devices()]
    home.wait_listed(30)
    holder.close()
    home.stop()


@scenario(needs=NEEDS)
def connections_in_total(directory):
    """Devices take what is not kept for controllers, and no more; controllers come and go as ever."""
    home, holder = _lan(directory, connections=128, address_connections=4)
    for n in range(1, 41):
        for _ in range(4):
            holder.dial(f"10.66.3.{n}")
    wait_until(lambda: holder.left() <= 64, 5, "at most 64 connections are left")
    assert holder.left() > 50, holder.left()
    for _ in range(5):
        home.ctl.close()
        home.ctl.connect()
        assert home.ctl.value("Device.LocalAgent.EndpointID", timeout=2) == home.agent.endpoint_id
    assert len(os.listdir(f"/proc/{home.agent.pid}/fd")) < 128 + 60
    holder.close()
    home.stop()
