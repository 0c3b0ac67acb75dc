# SPDX-License-Identifier: BSD-3-Clause
"""What hosts say of themselves: DNS-SD between real Avahi daemons, UPnP with devices that are as they should be, and not."""

import pathlib
import socket
import sys

from hptest import Skip, scenario, upnp_device, wait_until
from hptest.lan import BRIDGE, GATEWAY, NET
from hptest.process import Process
from test_scan import Site

AGENT = ("homepatchd",)
MACS = [f"02:00:00:00:01:{n:02X}" for n in range(16)]
SCAN = "Device.Hosts.X_HOMEPATCH_Scan."

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={path}</listen>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/><allow user="*"/></policy>
</busconfig>
"""
AVAHI = """[server]
host-name={name}
use-ipv4=yes
use-ipv6=no
allow-interfaces={interface}
[publish]
publish-workstation=no
publish-hinfo=no
"""
SERVICE = """<?xml version="1.0"?><!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group><name>{name}</name><service><type>{type}</type><port>{port}</port>{txt}</service></service-group>
"""


class Avahi:
    """A bus and a daemon, in the gateway's namespace or in a host's, with services of files of its own."""

    def __init__(self, site, name, interface, host=None):
        self.dir = site.lan.dir / f"avahi-{name}"
        self.services = self.dir / "services"
        self.services.mkdir(parents=True)
        (self.dir / "bus.conf").write_text(BUS.format(path=self.dir / "bus"))
        (self.dir / "avahi.conf").write_text(AVAHI.format(name=name, interface=interface))
        self.bus_address = f"unix:path={self.dir}/bus"
        inside = host.argv if host else lambda *argv: ["unshare", "-m", *argv]
        for program in ("dbus-daemon", "avahi-daemon"):
            if Process("which", ["sh", "-c", f"command -v {program}"], site.lan.dir).start().wait_exit() != 0:
                raise Skip(f"{program} is not installed")
        bus = Process(f"bus-{name}", inside("dbus-daemon", "--nofork", "--nopidfile", f"--config-file={self.dir}/bus.conf"),
                      site.lan.dir)
        site.cleanup.add(bus.start())
        wait_until((self.dir / "bus").exists, 10, "the bus listens")
        script = (f"mount -t tmpfs tmpfs /run && mount --bind {self.services} /etc/avahi/services && "
                  f"exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f {self.dir}/avahi.conf")
        self.daemon = Process(f"avahi-{name}", inside("sh", "-c", script), site.lan.dir,
                              {"DBUS_SYSTEM_BUS_ADDRESS": self.bus_address})
        self.stop = self.daemon.stop

    def service(self, file, name, kind, port=80, **txt):
        records = "".join(f"<txt-record>{key}={value}</txt-record>" for key, value in txt.items())
        (self.services / f"{file}.service").write_text(SERVICE.format(name=name, type=kind, port=port, txt=records))
        return self

    def start(self):
        self.daemon.start()
        self.daemon.wait_output("Server startup complete", 20)
        return self


def devices(site, **modes):
    """{name: program} of UPnP devices, each a host of its own: name=(mode, LOCATION's host or None)."""
    running = {}
    for n, (name, (mode, location)) in enumerate(modes.items()):
        host = site.lan.host(name, MACS[n])
        host.address(f"{NET}{100 + n}")
        host.run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
        argv = host.argv(sys.executable, upnp_device.__file__, f"{NET}{100 + n}", mode, *([location] if location else []))
        running[name] = site.cleanup.add(Process(f"upnp-{name}", argv, site.lan.dir).start())
        running[name].mac, running[name].host = MACS[n], host
        running[name].wait_output("ready")
    return running


def facts(site, mac):
    found = site.host(mac)
    return {name: value for (name, _), (value, _) in site.facts(found[0]).items()} if found else {}


def rejected(site):
    return int(site.ctl.value(SCAN + "RejectedMessages"))


@scenario(needs=AGENT)
def dns_sd(directory):
    site = Site(directory)
    try:
        site.cleanup.add(Avahi(site, "gateway", BRIDGE).service("own", "gateway's own", "_http._tcp").start())
        site.agent.conf["mdns"] = "true"
        site.agent.env["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={directory}/avahi-gateway/bus"
        site.start()
        plug = site.lan.host("plug", MACS[0])
        plug.address(NET + "40")
        plug.speak()
        avahi = Avahi(site, "plug", "eth0", plug)
        avahi.service("shelly", "shellyplus1-020000000100", "_shelly._tcp", gen=2, app="Plus1", ver="1.4.4")
        avahi.service("hap", "Kitchen plug", "_hap._tcp", md="Generic", c=1)
        avahi.service("odd", "Some thing", "_of-its-own._tcp", 8080, a="b")
        site.cleanup.add(avahi.start())
        path, _ = site.wait_host(MACS[0], "there with its name", HostName="plug")
        wanted = {"Manufacturer": "Shelly", "ModelName": "Plus1", "SoftwareVersion": "1.4.4", "FriendlyName": "Kitchen plug"}
        wait_until(lambda: wanted.items() <= facts(site, MACS[0]).items(), 20, "what its services say")
        assert site.facts(path)["ModelName", "mDNS"] == ("Plus1", "C"), site.facts(path)

        def types():
            services = site.ctl.get(path + "X_HOMEPATCH_Service.")
            return sorted(value for name, value in services.items() if name.endswith(".Type"))

        wait_until(lambda: types() == ["_hap._tcp", "_of-its-own._tcp", "_shelly._tcp"], 20, "its services")
        assert site.ctl.value("Device.Hosts.HostNumberOfEntries") == "1", "the gateway is no host of its own"

        # It withdraws one, and its daemon says goodbye.
        (avahi.services / "shelly.service").unlink()
        wait_until(lambda: facts(site, MACS[0]).get("ModelName") == "Generic", 20, "the next best word for its model")
        wait_until(lambda: types() == ["_hap._tcp", "_of-its-own._tcp"], 20, "its services that are left")
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def dns_sd_without_a_daemon(directory):
    """Avahi comes after the agent, goes, and comes back: what is on the LAN is found each time."""
    site = Site(directory)
    try:
        gateway = Avahi(site, "gateway", BRIDGE)
        site.agent.conf["mdns"] = "true"
        site.agent.env["DBUS_SYSTEM_BUS_ADDRESS"] = gateway.bus_address
        site.start()
        site.agent.wait_output("waits for the Avahi daemon")
        lamp = site.lan.host("lamp", MACS[0])
        lamp.address(NET + "40")
        lamp.speak()
        avahi = Avahi(site, "lamp", "eth0", lamp).service("one", "lamp", "_esphomelib._tcp", version="2024.1")
        site.cleanup.add(avahi.start())
        site.cleanup.add(gateway.start())
        wait_until(lambda: facts(site, MACS[0]).get("SoftwareVersion") == "2024.1", 20, "its version")
        gateway.stop()
        wait_until(lambda: site.agent.output().count("waits for the Avahi daemon") == 2, 10, "the daemon is missed")
        assert facts(site, MACS[0]).get("SoftwareVersion") == "2024.1", "the host was not away"
        (avahi.services / "one.service").unlink()
        avahi.service("two", "lamp", "_esphomelib._tcp", version="2024.2")
        gateway.start()
        wait_until(lambda: facts(site, MACS[0]).get("SoftwareVersion") == "2024.2", 20, "its next version")
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def upnp(directory):
    site = Site(directory)
    try:
        # One announces itself to nobody, and answers when it is asked; the other one announces itself.
        asked = devices(site, silent=("silent", None))["silent"]
        site.start()
        asked.wait_output("search")
        wanted = {"FriendlyName": "Living room", "Manufacturer": "Example Ltd", "ModelName": "Screen", "ModelNumber": "55",
                  "SerialNumber": upnp_device.SERIAL, "UDN": "uuid:device",
                  "DeviceType": "urn:schemas-upnp-org:device:MediaRenderer:1",
                  "URL": f"http://{NET}100:{upnp_device.PORT}/d.xml"}
        wait_until(lambda: wanted.items() <= facts(site, asked.mac).items(), 20, "what it says when it is asked")
        path, _ = site.wait_host(asked.mac, "there", Active="true")
        assert site.facts(path)["ModelName", "SSDP"] == ("Screen", "C"), site.facts(path)
        assert asked.output().count("get ") == 1, asked.output()
        assert rejected(site) == 0
    finally:
        site.cleanup.run()


@scenario(needs=AGENT)
def upnp_off(directory):
    site = Site(directory, scan_ssdp="false")
    try:
        site.start()
        loud = devices(site, loud=("good", None))["loud"]
        loud.host.speak()
        site.wait_host(loud.mac, "there all the same", Active="true")
        assert ":076C" not in pathlib.Path(f"/proc/{site.agent.pid}/net/udp").read_text(), "port 1900 is open"
        assert loud.output().split() == ["ready"], loud.output()
    finally:
        site.cleanup.run()


@scenario(needs=AGENT, timeout=90)
def upnp_hostile(directory):
    """Each of them is a host of its own, and costs nobody anything but itself."""
    site = Site(directory)
    victim = socket.socket()
    try:
        # Whatever the gateway itself serves is not to be fetched because a device says so.
        victim.bind((GATEWAY, upnp_device.PORT))
        victim.listen()
        victim.settimeout(0)
        site.start()
        running = devices(
            site, bystander=("silent", f"{NET}250"), elsewhere=("good", NET + "100"), gateway=("good", GATEWAY),
            loopback=("good", "127.0.0.1"), name=("good", "localhost"), endless=("endless", None), slow=("slow", None),
            bomb=("bomb", None), external=("external", None), nested=("nested", None), large=("large", None),
            redirect=("redirect", None), flood=("flood", None), good=("good", None))
        good = running["good"]
        wait_until(lambda: facts(site, good.mac).get("ModelName") == "Screen", 60, "the one that is as it should be")
        for name in ("endless", "slow"):
            running[name].wait_output("closed", 40)
        for name in ("bomb", "external", "nested", "large", "redirect"):
            running[name].wait_output("get /d.xml", 40)
        counted = rejected(site)
        assert counted > 150, f"{counted} were counted"   # of the flood the kernel drops most, when the machine is busy
        for name, process in running.items():
            if name in ("good", "flood"):
                continue
            assert "ModelName" not in facts(site, process.mac), f"{name} was believed"
            if name in ("bystander", "elsewhere", "gateway", "loopback", "name"):
                assert "get " not in process.output(), f"{name} was fetched from: {process.output()}"
        assert "/other.xml" not in running["redirect"].output(), "a redirect was followed"
        try:
            peer = victim.accept()
            raise AssertionError(f"the gateway was made to fetch from itself: {peer}")
        except BlockingIOError:
            pass
        assert site.agent.output().count("is not heard") <= 10, "the log is flooded"
    finally:
        victim.close()
        site.cleanup.run()
