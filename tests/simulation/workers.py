"""A worker of the simulated cluster: the production desk, outbox and node runner; the simulator is its threads.

A node runs at one stroke when its entry is taken, but what it emitted and answered is kept as a script, and goes into
the outbox line by line in steps of the simulator. So a crash or a pause falls between any two of them.
"""

import json
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

from drumline_protocol import wire
from drumline_protocol.facts import CUSTOM
from drumline_protocol.limits import TASK_LEASE_MS
from drumline_protocol.messages import Cancel
from drumline_transport.broker import Delivery
from drumline_transport.memory import MemoryBroker
from drumline_worker.blobs import BlobCache
from drumline_worker.desk import Desk
from drumline_worker.node import run_job
from drumline_worker.outbox import Batch, Outbox, Slot
from drumline_worker.registry import Registry

from .faults import Faults
from .network import SimServer

KEEP_MS = TASK_LEASE_MS // 4
#: what a node emits behind its return; no stream may ever show it
LATE = {"late": True}


@dataclass(slots=True)
class Execution:
    """One execution of a task entry: what of it has not reached the outbox yet."""

    slot: Slot
    script: deque[tuple[str, bytes]] = field(default_factory=deque)
    answered: bool = False


class _Scribe:
    """Stands in for the outbox while a node runs: writes the script of the execution."""

    def __init__(self) -> None:
        self.script: deque[tuple[str, bytes]] = deque()

    def event(self, _slot: Slot, item: bytes) -> None:
        self.script.append(("event", item))

    def answer(self, _slot: Slot, message: bytes) -> None:
        self.script.append(("answer", message))


class SimWorker:
    """One worker process; `registry` holds the graphs that it can run, or none."""

    def __init__(self, name: str, server: SimServer, registry: Registry, faults: Faults, rng: Random) -> None:
        self.name = name
        self.server = server
        self.holds = bool(registry.programs)
        self.faults = faults
        self.rng = rng
        self.broker = MemoryBroker(server)
        self.registry = registry
        self.outbox = Outbox(self.registry.codec)
        self.scribe = _Scribe()
        scribe: Any = self.scribe
        self.desk = Desk(self.registry, scribe, name, BlobCache(self.broker.get_blob))
        self.slots_max = rng.randint(1, 4)
        self.running: list[Execution] = []
        self.queued = False
        #: a batch that was taken from the outbox and is not acknowledged by the broker
        self.sending: Batch | None = None
        self.heard = self.broker.last_ctl()
        self.keep_at_ms = server.now_ms
        self.paused_until_ms: int | None = None

    # -- what can be done -----------------------------------------------------------------------------

    @property
    def can_take(self) -> bool:
        if len(self.running) >= self.slots_max:
            return False
        pool = self.server.tasks.get("default")
        return pool is not None and pool.stream.last > pool.delivered

    @property
    def speaking(self) -> list[Execution]:
        return [execution for execution in self.running if execution.script]

    @property
    def can_gather(self) -> bool:
        return self.queued and self.sending is None

    @property
    def has_orders(self) -> bool:
        first, _, second = self.heard.partition("-")
        return self.server.ctl.last > (int(first), int(second))

    # -- the steps ------------------------------------------------------------------------------------

    def take(self) -> str:
        """Take entries and run them; `lose_delivery`: the reply is lost, nobody runs them."""
        free = self.slots_max - len(self.running)
        deliveries = self.broker.take(["default"], self.name, self.rng.randint(1, free), 0)
        if deliveries and self.rng.random() < self.faults.lose_delivery:
            return f"takes {len(deliveries)}, the reply is lost"
        told = []
        for delivery in deliveries:
            told.append(self._begin(delivery))
            if self.rng.random() < self.faults.repeat_task:
                told.append(self._begin(delivery) + " again")
        return "takes " + ", ".join(told)

    def _begin(self, delivery: Delivery) -> str:
        opened = self.desk.open(delivery)
        assert opened is not None, "a task entry cannot be read"
        slot, message = opened
        execution = Execution(slot)
        self.scribe.script = execution.script
        job = self.desk.job(slot, message)
        if job is not None:
            self.desk.answer(slot, run_job(job))
            if self.rng.random() < self.faults.late_event:
                execution.script.append(("event", wire.encode_item(self.registry.codec, CUSTOM, LATE, None)))
        self.running.append(execution)
        return f"{message.node}:{slot.task[:4]}/{slot.attempt}"

    def speak(self) -> str:
        """The next line of some node's script reaches the outbox."""
        execution = self.rng.choice(self.speaking)
        kind, data = execution.script.popleft()
        (self.outbox.event if kind == "event" else self.outbox.answer)(execution.slot, data)
        self.queued = True
        self._forget_done()
        return f"{kind} of {execution.slot.task[:4]}/{execution.slot.attempt}"

    def gather(self) -> str:
        """The send thread takes what there is."""
        self.queued = False
        if self.outbox._queue:
            self.sending = self.outbox.take()
        return "gathers"

    def send(self) -> str:
        """The batch reaches the broker; `repeat_publish`: the reply is lost, so it is sent again later."""
        batch = self.sending
        assert batch is not None
        self.broker.publish(batch.entries, batch.done)
        told = f"publishes {len(batch.entries)} entries, {len(batch.done)} tasks done"
        if self.rng.random() < self.faults.repeat_publish:
            return told + ", the reply is lost"
        self.sending = None
        finished = {id(slot) for slot in batch.finished}
        for execution in self.running:
            execution.answered = execution.answered or id(execution.slot) in finished
        self._forget_done()
        return told

    def _forget_done(self) -> None:
        self.running = [e for e in self.running if e.script or not e.answered]

    def keep(self) -> str:
        """Beat, renew; void what is lost."""
        self.keep_at_ms = self.server.now_ms + KEEP_MS
        info = {"pools": ["default"], "graphs": self.registry.fingerprints()}
        self.broker.beat("workers", self.name, json.dumps(info).encode())
        held = [(e.slot.pool, e.slot.entry) for e in self.running]
        kept = self.broker.renew(self.name, held) if held else set()
        lost = [e.slot for e in self.running if (e.slot.pool, e.slot.entry) not in kept]
        for slot in lost:
            self.outbox.void(slot)
        return f"renews {len(kept)}, lost {len(lost)}"

    def listen(self) -> str:
        """Hear what is cancelled."""
        voided = 0
        for entry_id, data in self.broker.read_ctl(self.heard, 0):
            self.heard = entry_id
            message = wire.decode(self.registry.codec, data)
            assert isinstance(message, Cancel)
            for execution in self.running:
                slot = execution.slot
                if slot.run == message.run and (not message.tasks or slot.task in message.tasks):
                    self.outbox.void(slot)
                    voided += 1
        return f"hears of {voided} cancelled"

    def die(self) -> Batch | None:
        """The process is gone; a batch that was on its way may still arrive, whole or without its acknowledgements."""
        batch, self.sending = self.sending, None
        if batch is None or self.rng.random() < 0.5:
            return None
        if self.rng.random() < self.faults.split_publish:
            return Batch(batch.entries[: self.rng.randint(0, len(batch.entries))])
        return batch
