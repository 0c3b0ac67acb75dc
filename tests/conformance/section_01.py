# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 1, messages and path names: Add, Set and Delete (1.1 to 1.35 and their later additions)."""

from harness.messages import (ENDPOINT_ID, INVALID_OBJECT, SOFTWARE_VERSION, SUBSCRIPTIONS, add, delete, got_rows,
                              got_values, set_, status_of, subscription)
from harness.registry import case
from harness.steps import (boot_parameter, by_unique_keys, created, deleted_result, flip, given, given_subscriptions,
                           gone, missing_subscription, nothing_created, own_row_by_keys, row_holds, rows_now, updated,
                           value_is)
from hptest import usp


# -- Add

def _add_one(t, sub_id, partial):
    wanted = subscription(sub_id)
    resp = t.response(1, t.ctl.request(add(wanted, partial=partial)), "add_resp")
    t.need(2, len(resp.created_obj_results) == 1, f"one CreatedObjectResult expected, got {resp}")
    path = created(t, 2, resp.created_obj_results[0])
    row_holds(t, 3, 4, path, wanted[1:])


@case("1.1", "Add one Subscription, partial not allowed", metrics=4)
def add_one(t):
    _add_one(t, "add1", False)


@case("1.2", "Add one Subscription, partial allowed", metrics=4)
def add_one_partial(t):
    _add_one(t, "add2", True)


@case("1.3", "Add with a bad value for a required parameter, partial not allowed", metrics=3)
def add_bad_required(t):
    wanted = (SUBSCRIPTIONS, "!Enable=InvalidValue", "ID=add3", "NotifType=ValueChange",
              f"ReferenceList={SOFTWARE_VERSION}")
    error = t.error(1, t.ctl.request(add(wanted)), "add")
    t.param_errors(2, error, "add", r"Device\.LocalAgent\.Subscription\.([1-9][0-9]*\.|\{i\}\.)?Enable", exact=False)
    nothing_created(t, 3, "add3")


@case("1.4", "Add of an object that does not exist, partial not allowed", metrics=3)
def add_unknown_object(t):
    before = rows_now(t, 3)
    error = t.error(1, t.ctl.request(add((INVALID_OBJECT, *subscription("add4", required=False)[1:]))), "add")
    t.param_errors(2, error, "add", INVALID_OBJECT)
    t.eq(3, "rows of the Subscription table", sorted(rows_now(t, 3)), sorted(before))


@case("1.5", "Add two Subscriptions in one message, partial not allowed", metrics=5)
def add_two(t):
    first, second = subscription("add51"), subscription("add52", ENDPOINT_ID)
    resp = t.response(1, t.ctl.request(add(first, second)), "add_resp")
    t.need(2, len(resp.created_obj_results) == 2, f"two CreatedObjectResults expected, got {resp}")
    paths = [created(t, 2, result) for result in resp.created_obj_results]
    row_holds(t, 3, 4, paths[0], first[1:])
    row_holds(t, 3, 5, paths[1], second[1:])


@case("1.6", "Add a good and an unknown object, partial not allowed", metrics=3)
def add_good_and_unknown(t):
    unknown = (INVALID_OBJECT, *subscription("add62", ENDPOINT_ID)[1:])
    error = t.error(1, t.ctl.request(add(subscription("add61"), unknown)), "add")
    t.param_errors(2, error, "add", INVALID_OBJECT)
    nothing_created(t, 3, "add61", "add62")


@case("1.7", "Add two objects of which one has a bad required value, partial not allowed", metrics=3)
def add_two_one_bad(t):
    bad = (SUBSCRIPTIONS, "!Enable=InvalidValue", "ID=add71", "NotifType=ValueChange",
           f"!ReferenceList={SOFTWARE_VERSION}")
    good = (SUBSCRIPTIONS, "Enable=true", "ID=add72", "NotifType=ValueChange")
    error = t.error(1, t.ctl.request(add(bad, good)), "add")
    t.param_errors(2, error, "add", r"Device\.LocalAgent\.Subscription\.([1-9][0-9]*\.|\{i\}\.)?Enable", exact=False)
    nothing_created(t, 3, "add71", "add72")


