# SPDX-License-Identifier: BSD-3-Clause
"""Requests exactly as a case of the plan spells them, and readers for what comes back.

A setting is "Param=value" (not required) or "!Param=value" (required); the order is kept and repeats are possible.
"""

import re

from hptest import usp

SUBSCRIPTIONS = "Device.LocalAgent.Subscription."
SOFTWARE_VERSION = "Device.LocalAgent.SoftwareVersion"
ENDPOINT_ID = "Device.LocalAgent.EndpointID"
INVALID_OBJECT = "Device.LocalAgent.InvalidObject."


def _fill(settings, target):
    for setting in settings:
        required = setting.startswith("!")
        name, value = setting.lstrip("!").split("=", 1)
        target.add(param=name, value=value, required=required)


def add(*objects, partial=False):
    """objects: (path, setting, setting ...)"""
    msg = usp.add([], allow_partial=partial)
    for path, *settings in objects:
        _fill(settings, msg.body.request.add.create_objs.add(obj_path=path).param_settings)
    return msg


def set_(*objects, partial=False):
    msg = usp.set_({}, allow_partial=partial)
    for path, *settings in objects:
        _fill(settings, msg.body.request.set.update_objs.add(obj_path=path).param_settings)
    return msg


def delete(*paths, partial=False):
    return usp.delete(*paths, allow_partial=partial)


def subscription(sub_id, reference=SOFTWARE_VERSION, *more, kind="ValueChange", enable="true", required=True):
    """The object of an Add that makes one Subscription."""
    return (SUBSCRIPTIONS, f"Enable={enable}", f"ID={sub_id}", f"NotifType={kind}",
            ("!" if required else "") + f"ReferenceList={reference}", *more)


def values_of(settings):
    """{parameter: value} of an object of an Add or Set."""
    return dict(setting.lstrip("!").split("=", 1) for setting in settings)


def instance_of(path, table):
    """Is path one row of that table, by number?"""
    return re.fullmatch(re.escape(table) + r"[1-9][0-9]*\.", path) is not None


def got_values(get_resp):
    """{full parameter path: value} of a GetResp, failed paths left out."""
    return {resolved.resolved_path + name: value for result in get_resp.req_path_results
            for resolved in result.resolved_path_results for name, value in resolved.result_params.items()}


def got_rows(get_resp, table):
    """{row path: {parameter: value}} of the rows of one table in a GetResp."""
    rows = {}
    for result in get_resp.req_path_results:
        for resolved in result.resolved_path_results:
            if instance_of(resolved.resolved_path, table):
                rows[resolved.resolved_path] = dict(resolved.result_params)
    return rows


def status_of(result):
    """("oper_success" or "oper_failure" or None, its content) of one result of Add, Set or Delete."""
    kind = result.oper_status.WhichOneof("oper_status")
    return kind, getattr(result.oper_status, kind) if kind else None
