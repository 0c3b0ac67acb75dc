# SPDX-License-Identifier: BSD-3-Clause
"""A home with the resident's page: a browser's side of it by hand, for what a browser would not do."""

import http.client
import json
import ssl

import paho.mqtt.client as mqtt
from cli import ENDPOINT, Cli
from home import NEEDS, OLD, Home
from hptest import Skip, free_port, wait_until
from hptest.browser import Browser, available
from hptest.process import PATIENCE

CONSENT = "Device.X_HOMEPATCH_Consent."
WORDS = "It closes a hole. <b>The lamp</b> is off for a minute."
NEEDS_ALL = (*NEEDS, "homepatch")


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
        self.source = "127.0.0.1"

    def ask(self, method, path, body=None, **headers):
        """(status, headers, decoded body). Headers by name with _ for -; None leaves one out."""
        link = self._link()
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

    def _link(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=10 * PATIENCE, context=context, source_address=(self.source, 0)
        )

    def events(self):
        """What the page is told from now on: pairs of a name and what was said, as they come, until it ends."""
        link = self._link()
        link.request("GET", "/api/events", headers={"Host": self.host, "Cookie": self.cookie})
        answer = link.getresponse()
        assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream", answer.status
        name = None
        for line in answer:
            word, _, rest = line.decode().rstrip("\n").partition(": ")
            if word == "event":
                name = rest
            elif name and word.startswith("data"):
                yield name, json.loads(rest) if rest else None
        link.close()

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


class Impostor:
    """Another device under the id and the address of a Shelly of the home: plugged in while that one is away."""

    def __init__(self, home, device, model):
        sim = home.sim.device(device)
        self.id = sim["id"]
        self.info = {"id": self.id, "mac": sim["mac"], "model": model, "gen": 2, "fw_id": "x/1", "ver": OLD, "app": "Plus2PM"}
        self.mqtt = mqtt.Client(f"false-{self.id}", protocol=mqtt.MQTTv311)
        self.mqtt.on_connect = self._come
        self.mqtt.on_message = self._answer
        self.mqtt.connect_async("127.0.0.1", home.lan.port)
        self.mqtt.loop_start()

    def _come(self, *_):
        self.mqtt.subscribe(f"{self.id}/rpc", 1)
        self.mqtt.publish(f"{self.id}/online", "true", 1)

    def _answer(self, _client, _data, message):
        asked = json.loads(message.payload)
        result = self.info if asked["method"] == "Shelly.GetDeviceInfo" else {}
        answer = {"id": asked["id"], "src": self.id, "dst": asked["src"], "result": result}
        self.mqtt.publish(f"{asked['src']}/rpc", json.dumps(answer), 1)

    def stop(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


def begun(directory, **options):
    """A home that asks."""
    home = WebHome(directory, **options)
    home.start()
    home.subscribe(keep=True)
    home.policy(Policy="Ask")
    return home


def asked(home, device=0, **image):
    """An update that waits for the resident: its command key."""
    slot = home.downloaded(device, **image)
    return home._start(
        slot + "Activate()",
        {
            "TimeWindow.1.Start": 0,
            "TimeWindow.1.End": 86400,
            "TimeWindow.1.Mode": "ConfirmationNeeded",
            "TimeWindow.1.UserMessage": WORDS,
        },
        None,
    )


def browser(home, directory, **options):
    if not available():
        raise Skip("no chromium and chromedriver: apt-get install chromium chromium-driver")
    return home.cleanup.add(Browser(directory, **options).start())


def sign_in(home, page, code=None):
    page.open(home.url)
    wait_until(lambda: page.script("return document.activeElement && !document.querySelector('#sign-in').hidden"),
               20, "the sign-in form")
    page.type("#code", code or home.code())
    page.click("#sign-in-form button")


def quarantined(home, device=0, model="SNSW-002X16EU"):
    """The device says that it is another: its path, and who says so."""
    path = home.rows[home.ids[device]]
    home.sim.command("offline", device)
    wait_until(lambda: home.ctl.value(path + "Online") == "false", 15, "the device left")
    false = home.cleanup.add(Impostor(home, device, model))
    wait_until(lambda: home.ctl.value(path + "X_HOMEPATCH_Identity.Quarantined") == "true", 20, "quarantine")
    return path, false