@case("1.8", "Add with a bad value for a required parameter, partial allowed", metrics=3)
def add_bad_required_partial(t):
    wanted = (SUBSCRIPTIONS, "!Enable=InvalidValue", "ID=add8", "NotifType=ValueChange",
              f"!ReferenceList={SOFTWARE_VERSION}")
    resp = t.response(1, t.ctl.request(add(wanted, partial=True)), "add_resp")
    t.need(2, len(resp.created_obj_results) == 1, f"one CreatedObjectResult expected, got {resp}")
    kind, status = status_of(resp.created_obj_results[0])
    t.need(2, kind == "oper_failure", f"oper_failure expected, got {resp}")
    t.code(2, "err_code of the failure", status.err_code, "add")
    nothing_created(t, 3, "add8")


@case("1.9", "Add two objects of which one has an unknown required parameter, partial allowed", metrics=4,
      erratum="both objects of the request have the same ID: the second may fail for that or for its unknown parameter")
def add_two_one_unknown_partial(t):
    good = subscription("add91", required=False)
    resp = t.response(1, t.ctl.request(add(good, (*good, "!InvalidParameter=IrrelevantValue"), partial=True)),
                      "add_resp")
    t.need(2, len(resp.created_obj_results) == 2, f"two CreatedObjectResults expected, got {resp}")
    path = created(t, 2, resp.created_obj_results[0])
    kind, status = status_of(resp.created_obj_results[1])
    t.need(2, kind == "oper_failure", f"oper_failure expected for the second object, got {resp}")
    t.code(2, "err_code of the failure", status.err_code, "add")
    same = [p for p, row in rows_now(t, 3).items() if row.get("ID") == "add91"]
    t.eq(3, "rows with ID add91", same, [path])
    row_holds(t, 3, 4, path, good[1:])


@case("1.10", "Add below a parent addressed by unique keys", metrics=4,
      supports=["Device.LocalAgent.Controller.{i}.BootParameter.{i}."])
def add_below_unique_keys(t):
    wanted = boot_parameter(own_row_by_keys(t), SOFTWARE_VERSION)
    resp = t.response(1, t.ctl.request(add(wanted)), "add_resp")
    t.need(2, len(resp.created_obj_results) == 1, f"one CreatedObjectResult expected, got {resp}")
    path = created(t, 2, resp.created_obj_results[0], keys=("ParameterName",), table=t.lane.row + "BootParameter.")
    row_holds(t, 3, 4, path, wanted[1:])


# -- Set

def _set_one(t, partial):
    path, = given_subscriptions(t)
    value = flip(t, path)
    resp = t.response(1, t.ctl.request(set_((path, f"!NotifRetry={value}"), partial=partial)), "set_resp")
    t.need(2, len(resp.updated_obj_results) == 1, f"one UpdatedObjectResult expected, got {resp}")
    updated(t, 2, resp.updated_obj_results[0], path)
    value_is(t, 3, path + "NotifRetry", value)


@case("1.11", "Set one required parameter, partial not allowed", metrics=3)
def set_one(t):
    _set_one(t, False)


@case("1.12", "Set one required parameter, partial allowed", metrics=3)
def set_one_partial(t):
    _set_one(t, True)


@case("1.13", "Set one parameter of two objects, partial not allowed", metrics=3)
def set_two(t):
    paths = given_subscriptions(t, 2)
    resp = t.response(1, t.ctl.request(set_(*((p, "!NotifRetry=true") for p in paths))), "set_resp")
    t.need(2, len(resp.updated_obj_results) == 2, f"two UpdatedObjectResults expected, got {resp}")
    for path, result in zip(paths, resp.updated_obj_results):
        updated(t, 2, result, path)
        value_is(t, 3, path + "NotifRetry", "true")


