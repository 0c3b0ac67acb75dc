# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 1, messages and path names: Get, GetInstances, GetSupportedDM and GetSupportedProtocol."""

import re

from harness import datamodel
from harness.messages import (ENDPOINT_ID, INVALID_OBJECT, SOFTWARE_VERSION, SUBSCRIPTIONS, instance_of,
                              subscription)
from harness.registry import case
from harness.steps import boot_parameter, by_unique_keys, given, given_subscriptions
from hptest import usp

LOCAL_AGENT = "Device.LocalAgent."
INVALID_PARAMETER = LOCAL_AGENT + "InvalidParameter"


# -- Get

def results(t, metric, *paths, max_depth=0):
    """The req_path_results of a Get, one for each path and in their order."""
    resp = t.response(1, t.ctl.request(usp.get(*paths, max_depth=max_depth)), "get_resp")
    found = {result.requested_path: result for result in resp.req_path_results}
    t.eq(metric, "requested paths in the GetResp", sorted(found), sorted(paths))
    t.need(metric, len(resp.req_path_results) == len(paths), f"{len(resp.req_path_results)} req_path_results")
    return [found.get(path) for path in paths]


def no_error(t, metric, result):
    t.need(metric, result is not None and result.err_code == 0, f"no error expected, got {result}")


def one_parameter(t, metric, result, parent, name, value=None):
    """A result without error that holds exactly that one parameter."""
    no_error(t, metric, result)
    t.eq(metric, "resolved paths", [r.resolved_path for r in result.resolved_path_results], [parent])
    for resolved in result.resolved_path_results:
        params = dict(resolved.result_params)
        t.eq(metric, "result_params", list(params), [name])
        t.ok(metric, params.get(name) == value if value is not None else params.get(name), f"{name} is {params}")


def relative_keys(t, metric, result):
    for resolved in result.resolved_path_results:
        for name in resolved.result_params:
            t.ok(metric, re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name), f"key {name!r} under {resolved.resolved_path}")
    t.checked.add(metric)


def resolved_rows(t, metric, result, paths, names):
    """The result resolves to exactly these rows, each with all the named parameters."""
    no_error(t, metric, result)
    t.eq(metric, "resolved paths", sorted(r.resolved_path for r in result.resolved_path_results), sorted(paths))
    for resolved in result.resolved_path_results:
        missing = set(names) - set(resolved.result_params)
        t.ok(metric, not missing, f"{resolved.resolved_path} lacks {sorted(missing)}")


def parameters_of(t, obj):
    """The names of the readable parameters of one object, by the supported data model."""
    return [p[len(obj):] for p in t.lane.supported()
            if p.startswith(obj) and "." not in p[len(obj):] and p[len(obj):] and p[-1] not in "!)"]


def subscription_parameters(t):
    return parameters_of(t, SUBSCRIPTIONS + "{i}.")


@case("1.36", "Get one parameter", metrics=2)
def get_one(t):
    result, = results(t, 2, ENDPOINT_ID)
    one_parameter(t, 2, result, LOCAL_AGENT, "EndpointID", t.lane.endpoint_id)


@case("1.37", "Get two parameters of one object", metrics=2)
def get_two(t):
    first, second = results(t, 2, ENDPOINT_ID, SOFTWARE_VERSION)
    one_parameter(t, 2, first, LOCAL_AGENT, "EndpointID", t.lane.endpoint_id)
    one_parameter(t, 2, second, LOCAL_AGENT, "SoftwareVersion")


@case("1.38", "Get two parameters of different objects", metrics=2)
def get_two_objects(t):
    path, = given_subscriptions(t)
    first, second = results(t, 2, ENDPOINT_ID, path + "Enable")
    one_parameter(t, 2, first, LOCAL_AGENT, "EndpointID", t.lane.endpoint_id)
    one_parameter(t, 2, second, path, "Enable", "true")


