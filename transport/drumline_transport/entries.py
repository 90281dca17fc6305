"""What goes in and out of the verbs: entries, positions, leases, commits. Plain data; `data` is opaque. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypedDict

from drumline_transport.dead import DeadEntry, FailedRun

Kind = Literal["workers", "coordinators"]
Status = Literal["applied", "already", "diverged"]
FieldValue = str | bytes | int

#: What to read of a cell: owner, name, and the versions behind the first number up to the second one.
CellRead = tuple[str, str, int, int]

#: The two streams that make up the inbox of a partition.
INBOX: Literal["inbox"] = "inbox"
REQUESTS: Literal["requests"] = "requests"
Source = Literal["inbox", "requests"]

#: The position before every entry of a stream.
START_POSITION = "0-0"
#: The cursor with which a sweep begins, and which ends it.
SWEEP_START = "-"


class Position(NamedTuple):
    """How far the two streams of a partition's inbox were handled: the id of the last entry of each."""

    inbox: str = START_POSITION
    requests: str = START_POSITION


#: The position before everything.
START = Position()


@dataclass(slots=True)
class InboxEntry:
    """One message for the coordinator of `partition`, from one of its two streams, where its position is `id`.

    `run` names the run that it speaks of ("": none). It stands outside of `data`, so that an entry that cannot be read
    costs its run and nobody else.
    """

    partition: int
    id: str
    data: bytes
    run: str = ""
    source: Source = INBOX

    @property
    def name(self) -> str:
        """What `note_try` counts by."""
        return f"{self.source}/{self.id}"

    def behind(self, position: Position) -> Position:
        """The position behind this entry."""
        return Position(self.id, position.requests) if self.source == INBOX else Position(position.inbox, self.id)


@dataclass(slots=True)
class Delivery:
    """One task entry, delivered to this consumer: it stays pending until published as done or withdrawn."""

    pool: str
    id: str
    data: bytes


@dataclass(slots=True)
class LogEntry:
    """One entry of a run log, with the facts from `first` to the number that stands in `id` (`<epoch>-<last>`)."""

    id: str
    first: int
    data: bytes


@dataclass(slots=True)
class StaleTask:
    """A pending task entry that nobody renewed for `idle_ms`.

    `data` is None when the entry itself is gone.
    """

    id: str
    consumer: str
    idle_ms: int
    data: bytes | None


@dataclass(slots=True)
class Lease:
    """A partition held by `nonce` for the time that was asked for.

    `epoch` never repeats for a partition and is at least the Redis TIME (ms) at which it was taken; `commit` is the
    number of the last commit of this epoch (0 at first); `position` is the inbox position up to which the former owners
    committed; `tries` counts takeovers that died on the entry behind it; `server` is the broker's `run_id`.
    """

    partition: int
    nonce: str
    epoch: int
    commit: int
    position: Position
    tries: int
    server: str


class LeaseRow(TypedDict):
    """One row of `lease_owners`.

    `remaining_ms` is what remains of the lease by Redis TIME; negative: it ran out.
    """

    partition: int
    owner: str
    epoch: int
    commit: int
    position: Position
    remaining_ms: int
    tries: int


@dataclass(slots=True)
class LogAppend:
    """Facts `first`..`last` of a run, as one log entry."""

    run_id: str
    first: int
    last: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """An entry of the inbox that a commit answers, and the part of its data that the run's log may hold again."""

    run_id: str
    id: str
    data: bytes
    part: bytes
    source: Source = INBOX

    @property
    def name(self) -> str:
        """How the commit script finds it."""
        return self.id if self.source == INBOX else f"r{self.id}"


@dataclass(slots=True)
class TaskAppend:
    """A task entry for `pool`.

    The run record keeps its stream id under `attempt` (`<task>:<attempt>`) until the attempt is settled or withdrawn.
    Beside it stands `digest`, by which the coordinator knows the holder of the entry. `part` of
    its data may stand in the run's log too, and `shared` in its record.
    """

    run_id: str
    attempt: str
    pool: str
    data: bytes
    digest: str = ""
    part: bytes = b""
    shared: bytes = b""


@dataclass(slots=True)
class BlobPut:
    """A large value that tasks of a run refer to. The run record names it until it is dropped."""

    run_id: str
    blob_id: str
    data: bytes
    ttl_s: int


@dataclass(slots=True)
class CellAppend:
    """A new version of a cell of a run, whose record names the cell from then on.

    `parent` 0: `data` is the whole encoded value; else it is the encoded change from version `parent`
    (`drumline_protocol.cells`). Versions of one cell must ascend.
    """

    run_id: str
    cell: str
    version: int
    parent: int
    data: bytes
    #: the run whose log may tell of it, if `run_id` is a thread (`keys.owner_of_thread`)
    told_in: str = ""


