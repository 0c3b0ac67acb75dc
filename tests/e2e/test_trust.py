# SPDX-License-Identifier: BSD-3-Clause
"""Controllers and their certificates: roles that a CA brings, and CAs that a controller adds and deletes."""

import websocket
from hptest import (
    FULL_ACCESS,
    UNTRUSTED,
    Agent,
    Broker,
    Cleanup,
    Controller,
    MqttTransport,
    Pki,
    UdsTransport,
    WsClientTransport,
    scenario,
    usp,
    wait_until,
)
from hptest.pki import self_signed

AGENT = ("homepatchd",)
TRUST = "Device.LocalAgent.ControllerTrust."
WEB = "self::web"
UP_TIME = "Device.LocalAgent.UpTime"


class Site:
    """An agent with a TLS server for self::web, which is assigned no role, and an administrator on the UNIX socket."""

    def __init__(self, directory):
        self.cleanup = Cleanup()
        self.directory = directory
        self.pki = Pki(directory / "pki")
        self.agent = Agent(directory)
        self.agent.tls(self.pki.ca_file, *self.pki.issue("agent"))
        self.where = self.agent.ws_server(WEB, tls=True, role="")
        uds = self.agent.uds("self::admin")
        self.cleanup.add(self.agent.start())
        self.admin = self.cleanup.add(Controller(UdsTransport(**uds), "self::admin").connect())

    def connect(self, endpoint_id, certificate):
        """A WebSocket of that endpoint, with its certificate and key."""
        where = {**self.where, "endpoint_id": endpoint_id}
        controller = Controller(WsClientTransport(tls=(self.pki.ca_file, *certificate), **where), endpoint_id)
        self.cleanup.add(controller)
        controller.connect()
        return controller

    def web(self, pki):
        return self.connect(WEB, pki.issue("web", uris=[f"urn:bbf:usp:id:{WEB}"]))

    def refused(self, pki):
        """No session comes of a certificate of that CA."""
        self.is_refused(WEB, pki.issue("web", uris=[f"urn:bbf:usp:id:{WEB}"]))

    def is_refused(self, endpoint_id, certificate):
        try:
            controller = self.connect(endpoint_id, certificate)
        except (OSError, websocket.WebSocketException):
            return
        wait_until(lambda: not controller.transport.connected, 10, "the connection ends")

    def row_of(self, endpoint_id):
        rows = self.admin.instances("Device.LocalAgent.Controller.", first_level_only=True)
        return next((path for path, keys in rows.items() if keys["EndpointID"] == endpoint_id), None)

    def restart(self):
        self.admin.close()
        self.agent.restart()
        self.admin.connect()

    def certificates(self):
        return {keys["Alias"]: row for row, keys in self.admin.instances("Device.LocalAgent.Certificate.").items()}

    def credential(self, certificate):
        return self.admin.add(TRUST + "Credential.", Enable=True, Credential=certificate.rstrip("."), Role=FULL_ACCESS,
                              AllowedUses="MTP-and-USP")


def may_read(controller):
    return controller.request(usp.get(UP_TIME)).body.response.get_resp.req_path_results[0].err_code == 0


