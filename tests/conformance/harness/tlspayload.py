# SPDX-License-Identifier: BSD-3-Clause
"""TLS inside payloads: one end of it over ssl.MemoryBIO, and what the specification derives from it. Keys come from the
key log and are computed here, so that nothing of the agent's way to them is used."""

import hashlib
import hmac
import os
import ssl
import struct
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LABEL = b"EXPORTER-BBF-USP-Record"
ALERT, HANDSHAKE, APPLICATION = 21, 22, 23
SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST = 2, 11, 13
HANDSHAKE_FAILURE = bytes([ALERT, 3, 3, 0, 2, 2, 40])     # a fatal alert, while nothing is encrypted yet
NO_RENEGOTIATION = 100


def prf(secret, label, seed, length):
    """RFC 5246, with SHA-256."""
    out, a = b"", label + seed
    while len(out) < length:
        a = hmac.digest(secret, a, "sha256")
        out += hmac.digest(secret, a + label + seed, "sha256")
    return out[:length]


def expand_label(secret, label, context, length):
    """HKDF-Expand-Label of RFC 8446."""
    label = b"tls13 " + label
    info = struct.pack(">HB", length, len(label)) + label + bytes([len(context)]) + context
    out, block, n = b"", b"", 0
    while len(out) < length:
        n += 1
        block = hmac.digest(secret, block + info + bytes([n]), "sha256")
        out += block
    return out[:length]


def tls_records(data):
    """(type, body) of each whole TLS record."""
    while len(data) >= 5:
        length = struct.unpack(">H", data[3:5])[0]
        yield data[0], data[5:5 + length]
        data = data[5 + length:]


def handshakes(data):
    """(type, body) of the handshake messages that are not encrypted."""
    stream = b"".join(body for kind, body in tls_records(data) if kind == HANDSHAKE)
    while len(stream) >= 4:
        length = int.from_bytes(stream[1:4], "big")
        if len(stream) < 4 + length:
            return
        yield stream[0], stream[4:4 + length]
        stream = stream[4 + length:]


class Tls:
    """`ca` are the files of whom is trusted, `cert` and `key` those that are shown. maximum: an ssl.TLSVersion."""

    def __init__(self, server, ca, cert, key, maximum=None):
        self.server = server
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(ca))
        context.load_cert_chain(str(cert), str(key))
        if maximum:
            context.maximum_version = maximum
        handle, self._log = tempfile.mkstemp(prefix="keylog-")
        os.close(handle)
        context.keylog_filename = self._log
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_side=server)
        self.received, self.sent = b"", b""
        self.up = False
        self.error = None           # the ssl.SSLError that ended it
        self.plain = b""

    def close(self):
        if os.path.exists(self._log):
            os.unlink(self._log)

    def take(self, data=b""):
        """What the peer sent. What is to be sent in turn; .plain grows."""
        self.received += data
        self._in.write(data)
        try:
            if not self.up:
                self._object.do_handshake()
                self.up = True
            while True:
                self.plain += self._object.read(65536)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as e:
            self.error = self.error or e
        return self._pull()

    def seal(self, plain):
        self._object.write(plain)
        return self._pull()

    def _pull(self):
        out = self._out.read()
        self.sent += out
        return out

    def version(self):
        return self._object.version()

    def peer_certificate(self):
        return self._object.getpeercert(True)

    # -- what is derived

    def secrets(self):
        with open(self._log, encoding="ascii") as log:
            return {line.split()[0]: tuple(bytes.fromhex(part) for part in line.split()[1:])
                    for line in log if not line.startswith("#") and line.strip()}

    def _randoms(self):
        hello = next(body for kind, body in handshakes(self.received if not self.server else self.sent)
                     if kind == SERVER_HELLO)
        return self.secrets()["CLIENT_RANDOM"][0], hello[2:34]

    def mac_keys(self):
        """(client's, server's): RFC 5705 with an empty context, or RFC 8446."""
        secrets = self.secrets()
        if "EXPORTER_SECRET" in secrets:
            empty = hashlib.sha256(b"").digest()
            key = expand_label(secrets["EXPORTER_SECRET"][1], LABEL, empty, 32)
            material = expand_label(key, b"exporter", empty, 64)
        else:
            client, server = self._randoms()
            material = prf(secrets["CLIENT_RANDOM"][1], LABEL, client + server + b"\0\0", 64)
        return material[:32], material[32:]

    def by_hand(self):
        """The client's side of a TLS 1.2 session from here on without the library: only before application data went."""
        assert not self.server and self.version() == "TLSv1.2"
        client, server = self._randoms()
        block = prf(self.secrets()["CLIENT_RANDOM"][1], b"key expansion", server + client, 40)
        return ByHand(block)


class ByHand:
    """TLS 1.2 with AES-128-GCM, after the handshake: each side has sent one record (Finished) under its keys."""

    def __init__(self, block):
        self._write, self._read = AESGCM(block[:16]), AESGCM(block[16:32])
        self._write_iv, self._read_iv = block[32:36], block[36:40]
        self._sent, self._taken = 1, 1

    def seal(self, kind, plain):
        nonce = struct.pack(">Q", self._sent)
        head = struct.pack(">QBHH", self._sent, kind, 0x0303, len(plain))
        body = nonce + self._write.encrypt(self._write_iv + nonce, plain, head)
        self._sent += 1
        return struct.pack(">BHH", kind, 0x0303, len(body)) + body

    def open(self, data):
        """[(type, plaintext)]"""
        found = []
        for kind, body in tls_records(data):
            head = struct.pack(">QBHH", self._taken, kind, 0x0303, len(body) - 24)
            found.append((kind, self._read.decrypt(self._read_iv + body[:8], body[8:], head)))
            self._taken += 1
        return found


def client_hello():
    """A ClientHello as a request to renegotiate: one cipher, one curve, nothing else."""
    extensions = struct.pack(">HHHH", 10, 4, 2, 23) + struct.pack(">HHHH", 13, 4, 2, 0x0403)
    body = struct.pack(">H", 0x0303) + os.urandom(32) + b"\0" + struct.pack(">HH", 2, 0xC02B) + b"\1\0"
    body += struct.pack(">H", len(extensions)) + extensions
    return b"\1" + len(body).to_bytes(3, "big") + body
