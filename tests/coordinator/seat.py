"""A partition on the double, as its coordinator works it: entries go in, commits are applied, tasks come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_coordinator.apps import Apps
from drumline_coordinator.partition import Partition
from drumline_graph.constants import START
from drumline_protocol import wire
from drumline_protocol.facts import Fact, RunFinished
from drumline_protocol.messages import RunRequest, TaskMessage, TaskResult
from drumline_transport.broker import Commit, InboxEntry
from drumline_transport.memory import MemoryBroker, MemoryServer


class Seat:
    """Partition 0 of a cluster of one partition."""

    def __init__(self, programs: dict[str, Any], **options: Any) -> None:
        self.server = MemoryServer(partitions=1)
        self.broker = MemoryBroker(self.server)
        self.apps = Apps(programs)
        self.codec = self.apps.codec
        self.options = options
        self.commits: list[Commit] = []
        self.partition = self.lease()

    def lease(self) -> Partition:
        """Take the partition over: what the owner before had in memory is gone."""
        lease = self.broker.acquire(0, "me", 60_000)
        assert lease is not None
        self.partition = Partition(lease, self.apps, self.broker, **self.options)
        return self.partition

    def say(self, message: Any, *, run: str | None = None) -> None:
        """A client or a worker sends a message."""
        named = getattr(message, "run", None) or getattr(message, "run_id", "")
        self.send(wire.encode(self.codec, message), named if run is None else run, isinstance(message, RunRequest))  # type: ignore[arg-type]

    def send(self, data: bytes, run: str = "", request: bool = False) -> None:
        """Somebody writes bytes."""
        (self.broker.submit if request else self.broker.push_inbox)(0, run, data)

    def entries(self) -> list[InboxEntry]:
        """What waits."""
        return self.broker.read_inbox({0: self.partition.position}, 10_000, 0)

    def turn(self, entries: Sequence[InboxEntry] | None = None) -> Commit | None:
        """Handle what waits, in one batch, and commit."""
        commit = self.partition.handle(self.entries() if entries is None else entries, float(self.server.now_ms))
        if commit is not None:
            self.apply(commit)
        return commit

    def apply(self, commit: Commit) -> None:
        reply = self.server.commit(commit)
        assert reply.status == "applied", reply
        self.partition.answered = reply.number
        self.commits.append(commit)

    def settle(self) -> None:
        """Turn until nothing is left to do."""
        while self.entries() or self.partition.has_more:
            self.turn()

    def start(self, run_id: str = "r1", graph: str = "g", input: Any = None, **config: Any) -> list[TaskMessage]:
        """Begin a run; its first tasks."""
        given = {"l": ["i"]} if input is None else input
        self.say(RunRequest(run_id, graph, self.codec.box(given), config, recorded=("custom",)))
        self.settle()
        return self.tasks()

    def tasks(self) -> list[TaskMessage]:
        """The task entries that a worker takes now."""
        return [wire.decode(self.codec, taken.data) for taken in self.broker.take(["default"], "w1", 10_000, 0)]

    def result(self, task: TaskMessage, run: str = "r1", graph: str = "g", **given: Any) -> TaskResult:
        """What the worker of a task answers."""
        edges = [] if task.node == START else self.apps.programs[graph].nodes[task.node].edges
        writes = given.pop("writes", [["l", ["x"]], *([channel, value] for channel, value in edges)])
        return TaskResult(run, task.task, task.attempt, "w1", writes, **{"token": task.token, "events": 0, **given})

    def facts(self, run_id: str = "r1") -> list[Fact]:
        """The log of a run."""
        log = self.broker.load_log(0, run_id)
        return [fact for entry in log for fact in wire.decode_facts(self.codec, entry.data)]

    def end(self, run_id: str = "r1") -> RunFinished | None:
        """How the run ended."""
        last = (self.facts(run_id) or [None])[-1]  # type: ignore[list-item]
        return last if isinstance(last, RunFinished) else None
