"""A task that is suspected of killing its workers runs alone: its worker takes nothing else while it waits or runs.

Both times are bounded. A node that runs here may wait for the suspect, if it called the graph that the suspect is a
task of. And the suspect may wait for a task that the worker does not take.
"""

from __future__ import annotations

from drumline_protocol.messages import TaskMessage
from drumline_worker.outbox import Execution
from drumline_worker.table import Table

Taken = tuple[Execution, TaskMessage]

#: After so many looks (each as long as one take) a suspect begins, also beside tasks that still run.
WAIT_LOOKS_MAX = 20
#: After so many looks other tasks are taken, also beside a suspect that still runs.
HOLD_LOOKS_MAX = 20


class Suspects:
    """The one suspect that a worker has in hand. Used by the thread that takes."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._waiting: Taken | None = None
        self._running: Execution | None = None
        self._looks = 0

    @property
    def in_hand(self) -> bool:
        """Whether the worker must take nothing else now."""
        return self._waiting is not None or self._running is not None

    def admit(self, taken: Taken) -> bool:
        """Keep a suspect until it may begin. False if there is one: nobody could tell which of two is guilty."""
        if self.in_hand:
            return False
        self._waiting, self._looks = taken, 0
        return True

    def look(self, timeout_s: float) -> Taken | None:
        """Wait until something is due, or the time is over. Returns the suspect when it must begin."""
        if self._waiting is not None:
            alone = self._table.wait_for(lambda: len(self._table) <= 1, timeout_s)
            if alone or self._is_late(WAIT_LOOKS_MAX):
                taken, self._waiting, self._looks = self._waiting, None, 0
                self._running = taken[0]
                return taken
        elif self._running is not None:
            running = self._running
            over = self._table.wait_for(lambda: running not in self._table, timeout_s)
            if over or self._is_late(HOLD_LOOKS_MAX):
                self._running, self._looks = None, 0
        return None

    def give_up(self) -> Taken | None:
        """The suspect that has not begun, if there is one: another worker must get it."""
        taken, self._waiting = self._waiting, None
        return taken

    def _is_late(self, looks_max: int) -> bool:
        self._looks += 1
        return self._looks >= looks_max
