"""What a loop has to say of lasting trouble: each kind once, then a summary now and again. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

#: A trouble that lasts is told of again after this long.
TELL_EVERY_S = 10.0
#: A trouble of which nothing was heard for this long is over: when it comes back it is told of at once.
FORGET_S = 60.0
#: Kinds that are remembered; with more than that the oldest is told of anew.
KINDS_MAX = 1000


@dataclass(slots=True)
class _Kind:
    since_s: float
    told_s: float
    heard_s: float
    untold: int = 0


class Troubles:
    """For one thread. A kind is named by whoever tells of it: all that would be news belongs into its name."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def tell(self, kind: str, text: str, *, level: int = logging.WARNING, error: BaseException | None = None) -> None:
        """Log `text` if the kind is new (with the traceback of `error`), or if it was not told of for a while."""
        now = self._clock()
        known = self._kinds.get(kind)
        if known is None or now - known.heard_s > FORGET_S:
            self._kinds.pop(kind, None)
            self._kinds[kind] = _Kind(now, now, now)
            if len(self._kinds) > KINDS_MAX:
                del self._kinds[next(iter(self._kinds))]
            self._log.log(level, "%s", text, exc_info=error)
            return
        known.heard_s = now
        known.untold += 1
        if now - known.told_s >= TELL_EVERY_S:
            self._log.log(level, "%s (%d times more, since %.0f s)", text, known.untold, now - known.since_s)
            known.told_s, known.untold = now, 0