def _depth(base, path):
    """Levels of objects below base; an instance number is no level of its own."""
    return sum(1 for part in path[len(base):].split(".") if part and not part.isdigit())


def instantiated(t, base):
    """Every object below (and with) base that has parameters: what a Get of base must resolve to."""
    supported = t.lane.supported()
    rows = set(t.ctl.instances(base))
    found = set()
    for obj in sorted(p for p in supported if p.startswith(base) and p.endswith(".")):
        pattern = re.compile(re.escape(obj).replace(r"\{i\}", "[1-9][0-9]*"))
        if obj.endswith("{i}."):
            found |= {row for row in rows if pattern.fullmatch(row)}
        elif "{i}" not in obj:
            found.add(obj)
    return {path for path in found if parameters_of(t, re.sub(r"\.[1-9][0-9]*(?=\.)", ".{i}", path))}


@case("1.39", "Get a whole object", metrics=3)
def get_object(t):
    path, = given_subscriptions(t)
    result, = results(t, 2, LOCAL_AGENT)
    no_error(t, 2, result)
    resolved = {r.resolved_path: dict(r.result_params) for r in result.resolved_path_results}
    t.eq(2, "number of distinct resolved paths", len(resolved), len(result.resolved_path_results))
    missing = set(parameters_of(t, LOCAL_AGENT)) - set(resolved.get(LOCAL_AGENT, {}))
    t.ok(2, not missing, f"{LOCAL_AGENT} lacks {sorted(missing)}")
    t.eq(2, LOCAL_AGENT + "EndpointID", resolved.get(LOCAL_AGENT, {}).get("EndpointID"), t.lane.endpoint_id)
    for obj in sorted(instantiated(t, LOCAL_AGENT)):
        # An object all of whose parameters belong to another protocol than the row's may be absent.
        if not re.search(r"\.(MQTT|STOMP|WebSocket|UDS|CoAP)\.$", obj):
            t.ok(2, obj in resolved, f"no resolved_path_results for {obj}")
    t.eq(2, path + "Enable", resolved.get(path, {}).get("Enable"), "true")
    relative_keys(t, 3, result)


@case("1.40", "Get one row", metrics=3)
def get_row(t):
    path, = given_subscriptions(t)
    result, = results(t, 2, path)
    resolved_rows(t, 2, result, [path], subscription_parameters(t))
    relative_keys(t, 3, result)


def failed(t, metric, result, path):
    t.need(metric, result is not None, f"no result for {path}")
    t.ok(metric, result.err_code, f"no err_code for {path}")
    t.code(metric, f"err_code of {path}", result.err_code, "get")
    t.eq(metric, f"resolved_path_results of {path}", list(result.resolved_path_results), [])


@case("1.41", "Get a parameter that does not exist", metrics=2)
def get_unknown(t):
    result, = results(t, 2, INVALID_PARAMETER)
    failed(t, 2, result, INVALID_PARAMETER)


@case("1.42", "Get a good and an unknown parameter", metrics=2)
def get_good_and_unknown(t):
    good, bad = results(t, 2, ENDPOINT_ID, INVALID_PARAMETER)
    one_parameter(t, 2, good, LOCAL_AGENT, "EndpointID", t.lane.endpoint_id)
    failed(t, 2, bad, INVALID_PARAMETER)


@case("1.43", "Get through unique keys", metrics=2)
def get_by_unique_keys(t):
    path = given_subscriptions(t, 2)[1]
    result, = results(t, 2, by_unique_keys(t, path) + "Enable")
    one_parameter(t, 2, result, path, "Enable", "true")


@case("1.44", "Get one parameter of all rows", metrics=2)
def get_wildcard_parameter(t):
    paths = given_subscriptions(t, 2)
    result, = results(t, 2, SUBSCRIPTIONS + "*.Enable")
    resolved_rows(t, 2, result, paths, ["Enable"])
    for resolved in result.resolved_path_results:
        t.eq(2, f"result_params of {resolved.resolved_path}", dict(resolved.result_params), {"Enable": "true"})


