"""Faults: what may go wrong between two steps of the cluster.

`Trouble` breaks things by the chances in `Faults`; what heals them (a process that comes back, a new one that starts)
it leaves to the world's clock.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from drumline_protocol.limits import COORDINATOR_LEASE_MS, TASK_LEASE_MS
from drumline_transport.memory import MemoryBroker
from drumline_worker.outbox import Batch

from .coordinators import SimCoordinator
from .network import Crash, Sent
from .workers import SimWorker

if TYPE_CHECKING:
    from .world import World

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Ghost:
    """What a dead process had written, and what still is to arrive: `more` tells whether there is more after this."""

    name: str
    arrive: Callable[[], str]
    more: Callable[[], bool]


class Trouble:
    """The faults of one world."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.rng = world.rng

    def strike(self) -> None:
        """Perhaps something goes wrong before the next step."""
        world, rng, faults = self.world, self.rng, self.world.faults
        if rng.random() < faults.crash_worker and world.workers:
            self._crash_worker(self._victim(world.workers, lambda w: w.sending is not None))
        awake = [w for w in world.workers if w.paused_until_ms is None]
        if rng.random() < faults.pause_worker and awake:
            worker = self._victim(awake, lambda w: bool(w.running))
            worker.paused_until_ms = world.server.now_ms + rng.randint(500, 2 * TASK_LEASE_MS)
            world.note(worker.name, "is stopped")
        if rng.random() < faults.restart_broker:
            self._restart_broker()
        steady = [] if self._is_tried() else world.coordinators
        if rng.random() < faults.crash_coordinator and steady:
            self._crash_coordinator(self._victim(steady, _is_busy))
            return
        steady = [c for c in steady if c.paused_until_ms is None]
        if rng.random() < faults.pause_coordinator and steady:
            self._stop_coordinator(self._victim(steady, _is_busy))

    def _victim(self, processes: list[T], busy: Callable[[T], bool]) -> T:
        """Somebody, mostly one who has something to lose."""
        if self.rng.random() < 0.8:
            processes = [process for process in processes if busy(process)] or processes
        return self.rng.choice(processes)

    def _is_tried(self) -> bool:
        """Whether an entry may already have cost a coordinator its life: twice more, and its run counts as poison."""
        return any(partition.lease.tries for partition in self.world.server.partitions)

    def _restart_broker(self) -> None:
        world = self.world
        world.server.restart()
        world.note("broker", f"restarts as {world.server.run_id}")
        if self.rng.random() < world.faults.forget_deliveries:
            world.server.forget_deliveries(self.rng)
            world.note("broker", "forgot its last deliveries")

    # -- processes that stop or die -----------------------------------------------------------------

    def _stop_coordinator(self, coordinator: SimCoordinator) -> None:
        """SIGSTOP: after a read and before its entries are handled, or after that and before the commit leaves."""
        world, rng = self.world, self.rng
        coordinator.wire_stopped = rng.random() < 0.6
        if coordinator.wire_stopped and coordinator.has_news:
            world.note(coordinator.name, self.turn(coordinator))
        elif rng.random() < 0.6:
            coordinator.stop_reading()
        coordinator.paused_until_ms = world.server.now_ms + rng.randint(200, 3 * COORDINATOR_LEASE_MS)
        world.note(coordinator.name, "is stopped" + (" before it sends" if coordinator.wire_stopped else ""))

    def turn(self, coordinator: SimCoordinator) -> str:
        """A turn of the main loop, which a poisoned entry may end."""
        try:
            coordinator.turn()
        except Crash:
            self._bury(coordinator)
        return "turn"

    def _crash_coordinator(self, coordinator: SimCoordinator) -> None:
        """At once, or in the midst of its next turn or its keeper's, at one of its calls to the broker."""
        if coordinator.paused_until_ms is None and self.rng.random() < 0.7:
            coordinator.broker.fuse = self.rng.randint(0, 12)
            step = coordinator.turn if self.rng.random() < 0.7 else coordinator.keep
            with suppress(Crash):
                step()
        self._bury(coordinator)

    def _bury(self, coordinator: SimCoordinator) -> None:
        """It is gone; some of what it had written still arrives, and somebody will take its place."""
        world = self.world
        world.coordinators.remove(coordinator)
        wire = coordinator.broker.abandon(self.rng.randint(0, 3))
        if wire:
            world.ghosts.append(Ghost(coordinator.name, lambda: self._commit_late(wire), lambda: bool(wire)))
        world.coming.append((self._later(), world.start_coordinator))
        world.note(coordinator.name, f"crashes, {len(wire)} commits on the wire")

    def _crash_worker(self, worker: SimWorker) -> None:
        world = self.world
        world.workers.remove(worker)
        batch = worker.die()
        if batch is not None:
            world.ghosts.append(Ghost(worker.name, lambda: self._publish_late(batch), lambda: False))
        world.coming.append((self._later(), world.start_worker))
        world.note(worker.name, "crashes" + (", a batch on the wire" if batch is not None else ""))

    def _later(self) -> int:
        return self.world.server.now_ms + self.rng.randint(0, 4000)

    # -- what the dead had written ------------------------------------------------------------------

    def appear(self, ghost: Ghost) -> str:
        """Some of it arrives."""
        told = ghost.arrive()
        if not ghost.more():
            self.world.ghosts.remove(ghost)
        return told

    def _publish_late(self, batch: Batch) -> str:
        MemoryBroker(self.world.server).publish(batch.entries, batch.done)
        return f"from the dead: publishes {len(batch.entries)} entries, {len(batch.done)} tasks done"

    def _commit_late(self, wire: deque[Sent]) -> str:
        sent = wire.popleft()
        return f"from the dead: commit {sent.commit.number} {self.world.server.take_in(sent).status}"


def _is_busy(coordinator: SimCoordinator) -> bool:
    return coordinator.broker.in_flight > 0 or coordinator.has_news
