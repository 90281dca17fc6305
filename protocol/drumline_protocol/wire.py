"""Facts and messages as bytes: `[protocol version, code, field, ...]`, encoded by the closed codec.

The tables below are the protocol: codes are never reused, fields are only ever added at the end, and a reader leaves
out fields that it does not know. A newer *version* than ours is refused with `ProtocolTooNew`.

A cluster speaks one version, which its `meta` names (`Codec.version`). A newer process writes that one until the
operator raises it, so that processes may be upgraded in any order. A field that came with a later version says so in
its metadata (`field(metadata={"since": 2})`), and is left out of what is written in an earlier one.

A log entry begins with a checksum: its facts lie for a day, and a coordinator makes decisions of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields
from operator import attrgetter
from typing import Any
from zlib import crc32

from drumline_protocol import facts as f
from drumline_protocol import messages as m
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError, ProtocolTooNew

#: the newest version that this drumline reads and writes; a change that old readers cannot skip raises it
VERSION = 1

_CHECKSUM_BYTES = 4

_CODES: dict[int, type] = {
    1: f.RunStarted,
    2: f.GraphEntered,
    3: f.PlanMade,
    4: f.Emitted,
    5: f.TaskFinished,
    6: f.TaskFailed,
    7: f.TaskLeft,
    8: f.AttemptRetracted,
    9: f.TaskParked,
    10: f.StepCommitted,
    11: f.GraphLeft,
    12: f.Noticed,
    13: f.RunFinished,
    14: f.TailOpened,
    15: f.TaskInterrupted,
    32: m.RunRequest,
    33: m.CancelRun,
    34: m.Events,
    35: m.TaskResult,
    36: m.TaskError,
    37: m.TaskBubbled,
    38: m.Refused,
    39: m.Abandoned,
    40: m.WorkersChanged,
    41: m.TaskMessage,
    42: m.Cancel,
    43: m.RunShared,
    44: m.TaskInterrupt,
    45: m.DeleteRun,
    46: m.RunDamaged,
}

Convert = Callable[[Any], Any]


def _tasks_out(tasks: Sequence[f.PlannedTask]) -> list[Any]:
    return [[t.id, t.name, list(t.path), list(t.triggers), t.arg, t.hidden] for t in tasks]


def _tasks_in(rows: Sequence[Any]) -> list[f.PlannedTask]:
    return [f.PlannedTask(r[0], r[1], tuple(r[2]), tuple(r[3]), r[4], r[5]) for r in rows]


def sketches_out(sketches: Any) -> Any:
    """Sketches as plain lists; what is encoded already passes."""
    if not isinstance(sketches, dict):
        return sketches
    return {
        path: [
            s.name,
            s.stream_keys,
            s.output_keys,
            {name: [n.reads, list(n.triggers), n.pool, n.metadata, list(n.tags)] for name, n in s.nodes.items()},
            s.managed,
        ]
        for path, s in sketches.items()
    }


def sketches_in(rows: Any) -> Any:
    """The reverse of `sketches_out`."""
    if rows is None:
        return None
    return {
        path: f.Sketch(
            name=row[0],
            stream_keys=row[1],
            output_keys=row[2],
            nodes={name: f.NodeSketch(n[0], tuple(n[1]), n[2], n[3], tuple(n[4])) for name, n in row[3].items()},
            managed=row[4],
        )
        for path, row in rows.items()
    }


def _writes_out(writes: Any) -> Any:
    return [list(pair) for pair in writes] if type(writes) is list else writes


def _changes_out(changes: dict[str, Any]) -> dict[str, Any]:
    return {channel: list(change) for channel, change in changes.items()}


def _same(value: Any) -> Any:
    return value


#: fields that are not plain data: how they go out and how they come in
_CONVERTED: dict[str, tuple[Convert, Convert]] = {
    "ns": (list, tuple),
    "record": (list, tuple),
    "tags": (list, tuple),
    "written": (list, tuple),
    "path": (
        lambda p: p if isinstance(p, str) else list(p),
        lambda p: p if isinstance(p, str) else tuple(p),
    ),
    "triggers": (list, tuple),
    "changes": (_changes_out, _same),
    "sketches": (sketches_out, sketches_in),
    "writes": (_writes_out, _same),
}
_SPECIAL: dict[tuple[type, str], tuple[Convert, Convert]] = {
    (f.PlanMade, "tasks"): (_tasks_out, _tasks_in),
    (m.Cancel, "tasks"): (list, tuple),
}
#: fields that stay in the process
_LOCAL = {(f.PlanMade, "inputs")}


#: annotations that are checked on the way in: bytes from outside are data of any shape
_CHECKED: dict[Any, type] = {
    "str": str,
    "int": int,
    "bool": bool,
    "list[Any]": list,
    "dict[str, Any]": dict,
    "dict[str, str]": dict,
    "tuple[Any, ...]": list,
    "tuple[str, ...]": list,
    "Namespace": list,
}


class _Layout:
    """How one class is laid out: its code, its fields in order, and which of them are converted."""

    __slots__ = ("checks", "cls", "code", "ins", "names", "outs", "read", "required", "since")

    def __init__(self, code: int, cls: type) -> None:
        self.code = code
        self.cls = cls
        mine = [x for x in fields(cls) if (cls, x.name) not in _LOCAL]
        self.names = tuple(x.name for x in mine)
        #: all fields in one call, behind the class, which holds the place of the code
        self.read = attrgetter("__class__", *self.names)
        #: the version that each field came with
        self.since = tuple(int(x.metadata.get("since", 1)) for x in mine)
        self.required = sum(x.default is NO_DEFAULT and x.default_factory is NO_DEFAULT for x in mine)
        #: fields that must be of exactly this type as they come from the wire
        self.checks = [(index, _CHECKED[x.type]) for index, x in enumerate(mine) if x.type in _CHECKED]
        self.outs: list[tuple[int, Convert]] = []
        self.ins: list[tuple[int, Convert]] = []
        for index, name in enumerate(self.names):
            pair = _SPECIAL.get((cls, name)) or _CONVERTED.get(name)
            if pair is not None:
                out, in_ = pair
                self.outs.append((index + 1, out))
                if in_ is not _same:
                    self.ins.append((index, in_))


_LAYOUTS = {code: _Layout(code, cls) for code, cls in _CODES.items()}
_BY_CLASS = {layout.cls: layout for layout in _LAYOUTS.values()}


def to_row(thing: Any, version: int = VERSION) -> list[Any]:
    """`[code, field, ...]` of a fact or message, with the fields that `version` of the protocol knows."""
    layout = _BY_CLASS[type(thing)]
    row = list(layout.read(thing))
    row[0] = layout.code
    for index, out in layout.outs:
        row[index] = out(row[index])
    if version < VERSION:
        del row[1 + sum(since <= version for since in layout.since) :]
    return row


def from_row(row: Any) -> Any:
    """The fact or message of a row. DecodeError if it is none."""
    if type(row) is not list or not row or type(row[0]) is not int:
        raise DecodeError("this is no drumline message: it does not begin with a message code")
    layout = _LAYOUTS.get(row[0])
    if layout is None:
        raise DecodeError(f"unknown message code {row[0]}")
    values = row[1 : len(layout.names) + 1]
    if len(values) < layout.required:
        raise DecodeError(f"{layout.cls.__name__} has {len(values)} fields, at least {layout.required} are needed")
    for index, expected in layout.checks:
        if index < len(values) and type(values[index]) is not expected:
            raise DecodeError(
                f"{layout.cls.__name__}.{layout.names[index]} must be a {expected.__name__}, "
                f"not a {type(values[index]).__name__}"
            )
    try:
        for index, convert in layout.ins:
            if index < len(values):
                values[index] = convert(values[index])
        return layout.cls(*values)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise DecodeError(f"{layout.cls.__name__} has a malformed field: {error}") from error


def encode(codec: Codec, thing: Any) -> bytes:
    """A fact or message as bytes, in the version that the codec speaks.

    EncodeError for a value that the codec does not take.
    """
    return codec.encode([codec.version, to_row(thing, codec.version)])


def decode(codec: Codec, data: bytes) -> Any:
    """The fact or message in `data`. DecodeError, or ProtocolTooNew for a newer protocol."""
    return from_row(_open(codec, data))


def _open(codec: Codec, data: bytes) -> Any:
    envelope = codec.decode(data)
    if type(envelope) is not list or len(envelope) < 2 or type(envelope[0]) is not int:
        raise DecodeError("this is no drumline message: it has no protocol version")
    if envelope[0] > VERSION:
        raise ProtocolTooNew(envelope[0], VERSION)
    return envelope[1]


def encode_facts(codec: Codec, facts: Sequence[Any]) -> bytes:
    """One log entry: a checksum, and several facts in order."""
    version = codec.version
    data = codec.encode([version, [to_row(fact, version) for fact in facts]])
    return crc32(data).to_bytes(_CHECKSUM_BYTES, "big") + data


def decode_facts(codec: Codec, data: bytes) -> list[Any]:
    """The facts of one log entry. DecodeError if it is not as it was written."""
    told, data = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if crc32(data).to_bytes(_CHECKSUM_BYTES, "big") != told:
        raise DecodeError("the checksum of a log entry is wrong: its bytes were changed", len(data))
    rows = _open(codec, data)
    if type(rows) is not list:
        raise DecodeError("a log entry must hold a list of facts")
    return [from_row(row) for row in rows]


def encode_item(codec: Codec, kind: int, payload: Any, header: Any) -> bytes:
    """One event of a task. A NESTED payload is a fact."""
    if kind == f.NESTED:
        payload = to_row(payload)
    return codec.encode([kind, payload, header] if header is not None else [kind, payload])


def decode_item(codec: Codec, data: bytes) -> tuple[int, Any, Any]:
    """`(kind, payload, header)` of one event."""
    item = codec.decode(data)
    if type(item) is not list or len(item) < 2:
        raise DecodeError("this is no event of a task")
    payload = from_row(item[1]) if item[0] == f.NESTED else item[1]
    return item[0], payload, item[2] if len(item) > 2 else None
