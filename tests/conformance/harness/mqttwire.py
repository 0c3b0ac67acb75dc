# SPDX-License-Identifier: BSD-3-Clause
"""MQTT 3.1.1 and 5.0 packets, byte for byte: what a broker reads and writes. No socket here.

A packet is a small object: kind, flags and the fields of that kind. Version 4 is MQTT 3.1.1, version 5 is MQTT 5.0.
"""

import struct

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, \
    PINGRESP, DISCONNECT, AUTH = range(1, 16)
NAMES = ("?", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK",
         "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH")

V311, V5 = 4, 5

# id: (name, type). Types: b byte, h two bytes, i four bytes, v variable length integer, s string, d bytes, p string pair.
PROPERTIES = {
    1: ("payload_format_indicator", "b"), 2: ("message_expiry_interval", "i"), 3: ("content_type", "s"),
    8: ("response_topic", "s"), 9: ("correlation_data", "d"), 11: ("subscription_identifier", "v"),
    17: ("session_expiry_interval", "i"), 18: ("assigned_client_identifier", "s"), 19: ("server_keep_alive", "h"),
    21: ("authentication_method", "s"), 22: ("authentication_data", "d"), 23: ("request_problem_information", "b"),
    24: ("will_delay_interval", "i"), 25: ("request_response_information", "b"), 26: ("response_information", "s"),
    28: ("server_reference", "s"), 31: ("reason_string", "s"), 33: ("receive_maximum", "h"),
    34: ("topic_alias_maximum", "h"), 35: ("topic_alias", "h"), 36: ("maximum_qos", "b"), 37: ("retain_available", "b"),
    38: ("user_property", "p"), 39: ("maximum_packet_size", "i"), 40: ("wildcard_subscription_available", "b"),
    41: ("subscription_identifier_available", "b"), 42: ("shared_subscription_available", "b"),
}
_BY_NAME = {name: (number, kind) for number, (name, kind) in PROPERTIES.items()}


class Malformed(ValueError):
    """The peer sent something that is not MQTT."""


class Packet:
    """One packet. Fields of its kind are attributes; props holds the MQTT 5 properties, user the user properties."""

    def __init__(self, kind, flags=0, **fields):
        self.kind = kind
        self.flags = flags
        self.props = {}
        self.user = []
        self.at = 0.0
        self.__dict__.update(fields)

    @property
    def name(self):
        return NAMES[self.kind]

    def __repr__(self):
        shown = {k: v for k, v in self.__dict__.items() if k not in ("kind", "at", "payload") and v not in ({}, [], 0)}
        return f"{self.name} {shown}"


class _Reader:
    def __init__(self, data):
        self.data = data
        self.pos = 0

    def take(self, n):
        if n > len(self.data) - self.pos:
            raise Malformed(f"{n} bytes wanted, {len(self.data) - self.pos} left")
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def more(self):
        return self.pos < len(self.data)

    def rest(self):
        return self.take(len(self.data) - self.pos)

    def byte(self):
        return self.take(1)[0]

    def word(self):
        return struct.unpack(">H", self.take(2))[0]

    def long(self):
        return struct.unpack(">I", self.take(4))[0]

    def varint(self):
        value = 0
        for shift in (0, 7, 14, 21):
            b = self.byte()
            value |= (b & 0x7f) << shift
            if not b & 0x80:
                return value
        raise Malformed("variable length integer of more than four bytes")

    def bytes(self):
        return self.take(self.word())

    def string(self):
        try:
            return self.bytes().decode("utf-8")
        except UnicodeDecodeError as e:
            raise Malformed(f"string that is not UTF-8: {e}") from None

    def properties(self, packet):
        sub = _Reader(self.take(self.varint()))
        readers = {"b": sub.byte, "h": sub.word, "i": sub.long, "v": sub.varint, "s": sub.string, "d": sub.bytes}
        while sub.more():
            number = sub.varint()
            if number not in PROPERTIES:
                raise Malformed(f"unknown property {number}")
            name, kind = PROPERTIES[number]
            if kind == "p":
                packet.user.append((sub.string(), sub.string()))
                continue
            if name in packet.props:
                raise Malformed(f"property {name} twice")
            packet.props[name] = readers[kind]()


def varint(value):
    out = bytearray()
    while True:
        b = value & 0x7f
        value >>= 7
        out.append(b | (0x80 if value else 0))
        if not value:
            return bytes(out)


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">H", len(data)) + data


def properties(props, user=()):
    out = bytearray()
    for name, value in (props or {}).items():
        number, kind = _BY_NAME[name]
        out += varint(number)
        if kind == "b":
            out.append(value)
        elif kind == "h":
            out += struct.pack(">H", value)
        elif kind == "i":
            out += struct.pack(">I", value)
        elif kind == "v":
            out += varint(value)
        else:
            out += string(value)
    for name, value in user:
        out += varint(38) + string(name) + string(value)
    return varint(len(out)) + bytes(out)


