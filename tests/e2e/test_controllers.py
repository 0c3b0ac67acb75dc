# SPDX-License-Identifier: BSD-3-Clause
"""Controllers that go away, brokers that restart, and peers that are not who they should be."""

import shutil
import subprocess
import time

from home import NEEDS, NEW, PROXIED, Home
from hptest import (
    UNTRUSTED,
    Agent,
    Controller,
    MqttTransport,
    Pki,
    UspError,
    WsClientTransport,
    WsServerTransport,
    program,
    scenario,
    usp,
    wait_until,
)

AGENT = ("homepatchd",)


# -- notifications while a controller is away ------------------------------------------------------------


def _kept_while_away(home):
    home.start()
    home.subscribe(keep=True)
    slot = home.downloaded(0)
    key = home.activate(slot, (2, 60, "AnyTime"))
    home.ctl.close()
    home.sim.wait_device(0, lambda d: d["version"] == NEW and d["online"], 30, "updated")
    wait_until(lambda: home.controllers[1].value(slot + "Status") == "Active", 20, "done, with nobody listening")
    home.ctl.connect()
    home.must_succeed(key, 30)
    home.ctl.wait_notify(
        lambda n: n.value_change.param_path == home.info(0) + "SoftwareVersion"
        and n.value_change.param_value == NEW,
        20,
        "the ValueChange that nobody heard",
    )
    home.stop()


@scenario(needs=NEEDS)
def away_over_mqtt(directory):
    home = Home(directory, 1, 0)
    home.mqtt_controller()
    home.uds_controller()
    _kept_while_away(home)


@scenario(needs=NEEDS)
def away_over_websocket(directory):
    home = Home(directory, 1, 0)
    home.ws_controller()
    home.uds_controller()
    _kept_while_away(home)


@scenario(needs=NEEDS)
def away_over_unix_socket(directory):
    home = Home(directory, 1, 0)
    home.uds_controller("self::one")
    home.uds_controller("self::two")
    _kept_while_away(home)


@scenario(needs=NEEDS)
def away_while_the_agent_dies(directory):
    """The result is durable before it is sent: nobody listens, the agent dies, the controller meets a new one."""
    home = Home(directory, 1, 0)
    home.mqtt_controller()
    home.uds_controller()
    home.start()
    home.subscribe(keep=True)
    slot = home.downloaded(0)
    key = home.activate(slot, (2, 60, "AnyTime"))
    home.ctl.close()
    wait_until(lambda: home.controllers[1].value(slot + "Status") == "Active", 30, "done, with nobody listening")
    home.controllers[1].close()
    home.agent.restart(kill=True)
    home.ctl.connect()
    home.must_succeed(key, 30)
    home.stop()


@scenario(needs=NEEDS)
def unacknowledged_notifications_are_repeated(directory):
    """NotifRetry: the same message id until it is acknowledged, and then no more."""
    home = Home(directory, 1, 0)
    home.mqtt_controller()
    home.start()
    home.ctl.auto_ack = False
    home.ctl.subscribe("online", "ValueChange", PROXIED + "*.Online", retry=True)
    home.sim.command("offline", 0)

    def copies():
        return [m for m in home.ctl.notifies if m.body.request.notify.subscription_id == "online"]

    wait_until(lambda: len(copies()) >= 2, 15, "a repetition")
    assert len({m.header.msg_id for m in copies()}) == 1, "a repetition has another message id"
    home.ctl.auto_ack = True
    count = len(copies())
    wait_until(lambda: len(copies()) > count, 15, "the repetition that gets its answer")
    home.ctl.subscribe("again", "ValueChange", PROXIED + "*.Online", retry=True)
    count = len(copies())
    home.sim.command("online", 0)
    home.ctl.wait_notify(lambda n: n.subscription_id == "again", 15)
    first = copies()[0].header.msg_id
    assert sum(1 for m in copies() if m.header.msg_id == first) <= count + 1
    home.stop()


# -- transports ------------------------------------------------------------


@scenario(needs=AGENT)
def broker_restarts(directory):
    home = Home(directory, 0, 0)
    ctl = home.mqtt_controller()
    home.start(devices=False)
    for _ in range(2):
        home.wan.stop()
        wait_until(lambda: not ctl.transport.connected, 10, "the controller lost the broker")
        home.wan.start()
        wait_until(lambda: ctl.transport.connected, 15, "the controller is back at the broker")
        home.wait_answers(ctl)
    home.stop()


