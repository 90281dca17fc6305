"""What of a thread in the broker goes, and what stays readable: from rows of its history to what a commit drops. Pure.

The values of a thread lie in the cell store and as blobs, and rows of its history name them. A cell is trimmed below
the lowest base that a kept row names, so no delta loses what it stands on, on whatever branch. A cell or blob that only
rows which go have named goes with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from drumline_graph.constants import START, TASKS
from drumline_graph.types import Send
from drumline_protocol.cells import cell_name
from drumline_protocol.checkpoints import Checkpoint, Save, split_ns
from drumline_protocol.codec import Codec
from drumline_protocol.codec_derived import Derived
from drumline_protocol.keys import owner_of_thread
from drumline_protocol.named import Named, names_in, names_of
from drumline_protocol.retention import Base, Piece, Retention, kept_pieces
from drumline_protocol.thread_rows import save_in
from drumline_protocol.threads import ThreadHead
from drumline_transport.broker import Commit, HistoryRow


@dataclass(slots=True)
class _Names:
    """What rows name: the lowest version of each cell that must stay, and blobs."""

    cells: dict[str, int] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)

    def add(self, save: Save) -> None:
        sends: Iterable[object] = ()
        if isinstance(save, Checkpoint):
            for channel, how in save.kept.items():
                if type(how) is Named:
                    self.blobs.add(how.blob)
                else:
                    self._cell(cell_name(split_ns(save.ns), channel), how[1])
            sends = save.cells.get(TASKS) or ()
            channels = list(save.cells.get(START) or ())
        else:
            self.blobs.update(name.blob for name in names_in(save.writes))
            sends = [value for channel, value in save.writes if channel == TASKS]
            channels = [channel for channel, _ in save.writes]
        for held in save.held:
            self._cell(cell_name(split_ns(save.ns), channels[held.number]), held.version)
        for send in sends:
            if isinstance(send, Send):
                self.blobs.update(name.blob for name in names_of(send.arg))
                if type(send.arg) is Derived:
                    for at in send.arg.cells:
                        self._cell(at.cell, at.base)

    def _cell(self, cell: str, base: int) -> None:
        self.cells[cell] = min(base, self.cells.get(cell, base))


@dataclass(slots=True)
class Cut:
    """What goes of a thread, and when the oldest checkpoint of its root graph was made that stays (ms)."""

    rows: list[str]
    since_ms: float
    cells_trimmed: dict[str, int]
    cells_dropped: set[str]
    blobs_dropped: set[str]


def cut_of(
    codec: Codec,
    rows: Sequence[HistoryRow],
    retention: Retention,
    now_ms: float,
    *,
    waits: bool,
    named: Collection[str] = (),
) -> Cut | None:
    """What goes; None: the whole thread. `named` are ids of rows that stay if anything does.

    DecodeError for rows that cannot be read: then nothing is known to be safe.
    """
    saves = [(row, save_in(codec, row.data)) for row in rows]
    pieces = _pieces(saves)
    kept = kept_pieces(pieces, retention, now_ms, waits=waits)
    if kept is None:
        return None
    kept |= {(row.ns, row.checkpoint) for row in rows if row.id in named}
    known = {(piece.ns, piece.id) for piece in pieces}
    stay, go, dropped = _Names(), _Names(), []
    for row, save in saves:
        place = row.ns, row.checkpoint
        # what was written behind a checkpoint that has no row belongs to none that goes
        if place in kept or place not in known:
            stay.add(save)
        else:
            go.add(save)
            dropped.append(row.id)
    return Cut(
        dropped,
        min((piece.at_ms for piece in pieces if not piece.ns and (piece.ns, piece.id) in kept), default=0),
        {cell: base for cell, base in stay.cells.items() if cell in go.cells and go.cells[cell] < base},
        go.cells.keys() - stay.cells.keys(),
        go.blobs - stay.blobs,
    )


def _pieces(saves: Sequence[tuple[HistoryRow, Save]]) -> list[Piece]:
    sizes: dict[tuple[str, str], int] = {}
    for row, _ in saves:
        place = row.ns, row.checkpoint
        sizes[place] = sizes.get(place, 0) + len(row.data)
    found = {}
    for _, save in saves:
        if isinstance(save, Checkpoint):
            found[save.ns, save.id] = Piece(
                save.ns,
                save.id,
                save.parents.get("", "") if save.ns else save.id,
                save.at_ms,
                sizes[save.ns, save.id],
                dict(_stands_on(save)),
            )
    return list(found.values())


def _stands_on(save: Checkpoint) -> Iterable[tuple[Base, int]]:
    for channel, how in save.kept.items():
        if type(how) is Named:
            yield Base("", how.blob), how.size
        else:
            yield Base(cell_name(split_ns(save.ns), channel), how[1]), how[3]


def is_over(head: ThreadHead, retention: Retention, now_ms: float) -> bool:
    """Whether a thread that has no checkpoint goes: it is too old, and its rules would spare none."""
    seconds = None if retention.spares_latest(waits=False) else retention.seconds
    return seconds is not None and not head.head and now_ms - head.updated_ms > seconds * 1000


def put_cut(commit: Commit, thread: str, cut: Cut) -> None:
    """Drop what goes."""
    owner = owner_of_thread(thread)
    commit.history_dropped += [(thread, row) for row in cut.rows]
    commit.cells_trimmed += [(owner, cell, base) for cell, base in sorted(cut.cells_trimmed.items())]
    commit.cells_dropped += [(owner, cell) for cell in sorted(cut.cells_dropped)]
    commit.blobs_dropped += [(owner, blob) for blob in sorted(cut.blobs_dropped)]


def runs_before(runs: Sequence[tuple[str, int]], since_ms: float) -> list[str]:
    """The runs whose logs begin at a checkpoint that is gone.

    `runs` are `(run, ms at which it ended, or 0)`s, `since_ms` is the time of the oldest checkpoint that stays. One run
    at a time has a thread, so it is those that ended before, and the one that made it. A run that is open is none of
    them.
    """
    ended = sorted((at_ms, run) for run, at_ms in runs if at_ms)
    before = [run for at_ms, run in ended if at_ms < since_ms]
    return [run for _, run in ended[: len(before) + 1]]
