# SPDX-License-Identifier: BSD-3-Clause
"""homepatch doctor: each thing is broken on purpose, and the finding has to name the parameter to change."""

import socket
import subprocess
import threading
import time

from cli import ENDPOINT, REFUSED, Cli
from home import PROXIED, Home
from hptest import (
    Agent,
    Broker,
    Cleanup,
    Controller,
    MqttTransport,
    Pki,
    UdsTransport,
    WsServerTransport,
    free_port,
    scenario,
    wait_until,
)

NEEDS = ("homepatchd", "homepatch")
CTL = "self::ctl"
ROW = "Device.LocalAgent.Controller.2."
CLIENT = "Device.MQTT.Client.1"


class Ward:
    """An agent with one controller besides the command line, its broker, and what doctor says."""

    def __init__(self, directory):
        self.dir = directory
        self.cleanup = Cleanup()
        self.agent = Agent(directory)
        self.sock = self.agent.uds(ENDPOINT)["path"]
        self.cli = Cli(self.sock)

    def broker(self, **kwargs):
        return self.cleanup.add(Broker(self.dir, **kwargs).start())

    def start(self):
        self.cleanup.add(self.agent)
        self.agent.start()

    def findings(self, *subject):
        return self.cli.doctor(self.agent.conf_file, *subject)

    def must_fail(self, parameter, *words, subject=("controller", CTL)):
        """A failed finding that names the parameter, here and in the sentence about what to do; its text holds the words."""
        found = self.findings(*subject)
        hits = [f for f in found if f["level"] == "fail" and f["parameter"] == parameter]
        assert hits, f"nothing failed over {parameter}: {found}"
        assert all(f["fix"] for f in hits), hits
        for word in words:
            assert any(word in f["text"] + f["fix"] for f in hits), (word, hits)
        # For people the same is said in lines.
        name = parameter.rsplit(".", 1)[-1]
        out = self.cli.run("doctor", "--config", self.agent.conf_file, *subject, code=REFUSED)
        assert "FAIL" in out and "what to do:" in out and name in out, out
        return found

    def must_pass(self, *subject):
        found = self.findings(*(subject or ("controller", CTL)))
        assert not [f for f in found if f["level"] == "fail"], found
        return found

    def stop(self):
        self.cleanup.run()


def _listener(ward, where, endpoint=CTL, tls=None):
    """The controller on its topic."""
    controller = Controller(MqttTransport(tls=tls, **where), endpoint, ward.agent.endpoint_id)
    ward.cleanup.add(controller)
    return controller.connect()


def _wait_connected(ward):
    wait_until(
        lambda: ward.cli.json("get", CLIENT + ".Status")["values"][CLIENT + ".Status"] == "Connected",
        15,
        "the agent's MQTT client is connected",
    )


# -- the agent itself ----------------------------------------------------------------------------------------------------


@scenario(needs=NEEDS)
def healthy_over_mqtt(directory):
    ward = Ward(directory)
    where = ward.agent.mqtt(ward.broker().port)
    ward.start()
    _listener(ward, where)
    _wait_connected(ward)
    found = ward.must_pass()
    texts = " ".join(f["text"] for f in found)
    for word in ("is reached", "accepts this account", "listens to", "somebody is subscribed", "Full Access"):
        assert word in texts, (word, found)
    out = ward.cli.run("doctor", "--config", ward.agent.conf_file, "controller", CTL)
    assert "FAIL" not in out and "0 failed" in out, out
    ward.stop()


@scenario(needs=NEEDS)
def no_agent_uses_the_factory_file(directory):
    ward = Ward(directory)
    ward.agent.mqtt(free_port())
    ward.agent.write_config()
    found = ward.must_fail("Device.UnixDomainSockets.UnixDomainSocket.1.Path", "start the agent")
    assert any(f["parameter"] == CLIENT + ".BrokerPort" and f["level"] == "fail" for f in found), found
    ward.cli = Cli(directory / "elsewhere.sock")
    ward.must_fail("Device.UnixDomainSockets.UnixDomainSocket.1.Path", f"--socket {ward.sock}")
    ward.stop()


@scenario(needs=NEEDS)
def command_line_is_no_controller(directory):
    ward = Ward(directory)
    ward.start()
    found = ward.cli.doctor(ward.agent.conf_file, "--endpoint", "self::other")
    hits = [f for f in found if f["parameter"] == "Device.LocalAgent.Controller.{i}.EndpointID" and f["level"] == "fail"]
    assert hits and "self::other" in hits[0]["fix"], found
    ward.stop()