@scenario(needs=AGENT)
def broker_comes_late(directory):
    """The agent starts first; it tries again with pauses, and is there when the broker is."""
    home = Home(directory, 0, 0)
    ctl = home.mqtt_controller()
    local = home.uds_controller()
    home.wan.stop()
    home.cleanup.add(home.agent.start())
    local.connect()
    wait_until(
        lambda: local.value("Device.MQTT.Client.1.Status") not in ("Connected", "Disabled"), 10, "not connected"
    )
    home.wan.start()
    wait_until(lambda: local.value("Device.MQTT.Client.1.Status") == "Connected", 20, "connected")
    ctl.connect()
    home.wait_answers(ctl)
    home.stop()


@scenario(needs=AGENT)
def connect_record_names_the_topic(directory):
    home = Home(directory, 0, 0)
    ctl = home.mqtt_controller()
    ctl.connect()
    home.cleanup.add(home.agent.start())
    record = ctl.wait_record("mqtt_connect", 15)
    assert record.mqtt_connect.subscribed_topic == "usp/agent-ctl", record
    assert record.mqtt_connect.version == usp.record_pb.MQTTConnectRecord.V5
    assert record.from_id == home.agent.endpoint_id and record.to_id == ctl.endpoint_id
    properties = ctl.transport.published[0][1]
    assert properties.ContentType == "usp.msg" and properties.ResponseTopic == "usp/agent-ctl", properties
    home.stop()


@scenario(needs=AGENT)
def disconnect_record_at_the_end(directory):
    """R-MTP.7: the agent says goodbye before it closes."""
    home = Home(directory, 0, 0)
    ctl = home.mqtt_controller()
    web = home.ws_controller()
    home.start(devices=False)
    assert home.agent.stop() == 0
    for one in (ctl, web):
        one.wait_record("disconnect", 5)
    home.stop()


@scenario(needs=AGENT)
def websocket_client_backs_off(directory):
    """The agent dials a controller that is not there yet, and one that goes away."""
    home = Home(directory, 0, 0)
    where = home.agent.ws_controller(endpoint_id="self::dial")
    home.cleanup.add(home.agent.start())
    transport = WsServerTransport(**where)
    ctl = home.cleanup.add(Controller(transport, "self::dial"))
    for _ in range(2):
        begin = time.monotonic()
        ctl.connect(timeout=20)
        assert ctl.value("Device.LocalAgent.EndpointID") == home.agent.endpoint_id
        assert (
            transport.attempts == 1
        ), f"{transport.attempts} attempts for one session after {time.monotonic() - begin} s"
        ctl.close()
    home.stop()


@scenario(needs=AGENT)
def second_websocket_replaces_the_first(directory):
    """R-WS.4: at most one session between two endpoints."""
    home = Home(directory, 0, 0)
    ctl = home.ws_controller(tls=False)
    home.start(devices=False)
    where = {"port": ctl.transport.port, "path": ctl.transport.path, "endpoint_id": ctl.endpoint_id}
    other = home.cleanup.add(Controller(WsClientTransport(**where), ctl.endpoint_id))
    other.connect()
    wait_until(lambda: ctl.transport.connected != other.transport.connected, 10, "one of the two is closed")
    left = other if other.transport.connected else ctl
    assert left.value("Device.LocalAgent.EndpointID") == home.agent.endpoint_id
    home.stop()


# -- who is who ------------------------------------------------------------


def _agent_refuses_broker(directory, certificate):
    """The agent must not talk to a broker that shows this certificate, and must go on with its other transports."""
    home = Home(directory, 0, 0)
    server = certificate(home)
    home.wan.conf.write_text(
        home.wan.conf.read_text()
        .replace(str(home.wan.tls[1]), str(server[0]))
        .replace(str(home.wan.tls[2]), str(server[1]))
    )
    home.wan.stop()
    home.wan.start()
    home.agent.mqtt(home.wan.port, tls=True)
    local = home.uds_controller()
    home.cleanup.add(home.agent.start())
    local.connect()
    wait_until(
        lambda: home.wan.output().lower().count("tls") + home.wan.output().lower().count("ssl") >= 1,
        20,
        "the broker sees the agent break off",
    )
    status = local.value("Device.MQTT.Client.1.Status")
    assert status not in ("Connected", "Disabled"), status
    assert "self::ctl" in str(local.get("Device.LocalAgent.Controller."))
    home.stop()


@scenario(needs=AGENT)
def broker_of_a_stranger(directory):
    _agent_refuses_broker(directory, lambda home: Pki(directory / "stranger", "stranger").issue("server"))


@scenario(needs=AGENT)
def broker_with_another_name(directory):
    _agent_refuses_broker(directory, lambda home: home.pki.issue("elsewhere", hosts=["broker.example"]))


@scenario(needs=AGENT)
def broker_with_an_expired_certificate(directory):
    _agent_refuses_broker(directory, lambda home: home.pki.issue("expired", days=(-9, -2)))


