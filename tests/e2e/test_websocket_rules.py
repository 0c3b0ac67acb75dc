# SPDX-License-Identifier: BSD-3-Clause
"""Rules of the WebSocket binding (R-WS.*) that TP-469 has no case for, frame by frame: both ends of hptest/wspeer.py."""

from hptest import Agent, Cleanup, Controller, UdsTransport, scenario, usp, wait_until, wspeer
from hptest.process import free_port

AGENT = ("homepatchd",)
CTL = "self::web"
ROW = "Device.LocalAgent.Controller.1."
WEBSOCKET = ROW + "MTP.1.WebSocket."
SERVER = "Device.LocalAgent.MTP.1."
GOING_AWAY = 1001


class Site:
    """An agent that connects to a controller's server, has a server of its own, and an administrator on the UNIX socket."""

    def __init__(self, directory, out=True, **agent):
        self.cleanup = Cleanup()
        self.agent = Agent(directory, **agent)
        self.ctl = None
        if out:
            port = free_port()
            self.agent.ws_controller(port, CTL)
            self.transport = wspeer.PeerServerTransport(port, endpoint_id=CTL)
            self.peer = self.cleanup.add(self.transport.peer)
            self.ctl = Controller(self.transport, CTL, self.agent.endpoint_id)
        self.where = self.agent.ws_server(CTL)
        self.uds = self.agent.uds("self::admin")

    def start(self):
        self.cleanup.add(self.agent.start())
        self.admin = Controller(UdsTransport(**self.uds), "self::admin", self.agent.endpoint_id)
        self.cleanup.add(self.admin.connect())
        if self.ctl:
            self.cleanup.add(self.ctl)
            self.ctl.connect(15)
        return self

    def dial(self, **more):
        """A session that the controller opens, and its records."""
        transport = wspeer.PeerClientTransport(**self.where)
        transport.session = transport.dial(**more)
        return self.cleanup.add(Controller(transport, CTL, self.agent.endpoint_id).connect())

    def next_session(self, act, timeout=15):
        number = len(self.peer.sessions)
        act()
        session = self.peer.wait_session(number, timeout)
        assert session, "the agent does not connect again"
        return session

    def same_session(self, act):
        session, number = self.peer.current(), len(self.peer.sessions)
        act()
        assert not self.peer.wait_session(number, 1.5, opened=False), "the agent connected anew"
        assert session.open and not session.of(wspeer.CLOSE)

    def retries(self):
        return int(self.admin.value(WEBSOCKET + "CurrentRetryCount"))


def site(**options):
    """A scenario with a Site."""
    def wrap(function):
        def run(directory):
            bench = Site(directory, **options)
            try:
                function(bench)
            finally:
                bench.cleanup.run()
        run.__name__, run.__module__ = function.__name__, function.__module__
        return scenario(needs=AGENT)(run)
    return wrap


# -- the opening handshake

@site(endpoint_id="os::012345-GW%2500")
def names_in_the_handshake(s):
    """R-WS.10b, R-WS.10c: the Endpoint ID is opaque in the query. R-WS.11a: and in the extension of both sides."""
    s.agent.put(ROW + "MTP.1.WebSocket.", Path="/usp?site=1")
    s.start()
    session = s.peer.current()
    assert session.target == "/usp?site=1&eid=os::012345-GW%252500", session.target
    assert session.peer_eid == s.agent.endpoint_id
    own = f'bbf-usp-protocol; eid="{s.agent.endpoint_id}"'
    assert session.headers["sec-websocket-extensions"] == own, session.headers
    offer = ("Sec-WebSocket-Extensions", f'bbf-usp-protocol; eid="{CTL}"')
    named = wspeer.dial(s.where["port"], headers=(wspeer.SUBPROTOCOL, offer))
    assert named.headers["sec-websocket-extensions"] == own, named.headers
    named.close()
    silent = wspeer.dial(s.where["port"], endpoint_id=CTL)              # R-WS.11c
    assert "sec-websocket-extensions" not in silent.headers
    assert silent.headers["sec-websocket-protocol"] == "v1.usp"         # R-WS.11
    silent.close()


@site(endpoint_id="os::012345-GW%2500")
def name_of_the_controller(s):
    """What a controller says of itself, in the query or the extension, is who its records are from."""
    s.start()
    eid = "proto::a%2Fb"
    s.admin.add("Device.LocalAgent.Controller.", Enable=True, EndpointID=eid,
                AssignedRole="Device.LocalAgent.ControllerTrust.Role.1")
    for query, headers in ((eid, ()), (None, (("Sec-WebSocket-Extensions", f'bbf-usp-protocol; eid="{eid}"'),)), (None, ())):
        transport = wspeer.PeerClientTransport(**{**s.where, "endpoint_id": query})
        transport.session = transport.dial(headers=(wspeer.SUBPROTOCOL, *headers))
        ctl = Controller(transport, eid, s.agent.endpoint_id).connect()
        assert ctl.value("Device.LocalAgent.EndpointID") == s.agent.endpoint_id, (query, headers)
        ctl.stop()


