# SPDX-License-Identifier: BSD-3-Clause
"""Steps that many cases share. `metric` is always the number under which a check counts."""

from hptest import usp

from .messages import (SOFTWARE_VERSION, SUBSCRIPTIONS, add, got_rows, got_values, instance_of, status_of, subscription,
                       values_of)


def created(t, metric, result, keys=("ID", "Recipient"), table=SUBSCRIPTIONS):
    """One CreatedObjectResult that succeeded: no parameter errors, the unique keys, an instance path. The path."""
    kind, status = status_of(result)
    t.need(metric, kind == "oper_success", f"oper_success expected for {result.requested_path}, got {result}")
    path = t.created(status.instantiated_path)
    t.eq(metric, "param_errs", list(status.param_errs), [])
    t.ok(metric, set(status.unique_keys) in ({*keys}, {*keys, "Alias"}), f"unique_keys are {dict(status.unique_keys)}")
    t.ok(metric, instance_of(path, table), f"instantiated_path {path!r} is no row of {table}")
    for name, value in status.unique_keys.items():
        got = t.ctl.get(path + name).get(path + name)
        t.ok(metric, value and got == value, f"unique key {name} is {value!r}, the row has {got!r}")
    return path


def row_holds(t, exists, metric, path, settings):
    """The row exists (metric `exists`) and its parameters have the values that were sent (metric `metric`)."""
    rows = got_rows(t.response(exists, t.ctl.request(usp.get(path)), "get_resp"), path.rsplit(".", 2)[0] + ".")
    t.need(exists, path in rows, f"{path} is not in the GetResp")
    for name, value in values_of(settings).items():
        t.eq(metric, f"{path}{name}", rows[path].get(name), value)


def rows_now(t, metric, table=SUBSCRIPTIONS):
    """{row: parameters} of a whole table, read as the plan does: a Get of the table."""
    return got_rows(t.response(metric, t.ctl.request(usp.get(table)), "get_resp"), table)


def given(t, *objects):
    """Test setup: these rows exist. Their paths."""
    answer = t.ctl.request(add(*objects))
    t.setup(answer.body.WhichOneof("msg_body") == "response", f"Add of {objects}: {answer.body}")
    paths = []
    for result in answer.body.response.add_resp.created_obj_results:
        kind, status = status_of(result)
        t.setup(kind == "oper_success" and not status.param_errs and instance_of(
            status.instantiated_path, status.instantiated_path.rsplit(".", 2)[0] + "."), f"Add in the setup: {result}")
        paths.append(t.created(status.instantiated_path))
    return paths


def given_subscriptions(t, count=1, *more):
    return given(t, *(subscription(f"given-{t.case.number}-{n}", SOFTWARE_VERSION, *more) for n in range(count)))


def nothing_created(t, metric, *ids):
    """No Subscription with one of these IDs exists."""
    for path, row in rows_now(t, metric).items():
        t.ok(metric, row.get("ID") not in ids, f"{path} with ID {row.get('ID')!r} exists")
        if row.get("ID") in ids:
            t.created(path)


def updated(t, metric, result, path, params=("NotifRetry",)):
    """One UpdatedObjectResult that succeeded with exactly that instance and those updated parameters."""
    kind, status = status_of(result)
    t.need(metric, kind == "oper_success", f"oper_success expected for {result.requested_path}, got {result}")
    t.eq(metric, "number of updated_inst_results", len(status.updated_inst_results), 1)
    for one in status.updated_inst_results:
        t.eq(metric, "affected_path", one.affected_path, path)
        t.eq(metric, "updated_params", sorted(one.updated_params), sorted(params))
    return status


def value_is(t, metric, path, value):
    got = got_values(t.response(metric, t.ctl.request(usp.get(path)), "get_resp"))
    t.eq(metric, path, got.get(path), value)


def deleted_result(t, metric, result, requested, affected):
    kind, status = status_of(result)
    t.eq(metric, "requested_path", result.requested_path, requested)
    t.need(metric, kind == "oper_success", f"oper_success expected for {requested}, got {result}")
    t.eq(metric, "affected_paths", sorted(status.affected_paths), sorted(affected))
    t.eq(metric, "unaffected_path_errs", list(status.unaffected_path_errs), [])
    t.deleted(*affected)


def own_row_by_keys(t):
    """Our Controller row, addressed by its unique keys."""
    keys = f'EndpointID=="{t.ctl.endpoint_id}"'
    if "Device.LocalAgent.Controller.{i}.Alias" in t.lane.supported():
        keys += f'&&Alias=="{t.lane.alias}"'
    return f"Device.LocalAgent.Controller.[{keys}]."


def boot_parameter(parent, name, enable="true"):
    return (parent + "BootParameter.", f"Enable={enable}", f"ParameterName={name}")


def flip(t, path):
    """A value for NotifRetry that it does not have now."""
    return "false" if t.ctl.get(path + "NotifRetry")[path + "NotifRetry"] == "true" else "true"


def by_unique_keys(t, path):
    """A Subscription row, addressed by all its unique keys."""
    keys = t.ctl.instances(SUBSCRIPTIONS)[path]
    return SUBSCRIPTIONS + "[" + "&&".join(f'{name}=="{value}"' for name, value in sorted(keys.items())) + "]."


def missing_subscription(t):
    """A well-formed path of a Subscription row that does not exist."""
    numbers = [int(path.split(".")[-2]) for path in t.ctl.instances(SUBSCRIPTIONS)]
    return f"{SUBSCRIPTIONS}{max(numbers, default=0) + 1000}."


def gone(t, metric, *paths, table=SUBSCRIPTIONS):
    rows = rows_now(t, metric, table)
    for path in paths:
        t.ok(metric, path not in rows, f"{path} still exists")


def encrypted(t, metric, mark=0):
    """Every connection after that one had TLS, and none of an old version."""
    versions = t.lane.tls_versions(mark)
    t.ok(metric, versions and all(v in ("TLSv1.2", "TLSv1.3") for v in versions), f"TLS versions are {versions}")
