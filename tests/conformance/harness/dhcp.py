# SPDX-License-Identifier: BSD-3-Clause
"""A DHCPv4 server that says what a test wants said, a listener for DHCPv6 requests, and the clients that the gateway has."""

import contextlib
import os
import shutil
import socket
import struct
import threading
import time

from hptest.process import Process, deadline

from .network import GATEWAY, PEER
from .trial import Skip

ENTERPRISE = 3561
URL, PROVISIONING_CODE, RETRY_MINIMUM, RETRY_MULTIPLIER, ENDPOINT_ID = 25, 26, 27, 28, 29
_COOKIE = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER, _REQUEST, _ACK = 1, 2, 3, 5


def controller_option(values):
    """Option 125 from {sub-option: bytes}."""
    body = b"".join(bytes([code, len(value)]) + value for code, value in values.items())
    return struct.pack(">IB", ENTERPRISE, len(body)) + body


class Request:
    """A packet of a client: its message type and options."""

    def __init__(self, data):
        self.data, self.options, place = data, {}, 240
        while data[place] != 255:
            if data[place]:
                self.options[data[place]] = self.options.get(data[place], b"") + data[place + 2:place + 2 + data[place + 1]]
                place += 1 + data[place + 1]
            place += 1
        self.kind = self.options[53][0]

    @property
    def vendor_classes(self):
        """{enterprise: [data]} of option 124 (RFC 3925)."""
        found, rest = {}, self.options.get(124, b"")
        while rest:
            enterprise, length = struct.unpack(">IB", rest[:5])
            inner, rest = rest[5:5 + length], rest[5 + length:]
            while inner:
                found.setdefault(enterprise, []).append(inner[1:1 + inner[0]])
                inner = inner[1 + inner[0]:]
        return found


class _Heard:
    def __init__(self, sock):
        self.sock, self.heard, self._changed = sock, [], threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                data, _ = self.sock.recvfrom(65536)
            except OSError:
                return
            with contextlib.suppress(IndexError, KeyError, struct.error):
                request = self.take(data)
                with self._changed:
                    self.heard.append(request)
                    self._changed.notify_all()

    def take(self, data):
        raise NotImplementedError

    def wait(self, accept=lambda request: True, timeout=20):
        end = deadline(timeout)
        with self._changed:
            while True:
                found = [r for r in self.heard if accept(r)]
                left = end - time.monotonic()
                if found or left <= 0:
                    return found[0] if found else None
                self._changed.wait(left)

    def stop(self):
        self.sock.close()


class Server(_Heard):
    """One address for one client. `option` is what it gives for option 125, b"" for none."""

    def __init__(self, option=b""):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan\0")
        sock.bind(("", 67))
        self.option = option
        super().__init__(sock)

    def take(self, data):
        request = Request(data)
        if request.kind in (_DISCOVER, _REQUEST):
            self.sock.sendto(self._answer(request), ("255.255.255.255", 68))
        return request

    def _answer(self, request):
        head = bytearray(request.data[:236])
        head[0] = 2
        head[16:20] = socket.inet_aton(GATEWAY)
        options = {53: bytes([_OFFER if request.kind == _DISCOVER else _ACK]), 54: socket.inet_aton(PEER),
                   51: struct.pack(">I", 3600), 1: socket.inet_aton("255.255.255.0"), 6: socket.inet_aton(PEER)}
        if self.option and 125 in request.options.get(55, b""):
            options[125] = self.option
        body = b"".join(bytes([code, len(value)]) + value for code, value in options.items())
        return bytes(head) + _COOKIE + body + b"\xff"


class V6Listener(_Heard):
    """Options of the DHCPv6 requests on the link, {code: data} each. It answers none."""

    def __init__(self):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.bind(("::", 547))
        group = socket.inet_pton(socket.AF_INET6, "ff02::1:2")
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", socket.if_nametoindex("lan")))
        super().__init__(sock)

    def take(self, data):
        options, place = {}, 4
        while place < len(data):
            code, length = struct.unpack(">HH", data[place:place + 4])
            options[code] = data[place + 4:place + 4 + length]
            place += 4 + length
        return options


# -- the gateway's clients, as packaging/dhcp sets them up

_SCRIPT = """#!/bin/sh
case ${{1-}}${{reason-}} in
bound|renew) ip address replace "$ip/{prefix}" dev "$interface" ;;
BOUND|RENEW|REBOOT) ip address replace "$new_ip_address/{prefix}" dev "$interface" ;;
PREINIT*) ip link set "$interface" up ;;
esac
exec env HOMEPATCH_DHCP_DIR={dir} {hook} {client} "$@"
"""


def _client(network, name, directory, packaging, argv):
    if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        raise Skip(f"{name} is not installed")
    script = network.dir / f"{name}.script"
    script.write_text(_SCRIPT.format(prefix=24, dir=directory, hook=packaging / "homepatch-dhcp", client=name))
    script.chmod(0o755)
    return Process(f"{name}-{len(list(network.dir.glob(name + '*.log')))}", argv(script), network.dir,
                   {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})


def udhcpc(network, directory, packaging):
    """udhcpc with the arguments of packaging/dhcp/udhcpc.args, asking until it has a lease, and then no more."""
    args = [line for line in (packaging / "udhcpc.args").read_text().split("\n") if line and not line.startswith("#")]
    return _client(network, "udhcpc", directory, packaging, lambda script: [
        "udhcpc", "-f", "-q", "-i", "wan", "-t", "10", "-T", "1", *" ".join(args).split(), "-s", script])


def dhclient(network, directory, packaging, family="-4"):
    files = [f"-{kind}f{family[1]}" for kind in "lp"]
    return _client(network, "dhclient", directory, packaging, lambda script: [
        "dhclient", family, "-1", "-d", "-cf", packaging / "dhclient.conf", "-sf", script,
        "-lf", network.dir / f"leases{files[0]}", "-pf", network.dir / f"pid{files[1]}", "wan"])
