# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 1, messages and path names: Notify with its retries, Operate, OnBoardRequest."""

import re

from harness.messages import (ENDPOINT_ID, SOFTWARE_VERSION, SUBSCRIPTIONS, add, delete, got_rows,
                              instance_of, set_, status_of, subscription)
from harness.registry import case
from harness.steps import boot_parameter, created, given, given_subscriptions
from hptest import usp
from hptest.probe_sink import Sink

TIMER = "Device.ScheduleTimer()"
TRACE_ROUTE = "Device.IP.Diagnostics.TraceRoute()"
REQUESTS = "Device.LocalAgent.Request."
# How late a timer may be and still be right: the plan gives ranges, and a busy machine is not the agent's fault.
SLACK = 1.0


# -- steps

def change(t, metric, path, value):
    """A Set of one required parameter, which succeeds."""
    parent, name = path.rsplit(".", 1)
    resp = t.response(metric, t.ctl.request(set_((parent + ".", f"!{name}={value}"))), "set_resp")
    for result in resp.updated_obj_results:
        kind, status = status_of(result)
        t.need(metric, kind == "oper_success" and not status.updated_inst_results[0].param_errs, f"{result}")


def put_back(t, *names):
    """Parameters of our own row get their present value back at the end."""
    for name in names:
        path = t.lane.row + name
        old = t.ctl.get(path)[path]
        t.undo(lambda name=name, old=old: t.ctl.set(t.lane.row, **{name: old}))


def given_code(t):
    """Test setup: ProvisioningCode holds something else; its path."""
    put_back(t, "ProvisioningCode")
    t.ctl.set(t.lane.row, ProvisioningCode="before")
    return t.lane.row + "ProvisioningCode"


def subscribe(t, metric, sub_id, reference, *more, kind="ValueChange"):
    """The Add of a Subscription as a step of the test. Its path."""
    resp = t.response(metric, t.ctl.request(add(subscription(sub_id, reference, *more, kind=kind))), "add_resp")
    t.need(metric, len(resp.created_obj_results) == 1, f"one CreatedObjectResult expected, got {resp}")
    return created(t, metric, resp.created_obj_results[0])


def about(sub_id, kind="value_change"):
    """Notifications of that kind for that subscription."""
    return lambda n: n.subscription_id == sub_id and n.WhichOneof("notification") == kind


def changed(t, metric, sub_id, path, value, since=0):
    """The ValueChange that must come."""
    notice = t.ctl.notice(about(sub_id), since=since)
    t.need(metric, notice, f"no ValueChange for {sub_id} within 10 s")
    t.eq(metric, "param_path", notice.notify.value_change.param_path, path)
    t.eq(metric, "param_value", notice.notify.value_change.param_value, value)
    return notice


# -- ValueChange, ObjectCreation, ObjectDeletion

@case("1.52", "ValueChange of a subscribed parameter", metrics=2,
      erratum="the metric spells the subscription's ID otherwise than the Add: the runner compares with what it sent")
def value_change(t):
    path = given_code(t)
    subscribe(t, 1, "notify52", path, "NotifRetry=true")
    change(t, 2, path, "TestValue52")
    notice = changed(t, 2, "notify52", path, "TestValue52")
    t.ok(2, notice.notify.send_resp, "send_resp is false although NotifRetry is true")


@case("1.53", "No ValueChange after the subscription is deleted", metrics=2)
def value_change_deleted(t):
    path = given_code(t)
    row = subscribe(t, 1, "notify53", path, "NotifRetry=true")
    change(t, 1, path, "TestValue53")
    changed(t, 1, "notify53", path, "TestValue53")
    resp = t.response(1, t.ctl.request(delete(row)), "delete_resp")
    t.eq(1, "result of the Delete", [status_of(r)[0] for r in resp.deleted_obj_results], ["oper_success"])
    t.deleted(row)
    mark = t.ctl.mark()
    change(t, 2, path, "notify53-2")
    late = t.ctl.silence(lambda n: n.subscription_id == "notify53", t.within(20), since=mark)
    t.ok(2, late is None, f"{late} after the Delete")


