# SPDX-License-Identifier: BSD-3-Clause
"""Device.Hosts and Device.CollectionDevice against a real LAN: dnsmasq, DHCP clients and the kernel's neighbour table."""

import pathlib

from cli import ENDPOINT, Cli
from hptest import Agent, Broker, Cleanup, Controller, SimHome, UdsTransport, scenario, wait_until
from hptest.lan import BRIDGE, NET, Lan

AGENT = ("homepatchd",)
HOOK = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "dhcp" / "homepatch-lease"
HOSTS, COLLECTION = "Device.Hosts.Host.", "Device.CollectionDevice."
PHONE, PRINTER = "02:00:00:00:00:0A", "02:00:00:00:00:0B"


class Site:
    def __init__(self, directory, **conf):
        self.cleanup = Cleanup()
        self.lan = Lan(directory)
        self.hooks = directory / "hooks"
        self.agent = Agent(directory)
        self.agent.conf.update({
            "scan_interfaces": BRIDGE, "scan_lease_files": directory / "dnsmasq.leases", "scan_hook_dir": self.hooks,
            "scan_oui_files": directory / "oui.txt", "scan_presence": 2, **conf})
        (directory / "oui.txt").write_text("02-00-00   (hex)\t\tNobody\n00-0A-0B   (hex)\t\tPrinters Inc.\n")
        self.uds = self.agent.uds()

    def start(self):
        self.cleanup.add(self.agent.start())
        return self.connect()

    def connect(self):
        self.ctl = self.cleanup.add(Controller(UdsTransport(**self.uds)).connect())
        return self

    def dnsmasq(self):
        script = self.lan.dir / "script"
        script.write_text(f'#!/bin/sh\nHOMEPATCH_LEASE_DIR={self.hooks} exec {HOOK} "$@"\n')
        script.chmod(0o755)
        server = self.cleanup.add(self.lan.dnsmasq(script=script).start())
        server.wait_output("DHCP, IP range")
        return server

    def host(self, mac):
        """The path and the values of its row, or None."""
        for path, keys in self.ctl.instances(HOSTS, first_level_only=True).items():
            if keys["PhysAddress"] == mac:
                return path, {name.removeprefix(path): value for name, value in self.ctl.get(path).items()}
        return None

    def wait_host(self, mac, what, **values):
        def look():
            found = self.host(mac)
            same = found and all(found[1].get(name) == value for name, value in values.items())
            return found if same else None

        try:
            return wait_until(look, 20, f"{mac}: {what}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.host(mac)}") from None

    def facts(self, path):
        rows = {}
        for name, value in self.ctl.get(path + "X_HOMEPATCH_Fact.").items():
            row, _, param = name.rpartition(".")
            rows.setdefault(row, {})[param] = value
        return {(row["Name"], row["Source"]): (row["Value"], row["Grade"]) for row in rows.values()}

    def count(self):
        return int(self.ctl.value("Device.Hosts.HostNumberOfEntries"))

    def refused(self):
        return int(self.ctl.value("Device.Hosts.X_HOMEPATCH_Scan.RefusedHosts"))

    def flood(self, numbers):
        """A neighbour with a MAC address of its own for each number, behind 250 IP addresses."""
        batch = self.lan.dir / "flood"
        batch.write_text("".join(
            f"neighbour replace 192.168.78.{n % 250 + 1} dev {BRIDGE} "
            f"lladdr 02:01:00:00:{n >> 8:02x}:{n & 255:02x} nud stale\n" for n in numbers))
        self.lan.batch(batch)

    def collected(self):
        """[(host's path, device's path)] of the collection."""
        rows = {}
        for name, value in self.ctl.get(COLLECTION).items():
            row, _, param = name.rpartition(".")
            rows.setdefault(row, {})[param] = value
        return sorted((row["HostDeviceRef"], row["ProxiedDeviceRef"]) for row in rows.values())


def text_hex(text):
    return text.encode().hex()


