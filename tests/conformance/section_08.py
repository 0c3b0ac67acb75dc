# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 8, discovery: DHCP, DNS and multicast DNS, on a link of our own between two network namespaces.

The DHCP clients are those that gateways have, set up and hooked as packaging/dhcp says; Avahi is the real daemon on a bus of
its own. The agent's ordinary controller, through which a case asks, is on loopback beside it.
"""

import pathlib

from harness import dhcp, dnswire
from harness.broker import Broker
from harness.controller import Controller
from harness.dnswire import PTR, SRV, TXT
from harness.lanes import CONTROLLER_ID, CONTROLLERS
from harness.network import GATEWAY, PEER, Network
from harness.registry import case
from hptest import transports, usp
from hptest.agent import ENDPOINT_ID
from hptest.pki import Pki
from hptest.process import free_port, wait_until

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "dhcp"
WEBSOCKET = ("websocket",)
FOUND, LOCAL, OVER_MQTT = "self::found", "self::local", "self::mqtt"
ENABLE_MDNS = ["Device.LocalAgent.MTP.{i}.EnableMDNS"]
FRIENDLY_NAME = "kitchen gateway"
INSTANCE = ENDPOINT_ID.lower()


# -- the link

def into_network(lane):
    """The lane's own controller moves along: it listens where the agent will be."""
    lane.ctl.transport.close()
    network = lane.keep["network"] = Network(lane.dir / "network")
    lane.ctl.transport.listen()
    return network


def with_dhcp(lane):
    into_network(lane)
    lane.keep["options"] = lane.dir / "dhcp"
    lane.agent.conf["dhcp_dir"] = lane.keep["options"]


def with_dns(lane):
    with_dhcp(lane)
    pki = Pki(lane.dir / "pki")
    lane.agent.tls(pki.ca_file, *pki.issue("gateway", uris=[f"urn:bbf:usp:id:{ENDPOINT_ID}"]))
    lane.keep["tls"] = (pki.ca_file, *pki.issue("found", hosts=["controller.example.com"],
                                                uris=[f"urn:bbf:usp:id:{FOUND}"]))


def with_mdns(lane):
    network = into_network(lane)
    network.configure()
    for process in reversed(network.avahi()):
        lane.on_stop(process.stop)
    lane.agent.env.update(network.env())
    lane.agent.conf["mdns"] = "true"


def with_local_controller(lane):
    with_mdns(lane)
    lane.keep["port"] = free_port()
    lane.agent.ws_controller(lane.keep["port"], LOCAL, host="controller.local")
    row = lane.agent.controller(LOCAL)
    lane.agent.put("Device.LocalAgent.Subscription.1.", Enable=True, ID="booted", NotifType="Event", Persistent=True,
                   ReferenceList="Device.Boot!", Recipient=row.rstrip("."))


def with_services(lane):
    """WebSocket, which every lane of this transport has, and MQTT."""
    with_mdns(lane)
    broker = Broker(address=GATEWAY)
    lane.on_stop(broker.stop)
    lane.keep["broker"] = broker
    lane.agent.mqtt(broker.port, OVER_MQTT, "usp/controller", "usp/agent", host=GATEWAY)
    lane.agent.put("Device.DeviceInfo.", FriendlyName=FRIENDLY_NAME)


# -- DHCP

def dhcp_server(t, values):
    with t.lane.keep["network"].peer():
        server = dhcp.Server(dhcp.controller_option(values) if values else b"")
    t.undo(server.stop)
    return server


def boot(t):
    """The gateway starts anew: the agent, and the DHCP client of its uplink."""
    t.lane.reboot()
    client = dhcp.udhcpc(t.lane.keep["network"], t.lane.keep["options"], PACKAGING)
    client.start()
    t.undo(client.stop)
    return client


