# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 9, functionality: certificates, the gateway's own firmware, a second controller, boot, timer."""

import json

from harness import firmware
from harness.controller import Controller
from harness.lanes import CONTROLLER_ID, SECOND_ID
from harness.messages import add, status_of
from harness.registry import case
from hptest import usp
from hptest.agent import FULL_ACCESS
from hptest.pki import Pki, self_signed
from hptest.process import wait_until

IMAGES = "Device.DeviceInfo.FirmwareImage."
DOWNLOAD, ACTIVATE = (IMAGES + "{i}." + command for command in ("Download()", "Activate()"))
BOOT = "Device.Boot!"
SLACK = 1.0


# -- notifications by what they say

def event(name, parent):
    return lambda n: (n.WhichOneof("notification") == "event" and n.event.event_name == name
                      and n.event.obj_path == parent)


booted = event("Boot!", "Device.")
transferred = event("TransferComplete!", "Device.LocalAgent.")


def done(path, command):
    """The OperationComplete of a command of that object."""
    return lambda n: (n.WhichOneof("notification") == "oper_complete" and n.oper_complete.obj_path == path
                      and n.oper_complete.command_name == command)


# -- 9.2

def _tls_controller(lane):
    pki = Pki(lane.dir / "pki")
    cert, key = pki.issue("controller", uris=[])
    lane.peer.use_tls((None, cert, key))
    lane.agent.ws_controller(lane.port, CONTROLLER_ID, tls=True)
    lane.agent.tls(pki.ca_file)


@case("9.2", "A certificate is added and deleted", metrics=4, transports=("websocket",), fresh=True,
      setup=_tls_controller, supports=["Device.LocalAgent.AddCertificate()"],
      erratum="Delete() is sent with send_resp true, for else no response is due; the new certificate is named in the "
              "controller's Credential, without which Device:2 gives it no trust")
def add_certificate(t):
    cert, key = self_signed(t.lane.dir, "added")
    arguments = {"Alias": "addedCert", "Certificate": cert.read_text()}
    resp = t.response(1, t.ctl.request(usp.operate("Device.LocalAgent.AddCertificate()", arguments)), "operate_resp")
    kinds = [r.WhichOneof("operation_resp") for r in resp.operation_results]
    t.need(1, kinds == ["req_output_args"], f"one success expected, got {resp}")
    rows = t.ctl.instances("Device.LocalAgent.Certificate.")
    path = next((p for p, keys in rows.items() if keys.get("Alias") == "addedCert"), None)
    t.need(3, path, f"no Certificate row with Alias addedCert: {rows}")
    t.ctl.set(t.lane.row, Credential=path.rstrip("."))
    t.lane.peer.use_tls((None, cert, key))
    session = t.lane.peer.current()
    session.cut()
    session.wait_closed()
    t.ctl.transport.connect(30)
    t.ok(2, t.ctl.transport.connected, "no connection with the new certificate")
    values = t.ctl.get("Device.LocalAgent.Certificate.")
    t.eq(3, path + "Alias", values.get(path + "Alias"), "addedCert")
    t.ctl.set(t.lane.row, Credential="")
    resp = t.response(4, t.ctl.request(usp.operate(path + "Delete()")), "operate_resp")
    kinds = [r.WhichOneof("operation_resp") for r in resp.operation_results]
    t.eq(4, "result of Delete()", kinds, ["req_output_args"])


# -- 9.3 to 9.8: the gateway's firmware

def banks(t):
    """(the active row, the other rows) of the gateway's FirmwareImage table."""
    # After its start the agent asks the hook, which takes a moment.
    wait_until(lambda: value(t, "Device.DeviceInfo.ActiveFirmwareImage"), 10, "ActiveFirmwareImage has a value")
    values = t.ctl.get("Device.DeviceInfo.")
    active = values["Device.DeviceInfo.ActiveFirmwareImage"].rstrip(".") + "."
    rows = sorted({p.rsplit(".", 1)[0] + "." for p in values if p.startswith(IMAGES)})
    t.setup(active in rows, f"ActiveFirmwareImage {active!r} is not among {rows}")
    return active, [row for row in rows if row != active]


def inactive(t):
    others = banks(t)[1]
    t.setup(others, "there is only one FirmwareImage row")
    return others[0]


