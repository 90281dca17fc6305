"""The table: what runs in this worker now. Its length is what free slots, renewal and draining go by."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from drumline_worker.outbox import Outbox, Slot

log = logging.getLogger("drumline.worker")

#: slots that nodes lend while they wait, as a multiple of what a worker has: each of them holds a thread or a task
LENT_TIMES_MAX = 8

#: cancels an async task, from any thread
Cancel = Callable[[], object]


class Table:
    """The executions that were begun and whose answer the broker does not have yet. Safe for threads.

    One entry may be there twice: a broker that lost its tail delivers it again.
    """

    def __init__(self, size: int, outbox: Outbox) -> None:
        self.size = size
        self._outbox = outbox
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._running: dict[Slot, Cancel | None] = {}
        #: those whose node waits for a run of a cluster, and lends its slot to the tasks of that
        self._lending: set[Slot] = set()
        self._warned = False

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, slot: Slot) -> bool:
        return slot in self._running

    @property
    def free(self) -> int:
        """How many more tasks may be taken."""
        return self.size + len(self._lending) - len(self._running)

    def add(self, slot: Slot) -> None:
        """A task was taken."""
        slot.table = self
        with self._lock:
            self._running[slot] = None

    def waits(self, slot: Slot, begins: bool) -> None:
        """The node of a task waits for a run of a cluster: its slot is free meanwhile.

        Else a worker with one slot would wait for a task that waits for the slot.
        """
        with self._lock:
            slot.waiting = max(0, slot.waiting + (1 if begins else -1))
            if not slot.waiting or slot not in self._running:
                self._lending.discard(slot)
            elif len(self._lending) < self.size * LENT_TIMES_MAX:
                self._lending.add(slot)
                self._freed.notify_all()
            elif not self._warned:
                self._warned = True
                log.warning(
                    "%d nodes of this worker wait for runs of the cluster, and it lends no more slots: if no other "
                    "worker takes the tasks of those runs, they all wait for ever. Start more workers, or let nodes "
                    "that wait run in a pool of their own.",
                    len(self._lending),
                )

    def attach(self, slot: Slot, cancel: Cancel) -> None:
        """The task is async and has begun. It may have become void meanwhile."""
        with self._lock:
            if slot in self._running:
                self._running[slot] = cancel
        if slot.void:
            cancel()

    def finish(self, slot: Slot) -> None:
        """The broker has the task's answer, or the task was given up."""
        with self._lock:
            self._running.pop(slot, None)
            self._lending.discard(slot)
            self._freed.notify_all()

    def entries(self) -> dict[tuple[str, str], list[Slot]]:
        """What is held, by (pool, entry id). Not what is void: somebody else has it."""
        found: dict[tuple[str, str], list[Slot]] = {}
        with self._lock:
            for slot in self._running:
                if slot.void:
                    continue
                found.setdefault((slot.pool, slot.entry), []).append(slot)
        return found

    def of_run(self, run: str, tasks: tuple[str, ...]) -> list[Slot]:
        """The executions of these tasks of a run; of all its tasks when none is named."""
        with self._lock:
            return [slot for slot in self._running if slot.run == run and (not tasks or slot.task in tasks)]

    def void(self, slots: Iterable[Slot]) -> list[Slot]:
        """These executions are for nothing: async code is cancelled, sync code runs out unheard. Those that were not
        void before, and still run.
        """
        voided = []
        for slot in slots:
            with self._lock:
                if slot not in self._running or slot.void:
                    continue
                cancel = self._running[slot]
            self._outbox.void(slot)
            voided.append(slot)
            if cancel is not None:
                cancel()
        return voided

    def wait_for_room(self, timeout_s: float) -> None:
        """Until a task ends, or the time is over, if there is no free slot."""
        with self._lock:
            if self.free <= 0:
                self._freed.wait(timeout_s)

    def wait_for(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Until tasks have ended so that it is `ready`, or the time is over. Whether it is."""
        with self._lock:
            return self._freed.wait_for(ready, timeout_s)

    def wait_until_empty(self, timeout_s: float, given_up: Callable[[], bool]) -> bool:
        """Until nothing runs, or the time is over, or it is `given_up` (and woken). Whether nothing runs."""
        with self._lock:
            self._freed.wait_for(lambda: not self._running or given_up(), timeout_s)
            return not self._running

    def wake(self) -> None:
        """Whoever waits looks again."""
        with self._lock:
            self._freed.notify_all()