@case("1.45", "Get all rows", metrics=3)
def get_wildcard(t):
    paths = given_subscriptions(t, 2)
    result, = results(t, 2, SUBSCRIPTIONS + "*.")
    resolved_rows(t, 2, result, paths, subscription_parameters(t))
    relative_keys(t, 3, result)


def _search(t, expression, settings, matching):
    """Get of the rows an expression matches: one row is given for each setting, those at `matching` must come back."""
    rows = given(t, *(subscription(f"given-{t.case.number}-{n}", SOFTWARE_VERSION, *more, enable=enable)
                      for n, (enable, *more) in enumerate(settings)))
    result, = results(t, 2, SUBSCRIPTIONS + f"[{expression}].")
    wanted = [rows[n] for n in matching]
    resolved_rows(t, 2, result, wanted, subscription_parameters(t))
    relative_keys(t, 3, result)
    others = {r.resolved_path for r in result.resolved_path_results} - set(wanted)
    t.eq(4, "rows that do not match", sorted(others), [])


# 100 and 9 tell a comparison of numbers from one of texts.
_EXPIRATIONS = [("true", f"NotifExpiration={n}") for n in (10, 20, 5, 100, 9)]


@case("1.46", "Get with a search expression: equal", metrics=4)
def get_equal(t):
    _search(t, "Enable==true", [("true",), ("false",), ("true",)], (0, 2))


@case("1.47", "Get with a search expression: not equal", metrics=4)
def get_not_equal(t):
    _search(t, "Enable!=true", [("true",), ("false",)], (1,))


@case("1.48", "Get with a search expression: greater", metrics=4)
def get_greater(t):
    _search(t, "NotifExpiration>10", _EXPIRATIONS, (1, 3))


@case("1.49", "Get with a search expression: less", metrics=4)
def get_less(t):
    _search(t, "NotifExpiration<10", _EXPIRATIONS, (2, 4))


@case("1.50", "Get with a search expression: greater or equal", metrics=4)
def get_greater_equal(t):
    _search(t, "NotifExpiration>=10", _EXPIRATIONS, (0, 1, 3))


@case("1.51", "Get with a search expression: less or equal", metrics=4)
def get_less_equal(t):
    _search(t, "NotifExpiration<=10", _EXPIRATIONS, (0, 2, 4))


def no_subscriptions(t, only_disabled=False):
    """Test setup: the table is empty, or holds only disabled rows."""
    t.setup(not t.ctl.instances(SUBSCRIPTIONS), "the Subscription table is not empty")
    if only_disabled:
        given(t, subscription(f"given-{t.case.number}", enable="false"))


@case("1.82", "Get with a search expression on an empty table", metrics=2)
def get_search_empty(t):
    no_subscriptions(t)
    result, = results(t, 2, SUBSCRIPTIONS + "[Enable==true].")
    no_error(t, 2, result)
    t.eq(2, "resolved_path_results", list(result.resolved_path_results), [])


@case("1.86", "Get with a search expression that matches no row", metrics=3)
def get_search_nothing(t):
    """R-MSG.4a"""
    no_subscriptions(t, only_disabled=True)
    result, = results(t, 3, SUBSCRIPTIONS + "[Enable==true].")
    no_error(t, 2, result)
    t.eq(3, "resolved_path_results", list(result.resolved_path_results), [])


@case("1.87", "Get an empty table", metrics=3,
      erratum="metric 3 names requested_path_results; resolved_path_results is what can be empty")
def get_empty_table(t):
    no_subscriptions(t)
    result, = results(t, 3, SUBSCRIPTIONS)
    no_error(t, 2, result)
    t.eq(3, "resolved_path_results", list(result.resolved_path_results), [])