def watch(t, *what):
    """Test setup: persistent subscriptions, for these cases look across reboots."""
    references = {"boot": ("Event", BOOT), "transfer": ("Event", "Device.LocalAgent.TransferComplete!"),
                  "download": ("OperationComplete", IMAGES + "*.Download()"),
                  "activate": ("OperationComplete", IMAGES + "*.Activate()")}
    for name in what:
        kind, reference = references[name]
        t.ctl.subscribe(f"{name}-{t.case.number}", kind, reference, retry=True, Persistent=True)


def start(t, command, args, key=""):
    """An Operate without response, as most of these cases send it; the place in the notifications before it."""
    mark = t.ctl.mark()
    t.ctl.send(usp.operate(command, args, key, send_resp=False))
    return mark


def value(t, path):
    return t.ctl.get(path)[path]


def given_image(t, version):
    """Test setup: an inactive row holds a good image of that version."""
    row = inactive(t)
    url, body = t.lane.keep["firmware"].offer(version)
    t.ctl.subscribe("setup", "OperationComplete", row + "Download()", Persistent=False)
    mark = start(t, row + "Download()", {"URL": url, "AutoActivate": False, "FileSize": len(body)})
    notice = t.ctl.notice(done(row, "Download()"), 20, mark)
    t.setup(notice and notice.notify.oper_complete.WhichOneof("operation_resp") == "req_output_args",
            f"Download() into {row} in the setup: {notice and notice.notify}")
    t.eq("setup", row + "Status", value(t, row + "Status"), "Available")
    return row


def boot_with_update(t, metric, mark, connection, timeout=20):
    """The Boot! that must come, and the agent reachable again."""
    notice = t.ctl.notice(booted, timeout, mark)
    t.need(metric, notice, f"no Boot! within {timeout} s")
    t.eq(metric, "FirmwareUpdated", notice.notify.event.params.get("FirmwareUpdated"), "true")
    t.lane.back(connection)


def version_is(t, metric, version):
    t.eq(metric, "SoftwareVersion", value(t, "Device.DeviceInfo.SoftwareVersion"), version)


@case("9.3", "Firmware download with automatic activation", metrics=4, transports=("mqtt",), fresh=True,
      setup=firmware.configure, supports=[DOWNLOAD])
def download_activate(t):
    row = inactive(t)
    watch(t, "boot", "transfer", "download")
    url, body = t.lane.keep["firmware"].offer("2.0.0", auth=(firmware.USER, firmware.PASSWORD))
    connection = t.lane.mark()
    mark = start(t, row + "Download()", {"AutoActivate": True, "URL": url, "Username": firmware.USER,
                                         "Password": firmware.PASSWORD, "FileSize": len(body)})
    notice = t.ctl.notice(done(row, "Download()"), 20, mark)
    t.need(1, notice, "no OperationComplete of Download() within 20 s")
    t.eq(1, "result of Download()", notice.notify.oper_complete.WhichOneof("operation_resp"), "req_output_args")
    notice = t.ctl.notice(transferred, 20, mark)
    t.need(2, notice, "no TransferComplete! within 20 s")
    t.eq(2, "FaultCode", notice.notify.event.params.get("FaultCode"), "0")
    boot_with_update(t, 3, mark, connection)
    values = t.ctl.get("Device.DeviceInfo.")
    t.eq(4, "ActiveFirmwareImage", values["Device.DeviceInfo.ActiveFirmwareImage"].rstrip("."), row.rstrip("."))
    t.eq(4, row + "Status", values[row + "Status"], "Active")
    version_is(t, 4, "2.0.0")


def window(first, last, mode):
    return {"TimeWindow.1.Start": first, "TimeWindow.1.End": last, "TimeWindow.1.Mode": mode}


@case("9.4", "Activate() at once", metrics=3, transports=("mqtt",), fresh=True, setup=firmware.configure,
      supports=[ACTIVATE], erratum="the subscriptions are made persistent")
def activate_now(t):
    row = given_image(t, "2.1.0")
    watch(t, "boot", "activate")
    connection = t.lane.mark()
    mark = start(t, row + "Activate()", window(1, 100, "Immediately"))
    notice = t.ctl.notice(done(row, "Activate()"), 5 + SLACK, mark)
    t.need(1, notice, "no OperationComplete of Activate() within 5 s")
    t.eq(1, "result of Activate()", notice.notify.oper_complete.WhichOneof("operation_resp"), "req_output_args")
    boot_with_update(t, 2, mark, connection)
    version_is(t, 3, "2.1.0")


