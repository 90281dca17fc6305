"""A cluster that consists of what a test writes into the double: no service is there, the test says what one would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.client.graphs import GRAPHS

from drumline import Cluster
from drumline_coordinator.sketch import sketch_program
from drumline_graph.program import Program
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.facts import (
    CUSTOM,
    Emitted,
    GraphEntered,
    PlanMade,
    PlannedTask,
    RunFinished,
    RunStarted,
    StepCommitted,
    TaskFinished,
)
from drumline_protocol.ids import partition_of_run
from drumline_protocol.messages import CancelRun, RunRequest
from drumline_transport.broker import START, Commit, Lease, LogAppend, LogEntry
from drumline_transport.memory import MemoryBroker, MemoryLogReader, MemoryServer

#: one, so that what clients send has one order
PARTITIONS = 1


class Waiting(MemoryBroker):
    """The double for a client that waits for a log: what happens meanwhile happens at one of its empty reads."""

    def __init__(self, script: Script) -> None:
        super().__init__(script.server)
        self._script = script

    def log_reader(self, p: int, run_id: str) -> MemoryLogReader:
        reader, script = super().log_reader(p, run_id), self._script
        look = reader.read

        def read(after: str, count: int, block_ms: int) -> list[LogEntry]:
            entries = look(after, count, block_ms)
            if not entries:
                script.empty_reads += 1
                script.meanwhile.pop(script.empty_reads, lambda: None)()
            return entries

        reader.read = read  # type: ignore[method-assign]
        return reader


class Script:
    """The double, and what a coordinator would write into it."""

    def __init__(self) -> None:
        self.server = MemoryServer(partitions=PARTITIONS)
        self.codec = Codec()
        #: brokers that clients have opened
        self.opened: list[MemoryBroker] = []
        self.empty_reads = 0
        self.meanwhile: dict[int, Callable[[], None]] = {}
        self._broker = MemoryBroker(self.server)
        self._leases = [self._lease(p) for p in range(PARTITIONS)]

    def connect(self, _url: str, **_options: Any) -> MemoryBroker:
        """In place of `drumline_transport.redis_broker.connect`."""
        self.opened.append(Waiting(self))
        return self.opened[-1]

    def at_empty_read(self, number: int, action: Callable[[], None]) -> None:
        """Do this when clients have found nothing in their logs so often."""
        self.meanwhile[number] = action

    def cluster(self, **options: Any) -> Cluster:
        """A client of it."""
        return Cluster("memory://", **options)

    def write(self, run_id: str, first: int, *facts: Any, last: int | None = None, **fields: str | int) -> None:
        """Append one entry with `facts` to a run's log, and set fields of its record."""
        append = LogAppend(
            run_id, first, first + len(facts) - 1 if last is None else last, wire.encode_facts(self.codec, facts)
        )
        self._commit(run_id, logs=[append] if facts else [], fields=[(run_id, {"status": "open", **fields})])

    def finish(self, run_id: str, first: int, status: str = "done", error: Any = None) -> None:
        """Append the last fact of a run."""
        self.write(run_id, first, RunFinished(status, error, 0.0), status=status)

    def forget(self, run_id: str, *, log: bool = False, record: bool = False) -> None:
        """Delete keys of a run, as somebody might by hand."""
        partition = self.server.partition(partition_of_run(run_id, PARTITIONS))
        if log:
            partition.logs.pop(run_id, None)
        if record:
            partition.runs.pop(run_id, None)

    def lose(self, run_id: str, behind: int) -> None:
        """Lose the entries behind fact `behind`, as a failover may; the coordinator goes on in a new epoch."""
        p = partition_of_run(run_id, PARTITIONS)
        log = self.server.partition(p).logs[run_id]
        kept = [(entry_id, row) for entry_id, row in log.after((0, 0)) if entry_id[1] <= behind]
        log.trim(log.last)
        log.last = (0, 0)
        for entry_id, row in kept:
            log.append(entry_id, row)
        self._leases[p] = self._lease(p)

    def asked(self) -> list[Any]:
        """What clients have sent, decoded."""
        entries = self._broker.read_inbox(dict.fromkeys(range(PARTITIONS), START), 1000, 0)
        return [wire.decode(self.codec, entry.data) for entry in entries]

    def cancels(self) -> list[CancelRun]:
        return [message for message in self.asked() if isinstance(message, CancelRun)]

    def requests(self) -> list[RunRequest]:
        return [message for message in self.asked() if isinstance(message, RunRequest)]

    def _lease(self, p: int) -> Lease:
        lease = self._broker.acquire(p, "script", 60_000)
        assert lease is not None
        return lease

    def _commit(self, run_id: str, **what: Any) -> None:
        lease = self._leases[partition_of_run(run_id, PARTITIONS)]
        lease.commit += 1
        commit = Commit(lease.partition, lease.nonce, lease.epoch, lease.commit, START, **what)
        self._broker.send_commit(commit)
        (reply,) = self._broker.poll_commits()
        assert reply.status == "applied", reply


def begun(program: Program, *, recorded: Sequence[str] = (), subgraphs: bool = False) -> list[Any]:
    """The two facts that begin a run of `program`."""
    sketches = sketch_program(program)
    started = RunStarted(
        "r", program.name, program.fingerprint, tuple(recorded), sketches, {}, (), 0.0, subgraphs=subgraphs
    )
    return [started, GraphEntered((), "", {})]


def planned(step: int, *nodes: str) -> PlanMade:
    """A superstep of the root graph; the ids of its tasks are the names of its nodes."""
    return PlanMade((), step, 25, [PlannedTask(name, name, ("p", name), ("t",)) for name in nodes], 0.0)


def committed(step: int, **values: Any) -> StepCommitted:
    """The end of a superstep that wrote these keys."""
    return StepCommitted((), step, {key: ("s", value) for key, value in values.items()}, tuple(values), 0.0)


# -- runs of the graph `says` -----------------------------------------------------------------------

PROGRAM: Program = GRAPHS["says"].program


def events(script: Script, *payloads: Any, n: int = 0, attempt: int = 1) -> Emitted:
    items = [wire.encode_item(script.codec, CUSTOM, payload, None) for payload in payloads]
    return Emitted("says", attempt, n, "w", items)


def finished_run(script: Script, run_id: str = "r") -> None:
    """Facts 1-3 begin, 4-6 are three events, 7 the result, 8 the commit, 9 the end."""
    script.write(run_id, 1, *begun(PROGRAM, recorded=("custom", "updates")), planned(1, "says"))
    script.write(run_id, 4, events(script, "a", "b", "c"), last=6)
    script.write(run_id, 7, TaskFinished((), "says", 1, "w", [["out", 3]], 0.0), committed(1, out=3))
    script.finish(run_id, 9)


def accept(script: Script, run_id: str) -> None:
    script.write(run_id, 1, *begun(PROGRAM, recorded=("custom",)), planned(1, "says"))
    script.write(run_id, 4, events(script, "a", "b"), last=5)
