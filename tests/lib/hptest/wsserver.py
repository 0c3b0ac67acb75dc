# SPDX-License-Identifier: BSD-3-Clause
"""A small WebSocket server (RFC 6455) for the v1.usp subprotocol: one thread per connection, enough for a test."""

import base64
import hashlib
import os
import socket
import ssl
import struct
import threading
import urllib.parse

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def mask(data, key):
    """Masks, and unmasks, a payload."""
    wide = (key * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(wide, "big")).to_bytes(len(data), "big")


def accept_key(key):
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()


def read_head(sock):
    """The first line of an HTTP request or answer, and its headers in lower case."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(1)
        if not piece or len(data) > 65536:
            raise EOFError
        data += piece
    lines = data.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return lines[0], {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}


class Connection:
    masked = False  # a client masks what it sends

    def __init__(self, sock, headers, peer_eid):
        self.sock, self.headers, self.peer_eid = sock, headers, peer_eid
        self.close_code = None
        self.pings = 0
        self._lock = threading.Lock()

    def send(self, data, opcode=BINARY, fin=True):
        bit = 0x80 if self.masked else 0
        head = bytes([(0x80 if fin else 0) | opcode])
        if len(data) < 126:
            head += bytes([bit | len(data)])
        elif len(data) < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", len(data))
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", len(data))
        if self.masked:
            key = os.urandom(4)
            head, data = head + key, mask(data, key)
        with self._lock:
            self.sock.sendall(head + data)

    def read_exact(self, count):
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def read_frame(self):
        """(fin, opcode, payload) of the next frame."""
        first, second = self.read_exact(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self.read_exact(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.read_exact(8))[0]
        key = self.read_exact(4) if second & 0x80 else b"\0\0\0\0"
        return bool(first & 0x80), first & 0x0F, mask(self.read_exact(length), key)

    def shut(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class WsServer:
    """Hands each binary message to on_message(bytes). `connections` are the open ones, newest last."""

    def __init__(self, port, path, endpoint_id, tls, on_message, host="127.0.0.1"):
        self.port, self.path, self.endpoint_id, self.on_message = port, path, endpoint_id, on_message
        self.host = host
        self.connections = []
        self.attempts = 0  # TCP connections accepted, whatever came of them
        self.handshake_errors = []
        self._listener = None
        self.use_tls(tls)

    def use_tls(self, tls):
        """(CA file or None, certificate, key), or None: for connections from now on."""
        self._context = None
        if tls:
            ca, cert, key = tls
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(cert, key)
            if ca:
                self._context.load_verify_locations(ca)
                self._context.verify_mode = ssl.CERT_REQUIRED

    def start(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.host, self.port))
        self._listener.listen(1024)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self):
        listener, self._listener = self._listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in list(self.connections):
            connection.shut()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.attempts += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        connection = None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
            connection = self._handshake(sock)
            if connection:
                self.connections.append(connection)
                self._frames(connection)
        except (OSError, EOFError, ValueError) as error:
            if connection is None:
                self.handshake_errors.append(error)
        finally:
            if connection in self.connections:
                self.connections.remove(connection)
            sock.close()

    @staticmethod
    def upgrade_answer(key, protocol=None):
        chosen = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
        return (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\n{chosen}\r\n"
        ).encode()

    def _handshake(self, sock):
        request, headers = read_head(sock)
        url = urllib.parse.urlsplit(request.split()[1])
        protocols = [p.strip() for p in headers.get("sec-websocket-protocol", "").split(",")]
        if url.path != self.path or "v1.usp" not in protocols:
            sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            raise ValueError(f"{request} with protocols {protocols}")
        sock.sendall(self.upgrade_answer(headers["sec-websocket-key"].encode(), "v1.usp"))
        eid = urllib.parse.parse_qs(url.query).get("eid", [None])[0]
        return Connection(sock, headers, eid)

    def _frames(self, connection):
        message = b""
        while True:
            fin, opcode, data = connection.read_frame()
            if opcode == PING:
                connection.pings += 1
                connection.send(data, PONG)
            elif opcode == CLOSE:
                connection.close_code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                connection.send(data[:2], CLOSE)
                return
            elif opcode in (0, TEXT, BINARY):
                message += data
                if fin:
                    self.on_message(message)
                    message = b""
