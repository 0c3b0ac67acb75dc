# SPDX-License-Identifier: BSD-3-Clause
"""The other end of the agent's WebSockets, frame by frame: a server and a client that do what a test tells them, right or
wrong, and keep every frame of the agent with its time.

Rules of a Peer are plain values that a test replaces: on_request(session) -> a list of extra headers for the answer, a HTTP
status to refuse with, or None to close without one; pong, answer_close: whether Pings and Close frames are answered.
"""

import contextlib
import os
import base64
import socket
import ssl
import struct
import threading
import time
import urllib.parse

from .process import TestTimeout, wait_until
from .transports import Transport
from .wsserver import BINARY, CLOSE, PING, PONG, TEXT, Connection, WsServer, accept_key, read_head

CONTINUATION = 0
SUBPROTOCOL = ("Sec-WebSocket-Protocol", "v1.usp")


class Frame:
    def __init__(self, fin, opcode, data):
        self.at, self.fin, self.opcode, self.data = time.monotonic(), fin, opcode, data

    def __repr__(self):
        return f"frame {self.opcode:x} fin={self.fin} {self.data[:40]!r}"

    @property
    def code(self):
        """Of a Close frame."""
        return struct.unpack(">H", self.data[:2])[0] if len(self.data) >= 2 else 1005


class Session(Connection):
    """One TCP connection with the agent, from its beginning."""

    def __init__(self, sock, number=1, changed=None):
        super().__init__(sock, {}, None)
        self.number = number
        self.changed = changed or threading.Condition()
        self.accepted_at, self.closed_at = time.monotonic(), None
        self.tls_version = sock.version() if isinstance(sock, ssl.SSLSocket) else None
        self.target = ""            # of the request line
        self.query = ""
        self.opened = False
        self.frames = []
        self.pong = self.answer_close = True

    # What a test does to the agent.

    def message(self, data, pieces=1, opcode=BINARY):
        """A message, in so many frames."""
        size = -(-len(data) // pieces) or 1
        parts = [data[i:i + size] for i in range(0, len(data), size)] or [b""]
        for i, part in enumerate(parts):
            self.send(part, CONTINUATION if i else opcode, i == len(parts) - 1)

    def close(self, code=1000, reason=b""):
        self.send(struct.pack(">H", code) + reason, CLOSE)

    def cut(self):
        """Ends the TCP connection without a word."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.shut()

    # What a test asks about it.

    @property
    def open(self):
        return self.opened and self.closed_at is None

    def of(self, opcode, since=0.0):
        return [f for f in list(self.frames) if f.opcode == opcode and f.at >= since]

    def wait(self, opcode, timeout=10, since=0.0, accept=lambda f: True):
        """The first frame of this kind, or None at the deadline."""
        return wait_for(self.changed, lambda: next((f for f in self.of(opcode, since) if accept(f)), None), timeout)

    def wait_closed(self, timeout=10):
        return wait_for(self.changed, lambda: self.closed_at is not None, timeout)

    # The connection's own thread.

    def run(self, on_message):
        message, first = b"", BINARY
        try:
            while True:
                frame = Frame(*self.read_frame())
                with self.changed:
                    self.frames.append(frame)
                    self.changed.notify_all()
                if frame.opcode in (CONTINUATION, TEXT, BINARY):
                    first = frame.opcode or first
                    message += frame.data
                    if frame.fin:
                        if first == BINARY:
                            on_message(message)
                        message = b""
                elif frame.opcode == PING and self.pong:
                    self.send(frame.data, PONG)
                elif frame.opcode == CLOSE:
                    self.close_code = frame.code
                    if self.answer_close:
                        self.send(frame.data, CLOSE)
                        return
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self.end()

    def end(self):
        self.shut()
        with self.changed:
            self.closed_at = self.closed_at or time.monotonic()
            self.changed.notify_all()


def wait_for(changed, condition, timeout):
    """condition() as soon as it is true, or its last value at the deadline."""
    end = time.monotonic() + timeout
    with changed:
        while True:
            value = condition()
            left = end - time.monotonic()
            if value or left <= 0:
                return value
            changed.wait(left)


class Peer(WsServer):
    """A server on one port of the loopback. `sessions` are all TCP connections so far."""

    def __init__(self, port, path="/usp", endpoint_id="self::ctl", tls=None, on_message=lambda data: None):
        super().__init__(port, path, endpoint_id, tls, on_message)
        self.changed = threading.Condition()
        self.sessions = []
        self.plain = 0              # connections to a TLS server that spoke something else
        self.reset_rules()

    def reset_rules(self):
        self.on_request = lambda session: [SUBPROTOCOL]
        self.pong = self.answer_close = True

    def stop(self):
        super().stop()
        for session in list(self.sessions):
            session.shut()

    def current(self):
        return next((s for s in reversed(list(self.sessions)) if s.open), None)

    def wait_session(self, after=0, timeout=15, opened=True):
        """The first connection with a number greater than `after`, or None. opened False: also one that was refused."""
        return wait_for(self.changed, lambda: next((s for s in list(self.sessions) if s.number > after and s.target and (
            s.opened or not opened)), None), timeout)

    def _serve(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                if sock.recv(1, socket.MSG_PEEK) not in (b"", b"\x16"):
                    self.plain += 1
                sock = self._context.wrap_socket(sock, server_side=True)
        except (OSError, ValueError) as error:
            self.handshake_errors.append(error)
            sock.close()
            return
        with self.changed:
            session = Session(sock, len(self.sessions) + 1, self.changed)
            session.pong, session.answer_close = self.pong, self.answer_close
            self.sessions.append(session)
        try:
            opened = self._answer(session)
        except (OSError, EOFError, ValueError, LookupError) as error:
            self.handshake_errors.append(error)
            opened = False
        if opened:
            session.run(self.on_message)
        else:
            session.end()

    def _answer(self, session):
        request, session.headers = read_head(session.sock)
        url = urllib.parse.urlsplit(request.split()[1])
        session.query = url.query
        session.peer_eid = urllib.parse.parse_qs(url.query).get("eid", [None])[0]
        answer = self.on_request(session) if url.path == self.path else 404
        opened = isinstance(answer, list)
        if opened:
            accept = accept_key(session.headers["sec-websocket-key"].encode())
            more = "".join(f"{name}: {value}\r\n" for name, value in answer)
            session.sock.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  f"Sec-WebSocket-Accept: {accept}\r\n{more}\r\n").encode())
        elif answer:
            session.sock.sendall(f"HTTP/1.1 {answer} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        with self.changed:              # only now may a test send frames
            session.target, session.opened = request.split()[1], opened
            self.changed.notify_all()
        return opened


class Refused(Exception):
    """The agent answered the handshake with another status than 101."""

    def __init__(self, status):
        super().__init__(f"HTTP status {status}")
        self.status = status


def dial(port, path="/usp", endpoint_id=None, headers=(SUBPROTOCOL,), tls=None, on_message=lambda data: None):
    """A connection to the agent's server. endpoint_id goes into the query; tls: (CA file, certificate, key)."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    if tls:
        context = ssl.create_default_context(cafile=str(tls[0]))
        if tls[1]:
            context.load_cert_chain(*map(str, tls[1:]))
        sock = context.wrap_socket(sock, server_hostname="localhost")
    session = Session(sock)
    session.masked = True
    key = base64.b64encode(os.urandom(16))
    query = "?eid=" + endpoint_id.replace("%", "%25") if endpoint_id else ""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers)
    try:
        sock.sendall((f"GET {path}{query} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
                      f"Connection: Upgrade\r\nSec-WebSocket-Key: {key.decode()}\r\n"
                      f"Sec-WebSocket-Version: 13\r\n{more}\r\n").encode())
        status, session.headers = read_head(sock)
        if status.split()[1] != "101":
            raise Refused(int(status.split()[1]))
        assert session.headers["sec-websocket-accept"] == accept_key(key)
    except BaseException:
        sock.close()
        raise
    sock.settimeout(None)
    session.opened = True
    threading.Thread(target=session.run, args=(on_message,), daemon=True).start()
    return session


