"""What tasks have written, as rows and back. Pure.

What a task has written becomes part of a cell with the next checkpoint. If both are kept at once, the write does not
repeat that: it names the version of the cell that holds it, and where in it. Versions never change, and stay as long as
something names them. A write that is kept before the superstep has ended stands for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from drumline.threads.encoder import Encoder
from drumline.threads.rows import APPENDS, REPLACES, SEVERAL, Found, Slot, ValueRow, WritesRow
from drumline_graph.constants import INTERRUPT
from drumline_graph.superstep import path_key_of
from drumline_protocol.checkpoints import (
    CALL,
    CALLS_FROM,
    CONTROL,
    ERROR,
    ERROR_SOURCE,
    NULL_TASK,
    RESUME,
    PendingWrite,
    TaskWrites,
)
from drumline_protocol.errors import ThreadDamaged

#: the places of what became of a task: below those of what it wrote (LangGraph's `WRITES_IDX_MAP`)
CONTROL_INDEX = {ERROR: -1, "__scheduled__": -2, INTERRUPT: -3, RESUME: -4, ERROR_SOURCE: -5, CALL: -6, CALLS_FROM: -7}

#: less than this is said again: naming it takes about as much
NAMED_BYTES_MIN = 128

#: as the place in a part: all of it; as the count of items: the item itself, not a list of it
_ALL, _ITEM = -1, -1


class Carried(NamedTuple):
    """What value rows of one checkpoint hold, by channel: the value of a base, or what a delta adds."""

    made: str
    parts: Mapping[str, Any]


def writes_row(encoder: Encoder, thread: str, saved: TaskWrites, carried: Carried | None = None) -> WritesRow:
    """The row of what a task has written. `carried` is what the checkpoint behind it holds, which is kept with it.

    EncodeError for a value that cannot be kept.
    """
    path = path_key_of(saved.path) if saved.path else ""
    slots = [
        Slot(CONTROL_INDEX[channel], channel, encoder.data(value, f"writes[{channel!r}]"))
        for channel, value in saved.writes
        if channel in CONTROL
    ]
    ordinary = [write for write in saved.writes if write[0] not in CONTROL]
    if ordinary:
        slots.append(_slot(encoder, ordinary, carried))
    meets = APPENDS if saved.task == NULL_TASK else REPLACES
    return WritesRow(thread, saved.ns, saved.checkpoint, saved.task, path, slots, meets)


def _slot(encoder: Encoder, writes: Sequence[tuple[str, Any]], carried: Carried | None) -> Slot:
    parts = {} if carried is None else carried.parts
    rows: list[list[Any]] = []
    names = False
    for channel, value in writes:
        place = _place_in(parts[channel], value) if channel in parts else None
        rows.append([channel, value] if place is None else [channel, *place])
        names = names or place is not None
    if names and carried is not None:
        return Slot(0, SEVERAL, encoder.data(rows, "writes"), carried.made)
    if len(rows) == 1:
        return Slot(0, rows[0][0], encoder.data(rows[0][1], "writes"))
    return Slot(0, SEVERAL, encoder.data(rows, "writes"))


def _place_in(part: Any, value: Any) -> tuple[int, int] | None:
    """Where the very objects of a write stand in a part: the first item, and how many. None: nowhere."""
    kind = type(value)
    if value is part:
        return _ALL, _ALL
    if kind is not type(part):
        return _item_in(part, value)
    if kind is str or kind is bytes:
        return (_ALL, _ALL) if value == part else None
    if kind is dict:
        same = len(value) == len(part) and all(
            one is other and item is there
            for (one, item), (other, there) in zip(value.items(), part.items(), strict=True)
        )
        return (_ALL, _ALL) if same and value else None
    if kind is list and value:
        for start in range(len(part) - len(value) + 1):
            if part[start] is value[0] and all(map(_is, part[start : start + len(value)], value)):
                return start, len(value)
    return None


def _item_in(part: Any, value: Any) -> tuple[int, int] | None:
    if type(part) is list:
        for start, item in enumerate(part):
            if item is value:
                return start, _ITEM
    return None


def _is(one: Any, other: Any) -> bool:
    return one is other


# -- and back -----------------------------------------------------------------------------------------


def pending_of(encoder: Encoder, found: Found) -> list[PendingWrite]:
    """What tasks have written on top of a checkpoint, in LangGraph's order. ThreadDamaged for values that are gone."""
    pending: list[PendingWrite] = []
    named = _Named(encoder, found.values)
    for each in sorted(found.written, key=lambda each: each.order):
        slot, value = each.slot, encoder.value(each.slot.data)
        if slot.channel != SEVERAL:
            pending.append((each.task, slot.channel, value))
        elif not slot.made:
            pending += [(each.task, channel, item) for channel, item in value]
        else:
            for channel, *said in value:
                item = said[0] if len(said) == 1 else named.value(channel, slot.made, *said)
                pending.append((each.task, channel, item))
    return pending


class _Named:
    """Values that writes name in value rows. Each write gets objects of its own."""

    def __init__(self, encoder: Encoder, rows: Sequence[ValueRow]) -> None:
        self._encoder = encoder
        self._rows = {(row.channel, row.made): row for row in rows}
        #: what of a row is decoded, and has not been given out
        self._left: dict[tuple[str, str], list[Any]] = {}

    def value(self, channel: str, made: str, start: int, count: int) -> Any:
        """What a write names."""
        if start == _ALL:
            return self._part(channel, made)
        end = start + (1 if count == _ITEM else count)
        left = self._left.get((channel, made))
        if left is None:
            left = self._left[channel, made] = self._part(channel, made)
        taken = left[start:end]
        if len(taken) < end - start:
            raise ThreadDamaged(made)
        if any(item is _GIVEN for item in taken):  # two tasks have written one object
            taken = self._part(channel, made)[start:end]
        else:
            left[start:end] = [_GIVEN] * len(taken)
        return taken[0] if count == _ITEM else taken

    def _part(self, channel: str, made: str) -> Any:
        row = self._rows.get((channel, made))
        if row is None:
            raise ThreadDamaged(made)
        value = self._encoder.value(row.data)
        return value[1] if row.parent else value


_GIVEN = object()
