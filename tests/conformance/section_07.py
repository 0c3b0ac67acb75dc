# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 7, WebSocket. The other end is the runner's own, frame by frame (hptest/wspeer.py)."""

from harness.registry import case
from harness.steps import encrypted
from hptest import usp, wspeer

OUT = ("websocket",)                        # the agent connects to the controller
IN = ("websocket-server",)                  # the controller connects to the agent
BOTH = (*OUT, *IN)
UNSUPPORTED_DATA = 1003
SLACK = 1.0


def get_device_info(t, metric):
    resp = t.response(metric, t.ctl.request(usp.get("Device.DeviceInfo.")), "get_resp")
    t.ok(metric, resp.req_path_results[0].err_code == 0, f"{resp}")


def session_of(t):
    """The one WebSocket that is open now."""
    session = t.lane.peer.current() if t.transport == "websocket" else t.ctl.transport.session
    t.setup(session is not None and session.open, "no WebSocket session")
    return session


def come_back(t):
    """The test ended the session: there is another one at the end of the case."""
    t.undo(lambda: t.ctl.transport.connect(20))


def reboot(t, metric):
    """Device.Reboot() and the agent's first connection after it."""
    lives, number = t.lane.mark()
    t.ctl.send(usp.operate("Device.Reboot()", command_key=f"test{t.case.number}", send_resp=False))
    t.lane.restarted(lives)
    session = t.lane.peer.wait_session(number, 30)
    t.need(metric, session, "no WebSocket handshake within 30 s of the reboot")
    return session


@case("7.1", "The session is established after a reboot", metrics=2, transports=OUT)
def established(t):
    session = reboot(t, 1)                  # R-WS.1, R-WS.2, R-WS.7: a resource by its path, and RFC 6455's handshake
    t.eq(1, "Sec-WebSocket-Protocol", session.headers.get("sec-websocket-protocol"), "v1.usp")     # R-WS.9, R-WS.10
    t.eq(1, "eid of the query", session.peer_eid, t.lane.endpoint_id)
    get_device_info(t, 2)


@case("7.2", "One session at a time", metrics=1, transports=IN)
def only_one(t):                            # R-WS.4, R-WS.6
    get_device_info(t, 1)
    transport = t.ctl.transport
    first = session_of(t)
    try:
        second = transport.dial()
    except wspeer.Refused:
        t.ok(1, first.open, "the second session was refused and the first one ended")
        return
    transport.session = second
    get_device_info(t, 1)
    t.ok(1, first.wait_closed(10), "both sessions are open")


@case("7.4", "The closing handshake", metrics=1, transports=BOTH)
def closing(t):                             # R-WS.8
    come_back(t)
    session = session_of(t)
    session.answer_close = False
    session.close(1000)
    frame = session.wait(wspeer.CLOSE, 10)
    t.need(1, frame, "no Close frame within 10 s")
    t.eq(1, "status of the Close frame", frame.code, 1000)
    if t.transport == "websocket-server":       # a server closes TCP first, a client waits for that (RFC 6455 7.1.1)
        t.ok(1, session.wait_closed(10), "the TCP connection is still open after 10 s")
    else:
        session.shut()
        session.wait_closed()


@case("7.6", "A record that cannot be processed", metrics=1, transports=BOTH)
def malformed(t):                           # R-WS.16; R-WS.14: text is no record
    come_back(t)
    good = usp.wrap(usp.get("Device.DeviceInfo."), t.lane.endpoint_id, t.ctl.endpoint_id).SerializeToString()
    for what, opcode, data in (("garbage", wspeer.BINARY, b"\xff" * 20), ("half a record", wspeer.BINARY, good[:-3]),
                               ("nothing", wspeer.BINARY, b""), ("a text frame", wspeer.TEXT, b"record")):
        t.ctl.transport.connect(20)
        session = session_of(t)
        session.message(data, opcode=opcode)
        frame = session.wait(wspeer.CLOSE, 10)
        t.need(1, frame, f"no Close frame within 10 s of {what}")
        t.eq(1, f"status of the Close frame after {what}", frame.code, UNSUPPORTED_DATA)
        session.wait_closed()


