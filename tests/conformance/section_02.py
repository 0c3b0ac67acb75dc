# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 2, authentication and access control: whose records are heard, and what a role allows."""

from harness.controller import Controller
from harness.messages import SUBSCRIPTIONS, add, delete, got_rows, got_values, set_, status_of, subscription
from harness.registry import case
from harness.session import Session, Signer
from harness.steps import boot_parameter, flip, given, given_subscriptions
from harness.tlspayload import Tls
from hptest import transports, usp
from hptest.pki import Pki
from hptest.process import wait_until

CONTROLLERS, TRUST = "Device.LocalAgent.Controller.", "Device.LocalAgent.ControllerTrust."
ROLES = TRUST + "Role."
PERMISSION = ROLES + "{i}.Permission.{i}."
DENIED = 7006
E2E = "Device.LocalAgent.Controller.{i}.E2ESession."


# -- permissions

def own_role(t):
    """The one role of our controller: Device.LocalAgent.ControllerTrust.Role.<n>."""
    return t.ctl.get(t.lane.row + "AssignedRole")[t.lane.row + "AssignedRole"].rstrip(".") + "."


def permission(t, targets, *more, param="rwxn", obj="rwxn", instantiated="rwxn", command="rwxn"):
    """The object of an Add that makes one Permission of our own role."""
    return (own_role(t) + "Permission.", "Enable=true", f"Targets={targets}", f"Param={param}", f"Obj={obj}",
            f"InstantiatedObj={instantiated}", f"CommandEvent={command}", *more)


def permit(t, metric, *permissions):
    """Adds them as one message does; they go before anything else is cleaned up, for they forbid things. The rows."""
    resp = t.response(metric, t.ctl.request(add(*permissions)), "add_resp")
    t.need(metric, len(resp.created_obj_results) == len(permissions), f"{len(permissions)} results expected, got {resp}")
    rows = []
    for result in resp.created_obj_results:
        kind, status = status_of(result)
        t.need(metric, kind == "oper_success" and not status.param_errs, f"Permission not added: {result}")
        rows.append(status.instantiated_path)
        t.undo(lambda row=status.instantiated_path: t.ctl.delete(row))
    return rows


def highest_order(t):
    orders = [int(v) for p, v in t.ctl.get(own_role(t) + "Permission.").items() if p.endswith(".Order")]
    return max(orders, default=0)


def denied(t, metric, answer, request):
    error = t.error(metric, answer, request)
    codes = {e.err_code for e in error.param_errs}
    t.ok(metric, error.err_code == DENIED or codes == {DENIED}, f"7006 expected, got {error}")
    return error


# -- 2.1, 2.2: whose records are heard

def unheard(t, *records):
    """None of these records is answered: what comes next is the answer to an ordinary Get that follows them."""
    before, known = len(t.ctl.records), set(t.ctl.answers)
    for record in records:
        t.ctl.send_record(record)
    probe = usp.get("Device.LocalAgent.UpTime")
    t.response(1, t.ctl.request(probe), "get_resp")
    t.ctl.silence(lambda n: False, t.within(1))
    t.eq(1, "answers to other messages", sorted(set(t.ctl.answers) - known - {probe.header.msg_id}), [])
    t.eq(1, "other records", [r.WhichOneof("record_type") for r in t.ctl.records[before:]], [])


def in_session(to_id, from_id):
    record = usp.Record(version="1.4", to_id=to_id, from_id=from_id)
    session = record.session_context
    session.session_id, session.sequence_id, session.expected_id = 1, 1, 1
    session.payload.append(usp.get("Device.LocalAgent.").SerializeToString())
    return record


@case("2.1", "Records from the agent's own Endpoint ID", metrics=1)
def own_from_id(t):
    agent = t.lane.endpoint_id
    unheard(t, in_session(agent, agent), usp.wrap(usp.get("Device.LocalAgent."), agent, agent))


@case("2.2", "Records addressed to another Endpoint ID", metrics=1,
      erratum="the sample sets from_id to the agent's as well: each of the two alone is tried too")
