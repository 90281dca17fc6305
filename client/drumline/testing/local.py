"""`local_cluster`: real coordinators and workers on threads of this process, on the memory broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drumline.cluster.cluster import Cluster
from drumline.cluster.link import Link
from drumline.store.memory import InMemoryStore
from drumline.testing._local.broker import LocalBroker, LocalServer
from drumline.testing.graphs import served_graphs
from drumline_coordinator.apps import Apps
from drumline_coordinator.run_spans import RunSpans
from drumline_coordinator.service import Coordinator
from drumline_transport.instruments import instruments_here
from drumline_transport.spans import tracer_here
from drumline_worker.message_meter import MessageMeter
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings
from drumline_worker.task_spans import WorkerSpans

#: how long a thread may take to get ready, or to end
PATIENCE_S = 20.0
PREFIX = "local"


class LocalCluster(Cluster):
    """A drumline cluster of threads: a `Cluster` whose coordinators, workers and broker live in this process.

    Graphs that were compiled without a store share `store` (an `InMemoryStore` if none is given), also as `.store`.

    Close it, or use it as a context manager: its threads end then, and its runs with them. RuntimeError if a service
    does not get ready, or has died when the cluster is closed.
    """

    def __init__(
        self,
        graphs: Mapping[str, Any],
        *,
        workers: int = 2,
        coordinators: int = 1,
        partitions: int = 2,
        concurrency: int = 8,
        types: Sequence[type] = (),
        errors: Sequence[type[BaseException]] = (),
        store: Any = None,
    ) -> None:
        store = InMemoryStore() if store is None else store
        super().__init__("memory://local", prefix=PREFIX, types=types, errors=errors, store=store)
        #: the graphs that it serves, by name
        self.graphs = served_graphs(graphs)
        programs = {name: graph.program for name, graph in self.graphs.items()}
        self._server = LocalServer(partitions)
        self.link = LocalLink(self._server, types, errors)
        self._services: list[_Service] = []
        apps = Apps(programs)
        settings = WorkerSettings(pools=apps.pools(), concurrency=concurrency, drain_s=PATIENCE_S)
        tracer = tracer_here()
        told = instruments_here(PREFIX)
        meter = None if told is None else MessageMeter(told)
        task_spans = None if tracer is None else WorkerSpans(tracer, PREFIX)

        def coordinator(name: str, broker: Any, on_ready: Callable[[], None]) -> Coordinator:
            spans = None if tracer is None else RunSpans(tracer, PREFIX)
            return Coordinator(broker, apps, name, on_ready=on_ready, spans=spans, instruments=told)

        def worker(name: str, broker: Any, on_ready: Callable[[], None]) -> Worker:
            registry = Registry(programs, spans=task_spans)
            registry.give_store(store)
            return Worker(broker, registry, name, settings, on_ready=on_ready, meter=meter)

        try:
            for number in range(coordinators):
                self._start(f"coordinator-{number + 1}", coordinator)
            for number in range(workers):
                self._start(f"worker-{number + 1}", worker)
        except BaseException:
            self.close()
            raise

    def graph(self, name: str, *, graph: Any = None) -> Any:
        """The graph that is served as `name`, with its types: see `Cluster.graph`. ValueError for another name."""
        if name not in self.graphs:
            raise ValueError(f"this cluster serves {', '.join(map(repr, self.graphs))}, and no graph {name!r}")
        return super().graph(name, graph=self.graphs[name] if graph is None else graph)

    def _start(self, name: str, make: Callable[[str, Any, Callable[[], None]], Any]) -> None:
        self._services.append(_Service(name, LocalBroker(self._server), make))

    def close(self) -> None:
        """End all threads of the cluster. What runs is finished first, but nothing new is begun."""
        super().close()
        for service in self._services:
            service.stop()
        self._server.close()
        for service in self._services:
            service.join()
        failed, self._services = [service for service in self._services if service.failure is not None], []
        if failed:
            raise RuntimeError(f"{failed[0].name} died: {failed[0].failure!r}") from failed[0].failure

    def __enter__(self) -> LocalCluster:
        return self

    def __repr__(self) -> str:
        return f"<LocalCluster of {', '.join(map(repr, self.graphs))}>"


def local_cluster(graphs: Mapping[str, Any], **options: Any) -> LocalCluster:
    """A `LocalCluster`, for `with local_cluster({"agent": graph}) as cluster:` and for fixtures."""
    return LocalCluster(graphs, **options)


class LocalLink(Link):
    """A client's link to a cluster of threads."""

    def __init__(
        self, server: LocalServer, types: Sequence[type] = (), errors: Sequence[type[BaseException]] = ()
    ) -> None:
        super().__init__("memory://local", "local", types, errors)
        self._server = server

    def broker(self) -> Any:
        """The broker, as clients see it."""
        return self.whole_broker()

    def whole_broker(self) -> Any:
        """The same: it has the verbs of all roles."""
        with self._lock:
            if self._broker is None:
                broker: Any = LocalBroker(self._server)
                self._broker = broker
            return self._broker

    def await_cluster(self) -> None:
        """It is there."""


class _Service:
    """A coordinator or a worker on a thread of its own."""

    def __init__(self, name: str, broker: LocalBroker, make: Callable[[str, Any, Callable[[], None]], Any]) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self._broker = broker
        told = threading.Event()
        self._service = make(name, broker, told.set)
        self._thread = threading.Thread(target=self._run, args=(told,), name=f"drumline-{name}", daemon=True)
        self._thread.start()
        if not told.wait(PATIENCE_S) or self.failure is not None:
            raise RuntimeError(f"{name} did not get ready: {self.failure!r}") from self.failure

    def _run(self, told: threading.Event) -> None:
        try:
            self._service.run()
        except BaseException as error:
            self.failure = error
            told.set()

    def stop(self) -> None:
        """Ask it to end."""
        self._service.stop()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join(PATIENCE_S)
        self._broker.close()
        loop = self._service.runner._loop if isinstance(self._service, Worker) else None
        if loop is not None:
            loop.close()