def _unanswered(t, sub_id, interval, *more):
    """A subscription whose notifications nobody acknowledges, triggered once: (first notification, all of them)."""
    path = given_code(t)
    put_back(t, "USPNotifRetryMinimumWaitInterval", "USPNotifRetryIntervalMultiplier")
    t.ctl.set(t.lane.row, USPNotifRetryMinimumWaitInterval=interval, USPNotifRetryIntervalMultiplier=2000)
    t.undo(lambda: setattr(t.ctl, "acknowledge", lambda notice: True))
    t.ctl.acknowledge = lambda notice: notice.notify.subscription_id != sub_id
    row = subscribe(t, 1, sub_id, path, "NotifRetry=true", *more)
    change(t, 1, path, f"TestValue{sub_id[-2:]}")
    first = changed(t, 1, sub_id, path, f"TestValue{sub_id[-2:]}")
    return row, first


def in_range(t, metric, what, seconds, low, high):
    t.ok(metric, low - 0.05 <= seconds <= high + SLACK, f"{what} after {seconds:.2f} s, not {low} to {high} s")


@case("1.54", "A Notify is sent again until it is acknowledged", metrics=2)
def notify_retry(t):
    m = t.scaled(5, 1)
    _, first = _unanswered(t, "notify54", m)
    second = t.ctl.notice(about("notify54"), timeout=2 * m + SLACK, skip=1)
    t.need(1, second, f"no retry within {2 * m} s")
    t.eq(1, "msg_id of the retry", second.msg.header.msg_id, first.msg.header.msg_id)
    in_range(t, 2, "first retry", second.at - first.at, m, 2 * m)
    third = t.ctl.notice(about("notify54"), timeout=4 * m + SLACK, skip=2)
    t.need(1, third, f"no second retry within {4 * m} s")
    in_range(t, 2, "second retry", third.at - second.at, 2 * m, 4 * m)
    t.ctl.notify_response(third)
    # The next retry would come within 8 m: it must not, once acknowledged.
    late = t.ctl.silence(about("notify54"), 8 * m + SLACK if t.real_time else 4.5 * m, skip=3)
    t.ok(1, late is None, "sent again after its NotifyResp")


@case("1.55", "A subscription ends with its TimeToLive", metrics=3,
      supports=["Device.LocalAgent.Subscription.{i}.TimeToLive"])
def time_to_live(t):
    path = given_code(t)
    life = t.scaled(20, 3)
    row = subscribe(t, 1, "notify55", path, "NotifRetry=true", f"TimeToLive={life}")
    change(t, 1, path, "TestValue55")
    first = changed(t, 1, "notify55", path, "TestValue55")
    mark = t.ctl.mark()
    t.ctl.silence(lambda n: False, life + SLACK / 2)
    result, = t.response(2, t.ctl.request(usp.get_instances(SUBSCRIPTIONS)), "get_instances_resp").req_path_results
    left = [instance.instantiated_obj_path for instance in result.curr_insts]
    if t.ok(2, row not in left, f"{row} still exists {life} s after {first}"):
        t.deleted(row)
    change(t, 3, path, "TestValue55-2")
    late = t.ctl.silence(about("notify55"), t.within(10), since=mark)
    t.ok(3, late is None, f"{late} after the subscription ended")


@case("1.56", "Notify retries end with NotifExpiration", metrics=2,
      supports=["Device.LocalAgent.Subscription.{i}.NotifExpiration"])
def notify_expiration(t):
    m, expiration = t.scaled(5, 1), t.scaled(20, 4)
    _, first = _unanswered(t, "notify56", m, f"NotifExpiration={expiration}")
    second = t.ctl.notice(about("notify56"), timeout=2 * m + SLACK, skip=1)
    t.need(1, second, f"no retry within {2 * m} s")
    t.ctl.silence(lambda n: False, max(0.0, first.at + expiration + SLACK / 2 - second.at))
    mark = t.ctl.mark()
    late = t.ctl.silence(about("notify56"), t.scaled(40, 6), since=mark)
    t.ok(2, late is None, f"sent again {late.at - first.at if late else 0:.1f} s after the first time")


@case("1.57", "ObjectCreation of a subscribed table", metrics=2,
      erratum="as in 1.52: IDs are compared as they were sent")
def object_creation(t):
    subscribe(t, 1, "notify57", SUBSCRIPTIONS, "NotifRetry=true", kind="ObjectCreation")
    mark = t.ctl.mark()
    row = subscribe(t, 1, "notify57-2", t.lane.row + "ProvisioningCode", "NotifRetry=true")
    notice = t.ctl.notice(lambda n: about("notify57", "obj_creation")(n) and n.obj_creation.obj_path == row, since=mark)
    t.need(2, notice, f"no ObjectCreation for {row} within 10 s")
    keys = dict(notice.notify.obj_creation.unique_keys)
    t.eq(2, "unique key ID", keys.get("ID"), "notify57-2")
    t.eq(2, "unique key Recipient", keys.get("Recipient", "").rstrip("."), t.lane.row.rstrip("."))