@site()
def answers_with_the_extension(s):
    """R-WS.11b goes both ways: a controller from before USP 1.3 answers with it."""
    s.peer.on_request = lambda session: [wspeer.SUBPROTOCOL,
                                         ("Sec-WebSocket-Extensions", f'bbf-usp-protocol; eid="{CTL}"')]
    s.start()
    assert s.ctl.value("Device.LocalAgent.EndpointID") == s.agent.endpoint_id


@site()
def handshakes_without_the_subprotocol(s):
    """R-WS.12 and R-WS.12a."""
    s.start()
    s.peer.on_request = lambda session: []
    s.next_session(lambda: s.peer.current().cut())
    wait_until(lambda: s.retries() >= 2, 15, "the agent tries again, and again")
    assert not s.peer.current() or not s.peer.current().of(wspeer.BINARY), "a record without the subprotocol"
    for headers in ((), (("Sec-WebSocket-Protocol", "v2.usp"),)):
        try:
            wspeer.dial(s.where["port"], endpoint_id="self::other", headers=headers)
            raise AssertionError(f"accepted with {headers}")
        except wspeer.Refused as refusal:
            assert refusal.status == 400
    s.peer.reset_rules()
    s.transport.connect(15)
    assert s.retries() == 0             # R-WS.20


# -- one session

@site()
def stands_back(s):
    """R-WS.4: the controller's own session replaces ours, which is not tried again until that one is over."""
    s.start()
    ours = s.peer.current()
    ctl = s.dial()
    assert ours.wait(wspeer.CLOSE, 10).code == GOING_AWAY
    assert ctl.value("Device.LocalAgent.EndpointID") == s.agent.endpoint_id
    number = len(s.peer.sessions)
    assert not s.peer.wait_session(number, 3, opened=False), "the agent opens a second session"
    assert s.retries() == 0
    s.next_session(ctl.close)
    assert s.ctl.value("Device.LocalAgent.EndpointID") == s.agent.endpoint_id


@site(out=False)
def only_one_also_without_a_name(s):
    """R-WS.4 for a peer that names itself with its first record."""
    s.start()
    first = s.dial()
    transport = wspeer.PeerClientTransport(**{**s.where, "endpoint_id": None})
    transport.session = transport.dial()
    second = s.cleanup.add(Controller(transport, CTL, s.agent.endpoint_id).connect())
    assert second.value("Device.LocalAgent.EndpointID") == s.agent.endpoint_id
    assert first.transport.session.wait(wspeer.CLOSE, 10).code == GOING_AWAY


# -- the end

@site()
def ends_in_order(s):
    """R-WS.8, R-MTP.7: the answer, the Disconnect record, the Close frame, whatever the reason."""
    s.start()
    incoming = "self::in"
    s.admin.add("Device.LocalAgent.Controller.", Enable=True, EndpointID=incoming,
                AssignedRole="Device.LocalAgent.ControllerTrust.Role.1")
    transport = wspeer.PeerClientTransport(**{**s.where, "endpoint_id": incoming})
    ctl = s.cleanup.add(Controller(transport, incoming, s.agent.endpoint_id).connect())
    session = transport.session
    ctl.set(SERVER + "WebSocket.", Path="/elsewhere")           # the answer comes
    assert ctl.wait_record("disconnect", 10) and session.wait(wspeer.CLOSE, 10).code == GOING_AWAY
    assert session.wait_closed(10)
    transport.path = "/elsewhere"
    ctl.connect(15)
    session = transport.session
    ctl.set(SERVER, Enable=False)
    assert session.wait(wspeer.CLOSE, 10).code == GOING_AWAY
    assert s.admin.value(SERVER + "Status") == "Down"

    session = s.peer.current()
    again = s.next_session(lambda: s.ctl.operate(WEBSOCKET + "Reset()"))
    assert session.wait(wspeer.CLOSE, 10).code == GOING_AWAY and s.ctl.wait_record("disconnect", 10)
    before = len(s.ctl.records)
    s.agent.stop()
    assert again.wait(wspeer.CLOSE, 10).code == GOING_AWAY
    assert any(r.WhichOneof("record_type") == "disconnect" for r in s.ctl.records[before:])


