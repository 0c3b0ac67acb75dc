# SPDX-License-Identifier: BSD-3-Clause
"""An MQTT broker that does what a test tells it, right or wrong, and records every packet of the agent.

Rules are plain functions a test replaces:
  on_connect(session, connect)      -> Connack, or None for no answer at all
  on_subscribe(session, subscribe)  -> list of SUBACK codes
Controllers of the test are not MQTT clients: they send with publish() and read with listen().
"""

import contextlib
import socket
import ssl
import threading
import time

from . import mqttwire as mq


class Connack:
    def __init__(self, code=0, props=None, user=(), session_present=False):
        self.code, self.props, self.user, self.session_present = code, dict(props or {}), list(user), session_present


class Session:
    """One TCP connection of the agent, from accept to close."""

    def __init__(self, broker, sock, number):
        self.broker, self.sock, self.number = broker, sock, number
        self.accepted_at = time.monotonic()
        self.closed_at = None
        self.error = None
        self.tls_version = sock.version() if isinstance(sock, ssl.SSLSocket) else None
        self.version = 0
        self.connect = None
        self.connack = None
        self.packets = []
        self.filters = {}
        self._ids = 0
        self._write = threading.Lock()

    # What a test does to the agent.

    def send(self, data):
        with self._write, contextlib.suppress(OSError):
            self.sock.sendall(data)

    def publish(self, topic, payload, qos=0, props=None, user=()):
        self._ids = self._ids % 65535 + 1
        self.send(mq.publish(self.version, topic, payload, qos, self._ids, props=props, user=user))

    def disconnect(self, code=0x8b):
        """Ends the session from the server's side; 3.1.1 has no such packet, so there the connection just closes."""
        if self.version == mq.V5:
            self.send(mq.disconnect(mq.V5, code))
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.sock.close()

    # What a test asks about it.

    @property
    def open(self):
        return self.closed_at is None

    def of(self, kind, since=0.0):
        return [p for p in list(self.packets) if p.kind == kind and p.at >= since]

    def wait(self, kind, timeout=10, accept=lambda p: True, since=0.0):
        """The first packet of this kind for which accept() is true, or None at the deadline."""
        def found():
            return next((p for p in self.of(kind, since) if accept(p)), None)
        return self.broker.wait_for(found, timeout)

    def wait_closed(self, timeout=10):
        return self.broker.wait_for(lambda: not self.open, timeout)

    def subscribed(self, topic):
        return any(mq.matches(f, topic) for f in list(self.filters))

    # The connection's own thread.

    def run(self):
        try:
            while True:
                first = self._exact(1)[0]
                packet = mq.decode(first, self._exact(self._length()), self.version)
                packet.at = time.monotonic()
                self._handle(packet)
        except mq.Malformed as e:
            self.error = str(e)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self.close()
            with self.broker.changed:
                self.closed_at = time.monotonic()
                self.broker.changed.notify_all()

    def _exact(self, n):
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _length(self):
        value = 0
        for shift in (0, 7, 14, 21):
            b = self._exact(1)[0]
            value |= (b & 0x7f) << shift
            if not b & 0x80:
                return value
        raise mq.Malformed("remaining length of more than four bytes")

    def _handle(self, p):
        handler = {mq.CONNECT: self._on_connect, mq.PUBLISH: self._on_publish, mq.SUBSCRIBE: self._on_subscribe,
                   mq.UNSUBSCRIBE: self._on_unsubscribe, mq.PINGREQ: lambda p: self.send(mq.pingresp()),
                   mq.PUBREC: lambda p: self.send(mq.ack(mq.PUBREL, self.version, p.packet_id)),
                   mq.PUBREL: lambda p: self.send(mq.ack(mq.PUBCOMP, self.version, p.packet_id))}.get(p.kind)
        if (self.connect is None) != (p.kind == mq.CONNECT):
            raise mq.Malformed(f"{p.name} at the wrong time")
        if p.kind == mq.CONNECT:
            self.version, self.connect = p.version, p
        with self.broker.changed:
            self.packets.append(p)
            self.broker.changed.notify_all()
        if handler:
            handler(p)
        if p.kind == mq.DISCONNECT:
            raise EOFError

    def _on_connect(self, p):
        answer = self.broker.on_connect(self, p)
        if answer is None:
            return
        props = dict(answer.props)
        if self.version == mq.V5 and not p.client_id and not answer.code:
            props.setdefault("assigned_client_identifier", f"assigned-{self.number}")
        answer.props = props
        self.connack = answer
        self.send(mq.connack(self.version, answer.code, answer.session_present, props, answer.user))
        if answer.code:
            raise EOFError

    def _on_publish(self, p):
        if p.qos:
            self.send(mq.ack(mq.PUBACK if p.qos == 1 else mq.PUBREC, self.version, p.packet_id))
        self.broker.deliver(self, p)

    def _on_subscribe(self, p):
        codes = list(self.broker.on_subscribe(self, p))
        # The answer goes first: who waits for the filter may then rely on the agent having been told.
        self.send(mq.suback(self.version, p.packet_id, codes))
        with self.broker.changed:
            self.filters.update({topic: code for (topic, _), code in zip(p.filters, codes) if code < 0x80})
            self.broker.changed.notify_all()

    def _on_unsubscribe(self, p):
        codes = [0 if topic in self.filters else 0x11 for topic, _ in p.filters]
        self.send(mq.suback(self.version, p.packet_id, codes, mq.UNSUBACK))
        with self.broker.changed:
            for topic, _ in p.filters:
                self.filters.pop(topic, None)
            self.broker.changed.notify_all()