def _no_invalid_parameter(t, metric, rows):
    for path, row in rows.items():
        t.ok(metric, "InvalidParameter" not in row, f"{path} has InvalidParameter")


@case("1.14", "Set an unknown required parameter, partial not allowed", metrics=3)
def set_unknown(t):
    path, = given_subscriptions(t)
    error = t.error(1, t.ctl.request(set_((path, "!InvalidParameter=IrrelevantValue"))), "set")
    t.param_errors(2, error, "set", path + "InvalidParameter")
    rows = got_rows(t.response(3, t.ctl.request(usp.get(path)), "get_resp"), SUBSCRIPTIONS)
    t.eq(3, "rows in the GetResp", list(rows), [path])
    _no_invalid_parameter(t, 3, rows)


@case("1.15", "Set two objects of which the second fails, partial not allowed", metrics=3)
def set_two_one_fails(t):
    first, second = given_subscriptions(t, 2)
    old = t.ctl.get(first + "NotifRetry")[first + "NotifRetry"]
    message = set_((first, f"!NotifRetry={flip(t, first)}"), (second, "!InvalidParameter=IrrelevantValue"))
    error = t.error(1, t.ctl.request(message), "set")
    t.param_errors(2, error, "set", second + "InvalidParameter")
    rows = rows_now(t, 3)
    t.need(3, first in rows and second in rows, f"rows in the GetResp are {list(rows)}")
    _no_invalid_parameter(t, 3, rows)
    t.eq(3, first + "NotifRetry", rows[first].get("NotifRetry"), old)


@case("1.16", "Set two objects of which the second fails, partial allowed", metrics=3)
def set_two_one_fails_partial(t):
    first, second = given_subscriptions(t, 2)
    value = flip(t, first)
    message = set_((first, f"!NotifRetry={value}"), (second, "!InvalidParameter=IrrelevantValue"), partial=True)
    resp = t.response(1, t.ctl.request(message), "set_resp")
    t.need(2, len(resp.updated_obj_results) == 2, f"two UpdatedObjectResults expected, got {resp}")
    updated(t, 2, resp.updated_obj_results[0], first)
    kind, status = status_of(resp.updated_obj_results[1])
    t.need(2, kind == "oper_failure", f"oper_failure expected for {second}, got {resp.updated_obj_results[1]}")
    t.code(2, "err_code of the failure", status.err_code, "set")
    t.need(2, len(status.updated_inst_failures) == 1, f"one updated_inst_failures expected, got {status}")
    failed = status.updated_inst_failures[0]
    t.eq(2, "affected_path of the failure", failed.affected_path, second)
    t.eq(2, "parameters that failed", [e.param for e in failed.param_errs], ["InvalidParameter"])
    for entry in failed.param_errs:
        t.code(2, "err_code of InvalidParameter", entry.err_code, "set")
    value_is(t, 3, first + "NotifRetry", value)


@case("1.17", "Set a good and an unknown parameter, neither required, partial allowed", metrics=3)
def set_optional_fails(t):
    path, = given_subscriptions(t)
    value = flip(t, path)
    message = set_((path, f"NotifRetry={value}", "InvalidParameter=IrrelevantValue"), partial=True)
    resp = t.response(1, t.ctl.request(message), "set_resp")
    t.need(2, len(resp.updated_obj_results) == 1, f"one UpdatedObjectResult expected, got {resp}")
    status = updated(t, 2, resp.updated_obj_results[0], path)
    errors = status.updated_inst_results[0].param_errs
    t.eq(2, "parameters that failed", [e.param for e in errors], ["InvalidParameter"])
    for entry in errors:
        t.code(2, "err_code of InvalidParameter", entry.err_code, "set")
    value_is(t, 3, path + "NotifRetry", value)


