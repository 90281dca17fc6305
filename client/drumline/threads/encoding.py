"""From checkpoints and writes to rows, and back. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drumline.threads.foreign import taken_cells
from drumline.threads.growth import change_of, noted, only_grows
from drumline.threads.rows import (
    APPENDS,
    REPLACES,
    SEVERAL,
    Cell,
    CheckpointRow,
    Data,
    Found,
    Kept,
    Private,
    Row,
    Slot,
    ValueRow,
    WritesRow,
    Written,
)
from drumline_graph.channels.base import MISSING
from drumline_graph.constants import INTERRUPT
from drumline_graph.delta import SET, Change
from drumline_graph.program import Program
from drumline_graph.superstep import path_key_of
from drumline_protocol.cells import decode_change, patched
from drumline_protocol.checkpoints import (
    CALL,
    CALLS_FROM,
    CONTROL,
    ERROR,
    ERROR_SOURCE,
    NULL_TASK,
    RESUME,
    Checkpoint,
    PendingWrite,
    Saved,
    TaskWrites,
    fingerprint_kept,
    split_ns,
)
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError, ThreadDamaged
from drumline_protocol.facts import PlannedTask
from drumline_protocol.ids import task_id

#: a value up to this size lies in the checkpoint row itself: naming it elsewhere would take as much
INLINE_BYTES_MAX = 96

#: the places of what became of a task: below those of what it wrote (LangGraph's `WRITES_IDX_MAP`)
CONTROL_INDEX = {ERROR: -1, "__scheduled__": -2, INTERRUPT: -3, RESUME: -4, ERROR_SOURCE: -5, CALL: -6, CALLS_FROM: -7}

#: writes what has no class of the user's: facts and metadata
PLAIN = Codec()


class Encoder:
    """Values to data and back. With `takes_objects` a private copy is kept of what the codec does not take."""

    def __init__(self, codec: Codec, *, takes_objects: bool) -> None:
        self.codec = codec
        self._takes_objects = takes_objects

    def data(self, value: Any, root: str) -> Data:
        """EncodeError with the path of the culprit from `root`, unless objects are taken."""
        try:
            return self.codec.encode(value, root)
        except EncodeError:
            if not self._takes_objects:
                raise
            return Private(_own(value))

    def value(self, data: Data) -> Any:
        """DecodeError for bytes that this codec cannot read."""
        return _own(data.value) if type(data) is Private else self.codec.decode(data)  # type: ignore[arg-type]


def _own(value: Any) -> Any:
    """A copy of an object, for its holder alone; the object itself, if it cannot be copied."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


@dataclass(slots=True)
class Standing:
    """Where a run stands in one namespace of a thread: the checkpoint that it knows last, and how its cells lie there.

    `newest` is the newest checkpoint that it has seen there (None: it has not looked). `written` is what channels were
    given since (None: not known).
    """

    id: str = ""
    newest: str | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    cells: Mapping[str, Cell] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    written: dict[str, list[Any]] | None = field(default_factory=dict)

    @classmethod
    def at(cls, found: Found, saved: Saved) -> Standing:
        """Where a run stands that begins at a checkpoint."""
        checkpoint = saved.checkpoint
        values = {channel: noted(value) for channel, value in checkpoint.cells.items()}
        standing = cls(checkpoint.id, found.newest, dict(checkpoint.versions), dict(found.row.cells), values)
        standing.note((channel, value) for _, channel, value in saved.pending)
        return standing

    def note(self, writes: Iterable[tuple[str, Any]]) -> None:
        """Remember what channels were given."""
        if self.written is not None:
            for channel, value in writes:
                self.written.setdefault(channel, []).append(value)


# -- to rows ------------------------------------------------------------------------------------------


