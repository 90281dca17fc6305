"""What is counted of a coordinator, if somebody counts. Nothing here knows a metrics library.

A stage notes what its commit tells, and it is counted when the broker has applied that: what a process that lost its
partition had in memory never happened.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from drumline_protocol.facts import AttemptRetracted, Fact, RunFinished, RunStarted, TaskInterrupted, TaskParked
from drumline_protocol.messages import RunRequest, RunShared
from drumline_transport.broker import START, Commit, InboxEntry, Lease
from drumline_transport.instruments import Instruments

if TYPE_CHECKING:
    from drumline_coordinator.opened import OpenRun
    from drumline_coordinator.tasks import Task
    from drumline_graph.program import Program


@dataclass(slots=True)
class Over:
    """The end of a run, for its span. `shared` is None for one that is not in memory."""

    run_id: str
    end: RunFinished
    started: RunStarted | None = None
    shared: RunShared | None = None


@dataclass(slots=True)
class Told:
    """What one commit tells: names of graphs, one for each time that something happened."""

    log_bytes: int = 0
    started: list[str] = field(default_factory=list)
    #: (graph, status, how many seconds the run took; None: it had not begun, or nobody knows any more)
    ended: list[tuple[str, str, float | None]] = field(default_factory=list)
    retracted: list[str] = field(default_factory=list)
    #: tasks whose worker died
    died: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    #: tasks that were sent, by pool
    pools: Counter[str] = field(default_factory=Counter)
    #: spans of tasks that were sent
    sent: list[Any] = field(default_factory=list)
    #: runs that are over, whether they had begun or not
    over: list[Over] = field(default_factory=list)

    def note(self, graph: str, facts: Sequence[Fact], log_bytes: int) -> None:
        """Facts of a run, and what they take in its log."""
        self.log_bytes += log_bytes
        for fact in facts:
            kind = type(fact)
            if kind is RunStarted:
                self.started.append(graph)
            elif kind is TaskParked:
                self.parked.append(graph)
            elif kind is TaskInterrupted:
                self.asked.append(graph)
            elif kind is AttemptRetracted:
                self.retracted.append(graph)
                if fact.died:  # type: ignore[union-attr]
                    self.died.append(graph)

    def end(self, graph: str, end: RunFinished, started: RunStarted | None = None) -> None:
        """The end of a run; `started`: if it is known when it began."""
        took_s = None if started is None else (end.at_ms - started.at_ms) / 1000
        self.ended.append((graph, end.status, took_s))


class Counts(Protocol):
    """Where the numbers go (`drumline.metrics.of_coordinator`)."""

    def committed(self, told: Told, waited_s: float | None) -> None:
        """A commit was applied. It was sent `waited_s` after its oldest entry had come in; None: it answers none."""
        ...

    def taken_over(self) -> None:
        """A partition that somebody had worked on has a new owner: this process."""
        ...


class Spans(Protocol):
    """What makes spans (`drumline_coordinator.run_spans.RunSpans`)."""

    def begin(self, request: RunRequest, graph: str, program: Program, thread: str, now_ms: float) -> None:
        """A run begins; its request is given the context below which its tasks lie."""
        ...

    def send(self, open_run: OpenRun, task: Task, told: Told | None) -> str:
        """A task is about to be sent, in a commit that tells that: its span as text; "": there is none."""
        ...

    def committed(self, told: Told) -> None:
        """What a commit tells has happened."""
        ...


class Meter:
    """Holds what commits tell until the broker answers. For the main loop alone."""

    def __init__(
        self, counts: Counts | None, spans: Spans | None = None, instruments: Instruments | None = None
    ) -> None:
        self._counts = counts
        self._spans = spans
        self._instruments = instruments
        #: by partition and number: what it tells, how long its oldest entry had waited, and when it was sent
        self._sent: dict[tuple[int, int], tuple[Told, float | None, float]] = {}

    def sent(self, commit: Commit, told: Told | None, batch: Sequence[InboxEntry], redis_ms: float) -> None:
        """A commit is on its way. `redis_ms` is what Redis TIME is about now: the ids of entries are from there."""
        oldest_ms = min((int(entry.id.partition("-")[0]) for entry in batch), default=None)
        waited_s = None if oldest_ms is None else max(0.0, redis_ms - oldest_ms) / 1000
        self._sent[commit.partition, commit.number] = (told or Told(), waited_s, time.monotonic())

    def answered(self, partition: int, number: int) -> None:
        """The broker has applied a commit."""
        found = self._sent.pop((partition, number), None)
        if found is None:
            return
        told, waited_s, sent_s = found
        if self._counts is not None:
            self._counts.committed(told, waited_s)
        if self._spans is not None:
            self._spans.committed(told)
        if self._instruments is not None and told.pools:
            self._instruments.sent(told.pools, time.monotonic() - sent_s)

    def lost(self, partition: int) -> None:
        """What is on its way for the partition will not be applied, or nobody will know."""
        for key in [key for key in self._sent if key[0] == partition]:
            del self._sent[key]

    def leased(self, lease: Lease) -> None:
        """This process has a partition from now on."""
        if lease.position != START and self._counts is not None:
            self._counts.taken_over()