@case("9.5", "Activate() at any time in a window", metrics=4, transports=("mqtt",), fresh=True,
      setup=firmware.configure, supports=[ACTIVATE], erratum="the subscriptions are made persistent")
def activate_any_time(t):
    row = given_image(t, "2.2.0")
    watch(t, "boot", "activate")
    end = t.scaled(120, 6)
    connection = t.lane.mark()
    mark = start(t, row + "Activate()", window(0, end, "AnyTime"))
    notice = t.ctl.notice(done(row, "Activate()"), end + SLACK, mark)
    t.need(1, notice, f"no OperationComplete of Activate() within {end} s")
    t.eq(2, "result of Activate()", notice.notify.oper_complete.WhichOneof("operation_resp"), "req_output_args")
    boot_with_update(t, 3, mark, connection)
    version_is(t, 4, "2.2.0")


@case("9.6", "Firmware download with a wrong checksum", metrics=2, transports=("mqtt",), fresh=True,
      setup=firmware.configure, supports=[DOWNLOAD],
      erratum="the plan leaves out AutoActivate, which Device:2 makes mandatory: it is sent as false")
def wrong_checksum(t):
    row = inactive(t)
    watch(t, "transfer")
    url, _ = t.lane.keep["firmware"].offer("2.3.0")
    mark = start(t, row + "Download()", {"URL": url, "CheckSumAlgorithm": "SHA-1", "CheckSum": "00" * 20,
                                         "AutoActivate": False})
    notice = t.ctl.notice(transferred, 20, mark)
    t.need(1, notice, "no TransferComplete! within 20 s")
    t.ok(1, notice.notify.event.params.get("FaultCode") not in ("0", "", None), "TransferComplete! without a fault")
    t.eq(2, row + "Status", value(t, row + "Status"), "ValidationFailed")


@case("9.7", "Firmware download into the active bank", metrics=5, transports=("mqtt",), fresh=True,
      setup=firmware.configure, supports=[DOWNLOAD],
      erratum="send_resp is true, so that an agent with several banks can refuse visibly; one bank must do without")
def download_active(t):
    active, others = banks(t)
    watch(t, "boot", "transfer", "download")
    url, body = t.lane.keep["firmware"].offer("2.4.0")
    connection, mark = t.lane.mark(), t.ctl.mark()
    message = usp.operate(active + "Download()", {"URL": url, "AutoActivate": True, "FileSize": len(body)})
    resp = t.response(3, t.ctl.request(message), "operate_resp")
    refused = any(r.WhichOneof("operation_resp") == "cmd_failure" for r in resp.operation_results)
    if not refused and others:
        notice = t.ctl.notice(done(active, "Download()"), 20, mark)
        refused = notice and notice.notify.oper_complete.WhichOneof("operation_resp") == "cmd_failure"
    if refused:
        t.ok(1, others, "refused, although there is only one bank")
        t.checked.update((1, 2, 3, 4, 5))
        return
    transfer, boot = (4, 5) if others else (1, 2)
    t.checked.update((1, 2, 3, 4, 5))
    t.need(transfer, t.ctl.notice(transferred, 20, mark), "no TransferComplete! within 20 s")
    boot_with_update(t, boot, mark, connection)


@case("9.8", "A pending Activate() is cancelled", metrics=3, transports=("mqtt",), fresh=True,
      setup=firmware.configure, supports=[ACTIVATE, "Device.LocalAgent.Request.{i}.Cancel()"],
      erratum="the enumeration of Request.Status spells it Canceled and Canceling")
def cancel_activate(t):
    row = given_image(t, "2.5.0")
    watch(t, "boot")
    first, last = t.scaled(120, 2), t.scaled(500, 6)
    mark = t.ctl.mark()
    resp = t.response(1, t.ctl.request(usp.operate(row + "Activate()", window(first, last, "AnyTime"))), "operate_resp")
    t.need(1, len(resp.operation_results) == 1, f"one operation_results expected, got {resp}")
    result = resp.operation_results[0]
    t.eq(1, "executed_command", result.executed_command, row + "Activate()")
    t.need(1, result.WhichOneof("operation_resp") == "req_obj_path", f"req_obj_path expected, got {result}")
    request = result.req_obj_path.rstrip(".") + "."
    t.ok(1, request in t.ctl.instances("Device.LocalAgent.Request."), f"{request} does not exist")
    t.ctl.send(usp.operate(request + "Cancel()", send_resp=False))
    late = t.ctl.silence(booted, last + SLACK, since=mark)
    t.ok(2, late is None, "Boot! although the request was cancelled")
    status = t.ctl.get("Device.LocalAgent.Request.").get(request + "Status")
    t.ok(3, status in (None, "Canceled", "Canceling"), f"Status of the request is {status!r}")


