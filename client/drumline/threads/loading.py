"""Drivers of `drumline_coordinator.loading`, sync and async."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, TypeVar

from drumline_coordinator.loading import Loading, Read, load, open_tasks, program_at, state_of, tasks_of
from drumline_protocol.checkpoints import Saved

if TYPE_CHECKING:
    from drumline.threads.store import Threads

__all__ = [
    "Loading",
    "Read",
    "aread",
    "arun_loading",
    "load",
    "open_tasks",
    "program_at",
    "read",
    "run_loading",
    "state_of",
    "tasks_of",
]

T = TypeVar("T")

# -- who reads -------------------------------------------------------------------------------------


def run_loading(loading: Generator[Read, Saved | None, T], reads: Callable[[Read], Saved | None]) -> T:
    """Read what `loading` asks for, and give what it makes of that."""
    answer: Saved | None = None
    try:
        while True:
            answer = reads(loading.send(answer))
    except StopIteration as stop:
        result: T = stop.value
        return result


async def arun_loading(
    loading: Generator[Read, Saved | None, T], reads: Callable[[Read], Awaitable[Saved | None]]
) -> T:
    """The same with an async `reads`."""
    answer: Saved | None = None
    try:
        while True:
            answer = await reads(loading.send(answer))
    except StopIteration as stop:
        result: T = stop.value
        return result


def read(store: Threads, thread: str, asked: Read) -> Saved | None:
    """Read a checkpoint of a thread in a store."""
    if asked.before:
        return next(store.history(thread, asked.ns, before=asked.before, limit=1), None)
    return store.get(thread, asked.ns, asked.checkpoint)


async def aread(store: Threads, thread: str, asked: Read) -> Saved | None:
    """The twin of `read`."""
    if asked.before:
        async for saved in store.ahistory(thread, asked.ns, before=asked.before, limit=1):
            return saved
        return None
    return await store.aget(thread, asked.ns, asked.checkpoint)
