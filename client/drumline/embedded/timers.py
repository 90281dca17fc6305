"""Tasks of an embedded run that wait for their next try."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable

from drumline_protocol.messages import TimerDue


class Timers:
    """When which attempt of a task is due. The clock is that of Unix time."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._heap: list[tuple[float, str, int]] = []

    def add(self, timers: Iterable[tuple[float, str, int]]) -> None:
        """Tasks that wait from now on, as `Effects.timers` has them."""
        for timer in timers:
            heapq.heappush(self._heap, timer)

    @property
    def waiting(self) -> bool:
        """Whether a task waits."""
        return bool(self._heap)

    def rest(self) -> float:
        """Seconds until the first one is due."""
        return max(0.0, self._heap[0][0] / 1000 - time.time())

    def due(self, *, slept: bool = False) -> TimerDue | None:
        """The first one, if its time has come, or if the caller has slept until then."""
        if not self._heap or (not slept and self.rest() > 0):
            return None
        _, task, attempt = heapq.heappop(self._heap)
        return TimerDue(self._run, task, attempt)
