"""What rows of a thread need not repeat, because a version of a cell that is committed with them holds it. Pure.

What a task writes, and the input of a run, is in the state with the next checkpoint. So their rows name the version of
the cell, if that is new in the same commit; a write that is committed before its superstep ends stands for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from drumline_coordinator.cells import NewVersion
from drumline_graph.constants import START
from drumline_protocol.cells import cell_name
from drumline_protocol.checkpoints import Checkpoint, HeldAt, Save, split_ns
from drumline_protocol.held import HELD_BYTES_MIN, Holder


class Made(NamedTuple):
    """The versions that one checkpoint has made, by channel, and what they add."""

    versions: dict[str, int]
    holder: Holder


#: by namespace, and the checkpoint in front of that one
Holders = Mapping[tuple[str, str], Made]
NOTHING_HELD: Holders = MappingProxyType({})


def holders_of(
    saves: Sequence[Save], rows: Iterable[NewVersion], key: Callable[[Any], Hashable] = id
) -> dict[tuple[str, str], Made]:
    """Which of these checkpoints have made new versions of cells. What has an equal `key` is the same."""
    new = {(row.cell, row.version): row for row in rows if len(row.data) >= HELD_BYTES_MIN}
    found: dict[tuple[str, str], Made] = {}
    for save in saves if new else ():
        if not isinstance(save, Checkpoint):
            continue
        made: dict[str, NewVersion] = {}
        for channel, how in save.kept.items():
            row = new.get((cell_name(split_ns(save.ns), channel), how[0])) if type(how) is list else None
            if row is not None:
                made[channel] = row
        if made:
            holder = Holder({channel: row.part for channel, row in made.items()}, key)
            found[save.ns, save.parent] = Made({channel: row.version for channel, row in made.items()}, holder)
    return found


def without_held(save: Save, holders: Holders) -> Save:
    """What a row says, without what the checkpoint behind it holds of that."""
    made = holders.get((save.ns, save.id if isinstance(save, Checkpoint) else save.checkpoint))
    if made is None:
        return save
    if not isinstance(save, Checkpoint):
        writes, held = _left(save.writes, made)
        return replace(save, writes=writes, held=held) if held else save
    given = save.cells.get(START)
    if type(given) is not dict or not all(type(key) is str for key in given):
        return save
    items, held = _left(given.items(), made)
    return replace(save, cells={**save.cells, START: dict(items)}, held=held) if held else save


def _left(values: Iterable[tuple[str, Any]], made: Made) -> tuple[list[tuple[str, Any]], tuple[HeldAt, ...]]:
    left: list[tuple[str, Any]] = []
    held: list[HeldAt] = []
    for number, (channel, value) in enumerate(values):
        place = made.holder.place(channel, value)
        if place is None:
            left.append((channel, value))
        else:
            left.append((channel, None))
            held.append(HeldAt(number, made.versions[channel], *place))
    return left, tuple(held)
