"""The time by which a cluster's rows are stamped: Redis TIME, whatever the clock of this host says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

#: how long nobody asks for Redis TIME at most, while somebody wants to know it
_ASK_AGAIN_S = 15.0


class BrokerClock:
    """Redis TIME, told by a clock of this process that never jumps. `ask` gets it from the broker, in milliseconds."""

    def __init__(self, ask: Callable[[], float]) -> None:
        self._ask = ask
        self._lock = asyncio.Lock()
        self._ahead_ms = 0.0
        self._asked_s: float | None = None

    async def now_ms(self) -> float:
        """The time now. NoBroker."""
        async with self._lock:
            if self._asked_s is None or time.monotonic() - self._asked_s > _ASK_AGAIN_S:
                self._ahead_ms = await asyncio.to_thread(self._ask) - time.monotonic() * 1000
                self._asked_s = time.monotonic()
        return time.monotonic() * 1000 + self._ahead_ms
