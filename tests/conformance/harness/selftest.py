# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the runner itself: its broker against paho-mqtt, its verdicts and its checks of answers without an agent."""

import queue
import types

import paho.mqtt.client as paho
from hptest import usp, wspeer
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from . import consistency, messages, mqttwire as mq, registry
from .broker import Broker, Connack
from .runner import FAIL, PASS, SKIP, Worker, also, difference
from .trial import Abort, Skip, Trial


def _client(broker, version, received):
    client = paho.Client(client_id="", protocol=version)
    client.username_pw_set("user", "word")
    client.on_message = lambda c, u, m: received.put(m)
    client.connect("127.0.0.1", broker.port, keepalive=30)
    client.loop_start()
    session = broker.wait_session()
    assert session, "no session"
    return client, session


def broker_v5():
    broker, received = Broker(), queue.Queue()
    broker.on_connect = lambda session, packet: Connack(
        props={"assigned_client_identifier": "given", "server_keep_alive": 7}, user=[("subscribe-topic", "a/b")])
    client, session = _client(broker, paho.MQTTv5, received)
    assert session.connect.version == mq.V5 and session.connect.client_id == ""
    assert (session.connect.username, session.connect.password) == ("user", b"word")
    client.subscribe([("a/+", 1), ("c/#", 0)])
    assert broker.wait_for(lambda: session.subscribed("a/b") and session.subscribed("c/d/e"), 5)
    assert broker.publish("a/b", b"hello", qos=1, props={"response_topic": "r", "content_type": "usp.msg"}) == 1
    message = received.get(timeout=5)
    assert message.payload == b"hello" and message.properties.ResponseTopic == "r"
    assert session.wait(mq.PUBACK, 5)
    props = Properties(PacketTypes.PUBLISH)
    props.ContentType = "usp.msg"
    for qos in (0, 1, 2):
        client.publish("x/y", b"%d" % qos, qos=qos, properties=props).wait_for_publish(5)
    assert broker.wait_for(lambda: [p.payload for p in session.of(mq.PUBLISH)] == [b"0", b"1", b"2"], 5)
    assert session.of(mq.PUBLISH)[0].props == {"content_type": "usp.msg"}
    client.unsubscribe("c/#")
    assert broker.wait_for(lambda: not session.subscribed("c/d"), 5)
    client.disconnect()
    assert session.wait(mq.DISCONNECT, 5) and session.wait_closed(5)
    client.loop_stop()
    broker.stop()


def broker_v311():
    broker, received = Broker(), queue.Queue()
    broker.on_subscribe = lambda session, packet: [0x80 for _ in packet.filters]
    client, session = _client(broker, paho.MQTTv311, received)
    granted = queue.Queue()
    client.on_subscribe = lambda c, u, mid, codes: granted.put(codes)
    client.subscribe("a", 1)
    assert granted.get(timeout=5) == (0x80,) and not session.subscribed("a")
    mark = session.number
    session.disconnect()
    assert session.wait_closed(5)
    assert broker.wait_session(mark, 10), "paho did not come back"
    client.loop_stop()
    broker.stop()


def websocket_peer():
    received = queue.Queue()
    peer = wspeer.Peer(0, on_message=received.put).start()
    port = peer._listener.getsockname()[1]
    client = wspeer.dial(port, endpoint_id="proto::a%2Fb")
    session = peer.wait_session()
    assert session.peer_eid == "proto::a%2Fb" and session.headers["sec-websocket-protocol"] == "v1.usp"
    for size in (0, 1, 125, 126, 65535, 65536):
        client.message(b"x" * size, pieces=3)
        assert received.get(timeout=5) == b"x" * size
    client.send(b"there?", wspeer.PING)
    assert client.wait(wspeer.PONG, 5).data == b"there?"
    client.close(1001, b"bye")
    assert client.wait(wspeer.CLOSE, 5).code == 1001 and session.close_code == 1001
    assert session.wait_closed(5) and not peer.current()
    peer.on_request = lambda session: 503
    try:
        wspeer.dial(port)
        raise AssertionError("a refused handshake was taken for a session")
    except wspeer.Refused as refusal:
        assert refusal.status == 503
    peer.stop()


def wire():
    assert mq.varint(0) == b"\0" and mq.varint(128) == b"\x80\x01" and mq.varint(268435455) == b"\xff\xff\xff\x7f"
    for wanted, topic, good in (("a/#", "a", True), ("a/#", "a/b/c", True), ("+/b", "a/b", True), ("+", "a/b", False),
                                ("#", "$SYS/x", False), ("$share/g/a/+", "a/b", True), ("a/b", "a", False)):
        assert mq.matches(wanted, topic) == good, (wanted, topic)
    for body in (b"", b"\0\4MQTT\5", b"\0\4MQTT\5\2\0\x3c\x05\x11\0", b"\0\4HTTP\5\2\0\x3c\0\0\0"):
        try:
            mq.decode(mq.CONNECT << 4, body, 0)
        except mq.Malformed:
            continue
        raise AssertionError(f"{body!r} was taken for a CONNECT")


