"""The double: the verbs and promises of `broker.py` without a server, for tests and the simulator.

Single-threaded and deterministic: no clock, no randomness, no waiting. The owner of a `MemoryServer` moves its clock
(`now_ms`), restarts it (`restart`), or lets it refuse writes (`refusing`). `block_ms` is ignored: what is not there is
not waited for. The same contract suite runs on it and on real servers.
"""

from __future__ import annotations

from collections import deque

from drumline_protocol.errors import NoBroker
from drumline_protocol.limits import INBOX_BYTES_MAX, PRESENCE_AHEAD_MS_MAX
from drumline_transport.broker import (
    INBOX,
    REQUESTS,
    START_POSITION,
    SWEEP_START,
    Broker,
    Commit,
    CommitReply,
    Delivery,
    InboxEntry,
    Kind,
    Lease,
    LeaseRow,
    LogEntry,
    Position,
    Source,
    StaleTask,
)
from drumline_transport.errors import BrokerRefuses
from drumline_transport.memory_assistants import MemoryAssistants
from drumline_transport.memory_dead import MemoryDead
from drumline_transport.memory_keeper import MemoryKeeper
from drumline_transport.memory_readers import MemoryAsyncLogReader, MemoryLogReader, MemoryLogsReader, log_entries_of
from drumline_transport.memory_server import MEMBER_FORGET_MS, MemoryServer
from drumline_transport.memory_streams import (
    Stream,
    TaskStream,
    format_id,
    parse_id,
)
from drumline_transport.memory_threads import MemoryThreads
from drumline_transport.memory_values import MemoryValues

__all__ = ["MemoryAsyncLogReader", "MemoryBroker", "MemoryLogReader", "MemoryServer"]