@case("1.58", "ObjectDeletion of a subscribed table", metrics=2,
      erratum="as in 1.52: IDs are compared as they were sent")
def object_deletion(t):
    row, = given_subscriptions(t)
    subscribe(t, 1, "notify58", SUBSCRIPTIONS, "NotifRetry=true", kind="ObjectDeletion")
    mark = t.ctl.mark()
    t.response(2, t.ctl.request(delete(row)), "delete_resp")
    t.deleted(row)
    notice = t.ctl.notice(about("notify58", "obj_deletion"), since=mark)
    t.need(2, notice, "no ObjectDeletion within 10 s")
    t.eq(2, "obj_path", notice.notify.obj_deletion.obj_path, row)


@case("1.84", "ValueChange through a wildcard", metrics=2)
def value_change_wildcard(t):
    _, row = given(t, boot_parameter(t.lane.row, SOFTWARE_VERSION), boot_parameter(t.lane.row, ENDPOINT_ID))
    subscribe(t, 1, "notify84", t.lane.row + "BootParameter.*.Enable")
    mark = t.ctl.mark()
    resp = t.response(2, t.ctl.request(set_((row.rstrip("."), "!Enable=false"))), "set_resp")
    t.need(2, [status_of(r)[0] for r in resp.updated_obj_results] == ["oper_success"], f"Set failed: {resp}")
    changed(t, 2, "notify84", row + "Enable", "false", since=mark)


@case("1.78", "A deleted Controller takes its subscriptions with it", metrics=1,
      supports=["Device.LocalAgent.Controller.{i}."])
def controller_deleted(t):
    second = t.lane.second()
    t.created(second.row)
    theirs = second.add(SUBSCRIPTIONS, Enable=True, ID="second78", NotifType="ValueChange", ReferenceList=SOFTWARE_VERSION)
    ours, = given_subscriptions(t)
    resp = t.response(1, t.ctl.request(delete(second.row)), "delete_resp")
    t.need(1, [status_of(r)[0] for r in resp.deleted_obj_results] == ["oper_success"], f"Delete failed: {resp}")
    t.deleted(second.row)
    rows = got_rows(t.response(1, t.ctl.request(usp.get(SUBSCRIPTIONS)), "get_resp"), SUBSCRIPTIONS)
    t.ok(1, theirs not in rows, f"{theirs} of the deleted controller still exists")
    t.ok(1, ours in rows, f"{ours} of the other controller is gone")
    if theirs in rows:
        t.created(theirs)


def _trigger(t, number, action):
    """A subscription that disables itself when it fires. Its row, and the path that triggers it."""
    path = given_code(t)
    row = subscribe(t, 1, f"notify{number}", path, "NotifRetry=true", f"TriggerAction={action}")
    change(t, 1, row + "TriggerConfigSettings", row + "Enable=false")
    mark = t.ctl.mark()
    change(t, 1, path, f"TestValue{number}")
    return row, path, mark


def _disabled(t, metric, row):
    def off():
        return t.ctl.get(row + "Enable")[row + "Enable"] == "false"
    t.ok(metric, off() or (t.ctl.silence(lambda n: False, 1), off())[1], f"{row}Enable is not false")


TRIGGERS = ["Device.LocalAgent.Subscription.{i}.TriggerAction",
            "Device.LocalAgent.Subscription.{i}.TriggerConfigSettings"]


@case("1.93", "TriggerAction Config applies its settings", metrics=2, supports=TRIGGERS)
def trigger_config(t):
    row, _, mark = _trigger(t, 93, "Config")
    _disabled(t, 2, row)
    t.ok(2, t.ctl.silence(about("notify93"), 0.5, since=mark) is None, "a Notify although TriggerAction is Config")


@case("1.94", "TriggerAction NotifyAndConfig notifies and applies its settings", metrics=3, supports=TRIGGERS,
      erratum="as in 1.52: IDs are compared as they were sent")