@case("8.1", "DHCP request carries the USP vendor class", metrics=1, transports=WEBSOCKET, fresh=True, setup=with_dhcp)
def request(t):
    network, options = t.lane.keep["network"], t.lane.keep["options"]
    server = dhcp_server(t, {})
    t.need(1, boot(t).wait_exit(30) == 0, "udhcpc got no lease")
    for packet in server.heard:
        t.ok(1, b"usp" in packet.vendor_classes.get(dhcp.ENTERPRISE, []),
             f"udhcpc: vendor classes {packet.vendor_classes}")
        t.ok(1, 125 in packet.options.get(55, b""), "udhcpc does not ask for option 125")
    already = len(server.heard)
    with_isc = dhcp.dhclient(network, options, PACKAGING).start()
    t.undo(with_isc.stop)
    t.need(1, server.wait(lambda p: p in server.heard[already:]), "no request of dhclient")
    for packet in server.heard[already:]:
        t.ok(1, b"usp" in packet.vendor_classes.get(dhcp.ENTERPRISE, []),
             f"dhclient: vendor classes {packet.vendor_classes}")
        t.ok(1, 125 in packet.options.get(55, b""), "dhclient does not ask for option 125")
    with network.peer():
        v6 = dhcp.V6Listener()
    t.undo(v6.stop)
    with_v6 = dhcp.dhclient(network, options, PACKAGING, "-6")
    with_v6.start()
    t.undo(with_v6.stop)
    solicit = v6.wait()
    t.need(1, solicit, "no DHCPv6 request of dhclient")
    t.eq(1, "DHCPv6 option 16", solicit.get(16), b"\0\0\x0d\xe9\0\x03usp")
    t.ok(1, b"\0\x11" in [solicit[6][n:n + 2] for n in range(0, len(solicit.get(6, b"")), 2)],
         "dhclient does not ask for option 17")


def code_of(t, row):
    return t.ctl.get(row + "ProvisioningCode")[row + "ProvisioningCode"]


@case("8.2", "DHCP options configure the controller", metrics=1, transports=WEBSOCKET, fresh=True, setup=with_dhcp)
def options_received(t):
    t.ctl.set(t.lane.row, ProvisioningCode="before")
    before = t.ctl.get(t.lane.row)
    dhcp_server(t, {dhcp.PROVISIONING_CODE: b"code.of.dhcp\0", dhcp.RETRY_MINIMUM: b"60000",
                    dhcp.URL: b"wss://elsewhere.example.com/\0", dhcp.ENDPOINT_ID: CONTROLLER_ID.encode() + b"\0"})
    t.need(1, boot(t).wait_exit(30) == 0, "udhcpc got no lease")
    wait_until(lambda: code_of(t, t.lane.row) != "before", 10, "ProvisioningCode changes")
    t.eq(1, "ProvisioningCode", code_of(t, t.lane.row), "code.of.dhcp")
    # DHCP is not authenticated: of a controller that is configured nothing else follows it.
    after = t.ctl.get(t.lane.row)
    changed = {name for name in before if after.get(name) != before[name]}
    t.eq(1, "changed parameters", changed - {t.lane.row + "MTP.1.WebSocket.CurrentRetryCount"},
         {t.lane.row + "ProvisioningCode"})