@scenario(needs=AGENT)
def websocket_controllers_that_are_not_trusted(directory):
    home = Home(directory, 0, 0)
    stranger = Pki(directory / "stranger", "stranger")
    bad = {
        "self::stranger": stranger.issue("server"),
        "self::elsewhere": home.pki.issue("elsewhere", hosts=["c.example"]),
        "self::expired": home.pki.issue("expired", days=(-9, -2)),
    }
    servers = []
    for endpoint_id, certificate in bad.items():
        transport = WsServerTransport(
            tls=(None, *certificate), **home.agent.ws_controller(endpoint_id=endpoint_id, tls=True)
        )
        transport.listen()
        servers.append(transport)
    home.cleanup.add(home.agent.start())
    for transport in servers:
        wait_until(lambda: transport.server.handshake_errors, 20, "the agent breaks off")
        assert not transport.connected
        transport.close()
    home.stop()


@scenario(needs=AGENT)
def websocket_server_demands_a_certificate(directory):
    """Who shows a certificate of a stranger, or none, is not served under a controller's name."""
    home = Home(directory, 0, 0)
    ctl = home.ws_controller()
    home.start(devices=False)
    stranger = Pki(directory / "stranger", "stranger")
    for tls in ((home.pki.ca_file, *stranger.issue("web")), (home.pki.ca_file, None, None)):
        where = {"port": ctl.transport.port, "path": ctl.transport.path, "endpoint_id": ctl.endpoint_id}
        fake = Controller(WsClientTransport(tls=tls, **where), ctl.endpoint_id)
        try:
            fake.connect(timeout=3)
            fake.get("Device.LocalAgent.EndpointID", timeout=2)
        except Exception:
            continue
        raise AssertionError("a stranger was served")
    assert ctl.value("Device.LocalAgent.EndpointID") == home.agent.endpoint_id
    home.stop()


@scenario(needs=AGENT)
def unknown_endpoints_get_nothing(directory):
    """An endpoint without a Controller row, on the broker that a known one uses."""
    home = Home(directory, 0, 0)
    ctl = home.mqtt_controller()
    home.start(devices=False)
    where = ctl.transport
    fake = home.cleanup.add(
        Controller(MqttTransport(where.port, "usp/fake", where.agent_topic, tls=where.tls), "self::fake")
    )
    fake.connect()
    try:
        fake.get("Device.DeviceInfo.", timeout=1.5)
    except AssertionError:
        pass
    else:
        raise AssertionError("an unknown endpoint read the device information")
    home.wait_answers(ctl)
    home.stop()


@scenario(needs=NEEDS)
def untrusted_role_updates_nothing(directory):
    home = Home(directory, 1, 0)
    home.uds_controller("self::full")
    weak = home.uds_controller("self::weak", role=UNTRUSTED)
    _start_without_asking(home, weak)
    slot = home.free_slot(0)
    url, _, _, _ = home.image()
    try:
        results = weak.operate(slot + "Download()", {"URL": url, "AutoActivate": "true"})
        assert all(kind == "failure" and value[0] == 7006 for kind, value in results.values()), results
    except UspError as error:
        assert error.code in (7000, 7006, 7022), error
    assert home.status(slot) == "NoImage" and home.images.count("/" + url.rsplit("/", 1)[1]) == 0
    home.stop()


def _start_without_asking(home, weak):
    """The weak controller cannot read what start() asks for."""
    home.controllers.remove(weak)
    home.start()
    weak.connect()


@scenario(needs=AGENT)
def configuration_checked(directory):
    """--check-config: what the agent would not start with is told with file and line, and nothing is left behind."""
    agent = Agent(directory)
    agent.uds()
    agent.write_config()
    shutil.rmtree(agent.state_dir)

    def check():
        done = subprocess.run([program("homepatchd"), "--check-config", "-c", str(agent.conf_file)],
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    assert check() == (0, f"{agent.conf_file}: good\n"), check()
    good = agent.factory_file.read_text()
    line = good.count("\n") + 1
    for text, what in (("Device.Nothing = 1", "no such"), ("Device.LocalAgent.MTP.1.Enable = perhaps", "Enable"),
                       ("Device.LocalAgent.Controller.7.Enable = true\n", "")):
        agent.factory_file.write_text(good + text + "\n")
        code, out = check()
        if what:
            assert code == 2 and f"{agent.factory_file}:{line}" in out and what in out, (code, out)
        else:
            assert code == 0, (code, out)
    agent.factory_file.write_text(good.replace(agent.endpoint_id, "os::nobody"))
    code, out = check()
    assert code == 2 and str(agent.factory_file) in out and "EndpointID" in out, (code, out)
    assert not agent.state_dir.exists(), "a check made a database"
