"""Drivers of `drumline_coordinator.loading`, sync and async."""

from __future__ import annotations

from typing import Any

from drumline_coordinator.loading import Loading, Read, load, open_tasks, program_at, state_of, tasks_of
from drumline_protocol.checkpoints import Saved

__all__ = [
    "Loading",
    "Read",
    "arun_loading",
    "load",
    "open_tasks",
    "program_at",
    "run_loading",
    "state_of",
    "tasks_of",
]


def run_loading(loading: Loading, read: Any) -> dict[str, Saved]:
    """Read what `loading` asks for by `read(ns, checkpoint)`."""
    answer: Any = None
    try:
        while True:
            asked = loading.send(answer)
            answer = read(asked.ns, asked.checkpoint)
    except StopIteration as stop:
        result: dict[str, Saved] = stop.value
        return result


async def arun_loading(loading: Loading, read: Any) -> dict[str, Saved]:
    """The same with an async `read`."""
    answer: Any = None
    try:
        while True:
            asked = loading.send(answer)
            answer = await read(asked.ns, asked.checkpoint)
    except StopIteration as stop:
        result: dict[str, Saved] = stop.value
        return result
