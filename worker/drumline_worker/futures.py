"""Futures of called `@task`s: what the code of a task is handed for a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class TaskFuture(Future[T]):
    """The result of a `@task` that sync code has called. Async code may await it too."""

    #: of a simulated worker: told for what its code begins to wait, and of the end (None)
    waiter: Callable[[Future[Any] | None], None] | None = None

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result. Raises what the task has raised."""
        if self.waiter is None or self.done():
            return super().result(timeout)
        self.waiter(self)
        try:
            return super().result(timeout)
        finally:
            self.waiter(None)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end, and give what the task has raised."""
        if self.waiter is not None and not self.done():
            with suppress(BaseException):
                self.result(timeout)
        return super().exception(timeout)

    def __await__(self) -> Any:
        return asyncio.wrap_future(self).__await__()


class AsyncTaskFuture(asyncio.Future[T]):
    """The result of a `@task` that async code has called. Cancelling it cancels the task, as in LangGraph.

    A `TaskFuture` that is cancelled is let go, and its task runs to its end: there too.
    """

    #: is told, at once, that the code has cancelled it: alone, or with the coroutine that waits for it
    on_cancel: Callable[[], None] | None = None

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the call. False if it has ended."""
        is_cancelled = super().cancel(msg)
        if is_cancelled and self.on_cancel is not None:
            self.on_cancel()
        return is_cancelled


def future_here(on_cancel: Callable[[], None]) -> Any:
    """A future for the calling code: asyncio's on a running loop, else a `TaskFuture`."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return TaskFuture()
    future: AsyncTaskFuture[Any] = AsyncTaskFuture(loop=loop)
    future.on_cancel = on_cancel
    return future


def give(future: Any, result: Any, error: BaseException | None) -> None:
    """Give a future its result, or its error, from any thread."""
    if not isinstance(future, asyncio.Future):
        _resolve(future, result, error)
    elif not future.get_loop().is_closed():
        future.get_loop().call_soon_threadsafe(_resolve, future, result, error)


def leave(future: Any) -> None:
    """Nobody will give a future anything: whoever waits is told, from any thread."""
    if not isinstance(future, asyncio.Future):
        future.cancel()
    elif not future.get_loop().is_closed():
        future.get_loop().call_soon_threadsafe(future.cancel)


def _resolve(future: Any, result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
