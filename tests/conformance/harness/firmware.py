# SPDX-License-Identifier: BSD-3-Clause
"""The gateway's own firmware, as the cases need it: an image server and a hook program with a notion of banks.

An image is one line of JSON, {"version": ...}, and padding. The hook (docs/firmware-hook.md) keeps which bank holds what
and which one starts next; as the agent itself is all that restarts here, that is the one that runs when it asks.
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

if verb == "version":
    print(json.dumps({{"version": state["slots"][state["next"]], "name": "conformance"}}))
elif verb == "install":
    path, slot = args
    try:
        version = json.loads(pathlib.Path(path).read_bytes().split(b"\\n")[0])["version"]
    except (ValueError, KeyError) as e:
        sys.exit("not an image: " + str(e))
    print(50, flush=True)
    state["slots"][slot] = version
elif verb == "activate":
    if args[0] not in state["slots"]:
        sys.exit("no image in slot " + args[0])
    state["next"] = args[0]
else:
    sys.exit("unknown step " + verb)
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
        self.state.write_text(json.dumps({"next": "1", "slots": {"1": "1.0.0"}}))
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