def checkpoint_rows(
    encoder: Encoder, program: Program, thread: str, checkpoint: Checkpoint, standing: Standing, graph: str
) -> tuple[list[Row], Standing]:
    """The rows of a checkpoint that follows where a run stands, and where the run stands then.

    `program` is the graph at the checkpoint's namespace, `graph` tells the one that runs as a whole.

    EncodeError for a value that cannot be kept.
    """
    known = standing if checkpoint.parent == standing.id else Standing(newest=standing.newest, written=None)
    rows: list[Row] = []
    cells: dict[str, Cell] = {}
    values: dict[str, Any] = {}
    for channel, value in checkpoint.cells.items():
        before = known.cells.get(channel)
        if before is not None and known.versions.get(channel) == checkpoint.versions.get(channel):
            cells[channel], values[channel] = before, known.values[channel]
            continue
        writes = None if known.written is None else known.written.get(channel)
        change: Change = (SET, value)
        if type(before) is Kept and channel in program.channels:
            change = change_of(program.channels[channel], known.values.get(channel, MISSING), value, writes)
        cells[channel] = _keep(encoder, rows, thread, checkpoint, channel, value, before, change, known)
        values[channel] = noted(value)
    row = CheckpointRow(
        thread,
        checkpoint.ns,
        checkpoint.id,
        checkpoint.parent,
        graph,
        str(checkpoint.metadata.get("run_id", "")),
        encode_facts(facts_of(checkpoint, graph)),
        encode_metadata(checkpoint.metadata),
        cells,
        standing.newest,
    )
    after = Standing(checkpoint.id, checkpoint.id, checkpoint.versions, cells, values)
    return [*rows, row], after


def _keep(
    encoder: Encoder,
    rows: list[Row],
    thread: str,
    checkpoint: Checkpoint,
    channel: str,
    value: Any,
    before: Cell | None,
    change: Change,
    known: Standing,
) -> Cell:
    root = f"state[{channel!r}]"
    if type(before) is Kept and change[0] != SET:
        data = encoder.data(list(change), root)
        kept = before.with_delta(checkpoint.id, len(data), grows=only_grows(change, known.values[channel]))
        if kept is not None:
            rows.append(ValueRow(thread, checkpoint.ns, channel, checkpoint.id, before.made, data))
            return kept
    data = encoder.data(value, root)
    if len(data) <= INLINE_BYTES_MAX:
        return data
    rows.append(ValueRow(thread, checkpoint.ns, channel, checkpoint.id, "", data))
    return Kept(checkpoint.id, checkpoint.id, len(data), len(data))


def writes_row(encoder: Encoder, thread: str, saved: TaskWrites) -> WritesRow:
    """The row of what a task has written. Raises EncodeError for a value that cannot be kept."""
    path = path_key_of(saved.path) if saved.path else ""
    ordinary = [list(write) for write in saved.writes if write[0] not in CONTROL]
    slots = [
        Slot(CONTROL_INDEX[channel], channel, encoder.data(value, f"writes[{channel!r}]"))
        for channel, value in saved.writes
        if channel in CONTROL
    ]
    if ordinary:
        channel = ordinary[0][0] if len(ordinary) == 1 else SEVERAL
        value = ordinary[0][1] if len(ordinary) == 1 else ordinary
        slots.append(Slot(0, channel, encoder.data(value, "writes")))
    meets = APPENDS if saved.task == NULL_TASK else REPLACES
    return WritesRow(thread, saved.ns, saved.checkpoint, saved.task, path, slots, meets)


def facts_of(checkpoint: Checkpoint, graph: str) -> dict[str, Any]:
    """What a row says of a checkpoint beside its cells, and beside the graph that runs as a whole."""
    facts: dict[str, Any] = {
        "source": checkpoint.source,
        "step": checkpoint.step,
        "at": checkpoint.at_ms,
        "versions": dict(checkpoint.versions),
        "seen": checkpoint.seen,
    }
    if checkpoint.parents:
        facts["parents"] = checkpoint.parents
    if checkpoint.updated is not None:
        facts["updated"] = list(checkpoint.updated)
    if checkpoint.tasks:
        facts["tasks"] = [[task.name, task.path, task.triggers, task.hidden] for task in checkpoint.tasks]
    kept = fingerprint_kept(checkpoint.fingerprint)
    if kept != _fingerprint_in(graph):  # of a graph within
        facts["fingerprint"] = kept
    return facts


