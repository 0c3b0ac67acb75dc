# SPDX-License-Identifier: BSD-3-Clause
"""The controller of the test lab: hptest's, plus time stamps and the metrics that hold for every message received."""

import queue
import re
import time

from google.protobuf import descriptor as pb
from hptest import controller, usp
from hptest.process import deadline

from . import consistency

_PATH_FIELDS = {"resolved_path", "instantiated_path", "affected_path", "affected_paths", "unaffected_path",
                "instantiated_obj_path", "obj_path", "param_path", "req_obj_path"}
_PART = r"([A-Za-z_][A-Za-z0-9_-]*|[1-9][0-9]*)"
_INSTANCE_PATH = re.compile(rf"Device\.({_PART}\.)*{_PART}?(\(\)|!)?")


class Notice:
    """One received Notify: when, the message, the record's way of saying it."""

    def __init__(self, at, msg):
        self.at, self.msg, self.notify = at, msg, msg.body.request.notify
        self.kind = self.notify.WhichOneof("notification")

    def __repr__(self):
        return f"{self.kind} {self.notify.subscription_id!r}"


def unknown_fields(message):
    """Does the message, or one inside it, carry fields the schema does not have?"""
    if len(message.UnknownFields()):
        return True
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for one in value if field.label == pb.FieldDescriptor.LABEL_REPEATED else [value]:
            if unknown_fields(one):
                return True
    return False


def paths_in(message):
    """(field, path) of everything the agent says about its own instantiated data model."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            if field.message_type.GetOptions().map_entry:
                continue
            for one in value if field.label == pb.FieldDescriptor.LABEL_REPEATED else [value]:
                yield from paths_in(one)
        elif field.name in _PATH_FIELDS:
            for one in value if field.label == pb.FieldDescriptor.LABEL_REPEATED else [value]:
                yield field.name, one


class Controller(controller.Controller):
    """`notices` are the Notifies with their time, `answers` every answer by msg_id, `violations` what broke a
    universal metric of the plan (valid records and messages, paths with instance numbers)."""

    def __init__(self, transport, endpoint_id, agent_id):
        super().__init__(transport, endpoint_id, agent_id)
        self.notices = []
        self.answers = {}
        self.violations = []
        self.acknowledge = lambda notice: True
        self.session = None         # harness.session.Session, while one is used

    def request(self, msg, timeout=10):
        """As hptest's (an answer must come, R-MSG.0), and it must fit the request."""
        answer = super().request(msg, timeout)
        for text in consistency.complaints(msg, answer):
            self._wrong(text)
        return answer

    # -- waiting

    def mark(self):
        """A place in the stream of notifications, for `since`."""
        with self._changed:
            return len(self.notices)

    def notice(self, accept, timeout=10, since=0, skip=0):
        """The first notification (after `skip` others) that accept(notify) likes, or None at the deadline."""
        end = deadline(timeout)
        with self._changed:
            while True:
                found = [n for n in self.notices[since:] if accept(n.notify)]
                if len(found) > skip:
                    return found[skip]
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def silence(self, accept, seconds, since=0, skip=0):
        """Watches for that long. The notification that should not have come, or None."""
        with self._changed:
            end = time.monotonic() + seconds
            while True:
                found = [n for n in self.notices[since:] if accept(n.notify)]
                if len(found) > skip:
                    return found[skip]
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def record(self, kind, timeout=10, since=0):
        """The first record of that type (mqtt_connect, disconnect ...) after the first `since`, or None."""
        end = deadline(timeout)
        with self._changed:
            while True:
                for record in self.records[since:]:
                    if record.WhichOneof("record_type") == kind:
                        return record
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def notify_response(self, notice):
        (self.session or self).send(usp.notify_resp(notice.msg))

    # -- receiving

    def _receive(self):
        while self._open:
            try:
                data = self.transport.inbox.get(timeout=60)
            except queue.Empty:
                continue
            if data is None:
                return
            try:
                self._take(bytes(data))
            except Exception as e:                                             # pylint: disable=broad-except
                self.violations.append(f"undecodable record: {type(e).__name__} {e}")

    def _take(self, data):
        at = time.monotonic()
        record = usp.Record()
        record.ParseFromString(data)
        self._check_record(record)
        if record.WhichOneof("record_type") == "session_context":
            msg = self.session.take(record) if self.session else None
        else:
            msg = usp.unwrap(record)
        if msg is not None:
            self._check_message(msg)
        notice = None
        with self._changed:
            if msg is None:
                self.records.append(record)
            elif msg.body.WhichOneof("msg_body") == "request":
                notice = Notice(at, msg)
                self.notices.append(notice)
                self.notifies.append(msg)
            else:
                self._answers[msg.header.msg_id] = msg
                self.answers.setdefault(msg.header.msg_id, []).append(msg)
            self._changed.notify_all()
        if notice and notice.notify.send_resp and self.acknowledge(notice):
            try:
                self.notify_response(notice)
            except (OSError, AttributeError, IndexError):
                pass    # the connection is gone; the agent will send it again

    def _wrong(self, text):
        if text not in self.violations:
            self.violations.append(text)

    def _check_record(self, record):
        """R-MTP.4b, R-ENC.1"""
        if record.from_id != self.agent_id:
            self._wrong(f"record from_id {record.from_id!r}")
        if record.to_id != self.endpoint_id:
            self._wrong(f"record to_id {record.to_id!r} at {self.endpoint_id!r}")
        if not re.fullmatch(r"1\.[0-9]+", record.version):
            self._wrong(f"record version {record.version!r}")
        if not record.WhichOneof("record_type"):
            self._wrong("record without a record type")
        if unknown_fields(record):
            self._wrong("record with fields that are not in the schema")

    def _check_message(self, msg):
        """R-ENC.0, R-MSG.3, R-MSG.5"""
        kind = usp.msg_type(msg)
        if not msg.header.msg_id:
            self._wrong(f"{kind} without msg_id")
        body = msg.body.WhichOneof("msg_body")
        inner = {"request": lambda: msg.body.request.WhichOneof("req_type"),
                 "response": lambda: msg.body.response.WhichOneof("resp_type"),
                 "error": lambda: "error"}.get(body, lambda: None)()
        named = {"GET_SUPPORTED_PROTO_RESP": "get_supported_protocol_resp"}.get(kind, kind.lower())
        if inner != named:
            self._wrong(f"header says {kind}, body holds {body} {inner}")
        if unknown_fields(msg):
            self._wrong(f"{kind} with fields that are not in the schema")
        if body != "error" and kind != "GET_SUPPORTED_DM_RESP":
            for field, path in paths_in(msg):
                if path and not _INSTANCE_PATH.fullmatch(path):
                    self._wrong(f"{kind} {field} {path!r} does not use instance numbers")
