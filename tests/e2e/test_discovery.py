# SPDX-License-Identifier: BSD-3-Clause
"""A controller that DHCP names: what it is given, what it has to prove, and what a rogue DHCP server gets. The files are those
that packaging/dhcp/homepatch-dhcp writes; DHCP itself is in the conformance cases of section 8."""

import pathlib
import struct
import subprocess

from hptest import Agent, Cleanup, Controller, Pki, UdsTransport, WsServerTransport, scenario, usp, wait_until
from hptest.agent import FULL_ACCESS
from hptest.process import free_port

AGENT = ("homepatchd",)
HOOK = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "dhcp" / "homepatch-dhcp"
URL, CODE, ENDPOINT_ID = 25, 26, 29
FOUND, OPERATOR = "self::found", "self::operator"
UP_TIME = "Device.LocalAgent.UpTime"


def option(family, values):
    """Option 125 or 17 in hexadecimal, from {sub-option: text}."""
    head = ">BB" if family == "v4" else ">HH"
    body = b"".join(struct.pack(head, code, len(text)) + text.encode() for code, text in values.items())
    return (struct.pack(">I", 3561) + (bytes([len(body)]) if family == "v4" else b"") + body).hex()


class Site:
    """An agent that listens to DHCP, an administrator on the UNIX socket, and the server of a discovered controller."""

    def __init__(self, directory, certified=FOUND, tls=True, **conf):
        self.cleanup = Cleanup()
        self.leases = directory / "dhcp"
        self.pki = Pki(directory / "pki")
        self.agent = Agent(directory)
        self.agent.tls(self.pki.ca_file, *self.pki.issue("agent"))
        self.agent.conf.update(dhcp_dir=self.leases, **conf)
        self.port = free_port()
        self.agent.ws_controller(endpoint_id=OPERATOR)
        self.operator = self.agent.controller(OPERATOR)
        uds = self.agent.uds("self::admin")
        certificate = (self.pki.ca_file, *self.pki.issue("found", uris=[f"urn:bbf:usp:id:{certified}"]))
        self.server = WsServerTransport(self.port, "/found", FOUND, certificate if tls else None)
        self.server.listen()
        self.controller = self.cleanup.add(Controller(self.server, FOUND))
        self.cleanup.add(self.agent.start())
        self.admin = self.cleanup.add(Controller(UdsTransport(**uds), "self::admin").connect())

    def hook(self, *args, **env):
        subprocess.run([HOOK, *args], check=True, env={"HOMEPATCH_DHCP_DIR": str(self.leases), "PATH": "/usr/bin:/bin", **env})

    def lease(self, **more):
        """DHCP names the server."""
        values = {URL: f"wss://127.0.0.1:{self.port}/found", ENDPOINT_ID: FOUND, **more.pop("values", {})}
        self.hook("udhcpc", "bound", interface="wan", opt125=option("v4", values))

    def row(self, endpoint_id=FOUND):
        rows = self.admin.instances("Device.LocalAgent.Controller.", first_level_only=True)
        return next((path for path, keys in rows.items() if keys["EndpointID"] == endpoint_id), None)

    def found(self):
        return self.controller.connect()


def may_read(controller):
    return controller.request(usp.get(UP_TIME)).body.response.get_resp.req_path_results[0].err_code == 0


