"""The verbs: all that Drumline asks of a message broker, and the promise behind each.

`RedisBroker` (`redis_broker.py`) and `MemoryBroker` (`memory.py`) implement them; one contract suite
(`tests/transport/test_contract_*.py`) holds both to the same promises. Nothing here decodes a payload: `data` is
opaque.

Promises, in the words used below:

- *atomic*: all of it or nothing, and nobody sees a half.
- *idempotent*: repeating the call after a lost reply changes nothing more. Such verbs, and all
  reads, reconnect and repeat by themselves, for at most `patience_s` (an option of `connect`); then
  they raise `NoBroker`; or its subclass `BrokerRefuses` when the server is there but takes no writes
  for now (OOM, LOADING, ...). The verbs of a keeper raise `BrokerRefuses` at once, without patience:
  one that waited for memory would not renew meanwhile.
- *at least once*: after a lost reply the call is repeated and may have happened twice. The receiver
  drops repeats.

Who may call what, from which thread (each group has a connection of its own; a lock keeps callers of one group apart,
so the only harm of a wrong thread is waiting for another's blocking read):

| group | verbs | thread |
|---|---|---|
| inbox | `read_inbox` | the coordinator's main loop |
| commit | `send_commit`, `poll_commits` | the coordinator's main loop, no lock: one thread only |
| take | `take` | the worker's take thread |
| send | `publish`, `put_blobs` | the worker's send thread |
| ctl | `read_ctl` | the worker's keeper (or control) thread |
| keeper | `renew`, `renew_leases`, `stale_tasks`, `beat`, `leave` | a keeper thread |
| any | all others | any |

In the child of a `fork` a broker is as new: it drops what connections there were, without a word on them, and opens its
own. Its outstanding commits stay the parent's.
"""

from __future__ import annotations

from typing import Protocol

from drumline_transport.dead import DeadEntry, FailedRun
from drumline_transport.entries import (
    INBOX,
    REQUESTS,
    START,
    START_POSITION,
    SWEEP_START,
    BlobPut,
    CellAppend,
    CellRead,
    Commit,
    CommitReply,
    Delivery,
    FieldValue,
    Heard,
    HistoryRow,
    InboxEntry,
    Kind,
    Lease,
    LeaseRow,
    LogAppend,
    LogEntry,
    Position,
    QueueRow,
    Source,
    StaleTask,
    Status,
    TaskAppend,
)
from drumline_transport.reader_verbs import (
    AsyncLogReader,
    ClientVerbs,
    LogReader,
    LogsReader,
    LookVerbs,
    OperatorVerbs,
    ReaderVerbs,
    RunVerbs,
)

__all__ = [
    "INBOX",
    "REQUESTS",
    "START",
    "START_POSITION",
    "SWEEP_START",
    "AsyncLogReader",
    "BlobPut",
    "Broker",
    "CellAppend",
    "CellRead",
    "ClientVerbs",
    "Commit",
    "CommitReply",
    "CoordinatorVerbs",
    "DeadEntry",
    "Delivery",
    "FailedRun",
    "FieldValue",
    "Heard",
    "HistoryRow",
    "InboxEntry",
    "Kind",
    "Lease",
    "LeaseRow",
    "LogAppend",
    "LogEntry",
    "LogReader",
    "LogsReader",
    "LookVerbs",
    "OperatorVerbs",
    "Position",
    "QueueRow",
    "ReaderVerbs",
    "RunVerbs",
    "ServiceVerbs",
    "Source",
    "StaleTask",
    "Status",
    "TaskAppend",
    "WorkerVerbs",
]


class ServiceVerbs(LookVerbs, Protocol):
    """What coordinators and workers ask alike."""

    def beat(self, kind: Kind, name: str, info: bytes) -> None:
        """Say that `name` is here, with `info` for others to read. Idempotent."""
        ...

    def leave(self, kind: Kind, name: str) -> None:
        """Take `name` off the list. Idempotent."""
        ...

    def put_graph(self, name: str, data: bytes) -> None:
        """Publish what is known of a graph under `name`. Idempotent; the last one wins."""
        ...

    def push_inbox(self, p: int, run_id: str, data: bytes) -> None:
        """Append one message about a run ("": about none) to the inbox of partition `p`.

        At least once; once it returns it is stored.
        """
        ...


