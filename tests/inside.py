"""A whole cluster inside of this process: its services on threads, on a server that the test gives.

For tests that need the real loops and the real verbs, and neither processes nor their seconds.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from drumline import Cluster
from drumline_coordinator.apps import Apps
from drumline_coordinator.service import Coordinator, CoordinatorSettings
from drumline_transport import connect
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings

LIMIT_S = 20
PARTITIONS = 2


class Service:
    """A coordinator or a worker on a thread of its own."""

    def __init__(self, name: str, broker: Any, make: Callable[[Callable[[], None]], Any]) -> None:
        self.name = name
        self.broker = broker
        self.failure: BaseException | None = None
        ready = threading.Event()
        self.service = make(ready.set)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        assert ready.wait(LIMIT_S), f"{name} did not get ready: {self.failure!r}"

    def _run(self) -> None:
        try:
            self.service.run()
        except BaseException as error:
            self.failure = error

    def stop(self) -> None:
        """End in good order: a worker finishes what it has begun."""
        self.service.stop()
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive(), f"{self.name} does not end"
        self.broker.close()


class Inside:
    """A cluster under a key prefix of its own. `graphs`: name -> compiled graph."""

    def __init__(self, url: str, graphs: Mapping[str, Any]) -> None:
        self.url = url
        self.prefix = f"in{uuid.uuid4().hex[:8]}"
        self._programs = {name: graph.program for name, graph in graphs.items()}
        self._services: list[Service] = []
        self._clients: list[Cluster] = []

    def coordinator(self, settings: CoordinatorSettings | None = None) -> Service:
        """Start one more coordinator."""
        name = f"c{len(self._services)}"
        broker = self._broker(name)
        return self._add(
            Service(
                name,
                broker,
                lambda ready: Coordinator(
                    broker, Apps(self._programs, broker.protocol), name, settings, on_ready=ready
                ),
            )
        )

    def worker(self, *, pools: Sequence[str] = ("default",), concurrency: int = 4, drain_s: float = 5.0) -> Service:
        """Start one more worker."""
        name = f"w{len(self._services)}"
        broker = self._broker(name)
        settings = WorkerSettings(pools=pools, concurrency=concurrency, drain_s=drain_s)
        return self._add(
            Service(
                name,
                broker,
                lambda ready: Worker(broker, Registry(self._programs, broker.protocol), name, settings, on_ready=ready),
            )
        )

    def client(self, **options: Any) -> Cluster:
        """A client of this cluster."""
        self._clients.append(Cluster(self.url, prefix=self.prefix, **options))
        return self._clients[-1]

    def _broker(self, name: str) -> Any:
        return connect(self.url, prefix=self.prefix, partitions=PARTITIONS, name=name, create=True)

    def _add(self, service: Service) -> Service:
        self._services.append(service)
        return service

    def __enter__(self) -> Inside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()
        for service in self._services:
            service.service.stop()
        for service in self._services:
            service.stop()
