# SPDX-License-Identifier: BSD-3-Clause
"""Does an answer fit its request? What holds for every answer, whatever the case looks at besides."""

import re
from collections import Counter

from .trial import LEGAL


def _paths(request, kind):
    return {"get": lambda r: r.param_paths, "get_instances": lambda r: r.obj_paths,
            "get_supported_dm": lambda r: r.obj_paths, "delete": lambda r: r.obj_paths,
            "set": lambda r: [o.obj_path for o in r.update_objs],
            "add": lambda r: [o.obj_path for o in r.create_objs]}[kind](request)


_RESULTS = {"get": ("req_path_results", "requested_path"), "get_instances": ("req_path_results", "requested_path"),
            "get_supported_dm": ("req_obj_results", "req_obj_path"), "delete": ("deleted_obj_results", "requested_path"),
            "set": ("updated_obj_results", "requested_path"), "add": ("created_obj_results", "requested_path")}


def _twice(what, names):
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{what} {name!r} {count} times"


def _codes(message, kind, where=""):
    """Every err_code inside an answer, checked against those its request allows (0 = none)."""
    for field, value in message.ListFields():
        if field.name == "err_code":
            if value and value not in LEGAL[kind]:
                yield f"err_code {value}{where} is not one for {kind}"
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for one in value if field.label == field.LABEL_REPEATED else [value]:
                yield from _codes(one, kind, f" in {field.name}")


def _echo(request, results, kind, path_field):
    sent = Counter(_paths(request, kind))
    got = Counter(getattr(r, path_field) for r in results)
    if kind == "add":       # a search path makes as many results as it has matches
        sent, got = set(sent), set(got)
    if sent != got:
        yield f"{path_field} of the results are {sorted(got)}, asked for were {sorted(sent)}"


def _get(_request, results):
    for result in results:
        paths = [r.resolved_path for r in result.resolved_path_results]
        yield from _twice("resolved_path", paths)
        yield from (f"resolved_path {path!r} is no object" for path in paths if not path.endswith("."))


def _get_instances(_request, results):
    for result in results:
        paths = [i.instantiated_obj_path for i in result.curr_insts]
        yield from _twice("instantiated_obj_path", paths)
        yield from (f"instantiated_obj_path {path!r} is no row" for path in paths
                    if not re.search(r"\.[1-9][0-9]*\.$", path))


def _get_supported_dm(_request, results):
    for result in results:
        yield from _twice("supported_obj_path", (o.supported_obj_path for o in result.supported_objs))
        for obj in result.supported_objs:
            if obj.is_multi_instance != obj.supported_obj_path.endswith(".{i}."):
                yield f"is_multi_instance of {obj.supported_obj_path} is {obj.is_multi_instance}"


def _sent(objects, path):
    return {s.param: s.value for o in objects if o.obj_path == path for s in o.param_settings}


def _set(request, results):
    for result in results:
        sent = _sent(request.update_objs, result.requested_path)
        for one in result.oper_status.oper_success.updated_inst_results:
            failed = {e.param for e in one.param_errs}
            for name, value in one.updated_params.items():
                if sent.get(name) != value:
                    yield f"updated_params {name} is {value!r}, sent was {sent.get(name)!r}"
            if set(sent) != failed | set(one.updated_params):
                yield f"{sorted(sent)} were sent, {sorted(one.updated_params)} updated and {sorted(failed)} failed"


def _add(request, results):
    paths = [r.oper_status.oper_success.instantiated_path for r in results]
    yield from _twice("instantiated_path", filter(None, paths))
    if Counter(o.obj_path for o in request.create_objs).most_common(1)[0][1] > 1:
        return      # which result belongs to which object is for the case to say
    for result in results:
        sent = _sent(request.create_objs, result.requested_path)
        for name, value in result.oper_status.oper_success.unique_keys.items():
            if not value or sent.get(name, value) != value:
                yield f"unique key {name} is {value!r}, sent was {sent.get(name)!r}"


def _delete(_request, results):
    for result in results:
        yield from _twice("affected_path", result.oper_status.oper_success.affected_paths)


def _operate(request, results):
    for result in results:
        if "*" not in request.command and "[" not in request.command and result.executed_command != request.command:
            yield f"executed_command is {result.executed_command!r}, sent was {request.command!r}"


def complaints(request, answer):
    """What is wrong with the answer to a request message, as texts."""
    kind = request.body.request.WhichOneof("req_type")
    asked = getattr(request.body.request, kind)
    if answer.body.WhichOneof("msg_body") == "error":
        yield from _codes(answer.body.error, kind)
        yield from _twice("param_path", (p.param_path for p in answer.body.error.param_errs))
        return
    if answer.body.response.WhichOneof("resp_type") != kind + "_resp":
        yield f"{answer.body.response.WhichOneof('resp_type')} answers {kind}"
        return
    response = getattr(answer.body.response, kind + "_resp")
    yield from _codes(response, kind)
    if kind in _RESULTS:
        field, path_field = _RESULTS[kind]
        results = getattr(response, field)
        yield from _echo(asked, results, kind, path_field)
        yield from {"get": _get, "get_instances": _get_instances, "get_supported_dm": _get_supported_dm, "set": _set,
                    "add": _add, "delete": _delete}[kind](asked, results)
    elif kind == "operate":
        yield from _operate(asked, response.operation_results)
