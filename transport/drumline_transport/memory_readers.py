"""Readers of run logs in the double."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumline_transport.entries import LogEntry
from drumline_transport.memory_streams import EntryId, Stream, format_id, parse_id

if TYPE_CHECKING:
    from drumline_transport.memory import MemoryBroker


def log_entries_of(stream: Stream[tuple[int, bytes]] | None, after: str, count: int | None) -> list[LogEntry]:
    """Up to `count` entries of a log behind the id `after`."""
    if stream is None:
        return []
    rows: list[tuple[EntryId, tuple[int, bytes]]] = stream.after(parse_id(after), count)
    return [LogEntry(format_id(entry_id), first, data) for entry_id, (first, data) in rows]


class MemoryLogReader:
    """`LogReader` of the double: never waits."""

    def __init__(self, broker: MemoryBroker, p: int, run_id: str) -> None:
        self._broker, self._p, self._run_id = broker, p, run_id

    def _stream(self) -> Stream[tuple[int, bytes]] | None:
        return self._broker._reach().partition(self._p).logs.get(self._run_id)

    def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:  # noqa: ARG002
        return log_entries_of(self._stream(), after, count)

    def exists(self) -> bool:
        return self._stream() is not None

    def close(self) -> None:
        pass


class MemoryAsyncLogReader:
    """`AsyncLogReader` of the double: never waits."""

    def __init__(self, broker: MemoryBroker, p: int, run_id: str) -> None:
        self._reader = MemoryLogReader(broker, p, run_id)

    async def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        return self._reader.read(after, count, block_ms)

    async def exists(self) -> bool:
        return self._reader.exists()

    async def close(self) -> None:
        pass

    def release(self) -> None:
        pass


class MemoryLogsReader:
    """`LogsReader` of the double: never waits."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._after: dict[tuple[int, str], str] = {}

    def follow(self, p: int, run_id: str, after: str) -> None:
        self._after[p, run_id] = after

    def leave(self, p: int, run_id: str) -> None:
        self._after.pop((p, run_id), None)

    def read(self, count: int, block_ms: int) -> list[tuple[int, str, list[LogEntry]]]:
        found: list[tuple[int, str, list[LogEntry]]] = []
        for (p, run_id), after in list(self._after.items()):
            entries = MemoryLogReader(self._broker, p, run_id).read(after, count, block_ms)
            if entries:
                self._after[p, run_id] = entries[-1].id
                found.append((p, run_id, entries))
        return found

    def close(self) -> None:
        self._after.clear()