class MemoryBroker(MemoryThreads, MemoryValues, MemoryKeeper, MemoryDead, MemoryAssistants):
    """All verbs on a `MemoryServer`. Any number of brokers may share one."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server
        self.partitions = len(server.partitions)
        self.protocol = server.protocol
        self._replies: deque[CommitReply] = deque()
        self._waiting: deque[Commit] = deque()
        self._turn = 0
        self._closed = False

    def _reach(self, *, write: bool = False) -> MemoryServer:
        if self._closed:
            raise NoBroker("memory://", "this broker object was closed")
        if write and self.server.refusing:
            raise BrokerRefuses("memory://", self.server.refusing)
        return self.server

    # -- common ----------------------------------------------------------------------------------

    def server_id(self, p: int) -> str:  # noqa: ARG002 - one server holds them all
        return self.server.run_id

    def raise_protocol(self, version: int) -> None:
        self._reach(write=True).protocol = version

    def time_ms(self) -> int:
        return self._reach().now_ms

    def beat(self, kind: Kind, name: str, info: bytes) -> None:
        server = self._reach(write=True)
        server.members[kind][name] = (info, server.now_ms)

    def leave(self, kind: Kind, name: str) -> None:
        self._reach().members[kind].pop(name, None)

    def members(self, kind: Kind) -> dict[str, tuple[bytes, int]]:
        server = self._reach()
        rows = server.members[kind]
        ages = {name: server.now_ms - at for name, (_, at) in rows.items()}
        for name in [name for name, age in ages.items() if not -PRESENCE_AHEAD_MS_MAX <= age <= MEMBER_FORGET_MS]:
            del rows[name]
        return {name: (info, max(0, ages[name])) for name, (info, _) in rows.items()}

    def put_graph(self, name: str, data: bytes) -> None:
        self._reach(write=True).graphs[name] = data

    def graphs(self) -> dict[str, bytes]:
        return dict(self._reach().graphs)

    def queue_depths(self, pools: list[str]) -> dict[str, tuple[int, int]]:
        depths = {}
        for pool in pools:
            tasks = self._reach().tasks.get(pool) or TaskStream()
            depths[pool] = (max(0, len(tasks.stream) - len(tasks.pending)), len(tasks.pending))
        return depths

    def push_inbox(self, p: int, run_id: str, data: bytes) -> None:
        server = self._reach(write=True)
        inbox = server.partition(p).inbox
        inbox.append(inbox.next_id(server.now_ms), (run_id, data))

    def close(self) -> None:
        self._closed = True

    # -- coordinator -----------------------------------------------------------------------------

    def acquire(self, p: int, nonce: str, ttl_ms: int) -> Lease | None:
        server = self._reach(write=True)
        now, lease = server.now_ms, server.partition(p).lease
        if lease.owner not in ("", nonce) and lease.until_ms > now:
            return None
        lease.owner, lease.until_ms = nonce, now + ttl_ms
        lease.epoch, lease.commit = max(lease.epoch + 1, now), 0
        return Lease(p, nonce, lease.epoch, 0, lease.position, lease.tries, server.run_id)

    def renew_leases(self, nonce: str, partitions: list[int], ttl_ms: int) -> list[bool]:
        server = self._reach(write=True)
        held = []
        for p in partitions:
            lease = server.partition(p).lease
            held.append(lease.owner == nonce)
            if held[-1]:
                lease.until_ms = server.now_ms + ttl_ms
        return held

    def release(self, p: int, nonce: str) -> None:
        lease = self._reach(write=True).partition(p).lease
        if lease.owner == nonce:
            lease.owner, lease.until_ms = "", 0

    def lease_owners(self) -> list[LeaseRow]:
        server = self._reach()
        return [
            LeaseRow(
                partition=p,
                owner=lease.owner,
                epoch=lease.epoch,
                commit=lease.commit,
                position=lease.position,
                remaining_ms=lease.until_ms - server.now_ms,
                tries=lease.tries,
            )
            for p, lease in enumerate(part.lease for part in server.partitions)
            if lease.epoch
        ]

    def renew_requests(self, p: int, nonce: str, epoch: int, last: str) -> bool:
        part = self._reach(write=True).partition(p)
        lease, requests = part.lease, part.requests
        if (lease.owner, lease.epoch) != (nonce, epoch) or (len(requests) and requests.last > parse_id(last)):
            return False
        part.requests = Stream()
        lease.position = Position(lease.position.inbox)
        return True

    def note_try(self, p: int, nonce: str, epoch: int, entry: str) -> int:
        lease = self._reach(write=True).partition(p).lease
        if lease.owner != nonce or lease.epoch != epoch:
            return 0
        if lease.tried != entry:
            lease.tried, lease.tries = entry, 0
        lease.tries += 1
        return lease.tries

    def read_inbox(self, after: dict[int, Position], count: int, block_ms: int) -> list[InboxEntry]:  # noqa: ARG002
        server = self._reach()
        entries = []
        for p, position in after.items():
            part = server.partition(p)
            streams: tuple[tuple[Source, str, Stream[tuple[str, bytes]]], ...] = (
                (REQUESTS, position.requests, part.requests),
                (INBOX, position.inbox, part.inbox),
            )
            for source, behind, stream in streams:
                entries += [
                    InboxEntry(p, format_id(entry_id), data, run_id, source)
                    for entry_id, (run_id, data) in stream.after(parse_id(behind), count)
                ]
        return entries

    def send_commit(self, commit: Commit) -> None:
        self._reach()
        self._waiting.append(commit)
        self._apply_waiting()

    def _apply_waiting(self) -> None:
        while self._waiting and not self.server.refusing:
            self._replies.append(self.server.commit(self._waiting.popleft()))

    def poll_commits(self, block_ms: int = 0) -> list[CommitReply]:  # noqa: ARG002
        self._apply_waiting()
        replies = list(self._replies)
        self._replies.clear()
        return replies

    @property
    def stalled(self) -> str:
        return f"commits wait: {self.server.refusing}" if self._waiting else ""

    @property
    def outstanding(self) -> int:
        return len(self._waiting) + len(self._replies)

    def load_run(self, p: int, run_id: str) -> dict[str, bytes]:
        return dict(self._reach().partition(p).runs.get(run_id, {}))

    def load_log(self, p: int, run_id: str, after: str = "-") -> list[LogEntry]:
        stream = self._reach().partition(p).logs.get(run_id)
        return log_entries_of(stream, after, None)

    def open_runs(self, p: int) -> list[str]:
        return sorted(self._reach().partition(p).open)

    def due_timers(self, p: int, limit: int) -> list[str]:
        server = self._reach()
        timers = server.partition(p).timers
        due = sorted((at, member) for member, at in timers.items() if at <= server.now_ms)
        return [member for _, member in due[:limit]]

    def next_timer(self, p: int) -> tuple[int, int | None]:
        server = self._reach()
        now = server.now_ms
        return now, min((at for at in server.partition(p).timers.values() if at > now), default=None)

    def ensure_pool(self, pool: str) -> None:
        self._reach(write=True).pool(pool)

    def stale_tasks(self, pool: str, idle_ms: int, cursor: str, count: int) -> tuple[list[StaleTask], str]:
        server = self._reach()
        tasks = server.pool(pool)
        after = parse_id(cursor.removeprefix("("))
        stale: list[StaleTask] = []
        for entry_id in sorted(tasks.pending):
            row = tasks.pending[entry_id]
            idle = server.now_ms - row.since_ms
            if entry_id > after and idle >= idle_ms:
                data = tasks.stream.get(entry_id)
                stale.append(StaleTask(format_id(entry_id), row.consumer, idle, data))
                if len(stale) == count:
                    return stale, f"({stale[-1].id}"
        return stale, SWEEP_START

    def drop_tasks(self, pool: str, entry_ids: list[str]) -> None:
        tasks = self._reach(write=True).pool(pool)
        for entry_id in entry_ids:
            tasks.drop(parse_id(entry_id))

    # -- worker ----------------------------------------------------------------------------------

    def take(self, pools: list[str], consumer: str, count: int, block_ms: int) -> list[Delivery]:  # noqa: ARG002
        server = self._reach(write=True)
        if not pools or count < 1:
            return []
        each = max(1, count // len(pools))
        if count < len(pools):
            self._turn = (self._turn + 1) % len(pools)
            pools = pools[self._turn :] + pools[: self._turn]
        taken: list[Delivery] = []
        for pool in pools:
            room = min(each, count - len(taken))
            rows = server.pool(pool).deliver(consumer, room, server.now_ms) if room else []
            taken += [Delivery(pool, format_id(entry_id), data) for entry_id, data in rows]
        return taken

    def publish(self, entries: list[tuple[int, str, bytes]], done: list[tuple[str, str]]) -> None:
        server = self._reach(write=True)
        for p in {p for p, _, _ in entries}:
            size = server.partition(p).inbox_bytes
            if size > INBOX_BYTES_MAX:
                raise BrokerRefuses("memory://", f"INBOXFULL inbox {p} holds {size} bytes")
        for p, run_id, data in entries:
            self.push_inbox(p, run_id, data)
        for pool, entry_id in done:
            server.pool(pool).drop(parse_id(entry_id))

    def renew(self, consumer: str, entries: list[tuple[str, str]]) -> set[tuple[str, str]]:
        server = self._reach()
        owned: set[tuple[str, str]] = set()
        for pool, entry in entries:
            tasks, entry_id = server.pool(pool), parse_id(entry)
            row = tasks.pending.get(entry_id)
            if row and row.consumer == consumer and tasks.stream.get(entry_id) is not None:
                row.since_ms = server.now_ms
                owned.add((pool, entry))
        return owned

    def renew_all(self, consumer: str, pools: list[str]) -> int:
        server = self._reach()
        owned = [
            (pool, format_id(entry_id))
            for pool in pools
            for entry_id, row in server.pool(pool).pending.items()
            if row.consumer == consumer
        ]
        return len(self.renew(consumer, owned))

    def last_ctl(self) -> str:
        ctl = self._reach().ctl
        return format_id(ctl.last) if len(ctl) else START_POSITION

    def read_ctl(self, after: str, block_ms: int) -> list[tuple[str, bytes]]:  # noqa: ARG002
        rows = self._reach().ctl.after(parse_id(after))
        return [(format_id(entry_id), data) for entry_id, data in rows]

    # -- client ----------------------------------------------------------------------------------

    def submit(self, p: int, run_id: str, data: bytes) -> None:
        server = self._reach(write=True)
        requests = server.partition(p).requests
        requests.append(requests.next_id(server.now_ms), (run_id, data))

    def log_reader(self, p: int, run_id: str) -> MemoryLogReader:
        return MemoryLogReader(self, p, run_id)

    def alog_reader(self, p: int, run_id: str) -> MemoryAsyncLogReader:
        return MemoryAsyncLogReader(self, p, run_id)

    def logs_reader(self) -> MemoryLogsReader:
        return MemoryLogsReader(self)


def _conforms(broker: MemoryBroker) -> Broker:
    return broker  # checked by mypy