@scenario(needs=AGENT)
def role_from_a_certificate(directory):
    site = Site(directory)
    try:
        web = site.web(site.pki)
        assert not may_read(web), "no role, and yet it may read"
        (certificate,) = site.certificates().values()
        row = site.credential(certificate)
        assert may_read(web), "the role of the CA does not apply"
        assert site.admin.value(site.row_of(WEB) + "InheritedRole") == FULL_ACCESS
        site.admin.set(row, AllowedUses="MTP-only")
        assert not may_read(web), "the CA may not give roles any more"
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def certificate_added_and_deleted(directory):
    site = Site(directory)
    try:
        other = Pki(directory / "other", "other")
        site.refused(other)
        site.admin.operate("Device.LocalAgent.AddCertificate()",
                           {"Alias": "other", "Certificate": other.ca_file.read_text()})
        row = site.certificates()["other"]
        site.credential(row)
        assert may_read(site.web(other)), "the added CA gives no role"
        site.restart()
        assert site.certificates()["other"] == row, "the added CA has another number after a restart"
        assert may_read(site.web(other)), "the added CA is not trusted after a restart"
        site.admin.operate(row + "Delete()")
        assert "other" not in site.certificates()
        site.refused(other)
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def certificate_disabled(directory):
    """A disabled certificate vouches for nobody, though the configuration names it (Certificate.Enable)."""
    site = Site(directory)
    try:
        (certificate,) = site.certificates().values()
        site.credential(certificate)
        web = site.web(site.pki)
        assert may_read(web)
        site.admin.set(certificate, Enable=False)
        assert not may_read(web), "the role of a disabled CA applies"
        site.refused(site.pki)
        site.admin.set(certificate, Enable=True)
        assert may_read(site.web(site.pki))
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def added_certificate_needs_a_credential(directory):
    """AddCertificate() alone trusts nobody (TR-181)."""
    site = Site(directory)
    try:
        other = Pki(directory / "other", "other")
        site.admin.operate("Device.LocalAgent.AddCertificate()", {"Certificate": other.ca_file.read_text()})
        site.refused(other)
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def trust_on_first_use(directory):
    """R-SEC.6, R-SEC.7, R-SEC.8 on TLS: who vouches for itself is untrusted, and keeps its name."""
    site = Site(directory)
    stranger = "self::stranger"
    mine = self_signed(directory, "stranger", uris=[f"urn:bbf:usp:id:{stranger}"])
    forged = self_signed(directory, "forged", uris=[f"urn:bbf:usp:id:{stranger}"])
    try:
        site.is_refused(stranger, mine)
        site.admin.set(TRUST, TOFUAllowed=True)
        site.is_refused("self::nameless", self_signed(directory, "nameless"))
        site.is_refused(WEB, self_signed(directory, "usurper", uris=[f"urn:bbf:usp:id:{WEB}"]))
        site.is_refused(stranger, Pki(directory / "late", "late").issue("x", days=(-9, -2),
                                                                        uris=[f"urn:bbf:usp:id:{stranger}"]))
        first = site.connect(stranger, mine)
        assert not may_read(first), "a stranger may read"
        row = site.row_of(stranger)
        assert site.admin.value(row + "AssignedRole") == UNTRUSTED
        assert site.admin.value(row + "Credential"), "its certificate is not kept"
        site.is_refused(stranger, forged)
        site.admin.set(TRUST, TOFUAllowed=False)
        site.restart()
        site.admin.set(row, AssignedRole=FULL_ACCESS)
        assert may_read(site.connect(stranger, mine)), "the certificate of the first use does not do any more"
        site.is_refused(stranger, forged)
        assert "BEGIN" not in site.agent.output(), "a certificate or key is in the log"
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def silent_on_first_use(directory):
    """TOFUInactivityTimer: who is let in and says nothing has to go."""
    site = Site(directory)
    try:
        site.admin.set(TRUST, TOFUAllowed=True, TOFUInactivityTimer=1)
        site.is_refused("self::silent", self_signed(directory, "silent", uris=["urn:bbf:usp:id:self::silent"]))
        assert site.row_of("self::silent") is None
        first = site.connect("self::first", self_signed(directory, "first", uris=["urn:bbf:usp:id:self::first"]))
        may_read(first)
        site.is_refused("self::silent", self_signed(directory, "again", uris=["urn:bbf:usp:id:self::silent"]))
        assert first.transport.connected, "it was heard, and is closed all the same"
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def my_certificate(directory):
    """AddMyCertificate(): the next certificate of a controller whose CA nobody knows."""
    site = Site(directory)
    try:
        following = self_signed(directory, "following", uris=[f"urn:bbf:usp:id:{WEB}"])
        site.is_refused(WEB, following)
        site.admin.set(site.row_of(WEB), AssignedRole=FULL_ACCESS)
        web = site.web(site.pki)
        web.operate(site.row_of(WEB) + "AddMyCertificate()", {"Certificate": following[0].read_text()})
        assert may_read(site.connect(WEB, following))
        site.restart()
        assert may_read(site.connect(WEB, following)), "not after a restart"
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def trusted_broker(directory):
    """R-SEC.4a, R-SEC.26 on MQTT with TLS: the broker's certificate gives the role, and vouches for who is new."""
    cleanup = Cleanup()
    try:
        pki = Pki(directory / "pki")
        tls = (pki.ca_file, *pki.issue("broker"))
        broker = cleanup.add(Broker(directory, tls=tls).start())
        agent = Agent(directory)
        agent.tls(pki.ca_file, *pki.issue("agent"))
        where = agent.mqtt(broker.port, tls=True, role="")
        uds = agent.uds("self::admin")
        cleanup.add(agent.start())
        admin = cleanup.add(Controller(UdsTransport(**uds), "self::admin").connect())
        certificate = pki.issue("ctl")

        def behind(endpoint_id, topic):
            transport = MqttTransport(broker.port, topic, where["agent_topic"], tls=(pki.ca_file, *certificate))
            return cleanup.add(Controller(transport, endpoint_id).connect())

        ctl = behind("self::ctl", where["topic"])
        wait_until(lambda: admin.value("Device.MQTT.Client.1.Status") == "Connected", 10, "the agent at the broker")
        assert not may_read(ctl)
        (row,) = admin.instances("Device.LocalAgent.Certificate.")
        credential = admin.add(TRUST + "Credential.", Enable=True, Credential=row.rstrip("."), Role=FULL_ACCESS,
                               AllowedUses="MTP-and-broker")
        assert may_read(ctl), "the role of the broker does not apply"
        newcomer = behind("self::newcomer", "usp/newcomer")
        assert may_read(newcomer), "the broker vouches for it, and yet it is unknown"
        other = Pki(directory / "other", "other")
        admin.operate("Device.LocalAgent.AddCertificate()", {"Alias": "other", "Certificate": other.ca_file.read_text()})
        rows = admin.instances("Device.LocalAgent.Certificate.")
        admin.set(credential, Credential=next(p for p, keys in rows.items() if keys["Alias"] == "other").rstrip("."))
        ctl.send(usp.get(UP_TIME))
        agent.wait_output("nothing that it showed authenticates self::ctl", 10)
    finally:
        cleanup.run()