@case("1.89", "Get with max_depth", metrics=4)
def get_max_depth(t):
    given_subscriptions(t)
    given(t, boot_parameter(t.lane.row, SOFTWARE_VERSION))
    whole = instantiated(t, LOCAL_AGENT)
    for metric, depth in ((1, 1), (2, 2), (3, 0)):
        resp = t.response(metric, t.ctl.request(usp.get(LOCAL_AGENT, max_depth=depth)), "get_resp")
        t.need(metric, len(resp.req_path_results) == 1, f"{len(resp.req_path_results)} req_path_results")
        result = resp.req_path_results[0]
        no_error(t, metric, result)
        t.eq(metric, "requested_path", result.requested_path, LOCAL_AGENT)
        got = {r.resolved_path for r in result.resolved_path_results}
        wanted = {p for p in whole if not depth or _depth(LOCAL_AGENT, p) < depth}
        optional = {p for p in wanted if re.search(r"\.(MQTT|STOMP|WebSocket|UDS|CoAP)\.$", p)}
        t.ok(metric, not wanted - got - optional, f"max_depth {depth} lacks {sorted(wanted - got - optional)}")
        deeper = {p for p in got if depth and _depth(LOCAL_AGENT, p) >= depth}
        t.ok(metric, not deeper, f"max_depth {depth} has {sorted(deeper)}")
        own = next((r for r in result.resolved_path_results if r.resolved_path == LOCAL_AGENT), None)
        missing = set(parameters_of(t, LOCAL_AGENT)) - set(own.result_params if own else ())
        t.ok(metric, not missing, f"max_depth {depth}: {LOCAL_AGENT} lacks {sorted(missing)}")
        relative_keys(t, 4, result)


# -- GetInstances

CONTROLLERS = LOCAL_AGENT + "Controller."


def instances(t, metric, *paths, first_level_only=False):
    """The req_path_results of a GetInstances, one for each path and in their order, none with an error."""
    message = usp.get_instances(*paths, first_level_only=first_level_only)
    resp = t.response(metric, t.ctl.request(message), "get_instances_resp")
    found = {result.requested_path: result for result in resp.req_path_results}
    t.eq(metric, "requested paths", sorted(r.requested_path for r in resp.req_path_results), sorted(paths))
    t.need(metric, all(path in found for path in paths), f"results are {list(found)}")
    for result in found.values():
        no_error(t, metric, result)
    return [found[path] for path in paths]


def paths_of(result):
    return [instance.instantiated_obj_path for instance in result.curr_insts]


@case("1.66", "GetInstances of a table, first level only", metrics=2)
def instances_first_level(t):
    result, = instances(t, 1, CONTROLLERS, first_level_only=True)
    t.ok(1, t.lane.row in paths_of(result), f"{t.lane.row} is not in {paths_of(result)}")
    for path in paths_of(result):
        t.ok(2, instance_of(path, CONTROLLERS), f"{path} is no Controller row")


@case("1.67", "GetInstances of a table with all below it", metrics=1)
def instances_all(t):
    path, = given(t, boot_parameter(t.lane.row, SOFTWARE_VERSION))
    result, = instances(t, 1, CONTROLLERS)
    got = paths_of(result)
    t.eq(1, "rows listed twice", len(got) - len(set(got)), 0)
    for wanted in (t.lane.row, t.lane.row + "MTP.1.", path):
        t.ok(1, wanted in got, f"{wanted} is not in {got}")
    for one in got:
        t.ok(1, one.startswith(CONTROLLERS) and one.rstrip(".").rsplit(".", 1)[1].isdigit(), f"{one} is no row")
    first, = instances(t, 1, CONTROLLERS, first_level_only=True)
    t.ok(1, set(paths_of(first)) <= set(got), f"{paths_of(first)} not all in {got}")


@case("1.68", "GetInstances of two tables", metrics=2)
def instances_two(t):
    for result in instances(t, 1, CONTROLLERS, LOCAL_AGENT + "MTP.", first_level_only=True):
        t.ok(2, len(result.curr_insts) >= 1, f"no rows of {result.requested_path}")


