# SPDX-License-Identifier: BSD-3-Clause
"""Bad input on every transport, from a controller that may do everything: what it sends is cut, forged, repeated, or far
too much. Metric 1: the agent answers as TR-369 says. Metric 2: an honest controller is served all the time. Metric 3: the
agent's memory is what it was after the first rounds."""

import itertools
import os
import random
import socket
import ssl
import struct
import threading
import time

import websocket
from harness.controller import Controller
from harness.lanes import CONTROLLER_ID, BrokerTransport
from harness.messages import SUBSCRIPTIONS, add, delete, set_, subscription
from harness.registry import case
from hptest import transports, usp
from hptest.pki import Pki
from hptest.process import PATIENCE, TestTimeout, rss_kib, wait_until
from hptest.usp import record_pb

HOSTILE_ID, HOSTILE_TOPIC = "self::hostile", "usp/hostile"
UP_TIME = "Device.LocalAgent.UpTime"
CONNECTIONS = ("websocket", "uds")          # where a peer of its own can be opened; over MQTT all share the broker's
RECORD_LIMIT = 8 << 20
GROWTH_KIB = 2048                           # what the allocator may do between two equal rounds
UNPROCESSABLE = {"websocket": 1003}         # R-WS.16; UDS: an error TLV (R-UDS.23); MQTT has no way to say so


def hostile(lane):
    """The controller of this suite: it has all permissions, so nothing is refused before it is read."""
    lane.agent.controller(HOSTILE_ID)


class Attacker:
    """The hostile controller's connection, opened again when the agent has closed it."""

    def __init__(self, t):
        self.t, self.number = t, 0
        self.seed = int(os.environ.get("HOMEPATCH_SEED", "1"))
        self.random = random.Random(f"{self.seed} {t.case.number} {t.transport}")
        self.ctl = Controller(self._transport(), HOSTILE_ID, t.lane.endpoint_id)
        t.undo(self.ctl.stop)
        self.ctl.connect()
        t.note(f"seed {self.seed}")

    def _transport(self):
        lane = self.t.lane
        if lane.name == "mqtt":
            return BrokerTransport(lane.broker, HOSTILE_TOPIC)
        if lane.name == "uds":
            return transports.UdsTransport(lane.path, HOSTILE_ID)
        port = int(lane.agent.factory["Device.LocalAgent.MTP.1.WebSocket.Port"])
        return transports.WsClientTransport(port, endpoint_id=HOSTILE_ID)

    @property
    def transport(self):
        return self.ctl.transport

    def send(self, data):
        """Bytes as a record; on a new connection if there is none."""
        for _ in range(20):
            if not self.transport.connected:
                self.transport.close()
                self.transport.connect()
            try:
                self.transport.send(data)
                return
            except (OSError, AttributeError, websocket.WebSocketException):
                self.transport.connected = False
        raise TestTimeout("the agent takes nothing more")

    def refused(self, data, what):
        """R-WS.16, R-UDS.23: bytes that are no record end the connection, with a reason. MQTT: they are ignored."""
        if self.t.transport == "mqtt":
            self.send(data)
            return
        self.transport.close()
        self.transport.connect()
        self.transport.send(data)
        wait_until(lambda: not self.transport.connected, 10, f"the connection ends after {what}")
        if self.t.transport == "uds":
            self.t.ok(1, self.transport.error, f"{what}: no error TLV")
            self.transport.error = None
        else:
            self.t.eq(1, f"close code after {what}", self.transport.close_code, UNPROCESSABLE["websocket"])

    def record(self, message, to_id=None, from_id=HOSTILE_ID):
        return usp.wrap(message, self.t.lane.endpoint_id if to_id is None else to_id, from_id).SerializeToString()

    def lives(self):
        """The connection as it is, or a new one, answers."""
        end = time.monotonic() + 30 * PATIENCE
        while True:
            message = usp.get(UP_TIME)
            self.send(self.record(message))
            try:
                return self.ctl.wait_answer(message.header.msg_id, 2)
            except TestTimeout:             # the agent was closing the connection for what came before
                if time.monotonic() > end:
                    raise


class Honest:
    """Another controller's work meanwhile."""

    def __init__(self, t):
        self.t, self.done, self.count, self.failure = t, False, 0, ""
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self):
        while not self.done:
            try:
                self.t.ctl.must(usp.get(UP_TIME), 20)
                self.count += 1
            except Exception as e:                                             # pylint: disable=broad-except
                self.failure = f"{type(e).__name__} {e}"
                return
            time.sleep(0.01)

    def stop(self):
        self.done = True
        self.thread.join(30 * PATIENCE)
        self.t.ok(2, not self.failure and self.count, f"the honest controller after {self.count} requests: {self.failure}")


