"""A worker of the simulated cluster: the production service with all its parts; the simulator is its threads.

A node runs at one stroke when its entry was taken, or up to the first call of a `@task` whose result it lacks. But what
it emits and answers is kept as a script, and goes into the outbox line by line in steps of the simulator. So a crash or
a pause falls between any two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

from drumline.testing._sim.mercy import Mercy
from drumline.testing._sim.network import SimServer
from drumline.testing._sim.scripted import Replay, ScriptedOutbox
from drumline.testing._sim.turns import LoopTurn, SimCalls, ThreadTurn
from drumline.testing.faults import Faults
from drumline_graph.functional import tasks_exist
from drumline_protocol import wire
from drumline_protocol.errors import NoBroker
from drumline_protocol.facts import CUSTOM
from drumline_protocol.limits import TASK_LEASE_MS
from drumline_transport.broker import Delivery
from drumline_transport.memory import MemoryBroker
from drumline_worker.job import Job
from drumline_worker.loop import shared_loop
from drumline_worker.outbox import Batch, Execution
from drumline_worker.registry import Registry
from drumline_worker.service import RENEWALS, Worker, WorkerSettings

KEEP_MS = TASK_LEASE_MS // RENEWALS
#: what a node emits behind its return; no stream may ever show it
LATE = {"late": True}


class WorkerBroker(MemoryBroker):
    """A worker's side of the broker, where replies get lost and entries come twice."""

    def __init__(self, server: SimServer, faults: Faults, rng: Random, mercy: Mercy) -> None:
        super().__init__(server)
        self.faults = faults
        self.rng = rng
        self.mercy = mercy
        self.told = ""
        #: the reply of the next publish gets lost
        self.loses_next = False

    def take(self, pools: list[str], consumer: str, count: int, block_ms: int) -> list[Delivery]:
        """`lose_delivery`: the reply is lost, nobody runs them. `repeat_task`: an entry comes twice."""
        deliveries = super().take(pools, consumer, count, block_ms)
        lost = bool(deliveries) and self.rng.random() < self.faults.lose_delivery
        if lost and self.mercy.strikes_entries(delivery.data for delivery in deliveries):
            self.told = f"takes {len(deliveries)}, the reply is lost"
            raise NoBroker("memory", "the reply is lost")
        found: list[Delivery] = []
        for delivery in deliveries:
            found.append(delivery)
            if self.rng.random() < self.faults.repeat_task:
                found.append(delivery)
        return found

    def publish(self, entries: list[Any], done: list[tuple[str, str]]) -> None:
        """`repeat_publish`: the reply is lost, so the worker does not know that it was written."""
        super().publish(entries, done)
        self.told = f"publishes {len(entries)} entries, {len(done)} tasks done"
        lost = self.rng.random() < self.faults.repeat_publish
        if lost or self.loses_next:
            self.told += ", the reply is lost"
            raise NoBroker("memory", "the reply is lost")