def trigger_notify_config(t):
    row, path, mark = _trigger(t, 94, "NotifyAndConfig")
    changed(t, 2, "notify94", path, "TestValue94", since=mark)
    _disabled(t, 3, row)


# -- events

@case("1.59", "Periodic! in its phase", metrics=4,
      supports=["Device.LocalAgent.Periodic!", "Device.LocalAgent.Controller.{i}.PeriodicNotifTime"])
def periodic(t):
    interval = t.scaled(60, 3)
    put_back(t, "PeriodicNotifInterval", "PeriodicNotifTime")
    message = set_((t.lane.row, f"PeriodicNotifInterval={interval}", "PeriodicNotifTime=2019-01-01T00:00:00Z"))
    resp = t.response(1, t.ctl.request(message), "set_resp")
    kind, status = status_of(resp.updated_obj_results[0])
    t.need(1, kind == "oper_success" and not status.updated_inst_results[0].param_errs, f"Set failed: {resp}")
    wanted = (SUBSCRIPTIONS, "Enable=true", "ID=sub-103", "NotifType=Event", "ReferenceList=Device.LocalAgent.Periodic!")
    resp = t.response(2, t.ctl.request(add(wanted)), "add_resp")
    created(t, 2, resp.created_obj_results[0])
    mark = t.ctl.mark()
    first = t.ctl.notice(about("sub-103", "event"), timeout=interval + 4, since=mark)
    t.need(3, first, f"no Periodic! within {interval + 4} s")
    t.eq(3, "event_name", first.notify.event.event_name, "Periodic!")
    t.eq(3, "obj_path", first.notify.event.obj_path, "Device.LocalAgent.")
    second = t.ctl.notice(about("sub-103", "event"), timeout=interval + 5, since=mark, skip=1)
    t.need(4, second, f"no second Periodic! within {interval + 5} s")
    tolerance = 4 if t.real_time else 1
    t.ok(4, abs(second.at - first.at - interval) <= tolerance, f"{second.at - first.at:.2f} s after the first")


# -- Operate

@case("1.61", "Operate of a synchronous command, response wanted", metrics=2, supports=["Device.Reboot()"])
def reboot_response(t):
    mark = t.lane.mark()
    answer = t.ctl.request(usp.operate("Device.Reboot()", command_key="test61", send_resp=True))
    resp = t.response(1, answer, "operate_resp")
    t.need(1, len(resp.operation_results) == 1, f"one operation_results expected, got {resp}")
    result = resp.operation_results[0]
    t.eq(1, "executed_command", result.executed_command, "Device.Reboot()")
    t.eq(1, "kind of result", result.WhichOneof("operation_resp"), "req_output_args")
    t.eq(1, "output_args", dict(result.req_output_args.output_args), {})
    t.lane.back(mark)
    t.eq(2, "EndpointID after the reboot", t.ctl.get(ENDPOINT_ID)[ENDPOINT_ID], t.lane.endpoint_id)


@case("1.62", "Operate of a synchronous command, no response wanted", metrics=1, supports=["Device.Reboot()"])
def reboot_silent(t):
    t.lane.reboot(key="test62")
    t.eq(1, "EndpointID after the reboot", t.ctl.get(ENDPOINT_ID)[ENDPOINT_ID], t.lane.endpoint_id)


def timer_result(t, metric, answer):
    """The OperateResp of ScheduleTimer(): it names the command and a Request row."""
    resp = t.response(metric, answer, "operate_resp")
    t.need(metric, len(resp.operation_results) == 1, f"one operation_results expected, got {resp}")
    result = resp.operation_results[0]
    t.eq(metric, "executed_command", result.executed_command, TIMER)
    t.need(metric, result.WhichOneof("operation_resp") == "req_obj_path", f"req_obj_path expected, got {result}")
    path = result.req_obj_path
    t.ok(metric, re.fullmatch(r"Device\.LocalAgent\.Request\.[1-9][0-9]*\.?", path), f"req_obj_path is {path!r}")
    return path.rstrip(".") + "."


def completed(t, metric, key, timeout, since=0):
    notice = t.ctl.notice(lambda n: n.WhichOneof("notification") == "oper_complete"
                          and n.oper_complete.command_key == key, timeout, since)
    t.need(metric, notice, f"no OperationComplete with command_key {key!r} within {timeout} s")
    done = notice.notify.oper_complete
    t.eq(metric, "obj_path", done.obj_path, "Device.")
    t.eq(metric, "command_name", done.command_name, "ScheduleTimer()")
    t.eq(metric, "result", done.WhichOneof("operation_resp"), "req_output_args")
    return notice


