# SPDX-License-Identifier: BSD-3-Clause
"""An http and https server for firmware images that can misbehave in every way a test asks for."""

import base64
import http.server
import pathlib
import ssl
import threading
import time


class Behaviour:
    """What one path does. Change the fields at any time.

    body           the bytes served
    etag           validator; None sends none
    redirect       (status, location) instead of content
    auth           (user, password) demanded with Basic
    status         fixed status instead of 200
    ranges         False ignores Range and always sends everything
    rate           bytes per second, None = as fast as it goes
    cut_at         closes the connection after that many bytes of the whole file, `cuts` times
    wrong_length   added to Content-Length
    hold           an Event: the answer starts when it is set
    no_length      no Content-Length, end of body = end of connection
    """

    def __init__(
        self,
        body=b"",
        etag='"1"',
        redirect=None,
        auth=None,
        status=None,
        ranges=True,
        rate=None,
        cut_at=None,
        cuts=1,
        wrong_length=0,
        hold=None,
        no_length=False,
    ):
        self.body, self.etag, self.redirect, self.auth, self.status = body, etag, redirect, auth, status
        self.ranges, self.rate, self.cut_at, self.cuts = ranges, rate, cut_at, cuts
        self.wrong_length, self.hold, self.no_length = wrong_length, hold, no_length


class Request:
    def __init__(self, method, path, headers):
        self.method, self.path, self.headers = method, path, dict(headers.items())
        self.status = None
        self.sent = 0  # bytes of body that left

    @property
    def range(self):
        return self.headers.get("Range")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(head=True)

    def do_GET(self):
        self._answer(head=False)

    def do_POST(self):
        """Nothing is taken here; that somebody tried is in `requests`."""
        self.close_connection = True
        self._answer(head=False)

    def _start(self, request, status, headers):
        request.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, head):
        images = self.server.images
        path = self.path.split("?")[0]
        request = Request(self.command, path, self.headers)
        with images.lock:
            images.requests.append(request)
            what = images.paths.get(path)
        if what is None:
            self._start(request, 404, {"Content-Length": "0"})
            return
        if what.hold:
            what.hold.wait(60)
        if (
            what.auth
            and self.headers.get("Authorization")
            != "Basic " + base64.b64encode(":".join(what.auth).encode()).decode()
        ):
            self._start(request, 401, {"WWW-Authenticate": 'Basic realm="images"', "Content-Length": "0"})
            return
        if what.redirect:
            self._start(request, what.redirect[0], {"Location": what.redirect[1], "Content-Length": "0"})
            return
        if what.status:
            self._start(request, what.status, {"Content-Length": "0"})
            return
        self._content(request, what, head)

    def _content(self, request, what, head):
        body, first, status, headers = what.body, 0, 200, {}
        if what.etag:
            headers["ETag"] = what.etag
            if self.headers.get("If-None-Match") == what.etag:
                self._start(request, 304, headers)
                return
        asked = self.headers.get("Range", "")
        valid = not self.headers.get("If-Range") or self.headers["If-Range"] == what.etag
        if what.ranges:
            headers["Accept-Ranges"] = "bytes"
            if asked.startswith("bytes=") and valid:
                start, _, end = asked[6:].partition("-")
                first = int(start)
                if first >= len(body):
                    self._start(request, 416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
                    return
                last = min(int(end), len(body) - 1) if end else len(body) - 1
                status = 206
                headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
                body = body[: last + 1]
        if what.no_length:
            headers["Connection"] = "close"
            self.close_connection = True
        else:
            headers["Content-Length"] = str(len(body) - first + what.wrong_length)
        headers["Content-Type"] = "application/octet-stream"
        self._start(request, status, headers)
        if not head:
            self._body(request, what, body, first)

    def _body(self, request, what, body, pos):
        stop = len(body)
        if what.cut_at is not None and what.cuts > 0 and pos < what.cut_at:
            stop = min(stop, what.cut_at)
        step = max(1, what.rate // 20) if what.rate else 65536
        try:
            while pos < stop:
                piece = body[pos : min(stop, pos + step)]
                self.wfile.write(piece)
                request.sent += len(piece)
                pos += len(piece)
                if what.rate:
                    time.sleep(len(piece) / what.rate)  # the pace is the behaviour under test, not a wait
        except OSError:
            self.close_connection = True
            return
        if stop < len(body) or what.wrong_length > 0:
            what.cuts -= 1 if stop < len(body) else 0
            self.close_connection = True


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, images, context):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.images = images
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request, client_address):
        pass  # a refused TLS handshake or a peer that left: the test looks at the requests


class ImageServer:
    """`url` (http) and, with tls=(cert, key), `https_url`. add() makes a path; `requests` lists what was asked."""

    def __init__(self, tls=None):
        self.paths = {}
        self.requests = []
        self.lock = threading.Lock()
        self._servers = [_Server(self, None)]
        self.port = self._servers[0].server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.https_url = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*(str(pathlib.Path(p)) for p in tls))
            self._servers.append(_Server(self, context))
            self.https_port = self._servers[1].server_address[1]
            self.https_url = f"https://localhost:{self.https_port}"
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def add(self, path, body=b"", **behaviour):
        """Serves the bytes (or the file of that pathlib.Path) at `path` and returns the Behaviour."""
        if isinstance(body, pathlib.Path):
            body = body.read_bytes()
        self.paths[path] = Behaviour(body, **behaviour)
        return self.paths[path]

    def count(self, path, method="GET"):
        with self.lock:
            return sum(1 for r in self.requests if r.path == path and r.method == method)

    def seen(self, path):
        with self.lock:
            return [r for r in self.requests if r.path == path]

    def sent(self, path):
        return sum(r.sent for r in self.seen(path))

    def stop(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()