@case("1.70", "GetInstances through a wildcard", metrics=1)
def instances_wildcard(t):
    result, = instances(t, 1, CONTROLLERS + "*.MTP.", first_level_only=True)
    t.ok(1, t.lane.row + "MTP.1." in paths_of(result), f"{t.lane.row}MTP.1. is not in {paths_of(result)}")
    for path in paths_of(result):
        t.ok(1, re.fullmatch(r"Device\.LocalAgent\.Controller\.[1-9][0-9]*\.MTP\.[1-9][0-9]*\.", path), f"{path}")


@case("1.71", "GetInstances through a search expression", metrics=1,
      supports=["Device.LocalAgent.Controller.{i}.BootParameter.{i}."])
def instances_search(t):
    path, = given(t, boot_parameter(t.lane.row, SOFTWARE_VERSION))
    result, = instances(t, 1, f'{CONTROLLERS}[Alias=="{t.lane.alias}"].BootParameter.')
    t.eq(1, "rows", paths_of(result), [path])


@case("1.83", "GetInstances through a search expression that matches nothing", metrics=2,
      supports=["Device.LocalAgent.Controller.{i}.BootParameter.{i}."])
def instances_search_nothing(t):
    t.checked.add(1)
    result, = instances(t, 2, CONTROLLERS + '[Alias=="no-such-alias"].BootParameter.')
    t.eq(2, "rows", paths_of(result), [])


# -- GetSupportedDM

def supported_dm(t, metric, *paths, **flags):
    """The req_obj_results of a GetSupportedDM, in the order of the paths."""
    resp = t.response(metric, t.ctl.request(usp.get_supported_dm(*paths, **flags), 20), "get_supported_dm_resp")
    t.eq(metric, "number of req_obj_results", len(resp.req_obj_results), len(paths))
    found = {result.req_obj_path: result for result in resp.req_obj_results}
    t.need(metric, all(path in found for path in paths), f"results are for {list(found)}")
    return [found[path] for path in paths]


ALL = {"commands": True, "events": True, "params": True, "keys": True}


def listed(t, metric, result, base):
    """{path: SupportedObjectResult} of a result without error, all at or below base."""
    t.need(metric, result.err_code == 0, f"error {result.err_code} {result.err_msg} for {result.req_obj_path}")
    objects = {obj.supported_obj_path: obj for obj in result.supported_objs}
    t.eq(metric, "objects listed twice", len(result.supported_objs) - len(objects), 0)
    for path in objects:
        t.ok(metric, path.startswith(base) and path.endswith("."), f"{path!r} is not below {base}")
    t.ok(metric, result.data_model_inst_uri.startswith("urn:broadband-forum-org:"),
         f"data_model_inst_uri is {result.data_model_inst_uri!r}")
    return objects


def detail(t, obj, metrics):
    """Checks what is said of an object's parameters, commands, events and key sets; metrics = one for each."""
    for metric, complaints in zip(metrics, datamodel.complaints(obj)):
        t.checked.add(metric)
        for text in complaints:
            t.ok(metric, False, f"{obj.supported_obj_path}: {text}")


def instantiated_parts(t, metric, objects, base):
    """Whatever a Get of base shows is in the supported data model."""
    for path in t.ctl.get(base):
        generic = re.sub(r"\.[1-9][0-9]*(?=\.)", ".{i}", path)
        parent, name = generic.rsplit(".", 1)
        names = {p.param_name for p in objects[parent + "."].supported_params} if parent + "." in objects else ()
        t.ok(metric, name in names, f"{generic} is instantiated but not listed")


