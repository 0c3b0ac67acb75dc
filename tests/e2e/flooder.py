# SPDX-License-Identifier: BSD-3-Clause
"""One hostile device on the LAN, as a process of its own: flooder.py MODE HOST PORT ADDRESS [TOPIC]. It sends as much as it can,
for as long as it is let live, and says "flooding" when it is at it."""

import json
import os
import select
import socket
import struct
import sys
import time

NAME = "shellyplus1-02bad0000001"
INFO = {"id": NAME, "mac": "02BAD0000001", "model": "SNSW-001X16EU", "gen": 2, "fw_id": "20250101-000000/1.4.4-g1234567",
        "ver": "1.4.4", "app": "Plus1", "auth_en": False}
EVENT = json.dumps({"src": NAME, "dst": "homepatch/events", "method": "NotifyEvent", "params": {
    "ts": 1.0, "events": [{"component": "input:0", "id": 0, "event": "single_push", "ts": 1.0}]}}).encode()
GARBAGE = [b"\xff\xfe\x00 not json", b'{"src":' * 50, b"[" * 200, b'{"src":"somebody-else","method":"NotifyStatus"}', b""]
UPGRADE = ("GET /shelly HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()


def flooding():
    print("flooding", flush=True)


def dial(host, port, address):
    sock = socket.socket()
    sock.bind((address, 0))
    sock.settimeout(5)
    sock.connect((host, port))
    return sock


def frame(payload, opcode=0x81):
    size = len(payload)
    head = (bytes([opcode, 0x80 | size]) if size < 126
            else bytes([opcode, 0xFE]) + struct.pack(">H", size) if size < 65536
            else bytes([opcode, 0xFF]) + struct.pack(">Q", size))
    return head + bytes(4) + payload


def again(session):
    """Hung up on, it comes back at once."""
    while True:
        try:
            session()
        except OSError:
            time.sleep(0.05)


def as_device(host, port, address, what):
    """Says who it is, as a device would, and then floods."""
    def session():
        with dial(host, port, address) as sock:
            sock.sendall(UPGRADE)
            question = b""  # it may come together with the head of the answer
            while b"GetDeviceInfo" not in question or not question.endswith(b"}"):
                piece = sock.recv(4096)
                if not piece:
                    raise OSError
                question += piece
            number = json.loads(question[question.index(b"{"):])["id"]
            sock.sendall(frame(json.dumps({"id": number, "src": NAME, "dst": "homepatch", "result": INFO}).encode()))
            flooding()
            burst = b"".join(frame(part, 0x82) for part in what) * (1 + 200 // len(what))
            while True:
                sock.sendall(burst)
                if select.select([sock], [], [], 0)[0] and not sock.recv(65536):
                    raise OSError
    again(session)


def huge(host, port, address):
    """Frames beyond any size, and one that never ends."""
    sizes = [1 << 20, 1 << 40]

    def session():
        with dial(host, port, address) as sock:
            sock.sendall(UPGRADE)
            sock.recv(4096)
            sock.sendall(bytes([0x81, 0xFF]) + struct.pack(">Q", sizes[0]) + bytes(4))
            sizes.reverse()
            flooding()
            while True:
                sock.sendall(bytes(65536))
    again(session)


def slow(host, port, addresses, count, words):
    """As many connections as it gets from each address, on which a request comes a byte in a while."""
    socks = {}
    told = False
    while True:
        for address in addresses:
            mine = socks.setdefault(address, [])
            while len(mine) < count:
                try:
                    sock = dial(host, port, address)
                    sock.setblocking(False)
                    sock.send(words[:20])
                except OSError:
                    break
                mine.append(sock)
        if not told:
            flooding()
            told = True
        end = time.monotonic() + 0.5
        poll = select.poll()
        by_fd = {s.fileno(): (a, s) for a, mine in socks.items() for s in mine}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        while time.monotonic() < end:
            for fd, _ in poll.poll(50):
                address, sock = by_fd[fd]
                poll.unregister(fd)
                socks[address].remove(sock)
                sock.close()
        for mine in socks.values():
            for sock in mine:
                try:
                    sock.send(b"a")
                except OSError:
                    pass


def knock(host, port, address):
    """Opens and closes."""
    flooding()
    while True:
        try:
            dial(host, port, address).close()
        except OSError:
            pass


def mqtt(host, port, address, messages):
    """MQTT 3.1.1, quality of service 0, nothing but PUBLISH."""
    def text(value):
        return struct.pack(">H", len(value)) + value

    def packet(kind, body):
        size, length = len(body), b""
        while True:
            size, low = size >> 7, size & 0x7F
            length += bytes([low | (0x80 if size else 0)])
            if not size:
                return bytes([kind]) + length + body

    def session():
        with dial(host, port, address) as sock:
            sock.sendall(packet(0x10, text(b"MQTT") + b"\x04\x02\x00\x00" + text(b"flooder-" + os.urandom(4).hex().encode())))
            sock.recv(4)
            flooding()
            burst = b"".join(packet(0x30, text(topic.encode()) + payload) for topic, payload in messages)
            burst *= 1 + 65536 // len(burst)
            while True:
                sock.sendall(burst)
    again(session)


def main(mode, host, port, address, topic=f"{NAME}/events/rpc"):
    port = int(port)
    lan = [f"{address.rsplit('.', 2)[0]}.{n // 200 + 1}.{n % 200 + 1}" for n in range(100)]
    event = EVENT.replace(NAME.encode(), topic.split("/")[0].encode())
    modes = {
        "events": lambda: as_device(host, port, address, [EVENT]),
        "garbage": lambda: as_device(host, port, address, GARBAGE),
        "huge": lambda: huge(host, port, address),
        "slow": lambda: slow(host, port, [address], 3000, UPGRADE),
        "slow-many": lambda: slow(host, port, lan, 16, UPGRADE),
        "slow-http": lambda: slow(host, port, [address], 1500, b"GET /0123456789abcdef HTTP/1.1\r\nHost: a\r\nX: "),
        "knock": lambda: knock(host, port, address),
        "mqtt-events": lambda: mqtt(host, port, address, [(topic, event)]),
        "mqtt-garbage": lambda: mqtt(host, port, address, [
            (f"{prefix}{suffix}", piece) for piece in GARBAGE for prefix, suffix in (
                (NAME, "/events/rpc"), (NAME, "/online"), ("homepatch/" + NAME, "/rpc"), ("tele/x", "/LWT"),
                ("tasmota/discovery/02BAD0000001", "/config"), ("homeassistant/update/x", "/config"))]),
        "mqtt-huge": lambda: mqtt(host, port, address, [(topic, bytes(9 << 20))]),
    }
    modes[mode]()


if __name__ == "__main__":
    main(*sys.argv[1:])
