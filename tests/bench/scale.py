# SPDX-License-Identifier: BSD-3-Clause
"""A whole home: a thousand devices of every dialect, ten thousand idle ones, and a thousand that are updated. As figures.py."""

import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from hptest import ImageServer, Process, UspDevice, program, usp, wait_until, write_image, write_zigbee_image
from hptest.images import MODELS, ZIGBEE_MODELS
from rig import Rig, cpu_seconds, memory

HERE = pathlib.Path(__file__).resolve().parent
PROXIED = "Device.ProxiedDevice."
IMAGE = ".DeviceInfo.FirmwareImage."
SETTLED_S = 75  # until devices were asked for updates, which is spread over the first minute
REST_S = 30


def _pss(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _online(rig):
    """Of each row: is it online?"""
    answer = rig.check(usp.get(PROXIED + "*.Online")).body.response.get_resp.req_path_results[0]
    return [r.result_params["Online"] == "true" for r in answer.resolved_path_results]


def _until_online(rig, count, timeout=120):
    wait_until(lambda: sum(_online(rig)) >= count, timeout, f"{count} devices online", interval=0.05)


def _memory(rig, before, count):
    whole, anonymous = memory(rig.agent.pid)
    yield f"{count} devices, memory", whole / 1024, "kB"
    yield f"{count} devices, anonymous", anonymous / 1024, "kB"
    yield f"{count} devices, proportional set (PSS)", _pss(rig.agent.pid) / 1024, "kB"
    yield f"{count} devices, anonymous, each", (anonymous - before[1]) / count, "B"


def _restart(rig, count):
    """The agent starts again with a home that it knows."""
    rig.ctl.close()
    rig.agent.stop(60)
    begin = time.monotonic()
    rig.agent.start(timeout=60)
    rig.ctl.connect()
    assert len(_online(rig)) == count
    yield f"{count} devices, restart to the whole inventory answered", (time.monotonic() - begin) * 1e3, "ms"
    _until_online(rig, count)
    yield f"{count} devices, restart to all online", (time.monotonic() - begin) * 1e3, "ms"
    yield f"{count} devices, restart to all online, CPU", cpu_seconds(rig.agent.pid) * 1e3, "ms"


def _system_calls(rig, seconds):
    """All of the agent's per minute, or None without strace."""
    if not shutil.which("strace"):
        return None
    trace = rig.dir / "calls"
    argv = ["strace", "-f", "-c", "-o", trace, "-p", str(rig.agent.pid)]
    tracer = Process("strace", argv, rig.dir).start()
    tracer.wait_output("attached")
    time.sleep(seconds)
    tracer.signal(signal.SIGINT)
    tracer.wait_exit()
    total = next(line for line in trace.read_text().splitlines() if line.endswith(" total"))
    return int(total.split()[3]) * 60 / seconds


def _rest(rig, count, options):
    def settled():
        return time.monotonic() > begin + SETTLED_S / options.divide

    begin = time.monotonic()
    wait_until(settled, SETTLED_S + 1, interval=0.5)
    begin, cpu = time.monotonic(), cpu_seconds(rig.agent.pid)
    time.sleep(REST_S / options.divide)
    yield f"{count} devices, CPU at rest", (cpu_seconds(rig.agent.pid) - cpu) / (time.monotonic() - begin) * 100, "%"
    calls = _system_calls(rig, REST_S / options.divide)
    if calls is not None:
        yield f"{count} devices, system calls at rest", calls, "1/min"


def _reads(rig, count, options):
    for name, msg in (
        ("Get of all", usp.get(PROXIED)),
        ("GetInstances, all levels", usp.get_instances(PROXIED)),
        ("SoftwareVersion of all", usp.get(PROXIED + "*.DeviceInfo.SoftwareVersion")),
    ):
        answer = rig.ctl.request(msg, timeout=60)
        if answer.body.WhichOneof("msg_body") == "error":
            yield f"{count} devices, {name}: error", answer.body.error.err_code, ""
            continue
        figures = rig.load("uds", msg, 5, 1, options.runs)
        yield f"{count} devices, {name}", figures["p50_us"] / 1e3, "ms"
        yield f"{count} devices, {name}, CPU", figures["cpu_us"] / 1e3, "ms"
        yield f"{count} devices, {name}, answer", figures["bytes"] / 5 / 1024, "kB"


def _mixed(count):
    """Options of a simulated home of all dialects but USP: so many devices, less the twentieth that _usp_devices() are."""
    parts = {"tasmota": 25, "zigbee": 15, "esphome": 10, "openmqttgateway": 5, "homeassistant": 5}
    words = ["--mqtt-devices", count * 25 // 100, "--websocket-devices", count * 10 // 100]
    for name, percent in parts.items():
        words += ["--with", f"{name}={count * percent // 100}"]
    return words


def _usp_devices(rig, count):
    """So many that are USP agents on WebSockets, each a process of its own."""
    where = {"transport": "websocket", "port": rig.agent.lan_websocket_port, "tls": "false", "log_level": "info"}
    for n in range(count):
        device = UspDevice(rig.dir, f"os::0A0B0C-B{n:03}", rig.agent.endpoint_id + "-lan", **where)
        rig.cleanup.add(device.start())


def mixed(directory, options):
    """A thousand devices of six dialects, at the broker and on WebSockets."""
    count = 1000 // options.divide
    rig = Rig(directory, home=_mixed(count))
    rig.agent.stop()
    rig.cleanup.add(rig.sim.start())
    _usp_devices(rig, count * 5 // 100)
    begin = time.monotonic()
    rig.agent.start(timeout=60)
    rig.ctl.close()
    rig.ctl.connect()
    before = memory(rig.agent.pid)
    _until_online(rig, count * 80 // 100)
    yield f"{count} devices, first contact: start to all of five dialects online", (time.monotonic() - begin) * 1e3, "ms"
    _until_online(rig, count)  # Home Assistant's are asked for when it is clear that no other will
    yield f"{count} devices, first contact: start to all online", (time.monotonic() - begin) * 1e3, "ms"
    yield f"{count} devices, first contact: CPU", cpu_seconds(rig.agent.pid) * 1e3, "ms"
    yield from _memory(rig, before, count)
    yield from _reads(rig, count, options)
    yield from _restart(rig, count)
    begin, cpu, at = time.monotonic(), cpu_seconds(rig.agent.pid), int(time.time())
    rig.broker.kill()
    rig.broker.start()

    def heard():
        values = rig.ctl.get(PROXIED + "*.LastTimeContacted", timeout=60).values()
        return sum(time.strptime(v[:19], "%Y-%m-%dT%H:%M:%S") > time.gmtime(at) for v in values) >= count * 50 // 100

    # The others only speak when there is something to say.
    wait_until(heard, 120, "Shelly and Tasmota at the broker heard again", interval=0.1)
    _until_online(rig, count)
    yield f"{count} devices, broker restart to Shelly and Tasmota heard again", (time.monotonic() - begin) * 1e3, "ms"
    yield f"{count} devices, broker restart, CPU", (cpu_seconds(rig.agent.pid) - cpu) * 1e3, "ms"
    yield from _rest(rig, count, options)
    rig.stop()


def idle_websockets(directory, options):
    """Ten thousand devices that only hold a WebSocket open, each from an address of its own."""
    count = 10000 // options.divide
    rig = Rig(directory, open_files=16384)
    before = memory(rig.agent.pid)
    argv = [sys.executable, HERE / "idle.py", rig.agent.lan_websocket_port, count]
    begin, cpu = time.monotonic(), cpu_seconds(rig.agent.pid)
    rig.cleanup.add(Process("idle", argv, rig.dir).start())
    _until_online(rig, count)
    yield f"{count} WebSocket devices, first contact to all online", (time.monotonic() - begin) * 1e3, "ms"
    yield f"{count} WebSocket devices, first contact, CPU each", (cpu_seconds(rig.agent.pid) - cpu) / count * 1e6, "us"
    yield from _memory(rig, before, count)
    yield from _reads(rig, count, options)
    yield from _restart(rig, count)
    yield from _rest(rig, count, options)
    rig.stop()


def _images(directory, server):
    """[(what selects the devices, URL, digest)], one for each of the twenty models."""
    found = []
    for model, app in MODELS.items():
        file = directory / f"{app}-1.6.0.zip"
        digest, _ = write_image(file, app, "1.6.0", 200000)
        found.append((f'DeviceInfo.ModelName=="{model}"', file, digest))
    for model, chip in (("Sonoff Basic", "esp8266"), ("ESP32-DevKit", "esp32"), ("NodeMCU", "esp8266")):
        file = directory / f"tasmota-{model.split()[0]}-14.2.0.bin"
        argv = [program("homepatch-simhome"), "make-image", "--family", "tasmota", "--model", chip]
        size = 200000 + len(found)  # another content for each
        subprocess.run([*argv, "--version", "14.2.0", "--size", str(size), file], check=True)
        found.append((f'DeviceInfo.ModelName=="{model}"', file, hashlib.sha256(file.read_bytes()).hexdigest()))
    for model in ZIGBEE_MODELS:
        file = directory / f"{model}-16777729.ota"
        digest, _ = write_zigbee_image(file, model, 16777729, 20000)
        found.append((f'DeviceInfo.ModelName=="{model}"', file, digest))
    for _, file, _ in found:
        server.add(f"/{file.name}", file)
    return [(where, f"{server.url}/{file.name}", digest) for where, file, digest in found]


def updates(directory, options):
    """A thousand devices of twenty models, each model one command: queues as an operator with such a home would set them. Of
    Zigbee's four models there is one device each, because a radio does one after the other."""
    count = 1000 // options.divide
    tasmota, zigbee = count * 16 // 100, len(ZIGBEE_MODELS)
    shelly = count - tasmota - zigbee
    home = ["--mqtt-devices", shelly // 2, "--websocket-devices", shelly - shelly // 2,
            "--with", f"tasmota={tasmota}", "--with", f"zigbee={zigbee}"]
    rig = Rig(directory, home=home, parallel_installs=64, canary_soak=2, reboot_timeout=8)
    server = rig.cleanup.add(ImageServer())
    images = _images(rig.dir, server)
    rig.cleanup.add(rig.sim.start())
    _until_online(rig, count)
    known = PROXIED + "*.DeviceInfo.ActiveFirmwareImage"
    wait_until(lambda: all(rig.ctl.get(known).values()), 30, "what each of them runs is known", interval=0.2)
    rig.ctl.subscribe("done", "OperationComplete", PROXIED + "*" + IMAGE + "*.Download()")
    begin, cpu = time.monotonic(), cpu_seconds(rig.agent.pid)
    accepted = 0
    for where, url, digest in images:
        command = f"{PROXIED}[{where}]{IMAGE}2.Download()"
        args = {"URL": url, "AutoActivate": True, "CheckSumAlgorithm": "SHA-256", "CheckSum": digest}
        for result in rig.ctl.must(usp.operate(command, args, url), timeout=60).operation_results:
            assert result.req_obj_path, result
            accepted += 1
    yield "updates accepted", accepted, ""
    yield "models, each one command", len(images), ""
    yield "all accepted after", (time.monotonic() - begin) * 1e3, "ms"
    peak, woken = [0, 0], [begin]

    def done():
        if time.monotonic() > woken[0] + 2:  # Zigbee devices on batteries take their image when they wake
            woken[0] = time.monotonic()
            for device in rig.sim.devices():
                if device["state"] == "scheduled":
                    rig.sim.command("wake", device["id"])
        peak[0] = max(peak[0], memory(rig.agent.pid)[1])
        peak[1] = max(peak[1], sum(f.stat().st_size for f in _files(rig.agent.cache_dir)))
        return len(rig.ctl.notifies) >= accepted

    wait_until(done, 600, "every result", interval=0.2)
    yield f"{accepted} updates, all done after", time.monotonic() - begin, "s"
    yield f"{accepted} updates, CPU each", (cpu_seconds(rig.agent.pid) - cpu) / accepted * 1e6, "us"
    failed = [n.body.request.notify.oper_complete.cmd_failure.err_msg for n in rig.ctl.notifies
              if n.body.request.notify.oper_complete.WhichOneof("operation_resp") == "cmd_failure"]
    if failed:
        print(failed[:3])
    yield "of them failed", len(failed), ""
    yield "fetches at the image server", sum(r.method == "GET" for r in server.requests), ""
    yield "peak of anonymous memory", peak[0] / 1024, "kB"
    yield "peak of the image cache on disk", peak[1] / 1024, "kB"
    rig.stop()


def _files(directory):
    return [pathlib.Path(root) / name for root, _, names in os.walk(directory) for name in names]


ALL = [mixed, idle_websockets, updates]
