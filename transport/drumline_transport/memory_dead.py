"""The verbs of the double about what is kept for an operator. Promises: `ClientVerbs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from drumline_transport.broker import REQUESTS
from drumline_transport.dead import DeadEntry, FailedRun
from drumline_transport.measures import Measures, PartitionMeasure, PoolMeasure
from drumline_transport.memory_streams import ZERO, TaskStream, format_id, parse_id

if TYPE_CHECKING:
    from drumline_transport.memory import MemoryServer

    class _Double(Protocol):
        def _reach(self, *, write: bool = False) -> MemoryServer: ...
        def submit(self, p: int, run_id: str, data: bytes) -> None: ...
        def push_inbox(self, p: int, run_id: str, data: bytes) -> None: ...
else:
    _Double = object


class MemoryDead(_Double):
    """Entries that were set aside, and runs that failed lately."""

    def dead(self, p: int, count: int, newest: str = "+") -> list[tuple[str, DeadEntry]]:
        rows = self._reach().partition(p).dead.after(ZERO)
        if newest != "+":
            rows = [(entry_id, entry) for entry_id, entry in rows if entry_id <= parse_id(newest)]
        return [(format_id(entry_id), entry) for entry_id, entry in reversed(rows)][:count]

    def put_back(self, p: int, entry: DeadEntry) -> None:
        server, pool = self._reach(write=True), entry.pool_to_return_to()
        if pool is not None:
            tasks = server.pool(pool).stream
            tasks.append(tasks.next_id(server.now_ms), entry.data)
        elif entry.source == REQUESTS:
            self.submit(p, entry.run, entry.data)
        else:
            self.push_inbox(p, entry.run, entry.data)

    def drop_dead(self, p: int, ids: list[str]) -> None:
        dead = self._reach(write=True).partition(p).dead
        for entry_id in ids:
            dead.delete(parse_id(entry_id))

    def measure(self, pools: list[str]) -> Measures:
        server, found = self._reach(), Measures()
        for p, rows in enumerate(server.partitions):
            held = bool(rows.lease.owner) and rows.lease.until_ms > server.now_ms
            inbox = len(rows.inbox) + len(rows.requests)
            found.partitions[p] = PartitionMeasure(held, inbox, len(rows.open), len(rows.waiting), len(rows.dead))
        for pool in pools:
            tasks = server.tasks.get(pool) or TaskStream()
            row = PoolMeasure(max(0, len(tasks.stream) - len(tasks.pending)), len(tasks.pending))
            for (came_ms, _), _data in tasks.stream.after(tasks.delivered, 1):
                row.oldest_wait_ms = max(0, server.now_ms - came_ms)
            found.pools[pool] = row
        return found

    def failed(self, p: int, count: int) -> list[FailedRun]:
        rows = self._reach().partition(p).failed.after(ZERO)
        return [run for _, run in reversed(rows)][:count]