def given_timer_subscription(t):
    given(t, subscription(f"timer-{t.case.number}", TIMER, kind="OperationComplete"))


@case("1.64", "Operate of an asynchronous command, response wanted", metrics=2, supports=[TIMER])
def async_response(t):
    given_timer_subscription(t)
    timer_result(t, 1, t.ctl.request(usp.operate(TIMER, {"DelaySeconds": 1}, "test64")))
    completed(t, 2, "test64", 5)


@case("1.65", "Operate of an asynchronous command, no response wanted", metrics=2, supports=[TIMER])
def async_silent(t):
    given_timer_subscription(t)
    message = usp.operate(TIMER, {"DelaySeconds": 1}, "test65", send_resp=False)
    t.ctl.send(message)
    completed(t, 2, "test65", 5)
    t.ok(1, message.header.msg_id not in t.ctl.answers, "an OperateResp was sent")


@case("1.79", "Operate with input arguments", metrics=2, supports=[TIMER])
def async_arguments(t):
    given_timer_subscription(t)
    delay = t.scaled(30, 2)
    mark = t.ctl.mark()
    timer_result(t, 1, t.ctl.request(usp.operate(TIMER, {"DelaySeconds": delay}, "test79")))
    early = t.ctl.silence(about(f"timer-{t.case.number}", "oper_complete"), delay - 0.2, since=mark)
    t.ok(2, early is None, f"OperationComplete before {delay} s")
    completed(t, 2, "test79", 5, mark)


@case("1.91", "Operate with an argument the command does not have", metrics=1, supports=[TIMER])
def unknown_argument(t):
    request = timer_result(t, 1, t.ctl.request(usp.operate(TIMER, {"DelaySeconds": 10, "InvalidArgument": 2})))
    if "Device.LocalAgent.Request.{i}.Cancel()" in t.lane.supported():
        t.undo(lambda: t.ctl.request(usp.operate(request + "Cancel()")))


@case("1.92", "Operate arguments left out take their defaults", metrics=2, wait=10, supports=[TRACE_ROUTE],
      erratum="the probes are UDP, and a socket that takes them and says nothing stands for a host that does not answer")
def default_arguments(t):
    host = Sink()
    t.undo(host.close)
    resp = t.response(1, t.ctl.request(usp.operate(TRACE_ROUTE, {"Host": host.address, "ProtocolVersion": "Any"},
                                                   "test92")), "operate_resp")
    t.eq(1, "number of operation_results", len(resp.operation_results), 1)
    result = resp.operation_results[0]
    t.eq(1, "executed_command", result.executed_command, TRACE_ROUTE)
    t.need(1, instance_of(result.req_obj_path, REQUESTS), f"req_obj_path is {result.req_obj_path!r}")
    probes = host.wait(t.scaled(4, 3), 17)
    t.ctl.operate(result.req_obj_path.rstrip(".") + ".Cancel()")
    # Three of each hop; the probe after them, with --long, is as late as the others.
    t.need(2, len(probes) == t.scaled(4, 3), f"{len(probes)} probes")
    t.eq(2, "hops of the probes", [p.ttl for p in probes[:4]], [1, 1, 1, 2][:len(probes)])
    slack = t.scaled(0.05, 0.5)             # 1 %: for a machine with nothing else to do
    for n, (before, after) in enumerate(zip(probes, probes[1:]), 2):
        t.ok(2, abs(after.at - before.at - 5) <= slack, f"probe {n} {after.at - before.at:.3f} s after the one before it")
    t.eq(2, "data bytes of a probe", {p.size for p in probes}, {38})


@case("1.100", "Operate without a mandatory argument", metrics=2, supports=[TIMER],
      erratum="the request's input_args {} is one argument with an empty name, not an empty list")
def missing_argument(t):
    given_timer_subscription(t)
    mark = t.ctl.mark()
    resp = t.response(1, t.ctl.request(usp.operate(TIMER, {"": ""}, "test100")), "operate_resp")
    t.need(1, len(resp.operation_results) == 1, f"one operation_results expected, got {resp}")
    result = resp.operation_results[0]
    t.need(1, result.WhichOneof("operation_resp") == "cmd_failure", f"cmd_failure expected, got {result}")
    t.eq(1, "err_code", result.cmd_failure.err_code, 7027)
    late = t.ctl.silence(lambda n: n.WhichOneof("notification") == "oper_complete"
                         and n.oper_complete.command_key == "test100", t.within(120), since=mark)
    t.ok(2, late is None, f"{late} for a command that was refused")


