# SPDX-License-Identifier: BSD-3-Clause
"""An independent USP controller over any of the transports."""

import queue
import threading
import time

from . import usp
from .process import TestTimeout, deadline


class UspError(AssertionError):
    """The agent answered with an Error message."""

    def __init__(self, error):
        self.code = error.err_code
        self.message = error.err_msg
        self.param_errs = [(p.param_path, p.err_code, p.err_msg) for p in error.param_errs]
        super().__init__(f"{self.code} {self.message} {self.param_errs or ''}")


class Controller:
    """request() sends and waits for the answer; notifications collect in `notifies` and are acknowledged unless
    auto_ack is off. Nothing is lost between two calls: wait_notify() looks at what came before, too."""

    def __init__(self, transport, endpoint_id="self::ctl", agent_id="os::012345-GW000001", auto_ack=True):
        self.transport, self.endpoint_id, self.agent_id, self.auto_ack = transport, endpoint_id, agent_id, auto_ack
        self.notifies = []  # usp.Msg, in order of arrival, repeats included
        self.records = []  # usp.Record without a message: connect and disconnect
        self.errors = []  # Error messages that answer no request of ours
        self._answers = {}
        self._changed = threading.Condition()
        self._open = False

    def connect(self, timeout=10, send_connect_record=False):
        if not self._open:
            self._open = True
            threading.Thread(target=self._receive, daemon=True).start()
        self.transport.connect(timeout)
        if send_connect_record:
            self.send_record(self._connect_record())
        return self

    def close(self):
        self.transport.close()

    def stop(self):
        """For good: also ends the receiving thread."""
        self.transport.close()
        self._open = False
        self.transport.inbox.put(None)

    def _connect_record(self):
        record = usp.Record(version="1.4", to_id=self.agent_id, from_id=self.endpoint_id)
        self.transport.connect_record(record)
        return record

    # -- sending -----------------------------------------------------------------------------------------------

    def send_record(self, record):
        self.transport.send(record if isinstance(record, bytes) else record.SerializeToString())

    def send(self, msg):
        self.send_record(usp.wrap(msg, self.agent_id, self.endpoint_id))

    def request(self, msg, timeout=10):
        """The answering usp.Msg, which may be an Error."""
        self.send(msg)
        return self.wait_answer(msg.header.msg_id, timeout)

    def wait_answer(self, msg_id, timeout=10):
        return self._wait(lambda: self._answers.pop(msg_id, None), timeout, f"answer to {msg_id}")

    def must(self, msg, timeout=10):
        """The response inside the answer; an Error raises UspError."""
        answer = self.request(msg, timeout)
        if answer.body.WhichOneof("msg_body") == "error":
            raise UspError(answer.body.error)
        return getattr(answer.body.response, answer.body.response.WhichOneof("resp_type"))

    def answer(self, msg_id):
        """The answer, or None while there is none. Does not take it away."""
        with self._changed:
            return self._answers.get(msg_id)

    # -- the common requests, answered as plain Python values ----------------------------------------------------

    def get(self, *paths, max_depth=0, timeout=10):
        """{full parameter path: value}. A path that fails raises."""
        values = {}
        for result in self.must(usp.get(*paths, max_depth=max_depth), timeout).req_path_results:
            assert result.err_code == 0, f"{result.requested_path}: {result.err_code} {result.err_msg}"
            for resolved in result.resolved_path_results:
                for name, value in resolved.result_params.items():
                    values[resolved.resolved_path + name] = value
        return values

    def value(self, path, timeout=10):
        """The one value behind a path."""
        values = self.get(path, timeout=timeout)
        assert len(values) == 1, f"{path}: {values}"
        return next(iter(values.values()))

    def instances(self, *paths, first_level_only=False):
        """{instance path: {unique key: value}}."""
        found = {}
        for result in self.must(usp.get_instances(*paths, first_level_only=first_level_only)).req_path_results:
            assert result.err_code == 0, f"{result.requested_path}: {result.err_code} {result.err_msg}"
            for instance in result.curr_insts:
                found[instance.instantiated_obj_path] = dict(instance.unique_keys)
        return found

    def set(self, path, **params):
        response = self.must(usp.set_({path: params}))
        for result in response.updated_obj_results:
            assert result.oper_status.WhichOneof("oper_status") == "oper_success", str(result)
        return response

    def add(self, path, **params):
        """The path of the new row."""
        response = self.must(usp.add([(path, params)]))
        status = response.created_obj_results[0].oper_status
        assert status.WhichOneof("oper_status") == "oper_success", str(status)
        return status.oper_success.instantiated_path

    def delete(self, *paths):
        return self.must(usp.delete(*paths))

    def operate(self, command, args=None, key="", timeout=10):
        """(kind, value) per executed command: ("request", path) for an asynchronous one, ("output", {...}) or
        ("failure", (code, text))."""
        results = {}
        for result in self.must(usp.operate(command, args, key), timeout).operation_results:
            kind = result.WhichOneof("operation_resp")
            if kind == "req_obj_path":
                results[result.executed_command] = ("request", result.req_obj_path)
            elif kind == "cmd_failure":
                results[result.executed_command] = (
                    "failure",
                    (result.cmd_failure.err_code, result.cmd_failure.err_msg),
                )
            else:
                results[result.executed_command] = ("output", dict(result.req_output_args.output_args))
        return results

    def subscribe(self, sub_id, notif_type, references, retry=False, **params):
        """Adds one enabled Subscription row; references may be a list."""
        if not isinstance(references, str):
            references = ",".join(references)
        return self.add(
            "Device.LocalAgent.Subscription.",
            ID=sub_id,
            NotifType=notif_type,
            ReferenceList=references,
            Enable=True,
            NotifRetry=retry,
            **params,
        )

    # -- notifications -------------------------------------------------------------------------------------------

    def wait_notify(self, predicate, timeout=10, what="notification"):
        """The first Notify (usp.Notify) for which predicate(notify) is true, now or later."""

        def find():
            for msg in self.notifies:
                notify = msg.body.request.notify
                if predicate(notify):
                    return notify
            return None

        return self._wait(find, timeout, what)

    def matching(self, predicate):
        """Every Notify so far that satisfies the predicate, one for each msg_id: a repeat of an unacknowledged one
        is the same notification."""
        with self._changed:
            seen = {m.header.msg_id: m.body.request.notify for m in self.notifies}
        return [n for n in seen.values() if predicate(n)]

    def forget(self):
        with self._changed:
            self.notifies.clear()

    def wait_record(self, kind, timeout=10):
        """A connect or disconnect record of that kind ("mqtt_connect", "disconnect", ...)."""

        def find():
            for record in self.records:
                if record.WhichOneof("record_type") == kind:
                    return record
            return None

        return self._wait(find, timeout, f"{kind} record")

    # -- receiving -----------------------------------------------------------------------------------------------

    def _receive(self):
        while self._open:
            try:
                data = self.transport.inbox.get(timeout=60)
            except queue.Empty:
                continue
            if data is None:
                return
            record = usp.Record()
            record.ParseFromString(data)
            msg = usp.unwrap(record)
            acknowledge = False
            with self._changed:
                if msg is None:
                    self.records.append(record)
                elif msg.body.WhichOneof("msg_body") == "request":
                    self.notifies.append(msg)
                    acknowledge = self.auto_ack and msg.body.request.notify.send_resp
                else:
                    self._answers[msg.header.msg_id] = msg
                    if msg.body.WhichOneof("msg_body") == "error":
                        self.errors.append(msg)
                self._changed.notify_all()
            if acknowledge:
                try:
                    self.send(usp.notify_resp(msg))
                except (OSError, AttributeError, IndexError):
                    pass  # the test closed the transport meanwhile

    def _wait(self, find, timeout, what):
        end = deadline(timeout)
        with self._changed:
            while True:
                found = find()
                if found is not None:
                    return found
                left = end - time.monotonic()
                if left <= 0:
                    raise TestTimeout(f"{self.endpoint_id}: no {what} within {timeout} s")
                self._changed.wait(left)
