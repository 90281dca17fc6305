"""What must be true, watched from outside: the invariants of docs/invariants.md, at every commit and at the end.

`Watch` sees each commit as the server applies it, and folds the facts of every log into the little that the
invariants speak of. `check_run` compares what clients saw with the run without faults.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from tests.differential.compare import difference, exact_difference
from tests.differential.normal import Recorded, show

from drumline.cluster.position import BEGINNING, Position
from drumline.reading import output_coercion
from drumline_coordinator.heads import open_head
from drumline_coordinator.named import open_facts
from drumline_coordinator.recovery import recover
from drumline_coordinator.state import troubles
from drumline_graph.program import Program
from drumline_protocol import wire
from drumline_protocol.codec import Boxed, Codec, unbox
from drumline_protocol.errors import NoCoordinator, PoisonedRun, RunCancelled, TaskAbandoned
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    GraphLeft,
    Noticed,
    PlanMade,
    RunFinished,
    RunStarted,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskParked,
    fact_count,
)
from drumline_protocol.limits import ACCEPT_TIMEOUT_MS, ATTEMPTS_MAX, BEGINNINGS_MAX
from drumline_transport.broker import Commit, CommitReply
from drumline_transport.memory import MemoryBroker
from drumline_transport.memory_streams import ZERO, EntryId, parse_id

from .clients import Items, SimClient, SimRun
from .images import differences, image
from .network import Sent, SimServer


class Violation(AssertionError):
    """An invariant does not hold."""


def demand(true: bool, text: str) -> None:
    if not true:
        raise Violation(text)


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
        elif kind is TaskParked:
            track = self.tasks[fact.task]
            demand(not track.over and not track.n, f"{where}: {track.name} is parked when it was begun")
            track.attempt += 1
        elif kind is GraphLeft:
            for track in self.tasks.values():
                track.over = track.over or track.ns[: len(fact.ns)] == fact.ns
        elif kind is Noticed:
            self.noticed += "came after its result" in fact.text  # list edges that never fired are told of too
        elif kind is RunFinished:
            self.ended = True

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

    def __init__(self, server: SimServer, codec: Codec, programs: dict[str, Program]) -> None:
        self.server = server
        self.codec = codec
        self.programs = programs
        self.logs: dict[str, LogWatch] = {}
        self.positions: dict[int, tuple[EntryId, EntryId]] = {}
        self.commits = 0
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
            facts = wire.decode_facts(self.codec, append.data)
            log.append((commit.epoch, append.last), append.first, facts)
        for run_id, expected in sent.images.items():
            if run_id in self.damaged:
                continue
            self._check_recovery(commit, run_id, expected)

    def _check_recovery(self, commit: Commit, run_id: str, expected: Any) -> None:
        """A machine made from log and record equals the live one as it was when it made this commit."""
        record = self.server.partitions[commit.partition].runs[run_id]
        slots = sorted(name[2:] for name in record if name.startswith("t:"))
        if expected is None:
            demand(not slots, f"run {run_id} ended and still holds the slots {slots}")
            return
        trouble = expected.pop("troubles", None)
        demand(not trouble, f"run {run_id}: {trouble}")
        demand(slots == expected["slots"], f"run {run_id} holds slots {slots}, not {expected['slots']}")
        shared = wire.from_row(unbox(Boxed(record["shared"], self.codec)))
        broker = MemoryBroker(self.server)
        for how, facts in self._ways(run_id, record).items():
            open_head(self.codec, run_id, facts, lambda cells: broker.read_values(commit.partition, cells, [])[0])
            open_facts(self.codec, facts, lambda ids: broker.read_values(commit.partition, [], ids)[1])
            run = recover(self.programs[shared.graph], shared, facts, slots, self.codec)
            text = "\n  ".join([*differences(expected, image(run)), *troubles(run.state)])
            demand(not text, f"run {run_id}: recovery from {how} gives another machine (live / recovered):\n  {text}")

    def _ways(self, run_id: str, record: Any) -> dict[str, list[Any]]:
        """The facts that recovery may start from: the whole log, or the head and what is behind it."""
        log = self.logs[run_id].facts
        ways = {"its log": list(log)}
        if "head" in record:
            at = int(record["head_at"].rpartition(b"-")[2])
            numbers = accumulate(map(fact_count, log))
            behind = [fact for fact, number in zip(log, numbers, strict=True) if number > at]
            ways["its head"] = [*wire.decode_facts(self.codec, record["head"]), *behind]
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


def check_run(client: SimClient, log: LogWatch) -> str:
    """The run ended as it should (I2, I5), and every reader got what there is (I6, I8). Returns how it ended."""
    run = client.run
    demand(run.ended, f"I8: the reader of {run.id} does not see the end")
    if run.damaged:
        return "damaged" if run.failure is None else type(run.failure).__name__
    demand(not run.told, f"the reader of {run.id}, which nobody damaged, is told {run.failure!r}")
    demand(log.ended, f"I2: the log of {run.id} has no end")
    _check_resuming(client)
    _check_tokens(run)
    failure = run.failure
    if run.poison or isinstance(failure, PoisonedRun):
        demand(run.poison and isinstance(failure, (PoisonedRun, RunCancelled)), f"{run.id} ends with {failure!r}")
    if isinstance(failure, NoCoordinator):
        waited_ms = log.facts[0].at_ms - run.submitted_ms
        demand(waited_ms > ACCEPT_TIMEOUT_MS, f"{run.id} is refused as too old after {waited_ms} ms")
    if isinstance(failure, (RunCancelled, PoisonedRun, TaskAbandoned, NoCoordinator)):
        return type(failure).__name__
    reference = run.subject.reference.of_mode(*run.modes)
    seen = Recorded.of((item for item, _ in run.items), run.failure)
    compare = exact_difference if run.subject.exact else difference
    found = compare(reference, seen)
    demand(found is None, f"I5, I6: run {run.id} of {run.subject.name} differs:\n{found}")
    return "as it should"


def _check_resuming(client: SimClient) -> None:
    run = client.run
    seen = [(show(item), position) for item, position in run.items]
    _demand_same("I8: a second reader", run, client.read_from(BEGINNING), seen)
    if seen:
        at = client.rng.randrange(len(seen))
        rest = client.read_from(seen[at][1])
        _demand_same(f"I8: a reader that joins at {seen[at][1]}", run, rest, seen[at + 1 :])
    parts = client.read_from(BEGINNING, "v2")
    told = [(p["ns"], p["type"], _as_v1(p)) for p, _ in parts if p["type"] != "retracted"]
    if output_coercion(run.subject.graph.program) is None:
        demand(
            [show(part) for part in told] == [text for text, _ in seen], f"v2 of {run.id} says something else than v1"
        )


def _as_v1(part: dict[str, Any]) -> Any:
    """The payload of a part: v2 shows interrupts beside the values, v1 among them."""
    return {**part["data"], "__interrupt__": part["interrupts"]} if part.get("interrupts") else part["data"]


def _demand_same(who: str, run: SimRun, items: Items, other: list[tuple[str, Position]]) -> None:
    mine = [(show(item), position) for item, position in items]
    if mine != other:
        at = next((i for i, pair in enumerate(zip(mine, other, strict=False)) if pair[0] != pair[1]), "the end")
        raise Violation(f"{who} of {run.id} got {len(mine)} items, not {len(other)}; they differ at {at}")


def _check_tokens(run: SimRun) -> None:
    """Each task's tokens came once, in order, none left out; what a node emits behind its end never comes (I6, I7)."""
    heard: dict[tuple[Any, str], int] = {}
    for (ns, mode, payload), _ in run.items:
        if mode != "custom" or not isinstance(payload, dict):
            continue
        demand("late" not in payload, f"I7: run {run.id} shows an event from behind a node's end")
        if "who" in payload:
            expected = heard.get((ns, payload["who"]), 0)
            text = f"token {payload} comes when {expected} is next"
            demand(payload["n"] == expected, f"I6: run {run.id}: {text}")
            heard[ns, payload["who"]] = expected + 1
