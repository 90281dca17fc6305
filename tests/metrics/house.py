"""A coordinator and a worker without threads, on the double: the test takes their steps, and somebody counts."""

from __future__ import annotations

from typing import Any

from drumline_coordinator.apps import Apps
from drumline_coordinator.service import Coordinator
from drumline_protocol import wire
from drumline_protocol.ids import partition_of_run
from drumline_protocol.messages import CancelRun, RunRequest
from drumline_transport.memory import MemoryBroker, MemoryServer
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings


class House:
    """One partition; `counts` and `meter` count, or nobody does."""

    def __init__(self, graphs: dict[str, Any], counts: Any = None, meter: Any = None) -> None:
        programs = {name: graph.program for name, graph in graphs.items()}
        self.server = MemoryServer(partitions=1)
        self.server.now_ms = 1_000_000
        self.apps, self.programs = Apps(programs), programs
        self.coordinator = self.coordinate("c1", counts)
        self.worker = Worker(
            MemoryBroker(self.server), Registry(programs), "w1", WorkerSettings(pools=["default", "gpu"]), meter=meter
        )
        self.client = MemoryBroker(self.server)

    def coordinate(self, name: str, counts: Any) -> Coordinator:
        made = Coordinator(
            MemoryBroker(self.server), self.apps, name, counts=counts, clock_ms=lambda: float(self.server.now_ms)
        )
        made.keeper.turn()
        return made

    def start(self, run_id: str, graph: str, input: Any, **more: Any) -> None:
        request = RunRequest(run_id, graph, self.apps.codec.box(input), {}, None, (), True, **more)
        self.say(request, run_id)

    def cancel(self, run_id: str) -> None:
        self.say(CancelRun(run_id, "enough"), run_id)

    def say(self, message: Any, run_id: str) -> None:
        self.client.submit(partition_of_run(run_id, 1), run_id, wire.encode(self.apps.codec, message))

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
        taken = list(runner.taken)
        runner.taken.clear()
        for execution, message in taken:
            job = runner.begin(execution, message)
            if job is not None:
                runner.run(execution, job)
        if self.worker.outbox._queue:
            self.worker.sender.gather()
        self.worker.sender.send()
        return bool(taken)
