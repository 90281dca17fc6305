"""Faults: what may go wrong between two steps of the cluster.

`Trouble` breaks things by the chances in `Faults`; what heals them (a process that comes back, a new one that starts)
it leaves to the clock of the ground.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from drumline.testing._sim.coordinators import SimCoordinator
from drumline.testing._sim.ground import Ghost, Ground
from drumline.testing._sim.network import Crash, Sent
from drumline.testing._sim.workers import SimWorker
from drumline_protocol.limits import COORDINATOR_LEASE_MS, TASK_LEASE_MS
from drumline_transport.memory import MemoryBroker
from drumline_transport.memory_streams import ZERO
from drumline_worker.outbox import Batch

T = TypeVar("T")


class Trouble:
    """The faults of one simulated cluster that strike its processes and its broker."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.rng = ground.rng

    def strike(self) -> None:
        """Perhaps something goes wrong before the next step."""
        ground, rng, faults = self.ground, self.rng, self.ground.faults
        if rng.random() < faults.crash_worker and ground.workers:
            worker = self._victim(ground.workers, lambda w: w.sending is not None)
            if ground.mercy.strikes_tasks(worker.tasks):
                self.crash_worker(worker, self._later)
        awake = [w for w in ground.workers if w.paused_until_ms is None]
        if rng.random() < faults.pause_worker and awake:
            worker = self._victim(awake, lambda w: bool(w.running))
            if ground.mercy.strikes_tasks(worker.tasks):
                self.pause(worker, rng.randint(500, 2 * TASK_LEASE_MS))
        spared = not ground.mercy.strikes_coordinators()
        if rng.random() < faults.restart_broker and not spared:
            self._restart_broker()
        steady = [] if spared or self._is_tried() else ground.coordinators
        if rng.random() < faults.crash_coordinator and steady:
            self._crash_coordinator(self._victim(steady, _is_busy))
            return
        steady = [c for c in steady if c.paused_until_ms is None]
        if rng.random() < faults.pause_coordinator and steady:
            self._stop_coordinator(self._victim(steady, _is_busy))

    def pause(self, process: SimCoordinator | SimWorker, ms: int) -> None:
        """Stop a process between two of its steps (SIGSTOP); it goes on when the time is over.

        The clock of a coordinator stands still meanwhile, as that of a host that is suspended.
        """
        if isinstance(process, SimCoordinator):
            process.behind_ms += ms
        process.paused_until_ms = self.ground.server.now_ms + ms
        self.ground.note(process.name, "is stopped", fault=True)

    def _victim(self, processes: list[T], busy: Callable[[T], bool]) -> T:
        """Somebody, mostly one who has something to lose."""
        if self.rng.random() < 0.8:
            processes = [process for process in processes if busy(process)] or processes
        return self.rng.choice(processes)

    def _is_tried(self) -> bool:
        """Whether an entry may already have cost a coordinator its life: twice more, and its run counts as poison."""
        return any(partition.lease.tries for partition in self.ground.server.partitions)

    def _restart_broker(self) -> None:
        ground, server = self.ground, self.ground.server
        self.restart()
        if self.rng.random() < ground.faults.forget_deliveries:
            forgotten = [
                (tasks, self.rng.choice(sorted(tasks.pending))) for tasks in server.tasks.values() if tasks.pending
            ]
            lost = [tasks.stream.get(at) for tasks, since in forgotten for at in tasks.pending if at >= since]
            if ground.mercy.strikes_entries(data for data in lost if data is not None):
                for tasks, since in forgotten:
                    server.forget_deliveries(tasks, since)
                ground.note("broker", "forgot its last deliveries", fault=True)

    def restart(self) -> None:
        """The broker comes back under another id, with nothing lost."""
        self.ground.server.restart()
        self.ground.note("broker", f"restarts as {self.ground.server.run_id}", fault=True)

    def lose_tail(self) -> None:
        """The broker has lost what workers wrote and no commit has taken in, and all that it knew of deliveries."""
        server = self.ground.server
        lost = 0
        for part in server.partitions:
            for entry_id, _ in part.inbox.after(ZERO):
                part.inbox.delete(entry_id)
                lost += 1
        for tasks in server.tasks.values():
            if tasks.pending:
                lost += len(tasks.pending)
                server.forget_deliveries(tasks, min(tasks.pending))
        self.ground.note("broker", f"has lost its tail: {lost} entries and deliveries", fault=True)

    # -- processes that stop or die -----------------------------------------------------------------

    def _stop_coordinator(self, coordinator: SimCoordinator) -> None:
        """SIGSTOP: after a read and before its entries are handled, or after that and before the commit leaves."""
        ground, rng = self.ground, self.rng
        coordinator.wire_stopped = rng.random() < 0.6
        if coordinator.wire_stopped and coordinator.has_news:
            ground.note(coordinator.name, self.turn(coordinator))
        elif rng.random() < 0.6:
            coordinator.stop_reading()
        coordinator.paused_until_ms = ground.server.now_ms + rng.randint(200, 3 * COORDINATOR_LEASE_MS)
        ground.note(
            coordinator.name, "is stopped" + (" before it sends" if coordinator.wire_stopped else ""), fault=True
        )

    def turn(self, coordinator: SimCoordinator) -> str:
        """A turn of the main loop, which a poisoned entry or a planned crash may end."""
        try:
            coordinator.turn()
        except Crash:
            self.bury(coordinator, self._later)
        return "turn"

    def _crash_coordinator(self, coordinator: SimCoordinator) -> None:
        """At once, or in the midst of its next turn or its keeper's, at one of its calls to the broker."""
        if coordinator.paused_until_ms is None and self.rng.random() < 0.7:
            coordinator.broker.fuse = self.rng.randint(0, 12)
            step = coordinator.turn if self.rng.random() < 0.7 else coordinator.keep
            with suppress(Crash):
                step()
        self.bury(coordinator, self._later)

    def bury(self, coordinator: SimCoordinator, again_at: Callable[[], int] | None) -> None:
        """It is gone; some of what it had written still arrives. Another one starts at the given time, or none does."""
        ground = self.ground
        ground.coordinators.remove(coordinator)
        wire = coordinator.broker.abandon(self.rng.randint(0, 3))
        if wire:
            ground.ghosts.append(Ghost(coordinator.name, lambda: self._commit_late(wire), lambda: bool(wire)))
        if again_at is not None:
            ground.coming.append((again_at(), ground.start_coordinator))
        ground.note(coordinator.name, f"crashes, {len(wire)} commits on the wire", fault=True)

    def crash_worker(self, worker: SimWorker, again_at: Callable[[], int] | None) -> None:
        """A worker is gone, in the middle of whatever it does. Another one starts at the given time, or none does."""
        ground = self.ground
        ground.workers.remove(worker)
        batch = worker.die()
        if batch is not None:
            ground.ghosts.append(Ghost(worker.name, lambda: self._publish_late(batch), lambda: False))
        if again_at is not None:
            ground.coming.append((again_at(), ground.start_worker))
        ground.note(worker.name, "crashes" + (", a batch on the wire" if batch is not None else ""), fault=True)

    def _later(self) -> int:
        return self.ground.server.now_ms + self.rng.randint(0, 4000)

    # -- what the dead had written ------------------------------------------------------------------

    def appear(self, ghost: Ghost) -> str:
        """Some of it arrives."""
        told = ghost.arrive()
        if not ghost.more():
            self.ground.ghosts.remove(ghost)
        return told

    def _publish_late(self, batch: Batch) -> str:
        MemoryBroker(self.ground.server).publish(batch.entries, batch.done)
        return f"from the dead: publishes {len(batch.entries)} entries, {len(batch.done)} tasks done"

    def _commit_late(self, wire: deque[Sent]) -> str:
        sent = wire.popleft()
        return f"from the dead: commit {sent.commit.number} {self.ground.server.take_in(sent).status}"


def _is_busy(coordinator: SimCoordinator) -> bool:
    return coordinator.broker.in_flight > 0 or coordinator.has_news
