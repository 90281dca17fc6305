"""From checkpoints and writes to rows, and back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drumline.threads.encoder import PLAIN, Encoder
from drumline.threads.foreign import taken_cells
from drumline.threads.growth import Identities, change_of, noted, only_grows
from drumline.threads.packed_facts import decode_facts, encode_facts
from drumline.threads.rows import Cell, CheckpointRow, Data, Found, Kept, Private, Row, ValueRow
from drumline.threads.seen import Look, Unseen
from drumline.threads.written import Carried, Named, pending_of
from drumline_graph.channels.base import MISSING
from drumline_graph.constants import START
from drumline_graph.delta import APPEND, SET, Change
from drumline_graph.program import Program
from drumline_graph.superstep import path_key_of
from drumline_protocol.cells import decode_change, patched
from drumline_protocol.checkpoints import Checkpoint, Saved, fingerprint_kept, split_ns
from drumline_protocol.errors import EncodeError, ThreadDamaged
from drumline_protocol.facts import PlannedTask
from drumline_protocol.held import HELD_BYTES_MIN, Holder
from drumline_protocol.ids import task_id

#: a value up to this size lies in the checkpoint row itself: naming it elsewhere would take as much
INLINE_BYTES_MAX = 96


@dataclass(slots=True)
class Standing:
    """Where a run stands in one namespace of a thread: the checkpoint that it knows last, and how its cells lie there.

    `newest` is the newest checkpoint that it has seen there (None: it has not looked). `written` is what channels were
    given since (None: not known). `identities` are of lists among `values`.
    """

    id: str = ""
    newest: str | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    cells: Mapping[str, Cell] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    written: dict[str, list[Any]] | None = field(default_factory=dict)
    identities: dict[str, Identities] = field(default_factory=dict)

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
) -> tuple[list[Row], Standing, Carried]:
    """The rows of a checkpoint that follows where a run stands, where the run stands then, and what those rows hold.

    `program` is the graph at the checkpoint's namespace, `graph` tells the one that runs as a whole.

    EncodeError for a value that cannot be kept.
    """
    known = standing if checkpoint.parent == standing.id else Standing(newest=standing.newest, written=None)
    rows: list[Row] = []
    cells: dict[str, Cell] = {}
    values: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    identities: dict[str, Identities] = {}
    for channel, value in checkpoint.cells.items():
        before = known.cells.get(channel)
        looked = known.identities.pop(channel, None)  # who follows another checkpoint looks by itself
        if before is not None and known.versions.get(channel) == checkpoint.versions.get(channel):
            cells[channel], values[channel] = before, known.values[channel]
            if looked is not None:
                identities[channel] = looked
            continue
        writes = None if known.written is None else known.written.get(channel)
        change: Change = (SET, value)
        if type(before) is Kept and channel in program.channels:
            looked = looked or Identities()
            change = change_of(program.channels[channel], known.values.get(channel, MISSING), value, writes, looked)
            if change[0] == APPEND:
                identities[channel] = looked
        cells[channel], new = _keep(encoder, thread, checkpoint, channel, value, before, change, known)
        values[channel] = noted(value)
        if new is not None:
            rows.append(new)
            if len(new.data) >= HELD_BYTES_MIN and channel != START:
                parts[channel] = change[1] if new.parent else value
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
    after = Standing(checkpoint.id, checkpoint.id, checkpoint.versions, cells, values, identities=identities)
    return [*rows, row], after, Carried(checkpoint.id, Holder(parts))


def _keep(
    encoder: Encoder,
    thread: str,
    checkpoint: Checkpoint,
    channel: str,
    value: Any,
    before: Cell | None,
    change: Change,
    known: Standing,
) -> tuple[Cell, ValueRow | None]:
    """How a changed cell is kept, and the row that it takes."""
    root = f"state[{channel!r}]"
    if type(before) is Kept and change[0] != SET:
        data = encoder.data(list(change), root)
        kept = before.with_delta(checkpoint.id, len(data), grows=only_grows(change, known.values[channel]))
        if kept is not None:
            return kept, ValueRow(thread, checkpoint.ns, channel, checkpoint.id, before.made, data)
    data = encoder.data(value, root)
    if len(data) <= INLINE_BYTES_MAX:
        return data, None
    kept = Kept(checkpoint.id, checkpoint.id, len(data), len(data))
    return kept, ValueRow(thread, checkpoint.ns, channel, checkpoint.id, "", data)


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


def encode_metadata(metadata: Mapping[str, Any]) -> bytes:
    """The bytes of a checkpoint's metadata; what the codec does not take is told as text."""
    try:
        return PLAIN.encode(dict(metadata), "metadata")
    except EncodeError:
        return PLAIN.encode(PLAIN.plain(dict(metadata)), "metadata")


