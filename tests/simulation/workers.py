"""A worker of the simulated cluster: the production service with all its parts; the simulator is its threads.

A node runs at one stroke when its entry was taken, but what it emits and answers is kept as a script, and goes into
the outbox line by line in steps of the simulator. So a crash or a pause falls between any two of them.
"""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import NoBroker
from drumline_protocol.facts import CUSTOM
from drumline_protocol.limits import TASK_LEASE_MS
from drumline_transport.broker import Delivery
from drumline_transport.memory import MemoryBroker
from drumline_worker.outbox import Batch, Outbox, Slot
from drumline_worker.registry import Registry
from drumline_worker.service import RENEWALS, Worker, WorkerSettings

from .faults import Faults
from .network import SimServer

KEEP_MS = TASK_LEASE_MS // RENEWALS
#: what a node emits behind its return; no stream may ever show it
LATE = {"late": True}


@dataclass(slots=True)
class Execution:
    """One execution of a task entry: what of it has not reached the outbox yet."""

    slot: Slot
    script: deque[tuple[str, bytes]] = field(default_factory=deque)
    #: events that are in the script, or were
    emitted: int = 0


class ScriptedOutbox(Outbox):
    """The production outbox behind a front that keeps what nodes say, until the simulator lets a line through."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec)
        self.executions: dict[Slot, Execution] = {}
        self.queued = False

    def _of(self, slot: Slot) -> Execution:
        return self.executions.setdefault(slot, Execution(slot))

    def event(self, slot: Slot, item: bytes) -> None:
        execution = self._of(slot)
        execution.emitted += 1
        execution.script.append(("event", item))

    def seal(self, slot: Slot) -> int:
        execution = self._of(slot)
        execution.script.append(("seal", b""))
        return execution.emitted

    def answer(self, slot: Slot, message: bytes) -> None:
        self._of(slot).script.append(("answer", message))

    def claim(self) -> bool:
        """No thread of the crew sends by itself: the simulator does."""
        return False

    @property
    def speaking(self) -> list[Execution]:
        return [execution for execution in self.executions.values() if execution.script]

    def speak(self, execution: Execution) -> str:
        """The next line of a node's script reaches the outbox."""
        slot = execution.slot
        kind, data = execution.script.popleft()
        if kind == "seal":
            super().seal(slot)
        elif kind == "event":
            super().event(slot, data)
        else:
            super().answer(slot, data)
        self.queued = self.queued or kind != "seal"
        if slot.answered and not execution.script:
            del self.executions[slot]
        return f"{kind} of {slot.task[:4]}/{slot.attempt}"


class WorkerBroker(MemoryBroker):
    """A worker's side of the broker, where replies get lost and entries come twice."""

    def __init__(self, server: SimServer, faults: Faults, rng: Random) -> None:
        super().__init__(server)
        self.faults = faults
        self.rng = rng
        self.told = ""

    def take(self, pools: list[str], consumer: str, count: int, block_ms: int) -> list[Delivery]:
        """`lose_delivery`: the reply is lost, nobody runs them. `repeat_task`: an entry comes twice."""
        deliveries = super().take(pools, consumer, count, block_ms)
        if deliveries and self.rng.random() < self.faults.lose_delivery:
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
        if self.rng.random() < self.faults.repeat_publish:
            self.told += ", the reply is lost"
            raise NoBroker("memory", "the reply is lost")


class SimWorker:
    """One worker process; `registry` holds the graphs that it can run, or none."""

    def __init__(self, name: str, server: SimServer, registry: Registry, faults: Faults, rng: Random) -> None:
        self.name = name
        self.server = server
        self.holds = bool(registry.programs)
        self.rng = rng
        self.codec = registry.codec
        self.broker = WorkerBroker(server, faults, rng)
        self.outbox = ScriptedOutbox(registry.codec)
        settings = WorkerSettings(concurrency=rng.randint(1, 4))
        self.service = Worker(self.broker, registry, name, settings, outbox=self.outbox)
        self.keep_at_ms = server.now_ms
        self.paused_until_ms: int | None = None

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
    def can_take(self) -> bool:
        if self.service.crew.suspects.in_hand:
            return True
        if self.service.table.free <= 0:
            return False
        pool = self.server.tasks.get("default")
        return pool is not None and pool.stream.last > pool.delivered

    @property
    def speaking(self) -> list[Execution]:
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
            self.service.crew.take(0)
        except NoBroker:
            return self.broker.told
        told = []
        begun: set[str] = set()
        while self.service.crew.taken:
            slot, message = self.service.crew.taken.popleft()
            job = self.service.crew.begin(slot, message)
            if job is not None:
                self.service.crew.run(slot, job)
                if self.rng.random() < self.faults.late_event:
                    self.outbox.event(slot, wire.encode_item(self.codec, CUSTOM, LATE, None))
            again = " again" if slot.entry in begun else ""
            begun.add(slot.entry)
            told.append(f"{message.node}:{slot.task[:4]}/{slot.attempt}{again}")
        return "takes " + ", ".join(told)

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
        with suppress(NoBroker):
            self.service.sender.send()
        return self.broker.told

    def keep(self) -> str:
        """Beat, renew; void what is lost."""
        self.keep_at_ms = self.server.now_ms + KEEP_MS
        self.service.keeper.turn()
        return f"renews, holds {self.running}"

    def listen(self) -> str:
        """Hear what is cancelled."""
        self.service.ear.listen(0)
        return "hears what is cancelled"

    def die(self) -> Batch | None:
        """The process is gone; a batch that was on its way may still arrive, whole or without its acknowledgements."""
        batch = self.sending
        if batch is None or self.rng.random() < 0.5:
            return None
        if self.rng.random() < self.faults.split_publish:
            return Batch(batch.entries[: self.rng.randint(0, len(batch.entries))])
        return batch
