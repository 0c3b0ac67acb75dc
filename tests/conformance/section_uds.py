# SPDX-License-Identifier: BSD-3-Clause
"""The UNIX domain socket binding (R-UDS.*), for which TP-469 has no cases. Metric 1 of each is its requirement."""

import os
import socket
import stat
import struct
import threading
import time

from harness.registry import case
from hptest import usp
from hptest.process import PATIENCE, deadline, wait_until

SYNC = b"_USP"
HANDSHAKE, ERROR, RECORD = 1, 2, 3
UP_TIME = "Device.LocalAgent.UpTime"
UDS = ("uds",)
SOCKETS = "Device.UnixDomainSockets.UnixDomainSocket."


def tlv(kind, data):
    return struct.pack(">BI", kind, len(data)) + data


def frame(*items):
    body = b"".join(items)
    return SYNC + struct.pack(">I", len(body)) + body


class Raw:
    """One end of a UNIX socket, byte by byte. `frames` are the TLVs that came, each with its type."""

    def __init__(self, sock):
        self.sock, self.data, self.closed = sock, b"", False
        self.items = []

    def send(self, data):
        self.sock.sendall(data)

    def _read(self, end):
        self.sock.settimeout(max(0.01, end - time.monotonic()))
        try:
            piece = self.sock.recv(65536)
        except socket.timeout:
            return False
        except OSError:
            piece = b""
        if not piece:
            self.closed = True
            return False
        self.data += piece
        while len(self.data) >= 8 and len(self.data) >= 8 + struct.unpack(">I", self.data[4:8])[0]:
            assert self.data[:4] == SYNC, f"the agent's frame begins with {self.data[:4]}"
            size = struct.unpack(">I", self.data[4:8])[0]
            body, self.data, at = self.data[8 : 8 + size], self.data[8 + size :], 0
            assert body, "an empty frame of the agent"
            while at < len(body):
                kind, length = struct.unpack_from(">BI", body, at)
                assert at + 5 + length <= len(body), "a TLV of the agent is longer than its frame"
                self.items.append((kind, body[at + 5 : at + 5 + length]))
                at += 5 + length
        return True

    def next(self, kind, timeout=10):
        """The value of the next TLV of that type; None when the connection or the time ends before."""
        end = deadline(timeout)
        while True:
            for at, (its, data) in enumerate(self.items):
                if its == kind:
                    del self.items[: at + 1]
                    return data
            if self.closed or time.monotonic() > end:
                return None
            self._read(end)

    def wait_closed(self, timeout=10):
        end = deadline(timeout)
        while not self.closed and time.monotonic() < end:
            self._read(end)
        return self.closed

    def close(self):
        self.sock.close()