@case("1.18", "Set an object addressed by unique keys", metrics=3)
def set_by_unique_keys(t):
    path = given_subscriptions(t, 2)[1]
    value = flip(t, path)
    resp = t.response(1, t.ctl.request(set_((by_unique_keys(t, path), f"!NotifRetry={value}"))), "set_resp")
    t.need(2, len(resp.updated_obj_results) == 1, f"one UpdatedObjectResult expected, got {resp}")
    updated(t, 2, resp.updated_obj_results[0], path)
    value_is(t, 3, path + "NotifRetry", value)


@case("1.19", "Set through a wildcard, all succeed, partial not allowed", metrics=3)
def set_wildcard(t):
    paths = given_subscriptions(t, 2)
    resp = t.response(1, t.ctl.request(set_((SUBSCRIPTIONS + "*.", "!NotifRetry=true"))), "set_resp")
    t.need(2, len(resp.updated_obj_results) == 1, f"one UpdatedObjectResult expected, got {resp}")
    result = resp.updated_obj_results[0]
    t.eq(2, "requested_path", result.requested_path, SUBSCRIPTIONS + "*.")
    kind, status = status_of(result)
    t.need(2, kind == "oper_success", f"oper_success expected, got {result}")
    t.eq(2, "affected_paths", sorted(r.affected_path for r in status.updated_inst_results), sorted(paths))
    for one in status.updated_inst_results:
        t.eq(2, f"updated_params of {one.affected_path}", list(one.updated_params), ["NotifRetry"])
    for path in paths:
        value_is(t, 3, path + "NotifRetry", "true")


@case("1.20", "Set an unknown required parameter through a wildcard, partial not allowed", metrics=3,
      erratum="the specification allows an Error or a failed SetResp here (R-SET.2a); the plan and the runner want an Error")
def set_wildcard_unknown(t):
    paths = given_subscriptions(t, 2)
    error = t.error(1, t.ctl.request(set_((SUBSCRIPTIONS + "*.", "!InvalidParameter=IrrelevantValue"))), "set")
    t.ok(2, len(error.param_errs) >= 1, "no param_errs")
    for entry in error.param_errs:
        t.ok(2, entry.param_path in [p + "InvalidParameter" for p in paths], f"param_path is {entry.param_path!r}")
        t.code(2, f"err_code of {entry.param_path}", entry.err_code, "set")
    _no_invalid_parameter(t, 3, rows_now(t, 3))


@case("1.21", "Set a bad required value through a wildcard, partial allowed", metrics=4)
def set_wildcard_bad_value(t):
    paths = given_subscriptions(t, 2)
    message = set_((SUBSCRIPTIONS + "*.", "!Enable=InvalidValue"), partial=True)
    resp = t.response(1, t.ctl.request(message), "set_resp")
    t.need(2, len(resp.updated_obj_results) == 1, f"one UpdatedObjectResult expected, got {resp}")
    kind, status = status_of(resp.updated_obj_results[0])
    t.need(3, kind == "oper_failure", f"oper_failure expected, got {resp}")
    t.code(3, "err_code of the failure", status.err_code, "set")
    t.ok(3, len(status.updated_inst_failures) >= 1, "no updated_inst_failures")
    for failed in status.updated_inst_failures:
        t.ok(3, failed.affected_path in paths, f"affected_path is {failed.affected_path!r}")
        t.eq(3, f"parameters that failed of {failed.affected_path}", [e.param for e in failed.param_errs], ["Enable"])
        for entry in failed.param_errs:
            t.code(3, "err_code of Enable", entry.err_code, "set")
    for path, row in rows_now(t, 4).items():
        t.eq(4, path + "Enable", row.get("Enable"), "true")


@case("1.22", "Set through a search expression", metrics=3)
def set_search(t):
    match, other = given(t, subscription("given-1.22-a", SOFTWARE_VERSION, "NotifExpiration=60"),
                         subscription("given-1.22-b", SOFTWARE_VERSION))
    resp = t.response(1, t.ctl.request(set_((SUBSCRIPTIONS + "[NotifExpiration>0].", "!NotifRetry=true"))), "set_resp")
    t.need(2, len(resp.updated_obj_results) == 1, f"one UpdatedObjectResult expected, got {resp}")
    updated(t, 2, resp.updated_obj_results[0], match)
    value_is(t, 3, match + "NotifRetry", "true")
    value_is(t, 3, other + "NotifRetry", "false")