def foreign_to_id(t):
    agent, other, message = t.lane.endpoint_id, "self::somebody-else", usp.get("Device.LocalAgent.")
    unheard(t, usp.wrap(message, other, agent), usp.wrap(message, other, t.ctl.endpoint_id), in_session(other, agent),
            usp.wrap(message, "", t.ctl.endpoint_id), usp.wrap(message, agent, ""))


# -- 2.6 to 2.8: certificates and signatures of records

def _with_certificates(lane, days=(-1, 30)):
    """Certificates with Endpoint IDs for the agent and the controller, the controller's valid for these days."""
    pki = lane.keep["pki"] = Pki(lane.dir / "pki")
    lane.agent.tls(pki.ca_file, *pki.issue("agent", uris=[f"urn:bbf:usp:id:{lane.endpoint_id}"]))
    lane.keep["controller"] = pki.issue("controller", uris=["urn:bbf:usp:id:self::conformance"], days=days)


def _without_time(lane):
    _with_certificates(lane, days=(-20, -10))
    lane.keep["time"] = lane.dir / "time-is-known"
    lane.agent.conf["time_file"] = lane.keep["time"]


def _expired(lane):
    _with_certificates(lane, days=(-20, -10))


def secured_session(t):
    pki, own = t.lane.keep["pki"], t.lane.keep["controller"]
    session = Session(t.ctl, lambda server: Tls(server, pki.ca_file, *own), Signer(*own))
    t.undo(session.detach)
    return session


def signed_get(t, change=lambda record: None):
    """A Get without a session, signed and then changed. Its msg_id."""
    message = usp.get("Device.LocalAgent.UpTime")
    record = Signer(*t.lane.keep["controller"]).sign(usp.wrap(message, t.lane.endpoint_id, t.ctl.endpoint_id))
    change(record)
    t.ctl.send_record(record)
    return message.header.msg_id


def expired_ignored(t, metric):
    """Neither a handshake nor a signature with the expired certificate brings an answer."""
    session = secured_session(t)
    session.begin()
    unheard = signed_get(t)
    t.response(metric, t.ctl.request(usp.get("Device.LocalAgent.UpTime")), "get_resp")
    t.ctl.silence(lambda n: False, t.within(1))
    t.ok(metric, not session.tls.up, "the agent takes the expired certificate for TLS")
    t.ok(metric, unheard not in t.ctl.answers, "the agent takes the expired certificate for a signature")


@case("2.6", "Operation without absolute time", fresh=True, setup=_without_time, supports=[E2E],
      erratum="the gateway is told by the file time_file when its clock is right; it does not exist")
def without_time(t):
    session = secured_session(t)
    session.begin()
    t.need(1, session.wait_up(), f"no TLS session: {session.tls.error}")
    t.response(1, session.answer(usp.get("Device.LocalAgent.")), "get_resp")
    t.response(1, t.ctl.wait_answer(signed_get(t)), "get_resp")
    session.detach()
    t.lane.keep["time"].touch()
    expired_ignored(t, 1)


@case("2.7", "Invalid record signatures", fresh=True, setup=_with_certificates, supports=[E2E])
def invalid_signatures(t):
    def flip_bit(record):
        record.mac_signature = record.mac_signature[:-1] + bytes([record.mac_signature[-1] ^ 1])

    def other_version(record):
        record.version = "1.3"

    def no_certificate(record):
        record.sender_cert = b""

    def other_certificate(record):
        other = t.lane.keep["pki"].issue("other", uris=["urn:bbf:usp:id:self::other"])
        record.CopyFrom(Signer(*other).sign(record))

    known = set(t.ctl.answers)
    unheard = [signed_get(t, change) for change in (flip_bit, other_version, no_certificate, other_certificate)]
    t.response(1, t.ctl.wait_answer(signed_get(t)), "get_resp")
    t.ctl.silence(lambda n: False, t.within(1))
    t.eq(1, "answers", [number for number in unheard if number in t.ctl.answers], [])
    t.eq(1, "number of answers", len(set(t.ctl.answers) - known), 1)


@case("2.8", "Expired certificate with known time", fresh=True, setup=_expired, supports=[E2E])
def expired(t):
    expired_ignored(t, 1)


# -- 2.9: first contact

