# SPDX-License-Identifier: BSD-3-Clause
"""A gateway and the link on its other side, in network namespaces of this process's own.

The process moves into the gateway's (interface "wan", no address yet) and into a mount namespace with its own
/etc/resolv.conf and /run; programs started from then on are there too. What is made under `with network.peer():` is on the
other side of the link, at PEER.
"""

import contextlib
import ctypes
import os
import pathlib
import subprocess
import threading

from hptest.process import Process, wait_until

from .trial import Skip

PEER, GATEWAY, PREFIX = "192.0.2.1", "192.0.2.100", 24
_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={path}</listen>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/><allow user="*"/></policy>
</busconfig>
"""
_AVAHI = """[server]
host-name=gateway
use-ipv4=yes
use-ipv6=no
allow-interfaces=wan
[publish]
publish-workstation=no
publish-hinfo=no
"""


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def _call(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _own_namespace():
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)


class Network:
    """Made once per case: a namespace of an earlier one is left behind for the kernel to clean up."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.bus = self.dir / "bus"
        try:
            self._enter()
            self._link()
        except OSError as e:
            raise Skip(f"network namespaces cannot be made here: {e}") from e

    def _enter(self):
        _call(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWNET))
        run("mount", "--make-rprivate", "/")
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        conf = self.dir / "resolv.conf"
        conf.write_text(f"nameserver {PEER}\noptions timeout:2 attempts:2\n")
        run("mount", "--bind", conf, os.path.realpath("/etc/resolv.conf")
            if os.path.exists("/etc/resolv.conf") else "/etc/resolv.conf")
        self._here = _own_namespace()
        _call(_libc.unshare(_CLONE_NEWNET))     # only to have another one; back at once
        self._there = _own_namespace()
        self._set(self._here)

    @staticmethod
    def _set(namespace):
        _call(_libc.setns(namespace, _CLONE_NEWNET))

    def _link(self):
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "wan", "type", "veth", "peer", "name", "lan")
        # Without it IPv6 has no address for a second or two, and the cases are not about that.
        pathlib.Path("/proc/sys/net/ipv6/conf/wan/accept_dad").write_text("0")
        run("ip", "link", "set", "lan", "netns", f"/proc/{os.getpid()}/fd/{self._there}")
        run("ip", "link", "set", "wan", "up")
        with self.peer():
            run("ip", "link", "set", "lo", "up")
            run("ip", "link", "set", "lan", "up")
            run("ip", "address", "add", f"{PEER}/{PREFIX}", "dev", "lan")
            run("ip", "route", "add", "224.0.0.0/4", "dev", "lan")

    @contextlib.contextmanager
    def peer(self):
        """Sockets, threads and programs begun here are on the other side."""
        self._set(self._there)
        try:
            yield
        finally:
            self._set(self._here)

    def configure(self):
        """The address that DHCP would give: for cases that are about something else."""
        run("ip", "address", "add", f"{GATEWAY}/{PREFIX}", "dev", "wan")

    def avahi(self):
        """A system bus and an Avahi daemon of our own; the processes. The bus is for whoever has env()."""
        for program in ("dbus-daemon", "avahi-daemon"):
            if subprocess.run(["sh", "-c", f"command -v {program}"], capture_output=True, check=False).returncode:
                raise Skip(f"{program} is not installed")
        (self.dir / "bus.conf").write_text(_BUS.format(path=self.bus))
        (self.dir / "avahi.conf").write_text(_AVAHI)
        bus = Process("dbus-daemon", ["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={self.dir}/bus.conf"],
                      self.dir).start()
        wait_until(self.bus.exists, 10, "the bus listens")
        return bus, self.avahi_daemon().start()

    def avahi_daemon(self):
        return Process("avahi-daemon", ["avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits",
                                        "-f", self.dir / "avahi.conf"], self.dir, self.env())

    def env(self):
        return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.bus}"}
