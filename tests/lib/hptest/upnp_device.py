# SPDX-License-Identifier: BSD-3-Clause
"""A UPnP device, well-behaved or not: answers M-SEARCH, announces itself, serves its description over HTTP.

Runs as a program, in the namespace of a host: upnp_device.py ADDRESS MODE [LOCATION-HOST]. On its standard output: what it was
asked for ("search", "get /path"). PORT is where it listens for HTTP."""

import http.server
import socket
import struct
import sys
import threading
import time

GROUP, SSDP, PORT = "239.255.255.250", 1900, 49152
SERIAL = "SN-4711"
DESCRIPTION = f"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>urn:schemas-upnp-org:device:MediaRenderer:1</deviceType><friendlyName>Living room</friendlyName>
<manufacturer>Example Ltd</manufacturer><modelName>Screen</modelName><modelNumber>55</modelNumber>
<serialNumber>{SERIAL}</serialNumber><UDN>uuid:device</UDN>
<deviceList><device><UDN>uuid:embedded</UDN><friendlyName>Inside</friendlyName></device></deviceList>
<presentationURL>/</presentationURL></device></root>""".encode()
BOMB = (b'<?xml version="1.0"?><!DOCTYPE root [<!ENTITY a0 "x">'
        + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
        + b']><root xmlns="urn:schemas-upnp-org:device-1-0"><device><UDN>&a9;</UDN></device></root>')
EXTERNAL = (b'<?xml version="1.0"?><!DOCTYPE root [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
            b'<root xmlns="urn:schemas-upnp-org:device-1-0"><device><UDN>&f;</UDN></device></root>')
NESTED = b'<root xmlns="urn:schemas-upnp-org:device-1-0">' + b"<device>" * 5000


def say(text):
    print(text, flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def head(self, length=None, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def whole(self, body):
        self.head(len(body))
        self.wfile.write(body)

    def endless(self):
        self.head()
        while True:
            self.wfile.write(b"<root>" + b" " * 65536)

    def slow(self):
        self.head(len(DESCRIPTION))
        for byte in DESCRIPTION:        # faster than the stall limit, slower than anybody waits
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.2)

    def do_GET(self):
        say(f"get {self.path}")
        mode = self.server.mode
        bodies = {"bomb": BOMB, "external": EXTERNAL, "nested": NESTED, "large": b" " * 100000 + DESCRIPTION}
        try:
            if mode in ("endless", "slow"):
                getattr(self, mode)()
            elif mode == "redirect" and self.path == "/d.xml":
                self.head(0, 302, Location="/other.xml")
            else:
                self.whole(bodies.get(mode, DESCRIPTION))
        except OSError:
            say("closed")


def alive(mode, host, n=0):
    port = PORT + (n if mode == "flood" else 0)
    return (f"NOTIFY * HTTP/1.1\r\nHOST: {GROUP}:{SSDP}\r\nCACHE-CONTROL: max-age=1800\r\nLOCATION: http://{host}:{port}/d.xml\r\n"
            f"NT: upnp:rootdevice\r\nNTS: ssdp:alive\r\nSERVER: x UPnP/1.0 y\r\nUSN: uuid:device-{n}::upnp:rootdevice\r\n\r\n")


def main(address, mode, host=None):
    host = host or address
    server = http.server.ThreadingHTTPServer((address, PORT), Handler)
    server.mode = mode
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
    hears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    hears.bind(("", SSDP))
    hears.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(address)))
    if mode != "silent":
        for n in range(3000 if mode == "flood" else 1):
            sender.sendto(alive(mode, host, n).encode(), (GROUP, SSDP))
    say("ready")
    while True:
        text, peer = hears.recvfrom(2048)
        if text.startswith(b"M-SEARCH"):
            say("search")
            answer = alive(mode, host).replace("NOTIFY * HTTP/1.1", "HTTP/1.1 200 OK").replace("NTS: ssdp:alive\r\n", "")
            hears.sendto(answer.encode(), peer)


if __name__ == "__main__":
    main(*sys.argv[1:])