def _tls_server(lane):
    """The agent's WebSocket server asks for certificates of a CA of ours."""
    pki = lane.keep["pki"] = Pki(lane.dir / "pki")
    lane.agent.tls(pki.ca_file, *pki.issue("agent"))
    lane.agent.put("Device.LocalAgent.MTP.1.", WebSocket__EnableEncryption=True)


def newcomer(t, name, endpoint_id, certified=None):
    """A controller that nobody configured, with a certificate for (another) Endpoint ID, connected."""
    pki = t.lane.keep["pki"]
    cert, key = pki.issue(name, uris=[f"urn:bbf:usp:id:{certified or endpoint_id}"])
    port = int(t.lane.agent.factory["Device.LocalAgent.MTP.1.WebSocket.Port"])
    transport = transports.WsClientTransport(port, endpoint_id=endpoint_id, tls=(pki.ca_file, cert, key))
    controller = Controller(transport, endpoint_id, t.lane.endpoint_id)
    t.undo(controller.stop)
    controller.connect()
    return controller


def controllers(t):
    """{Endpoint ID: row}"""
    return {keys["EndpointID"]: row for row, keys in t.ctl.instances(CONTROLLERS, first_level_only=True).items()}


def trusted_ca(t, **settings):
    """The CA of the configuration may authenticate controllers. The Credential row."""
    certificate, = t.ctl.instances("Device.LocalAgent.Certificate.")
    return t.ctl.add(TRUST + "Credential.", Enable=True, Credential=certificate.rstrip("."), **settings)


@case("2.9", "A new controller has the untrusted role", metrics=1, transports=("websocket",), fresh=True,
      setup=_tls_server, supports=[TRUST + "Credential.{i}.AllowedUses", TRUST + "UntrustedRole"])
def untrusted_role(t):
    trusted_ca(t, AllowedUses="MTP-and-USP")
    second = newcomer(t, "newcomer", "self::newcomer")
    t.ok(1, second.request(usp.get("Device.DeviceInfo.")), "no answer")
    row = controllers(t).get("self::newcomer")
    t.need(1, row, f"the new controller is not in the table: {controllers(t)}")
    got = got_values(t.response(1, t.ctl.request(usp.get(CONTROLLERS)), "get_resp"))
    t.eq(1, row + "AssignedRole", got.get(row + "AssignedRole"), t.ctl.get(TRUST + "UntrustedRole")[TRUST + "UntrustedRole"])
    # A certificate that names somebody else brings nobody in (R-SEC.0a).
    other = newcomer(t, "impostor", "self::impostor", certified="self::newcomer")
    wait_until(lambda: not other.transport.connected, 10, "the session with the wrong certificate ends")
    t.ok(1, "self::impostor" not in controllers(t), "a controller was taken for another")


# -- 2.10 to 2.20: what a permission allows

@case("2.10", "A Role is added", metrics=1, supports=[ROLES + "{i}.Name"])
def add_role(t):
    resp = t.response(1, t.ctl.request(add((ROLES, "Enable=true", "Name=Trusted"))), "add_resp")
    kind, status = status_of(resp.created_obj_results[0])
    t.need(1, kind == "oper_success" and not status.param_errs, f"Role not added: {resp}")
    t.created(status.instantiated_path)
    t.ok(1, status.instantiated_path in t.ctl.instances(ROLES), f"{status.instantiated_path} does not exist")


@case("2.11", "Object creation allowed", metrics=2, supports=[PERMISSION])
def creation_allowed(t):
    permit(t, 1, permission(t, SUBSCRIPTIONS, obj="rw--"))
    resp = t.response(2, t.ctl.request(add((SUBSCRIPTIONS,))), "add_resp")
    kind, status = status_of(resp.created_obj_results[0])
    t.need(2, kind == "oper_success", f"Subscription not added: {resp}")
    t.created(status.instantiated_path)


@case("2.12", "Object creation not allowed", metrics=2, supports=[PERMISSION])
def creation_denied(t):
    permit(t, 1, permission(t, SUBSCRIPTIONS, obj="r---"))
    denied(t, 2, t.ctl.request(add((SUBSCRIPTIONS,))), "add")


