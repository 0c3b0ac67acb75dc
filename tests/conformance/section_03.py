# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 3, USP records: session contexts, the integrity of records, TLS in their payload."""

import random
import ssl
import time

from cryptography import x509
from harness.messages import got_values, status_of
from harness.registry import case
from harness.session import BEGIN, COMPLETE, INPROCESS, MAC_BYTES, PLAINTEXT, TLS12, Session, Signer, names_of
from harness.tlspayload import (ALERT, APPLICATION, CERTIFICATE, CERTIFICATE_REQUEST, HANDSHAKE, HANDSHAKE_FAILURE,
                                NO_RENEGOTIATION, Tls, client_hello, handshakes)
from hptest import usp
from hptest.pki import Pki

E2E = "Device.LocalAgent.Controller.{i}.E2ESession."
DEVICE_INFO = "Device.DeviceInfo."
SECURE_SESSION_REQUIRED = 7101
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def urn(endpoint_id):
    return f"urn:bbf:usp:id:{endpoint_id}"


def with_certificates(lane):
    """The agent and the controller have certificates of one CA, each with its Endpoint ID."""
    pki = lane.keep["pki"] = Pki(lane.dir / "pki")
    lane.agent.tls(pki.ca_file, *pki.issue("agent", uris=[urn(lane.endpoint_id)]))
    lane.keep["controller"] = pki.issue("controller", uris=[urn("self::conformance")])


def e2e(t):
    return t.lane.row + "E2ESession."


def configure(t, **settings):
    """Set of our own E2ESession, without a session, and back at the end."""
    before = t.ctl.get(e2e(t))
    t.undo(lambda: t.ctl.set(e2e(t), **{name: before[e2e(t) + name] for name in settings}))
    t.ctl.set(e2e(t), **settings)


def plain_session(t):
    session = Session(t.ctl)
    t.undo(session.detach)
    t.undo(lambda: t.ok(1, not session.wrong, f"rules for every record: {session.wrong}"))
    return session


def tls_session(t, maximum=None, shown=None):
    """Signed and TLS-secured; shown: the certificate and key for TLS, if not the controller's."""
    pki, own = t.lane.keep["pki"], t.lane.keep["controller"]
    session = Session(t.ctl, lambda server: Tls(server, pki.ca_file, *(shown or own), maximum), Signer(*own))
    t.undo(session.detach)
    t.undo(lambda: t.ok(1, not session.wrong, f"rules for every record: {session.wrong}"))
    return session


def contexts(session, since=0):
    return [record.session_context for _, record in session.received[since:]]


def segmented(t, session, since, most=512):
    """The records since then are one message in segments, each short enough."""
    records = [record for _, record in session.received[since:]]
    states = [record.session_context.payload_sar_state for record in records]
    t.eq(1, "payload_sar_state", states, [BEGIN] + [INPROCESS] * (len(states) - 2) + [COMPLETE])
    t.ok(1, max(len(record.SerializeToString()) for record in records) <= most, f"longer than {most} bytes")


def alive(t, metric):
    """The agent answers an ordinary Get."""
    t.response(metric, t.ctl.request(usp.get("Device.LocalAgent.UpTime")), "get_resp")


def status(t):
    return t.ctl.get(e2e(t) + "Status")[e2e(t) + "Status"]


# -- without a session

@case("3.1", "Malformed record outside a session context")
def malformed(t):
    record = usp.wrap(b"\xff\xff\xff not a message", t.lane.endpoint_id, t.ctl.endpoint_id)
    before = len(t.ctl.answers)
    t.ctl.send_record(record)
    number = t.lane.connection()
    twice = usp.wrap(usp.get(DEVICE_INFO), t.lane.endpoint_id, t.ctl.endpoint_id).SerializeToString()
    t.ctl.send_record(twice + b"\x62\x00")      # a second record type
    if t.transport != "mqtt":
        t.lane.reconnected(number, 20)          # R-WS.16, R-UDS.23: the connection was closed, and comes back
    t.eq(1, "answers", len(t.ctl.answers), before)
    alive(t, 1)


