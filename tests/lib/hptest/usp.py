# SPDX-License-Identifier: BSD-3-Clause
"""USP messages and records, encoded by protoc's own Python classes: no line of the agent's codec is used here."""

import hashlib
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[3]
_PROTO = TOP / "usp" / "proto"
_FILES = ("usp-msg-1-4.proto", "usp-record-1-4.proto")


def _generate():
    """Runs protoc once for each content of the .proto files; safe when several test processes start at once."""
    digest = hashlib.sha256(b"".join((_PROTO / f).read_bytes() for f in _FILES)).hexdigest()[:16]
    base = pathlib.Path(os.environ.get("HOMEPATCH_BUILD") or tempfile.gettempdir()) / ".hptest-proto"
    target = base / digest
    if not target.is_dir():
        base.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.mkdtemp(dir=base)
        subprocess.run(["protoc", f"-I{_PROTO}", f"--python_out={scratch}", *_FILES], check=True, cwd=_PROTO)
        try:
            os.rename(scratch, target)
        except OSError:
            shutil.rmtree(scratch, ignore_errors=True)
    sys.path.insert(0, str(target))


_generate()
import usp_msg_1_4_pb2 as msg_pb  # noqa: E402
import usp_record_1_4_pb2 as record_pb  # noqa: E402

Msg = msg_pb.Msg
Record = record_pb.Record
MsgType = msg_pb.Header.MsgType

_ids = itertools.count(1)


def new_msg_id():
    return f"m{os.getpid()}-{next(_ids)}"


def _request(msg_type, msg_id=None):
    msg = Msg()
    msg.header.msg_id = msg_id or new_msg_id()
    msg.header.msg_type = msg_type
    return msg


def get(*paths, max_depth=0):
    msg = _request(MsgType.Value("GET"))
    msg.body.request.get.param_paths.extend(paths)
    msg.body.request.get.max_depth = max_depth
    return msg


def get_supported_dm(*paths, first_level_only=False, commands=False, events=False, params=False, keys=False):
    msg = _request(MsgType.Value("GET_SUPPORTED_DM"))
    req = msg.body.request.get_supported_dm
    req.obj_paths.extend(paths)
    req.first_level_only = first_level_only
    req.return_commands = commands
    req.return_events = events
    req.return_params = params
    req.return_unique_key_sets = keys
    return msg


def get_instances(*paths, first_level_only=False):
    msg = _request(MsgType.Value("GET_INSTANCES"))
    msg.body.request.get_instances.obj_paths.extend(paths)
    msg.body.request.get_instances.first_level_only = first_level_only
    return msg


def get_supported_protocol(versions="1.4"):
    msg = _request(MsgType.Value("GET_SUPPORTED_PROTO"))
    msg.body.request.get_supported_protocol.controller_supported_protocol_versions = versions
    return msg


def _settings(target, params, optional):
    for name, value in params.items():
        setting = target.add()
        setting.param = name
        setting.value = "true" if value is True else "false" if value is False else str(value)
        setting.required = name not in optional


def set_(objects, allow_partial=False, optional=()):
    """objects: {object path: {parameter: value}}; every parameter is required unless named in `optional`."""
    msg = _request(MsgType.Value("SET"))
    msg.body.request.set.allow_partial = allow_partial
    for path, params in objects.items():
        obj = msg.body.request.set.update_objs.add()
        obj.obj_path = path
        _settings(obj.param_settings, params, optional)
    return msg


def add(objects, allow_partial=False, optional=()):
    """objects: [(table path, {parameter: value})]."""
    msg = _request(MsgType.Value("ADD"))
    msg.body.request.add.allow_partial = allow_partial
    for path, params in objects:
        obj = msg.body.request.add.create_objs.add()
        obj.obj_path = path
        _settings(obj.param_settings, params, optional)
    return msg


def delete(*paths, allow_partial=False):
    msg = _request(MsgType.Value("DELETE"))
    msg.body.request.delete.allow_partial = allow_partial
    msg.body.request.delete.obj_paths.extend(paths)
    return msg


def operate(command, args=None, command_key="", send_resp=True):
    msg = _request(MsgType.Value("OPERATE"))
    req = msg.body.request.operate
    req.command = command
    req.command_key = command_key
    req.send_resp = send_resp
    for name, value in (args or {}).items():
        req.input_args[name] = "true" if value is True else "false" if value is False else str(value)
    return msg


def notify_resp(notify_msg):
    """The acknowledgement of one received Notify."""
    msg = Msg()
    msg.header.msg_id = notify_msg.header.msg_id
    msg.header.msg_type = MsgType.Value("NOTIFY_RESP")
    msg.body.response.notify_resp.subscription_id = notify_msg.body.request.notify.subscription_id
    return msg


def wrap(msg, to_id, from_id, version="1.4"):
    """A NoSessionContext record around one message (or around raw bytes, for tests of bad input)."""
    record = Record(version=version, to_id=to_id, from_id=from_id)
    record.no_session_context.payload = msg if isinstance(msg, bytes) else msg.SerializeToString()
    return record


def unwrap(record):
    """The message inside a record, or None for a connect or disconnect record."""
    kind = record.WhichOneof("record_type")
    if kind == "no_session_context":
        payload = record.no_session_context.payload
    elif kind == "session_context":
        payload = b"".join(record.session_context.payload)
    else:
        return None
    msg = Msg()
    msg.ParseFromString(payload)
    return msg


def msg_type(msg):
    return MsgType.Name(msg.header.msg_type)