def frame(kind, flags, body):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


# What a broker sends.

def connack(version, code=0, session_present=False, props=None, user=()):
    body = bytes([1 if session_present else 0, code])
    return frame(CONNACK, 0, body + (properties(props, user) if version == V5 else b""))


def publish(version, topic, payload, qos=0, packet_id=0, retain=False, dup=False, props=None, user=()):
    body = string(topic) + (struct.pack(">H", packet_id) if qos else b"")
    if version == V5:
        body += properties(props, user)
    return frame(PUBLISH, (8 if dup else 0) | qos << 1 | (1 if retain else 0), body + payload)


def ack(kind, version, packet_id, code=0):
    body = struct.pack(">H", packet_id)
    if version == V5 and code:
        body += bytes([code])
    return frame(kind, 2 if kind == PUBREL else 0, body)


def suback(version, packet_id, codes, kind=SUBACK):
    body = struct.pack(">H", packet_id) + (properties({}) if version == V5 else b"")
    if kind == UNSUBACK and version != V5:
        codes = ()
    return frame(kind, 0, body + bytes(codes))


def pingresp():
    return frame(PINGRESP, 0, b"")


def disconnect(version, code=0, props=None):
    return frame(DISCONNECT, 0, bytes([code]) + properties(props) if version == V5 else b"")


# What a broker reads.

def _connect(r, p):
    name, p.version = r.string(), r.byte()
    if (name, p.version) not in (("MQTT", V311), ("MQTT", V5)):
        raise Malformed(f"protocol {name!r} level {p.version}")
    p.connect_flags = r.byte()
    p.keep_alive = r.word()
    p.clean = bool(p.connect_flags & 2)
    if p.version == V5:
        r.properties(p)
    p.client_id = r.string()
    p.will = None
    if p.connect_flags & 4:
        p.will = Packet(PUBLISH, qos=p.connect_flags >> 3 & 3, retain=bool(p.connect_flags & 32))
        if p.version == V5:
            r.properties(p.will)
        p.will.topic, p.will.payload = r.string(), r.bytes()
    p.username = r.string() if p.connect_flags & 128 else None
    p.password = r.bytes() if p.connect_flags & 64 else None


def _publish(r, p, version):
    p.qos, p.retain, p.dup = p.flags >> 1 & 3, bool(p.flags & 1), bool(p.flags & 8)
    p.topic = r.string()
    p.packet_id = r.word() if p.qos else 0
    if version == V5:
        r.properties(p)
    p.payload = r.rest()


def _ack(r, p, version):
    p.packet_id, p.code = r.word(), 0
    if version == V5 and r.more():
        p.code = r.byte()
        if r.more():
            r.properties(p)


def _subscribe(r, p, version):
    p.packet_id, p.filters = r.word(), []
    if version == V5:
        r.properties(p)
    while r.more():
        topic = r.string()
        options = r.byte() if p.kind == SUBSCRIBE else 0
        p.filters.append((topic, options & 3))
    if not p.filters:
        raise Malformed(f"{p.name} without a topic filter")


def _disconnect(r, p, version):
    p.code = 0
    if version == V5 and r.more():
        p.code = r.byte()
        if r.more():
            r.properties(p)


def decode(first, body, version):
    """One packet from its first byte and its body; version is that of the CONNECT, ignored for CONNECT itself."""
    p = Packet(first >> 4, first & 15)
    r = _Reader(body)
    if p.kind == CONNECT:
        _connect(r, p)
    elif p.kind == PUBLISH:
        _publish(r, p, version)
    elif p.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
        _ack(r, p, version)
    elif p.kind in (SUBSCRIBE, UNSUBSCRIBE):
        _subscribe(r, p, version)
    elif p.kind in (DISCONNECT, AUTH):
        _disconnect(r, p, version)
    elif p.kind != PINGREQ:
        raise Malformed(f"{NAMES[p.kind]} from a client")
    if r.more():
        raise Malformed(f"{len(body) - r.pos} bytes after the end of {p.name}")
    return p


def matches(topic_filter, topic):
    """Does a topic match a filter (MQTT 5.0, 4.7)?"""
    if topic_filter.startswith("$share/"):
        topic_filter = topic_filter.split("/", 2)[2]
    want, have = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and want[0] in ("+", "#"):
        return False
    for i, level in enumerate(want):
        if level == "#":
            return True
        if i >= len(have) or level not in ("+", have[i]):
            return False
    return len(want) == len(have)
