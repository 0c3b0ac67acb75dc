# SPDX-License-Identifier: BSD-3-Clause
"""What is measured. Each function yields (name, value, unit); rates are per second, times in microseconds unless said."""

import os
import shutil
import time

from hptest import Controller, Process, UdsTransport, build_dir, free_port, usp, wait_until
from rig import Rig, cpu_seconds, generate, median, memory
from wire import TAG, Mqtt, Uds, WebSocket

SUBSCRIPTIONS = "Device.LocalAgent.Subscription."


def _rows(first, count):
    """One Add of many subscriptions, ids x<first>..."""
    return usp.add(
        [
            (
                SUBSCRIPTIONS,
                {
                    "ID": f"x{n}",
                    "NotifType": "ValueChange",
                    "Enable": "true",
                    "ReferenceList": "Device.DeviceInfo.ProvisioningCode",
                },
            )
            for n in range(first, first + count)
        ]
    )


def start(directory, options):
    """From exec to a socket that answers, and to the connect record at the broker."""
    rig = Rig(directory)
    until_socket, until_broker, cpu = [], [], []
    for _ in range(options.runs):
        rig.ctl.close()
        rig.agent.stop()
        watch = Mqtt(rig.broker.port, "usp/load", "usp/nobody")
        watch.sock.settimeout(20)
        rig.agent.write_config()
        begin = time.monotonic()
        Process.start(rig.agent)
        answered = None
        while answered is None:
            try:
                Uds(rig.where["uds"]["path"], "self::load-uds").sock.close()
                answered = time.monotonic() - begin
            except (OSError, EOFError):
                assert time.monotonic() - begin < 30, "the agent does not come up"
        watch.sock.recv(1)
        until_broker.append(time.monotonic() - begin)
        cpu.append(cpu_seconds(rig.agent.pid))
        until_socket.append(answered)
        watch.sock.close()
        rig.agent.wait_output("ready endpoint=")
    yield "start to answering on the UNIX socket", median(until_socket) * 1e3, "ms"
    yield "start to connect record over MQTT", median(until_broker) * 1e3, "ms"
    yield "start to connect record, CPU", median(cpu) * 1e3, "ms"
    rig.stop()


def idle(directory, _options):
    rig = Rig(directory)
    whole, anonymous = memory(rig.agent.pid)
    yield "idle memory", whole / 1024, "kB"
    yield "idle memory, anonymous", anonymous / 1024, "kB"
    yield "idle threads", len(os.listdir(f"/proc/{rig.agent.pid}/task")), ""
    begin, before = time.monotonic(), cpu_seconds(rig.agent.pid)
    wait_until(lambda: time.monotonic() - begin > 2, 10)
    yield "idle CPU per second", (cpu_seconds(rig.agent.pid) - before) / (time.monotonic() - begin) * 1e6, "us"
    rig.stop()