def siege(t, attack, rounds=6, growth=GROWTH_KIB, kind=Attacker):
    """attack(attacker) as often as it takes to see that memory does not follow."""
    attacker, honest = kind(t), Honest(t)
    rounds *= 10 if t.real_time else 1
    try:
        before = 0
        for number in range(2 * rounds):
            attack(attacker)
            if number == rounds - 1:
                attacker.lives()
                before = rss_kib(t.lane.agent.pid)
        attacker.lives()
        after = rss_kib(t.lane.agent.pid)
        t.ok(3, after - before <= growth, f"memory went from {before} to {after} KiB in {rounds} rounds")
    except Exception as e:
        t.failures.append(f"seed {attacker.seed}")
        raise e
    finally:
        honest.stop()


def samples(attacker):
    """Good records of each kind, which do no harm."""
    name = f"hostile-{attacker.number}"
    attacker.number += 1
    messages = (
        usp.get("Device.DeviceInfo.", "Device.LocalAgent.Controller.*.EndpointID", max_depth=2),
        usp.get("Device.LocalAgent.Subscription.[Enable==true&&ID!=\"x\"].ID"),
        usp.get_instances("Device.LocalAgent."),
        usp.get_supported_dm("Device.LocalAgent.Subscription.", params=True, commands=True, events=True, keys=True),
        add(subscription(name, UP_TIME)),
        set_((f"{SUBSCRIPTIONS}[ID==\"{name}\"].", "NotifRetry=true")),
        usp.operate("Device.LocalAgent.Controller.1.SendNothing()", {"A": "1"}),
        delete(f"{SUBSCRIPTIONS}[ID==\"{name}\"]."),
        usp.notify_resp(_notify()),
    )
    return [attacker.record(message) for message in messages]


def _notify():
    message = usp.Msg()
    message.header.msg_id = "never-sent"
    message.body.request.notify.subscription_id = "none"
    return message


def tidy(attacker):
    """Deletes what a round may have left."""
    attacker.send(attacker.record(usp.delete(f"{SUBSCRIPTIONS}[Recipient!=\"\"].", allow_partial=True)))


@case("hostile.1", "Records that are cut off (R-WS.16, R-UDS.23)", metrics=3, fresh=True, setup=hostile)
def truncated(t):
    def attack(attacker):
        for record in samples(attacker)[:3]:
            for at in attacker.random.sample(range(1, len(record)), 2):
                if is_record(record[:at]):
                    continue
                attacker.refused(record[:at], f"{at} of {len(record)} bytes")
        t.checked.add(1)

    siege(t, attack, 3)


def is_record(data):
    """Whether these bytes happen to be a whole record all the same."""
    record = usp.Record()
    try:
        record.ParseFromString(data)
    except Exception:                                                          # pylint: disable=broad-except
        return False
    return record.WhichOneof("record_type") is not None


@case("hostile.2", "Bits that flipped", metrics=3, fresh=True, setup=hostile)
def flipped(t):
    def attack(attacker):
        for record in samples(attacker):
            for _ in range(6):
                data = bytearray(record)
                for _ in range(attacker.random.randint(1, 6)):
                    data[attacker.random.randrange(len(data))] ^= 1 << attacker.random.randrange(8)
                attacker.send(bytes(data))
        tidy(attacker)
        attacker.lives()
        # A bit that flips in from_id makes another sender, to whom the answer is addressed.
        t.eq(1, "what the answers broke", [v for v in attacker.ctl.violations if "to_id" not in v], [])

    siege(t, attack, 8)


@case("hostile.3", "Records repeated, replayed and out of order (R-MSG.4, R-MSG.9)", metrics=3, fresh=True, setup=hostile)
def repeated(t):
    def attack(attacker):
        messages = [usp.get(UP_TIME) for _ in range(40)] + [add(subscription(f"twice-{attacker.number}", UP_TIME))] * 3
        attacker.number += 1
        attacker.random.shuffle(messages)
        attacker.ctl.answers.clear()
        for message in messages:
            attacker.send(attacker.record(message))
        wait_until(lambda: sum(map(len, attacker.ctl.answers.values())) >= len(messages), 10, "each has its answer")
        t.eq(1, "messages answered", set(attacker.ctl.answers), {m.header.msg_id for m in messages})
        twice = next(m for m in messages if m.body.request.WhichOneof("req_type") == "add")
        added = attacker.ctl.answers[twice.header.msg_id]
        kinds = sorted(answer.body.WhichOneof("msg_body") for answer in added)
        t.eq(1, "answers to the same Add", kinds, ["error", "error", "response"])
        for record in (attacker.record(usp.notify_resp(_notify())),) * 10:
            attacker.send(record)
        tidy(attacker)
        attacker.lives()

    siege(t, attack, 4)