@case("1.23", "Set through a search expression that matches nothing", metrics=2)
def set_search_nothing(t):
    given_subscriptions(t)
    message = set_((SUBSCRIPTIONS + '[Recipient=="InvalidValue"].', "!NotifRetry=true"), partial=True)
    resp = t.response(1, t.ctl.request(message), "set_resp")
    t.need(2, len(resp.updated_obj_results) == 1, f"one UpdatedObjectResult expected, got {resp}")
    kind, status = status_of(resp.updated_obj_results[0])
    t.need(2, kind == "oper_success", f"oper_success expected, got {resp}")
    t.eq(2, "updated_inst_results", list(status.updated_inst_results), [])


# -- Delete

def empty_success(t, metric, result):
    kind, status = status_of(result)
    t.need(metric, kind == "oper_success", f"empty oper_success expected, got {result}")
    t.eq(metric, "affected_paths", list(status.affected_paths), [])
    t.eq(metric, "unaffected_path_errs", list(status.unaffected_path_errs), [])


@case("1.24", "Delete an existing object, partial not allowed", metrics=3)
def delete_one(t):
    path, = given_subscriptions(t)
    resp = t.response(1, t.ctl.request(delete(path)), "delete_resp")
    t.need(2, len(resp.deleted_obj_results) == 1, f"one result expected, got {resp}")
    deleted_result(t, 2, resp.deleted_obj_results[0], path, [path])
    gone(t, 3, path)


@case("1.25", "Delete an object that does not exist, partial not allowed", metrics=1,
      erratum="R-DEL.1 speaks of an Error for a missing instance, R-DEL.2a of success: the runner follows the plan")
def delete_missing(t):
    resp = t.response(1, t.ctl.request(delete(missing_subscription(t))), "delete_resp")
    t.need(1, len(resp.deleted_obj_results) == 1, f"one result expected, got {resp}")
    empty_success(t, 1, resp.deleted_obj_results[0])


@case("1.26", "Delete an object that is not supported, partial not allowed", metrics=2)
def delete_unknown(t):
    error = t.error(1, t.ctl.request(delete(INVALID_OBJECT)), "delete")
    t.param_errors(2, error, "delete", INVALID_OBJECT)


@case("1.27", "Delete two objects, partial not allowed", metrics=3)
def delete_two(t):
    paths = given_subscriptions(t, 2)
    resp = t.response(1, t.ctl.request(delete(*paths)), "delete_resp")
    t.need(2, len(resp.deleted_obj_results) == 2, f"two results expected, got {resp}")
    for path, result in zip(paths, resp.deleted_obj_results):
        deleted_result(t, 2, result, path, [path])
    gone(t, 3, *paths)


@case("1.28", "Delete a good and an unknown object, partial not allowed", metrics=3)
def delete_good_and_unknown(t):
    path, = given_subscriptions(t)
    error = t.error(1, t.ctl.request(delete(path, INVALID_OBJECT)), "delete")
    t.param_errors(2, error, "delete", INVALID_OBJECT)
    t.ok(3, path in rows_now(t, 3), f"{path} was deleted")


@case("1.29", "Delete an object that does not exist, partial allowed", metrics=1)
def delete_missing_partial(t):
    resp = t.response(1, t.ctl.request(delete(missing_subscription(t), partial=True)), "delete_resp")
    t.need(1, len(resp.deleted_obj_results) == 1, f"one result expected, got {resp}")
    empty_success(t, 1, resp.deleted_obj_results[0])