@scenario(needs=NEEDS)
def configuration_and_disk(directory):
    ward = Ward(directory)
    ward.start()
    found = ward.cli.doctor(directory / "nothing.conf")
    assert [f for f in found if f["parameter"] == "--config" and f["level"] == "fail"], found
    pki = Pki(directory / "pki")
    cert, key = pki.issue("old", days=(-9, -2))
    conf = directory / "bad.conf"
    conf.write_text(
        f"state_dir = {directory / 'gone'}\ncache_dir = {directory}\nfactory_file = {ward.agent.factory_file}\n"
        f"tls_ca_file = {directory / 'no-ca.pem'}\ntls_certificate_file = {cert}\ntls_key_file = {key}\n"
    )
    failed = {f["parameter"] for f in ward.cli.doctor(conf) if f["level"] == "fail"}
    assert failed >= {"state_dir", "tls_ca_file", "tls_certificate_file"} and "cache_dir" not in failed, failed
    ward.stop()


# -- the controller's rows -----------------------------------------------------------------------------------------------


@scenario(needs=NEEDS)
def rows_of_the_controller(directory):
    ward = Ward(directory)
    where = ward.agent.mqtt(ward.broker().port)
    ward.start()
    _listener(ward, where)
    _wait_connected(ward)
    cli = ward.cli

    def broken(parameter, value, *words, names=None):
        before = cli.json("get", parameter)["values"][parameter]
        cli.run("set", parameter, value)
        ward.must_fail(names or parameter, *words)
        cli.run("set", parameter, before)

    broken(ROW + "Enable", "false", "homepatch set " + ROW + "Enable true")
    ward.must_fail("Device.LocalAgent.Controller.{i}.EndpointID", CTL, subject=("controller", "self::typo"))
    ward.must_fail("Device.LocalAgent.Controller.{i}.EndpointID", "capitals", subject=("controller", "self::CTL"))
    broken(ROW + "MTP.1.Enable", "false")
    broken(ROW + "MTP.1.MQTT.Topic", "usp/nobody", "nobody")
    broken(ROW + "MTP.1.MQTT.Topic", "usp/agent", "talks to itself")
    broken(ROW + "MTP.1.MQTT.AgentMTPReference", "")
    broken("Device.LocalAgent.MTP.2.Enable", "false")
    broken("Device.LocalAgent.MTP.2.MQTT.Reference", "")
    broken(CLIENT + ".Enable", "false")
    cli.run("set", "Device.LocalAgent.ControllerTrust.Role.1.Enable", "true")
    role = cli.json("add", "Device.LocalAgent.ControllerTrust.Role.", "Name=empty", "Enable=true")["created"][0]["path"]
    broken(ROW + "AssignedRole", role.rstrip("."), "permits nothing")
    _wait_connected(ward)
    ward.must_pass()
    ward.stop()


# -- MQTT ----------------------------------------------------------------------------------------------------------------


@scenario(needs=NEEDS)
def broker_not_there(directory):
    ward = Ward(directory)
    ward.agent.mqtt(free_port())
    ward.start()
    ward.must_fail(CLIENT + ".BrokerPort", "nobody answers")
    ward.cli.run("set", CLIENT + ".BrokerAddress", "no-such-host.invalid")
    ward.must_fail(CLIENT + ".BrokerAddress", "no address")
    ward.stop()


@scenario(needs=NEEDS)
def broker_refuses_the_password(directory):
    passwords = directory / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "agent", "right"], check=True)
    passwords.chmod(0o644)
    for number, version in enumerate(("5.0", "3.1.1")):
        where = directory / str(number)
        where.mkdir()
        ward = Ward(where)
        broker = ward.broker(extra=(f"password_file {passwords}", "allow_anonymous false"))
        broker_lines = broker.conf.read_text().replace("allow_anonymous true\n", "")
        broker.stop()
        broker.conf.write_text(broker_lines)
        broker.start()
        ward.agent.mqtt(broker.port, version=version, username="agent", password="wrong")
        ward.start()
        ward.must_fail(CLIENT + ".Username", "not authorized", "account")
        ward.stop()


