"""What the double holds: the data of a Redis, with a clock that its owner moves. The verbs are in `memory`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from drumline_protocol.limits import DEAD_ENTRIES_MAX, FAILED_RUNS_MAX
from drumline_protocol.wire import VERSION
from drumline_transport.broker import (
    START,
    Commit,
    CommitReply,
    Kind,
    Position,
)
from drumline_transport.dead import DeadEntry, FailedRun
from drumline_transport.entries import HistoryRow, QueueRow
from drumline_transport.memory_streams import (
    ZERO,
    Stream,
    TaskStream,
    format_id,
    parse_id,
)
from drumline_transport.memory_threads import append_entries, refuse_entries, to_bytes, write_threads
from drumline_transport.memory_values import append_cells, delete_values, expire_values, refuse_cells, write_values

T = TypeVar("T")

#: Silent members are forgotten after this long, control messages beyond this many: as on Redis.
MEMBER_FORGET_MS = 3_600_000
CTL_LENGTH_MAX = 10_000


@dataclass(slots=True)
class _LeaseRecord:
    owner: str = ""
    epoch: int = 0
    commit: int = 0
    position: Position = START
    until_ms: int = 0
    tried: str = ""
    tries: int = 0


@dataclass(slots=True)
class Partition:
    """The keys of one partition."""

    lease: _LeaseRecord = field(default_factory=_LeaseRecord)
    #: `(run id, data)`
    requests: Stream[tuple[str, bytes]] = field(default_factory=Stream)
    inbox: Stream[tuple[str, bytes]] = field(default_factory=Stream)
    dead: Stream[DeadEntry] = field(default_factory=Stream)
    failed: Stream[FailedRun] = field(default_factory=Stream)
    open: set[str] = field(default_factory=set)
    timers: dict[str, int] = field(default_factory=dict)
    runs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    logs: dict[str, Stream[tuple[int, bytes]]] = field(default_factory=dict)
    #: `(parent, data)` by owner and name of the cell
    cells: dict[tuple[str, str], Stream[tuple[int, bytes]]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    #: heads of threads, their histories, the names of their cells and blobs, their runs by when they ended
    threads: dict[str, dict[str, bytes]] = field(default_factory=dict)
    histories: dict[str, Stream[HistoryRow]] = field(default_factory=dict)
    values: dict[str, dict[str, bytes]] = field(default_factory=dict)
    thread_runs: dict[str, dict[str, float]] = field(default_factory=dict)
    #: when each thread changed
    changed: dict[str, int] = field(default_factory=dict)
    queue: Stream[QueueRow] = field(default_factory=Stream)
    #: `(kind, id) -> ms` at which a run record, log, cell or blob vanishes
    expiry: dict[tuple[str, Any], int] = field(default_factory=dict)

    @property
    def inbox_bytes(self) -> int:
        """What the inbox holds."""
        return sum(len(data) for _, (_, data) in self.inbox.after(ZERO))

    def forget_expired(self, now_ms: int) -> None:
        if not self.expiry:
            return
        kinds: dict[str, dict[Any, Any]] = {
            "run": self.runs,
            "log": self.logs,
            "cell": self.cells,
            "blob": self.blobs,
        }
        for kind, name in [key for key, at in self.expiry.items() if at <= now_ms]:
            del self.expiry[(kind, name)]
            kinds[kind].pop(name, None)


class MemoryServer:
    """What a Redis would hold. `now_ms` is its TIME; only the owner moves it."""

    def __init__(self, partitions: int = 8, *, now_ms: int = 1_700_000_000_000) -> None:
        self.now_ms = now_ms
        self.run_id = "memory-1"
        #: While set, writes are refused with this text, as by a server without memory: "OOM ..."
        self.refusing = ""
        self.partitions = [Partition() for _ in range(partitions)]
        self.tasks: dict[str, TaskStream] = {}
        self.ctl: Stream[bytes] = Stream()
        self.members: dict[Kind, dict[str, tuple[bytes, int]]] = {"workers": {}, "coordinators": {}}
        self.graphs: dict[str, bytes] = {}
        self.assistants: dict[str, bytes] = {}
        self.protocol = VERSION
        self._restarts = 1

    def restart(self) -> None:
        """Come back under a new `run_id`, with nothing lost."""
        self._restarts += 1
        self.run_id = f"memory-{self._restarts}"

    def partition(self, p: int) -> Partition:
        partition = self.partitions[p]
        partition.forget_expired(self.now_ms)
        return partition

    def pool(self, pool: str) -> TaskStream:
        stream = self.tasks.get(pool)
        if stream is None:
            stream = self.tasks[pool] = TaskStream()
        return stream

    # -- commits ---------------------------------------------------------------------------------

    def commit(self, commit: Commit) -> CommitReply:
        """Apply as a whole, or change nothing: the twin of `commit.lua`."""
        part = self.partition(commit.partition)
        lease = part.lease
        if lease.owner != commit.nonce:
            detail = f"the lease is held by {lease.owner}, not by {commit.nonce}"
        elif lease.epoch != commit.epoch:
            detail = f"the epoch is {lease.epoch}, not {commit.epoch}"
        elif commit.number <= lease.commit:
            return CommitReply(commit.partition, commit.number, "already")
        elif commit.number != lease.commit + 1:
            detail = f"the last commit is {lease.commit}, so {commit.number} cannot be next"
        else:
            detail = self._refuse_logs(part, commit) or refuse_cells(part, commit) or refuse_entries(part, commit)
        if detail:
            return CommitReply(commit.partition, commit.number, "diverged", detail)
        lease.commit, lease.position = commit.number, commit.position
        lease.tried, lease.tries = "", 0
        self._write(part, commit)
        part.inbox.trim(parse_id(commit.position.inbox))
        part.requests.trim(parse_id(commit.position.requests))
        return CommitReply(commit.partition, commit.number, "applied")

    @staticmethod
    def _refuse_logs(part: Partition, commit: Commit) -> str:
        for log in commit.logs:
            known = part.logs.get(log.run_id)
            entry_id = (commit.epoch, log.last)
            if known is not None and known.last >= entry_id:
                return (
                    f"the log {log.run_id} already holds {format_id(known.last)}, "
                    f"so {format_id(entry_id)} cannot be appended"
                )
        return ""

    def _write(self, part: Partition, commit: Commit) -> None:
        for log in commit.logs:
            stream = part.logs.setdefault(log.run_id, Stream())
            stream.append((commit.epoch, log.last), (log.first, log.data))
        append_cells(part, commit)
        append_entries(part, commit)
        for task in commit.tasks:
            tasks = self.pool(task.pool).stream
            entry_id = tasks.next_id(self.now_ms)
            tasks.append(entry_id, task.data)
            record = part.runs.setdefault(task.run_id, {})
            record["t:" + task.attempt] = f"{task.pool} {format_id(entry_id)}".encode()
            record["k:" + task.attempt] = task.digest.encode()
        for run_id, values in commit.fields:
            if values:
                record = part.runs.setdefault(run_id, {})
                record.update({name: to_bytes(value) for name, value in values.items()})
        for run_id, attempt in commit.settled:
            self._forget_attempt(part, run_id, attempt)
        for run_id, attempt in commit.withdrawn:
            entry_of = self._forget_attempt(part, run_id, attempt)
            if entry_of:
                pool, _, entry = entry_of.decode().rpartition(" ")
                self.pool(pool).drop(parse_id(entry))
        write_values(part, commit, self.now_ms)
        for run_id, upto in commit.logs_trimmed:
            part.logs[run_id].trim(parse_id(upto))
        part.open.update(commit.opened)
        for run_id, waits in commit.waiting:
            (part.waiting.add if waits else part.waiting.discard)(run_id)
        for run_id, ttl_s in commit.closed:
            part.open.discard(run_id)
            part.waiting.discard(run_id)
            part.runs.get(run_id, {}).pop("shared", None)
            if ttl_s:
                until = self.now_ms + ttl_s * 1000
                expire_values(part, run_id, until)
                for kind, kept in (("run", part.runs), ("log", part.logs)):
                    if run_id in kept:
                        part.expiry[(kind, run_id)] = until
        part.timers.update(commit.timers)
        for member in commit.timers_done:
            part.timers.pop(member, None)
        for message in commit.ctl:
            self.ctl.append(self.ctl.next_id(self.now_ms), message)
            self.ctl.keep_last(CTL_LENGTH_MAX)
        for run_id in commit.deleted:
            part.open.discard(run_id)
            part.waiting.discard(run_id)
            delete_values(part, run_id)
            for kind, kept in (("run", part.runs), ("log", part.logs)):
                kept.pop(run_id, None)
                part.expiry.pop((kind, run_id), None)
        self._note(part.dead, [entry.as_kept() for entry in commit.dead], DEAD_ENTRIES_MAX)
        self._note(part.failed, commit.failed, FAILED_RUNS_MAX)
        write_threads(part, commit)

    def _note(self, stream: Stream[T], rows: list[T], length_max: int) -> None:
        for row in rows:
            stream.append(stream.next_id(self.now_ms), row)
            stream.keep_last(length_max)

    @classmethod
    def _forget_attempt(cls, part: Partition, run_id: str, attempt: str) -> bytes | None:
        cls._forget_field(part, run_id, "k:" + attempt)
        return cls._forget_field(part, run_id, "t:" + attempt)

    @staticmethod
    def _forget_field(part: Partition, run_id: str, name: str) -> bytes | None:
        record = part.runs.get(run_id)
        if record is None:
            return None
        value = record.pop(name, None)
        if not record:
            del part.runs[run_id]
        return value