def connect(t, name=None):
    """A connection to the agent's socket; with a name, after the handshake."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(t.lane.path))
    raw = Raw(sock)
    t.undo(raw.close)
    if name:
        raw.send(frame(tlv(HANDSHAKE, name.encode())))
        t.setup(raw.next(HANDSHAKE) == t.lane.endpoint_id.encode(), "no handshake")
    return raw


def request(t, message=None):
    message = message or usp.get(UP_TIME)
    return message, usp.wrap(message, t.lane.endpoint_id, t.ctl.endpoint_id).SerializeToString()


def answered(raw, message, timeout=10):
    """Is the answer to that message among what comes next?"""
    while True:
        data = raw.next(RECORD, timeout)
        if data is None:
            return False
        record = usp.Record()
        record.ParseFromString(data)
        answer = usp.unwrap(record)
        if answer is not None and answer.header.msg_id == message.header.msg_id:
            return True


def serves(t, raw, metric, text):
    message, record = request(t)
    raw.send(frame(tlv(RECORD, record)))
    t.ok(metric, answered(raw, message), text)


def told_and_closed(t, raw, metric, what):
    error = raw.next(ERROR)
    t.ok(metric, error, f"{what}: no error TLV")
    t.ok(metric, raw.wait_closed(), f"{what}: the connection stays")


@case("uds.1", "A handshake is answered with the agent's (R-UDS.2, R-UDS.3, R-UDS.12, R-UDS.17)", transports=UDS)
def handshake(t):
    raw = connect(t)
    raw.send(frame(tlv(HANDSHAKE, t.ctl.endpoint_id.encode())))
    t.eq(1, "the agent's handshake", raw.next(HANDSHAKE), t.lane.endpoint_id.encode())
    record = usp.Record()
    record.ParseFromString(raw.next(RECORD) or b"")
    t.eq(1, "the first record (R-MTP.6)", record.WhichOneof("record_type"), "uds_connect")
    serves(t, raw, 1, "no answer after the handshake")


@case("uds.2", "A second handshake is ignored (R-UDS.19)", transports=UDS)
def second_handshake(t):
    raw = connect(t, t.ctl.endpoint_id)
    raw.send(frame(tlv(HANDSHAKE, b"self::somebody-else")))
    serves(t, raw, 1, "the connection is no longer served as its first handshake said")
    t.eq(1, "handshakes of the agent", [k for k, _ in raw.items if k == HANDSHAKE], [])


@case("uds.3", "A record before the handshake is ignored (R-UDS.20)", transports=UDS)
def record_first(t):
    raw = connect(t)
    early, record = request(t)
    raw.send(frame(tlv(RECORD, record)))
    raw.send(frame(tlv(HANDSHAKE, t.ctl.endpoint_id.encode())))
    t.need(1, raw.next(HANDSHAKE), "no handshake after an early record")
    message, record = request(t)
    raw.send(frame(tlv(RECORD, record)))
    data = raw.next(RECORD)
    while data:
        record = usp.Record()
        record.ParseFromString(data)
        answer = usp.unwrap(record)
        if answer is not None:
            t.ok(1, answer.header.msg_id != early.header.msg_id, "the early record was answered")
            break
        data = raw.next(RECORD)
    t.ok(1, answer.header.msg_id == message.header.msg_id, "no answer to the record after the handshake")


@case("uds.4", "A handshake without a usable Endpoint ID gets an error (R-UDS.13, R-UDS.21)", transports=UDS)
def bad_handshakes(t):
    for what, name in (("empty", b""), ("not UTF-8", b"self::\xff\xfe"), ("too long", b"self::" + b"x" * 5000)):
        raw = connect(t)
        raw.send(frame(tlv(HANDSHAKE, name)))
        told_and_closed(t, raw, 1, what)


@case("uds.5", "A frame that does not begin with the sync bytes (R-UDS.8, R-UDS.24)", transports=UDS)
def no_sync(t):
    for what, data in (("other bytes", b"GET / HTTP/1.1\r\n\r\n"), ("one bit off", b"_USQ" + frame(tlv(RECORD, b""))[4:]),
                       ("a frame too long by one", frame(tlv(9, b"x")) + b"\0" + frame(tlv(9, b"x")))):
        raw = connect(t, t.ctl.endpoint_id)
        raw.send(data)
        told_and_closed(t, raw, 1, what)


@case("uds.6", "Lengths that cannot be (R-UDS.7 to R-UDS.11, R-UDS.24)", transports=UDS)
def bad_lengths(t):
    short = SYNC + struct.pack(">I", 7) + struct.pack(">BI", RECORD, 3) + b"ab"
    for what, data in (
        ("a TLV longer than its frame", short),
        ("a frame that ends inside the header of a TLV", SYNC + struct.pack(">I", 3) + b"\x03\0\0"),
        ("a frame without a TLV", SYNC + struct.pack(">I", 0)),
        ("a frame of 4 GiB", SYNC + b"\xff\xff\xff\xff"),
        ("a little-endian length", SYNC + struct.pack("<I", 200)),
    ):
        raw = connect(t, t.ctl.endpoint_id)
        raw.send(data)
        told_and_closed(t, raw, 1, what)


@case("uds.7", "Unknown types are skipped, and a frame may hold several TLVs (R-UDS.6, R-UDS.15)", transports=UDS)
def several_items(t):
    raw = connect(t)
    message, record = request(t)
    other, another = request(t)
    raw.send(frame(tlv(200, b"whatever"), tlv(HANDSHAKE, t.ctl.endpoint_id.encode()), tlv(0, b""), tlv(RECORD, record),
                   tlv(4, b"?"), tlv(RECORD, another)))
    t.eq(1, "the agent's handshake", raw.next(HANDSHAKE), t.lane.endpoint_id.encode())
    t.ok(1, answered(raw, message), "the first record of the frame has no answer")
    t.ok(1, answered(raw, other), "the second record of the frame has no answer")


@case("uds.8", "Frames in pieces, and several in one piece (R-UDS.4, R-UDS.14, R-UDS.22)", transports=UDS)
def pieces(t):
    raw = connect(t)
    message, record = request(t)
    for byte in frame(tlv(HANDSHAKE, t.ctl.endpoint_id.encode())) + frame(tlv(RECORD, record)):
        raw.send(bytes((byte,)))
    t.ok(1, answered(raw, message), "no answer to what came byte by byte")
    messages = [request(t) for _ in range(50)]
    raw.send(b"".join(frame(tlv(RECORD, record)) for _, record in messages))
    for message, _ in messages:
        t.ok(1, answered(raw, message), "one of 50 in one piece has no answer")


@case("uds.9", "What is no record gets an error, and the connection ends (R-UDS.23)", transports=UDS)
def no_record(t):
    both = request(t)[1] * 2            # two oneof members
    for what, data in (("not protobuf", b"\xff" * 20), ("empty", b""), ("cut off", request(t)[1][:-3]), ("two types", both)):
        raw = connect(t, t.ctl.endpoint_id)
        raw.send(frame(tlv(RECORD, data)))
        told_and_closed(t, raw, 1, what)


@case("uds.10", "An error TLV closes the connection (R-UDS.25)", transports=UDS)
def error_received(t):
    raw = connect(t, t.ctl.endpoint_id)
    raw.send(frame(tlv(ERROR, b"enough")))
    t.ok(1, raw.wait_closed(), "the connection stays")
    t.eq(1, "errors of the agent", raw.next(ERROR, 0.1), None)


@case("uds.11", "A later version of the record is read as far as it is known", transports=UDS)
def later_version(t):
    raw = connect(t, t.ctl.endpoint_id)
    message = usp.get(UP_TIME)
    record = usp.wrap(message, t.lane.endpoint_id, t.ctl.endpoint_id)
    record.version = "1.9"
    raw.send(frame(tlv(RECORD, record.SerializeToString() + b"\xfa\x07\x03new")))
    t.ok(1, answered(raw, message), "no answer to version 1.9")


@case("uds.12", "Two connections with one Endpoint ID: each has its own answers", transports=UDS)
def twins(t):
    first, second = connect(t, t.ctl.endpoint_id), connect(t, t.ctl.endpoint_id)
    for raw in (first, second, first):
        serves(t, raw, 1, "an answer went to the other connection")
    second.close()
    serves(t, first, 1, "the first connection ended with the second")


@case("uds.13", "A record of another than the handshake named is ignored (R-SEC.0a)", transports=UDS)
def another_sender(t):
    raw = connect(t, "self::somebody-else")
    message, record = request(t)
    raw.send(frame(tlv(RECORD, record)))
    probe = usp.get(UP_TIME)
    raw.send(frame(tlv(RECORD, usp.wrap(probe, t.lane.endpoint_id, "self::somebody-else").SerializeToString())))
    t.ok(1, answered(raw, probe), "the unknown endpoint itself gets no Error")
    t.ok(1, not answered(raw, message, 0.2), "the record of another was answered")


@case("uds.14", "A silent connection is given up (R-UDS.18)", transports=UDS, wait=31)
def silent(t):
    raw = connect(t)
    t.ok(1, raw.wait_closed(45), "a connection without a handshake is still open")


def _stale_file(lane):
    """What an agent that was killed leaves behind: a socket file on which nobody listens."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(lane.path))
    sock.close()
    lane.keep["stale"] = os.stat(lane.path).st_ino


