# SPDX-License-Identifier: BSD-3-Clause
"""Raw connections for the load generator: greetings are made here, then the socket is handed over. And the frames that
carry one USP record on each transport."""

import base64
import os
import socket
import struct

TAG = "bench-0000000000"


def varint(number):
    out = b""
    while True:
        number, low = number >> 7, number & 0x7F
        out += bytes([low | (0x80 if number else 0)])
        if not number:
            return out


def _exact(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError("the peer closed")
        data += piece
    return data


class Uds:
    framing = "uds"

    def __init__(self, path, endpoint_id):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(path))
        self.sock.sendall(self.frame(endpoint_id.encode(), kind=1))
        self.receive()

    def receive(self):
        """The next frame that comes, without its head."""
        return _exact(self.sock, struct.unpack(">4sI", _exact(self.sock, 8))[1])

    @staticmethod
    def frame(payload, kind=3):
        return b"_USP" + struct.pack(">IBI", len(payload) + 5, kind, len(payload)) + payload

    @staticmethod
    def payload(frame):
        return frame[13:]


class WebSocket:
    framing = "websocket"

    def __init__(self, port, path, endpoint_id):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET {path}?eid={endpoint_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: v1.usp\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _exact(self.sock, 1)
        assert b" 101 " in head.split(b"\r\n")[0], head

    @staticmethod
    def frame(payload):
        """Masked with zeros, which costs the sender nothing and the receiver the same as any other mask."""
        size = len(payload)
        head = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
        return b"\x82" + head + bytes(4) + payload


class Mqtt:
    """MQTT 5, quality of service 0, no keep-alive."""

    framing = "mqtt"

    def __init__(self, port, topic, agent_topic):
        self.topic, self.agent_topic = topic, agent_topic
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = f"bench-load-{os.getpid()}-{id(self):x}"
        self._packet(0x10, self._string("MQTT") + b"\x05\x02\x00\x00" + b"\x00" + self._string(client))
        self._expect(0x20)
        self._packet(0x82, b"\x00\x01\x00" + self._string(topic) + b"\x00")
        self._expect(0x90)

    @staticmethod
    def _string(text):
        return struct.pack(">H", len(text)) + text.encode()

    def _packet(self, kind, body):
        self.sock.sendall(bytes([kind]) + varint(len(body)) + body)

    def _expect(self, kind):
        got = _exact(self.sock, 1)[0]
        size, shift = 0, 0
        while True:
            byte = _exact(self.sock, 1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        body = _exact(self.sock, size)
        assert got & 0xF0 == kind & 0xF0, (got, body)

    def frame(self, payload):
        properties = b"\x08" + self._string(self.topic) + b"\x03" + self._string("usp.msg")
        body = self._string(self.agent_topic) + varint(len(properties)) + properties + payload
        return b"\x30" + varint(len(body)) + body
