"""What the double does with cells and blobs: the twin of those parts of `commit.lua`, and the verbs that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from drumline_protocol.cells import CellRow
from drumline_protocol.keys import thread_of_owner
from drumline_protocol.limits import BLOB_UNNAMED_TTL_S
from drumline_transport.entries import CellRead, Commit
from drumline_transport.memory_streams import Stream

if TYPE_CHECKING:
    from drumline_transport.memory_server import MemoryServer, Partition

    class _Double(Protocol):
        def _reach(self, *, write: bool = False) -> MemoryServer: ...
else:
    _Double = object

#: a cell among those of a partition: its owner and its name
Cell = tuple[str, str]


def refuse_cells(part: Partition, commit: Commit) -> str:
    """Why the versions of cells in a commit cannot be appended; "" if they can."""
    for new in commit.cells:
        known = part.cells.get((new.run_id, new.cell))
        if new.parent and known is not None and known.last >= (new.version, 0):
            return f"the cell {new.cell} already holds {known.last[0]}-0, so {new.version}-0 cannot be appended"
    return ""


def append_cells(part: Partition, commit: Commit) -> None:
    """The versions of cells."""
    for new in commit.cells:
        stream = part.cells.setdefault((new.run_id, new.cell), Stream())
        if not new.parent and stream.last >= (new.version, 0):  # left by a run whose record was deleted by hand
            stream = part.cells[new.run_id, new.cell] = Stream()
        stream.append((new.version, 0), (new.parent, new.data))
        record_of(part, new.run_id)["c:" + new.cell] = b""


def write_values(part: Partition, commit: Commit, now_ms: int) -> None:
    """What else a commit does with cells and blobs."""
    for blob in commit.blobs:
        put_blob(part, blob.blob_id, blob.data, now_ms, blob.ttl_s)
        record_of(part, blob.run_id)["b:" + blob.blob_id] = b""
    for run_id, blob_id in commit.blobs_kept:
        part.expiry.pop(("blob", blob_id), None)
        record_of(part, run_id)["b:" + blob_id] = b""
    for run_id, cell, lowest in commit.cells_trimmed:
        stream = part.cells.get((run_id, cell))
        if stream is not None:
            stream.trim((lowest - 1, 2**63))
        if not stream:
            _drop(part, run_id, "c:" + cell)
    for run_id, cell in commit.cells_dropped:
        _drop(part, run_id, "c:" + cell)
    for run_id, blob_id in commit.blobs_dropped:
        _drop(part, run_id, "b:" + blob_id)


def expire_values(part: Partition, run_id: str, until_ms: int) -> None:
    """All that the record of a run names is to vanish then."""
    for name in part.runs.get(run_id, {}):
        if name.startswith("c:"):
            part.expiry[("cell", (run_id, name[2:]))] = until_ms
        elif name.startswith("b:") and name[2:] in part.blobs:
            part.expiry[("blob", name[2:])] = until_ms


def delete_values(part: Partition, run_id: str) -> None:
    """All that the record of a run, or the values of a thread, name vanishes."""
    thread = thread_of_owner(run_id)
    record = part.runs.get(run_id, {}) if thread is None else part.values.get(thread, {})
    for name in [name for name in record if name.startswith(("c:", "b:"))]:
        _drop(part, run_id, name)


def put_blob(part: Partition, blob_id: str, data: bytes, now_ms: int, ttl_s: int) -> None:
    """Keep a large value."""
    part.blobs[blob_id] = data
    part.expiry.pop(("blob", blob_id), None)
    if ttl_s:
        part.expiry[("blob", blob_id)] = now_ms + ttl_s * 1000


def _drop(part: Partition, run_id: str, name: str) -> None:
    """A cell (`c:<cell>`) or a blob (`b:<id>`) and its name in the record of its run."""
    if name.startswith("c:"):
        part.cells.pop((run_id, name[2:]), None)
        part.expiry.pop(("cell", (run_id, name[2:])), None)
    else:
        part.blobs.pop(name[2:], None)
        part.expiry.pop(("blob", name[2:]), None)
    thread = thread_of_owner(run_id)
    records, key = (part.runs, run_id) if thread is None else (part.values, thread)
    record = records.get(key)
    if record is not None:
        record.pop(name, None)
        if not record:
            del records[key]


def record_of(part: Partition, owner: str) -> dict[str, bytes]:
    """What names the cells and blobs of their owner: a run's record, or the values of a thread."""
    thread = thread_of_owner(owner)
    return part.runs.setdefault(owner, {}) if thread is None else part.values.setdefault(thread, {})


class MemoryValues(_Double):
    """Putting and reading large values."""

    def put_blobs(self, blobs: list[tuple[int, str, bytes]]) -> None:
        server = self._reach(write=True)
        for p, blob_id, data in blobs:
            part = server.partition(p)
            if blob_id not in part.blobs:
                put_blob(part, blob_id, data, server.now_ms, BLOB_UNNAMED_TTL_S)

    def read_values(
        self, p: int, cells: list[CellRead], blobs: list[str]
    ) -> tuple[list[list[CellRow]], list[bytes | None]]:
        part = self._reach().partition(p)
        found = [_rows(part.cells.get((owner, cell)), after, upto) for owner, cell, after, upto in cells]
        return found, [part.blobs.get(blob_id) for blob_id in blobs]

    def waiting_runs(self, p: int) -> list[str]:
        return sorted(self._reach().partition(p).waiting)


def _rows(stream: Stream[tuple[int, bytes]] | None, after: int, upto: int) -> list[CellRow]:
    if stream is None:
        return []
    return [CellRow(number, *row) for (number, _), row in stream.after((after, 0)) if number <= upto]
