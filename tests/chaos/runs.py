"""Runs and their readers: what a client that lives through all of it does, and what it saw."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.expected import MODES, wrong, wrong_beginning
from tests.chaos.graphs import INPUTS, LINEAR, VARIANTS

from drumline import Cluster
from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.errors import (
    InvalidPosition,
    LogGap,
    NoBroker,
    NoCoordinator,
    RunCancelled,
    RunExpired,
    UnknownRun,
)
from drumline.graph.call_types import RunConfig

#: what tells a reader that the broker lost something: allowed only where the broker may lose
LOSSES = (LogGap, RunExpired, UnknownRun, InvalidPosition)
#: pause before a client whose broker is away tries again
AGAIN_S = 0.2

#: how often a run whose loss was told is read again
_JOINS_MAX = 20

#: reader -> its share: most read through, some break off and join again, some cancel
HABITS = {"reads": 5, "joins again": 3, "starts, then joins": 2, "cancels": 1}


@dataclass(slots=True)
class Run:
    """One run of a known graph. `outcome` is "" while it goes on."""

    id: str
    graph: str
    variant: int
    habit: str
    #: items to read before the reader breaks off, or cancels
    breaks_at: int
    items: list[Any] = field(default_factory=list)
    position: str | None = None
    begun_s: float = 0.0
    took_s: float = 0.0
    #: how often it had to begin again because the broker was away
    joins: int = 0
    outcome: str = ""
    detail: str = ""

    def end(self, outcome: str, detail: str = "") -> None:
        self.took_s = time.monotonic() - self.begun_s
        self.outcome, self.detail = outcome, detail
        self.items = []


def runs_of(seed: int, name: str) -> Iterator[Run]:
    """Endless runs, the same for the same seed and name."""
    number = 0
    while True:
        number += 1
        rng = random.Random(f"{seed} {name} {number}")
        graph = rng.choice(list(INPUTS))
        (habit,) = rng.choices(list(HABITS), list(HABITS.values()))
        if habit == "cancels" and graph not in LINEAR:
            habit = "reads"
        yield Run(f"{name}-{seed}-{number}", graph, rng.randrange(VARIANTS), habit, rng.randint(1, 20))


class Driver:
    """Keeps a number of runs in flight. `losses_allowed`: the broker may lose its last second, if it says so."""

    def __init__(self, clusters: list[Cluster], seed: int, *, losses_allowed: bool) -> None:
        self.clusters = clusters
        self.stopping = threading.Event()
        self.runs: list[Run] = []
        self._seed = seed
        self._losses_allowed = losses_allowed
        self._threads: list[threading.Thread] = []

    def start(self, threads: int, tasks: int, loops: int = 2) -> None:
        """`threads` sync readers, and `tasks` async ones on `loops` event loops."""
        from tests.chaos.async_runs import serve_loop

        for number in range(threads):
            self._spawn(self._serve, f"s{number}", self.clusters[number % len(self.clusters)])
        for number in range(loops):
            cluster = self.clusters[number % len(self.clusters)]
            self._spawn(serve_loop, self, f"a{number}", cluster, tasks // loops)

    def _spawn(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def finish(self, patience_s: float) -> list[Run]:
        """Begin no new runs, wait for those in flight; the runs that did not end."""
        self.stopping.set()
        deadline = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [run for run in self.runs if not run.outcome]

    def next_run(self, source: Iterator[Run]) -> Run:
        run = next(source)
        run.begun_s = time.monotonic()
        self.runs.append(run)
        return run

    # -- one reader -----------------------------------------------------------------------------------

    def _serve(self, name: str, cluster: Cluster) -> None:
        source = runs_of(self._seed, name)
        while not self.stopping.is_set():
            run = self.next_run(source)
            while not run.outcome:
                try:
                    self._read(cluster, run)
                except BaseException as error:
                    if not self.judge(run, error):
                        time.sleep(AGAIN_S)

    def source(self, name: str) -> Iterator[Run]:
        return runs_of(self._seed, name)

    def _read(self, cluster: Cluster, run: Run) -> None:
        stream = self.open(cluster, run)
        for item in stream:
            run.items.append(item)
            run.position = stream.position
            if len(run.items) == run.breaks_at:
                if run.habit == "joins again":
                    del stream
                    stream = self.join(cluster, run)
                    run.breaks_at = -1
                    return self._read_on(stream, run)
                if run.habit == "cancels":
                    cluster.cancel(run.id, "the client has seen enough")
        self.ended(run)
        return None

    def _read_on(self, stream: RunStream[Any], run: Run) -> None:
        for item in stream:
            run.items.append(item)
            run.position = stream.position
        self.ended(run)

    def open(self, cluster: Cluster, run: Run) -> RunStream[Any]:
        """Begin the run, or go on where it was read to."""
        if run.items:
            return self.join(cluster, run)
        graph, given, config = cluster.graph(run.graph), INPUTS[run.graph](run.variant), RunConfig(run_id=run.id)
        if run.habit == "starts, then joins":
            graph.start(given, config)
            return self.join(cluster, run)
        return graph.stream(given, config, stream_mode=MODES, subgraphs=True, on_close="continue")

    @staticmethod
    def join(cluster: Cluster, run: Run) -> RunStream[Any]:
        return cluster.join(run.id, run.position, stream_mode=MODES, subgraphs=True)

    @staticmethod
    def ajoin(cluster: Cluster, run: Run) -> AsyncRunStream[Any]:
        return cluster.ajoin(run.id, run.position, stream_mode=MODES, subgraphs=True)

    # -- what became of it ----------------------------------------------------------------------------

    def ended(self, run: Run) -> None:
        """The stream came to its end by itself."""
        found = wrong(run.graph, run.variant, run.items)
        run.end("wrong" if found else "right", found or "")

    def judge(self, run: Run, error: BaseException) -> bool:
        """Whether the error ends the run; else it is read on."""
        if isinstance(error, NoBroker):
            run.joins += 1
            return False
        if isinstance(error, RunCancelled) and run.habit == "cancels":
            found = wrong_beginning(run.graph, run.variant, run.items)
            run.end("wrong" if found else "cancelled", found or "")
        elif isinstance(error, NoCoordinator):
            run.end("not accepted", str(error))
        elif isinstance(error, LOSSES):
            return self._lost(run, error)
        else:
            run.end("failed", f"{type(error).__name__}: {error}")
        return True

    def _lost(self, run: Run, error: BaseException) -> bool:
        """The broker lost something, and said so. Read what is left from its beginning, so that the run ends."""
        if not self._losses_allowed:
            run.end("lost", f"{type(error).__name__}: {error}")
            return True
        if isinstance(error, UnknownRun):
            run.end("lost and told", str(error))
            return True
        run.items, run.position = [], None
        run.joins += 1
        if run.joins > _JOINS_MAX:
            run.end("lost and told", f"{type(error).__name__}: {error}")
            return True
        return False