@case("hostile.4", "Records larger than any may be", metrics=3, fresh=True, setup=hostile)
def oversized(t):
    def attack(attacker):
        huge = attacker.record(usp.get("Device." + "x" * RECORD_LIMIT))
        if t.transport == "mqtt":
            number = t.lane.connection()
            attacker.send(huge)
            wait_until(lambda: t.lane.connection() > number or attacker.transport.connected, 10, "the agent is there")
            t.lane.ctl.transport.connect()
        else:
            attacker.transport.close()
            attacker.transport.connect()
            try:
                attacker.transport.send(huge)
            except (OSError, websocket.WebSocketException):
                pass
            wait_until(lambda: not attacker.transport.connected, 20, "the connection ends")
        t.checked.add(1)
        # Lengths that say so, without the bytes.
        for length in (0x7FFFFFFF, 0xFFFFFFFF):
            attacker.refused(b"\x0a\x03" + b"1.4" + b"\x3a" + varint(length) + b"\x12\x00", f"a field of {length} bytes")

    siege(t, attack, 2, growth=4 * RECORD_LIMIT >> 10)


def varint(value):
    data = b""
    while value > 127:
        data, value = data + bytes((value & 127 | 128,)), value >> 7
    return data + bytes((value,))


@case("hostile.5", "Addressed to another, from another, from nobody (R-E2E.1, R-ARC.2, R-SEC.0a, R-MTP.5)", metrics=3,
      fresh=True, setup=hostile)
def misaddressed(t):
    def attack(attacker):
        known, agent = set(attacker.ctl.answers), t.lane.endpoint_id
        pairs = [("self::another", HOSTILE_ID), ("", HOSTILE_ID), (agent.upper(), HOSTILE_ID), (agent + ".", HOSTILE_ID),
                 (agent, agent), (agent, "")]
        if t.transport != "mqtt":           # there the broker's access control is what keeps names apart
            pairs += [(agent, CONTROLLER_ID), (agent, "self::nobody")]
        for to_id, from_id in pairs:
            attacker.send(attacker.record(usp.get(UP_TIME), to_id, from_id))
        message = usp.get(UP_TIME)
        attacker.send(attacker.record(message))
        attacker.ctl.wait_answer(message.header.msg_id)
        t.eq(1, "answers to the others", set(attacker.ctl.answers) - known - {message.header.msg_id}, set())

    siege(t, attack)


def _tls_server(lane):
    hostile(lane)
    pki = lane.keep["pki"] = Pki(lane.dir / "pki")
    lane.agent.tls(pki.ca_file, *pki.issue("agent"))
    lane.agent.put("Device.LocalAgent.MTP.1.", WebSocket__EnableEncryption=True)


@case("hostile.6", "A name that the certificate does not have (R-SEC.0a)", metrics=3, transports=("websocket",), fresh=True,
      setup=_tls_server)
def forged(t):
    pki = t.lane.keep["pki"]
    files = (pki.ca_file, *pki.issue("hostile", uris=[f"urn:bbf:usp:id:{HOSTILE_ID}"]))
    port = int(t.lane.agent.factory["Device.LocalAgent.MTP.1.WebSocket.Port"])

    def attack(attacker):
        transport = transports.WsClientTransport(port, endpoint_id=CONTROLLER_ID, tls=files)
        try:
            transport.connect()
            wait_until(lambda: not transport.connected, 10, "the session in another's name ends")
            t.eq(1, "close code", transport.close_code, 1008)
        except (ssl.SSLError, websocket.WebSocketException):
            pass
        finally:
            transport.close()
        attacker.send(attacker.record(usp.get(UP_TIME), from_id=CONTROLLER_ID))
        attacker.lives()

    class Certified(Attacker):
        def _transport(self):
            return transports.WsClientTransport(port, endpoint_id=HOSTILE_ID, tls=files)

    siege(t, attack, 4, kind=Certified)


# -- session records: what is sent after a good first one, and what has to come of it

def _session(attacker, **fields):
    record = usp.Record(version="1.4", to_id=attacker.t.lane.endpoint_id, from_id=HOSTILE_ID)
    values = {"session_id": 7, "sequence_id": 1, "expected_id": 1, **fields}
    for name, value in values.items():
        if name == "payload":
            record.session_context.payload.append(value)
        else:
            setattr(record.session_context, name, value)
    return record.SerializeToString()