@case("3.2", "Unprotected plaintext record when no MTP security", supports=[E2E], fresh=True, setup=with_certificates,
      erratum="the agent is told so by E2ESession: SessionMode Require, PayloadSecurity TLS")
def unprotected(t):
    answer = t.ctl.request(usp.set_({e2e(t): {"SessionMode": "Require", "PayloadSecurity": "TLS"}}))
    t.response(1, answer, "set_resp")
    get = usp.get(DEVICE_INFO)
    t.ctl.send(get)
    error = t.ctl.wait_answer(get.header.msg_id)
    t.need(1, error.body.WhichOneof("msg_body") == "error", f"Error expected, got {error.body}")
    t.eq(1, "err_code", error.body.error.err_code, SECURE_SESSION_REQUIRED)


# -- payload security

@case("3.3", "Session start with a bad mac_signature", supports=[E2E], fresh=True, setup=with_certificates)
def bad_signature(t):
    session = tls_session(t)
    for what in ("signature", "field", "certificate"):
        tls = session.make_tls(False)
        record = session.protect(session.record(tls.take(), session_id=random.randrange(2, 1 << 40), sequence_id=1))
        if what == "signature":
            record.mac_signature = record.mac_signature[:-1] + bytes([record.mac_signature[-1] ^ 1])
        elif what == "field":
            record.session_context.session_id += 1
        else:
            record.sender_cert = t.lane.keep["pki"].issue("other", uris=[urn("self::other")])[0].read_bytes()
        t.ctl.send_record(record)
        tls.close()
    alive(t, 1)
    t.ctl.silence(lambda n: False, t.within(1))
    t.eq(1, "records of a session", len(session.received), 0)
    t.eq(1, "Status", status(t), "Down")


@case("3.4", "TLS payload security, MAC on records", metrics=2, supports=[E2E], fresh=True, setup=with_certificates)
def mac(t):
    for name, version in VERSIONS.items():
        session = tls_session(t, version)
        session.begin()
        t.need(1, session.wait_up(), f"{name}: no TLS session: {session.tls.error}")
        t.eq(1, "version", session.tls.version(), name)
        since = len(session.received)
        t.response(1, session.answer(usp.get("Device.LocalAgent.")), "get_resp")
        records = [record for _, record in session.received[since:]]
        t.ok(1, records, "no record came")
        for record in records:
            t.eq(1, f"{name}: length of mac_signature", len(record.mac_signature), MAC_BYTES)
            t.ok(1, not record.sender_cert, "a certificate besides the MAC")
            t.ok(2, session.mac_fits(record), f"{name}: the MAC does not fit")
        t.response(1, session.answer(usp.set_({e2e(t): {"MaxUSPRecordSize": 512}})), "set_resp")
        since = len(session.received)
        t.response(1, session.answer(usp.get("Device.LocalAgent.")), "get_resp")
        segmented(t, session, since)
        t.response(1, session.answer(usp.set_({e2e(t): {"MaxUSPRecordSize": 0}})), "set_resp")
        # A record whose MAC does not fit is ignored, and the session begins anew (R-E2E.23).
        count = len(session.begun_by_agent)
        unheard = usp.get(DEVICE_INFO)
        record = session.protect(session.record(session.tls.seal(unheard.SerializeToString())))
        record.session_context.expected_id += 1
        t.ctl.send_record(record)
        t.ok(2, session.wait(lambda: len(session.begun_by_agent) > count), f"{name}: no new session")
        t.ok(2, session.wait_up(), f"{name}: the new session does not come up")
        t.ok(2, unheard.header.msg_id not in t.ctl.answers, f"{name}: it was answered")


def refused_handshake(t, metric, session):
    """The agent ends the handshake with an alert; what it sent of its own side is in session.tls."""
    session.begin()
    tls = session.tls
    t.need(metric, session.wait(lambda: tls.error is not None), "no alert within 10 s")
    t.ok(metric, "ALERT" in str(tls.error).upper(), f"the handshake ends by {tls.error}")
    return tls


@case("3.5", "E2E TLS handshake failure and retry", metrics=2, supports=[E2E], fresh=True, setup=with_certificates,
      erratum="the controller whose handshakes the agent retries is one with SessionMode Require")
