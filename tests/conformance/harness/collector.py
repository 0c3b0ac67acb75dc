# SPDX-License-Identifier: BSD-3-Clause
"""The collector of bulk data: an HTTP or HTTPS server that keeps what it is given, and a reader for reports."""

import csv
import http.server
import io
import json
import ssl
import sys
import threading
import time
import urllib.parse

from hptest.process import deadline


class Transfer:
    """One request: when, what, and the status it was answered with."""

    def __init__(self, handler, body, status):
        self.at = time.monotonic()
        self.method, self.headers, self.body, self.status = handler.command, dict(handler.headers.items()), body, status
        self.query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query, keep_blank_values=True))

    def identified(self):
        """R-BULK.1"""
        return all(self.query.get(name) for name in ("oui", "pc", "sn")) or bool(self.query.get("eid"))


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _take(self):
        collector = self.server.collector
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        transfer = Transfer(self, body, collector.status)
        # Kept before it is answered: whoever waits for the answer may look.
        with collector.changed:
            collector.transfers.append(transfer)
            collector.changed.notify_all()
        self.send_response(transfer.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = _take


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A connection that the agent resets is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Collector:
    """`status` is what it answers; change it at any time."""

    def __init__(self, tls=None):
        self.status = 200
        self.transfers = []
        self.changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.collector = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://localhost:{self._server.server_address[1]}/bulk"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, count, timeout):
        """The first `count` transfers, or as many as came in time."""
        end = deadline(timeout)
        with self.changed:
            while len(self.transfers) < count and end > time.monotonic():
                self.changed.wait(end - time.monotonic())
            return self.transfers[:count]


def _flat(value, prefix=""):
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, inner


def read_json(body):
    """[{name: value}] of the reports in a message, of either format; the time of collection left out."""
    reports = [dict(_flat(report)) for report in json.loads(body)["Report"]]
    for report in reports:
        report.pop("CollectionTime", None)
    return reports


def read_csv(body):
    """The same of CSV with the profile's default separators, in either format."""
    header, *rows = list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))
    if any(len(row) != len(header) for row in rows):
        raise ValueError("rows of different length")
    if "ParameterName" in header:
        name, value = header.index("ParameterName"), header.index("ParameterValue")
        return [{row[name]: row[value] for row in rows}]
    return [{name: value for name, value in zip(header, row) if name != "ReportTimestamp"} for row in rows]
