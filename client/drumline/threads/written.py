"""What tasks have written, as rows and back. Pure.

What a task has written becomes part of a cell with the next checkpoint. If both are kept at once, the write does not
repeat that: it names the version of the cell that holds it, and where in it. So does the input of a run, which is a
cell of its own until the first superstep. Versions never change, and stay as long as something names them. A write that
is kept before the superstep has ended stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from drumline_protocol.held import Held, Holder

#: the places of what became of a task: below those of what it wrote (LangGraph's `WRITES_IDX_MAP`)
CONTROL_INDEX = {ERROR: -1, "__scheduled__": -2, INTERRUPT: -3, RESUME: -4, ERROR_SOURCE: -5, CALL: -6, CALLS_FROM: -7}

#: parts of what is said of a value that stands for itself: its channel, and itself
_WITH_VALUE = 2


class Carried(NamedTuple):
    """What value rows of one checkpoint hold."""

    made: str
    holder: Holder


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
    said = None if carried is None else _said(writes, carried)
    if said is not None and carried is not None:
        return Slot(0, SEVERAL, encoder.data(said, "writes"), carried.made)
    if len(writes) == 1:
        return Slot(0, writes[0][0], encoder.data(writes[0][1], "writes"))
    return Slot(0, SEVERAL, encoder.data([list(write) for write in writes], "writes"))


def _said(values: Iterable[tuple[str, Any]], carried: Carried) -> list[list[Any]] | None:
    """Values by channel: as they are, or as the place where they stand. None if all stand for themselves."""
    said: list[list[Any]] = []
    for channel, value in values:
        place = carried.holder.place(channel, value)
        said.append([channel, value] if place is None else [channel, *place])
    return said if any(len(each) > _WITH_VALUE for each in said) else None


def name_input(encoder: Encoder, row: ValueRow, value: Any, carried: Carried) -> None:
    """Let the value row of an input name what the checkpoint behind it holds of that. EncodeError."""
    if type(value) is dict and all(type(key) is str for key in value):
        said = _said(value.items(), carried)
        if said is not None:
            row.data, row.names = encoder.data(said, "input"), carried.made


# -- and back -----------------------------------------------------------------------------------------


def pending_of(encoder: Encoder, found: Found) -> list[PendingWrite]:
    """What tasks have written on top of a checkpoint, in LangGraph's order. ThreadDamaged for values that are gone."""
    pending: list[PendingWrite] = []
    named = Named(encoder, found.values)
    for each in sorted(found.written, key=lambda each: each.order):
        slot, value = each.slot, encoder.value(each.slot.data)
        if slot.channel == SEVERAL:
            pending += [(each.task, channel, item) for channel, item in named.values(value, slot.made)]
        else:
            pending.append((each.task, slot.channel, value))
    return pending


class Named:
    """Values that rows name in value rows. Whoever names one gets objects of its own."""

    def __init__(self, encoder: Encoder, rows: Sequence[ValueRow]) -> None:
        self._encoder = encoder
        self._rows = {(row.channel, row.made): row for row in rows}
        self._held = Held(self._part)

    def values(self, said: Iterable[Sequence[Any]], made: str) -> list[tuple[str, Any]]:
        """What is said of values, with them in their places. ThreadDamaged for one that is gone."""
        try:
            return [
                (one[0], one[1] if len(one) == _WITH_VALUE else self._held.value((one[0], made), *one[1:]))
                for one in said
            ]
        except IndexError as error:
            raise ThreadDamaged(made) from error

    def _part(self, name: tuple[str, str]) -> Any:
        row = self._rows.get(name)
        if row is None:
            raise ThreadDamaged(name[1])
        value = self._encoder.value(row.data)
        return value[1] if row.parent else value
