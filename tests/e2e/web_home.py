# SPDX-License-Identifier: BSD-3-Clause
"""A home with the resident's page: a browser's side of it by hand, for what a browser would not do."""

import http.client
import json
import ssl

from cli import ENDPOINT, Cli
from home import Home
from hptest import free_port
from hptest.process import PATIENCE

CONSENT = "Device.X_HOMEPATCH_Consent."


class WebHome(Home):
    def __init__(self, directory, mqtt=1, websocket=0, **options):
        super().__init__(directory, mqtt, websocket, **options)
        self.port = free_port()
        self.agent.conf.update(resident_listen=f"127.0.0.1:{self.port}", resident_names="gateway.lan, localhost")
        self.mqtt_controller()
        self.agent.uds(ENDPOINT)
        self.cli = Cli(self.agent.dir / "agent.sock")
        self.url = f"https://localhost:{self.port}/"

    def code(self):
        return self.cli.run("consent-code").split("\n")[0]

    def policy(self, **values):
        self.ctl.set(CONSENT, **values)


class Page:
    """One who speaks to the page's server, and says of itself what the test wants."""

    def __init__(self, port, host=None):
        self.port = port
        self.host = host or f"localhost:{port}"
        self.cookie = None
        self.token = None

    def ask(self, method, path, body=None, **headers):
        """(status, headers, decoded body). Headers by name with _ for -; None leaves one out."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        link = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10 * PATIENCE, context=context)
        sent = {"Host": self.host}
        if self.cookie:
            sent["Cookie"] = self.cookie
        if method == "POST":
            sent["Origin"] = f"https://{self.host}"
            sent["Content-Type"] = "application/json"
            sent["X-HomePatch-Token"] = self.token
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        sent = {name: value for name, value in sent.items() if value is not None}
        try:
            data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
            link.request(method, path, data, sent)
            answer = link.getresponse()
            text = answer.read()
        finally:
            link.close()
        try:
            return answer.status, answer.headers, json.loads(text)
        except ValueError:
            return answer.status, answer.headers, text

    def get(self, path, **headers):
        status, _, body = self.ask("GET", path, **headers)
        return status, body

    def post(self, path, body, **headers):
        status, _, body = self.ask("POST", path, body, **headers)
        return status, body

    def sign_in(self, code):
        status, headers, body = self.ask("POST", "/api/sign-in", {"code": code})
        assert status == 200, (status, body)
        self.cookie = headers["Set-Cookie"].split(";")[0]
        self.token = body["token"]
        return headers["Set-Cookie"]

    def state(self):
        status, body = self.get("/api/state")
        assert status == 200, (status, body)
        return body