@case("8.3", "FQDN from DHCP leads to DNS look-ups", metrics=1, transports=WEBSOCKET, fresh=True, setup=with_dns)
def fqdn(t):
    port = free_port()
    service = "_usp-ctr-ws._tcp"
    instance = f"{FOUND}.{service}.example.com."
    with t.lane.keep["network"].peer():
        dns = dnswire.Server(PEER, {
            (f"{service}.host.example.com.", PTR): [dnswire.pack_name(instance)],
            (instance, SRV): [dnswire.srv(port, "controller.example.com.")],
            (instance, TXT): [dnswire.txt("path=/found", "encrypt")],
            ("controller.example.com.", dnswire.A): [bytes(map(int, PEER.split(".")))],
        })
        transport = transports.WsServerTransport(port, "/found", FOUND, t.lane.keep["tls"], PEER)
        transport.listen()
    t.undo(dns.stop)
    found = Controller(transport, FOUND, t.lane.endpoint_id)
    t.undo(found.stop)
    dhcp_server(t, {dhcp.URL: b"host.example.com\0"})
    t.need(1, boot(t).wait_exit(30) == 0, "udhcpc got no lease")
    found.connect(20)
    for name, kind in ((f"{service}.host.example.com.", PTR), (instance, SRV), (instance, TXT),
                       ("controller.example.com.", dnswire.A)):
        t.ok(1, dns.asked(name, kind), f"the agent did not ask DNS for {name} type {kind}")
    notice = found.notice(lambda n: n.HasField("on_board_req"), 20)
    t.ok(1, notice, "no OnBoardRequest on the connection to the discovered controller")
    rows = t.ctl.instances(CONTROLLERS, first_level_only=True)
    row = next((path for path, keys in rows.items() if keys.get("EndpointID") == FOUND), None)
    t.need(1, row, f"no Controller row of {FOUND}")
    values = t.ctl.get(row)
    for name, want in (("AssignedRole", ""), ("MTP.1.Protocol", "WebSocket"), ("MTP.1.WebSocket.Path", "/found"),
                       ("MTP.1.WebSocket.Host", "controller.example.com."), ("MTP.1.WebSocket.Port", str(port)),
                       ("MTP.1.WebSocket.EnableEncryption", "true")):
        t.eq(1, name, values.get(row + name), want)


# -- multicast DNS

def peer(t, names=None):
    with t.lane.keep["network"].peer():
        multicast = dnswire.Multicast(PEER, names)
    t.undo(multicast.stop)
    return multicast


@case("8.4", "Multicast DNS for names under .local", metrics=1, transports=WEBSOCKET, fresh=True,
      setup=with_local_controller)
def local_name(t):
    multicast = peer(t, {"controller.local.": PEER})
    with t.lane.keep["network"].peer():
        dns = dnswire.Server(PEER, {})
        transport = transports.WsServerTransport(t.lane.keep["port"], "/usp", LOCAL, host=PEER)
        transport.listen()
    t.undo(dns.stop)
    local = Controller(transport, LOCAL, t.lane.endpoint_id)
    t.undo(local.stop)
    since = len(multicast.heard)
    t.lane.reboot()
    t.ok(1, multicast.wait(lambda m: not m.is_answer and ("controller.local.", dnswire.A) in m.questions, 20, since),
         "no multicast query for controller.local")
    local.connect(20)
    t.ok(1, local.notice(lambda n: n.event.event_name == "Boot!", 20), "no Boot! at controller.local")
    t.ok(1, not any(name.endswith("local.") for m in dns.heard for name, _ in m.questions),
         "unicast DNS was asked for a name under .local")


def services(t):
    """{service: (port, host, path)} that has to be seen."""
    server = next(p.rsplit("WebSocket.Port", 1)[0] for p, v in t.ctl.get("Device.LocalAgent.MTP.").items()
                  if p.endswith("WebSocket.Port"))
    values = t.ctl.get(server)
    return {"_usp-agt-ws._tcp.local.": (int(values[server + "WebSocket.Port"]), "gateway.local.",
                                        values[server + "WebSocket.Path"]),
            "_usp-agt-mqtt._tcp.local.": (t.lane.keep["broker"].port, "gateway-mqtt.local.", "usp/agent")}


def records(message, kind, name):
    return [r.data for r in message.records if r.kind == kind and r.name == name and r.ttl]


def announced(t, metric, multicast, service, since):
    name = f"{INSTANCE}.{service}"
    message = multicast.wait(lambda m: m.is_answer and records(m, SRV, name) and records(m, TXT, name), 20, since)
    t.need(metric, message, f"no announcement of {name} with SRV and TXT")
    return message, name


