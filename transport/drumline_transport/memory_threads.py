"""What the double does with threads: the twin of those parts of `commit.lua`, and the verbs that look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from drumline_protocol.keys import owner_of_thread
from drumline_protocol.limits import LOG_TTL_S
from drumline_transport.entries import Commit, HistoryRow, QueueRow
from drumline_transport.memory_streams import ZERO, Stream, parse_id
from drumline_transport.memory_values import delete_values
from drumline_transport.thread_verbs import PAGE_MAX

if TYPE_CHECKING:
    from drumline_transport.memory_server import MemoryServer, Partition

    class _Double(Protocol):
        def _reach(self, *, write: bool = False) -> MemoryServer: ...
else:
    _Double = object

_NEVER = float("inf")


def to_bytes(value: str | bytes | int) -> bytes:
    """A value as Redis keeps it."""
    return value if isinstance(value, bytes) else str(value).encode()


def refuse_entries(part: Partition, commit: Commit) -> str:
    """Why rows of a history or of the queue cannot be appended; "" if they can."""
    new = [(part.histories.get(thread), row.id) for thread, row in commit.history]
    for stream, id_ in [*new, *((part.queue, row.id) for row in commit.queued)]:
        if stream is not None and len(stream) and stream.after((parse_id(id_)[0], parse_id(id_)[1] - 1), 1):
            return f"a stream of a thread holds rows behind {id_}, so that cannot be appended"
    return ""


def append_entries(part: Partition, commit: Commit) -> None:
    """The rows of histories and of the queue."""
    for thread, row in commit.history:
        _append(part.histories.setdefault(thread, Stream()), row.id, row)
    for queued in commit.queued:
        _append(part.queue, queued.id, queued)


def _append(stream: Stream[HistoryRow] | Stream[QueueRow], id_: str, row: HistoryRow | QueueRow) -> None:
    if stream.last >= parse_id(id_):  # what had that id was taken out again
        rows = stream.after(ZERO)
        stream.last = rows[-1][0] if rows else ZERO
    stream.append(parse_id(id_), row)  # type: ignore[arg-type]


def write_threads(part: Partition, commit: Commit) -> None:
    """What else a commit does with threads."""
    for id_ in commit.unqueued:
        part.queue.delete(parse_id(id_))
    for thread, after in commit.history_cut:
        history = part.histories.get(thread, Stream())
        for entry_id, _ in history.after(parse_id(after)):
            history.delete(entry_id)
    for thread, row in commit.history_dropped:
        part.histories.get(thread, Stream()).delete(parse_id(row))
    for thread, at_ms, values in commit.threads:
        part.threads.setdefault(thread, {}).update({name: to_bytes(value) for name, value in values.items()})
        if at_ms:
            part.changed[thread] = at_ms
    for thread, run_id, ended_ms in commit.thread_runs:
        runs = part.thread_runs.setdefault(thread, {})
        runs[run_id] = ended_ms or _NEVER
        if ended_ms:
            for run in [run for run, ended in runs.items() if ended <= ended_ms - LOG_TTL_S * 1000]:
                del runs[run]
    for thread in commit.threads_deleted:
        _delete(part, thread)


def _delete(part: Partition, thread: str) -> None:
    for run in part.thread_runs.pop(thread, {}):
        part.runs.pop(run, None)
        part.logs.pop(run, None)
        for kind in ("run", "log"):
            part.expiry.pop((kind, run), None)
        part.open.discard(run)
        part.waiting.discard(run)
    delete_values(part, owner_of_thread(thread))
    part.threads.pop(thread, None)
    part.histories.pop(thread, None)
    part.values.pop(thread, None)
    part.changed.pop(thread, None)


class MemoryThreads(_Double):
    """Looking at threads."""

    def load_thread(self, p: int, thread: str) -> dict[str, bytes]:
        return dict(self._reach().partition(p).threads.get(thread, {}))

    def read_history(
        self,
        p: int,
        thread: str,
        oldest: str = "-",
        newest: str = "+",
        count: int = PAGE_MAX,
        *,
        backwards: bool = False,
    ) -> list[HistoryRow]:
        stream = self._reach().partition(p).histories.get(thread)
        rows = [] if stream is None else [(at, row) for at, row in stream.after(ZERO) if _within(at, oldest, newest)]
        if backwards:
            rows.reverse()
        return [row for _, row in rows[:count]]

    def read_queue(self, p: int, after: str = "-", count: int = PAGE_MAX) -> list[QueueRow]:
        return [row for _, row in self._reach().partition(p).queue.after(parse_id(after), count)]

    def list_threads(self, p: int, start: int, count: int) -> list[tuple[str, int]]:
        changed = self._reach().partition(p).changed
        rows = sorted(changed.items(), key=lambda row: (row[1], row[0]), reverse=True)
        return rows[start : start + count]

    def runs_of_thread(self, p: int, thread: str) -> list[tuple[str, int]]:
        runs = self._reach().partition(p).thread_runs.get(thread, {})
        return [(run, 0 if ended == _NEVER else int(ended)) for run, ended in runs.items()]


def _within(at: tuple[int, int], oldest: str, newest: str) -> bool:
    low, high = parse_id(oldest.lstrip("(")), parse_id(newest.lstrip("(")) if newest != "+" else (2**64, 0)
    return (low < at if oldest.startswith("(") else low <= at) and (at < high if newest.startswith("(") else at <= high)