def messages(directory, options):
    """Get Device.DeviceInfo. on each transport, and the bare transport answering with the same bytes."""
    rig = Rig(directory)
    msg = usp.get("Device.DeviceInfo.")
    rig.check(msg)
    bare = {}
    for transport in ("uds", "websocket", "mqtt"):
        count = 40000 // options.divide
        figures = rig.load(transport, msg, count, 64, options.runs)
        yield f"DeviceInfo over {transport}", figures["rate"], "1/s"
        yield f"DeviceInfo over {transport}, CPU each", figures["cpu_us"], "us"
        yield f"DeviceInfo over {transport}, p99", figures["p99_us"], "us"
        if transport != "mqtt":
            bare[transport] = median([_bare(rig, transport, msg, count) for _ in range(options.runs)])
            yield f"bare {transport} with the same answer", bare[transport], "1/s"
            yield f"agent to bare {transport}", figures["rate"] / bare[transport], ""
        alone = rig.load(transport, msg, 2000 // options.divide, 1, options.runs)
        yield f"DeviceInfo over {transport}, one at a time", alone["p50_us"], "us"
    rig.stop()


def _bare(rig, transport, msg, count):
    """The rate of a program that costs nothing but the transport."""
    msg.header.msg_id = TAG
    answer = rig.ctl.request(msg)
    record = usp.wrap(answer, "self::load-uds", rig.agent.endpoint_id).SerializeToString()
    files = {"answer": record, "handshake": Uds.frame(rig.agent.endpoint_id.encode(), kind=1)}
    if transport == "uds":
        files["answer"] = Uds.frame(record)
    for name, data in files.items():
        (rig.dir / name).write_bytes(data)
    program = build_dir() / "tests/bench/bench_bare"
    port = free_port()
    path = rig.dir / "bare.sock"
    target = [path, rig.dir / "handshake"] if transport == "uds" else [port]
    server = Process("bare", [program, transport, *target, rig.dir / "answer"], rig.dir).start()

    def connect():
        try:
            return Uds(path, "self::load-uds") if transport == "uds" else WebSocket(port, "/usp", "self::load-ws")
        except OSError:
            return None

    connection = wait_until(connect, 10, "the bare transport answers")
    request = rig.dir / "request"
    request.write_bytes(
        connection.frame(usp.wrap(msg, rig.agent.endpoint_id, "self::load-uds").SerializeToString())
    )
    result = generate(connection, request, count, 64)
    connection.sock.close()
    server.kill()
    return count / result["seconds"]


def tables(directory, options):
    """Reads of a table as it grows: a whole read may grow with it, a key search must not."""
    rig = Rig(directory)
    have = 0
    for rows in (10, 100, 1000):
        rig.ctl.must(_rows(have, rows - have), timeout=60)
        have = rows
        for name, msg in (
            ("whole table", usp.get(SUBSCRIPTIONS)),
            ("*.ID", usp.get(SUBSCRIPTIONS + "*.ID")),
            ("key search", usp.get(SUBSCRIPTIONS + f'[ID=="x{rows // 2}"].Enable')),
            ("other search", usp.get(SUBSCRIPTIONS + f'[NotifRetry==true&&ID!="x{rows}"].Enable')),
            ("GetInstances", usp.get_instances(SUBSCRIPTIONS)),
        ):
            rig.check(msg)
            count = max(20, (4000 if "search" in name else 40000 // rows) // options.divide)
            figures = rig.load("uds", msg, count, 1, options.runs)
            yield f"{name}, {rows} rows", figures["p50_us"], "us"
            if rows == 1000:
                yield f"{name}, {rows} rows, CPU", figures["cpu_us"], "us"
                yield f"{name}, {rows} rows, answer", figures["bytes"] / count, "B"
    rig.stop()


def changes(directory, options):
    """Changes that are on disk when they are answered. Each Set has another value (the tag of the message): a value that
    stays as it is costs no write."""
    rig = Rig(directory)
    msg = usp.set_({rig.agent.controller("self::prepare"): {"ProvisioningCode": TAG}})
    rig.check(msg)
    bare = median([_bare_sync(rig.dir / "bare", 200 // options.divide) for _ in range(options.runs)])
    yield "bare write and fsync of 4 KiB on this disk", bare, "1/s"
    for window in (1, 64):
        count = 2000 // options.divide
        figures = rig.load("uds", msg, count, window, options.runs)
        yield f"persisted Set, {window} outstanding", figures["rate"], "1/s"
        yield f"persisted Set to bare fsync, {window} outstanding", figures["rate"] / bare, ""
        yield f"persisted Set, {window} outstanding, CPU each", figures["cpu_us"], "us"
        syncs = _syncs(rig, lambda: rig.load("uds", msg, count, window, 1))
        if syncs is not None:
            yield f"fsyncs per Set, {window} outstanding", syncs / count, ""
    took, cpu = [], []
    msg = _rows(0, 1000)
    for _ in range(options.runs):
        figures = rig.load("uds", msg, 1, 1, 1)
        took.append(figures["p50_us"])
        cpu.append(figures["cpu_us"])
        assert len(rig.ctl.instances(SUBSCRIPTIONS)) == 1000
        rig.ctl.delete(SUBSCRIPTIONS + "*.")
    yield "1,000 rows in one Add", median(took) / 1e3, "ms"
    yield "1,000 rows in one Add, CPU", median(cpu) / 1e3, "ms"
    rig.stop()


def _bare_sync(path, count):
    """What the disk allows a program that does nothing else."""
    with open(path, "wb", buffering=0) as file:
        begin = time.monotonic()
        for _ in range(count):
            file.write(bytes(4096))
            os.fsync(file.fileno())
        return count / (time.monotonic() - begin)


def _syncs(rig, work):
    """fsync and fdatasync calls of the agent while work() runs, or None without strace."""
    if not shutil.which("strace"):
        return None
    trace = rig.dir / "trace"
    argv = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", trace, "-p", str(rig.agent.pid)]
    tracer = Process("strace", argv, rig.dir).start()
    tracer.wait_output("attached")
    work()
    tracer.stop()
    return sum("sync(" in line for line in trace.read_text().splitlines())


def memory_per_row(directory, options):
    rig = Rig(directory)
    rig.ctl.must(_rows(0, 10))
    before = memory(rig.agent.pid)[1]
    for first in range(10, 5010, 500):
        rig.ctl.must(_rows(first, 500), timeout=60)
    yield "memory per subscription row", (memory(rig.agent.pid)[1] - before) / 5000, "B"
    rig.stop()


def devices(directory, options):
    """A home of a thousand devices: memory each, and how long it takes to be known."""
    count = 1000 // options.divide
    rig = Rig(directory, devices=count)
    before = memory(rig.agent.pid)[1]
    cpu = cpu_seconds(rig.agent.pid)
    begin = time.monotonic()
    rig.cleanup.add(rig.sim.start())
    online = usp.get("Device.ProxiedDevice.*.Online")

    def known():
        results = rig.check(online).body.response.get_resp.req_path_results[0].resolved_path_results
        return sum(r.result_params["Online"] == "true" for r in results) == count

    wait_until(known, 120, "every device online", interval=0.05)
    yield f"{count} devices known after", (time.monotonic() - begin) * 1e3, "ms"
    yield "CPU to take in one device", (cpu_seconds(rig.agent.pid) - cpu) / count * 1e6, "us"
    yield "memory per proxied device", (memory(rig.agent.pid)[1] - before) / count, "B"
    for name, msg in (
        (f"Get of {count} devices", usp.get("Device.ProxiedDevice.")),
        (f"SoftwareVersion of {count} devices", usp.get("Device.ProxiedDevice.*.DeviceInfo.SoftwareVersion")),
    ):
        rig.check(msg)
        figures = rig.load("uds", msg, 20, 1, options.runs)
        yield name, figures["p50_us"] / 1e3, "ms"
        yield f"{name}, CPU per device", figures["cpu_us"] / count, "us"
    rest = []
    for _ in range(options.runs):
        begin, before = time.monotonic(), cpu_seconds(rig.agent.pid)
        wait_until(lambda: time.monotonic() - begin > 2, 10)
        rest.append((cpu_seconds(rig.agent.pid) - before) / (time.monotonic() - begin))
    yield f"CPU at rest with {count} devices", median(rest) * 100, "%"
    rig.stop()


ROLES = "Device.LocalAgent.ControllerTrust.Role."
# What an operator's controllers are given in practice: the whole in reading, parts in writing, some things not at all.
BY_OBJECT = [
    ("Device.", "r--n", "r--n", "r-xn"),
    ("Device.DeviceInfo.", "rw-n", "r--n", "----"),
    ("Device.LocalAgent.Subscription.", "rw-n", "rw-n", "----"),
    ("Device.LocalAgent.Certificate.", "----", "----", "----"),
    ("Device.ProxiedDevice.", "r--n", "r--n", "r-xn"),
    ("Device.ProxiedDevice.{i}.DeviceInfo.FirmwareImage.{i}.", "rw-n", "r--n", "r-xn"),
]
# Rights that hold for some rows of a table only, so that each row has to be asked.
BY_ROW = [
    ("Device.ProxiedDevice.[Online==false].", "r---", "r---", "----"),
    ("Device.ProxiedDevice.1.,Device.ProxiedDevice.2.DeviceInfo.", "rw-n", "r--n", "r-xn"),
]


def _role(rig, permissions, controllers):
    """A new role of these permissions for those controllers, and for nobody else."""
    role = rig.ctl.add(ROLES, Enable=True)
    for order, (targets, param, instance, command) in enumerate(permissions, 1):
        rig.ctl.add(
            role + "Permission.",
            Enable=True,
            Order=order,
            Targets=targets,
            Param=param,
            Obj=param,
            InstantiatedObj=instance,
            CommandEvent=command,
        )
    for endpoint_id in controllers:
        rig.ctl.set(rig.agent.controller(endpoint_id), AssignedRole=role.rstrip("."))


def access(directory, options):
    """Messages as an operator has them: roles with permissions, a hundred subscriptions, a thousand devices."""
    count = 1000 // options.divide
    rig = Rig(directory, devices=count)
    rig.cleanup.add(rig.sim.start())
    online = "Device.ProxiedDevice.*.Online"
    wait_until(lambda: sum(v == "true" for v in rig.ctl.get(online, timeout=60).values()) == count, 120, interval=0.1)
    rig.ctl.must(_rows(0, 50), timeout=60)
    for n in range(50):
        rig.ctl.subscribe(f"d{n}", "ValueChange", "Device.ProxiedDevice.*.DeviceInfo.SoftwareVersion")
    info, whole = usp.get("Device.DeviceInfo."), usp.get("Device.ProxiedDevice.")
    for title, permissions in ("full access", None), ("6 permissions", BY_OBJECT), ("and by row", BY_OBJECT + BY_ROW):
        if permissions:
            _role(rig, permissions, ["self::load-uds", "self::load-ws", "self::load-mqtt"])
        for transport in ("uds", "websocket", "mqtt"):
            figures = rig.load(transport, info, 40000 // options.divide, 64, options.runs)
            yield f"DeviceInfo over {transport}, {title}", figures["rate"], "1/s"
            yield f"DeviceInfo over {transport}, {title}, CPU each", figures["cpu_us"], "us"
        figures = rig.load("uds", whole, 10, 1, options.runs)
        yield f"Get of {count} devices, {title}", figures["p50_us"] / 1e3, "ms"
        yield f"Get of {count} devices, {title}, answer", figures["bytes"] / 10 / 1024, "kB"
    rig.stop()


def latency(directory, options):
    """From a change to the Notify at the controller's socket."""
    rig = Rig(directory, devices=10)
    rig.cleanup.add(rig.sim.start())
    rig.sim.wait_online()
    watcher = Controller(UdsTransport(rig.where["uds"]["path"], "self::load-uds"), "self::load-uds")
    watcher.connect()
    for name, path in ("change", "Device.DeviceInfo.ProvisioningCode"), ("online", "Device.ProxiedDevice.*.Online"):
        watcher.subscribe(name, "ValueChange", path)
    watcher.stop()
    connection, endpoint_id = rig.open("uds")
    connection.sock.settimeout(20)
    took = {"change": [], "online": []}

    def until_notified(name, change):
        begin = time.monotonic()
        change()
        while name.encode() not in connection.receive():
            pass
        took[name].append(time.monotonic() - begin)

    for n in range(400 // options.divide):
        msg = usp.set_({"Device.DeviceInfo.": {"ProvisioningCode": f"run{n}"}})
        frame = connection.frame(usp.wrap(msg, rig.agent.endpoint_id, endpoint_id).SerializeToString())
        until_notified("change", lambda: connection.sock.sendall(frame))
    device = next(d["id"] for d in rig.sim.devices() if d["transport"] == "mqtt")
    for _ in range(6):  # a device that comes and goes more often is told of less often
        until_notified("online", lambda: rig.sim.command("offline", device))
        until_notified("online", lambda: rig.sim.command("online", device))
    yield "Set (with its fsync) to ValueChange on the wire", median(took["change"]) * 1e3, "ms"
    yield "a device comes or goes (MQTT) to ValueChange on the wire", median(took["online"]) * 1e3, "ms"
    connection.sock.close()
    rig.stop()


def fan_out(directory, options):
    """One change that many subscriptions want: until the last Notify is there."""
    rig = Rig(directory)
    count = 500
    rig.ctl.must(_rows(0, count), timeout=60)
    took, cpu = [], []
    for run in range(options.runs):
        rig.ctl.forget()
        before, begin = cpu_seconds(rig.agent.pid), time.monotonic()
        rig.ctl.set("Device.DeviceInfo.", ProvisioningCode=f"run{run}")
        wait_until(lambda: len(rig.ctl.notifies) >= count, 30, "every notification", interval=0.001)
        took.append(time.monotonic() - begin)
        cpu.append(cpu_seconds(rig.agent.pid) - before)
    yield f"one change to {count} subscriptions", median(took) * 1e3, "ms"
    yield "CPU per notification", median(cpu) / count * 1e6, "us"
    rig.stop()


ALL = [start, idle, messages, tables, changes, memory_per_row, devices, access, latency, fan_out]
