# SPDX-License-Identifier: BSD-3-Clause
"""Is what an agent says about its supported data model well-formed?"""

import re

from hptest.usp import msg_pb

_DM = msg_pb.GetSupportedDMResp
_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"


def relative(name):
    """A relative path of an argument: names and {i}, not starting at the root."""
    return bool(re.fullmatch(rf"{_NAME}(\.({_NAME}|\{{i\}}))*", name)) and not name.startswith("Device.")


def _params(obj):
    for p in obj.supported_params:
        if not re.fullmatch(_NAME, p.param_name):
            yield f"parameter {p.param_name!r}"
        if p.access not in _DM.ParamAccessType.values():
            yield f"{p.param_name}: access {p.access}"
        if p.value_type not in _DM.ParamValueType.values() or p.value_type == _DM.PARAM_UNKNOWN:
            yield f"{p.param_name}: value_type {p.value_type}"
        if p.value_change not in _DM.ValueChangeType.values() or p.value_change == _DM.VALUE_CHANGE_UNKNOWN:
            yield f"{p.param_name}: value_change {p.value_change}"


def _commands(obj):
    for c in obj.supported_commands:
        if not re.fullmatch(_NAME + r"\(\)", c.command_name):
            yield f"command {c.command_name!r}"
        if c.command_type not in (_DM.CMD_SYNC, _DM.CMD_ASYNC):
            yield f"{c.command_name}: command_type {c.command_type}"
        yield from (f"{c.command_name}: argument {name!r}" for name in (*c.input_arg_names, *c.output_arg_names)
                    if not relative(name))
        yield from (f"{c.command_name}: argument {text}" for text in _twice(c.input_arg_names))


def _events(obj):
    for e in obj.supported_events:
        if not re.fullmatch(_NAME + "!", e.event_name):
            yield f"event {e.event_name!r}"
        yield from (f"{e.event_name}: argument {name!r}" for name in e.arg_names if not relative(name))


def _keys(obj, only_part):
    names = {p.param_name for p in obj.supported_params}
    if obj.is_multi_instance != obj.supported_obj_path.endswith(".{i}."):
        yield f"is_multi_instance is {obj.is_multi_instance}"
    if obj.unique_key_sets and not obj.is_multi_instance:
        yield "unique_key_sets of a single-instance object"
    # Device:2 has tables without unique keys; below LocalAgent there are none.
    if obj.supported_obj_path.startswith("Device.LocalAgent.") and obj.is_multi_instance and not (
            obj.unique_key_sets or only_part):
        yield "no unique_key_sets"
    for key_set in obj.unique_key_sets:
        if not key_set.key_names:
            yield "an empty unique key set"
        yield from (f"unique key {name!r} is no parameter" for name in key_set.key_names if name not in names)


def _twice(names):
    names = list(names)
    yield from (f"{name} twice" for name in sorted({n for n in names if names.count(n) > 1}))


def complaints(obj, only_part=False):
    """What is wrong with one SupportedObjectResult: lists for its parameters, commands, events and key sets.

    only_part: the result describes one command, event or parameter, so the rest is missing by right.
    """
    return [[*_params(obj), *_twice(p.param_name for p in obj.supported_params)],
            [*_commands(obj), *_twice(c.command_name for c in obj.supported_commands)],
            [*_events(obj), *_twice(e.event_name for e in obj.supported_events)],
            [*_keys(obj, only_part), *_twice(tuple(s.key_names) for s in obj.unique_key_sets)]]