class StrokeLoop:
    """Stands in for a worker's event loop: a coroutine runs to its end before `submit` returns, or until it waits."""

    def __init__(self) -> None:
        self.ran = False
        #: calls of the worker, and the execution that is begun just now; None: no code of this process calls any
        self.calls: SimCalls | None = None
        self.begins: Execution | None = None

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run it on the shared loop of this process, whose thread the simulator waits for."""
        self.ran = True
        if self.calls is None or self.begins is None:
            shared_loop().submit(coroutine).result()
        else:
            self.calls.begin(self.begins, LoopTurn(self.begins, coroutine))


class SimWorker:
    """One worker process; `registry` holds the graphs that it can run, or none.

    `on_run(worker, execution)` hears of each execution of a node, `loses_result(execution)` is asked whether the reply
    to its answer gets lost.
    """

    def __init__(
        self,
        name: str,
        server: SimServer,
        registry: Registry,
        faults: Faults,
        rng: Random,
        *,
        mercy: Mercy,
        pools: Sequence[str] = ("default",),
    ) -> None:
        self.name = name
        self.server = server
        self.holds = bool(registry.programs)
        self.rng = rng
        self.codec = registry.codec
        self.broker = WorkerBroker(server, faults, rng, mercy)
        self.outbox = ScriptedOutbox(registry.codec)
        self._pools = list(pools)
        self._loop = StrokeLoop()
        settings = WorkerSettings(concurrency=rng.randint(1, 4), pools=self._pools)
        self.service = Worker(self.broker, registry, name, settings, outbox=self.outbox)
        loop: Any = self._loop
        self.service.runner._loop = loop
        codec = self.service.runner._codec
        self._calls = codec.calls = self.service.ear._calls = SimCalls(codec.calls)
        self.keep_at_ms = server.now_ms
        self.paused_until_ms: int | None = None
        self.on_run: Callable[[SimWorker, Execution], None] = lambda _worker, _execution: None
        self.loses_result: Callable[[Execution], bool] = lambda _execution: False

    @property
    def faults(self) -> Faults:
        return self.broker.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.broker.faults = faults

    # -- what can be done -----------------------------------------------------------------------------

    @property
    def running(self) -> int:
        return len(self.service.table)

    @property
    def tasks(self) -> list[str]:
        """Ids of the tasks that it has."""
        return [execution.task for execution in self.executions]

    @property
    def executions(self) -> list[Execution]:
        """The executions whose answer the broker does not have yet."""
        return [execution for executions in self.service.table.entries().values() for execution in executions]

    @property
    def can_take(self) -> bool:
        if self.service.runner.suspects.in_hand:
            return True
        free, pools = self.service.runner._free()
        if free <= 0:
            return False
        found = (self.server.tasks.get(pool) for pool in pools)
        return any(tasks is not None and tasks.stream.last > tasks.delivered for tasks in found)

    @property
    def speaking(self) -> list[Replay]:
        return self.outbox.speaking

    @property
    def queued(self) -> bool:
        return self.outbox.queued

    @property
    def sending(self) -> Batch | None:
        return self.service.sender.batch

    @property
    def can_gather(self) -> bool:
        return self.queued and self.sending is None

    @property
    def has_orders(self) -> bool:
        first, _, second = self.service.ear.heard.partition("-")
        return self.server.ctl.last > (int(first), int(second))

    # -- the steps ------------------------------------------------------------------------------------

    def take(self) -> str:
        """Take entries and run them."""
        try:
            self.service.runner.take(0)
        except NoBroker:
            return self.broker.told
        told = []
        begun: set[str] = set()
        while self.service.runner.taken:
            execution, message = self.service.runner.taken.popleft()
            self._loop.ran = False
            self._loop.calls, self._loop.begins = (self._calls, execution) if tasks_exist() else (None, None)
            job = self.service.runner.begin(execution, message)
            if job is not None:
                self._run(execution, job)
            if job is not None or self._loop.ran:
                if self.rng.random() < self.faults.late_event:
                    self.outbox.event(execution, wire.encode_item(self.codec, CUSTOM, LATE, None))
                self.on_run(self, execution)
            again = " again" if execution.entry in begun else ""
            begun.add(execution.entry)
            told.append(f"{message.node}:{execution.task[:4]}/{execution.attempt}{again}")
        return "takes " + ", ".join(told)

    def _run(self, execution: Execution, job: Job) -> None:
        run = partial(self.service.runner.run, execution, job)
        if tasks_exist():
            self._calls.begin(execution, ThreadTurn(execution.node, run))
        else:
            run()

    def speak(self) -> str:
        """The next line of some node's script reaches the outbox."""
        return self.outbox.speak(self.rng.choice(self.speaking))

    def gather(self) -> str:
        """The send thread takes what there is."""
        self.outbox.queued = False
        self.service.sender.gather()
        return "gathers"

    def send(self) -> str:
        """The batch is written; if the reply is lost, it is written again later."""
        self.broker.told = "has nothing to publish"
        batch = self.sending
        self.broker.loses_next = batch is not None and any(map(self.loses_result, batch.finished))
        with suppress(NoBroker):
            self.service.sender.send()
        return self.broker.told

    def keep(self) -> str:
        """Beat, renew, cancel what is lost."""
        self.keep_at_ms = self.server.now_ms + KEEP_MS
        self.service.keeper.turn()
        self._calls.settle_cancelled()
        return f"renews, holds {self.running}"

    def listen(self) -> str:
        """Hear what is cancelled, and which calls have ended."""
        self.service.ear.listen(0)
        self._calls.settle_cancelled()
        return "hears what is cancelled"

    def die(self) -> Batch | None:
        """The process is gone; a batch that was on its way may still arrive, whole or without its acknowledgements."""
        self._calls.end()
        batch = self.sending
        if batch is None or self.rng.random() < 0.5:
            return None
        if self.rng.random() < self.faults.split_publish:
            return Batch(batch.entries[: self.rng.randint(0, len(batch.entries))])
        return batch
