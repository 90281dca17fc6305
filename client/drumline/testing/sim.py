"""`SimCluster`: a whole cluster in one thread, on a virtual clock, with faults; each step is drawn from one seed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import TracebackType
from typing import Any
from uuid import UUID

from drumline.cluster.cluster import Cluster
from drumline.store.memory import InMemoryStore
from drumline.testing._sim.coordinators import SimCoordinator
from drumline.testing._sim.driver import Driver
from drumline.testing._sim.engine import Engine
from drumline.testing._sim.link import SimLink
from drumline.testing._sim.workers import SimWorker
from drumline.testing.errors import FaultDidNotHappen
from drumline.testing.faults import Faults, Kind, NamedFault
from drumline.testing.graphs import node_names, served_graph, served_graphs


@dataclass(frozen=True, slots=True)
class Process:
    """A worker or coordinator that lives: its name, the nodes whose results it has not told yet, if it is stopped."""

    name: str
    kind: Kind
    nodes: tuple[str, ...] = ()
    paused: bool = False


class SimCluster:
    """Coordinators, workers, broker and clients of drumline in this thread. Nothing in it waits or sleeps.

    The code is that of a real cluster; simulated are the clock, the threads and the network. What happens next is drawn
    from `seed`, so that the same seed does the same again, line by line of `trace`. The cluster works while somebody
    reads a stream, waits for a result, or calls `advance`. It is for one thread.

    `graphs` are compiled graphs by name, drumline's or LangGraph's. `faults` is what goes wrong: a `Faults` for faults
    by chance, a named fault such as `CrashWorker("tools")`, or a list of both. Graphs without a store share `store` (an
    `InMemoryStore` if none is given), also as `.client.store`. Use it as a context manager: then it is checked at the
    end that the cluster has come to rest, and that each named fault has happened.
    """

    def __init__(
        self,
        graphs: Mapping[str, Any],
        *,
        workers: int = 2,
        coordinators: int = 1,
        partitions: int = 1,
        seed: int = 0,
        faults: Faults | NamedFault | Iterable[Faults | NamedFault] = (),
        store: Any = None,
    ) -> None:
        store = InMemoryStore() if store is None else store
        self.seed = seed
        self.graphs = served_graphs(graphs)
        chances, planned = _sorted_out(faults, self.graphs)
        self._rng = Random(seed)
        programs = {name: graph.program for name, graph in self.graphs.items()}
        echo = print if os.environ.get("DRUMLINE_TRACE", "") not in ("", "0") else None
        self._engine = engine = Engine(
            self._rng, programs, partitions=partitions, faults=chances, planned=planned, echo=echo
        )
        told = ", ".join(map(repr, [*([chances] if chances != Faults() else []), *planned])) or "no faults"
        self._driver = Driver(engine, seed, told, rough=chances != Faults())
        #: the production client of this cluster
        self.client = Cluster("memory://simulated", prefix="simulated", store=store)
        engine.registry.give_store(store)
        self.client.link = SimLink(self._driver)
        for _ in range(coordinators):
            engine.start_coordinator()
        for _ in range(workers):
            engine.start_worker()

    # -- runs -------------------------------------------------------------------------------------

    def graph(self, name: str, *, graph: Any = None) -> SimGraph:
        """The graph that is served as `name`: `.stream`, `.astream`, `.invoke`, `.start`, as on any cluster."""
        known = self.graphs.get(name) if graph is None else served_graph(graph)
        if name not in self.graphs:
            raise ValueError(f"this cluster serves {', '.join(map(repr, self.graphs))}, and no graph {name!r}")
        return SimGraph(self, name, known)

    def join(self, run_id: str, after: str | None = None, **options: Any) -> Any:
        """Read a run's stream from the beginning or behind a position: see `Cluster.join`."""
        return self.client.join(run_id, after, **options)

    def result(self, run_id: str) -> Any:
        """Let the cluster work until a run has ended, and return its output: see `Cluster.result`."""
        return self.client.result(run_id)

    def cancel(self, run_id: str, reason: str = "") -> None:
        """Ask for the end of a run: see `Cluster.cancel`."""
        self.client.cancel(run_id, reason)

    def status(self, run_id: str) -> dict[str, Any]:
        """What is known of a run: see `Cluster.status`."""
        return self.client.status(run_id)

    def new_run_id(self) -> str:
        """The id of the next run, drawn from the seed."""
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    # -- processes --------------------------------------------------------------------------------

    @property
    def workers(self) -> list[Process]:
        """The workers that live."""
        found = [(w, [execution.node for execution in w.executions]) for w in self._engine.workers]
        return [Process(w.name, "worker", tuple(nodes), w.paused_until_ms is not None) for w, nodes in found]

    @property
    def coordinators(self) -> list[Process]:
        """The coordinators that live."""
        found = self._engine.coordinators
        return [Process(c.name, "coordinator", paused=c.paused_until_ms is not None) for c in found]

    def start_worker(self) -> Process:
        """Start one more worker."""
        self._engine.start_worker(holds=True)
        return self.workers[-1]

    def start_coordinator(self) -> Process:
        """Start one more coordinator."""
        self._engine.start_coordinator()
        return self.coordinators[-1]

    def kill(self, process: Process | str, *, restart_after: float | None = None) -> None:
        """Kill a worker or coordinator now, as `kill -9` does. Another one starts after so many virtual seconds."""
        found, engine = self._find(process), self._engine
        again = None
        if restart_after is not None:
            at_ms = engine.server.now_ms + int(restart_after * 1000)
            again = lambda: at_ms  # noqa: E731
        if isinstance(found, SimWorker):
            engine.trouble.crash_worker(found, again)
        else:
            engine.trouble.bury(found, again)

    def pause(self, process: Process | str, seconds: float) -> None:
        """Stop a worker or coordinator for so many virtual seconds, as SIGSTOP and SIGCONT do."""
        self._engine.trouble.pause(self._find(process), int(seconds * 1000))

    def restart_broker(self, *, lost_tail: bool = False) -> None:
        """Restart the broker now; with `lost_tail` without its newest writes: see `RestartBroker`."""
        self._engine.trouble.restart()
        if lost_tail:
            self._engine.trouble.lose_tail()

    def _find(self, process: Process | str) -> SimWorker | SimCoordinator:
        name = process if isinstance(process, str) else process.name
        for found in self._engine.processes:
            if found.name == name:
                return found
        known = ", ".join(found.name for found in self._engine.processes)
        raise ValueError(f"no process {name!r} lives in this cluster; there are {known or 'none'}")

    # -- time -------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds since the cluster was made."""
        return self._engine.clock_ms / 1000

    def advance(self, seconds: float) -> None:
        """Let the cluster work for so many virtual seconds."""
        self._driver.advance(int(seconds * 1000))

    def settle(self) -> None:
        """Let the cluster work until nobody has anything left to do. SimulationStuck if that never comes."""
        self._driver.until(lambda: self._engine.is_quiet, "the cluster to come to rest")

    # -- what happened ----------------------------------------------------------------------------

    @property
    def trace(self) -> list[str]:
        """A line for each step: virtual milliseconds, who, what."""
        return list(self._engine.trace)

    @property
    def executions(self) -> Mapping[str, int]:
        """How often the code of each node was run, attempts whose result was lost among them."""
        return Counter(self._engine.plans.executed)

    @property
    def story(self) -> str:
        """The end of the trace, the seed, the faults, and the command that replays them: for messages of a test."""
        return self._driver.story()

    def check(self) -> None:
        """Let the cluster come to rest and check what must be true then.

        Nothing may be left of runs that are over (InvariantViolation), and each named fault must have happened
        (FaultDidNotHappen). The rules of streams and logs are checked all the time.
        """
        self._driver.check_rest()
        missed = self._engine.plans.missed
        if missed:
            ran = ", ".join(f"{node} {count}x" for node, count in sorted(self.executions.items())) or "none"
            raise FaultDidNotHappen(
                f"{', '.join(map(repr, missed))} did not happen. Nodes that ran: {ran}; commits of facts: "
                f"{self._engine.server.numbered}"
            )

    def __enter__(self) -> SimCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.check()
        elif isinstance(error, Exception) and "replay: DRUMLINE_SEED" not in str(error):
            # what `add_note` does, which Python 3.10 has not
            error.__notes__ = [*getattr(error, "__notes__", ()), self.story]

    def __repr__(self) -> str:
        return f"<SimCluster seed {self.seed}, {len(self.workers)} workers, {self.now:.1f} s>"


