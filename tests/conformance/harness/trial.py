# SPDX-License-Identifier: BSD-3-Clause
"""One run of one case: what was checked, what failed, what has to be undone."""

import re

from hptest import usp

# Error codes that fit each request: the ranges of its own section plus those whose applicability names it (TR-369, 14).
_COMMON = [*range(7000, 7007), 7008, 7016, 7026, *range(7200, 7300), *range(7800, 8000)]
LEGAL = {
    "add": {*range(7000, 7020), 7021, 7025, *_COMMON},
    "set": {*range(7000, 7017), 7020, 7021, 7025, *_COMMON},
    "delete": {*_COMMON, 7007, 7015, 7018, 7024},
    "get": {*_COMMON, 7010},
    "get_instances": {*_COMMON, 7018},
    "get_supported_dm": {*_COMMON},
    "operate": {*_COMMON, 7007, 7022, 7023, 7027},
    "get_supported_protocol": {*_COMMON},
}

_RESPONSES = {
    "get_resp": "GetResp", "get_supported_dm_resp": "GetSupportedDMResp", "get_instances_resp": "GetInstancesResp",
    "set_resp": "SetResp", "add_resp": "AddResp", "delete_resp": "DeleteResp", "operate_resp": "OperateResp",
    "get_supported_protocol_resp": "GetSupportedProtocolResp",
}


class Abort(Exception):
    """The case cannot go on; what failed is in the trial."""


class Skip(Exception):
    """The case does not apply here; the text says why."""


def short(text, limit=300):
    text = re.sub(r"\s+", " ", str(text)).strip()
    return text if len(text) <= limit else text[:limit] + " ..."


def error_text(error):
    """An Error message in one line."""
    details = "; ".join(f"{p.param_path} {p.err_code} {p.err_msg}" for p in error.param_errs)
    return f"Error {error.err_code} {error.err_msg!r}" + (f" [{details}]" if details else "")


class Trial:
    """What a case function gets: `t`.

    A metric is checked with ok(), eq(), need() ... under its number in the test plan. A case passes when each of its
    metrics was checked at least once and nothing failed: a metric that nobody looked at is a failure of the case.
    """

    def __init__(self, lane, case, real_time):
        self.lane, self.case, self.real_time = lane, case, real_time
        self.ctl = lane.ctl
        self.transport = lane.name
        self.failures = []
        self.notes = []
        self.checked = set()
        self._undo = []
        self._rows = []

    # -- verdicts

    def ok(self, metric, condition, text):
        self.checked.add(metric)
        if not condition:
            self.failures.append(f"metric {metric}: {short(text)}")
        return bool(condition)

    def eq(self, metric, what, got, want):
        return self.ok(metric, got == want, f"{what} is {got!r}, not {want!r}")

    def need(self, metric, condition, text):
        """As ok(), but the rest of the case makes no sense without it."""
        if not self.ok(metric, condition, text):
            raise Abort

    def setup(self, condition, text):
        """A step before the test proper."""
        if not condition:
            self.failures.append(f"setup: {short(text)}")
            raise Abort

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def scaled(self, real, short_value):
        """A duration of the plan: the real one with --long, else a shorter one that the data model allows."""
        if self.real_time:
            return real
        self.note("waits scaled")
        return short_value

    def within(self, seconds):
        """A wait for something that must not happen. The real time only with --long."""
        return self.scaled(seconds, min(seconds, 4))

    def response(self, metric, answer, kind):
        """The response of that kind inside an answer; anything else fails the metric and ends the case."""
        body = answer.body.WhichOneof("msg_body")
        got = error_text(answer.body.error) if body == "error" else answer.body.response.WhichOneof("resp_type")
        self.need(metric, body == "response" and got == kind, f"{_RESPONSES[kind]} expected, got {got}")
        return getattr(answer.body.response, kind)

    def error(self, metric, answer, request):
        """The Error that must answer `request`, its code checked against those the message allows."""
        body = answer.body.WhichOneof("msg_body")
        self.need(metric, body == "error", f"Error expected, got {short(answer.body)}")
        self.code(metric, "err_code", answer.body.error.err_code, request)
        return answer.body.error

    def code(self, metric, what, code, request):
        return self.ok(metric, code in LEGAL[request], f"{what} {code} is not one for {request}")

    def param_errors(self, metric, error, request, path, exact=True):
        """Exactly one param_errs entry, with that path and a fitting code."""
        self.eq(metric, "number of param_errs", len(error.param_errs), 1)
        for entry in error.param_errs:
            good = entry.param_path == path if exact else re.fullmatch(path, entry.param_path)
            self.ok(metric, good, f"param_path {entry.param_path!r}, not {path!r}")
            self.code(metric, f"err_code of {entry.param_path}", entry.err_code, request)

    # -- things that are undone at the end

    def undo(self, action):
        self._undo.append(action)

    def created(self, path):
        """A row this case made. Whatever still exists at the end is deleted."""
        self._rows.append(path)
        return path

    def deleted(self, *paths):
        self._rows = [row for row in self._rows if row not in paths]

    def clean_up(self):
        """Undoes everything. Problems here are failures of the case: the next one must find the same agent."""
        for action in reversed(self._undo):
            try:
                action()
            except Exception as e:                                             # pylint: disable=broad-except
                self.failures.append(f"clean-up: {type(e).__name__} {short(e)}")
        self._undo.clear()
        if not self._rows:
            return
        paths, self._rows = list(reversed(self._rows)), []
        try:
            answer = self.ctl.request(usp.delete(*paths, allow_partial=True))
        except (AssertionError, OSError, IndexError) as e:
            self.failures.append(f"clean-up: {type(e).__name__} {short(e)}")
            return
        if answer.body.WhichOneof("msg_body") == "error":
            self.failures.append(f"clean-up: {error_text(answer.body.error)}")