# -- 9.9 to 9.11

@case("9.9", "A second controller is provisioned and hears an OnBoardRequest", metrics=2,
      supports=["Device.LocalAgent.Controller.{i}.SendOnBoardRequest()"])
def on_board_second(t):
    params, transport = t.lane.second_mtp()
    resp = t.response(1, t.ctl.request(add(
        ("Device.LocalAgent.Controller.", "Alias=usp-111-Controller", f"EndpointID={SECOND_ID}", "Enable=true",
         f"AssignedRole={FULL_ACCESS}"))), "add_resp")
    kind, status = status_of(resp.created_obj_results[0])
    t.need(1, kind == "oper_success" and not status.param_errs, f"Add of the Controller: {resp}")
    row = t.created(status.instantiated_path)
    settings = [f"{name}={str(v).lower() if isinstance(v, bool) else v}" for name, v in params.items()]
    resp = t.response(1, t.ctl.request(add((row + "MTP.", "Enable=true", *settings))), "add_resp")
    kind, status = status_of(resp.created_obj_results[0])
    t.need(1, kind == "oper_success" and not status.param_errs, f"Add of the MTP: {resp}")
    second = Controller(transport, SECOND_ID, t.lane.endpoint_id)
    t.undo(second.stop)
    second.connect(15)
    mark = second.mark()
    t.ctl.send(usp.operate(row + "SendOnBoardRequest()", send_resp=False))
    notice = second.notice(lambda n: n.WhichOneof("notification") == "on_board_req", since=mark)
    t.ok(1, notice or second.records, "nothing arrives at the second controller")
    t.need(2, notice, "no OnBoardRequest within 10 s")
    t.eq(2, "subscription_id", notice.notify.subscription_id, "")
    t.ok(2, not second.violations, second.violations)


@case("9.10", "Boot! carries the boot parameters", metrics=1,
      supports=["Device.DeviceInfo.BootFirmwareImage", "Device.LocalAgent.Controller.{i}.BootParameter.{i}."],
      erratum="the subscription is not persistent and Boot! is due all the same")
def boot_parameters(t):
    name = "Device.DeviceInfo.BootFirmwareImage"
    resp = t.response(1, t.ctl.request(add(
        ("Device.LocalAgent.Subscription.", "NotifType=Event", f"ReferenceList={BOOT}", "Enable=true"),
        (t.lane.row + "BootParameter.", "Enable=true", f"ParameterName={name}"))), "add_resp")
    for result in resp.created_obj_results:
        kind, status = status_of(result)
        t.need(1, kind == "oper_success" and not status.param_errs, f"Add: {result}")
        t.created(status.instantiated_path)
    mark = t.ctl.mark()
    t.lane.reboot()
    notice = t.ctl.notice(booted, 20, mark)
    t.need(1, notice, "no Boot! within 20 s of the reboot")
    text = notice.notify.event.params.get("ParameterMap", "")
    try:
        parameters = json.loads(text)
    except ValueError:
        parameters = None
    t.need(1, isinstance(parameters, dict), f"ParameterMap is no JSON object: {text!r}")
    t.ok(1, name in parameters, f"{name} is not in the ParameterMap {text!r}")


@case("9.11", "ScheduleTimer() completes", metrics=2, supports=["Device.ScheduleTimer()"])
def schedule_timer(t):
    t.created(t.ctl.subscribe("timer-9.11", "OperationComplete", "Device.ScheduleTimer()"))
    delay = t.scaled(60, 2)
    mark = t.ctl.mark()
    resp = t.response(1, t.ctl.request(usp.operate("Device.ScheduleTimer()", {"DelaySeconds": delay})), "operate_resp")
    t.eq(1, "executed_command", [r.executed_command for r in resp.operation_results], ["Device.ScheduleTimer()"])
    notice = t.ctl.notice(done("Device.", "ScheduleTimer()"), delay + 5, mark)
    t.need(2, notice, f"no OperationComplete within {delay + 5} s")
    t.ok(2, notice.notify.subscription_id == "timer-9.11", f"subscription_id is {notice.notify.subscription_id!r}")