@case("uds.15", "The socket file: a stale one is replaced, for the agent's user and group only", transports=UDS, fresh=True,
      setup=_stale_file)
def socket_file(t):
    mode = os.stat(t.lane.path).st_mode
    t.ok(1, stat.S_ISSOCK(mode), "it is no socket")
    t.eq(1, "its permissions", oct(stat.S_IMODE(mode)), oct(0o660))
    serves(t, connect(t, t.ctl.endpoint_id), 1, "no answer")
    t.lane.agent.kill()
    t.ok(1, os.path.exists(t.lane.path), "the killed agent's file is gone by itself")
    t.lane.agent.start()
    serves(t, connect(t, t.ctl.endpoint_id), 1, "no answer after the agent was killed")
    t.ctl.transport.connect()


def _other_files(lane):
    """Two more sockets: where a plain file is, and where another process listens."""
    plain, taken = lane.dir / "plain", lane.dir / "taken.sock"
    plain.write_text("kept")
    listener = lane.keep["listener"] = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(taken))
    listener.listen()
    lane.on_stop(listener.close)
    for number, path in ((2, plain), (3, taken)):
        lane.agent.put(f"{SOCKETS}{number}.", Mode="Listen", Path=path)
        lane.agent.put(f"Device.LocalAgent.MTP.{number}.", Enable=True, Protocol="UDS",
                       UDS__UnixDomainSocketRef=f"{SOCKETS}{number}")