_S = record_pb.SessionContextRecord
GOOD = object()             # a Get, which is answered in the session
ENDS, GOES_ON = "ends", "goes on"
SESSIONS = (
    ("a gap that is filled", ({"sequence_id": 3, "payload": GOOD}, {"sequence_id": 2, "payload": GOOD}), GOES_ON, 4),
    ("records that come again", ({"sequence_id": 1, "payload": GOOD},) * 5, GOES_ON, 2),
    ("a gap wider than what is kept (R-E2E.21)", ({"sequence_id": 400, "payload": GOOD},), ENDS, 0),
    ("the largest numbers", ({"sequence_id": (1 << 64) - 1, "expected_id": (1 << 64) - 1},), ENDS, 0),
    ("a segment that never ends", ({"sequence_id": 2, "payload_sar_state": _S.BEGIN, "payload": b"x" * 40},
                                   {"sequence_id": 3, "payload_sar_state": _S.INPROCESS, "payload": b"x"}), None, 0),
    ("the middle of a segment without its start", ({"sequence_id": 2, "payload_sar_state": _S.INPROCESS,
                                                     "payload": b"x" * 40},), ENDS, 0),
    ("a retransmission of what was never sent", ({"sequence_id": 2, "retransmit_id": 12345},), ENDS, 0),
    ("an empty record", ({"sequence_id": 2},), GOES_ON, 3),
    ("an empty entry", ({"sequence_id": 2, "payload": b""},), GOES_ON, 3),
    ("a payload that is no message", ({"sequence_id": 2, "payload": b"\xff" * 40},), GOES_ON, 3),
    ("session 0", ({"session_id": 0, "sequence_id": 2, "payload": GOOD},), None, 0),
    ("TLS in the midst of plain text (R-E2E.19)", ({"sequence_id": 2, "payload": b"\x16\x03\x03"},), None, 0),
)


class InSession:
    """One row of the table: a session of its own, in which the first request was answered."""

    def __init__(self, attacker, number):
        self.attacker, self.id = attacker, 1000 + number
        self.asked = set()
        attacker.ctl.records.clear()
        self.send({"sequence_id": 1, "payload": GOOD})
        self.wait_answers("the first request of a session")

    def send(self, fields):
        fields = {"session_id": self.id, **fields}
        if fields.get("payload") is GOOD:
            message = usp.get(UP_TIME)
            if fields["sequence_id"] > 1 or not self.asked:
                self.asked.add(message.header.msg_id)
            fields["payload"] = message.SerializeToString()
        self.attacker.send(_session(self.attacker, **fields))

    def records(self):
        return [r.session_context for r in list(self.attacker.ctl.records) if r.WhichOneof("record_type") == "session_context"]

    def answered(self):
        payloads = [b"".join(s.payload) for s in self.records() if s.session_id == self.id]
        return [usp.Msg.FromString(p).header.msg_id for p in payloads if p]

    def wait_answers(self, what):
        wait_until(lambda: set(self.answered()) >= self.asked, 10, f"answers to {what}")

    def ended(self):
        """The agent has begun another session, or says that this one is over (R-E2E.6b, 7105)."""
        return any(s.session_id != self.id for s in self.records()) or any(
            r.disconnect.reason_code == 7105 for r in list(self.attacker.ctl.records)
            if r.WhichOneof("record_type") == "disconnect")


@case("hostile.7", "Session records with gaps, repetitions and impossible numbers (R-E2E.18 to R-E2E.25)", metrics=3,
      fresh=True, setup=hostile)
def sessions(t):
    numbers = itertools.count()

    def attack(attacker):
        for what, records, outcome, sequence_id in SESSIONS:
            session = InSession(attacker, next(numbers))
            for fields in records:
                session.send(fields)
            if outcome == ENDS:
                wait_until(session.ended, 10, f"the session ends after {what}")
            elif outcome == GOES_ON:
                session.send({"sequence_id": sequence_id, "payload": GOOD})
                session.wait_answers(what)
                t.eq(1, f"answers to {what}", sorted(session.answered()), sorted(session.asked))
                t.ok(1, not session.ended(), f"{what} ended the session")
            attacker.lives()

    siege(t, attack, 2)


@case("hostile.8", "More than the peer reads (ceilings of base/limits.h)", metrics=3, transports=CONNECTIONS, fresh=True,
      setup=hostile)
