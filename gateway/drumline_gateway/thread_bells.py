"""Who waits for something new on a thread hears of it: a bell for each thread that somebody watches.

A gateway rings for the runs that it starts itself. What others start is found by one look, at a steady interval, at
which threads have changed last: one read for each partition in which somebody waits, however many wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

log = logging.getLogger("drumline.gateway")

#: how long what others have begun may stay unnoticed
LOOK_S = 0.5
#: ends of runs that are remembered
TOLD_MAX = 2000

#: takes the threads that are watched; returns when those of them that may have changed did so last, in ms
Look = Callable[[Collection[str]], dict[str, int]]


class ThreadBell:
    """What one reader of a thread waits by. Usable as a context: at its end nobody waits any more."""

    def __init__(self, bells: ThreadBells, thread: str) -> None:
        self.thread = thread
        self._bells = bells
        self._rung = asyncio.Event()

    def __enter__(self) -> ThreadBell:
        self._bells.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._bells.discard(self)

    def ring(self) -> None:
        """Something may be new."""
        self._rung.set()

    def tell_end(self, run_id: str) -> None:
        """Its reader is told that this run has ended."""
        self._bells.told[run_id] = None
        while len(self._bells.told) > TOLD_MAX:
            self._bells.told.pop(next(iter(self._bells.told)))

    def told_end(self, run_id: str) -> bool:
        """Whether a reader of this gateway was told that this run has ended."""
        return run_id in self._bells.told

    async def wait(self) -> None:
        """Returns when something may be new since this was called last."""
        await self._rung.wait()
        self._rung.clear()


class ThreadBells:
    """The bells of one gateway. For one event loop.

    `look` is called in another thread, and only while somebody waits. None: all that happens rings by itself.
    """

    def __init__(self, look: Look | None = None, look_s: float = LOOK_S) -> None:
        self._look = look
        self._look_s = look_s
        self._bells: dict[str, set[ThreadBell]] = {}
        self._changed: dict[str, int] = {}
        self._looking: asyncio.Task[None] | None = None
        #: runs whose ends readers were told, the last of them
        self.told: dict[str, None] = {}

    def bell(self, thread: str) -> ThreadBell:
        """A bell for who reads that thread."""
        return ThreadBell(self, thread)

    def ring(self, thread: str) -> None:
        """Something may be new on that thread."""
        for bell in self._bells.get(thread, ()):
            bell.ring()

    def add(self, bell: ThreadBell) -> None:
        """Somebody begins to wait."""
        self._bells.setdefault(bell.thread, set()).add(bell)
        if self._look is not None and self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._watch(self._look))

    def discard(self, bell: ThreadBell) -> None:
        """Somebody waits no more."""
        others = self._bells.get(bell.thread, set())
        others.discard(bell)
        if not others:
            self._bells.pop(bell.thread, None)
            self._changed.pop(bell.thread, None)

    async def aclose(self) -> None:
        """Nobody looks any more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _watch(self, look: Look) -> None:
        try:
            while self._bells:
                try:
                    found = await asyncio.to_thread(look, list(self._bells))
                except Exception as error:  # the broker is away: the readers of runs tell that
                    log.debug("which threads have changed is not known: %s", error)
                else:
                    for thread in list(self._bells):
                        self._note(thread, found.get(thread))
                await asyncio.sleep(self._look_s)
        finally:
            self._looking = None

    def _note(self, thread: str, changed_ms: int | None) -> None:
        """A thread that was not looked at before rings too: whoever waits may have looked before it changed."""
        known = self._changed.get(thread)
        if known is None or (changed_ms is not None and changed_ms != known):
            self._changed[thread] = changed_ms or 0
            self.ring(thread)
