"""What is said to SQLite of threads that are kept as rows: scripts that yield statements and get rows. No IO.

So a connection of the standard library and one of aiosqlite run the same scripts. Ids that are UUIDs are stored in 16
bytes, which sort as their texts do.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import islice
from typing import Any, TypeVar

from drumline.threads.encoder import PLAIN
from drumline.threads.rows import (
    APPENDS,
    NOTHING_KNOWN,
    REPLACES,
    Cell,
    CheckpointRow,
    Found,
    Kept,
    Known,
    Place,
    Row,
    Slot,
    ValueRow,
    Wanted,
    WritesRow,
    Written,
    first_wanted,
    needed,
)
from drumline_graph.constants import START
from drumline_protocol.errors import ThreadConflict
from drumline_protocol.packed_rows import packed_id, unpacked_id

T = TypeVar("T")
#: yields (statement, parameters), is sent its rows
Script = Generator[tuple[str, Sequence[Any]], list[tuple[Any, ...]], T]

#: A transaction writes whole pages, and most of them add some hundred bytes: so a new file has small pages. Readers do
#: not wait for a writer. What is deleted is overwritten, so that no byte of it stays in the file.
SETTINGS = ("PRAGMA page_size = 512", "PRAGMA journal_mode = WAL", "PRAGMA secure_delete = ON")

#: Names that LangGraph's saver, whose tables may lie in the same file, does not use. All rows of a namespace lie in one
#: table in the order of their making: so what a superstep adds lies together, and few pages are written for it.
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS drumline_scopes ("
    "scope INTEGER PRIMARY KEY AUTOINCREMENT, thread TEXT NOT NULL, ns TEXT NOT NULL, UNIQUE (thread, ns))",
    # id: of the checkpoint. name: the channel of a value, the task of a write. ref: the parent of a checkpoint or a
    # value, the channel of a write. text: the graph of a checkpoint, the path of a task. run: that of a checkpoint; of
    # values and writes the checkpoint whose values they name
    "CREATE TABLE IF NOT EXISTS drumline_rows ("
    "scope INTEGER NOT NULL, id NOT NULL, kind INTEGER NOT NULL, name NOT NULL, idx INTEGER NOT NULL, "
    "ref NOT NULL, text TEXT, run TEXT, data BLOB NOT NULL, UNIQUE (scope, id, kind, name, idx))",
    "CREATE INDEX IF NOT EXISTS drumline_runs ON drumline_rows (run) WHERE kind = 0 AND run IS NOT NULL",
)
CHECKPOINT, VALUE, WRITE = 0, 1, 2

_SCOPE = "SELECT scope FROM drumline_scopes WHERE thread = ? AND ns = ?"
_ALL = "scope, id, kind, name, idx, ref, text, run, data"
_INTO = f"INTO drumline_rows ({_ALL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

#: parts of one compound statement that SQLite takes, with room to spare
_PARTS_MAX = 100


# -- writing ------------------------------------------------------------------------------------------


def write(rows: Sequence[Row]) -> Script[None]:
    """Keep these rows. ThreadConflict if a row is not behind the checkpoint that it must be behind."""
    scopes: dict[tuple[str, str], int] = {}
    for row in rows:
        at = row.thread, row.ns
        scope = scopes.get(at)
        if scope is None:
            scope = scopes[at] = yield from _scope_of(at)
        if type(row) is CheckpointRow:
            yield from _write_checkpoint(scope, row)
        elif type(row) is ValueRow:
            place, names = (scope, packed_id(row.made), VALUE), packed_id(row.names) if row.names else None
            values = (*place, row.channel, 0, packed_id(row.parent), None, names, row.data)
            yield f"INSERT OR REPLACE {_INTO}", values
        elif type(row) is WritesRow:
            yield from _write_writes(scope, row)


def _scope_of(place: tuple[str, str]) -> Script[int]:
    found = yield _SCOPE, place
    if not found:
        yield "INSERT INTO drumline_scopes (thread, ns) VALUES (?, ?)", place
        found = yield _SCOPE, place
    scope: int = found[0][0]
    return scope


def _write_checkpoint(scope: int, row: CheckpointRow) -> Script[None]:
    if row.behind is not None:
        there = yield _NEWEST_ID, (scope,)
        newest = unpacked_id(there[0][0]) if there else ""
        if newest not in (row.behind, row.id):
            raise ThreadConflict(row.thread, row.ns, newest, row.behind)
    data = PLAIN.encode([row.facts, row.metadata, _plain_cells(row)])
    values = (scope, packed_id(row.id), CHECKPOINT, "", 0, packed_id(row.parent), row.graph, row.run or None, data)
    yield f"INSERT OR REPLACE {_INTO}", values


_NEWEST_ID = f"SELECT id FROM drumline_rows WHERE scope = ? AND kind = {CHECKPOINT} ORDER BY id DESC LIMIT 1"


def _write_writes(scope: int, row: WritesRow) -> Script[None]:
    place = scope, packed_id(row.checkpoint), WRITE, packed_id(row.task)
    of_task = "FROM drumline_rows WHERE scope = ? AND id = ? AND kind = ? AND name = ? AND idx >= 0"
    shift = 0
    if row.meets == REPLACES and any(slot.place >= 0 for slot in row.slots):
        yield f"DELETE {of_task}", place
    elif row.meets == APPENDS:
        last = yield f"SELECT coalesce(max(idx), -1) {of_task}", place
        shift = last[0][0] + 1
    for slot in row.slots:
        verb = "INSERT OR REPLACE" if slot.place < 0 else "INSERT OR IGNORE"
        index = slot.place if slot.place < 0 else slot.place + shift
        made = packed_id(slot.made) if slot.made else None
        yield f"{verb} {_INTO}", (*place, index, slot.channel, row.path, made, slot.data)


def _plain_cells(row: CheckpointRow) -> dict[str, Any]:
    """Cells as a row has them: an id that is the row's own, or that was said just before, is left out."""
    plain: dict[str, Any] = {}
    for channel, cell in row.cells.items():
        if type(cell) is Kept:
            made = packed_id(cell.made) if cell.made != row.id else 0
            plain[channel] = [made, packed_id(cell.base) if cell.base != cell.made else 0, cell.bytes]
            if cell.value_bytes != cell.bytes:
                plain[channel].append(cell.value_bytes)
        else:
            plain[channel] = cell
    return plain