def _run(function, metrics=1, **options):
    """The verdict of the runner for a case function on a lane that is not there."""
    ctl = types.SimpleNamespace(violations=[])
    lane = types.SimpleNamespace(ctl=ctl, name="none", drop_second=lambda: None,
                                 agent=types.SimpleNamespace(running=lambda: True))
    case = registry.Case("0.0", "", function, range(1, metrics + 1), (), 0, True, (), None, None, "")
    worker = Worker.__new__(Worker)
    worker.real_time, worker.lane = False, None
    worker.__dict__.update(options)
    return worker.try_case(case, lane)


def verdicts():
    def abort(t):
        t.need(1, False, "wrong")

    def skip(t):
        raise Skip("not here")

    def late(t):
        t.ok(1, True, "")
        t.undo(lambda: 1 / 0)

    def violation(t):
        t.ok(1, True, "")
        t.ctl.violations.append("bad record")

    assert _run(lambda t: t.ok(1, True, "")) == (PASS, "")
    assert _run(lambda t: t.ok(1, True, ""), metrics=2) == (FAIL, "metric 2 was not checked")
    assert _run(lambda t: t.eq(1, "it", 2, 3)) == (FAIL, "metric 1: it is 2, not 3")
    assert _run(abort) == (FAIL, "metric 1: wrong")
    assert _run(skip) == (SKIP, "not here")
    assert _run(late)[0] == FAIL and "clean-up" in _run(late)[1]
    assert _run(violation) == (FAIL, "universal metric: bad record")
    assert _run(lambda t: (t.ok(1, True, ""), t.scaled(60, 1))) == (PASS, "waits scaled")
    assert also(PASS, "x", "died") == (FAIL, "died") and also(SKIP, "x", "") == (SKIP, "x")
    before = ({"a.1."}, {"p": "1"})
    assert difference(before, before) == ""
    assert "left behind a.2." in difference(before, ({"a.1.", "a.2."}, {"p": "1"}))
    assert "removed a.1." in difference(before, (set(), {"p": "1"}))
    assert "p = '2'" in difference(before, ({"a.1."}, {"p": "2"}))


def _answer(request, kind):
    msg = usp.Msg()
    msg.header.msg_id = request.header.msg_id
    return msg, getattr(msg.body.response, kind)


def answers():
    request = usp.get("Device.A.")
    answer, resp = _answer(request, "get_resp")
    result = resp.req_path_results.add(requested_path="Device.A.")
    result.resolved_path_results.add(resolved_path="Device.A.")
    assert not list(consistency.complaints(request, answer))
    result.resolved_path_results.add(resolved_path="Device.A.")
    assert any("2 times" in c for c in consistency.complaints(request, answer))
    result.requested_path = "Device.B."
    assert any("asked for were" in c for c in consistency.complaints(request, answer))
    answer.body.error.err_code = 7025
    assert any("not one for get" in c for c in consistency.complaints(request, answer))

    request = messages.set_(("Device.A.", "!X=1", "Y=2"))
    answer, resp = _answer(request, "set_resp")
    one = resp.updated_obj_results.add(requested_path="Device.A.").oper_status.oper_success.updated_inst_results.add()
    one.updated_params["X"] = "1"
    assert any("were sent" in c for c in consistency.complaints(request, answer)), "Y is neither updated nor failed"
    one.param_errs.add(param="Y", err_code=7010)
    assert not list(consistency.complaints(request, answer))
    one.updated_params["X"] = "3"
    assert any("sent was '1'" in c for c in consistency.complaints(request, answer))


def trial_codes():
    t = Trial(types.SimpleNamespace(ctl=None, name="none"), None, True)
    msg = usp.Msg()
    msg.body.error.err_code = 7026
    assert t.error(1, msg, "get").err_code == 7026 and not t.failures
    try:
        t.response(2, msg, "get_resp")
        raise AssertionError("an Error was taken for a response")
    except Abort:
        assert t.failures == ["metric 2: GetResp expected, got Error 7026 ''"], t.failures
    assert t.scaled(60, 1) == 60 and not t.notes


def run(quiet=False):
    """Runs them all, and names them unless quiet; how many failed."""
    failed = 0
    for test in (wire, broker_v5, broker_v311, websocket_peer, verdicts, answers, trial_codes):
        try:
            test()
            if not quiet:
                print(f"selftest {test.__name__} PASS")
        except AssertionError as e:
            failed += 1
            print(f"selftest {test.__name__} FAIL {e!r} at line {e.__traceback__.tb_next.tb_lineno}")
    return failed