# -- and back -----------------------------------------------------------------------------------------


def checkpoint_of(encoder: Encoder, program: Program | None, found: Found, look: Look | None = None) -> Checkpoint:
    """The checkpoint of a row that drumline has written, as this version of the graph sees it (None: as it was).

    `look` has what was seen before of its cells. DecodeError for values that cannot be read, ThreadDamaged for rows
    that are gone; Unseen if what was seen is of no use.
    """
    row = found.row
    facts = decode_facts(row.facts)
    step: int = facts["step"]
    ns = split_ns(row.ns)
    cells = cells_of(encoder, found, look)
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


def saved_of(encoder: Encoder, program: Program | None, found: Found, look: Look | None = None) -> Saved:
    """A checkpoint with its pending writes. Raises as `checkpoint_of` does."""
    checkpoint = checkpoint_of(encoder, program, found, look)
    return Saved(checkpoint, pending_of(encoder, found), found.row.id == found.newest)


def cells_of(encoder: Encoder, found: Found, look: Look | None = None) -> dict[str, Any]:
    """The cells of a checkpoint. `look` has what was seen before, of which the rows of `found` are not read again."""
    by_channel: dict[str, dict[str, ValueRow]] = {}
    for row in found.values:
        by_channel.setdefault(row.channel, {})[row.made] = row
    cells: dict[str, Any] = {}
    for channel, cell in found.row.cells.items():
        if type(cell) is not Kept:
            cells[channel] = encoder.value(cell)  # type: ignore[arg-type]
        elif look is None:
            cells[channel] = _assembled(encoder, found, by_channel.get(channel, {}), cell)
        else:
            cells[channel] = _looked_at(encoder, found, by_channel.get(channel, {}), channel, cell, look)
    return cells


def _looked_at(
    encoder: Encoder, found: Found, rows: Mapping[str, ValueRow], channel: str, cell: Kept, look: Look
) -> Any:
    """The value of a cell for its reader alone; `look` notes what was seen."""
    seen = look.before.get(channel)
    if seen is not None and seen.pristine is not None and cell.base <= seen.made <= cell.made:
        deltas, at = _deltas(rows, cell.made, seen.made)
        if at != seen.made:
            raise Unseen(cell.made)
        if deltas:
            seen = seen.after([_change(encoder, data) for data in deltas], cell)
        look.now[channel] = seen
        return seen.pristine.clone()  # type: ignore[union-attr]
    return look.value(channel, cell, _assembled(encoder, found, rows, cell))


def _assembled(encoder: Encoder, found: Found, rows: Mapping[str, ValueRow], cell: Kept) -> Any:
    """The value of a cell: its base, and the changes from there on."""
    deltas, at = _deltas(rows, cell.made)
    base = rows.get(at)
    if base is None or base.parent:
        raise ThreadDamaged(cell.made)
    value = encoder.value(base.data)
    if base.names:
        value = dict(Named(encoder, found.values).values(value, base.names))
    return patched(value, [_change(encoder, data) for data in deltas])


def _deltas(rows: Mapping[str, ValueRow], made: str, known: str = "") -> tuple[list[Data], str]:
    """The changes that lead to a version, the oldest first, and the version that they stand on: the base, or `known`,
    or one whose row is not there.

    Names of versions sort as they were made, so a parent comes before what stands on it: there is no circle.
    """
    deltas: list[Data] = []
    while made != known:
        row = rows.get(made)
        if row is None or not row.parent or not row.parent < made:
            break
        deltas.append(row.data)
        made = row.parent
    deltas.reverse()
    return deltas, made


def _change(encoder: Encoder, data: Data) -> Change:
    return tuple(encoder.value(data)) if type(data) is Private else decode_change(encoder.codec, data)  # type: ignore[arg-type]