@scenario(needs=AGENT)
def by_lease_gone_and_back_with_another_address(directory):
    site = Site(directory)
    try:
        server = site.dnsmasq()
        site.start()
        site.ctl.subscribe("new", "ObjectCreation", HOSTS)
        site.ctl.subscribe("active", "ValueChange", HOSTS + "*.Active")
        phone = site.lan.host("phone", PHONE)
        bbf = "".join(f"{n:02x}{len(t):02x}{text_hex(t)}" for n, t in ((1, "AABBCC"), (2, "SN-7"), (3, "Model")))
        phone.dhcp("-x", "hostname:myphone", "-V", "acme-1.0", "-x", "0x4d:" + text_hex("guest"),
                   "-x", "0xa1:" + text_hex("https://mud.example/phone.json"),
                   "-x", f"0x7d:00000de9{len(bbf) // 2:02x}{bbf}")
        path, values = site.wait_host(PHONE, "there by its lease", Active="true", HostName="myphone")
        site.ctl.wait_notify(lambda n: n.HasField("obj_creation") and n.obj_creation.obj_path == path)
        first = values["IPAddress"]
        assert first.startswith(NET) and values["IPv4AddressNumberOfEntries"] == "1", values
        assert values["X_HOMEPATCH_AddressSource"] == "DHCP" and values["X_HOMEPATCH_Interface"] == BRIDGE, values
        assert 3000 < int(values["X_HOMEPATCH_LeaseTimeRemaining"]) <= 3600, values
        wait_until(lambda: ("MUDURL", "DHCP") in site.facts(path), 10, "what the DHCP server's script leaves")
        facts = site.facts(path)
        assert facts["VendorClassID", "DHCP"] == ("acme-1.0", "C"), facts
        assert facts["MUDURL", "DHCP"] == ("https://mud.example/phone.json", "C"), facts
        assert facts["ManufacturerOUI", "DHCP"][0] == "AABBCC" and facts["SerialNumber", "DHCP"][0] == "SN-7", facts
        assert ("RequestedOptions", "DHCP") in facts and ("Manufacturer", "OUI") not in facts, facts
        site.wait_host(PHONE, "the bridge knows its port", InterfaceType="Ethernet")

        phone.leave()
        site.wait_host(PHONE, "inactive", Active="false", IPAddress=first)
        site.ctl.wait_notify(lambda n: n.HasField("value_change") and n.value_change.param_value == "false"
                             and n.value_change.param_path == path + "Active")

        # The server forgets the lease while it is away: the next address is another.
        server.stop()
        site.lan.leases.write_text("")
        phone.come_back()
        server.argv = [arg.replace(f"{NET}50,", f"{NET}80,") for arg in server.argv]
        server.start()
        server.wait_output("DHCP, IP range")
        phone.run("ip", "address", "flush", "dev", "eth0", "scope", "global")
        phone.dhcp("-x", "hostname:renamed")
        again, values = site.wait_host(PHONE, "back", Active="true", HostName="renamed", IPv4AddressNumberOfEntries="1")
        assert again == path and values["IPAddress"] != first, values
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def by_neighbour_and_oui(directory):
    site = Site(directory).start()
    try:
        printer = site.lan.host("printer", "00:0a:0b:00:00:01")
        printer.address(NET + "20")
        printer.speak()
        path, values = site.wait_host("00:0A:0B:00:00:01", "there", Active="true", IPAddress=NET + "20")
        assert values["X_HOMEPATCH_AddressSource"] == "None" and values["X_HOMEPATCH_LeaseTimeRemaining"] == "0", values
        wait_until(lambda: site.facts(path).get(("Manufacturer", "OUI")) == ("Printers Inc.", "D"), 10, "its OUI")

        # An address that nobody has makes no host, and neither does a host of another interface.
        other = site.lan.host("other", PHONE)
        other.address(NET + "21")
        other.speak()
        site.wait_host(PHONE, "there", IPAddress=NET + "21")
        assert site.count() == 2

        # Its address becomes another's.
        printer.run("ip", "address", "flush", "dev", "eth0", "scope", "global")
        other.address(NET + "20")
        other.speak()
        site.wait_host(PHONE, "with the printer's address", IPAddress=NET + "20")
        site.wait_host("00:0A:0B:00:00:01", "without one", IPAddress="", Active="false")
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def numbers_stay(directory):
    site = Site(directory)
    try:
        site.dnsmasq()
        site.start()
        hosts = {mac: site.lan.host(name, mac) for name, mac in (("phone", PHONE), ("printer", PRINTER))}
        for host in hosts.values():
            host.dhcp("-x", f"hostname:{host.name}")
        before = {mac: site.wait_host(mac, "there", Active="true")[0] for mac in hosts}
        site.ctl.set(before[PHONE], Alias="my-phone")
        collected = site.collected()
        assert len(collected) == 2, collected

        hosts[PRINTER].leave()
        site.wait_host(PRINTER, "inactive", Active="false")
        site.agent.restart(kill=True)
        site.connect()
        # Active is found out anew; nothing else is lost.
        assert site.wait_host(PHONE, "there again", Active="true", Alias="my-phone", HostName="phone")[0] == before[PHONE]
        assert site.wait_host(PRINTER, "known", Active="false", HostName="printer")[0] == before[PRINTER]
        assert site.collected() == collected
    finally:
        site.cleanup.run()


