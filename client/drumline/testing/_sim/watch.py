"""What must be true of every run, watched from outside: the invariants of docs/invariants.md, at every commit.

`Watch` sees each commit as the server applies it, and folds the facts of every log into the little that the invariants
speak of. A machine that is made from log and record must equal the live one, at every commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from drumline.testing._sim.images import differences, image
from drumline.testing._sim.network import Sent, SimServer
from drumline.testing.errors import InvariantViolation
from drumline_coordinator.apps import Apps
from drumline_coordinator.heads import head_facts
from drumline_coordinator.named import open_facts
from drumline_coordinator.recovery import recover
from drumline_coordinator.state import troubles
from drumline_coordinator.tasks import OPEN, Task
from drumline_coordinator.thread_run import ThreadRun
from drumline_protocol import wire
from drumline_protocol.cells import assemble
from drumline_protocol.codec import Boxed, Codec, unbox
from drumline_protocol.codec_derived import Derived
from drumline_protocol.errors import CellMissing
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    ErrorHandled,
    GraphExited,
    Noticed,
    PlanMade,
    RunFinished,
    RunStarted,
    TaskCalled,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskParked,
    TaskRetried,
    fact_count,
)
from drumline_protocol.heads import open_head
from drumline_protocol.keys import owner_of_run
from drumline_protocol.limits import ATTEMPTS_MAX, BEGINNINGS_MAX
from drumline_transport.broker import Commit, CommitReply
from drumline_transport.memory import MemoryBroker
from drumline_transport.memory_streams import ZERO, EntryId, parse_id


def demand(true: bool, text: str) -> None:
    """InvariantViolation unless it is true."""
    if not true:
        raise InvariantViolation(text)


# -- one log ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Track:
    """One task, as the log tells it."""

    ns: tuple[str, ...]
    name: str
    attempt: int = 1
    lost: int = 0
    deaths: int = 0
    n: int = 0
    executor: str = ""
    over: bool = False


@dataclass(slots=True)
class LogWatch:
    """The log of one run, fact by fact."""

    run: str
    facts: list[Any] = field(default_factory=list)
    last_id: tuple[int, int] = (0, 0)
    tasks: dict[str, _Track] = field(default_factory=dict)
    ended: bool = False
    noticed: int = 0

    def append(self, entry_id: tuple[int, int], first: int, facts: Sequence[Any]) -> None:
        """One entry: numbers without gap, ids ascending (I3)."""
        where = f"log {self.run}, entry {entry_id[0]}-{entry_id[1]}"
        demand(entry_id > self.last_id, f"I3: {where} comes behind {self.last_id}")
        demand(first == self.last_id[1] + 1, f"I3: {where} begins at {first}, after {self.last_id[1]}")
        last = first - 1 + sum(map(fact_count, facts))
        demand(last == entry_id[1], f"I3: {where} holds facts up to {last}")
        self.last_id = entry_id
        for fact in facts:
            demand(not self.ended, f"I2: {where} holds {fact} behind the end of the run")
            demand((type(fact) is RunStarted) == (not self.facts), f"{where}: the log begins with {fact}")
            self.facts.append(fact)
            self._fold(fact, where)

    def _fold(self, fact: Any, where: str) -> None:
        kind = type(fact)
        if kind is PlanMade:
            for row in fact.tasks:
                demand(row.id not in self.tasks, f"{where}: task {row.name} {row.id} is planned twice")
                self.tasks[row.id] = _Track(fact.ns, row.name)
        elif kind is Emitted:
            self._emitted(fact, where)
        elif kind in (TaskFinished, TaskFailed, TaskInterrupted, TaskLeft):
            track = self.tasks[fact.task]
            text = f"{where}: {kind.__name__} of {track.name} {fact.task}"
            demand(not track.over, f"I4: {text} when it was over")
            if kind is not TaskLeft:
                demand(fact.attempt == track.attempt, f"I4: {text}: attempt {fact.attempt}, not {track.attempt}")
            if kind is TaskFinished and track.executor:
                demand(fact.executor == track.executor, f"I4: {text} by {fact.executor}, not {track.executor}")
            track.over = True
        elif kind is TaskCalled:
            self._called(fact, where)
        elif kind is AttemptRetracted:
            track = self.tasks[fact.task]
            demand(not track.over, f"{where}: {track.name} is retracted when it was over")
            demand(fact.attempt == track.attempt, f"{where}: {track.name} retracts attempt {fact.attempt}")
            track.attempt, track.n, track.executor = fact.attempt + 1, 0, ""
            track.lost += 1
            track.deaths += fact.died
            text = f"I12: {where}: {track.name} goes on after"
            demand(track.deaths < ATTEMPTS_MAX, f"{text} {track.deaths} lost workers")
            demand(track.lost < BEGINNINGS_MAX, f"{text} {track.lost} attempts")
        elif kind is ErrorHandled:
            demand(self.tasks[fact.task].over, f"{where}: the error of {fact.task} is handled before it has failed")
            self.tasks[fact.id] = _Track(fact.ns, fact.name)
        elif kind is TaskRetried:
            track = self.tasks[fact.task]
            demand(not track.over, f"{where}: {track.name} is tried again when it was over")
            demand(fact.attempt == track.attempt, f"{where}: {track.name} tries again after attempt {fact.attempt}")
            track.attempt, track.n, track.executor = fact.attempt + 1, 0, ""
        elif kind is TaskParked:
            track = self.tasks[fact.task]
            demand(not track.over and not track.n, f"{where}: {track.name} is parked when it was begun")
            track.attempt += 1
        elif kind is GraphExited:
            for track in self.tasks.values():
                track.over = track.over or track.ns[: len(fact.ns)] == fact.ns
        elif kind is Noticed:
            self.noticed += "came after its result" in fact.text  # list edges that never fired are told of too
        elif kind is RunFinished:
            self.ended = True

    def _called(self, fact: TaskCalled, where: str) -> None:
        caller = self.tasks[fact.caller]
        text = f"{where}: call {fact.path[2]} of {caller.name}"
        demand(not caller.over, f"{text}, when that was over")
        demand(fact.task not in self.tasks, f"{text} is made twice")
        self.tasks[fact.task] = _Track(fact.ns, fact.name)

    def _emitted(self, fact: Emitted, where: str) -> None:
        track = self.tasks.get(fact.task)
        demand(track is not None, f"I7: {where}: events of a task that was not planned")
        assert track is not None
        text = f"{where}: events of {track.name} {fact.task}, attempt {fact.attempt} by {fact.executor},"
        demand(not track.over, f"I7: {text} when it was over")
        demand(fact.attempt == track.attempt, f"I7: {text} in attempt {track.attempt}")
        demand(fact.n == track.n, f"I6: {text} number {fact.n}, after {track.n}")
        demand(track.executor in ("", fact.executor), f"I4: {text} when it is {track.executor}'s")
        track.n += len(fact.items)
        track.executor = fact.executor


# -- every commit ----------------------------------------------------------------------------------


class Watch:
    """Sees every commit of the cluster."""

    def __init__(self, server: SimServer, apps: Apps) -> None:
        self.server = server
        self.apps = apps
        self.logs: dict[str, LogWatch] = {}
        self.positions: dict[int, tuple[EntryId, EntryId]] = {}
        self.commits = 0
        #: recoveries from a head
        self.heads = 0
        #: runs that a vandal has damaged: what becomes of them follows no rule, but their readers are told
        self.damaged: set[str] = set()
        server.observe = self.observe

    def observe(self, sent: Sent, reply: CommitReply) -> None:
        if reply.status != "applied":
            return
        self.commits += 1
        commit = sent.commit
        position = (parse_id(commit.position.inbox), parse_id(commit.position.requests))
        before = self.positions.get(commit.partition, (ZERO, ZERO))
        back = position[0] < before[0] or position[1] < before[1]
        demand(not back, f"partition {commit.partition} goes back from {before} to {position}")
        self.positions[commit.partition] = position
        for append in commit.logs:
            if append.run_id in self.damaged:
                continue
            log = self.logs.get(append.run_id)
            if log is None:
                log = self.logs[append.run_id] = LogWatch(append.run_id)
            facts = wire.decode_facts(self._codec_of(append.run_id, commit.partition), append.data)
            log.append((commit.epoch, append.last), append.first, facts)
        for run_id, expected in sent.images.items():
            if run_id in self.damaged:
                continue
            self._check_recovery(commit, run_id, expected)

    def _codec_of(self, run_id: str, partition: int) -> Codec:
        record = self.server.partitions[partition].runs.get(run_id, {})
        return self.apps.codec_of(record.get("graph", b"").decode()) if self.apps.apart else self.apps.codec

    def _check_recovery(self, commit: Commit, run_id: str, expected: Any) -> None:
        """A machine made from log and record equals the live one as it was when it made this commit."""
        record = self.server.partitions[commit.partition].runs[run_id]
        attempts = sorted(name[2:] for name in record if name.startswith("t:"))
        if expected is None:
            demand(not attempts, f"run {run_id} ended and still names the attempts {attempts}")
            return
        trouble = expected.pop("troubles", None)
        demand(not trouble, f"run {run_id}: {trouble}")
        sent = expected["attempts"]
        demand(attempts == sent, f"run {run_id} names the attempts {attempts}, not {sent}")
        codec = self._codec_of(run_id, commit.partition)
        shared = wire.from_row(unbox(Boxed(record["shared"], codec)))
        thread = ThreadRun(shared.thread) if shared.thread else None
        broker = MemoryBroker(self.server)
        ways = list(self._ways(run_id, record, codec).items())
        while ways:
            how, facts = ways.pop()
            owner = owner_of_run(run_id, shared.thread)
            open_head(
                codec,
                owner,
                facts,
                lambda cells: broker.read_values(commit.partition, cells, [])[0],
                arguments=True,
            )
            open_facts(codec, facts, lambda ids: broker.read_values(commit.partition, [], ids)[1])
            run = recover(self.apps.programs[shared.graph], shared, facts, attempts, codec, thread)
            text = "\n  ".join([*differences(expected, image(run), codec), *troubles(run.state)])
            demand(
                not text,
                f"run {run_id}: recovery from {how} gives another machine (live / recovered). If a reducer of graph "
                f"{shared.graph!r} gives other results when called again, or changes its arguments in place, mend it "
                f"first:\n  {text}",
            )
            if how == "its log":
                self._check_arguments(commit.partition, run_id, run.state.tasks.values(), codec)
            if how == "its log" and any(scope.kept for scope in run.state.scopes.values()):
                # The cell store holds what the state says that it does: all of it is read.
                made = head_facts(facts[0], run.state, 0)
                ways.append(("a head made now", wire.decode_facts(codec, wire.encode_facts(codec, made))))

    def _check_arguments(self, partition: int, run_id: str, tasks: Iterable[Task], codec: Codec) -> None:
        """What the arguments of open tasks are made of is there."""
        broker = MemoryBroker(self.server)
        for task in tasks:
            if type(task.input) is Derived and task.status in OPEN:
                for at in task.input.cells:
                    [rows], _ = broker.read_values(partition, [(run_id, at.cell, at.base - 1, at.version)], [])
                    try:
                        assemble(codec, rows, at.version)
                    except CellMissing as error:
                        demand(False, f"run {run_id}: {task} gets what is gone: {at}, {error}")

    def _ways(self, run_id: str, record: Mapping[str, bytes], codec: Codec) -> dict[str, list[Any]]:
        """The facts that recovery may start from: the whole log, or the head and what is behind it."""
        log = self.logs[run_id].facts
        ways = {"its log": list(log)}
        if "head" in record:
            at = int(record["head_at"].rpartition(b"-")[2])
            numbers = accumulate(map(fact_count, log))
            behind = [fact for fact, number in zip(log, numbers, strict=True) if number > at]
            ways["its head"] = [*wire.decode_facts(codec, record["head"]), *behind]
            self.heads += 1
        return ways


# -- the end ---------------------------------------------------------------------------------------


def check_rest(server: SimServer) -> None:
    """Nothing is left of runs that are over: no entries, no pending deliveries, no open runs (I11)."""
    for pool, tasks in server.tasks.items():
        demand(not tasks.pending, f"I11: pool {pool} has deliveries that stay pending: {tasks.pending}")
        demand(not len(tasks.stream), f"I11: pool {pool} keeps {len(tasks.stream)} entries")
    for index, part in enumerate(server.partitions):
        demand(not part.open, f"partition {index} keeps runs open: {sorted(part.open)}")
