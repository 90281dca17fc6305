"""The verbs of who looks from outside: readers of runs, clients, operators.

A part of `drumline_transport.broker`, where the words of the promises are explained.
"""

from __future__ import annotations

from typing import Protocol

from drumline_protocol.cells import CellRow
from drumline_transport.assistant_verbs import AssistantVerbs
from drumline_transport.dead import DeadEntry, FailedRun
from drumline_transport.entries import CellRead, Kind, LogEntry
from drumline_transport.measures import Measures
from drumline_transport.thread_verbs import ThreadVerbs


class LogReader(Protocol):
    """Reads one run log on a connection of its own.

    For one thread at a time; `close` gives the connection back.
    """

    def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        """Up to `count` entries behind the id `after` ("0-0" or "-": from the start), in order.

        Waits up to `block_ms` (0: not at all) for the first; an empty list when none came. An id may be made up
        (`<epoch>-<number>`): what has a higher one is returned. Raises `NoBroker`.
        """
        ...

    def exists(self) -> bool:
        """Whether the log exists: at least one entry was committed, and it has not expired."""
        ...

    def close(self) -> None: ...


class AsyncLogReader(Protocol):
    """The twin of `LogReader` for an event loop.

    A cancelled call closes its connection: no reply is left behind.
    """

    async def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]: ...

    async def exists(self) -> bool: ...

    async def close(self) -> None: ...

    def release(self) -> None:
        """The same where there is no loop (any more). From any thread."""
        ...


class LogsReader(Protocol):
    """Reads any number of run logs as one, on connections whose number does not grow with that of the logs.

    `read` is for one thread at a time, the rest for any thread.
    """

    def follow(self, p: int, run_id: str, after: str) -> None:
        """Read the log of a run from now on, behind the id `after` ("0-0" or "-": from its start).

        A log need not exist yet. One that is followed already is read on behind `after`.
        """
        ...

    def leave(self, p: int, run_id: str) -> None:
        """Read the log no more. What has come of it may still be returned once."""
        ...

    def read(self, count: int, block_ms: int) -> list[tuple[int, str, list[LogEntry]]]:
        """`(partition, run id, entries)` of logs that have new entries: up to `count` of each, in order, each once.

        Waits up to `block_ms` (0: not at all) for the first, also in a log that is followed meanwhile. An empty list
        when none came, and after `close`. What cannot be reached is passed over; `NoBroker`, at once, when nothing can.
        """
        ...

    def close(self) -> None:
        """End the read, and give the connections back."""
        ...


class LookVerbs(Protocol):
    """What every role may ask: who is there, and what the cluster is. They change nothing that matters."""

    partitions: int
    #: the protocol version that the cluster speaks, as of `connect`
    protocol: int

    def server_id(self, p: int) -> str:
        """The `run_id` of the server that holds partition `p`, as of the latest (re)connect. Costs nothing.

        When it differs from `Lease.server`, the server restarted or another took its place, and a tail may be lost:
        acquire again, for a new epoch.
        """
        ...

    def time_ms(self) -> int:
        """Redis TIME in milliseconds: the only clock that processes may compare."""
        ...

    def members(self, kind: Kind) -> dict[str, tuple[bytes, int]]:
        """`name -> (info, ms since its last beat, by Redis TIME)`.

        Forgets those silent for `MEMBER_FORGET_MS`, and those whose beat has no stamp of Redis TIME or one of the
        future: they would never grow old.
        """
        ...

    def graphs(self) -> dict[str, bytes]: ...

    def read_values(
        self, p: int, cells: list[CellRead], blobs: list[str]
    ) -> tuple[list[list[CellRow]], list[bytes | None]]:
        """Versions of cells, in order, and blobs, of partition `p`: a list for each cell, None for a blob that is gone.

        One round trip, for up to `READ_NAMES_MAX` names and `READ_ROWS_MAX` versions of each cell. A key of another
        type is as good as none.
        """
        ...

    def close(self) -> None:
        """Close all connections and end every wait of this broker, in whatever thread, with `NoBroker`."""
        ...


class RunVerbs(ThreadVerbs, Protocol):
    """Look at what is kept of one run, or of a thread."""

    def load_run(self, p: int, run_id: str) -> dict[str, bytes]:
        """The record of a run; empty when there is none.

        The entries of open attempts are fields `t:<task>:<attempt>`.
        """
        ...

    def load_log(self, p: int, run_id: str, after: str = "-") -> list[LogEntry]:
        """All entries behind the id `after` ("-": from the start)."""
        ...


class ReaderVerbs(LookVerbs, RunVerbs, Protocol):
    """Read runs: all that a reader of streams needs. Changes nothing."""

    def log_reader(self, p: int, run_id: str) -> LogReader: ...

    def alog_reader(self, p: int, run_id: str) -> AsyncLogReader:
        """A reader for the running event loop.

        Any number of loops, one after another or at once.
        """
        ...

    def logs_reader(self) -> LogsReader:
        """A reader of any number of logs: for who watches many runs at once."""
        ...


class ClientVerbs(ReaderVerbs, AssistantVerbs, Protocol):
    """Ask for runs, and read them; and keep assistants, for gateways."""

    def submit(self, p: int, run_id: str, data: bytes) -> None:
        """Append one message about a run to the requests of partition `p`.

        At least once; once it returns it is stored.
        """
        ...


class OperatorVerbs(LookVerbs, Protocol):
    """What tools for operators ask beside."""

    def raise_protocol(self, version: int) -> None:
        """Let the cluster speak a later protocol version from now on; processes that are there go on as they began.

        Idempotent. For an operator, when no older process is left.
        """
        ...

    def queue_depths(self, pools: list[str]) -> dict[str, tuple[int, int]]:
        """`pool -> (entries not yet delivered, entries delivered and pending)`."""
        ...

    def measure(self, pools: list[str]) -> Measures:
        """The numbers of the partitions and of these pools, as of one look.

        A key that holds something else counts as 0. Of several servers, those that are away are left out; `NoBroker`
        when all are.
        """
        ...

    def dead(self, p: int, count: int, newest: str = "+") -> list[tuple[str, DeadEntry]]:
        """The newest entries that were set aside, `(id in the dead stream, entry)`, newest first.

        With an id for `newest` those that are not newer than it.
        """
        ...

    def put_back(self, p: int, entry: DeadEntry) -> None:
        """Append an entry that was set aside to the stream where it lay, to be handled once more.

        At least once. Raises `ValueError`, and changes nothing, for an entry that is not whole, or that lay in no
        stream of entries.
        """
        ...

    def drop_dead(self, p: int, ids: list[str]) -> None:
        """Forget entries that were set aside. Idempotent."""
        ...

    def failed(self, p: int, count: int) -> list[FailedRun]:
        """Runs that failed lately, the last one first."""
        ...
