# SPDX-License-Identifier: BSD-3-Clause
"""Many idle devices, each a WebSocket from an address of its own: idle.py PORT COUNT. They say who they are when asked, answer
pings and everything else with an error, and connect again a second after they were hung up on. Prints "ready" when each of
them was asked. One process, one thread, no library but Python's: what the agent's figures are compared with has to cost little."""

import base64
import errno
import heapq
import json
import os
import resource
import select
import socket
import struct
import sys
import time

FIRST = 0x7F010001  # 127.1.0.1: every address of 127.0.0.0/8 is this machine
RETRY_S = 1.0
AT_ONCE = 500  # handshakes under way
IN_PROGRESS = (0, errno.EINPROGRESS)


class Device:
    def __init__(self, number):
        self.mac = f"02AA{number:08X}"
        self.id = f"shellyplus1-{self.mac.lower()}"
        self.address = socket.inet_ntoa(struct.pack(">I", FIRST + number))
        self.info = json.dumps(
            {"id": self.id, "mac": self.mac, "model": "SNSW-001X16EU", "gen": 2, "fw_id": "20250101-000000/1.4.4-g1234567",
             "ver": "1.4.4", "app": "Plus1", "auth_en": False})
        self.sock = None
        self.asked = False
        self.buffer = b""


class Home:
    def __init__(self, port, count):
        self.port = port
        self.poll = select.epoll()
        self.by_fd = {}
        self.waiting = [(0.0, n) for n in range(count)]
        self.devices = [Device(n) for n in range(count)]
        self.shaking = self.asked = 0

    def connect(self, number):
        device = self.devices[number]
        device.sock = socket.socket()
        device.sock.setblocking(False)
        device.sock.bind((device.address, 0))
        if device.sock.connect_ex(("127.0.0.1", self.port)) not in IN_PROGRESS:
            device.sock.close()
            heapq.heappush(self.waiting, (time.monotonic() + RETRY_S, number))
            return
        device.buffer, device.up = b"", False
        self.shaking += 1
        self.by_fd[device.sock.fileno()] = number
        self.poll.register(device.sock.fileno(), select.EPOLLOUT)

    def lost(self, fd):
        number = self.by_fd.pop(fd)
        device = self.devices[number]
        self.shaking -= not device.up
        self.poll.unregister(fd)
        device.sock.close()
        heapq.heappush(self.waiting, (time.monotonic() + RETRY_S, number))

    def greet(self, device):
        key = base64.b64encode(os.urandom(16)).decode()
        device.sock.sendall(
            f"GET /shelly HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.poll.modify(device.sock.fileno(), select.EPOLLIN)

    def answer(self, device, text):
        request = json.loads(text)
        if "method" not in request or "id" not in request:
            return
        reply = {"id": request["id"], "src": device.id, "dst": request.get("src", "")}
        if request["method"] == "Shelly.GetDeviceInfo":
            reply["result"] = json.loads(device.info)
            self.asked += not device.asked
            device.asked = True
        else:
            reply["error"] = {"code": 404, "message": "No handler for " + request["method"]}
        self.send(device, 0x81, json.dumps(reply).encode())

    @staticmethod
    def send(device, opcode, payload):
        """Masked with zeros: the same for the receiver, and nothing for the sender."""
        size = len(payload)
        head = bytes([opcode, 0x80 | size]) if size < 126 else bytes([opcode, 0xFE]) + struct.pack(">H", size)
        device.sock.sendall(head + bytes(4) + payload)

    def frames(self, device):
        data = device.buffer
        while len(data) >= 2:
            size, at = data[1] & 0x7F, 2
            if size == 126 and len(data) >= 4:
                size, at = struct.unpack_from(">H", data, 2)[0], 4
            if len(data) < at + size or (size == 126 and at == 2):
                break
            opcode, payload, data = data[0] & 15, data[at:at + size], data[at + size:]
            if opcode == 8:
                raise EOFError
            if opcode == 9:
                self.send(device, 0x8A, payload)
            elif opcode == 1:
                self.answer(device, payload)
        device.buffer = data

    def ready(self, fd, events):
        device = self.devices[self.by_fd[fd]]
        if events & select.EPOLLOUT:
            self.greet(device)
            return
        data = device.sock.recv(65536)
        if not data:
            raise EOFError
        device.buffer += data
        if not device.up:
            head, end, rest = device.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise EOFError
            device.up, device.buffer = True, rest
            self.shaking -= 1
        self.frames(device)

    def run(self):
        told = False
        while True:
            now = time.monotonic()
            while self.waiting and self.waiting[0][0] <= now and self.shaking < AT_ONCE:
                self.connect(heapq.heappop(self.waiting)[1])
            for fd, events in self.poll.poll(0.05 if self.waiting else -1, 1000):
                try:
                    self.ready(fd, events)
                except (OSError, EOFError):
                    self.lost(fd)
            if not told and self.asked == len(self.devices):
                print("ready", flush=True)
                told = True


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    Home(int(sys.argv[1]), int(sys.argv[2])).run()