def _failed_delete(t, metric, result):
    kind, status = status_of(result)
    t.eq(metric, "requested_path", result.requested_path, INVALID_OBJECT)
    t.need(metric, kind == "oper_failure", f"oper_failure expected for {INVALID_OBJECT}, got {result}")
    t.code(metric, "err_code of the failure", status.err_code, "delete")


@case("1.30", "Delete an object that is not supported, partial allowed", metrics=2)
def delete_unknown_partial(t):
    resp = t.response(1, t.ctl.request(delete(INVALID_OBJECT, partial=True)), "delete_resp")
    t.need(2, len(resp.deleted_obj_results) == 1, f"one result expected, got {resp}")
    _failed_delete(t, 2, resp.deleted_obj_results[0])


@case("1.31", "Delete a good and an unknown object, partial allowed", metrics=3)
def delete_good_and_unknown_partial(t):
    path, = given_subscriptions(t)
    resp = t.response(1, t.ctl.request(delete(path, INVALID_OBJECT, partial=True)), "delete_resp")
    t.need(2, len(resp.deleted_obj_results) == 2, f"two results expected, got {resp}")
    deleted_result(t, 2, resp.deleted_obj_results[0], path, [path])
    _failed_delete(t, 2, resp.deleted_obj_results[1])
    gone(t, 3, path)


@case("1.32", "Delete an existing and a missing object, partial allowed", metrics=3)
def delete_good_and_missing_partial(t):
    path, = given_subscriptions(t)
    resp = t.response(1, t.ctl.request(delete(path, missing_subscription(t), partial=True)), "delete_resp")
    t.need(2, len(resp.deleted_obj_results) == 2, f"two results expected, got {resp}")
    deleted_result(t, 2, resp.deleted_obj_results[0], path, [path])
    empty_success(t, 2, resp.deleted_obj_results[1])
    gone(t, 3, path)


@case("1.33", "Delete below a parent addressed by unique keys", metrics=4)
def delete_below_unique_keys(t):
    path, = given(t, boot_parameter(t.lane.row, SOFTWARE_VERSION))
    requested = own_row_by_keys(t) + "BootParameter." + path.split(".")[-2] + "."
    resp = t.response(1, t.ctl.request(delete(requested)), "delete_resp")
    t.need(2, len(resp.deleted_obj_results) == 1, f"one result expected, got {resp}")
    deleted_result(t, 2, resp.deleted_obj_results[0], requested, [path])
    status = status_of(resp.deleted_obj_results[0])[1]
    t.eq(3, "affected_paths by instance number", list(status.affected_paths), [path])
    gone(t, 4, path, table=t.lane.row + "BootParameter.")


@case("1.34", "Delete all objects of a table by wildcard", metrics=3)
def delete_wildcard(t):
    paths = given_subscriptions(t, 2)
    resp = t.response(1, t.ctl.request(delete(SUBSCRIPTIONS + "*.")), "delete_resp")
    t.need(2, len(resp.deleted_obj_results) == 1, f"one result expected, got {resp}")
    deleted_result(t, 2, resp.deleted_obj_results[0], SUBSCRIPTIONS + "*.", paths)
    gone(t, 3, *paths)


@case("1.35", "Delete by search expression", metrics=4)
def delete_search(t):
    table = t.lane.row + "BootParameter."
    on, off = given(t, boot_parameter(t.lane.row, SOFTWARE_VERSION), boot_parameter(t.lane.row, ENDPOINT_ID, "false"))
    resp = t.response(1, t.ctl.request(delete(table + "[Enable==true].")), "delete_resp")
    t.need(2, len(resp.deleted_obj_results) == 1, f"one result expected, got {resp}")
    deleted_result(t, 2, resp.deleted_obj_results[0], table + "[Enable==true].", [on])
    rows = rows_now(t, 3, table)
    t.ok(3, off in rows, f"{off} with Enable false was deleted")
    t.eq(4, "rows with Enable true", [p for p, row in rows.items() if row.get("Enable") == "true"], [])


# -- what later versions of the plan added to these