@case("2.13", "Object deletion allowed", metrics=2, supports=[PERMISSION])
def deletion_allowed(t):
    row, = given_subscriptions(t)
    permit(t, 1, permission(t, SUBSCRIPTIONS, instantiated="rw--"))
    resp = t.response(2, t.ctl.request(delete(row.rstrip("."))), "delete_resp")
    kind, status = status_of(resp.deleted_obj_results[0])
    t.need(2, kind == "oper_success", f"not deleted: {resp}")
    t.eq(2, "affected_paths", list(status.affected_paths), [row])
    t.deleted(row)


@case("2.14", "Object deletion not allowed", metrics=2, supports=[PERMISSION])
def deletion_denied(t):
    row, = given_subscriptions(t)
    permit(t, 1, permission(t, SUBSCRIPTIONS, instantiated="r---"))
    denied(t, 2, t.ctl.request(delete(row.rstrip("."))), "delete")
    t.ok(2, row in t.ctl.instances(SUBSCRIPTIONS), f"{row} is gone")


def negate_enable(t, row):
    return "false" if t.ctl.get(row + "Enable")[row + "Enable"] == "true" else "true"


@case("2.15", "Parameter update allowed", metrics=2, supports=[PERMISSION])
def update_allowed(t):
    row, = given_subscriptions(t)
    permit(t, 1, permission(t, row, param="rw--"))
    value = negate_enable(t, row)
    resp = t.response(2, t.ctl.request(set_((row, f"!Enable={value}"))), "set_resp")
    kind, status = status_of(resp.updated_obj_results[0])
    t.need(2, kind == "oper_success", f"not set: {resp}")
    t.eq(2, "updated_params", [dict(r.updated_params) for r in status.updated_inst_results], [{"Enable": value}])


@case("2.16", "Parameter update not allowed", metrics=2, supports=[PERMISSION])
def update_denied(t):
    row, other = given_subscriptions(t, 2)
    permit(t, 1, permission(t, row, param="r---"))
    value = negate_enable(t, row)
    denied(t, 2, t.ctl.request(set_((row, f"!Enable={value}"))), "set")
    # The permission names one instance: the next one is as free as before.
    t.response(2, t.ctl.request(set_((other, f"!NotifRetry={flip(t, other)}"))), "set_resp")


@case("2.17", "Command allowed", metrics=2, supports=[PERMISSION, "Device.Reboot()"])
def command_allowed(t):
    permit(t, 1, permission(t, "Device.Reboot()", command="r-x-"))
    mark = t.lane.mark()
    resp = t.response(2, t.ctl.request(usp.operate("Device.Reboot()")), "operate_resp")
    t.eq(2, "results", [r.WhichOneof("operation_resp") for r in resp.operation_results], ["req_output_args"])
    t.lane.back(mark)


@case("2.18", "Command not allowed", metrics=2, supports=[PERMISSION, "Device.Reboot()"],
      erratum="send_resp is absent, and a failure is told all the same (R-OPR.4)")
def command_denied(t):
    permit(t, 1, permission(t, "Device.Reboot()", command="r---"))
    lives = t.lane.lives()
    answer = t.ctl.request(usp.operate("Device.Reboot()", send_resp=False))
    resp = t.response(2, answer, "operate_resp")
    t.eq(2, "results", [r.WhichOneof("operation_resp") for r in resp.operation_results], ["cmd_failure"])
    t.eq(2, "err_code", [r.cmd_failure.err_code for r in resp.operation_results], [DENIED])
    t.eq(2, "lives of the agent", t.lane.lives(), lives)


def watch_interval(t, param):
    """Steps 1 to 3 of 2.19 and 2.20: the permission, the subscription, the change. What tells its notification."""
    path = t.lane.row + "PeriodicNotifInterval"
    old = t.ctl.get(path)[path]
    t.undo(lambda: t.ctl.set(t.lane.row, PeriodicNotifInterval=old))
    permit(t, 1, permission(t, path, param=param))
    resp = t.response(2, t.ctl.request(add((SUBSCRIPTIONS, "Enable=true", "NotifType=ValueChange",
                                            f"ReferenceList={path}"))), "add_resp")
    kind, status = status_of(resp.created_obj_results[0])
    t.need(2, kind == "oper_success" and not status.param_errs, f"Subscription not added: {resp}")
    t.created(status.instantiated_path)
    mark = t.ctl.mark()
    resp = t.response(3, t.ctl.request(set_((t.lane.row, f"!PeriodicNotifInterval={int(old) + 1}"))), "set_resp")
    kind, status = status_of(resp.updated_obj_results[0])
    t.eq(3, "result of the Set", kind, "oper_success")
    return mark, lambda n: n.WhichOneof("notification") == "value_change" and n.value_change.param_path == path