@scenario(needs=AGENT)
def found_has_no_role_until_it_is_given_one(directory):
    site = Site(directory)
    try:
        site.lease(values={CODE: "code"})
        found = site.found()
        found.wait_notify(lambda n: n.HasField("on_board_req"))
        assert not may_read(found), "DHCP has granted a role"
        row = site.row()
        assert site.admin.value(row + "ProvisioningCode") == "code"
        assert site.admin.value(row + "X_HOMEPATCH_DiscoveredBy") == "DHCP"
        site.admin.set(row, AssignedRole=FULL_ACCESS)
        assert may_read(found)
        # The lease ends: the row has a role, so it stays, and is not connected to any more.
        site.hook("udhcpc", "deconfig", interface="wan")
        wait_until(lambda: site.admin.value(row + "MTP.1.Enable") == "false", 10, "the MTP row is disabled")
        wait_until(lambda: not site.server.connected, 10, "the connection ends")
        # A restart without a lease changes nothing, and the next lease goes on with the same row.
        site.agent.restart()
        site.admin.connect()
        site.lease()
        site.found()
        assert site.row() == row and site.admin.value(row + "AssignedRole") == FULL_ACCESS
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def lease_before_the_agent(directory):
    site = Site(directory)
    try:
        site.agent.stop()
        site.hook("odhcp6c", "wan6", "bound", OPTION_17=option("v6", {URL: f"wss://127.0.0.1:{site.port}/found",
                                                                      ENDPOINT_ID: FOUND + "\0"}))
        site.agent.start()
        site.found()
        site.admin.connect()
        site.hook("odhcp6c", "wan6", "unbound")
        wait_until(lambda: site.row() is None, 10, "the row that nobody trusts goes with the lease")
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def rogue_certificate(directory):
    """The authority is right, the name is another's."""
    site = Site(directory, certified="self::somebody")
    try:
        site.lease()
        site.agent.wait_output("session with self::found refused: its certificate is another endpoint's")
        assert site.server.inbox.empty(), "a record was sent to somebody else"
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def nameless_certificate(directory):
    """A certificate that names nobody is enough for a configured controller, and not for a discovered one."""
    site = Site(directory)
    try:
        site.server.close()
        site.server.tls = (site.pki.ca_file, *site.pki.issue("nobody"))
        site.server.listen()
        site.lease()
        site.agent.wait_output("its certificate does not name the Endpoint ID that DHCP said")
        assert site.server.inbox.empty(), "a record was sent to nobody in particular"
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def rogue_authority(directory):
    site = Site(directory)
    try:
        site.server.close()
        rogue = Pki(directory / "rogue")
        site.server.tls = (None, *rogue.issue("found", uris=[f"urn:bbf:usp:id:{FOUND}"]))
        site.server.listen()
        site.lease()
        site.agent.wait_output("the server's certificate is refused")
        assert site.server.inbox.empty()
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def rogue_names_the_operator(directory):
    site = Site(directory, certified=OPERATOR)
    try:
        before = site.admin.get(site.operator)
        site.lease(values={ENDPOINT_ID: OPERATOR, 27: "60000", 28: "60000"})
        site.agent.wait_output(f"DHCP names controller {OPERATOR}, which is configured")
        after = site.admin.get(site.operator)
        volatile = site.operator + "MTP.1.WebSocket.CurrentRetryCount"
        assert {k: v for k, v in before.items() if k != volatile} == {k: v for k, v in after.items() if k != volatile}
        assert site.server.attempts == 0, "it has been connected to"
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def without_tls(directory):
    site = Site(directory, tls=False)
    try:
        site.lease(values={URL: f"ws://127.0.0.1:{site.port}/found"})
        site.agent.wait_output("without TLS")
        assert site.row() is None and site.server.attempts == 0
        site.agent.stop()
        site.agent.conf["dhcp_plaintext"] = "true"
        site.agent.start()
        site.found()
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def nonsense_is_ignored(directory):
    site = Site(directory)
    try:
        site.lease()
        site.found()
        row = site.row()
        bad = site.leases / "aaa.v4"
        for text, why in (("00000de9", "cut off"), ("zz", "hexadecimal")):
            bad.write_text(text)
            site.agent.wait_output(why)
            assert site.row() == row, "nonsense on one interface has hidden what another says"
        # What is well formed and cannot be used counts all the same: DHCP names nobody who may be taken.
        bad.write_text(option("v4", {URL: "mqtts://broker/"}))
        wait_until(lambda: site.row() is None, 10, "the controller is withdrawn")
        bad.unlink()
        wait_until(site.row, 10, "the good lease counts again")
    finally:
        site.cleanup.run()
