# SPDX-License-Identifier: BSD-3-Clause
"""The controller's side of a session context: its own numbers, segments, TLS and signatures; every field of a record
can be given by hand."""

import hmac
import random
import struct
import threading
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hptest import usp
from hptest.process import deadline

PLAINTEXT, TLS12 = 0, 1
NONE, BEGIN, INPROCESS, COMPLETE = range(4)
MAC_BYTES = 32


def fields(record):
    """What MAC and signature cover (R-E2E.32, R-E2E.32.1)."""
    data = record.version.encode() + record.to_id.encode() + record.from_id.encode()
    data += struct.pack(">I", record.payload_security) + record.sender_cert
    if record.WhichOneof("record_type") == "session_context":
        s = record.session_context
        data += struct.pack(">QQQQII", s.session_id, s.sequence_id, s.expected_id, s.retransmit_id,
                            s.payload_sar_state, s.payloadrec_sar_state)
    return data


class Signer:
    """A certificate and its key, for mac_signature."""

    def __init__(self, cert_file, key_file):
        self.certificate = cert_file.read_bytes()
        self._key = serialization.load_pem_private_key(key_file.read_bytes(), None)

    def sign(self, record):
        record.sender_cert = self.certificate
        record.mac_signature = self._key.sign(fields(record), ec.ECDSA(hashes.SHA256()))
        return record


def signed_by(record):
    """The certificate whose key signed this record, or None."""
    certificate = x509.load_pem_x509_certificate(record.sender_cert)
    try:
        certificate.public_key().verify(record.mac_signature, fields(record), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return None
    return certificate


def names_of(certificate):
    """The URIs of its subjectAltName."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)


class Session:
    """Attaches to a harness Controller: what it sends and receives is then in this session.

    make_tls(server) -> Tls: for sessions that the controller begins, and for those of the agent (server True).
    alert: bytes that answer the agent's handshake instead of TLS.
    """

    def __init__(self, ctl, make_tls=None, signer=None):
        self.ctl, self.make_tls, self.signer = ctl, make_tls, signer
        self.tls = None
        self.alert = None
        self.alerted = []           # when it was sent
        self.received = []          # (time, record) of every session record
        self.begun_by_agent = []    # (time, session_id)
        self.wrong = []             # what broke a rule that holds for every record
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._reset(random.randrange(2, 1 << 40))
        self.ids = {self.id}
        ctl.session = self

    def detach(self):
        self.ctl.session = None
        if self.tls:
            self.tls.close()

    def _reset(self, session_id):
        self.id, self.next, self.expected = session_id, 1, 1
        self._payload = b""
        if self.tls:
            self.tls.close()
        self.tls = None

    @property
    def security(self):
        return TLS12 if self.make_tls else PLAINTEXT

    # -- sending

    def begin(self):
        """Another session, by the controller: its id. With TLS the handshake starts; wait_up() waits for it."""
        with self._lock:
            self._reset(random.randrange(2, 1 << 40))
            self.ids.add(self.id)
            if self.make_tls:
                self.tls = self.make_tls(False)
                self.send_payload(self.tls.take())
            return self.id

    def record(self, payload=(), **given):
        """The next record, or with other fields where they are given. Not signed."""
        record = usp.Record(version="1.4", to_id=self.ctl.agent_id, from_id=self.ctl.endpoint_id,
                            payload_security=given.pop("security", self.security))
        context = record.session_context
        context.session_id = given.pop("session_id", self.id)
        context.sequence_id = given.pop("sequence_id", self.next)
        context.expected_id = given.pop("expected_id", self.expected)
        context.payload.extend([payload] if isinstance(payload, bytes) else payload)
        for name, value in given.items():
            setattr(context, name, value)
        return record

    def protect(self, record):
        """MAC or signature, as it is due."""
        if record.payload_security == TLS12 and self.tls and self.tls.up:
            record.mac_signature = hmac.digest(self.tls.mac_keys()[1 if self.tls.server else 0], fields(record), "sha256")
        elif self.signer:
            self.signer.sign(record)
        return record

    def send_payload(self, payload, **given):
        with self._lock:
            record = self.protect(self.record(payload, **given))
            self.next = record.session_context.sequence_id + 1
            self.ctl.send_record(record)
            return record

    def send(self, msg, **given):
        """A message in the session: sealed, if it has TLS. The record."""
        with self._lock:
            data = msg if isinstance(msg, bytes) else msg.SerializeToString()
            return self.send_payload(self.tls.seal(data) if self.tls else data, **given)

    def send_segments(self, msg, size):
        data = msg.SerializeToString()
        parts = [data[at:at + size] for at in range(0, len(data), size)]
        for n, part in enumerate(parts):
            state = BEGIN if n == 0 else COMPLETE if n == len(parts) - 1 else INPROCESS
            self.send_payload(part, payload_sar_state=state, payloadrec_sar_state=state)

    # -- receiving: on the controller's thread

    def take(self, record):
        """The message that this record completes, or None."""
        with self._lock:
            try:
                return self._take(record)
            finally:
                self._changed.notify_all()

    def _take(self, record):
        context, at = record.session_context, time.monotonic()
        self.received.append((at, record))
        if context.session_id != self.id:
            if context.session_id in self.ids:
                return None         # late, of a session before
            self._reset(context.session_id)
            self.ids.add(self.id)
            self.begun_by_agent.append((at, self.id))
            if context.sequence_id != 1:
                self.wrong.append(f"session {self.id} begins with sequence_id {context.sequence_id} (R-E2E.14)")
            if record.payload_security == TLS12 and self.make_tls:
                self.tls = self.make_tls(True)
        self._check(record)
        if context.sequence_id != self.expected:
            return None             # again
        self.expected += 1
        payload = b"".join(context.payload)
        if self.alert and payload and self.begun_by_agent:
            self.alerted.append(time.monotonic())
            self.send_payload(self.alert)
            return None
        if self.tls and payload:
            out = self.tls.take(payload)
            self._payload, self.tls.plain = self._payload + self.tls.plain, b""
            if out:
                self.send_payload(out)
        else:
            self._payload += payload
        if context.payload_sar_state in (BEGIN, INPROCESS) or not self._payload:
            return None
        msg = usp.Msg()
        msg.ParseFromString(self._payload)
        self._payload = b""
        return msg

    def _check(self, record):
        if record.payload_security != TLS12:
            return
        if record.sender_cert:
            if signed_by(record) is None:
                self.wrong.append("a signature does not fit")
        elif not self.mac_fits(record):
            self.wrong.append("a MAC does not fit")

    def mac_fits(self, record):
        if not self.tls or len(record.mac_signature) != MAC_BYTES:
            return False
        key = self.tls.mac_keys()[0 if self.tls.server else 1]
        return hmac.digest(key, fields(record), "sha256") == record.mac_signature

    # -- waiting

    def wait(self, condition, timeout=10):
        """True once condition() is, False at the deadline."""
        end = deadline(timeout)
        with self._lock:
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True

    def wait_up(self, timeout=10):
        return self.wait(lambda: self.tls and (self.tls.up or self.tls.error), timeout) and self.tls.up

    def wait_received(self, accept, timeout=10, since=0):
        """The first record after the first `since` ones that accept(record) likes, or None."""
        found = []

        def look():
            found[:] = [r for _, r in self.received[since:] if accept(r)]
            return bool(found)
        return found[0] if self.wait(look, timeout) else None

    def answer(self, msg, timeout=10):
        """The answer to a message that is sent now, in this session."""
        self.send(msg)
        return self.ctl.wait_answer(msg.header.msg_id, timeout)