_DM = usp.msg_pb.GetSupportedDMResp
# What Device:2 says of a few, so that the fields are not only filled but right: access, type.
KNOWN_PARAMS = {
    LOCAL_AGENT + "EndpointID": (_DM.PARAM_READ_ONLY, _DM.PARAM_STRING),
    LOCAL_AGENT + "SoftwareVersion": (_DM.PARAM_READ_ONLY, _DM.PARAM_STRING),
    SUBSCRIPTIONS + "{i}.Enable": (_DM.PARAM_READ_WRITE, _DM.PARAM_BOOLEAN),
    SUBSCRIPTIONS + "{i}.Recipient": (_DM.PARAM_READ_ONLY, _DM.PARAM_STRING),
    SUBSCRIPTIONS + "{i}.CreationDate": (_DM.PARAM_READ_ONLY, _DM.PARAM_DATE_TIME),
    SUBSCRIPTIONS + "{i}.NotifExpiration": (_DM.PARAM_READ_WRITE, _DM.PARAM_UNSIGNED_INT),
}
KNOWN_OBJECTS = {LOCAL_AGENT: _DM.OBJ_READ_ONLY, SUBSCRIPTIONS + "{i}.": _DM.OBJ_ADD_DELETE,
                 LOCAL_AGENT + "Request.{i}.": _DM.OBJ_READ_ONLY}


def known_facts(t, object_metric, param_metric, objects):
    for path, access in KNOWN_OBJECTS.items():
        t.eq(object_metric, f"access of {path}", objects[path].access if path in objects else None, access)
    said = {path + p.param_name: (p.access, p.value_type) for path, obj in objects.items() for p in obj.supported_params}
    for path, fact in KNOWN_PARAMS.items():
        t.eq(param_metric, f"access and type of {path}", said.get(path), fact)


@case("1.72", "GetSupportedDM of an object with all below it, all options", metrics=6)
def dm_object(t):
    result, = supported_dm(t, 1, LOCAL_AGENT, **ALL)
    objects = listed(t, 2, result, LOCAL_AGENT)
    t.need(2, LOCAL_AGENT in objects, f"{LOCAL_AGENT} is not listed")
    for wanted in ("Subscription.{i}.", "Controller.{i}.", "Controller.{i}.MTP.{i}.", "MTP.{i}.", "Request.{i}."):
        t.ok(2, LOCAL_AGENT + wanted in objects, f"{LOCAL_AGENT}{wanted} is not listed")
    instantiated_parts(t, 2, objects, LOCAL_AGENT)
    known_facts(t, 2, 3, objects)
    for obj in objects.values():
        detail(t, obj, (3, 4, 5, 6))
    for path, obj in objects.items():
        if obj.is_multi_instance and not re.search(r"\.\{i\}\.$", path):
            t.ok(2, False, f"{path} is said to be multi-instance")


def children(objects, base):
    """Paths of the objects one level below base ({i} counts with its table)."""
    return {path for path in objects if re.fullmatch(re.escape(base) + r"[A-Za-z0-9_-]+\.(\{i\}\.)?", path)}


def bare(t, metric, obj, keys=False):
    """A child of a first-level answer: nothing about its own parts."""
    t.ok(metric, not (obj.supported_params or obj.supported_commands or obj.supported_events),
         f"{obj.supported_obj_path} has details")
    if not keys:
        t.ok(metric, not obj.unique_key_sets, f"{obj.supported_obj_path} has unique_key_sets")


_CHILD_KEYS = ("the plan asks for unique_key_sets of child tables in 1.75 and for none in 1.73; the specification's "
               "example has them: the runner accepts both, where they are right")


@case("1.73", "GetSupportedDM of an object, first level, all options", metrics=6, erratum=_CHILD_KEYS)
def dm_first_level(t):
    result, = supported_dm(t, 1, LOCAL_AGENT, first_level_only=True, **ALL)
    objects = listed(t, 1, result, LOCAL_AGENT)
    t.need(1, LOCAL_AGENT in objects, f"{LOCAL_AGENT} is not listed")
    t.eq(1, "objects", sorted(objects), sorted({LOCAL_AGENT} | children(objects, LOCAL_AGENT)))
    for wanted in children(t.lane.supported(), LOCAL_AGENT):
        t.ok(1, wanted in objects, f"{wanted} is not listed")
    own = objects.pop(LOCAL_AGENT)
    t.ok(2, own.supported_params and own.supported_events, f"{LOCAL_AGENT} has no parameters or no events")
    for obj in objects.values():
        bare(t, 2, obj, keys=True)
    detail(t, own, (3, 4, 5, 6))
    t.eq(6, "unique_key_sets of a single-instance object", list(own.unique_key_sets), [])


