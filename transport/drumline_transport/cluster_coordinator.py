"""The coordinator's verbs on a Redis Cluster: leases, inboxes and commits of each partition at its slot.

Promises: `CoordinatorVerbs`.
"""

from __future__ import annotations

import select
import time
from functools import cached_property

from drumline_transport.broker import (
    INBOX,
    REQUESTS,
    Commit,
    CommitReply,
    InboxEntry,
    Lease,
    LeaseRow,
    LogEntry,
    Position,
    StaleTask,
)
from drumline_transport.cluster_parts import ClusterParts, Part, by_partition, named_record, sweep_parts
from drumline_transport.entries import HistoryRow, QueueRow
from drumline_transport.rows import inbox_entry
from drumline_transport.thread_verbs import PAGE_MAX
from drumline_transport.watches import SlotReader


class ClusterCoordinator(ClusterParts):
    """`CoordinatorVerbs` on a Redis Cluster. An entry's id has its partition in front (`entry_name`)."""

    @cached_property
    def _inbox_reader(self) -> SlotReader:
        return SlotReader("inbox", lambda p: self.part(p).dialer)

    # -- leases ------------------------------------------------------------------------------------

    def acquire(self, p: int, nonce: str, ttl_ms: int) -> Lease | None:
        return self.part(p).acquire(p, nonce, ttl_ms)

    def renew_leases(self, nonce: str, partitions: list[int], ttl_ms: int) -> list[bool]:
        found, _ = self.each(partitions, lambda p: self.part(p).renew_leases(nonce, [p], ttl_ms)[0])
        return [found.get(p, False) for p in partitions] if partitions else []

    def release(self, p: int, nonce: str) -> None:
        self.part(p).release(p, nonce)

    def renew_requests(self, p: int, nonce: str, epoch: int, last: str) -> bool:
        return self.part(p).renew_requests(p, nonce, epoch, last)

    def note_try(self, p: int, nonce: str, epoch: int, entry: str) -> int:
        return self.part(p).note_try(p, nonce, epoch, entry)

    def lease_owners(self) -> list[LeaseRow]:
        found, _ = self.each(range(self.partitions), lambda p: self.part(p).owners_of([p]))
        return [row for p in sorted(found) for row in found[p]]

    # -- inbox and commits -------------------------------------------------------------------------

    def read_inbox(self, after: dict[int, Position], count: int, block_ms: int) -> list[InboxEntry]:
        if not after:
            return []
        keys = self._keys
        wanted = {
            p: ([keys.requests(p), keys.inbox(p)], [position.requests, position.inbox]) for p, position in after.items()
        }
        entries: list[InboxEntry] = []
        for p, streams in self._inbox_reader.read(wanted, count, block_ms):
            for key, rows in streams:
                source = REQUESTS if key == keys.requests(p).encode() else INBOX
                entries += [inbox_entry(p, source, row_id, values) for row_id, values in rows]
        return entries

    def send_commit(self, commit: Commit) -> None:
        self.part(commit.partition).send_commit(commit)

    def poll_commits(self, block_ms: int = 0) -> list[CommitReply]:
        deadline = time.monotonic() + block_ms / 1000
        while True:
            replies: list[CommitReply] = []
            for part in self._sending():
                replies += part.poll_commits()
            sending = self._sending()
            if replies or not sending or time.monotonic() >= deadline or self._closed:
                return replies
            until, poller = deadline, select.poll()
            for part in sending:
                connection, retry_at = part._commits.awaits()
                if connection is None:
                    until = min(until, retry_at)
                elif connection.fileno() >= 0:
                    poller.register(connection.fileno(), select.POLLIN)
            poller.poll(max(1.0, (until - time.monotonic()) * 1000))

    def _sending(self) -> list[Part]:
        return [part for part in list(self._parts.values()) if part.outstanding]

    @property
    def stalled(self) -> str:
        return next((part.stalled for part in self._sending() if part.stalled), "")

    @property
    def outstanding(self) -> int:
        """Those of partitions whose node is away are not counted: nobody can wait for them without leaving the others
        alone, and when it is back the fence decides about them.
        """
        return sum(part.outstanding for part in self._sending() if not part.stalled)

    # -- runs --------------------------------------------------------------------------------------

    def load_run(self, p: int, run_id: str) -> dict[str, bytes]:
        return named_record(p, self.part(p).load_run(p, run_id))

    def load_log(self, p: int, run_id: str, after: str = "-") -> list[LogEntry]:
        return self.part(p).load_log(p, run_id, after)

    def load_thread(self, p: int, thread: str) -> dict[str, bytes]:
        return self.part(p).load_thread(p, thread)

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
        return self.part(p).read_history(p, thread, oldest, newest, count=count, backwards=backwards)

    def read_queue(self, p: int, after: str = "-", count: int = PAGE_MAX) -> list[QueueRow]:
        return self.part(p).read_queue(p, after, count)

    def list_threads(self, p: int, start: int, count: int) -> list[tuple[str, int]]:
        return self.part(p).list_threads(p, start, count)

    def runs_of_thread(self, p: int, thread: str) -> list[tuple[str, int]]:
        return self.part(p).runs_of_thread(p, thread)

    def open_runs(self, p: int) -> list[str]:
        return self.part(p).open_runs(p)

    def waiting_runs(self, p: int) -> list[str]:
        return self.part(p).waiting_runs(p)

    def due_timers(self, p: int, limit: int) -> list[str]:
        return self.part(p).due_timers(p, limit)

    def next_timer(self, p: int) -> tuple[int, int | None]:
        return self.part(p).next_timer(p)

    # -- pools -------------------------------------------------------------------------------------

    def ensure_pool(self, pool: str) -> None:
        self.each(range(self.partitions), lambda p: self.part(p).ensure_pool(pool))

    def stale_tasks(self, pool: str, idle_ms: int, cursor: str, count: int) -> tuple[list[StaleTask], str]:
        def look(p: int, inner: str, left: int) -> tuple[list[StaleTask], str]:
            return self.part(p).stale_tasks(pool, idle_ms, inner, left)

        return sweep_parts(self.partitions, cursor, count, look)

    def drop_tasks(self, pool: str, entry_ids: list[str]) -> None:
        for p, entries in by_partition((pool, name) for name in entry_ids).items():
            self.part(p).drop_tasks(pool, [entry_id for _, entry_id in entries])