def flood(t):
    def attack(attacker):
        greedy = attacker.record(usp.get_supported_dm("Device.", params=True, commands=True, events=True, keys=True))
        attacker.transport.close()          # R-WS.4: two sessions of one endpoint would end each other
        sock, wrap = deaf(t)
        sock.settimeout(0.5)
        sent = 0
        try:
            while sent < 400:
                sock.sendall(wrap(greedy))
                sent += 1
        except (socket.timeout, OSError):
            pass                            # it reads no more until we do: back-pressure
        t.ok(1, rss_kib(t.lane.agent.pid) < (160 << 10), "the agent keeps more than its ceilings allow")
        sock.close()
        attacker.lives()

    siege(t, attack, 2, growth=16 << 10)


def mask(data):
    """A masked binary WebSocket frame (RFC 6455, 5.2), the mask being zero."""
    if len(data) < 126:
        head = struct.pack(">BB", 0x82, 0x80 | len(data))
    elif len(data) < 65536:
        head = struct.pack(">BBH", 0x82, 0x80 | 126, len(data))
    else:
        head = struct.pack(">BBQ", 0x82, 0x80 | 127, len(data))
    return head + b"\0\0\0\0" + data


def uds_frame(kind, data):
    item = struct.pack(">BI", kind, len(data)) + data
    return b"_USP" + struct.pack(">I", len(item)) + item


def dial(t):
    """A bare socket to the agent's server."""
    if t.transport == "uds":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(str(t.lane.path))
        return sock
    return socket.create_connection(("127.0.0.1", int(t.lane.agent.factory["Device.LocalAgent.MTP.1.WebSocket.Port"])))


def opening(t):
    """What a peer says first."""
    if t.transport == "uds":
        return uds_frame(1, HOSTILE_ID.encode())
    return (f"GET /usp?eid={HOSTILE_ID} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: v1.usp\r\n\r\n").encode()


def deaf(t):
    """A connection after the handshake that nobody reads from, and what makes a record a frame of it."""
    sock = dial(t)
    sock.sendall(opening(t))
    sock.settimeout(10 * PATIENCE)
    sock.recv(64)
    return sock, mask if t.transport == "websocket" else lambda data: uds_frame(3, data)


@case("hostile.9", "Peers that never finish what they say", metrics=3, transports=CONNECTIONS, fresh=True, setup=hostile)
def slow(t):
    def attack(attacker):
        socks = []
        for number in range(24):
            sock = dial(t)
            socks.append(sock)
            said = opening(t)
            if number % 3 == 0:
                said = said[: attacker.random.randrange(1, len(said))]
            elif number % 3 == 1:
                said += (b"\x82\xff" + struct.pack(">Q", RECORD_LIMIT - 1) if t.transport == "websocket"
                         else b"_USP" + struct.pack(">I", RECORD_LIMIT))
            for byte in said:
                sock.sendall(bytes((byte,)))
        attacker.lives()
        t.checked.add(1)
        for sock in socks:
            sock.close()

    siege(t, attack)


def descriptors(t):
    return len(os.listdir(f"/proc/{t.lane.agent.pid}/fd"))


@case("hostile.10", "Connections that say nothing, or go without a word", metrics=3, transports=CONNECTIONS, fresh=True,
      setup=hostile)
def half_open(t):
    def attack(attacker):
        attacker.lives()
        before = descriptors(t)
        socks = [dial(t) for _ in range(100)]
        attacker.lives()
        for sock in socks[::2]:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))   # a reset
        for sock in socks:
            sock.close()
        wait_until(lambda: descriptors(t) <= before, 20, "the agent lets go of them")
        t.checked.add(1)

    siege(t, attack, 4)


@case("hostile.11", "Messages with too much in them", metrics=3, fresh=True, setup=hostile)
def excessive(t):
    def attack(attacker):
        for what, message in (
            ("5,000 paths", usp.get(*[UP_TIME] * 5000)),
            ("a path of 100,000 characters", usp.get("Device." + "A." * 50000)),
            ("1,000 terms", usp.get(SUBSCRIPTIONS + "[" + "&&".join(["Enable==true"] * 1000) + "].")),
            ("5,000 objects", add(*[(SUBSCRIPTIONS,)] * 5000)),
            ("an argument of 1 MB", usp.operate("Device.LocalAgent.AddCertificate()", {"Certificate": "x" * (1 << 20)})),
        ):
            attacker.send(attacker.record(message))
            answer = attacker.ctl.wait_answer(message.header.msg_id, 30)
            kind = answer.body.WhichOneof("msg_body")
            if kind == "response":          # refused inside the response (R-OPR.1, R-GET.0)
                refused = answer.body.response
                kind = "error" if "err_code" in str(refused) else kind
            t.eq(1, f"answer to {what}", kind, "error")

    siege(t, attack, 3)