def handshake_retry(t):
    second = t.lane.second()
    minimum, multiplier = t.scaled(5, 1), 2000
    t.ctl.set(e2e(t), SessionRetryMinimumWaitInterval=minimum, SessionRetryIntervalMultiplier=multiplier)
    stranger = Pki(t.lane.dir / "stranger", "stranger").issue("controller", uris=[urn("self::conformance")])
    session = tls_session(t, ssl.TLSVersion.TLSv1_2, shown=stranger)
    refused_handshake(t, 1, session)
    session.detach()

    session = tls_session(t, ssl.TLSVersion.TLSv1_2)
    session.alert = HANDSHAKE_FAILURE
    second.set(e2e(t), SessionMode="Require")
    for retry in (1, 2):
        t.need(2, session.wait(lambda: len(session.alerted) >= retry, 20), "the agent starts no session")
        count = len(session.begun_by_agent)
        if retry == 2:
            session.alert = None
        most = minimum * (multiplier / 1000) ** retry
        t.need(2, session.wait(lambda: len(session.begun_by_agent) > count, most + 5), f"no retry {retry}")
        waited = session.begun_by_agent[count][0] - session.alerted[retry - 1]
        least = minimum * (multiplier / 1000) ** (retry - 1)
        t.ok(2, least - 0.2 <= waited <= most + 2, f"retry {retry} after {waited:.1f} s, not {least} to {most} s")
    t.ok(2, session.wait_up(), "the agent's session does not come up")
    t.response(2, session.answer(usp.get(e2e(t))), "get_resp")
    path = e2e(t) + "CurrentRetryCount"
    t.eq(2, path, second.get(path)[path], "0")


@case("3.6", "TLS renegotiation refused", supports=[E2E], fresh=True, setup=with_certificates)
def renegotiation(t):
    session = tls_session(t, ssl.TLSVersion.TLSv1_2)
    session.begin()
    t.need(1, session.wait_up(), f"no TLS session: {session.tls.error}")
    hand, since = session.tls.by_hand(), len(session.received)
    said, message = [], b""
    taken = session.tls.take
    session.tls.take = lambda data=b"": said.extend(hand.open(data)) or b""
    session.send_payload(hand.seal(HANDSHAKE, client_hello()))
    get = usp.get(DEVICE_INFO)
    session.send_payload(hand.seal(APPLICATION, get.SerializeToString()))
    t.need(1, session.wait(lambda: any(kind == APPLICATION for kind, _ in said)), f"no answer, only {said}")
    session.tls.take = taken
    for kind, body in said:
        if kind == APPLICATION:
            message += body
        else:
            t.ok(1, kind == ALERT and body[1] == NO_RENEGOTIATION, f"TLS record {kind} {body.hex()}")
    answer = usp.Msg()
    answer.ParseFromString(message)
    t.eq(1, "msg_id", answer.header.msg_id, get.header.msg_id)
    t.response(1, answer, "get_resp")
    t.eq(1, "session", {c.session_id for c in contexts(session, since)}, {session.id})


@case("3.7", "X.509 checks in E2E TLS", metrics=3, supports=[E2E], fresh=True, setup=with_certificates)
def certificates(t):
    other = t.lane.keep["pki"].issue("mismatch", uris=[urn("self::somebody-else")])
    nameless = t.lane.keep["pki"].issue("nameless")
    for shown in (other, nameless):
        session = tls_session(t, ssl.TLSVersion.TLSv1_2, shown=shown)
        tls = refused_handshake(t, 3, session)
        said = dict(handshakes(tls.received))
        t.need(1, CERTIFICATE in said, "the agent shows no certificate")
        body = said[CERTIFICATE]
        first = x509.load_der_x509_certificate(body[6:6 + int.from_bytes(body[3:6], "big")])
        t.ok(1, urn(t.lane.endpoint_id) in names_of(first), f"it names {names_of(first)}")
        t.ok(2, CERTIFICATE_REQUEST in said, "the agent asks for no certificate")
        t.eq(3, "Status", status(t), "Down")
        session.detach()
    # The controller's own certificate brings it the role of its CA (R-SEC.25).
    certificate, = t.ctl.instances("Device.LocalAgent.Certificate.")
    role = t.ctl.get(t.lane.row + "AssignedRole")[t.lane.row + "AssignedRole"]
    t.ctl.add("Device.LocalAgent.ControllerTrust.Credential.", Enable=True, Credential=certificate.rstrip("."),
              Role=role, AllowedUses="MTP-and-USP")
    path = t.lane.row + "InheritedRole"
    session = tls_session(t)
    session.begin()
    t.need(3, session.wait_up(), f"no TLS session: {session.tls.error}")
    values = got_values(t.response(3, session.answer(usp.get(path)), "get_resp"))
    t.eq(3, path, values.get(path), role)
    t.eq(3, f"{path} without a session", t.ctl.get(path).get(path), "")


