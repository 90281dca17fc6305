"""Rows of streams as Redis returns them, as the entries that they are. Pure.

Somebody else may have written them: a row of another form gives an entry without data, which no decoder accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drumline_protocol.cells import CellRow
from drumline_protocol.packed_rows import packed_id, unpacked_id
from drumline_transport.broker import Delivery, InboxEntry, LogEntry, Source
from drumline_transport.dead import DeadEntry, FailedRun
from drumline_transport.entries import HistoryRow, QueueRow
from drumline_transport.errors import ServerError

if TYPE_CHECKING:
    from drumline_transport.connection import Argument, Reply


def fields(values: Sequence[bytes] | None) -> dict[bytes, bytes]:
    """The fields of an entry; empty for one that was deleted."""
    pairs = iter(values or ())
    return dict(zip(pairs, pairs, strict=False))


def text(value: bytes) -> str:
    """Text of an entry, whoever wrote it."""
    return value.decode("utf-8", "replace")


def inbox_entry(partition: int, source: Source, row_id: bytes, values: Sequence[bytes]) -> InboxEntry:
    """An entry of one of the two streams of an inbox: `[b"r", run id, b"d", data]`."""
    if len(values) == 4 and values[0] == b"r" and values[2] == b"d":
        return InboxEntry(partition, row_id.decode(), values[3], text(values[1]), source)
    return InboxEntry(partition, row_id.decode(), b"", text(fields(values).get(b"r", b"")), source)


def delivery(pool: str, row_id: bytes, values: Sequence[bytes] | None) -> Delivery:
    """An entry of a task stream: `[b"d", data]`."""
    return Delivery(pool, row_id.decode(), data_of(values))


def data_of(values: Sequence[bytes] | None) -> bytes:
    """The payload of an entry `[b"d", data]`."""
    if values and len(values) >= 2 and values[0] == b"d":
        return values[1]
    return b""


def log_entries(rows: Reply) -> list[LogEntry]:
    """Log entries from `[[id, [b"f", first, b"d", data]], ...]`."""
    return [_log_entry(row_id, values) for row_id, values in rows]


def _log_entry(row_id: bytes, values: Sequence[bytes]) -> LogEntry:
    if len(values) == 4 and values[0] == b"f" and values[1].isdigit():
        return LogEntry(row_id.decode(), int(values[1]), values[3])
    return LogEntry(row_id.decode(), 0, b"")


def cell_rows(rows: Reply) -> list[CellRow]:
    """Versions of a cell from `[[id, [b"p", parent, b"d", data]], ...]`; those of another form are left out."""
    if isinstance(rows, ServerError):
        return []
    found = []
    for row_id, values in rows:
        version, _, rest = row_id.partition(b"-")
        if rest == b"0" and len(values) == 4 and values[0] == b"p" and values[1].isdigit() and values[2] == b"d":
            found.append(CellRow(int(version), int(values[1]), values[3]))
    return found


def history_data(row: HistoryRow) -> bytes:
    """A row of a history as one value: its kind, its checkpoint and its namespace, each with its length, and its data.

    The checkpoint has an id of 36 characters, of which 16 bytes are kept. ValueError for texts that are too long.
    """
    found = bytearray()
    for part in (row.kind, packed_id(row.checkpoint), row.ns):
        data = part.encode() if isinstance(part, str) else part
        # Bytes that are no text are told by the bit above their length.
        size = len(data) << 1 | (part is data)
        if size >= 1 << 16:
            raise ValueError(f"a row of a history says {len(data)} bytes of its place")
        found += size.to_bytes(2, "big") + data
    return bytes(found) + row.data


def history_rows(rows: Reply) -> list[HistoryRow]:
    """Rows of a history from `[[id, [b"d", value]], ...]`; see `history_data`."""
    return [_history_row(row_id.decode(), data_of(values)) for row_id, values in rows]


def _history_row(id_: str, value: bytes) -> HistoryRow:
    parts: list[str] = []
    at = 0
    for _ in range(3):
        size = int.from_bytes(value[at : at + 2], "big")
        end = at + 2 + (size >> 1)
        if end > len(value):
            return HistoryRow(id_, "", "", "", b"")
        part = value[at + 2 : end]
        parts.append(unpacked_id(part) if size & 1 else text(part))
        at = end
    kind, checkpoint, ns = parts
    return HistoryRow(id_, kind, ns, checkpoint, value[at:])


def queue_rows(rows: Reply) -> list[QueueRow]:
    """Requests that wait, from `[[id, [b"t", thread, b"r", run id, b"s", strategy, b"d", data]], ...]`."""
    found = [(row_id.decode(), fields(values)) for row_id, values in rows]
    return [
        QueueRow(id_, _word(row, b"t"), _word(row, b"r"), _word(row, b"s"), row.get(b"d", b"")) for id_, row in found
    ]


def _word(row: dict[bytes, bytes], name: bytes) -> str:
    return text(row.get(name, b""))


def dead_words(entry: DeadEntry) -> list[Argument]:
    """The fields of a note of the dead stream. A large payload is cut, and the note says how large it was."""
    kept = entry.as_kept()
    return ["s", kept.source, "i", kept.id, "r", kept.run, "w", kept.reason, "n", kept.whole_bytes, "d", kept.data]


def dead_entry(values: Sequence[bytes]) -> DeadEntry:
    """A note of the dead stream."""
    found = fields(values)
    source, id_, run, reason, size = (text(found.get(name, b"")) for name in (b"s", b"i", b"r", b"w", b"n"))
    whole = int(size) if size.isascii() and size.isdigit() and len(size) <= 15 else 0
    return DeadEntry(source, id_, run, reason, found.get(b"d", b""), whole)


def failed_run(values: Sequence[bytes]) -> FailedRun:
    """A note of the list of failed runs."""
    found = fields(values)
    run_id, graph, error = (text(found.get(name, b"")) for name in (b"r", b"g", b"e"))
    at = found.get(b"t", b"")
    return FailedRun(run_id, graph, int(at) if at.isdigit() else 0, error)
