# SPDX-License-Identifier: BSD-3-Clause
"""The command line against a real agent and a simulated home."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time

from cli import (
    DONE,
    ENDPOINT,
    INTERRUPTED,
    REFUSED,
    TIMEOUT,
    UNREACHABLE,
    UPDATE_FAILED,
    USAGE,
    Cli,
    interrupt,
    subscriptions,
    wait_no_subscriptions,
)
from home import NEW, OLD, PROXIED, Home
from hptest import UNTRUSTED, Agent, Cleanup, Controller, UdsTransport, program, scenario, wait_until
from hptest.process import PATIENCE

NEEDS = ("homepatchd", "homepatch")
HOME_NEEDS = (*NEEDS, "homepatch-simhome")
MODEL = "SNSW-001X16EU"


def _agent(directory):
    """An agent without a home, and the tool; (cleanup, agent, controller, cli)."""
    cleanup = Cleanup()
    agent = Agent(directory)
    agent.uds(ENDPOINT)
    transport = UdsTransport(**agent.uds("self::uds"))
    cleanup.add(agent.start())
    controller = cleanup.add(Controller(transport, "self::uds", agent.endpoint_id).connect())
    return cleanup, agent, controller, Cli(transport.path)


def _home(directory, mqtt=2, websocket=1, **kwargs):
    home = Home(directory, mqtt, websocket, **kwargs)
    home.uds_controller()
    home.agent.uds(ENDPOINT)
    home.start()
    return home, Cli(home.agent.dir / "agent.sock")


# -- the model ---------------------------------------------------------------------------------------------------------


@scenario(needs=NEEDS)
def reads_and_changes_the_model(directory):
    cleanup, agent, ctl, cli = _agent(directory)
    out = cli.run("get", "Device.DeviceInfo.ManufacturerOUI", "Device.DeviceInfo.SerialNumber")
    assert out == "Device.DeviceInfo.ManufacturerOUI = 012345\nDevice.DeviceInfo.SerialNumber = GW000001\n", out
    assert cli.json("get", "Device.DeviceInfo.SerialNumber") == {
        "errors": [],
        "values": {"Device.DeviceInfo.SerialNumber": "GW000001"},
    }
    assert not any(p.startswith("Device.LocalAgent.MTP.1") for p in cli.json("get", "Device.", "--depth", 1)["values"])
    created = cli.json("add", "Device.LocalAgent.Controller.", "EndpointID=self::new", "Enable=true")["created"]
    row = created[0]["path"]
    assert created[0]["keys"]["EndpointID"] == "self::new", created
    assert ctl.value(row + "Enable") == "true"
    updated = cli.json("set", row + "Enable", "false", row + "ProvisioningCode", "x=y z")["updated"]
    assert {k: v for u in updated for k, v in u["params"].items()} == {"Enable": "false", "ProvisioningCode": "x=y z"}
    assert ctl.value('Device.LocalAgent.Controller.[EndpointID=="self::new"].ProvisioningCode') == "x=y z"
    listed = cli.json("instances", "Device.LocalAgent.Controller.", "--first-level")["instances"]
    assert row in [i["path"] for i in listed] and all(i["keys"]["EndpointID"] for i in listed), listed
    assert cli.json("del", row)["deleted"] == [row]
    assert row not in ctl.instances("Device.LocalAgent.Controller.")
    objects = cli.json("supported", "Device.LocalAgent.Certificate.", "--first-level")["objects"]
    command = objects[0]["commands"][0]
    assert command["name"] == "GetFingerprint()" and command["inputs"] == ["FingerprintAlgorithm"], command
    assert "PARAM" not in cli.run("supported", "Device.LocalAgent.Certificate.")
    assert cli.json("version")["agent"] == agent.endpoint_id
    cleanup.run()


@scenario(needs=NEEDS)
def says_what_the_agent_refused(directory):
    cleanup, _, ctl, cli = _agent(directory)
    cli.run("get", "Device.Nothing.", code=REFUSED)
    assert "7026" in cli.errors and "Device.Nothing." in cli.errors, cli.errors
    answer = cli.json("get", "Device.DeviceInfo.SerialNumber", "Device.Nothing.", code=REFUSED)
    assert answer["values"] and answer["errors"][0]["code"] == 7026, answer
    answer = cli.json("set", "Device.DeviceInfo.SerialNumber", "1", code=REFUSED)
    assert [e["code"] for e in answer["errors"]] == [7013], answer
    assert answer["errors"][0]["path"] == "Device.DeviceInfo.SerialNumber", answer
    answer = cli.json("add", "Device.LocalAgent.Controller.", "EndpointID=self::uds", code=REFUSED)
    assert answer["errors"] and answer["created"] == [], answer
    cli.run("del", "Device.LocalAgent.Controller.99.", "Device.DeviceInfo.", code=REFUSED)
    cli.run("operate", "Device.Nothing()", code=REFUSED)
    answer = cli.json("operate", "Device.ScheduleTimer()", "DelaySeconds=0", code=REFUSED)
    assert answer["errors"][0]["code"] == 7027, answer
    wait_no_subscriptions(ctl)
    cleanup.run()


@scenario(needs=NEEDS)
def partial_changes(directory):
    cleanup, _, ctl, cli = _agent(directory)
    answer = cli.json(
        "set", "Device.DeviceInfo.ProvisioningCode", "p", "Device.DeviceInfo.SerialNumber", "1", "--partial", code=REFUSED
    )
    assert answer["updated"][0]["params"] == {"ProvisioningCode": "p"}, answer
    assert ctl.value("Device.DeviceInfo.ProvisioningCode") == "p"
    cleanup.run()


@scenario(needs=NEEDS)
def usage(directory):
    cli = Cli(directory / "no.sock")
    for args in (
        ("frobnicate",),
        ("--frobnicate",),
        ("get",),
        ("get", "--slot", "2", "Device."),
        ("set", "Device.DeviceInfo.FriendlyName"),
        ("devices", "extra"),
        ("devices", "--timeout", "soon"),
        ("devices", "--timeout"),
        ("devices", "--json=yes"),
        ("doctor", "nobody"),
        (),
    ):
        # Before anything is connected: no agent is there at all.
        cli.run(*args, code=USAGE)
    assert "usage: homepatch" in cli.run("--help")
    assert "devices" in cli.run("-h")
    cli.run("devices", code=UNREACHABLE)
    assert "homepatchd" in cli.errors and str(directory) in cli.errors, cli.errors
    assert cli.json("devices", code=UNREACHABLE)["errors"][0]["path"] == str(directory / "no.sock")


@scenario(needs=NEEDS)
def unknown_endpoint_and_silence(directory):
    cleanup, agent, _, cli = _agent(directory)
    cli.run("--endpoint", "self::stranger", "get", "Device.", code=REFUSED)
    assert "Device.LocalAgent.Controller." in cli.errors, cli.errors
    agent.signal(19)  # SIGSTOP: it is there, and says nothing
    try:
        cli.run("--timeout", 1, "get", "Device.", code=UNREACHABLE)
    finally:
        agent.signal(18)
    cleanup.run()


@scenario(needs=NEEDS)
def secrets_come_from_standard_input(directory):
    cleanup, _, ctl, cli = _agent(directory)
    row = cli.json("add", "Device.MQTT.Client.", "Username=me", "BrokerAddress=127.0.0.1")["created"][0]["path"]
    out = cli.run("set", row + "Password", "-", stdin="hush\n")
    assert "hush" not in out + cli.errors, out
    assert ctl.value(row + "Password") == ""
    cli.run("set", row + "Password", "-", code=USAGE)
    cleanup.run()


# -- commands and notifications ----------------------------------------------------------------------------------------


@scenario(needs=NEEDS)
def operates_and_waits(directory):
    cleanup, _, ctl, cli = _agent(directory)
    result = cli.json("operate", "Device.ScheduleTimer()", "DelaySeconds=1")["results"][0]
    assert result["status"] == "done" and result["request"].startswith("Device.LocalAgent.Request."), result
    wait_no_subscriptions(ctl)
    result = cli.json("operate", "Device.ScheduleTimer()", "DelaySeconds=300", "--no-wait", "--key", "mine")["results"][0]
    assert result["status"] == "running", result
    assert ctl.value(result["request"] + "CommandKey") == "mine"
    cli.run("operate", result["request"] + "Cancel()")
    cli.run("operate", "Device.ScheduleTimer()", "DelaySeconds=300", "--timeout", 1, code=TIMEOUT)
    assert "Cancel()" in cli.errors, cli.errors
    wait_no_subscriptions(ctl)
    cleanup.run()


@scenario(needs=NEEDS)
def several_tools_at_once(directory):
    """All are one endpoint, and the agent notifies its newest session: each of them still hears of its own."""
    cleanup, _, ctl, cli = _agent(directory)
    operates = [cli.start("operate", "Device.ScheduleTimer()", f"DelaySeconds={n}") for n in (1, 2)]
    for process in operates:
        assert "runs as" in process.stdout.readline()
    watch = cli.start("events", "--type", "ValueChange")
    wait_until(lambda: len(subscriptions(ctl)) == 3, 10, "all listen")
    for process in operates:
        out, err = process.communicate(timeout=15 * PATIENCE)
        assert process.returncode == DONE and "done" in out, (out, err)
    _, _, code = interrupt(watch)
    assert code == DONE
    wait_no_subscriptions(ctl)
    cleanup.run()


@scenario(needs=NEEDS)
def interrupted_commands_go_on(directory):
    cleanup, _, ctl, cli = _agent(directory)
    process = cli.start("operate", "Device.ScheduleTimer()", "DelaySeconds=300")
    requests = "Device.LocalAgent.Request."
    wait_until(lambda: ctl.get(requests), 10, "the command runs")
    wait_until(lambda: subscriptions(ctl), 10, "the tool waits for its end")
    line = process.stdout.readline()
    assert "runs as" in line, line
    _, err, code = interrupt(process)
    assert code == INTERRUPTED and "goes on" in err and "homepatch get " + requests in err, (code, err)
    assert ctl.get(requests), "the command was to go on"
    wait_no_subscriptions(ctl)
    cleanup.run()


@scenario(needs=NEEDS)
def events_as_they_come(directory):
    cleanup, _, ctl, cli = _agent(directory)
    process = cli.start("--json", "events", "--count", 2, "Device.DeviceInfo.", "--type", "ValueChange")
    wait_until(lambda: subscriptions(ctl), 10, "it listens")
    ctl.set("Device.DeviceInfo.", FriendlyName="one")
    ctl.set("Device.DeviceInfo.", FriendlyName="two")
    out, err = process.communicate(timeout=15 * PATIENCE)
    events = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == DONE and [e["value"] for e in events] == ["one", "two"], (out, err)
    assert all(e["path"] == "Device.DeviceInfo.FriendlyName" and e["type"] == "ValueChange" for e in events), events
    wait_no_subscriptions(ctl)
    process = cli.start("events", "Device.LocalAgent.Controller.", "--type", "ObjectCreation")
    wait_until(lambda: subscriptions(ctl), 10, "it listens")
    ctl.add("Device.LocalAgent.Controller.", EndpointID="self::more")
    assert "EndpointID=self::more" in process.stdout.readline()
    _, _, code = interrupt(process)
    assert code == DONE
    wait_no_subscriptions(ctl)
    cli.run("events", "--count", 1, "--timeout", 1, "Device.DeviceInfo.", code=TIMEOUT)
    cleanup.run()


@scenario(needs=NEEDS)
def listens_on_after_a_restart(directory):
    """The agent goes and comes: the tool connects and subscribes again."""
    cleanup, agent, ctl, cli = _agent(directory)
    process = cli.start("--json", "events", "--count", 1, "Device.DeviceInfo.", "--type", "ValueChange")
    wait_until(lambda: subscriptions(ctl), 10, "it listens")
    ctl.close()
    agent.restart(kill=True)
    ctl.connect()
    wait_until(lambda: subscriptions(ctl), 15, "it listens again")
    ctl.set("Device.DeviceInfo.", FriendlyName="back")
    out, err = process.communicate(timeout=15 * PATIENCE)
    assert process.returncode == DONE and json.loads(out.splitlines()[0])["value"] == "back", (out, err)
    cleanup.run()


@scenario(needs=NEEDS)
def survives_a_killed_tool(directory):
    """kill -9 leaves a subscription behind, which has an end of its own."""
    cleanup, _, ctl, cli = _agent(directory)
    process = cli.start("events")
    wait_until(lambda: len(subscriptions(ctl)) == 5, 10, "it listens")
    process.kill()
    process.communicate()
    values = ctl.get("Device.LocalAgent.Subscription.")
    ttls = [int(v) for p, v in values.items() if p.endswith(".TimeToLive")]
    assert ttls and all(0 < t <= 3600 for t in ttls), ttls
    assert all(v == "false" for p, v in values.items() if p.endswith(".Persistent")), values
    cleanup.run()


# -- the home ----------------------------------------------------------------------------------------------------------


@scenario(needs=HOME_NEEDS)
def shows_the_devices(directory):
    home, cli = _home(directory)
    devices = cli.json("devices")["devices"]
    assert len(devices) == 3 and all(d["online"] and d["version"] == OLD and d["model"] == MODEL for d in devices), devices
    lines = cli.run("devices").splitlines()
    assert lines[0].split() == "# NAME MANUFACTURER MODEL VERSION AVAILABLE ONLINE CONTACT UPDATE TRUST".split()
    assert len(lines) == 4 and all(OLD in line for line in lines[1:]), lines
    narrow = Cli(cli.socket, COLUMNS="60").run("devices").splitlines()
    assert all(len(line) <= 75 for line in narrow) and "~" in narrow[1], narrow
    home.ctl.set(PROXIED + "1.", Name="Kitchen \x1b]0;evil\x07\x1b[31m lamp", Alias="lamp")
    out = cli.run("devices")
    assert "\x1b" not in out and "Kitchen ?" in out, out
    for name in ("1", "lamp", PROXIED + "1.", devices[0]["serial"]):
        shown = cli.json("show", name)["device"]
        assert shown["number"] == 1 and [s["status"] for s in shown["slots"]] == ["Active", "NoImage", "NoImage"], shown
    assert "Serial number" in cli.run("show", "lamp") and "\x1b" not in cli.run("show", "lamp")
    cli.run("show", "nobody", code=REFUSED)
    home.ctl.set(PROXIED + "2.", Name="twin")
    home.ctl.set(PROXIED + "3.", Name="twin")
    cli.run("show", "twin", code=USAGE)
    assert cli.json("devices", "--model", "other")["devices"] == []
    home.stop()


@scenario(timeout=120, needs=HOME_NEEDS)
def downloads_and_activates(directory):
    home, cli = _home(directory)
    url, digest, _, _ = home.image()
    updates = cli.json("download", "1", "2", url, "--checksum", f"sha256:{digest}")["updates"]
    assert [(u["number"], u["status"], u["slotStatus"], u["slotVersion"]) for u in updates] == [
        (1, "done", "Available", NEW),
        (2, "done", "Available", NEW),
    ], updates
    assert [d["available"] for d in cli.json("devices")["devices"]] == [NEW, NEW, ""]
    out = cli.run("activate", "--all", "--model", MODEL)
    assert out.count(f"runs {NEW}") == 2, out
    assert [d["version"] for d in cli.json("devices")["devices"]] == [NEW, NEW, OLD]
    out = cli.run("download", "3", url, "--activate")
    assert f"runs {NEW}" in out and "Transferring" in out, out
    assert {home.sim.device(i)["version"] for i in home.ids} == {NEW}
    cli.run("activate", "--all", code=REFUSED)
    cli.run("download", "--all", url, code=USAGE)
    cli.run("download", "1", "not-a-url", code=USAGE)
    cli.run("download", "1", url, "--checksum", "crc32:00", code=USAGE)
    cli.run("activate", "1", "--window", "soon", code=USAGE)
    wait_no_subscriptions(home.ctl)
    home.stop()


@scenario(timeout=120, needs=HOME_NEEDS)
def tells_which_update_failed(directory):
    home, cli = _home(directory)
    url, digest, _, _ = home.image()
    answer = cli.json("download", "1", url, "--checksum", "sha256:" + "00" * 32, code=UPDATE_FAILED)
    assert answer["updates"][0]["status"] == "failed" and answer["updates"][0]["fault"], answer
    assert answer["errors"][0]["code"] >= 7000, answer
    home.sim.fault(home.ids.index(_id_of(home, 2)), "old-version")
    cli.run("download", "--all", "--model", MODEL, url, "--checksum", f"sha256:{digest}")
    out = cli.run("activate", "--all", code=UPDATE_FAILED, timeout=90)
    assert out.count("runs " + NEW) == 2 and "failed" in out, out
    assert cli.json("show", "2")["device"]["version"] == OLD
    home.stop()


def _id_of(home, number):
    """The simulated device behind that row."""
    return next(i for i, row in home.rows.items() if row == f"{PROXIED}{number}.")


@scenario(timeout=120, needs=HOME_NEEDS)
def credentials_for_the_image(directory):
    home, cli = _home(directory, 1, 0)
    url, digest, _, _ = home.image(auth=("me", "hush"))
    file = directory / "password"
    file.write_text("hush\n")
    cli.run("download", "1", url, code=UPDATE_FAILED)
    cli.run("download", "1", url, "--username", "me", "--password-file", file)
    cli.run("download", "1", url, "--username", "me", stdin="hush\n")
    cli.run("download", "1", url, "--username", "me", stdin="wrong\n", code=UPDATE_FAILED)
    cli.run("download", "1", url, "--username", "me", "--password", "hush", code=USAGE)
    home.stop()


@scenario(timeout=120, needs=HOME_NEEDS)
def windows_and_interruption(directory):
    home, cli = _home(directory, 1, 0)
    home.subscribe()
    home.downloaded(0)
    process = cli.start("activate", "1", "--window", "600:1200:WhenIdle")
    wait_until(lambda: cli.json("show", "1")["device"]["state"] == "Waiting", 10, "it waits for its window")
    wait_until(lambda: subscriptions(home.ctl), 10, "the tool waits")
    out, err, code = interrupt(process)
    assert code == INTERRUPTED and "homepatch watch" in err and "Cancel()" in err, (out, err)
    wait_no_subscriptions(home.ctl)
    request = next(p for p in home.ctl.instances("Device.LocalAgent.Request."))
    cli.run("operate", request + "Cancel()")
    out = cli.run("activate", "1", "--window", "0:600:Immediately")
    assert "runs " + NEW in out, out
    home.stop()


@scenario(timeout=120, needs=HOME_NEEDS)
def watches_as_lines_and_json(directory):
    home, cli = _home(directory)
    url, _, _, _ = home.image()
    plain, stream = cli.start("watch"), cli.start("--json", "watch", "1")
    wait_until(lambda: len(subscriptions(home.ctl)) == 2, 10, "both watch")
    cli.run("download", "1", "2", url, "--activate")
    # One of them is the session that the agent notifies; the other one looks by itself.
    for line in stream.stdout:
        state = json.loads(line)
        assert state["number"] == 1, state
        if state["state"] == "Done":
            assert state["version"] == NEW, state
            break
    for line in plain.stdout:
        if "Done " + NEW in line:
            break
    for process in (plain, stream):
        out, err, code = interrupt(process)
        assert code == DONE, (out, err)
    wait_no_subscriptions(home.ctl)
    home.stop()


@scenario(timeout=120, needs=HOME_NEEDS)
def outlives_the_agent(directory):
    """kill -9 of the agent in the middle of a download: both go on."""
    home, cli = _home(directory, 1, 0)
    url, digest, _, what = home.image(size=400000, rate=100000)
    process = cli.start("download", "1", url, "--checksum", f"sha256:{digest}")
    wait_until(lambda: cli.json("show", "1")["device"]["state"] == "Fetching", 10, "it is fetched")
    home.ctl.close()
    home.agent.kill()
    what.rate = None
    home.agent.start()
    out, err = process.communicate(timeout=60 * PATIENCE)
    assert process.returncode == DONE and f"has {NEW}" in out, (out, err)
    home.ctl.connect()
    wait_no_subscriptions(home.ctl)
    home.stop()


def _read_terminal(master, process):
    """All that is drawn until the program ends."""
    data = b""
    end = time.monotonic() + 60 * PATIENCE
    while time.monotonic() < end:
        if select.select([master], [], [], 0.1)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            data += piece
        elif process.poll() is not None:
            break
    process.wait(10 * PATIENCE)
    return data.decode()


@scenario(timeout=120, needs=HOME_NEEDS)
def draws_bars_on_a_terminal(directory):
    home, cli = _home(directory)
    url, _, _, _ = home.image()
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {**cli.env, "TERM": "xterm"}
    del env["NO_COLOR"]
    process = subprocess.Popen(
        [program("homepatch"), "download", "1", "2", url, "--activate"], stdin=slave, stdout=slave, stderr=slave, env=env
    )
    os.close(slave)
    drawn = _read_terminal(master, process)
    os.close(master)
    assert process.returncode == DONE, drawn
    assert "[" + "." * 10 in drawn and "####" in drawn and "100 %" in drawn and "\x1b[2A" in drawn, drawn
    assert drawn.count(f"runs \x1b[0m{NEW}") + drawn.count(f"runs {NEW}") == 2, drawn
    home.stop()


@scenario(needs=NEEDS)
def a_role_hides_things(directory):
    cleanup = Cleanup()
    agent = Agent(directory)
    path = agent.uds(ENDPOINT, role=UNTRUSTED)["path"]
    cleanup.add(agent.start())
    cli = Cli(path)
    cli.run("set", "Device.DeviceInfo.FriendlyName", "x", code=REFUSED)
    assert "7006" in cli.errors or "70" in cli.errors, cli.errors
    assert cli.json("get", "Device.DeviceInfo.SerialNumber")["values"]
    cleanup.run()