# -- session contexts

@case("3.8", "Start a session context", supports=[E2E], erratum="sequence_number is sequence_id")
def start(t):
    session = plain_session(t)
    session.begin()
    t.response(1, session.answer(usp.get(DEVICE_INFO)), "get_resp")
    t.eq(1, "records", [(c.session_id, c.sequence_id) for c in contexts(session)], [(session.id, 1)])
    # Both ways in segments: no record is longer than MaxUSPRecordSize.
    configure(t, MaxUSPRecordSize=512)
    session.begin()
    since, get = len(session.received), usp.get(DEVICE_INFO)
    session.send_segments(get, 11)
    t.response(1, t.ctl.wait_answer(get.header.msg_id), "get_resp")
    segmented(t, session, since)


@case("3.9", "New session_id restarts the context", supports=[E2E])
def restart(t):
    session = plain_session(t)
    for _ in range(2):
        session.begin()
        since = len(session.received)
        t.response(1, session.answer(usp.get(DEVICE_INFO)), "get_resp")
        t.eq(1, "records", [(c.session_id, c.sequence_id) for c in contexts(session, since)], [(session.id, 1)])


@case("3.10", "SessionExpiration honoured", metrics=2, supports=[E2E])
def expiration(t):
    period = t.scaled(10, 2)
    configure(t, SessionExpiration=0)
    interval = t.lane.row + "PeriodicNotifInterval"
    before = t.ctl.get(interval)[interval]
    t.undo(lambda: t.ctl.set(t.lane.row, PeriodicNotifInterval=before))
    t.created(t.ctl.subscribe("session-3.10", "Event", "Device.LocalAgent.Periodic!"))
    session = plain_session(t)
    session.begin()
    for metric, expires, sessions in ((1, t.scaled(60, 6), 1), (2, t.scaled(5, 1), 3)):
        mark = t.ctl.mark()
        answer = session.answer(usp.set_({e2e(t): {"SessionExpiration": expires},
                                          t.lane.row: {"PeriodicNotifInterval": period}}))
        t.response(metric, answer, "set_resp")
        if metric == 2:
            # What is in the session of before does not count: it has to be over first.
            t.need(2, t.ctl.notice(lambda n: n.HasField("event"), period + 5, mark), "no Periodic!")
            mark = t.ctl.mark()
        seen = []
        for n in range(3):
            notice = t.ctl.notice(lambda n: n.HasField("event"), period + 5, mark, skip=n)
            t.need(metric, notice, "no Periodic!")
            seen.append(session.id)
        t.eq(metric, "sessions of three Notifies", len(set(seen)), sessions)


@case("3.11", "Out-of-order records are buffered", metrics=4, supports=[E2E])
def out_of_order(t):
    session = plain_session(t)
    session.begin()
    steps = [(1, 1, "ModelNumber"), (2, 4, "SoftwareVersion"), (3, 2, "HardwareVersion"), (4, 3, "HardwareVersion")]
    wanted = {}
    for metric, number, name in steps:
        message = usp.get(DEVICE_INFO + name)
        wanted[number] = (message.header.msg_id, name)
        session.send(message, sequence_id=number, expected_id=number)
        if metric == 2:
            t.ctl.silence(lambda n: False, t.within(1))
            t.eq(2, "records by then", len(session.received), 1)
        else:
            t.need(metric, session.wait(lambda m=number: len(session.received) >= m), f"no answer to record {number}")
    t.need(4, session.wait(lambda: len(session.received) >= 4), "the buffered record is not answered")
    for metric, number, name in steps:
        context = session.received[number - 1][1].session_context
        answer = usp.Msg()
        answer.ParseFromString(b"".join(context.payload))
        t.eq(metric, "sequence_id", context.sequence_id, number)
        t.eq(metric, "msg_id", answer.header.msg_id, wanted[number][0])
        t.ok(metric, DEVICE_INFO + name in got_values(answer.body.response.get_resp), f"{name} is not in {answer}")