@case("2.19", "ValueChange allowed", metrics=4, supports=[PERMISSION])
def notification_allowed(t):
    mark, changed = watch_interval(t, "rw-n")
    t.ok(4, t.ctl.notice(changed, 10, mark), "no ValueChange within 10 s")


@case("2.20", "ValueChange not allowed", metrics=4, supports=[PERMISSION])
def notification_denied(t):
    mark, changed = watch_interval(t, "rw--")
    t.ok(4, t.ctl.silence(changed, t.within(30), since=mark) is None, "a ValueChange without the permission")


# -- 2.21 to 2.26: several permissions

def given_boot_parameter(t):
    return given(t, boot_parameter(t.lane.row, "Device.DeviceInfo.SerialNumber"))[0]


@case("2.21", "Permissions that overlap", metrics=4, supports=[PERMISSION],
      erratum="the path is read as ControllerTrust.Role.<our role>.Permission.")
def overlapping(t):
    row, order = given_boot_parameter(t), highest_order(t)
    table = t.lane.row + "BootParameter."
    permit(t, 1, permission(t, row, f"Order={order + 1}", param="----"),
           permission(t, row, f"Order={order + 2}", param="rw--"))
    rows = got_rows(t.response(2, t.ctl.request(usp.get(table)), "get_resp"), table)
    t.ok(2, "ParameterName" in rows.get(row, {}), f"{row} is not among {rows}")
    permit(t, 3, permission(t, row, f"Order={order + 3}", param="----"))
    rows = got_rows(t.response(4, t.ctl.request(usp.get(table)), "get_resp"), table)
    t.ok(4, row not in rows, f"{row} can still be read")


@case("2.22", "Get leaves out what may not be read", metrics=2, supports=[PERMISSION],
      erratum="no Order is given: each new permission gets a higher one")
def unreadable_left_out(t):
    row = given_boot_parameter(t)
    permit(t, 1, permission(t, row, param="rw--"), permission(t, row + "ParameterName", param="----"))
    values = got_values(t.response(2, t.ctl.request(usp.get(row)), "get_resp"))
    t.ok(2, row + "Enable" in values, f"Enable is missing: {values}")
    t.ok(2, row + "ParameterName" not in values, f"ParameterName can be read: {values}")


def mixed_permissions(t):
    """Steps before the Add of 2.23 and 2.24: BootParameter rows may be written here and not there. Both tables."""
    second = t.created(t.ctl.add("Device.LocalAgent.Controller.", EndpointID="self::conformance-mixed"))
    here, there = t.lane.row + "BootParameter.", second + "BootParameter."
    order = highest_order(t)
    permit(t, 1, permission(t, here, f"Order={order + 1}", param="rw--"),
           permission(t, there, f"Order={order + 2}", param="r---"))
    return here, there


MIXED = ("Device.LocalAgent.Controller.*.BootParameter", "!Enable=false")


@case("2.23", "Add by search path, some not allowed, partial success", metrics=3, supports=[PERMISSION],
      erratum="both permissions are given Order 1, which is a unique key: two free values are used")
def mixed_partial(t):
    here, there = mixed_permissions(t)
    resp = t.response(2, t.ctl.request(add(MIXED, partial=True)), "add_resp")
    results = [status_of(r) for r in resp.created_obj_results]
    good = [s.instantiated_path for kind, s in results if kind == "oper_success"]
    for path in good:
        t.created(path)
    t.eq(2, "number of results", len(results), 2)
    t.ok(2, len(good) == 1 and good[0].startswith(here), f"one row of {here} expected, got {good}")
    t.eq(3, "failures", [s.err_code for kind, s in results if kind == "oper_failure"], [DENIED])
    t.eq(3, f"rows of {there}", list(t.ctl.instances(there)), [])