class PeerServerTransport(Transport):
    """The agent connects to us; all of it may be scripted through `peer`."""

    def __init__(self, port, path="/usp", endpoint_id="self::ctl", tls=None):
        super().__init__()
        self.port = port
        self._how = (port, path, endpoint_id, tls, self.inbox.put)
        self.listen()

    def listen(self):
        """Again after close(), in the network namespace that the caller is in now."""
        self.peer = Peer(*self._how).start()

    @property
    def connected(self):
        return self.peer.current() is not None

    @property
    def attempts(self):
        return len(self.peer.sessions)

    def connect(self, timeout=10):
        wait_until(lambda: self.connected, timeout, f"the agent connects to WebSocket port {self.port}")

    def send(self, data):
        session = self.peer.current()
        if session is None:
            raise OSError("the agent is not connected")
        session.message(data)

    def close(self):
        self.peer.stop()

    def connect_record(self, record):
        record.websocket_connect.SetInParent()


class PeerClientTransport(Transport):
    """We connect to the agent's server."""

    def __init__(self, port, path="/usp", endpoint_id="self::ctl", tls=None):
        super().__init__()
        self.port, self.path, self.endpoint_id, self.tls = port, path, endpoint_id, tls
        self.session = None

    @property
    def connected(self):
        return bool(self.session and self.session.open)

    def dial(self, **more):
        return dial(self.port, self.path, self.endpoint_id, tls=self.tls, on_message=self.inbox.put, **more)

    def connect(self, timeout=10):
        def attempt():
            try:
                return self.dial()
            except (ConnectionError, EOFError):
                return None

        if not self.connected:
            self.session = wait_until(attempt, timeout, f"the agent's WebSocket server accepts on port {self.port}", 0.05)

    def send(self, data):
        if not self.connected:
            raise OSError("not connected to the agent")
        self.session.message(data)

    def close(self):
        session, self.session = self.session, None
        if session:
            with contextlib.suppress(OSError):
                session.close()
            if not session.wait_closed(5):
                session.shut()
                raise TestTimeout("the agent does not answer a Close frame")

    def connect_record(self, record):
        record.websocket_connect.SetInParent()