@case("3.12", "Sent records are kept for retransmission", supports=[E2E],
      erratum="MaxRetransmitTries is 0 by default, which forbids what the case asks for: it is set to 1")
def preserved(t):
    configure(t, MaxRetransmitTries=1)
    session = plain_session(t)
    session.begin()
    t.response(1, session.answer(usp.get(DEVICE_INFO)), "get_resp")
    first = session.received[0][1]
    time.sleep(t.scaled(60, 1))
    session.send_payload((), retransmit_id=first.session_context.sequence_id, expected_id=1)
    t.need(1, session.wait(lambda: len(session.received) >= 2), "nothing comes")
    t.ok(1, session.received[1][1].session_context.payload == first.session_context.payload, "not the same GetResponse")


@case("3.13", "Payload security may not change mid-session", metrics=2, supports=[E2E], fresh=True,
      setup=with_certificates)
def payload_security_changes(t):
    session = tls_session(t)
    session.begin()
    t.need(1, session.wait_up(), f"no TLS session: {session.tls.error}")
    first, get = session.id, usp.get(DEVICE_INFO)
    record = session.record(get.SerializeToString(), security=PLAINTEXT)
    t.ctl.send_record(session.signer.sign(record))
    t.need(2, session.wait(lambda: session.begun_by_agent), "no new session")
    t.ok(2, session.id != first, "the same session")
    t.ok(2, session.wait_up() and session.received[-1][1].payload_security == TLS12, "the new session has no TLS")
    t.ok(1, get.header.msg_id not in t.ctl.answers, "the plaintext record was answered")


@case("3.14", "MaxRetransmitTries limits retransmission", metrics=2, supports=[E2E])
def retransmit_limit(t):
    before = t.ctl.get(e2e(t) + "MaxRetransmitTries")[e2e(t) + "MaxRetransmitTries"]
    t.undo(lambda: t.ctl.set(e2e(t), MaxRetransmitTries=before))
    session = plain_session(t)
    first = session.begin()
    resp = t.response(1, session.answer(usp.set_({e2e(t): {"MaxRetransmitTries": 2}})), "set_resp")
    t.eq(1, "result", [status_of(r)[0] for r in resp.updated_obj_results], ["oper_success"])
    sent = session.received[-1][1].session_context
    for request in (1, 2, 3):
        count = len(session.received)
        session.send_payload((), retransmit_id=sent.sequence_id)
        t.need(1 if request < 3 else 2, session.wait(lambda c=count: len(session.received) > c), "nothing comes")
        again = session.received[-1][1].session_context
        if request < 3:
            t.eq(1, "the record that comes again", again, sent)
        else:
            t.ok(2, again.session_id != first and again.sequence_id == 1, f"no new session, but {again}")
            t.ok(2, again.payload != sent.payload, "the SetResponse comes again")


@case("3.15", "Duplicate records dropped", supports=[E2E])
def duplicates(t):
    session = plain_session(t)
    session.begin()
    get = usp.get(DEVICE_INFO + "SoftwareVersion")
    record = session.send(get)
    t.response(1, t.ctl.wait_answer(get.header.msg_id), "get_resp")
    for _ in range(3):
        t.ctl.send_record(record)
    t.response(1, session.answer(usp.get("Device.LocalAgent.UpTime")), "get_resp")
    t.ctl.silence(lambda n: False, t.within(1))
    t.eq(1, "answers", len(t.ctl.answers[get.header.msg_id]), 1)
    t.eq(1, "records", [c.sequence_id for c in contexts(session)], [1, 2])
