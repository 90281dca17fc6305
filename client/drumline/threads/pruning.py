"""What of a thread that is kept as rows goes, by rules of retention. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline.threads.encoder import PLAIN
from drumline.threads.packed_facts import decode_facts
from drumline.threads.rows import CheckpointRow, Found, Kept, Place, Private
from drumline_graph.constants import INTERRUPT
from drumline_protocol.checkpoint_ids import made_ms
from drumline_protocol.checkpoints import ERROR
from drumline_protocol.retention import Base, Piece, Retention, kept_pieces


def places_to_drop(
    rows: Sequence[CheckpointRow], retention: Retention, now_ms: float, *, waits: bool
) -> list[Place] | None:
    """The checkpoints of one thread that go; None: all of it. `rows` are all its checkpoints; `waits`: it can be
    resumed.
    """
    kept = kept_pieces([_piece(row) for row in rows], retention, now_ms, waits=waits)
    if kept is None:
        return None
    return [Place(row.thread, row.ns, row.id) for row in rows if (row.ns, row.id) not in kept]


def is_waiting(found: Found) -> bool:
    """Whether a task behind a checkpoint has asked or failed, and has not ended."""
    stopped = {each.task for each in found.written if each.slot.channel in (INTERRUPT, ERROR)}
    ended = {each.task for each in found.written if each.slot.place >= 0}
    return bool(stopped - ended)


def _piece(row: CheckpointRow) -> Piece:
    facts: Any = PLAIN.decode(row.metadata) if row.is_theirs else decode_facts(row.facts)
    root = facts.get("parents", {}).get("", "") if row.ns else row.id
    own = len(row.facts) + len(row.metadata)
    stands_on: dict[Base, int] = {}
    for channel, cell in row.cells.items():
        if type(cell) is Kept:
            stands_on[Base(f"{row.ns}|{channel}", cell.base)] = cell.bytes
        elif type(cell) is not Private:
            own += len(cell)
    return Piece(row.ns, row.id, root, facts.get("at", made_ms(row.id)), own, stands_on)
