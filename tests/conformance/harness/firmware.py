# SPDX-License-Identifier: BSD-3-Clause
"""The gateway's own firmware, as the cases need it: an image server and a hook program with a notion of banks.

An image is one line of JSON, {"version": ...}, and padding. The hook keeps which bank holds what and which one runs.
"""

import json
import stat
import textwrap

from hptest.image_server import ImageServer

USER, PASSWORD = "fetcher", "fetch-secret"

_HOOK = """\
#!/usr/bin/python3
import json, pathlib, sys

STATE = pathlib.Path({state!r})
state = json.loads(STATE.read_text())
verb, args = sys.argv[1], sys.argv[2:]
with open({log!r}, "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")

if verb == "install":
    path, slot = args
    try:
        version = json.loads(pathlib.Path(path).read_bytes().split(b"\\n")[0])["version"]
    except (ValueError, KeyError) as e:
        print(json.dumps({{"error": "not an image: " + str(e)}}))
        sys.exit(1)
    state["slots"][slot] = version
    print(json.dumps({{"version": version, "slot": int(slot)}}))
elif verb == "activate":
    slot, = args
    if slot not in state["slots"]:
        print(json.dumps({{"error": "no image in slot " + slot}}))
        sys.exit(1)
    state["active"] = slot
    print(json.dumps({{"version": state["slots"][slot], "slot": int(slot)}}))
elif verb == "version":
    active = state["active"]
    print(json.dumps({{"version": state["slots"][active], "slot": int(active)}}))
else:
    print(json.dumps({{"error": "unknown " + verb}}))
    sys.exit(2)
STATE.write_text(json.dumps(state))
"""


def image(version, size=4096):
    return json.dumps({"version": version}).encode() + b"\n" + bytes(range(256)) * (size // 256)


class Firmware:
    """Lives in lane.keep["firmware"]."""

    def __init__(self, lane):
        self.state = lane.dir / "banks.json"
        self.log = lane.dir / "hook.calls"
        self.hook = lane.dir / "hook"
        self.state.write_text(json.dumps({"active": "1", "slots": {"1": "1.0.0"}}))
        self.hook.write_text(textwrap.dedent(_HOOK).format(state=str(self.state), log=str(self.log)))
        self.hook.chmod(self.hook.stat().st_mode | stat.S_IXUSR)
        self.server = ImageServer()
        lane.on_stop(self.server.stop)
        lane.agent.conf["hook_firmware"] = self.hook

    def offer(self, version, **behaviour):
        """(URL, bytes) of an image of that version on the server."""
        path = f"/gateway-{version}.bin"
        body = image(version)
        self.server.add(path, body, **behaviour)
        return self.server.url + path, body

    def calls(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


def configure(lane):
    lane.keep["firmware"] = Firmware(lane)