@scenario(needs=("homepatchd", "homepatch-simhome"))
def joined_with_its_proxied_device(directory):
    site = Site(directory)
    try:
        broker = site.cleanup.add(Broker(directory, "lan").start())
        site.agent.lan(broker.port, websocket=False)
        site.start()
        sim = site.cleanup.add(SimHome(directory, "--mqtt-devices", 1, mqtt_port=broker.port).start())
        sim.wait_online(1)
        device = sim.devices()[0]
        digits = device["id"].rsplit("-", 1)[1].upper()
        mac = ":".join(digits[i:i + 2] for i in range(0, 12, 2))
        wait_until(lambda: len(site.collected()) == 1, 10, "the device is in the collection")
        row, = site.ctl.instances(COLLECTION, first_level_only=True)
        site.ctl.set(row, Alias="plug")
        assert site.collected() == [("", "Device.ProxiedDevice.1")], site.collected()

        plug = site.lan.host("plug", mac)
        plug.address(NET + "30")
        plug.speak()
        path, _ = site.wait_host(mac, "the same device is seen on the LAN", Active="true")
        joined = [(path.rstrip("."), "Device.ProxiedDevice.1")]
        wait_until(lambda: site.collected() == joined, 10, "host and device are one")
        assert site.ctl.value(row + "Alias") == "plug"
        assert site.ctl.value(row + "HostDeviceRef+.IPAddress") == NET + "30"

        site.agent.restart()
        site.connect()
        assert site.collected() == joined
        assert site.ctl.instances(COLLECTION, first_level_only=True) == {row: {"Alias": "plug"}}
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def flood_is_slowed(directory):
    """Invented neighbours: the table takes a burst, the rest is counted, and real hosts stay."""
    site = Site(directory).start()
    try:
        phone = site.lan.host("phone", PHONE)
        phone.address(NET + "20")
        phone.speak()
        site.wait_host(PHONE, "there", Active="true")
        # More at once than the kernel keeps for a reader: what it dropped is read anew, so the last 250 are there.
        site.flood(range(2000))
        wait_until(lambda: site.count() > 250, 20, "the neighbours of now")
        first = 2000
        while not site.refused():
            assert first < 5000, "the flood is not slowed"
            before = site.count()
            site.flood(range(first, first + 250))
            wait_until(lambda: site.refused() or site.count() >= before + 250, 20, "250 more")
            first += 250
        assert 1000 < site.count() < 1200, site.count()
        site.wait_host(PHONE, "still there")
    finally:
        site.cleanup.run()


@scenario(needs=("homepatchd", "homepatch"))
def the_command_line_lists_hosts(directory):
    site = Site(directory)
    try:
        site.agent.uds(ENDPOINT)
        site.start()
        cli = Cli(site.agent.dir / "agent.sock")
        assert cli.json("hosts")["hosts"] == [] and "No host was seen" in cli.run("hosts")
        findings = [f for f in cli.doctor(site.agent.conf_file) if f["parameter"] == "scan_interfaces"]
        assert [f["level"] for f in findings] == ["warn"], findings
        printer = site.lan.host("printer", "00:0a:0b:00:00:01")
        printer.address(NET + "20")
        printer.speak()
        path, _ = site.wait_host("00:0A:0B:00:00:01", "there", Active="true")
        wait_until(lambda: ("Manufacturer", "OUI") in site.facts(path), 10, "its OUI")
        host, = cli.json("hosts")["hosts"]
        assert host["address"] == NET + "20" and host["active"] is True and host["device"] == "", host
        assert host["manufacturer"] == "Printers Inc." and host["path"] == path, host
        assert "Printers Inc." in cli.run("hosts")
        findings = [f for f in cli.doctor(site.agent.conf_file) if f["parameter"] == "scan_interfaces"]
        assert [f["level"] for f in findings] == ["ok"] and "1 hosts" in findings[0]["text"], findings
    finally:
        site.cleanup.run()
