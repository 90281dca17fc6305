"""What is said to SQLite of threads that are kept as rows: scripts that yield statements and get rows. No IO.

So a connection of the standard library and one of aiosqlite run the same scripts. Ids that are UUIDs are stored in 16
bytes, which sort as their texts do.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import islice
from typing import Any, TypeVar

from drumline.threads.encoding import PLAIN
from drumline.threads.rows import (
    APPENDS,
    REPLACES,
    Cell,
    CheckpointRow,
    Found,
    Kept,
    Row,
    Slot,
    ValueRow,
    Wanted,
    WritesRow,
    Written,
    needed,
)
from drumline_protocol.errors import ThreadConflict

T = TypeVar("T")
#: yields (statement, parameters), is sent its rows
Script = Generator[tuple[str, Sequence[Any]], list[tuple[Any, ...]], T]

#: names that LangGraph's saver, whose tables may lie in the same file, does not use
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS drumline_scopes ("
    "scope INTEGER PRIMARY KEY AUTOINCREMENT, thread TEXT NOT NULL, ns TEXT NOT NULL, UNIQUE (thread, ns))",
    "CREATE TABLE IF NOT EXISTS drumline_checkpoints ("
    "scope INTEGER NOT NULL, id NOT NULL, parent NOT NULL, graph TEXT NOT NULL, run TEXT NOT NULL, "
    "facts BLOB NOT NULL, metadata BLOB NOT NULL, cells BLOB NOT NULL, PRIMARY KEY (scope, id))",
    "CREATE INDEX IF NOT EXISTS drumline_runs ON drumline_checkpoints (run) WHERE run != ''",
    "CREATE TABLE IF NOT EXISTS drumline_values ("
    "scope INTEGER NOT NULL, channel TEXT NOT NULL, made NOT NULL, parent NOT NULL, data BLOB NOT NULL, "
    "PRIMARY KEY (scope, channel, made))",
    "CREATE TABLE IF NOT EXISTS drumline_writes ("
    "scope INTEGER NOT NULL, checkpoint NOT NULL, task NOT NULL, idx INTEGER NOT NULL, path TEXT NOT NULL, "
    "channel TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (scope, checkpoint, task, idx))",
)
_TABLES = ("drumline_checkpoints", "drumline_values", "drumline_writes")
_SCOPE = "SELECT scope FROM drumline_scopes WHERE thread = ? AND ns = ?"
_COLUMNS = "s.thread, s.ns, c.id, c.parent, c.graph, c.run, c.facts, c.metadata, c.cells"
_FROM = "drumline_checkpoints c JOIN drumline_scopes s ON s.scope = c.scope"

#: parts of one compound statement that SQLite takes, with room to spare
_PARTS_MAX = 100


def packed(id_: str) -> str | bytes:
    """An id as it is stored."""
    if len(id_) == 36 and id_[8] == id_[13] == id_[18] == id_[23] == "-":
        try:
            data = bytes.fromhex(id_.replace("-", ""))
        except ValueError:
            return id_
        return data if unpacked(data) == id_ else id_
    return id_


def unpacked(stored: Any) -> str:
    """An id that was stored."""
    if isinstance(stored, str):
        return stored
    text = stored.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


# -- writing ------------------------------------------------------------------------------------------


def write(rows: Sequence[Row]) -> Script[None]:
    """Keep these rows. ThreadConflict if a row is not behind the checkpoint that it must be behind."""
    scopes: dict[tuple[str, str], int] = {}
    for row in rows:
        place = row.thread, row.ns
        scope = scopes.get(place)
        if scope is None:
            yield "INSERT OR IGNORE INTO drumline_scopes (thread, ns) VALUES (?, ?)", place
            found = yield _SCOPE, place
            scope = scopes[place] = found[0][0]
        if type(row) is CheckpointRow:
            yield from _write_checkpoint(scope, row)
        elif type(row) is ValueRow:
            values = (scope, row.channel, packed(row.made), packed(row.parent), row.data)
            yield "INSERT OR REPLACE INTO drumline_values VALUES (?, ?, ?, ?, ?)", values
        elif type(row) is WritesRow:
            yield from _write_writes(scope, row)


def _write_checkpoint(scope: int, row: CheckpointRow) -> Script[None]:
    if row.behind is not None:
        there = yield "SELECT max(id) FROM drumline_checkpoints WHERE scope = ?", (scope,)
        newest = "" if there[0][0] is None else unpacked(there[0][0])
        if newest not in (row.behind, row.id):
            raise ThreadConflict(row.thread, row.ns, newest, row.behind)
    values = (
        scope,
        packed(row.id),
        packed(row.parent),
        row.graph,
        row.run,
        row.facts,
        row.metadata,
        _encode_cells(row.cells),
    )
    yield "INSERT OR REPLACE INTO drumline_checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values


def _write_writes(scope: int, row: WritesRow) -> Script[None]:
    place = scope, packed(row.checkpoint), packed(row.task)
    of_task = "WHERE scope = ? AND checkpoint = ? AND task = ? AND idx >= 0"
    shift = 0
    if row.meets == REPLACES and any(slot.index >= 0 for slot in row.slots):
        yield f"DELETE FROM drumline_writes {of_task}", place
    elif row.meets == APPENDS:
        last = yield f"SELECT coalesce(max(idx), -1) FROM drumline_writes {of_task}", place
        shift = last[0][0] + 1
    for slot in row.slots:
        verb = "INSERT OR REPLACE" if slot.index < 0 else "INSERT OR IGNORE"
        index = slot.index if slot.index < 0 else slot.index + shift
        yield (
            f"{verb} INTO drumline_writes VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*place, index, row.path, slot.channel, slot.data),
        )


def _encode_cells(cells: dict[str, Cell]) -> bytes:
    plain: dict[str, Any] = {}
    for channel, cell in cells.items():
        if type(cell) is Kept:
            plain[channel] = [packed(cell.made), packed(cell.base) if cell.base != cell.made else 0, *cell[2:]]
        else:
            plain[channel] = cell
    return PLAIN.encode(plain)


def _decode_cells(data: bytes) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for channel, cell in PLAIN.decode(data).items():
        if type(cell) is list:
            made = unpacked(cell[0])
            cells[channel] = Kept(made, unpacked(cell[1]) if cell[1] else made, *cell[2:])
        else:
            cells[channel] = cell
    return cells


# -- reading ------------------------------------------------------------------------------------------


def find(thread: str, ns: str, checkpoint: str) -> Script[Found | None]:
    """A checkpoint with all that belongs to it, in two statements; without an id the newest one."""
    rows = yield from page(Wanted(thread, ns, checkpoint or None), 1)
    if not rows:
        return None
    return (yield from fill(rows[0]))


def page(wanted: Wanted, size: int) -> Script[list[CheckpointRow]]:
    """The newest checkpoint rows that are wanted, the newest first."""
    conditions: list[str] = []
    values: list[Any] = []
    for condition, value in (
        ("s.thread = ?", wanted.thread),
        ("s.ns = ?", wanted.ns),
        ("c.id = ?", None if wanted.checkpoint is None else packed(wanted.checkpoint)),
        ("c.id < ?", None if wanted.before is None else packed(wanted.before)),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    found = yield f"SELECT {_COLUMNS} FROM {_FROM} {where}ORDER BY c.id DESC LIMIT ?", (*values, size)
    return [_checkpoint_row(row) for row in found]


def _checkpoint_row(row: tuple[Any, ...]) -> CheckpointRow:
    thread, ns, id_, parent, graph, run, facts, metadata, cells = row
    return CheckpointRow(thread, ns, unpacked(id_), unpacked(parent), graph, run, facts, metadata, _decode_cells(cells))


_NEWEST = f"SELECT 0, max(id), NULL, 0, NULL, NULL FROM drumline_checkpoints WHERE scope = ({_SCOPE})"
_VALUES = (
    f"SELECT 1, channel, made, 0, parent, data FROM drumline_values WHERE scope = ({_SCOPE}) "
    "AND channel = ? AND made BETWEEN ? AND ?"
)
_WRITES = (
    f"SELECT 2, task, channel, idx, path, data FROM drumline_writes WHERE scope = ({_SCOPE}) AND checkpoint = ?"
)


def fill(row: CheckpointRow) -> Script[Found]:
    """A checkpoint row with all that belongs to it."""
    place = row.thread, row.ns
    parts: list[tuple[str, tuple[Any, ...]]] = [(_NEWEST, place), (_WRITES, (*place, packed(row.id)))]
    for channel, cell in row.cells.items():
        if type(cell) is Kept:
            parts.append((_VALUES, (*place, channel, packed(cell.base), packed(cell.made))))
    found = Found(row, row.id)
    left = iter(parts)
    while some := list(islice(left, _PARTS_MAX)):
        rows = yield " UNION ALL ".join(sql for sql, _ in some), [value for _, values in some for value in values]
        for kind, first, second, index, third, data in rows:
            if kind == 0:
                found.newest = row.id if first is None else unpacked(first)
            elif kind == 1:
                value = ValueRow(row.thread, row.ns, first, unpacked(second), unpacked(third), data)
                found.values.append(value)
            else:
                found.written.append(Written(unpacked(first), third, Slot(index, second, data)))
    return found


# -- threads as a whole -------------------------------------------------------------------------------


def delete(thread: str) -> Script[None]:
    """Leave nothing of a thread."""
    for table in _TABLES:
        yield f"DELETE FROM {table} WHERE scope IN (SELECT scope FROM drumline_scopes WHERE thread = ?)", (thread,)
    yield "DELETE FROM drumline_scopes WHERE thread = ?", (thread,)


def copy(source: str, target: str) -> Script[None]:
    """Put all of one thread under another id too."""
    scopes = yield "SELECT scope, ns FROM drumline_scopes WHERE thread = ?", (source,)
    for scope, ns in scopes:
        yield "INSERT OR IGNORE INTO drumline_scopes (thread, ns) VALUES (?, ?)", (target, ns)
        new = yield _SCOPE, (target, ns)
        for table, columns in zip(_TABLES, _OTHER_COLUMNS, strict=True):
            into = f"INSERT OR REPLACE INTO {table} (scope, {columns})"
            yield f"{into} SELECT ?, {columns} FROM {table} WHERE scope = ?", (new[0][0], scope)


_OTHER_COLUMNS = (
    "id, parent, graph, run, facts, metadata, cells",
    "channel, made, parent, data",
    "checkpoint, task, idx, path, channel, data",
)


def drop(runs: Sequence[str], but_newest_of: Sequence[str]) -> Script[None]:
    """Drop the checkpoints of these runs, and all but the newest of each namespace of these threads."""
    gone: dict[int, list[Any]] = {}
    for run in runs:
        for scope, id_ in (yield "SELECT scope, id FROM drumline_checkpoints WHERE run = ? AND run != ''", (run,)):
            gone.setdefault(scope, []).append(id_)
    for thread in but_newest_of:
        older = (
            f"SELECT c.scope, c.id FROM {_FROM} WHERE s.thread = ? "
            "AND c.id != (SELECT max(id) FROM drumline_checkpoints o WHERE o.scope = c.scope)"
        )
        for scope, id_ in (yield older, (thread,)):
            gone.setdefault(scope, []).append(id_)
    for scope, ids in gone.items():
        yield from _drop(scope, ids)


def _drop(scope: int, ids: Sequence[Any]) -> Script[None]:
    for id_ in ids:
        yield "DELETE FROM drumline_checkpoints WHERE scope = ? AND id = ?", (scope, id_)
        yield "DELETE FROM drumline_writes WHERE scope = ? AND checkpoint = ?", (scope, id_)
    left = yield "SELECT cells FROM drumline_checkpoints WHERE scope = ?", (scope,)
    if not left:
        for table in (*_TABLES, "drumline_scopes"):
            yield f"DELETE FROM {table} WHERE scope = ?", (scope,)
        return
    stored = yield "SELECT channel, made, parent FROM drumline_values WHERE scope = ?", (scope,)
    parents = {(channel, unpacked(made)): unpacked(parent) for channel, made, parent in stored}
    keep = needed((_decode_cells(cells) for (cells,) in left), parents)
    for channel, made in parents.keys() - keep:
        yield "DELETE FROM drumline_values WHERE scope = ? AND channel = ? AND made = ?", (scope, channel, packed(made))