@case("2.24", "Add by search path, some not allowed, all or nothing", metrics=3, supports=[PERMISSION],
      erratum="the param_path names the table, or the parameter of the row that was not made")
def mixed_whole(t):
    here, there = mixed_permissions(t)
    answer = t.ctl.request(add(MIXED))
    error = t.error(2, answer, "add")
    t.eq(2, "err_code", error.err_code, DENIED)
    t.param_errors(2, error, "add", there.replace(".", r"\.").rstrip(r"\.") + r"(\..*)?", exact=False)
    t.eq(2, "err_code of the path", [e.err_code for e in error.param_errs], [DENIED])
    for table in (here, there):
        t.eq(3, f"rows of {table}", list(t.ctl.instances(table)), [])


ENABLES = SUBSCRIPTIONS + "*.Enable"


@case("2.25", "Add without a parameter that may not be written", metrics=3, supports=[PERMISSION],
      erratum="Order 1 has to be free for the plan")
def omitted(t):
    permit(t, 1, permission(t, ENABLES, "Order=1", param="r---"))
    _, *settings = subscription("add1")
    resp = t.response(2, t.ctl.request(add((SUBSCRIPTIONS, *(s for s in settings if "Enable" not in s)))), "add_resp")
    kind, status = status_of(resp.created_obj_results[0])
    t.need(2, kind == "oper_success" and not status.param_errs, f"Subscription not added: {resp}")
    path = t.created(status.instantiated_path) + "Enable"
    values = got_values(t.response(3, t.ctl.request(usp.get(path)), "get_resp"))
    t.eq(3, path, values.get(path), "false")


@case("2.26", "Add with a required parameter that may not be written", metrics=3, supports=[PERMISSION],
      erratum="Order 1 has to be free for the plan")
def included(t):
    permit(t, 1, permission(t, ENABLES, "Order=1", param="r---"))
    _, *settings = subscription("add26")
    wanted = [s for s in settings if "Enable" not in s] + ["!Enable=true"]
    resp = t.response(2, t.ctl.request(add((SUBSCRIPTIONS, *wanted), partial=True)), "add_resp")
    results = [status_of(r) for r in resp.created_obj_results]
    t.eq(2, "results", [kind for kind, _ in results], ["oper_failure"])
    t.eq(2, "err_code", [s.err_code for _, s in results], [DENIED])
    rows = got_rows(t.response(3, t.ctl.request(usp.get(SUBSCRIPTIONS)), "get_resp"), SUBSCRIPTIONS)
    t.ok(3, not any(row.get("ID") == "add26" for row in rows.values()), "the Subscription exists")


# -- 2.27

@case("2.27", "Secured parameters are for secured roles", metrics=2,
      supports=["Device.LocalAgent.ControllerTrust.SecuredRoles", "Device.MQTT.Client.{i}.Password"])
def secured(t):
    second = t.lane.second()
    t.created(second.row)
    role, = given(t, (ROLES, "Enable=true", "Name=Reader-2.27"))
    given(t, (role + "Permission.", "Enable=true", "Targets=Device.MQTT.", "Param=r---", "Obj=r---",
              "InstantiatedObj=r---", "CommandEvent=----"))
    client = t.created(t.ctl.add("Device.MQTT.Client.", Alias="secured-2-27", Password="conformance"))
    t.ctl.set(second.row, AssignedRole=role.rstrip("."))
    path = client + "Password"
    t.eq(1, path, got_values(t.response(1, second.request(usp.get(path)), "get_resp")).get(path), "")
    t.undo(lambda: t.ctl.set("Device.LocalAgent.ControllerTrust.", SecuredRoles=""))
    resp = t.response(2, t.ctl.request(set_(("Device.LocalAgent.ControllerTrust.",
                                             f"!SecuredRoles={role.rstrip('.')}"))), "set_resp")
    t.eq(2, "result of the Set", status_of(resp.updated_obj_results[0])[0], "oper_success")
    t.eq(2, path, got_values(t.response(2, second.request(usp.get(path)), "get_resp")).get(path), "conformance")
    t.ok(2, not second.violations, second.violations)