@case("1.81", "Add without unique keys: the agent makes them", metrics=2)
def add_generated_keys(t):
    objects = [(SUBSCRIPTIONS, "Enable=true", "NotifType=ValueChange", f"ReferenceList={ref}")
               for ref in (SOFTWARE_VERSION, ENDPOINT_ID)]
    resp = t.response(1, t.ctl.request(add(*objects)), "add_resp")
    t.need(2, len(resp.created_obj_results) == 2, f"two CreatedObjectResults expected, got {resp}")
    for result in resp.created_obj_results:
        created(t, 2, result)
    one, two = (dict(status_of(result)[1].unique_keys) for result in resp.created_obj_results)
    t.eq(2, "Recipient of the second", two["Recipient"], one["Recipient"])
    for name in set(one) - {"Recipient"}:
        t.ok(2, one[name] and two[name] and one[name] != two[name], f"{name} is {one[name]!r} and {two[name]!r}")


@case("1.88", "Add with a value that its unique key cannot have", metrics=2,
      erratum="Enable is sent as \"True\", no boolean of TR-106, as well; the Error is due for the key either way")
def add_bad_key(t):
    before = rows_now(t, 2)
    wanted = (SUBSCRIPTIONS, "Enable=True", "Alias=88InvalidAlias", "NotifType=ValueChange",
              f"ReferenceList={SOFTWARE_VERSION}")
    answer = t.ctl.request(add(wanted))
    for path in set(rows_now(t, 2)) - set(before):
        t.ok(2, False, f"{path} was created")
        t.created(path)
    t.error(1, answer, "add")


@case("1.90", "Delete through a search expression that matches nothing", metrics=1)
def delete_search_nothing(t):
    given_subscriptions(t)
    resp = t.response(1, t.ctl.request(delete(SUBSCRIPTIONS + "[Enable==false].")), "delete_resp")
    t.need(1, len(resp.deleted_obj_results) == 1, f"one result expected, got {resp}")
    empty_success(t, 1, resp.deleted_obj_results[0])


@case("1.95", "Add below every parent that a search expression matches", metrics=2)
def add_search(t):
    second = t.lane.second()
    t.created(second.row)
    requested = "Device.LocalAgent.Controller.[Enable==true].BootParameter."
    resp = t.response(1, t.ctl.request(add((requested, "Enable=true", f"ParameterName={SOFTWARE_VERSION}"))),
                      "add_resp")
    made = []
    for result in resp.created_obj_results:
        kind, status = status_of(result)
        t.eq(1, "requested_path", result.requested_path, requested)
        t.need(1, kind == "oper_success", f"oper_success expected, got {result}")
        made.append(t.created(status.instantiated_path))
    parents = sorted(path.rsplit("BootParameter.", 1)[0] for path in made)
    t.eq(1, "parents of the new rows", parents, sorted([t.lane.row, second.row]))
    get = t.response(2, t.ctl.request(usp.get("Device.LocalAgent.Controller.*.BootParameter.")), "get_resp")
    found = got_values(get)
    for path in made:
        t.eq(2, path + "ParameterName", found.get(path + "ParameterName"), SOFTWARE_VERSION)


def _immutable(t, parameter, old, new):
    """A row made with only that one parameter; then the parameter cannot be changed. (row, answer of the Set)"""
    path, = given(t, (SUBSCRIPTIONS, f"{parameter}={old}"))
    return path, t.ctl.request(set_((path, f"!{parameter}={new}")))


@case("1.96", "A non-functional unique key cannot be changed", metrics=1)
def key_immutable(t):
    path, answer = _immutable(t, "ID", "add96", "add96-NEW")
    t.error(1, answer, "set")
    value_is(t, 1, path + "ID", "add96")


@case("1.104", "A write-once parameter cannot be changed", metrics=2)
def write_once(t):
    path, answer = _immutable(t, "Alias", "test-1-104", "test-1-104-new-alias")
    t.error(1, answer, "set")
    value_is(t, 2, path + "Alias", "test-1-104")