@dataclass(slots=True)
class HistoryRow:
    """A row of a thread's history. Its `id` is that of a stream entry: the time in the id of the newest checkpoint, and
    a number. `kind` is "c" for a checkpoint of the graph at `ns`, "w" for what a task behind `checkpoint` has written.
    `part` of the data is likely to stand in a log of the same commit too.
    """

    id: str
    kind: str
    ns: str
    checkpoint: str
    data: bytes
    part: bytes = field(default=b"", compare=False, repr=False)


@dataclass(slots=True)
class QueueRow:
    """A run request that waits for its thread. `strategy` says what is done about the run in its way."""

    id: str
    thread: str
    run_id: str
    strategy: str
    data: bytes


@dataclass(slots=True)
class Commit:
    """All that a coordinator decided from one batch of its inbox: applied as a whole or not at all.

    `number` counts 1, 2, 3, ... within an epoch. `position` is the inbox position up to which this holds. The lists are
    applied in the order of the fields. Log entries of one run must ascend.
    """

    partition: int
    nonce: str
    epoch: int
    number: int
    position: Position
    logs: list[LogAppend] = field(default_factory=list)
    cells: list[CellAppend] = field(default_factory=list)
    tasks: list[TaskAppend] = field(default_factory=list)
    #: `(run id, fields to set in its record)`
    fields: list[tuple[str, dict[str, FieldValue]]] = field(default_factory=list)
    #: `(run id, attempt)`: the worker has acknowledged and deleted the entry, so the record only forgets the attempt
    settled: list[tuple[str, str]] = field(default_factory=list)
    #: `(run id, attempt)`: the commit deletes the entry, delivered or not, and the record forgets the attempt
    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    blobs: list[BlobPut] = field(default_factory=list)
    #: `(run id, blob id)` of blobs that workers have put: they live as long as the run's log from now on, and its
    #: record names them. One that is gone already stays gone.
    blobs_kept: list[tuple[str, str]] = field(default_factory=list)
    #: `(run id, cell, lowest version to keep)`
    cells_trimmed: list[tuple[str, str, int]] = field(default_factory=list)
    #: `(run id, cell)`
    cells_dropped: list[tuple[str, str]] = field(default_factory=list)
    #: `(run id, blob id)`
    blobs_dropped: list[tuple[str, str]] = field(default_factory=list)
    #: `(run id, id of a log entry)`: that entry of the run's log and all before it go
    logs_trimmed: list[tuple[str, str]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    #: `(run id, whether it has tasks that wait without an entry)`
    waiting: list[tuple[str, bool]] = field(default_factory=list)
    #: `(run id, seconds to keep its record, its log, and the cells and blobs that its record names; 0 = for ever)`
    closed: list[tuple[str, int]] = field(default_factory=list)
    #: runs among these whose logs are so short that a copy of them takes much less memory
    short_logs: list[str] = field(default_factory=list)
    #: `(member, due in ms of Redis TIME)`
    timers: list[tuple[str, int]] = field(default_factory=list)
    timers_done: list[str] = field(default_factory=list)
    #: what every worker must hear
    ctl: list[bytes] = field(default_factory=list)
    #: runs of which nothing is to stay: record, log, cells and blobs that the record names, membership of sets
    deleted: list[str] = field(default_factory=list)
    dead: list[DeadEntry] = field(default_factory=list)
    failed: list[FailedRun] = field(default_factory=list)
    #: `(thread, row)`, ascending for each thread
    history: list[tuple[str, HistoryRow]] = field(default_factory=list)
    #: requests that wait from now on, ascending, and the ids of those that wait no more
    queued: list[QueueRow] = field(default_factory=list)
    unqueued: list[str] = field(default_factory=list)
    #: `(thread, ms at which it changed or 0 for as before, fields to set in its head)`
    threads: list[tuple[str, int, dict[str, FieldValue]]] = field(default_factory=list)
    #: `(thread, run id, ms at which it ended, or 0: it has not)`; runs that ended before the record of a run expires
    #: are forgotten with it
    thread_runs: list[tuple[str, str, int]] = field(default_factory=list)
    #: `(thread, id of a row)`: the rows of its history behind that vanish, also those that this commit adds
    history_cut: list[tuple[str, str]] = field(default_factory=list)
    #: `(thread, id of a row)`: rows of its history that go
    history_dropped: list[tuple[str, str]] = field(default_factory=list)
    #: threads of which nothing is to stay: head, history, cells, blobs, runs with their logs
    threads_deleted: list[str] = field(default_factory=list)
    #: changes nothing: what lies in the inbox need not be sent again to become part of a log
    heard: list[Heard] = field(default_factory=list)


@dataclass(slots=True)
class CommitReply:
    """What became of a commit.

    `applied`: just now. `already`: before (its reply was lost). `diverged`: not, and it never will be: another owner,
    another epoch, a commit before it is missing, or a key of another type. `detail` says which. Nothing was changed;
    throw decoded state away and `acquire` again.
    """

    partition: int
    number: int
    status: Status
    detail: str = ""