def _fingerprint_in(graph: str) -> str:
    """What a row's `graph` has of a fingerprint."""
    return graph.partition(" ")[0]


def encode_facts(facts: Mapping[str, Any]) -> bytes:
    """The bytes of what a row says of a checkpoint."""
    return PLAIN.encode(facts, "checkpoint")


def encode_metadata(metadata: Mapping[str, Any]) -> bytes:
    """The bytes of a checkpoint's metadata; what the codec does not take is told as text."""
    try:
        return PLAIN.encode(dict(metadata), "metadata")
    except EncodeError:
        return PLAIN.encode(PLAIN.plain(dict(metadata)), "metadata")


# -- and back -----------------------------------------------------------------------------------------


def checkpoint_of(encoder: Encoder, program: Program | None, found: Found) -> Checkpoint:
    """The checkpoint of a row that drumline has written, as this version of the graph sees it (None: as it was).

    DecodeError for values that cannot be read, ThreadDamaged for rows that are gone.
    """
    row = found.row
    facts = PLAIN.decode(row.facts)
    step: int = facts["step"]
    ns = split_ns(row.ns)
    cells = cells_of(encoder, found)
    if program is not None:
        cells = taken_cells(cells, facts["versions"], program, facts.get("fingerprint", _fingerprint_in(row.graph)))
    tasks = [
        PlannedTask(task_id(row.id, ns, step + 1, path_key_of(path)), name, tuple(path), tuple(triggers), None, hidden)
        for name, path, triggers, hidden in facts.get("tasks", ())
    ]
    return Checkpoint(
        row.id,
        row.ns,
        row.parent,
        facts["source"],
        step,
        facts["at"],
        cells,
        facts["versions"],
        facts["seen"],
        tuple(facts["updated"]) if "updated" in facts else None,
        tasks,
        facts.get("parents", {}),
        PLAIN.decode(row.metadata),
        facts.get("fingerprint", _fingerprint_in(row.graph)),
    )


def saved_of(encoder: Encoder, program: Program | None, found: Found) -> Saved:
    """A checkpoint with its pending writes."""
    return Saved(
        checkpoint_of(encoder, program, found), pending_of(encoder, found.written), found.row.id == found.newest
    )


def pending_of(encoder: Encoder, written: Iterable[Written]) -> list[PendingWrite]:
    """What tasks have written on top of a checkpoint, in LangGraph's order."""
    pending: list[PendingWrite] = []
    for each in sorted(written, key=lambda each: each.order):
        value = encoder.value(each.slot.data)
        if each.slot.channel == SEVERAL:
            pending += [(each.task, channel, item) for channel, item in value]
        else:
            pending.append((each.task, each.slot.channel, value))
    return pending


def cells_of(encoder: Encoder, found: Found) -> dict[str, Any]:
    """The cells of a checkpoint."""
    by_channel: dict[str, list[ValueRow]] = {}
    for row in found.values:
        by_channel.setdefault(row.channel, []).append(row)
    cells: dict[str, Any] = {}
    for channel, cell in found.row.cells.items():
        if type(cell) is Kept:
            cells[channel] = _assembled(encoder, by_channel.get(channel, ()), cell)
        else:
            cells[channel] = encoder.value(cell)  # type: ignore[arg-type]
    return cells


def _assembled(encoder: Encoder, rows: Sequence[ValueRow], cell: Kept) -> Any:
    """The value of a cell: its base, and the changes from there on.

    Names of versions sort as they were made, so a parent comes before what stands on it: there is no circle.
    """
    made = {row.made: row for row in rows}
    deltas: list[Data] = []
    row = made.get(cell.made)
    while row is not None and row.parent:
        deltas.append(row.data)
        row = made.get(row.parent) if row.parent < row.made else None
    if row is None:
        raise ThreadDamaged(cell.made)
    deltas.reverse()
    return patched(encoder.value(row.data), [_change(encoder, data) for data in deltas])


def _change(encoder: Encoder, data: Data) -> Change:
    return tuple(encoder.value(data)) if type(data) is Private else decode_change(encoder.codec, data)  # type: ignore[arg-type]
