# SPDX-License-Identifier: BSD-3-Clause
"""A gateway's LAN in network namespaces of this process's own: the bridge br-lan, dnsmasq behind it, and hosts that are
DHCP clients, each in a namespace behind a port of the bridge. The process itself moves into the gateway's namespace, and
into a mount namespace with its own /run; the kernel takes all of it away with the process."""

import ctypes
import os
import pathlib
import shutil
import subprocess
import sys

from .process import Process
from .runner import Skip

BRIDGE, GATEWAY, NET = "br-lan", "192.168.77.1", "192.168.77."
_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)

# What a client's script does: it takes the address that it was given, and no other.
_SCRIPT = """#!/bin/sh
case $1 in
bound|renew) ip address flush dev "$interface" scope global; ip address add "$ip/24" dev "$interface" ;;
deconfig) ip address flush dev "$interface" scope global; ip link set "$interface" up ;;
esac
"""


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


class Lan:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        if os.geteuid() != 0 or not shutil.which("ip"):
            raise Skip("network namespaces need root and iproute2")
        try:
            if _libc.unshare(_CLONE_NEWNS | _CLONE_NEWNET) < 0:
                raise OSError(ctypes.get_errno(), "unshare")
            run("mount", "--make-rprivate", "/")
            run("mount", "-t", "tmpfs", "tmpfs", "/run")
            run("ip", "link", "set", "lo", "up")
            run("ip", "link", "add", BRIDGE, "type", "bridge")
            self._hurry()
            run("ip", "address", "add", f"{GATEWAY}/24", "dev", BRIDGE)
            run("ip", "link", "set", BRIDGE, "up")
        except OSError as e:
            raise Skip(f"network namespaces cannot be made here: {e}") from e
        self.script = self.dir / "udhcpc.script"
        self.script.write_text(_SCRIPT)
        self.script.chmod(0o755)

    @staticmethod
    def _hurry():
        """The kernel finds out within a second or two who is there, and not within ten."""
        for family in ("ipv4", "ipv6"):
            neigh = pathlib.Path(f"/proc/sys/net/{family}/neigh/{BRIDGE}")
            for name, value in (("delay_first_probe_time", 1), ("retrans_time_ms", 200), ("base_reachable_time_ms", 2000)):
                (neigh / name).write_text(str(value))
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{BRIDGE}/accept_dad").write_text("0")

    def dnsmasq(self, *more, leases=None, script=None):
        """The DHCP server; its lease file is self.leases."""
        if not shutil.which("dnsmasq"):
            raise Skip("dnsmasq is not installed")
        self.leases = leases or self.dir / "dnsmasq.leases"
        return Process("dnsmasq", [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--port=0",
            f"--interface={BRIDGE}", "--bind-interfaces", "--no-ping", "--dhcp-authoritative", "--log-facility=-",
            f"--dhcp-range={NET}50,{NET}99,1h", f"--dhcp-leasefile={self.leases}",
            *((f"--dhcp-script={script}",) if script else ()), *more], self.dir)

    @staticmethod
    def batch(file):
        run("ip", "-force", "-batch", file)

    def host(self, name, mac):
        return Host(self, name, mac)


class Host:
    """A namespace with eth0 behind a port of the bridge."""

    def __init__(self, lan, name, mac):
        self.lan, self.name, self.mac, self.client = lan, name, mac, None
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"p-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        self.run("ip", "link", "set", "eth0", "address", mac)
        self.run("ip", "link", "set", "eth0", "up")
        run("ip", "link", "set", f"p-{name}", "master", BRIDGE, "up")

    def argv(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command):
        return run(*self.argv(*command))

    def dhcp(self, *options, release=False):
        """Runs udhcpc until it has a lease, or for as long as the test wants it (release: it gives the lease back)."""
        if not shutil.which("udhcpc"):
            raise Skip("udhcpc is not installed")
        argv = ["udhcpc", "-f", "-i", "eth0", "-t", "10", "-T", "1", "-s", self.lan.script, *options]
        self.client = Process(f"udhcpc-{self.name}", self.argv(*argv, "-R" if release else "-q"), self.lan.dir)
        self.client.start()
        if not release:
            assert self.client.wait_exit(20) == 0, self.client.output()
        return self.client

    def address(self, address):
        """A static one."""
        self.run("ip", "address", "flush", "dev", "eth0", "scope", "global")
        self.run("ip", "address", "add", f"{address}/24", "dev", "eth0")

    def speak(self):
        """To the gateway: it learns who that is."""
        self.run(sys.executable, "-c",
                 f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('{GATEWAY}', 9))")

    def leave(self):
        run("ip", "link", "set", f"p-{self.name}", "nomaster")

    def come_back(self):
        run("ip", "link", "set", f"p-{self.name}", "master", BRIDGE)