class CoordinatorVerbs(ServiceVerbs, RunVerbs, Protocol):
    """Lease partitions, read their inboxes, commit."""

    def acquire(self, p: int, nonce: str, ttl_ms: int) -> Lease | None:
        """Take partition `p` for `ttl_ms`. None while another owner's lease runs. Atomic.

        Each call that succeeds opens a new epoch, also for the nonce that holds it already, and fences all commits of
        the epochs before.
        """
        ...

    def renew_leases(self, nonce: str, partitions: list[int], ttl_ms: int) -> list[bool]:
        """Prolong; False where another owner took over.

        A lease that ran out but was not taken is prolonged too.
        """
        ...

    def release(self, p: int, nonce: str) -> None:
        """End the lease at once, if `nonce` still holds it. Its commits are fenced from then on."""
        ...

    def lease_owners(self) -> list[LeaseRow]:
        """One row for each partition that ever had an owner (`owner` is "" when released)."""
        ...

    def read_inbox(self, after: dict[int, Position], count: int, block_ms: int) -> list[InboxEntry]:
        """Entries behind `after[p]` of every partition p named, at most `count` of each of its two streams, in order
        within a stream; the requests of a partition stand before the rest.

        Waits up to `block_ms` (0: not at all) for the first. Removes nothing: a commit's position does.
        """
        ...

    def send_commit(self, commit: Commit) -> None:
        """Send a commit without waiting for its reply. Commits are applied in the order of the calls.

        The broker object keeps it until its reply came, and sends it again after a lost connection, a lost script, or
        while the server refuses writes; its number makes that idempotent. Raises `ValueError` for a commit that no
        server could apply (log ids not ascending, a position that is no entry id): nothing was sent then.
        """
        ...

    def poll_commits(self, block_ms: int = 0) -> list[CommitReply]:
        """The replies that came, in the order of the commits of each partition.

        `block_ms` > 0 waits that long for at least one, if any is outstanding. Never raises for a lost connection: the
        commits stay outstanding and `stalled` says why.
        """
        ...

    @property
    def stalled(self) -> str:
        """Why commits wait just now (no connection, OOM, MISCONF, READONLY, LOADING ...), or ""."""
        ...

    @property
    def outstanding(self) -> int:
        """How many commits have no reply yet."""
        ...

    def renew_requests(self, p: int, nonce: str, epoch: int, last: str) -> bool:
        """Begin the stream of requests anew if `last` is its last entry and the lease is held: somebody gave that entry
        an id from the future, behind which ids would run out. The stored position is the start again then.
        """
        ...

    def note_try(self, p: int, nonce: str, epoch: int, entry: str) -> int:
        """Count one more try of handling `entry` (`InboxEntry.name`) after a takeover; returns the count. 0: the
        lease is not held.

        The next commit forgets the count.
        """
        ...

    def open_runs(self, p: int) -> list[str]:
        """Runs opened and not closed, sorted."""
        ...

    def waiting_runs(self, p: int) -> list[str]:
        """Runs that have tasks which wait without an entry (`Commit.waiting`), sorted."""
        ...

    def due_timers(self, p: int, limit: int) -> list[str]:
        """Members whose time has come by Redis TIME, earliest first, at most `limit`.

        Removes nothing.
        """
        ...

    def next_timer(self, p: int) -> tuple[int, int | None]:
        """Redis TIME in ms, and when the first timer whose time has not come yet is due (None: there is none)."""
        ...

    def ensure_pool(self, pool: str) -> None:
        """Make the task stream and consumer group of a pool, if missing. Idempotent."""
        ...

    def stale_tasks(self, pool: str, idle_ms: int, cursor: str, count: int) -> tuple[list[StaleTask], str]:
        """Pending entries idle for `idle_ms` or more, at most `count`, beginning behind `cursor`; claims nothing.

        Start with `SWEEP_START`; pass on the cursor that comes back. It is `SWEEP_START` again at the end.
        """
        ...

    def drop_tasks(self, pool: str, entry_ids: list[str]) -> None:
        """Acknowledge and delete entries that speak for no task any more, whoever has them. Idempotent."""
        ...


class WorkerVerbs(ServiceVerbs, Protocol):
    """Take tasks, answer, stay alive."""

    def take(self, pools: list[str], consumer: str, count: int, block_ms: int) -> list[Delivery]:
        """Up to `count` task entries for this consumer, shared between the pools; waits up to `block_ms` for the first.

        Each entry goes to one consumer once. A group that is missing is made. With fewer than one of `count` for each
        pool the pools take turns; only a blocked wait that several pools end at once may then bring up to one of each.
        """
        ...

    def publish(self, entries: list[tuple[int, str, bytes]], done: list[tuple[str, str]]) -> None:
        """Append `(partition, run id, data)` to the inboxes in order, then acknowledge and delete the
        entries `done`.

        `done` is a list of `(pool, entry id)`. At least once; in order; no acknowledgement without all the entries
        before it stored. Returns when the broker has it. An inbox that holds more than `INBOX_BYTES_MAX` takes nothing
        until its coordinator has caught up: `BrokerRefuses` when patience ends before that. On a Redis Cluster
        `PartlyAway`, at once, for partitions that cannot be reached while the others have all that is theirs.
        """
        ...

    def put_blobs(self, blobs: list[tuple[int, str, bytes]]) -> None:
        """Keep large values, `(partition, blob id, data)`, for `BLOB_UNNAMED_TTL_S`: a commit prolongs their lives
        (`Commit.blobs_kept`). Returns when the broker has them all.

        Idempotent: what is there already stays as it is.
        """
        ...

    def renew(self, consumer: str, entries: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Reset the idle time of `(pool, entry id)`s; returns those that this consumer still owns.

        An entry that was withdrawn, or that belongs to another consumer, is not among them and is not brought back.
        """
        ...

    def renew_all(self, consumer: str, pools: list[str]) -> int:
        """Reset the idle time of all entries of these pools that the consumer owns, also of those that it does not
        know of yet; how many there are. An entry that was withdrawn is not brought back.
        """
        ...

    def last_ctl(self) -> str:
        """The id of the newest control message ("0-0": none yet): where a new worker begins to listen."""
        ...

    def read_ctl(self, after: str, block_ms: int) -> list[tuple[str, bytes]]:
        """Control messages behind `after`, oldest first; waits up to `block_ms` for the first."""
        ...


class Broker(CoordinatorVerbs, WorkerVerbs, ClientVerbs, OperatorVerbs, Protocol):
    """All verbs.

    Each process builds one; connections are opened when a group of verbs is first used.
    """
