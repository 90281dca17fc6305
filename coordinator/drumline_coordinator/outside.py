"""What comes to a thread from outside of any run: its large cells go to the cell store, as those of runs do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_coordinator.cells import Kept, NewVersion, is_small
from drumline_graph.constants import START
from drumline_graph.delta import APPEND
from drumline_protocol.cells import NO_PARENT, cell_name, encode_change
from drumline_protocol.checkpoints import Checkpoint, Save, split_ns
from drumline_protocol.codec import Codec
from drumline_protocol.limits import CELL_INLINE_BYTES_MAX
from drumline_protocol.threads import ThreadHead


def keep_large(codec: Codec, head: ThreadHead, saves: Sequence[Save]) -> list[NewVersion]:
    """The versions of cells that these checkpoints bring; the checkpoints name them from then on.

    Only versions with numbers that the thread has not given out become rows, and those of a cell in ascending order:
    what does not fit stays in its checkpoint. A list that goes on with what the version before it held is told by what
    was appended. EncodeError.
    """
    rows: list[NewVersion] = []
    newest: dict[str, tuple[Kept, Any]] = {}
    for save in saves:
        if isinstance(save, Checkpoint):
            for channel, cell in save.cells.items():
                if channel == START:  # the cells behind it hold what it says
                    continue
                version, name = save.versions.get(channel, 0), cell_name(split_ns(save.ns), channel)
                before = newest.get(name)
                if before is not None and before[0].version == version:
                    save.kept[channel] = list(before[0])
                elif version > max(head.version, before[0].version if before else 0) and not is_small(cell):
                    made = _row(codec, name, version, cell, before)
                    if made is not None:
                        row, kept = made
                        rows.append(row)
                        newest[name] = kept, cell
                        save.kept[channel] = list(kept)
    return rows


def _row(
    codec: Codec, name: str, version: int, cell: Any, before: tuple[Kept, Any] | None
) -> tuple[NewVersion, Kept] | None:
    if before is not None:
        kept, value = before
        if type(cell) is type(value) is list and len(cell) >= len(value) and cell[: len(value)] == value:
            data = encode_change(codec, (APPEND, tail := cell[len(value) :]))
            grown = kept.with_delta(version, len(data), grows=True)
            if grown is not None:
                return NewVersion(name, version, kept.version, data, part=tail), grown
    data = codec.encode(cell)
    if len(data) <= CELL_INLINE_BYTES_MAX:
        return None
    return NewVersion(name, version, NO_PARENT, data, part=cell), Kept(version, version, 1, len(data), len(data))
