"""How things are measured: contenders take turns, in rounds; what is reported is the median of a contender's rounds.

Taking turns matters more than many rounds: on a machine that is shared, what disturbs one contender then disturbs all.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.processes import BarePeer, ClusterProcesses
from benchmarks.relay import Relay
from drumline_transport.local_server import LocalServer

T = TypeVar("T")

#: one sample that takes longer has failed
SAMPLE_LIMIT_S = 60.0


class TooLong(Exception):
    """A sample was cut off."""


class FailedSample(Exception):
    """What was measured failed, as the text says, and has `figures` all the same."""

    def __init__(self, text: str, figures: Mapping[str, float]) -> None:
        super().__init__(text)
        self.figures = dict(figures)


@dataclass(slots=True)
class Contender:
    """One way to do a workload. `sample()` does it once and returns a figure for each metric of its table."""

    name: str
    sample: Callable[[], Mapping[str, float]]


@dataclass(slots=True)
class Table:
    """Contenders that are measured side by side.

    `metrics` are the names of the figures, unit included. At most `rounds` rounds, and no new one after `budget_s`
    (but at least two). `warm`: each contender does it once before, unmeasured. `limit_s`: one sample that takes longer
    has failed.
    """

    key: str
    title: str
    metrics: Sequence[str]
    contenders: Sequence[Contender]
    rounds: int
    budget_s: float
    warm: bool = True
    limit_s: float = SAMPLE_LIMIT_S


@dataclass(slots=True)
class Result:
    """What a contender's rounds gave: a list of figures for each metric, and the error that ended them, if any."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    error: str = ""

    def median(self, metric: str) -> float | None:
        """The median of a metric, or None if it was not measured."""
        values = self.figures.get(metric)
        return statistics.median(values) if values else None


@dataclass(slots=True)
class Measured:
    """A table with its results, by name of contender."""

    table: Table
    results: dict[str, Result]
    rounds: int
    seconds: float


def measure(table: Table) -> Measured:
    """Warm every contender up, then go round. A contender that fails is left out from there on, with its error."""
    began = time.monotonic()
    results = {contender.name: Result() for contender in table.contenders}
    alive = list(table.contenders)
    if table.warm:
        alive = [contender for contender in alive if _sample(contender, Result(), results, table.limit_s)]
    rounds = 0
    began_rounds = time.monotonic()
    while alive and rounds < table.rounds and (rounds < 2 or time.monotonic() - began_rounds < table.budget_s):
        turn = rounds % len(alive)
        for contender in alive[turn:] + alive[:turn]:
            if not _sample(contender, results[contender.name], results, table.limit_s):
                alive = [other for other in alive if other is not contender]
        rounds += 1
    return Measured(table, results, rounds, time.monotonic() - began)


def _sample(contender: Contender, into: Result, results: Mapping[str, Result], limit_s: float) -> bool:
    """Whether it succeeded. Its figures are added to those of `into`."""
    gc.collect()  # nobody pays for what another left behind
    failed = False
    try:
        with time_limit(limit_s):
            figures = contender.sample()
    except Exception as error:
        failed = True
        figures = error.figures if isinstance(error, FailedSample) else {}
        text = str(error) if isinstance(error, FailedSample) else f"{type(error).__name__}: {error}"
        results[contender.name].error = text.splitlines()[0]
        print(f"  {contender.name} failed: {text}", file=sys.stderr, flush=True)
    for metric, value in figures.items():
        into.figures.setdefault(metric, []).append(value)
    return not failed


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooLong` in the main thread when the block takes longer. Does nothing where there is no SIGALRM."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(_signal: int, _frame: Any) -> None:
        raise TooLong(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Bench:
    """What a workload may use: an event loop, a broker, clusters and bare peers. Closing it ends all of them."""

    def __init__(self, *, quick: bool = False, program: Path | None = None) -> None:
        self.quick = quick
        self._program = program
        self._server: LocalServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stack = ExitStack()

    def rounds(self, usual: int, *, least: int = 2) -> int:
        """How many rounds a table takes at most: a quarter of the usual, but `least`, when quick."""
        return max(least, usual // 4) if self.quick else usual

    def budget_s(self, usual: float) -> float:
        """How long a table may take: a fifth of the usual when quick."""
        return usual / 5 if self.quick else usual

    @property
    def server(self) -> LocalServer:
        """A broker of our own with an append-only file (`everysec`), as `drumline up` starts it."""
        if self._server is None:
            self._server = LocalServer(self._program)
            self._stack.callback(self._server.close)
            self._server.start()
        return self._server

    def cluster(
        self,
        *,
        workers: int = 1,
        concurrency: int = 8,
        app: str = "benchmarks.graphs:GRAPHS",
        coordinators: int = 1,
        partitions: int | None = None,
        relayed: bool = False,
    ) -> ClusterProcesses:
        """Coordinators and workers, each a process of its own, ready; under a key prefix of their own."""
        cluster = ClusterProcesses(self.server.url, app, relayed=relayed)
        self._stack.callback(cluster.close)
        cluster.start(workers=workers, concurrency=concurrency, coordinators=coordinators, partitions=partitions)
        return cluster

    def bare_peer(self, role: str) -> BarePeer:
        """A process of `benchmarks.bare` on the same broker."""
        peer = BarePeer(self.server.url, role)
        self._stack.callback(peer.close)
        return peer

    def relay(self) -> Relay:
        """A relay to the broker, for a client of our own."""
        relay = Relay(self.server.url)
        self._stack.callback(relay.close)
        return relay

    def defer(self, close: Callable[[], Any]) -> None:
        """Call this when the workload is over."""
        self._stack.callback(close)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the one loop of this process; what a failure leaves behind is cancelled."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(coroutine)
        except BaseException:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            raise

    def end_workload(self) -> None:
        """End the processes that the last workload started, the broker too: the next one finds an empty machine."""
        self._stack.close()
        self._server = None

    def close(self) -> None:
        """End everything."""
        self.end_workload()
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._loop = None