def _cells(plain: dict[str, Any], id_: str) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for channel, cell in plain.items():
        if type(cell) is list:
            made = unpacked_id(cell[0]) if cell[0] else id_
            cells[channel] = Kept(made, unpacked_id(cell[1]) if cell[1] else made, cell[2], cell[-1])
        else:
            cells[channel] = cell
    return cells


# -- reading ------------------------------------------------------------------------------------------


def find(thread: str, ns: str, checkpoint: str, known: Known = NOTHING_KNOWN) -> Script[Found | None]:
    """A checkpoint with all that belongs to it, in two statements; without an id the newest one."""
    rows = yield from page(Wanted(thread, ns, checkpoint or None), 1)
    if not rows:
        return None
    return (yield from fill(rows[0], known))


_FROM = "drumline_rows c JOIN drumline_scopes s ON s.scope = c.scope"


def page(wanted: Wanted, size: int) -> Script[list[CheckpointRow]]:
    """The newest checkpoint rows that are wanted, the newest first."""
    conditions: list[str] = [f"c.kind = {CHECKPOINT}"]
    values: list[Any] = []
    for condition, value in (
        ("s.thread = ?", wanted.thread),
        ("s.ns = ?", wanted.ns),
        ("c.id = ?", None if wanted.checkpoint is None else packed_id(wanted.checkpoint)),
        ("c.id < ?", None if wanted.before is None else packed_id(wanted.before)),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    columns = "s.thread, s.ns, c.id, c.ref, c.text, c.run, c.data"
    where = " AND ".join(conditions)
    found = yield f"SELECT {columns} FROM {_FROM} WHERE {where} ORDER BY c.id DESC LIMIT ?", (*values, size)
    return [_checkpoint_row(row) for row in found]


def _checkpoint_row(row: tuple[Any, ...]) -> CheckpointRow:
    thread, ns, id_, parent, graph, run, data = row
    facts, metadata, cells = PLAIN.decode(data)
    own = unpacked_id(id_)
    return CheckpointRow(thread, ns, own, unpacked_id(parent), graph, run or "", facts, metadata, _cells(cells, own))


_WHERE = f"FROM drumline_rows WHERE scope = ({_SCOPE})"
_PARTS = "kind, id, name, idx, ref, text, run, data"
_NEWEST = f"SELECT * FROM (SELECT {_PARTS} {_WHERE} AND kind = {CHECKPOINT} ORDER BY id DESC LIMIT 1)"
_WRITES = f"SELECT {_PARTS} {_WHERE} AND id = ? AND kind = {WRITE}"
_NAMED = (
    f"SELECT {_PARTS} {_WHERE} AND kind = {VALUE} "
    f"AND id IN (SELECT run {_WHERE} AND id IN (?, ?) AND kind != {CHECKPOINT} AND run IS NOT NULL)"
)
_VALUES = f"SELECT {_PARTS} {_WHERE} AND id BETWEEN ? AND ? AND kind = {VALUE} AND name = ?"
_VALUES_BEHIND = f"SELECT {_PARTS} {_WHERE} AND id > ? AND id <= ? AND kind = {VALUE} AND name = ?"


def fill(row: CheckpointRow, known: Known = NOTHING_KNOWN) -> Script[Found]:
    """A checkpoint row with all that belongs to it."""
    place, id_ = (row.thread, row.ns), packed_id(row.id)
    parts: list[tuple[str, tuple[Any, ...]]] = [(_NEWEST, place), (_WRITES, (*place, id_))]
    given = row.cells.get(START)
    parts.append((_NAMED, (*place, *place, id_, packed_id(given.made) if type(given) is Kept else id_)))
    for channel, cell in row.cells.items():
        if type(cell) is Kept:
            first, is_known = first_wanted(cell, known, channel)
            if not (is_known and first == cell.made):
                sql = _VALUES_BEHIND if is_known else _VALUES
                parts.append((sql, (*place, packed_id(first), packed_id(cell.made), channel)))
    found = Found(row, row.id)
    left = iter(parts)
    while some := list(islice(left, _PARTS_MAX)):
        rows = yield " UNION ALL ".join(sql for sql, _ in some), [value for _, values in some for value in values]
        for kind, at, name, index, ref, text, made, data in rows:
            if kind == CHECKPOINT:
                found.newest = unpacked_id(at)
            elif kind == VALUE:
                names = unpacked_id(made) if made is not None else ""
                found.values.append(ValueRow(row.thread, row.ns, name, unpacked_id(at), unpacked_id(ref), data, names))
            else:
                slot = Slot(index, ref, data, unpacked_id(made) if made is not None else "")
                found.written.append(Written(unpacked_id(name), text, slot))
    return found


# -- threads as a whole -------------------------------------------------------------------------------


def delete(thread: str) -> Script[None]:
    """Leave nothing of a thread."""
    yield "DELETE FROM drumline_rows WHERE scope IN (SELECT scope FROM drumline_scopes WHERE thread = ?)", (thread,)
    yield "DELETE FROM drumline_scopes WHERE thread = ?", (thread,)


def copy(source: str, target: str) -> Script[None]:
    """Put all of one thread under another id too."""
    scopes = yield "SELECT scope, ns FROM drumline_scopes WHERE thread = ?", (source,)
    for scope, ns in scopes:
        new = yield from _scope_of((target, ns))
        others = _ALL.removeprefix("scope, ")
        into = f"INSERT OR REPLACE INTO drumline_rows ({_ALL})"
        yield f"{into} SELECT ?, {others} FROM drumline_rows WHERE scope = ?", (new, scope)


def threads(after: str, size: int) -> Script[list[str]]:
    """The ids of up to `size` threads, in order, those that sort behind `after`."""
    found = yield (
        "SELECT DISTINCT thread FROM drumline_scopes WHERE thread > ? ORDER BY thread LIMIT ?",
        (after, size),
    )
    return [thread for (thread,) in found]


def drop(runs: Sequence[str], but_newest_of: Sequence[str], places: Sequence[Place]) -> Script[None]:
    """Drop the checkpoints of these runs, all but the newest of each namespace of these threads, and those at these
    places.
    """
    gone: dict[int, list[Any]] = {}
    for thread, ns, id_ in places:
        for (scope,) in (yield _SCOPE, (thread, ns)):
            gone.setdefault(scope, []).append(packed_id(id_))
    for run in runs:
        for scope, id_ in (yield f"SELECT scope, id FROM drumline_rows WHERE kind = {CHECKPOINT} AND run = ?", (run,)):
            gone.setdefault(scope, []).append(id_)
    for thread in but_newest_of:
        for (scope,) in (yield "SELECT scope FROM drumline_scopes WHERE thread = ?", (thread,)):
            ids = yield f"{_NEWEST_ID.removesuffix(' LIMIT 1')}", (scope,)
            gone.setdefault(scope, []).extend(id_ for (id_,) in ids[1:])
    for scope, ids in gone.items():
        yield from _drop(scope, ids)


def _drop(scope: int, ids: Sequence[Any]) -> Script[None]:
    for id_ in ids:
        yield f"DELETE FROM drumline_rows WHERE scope = ? AND id = ? AND kind != {VALUE}", (scope, id_)
    left = yield f"SELECT id, data FROM drumline_rows WHERE scope = ? AND kind = {CHECKPOINT}", (scope,)
    if not left:
        for table in ("drumline_rows", "drumline_scopes"):
            yield f"DELETE FROM {table} WHERE scope = ?", (scope,)
        return
    stored = yield f"SELECT name, id, ref, run FROM drumline_rows WHERE scope = ? AND kind = {VALUE}", (scope,)
    parents = {(channel, unpacked_id(made)): unpacked_id(parent) for channel, made, parent, _ in stored}
    names = {(channel, unpacked_id(made)): unpacked_id(run) for channel, made, _, run in stored if run is not None}
    named = yield (
        f"SELECT DISTINCT run FROM drumline_rows WHERE scope = ? AND kind = {WRITE} AND run IS NOT NULL",
        (scope,),
    )
    manifests = (_cells(PLAIN.decode(data)[2], unpacked_id(id_)) for id_, data in left)
    keep = needed(manifests, parents, names, [unpacked_id(made) for (made,) in named])
    for channel, made in parents.keys() - keep:
        of_value = f"scope = ? AND id = ? AND kind = {VALUE} AND name = ?"
        yield f"DELETE FROM drumline_rows WHERE {of_value}", (scope, packed_id(made), channel)