class Broker:
    """Listens on one port, of loopback if nothing else is said, that stays the same while the broker is down for a while."""

    def __init__(self, tls=None, address="127.0.0.1"):
        """tls: (certificate file, key file) for TLS 1.2 and newer, or None."""
        self.changed = threading.Condition()
        self.sessions = []
        self.plain = 0              # connections to a TLS broker that spoke something else
        self.listeners = []
        self.reset_rules()
        self._listener = None
        self._thread = None
        self.address, self.port = address, 0
        self.set_tls(tls)
        self.start()

    def set_tls(self, tls):
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.minimum_version = ssl.TLSVersion.TLSv1_2
            self.context.load_cert_chain(*map(str, tls))

    def reset_rules(self):
        self.on_connect = lambda session, connect: Connack()
        self.on_subscribe = lambda session, subscribe: [qos for _, qos in subscribe.filters]

    def start(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.address, self.port))
        sock.listen(16)
        self.port = sock.getsockname()[1]
        self._listener = sock
        self._thread = threading.Thread(target=self._accept, args=(sock,), daemon=True)
        self._thread.start()

    def stop(self):
        """Out of order: the port refuses connections and every session ends."""
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._thread.join(5)
            self._listener = None
        for session in list(self.sessions):
            session.close()
        self.wait_for(lambda: not any(s.open for s in self.sessions), 5)

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        if self.context:
            try:
                # What does not begin with a TLS handshake record was sent in the clear.
                if sock.recv(1, socket.MSG_PEEK) not in (b"", b"\x16"):
                    self.plain += 1
                sock = self.context.wrap_socket(sock, server_side=True)
            except (OSError, ssl.SSLError):
                sock.close()
                return
        with self.changed:
            session = Session(self, sock, len(self.sessions) + 1)
            self.sessions.append(session)
            self.changed.notify_all()
        session.run()

    def wait_for(self, condition, timeout):
        """condition() as soon as it is true, or its last value at the deadline. Woken by every packet."""
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                value = condition()
                left = end - time.monotonic()
                if value or left <= 0:
                    return value
                self.changed.wait(left)

    def current(self):
        """The newest session that is open and was accepted."""
        return next((s for s in reversed(list(self.sessions)) if s.open and s.connack and not s.connack.code), None)

    def wait_session(self, after=0, timeout=15, accepted=True):
        """The first session with a CONNECT whose number is greater than `after`, or None."""
        def found():
            return next((s for s in list(self.sessions)
                         if s.number > after and s.connect and (s.connack or not accepted)), None)
        return self.wait_for(found, timeout)

    def deliver(self, session, packet):
        for listener in list(self.listeners):
            listener(session, packet)
        for other in list(self.sessions):
            if other.open and other is not session and other.connack and other.subscribed(packet.topic):
                other.publish(packet.topic, packet.payload, 0, packet.props, packet.user)

    def publish(self, topic, payload, qos=1, props=None, user=()):
        """To every open session with a matching subscription, once each, at the lower of both QoS. Number reached."""
        reached = 0
        for session in list(self.sessions):
            granted = [q for f, q in list(session.filters.items()) if mq.matches(f, topic)]
            if session.open and granted:
                session.publish(topic, payload, min(qos, max(granted)), props, user)
                reached += 1
        return reached
