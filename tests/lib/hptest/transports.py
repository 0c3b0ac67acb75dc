# SPDX-License-Identifier: BSD-3-Clause
"""The USP transports as a controller sees them. Each has connect(), send(bytes), close() and puts what arrives into
`inbox` as bytes; `connected` tells whether the peer is there. Built on paho-mqtt, websocket-client and plain sockets."""

import os
import queue
import socket
import ssl
import struct
import threading

import paho.mqtt.client as mqtt
import websocket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from . import usp
from .process import PATIENCE, wait_until
from .wsserver import WsServer


class Transport:
    def __init__(self):
        self.inbox = queue.Queue()

    def connect_record(self, record):
        """Fills in the connect record of this transport."""
        raise NotImplementedError


class MqttTransport(Transport):
    """A controller behind a broker. `topic` is its own, `agent_topic` the agent's; MQTT 5 or 3.1.1 as asked."""

    def __init__(
        self,
        port,
        topic="usp/ctl",
        agent_topic="usp/agent",
        version=5,
        tls=None,
        username=None,
        password=None,
        client_id=None,
        qos=1,
    ):
        super().__init__()
        self.port, self.topic, self.agent_topic, self.version, self.qos = port, topic, agent_topic, version, qos
        self.tls, self.username, self.password = tls, username, password
        self.client_id = client_id or f"ctl-{os.getpid()}-{id(self):x}"
        self.published = []  # (topic, properties) of every record received, for tests that look at the packet
        self.client = None
        self._ready = threading.Event()

    @property
    def connected(self):
        return self._ready.is_set()

    def connect(self, timeout=10):
        self._ready.clear()
        v5 = self.version == 5
        self.client = mqtt.Client(client_id=self.client_id, protocol=mqtt.MQTTv5 if v5 else mqtt.MQTTv311)
        if self.tls:
            ca, cert, key = self.tls
            self.client.tls_set(
                ca_certs=str(ca),
                certfile=cert and str(cert),
                keyfile=key and str(key),
                tls_version=ssl.PROTOCOL_TLS_CLIENT,
            )
        if self.username is not None:
            self.client.username_pw_set(self.username, self.password)
        self.client.max_inflight_messages_set(0)
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_disconnect = lambda *_: self._ready.clear()
        self.client.on_message = self._message
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("localhost" if self.tls else "127.0.0.1", self.port, keepalive=30)
        self.client.loop_start()
        wait_until(self._ready.is_set, timeout, "controller subscribed at the broker")

    def _subscribe(self, client, *_):
        filters = [(self.topic, self.qos)]
        if self.version != 5:
            filters.append((self.topic + "/#", self.qos))
        client.subscribe(filters)

    def _message(self, _client, _userdata, message):
        self.published.append((message.topic, getattr(message, "properties", None)))
        self.inbox.put(message.payload)

    def send(self, data):
        if self.version == 5:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ResponseTopic = self.topic
            properties.ContentType = "usp.msg"
            self.client.publish(self.agent_topic, data, qos=self.qos, properties=properties)
        else:
            topic = f"{self.agent_topic}/reply-to={self.topic.replace('/', '%2F')}"
            self.client.publish(topic, data, qos=self.qos)

    def close(self):
        if self.client:
            self.client.disconnect()
            self.client.loop_stop()
            self.client = None
        self._ready.clear()

    def connect_record(self, record):
        record.mqtt_connect.version = (
            usp.record_pb.MQTTConnectRecord.V5 if self.version == 5 else usp.record_pb.MQTTConnectRecord.V3_1_1
        )
        record.mqtt_connect.subscribed_topic = self.topic


