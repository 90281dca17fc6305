"""Time limits of one try of a node: how long it may take, and how long it may be silent.

Async code is cancelled. No thread can be: sync code whose limit says `sync=True` is left behind, and whatever it says
from then on is left out.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal, TypeVar

from drumline_graph.errors import NodeTimeoutError
from drumline_graph.types import TimeoutPolicy

T = TypeVar("T")


class TimeLimit:
    """The limits of one try. Its clock starts with `start`."""

    def __init__(self, node: str, policy: TimeoutPolicy) -> None:
        self._node = node
        self._run_s = _seconds(policy.run_timeout)
        self._idle_s = _seconds(policy.idle_timeout)
        self.hears_all = self._idle_s is not None and policy.refresh_on == "auto"
        self._lock = threading.Lock()
        self._is_over = False
        self._began = self._last = 0.0

    @property
    def heartbeat(self) -> Callable[[], None] | None:
        """What `runtime.heartbeat()` does; None without a limit of silence."""
        return None if self._idle_s is None else self.touch

    def touch(self) -> None:
        """A sign of life. Any thread may give it."""
        self._last = time.monotonic()

    def guarded(self, emit: Callable[..., None]) -> Callable[..., None]:
        """`emit`, which gives a sign of life, and does nothing once the time is up."""

        def guarded(*event: Any) -> None:
            with self._lock:  # nothing may get out behind the answer that says that the time was up
                if self._is_over:
                    return
                if self.hears_all:
                    self._last = time.monotonic()
                emit(*event)

        return guarded

    def _start(self) -> None:
        self._began = self._last = time.monotonic()

    def _rest(self) -> tuple[float, Literal["run", "idle"]]:
        """Seconds until the first limit is reached, and which one that is."""
        now = time.monotonic()
        run = float("inf") if self._run_s is None else self._began + self._run_s - now
        idle = float("inf") if self._idle_s is None else self._last + self._idle_s - now
        return (run, "run") if run <= idle else (idle, "idle")

    def _end(self) -> None:
        with self._lock:
            self._is_over = True

    def _error(self, kind: Literal["run", "idle"]) -> NodeTimeoutError:
        elapsed = time.monotonic() - self._began
        return NodeTimeoutError(self._node, elapsed, kind=kind, idle_timeout=self._idle_s, run_timeout=self._run_s)

    async def over(self, body: Coroutine[Any, Any, T]) -> T:
        """What `body` returns, on the running loop. NodeTimeoutError if it takes too long: then it is cancelled, and
        nobody waits for what it makes of that.
        """
        self._start()
        task = asyncio.get_running_loop().create_task(body)
        try:
            while True:
                rest, kind = self._rest()
                if rest <= 0 and not task.done():
                    raise self._error(kind)
                done, _ = await asyncio.wait((task,), timeout=min(rest, _WAIT_MAX_S))
                if done:
                    return task.result()
        except BaseException:
            self._end()
            task.cancel()
            task.add_done_callback(_look_at)
            raise

    def over_thread(self, body: Callable[[], T]) -> T:
        """What `body` returns, in a thread of its own. NodeTimeoutError if it takes too long: the thread goes on."""
        self._start()
        found: list[Callable[[], T]] = []
        ended = threading.Event()

        def run() -> None:
            try:
                result = body()
                found.append(lambda: result)
            except BaseException as raised:
                error = raised
                found.append(lambda: _raise(error))
            ended.set()

        threading.Thread(target=run, name=f"drumline-limited-{self._node}", daemon=True).start()
        while not ended.is_set():
            rest, kind = self._rest()
            if rest <= 0:
                self._end()
                raise self._error(kind)
            ended.wait(min(rest, _WAIT_MAX_S))
        return found[0]()


#: the longest that one wait may last: locks know no infinity
_WAIT_MAX_S = 3600.0


def _seconds(given: float | timedelta | None) -> float | None:
    return given.total_seconds() if isinstance(given, timedelta) else given


def _look_at(task: asyncio.Task[Any]) -> None:
    """An abandoned task's exception is nobody's: asyncio shall not tell of it."""
    with suppress(asyncio.CancelledError):
        task.exception()


def _raise(error: BaseException) -> Any:
    raise error
