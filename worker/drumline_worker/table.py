"""The table: what runs in this worker now. Its length is what free slots, renewal and draining go by."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from drumline_worker.outbox import Outbox, Slot

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

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, slot: Slot) -> bool:
        return slot in self._running

    @property
    def free(self) -> int:
        """How many more tasks may be taken."""
        return self.size - len(self._running)

    def add(self, slot: Slot) -> None:
        """A task was taken."""
        with self._lock:
            self._running[slot] = None

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
            if len(self._running) >= self.size:
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