@case("uds.16", "A file that is no socket, or another's, is left alone", transports=UDS, fresh=True, setup=_other_files)
def others_files(t):
    for number in (2, 3):
        path = f"Device.LocalAgent.MTP.{number}.Status"
        t.eq(1, path, t.ctl.get(path)[path], "Error")
    t.eq(1, "the plain file", (t.lane.dir / "plain").read_text(), "kept")
    again = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    t.undo(again.close)
    again.connect(str(t.lane.dir / "taken.sock"))


class Server:
    """A controller that listens; the agent's Mode is Connect. `sessions` are the connections it made."""

    def __init__(self, path):
        self.path, self.sessions, self.changed = str(path), [], threading.Condition()
        self.listener = None

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                sock = listener.accept()[0]
            except OSError:
                return
            with self.changed:
                self.sessions.append(Raw(sock))
                self.changed.notify_all()

    def session(self, number, timeout=20):
        with self.changed:
            self.changed.wait_for(lambda: len(self.sessions) > number, timeout * PATIENCE)
            return self.sessions[number] if len(self.sessions) > number else None

    def stop(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            os.unlink(self.path)
            self.listener = None
        for raw in self.sessions:
            raw.close()


def _connects(lane):
    server = lane.keep["server"] = Server(lane.dir / "controller.sock")
    lane.on_stop(server.stop)
    lane.agent.put(SOCKETS + "2.", Mode="Connect", Path=server.path)
    lane.agent.put("Device.LocalAgent.MTP.2.", Enable=True, Protocol="UDS", UDS__UnixDomainSocketRef=SOCKETS + "2")


@case("uds.17", "Mode Connect: the agent connects, says its name, and comes back (R-UDS.4, R-UDS.5, R-UDS.16)",
      transports=UDS, fresh=True, setup=_connects)
def connects(t):
    server = t.lane.keep["server"]
    server.listen()                     # only now: the first attempts found nobody
    for number, end in enumerate(("close", "error", "restart", "")):
        raw = server.session(number)
        t.need(1, raw, f"the agent does not connect (session {number + 1})")
        t.eq(1, "what the agent says first", raw.next(HANDSHAKE), t.lane.endpoint_id.encode())
        raw.send(frame(tlv(HANDSHAKE, t.ctl.endpoint_id.encode())))
        serves(t, raw, 1, f"no answer in session {number + 1}")
        if end == "close":
            raw.close()
        elif end == "error":
            raw.send(frame(tlv(ERROR, b"go")))
        elif end == "restart":
            server.listener.close()
            os.unlink(server.path)
            raw.close()
            server.listen()


@case("uds.18", "Mode Connect: no handshake within 30 s, and the agent hangs up (R-UDS.18)", transports=UDS, fresh=True,
      setup=_connects, wait=31)
def unanswered(t):
    server = t.lane.keep["server"]
    server.listen()
    raw = server.session(0)
    t.need(1, raw, "the agent does not connect")
    t.ok(1, raw.wait_closed(45), "it waits for the handshake for ever")
    t.ok(1, server.session(1), "it does not try again")


@case("uds.19", "Device.UnixDomainSockets. is declared as the profiles say (R-UDS.1)", transports=UDS)
def profiles(t):
    for path in (SOCKETS + "{i}.Mode", SOCKETS + "{i}.Path", "Device.LocalAgent.MTP.{i}.UDS.UnixDomainSocketRef",
                 "Device.LocalAgent.Controller.{i}.MTP.{i}.UDS.UnixDomainSocketRef"):
        t.ok(1, path in t.lane.supported(), f"{path} is not supported")


@case("uds.20", "The agent ends: it says so, and the file goes", transports=UDS, fresh=True)
def orderly_end(t):
    raw = connect(t, t.ctl.endpoint_id)
    t.lane.agent.stop()
    data, kinds = raw.next(RECORD), []
    while data is not None:
        record = usp.Record()
        record.ParseFromString(data)
        kinds.append(record.WhichOneof("record_type"))
        if kinds[-1] == "disconnect":
            t.ok(1, record.disconnect.reason, "the Disconnect record has no reason (R-MTP.9)")
        data = raw.next(RECORD)
    t.ok(1, kinds[-1:] == ["disconnect"], f"the last record is not a Disconnect (R-MTP.7): {kinds}")
    t.ok(1, not os.path.exists(t.lane.path), "the socket file stays")
    t.lane.agent.start()
    wait_until(lambda: os.path.exists(t.lane.path), 10, "the socket is back")
    t.ctl.transport.connect()