# -- OnBoardRequest

ON_BOARDING = ["Device.LocalAgent.Controller.{i}.OnBoardingComplete",
               "Device.LocalAgent.Controller.{i}.OnBoardingRestartTime"]
SEND_ON_BOARD = "Device.LocalAgent.Controller.{i}.SendOnBoardRequest()"


def on_board(n):
    return n.WhichOneof("notification") == "on_board_req"


def ask_on_board(t, metric):
    """SendOnBoardRequest(), and the Notify it causes."""
    if ON_BOARDING[0] in t.lane.supported():
        put_back(t, "OnBoardingComplete")
    mark = t.ctl.mark()
    t.ctl.send(usp.operate(t.lane.row + "SendOnBoardRequest()", command_key=f"test{t.case.number.split('.')[1]}",
                           send_resp=False))
    notice = t.ctl.notice(on_board, since=mark)
    t.need(metric, notice, "no OnBoardRequest within 10 s")
    t.ok(metric, notice.notify.send_resp, "OnBoardRequest with send_resp false (R-NOT.6)")
    return notice


@case("1.60", "OnBoardRequest on demand", metrics=1, supports=[SEND_ON_BOARD])
def on_board_request(t):
    notice = ask_on_board(t, 1)
    t.eq(1, "subscription_id", notice.notify.subscription_id, "")
    request = notice.notify.on_board_req
    info = t.ctl.get("Device.DeviceInfo.", max_depth=1)
    for field, name in (("oui", "ManufacturerOUI"), ("product_class", "ProductClass"), ("serial_number", "SerialNumber")):
        want = info.get("Device.DeviceInfo." + name)
        t.ok(1, getattr(request, field) and getattr(request, field) == want,
             f"{field} is {getattr(request, field)!r}, {name} is {want!r}")
    versions = t.ctl.must(usp.get_supported_protocol()).agent_supported_protocol_versions
    t.eq(1, "agent_supported_protocol_versions", request.agent_supported_protocol_versions, versions)


def complete(t):
    return t.ctl.get(t.lane.row + "OnBoardingComplete")[t.lane.row + "OnBoardingComplete"]


@case("1.101", "SendOnBoardRequest() resets OnBoardingComplete", metrics=2, supports=[SEND_ON_BOARD, *ON_BOARDING])
def on_board_incomplete(t):
    ask_on_board(t, 1)
    t.eq(2, "OnBoardingComplete", complete(t), "false")
    change(t, 2, t.lane.row + "OnBoardingComplete", "true")
    t.eq(2, "OnBoardingComplete after the Set", complete(t), "true")


@case("1.102", "OnBoardRequest again after OnBoardingRestartTime", metrics=3, supports=[SEND_ON_BOARD, *ON_BOARDING])
def on_board_restart(t):
    wait = t.scaled(60, 2)
    put_back(t, "OnBoardingRestartTime")
    change(t, 1, t.lane.row + "OnBoardingRestartTime", str(wait))
    first = ask_on_board(t, 1)
    mark = t.ctl.mark()
    second = t.ctl.notice(on_board, timeout=wait + 5, since=mark)
    t.need(2, second, f"no second OnBoardRequest within {wait + 5} s")
    t.ok(2, wait - 0.2 <= second.at - first.at <= wait + 4, f"it came {second.at - first.at:.2f} s after the first")
    change(t, 3, t.lane.row + "OnBoardingComplete", "true")
    late = t.ctl.silence(on_board, t.scaled(60, 4), since=t.ctl.mark())
    t.ok(3, late is None, "OnBoardRequest although OnBoardingComplete is true")


@case("1.103", "No second OnBoardRequest with OnBoardingRestartTime 0", metrics=2,
      supports=[SEND_ON_BOARD, *ON_BOARDING])
def on_board_no_restart(t):
    put_back(t, "OnBoardingRestartTime")
    change(t, 1, t.lane.row + "OnBoardingRestartTime", "0")
    ask_on_board(t, 1)
    late = t.ctl.silence(on_board, t.within(60), since=t.ctl.mark())
    t.ok(2, late is None, "a second OnBoardRequest")