class WsClientTransport(Transport):
    """Connects to the agent's WebSocket server."""

    def __init__(self, port, path="/usp", endpoint_id="self::ctl", tls=None, host=None):
        super().__init__()
        self.port, self.path, self.endpoint_id, self.tls = port, path, endpoint_id, tls
        self.host = host or ("localhost" if tls else "127.0.0.1")
        self.ws = None
        self.connected = False
        self.close_code = None

    def connect(self, timeout=10):
        scheme = "wss" if self.tls else "ws"
        options = {}
        if self.tls:
            ca, cert, key = self.tls
            options = {"ca_certs": str(ca)}
            if cert:
                options.update(certfile=str(cert), keyfile=str(key))
        eid = self.endpoint_id.replace("%", "%25")

        def attempt():
            try:
                return websocket.create_connection(
                    f"{scheme}://{self.host}:{self.port}{self.path}?eid={eid}",
                    subprotocols=["v1.usp"],
                    timeout=timeout * PATIENCE,
                    sslopt=options,
                    enable_multithread=True,
                )
            except (ConnectionRefusedError, ConnectionResetError):
                return None

        self.ws = wait_until(attempt, timeout, f"WebSocket connects to port {self.port}", interval=0.05)
        self.ws.settimeout(None)
        self.connected = True
        threading.Thread(target=self._receive, args=(self.ws,), daemon=True).start()

    def _receive(self, ws):
        try:
            while True:
                opcode, data = ws.recv_data()
                if opcode == websocket.ABNF.OPCODE_BINARY:
                    self.inbox.put(data)
                elif opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.close_code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                    break
        except (OSError, websocket.WebSocketException):
            pass
        if ws is self.ws:
            self.connected = False

    def send(self, data):
        self.ws.send_binary(data)

    def close(self):
        if self.ws:
            ws, self.ws = self.ws, None
            ws.close(timeout=1)
        self.connected = False

    def connect_record(self, record):
        record.websocket_connect.SetInParent()


class WsServerTransport(Transport):
    """The agent connects to us. Listens from connect() on; the port stays the same after close() and connect()."""

    def __init__(self, port, path="/usp", endpoint_id="self::ctl", tls=None, host="127.0.0.1"):
        super().__init__()
        self.port, self.path, self.endpoint_id, self.tls, self.host = port, path, endpoint_id, tls, host
        self.server = None

    @property
    def connected(self):
        return bool(self.server and self.server.connections)

    @property
    def attempts(self):
        return self.server.attempts if self.server else 0

    def connect(self, timeout=10):
        self.listen()
        wait_until(lambda: self.connected, timeout, f"agent connects to WebSocket port {self.port}")

    def listen(self):
        if self.server is None:
            self.server = WsServer(self.port, self.path, self.endpoint_id, self.tls, self.inbox.put,
                                   self.host).start()

    def send(self, data):
        self.server.connections[-1].send(data)

    def close(self):
        if self.server:
            self.server.stop()
            self.server = None

    def connect_record(self, record):
        record.websocket_connect.SetInParent()


class UdsTransport(Transport):
    """The UNIX socket binding: "_USP", be32 length, then TLVs (1 handshake, 2 error, 3 record)."""

    HANDSHAKE, ERROR, RECORD = 1, 2, 3

    def __init__(self, path, endpoint_id="self::ctl"):
        super().__init__()
        self.path, self.endpoint_id = str(path), endpoint_id
        self.sock = None
        self.connected = False
        self.peer_id = None
        self.error = None

    def connect(self, timeout=10):
        def attempt():
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                s.connect(self.path)
                return s
            except (FileNotFoundError, ConnectionRefusedError):
                s.close()
                return None

        self.sock = wait_until(attempt, timeout, f"UNIX socket {self.path} accepts")
        self.peer_id = None
        self.connected = True
        self.send_tlv(self.HANDSHAKE, self.endpoint_id.encode())
        threading.Thread(target=self._receive, args=(self.sock,), daemon=True).start()
        wait_until(lambda: self.peer_id or not self.connected, timeout, "handshake answered")

    def send_tlv(self, kind, data):
        tlv = struct.pack(">BI", kind, len(data)) + data
        self.sock.sendall(b"_USP" + struct.pack(">I", len(tlv)) + tlv)

    def send(self, data):
        self.send_tlv(self.RECORD, data)

    def _read(self, sock, count):
        data = b""
        while len(data) < count:
            piece = sock.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def _receive(self, sock):
        try:
            while True:
                head = self._read(sock, 8)
                if head[:4] != b"_USP":
                    raise EOFError
                body = self._read(sock, struct.unpack(">I", head[4:])[0])
                pos = 0
                while pos < len(body):
                    kind, length = struct.unpack_from(">BI", body, pos)
                    self._tlv(kind, body[pos + 5 : pos + 5 + length])
                    pos += 5 + length
        except (OSError, EOFError, struct.error):
            pass
        if sock is self.sock:
            self.connected = False

    def _tlv(self, kind, data):
        if kind == self.HANDSHAKE:
            self.peer_id = data.decode()
        elif kind == self.ERROR:
            self.error = data.decode("utf-8", "replace")
        elif kind == self.RECORD:
            self.inbox.put(data)

    def close(self):
        if self.sock:
            sock, self.sock = self.sock, None
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        self.connected = False

    def connect_record(self, record):
        record.uds_connect.SetInParent()
