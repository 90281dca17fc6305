"""How long a loop that failed waits before its next attempt, and how often it logs the failure.

Every loop that tries the broker again uses one `Pause`. Its pauses grow, with jitter, so that many processes that lost
one server do not all come back in the same millisecond. It logs one line at first, then a summary now and again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from redis.backoff import EqualJitterBackoff

#: First and longest pause (before jitter, which takes up to half of it away).
FIRST_S, LONGEST_S = 0.02, 1.0
#: How often a loop that keeps failing says so.
TELL_EVERY_S = 10.0

#: Doublings after which the longest pause is reached in any case.
_DOUBLINGS_MAX = 16


class Pause:
    """The pauses of one loop, for one thread at a time.

    `wait` after each failure, `reset` when it went well again, `warn` to tell of the failure.
    """

    __slots__ = ("_backoff", "_clock", "_failures", "_told", "_untold")

    def __init__(
        self,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backoff = EqualJitterBackoff(cap=longest_s, base=first_s)
        self._clock = clock
        self._failures = 0
        #: when the last line was logged; never, at first
        self._told: float | None = None
        self._untold = 0

    def seconds(self) -> float:
        """Count one failure. Returns how long to wait before the next attempt."""
        pause = self._backoff.compute(min(self._failures, _DOUBLINGS_MAX))
        self._failures += 1
        return pause

    def wait(self, event: threading.Event | None = None, most_s: float = LONGEST_S) -> bool:
        """Count one failure and wait, at most `most_s`. True as soon as `event` is set: stop trying then."""
        pause = max(0.0, min(self.seconds(), most_s))
        if event is not None:
            return event.wait(pause)
        time.sleep(pause)
        return False

    def reset(self) -> None:
        """An attempt went well, so the next failure counts as the first. What was logged lately is remembered."""
        self._failures = 0

    def warn(self, log: logging.Logger, text: str) -> None:
        """Log a failure: at once if nothing was logged for `TELL_EVERY_S`, else as part of the next summary."""
        now = self._clock()
        if self._told is not None and now - self._told < TELL_EVERY_S:
            self._untold += 1
            return
        if self._untold:
            span = now - (self._told or now)
            log.warning("%s (still waiting: %d times more in %.0f s)", text, self._untold, span)
        else:
            log.warning("%s", text)
        self._told, self._untold = now, 0