@site()
def reset_of_what_is_off(s):
    """Reset() ends a wait for the next attempt; a row without a session has none to begin."""
    s.agent.put(WEBSOCKET, SessionRetryMinimumWaitInterval=600)
    s.start()
    s.peer.on_request = lambda session: 503
    s.peer.current().cut()
    wait_until(lambda: s.retries() == 1, 10, "the agent waits")
    s.peer.reset_rules()
    s.next_session(lambda: s.admin.operate(WEBSOCKET + "Reset()"), 10)
    wait_until(lambda: s.retries() == 0, 10, "a session is no retry")
    s.admin.set(ROW + "MTP.1.", Enable=False)
    wait_until(lambda: not s.peer.current(), 10, "the session ends")
    answer = s.admin.operate(WEBSOCKET + "Reset()")
    assert [kind for kind, _ in answer.values()] == ["failure"], answer


# -- keep-alive and retries

@site()
def settings_that_need_no_new_session(s):
    """R-WS.17, R-WS.18: Pings follow a new interval on the session that is open; so do those of the server."""
    s.start()
    session = s.peer.current()
    assert not session.of(wspeer.PING)
    s.same_session(lambda: s.ctl.set(WEBSOCKET, KeepAliveInterval=1, SessionRetryMinimumWaitInterval=2,
                                     SessionRetryIntervalMultiplier=1500))
    first = session.wait(wspeer.PING, 5)
    second = session.wait(wspeer.PING, 5, accept=lambda f: f is not first)
    assert second and 0.8 <= second.at - first.at <= 3, "Pings once a second"
    s.admin.set(SERVER + "WebSocket.", KeepAliveInterval=1)
    ctl = s.dial()
    assert ctl.transport.session.wait(wspeer.PING, 5)


@site()
def pings_without_an_answer(s):
    """R-WS.17: who answers none is gone; R-WS.19 follows."""
    s.agent.put(WEBSOCKET, KeepAliveInterval=1)
    s.peer.pong = False
    s.start()
    session = s.peer.current()
    s.peer.pong = True
    again = s.peer.wait_session(session.number, 15)
    assert again and session.closed_at, "the agent keeps a session with a peer that is gone"


# -- what breaks the protocol

@site()
def broken_frames(s):
    """RFC 6455 5: frames that must not be end the session, and nothing else."""
    s.start()
    frames = {
        "a reserved bit": b"\xc2\x01x",
        "a reserved opcode": b"\x83\x00",
        "a Ping in two frames": b"\x09\x01x",
        "a continuation of nothing": b"\x80\x01x",
        "a masked frame of a server": b"\x82\x81\x01\x02\x03\x04x",
        "a length beyond all limits": b"\x82\x7f\x7f" + b"\xff" * 7 + b"x" * 20000,
        "a message within another": b"\x02\x01x\x82\x01y",
    }
    for what, data in frames.items():
        s.transport.connect(20)
        session = s.peer.current()
        session.sock.sendall(data)
        if not session.wait_closed(10):
            raise AssertionError(f"{what}: the session goes on")
    s.transport.connect(20)
    assert s.ctl.value("Device.LocalAgent.EndpointID") == s.agent.endpoint_id


@site()
def message_too_long(s):
    """The limit of a record closes with 1009, in one frame or in many."""
    s.start()
    for pieces in (1, 20):
        s.transport.connect(20)
        session = s.peer.current()
        try:
            session.message(b"x" * (9 << 20), pieces)
        except OSError:
            pass                        # it was closed while we wrote
        assert session.wait(wspeer.CLOSE, 10).code == 1009, pieces
        session.wait_closed(10)


def disconnect_record(ctl, agent):
    record = usp.Record(version="1.4", to_id=agent.endpoint_id, from_id=ctl.endpoint_id)
    record.disconnect.reason_code, record.disconnect.reason = 0, "for now"
    return record


@site()
def disconnect_record_on_a_session_that_stays(s):
    """R-MTP.8: a Connect record comes before anything else."""
    s.start()
    before = len(s.ctl.records)
    s.same_session(lambda: s.ctl.send_record(disconnect_record(s.ctl, s.agent)))
    assert s.ctl.value("Device.LocalAgent.EndpointID") == s.agent.endpoint_id
    assert [r.WhichOneof("record_type") for r in s.ctl.records[before:]] == ["websocket_connect"]


@site()
def spoofed_sender(s):
    """R-SEC.0a: a record from another than the session's endpoint is ignored, and the session goes on."""
    s.start()
    message = usp.get("Device.LocalAgent.EndpointID")
    s.ctl.send_record(usp.wrap(message, s.agent.endpoint_id, "self::admin"))
    assert s.ctl.value("Device.LocalAgent.EndpointID") == s.agent.endpoint_id
    assert message.header.msg_id not in s.ctl._answers
