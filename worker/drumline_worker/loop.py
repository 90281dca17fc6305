"""An event loop on a thread of its own: async nodes run there when their caller is not async."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger("drumline.worker")

#: level of the shared loop on which the calling code runs, or from which it was started
_level: ContextVar[int] = ContextVar("drumline_loop_level", default=0)


class LoopThread:
    """A running event loop that any thread may hand coroutines to. Daemonic: it never keeps a process alive.

    It serves many nodes, so no node may end it: it goes on after a `loop.stop()`, and after a SystemExit or
    KeyboardInterrupt of a task or callback. If it cannot (its selector broke), whoever waits for it gets a
    RuntimeError, and `on_death` is called with the reason.
    """

    def __init__(
        self, name: str = "drumline-loop", level: int = 0, on_death: Callable[[BaseException], None] | None = None
    ) -> None:
        self._name = name
        self._level = level
        self._on_death = on_death
        self._closing = False
        self._lock = threading.Lock()
        #: of coroutines that have not ended; None: the loop is dead
        self._waiting: set[Future[Any]] | None = set()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        reason: BaseException | None = None
        try:
            while not self._closing:
                self._turn()
        except BaseException as error:
            reason = error
        self._bury(reason)

    def _turn(self) -> None:
        try:
            self.loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:  # asyncio lets these two through
            log.warning("a task or callback of a node raised %s on the event loop, which goes on", type(error).__name__)

    def _bury(self, reason: BaseException | None) -> None:
        """The loop has ended: whoever waits for it gets an error."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        told = RuntimeError(f"event loop {self._name!r} has ended" + (f": {reason!r}" if reason is not None else ""))
        for future in list(waiting or ()):  # a copy: each one that ends leaves the set
            with suppress(InvalidStateError):  # it ended, or was cancelled, just now
                future.set_exception(told)
        if reason is not None and self._on_death is not None:
            told.__cause__ = reason
            self._on_death(told)

    @property
    def is_current(self) -> bool:
        """Whether the calling code runs on this loop, so that it must not wait for it."""
        return threading.current_thread() is self._thread

    @property
    def is_alive(self) -> bool:
        """Whether it takes coroutines and runs them."""
        return self._waiting is not None and self._thread.is_alive() and not self.loop.is_closed()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine as a task of the loop, with the caller's context; cancelling the future cancels the task.

        The future ends in any case. RuntimeError if the loop is dead.
        """
        context = copy_context()
        context.run(_level.set, self._level)
        with self._lock:
            if self._waiting is None:
                coroutine.close()
                raise RuntimeError(f"event loop {self._name!r} has ended")
            try:
                future: Future[T] = context.run(asyncio.run_coroutine_threadsafe, coroutine, self.loop)
            except RuntimeError:  # somebody else has closed the loop, and `_bury` has not run yet
                coroutine.close()
                raise
            self._waiting.add(future)
            forget = self._waiting.discard
        future.add_done_callback(forget)
        return future

    def close(self) -> None:
        """Stop the loop and wait for its thread. Tasks that still run are dropped."""
        self._closing = True
        with suppress(RuntimeError):  # it is closed already
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


_shared: list[LoopThread] = []
_lock = threading.Lock()


def shared_loop() -> LoopThread:
    """The background loop of this process, started when first needed, and anew when it has died.

    Code that runs on it and blocks it by a sync call of a graph gets a second loop for that graph's async nodes, and so
    on. A loop only waits for loops of a higher level, so two loops never wait for each other.
    """
    level = _level.get()
    with _lock:
        if level < len(_shared) and _shared[level].is_current:
            level += 1
        while len(_shared) <= level:
            _shared.append(LoopThread(f"drumline-loop-{len(_shared)}", len(_shared)))
        if not _shared[level].is_alive:
            _shared[level] = LoopThread(f"drumline-loop-{level}", level)
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
