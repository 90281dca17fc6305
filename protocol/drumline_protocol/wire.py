"""Facts and messages as bytes: `[protocol version, code, field, ...]`, encoded by the closed codec.

The tables below are the protocol: codes are never reused, fields are only ever added at the end, and a reader leaves
out fields that it does not know. A newer *version* than ours is refused with `ProtocolTooNew`.

A cluster speaks one version, which its `meta` names (`Codec.version`). A newer process writes that one until the
operator raises it, so that processes may be upgraded in any order. A field that came with a later version says so in
its metadata (`field(metadata={"since": 2})`), and is left out of what is written in an earlier one.

A log entry begins with a checksum: its facts lie for a day, and a coordinator makes decisions of them. A reader passes
over kinds of facts that it does not know (`UnknownFact`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar
from zlib import crc32

from drumline_graph.types import Command, Interrupt
from drumline_protocol import checkpoints as c
from drumline_protocol import facts as f
from drumline_protocol import messages as m
from drumline_protocol.codec import Boxed, Codec, unbox
from drumline_protocol.errors import DecodeError, EncodeError, ProtocolTooNew
from drumline_protocol.limits import NAME_CHARS_MAX
from drumline_protocol.wire_opened import command_in, interrupts_in, writes_in
from drumline_protocol.wire_outs import (
    below_out,
    changes_out,
    dropped_out,
    held_out,
    kept_tasks_out,
    named_out,
    optional_tasks_out,
    pending_out,
    sketches_out,
    tasks_out,
    writes_out,
)
from drumline_protocol.wire_parts import Misshapen, anything, name
from drumline_protocol.wire_said import say_again, say_once
from drumline_protocol.wire_shapes import shape_of

#: the newest version that this drumline reads and writes; a change that old readers cannot skip raises it
VERSION = 1

_CHECKSUM_BYTES = 4
#: where in a log entry the places of values stand that it holds once
_PLACES_AT = 3

#: numbers that one fact can take
_COUNT_MAX = 2**31

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
    11: f.GraphExited,
    12: f.Noticed,
    13: f.RunFinished,
    14: f.RoutingStarted,
    15: f.TaskInterrupted,
    16: f.GraphPaused,
    17: f.RunKept,
    18: f.GraphKept,
    19: f.Checkpointed,
    20: f.InputTaken,
    21: f.GraphResumed,
    22: f.TaskAnswered,
    23: c.Checkpoint,
    24: c.TaskWrites,
    25: f.UpdateBegun,
    26: f.TaskRetried,
    27: f.ErrorHandled,
    28: f.DrainRequested,
    29: f.TaskCalled,
    32: m.RunRequest,
    33: m.CancelRun,
    34: m.Events,
    35: m.TaskResult,
    36: m.TaskError,
    37: m.TaskBubbled,
    38: m.Refused,
    39: m.AttemptLost,
    40: m.WorkersChanged,
    41: m.TaskMessage,
    42: m.Cancel,
    43: m.RunShared,
    44: m.TaskInterrupt,
    45: m.DeleteRun,
    46: m.RunDamaged,
    47: m.ThreadSaves,
    48: m.DeleteThread,
    49: m.TimerDue,
    50: m.DrainRun,
    51: m.TaskCall,
    52: m.CallEnded,
    60: m.PruneThread,
    61: m.DescribeThread,
}

Convert = Callable[[Any], Any]
T = TypeVar("T")


#: fields that are not plain data: how they go out (`wire_shapes` says how they come in)
_OUTS: dict[Any, Convert | None] = {
    **dict.fromkeys(("ns", "recorded", "tags", "written", "triggers", "path"), list),
    (f.GraphEntered, "path"): None,
    (f.GraphKept, "path"): None,
    "changes": changes_out,
    "sketches": sketches_out,
    "writes": writes_out,
    (f.PlanMade, "tasks"): tasks_out,
    (f.GraphKept, "tasks"): kept_tasks_out,
    (f.Checkpointed, "tasks"): optional_tasks_out,
    (f.Checkpointed, "pending"): pending_out,
    (c.Checkpoint, "ns"): None,
    (c.Checkpoint, "tasks"): tasks_out,
    (c.Checkpoint, "updated"): lambda names: None if names is None else list(names),
    (c.TaskWrites, "ns"): None,
    (c.Checkpoint, "held"): held_out,
    (c.TaskWrites, "held"): held_out,
    (f.InputTaken, "dropped"): dropped_out,
    "call": list,
    "params": list,
    "callers": list,
    (f.GraphKept, "left"): pending_out,
    "stops_before": list,
    "stops_after": list,
    "noticed": list,
    "flags": list,
    "named": named_out,
    "below": below_out,
    (m.Cancel, "tasks"): list,
}
#: fields that stay in the process
_LOCAL = {
    (f.PlanMade, "inputs"),
    (f.PlanMade, "given"),
    (f.TaskCalled, "node"),
    (m.TaskCall, "node"),
    (f.StepCommitted, "cells"),
    (f.InputTaken, "cells"),
    (f.GraphKept, "opened"),
    (f.TaskFinished, "opened"),
    (f.RunFinished, "control"),
    (m.TaskResult, "values"),
    (m.TaskBubbled, "values"),
}


class _Layout:
    """How one class is laid out: its code, its fields in order, how each of them goes out and comes in."""

    __slots__ = ("cls", "code", "named", "names", "outs", "read", "required", "shapes", "since")

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
        #: what fields must be as they come from the wire: first those that are names, then the others
        shapes = [(index, shape_of(cls, x.name, x.type)) for index, x in enumerate(mine)]
        self.named = tuple(index for index, shape in shapes if shape is name and index < self.required)
        self.shapes = [(i, shape) for i, shape in shapes if i not in self.named and shape is not anything]
        outs = [(index, _OUTS.get((cls, name), _OUTS.get(name))) for index, name in enumerate(self.names, 1)]
        self.outs = [(index, out) for index, out in outs if out is not None]


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
    index = 0
    try:
        for index in layout.named:  # most fields of most messages: the call is spared where it would only agree
            value = values[index]
            if type(value) is not str or not value.isascii() or not 0 < len(value) <= NAME_CHARS_MAX:
                name(value)
        for index, shape in layout.shapes:
            if index < len(values):
                values[index] = shape(values[index])
    except Misshapen as error:
        found = type(values[index]).__name__
        raise DecodeError(f"{layout.cls.__name__}.{layout.names[index]} {error} (it is a {found})") from error
    return layout.cls(*values)


def encode(codec: Codec, thing: Any) -> bytes:
    """A fact or message as bytes, in the version that the codec speaks.

    EncodeError for a value that the codec does not take.
    """
    return codec.encode([codec.version, to_row(thing, codec.version)])


def decode(codec: Codec, data: bytes) -> Any:
    """The fact or message in `data`. DecodeError, or ProtocolTooNew for a newer protocol."""
    return from_row(opened(codec, data)[1])


def codes_of(*classes: type) -> dict[type, int]:
    """The codes of these classes."""
    return {cls: _BY_CLASS[cls].code for cls in classes}


def opened(codec: Codec, data: bytes) -> list[Any]:
    """What stands around a message: the version of the protocol, and the message. DecodeError, ProtocolTooNew."""
    envelope = codec.decode(data)
    if type(envelope) is not list or len(envelope) < 2 or type(envelope[0]) is not int:
        raise DecodeError("this is no drumline message: it has no protocol version")
    if envelope[0] > VERSION:
        raise ProtocolTooNew(envelope[0], VERSION)
    return envelope


def encode_facts(codec: Codec, facts: Sequence[Any]) -> bytes:
    """One log entry: a checksum, and several facts in order.

    Behind the facts stands how many numbers those take that take more or less than one (`[index, count, ...]`): a
    reader counts on, though it may not know their kind. Behind that stands where values belong that are said once
    (`wire_said`).
    """
    version = codec.version
    rows = [to_row(fact, version) for fact in facts]
    entry: list[Any] = [version, rows]
    counts = [part for at, fact in enumerate(facts) if (n := f.fact_count(fact)) != 1 for part in (at, n)]
    places = say_once(facts, rows)
    if counts or places:
        entry.append(counts)
    if places:
        entry.append(places)
    data = codec.encode(entry)
    return crc32(data).to_bytes(_CHECKSUM_BYTES, "big") + data


def decode_facts(codec: Codec, data: bytes) -> list[Any]:
    """The facts of one log entry. DecodeError if it is not as it was written."""
    told, data = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if crc32(data).to_bytes(_CHECKSUM_BYTES, "big") != told:
        raise DecodeError("the checksum of a log entry is wrong: its bytes were changed", len(data))
    entry = opened(codec, data)
    rows, counts = entry[1], entry[2] if len(entry) > 2 else []
    if type(rows) is not list or type(counts) is not list:
        raise DecodeError("a log entry must hold a list of facts")
    if len(entry) > _PLACES_AT:
        say_again(rows, entry[_PLACES_AT])
    return [from_row(row) if _is_known(row) else _unknown_fact(row, at, counts) for at, row in enumerate(rows)]


def _is_known(row: Any) -> bool:
    return type(row) is not list or not row or type(row[0]) is not int or row[0] in _LAYOUTS


def _unknown_fact(row: list[Any], at: int, counts: list[Any]) -> f.UnknownFact:
    if not _is_list_of_counts(counts):
        raise DecodeError("what a log entry says of the numbers of its facts is malformed")
    return f.UnknownFact(row[0], dict(zip(counts[::2], counts[1::2], strict=True)).get(at, 1))


def _is_list_of_counts(counts: Any) -> bool:
    return len(counts) % 2 == 0 and all(type(count) is int and 0 <= count <= _COUNT_MAX for count in counts)


def _is_dict(header: Any) -> bool:
    return type(header) is dict and all(type(key) is str for key in header)


def _is_sequence(value: Any, length: int) -> bool:
    return type(value) in (list, tuple) and len(value) == length


#: kinds of events: whether a payload and a header can be of that kind
_ITEMS: dict[int, Callable[[Any, Any], bool]] = {
    f.CUSTOM: lambda _payload, header: header is None or _is_dict(header),
    f.MESSAGE: lambda payload, header: _is_dict(header) and (payload is None or _is_sequence(payload, 2)),
    f.NESTED: lambda _payload, header: header is None or _is_dict(header),
    f.STREAMED: lambda payload, header: (
        (header is None or _is_dict(header))
        and _is_sequence(payload, 3)
        and type(payload[0]) in (list, tuple)
        and all(type(part) is str for part in payload[0])
        and type(payload[1]) is str
    ),
}


def encode_item(codec: Codec, kind: int, payload: Any, header: Any) -> bytes:
    """One event of a task. A NESTED payload is a fact.

    EncodeError for a value that the codec does not take. Never because of a message: what cannot cross of one, or of
    its metadata, is plain data (`codec_messages`).
    """
    row = to_row(payload) if kind == f.NESTED else payload
    try:
        return codec.encode([kind, row, header] if header is not None else [kind, row])
    except EncodeError:
        from drumline_protocol.codec_messages import plain_event

        plain = plain_event(codec, kind, payload, header)
        if plain is None:
            raise
        payload, header = plain
    row = to_row(payload) if kind == f.NESTED else payload
    return codec.encode([kind, row, header] if header is not None else [kind, row])


def decode_item(codec: Codec, data: bytes) -> tuple[int, Any, Any]:
    """`(kind, payload, header)` of one event."""
    item = codec.decode(data)
    if type(item) is not list or len(item) < 2:
        raise DecodeError("this is no event of a task", len(data))
    kind, payload, header = item[0], item[1], item[2] if len(item) > 2 else None
    if type(kind) is not int or kind not in _ITEMS:
        raise DecodeError("this event of a task is of no kind that is known here", len(data))
    if not _ITEMS[kind](payload, header):
        raise DecodeError(f"this event of a task, of kind {kind}, is malformed", len(data))
    return kind, from_row(payload) if kind == f.NESTED else payload, header


# -- values that stay boxed until they are needed --------------------------------------------------


def decode_writes(boxed: Any) -> list[tuple[str, Any]]:
    """The writes of a task, boxed or open, as pairs of channel and value. DecodeError if they are none."""
    return _decode_box(boxed, "the writes of a task", writes_in)


def decode_interrupts(boxed: Any) -> list[Interrupt[Any]]:
    """What a task asks its caller. DecodeError if it is no list of Interrupts."""
    return _decode_box(boxed, "the interrupts of a task", interrupts_in)


def decode_command(boxed: Any) -> Command[Any]:
    """The command that a task has for the graph above. DecodeError if it is none."""
    return _decode_box(boxed, "the command of a task", command_in)


def _decode_box(boxed: Any, what: str, shape: Callable[[Any], T]) -> T:
    try:
        return shape(unbox(boxed))
    except Misshapen as error:
        size = len(boxed.data) if type(boxed) is Boxed else 0
        raise DecodeError(f"{what} {error}", size) from error
