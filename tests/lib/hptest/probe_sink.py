# SPDX-License-Identifier: BSD-3-Clause
"""A host on the loopback that takes the probes of a route tracer, and says nothing."""

import collections
import os
import selectors
import socket
import struct
import threading
import time

FIRST_PORT, PORTS = 33434, 12
_TIMESTAMP, _RECVTTL = 35, 12      # SO_TIMESTAMPNS and IP_RECVTTL of Linux, which python does not name

Probe = collections.namedtuple("Probe", "at ttl size port")


class Sink:
    """`probes` in order of arrival, with the kernel's time. Each process has an address of its own."""

    def __init__(self):
        pid = os.getpid()
        self.address = f"127.{pid >> 16 & 255}.{pid >> 8 & 255}.{pid & 255 or 1}"
        if self.address == "127.0.0.1":
            self.address = "127.0.1.1"
        self.probes = []
        self._changed = threading.Condition()
        self._selector = selectors.DefaultSelector()
        self._open = True
        for port in range(FIRST_PORT, FIRST_PORT + PORTS):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.IPPROTO_IP, _RECVTTL, 1)
            sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
            sock.bind((self.address, port))
            self._selector.register(sock, selectors.EVENT_READ, port)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while self._open:
            for key, _ in self._selector.select(0.2):
                data, extra, _, _ = key.fileobj.recvmsg(65536, 256)
                at, ttl = time.time(), 0
                for level, kind, value in extra:
                    if (level, kind) == (socket.IPPROTO_IP, socket.IP_TTL):
                        ttl = struct.unpack("i", value[:4])[0]
                    elif (level, kind) == (socket.SOL_SOCKET, _TIMESTAMP):
                        seconds, fraction = struct.unpack("ll", value[:16])
                        at = seconds + fraction / 1e9
                with self._changed:
                    self.probes.append(Probe(at, ttl, len(data), key.data))
                    self._changed.notify_all()

    def wait(self, count, timeout):
        """The first so many probes, or what came until the deadline."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.probes) >= count, timeout)
            return self.probes[:count]

    def close(self):
        self._open = False
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()