@case("1.74", "GetSupportedDM of an object, first level, no options", metrics=2)
def dm_bare(t):
    result, = supported_dm(t, 1, LOCAL_AGENT, first_level_only=True)
    objects = listed(t, 1, result, LOCAL_AGENT)
    t.ok(1, LOCAL_AGENT in objects, f"{LOCAL_AGENT} is not listed")
    t.eq(1, "objects", sorted(objects), sorted({LOCAL_AGENT} | children(objects, LOCAL_AGENT)))
    for wanted in children(t.lane.supported(), LOCAL_AGENT):
        t.ok(1, wanted in objects, f"{wanted} is not listed")
    for obj in objects.values():
        bare(t, 2, obj)


@case("1.75", "GetSupportedDM of two tables, first level, all options", metrics=6, erratum=_CHILD_KEYS)
def dm_two(t):
    tables = (LOCAL_AGENT + "Controller.", LOCAL_AGENT + "MTP.")
    for table, result in zip(tables, supported_dm(t, 1, *tables, first_level_only=True, **ALL)):
        base = table + "{i}."
        objects = listed(t, 1, result, base)
        t.need(1, base in objects, f"{base} is not listed")
        t.eq(1, "objects", sorted(objects), sorted({base} | children(objects, base)))
        for wanted in children(t.lane.supported(), base):
            t.ok(1, wanted in objects, f"{wanted} is not listed")
        own = objects.pop(base)
        t.ok(2, own.supported_params, f"{base} has no parameters")
        for obj in objects.values():
            bare(t, 2, obj, keys=True)
        detail(t, own, (3, 4, 5, 6))
        t.ok(6, own.unique_key_sets, f"{base} has no unique_key_sets")


@case("1.76", "GetSupportedDM of the root, all options", metrics=5)
def dm_root(t):
    result, = supported_dm(t, 1, "Device.", **ALL)
    objects = listed(t, 1, result, "Device.")
    for wanted in ("Device.", "Device.DeviceInfo.", LOCAL_AGENT):
        t.ok(1, wanted in objects, f"{wanted} is not listed")
    t.ok(1, {e.event_name for e in objects["Device."].supported_events} >= {"Boot!"}, "Device.Boot! is not listed")
    for obj in objects.values():
        detail(t, obj, (2, 3, 4, 5))


@case("1.77", "GetSupportedDM of an object that does not exist", metrics=1)
def dm_unknown(t):
    result, = supported_dm(t, 1, INVALID_OBJECT.replace("Invalid", "Unsupported"), **ALL)
    t.ok(1, result.err_code, "no err_code")
    t.code(1, "err_code", result.err_code, "get_supported_dm")
    t.eq(1, "supported_objs", list(result.supported_objs), [])


@case("1.97", "GetSupportedDM of the root, commands", metrics=4)
def dm_commands(t):
    result, = supported_dm(t, 1, "Device.", commands=True)
    objects = listed(t, 1, result, "Device.")
    inputs = []
    for obj in objects.values():
        t.ok(1, not (obj.supported_params or obj.supported_events or obj.unique_key_sets),
             f"{obj.supported_obj_path} lists more than commands")
        for command in obj.supported_commands:
            t.ok(2, re.fullmatch(r"[A-Za-z0-9_-]+\(\)", command.command_name), f"command {command.command_name!r}")
            t.ok(3, command.command_type != usp.msg_pb.GetSupportedDMResp.CMD_UNKNOWN,
                 f"command_type of {obj.supported_obj_path}{command.command_name} is unknown")
            inputs += command.input_arg_names
            for name in (*command.input_arg_names, *command.output_arg_names):
                t.ok(4, datamodel.relative(name), f"argument {name!r} of {command.command_name} is no relative path")
    t.ok(4, inputs, "no command has input arguments")


