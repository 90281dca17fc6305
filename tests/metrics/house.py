"""A coordinator and a worker without threads, on the double: the test takes their steps, and somebody counts."""

from __future__ import annotations

from typing import Any

from drumline_coordinator.apps import Apps
from drumline_coordinator.run_spans import RunSpans
from drumline_coordinator.service import Coordinator
from drumline_protocol import wire
from drumline_protocol.ids import partition_of_run
from drumline_protocol.messages import CancelRun, RunRequest
from drumline_transport.memory import MemoryBroker, MemoryServer
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings
from drumline_worker.task_spans import WorkerSpans


class House:
    """One partition; `counts` and `meter` count, or nobody does; `tracer` makes spans."""

    def __init__(self, graphs: dict[str, Any], counts: Any = None, meter: Any = None, tracer: Any = None) -> None:
        programs = {name: graph.program for name, graph in graphs.items()}
        self.server = MemoryServer(partitions=1)
        self.server.now_ms = 1_000_000
        self.apps, self.programs = Apps(programs), programs
        self._tracer = tracer
        self.coordinator = self.coordinate("c1", counts)
        self.worker = self.employ("w1", meter)
        self.client = MemoryBroker(self.server)

    def employ(self, name: str, meter: Any = None) -> Worker:
        spans = None if self._tracer is None else WorkerSpans(self._tracer, "drumline")
        registry, settings = Registry(self.programs, spans=spans), WorkerSettings(pools=["default", "gpu"])
        return Worker(MemoryBroker(self.server), registry, name, settings, meter=meter)

    def coordinate(self, name: str, counts: Any = None) -> Coordinator:
        spans = None if self._tracer is None else RunSpans(self._tracer, "drumline")
        steady_ms = lambda: float(self.server.now_ms)  # noqa: E731
        broker = MemoryBroker(self.server)
        made = Coordinator(broker, self.apps, name, counts=counts, spans=spans, steady_ms=steady_ms)
        made.keeper.turn()
        return made

    def start(self, run_id: str, graph: str, input: Any, **more: Any) -> None:
        config = more.pop("config", {})
        request = RunRequest(run_id, graph, self.apps.codec.box(input), config, None, (), True, **more)
        self.say(request, run_id)

    def cancel(self, run_id: str) -> None:
        self.say(CancelRun(run_id, "enough"), run_id)

    def say(self, message: Any, run_id: str) -> None:
        self.client.submit(partition_of_run(run_id, 1), run_id, wire.encode(self.apps.codec, message))

    def lose_before_commit(self) -> list[Any]:
        """Another owner has the partition from the next commit on. Gives the commits that are sent, and refused."""
        broker, sent = self.coordinator._broker, []
        genuine = broker.send_commit

        def send(commit: Any) -> None:
            sent.append(commit)
            self.server.partition(0).lease.owner = "somebody else"
            genuine(commit)

        broker.send_commit = send  # type: ignore[method-assign]
        return sent

    def work(self) -> None:
        """Until nobody has anything to do."""
        for _ in range(50):
            self.coordinator.turn()
            if not self.step():
                self.coordinator.turn()
                return

    def step(self) -> bool:
        """The worker runs what it is given; whether that was something."""
        runner = self.worker.runner
        runner.take(0)
        taken = self.run_taken()
        if self.worker.outbox._queue:
            self.worker.sender.gather()
        self.worker.sender.send()
        return bool(taken)

    def run_taken(self) -> list[Any]:
        """The worker runs what it has taken, and tells nobody yet."""
        runner = self.worker.runner
        taken = list(runner.taken)
        runner.taken.clear()
        for execution, message in taken:
            job = runner.begin(execution, message)
            if job is not None:
                runner.run(execution, job)
        return taken
