"""A thread's history, from the rows that a broker holds to checkpoints, and back. Pure but for the reader it is given.

A row holds one `Checkpoint` or one `TaskWrites`. Rows lie in the order in which they were committed, so what belongs to
a checkpoint lies behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from drumline_graph.channels.base import MISSING
from drumline_graph.constants import START, TASKS
from drumline_graph.delta import Change
from drumline_graph.types import Send
from drumline_protocol.cells import CellRow, assemble, cell_name, decode_change, patched
from drumline_protocol.checkpoint_ids import checkpoint_time
from drumline_protocol.checkpoints import Checkpoint, HeldAt, PendingWrite, Save, Saved, TaskWrites, merged, split_ns
from drumline_protocol.codec import Codec
from drumline_protocol.codec_derived import CellAt, Derived, open_derived
from drumline_protocol.errors import BlobMissing, CellMissing, DecodeError
from drumline_protocol.facts import GraphKept
from drumline_protocol.held import Held
from drumline_protocol.keys import owner_of_thread
from drumline_protocol.named import Named, names_in, names_of, resolve
from drumline_protocol.reading_cells import CellReader, ReadValues
from drumline_protocol.thread_rows import row_data, save_in

#: kinds of rows
CHECKPOINT, WRITES = "c", "w"


class Row(Protocol):
    """A row as the broker gives it (`drumline_transport.entries.HistoryRow`)."""

    id: str
    kind: str
    ns: str
    checkpoint: str
    data: bytes


def first_row_of(checkpoint: str) -> str:
    """The id of the row of a checkpoint that a coordinator made."""
    return f"{checkpoint_time(checkpoint)}-0"


def next_row(last: str, save: Save) -> str:
    """The id of the row behind `last`."""
    ms, _, number = last.partition("-")
    time = checkpoint_time(save.id) if isinstance(save, Checkpoint) else 0
    return f"{time}-0" if time > int(ms) else f"{ms}-{int(number) + 1}"


class History:
    """Checkpoints out of rows, in their order. What is read of a checkpoint is decoded when somebody asks for it.

    `cells` reads cells, if it is to keep what it sees. `owner`: a run has them, and no thread. `values` has the large
    values that pending writes name, by the ids of their blobs, once they were read. With `resolves` they stand in their
    places; else only in those of cells, for a coordinator passes names on.
    """

    def __init__(
        self,
        codec: Codec,
        thread: str,
        rows: Sequence[Row],
        read: ReadValues,
        *,
        resolves: bool = False,
        cells: CellReader | None = None,
        owner: str = "",
    ) -> None:
        self._codec = codec
        self._owner = owner or owner_of_thread(thread)
        self._read = read
        self._cells = cells or CellReader(codec, read)
        self._resolves = resolves
        self.values: dict[str, Any] = {}
        #: checkpoints by namespace, and the writes behind each
        self._rows: dict[str, dict[str, Row]] = {}
        self._writes: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            if row.kind == CHECKPOINT:
                self._rows.setdefault(row.ns, {})[row.checkpoint] = row
            else:
                self._writes.setdefault((row.ns, row.checkpoint), []).append(row)

    def get(self, ns: str, checkpoint: str = "", before: str = "") -> Saved | None:
        """A checkpoint with its pending writes; without an id the newest one (older than `before`). None if the rows do
        not have it.

        DecodeError, CellMissing, BlobMissing, and whatever reading raises.
        """
        rows = self._rows.get(ns)
        if not rows:
            return None
        newest = max(rows)
        wanted = checkpoint or (max((id_ for id_ in rows if id_ < before), default="") if before else newest)
        row = rows.get(wanted)
        if row is None:
            return None
        found = save_in(self._codec, row.data)
        if not isinstance(found, Checkpoint):
            raise DecodeError("a row of a thread's history is of another kind than it says", len(row.data))
        self._open(found)
        return Saved(found, self._pending(ns, found.id), row.checkpoint == newest)

    def whole(self, save: Save) -> Save:
        """What a row holds, with all values in their places, so that it may stand in another thread."""
        if isinstance(save, Checkpoint):
            self._open(save)
            save.kept = {}
            return save
        save.writes = self._whole_writes(self._with_held(save))
        save.held = ()
        return save

    def called(
        self, tasks: Collection[str] | None, known: Collection[str], bytes_max: int = 0
    ) -> dict[str, list[bytes]]:
        """The rows of graphs that the code of these tasks (None: of all) has called, in order, by the task.

        `known` are the namespaces of other graphs. Of each graph the newest checkpoint, and what was written behind
        it; with `bytes_max` all of them, if they are not more than that. DecodeError, CellMissing, BlobMissing.
        """
        found: dict[str, list[str]] = {}
        for ns in self._spaces():
            if ns not in known:
                for part in ns.split("|"):
                    _, colon, task = part.rpartition(":")
                    if colon and (tasks is None or task in tasks):
                        found.setdefault(task, []).append(ns)
        return {task: self._rows_at(spaces, bytes_max) for task, spaces in found.items()}

    def called_one(self, known: Collection[str], bytes_max: int = 0) -> dict[str, list[bytes]]:
        """The same of graphs that have one history for all calls, and of those below them, by namespace."""
        return {
            ns: self._rows_at([ns], bytes_max)
            for ns in self._spaces()
            if ns not in known and ns and ":" not in ns.partition("|")[0]
        }

    def _spaces(self) -> list[str]:
        return list(dict.fromkeys((*self._rows, *(ns for ns, _ in self._writes))))

    def _rows_at(self, spaces: Sequence[str], bytes_max: int = 0) -> list[bytes]:
        """The rows of these namespaces, in order."""
        rows: list[Row] = []
        for ns in spaces:
            for id_, row in self._rows.get(ns, {}).items():
                rows += [row, *self._writes.get((ns, id_), ())]
        if sum(len(row.data) for row in rows) > bytes_max:
            newest = {ns: max(self._rows.get(ns, ()), default="") for ns in spaces}
            rows = [row for row in rows if row.checkpoint == newest[row.ns]]
        return [self._whole_data(row) for row in sorted(rows, key=_place)]

    def _whole_data(self, row: Row) -> bytes:
        """The data of a row with all values in their places: a worker cannot read a thread."""
        save = save_in(self._codec, row.data)
        names = save.kept if isinstance(save, Checkpoint) else names_in(save.writes)
        return row_data(self._codec, self.whole(save)) if names or save.held else row.data

    def _pending(self, ns: str, checkpoint: str) -> list[PendingWrite]:
        pending: list[PendingWrite] = []
        for row in self._writes.get((ns, checkpoint), ()):
            saved = save_in(self._codec, row.data)
            if not isinstance(saved, TaskWrites):
                raise DecodeError("a row of a thread's history is of another kind than it says", len(row.data))
            if saved.held:
                saved.writes = self._with_held(saved)
            if self._resolves:
                saved = replace(saved, writes=self._whole_writes(saved.writes))
            else:
                self._fetch(_without_arguments(saved.writes, names_in(saved.writes)))
            pending = merged(pending, saved)
        return pending

    def _with_held(self, saved: TaskWrites) -> list[tuple[str, Any]]:
        """Writes with those in their places that stand in cells."""
        channels = [channel for channel, _ in saved.writes]
        values = self._held(saved.ns, channels, saved.held)
        return [(channel, values.get(index, value)) for index, (channel, value) in enumerate(saved.writes)]

    def _held(self, ns: str, channels: Sequence[str], held: Sequence[HeldAt]) -> dict[int, Any]:
        return held_values(
            self._codec, self._owner, [cell_name(split_ns(ns), each) for each in channels], held, self._read
        )

    def _whole_writes(self, writes: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """Writes with all values in their places."""
        whole = [(channel, self._whole_send(value) if channel == TASKS else value) for channel, value in writes]
        self._fetch(names_in(whole))
        return resolve(whole, self.values)

    def _fetch(self, names: Iterable[Named]) -> None:
        ids = list({name.blob: None for name in names if name.blob not in self.values})
        if ids:
            _, found = self._read([], ids)
            for blob, data in zip(ids, found, strict=True):
                if data is None:
                    raise BlobMissing(blob, 0)
                self.values[blob] = self._codec.decode(data)

    def _open(self, checkpoint: Checkpoint) -> None:
        """Put the cells that lie elsewhere into a checkpoint."""
        if checkpoint.kept:
            checkpoint.cells.update(kept_cells(self._codec, self._owner, checkpoint, self._cells))
        if checkpoint.held:
            found = checkpoint.cells.get(START)
            given: dict[str, Any] = found if isinstance(found, dict) else {}
            values = self._held(checkpoint.ns, list(given), checkpoint.held)
            checkpoint.cells[START] = {key: values.get(at, each) for at, (key, each) in enumerate(given.items())}
            checkpoint.held = ()
        sends = checkpoint.cells.get(TASKS)
        if self._resolves and sends:
            checkpoint.cells[TASKS] = [self._whole_send(send) for send in sends]

    def _whole_send(self, send: Any) -> Any:
        """A Send with its argument, whatever that is made of."""
        if type(send) is not Send or type(send.arg) not in (Named, Derived):
            return send
        self._fetch(names_of(send.arg))
        [(_, found)] = resolve([(TASKS, send)], self.values)
        arg = self._made(found.arg) if type(found.arg) is Derived else found.arg
        return Send(send.node, arg, timeout=send.timeout)

    def _made(self, arg: Derived) -> Any:
        wanted = [(self._owner, at.cell, at.base - 1, at.version) for at in arg.cells]
        rows, _ = self._read(wanted, [])
        cells = {at: assemble(self._codec, found, at.version) for at, found in zip(arg.cells, rows, strict=True)}

        def fill(number: int, change: Change | None) -> Any:
            origin = arg.origins[number]
            found = cells[origin] if type(origin) is CellAt else origin
            return found if change is None else patched(found, [change])

        return open_derived(arg, fill)


def held_values(
    codec: Codec, owner: str, cells: Sequence[str], held: Sequence[HeldAt], read: ReadValues
) -> dict[int, Any]:
    """The values of a row that stand in cells, by their number among the row's values; `cells` has the cell of each.

    DecodeError, CellMissing.
    """
    if not held:
        return {}
    try:
        versions = list(dict.fromkeys((cells[at.number], at.version) for at in held))
        found, _ = read([(owner, cell, version - 1, version) for cell, version in versions], [])
        rows = {at: row for at, some in zip(versions, found, strict=True) for row in some if row.version == at[1]}
        values = Held(partial(_part, codec, rows))
        return {at.number: values.value((cells[at.number], at.version), at.start, at.items) for at in held}
    except IndexError as error:
        raise DecodeError(f"a row of a thread's history names what no cell holds: {error}") from error


def _part(codec: Codec, rows: dict[tuple[str, int], CellRow], at: tuple[str, int]) -> Any:
    row = rows.get(at)
    if row is None:
        raise CellMissing(at[1], at[1])
    if row.is_base:
        return codec.decode(row.data)
    change = decode_change(codec, row.data)
    return change[1] if len(change) > 1 else MISSING


def kept_cells(codec: Codec, owner: str, graph: GraphKept | Checkpoint, reader: CellReader) -> dict[str, Any]:
    """The cells of a graph that lie in the cell store, or as blobs. DecodeError, CellMissing, BlobMissing."""
    ns = split_ns(graph.ns) if isinstance(graph, Checkpoint) else graph.ns
    cells = {name: how for name, how in graph.kept.items() if type(how) is list}
    blobs = {name: how.blob for name, how in graph.kept.items() if type(how) is Named}
    if not (cells or blobs):
        return {}
    wanted = [CellAt(cell_name(ns, name), how[0], how[1]) for name, how in cells.items()]
    values, data = reader.values(owner, wanted, list(blobs.values()))
    opened = {name: value for name, value in zip(cells, values, strict=True) if value is not MISSING}
    for (name, blob), each in zip(blobs.items(), data, strict=True):
        if each is None:
            raise BlobMissing(blob, 0)
        opened[name] = codec.decode(each)
    return opened


def _without_arguments(writes: Sequence[tuple[str, Any]], names: Sequence[Named]) -> list[Named]:
    """The names that stand for something else than the argument of a Send."""
    arguments = [value.arg for channel, value in writes if channel == TASKS and type(value) is Send]
    stay = {name.blob for arg in arguments for name in names_of(arg)}
    return [name for name in names if name.blob not in stay]


def place_of_row(id_: str) -> tuple[int, int]:
    """The place of a row of this id among others."""
    ms, _, number = id_.partition("-")
    return int(ms), int(number)


def _place(row: Row) -> tuple[int, int]:
    return place_of_row(row.id)