class StrictBroker:
    """As much of an MQTT 5 broker as it takes to refuse a subscription."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @staticmethod
    def _serve(client):
        with client, client.makefile("rb") as stream:
            while head := stream.read(2):
                body = stream.read(head[1]) if head[1] < 128 else stream.read(head[1] - 128 + 128 * stream.read(1)[0])
                if head[0] == 0x10:
                    client.sendall(b"\x20\x03\0\0\0")
                elif head[0] == 0x82:
                    client.sendall(b"\x90\x04" + body[:2] + b"\0\x87")
                elif head[0] & 0xF6 == 0x32:
                    at = 2 + int.from_bytes(body[:2], "big")
                    client.sendall(b"\x40\x02" + body[at : at + 2])

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@scenario(needs=NEEDS)
def subscription_not_granted(directory):
    ward = Ward(directory)
    ward.agent.mqtt(ward.cleanup.add(StrictBroker()).port)
    ward.start()
    ward.must_fail(CLIENT + ".Subscription.1.Topic", "usp/agent", "not authorized", "access list")
    ward.stop()


@scenario(needs=NEEDS)
def publishing_not_allowed(directory):
    acl = directory / "acl"
    acl.write_text("topic readwrite usp/agent\ntopic read usp/ctl\n")
    acl.chmod(0o644)
    ward = Ward(directory)
    where = ward.agent.mqtt(ward.broker(extra=(f"acl_file {acl}",)).port)
    ward.start()
    _listener(ward, where)
    ward.must_fail(ROW + "MTP.1.MQTT.Topic", "publish", "access list")
    ward.stop()


@scenario(needs=NEEDS)
def port_of_something_else(directory):
    """An MQTT client that is sent to an HTTP port, and TLS where none is spoken."""
    ward = Ward(directory)
    plain = ward.broker()
    ward.agent.tls(Pki(directory / "pki").ca_file)
    ward.agent.mqtt(plain.port, tls=True)
    ward.start()
    ward.must_fail(CLIENT + ".TransportProtocol", "speaks TLS")
    ward.stop()


# -- TLS -----------------------------------------------------------------------------------------------------------------


def _tls_ward(directory, server, ca_file=None, host=None, client=None):
    ward = Ward(directory)
    broker = ward.broker(tls=server, require_client_cert=client is not None and not client)
    ward.agent.tls(ca_file or server[0], *(client or ()))
    ward.agent.mqtt(broker.port, tls=True, host=host)
    ward.start()
    return ward


@scenario(needs=NEEDS)
def wrong_authority(directory):
    pki = Pki(directory / "pki")
    other = Pki(directory / "other", "other")
    ward = _tls_ward(directory, (pki.ca_file, *pki.issue("server")), ca_file=other.ca_file)
    ward.must_fail("tls_ca_file", str(other.ca_file))
    ward.stop()


@scenario(needs=NEEDS)
def expired_certificate(directory):
    pki = Pki(directory / "pki")
    ward = _tls_ward(directory, (pki.ca_file, *pki.issue("server", days=(-9, -2))))
    ward.must_fail(CLIENT + ".BrokerAddress", "expired on", "renew")
    ward.stop()


@scenario(needs=NEEDS)
def certificate_of_another_host(directory):
    pki = Pki(directory / "pki")
    ward = _tls_ward(directory, (pki.ca_file, *pki.issue("server", hosts=("broker.example.net",))))
    ward.must_fail(CLIENT + ".BrokerAddress", "broker.example.net", "localhost")
    ward.stop()


@scenario(needs=NEEDS)
def broker_wants_a_certificate(directory):
    pki = Pki(directory / "pki")
    ward = _tls_ward(directory, (pki.ca_file, *pki.issue("server")), client=())
    ward.must_fail("tls_certificate_file", "certificate")
    ward.stop()


@scenario(needs=NEEDS)
def healthy_over_tls(directory):
    pki = Pki(directory / "pki")
    ward = _tls_ward(directory, (pki.ca_file, *pki.issue("server")), client=pki.issue("gateway"))
    _wait_connected(ward)
    found = ward.findings("controller", CTL)
    assert any("is valid until" in f["text"] for f in found), found
    # No controller listens: that, and only that, is wrong.
    failed = {f["parameter"] for f in found if f["level"] == "fail"}
    assert failed == {ROW + "MTP.1.MQTT.Topic"}, found
    ward.stop()


# -- signatures ----------------------------------------------------------------------------------------------------------


@scenario(needs=NEEDS)
def images_without_a_signature(directory):
    """What is taken without one is said; a policy that nobody can meet fails; anchors that do not count, or not for long."""
    ward = Ward(directory)
    ward.start()
    releases = "Device.X_HOMEPATCH_Releases."
    default = releases + "RequiredSignatures"

    def level(parameter, *words):
        [found] = [f for f in ward.findings("update") if f["parameter"] == parameter]
        assert all(word in found["text"] + found["fix"] for word in words), (words, found)
        return found["level"]

    def anchor(name, *more):
        ward.cli.run("release", "keygen", directory / name)
        return ward.cli.json("add", releases + "Anchor.", f"Name={name}", *more,
                             f"Key={(directory / name).with_suffix('.pem').read_text()}")["created"][0]["path"]  # fmt: skip

    assert level(default, "without a signature", "homepatch set " + default) == "warn"
    ward.cli.run("set", default, "Any")
    assert level(default, "manufacturer or operator") == "fail"
    maker = anchor("maker", "Vendor=Maker")
    assert level(default, "need signatures") == "ok"
    vendor = ward.cli.json("add", releases + "Vendor.", "Name=Other", "RequiredSignatures=Manufacturer")["created"][0]["path"]
    row = vendor + "RequiredSignatures"
    assert level(row, "devices of Other", "role manufacturer") == "fail"
    ward.cli.run("set", maker + "Vendor", "other")
    assert level(row) == "ok"
    ward.cli.run("set", row, "ManufacturerAndOperator")
    assert level(row, "role operator") == "fail"
    operator = anchor("operator", "Role=Operator")
    assert level(row) == "ok"
    ward.cli.run("set", row, "Checksum")
    assert level(row, "without a signature", "devices of Other") == "warn"
    ward.cli.run("set", row, "Operator")
    ward.cli.run("set", operator + "Revoked", "true")
    assert level(row, "role operator") == "fail"
    ward.cli.run("set", operator + "Revoked", "false")
    ward.cli.run("set", operator + "NotBefore", "2099-01-01T00:00:00Z")
    assert level(operator, "operator", "NotYetValid") == "warn"
    ward.cli.run("set", operator + "NotBefore", "0001-01-01T00:00:00Z")
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 20 * 86400))
    ward.cli.run("set", operator + "NotAfter", soon)
    assert level(operator, "until " + soon, "successor") == "warn"
    assert level(row) == "ok"
    ward.stop()


# -- WebSocket -----------------------------------------------------------------------------------------------------------


@scenario(needs=NEEDS)
def websocket_to_a_controller(directory):
    ward = Ward(directory)
    where = ward.agent.ws_controller()
    server = WsServerTransport(**where)
    ward.start()
    ward.must_fail(ROW + "MTP.1.WebSocket.Port", "nobody answers")
    ward.cleanup.add(Controller(server, CTL, ward.agent.endpoint_id)).connect()
    ward.must_pass()
    assert server.connected, "doctor threw the agent out"
    ward.cli.run("set", ROW + "MTP.1.WebSocket.Path", "/wrong")
    ward.must_fail(ROW + "MTP.1.WebSocket.Path", "404", "/wrong")
    ward.cli.run("set", ROW + "MTP.1.WebSocket.EnableEncryption", "true")
    ward.must_fail(ROW + "MTP.1.WebSocket.EnableEncryption")
    ward.stop()


@scenario(needs=NEEDS)
def nothing_listens_for_the_controller(directory):
    ward = Ward(directory)
    ward.agent.controller(CTL)
    ward.start()
    ward.must_fail("Device.LocalAgent.MTP.{i}.Protocol", "WebSocket")
    port = free_port()
    blocker = ward.cleanup.add(Broker(directory, "blocker"))
    blocker.start()
    ward.cli.run(
        "add", "Device.LocalAgent.MTP.", "Protocol=WebSocket", "Enable=false"
    )
    row = "Device.LocalAgent.MTP.2."
    ward.cli.run("set", row + "WebSocket.Port", blocker.port, row + "WebSocket.EnableEncryption", "false")
    ward.cli.run("set", row + "Enable", "true")
    ward.must_fail(row + "WebSocket.Port", str(blocker.port))
    ward.cli.run("set", row + "WebSocket.Port", port)
    ward.must_pass()
    ward.stop()


# -- the home ------------------------------------------------------------------------------------------------------------


def _home(directory, mqtt=1, websocket=1):
    home = Home(directory, mqtt, websocket)
    home.uds_controller()
    home.agent.uds(ENDPOINT)
    home.start()
    ward = Ward.__new__(Ward)
    ward.dir, ward.cleanup, ward.agent = directory, home.cleanup, home.agent
    ward.cli = Cli(home.agent.dir / "agent.sock")
    return home, ward


@scenario(timeout=120, needs=(*NEEDS, "homepatch-simhome"))
def devices(directory):
    home, ward = _home(directory)
    ward.must_pass("device")
    ward.must_pass("device", "1")
    found = ward.must_fail("Device.ProxiedDevice.", "nobody", subject=("device", "nobody"))
    assert any(f["parameter"] == "lan_mqtt_broker" and "heard were" in f["text"] for f in found), found
    home.sim.command("offline", 0)
    row = home.rows[home.ids[0]]
    wait_until(lambda: home.ctl.value(row + "Online") == "false", 15, "offline")
    ward.must_fail(row + "Online", "lan_mqtt_broker", subject=("device", row))
    home.lan.stop()
    ward.must_fail("lan_mqtt_broker", "nobody answers", subject=("device", row))
    home.stop()


@scenario(timeout=120, needs=(*NEEDS, "homepatch-simhome"))
def quarantined_device_and_its_update(directory):
    home, ward = _home(directory, 1, 0)
    home.subscribe()
    home.sim.fault("all", "wrong-model")
    slot = home.downloaded(0)
    home.must_fail(home.activate(slot), 45)
    row = home.rows[home.ids[0]]
    quarantined = row + "X_HOMEPATCH_Identity.Quarantined"
    wait_until(lambda: home.ctl.value(quarantined) == "true", 10, "quarantine")
    ward.must_fail(quarantined, "Release()", subject=("device", "1"))
    ward.must_fail(quarantined, "Release()", subject=("update", "1"))
    ward.must_fail(slot + "Status", subject=("update", "1"))
    assert any(f["parameter"] == quarantined for f in ward.findings()), "the general check-up missed it"
    home.stop()


@scenario(timeout=120, needs=(*NEEDS, "homepatch-simhome"))
def waiting_update(directory):
    home, ward = _home(directory, 1, 0)
    home.subscribe()
    slot = home.downloaded(0)
    key = home.activate(slot, (600, 900, "AnyTime"))
    state = home.rows[home.ids[0]] + "X_HOMEPATCH_Update.JobState"
    wait_until(lambda: home.ctl.value(state) == "Waiting", 10, "it waits")
    found = ward.must_pass("update", "1")
    assert any(f["parameter"] == state and "time window" in f["text"] for f in found), found
    assert any("Cancel()" in f["text"] and home.requests[key].rstrip(".") in f["text"] for f in found), found
    home.sim.command("offline", 0)
    online = home.rows[home.ids[0]] + "Online"
    wait_until(lambda: home.ctl.value(online) == "false", 15, "offline")
    ward.must_fail(online, "online", subject=("update", "1"))
    ward.must_fail(PROXIED, "nobody", subject=("update", "nobody"))
    home.stop()


@scenario(needs=NEEDS)
def lan_settings(directory):
    ward = Ward(directory)
    ward.start()
    found = ward.findings()
    assert [f for f in found if f["parameter"] == "lan_mqtt_broker" and f["level"] == "fail"], found
    conf = directory / "lan.conf"
    base = ward.agent.conf_file.read_text()
    base = "".join(line + "\n" for line in base.splitlines() if not line.startswith("lan_"))
    port = free_port()
    conf.write_text(base + f"lan_mqtt_broker = 127.0.0.1:{port}\nlan_websocket_listen = 127.0.0.1:{port}\n"
                    f"lan_http_listen = 0.0.0.0:{port}\n")
    failed = {f["parameter"] for f in ward.cli.doctor(conf) if f["level"] == "fail"}
    assert failed == {"lan_mqtt_broker", "lan_websocket_listen", "lan_http_listen", "lan_http_url"}, failed
    transport = UdsTransport(ward.sock, ENDPOINT)
    assert ward.cleanup.add(Controller(transport, ENDPOINT, ward.agent.endpoint_id).connect()).instances(
        "Device.LocalAgent.Controller."
    )
    ward.stop()