@case("7.7", "Ping and Pong", metrics=2, transports=BOTH)
def ping(t):                                # R-WS.13, R-WS.17
    session = session_of(t)
    session.send(b"are you there", wspeer.PING)
    pong = session.wait(wspeer.PONG, 60)
    t.need(1, pong, "no Pong within 60 s")
    t.eq(1, "payload of the Pong", pong.data, b"are you there")
    session.send(b"unasked", wspeer.PONG)
    get_device_info(t, 2)
    t.ok(2, session.open and not session.of(wspeer.CLOSE), "the session ended after the Pong")


def in_range(t, metric, what, seconds, low, high):
    t.ok(metric, low - 0.1 <= seconds <= high + SLACK, f"{what} after {seconds:.2f} s, not {low} to {high} s")


@case("7.8", "Session retry", metrics=2, transports=OUT)
def retry(t):                               # R-WS.19
    minimum = t.scaled(5, 1)
    websocket = t.lane.row + "MTP.1.WebSocket."
    t.ctl.set(websocket, SessionRetryMinimumWaitInterval=minimum, SessionRetryIntervalMultiplier=2000)
    t.undo(lambda: t.ctl.set(websocket, SessionRetryMinimumWaitInterval=1, SessionRetryIntervalMultiplier=1000))
    t.response(1, t.ctl.request(usp.get(t.lane.row + "MTP.1.")), "get_resp")
    come_back(t)
    peer = t.lane.peer
    peer.on_request = lambda session: 503
    t.undo(peer.reset_rules)
    last = session_of(t)
    last.cut()
    last.wait_closed()
    for n in (1, 2):
        low, high = 2 ** (n - 1) * minimum, 2 ** n * minimum
        this = peer.wait_session(last.number, high + SLACK + 5, opened=False)
        t.need(n, this, f"no attempt {n} within {high} s")
        in_range(t, n, f"attempt {n}", this.accepted_at - last.closed_at, low, high)
        this.wait_closed()
        last = this
    peer.reset_rules()
    t.ctl.transport.connect(8 * minimum + 10)


@case("7.9", "WebSocket over TLS", metrics=2, transports=BOTH, fresh=True, setup=lambda lane: lane.secure())
def tls(t):                                 # R-WS.22
    mark = t.lane.connection()
    if t.transport == "websocket":
        reboot(t, 1)
    else:
        t.lane.reboot()
    get_device_info(t, 2)
    encrypted(t, 1, mark)


@case("7.10", "The connect record", metrics=1, transports=OUT)
def connect_record(t):
    before = len(t.ctl.records)
    reboot(t, 1)
    t.ok(1, t.ctl.record("websocket_connect", 30, before), "no WebSocketConnectRecord within 30 s")


@case("7.11", "An answer without the extension bbf-usp-protocol", metrics=2, transports=OUT)
def no_extension(t):                        # R-WS.11b
    t.lane.peer.on_request = lambda session: [wspeer.SUBPROTOCOL]
    t.undo(t.lane.peer.reset_rules)
    t.ok(1, reboot(t, 1).open, "the agent ended the session")
    get_device_info(t, 2)


@case("7.12", "A record in several frames", metrics=1, transports=BOTH)
def fragments(t):                           # R-WS.14b, R-WS.15
    session = session_of(t)
    message = usp.get("Device.DeviceInfo.")
    record = usp.wrap(message, t.lane.endpoint_id, t.ctl.endpoint_id).SerializeToString()
    session.message(record, pieces=4)
    t.response(1, t.ctl.wait_answer(message.header.msg_id), "get_resp")
    session.send(record[:10], wspeer.BINARY, fin=False)
    session.send(b"between", wspeer.PING)       # RFC 6455 5.4: control frames may come in between
    session.send(record[10:], wspeer.CONTINUATION)
    t.response(1, t.ctl.wait_answer(message.header.msg_id), "get_resp")
    t.ok(1, session.wait(wspeer.PONG), "no Pong to the Ping between the frames")
