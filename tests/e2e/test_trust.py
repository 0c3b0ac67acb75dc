# SPDX-License-Identifier: BSD-3-Clause
"""Controllers and their certificates: roles that a CA brings, and CAs that a controller adds and deletes."""

import websocket
from hptest import (
    FULL_ACCESS,
    Agent,
    Cleanup,
    Controller,
    Pki,
    UdsTransport,
    WsClientTransport,
    scenario,
    usp,
    wait_until,
)

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

    def web(self, pki):
        tls = (self.pki.ca_file, *pki.issue("web", uris=[f"urn:bbf:usp:id:{WEB}"]))
        controller = self.cleanup.add(Controller(WsClientTransport(tls=tls, **self.where), WEB))
        controller.connect()
        return controller

    def refused(self, pki):
        """No session comes of a certificate of that CA."""
        try:
            controller = self.web(pki)
        except (OSError, websocket.WebSocketException):
            return
        wait_until(lambda: not controller.transport.connected, 10, "the connection ends")

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
        rows = site.admin.instances("Device.LocalAgent.Controller.", first_level_only=True)
        mine = next(path for path, keys in rows.items() if keys["EndpointID"] == WEB)
        assert site.admin.value(mine + "InheritedRole") == FULL_ACCESS
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
        site.admin.close()
        site.agent.restart()
        site.admin.connect()
        assert site.certificates()["other"] == row, "the added CA has another number after a restart"
        assert may_read(site.web(other)), "the added CA is not trusted after a restart"
        site.admin.operate(row + "Delete()")
        assert "other" not in site.certificates()
        site.refused(other)
    finally:
        site.cleanup.run()