def reboot_and_listen(t):
    multicast = peer(t)
    since = len(multicast.heard)
    t.lane.reboot()
    return multicast, since


def check_service(t, metric, message, name, expected):
    port, host, path = expected
    t.eq(metric, f"SRV of {name}", [s[2:] for s in records(message, SRV, name)], [(port, host)])
    check_txt(t, metric, message, name, path)


def check_txt(t, metric, message, name, path):
    for strings in records(message, TXT, name):
        attributes = dict(s.split("=", 1) if "=" in s else (s, None) for s in strings)
        t.eq(metric, f"path of {name}", attributes.get("path"), path)
        t.eq(metric, f"name of {name}", attributes.get("name"), FRIENDLY_NAME)      # R-DIS.10
        t.ok(metric, "encrypt" not in attributes, f"{name} does not require encryption")  # R-DIS.11a


@case("8.5", "Multicast DNS advertises each message transfer protocol", metrics=1, transports=WEBSOCKET, fresh=True,
      setup=with_services, supports=ENABLE_MDNS)
def advertised(t):
    multicast, since = reboot_and_listen(t)
    for service, expected in services(t).items():
        message, name = announced(t, 1, multicast, service, since)
        check_service(t, 1, message, name, expected)
        t.ok(1, multicast.wait(lambda m, s=service, n=name: m.is_answer and n in records(m, PTR, s), 10, since),
             f"no PTR of {service}")


@case("8.6", "DNS-SD records have path and name", metrics=2, transports=WEBSOCKET, fresh=True, setup=with_services,
      supports=ENABLE_MDNS)
def attributes_of(t):
    multicast, since = reboot_and_listen(t)
    for service, (_, _, path) in services(t).items():
        message, name = announced(t, 1, multicast, service, since)
        t.ok(1, records(message, TXT, name), f"no TXT of {name}")
        check_txt(t, 2, message, name, path)


@case("8.7", "A multicast DNS query is answered", metrics=1, transports=WEBSOCKET, fresh=True, setup=with_services,
      supports=ENABLE_MDNS)
def queried(t):
    multicast, since = reboot_and_listen(t)
    for service, expected in services(t).items():
        name = announced(t, 1, multicast, service, since)[1]
        for asked in (service, "_gateway._sub." + service):
            t.ok(1, multicast.ask(asked, PTR, lambda m, a=asked, n=name: n in records(m, PTR, a)),
                 f"no answer for {asked}")
        message = multicast.ask(name, SRV, lambda m, n=name: records(m, SRV, n))
        t.need(1, message, f"no SRV of {name}")
        t.eq(1, f"SRV of {name}", [s[2:] for s in records(message, SRV, name)], [expected[:2]])
        message = multicast.ask(name, TXT, lambda m, n=name: records(m, TXT, n))
        t.need(1, message, f"no TXT of {name}")
        check_txt(t, 1, message, name, expected[2])
        message = multicast.ask(expected[1], dnswire.A, lambda m, h=expected[1]: records(m, dnswire.A, h))
        t.ok(1, message and GATEWAY in records(message, dnswire.A, expected[1]), f"no address of {expected[1]}")
    withdrawn(t, multicast)


def withdrawn(t, multicast):
    """What is switched off says goodbye (RFC 6762, 10.1)."""
    name = f"{INSTANCE}._usp-agt-ws._tcp.local."
    row = next(p.rsplit("Protocol", 1)[0] for p, v in t.ctl.get("Device.LocalAgent.MTP.").items()
               if p.endswith(".Protocol") and v == "WebSocket")
    since = len(multicast.heard)
    t.ctl.set(row, EnableMDNS=False)
    t.ok(1, multicast.wait(lambda m: m.is_answer and any(r.name == name and r.kind == SRV and not r.ttl
                                                         for r in m.records), 10, since), f"no goodbye of {name}")
    t.ctl.request(usp.get("Device.LocalAgent.UpTime"))