class SimGraph:
    """A graph that a simulated cluster serves. Get one from `SimCluster.graph(name)`.

    Its calls are those of `Cluster.graph(name)`; run ids are drawn from the seed unless the config names one.
    """

    def __init__(self, cluster: SimCluster, name: str, graph: Any) -> None:
        self.cluster = cluster
        self.name = name
        served: Any = cluster.client.graph(name, graph=graph)
        self._graph = served

    def _config(self, config: Mapping[str, Any] | None) -> dict[str, Any]:
        return {"run_id": self.cluster.new_run_id(), **(config or {})}

    def stream(self, input: Any, config: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Run the graph and yield what happens: see `ClusterGraph.stream`."""
        return self._graph.stream(input, self._config(config), **options)

    def astream(self, input: Any, config: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """The twin of `stream`. Its event loop stands still while the cluster works."""
        return self._graph.astream(input, self._config(config), **options)

    def invoke(self, input: Any, config: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Run the graph to its end and return its output: see `ClusterGraph.invoke`."""
        return self._graph.invoke(input, self._config(config), **options)

    async def ainvoke(self, input: Any, config: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """The twin of `invoke`."""
        return await self._graph.ainvoke(input, self._config(config), **options)

    def start(
        self, input: Any, config: Mapping[str, Any] | None = None, *, context: Any = None, after_seconds: float = 0
    ) -> str:
        """Start a run and return its id, for `join`, `result` and `cancel`: see `ClusterGraph.start`."""
        run_id: str = self._graph.start(input, self._config(config), context=context, after_seconds=after_seconds)
        return run_id

    def run(self, call: Any) -> Any:
        """The stream of a prepared call: what `graph.on(cluster)` uses."""
        return self._graph.run(replace(call, config=self._config(call.config)))

    def arun(self, call: Any) -> Any:
        """The twin of `run`."""
        return self._graph.arun(replace(call, config=self._config(call.config)))


def _sorted_out(
    faults: Faults | NamedFault | Iterable[Faults | NamedFault], graphs: Mapping[str, Any]
) -> tuple[Faults, Sequence[NamedFault]]:
    """Faults by chance, and named ones. ValueError for a node that no graph has."""
    given = list(faults) if isinstance(faults, Iterable) else [faults]
    chances = [fault for fault in given if isinstance(fault, Faults)]
    if len(chances) > 1:
        raise ValueError("faults= holds several Faults: give one, with the chances of all of them")
    planned: list[NamedFault] = [fault for fault in given if not isinstance(fault, Faults)]
    nodes = set[str]().union(*(node_names(graph.program) for graph in graphs.values()))
    for fault in planned:
        node = getattr(fault, "node", None)
        if node is not None and node not in nodes:
            raise ValueError(f"{fault!r}: no graph has a node {node!r}; there are {', '.join(sorted(nodes))}")
    return (chances[0] if chances else Faults()), planned
