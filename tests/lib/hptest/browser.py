# SPDX-License-Identifier: BSD-3-Clause
"""A real Chromium, driven over WebDriver (W3C) by plain HTTP to chromedriver: no library between."""

import base64
import http.client
import json
import shutil

from .process import PATIENCE, Process, free_port, wait_port, wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
SHIFT = "\ue008"
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Space": "\ue00d", "ShiftTab": "\ue004"}


def available():
    return shutil.which("chromedriver") is not None and shutil.which("chromium") is not None


class Browser:
    """One window. Certificates that nobody vouches for are taken, as a resident does once."""

    def __init__(self, directory, language="en-US", width=1280, height=900, rebound=None):
        self.port = free_port()
        self.driver = Process("chromedriver", [shutil.which("chromedriver"), f"--port={self.port}"], directory)
        self.profile = directory / f"profile-{self.port}"
        self.language, self.size = language, (width, height)
        self.rebound = rebound  # a name that leads to this machine
        self.session = None

    def start(self):
        self.driver.start()
        wait_port(self.port)
        options = {
            "binary": shutil.which("chromium"),
            "args": [
                "--headless=new",
                "--no-sandbox",  # tests may run as root, in a container
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
                f"--user-data-dir={self.profile}",
                f"--window-size={self.size[0]},{self.size[1]}",
                f"--lang={self.language}",
            ],
            "prefs": {"intl.accept_languages": self.language},
        }
        if self.rebound:
            options["args"].append(f"--host-resolver-rules=MAP {self.rebound} 127.0.0.1")
        always = {"acceptInsecureCerts": True, "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": always}})["sessionId"]
        return self

    def stop(self):
        if self.session:
            session, self.session = self.session, None
            self._call("DELETE", f"/session/{session}")
        self.driver.stop()

    def _call(self, method, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * PATIENCE)
        try:
            link.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            value = json.loads(link.getresponse().read())["value"]
        finally:
            link.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{path}: {value['error']}: {value['message'][:300]}")
        return value

    def call(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    def devtools(self, command, **params):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    # -- looking ---------------------------------------------------------------------------------------------------

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def script(self, source, *args):
        return self.call("POST", "/execute/sync", {"script": source, "args": list(args)})

    def text(self, selector="body"):
        """What is seen of the first such element; "" when there is none."""
        return self.script("const n = document.querySelector(arguments[0]); return n ? n.innerText.replace(/[\\u2066-\\u2069]/g, '') : ''", selector)

    def wait_text(self, text, selector="body", timeout=20):
        return wait_until(lambda: text in self.text(selector), timeout, f"{text!r} in {selector}", interval=0.1)

    def gone(self, text, selector="body", timeout=20):
        return wait_until(lambda: text not in self.text(selector), timeout, f"no {text!r} in {selector}", interval=0.1)

    def find(self, selector):
        return self.call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def focused(self):
        """Of the element with the focus: its role, and its name as a screen reader says it."""
        element = self.call("GET", "/element/active")[ELEMENT]
        return (
            self.call("GET", f"/element/{element}/computedrole"),
            self.call("GET", f"/element/{element}/computedlabel"),
        )

    def console(self):
        """What the page complained about, violations of its policy included."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    # -- doing -----------------------------------------------------------------------------------------------------

    def click(self, selector):
        self.call("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.call("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys):
        """To whatever has the focus: names of KEYS, or text."""
        actions = []
        for key in keys:
            strokes = [
                {"type": kind, "value": char} for char in KEYS.get(key, key) for kind in ("keyDown", "keyUp")
            ]
            if key.startswith("Shift"):
                strokes = [{"type": "keyDown", "value": SHIFT}, *strokes, {"type": "keyUp", "value": SHIFT}]
            actions += strokes
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    # -- sizes and schemes -----------------------------------------------------------------------------------------

    def phone(self, width=360, height=740):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=True)

    def scheme(self, name, motion="no-preference"):
        features = [
            {"name": "prefers-color-scheme", "value": name},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, file):
        """The whole page, not only what the window shows."""
        size = self.script("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        data = self.devtools("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(data))
