"""A task that is suspected of killing its workers runs alone: nothing else is taken while it waits or runs.

Both times are bounded. What runs here may wait for the suspect (a node that called the graph whose task it is), and a
suspect may wait for what is not taken.
"""

from __future__ import annotations

from drumline_protocol.messages import TaskMessage
from drumline_worker.outbox import Slot
from drumline_worker.table import Table

Taken = tuple[Slot, TaskMessage]

#: looks (of the length of one take) until a suspect begins beside what still runs
WAIT_LOOKS_MAX = 20
#: looks until others are taken beside a suspect that still runs
HOLD_LOOKS_MAX = 20


class Suspects:
    """The one suspect that a worker has in hand. For the thread that takes."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._waiting: Taken | None = None
        self._running: Slot | None = None
        self._looks = 0

    @property
    def in_hand(self) -> bool:
        """Whether nothing is to be taken now."""
        return self._waiting is not None or self._running is not None

    def admit(self, taken: Taken) -> bool:
        """Keep a suspect until it may begin. False if there is one already: two could not be told apart."""
        if self.in_hand:
            return False
        self._waiting, self._looks = taken, 0
        return True

    def look(self, timeout_s: float) -> Taken | None:
        """Wait until something is due, or the time is over. The suspect, when it is to begin."""
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
        """The suspect that has not begun, for somebody else."""
        taken, self._waiting = self._waiting, None
        return taken

    def _is_late(self, looks_max: int) -> bool:
        self._looks += 1
        return self._looks >= looks_max
