"""Which cells of a graph lie in the cell store, and what a superstep adds there. Pure.

A cell that takes more than `CELL_INLINE_BYTES_MAX` is *kept*: its versions are rows of the cell store, or it is a blob
that a worker has put. Task messages name kept cells; the others travel in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from drumline_coordinator.tasks import Scope, Task
from drumline_graph.channels.base import MISSING
from drumline_graph.delta import APPEND, GONE, SET, UNITE, Change
from drumline_protocol.cells import NO_PARENT, cell_name, encode_change
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.codec_derived import Derived
from drumline_protocol.limits import CELL_INLINE_BYTES_MAX, CELL_ROW_BYTES_MIN, CELL_ROWS_MAX
from drumline_protocol.named import Named


class Kept(NamedTuple):
    """How the newest version of a cell is kept in the cell store.

    `base` is the version of its base; `rows` and `bytes` are what it takes to read it, `value_bytes` is about what the
    value itself takes.
    """

    version: int
    base: int
    rows: int
    bytes: int
    value_bytes: int

    def with_delta(self, version: int, size: int, *, grows: bool) -> Kept | None:
        """The same with one delta more; None if a new base is cheaper for all who read.

        What only grows is read in as many bytes as it takes, however many deltas it has; but many short ones take
        longer than the value in one piece. Else deltas replace what lies there: from twice the value on that is a
        waste.
        """
        value = self.value_bytes + size * grows
        if self.rows >= CELL_ROWS_MAX and self.bytes < self.rows * CELL_ROW_BYTES_MIN:
            return None
        if self.bytes + size > 2 * value:
            return None
        return Kept(version, self.base, self.rows + 1, self.bytes + size, value)


@dataclass(slots=True)
class NewVersion:
    """One version to append to a cell. `trims`: no earlier version is needed any more.

    `part` is what it adds (`drumline_protocol.held`): rows of a thread may name it.
    """

    cell: str
    version: int
    parent: int
    data: bytes
    trims: bool = False
    part: Any = None


@dataclass(slots=True)
class Keeping:
    """What a superstep adds to the cell store, and its changes without what is written there."""

    changes: dict[str, Change]
    kept: dict[str, Any]
    rows: list[NewVersion]


def keep_cells(
    codec: Codec,
    scope: Scope,
    version: int,
    changes: Mapping[str, Change],
    cells: Mapping[str, Any],
    names: Mapping[int, Named],
) -> Keeping:
    """Decide how each changed cell is kept. `cells` are the new ones, by channel.

    `names` has the names of values that workers have put as blobs, by the values' identity. EncodeError for a value
    that the codec does not take.
    """
    keeping = Keeping(dict(changes), {}, [])
    keys = scope.program.state_keys
    for channel, cell in cells.items():
        if channel in keys and cell is not MISSING:
            name = names.get(id(cell))
            if name is None:
                _keep(codec, scope, version, channel, cell, keeping)
            else:
                keeping.kept[channel] = name
                if changes[channel][0] == SET:
                    keeping.changes[channel] = (SET, name)
    return keeping


def _keep(codec: Codec, scope: Scope, version: int, channel: str, cell: Any, keeping: Keeping) -> None:
    change, before = keeping.changes[channel], scope.kept.get(channel)
    name = cell_name(scope.ns, channel)
    if type(before) is Kept and change[0] not in (SET, GONE):
        data = encode_change(codec, change)
        kept = before.with_delta(version, len(data), grows=change[0] in (APPEND, UNITE))
        if kept is not None:
            keeping.rows.append(NewVersion(name, version, before.version, data, part=change[1]))
            keeping.kept[channel] = list(kept[1:])
            return
    if is_small(cell):
        return
    data = codec.encode(cell)
    if len(data) <= CELL_INLINE_BYTES_MAX:
        return
    keeping.rows.append(NewVersion(name, version, NO_PARENT, data, trims=type(before) is Kept, part=cell))
    keeping.kept[channel] = [version, 1, len(data), len(data)]
    if change[0] == SET:
        keeping.changes[channel] = (SET, Boxed(data, codec))  # it is encoded already


def is_small(cell: Any) -> bool:
    """Whether a look tells that a value takes little."""
    kind = type(cell)
    if kind in (str, bytes):
        return len(cell) * 4 <= CELL_INLINE_BYTES_MAX
    return cell is None or kind in (bool, int, float) or (kind in (list, dict, tuple) and not cell)


def fold_kept(scope: Scope, version: int, changes: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    """Note how the cells that a step changed are kept now."""
    for channel in changes:
        told = kept.get(channel)
        if told is None:
            scope.kept.pop(channel, None)
        else:
            scope.kept[channel] = told if type(told) is Named else Kept(version, *told)


def kept_below(scope: Scope) -> list[str]:
    """The names of the cells that a graph, and those below it, have in the cell store."""
    names = [cell_name(scope.ns, channel) for channel, kept in scope.kept.items() if type(kept) is Kept]
    for task in scope.tasks.values():
        if task.child is not None:
            names += kept_below(task.child)
    return names


def names_by_value(scope: Scope) -> dict[int, Named]:
    """The names of those cells of a graph that lie in a blob each, by the identity of their values."""
    cells = scope.state.cells
    return {id(cells[key]): kept for key, kept in scope.kept.items() if type(kept) is Named and key in cells}


def bases_named(tasks: Iterable[Task]) -> dict[str, int]:
    """The cells that the arguments of Sends are made of, each with the lowest base that one of these tasks needs."""
    found: dict[str, int] = {}
    for task in tasks:
        if type(task.input) is Derived:
            for at in task.input.cells:
                found[at.cell] = min(at.base, found.get(at.cell, at.base))
    return found
