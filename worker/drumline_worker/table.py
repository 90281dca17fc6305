"""The table: what runs in this worker now. Free slots, renewal and draining are counted by it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from drumline_worker.outbox import Execution, Outbox

log = logging.getLogger("drumline.worker")

#: How many slots waiting nodes may lend, as a multiple of those that the worker has. A waiting node keeps its thread.
LENT_TIMES_MAX = 8

#: Cancels the asyncio task of an execution, from any thread.
Cancel = Callable[[], object]


class Table:
    """The executions that were begun and whose answer the broker does not have yet. Safe for threads.

    One entry may have two executions: a broker that lost its tail delivers the entry again.
    """

    def __init__(self, size: int, outbox: Outbox) -> None:
        self.size = size
        self._outbox = outbox
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._running: dict[Execution, Cancel | None] = {}
        #: those whose node waits for a run of a cluster and lends its slot to tasks of that run
        self._lending: set[Execution] = set()
        #: those whose node has called `@task`s that have not ended
        self._calling: dict[Execution, None] = {}
        self._warned = False

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, execution: Execution) -> bool:
        return execution in self._running

    @property
    def free(self) -> int:
        """How many more tasks may be taken."""
        return self.size + self._lent() - len(self._running)

    @property
    def free_for_calls(self) -> int:
        """How many more calls of `@task`s may be taken: however many wait for such, one of them can run."""
        return self.size + len(self._lending.union(self._calling)) - len(self._running)

    def _lent(self) -> int:
        if not self._calling:
            return len(self._lending)
        return min(len(self._lending.union(self._calling)), max(len(self._lending), self.size * LENT_TIMES_MAX))

    def add(self, execution: Execution) -> None:
        """A task was taken."""
        execution.table = self
        with self._lock:
            self._running[execution] = None

    def waits(self, execution: Execution, begins: bool) -> None:
        """The node of a task begins or ends to wait for a run of a cluster. While it waits its slot is free.

        Otherwise a worker with one slot would wait for a task, and that task for the slot.
        """
        with self._lock:
            execution.waiting = max(0, execution.waiting + (1 if begins else -1))
            if not execution.waiting or execution not in self._running:
                self._lending.discard(execution)
            elif len(self._lending) < self.size * LENT_TIMES_MAX:
                self._lending.add(execution)
                self._freed.notify_all()
            elif not self._warned:
                self._warned = True
                log.warning(
                    "%d nodes of this worker wait for runs of the cluster, and it lends no more slots: if no other "
                    "worker takes the tasks of those runs, they all wait for ever. Start more workers, or let nodes "
                    "that wait run in a pool of their own.",
                    len(self._lending),
                )

    def calls(self, execution: Execution, begins: bool) -> None:
        """The node of a task begins, or ends, to have calls of `@task`s that have not ended: its slot is free then."""
        with self._lock:
            if not begins:
                self._calling.pop(execution, None)
            elif execution in self._running and execution not in self._calling:
                self._calling[execution] = None
                self._freed.notify_all()

    def callers(self) -> list[Execution]:
        """The executions that have calls of `@task`s which have not ended."""
        with self._lock:
            return list(self._calling)

    def attach(self, execution: Execution, cancel: Cancel) -> None:
        """An async task has begun, and `cancel` ends it. Called at once if the execution was cancelled meanwhile."""
        with self._lock:
            if execution in self._running:
                self._running[execution] = cancel
        if execution.cancelled:
            cancel()

    def finish(self, execution: Execution) -> None:
        """The broker has the task's answer, or the worker gave the task up."""
        with self._lock:
            self._running.pop(execution, None)
            self._lending.discard(execution)
            self._calling.pop(execution, None)
            self._freed.notify_all()
        if execution.calls is not None:
            execution.calls.abandon()

    def entries(self) -> dict[tuple[str, str], list[Execution]]:
        """What this worker holds, by (pool, entry id). The entries of cancelled executions are not its any more."""
        found: dict[tuple[str, str], list[Execution]] = {}
        with self._lock:
            for execution in self._running:
                if execution.cancelled:
                    continue
                found.setdefault((execution.pool, execution.entry), []).append(execution)
        return found

    def of_run(self, run: str, tasks: tuple[str, ...]) -> list[Execution]:
        """The executions of these tasks of a run; of all its tasks when none is named."""
        with self._lock:
            found = [execution for execution in self._running if execution.run == run]
        return [execution for execution in found if not tasks or execution.task in tasks]

    def cancel(self, executions: Iterable[Execution]) -> list[Execution]:
        """Cancel executions: their async code is cancelled, and what their sync code still says is dropped.

        Returns those that still ran and were not cancelled before.
        """
        cancelled = []
        for execution in executions:
            with self._lock:
                if execution not in self._running or execution.cancelled:
                    continue
                cancel = self._running[execution]
            self._outbox.cancel(execution)
            cancelled.append(execution)
            if execution.calls is not None:
                execution.calls.abandon()
            if cancel is not None:
                cancel()
        return cancelled

    def wait_for(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `ready` is true, which is asked when a task ends or lends its slot, or the time is over.

        Returns what it says.
        """
        with self._lock:
            return self._freed.wait_for(ready, timeout_s)

    def wait_until_empty(self, timeout_s: float, given_up: Callable[[], bool]) -> bool:
        """Wait until nothing runs, the time is over, or `given_up` is true at a `wake`. Whether nothing runs."""
        with self._lock:
            self._freed.wait_for(lambda: not self._running or given_up(), timeout_s)
            return not self._running

    def wake(self) -> None:
        """Make whoever waits look again."""
        with self._lock:
            self._freed.notify_all()