@case("1.98", "GetSupportedDM of the root, events", metrics=3)
def dm_events(t):
    result, = supported_dm(t, 1, "Device.", events=True)
    arguments = []
    for obj in listed(t, 1, result, "Device.").values():
        t.ok(1, not (obj.supported_params or obj.supported_commands or obj.unique_key_sets),
             f"{obj.supported_obj_path} lists more than events")
        for event in obj.supported_events:
            t.ok(2, re.fullmatch(r"[A-Za-z0-9_-]+!", event.event_name), f"event {event.event_name!r}")
            arguments += event.arg_names
            for name in event.arg_names:
                t.ok(3, datamodel.relative(name), f"argument {name!r} of {event.event_name} is no relative path")
    t.ok(3, arguments, "no event has arguments")


@case("1.99", "GetSupportedDM of a table, key sets only, path without its last dot", metrics=2)
def dm_keys(t):
    result, = supported_dm(t, 1, SUBSCRIPTIONS.rstrip("."), keys=True)
    objects = listed(t, 1, result, SUBSCRIPTIONS)
    t.need(1, list(objects) == [SUBSCRIPTIONS + "{i}."], f"objects are {list(objects)}")
    obj = objects[SUBSCRIPTIONS + "{i}."]
    t.ok(1, not (obj.supported_params or obj.supported_commands or obj.supported_events), "more than key sets")
    sets = sorted(sorted(s.key_names) for s in obj.unique_key_sets)
    t.eq(2, "unique_key_sets", sets, [["Alias"], ["ID", "Recipient"]])


def _one_part(t, path, part, name):
    """GetSupportedDM of a command, an event or a parameter: that and nothing else."""
    parts = {"supported_commands": "command_name", "supported_events": "event_name", "supported_params": "param_name"}
    result, = supported_dm(t, 1, path, **ALL)
    objects = listed(t, 1, result, "Device.")
    t.need(1, list(objects) == [path[:-len(name)]], f"objects are {list(objects)}")
    for obj in objects.values():
        for field, key in parts.items():
            got = [getattr(entry, key) for entry in getattr(obj, field)]
            t.eq(1, field, got, [name] if field == part else [])
        t.eq(1, "unique_key_sets", list(obj.unique_key_sets), [])
        for complaints in datamodel.complaints(obj, only_part=True):
            t.ok(1, not complaints, complaints)


@case("1.105", "GetSupportedDM of a command", metrics=1, supports=["Device.Reboot()"])
def dm_command(t):
    _one_part(t, "Device.Reboot()", "supported_commands", "Reboot()")


@case("1.106", "GetSupportedDM of an event", metrics=1, supports=["Device.Boot!"])
def dm_event(t):
    _one_part(t, "Device.Boot!", "supported_events", "Boot!")


@case("1.107", "GetSupportedDM of a parameter", metrics=1)
def dm_parameter(t):
    _one_part(t, ENDPOINT_ID, "supported_params", "EndpointID")


# -- GetSupportedProtocol

@case("1.80", "GetSupportedProtocol", metrics=2)
def supported_protocol(t):
    message = usp.get_supported_protocol("1.0,1.1,1.2,1.3,1.4")
    resp = t.response(1, t.ctl.request(message), "get_supported_protocol_resp")
    versions = resp.agent_supported_protocol_versions
    t.ok(2, re.fullmatch(r"1\.[0-9]+( ?, ?1\.[0-9]+)*", versions), f"agent_supported_protocol_versions is {versions!r}")
