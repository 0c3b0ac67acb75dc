# SPDX-License-Identifier: BSD-3-Clause
"""DNS as bytes, and two who speak it: a server for unicast, a peer for multicast. Both record what they hear."""

import contextlib
import socket
import struct
import threading
import time

from hptest.process import deadline

A, PTR, TXT, AAAA, SRV, ANY = 1, 12, 16, 28, 33, 255
GROUP, PORT = "224.0.0.251", 5353
_FLUSH = 0x8000


def labels(name):
    """"a\\.b.example." -> [b"a.b", b"example"]"""
    parts, part = [], b""
    text = iter(name.rstrip("."))
    for c in text:
        if c == "\\":
            part += next(text).encode()
        elif c == ".":
            parts.append(part)
            part = b""
        else:
            part += c.encode()
    return parts + [part]


def pack_name(name):
    return b"".join(bytes([len(p)]) + p for p in labels(name)) + b"\0"


def srv(port, target, priority=0):
    return struct.pack(">HHH", priority, 1, port) + pack_name(target)


def txt(*strings):
    return b"".join(bytes([len(s)]) + s.encode() for s in strings)


def query(name, kind, number=0):
    return struct.pack(">6H", number, 0, 1, 0, 0, 0) + pack_name(name) + struct.pack(">HH", kind, 1)


def answer(request, records, multicast=False, code=0):
    """records: [(name, type, rdata)]. The question is repeated in unicast, as it has to be."""
    number = struct.unpack(">H", request[:2])[0]
    question = b"" if multicast else request[12:]
    out = struct.pack(">6H", 0 if multicast else number, 0x8400 | code, 0 if multicast else 1, len(records), 0, 0) + question
    for name, kind, data in records:
        out += pack_name(name) + struct.pack(">HHIH", kind, 1 | (_FLUSH if multicast and kind != PTR else 0), 120,
                                             len(data)) + data
    return out


class Record:
    def __init__(self, name, kind, ttl, data):
        self.name, self.kind, self.ttl, self.data = name, kind, ttl, data

    def __repr__(self):
        return f"{self.name} {self.kind} {self.data!r}"


class Message:
    """questions [(name, type)], records; names in lower case with a final dot, dots inside a label as \\."""

    def __init__(self, data, source=None):
        self.data, self.source, self.at = data, source, time.monotonic()
        head = struct.unpack(">6H", data[:12])
        self.is_answer, place = bool(head[1] & 0x8000), 12
        self.questions, self.records = [], []
        for _ in range(head[2]):
            name, place = self._name(place)
            self.questions.append((name, struct.unpack(">H", data[place:place + 2])[0]))
            place += 4
        for _ in range(head[3] + head[4] + head[5]):
            name, place = self._name(place)
            kind, _, ttl, length = struct.unpack(">HHIH", data[place:place + 10])
            place += 10
            self.records.append(Record(name, kind, ttl, self._data(kind, place, length)))
            place += length

    def _name(self, place):
        out, end = "", None
        while self.data[place]:
            if self.data[place] & 0xc0:
                end = end or place + 2
                place = struct.unpack(">H", self.data[place:place + 2])[0] & 0x3fff
                continue
            part = self.data[place + 1:place + 1 + self.data[place]].decode("utf-8", "replace")
            out += part.replace("\\", "\\\\").replace(".", "\\.") + "."
            place += 1 + self.data[place]
        return out.lower() or ".", end or place + 1

    def _data(self, kind, place, length):
        if kind == PTR:
            return self._name(place)[0]
        if kind == SRV:
            return (*struct.unpack(">HHH", self.data[place:place + 6]), self._name(place + 6)[0])
        if kind == TXT:
            strings, end = [], place + length
            while place < end:
                strings.append(self.data[place + 1:place + 1 + self.data[place]].decode("utf-8", "replace"))
                place += 1 + self.data[place]
            return [s for s in strings if s]
        return socket.inet_ntoa(self.data[place:place + 4]) if kind == A else self.data[place:place + length]


class _Listener:
    """A thread on a socket; what it hears is in `heard`, and wakes who waits."""

    def __init__(self, sock):
        self.sock, self.heard, self._changed = sock, [], threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                data, source = self.sock.recvfrom(65536)
            except OSError:
                return
            with contextlib.suppress(IndexError, struct.error):
                message = Message(data, source)
                with self._changed:
                    self.heard.append(message)
                    self._changed.notify_all()
                if not message.is_answer:
                    self.on_query(message)

    def on_query(self, message):
        raise NotImplementedError

    def wait(self, accept, timeout=10, since=0):
        """The first message that accept() likes, or None."""
        end = deadline(timeout)
        with self._changed:
            while True:
                found = [m for m in self.heard[since:] if accept(m)]
                left = end - time.monotonic()
                if found or left <= 0:
                    return found[0] if found else None
                self._changed.wait(left)

    def asked(self, name, kind=None):
        return any((n, k) == (name, kind or k) for m in list(self.heard) if not m.is_answer for n, k in m.questions)

    def stop(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Server(_Listener):
    """records: {(name with a final dot, type): [rdata]}. A name that is not there does not exist."""

    def __init__(self, address, records):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, 53))
        self.records = {(name.lower(), kind): data for (name, kind), data in records.items()}
        super().__init__(sock)

    def on_query(self, message):
        name, kind = message.questions[0]
        data = self.records.get((name, kind), [])
        known = any(n == name for n, _ in self.records)
        end = 12 + len(pack_name(name)) + 4     # without EDNS behind it
        self.sock.sendto(answer(message.data[:end], [(name, kind, d) for d in data], code=0 if known else 3), message.source)


class Multicast(_Listener):
    """names: {name with a final dot: IPv4 address} that it answers for."""

    def __init__(self, address, names=None):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("", PORT))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(address))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        self.names = names or {}
        super().__init__(sock)

    def on_query(self, message):
        for name, kind in message.questions:
            if name in self.names and kind in (A, ANY):
                self.send(answer(message.data, [(name, A, socket.inet_aton(self.names[name]))], multicast=True))

    def send(self, data):
        self.sock.sendto(data, (GROUP, PORT))

    def ask(self, name, kind, accept, timeout=10):
        """Sends a query until there is an answer that accept() likes. Again, because a responder may leave out what it has
        sent within the last second (RFC 6762, 6)."""
        since, end = len(self.heard), deadline(timeout)
        while time.monotonic() < end:
            self.send(query(name, kind))
            found = self.wait(lambda m: m.is_answer and accept(m), 1.2, since)
            if found:
                return found
        return None
