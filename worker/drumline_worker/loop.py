"""An event loop on a thread of its own: async nodes run there when their caller is not async."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

#: level of the shared loop that the calling code runs on, or was started from
_level: ContextVar[int] = ContextVar("drumline_loop_level", default=0)


class LoopThread:
    """A running event loop that any thread may hand coroutines to. Daemonic: it never keeps a process alive."""

    def __init__(self, name: str = "drumline-loop", level: int = 0) -> None:
        self._level = level
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    @property
    def is_current(self) -> bool:
        """Whether the calling code runs on this loop, so that it must not wait for it."""
        return threading.current_thread() is self._thread

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine as a task of the loop, with the caller's context; cancelling the future cancels the task."""
        context = copy_context()
        context.run(_level.set, self._level)
        return context.run(asyncio.run_coroutine_threadsafe, coroutine, self.loop)

    def close(self) -> None:
        """Stop the loop and wait for its thread. Tasks that still run are dropped."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


_shared: list[LoopThread] = []
_lock = threading.Lock()


def shared_loop() -> LoopThread:
    """The background loop of this process, started when first needed.

    Code that runs on it, and blocks it by a sync call of a graph, gets a second one for that graph's async nodes (and
    so on): a loop only ever waits for loops of a higher level, so they cannot wait for each other.
    """
    level = _level.get()
    with _lock:
        if level < len(_shared) and _shared[level].is_current:
            level += 1
        while len(_shared) <= level:
            _shared.append(LoopThread(f"drumline-loop-{len(_shared)}", len(_shared)))
        return _shared[level]


#: loops of a parent process: their threads do not run here, and closing one would touch what it shares with the parent
_inherited: list[LoopThread] = []


def _after_fork() -> None:
    """In the child of a fork: no loop runs here, and nobody holds the lock."""
    global _lock
    _inherited.extend(_shared)
    _shared.clear()
    _lock = threading.Lock()
    _level.set(0)


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)
